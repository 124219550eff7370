//! The examples of tc-proto do what they say.
#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::{AbortHandle, Abortable};
use netns_tests::{Ns, isolated, object, skip_for_kernel};
use tc_proto::Options;
use tc_proto::client::{Client, Error, Monitor, Netns};
use tc_proto::msg::{AnyReply, Change, FilterList, Hook, QdiscRequest};
use tc_proto::qdisc::{FqCodel, Pfifo};
use tc_proto::rtnetlink::{changes, new_connection};
use tc_proto::units::Rate;

#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../../../crates/tc-proto/examples/attach.rs"]
mod attach;
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../../../crates/tc-proto/examples/exporter.rs"]
mod exporter;
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../../../crates/tc-proto/examples/mirror.rs"]
mod mirror;
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../../../crates/tc-proto/examples/reconcile.rs"]
mod reconcile;
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../../../crates/tc-proto/examples/shape.rs"]
mod shape;
#[expect(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../../../crates/tc-proto/examples/watch.rs"]
mod watch;

/// Skips where the kernel lacks something.
fn possible<T>(done: Result<T, Error>) -> T {
    match done {
        Err(e) if e.is_unsupported() => skip_for_kernel(&e.to_string()),
        other => other.unwrap_or_else(|e| panic!("{e}")),
    }
}

/// A container with `eth0`, joined to the host's `veth`.
fn container(ns: &Ns) -> (Ns, Netns) {
    let web = ns.host("web");
    ns.join("veth", "10.0.0.1/24", &web, "eth0", "10.0.0.2/24");
    (web, Netns::named("web").expect("it was just made"))
}

#[test]
fn attach_and_detach() {
    isolated(|ns| {
        ns.need_bpf();
        let (web, netns) = container(ns);
        let objects = ["drop-icmp", "drop-tcp"].map(|name| Path::new("/run").join(object(name)));
        let [icmp, tcp] = &objects;
        let listed = || {
            let mut client = Client::open_in(&netns).expect("a socket");
            let eth0 = client.link_index("eth0").expect("the device");
            let list = client.list(&FilterList::at(Hook::ingress(eth0))).expect("a list");
            list.iter().map(|filter| (filter.prio(), filter.handle())).collect::<Vec<_>>()
        };
        assert!(!attach::detach(&netns, "eth0").expect("nothing to do"));
        assert!(ns.ping("10.0.0.2"));
        assert!(attach::attach(&netns, "eth0", icmp, "ingress").expect("attached"));
        assert!(!ns.ping("10.0.0.2"), "the program drops it");
        assert!(!attach::attach(&netns, "eth0", icmp, "ingress").expect("attached still"));
        assert_eq!(listed(), [(1, 1)]);
        assert!(attach::attach(&netns, "eth0", tcp, "ingress").expect("another one"));
        assert!(ns.ping("10.0.0.2"), "it is in the place of the first");
        assert_eq!(listed(), [(1, 1)]);
        assert!(attach::detach(&netns, "eth0").expect("detached"));
        assert!(!attach::detach(&netns, "eth0").expect("detached before"));
        assert_eq!(listed(), []);
        web.rtc(&["filter", "show", "dev", "eth0", "ingress"]).ok();
        let error = attach::attach(&netns, "eth0", icmp, "egress").expect_err("no such section");
        assert!(error.to_string().contains("egress"), "{error}");
    });
}

#[test]
fn shaping() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.need_qdisc("fq_codel");
        let (web, _) = container(ns);
        if ns.program("ip", &["link", "add", "ifb0", "up", "type", "ifb"]).status != 0 {
            skip_for_kernel("this kernel has no ifb");
        }
        let mut client = Client::open().expect("a socket");
        let mut shape = |rate| possible(shape::shape(&mut client, "veth", "ifb0", Rate(rate)));
        assert!(shape(1_250_000));
        assert!(!shape(1_250_000), "it is so already");
        assert!(ns.ping("10.0.0.2") && web.ping("10.0.0.1"));
        for dev in ["veth", "ifb0"] {
            let scraped =
                exporter::scrape(&mut Client::open().expect("a socket"), dev).expect("a text");
            let line = format!(
                "tc_class_sent_packets_total{{device=\"{dev}\",kind=\"htb\",class=\"1:10\"}} "
            );
            let packets = scraped.lines().find_map(|l| l.strip_prefix(&line)).expect("the class");
            assert!(packets.parse::<u64>().expect("a number") >= 2, "{scraped}");
        }
        assert!(shape(2_500_000), "another rate");
        ns.rtc(&["class", "show", "dev", "veth"]).shows("rate 20Mbit ceil 20Mbit");
        assert!(ns.ping("10.0.0.2"));
    });
}

