//! The async client of tc-proto against the kernel, beside rtnetlink and alone.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;

use futures_util::{StreamExt, TryStreamExt};
use netns_tests::{isolated, since_linux};
use rtnetlink::sys::AsyncSocket;
use tc_proto::client::{Error, Netns};
use tc_proto::filter::bpf::{Bpf, ClassicInsn, Program};
use tc_proto::msg::{
    AnyReply, Change, ClassList, ClassRequest, FilterList, FilterRequest, Hook, QdiscList,
    QdiscRequest, Verb,
};
use tc_proto::qdisc::{Htb, HtbClass, HtbInit, Pfifo};
use tc_proto::rtnetlink::new_connection_in;
use tc_proto::rtnetlink::{OwnedRequest, TcExt, TcHandle, changes, changes_in, new_connection};
use tc_proto::units::{Protocol, Psched, Rate, RateSpec, Size};
use tc_proto::{Handle, Options};

/// Runs `body` on one thread, as most tests of tokio do.
fn block_on<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(body)
}

/// A handle of ours whose connection runs.
fn own() -> TcHandle {
    let (connection, tc) = new_connection().expect("a connection");
    tokio::spawn(connection);
    tc
}

/// A handle of rtnetlink's whose connection runs, with the kernel's sentences.
fn shared() -> rtnetlink::Handle {
    let (mut connection, handle, _) = rtnetlink::new_connection().expect("a connection");
    connection.socket_mut().socket_mut().set_ext_ack(true).expect("since Linux 4.12");
    tokio::spawn(connection);
    handle
}

fn htb(ifindex: i32) -> QdiscRequest<'static> {
    let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
    QdiscRequest::root(ifindex).handle(Handle::new(1, 0)).with(&htb).expect("it fits")
}

fn class(ifindex: i32, minor: u16, bytes_per_second: u64) -> ClassRequest<'static> {
    let (rate, psched) = (Rate(bytes_per_second), Psched::CURRENT);
    let mut class = HtbClass::default();
    class.set_rate(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
    class.set_ceil(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
    ClassRequest::new(ifindex, Handle::new(1, minor)).with(&class).expect("it fits")
}

/// A classic program that returns `value`.
fn classic(hook: Hook, prio: u16, value: u32) -> FilterRequest<'static> {
    let insn = ClassicInsn { code: 6, k: value, ..ClassicInsn::default() };
    let bpf = Bpf { program: Some(Program::Classic(vec![insn])), ..Bpf::default() };
    let filter = FilterRequest::new(hook).prio(prio).protocol(Protocol::ALL).handle(1);
    filter.with(&bpf).expect("it fits")
}

/// Polls it once.
async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    futures_util::future::poll_fn(|context| {
        Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))
    })
    .await
}

