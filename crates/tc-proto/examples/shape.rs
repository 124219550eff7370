//! Limits what a container receives and sends, at the host's end of its veth pair.
//!
//! `cargo run --features client --example shape -- VETH IFB RATE`, such as `shape veth4711 ifb0
//! 10mbit`; the device IFB is made by `ip link add ifb0 up type ifb`.
//!
//! What the container receives leaves the host by VETH, so the queues are there. What it sends
//! arrives at VETH, where nothing can queue; it is sent on through IFB, which has the queues.

use std::error::Error;

use tc_proto::Handle;
use tc_proto::action::{ActionHead, Control, Mirred, mirred::MirredAction};
use tc_proto::client::{self, Client};
use tc_proto::filter::Matchall;
use tc_proto::msg::{ActionSpec, ActionView, ClassRequest, FilterRequest, Hook, QdiscRequest};
use tc_proto::qdisc::{FqCodel, Htb, HtbClass, HtbInit};
use tc_proto::units::{Protocol, Rate};

/// The only class: everything goes there.
const CLASS: Handle = Handle::new(1, 0x10);

/// Sends nothing faster than `rate` by this device: a class of htb, with fq_codel inside so that no
/// flow waits for another one. Says whether there was something to do.
pub fn limit(client: &mut Client, ifindex: i32, rate: Rate) -> Result<bool, client::Error> {
    let init = HtbInit { default_class: CLASS.minor().into(), ..HtbInit::default() };
    let htb = Htb { init: Some(init), ..Htb::default() };
    let root = QdiscRequest::root(ifindex).handle(Handle::new(1, 0)).with(&htb)?;
    let class = ClassRequest::new(ifindex, CLASS).with(&HtbClass::with_rates(rate, rate))?;
    let leaf =
        QdiscRequest::at(ifindex, CLASS).handle(Handle::new(0x10, 0)).with(&FqCodel::default())?;

    let root = client.ensure(&root, |_| true)?.changed;
    let class = client.ensure(&class, |found| {
        found.decode::<HtbClass>().is_some_and(|c| c.is_ok_and(|c| c.rate() == rate))
    })?;
    let leaf = client.ensure(&leaf, |_| true)?;
    Ok(root | class.changed | leaf.changed)
}

/// Sends all that arrives at `from` out by `to`.
pub fn redirect(client: &mut Client, from: i32, to: i32) -> Result<bool, client::Error> {
    let mirred = Mirred {
        head: ActionHead::new(0, Control::STOLEN),
        action: MirredAction::EGRESS_REDIRECT,
        ifindex: to as u32,
        ..Mirred::default()
    };
    let actions = Some(ActionSpec::list(&[ActionSpec::of(&mirred)?])?);
    let all = Matchall { actions, ..Matchall::default() };
    let filter = FilterRequest::new(Hook::ingress(from)).prio(1).handle(1).protocol(Protocol::ALL);
    client.ensure_clsact(from)?;
    let ensured = client.ensure(&filter.with(&all)?, |found| {
        let Some(Ok(Matchall { actions: Some(actions), .. })) = found.decode() else {
            return false;
        };
        ActionView::list(actions.attrs())
            .filter_map(|action| action.options()?.decode::<Mirred>()?.ok())
            .any(|found| found.action == mirred.action && found.ifindex == mirred.ifindex)
    })?;
    Ok(ensured.changed)
}

/// Limits both directions of `veth`.
pub fn shape(
    client: &mut Client,
    veth: &str,
    ifb: &str,
    rate: Rate,
) -> Result<bool, client::Error> {
    let (veth, ifb) = (client.link_index(veth)?, client.link_index(ifb)?);
    let down = limit(client, veth, rate)?;
    let up = limit(client, ifb, rate)?;
    Ok(redirect(client, veth, ifb)? | down | up)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [veth, ifb, rate] = &args[..] else { return Err("usage: shape VETH IFB RATE".into()) };
    shape(&mut Client::open()?, veth, ifb, Rate::parse(rate)?)?;
    Ok(())
}
