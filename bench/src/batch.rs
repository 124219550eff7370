//! Many filters, one after another or as many at once as a client sends.

use std::error::Error;

use netlink_packet_route::tc::{
    TcFilterU32Option, TcHandle as TheirHandle, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};
use tc_proto::Handle;
use tc_proto::client::Client;
use tc_proto::filter::u32::{Key, Selector, SelectorFlags, U32};
use tc_proto::msg::{FilterRequest, Hook, QdiscRequest, Request, Verb};
use tc_proto::units::Protocol;

use crate::oneshot::runtime;
use crate::{Cost, Row, cost_of};

const RUNS: usize = 5;
const FILTERS: u32 = 1000;
const PRIO: u16 = 5;
const IP: u16 = 0x0800;

type Done<T> = Result<T, Box<dyn Error>>;

/// `filter add dev lo ingress pref 5 protocol ip u32 match ip src ADDRESS flowid 1:1`.
fn ours(lo: i32, address: u32) -> Done<Request<'static>> {
    let key = Key { mask: !0, value: address, at: 12, offset_mask: 0 };
    let flags = SelectorFlags::TERMINAL;
    let rule = U32 {
        classid: Some(Handle::new(1, 1)),
        selector: Some(Selector { flags, keys: vec![key], ..Selector::default() }),
        ..U32::default()
    };
    let filter = FilterRequest::new(Hook::ingress(lo)).prio(PRIO).protocol(Protocol(IP));
    Ok(filter.with(&rule)?.encode(Verb::Add)?)
}

fn theirs(address: u32) -> [TcFilterU32Option; 2] {
    let mut key = TcU32Key::default();
    (key.mask, key.val, key.off) = (!0, address.to_be(), 12);
    let mut selector = TcU32Selector::default();
    selector.flags = TcU32SelectorFlags::Terminal;
    selector.nkeys = 1;
    selector.keys = vec![key];
    let classid = TheirHandle { major: 1, minor: 1 };
    [TcFilterU32Option::ClassId(classid), TcFilterU32Option::Selector(selector)]
}

fn requests(lo: i32) -> Done<Vec<Request<'static>>> {
    (0..FILTERS).map(|address| ours(lo, address)).collect()
}

fn each(cost: Cost) -> Cost {
    let n = f64::from(FILTERS);
    Cost { ns: cost.ns / n, allocations: cost.allocations / n, bytes: cost.bytes / n }
}

pub(crate) fn rows() -> Done<Vec<Row>> {
    let runtime = runtime()?;
    let guard = runtime.enter();
    let (connection, handle, _) = rtnetlink::new_connection()?;
    runtime.spawn(connection);
    let (connection, tc) = tc_proto::rtnetlink::new_connection()?;
    runtime.spawn(connection);
    drop(guard);
    let mut client = Client::open()?;
    let mut cleaner = Client::open()?;
    let lo = client.link_index("lo")?;
    client.ensure_clsact(lo)?;
    // All of them go by one request, which is part of what each costs.
    let mut clean = || cleaner.delete(&FilterRequest::new(Hook::ingress(lo)).prio(PRIO));

    let blocking = cost_of(RUNS, 3, || {
        client.send_all(requests(lo)?).into_iter().try_for_each(|outcome| outcome.map(drop))?;
        Ok(clean()?)
    })?;
    let batch = cost_of(RUNS, 3, || {
        let requests = requests(lo)?.into_iter().map(Into::into);
        let outcomes = runtime.block_on(tc.batch(requests));
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))?;
        Ok(clean()?)
    })?;
    let their_cost = cost_of(RUNS, 3, || {
        runtime.block_on(async {
            let mut filters = handle.traffic_filter(lo);
            for address in 0..FILTERS {
                let add = filters.add().ingress().priority(PRIO).protocol(IP.to_be());
                add.u32(&theirs(address))?.execute().await?;
            }
            Ok::<(), rtnetlink::Error>(())
        })?;
        Ok(clean()?)
    })?;
    client.delete(&QdiscRequest::clsact(lo))?;
    let theirs = Some(each(their_cost));
    Ok(vec![
        Row { work: "a filter of a batch of 1,000".to_owned(), ours: each(blocking), theirs },
        Row { work: "a filter of a batch of 1,000, async".to_owned(), ours: each(batch), theirs },
    ])
}
