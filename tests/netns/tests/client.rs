//! The blocking client of tc-proto against the kernel.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::time::Duration;

use netns_tests::{isolated, since_linux};
use tc_proto::action::mirred::MirredAction;
use tc_proto::action::{ActionHead, Control, Mirred};
use tc_proto::client::{Client, Error, Monitor, Netns, Pipeline};
use tc_proto::filter::bpf::{Bpf, ClassicInsn, Program};
use tc_proto::msg::{
    ActionReply, ActionRequest, ActionSpec, AnyReply, ChainList, ChainReply, ChainRequest, Change,
    ClassList, ClassRequest, FilterList, FilterReply, FilterRequest, Hook, Info, QdiscList,
    QdiscRequest, Verb,
};
use tc_proto::qdisc::{Htb, HtbClass, HtbInit, Pfifo};
use tc_proto::units::{Psched, Rate, RateSpec, Size};
use tc_proto::{Handle, Options, units::Protocol};

/// `htb` at the root, as 1:.
fn htb(ifindex: i32) -> QdiscRequest<'static> {
    let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
    QdiscRequest::root(ifindex).handle(Handle::new(1, 0)).with(&htb).expect("it fits")
}

fn class(ifindex: i32, minor: u16) -> ClassRequest<'static> {
    let (rate, psched) = (Rate(1_000_000), Psched::CURRENT);
    let mut class = HtbClass::default();
    class.set_rate(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
    class.set_ceil(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
    ClassRequest::new(ifindex, Handle::new(1, minor)).with(&class).expect("it fits")
}

/// A classic program that returns `value`.
fn classic(hook: Hook, value: u32) -> FilterRequest<'static> {
    let insn = ClassicInsn { code: 6, k: value, ..ClassicInsn::default() };
    let bpf = Bpf { program: Some(Program::Classic(vec![insn])), ..Bpf::default() };
    let filter = FilterRequest::new(hook).prio(5).protocol(Protocol::ALL).handle(1);
    filter.with(&bpf).expect("it fits")
}

fn client() -> (Client, i32) {
    let mut client = Client::open().expect("a netlink socket");
    let eth0 = client.link_index("eth0").expect("the device");
    (client, eth0)
}

#[test]
fn objects_are_made_changed_found_and_deleted() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.link("eth0");
        let (mut client, eth0) = client();
        client.add(&htb(eth0)).expect("the root is free");
        assert!(client.add(&htb(eth0)).unwrap_err().is_exists());
        assert_eq!(client.get(&htb(eth0)).unwrap().kind(), "htb");
        client.add(&class(eth0, 7)).unwrap();
        let found = client.get(&class(eth0, 7)).unwrap();
        assert_eq!((found.classid(), found.parent()), (Handle::new(1, 7), Handle::ROOT));
        assert_eq!(found.decode::<HtbClass>().unwrap().unwrap().rate(), Rate(1_000_000));
        assert!(found.stats().basic.is_some());
        assert!(client.change(&class(eth0, 8)).unwrap_err().is_not_found());
        assert!(client.find(&class(eth0, 8)).unwrap().is_none());
        client.replace(&class(eth0, 8)).unwrap();
        let fifo = Pfifo { limit_pkts: Some(9) };
        let fifo = QdiscRequest::at(eth0, Handle::new(1, 8)).with(&fifo).unwrap();
        let made = client.create(&fifo).unwrap();
        assert!(made.handle().major() >= 0x8000, "the kernel's choice");
        let list = client.list(&ClassList::on(eth0)).unwrap();
        let leaves: Vec<_> =
            list.iter().map(|class| (class.classid().minor(), class.leaf())).collect();
        assert!(leaves.contains(&(8, Some(made.handle()))), "{leaves:?}");
        assert_eq!(client.list(&QdiscList::on(eth0)).unwrap().len(), 2);
        client.delete(&class(eth0, 7)).unwrap();
        assert!(client.delete(&class(eth0, 7)).unwrap_err().is_not_found());
        client.delete(&htb(eth0)).unwrap();
        assert!(client.delete(&htb(eth0)).unwrap_err().is_not_found());
        assert!(client.find(&QdiscRequest::root(4711)).unwrap().is_none());
    });
}

