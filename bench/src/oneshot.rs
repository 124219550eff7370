//! One thing done from the opening of a socket to its end, and nothing else.

use std::error::Error;

use futures_util::TryStreamExt as _;
use netlink_packet_route::tc::TcHandle as TheirHandle;
use rtnetlink::LinkVeth;
use tc_proto::client::Client;
use tc_proto::msg::{ListRequest as _, QdiscList, QdiscRequest};
use tc_proto::qdisc::Ingress;
use tc_proto::{Handle, Options};
use tokio::runtime::Runtime;

use crate::{Row, cost_of};

const RUNS: usize = 5;
const COUNT: u32 = 200;
/// Pairs of devices that stand for a busy host.
const PAIRS: usize = 500;

type Done<T> = Result<T, Box<dyn Error>>;

pub(crate) fn runtime() -> Done<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_io().build()?)
}

fn ingress(lo: i32) -> Done<QdiscRequest<'static>> {
    let options = Some(Options::of(&Ingress::default())?);
    let handle = Handle::new(0xffff, 0);
    Ok(QdiscRequest { handle, options, ..QdiscRequest::at(lo, Handle::INGRESS) })
}

fn add_blocking() -> Done<()> {
    let mut client = Client::open()?;
    let ingress = ingress(client.link_index("lo")?)?;
    client.add(&ingress)?;
    client.delete(&ingress)?;
    Ok(())
}

async fn add_async() -> Done<()> {
    let (connection, tc) = tc_proto::rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let ingress = ingress(tc.link_index("lo").await?)?;
    tc.add(&ingress).await?;
    tc.delete(&ingress).await?;
    drop(tc);
    Ok(connection.await?)
}

async fn add_theirs() -> Done<()> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let links = handle.link().get().match_name("lo".to_owned()).execute();
    let lo = std::pin::pin!(links).try_next().await?.ok_or("no lo")?.header.index;
    let mut qdiscs = handle.qdisc();
    qdiscs.add(lo.try_into()?).ingress().execute().await?;
    let mut del = qdiscs.del(lo.try_into()?);
    del.message_mut().header.parent = TheirHandle::INGRESS;
    del.execute().await?;
    drop((handle, qdiscs));
    Ok(connection.await?)
}

fn list_blocking() -> Done<usize> {
    let mut client = Client::open()?;
    Ok(client.dump(&QdiscList::all().encode()?)?.messages().count())
}

async fn list_async() -> Done<usize> {
    let (connection, tc) = tc_proto::rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let listed = tc.list(&QdiscList::all()).await?.len();
    drop(tc);
    connection.await?;
    Ok(listed)
}

async fn list_theirs() -> Done<usize> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let list = handle.qdisc().get().execute();
    let listed = list.try_fold(0_usize, |n, _| async move { Ok(n + 1) }).await?;
    drop(handle);
    connection.await?;
    Ok(listed)
}

/// What it costs where it is as `place` says.
pub(crate) fn rows(place: &str) -> Done<Vec<Row>> {
    let runtime = runtime()?;
    let listed = list_blocking()?;
    if listed != runtime.block_on(list_theirs())? || listed != runtime.block_on(list_async())? {
        return Err("they do not list the same".into());
    }
    let theirs = Some(cost_of(RUNS, COUNT, || runtime.block_on(add_theirs()))?);
    let add = "open, find a device, add and delete ingress, close";
    let mut rows = vec![
        Row { work: format!("{add}{place}"), ours: cost_of(RUNS, COUNT, add_blocking)?, theirs },
        Row {
            work: format!("{add}, async{place}"),
            ours: cost_of(RUNS, COUNT, || runtime.block_on(add_async()))?,
            theirs,
        },
    ];
    // Such a list has all devices in it, whatever else it costs.
    let count = if place.is_empty() { COUNT } else { 10 };
    let theirs = Some(cost_of(RUNS, count, || runtime.block_on(list_theirs()))?);
    let list = "open, list the qdiscs, close";
    rows.push(Row {
        work: format!("{list}{place}"),
        ours: cost_of(RUNS, count, list_blocking)?,
        theirs,
    });
    rows.push(Row {
        work: format!("{list}, async, typed and watched{place}"),
        ours: cost_of(RUNS, count, || runtime.block_on(list_async()))?,
        theirs,
    });
    Ok(rows)
}

/// Makes many devices.
pub(crate) fn crowd() -> Done<()> {
    runtime()?.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        for n in 0..PAIRS {
            let pair = LinkVeth::new(&format!("crowd{n}"), &format!("crowd{n}_")).build();
            handle.link().add(pair).execute().await?;
        }
        Ok(())
    })
}