#[test]
fn mirroring() {
    isolated(|ns| {
        let (_web, _) = container(ns);
        ns.link("sniff");
        let mut client = Client::open().expect("a socket");
        let received = || {
            let text = std::fs::read_to_string("/sys/class/net/sniff_/statistics/rx_packets");
            text.expect("a counter").trim().parse::<u64>().expect("a number")
        };
        for _ in 0..2 {
            possible(mirror::mirror(&mut client, "veth", "sniff"));
        }
        let before = received();
        assert!(ns.ping("10.0.0.2"));
        assert!(received() >= before + 2, "request and reply");
        for _ in 0..2 {
            mirror::stop(&mut client, "veth").expect("stopped");
        }
        let before = received();
        assert!(ns.ping("10.0.0.2"));
        assert_eq!(received(), before);
    });
}

#[test]
fn watching() {
    isolated(|ns| {
        ns.need_bpf();
        ns.link("eth0");
        let mut monitor = Monitor::open(&[Monitor::TC]).expect("a subscription");
        for line in [
            "qdisc add dev eth0 clsact",
            "filter add dev eth0 ingress pref 9 bpf bytecode 1,6\u{a0}0\u{a0}0\u{a0}0",
            "filter del dev eth0 ingress pref 9",
            "qdisc add dev eth0 root handle 1: htb",
            "class add dev eth0 classid 1:5 htb rate 1mbit",
            "qdisc del dev eth0 clsact",
        ] {
            let words = line.split(' ').map(|word| word.replace('\u{a0}', " "));
            let words: Vec<String> = words.collect();
            ns.rtc(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
        }
        let mut lines = Vec::new();
        let tell = |line| {
            lines.push(line);
            Ok(())
        };
        watch::watch(&mut monitor, Duration::from_millis(100), tell).expect("it ends");
        let eth0 = Client::open().and_then(|mut c| c.link_index("eth0")).expect("the device");
        let on = |line: &str| format!("{line} on device {eth0}");
        let expected = [
            on("new qdisc clsact ffff:"),
            on("new filter bpf pref 9"),
            on("deleted filter bpf pref 9"),
            on("new qdisc htb 1:"),
            on("new class htb 1:5"),
            on("deleted qdisc clsact ffff:"),
        ];
        let mut seen = lines.iter().filter(|line| !line.contains("chain"));
        assert!(expected.iter().all(|line| seen.any(|l| l == line)), "{lines:#?}");
    });
}

/// fq_codel, or what this kernel has instead.
fn inner() -> Options<'static> {
    let fq_codel = Options::of(&FqCodel::default()).expect("it fits");
    let mut client = Client::open().expect("a socket");
    let lo = client.link_index("lo").expect("every namespace has it");
    let root = QdiscRequest { options: Some(fq_codel.clone()), ..QdiscRequest::root(lo) };
    match client.add(&root) {
        Err(e) if e.is_unsupported() || e.is_not_found() => {
            Options::of(&Pfifo::default()).expect("it fits")
        }
        tried => {
            tried.expect("the root is free");
            client.delete(&root).expect("it was just made");
            fq_codel
        }
    }
}

