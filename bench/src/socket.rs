//! Requests and lists over a socket. The kernel's own time is in them.

use std::error::Error;

use futures_util::TryStreamExt as _;
use tc_proto::Handle;
use tc_proto::client::{self, Client};
use tc_proto::msg::{
    ClassList, ClassRequest, ListRequest as _, QdiscList, QdiscRequest, TcMessage, Verb,
};
use tc_proto::qdisc::{Htb, HtbClass, HtbInit, Pfifo};
use tc_proto::units::Rate;

use crate::{Cost, Row, cost};

const RUNS: usize = 5;
const CLASSES: u16 = 10_000;

/// The qdiscs of this namespace, which has one device.
fn qdiscs(client: &mut Client) -> Result<usize, client::Error> {
    Ok(client.dump(&QdiscList::all().encode()?)?.messages().count())
}

fn read(client: &mut Client, lo: i32) -> Result<u64, client::Error> {
    let dump = client.dump(&ClassList::on(lo).encode()?)?;
    let mut bytes = 0;
    for (_, body) in dump.messages() {
        let class = TcMessage::decode(body)?;
        bytes += class.stats().and_then(|stats| stats.basic).map_or(0, |basic| basic.bytes);
    }
    Ok(bytes)
}

fn read_typed(client: &mut Client, lo: i32) -> Result<u64, client::Error> {
    let classes = client.list(&ClassList::on(lo))?;
    Ok(classes.iter().filter_map(|class| class.stats().basic).map(|basic| basic.bytes).sum())
}

fn per(n: f64, cost: Cost) -> Cost {
    Cost { ns: cost.ns / n, allocations: cost.allocations / n, bytes: cost.bytes / n }
}

pub(crate) fn rows() -> Result<Vec<Row>, Box<dyn Error>> {
    let mut client = Client::open()?;
    let lo = client.link_index("lo")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let (connection, theirs, _) = rtnetlink::new_connection()?;
    let (our_connection, tc) = tc_proto::rtnetlink::new_connection()?;
    drop(guard);
    runtime.spawn(connection);
    runtime.spawn(our_connection);
    let their_qdiscs = || {
        runtime.block_on(async {
            let list = theirs.qdisc().get().execute();
            list.try_fold(0_usize, |n, _| async move { Ok(n + 1) }).await
        })
    };
    // The device has a qdisc, or there would be little to list.
    client.add(&QdiscRequest::root(lo).handle(Handle::new(1, 0)).with(&Pfifo::default())?)?;
    if qdiscs(&mut client)? != their_qdiscs()? {
        return Err("the two do not list the same".into());
    }
    let theirs_cost = cost(RUNS, 2000, their_qdiscs);
    let mut rows = vec![
        Row {
            work: "a list of one qdisc".to_owned(),
            ours: cost(RUNS, 2000, || qdiscs(&mut client)),
            theirs: Some(theirs_cost),
        },
        Row {
            work: "a list of one qdisc, typed and watched".to_owned(),
            ours: cost(RUNS, 2000, || client.list(&QdiscList::all())),
            theirs: Some(theirs_cost),
        },
    ];
    client.delete(&QdiscRequest::root(lo))?;

    let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
    client.add(&QdiscRequest::root(lo).handle(Handle::new(1, 0)).with(&htb)?)?;
    let class = HtbClass { quantum_bytes: 1600, ..HtbClass::with_rates(Rate(1000), Rate(1000)) };
    let add = |minor| ClassRequest::new(lo, Handle::new(1, minor)).with(&class)?.encode(Verb::Add);
    let requests = (1..=CLASSES).map(add).collect::<Result<Vec<_>, _>>()?;
    for outcome in client.send_all(requests) {
        outcome?;
    }
    let their_list = || {
        runtime.block_on(async {
            let mut handle = theirs.traffic_class(lo);
            handle.get().execute().try_fold(0_usize, |n, _| async move { Ok(n + 1) }).await
        })
    };
    let n = f64::from(CLASSES);
    let listed = cost(RUNS, 3, their_list);
    rows.push(Row {
        work: "a class of a list of 10,000, borrowed".to_owned(),
        ours: per(n, cost(RUNS, 3, || read(&mut client, lo))),
        theirs: Some(per(n, listed)),
    });
    rows.push(Row {
        work: "a class of a list of 10,000, typed and watched".to_owned(),
        ours: per(n, cost(RUNS, 3, || read_typed(&mut client, lo))),
        theirs: Some(per(n, listed)),
    });
    let list_async = || runtime.block_on(tc.list(&ClassList::on(lo)));
    rows.push(Row {
        work: "a class of a list of 10,000, async, typed and watched".to_owned(),
        ours: per(n, cost(RUNS, 3, list_async)),
        theirs: Some(per(n, listed)),
    });
    client.delete(&QdiscRequest::root(lo))?;
    Ok(rows)
}
