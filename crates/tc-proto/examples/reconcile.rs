//! Keeps the classes of a device as they are wanted, asynchronously: brings it there, and puts right
//! what others change. Nothing is sent that changes nothing, so the kernel and who listens stay quiet.
//!
//! `cargo run --features rtnetlink --example reconcile -- DEV CLASS=RATE...`, such as `reconcile eth0
//! 10=5mbit 20=1mbit`: two classes of htb with fq_codel inside; the first is for what belongs nowhere.

use std::error::Error;

use futures_util::{FutureExt, TryStreamExt};
use tc_proto::client;
use tc_proto::msg::{AnyReply, Change, ClassList, ClassRequest, QdiscRequest};
use tc_proto::qdisc::{FqCodel, Htb, HtbClass, HtbInit};
use tc_proto::rtnetlink::{TcHandle, changes, new_connection};
use tc_proto::units::Rate;
use tc_proto::{Handle, Options};

/// What a device shall look like.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Index of the device.
    pub ifindex: i32,
    /// Minor number and rate of each class; the first takes what belongs nowhere.
    pub classes: Vec<(u16, Rate)>,
    /// The qdisc inside of each class, such as fq_codel.
    pub inner: Options<'static>,
}

/// Brings the device there; gives the number of changes that it took.
pub async fn reconcile(tc: &TcHandle, wanted: &Wanted) -> Result<usize, client::Error> {
    let ifindex = wanted.ifindex;
    let default_class = wanted.classes.first().map_or(0, |(minor, _)| (*minor).into());
    let init = HtbInit { default_class, ..HtbInit::default() };
    let htb = Htb { init: Some(init), ..Htb::default() };
    let root = QdiscRequest::root(ifindex).handle(Handle::new(1, 0)).with(&htb)?;
    let mut changes = 0;

    // htb takes no other default class once it is there: then a new one is made.
    let is_so = |found: &Htb| found.init.is_some_and(|init| init.default_class == default_class);
    let found = tc.find(&root).await?.and_then(|found| found.decode::<Htb>());
    if !matches!(found, Some(Ok(found)) if is_so(&found)) {
        changes += usize::from(tc.ensure_absent(&QdiscRequest::root(ifindex)).await?.changed);
        tc.add(&root).await?;
        changes += 1;
    }

    for class in &tc.list(&ClassList::on(ifindex)).await? {
        let id = class.classid();
        // Qdiscs below have classes of their own, such as the flows of fq_codel.
        let ours = id.major() == 1 && class.kind() == "htb";
        if ours && !wanted.classes.iter().any(|(minor, _)| *minor == id.minor()) {
            tc.delete(&ClassRequest::new(ifindex, id)).await?;
            changes += 1;
        }
    }
    for (minor, rate) in &wanted.classes {
        let id = Handle::new(1, *minor);
        let class = ClassRequest::new(ifindex, id).with(&HtbClass::with_rates(*rate, *rate))?;
        let ensured = tc.ensure(&class, |found| {
            let found = found.decode::<HtbClass>();
            found.is_some_and(|c| c.is_ok_and(|c| c.rate() == *rate && c.ceil() == *rate))
        });
        changes += usize::from(ensured.await?.changed);
        let leaf = QdiscRequest::at(ifindex, id).handle(Handle::new(*minor, 0));
        let ensured = tc
            .ensure(&QdiscRequest { options: Some(wanted.inner.clone()), ..leaf }, |_| true)
            .await?;
        changes += usize::from(ensured.changed);
    }
    Ok(changes)
}

/// Whether a change is about the device, or may be.
pub fn concerns(change: &Change, ifindex: i32) -> bool {
    match change {
        Change::New(object) | Change::Deleted(object) => match object {
            AnyReply::Qdisc(qdisc) => qdisc.ifindex() == ifindex,
            AnyReply::Class(class) => class.ifindex() == ifindex,
            _ => false,
        },
        // Something was missed.
        _ => true,
    }
}

/// Whether an error is what comes of others who change something at the same time, or may be.
fn may_be_others(error: &client::Error) -> bool {
    error.is_not_found() || error.is_exists() || matches!(error, client::Error::Changing)
}

/// Keeps it so, telling how many changes it took each time that it took some.
pub async fn keep(
    tc: &TcHandle,
    wanted: &Wanted,
    mut tell: impl FnMut(usize),
) -> Result<(), client::Error> {
    // Subscribed before looking, so that nothing is missed in between.
    let mut heard = changes()?;
    loop {
        let failed = match reconcile(tc, wanted).await {
            Ok(0) => None,
            Ok(changes) => {
                tell(changes);
                None
            }
            Err(e) if may_be_others(&e) => {
                // The runtime notices what has been received.
                tokio::task::yield_now().await;
                Some(e)
            }
            Err(e) => return Err(e),
        };
        // What it did itself is heard as well, and needs nothing any more when it is looked at.
        loop {
            let next = match &failed {
                None => heard.try_next().await?,
                // Others who were in the way have been heard by now.
                Some(_) => heard.try_next().now_or_never().transpose()?.flatten(),
            };
            match next {
                Some(change) if concerns(&change, wanted.ifindex) => break,
                Some(_) => {}
                None => return failed.map_or(Ok(()), Err),
            }
        }
    }
}

async fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [dev, classes @ ..] = args else { return Err("usage: reconcile DEV CLASS=RATE...".into()) };
    let (connection, tc) = new_connection()?;
    tokio::spawn(connection);
    let inner = Options::of(&FqCodel::default())?;
    let mut wanted = Wanted { ifindex: tc.link_index(dev).await?, classes: Vec::new(), inner };
    for class in classes {
        let (minor, rate) = class.split_once('=').ok_or("a class is CLASS=RATE")?;
        wanted.classes.push((u16::from_str_radix(minor, 16)?, Rate::parse(rate)?));
    }
    keep(&tc, &wanted, |_| {}).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(run(&args))
}