#[test]
fn a_kind_that_the_kernel_does_not_have_is_unsupported() {
    isolated(|ns| {
        ns.link("eth0");
        let (mut client, eth0) = client();
        let options = Some(Options::bare("nosuch"));
        let error = client.add(&QdiscRequest { options, ..QdiscRequest::root(eth0) }).unwrap_err();
        assert!(error.is_unsupported() && !error.is_not_found(), "{error:?}");
        client.ensure_clsact(eth0).unwrap();
        let filter = FilterRequest::new(Hook::ingress(eth0)).prio(1).protocol(Protocol::ALL);
        let error = client.add(&filter.of_kind("nosuch")).unwrap_err();
        assert!(error.is_unsupported() && !error.is_not_found(), "{error:?}");
    });
}

#[test]
fn filters_and_chains() {
    isolated(|ns| {
        ns.need_bpf();
        ns.link("eth0");
        let (mut client, eth0) = client();
        let hook = Hook::ingress(eth0);
        let filter = classic(hook, 1);
        // Nothing it could hang on.
        assert!(client.find(&filter).unwrap().is_none());
        assert!(!client.ensure_absent(&filter).unwrap().changed);
        assert!(client.add(&filter).unwrap_err().is_not_found());
        assert!(client.ensure_clsact(eth0).unwrap().changed);
        assert!(client.find(&filter).unwrap().is_none());
        assert!(!client.ensure_absent(&filter).unwrap().changed);
        let open =
            FilterRequest { handle: 0, info: Info { prio: 0, ..filter.info }, ..filter.clone() };
        let made = client.create(&open).unwrap();
        assert_eq!((made.handle(), made.prio(), made.chain()), (1, 0xc000, 0));
        assert_eq!((made.hook(), made.protocol()), (hook, Protocol::ALL));
        client.add(&filter.clone().chain(3)).unwrap();
        let list = client.list(&FilterList::at(hook)).unwrap();
        assert_eq!(list.iter().map(FilterReply::chain).collect::<Vec<_>>(), [0, 3]);
        let heads = FilterList { heads: true, ..FilterList::at(hook) };
        assert_eq!(client.list(&heads).unwrap().iter().filter(|f| f.is_head()).count(), 2);
        let one = FilterList { chain: Some(3), ..FilterList::at(hook) };
        assert_eq!(client.list(&one).unwrap().len(), 1);
        let chain = ChainRequest::new(hook, 9);
        assert!(client.find(&chain).unwrap().is_none());
        assert_eq!(client.create(&chain).unwrap().chain(), 9);
        let chains = client.list(&ChainList::at(hook)).unwrap();
        assert_eq!(chains.iter().map(ChainReply::chain).collect::<Vec<_>>(), [0, 3, 9]);
        assert!(client.ensure_absent(&chain).unwrap().changed);
        assert!(!client.ensure_absent(&chain).unwrap().changed);
        assert!(client.ensure_absent(&filter.clone().chain(3)).unwrap().changed);
    });
}

#[test]
fn ensured_things_are_left_alone() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.link("eth0");
        ns.link("eth1");
        let (mut client, eth0) = client();
        let mut monitor = Monitor::open(&[Monitor::TC]).unwrap();
        assert!(client.ensure_clsact(eth0).unwrap().changed);
        let wanted = htb(eth0);
        assert!(client.ensure(&wanted, |_| true).unwrap().changed);
        let quiet = Duration::from_millis(50);
        let seen: Vec<_> = monitor.changes(quiet).map(Result::unwrap).collect();
        assert!(
            seen.iter()
                .any(|c| matches!(c, Change::New(AnyReply::Qdisc(q)) if q.kind() == "clsact"))
        );
        for _ in 0..3 {
            assert!(!client.ensure_clsact(eth0).unwrap().changed);
            assert!(!client.ensure(&wanted, |_| true).unwrap().changed);
        }
        assert_eq!(monitor.changes(quiet).count(), 0, "nothing was asked of the kernel");
        let other = QdiscRequest { handle: Handle::new(2, 0), ..wanted };
        assert!(client.ensure(&other, |_| true).unwrap().changed, "another handle");
        ns.rtc(&["qdisc", "add", "dev", "eth1", "ingress"]).ok();
        let eth1 = client.link_index("eth1").unwrap();
        let error = client.ensure_clsact(eth1).unwrap_err();
        assert!(matches!(&error, Error::Conflict { found, .. } if found == "ingress"), "{error:?}");
        assert_eq!(error.to_string(), "clsact is wanted, and ingress stands in its place");
    });
}