/// What a request with this descriptor owns, by its entry in /proc.
fn entry(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// All that holds for both sorts of connections.
async fn objects_are_made_found_and_deleted(tc: &TcHandle, eth0: i32) {
    tc.add(&htb(eth0)).await.expect("the root is free");
    assert!(tc.add(&htb(eth0)).await.unwrap_err().is_exists());
    assert_eq!(tc.get(&htb(eth0)).await.unwrap().kind(), "htb");
    tc.add(&class(eth0, 7, 1_000_000)).await.unwrap();
    let found = tc.get(&class(eth0, 7, 0)).await.unwrap();
    assert_eq!(found.decode::<HtbClass>().unwrap().unwrap().rate(), Rate(1_000_000));
    assert!(tc.find(&class(eth0, 8, 0)).await.unwrap().is_none());
    assert!(tc.change(&class(eth0, 8, 1_000_000)).await.unwrap_err().is_not_found());
    tc.replace(&class(eth0, 8, 1_000_000)).await.unwrap();
    let fifo = QdiscRequest::at(eth0, Handle::new(1, 8)).with(&Pfifo { limit_pkts: Some(9) });
    let made = tc.create(&fifo.unwrap()).await.unwrap();
    assert!(made.handle().major() >= 0x8000, "the kernel's choice");
    assert_eq!(made.decode::<Pfifo>().unwrap().unwrap().limit_pkts, Some(9));
    let classes = tc.list(&ClassList::on(eth0)).await.unwrap();
    let mut ids: Vec<_> = classes.iter().map(|class| class.classid().minor()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [7, 8]);
    assert_eq!(tc.list(&QdiscList::on(eth0)).await.unwrap().len(), 2);
    assert_eq!(tc.link_index("eth0").await.unwrap(), eth0);
    assert!(tc.link_index("no-such-device").await.unwrap_err().is_not_found());

    let error = tc.qdisc().add(eth0).parent(Handle::new(9, 9)).kind(Pfifo::default());
    let error = error.execute().await.unwrap_err();
    let kernel = error.kernel().expect("the kernel's");
    assert_eq!(kernel.message(), Some("Failed to find specified qdisc"), "{error}");
    let options = Some(Options::bare("nosuch"));
    let unknown = QdiscRequest { options, ..QdiscRequest::root(eth0) };
    let error = tc.replace(&unknown).await.unwrap_err();
    assert!(error.is_unsupported() || error.is_not_found(), "{error:?}");

    let hook = Hook::egress(eth0);
    assert!(tc.ensure_clsact(eth0).await.unwrap().changed);
    assert!(!tc.ensure_clsact(eth0).await.unwrap().changed);
    let program = vec![ClassicInsn { code: 6, k: 3, ..ClassicInsn::default() }];
    let bpf = Bpf { program: Some(Program::Classic(program)), ..Bpf::default() };
    let add = tc.filter().add(hook).prio(4).protocol(Protocol::ALL).handle(1).kind(bpf);
    add.execute().await.unwrap();
    let filters: Vec<_> = tc.filter().get(hook).try_collect().await.unwrap();
    let [found] = &filters[..] else { panic!("{filters:?}") };
    assert_eq!((found.prio(), found.handle(), found.kind().as_ref()), (4, 1, "bpf"));
    assert!(tc.ensure_absent(&classic(hook, 4, 3)).await.unwrap().changed);
    assert!(!tc.ensure_absent(&classic(hook, 4, 3)).await.unwrap().changed);

    let batch = [8, 8, 7, 9].map(|id| class(eth0, id, 0).encode(Verb::Delete).unwrap().into());
    tc.delete(&fifo_below(eth0)).await.unwrap();
    let outcomes = tc.batch(batch).await;
    let gone: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(gone, [true, false, true, false], "{outcomes:?}");
    assert!(outcomes[1].as_ref().unwrap_err().is_not_found());
    tc.qdisc().del(eth0).root().execute().await.unwrap();
}

fn fifo_below(ifindex: i32) -> QdiscRequest<'static> {
    QdiscRequest::at(ifindex, Handle::new(1, 8))
}

#[test]
fn on_a_connection_of_its_own() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.need_bpf();
        ns.link("eth0");
        block_on(async {
            let tc = own();
            let eth0 = tc.link_index("eth0").await.unwrap();
            objects_are_made_found_and_deleted(&tc, eth0).await;
        });
    });
}

#[test]
fn beside_a_user_of_rtnetlink() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.need_bpf();
        ns.link("eth0");
        for n in 0..40 {
            ns.link(&format!("x{n}"));
        }
        block_on(async {
            let handle = shared();
            let find = handle.link().get().match_name("eth0".to_owned()).execute();
            let link = pin!(find).try_next().await.unwrap().expect("the device");
            let eth0 = link.header.index as i32;
            let theirs = async {
                for _ in 0..20 {
                    let one = handle.link().get().match_index(eth0 as u32).execute();
                    assert_eq!(one.try_collect::<Vec<_>>().await.unwrap().len(), 1);
                }
            };
            let tc = handle.tc();
            futures_util::join!(theirs, objects_are_made_found_and_deleted(&tc, eth0));
            // And lists after one another, of both.
            let links: Vec<_> = handle.link().get().execute().try_collect().await.unwrap();
            assert_eq!(links.len(), 83);
            assert!(tc.list(&QdiscList::all()).await.unwrap().len() >= 82);
        });
    });
}

#[test]
fn lists_over_one_connection_wait_for_each_other() {
    isolated(|ns| {
        for n in 0..200 {
            ns.link(&format!("x{n}"));
        }
        block_on(async {
            let tc = own();
            let ours = (0..20).map(|_| async { tc.list(&QdiscList::all()).await.unwrap().len() });
            let lens = futures_util::future::join_all(ours).await;
            assert!(lens.iter().all(|len| *len == lens[0] && *len >= 400), "{lens:?}");
            // Beside lists that somebody else reads, on a connection without turns.
            let handle = shared();
            let ours = (0..5).map(|_| async {
                let tc = handle.tc();
                tc.list(&QdiscList::all()).await.unwrap().len()
            });
            let lens = futures_util::future::join_all(ours).await;
            assert!(lens.iter().all(|len| *len == lens[0] && *len >= 400), "{lens:?}");
        });
    });
}