#[test]
fn reconciling() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.link("eth0");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        runtime.expect("a runtime").block_on(async {
            let (connection, tc) = new_connection().expect("a connection");
            tokio::spawn(connection);
            let ifindex = tc.link_index("eth0").await.expect("the device");
            let classes = vec![(0x10, Rate(625_000)), (0x20, Rate(125_000))];
            let wanted = reconcile::Wanted { ifindex, classes, inner: inner() };
            let reconcile = || async { reconcile::reconcile(&tc, &wanted).await.expect("it can") };

            assert_eq!(reconcile().await, 5, "a root, two classes, two qdiscs in them");
            ns.rtc(&["class", "show", "dev", "eth0"]).shows("rate 5Mbit ceil 5Mbit");
            let mut heard = changes().expect("a socket");
            for _ in 0..3 {
                assert_eq!(reconcile().await, 0);
            }
            // Nobody heard of that: the first that is heard is this.
            tc.ensure_clsact(ifindex).await.expect("the place is free");
            let first = heard.try_next().await.expect("a change").expect("no end");
            let Change::New(AnyReply::Qdisc(first)) = first else { panic!("{first:?}") };
            assert_eq!(first.kind(), "clsact");

            let change = "class change dev eth0 classid 1:20 htb rate 12mbit";
            ns.rtc(&change.split(' ').collect::<Vec<_>>()).ok();
            assert_eq!(reconcile().await, 1);
            let another = "class add dev eth0 parent 1: classid 1:30 htb rate 1mbit";
            ns.rtc(&another.split(' ').collect::<Vec<_>>()).ok();
            assert_eq!(reconcile().await, 1);
            ns.rtc(&["qdisc", "replace", "dev", "eth0", "root", "pfifo"]).ok();
            assert_eq!(reconcile().await, 6, "and the one in its place goes");
            assert_eq!(reconcile().await, 0);
        });
    });
}

/// The reconciler's endless mode, on a thread of its own that nobody waits for: dropped, it is told to
/// stop, and it ends with the test's process at the latest.
struct Keeper {
    /// How many changes it took, each time that it took some; or why it ended.
    told: Receiver<Result<usize, String>>,
    stop: AbortHandle,
}

impl Keeper {
    fn start(classes: Vec<(u16, Rate)>) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = AbortHandle::new_pair();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let ended = runtime.expect("a runtime").block_on(async {
                let (connection, tc) = new_connection().expect("a connection");
                tokio::spawn(connection);
                let ifindex = tc.link_index("eth0").await.expect("the device");
                let wanted = reconcile::Wanted { ifindex, classes, inner: inner() };
                let kept = reconcile::keep(&tc, &wanted, |changes| drop(tell.send(Ok(changes))));
                match Abortable::new(kept, stopped).await {
                    Ok(ended) => format!("{ended:?}"),
                    Err(_) => "stopped".to_owned(),
                }
            });
            let _ = tell.send(Err(ended));
        });
        Self { told, stop }
    }

    /// What it tells next, in the end how it ended; fails when it tells nothing for a very long time.
    #[track_caller]
    fn next(&self) -> Result<usize, String> {
        self.told.recv_timeout(Duration::from_secs(60)).expect("it puts that right, or ends")
    }

    /// Waits until it took `count` changes, together.
    #[track_caller]
    fn takes(&self, count: usize) {
        let mut taken = 0;
        while taken < count {
            taken += self.next().unwrap_or_else(|e| panic!("{e} after {taken} of {count}"));
        }
        assert_eq!(taken, count);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

#[test]
fn keeping() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        ns.link("eth0");
        let keeper = Keeper::start(vec![(0x10, Rate(625_000)), (0x20, Rate(125_000))]);
        let does = |line: &str| {
            ns.rtc(&line.split(' ').collect::<Vec<_>>()).ok();
        };
        keeper.takes(5);
        // Nothing tells that it listens by now: but it subscribed before it looked.
        does("class change dev eth0 classid 1:20 htb rate 12mbit");
        keeper.takes(1);
        ns.rtc(&["class", "show", "dev", "eth0"]).shows("1:20 root leaf 20: prio 0 rate 1Mbit");
        does("class add dev eth0 parent 1: classid 1:30 htb rate 1mbit");
        keeper.takes(1);
        // What has nothing to do with it, it leaves alone.
        does("qdisc add dev eth0 clsact");
        does("qdisc add dev lo root pfifo");
        does("qdisc del dev eth0 parent 1:10");
        keeper.takes(1);
        does("qdisc del dev eth0 root");
        keeper.takes(5);
        assert!(keeper.told.try_recv().is_err(), "there is nothing more to do");
        keeper.stop.abort();
        assert_eq!(keeper.next(), Err("stopped".to_owned()));
    });
}