#[test]
fn another_namespace_is_reached_and_the_thread_stays() {
    isolated(|ns| {
        let web = ns.host("web");
        web.link("eth0");
        assert!(Client::open().unwrap().link_index("eth0").unwrap_err().is_not_found());
        let pid = std::process::id();
        let named = Netns::named("web").unwrap();
        let by_fd =
            Netns::from(std::os::fd::OwnedFd::from(std::fs::File::open("/run/netns/web").unwrap()));
        for netns in [named, Netns::at("/run/netns/web").unwrap(), by_fd] {
            let mut client = Client::open_in(&netns).unwrap();
            let eth0 = client.link_index("eth0").unwrap();
            client.ensure_clsact(eth0).unwrap();
            // Lists are watched in the namespace of the client.
            assert_eq!(client.list(&QdiscList::on(eth0)).unwrap().len(), 2);
            let mut monitor = Monitor::open_in(&netns, &[Monitor::TC]).unwrap();
            client.delete(&QdiscRequest::clsact(eth0)).unwrap();
            let seen: Vec<_> = monitor.changes(Duration::from_millis(20)).collect();
            assert!(matches!(&seen[..], [Ok(Change::Deleted(AnyReply::Qdisc(_)))]), "{seen:?}");
        }
        let own = Netns::of_process(pid).unwrap();
        assert!(Client::open_in(&own).unwrap().link_index("eth0").unwrap_err().is_not_found());
        assert!(Client::open().unwrap().link_index("eth0").unwrap_err().is_not_found());
        assert!(Netns::named("nosuch").unwrap_err().is_not_found());
        let error = Netns::named("../netns/web").unwrap_err();
        assert!(matches!(error, Error::Netns { .. }), "{error:?}");
        let error = Netns::at("/etc/passwd").unwrap().run(|| ()).unwrap_err().to_string();
        assert!(error.contains("cannot enter the network namespace /etc/passwd"), "{error}");
    });
}

#[test]
fn a_list_is_of_the_namespace_of_its_client() {
    isolated(|ns| {
        let web = ns.host("web");
        web.link("eth0");
        let mut client = Netns::named("web").unwrap().run(Client::open).unwrap().unwrap();
        let eth0 = client.link_index("eth0").unwrap();
        client.ensure_clsact(eth0).unwrap();
        let qdiscs = client.list(&QdiscList::all()).unwrap();
        assert!(qdiscs.iter().any(|qdisc| qdisc.kind() == "clsact"), "{qdiscs:?}");
        let here = Client::open().unwrap().list(&QdiscList::all()).unwrap();
        assert!(here.iter().all(|qdisc| qdisc.kind() != "clsact"), "{here:?}");
    });
}

#[test]
fn a_batch_reports_each_outcome() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.link("eth0");
        let (mut client, eth0) = client();
        client.add(&htb(eth0)).unwrap();
        let verbs = [Verb::Add, Verb::Add, Verb::Change, Verb::Delete, Verb::Delete];
        let requests: Vec<_> = (1..=300u16)
            .flat_map(|minor| verbs.map(|verb| class(eth0, minor).encode(verb).unwrap()))
            .collect();
        let outcomes = client.send_all(requests);
        assert_eq!(outcomes.len(), 1500);
        for round in outcomes.chunks(5) {
            assert!(round[0].is_ok() && round[2].is_ok() && round[3].is_ok(), "{round:?}");
            assert!(round[1].as_ref().unwrap_err().is_exists());
            assert!(round[4].as_ref().unwrap_err().is_not_found());
        }
        let mut pipeline = Pipeline::new();
        let mut seen = Vec::new();
        let request = class(eth0, 1).encode(Verb::Add).unwrap();
        pipeline.push(&mut client, &request, |n, done| seen.push((n, done.is_ok())));
        pipeline.flush(&mut client, |n, done| seen.push((n, done.is_ok())));
        assert_eq!(seen, [(0, true)]);
    });
}