#[test]
fn a_list_that_nobody_waits_for_is_in_nobodys_way() {
    isolated(|ns| {
        for n in 0..200 {
            ns.link(&format!("x{n}"));
        }
        block_on(async {
            for tc in [own(), shared().tc()] {
                let whole = tc.list(&QdiscList::all()).await.unwrap().len();
                for polls in 1..5 {
                    let list = QdiscList::all();
                    let mut dropped = Box::pin(tc.list(&list));
                    for _ in 0..polls {
                        if once(&mut dropped).await.is_ready() {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                    drop(dropped);
                    assert_eq!(tc.list(&QdiscList::all()).await.unwrap().len(), whole);
                }
            }
        });
    });
}

#[test]
fn a_dropped_request_keeps_its_descriptor_until_the_answer() {
    isolated(|ns| {
        ns.link("eth0");
        block_on(async {
            let (connection, tc) = new_connection().unwrap();
            let eth0 = index_of("eth0");
            let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
            let path = entry(&null);
            let request = OwnedRequest::keeping(null, |fd| {
                let bpf = Bpf { program: Some(Program::Extended(fd)), ..Bpf::default() };
                let filter = FilterRequest::new(Hook::ingress(eth0)).prio(1);
                filter.with(&bpf)?.encode(Verb::Add)
            });
            let mut dropped = Box::pin(tc.request(request.unwrap()));
            assert!(once(&mut dropped).await.is_pending());
            drop(dropped);
            // It waits in the connection, which nobody has driven so far.
            assert!(path.exists());
            tokio::spawn(connection);
            tc.ensure_clsact(eth0).await.unwrap();
            assert!(!path.exists());
            assert!(tc.list(&FilterList::at(Hook::ingress(eth0))).await.unwrap().is_empty());
        });
    });
}

fn index_of(name: &str) -> i32 {
    let mut client = tc_proto::client::Client::open().expect("a netlink socket");
    client.link_index(name).expect("the device")
}

#[test]
fn a_request_that_nobody_sent_leaves_nothing() {
    isolated(|ns| {
        ns.link("eth0");
        block_on(async {
            let eth0 = index_of("eth0");
            let tc = own();
            drop(tc.ensure_clsact(eth0));
            let mut sent = Box::pin(tc.ensure_clsact(eth0));
            assert!(once(&mut sent).await.is_pending());
            drop(sent);
            // That one is done, in its turn.
            assert!(!tc.ensure_clsact(eth0).await.unwrap().changed);

            // Those whose connection ends fail, and do not wait for ever.
            for shared_too in [false, true] {
                let (connection, tc) = if shared_too {
                    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
                    (tokio::spawn(connection), handle.tc())
                } else {
                    let (connection, tc) = new_connection().unwrap();
                    (tokio::spawn(connection), tc)
                };
                let mut waits = Box::pin(tc.ensure_clsact(eth0));
                assert!(once(&mut waits).await.is_pending());
                connection.abort();
                assert!(matches!(waits.await, Err(Error::NoAnswer)));
                let closed = tc.ensure_clsact(eth0).await.unwrap_err();
                assert!(matches!(closed, Error::Io { op: "send", .. }), "{closed:?}");
                // Lists have a socket of their own, beside a connection of ours.
                assert_eq!(tc.list(&QdiscList::all()).await.is_ok(), !shared_too);
            }
        });
    });
}

#[test]
fn warnings_come_with_a_success() {
    isolated(|ns| {
        since_linux((6, 4), "htb's warning in an answer");
        ns.need_qdisc("htb");
        ns.link("eth0");
        block_on(async {
            let tc = own();
            let eth0 = tc.link_index("eth0").await.unwrap();
            tc.add(&htb(eth0)).await.unwrap();
            // Its quantum would be larger than is good.
            let ack = tc.add(&class(eth0, 1, 1_000_000_000)).await.unwrap();
            let warning = ack.warning.expect("a warning").message.expect("in words");
            assert!(warning.contains("quantum of class 10001 is big"), "{warning}");
        });
    });
}

#[test]
fn a_thousand_requests_at_once_have_their_own_outcomes() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.link("eth0");
        block_on(async {
            let tc = own();
            let eth0 = tc.link_index("eth0").await.unwrap();
            tc.add(&htb(eth0)).await.unwrap();
            let requests = (1..=500).flat_map(|id| [id, id]);
            let requests: Vec<OwnedRequest> = requests
                .map(|id| class(eth0, id, 1_000_000).encode(Verb::Add).unwrap().into())
                .collect();
            let outcomes = tc.batch(requests).await;
            assert_eq!(outcomes.len(), 1000);
            for (n, outcome) in outcomes.iter().enumerate() {
                match outcome {
                    Ok(_) => assert_eq!(n % 2, 0, "{n}"),
                    Err(e) => assert!(e.is_exists() && n % 2 == 1, "{n}: {e}"),
                }
            }
            let each = (1..=500).map(|id| {
                let class = class(eth0, id, 0);
                let tc = tc.clone();
                async move { tc.delete(&class).await }
            });
            let outcomes = futures_util::future::join_all(each).await;
            assert!(outcomes.iter().all(Result::is_ok));
            assert!(tc.list(&ClassList::on(eth0)).await.unwrap().is_empty());
        });
    });
}