#[test]
fn warnings_are_values() {
    isolated(|ns| {
        since_linux((6, 4), "htb's warning in an answer");
        ns.need_qdisc("htb");
        ns.link("eth0");
        let (mut client, eth0) = client();
        client.add(&htb(eth0)).unwrap();
        let mut small = HtbClass::default();
        let (rate, psched) = (Rate(100), Psched::CURRENT);
        small.set_rate(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
        small.set_ceil(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
        let request = ClassRequest::new(eth0, Handle::new(1, 1)).with(&small).unwrap();
        let warning = client.add(&request).unwrap().warning.expect("a quantum this small");
        assert!(warning.message.unwrap().contains("quantum of class 10001 is small"));
    });
}

/// More changes than the socket holds: it is said that some are missing, and all that follow come.
#[test]
fn changes_that_were_missed_are_told() {
    isolated(|ns| {
        ns.link("eth0");
        let (mut client, eth0) = client();
        let mut monitor = Monitor::open(&[Monitor::TC]).unwrap();
        let fifo = |limit_pkts| {
            let fifo = Pfifo { limit_pkts: Some(limit_pkts) };
            QdiscRequest::root(eth0).handle(Handle::new(1, 0)).with(&fifo).unwrap()
        };
        let all = (1..=10_000).map(|n| fifo(n).encode(Verb::Replace).unwrap());
        client.batch(all, |n, outcome| assert!(outcome.is_ok(), "{n}"));
        let (mut last, mut lost) = (0, 0);
        for change in monitor.changes(Duration::ZERO) {
            match change.unwrap() {
                Change::New(AnyReply::Qdisc(made)) => {
                    last = made.decode::<Pfifo>().unwrap().unwrap().limit_pkts.unwrap();
                }
                Change::Lost => {
                    lost += 1;
                    client.replace(&fifo(10_001)).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!((last, lost), (10_001, 1));
    });
}

/// An action is found and deleted by the request that made it, as any other object.
#[test]
fn actions_are_made_found_and_deleted() {
    isolated(|ns| {
        ns.need_action("mirred egress mirror dev lo");
        let mut client = Client::open().unwrap();
        let mirror = |ifindex| {
            let head = ActionHead::new(7, Control::PIPE);
            let action = MirredAction::EGRESS_MIRROR;
            let mirror = Mirred { head, action, ifindex, ..Mirred::default() };
            ActionRequest::new(ActionSpec::of(&mirror).unwrap())
        };
        let one = mirror(1);
        assert!(client.find(&one).unwrap().is_none());
        client.add(&one).unwrap();
        assert!(client.add(&one).unwrap_err().is_exists());
        let found = client.get(&one).unwrap();
        let decode = |reply: &ActionReply| {
            let action = reply.actions().next().unwrap();
            action.options().unwrap().decode::<Mirred>().unwrap().unwrap()
        };
        assert_eq!((decode(&found).head.index, decode(&found).ifindex), (7, 1));
        assert!(!client.ensure(&one, |found| decode(found).ifindex == 1).unwrap().changed);
        // Those of other numbers are others.
        let other = ActionRequest::new(ActionSpec::by_index("mirred", 8));
        assert!(client.get(&other).unwrap_err().is_not_found());
        assert!(client.ensure_absent(&one).unwrap().changed);
        assert!(!client.ensure_absent(&one).unwrap().changed);
        assert!(client.ensure(&one, |_| true).unwrap().changed);
    });
}