/// More answers than the socket has room for.
#[test]
fn however_many_ask_at_once_all_are_answered() {
    isolated(|ns| {
        ns.link("eth0");
        block_on(async {
            let tc = own();
            let eth0 = tc.link_index("eth0").await.unwrap();
            let each = (0..5000).map(|_| {
                let tc = tc.clone();
                async move { tc.link_index("eth0").await }
            });
            let found = futures_util::future::join_all(each).await;
            assert!(found.iter().all(|index| index.as_ref().is_ok_and(|index| *index == eth0)));
        });
    });
}

#[test]
fn changes_come_as_a_stream() {
    isolated(|ns| {
        ns.link("eth0");
        block_on(async {
            let tc = own();
            let eth0 = tc.link_index("eth0").await.unwrap();
            let mut changes = changes().unwrap();
            tc.ensure_clsact(eth0).await.unwrap();
            tc.ensure_absent(&QdiscRequest::clsact(eth0)).await.unwrap();
            let next = changes.next().await.unwrap().unwrap();
            let Change::New(AnyReply::Qdisc(made)) = next else { panic!("{next:?}") };
            assert_eq!((made.kind().as_ref(), made.ifindex()), ("clsact", eth0));
            let next = changes.next().await.unwrap().unwrap();
            assert!(matches!(next, Change::Deleted(AnyReply::Qdisc(_))), "{next:?}");
        });
    });
}

/// More changes than the socket holds: it is said that some are missing, and the stream goes on.
#[test]
fn changes_that_were_missed_are_told() {
    isolated(|ns| {
        ns.link("eth0");
        block_on(async {
            let tc = own();
            let eth0 = tc.link_index("eth0").await.unwrap();
            let mut changes = changes().unwrap();
            let fifo = |limit_pkts| {
                let fifo = Pfifo { limit_pkts: Some(limit_pkts) };
                QdiscRequest::root(eth0).handle(Handle::new(1, 0)).with(&fifo).unwrap()
            };
            // Nobody reads meanwhile.
            let all = (1..=10_000).map(|n| fifo(n).encode(Verb::Replace).unwrap().into());
            assert!(tc.batch(all).await.into_iter().all(|outcome| outcome.is_ok()));
            let (mut last, mut lost) = (0, 0);
            // What changes once it is told that some are missing is heard.
            while last < 10_001 {
                match changes.next().await.unwrap().unwrap() {
                    Change::New(AnyReply::Qdisc(made)) => {
                        let limit = made.decode::<Pfifo>().unwrap().unwrap().limit_pkts.unwrap();
                        assert!(limit > last, "{limit} after {last}");
                        last = limit;
                    }
                    Change::Lost => {
                        lost += 1;
                        tc.replace(&fifo(10_001)).await.unwrap();
                    }
                    Change::Deleted(AnyReply::Qdisc(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(lost, 1);
        });
    });
}

#[test]
fn other_namespaces_are_reached_without_moving() {
    isolated(|ns| {
        let web = ns.host("web");
        ns.join("eth0", "10.0.0.1/24", &web, "inside", "10.0.0.2/24");
        block_on(async {
            let there = Netns::named("web").unwrap();
            let (connection, tc) = new_connection_in(&there).unwrap();
            tokio::spawn(connection);
            let mut changes = changes_in(&there).unwrap();
            let inside = tc.link_index("inside").await.unwrap();
            tc.ensure_clsact(inside).await.unwrap();
            let next = changes.next().await.unwrap().unwrap();
            assert!(matches!(next, Change::New(AnyReply::Qdisc(_))), "{next:?}");
            let qdiscs = tc.list(&QdiscList::on(inside)).await.unwrap();
            assert!(qdiscs.iter().any(|qdisc| qdisc.kind() == "clsact"));
            let here = own();
            assert!(here.link_index("inside").await.unwrap_err().is_not_found());
        });
    });
}

#[test]
fn without_a_runtime_it_is_an_error() {
    assert!(matches!(new_connection(), Err(Error::Io { op: "open", .. })));
    assert!(matches!(changes(), Err(Error::Io { op: "open", .. })));
}
