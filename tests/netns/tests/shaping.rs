//! Real packets through qdiscs that shape, police and spoil them.
//!
//! What a rate lets pass is bounded by the time that passed, which the tests measure: a machine that
//! is slow or busy makes the bounds wider, and never the test fail.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::net::UdpSocket;
use std::thread::sleep;
use std::time::{Duration, Instant};

use netns_tests::{Ns, isolated};

const HERE: &str = "10.0.0.1";
const THERE: &str = "10.0.0.2";

/// What every datagram takes on the wire: 1000 bytes, UDP, IP and Ethernet headers.
const FRAME: u64 = 1000 + 8 + 20 + 14;

/// Two hosts on a veth pair, `eth0` at both ends.
fn pair(ns: &Ns) -> Ns {
    let other = ns.host("other");
    ns.join("eth0", &format!("{HERE}/24"), &other, "eth0", &format!("{THERE}/24"));
    other
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn rtc(ns: &Ns, line: &str) {
    ns.rtc(&words(line)).ok();
}

/// A host that sends datagrams, whether or not anybody takes them.
struct Sender {
    socket: UdpSocket,
    to: &'static str,
}

impl Sender {
    fn new(ns: &Ns, to: &'static str) -> Self {
        let socket = ns.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a port is free");
        // What waits in a queue counts for its socket, which would wait for it.
        socket.set_nonblocking(true).expect("a socket that does not wait");
        Self { socket, to }
    }

    /// Sends to a port; a queue that is full is an error here, and no matter.
    fn send(&self, port: u16) {
        let _ = self.socket.send_to(&[0; 1000], (self.to, port));
    }

    /// Sends so many datagrams; how long it took.
    fn flood(&self, count: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            self.send(5000);
        }
        start.elapsed()
    }
}

/// The numbers before `word` in each place where it stands, as in `Sent 7 bytes`.
fn numbers_after(text: &str, before: &str) -> Vec<u64> {
    let number = |rest: &str| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    text.split(before).skip(1).filter_map(number).collect()
}

fn one_after(text: &str, before: &str) -> u64 {
    match numbers_after(text, before)[..] {
        [number, ..] => number,
        [] => panic!("no {before:?} in {text:?}"),
    }
}

/// Asserts that a rate let pass what it may in this time, and no more.
#[track_caller]
fn holds(passed: u64, rate: u64, burst: u64, took: Duration) {
    // The clock of the qdisc is read at other times than ours; a frame more or less passes.
    let most = burst + 4 * FRAME + (rate as f64 * took.as_secs_f64() * 1.1) as u64;
    assert!(passed <= most, "{passed} bytes passed in {took:?}, {most} are the most");
    assert!(passed >= burst / 2, "{passed} bytes passed, of a burst of {burst}");
}

#[test]
fn police_holds_a_rate() {
    isolated(|ns| {
        ns.need_action("police rate 1mbit burst 10k");
        let other = pair(ns);
        rtc(ns, "qdisc add dev eth0 clsact");
        let police = "action police rate 1mbit burst 20k conform-exceed drop";
        rtc(ns, &format!("filter add dev eth0 ingress protocol ip matchall {police}"));
        let start = Instant::now();
        Sender::new(&other, HERE).flood(2000);
        let shown = ns.rtc(&words("-s filter show dev eth0 ingress"));
        let took = start.elapsed();
        let shown = shown.ok();
        let (packets, dropped) = (one_after(shown, " bytes "), one_after(shown, "(dropped "));
        assert!(packets > 1000 && dropped > 0, "{shown}");
        holds((packets - dropped) * FRAME, 125_000, 20 << 10, took);
    });
}

#[test]
fn tbf_holds_a_rate() {
    isolated(|ns| {
        ns.need_qdisc("tbf");
        pair(ns);
        let start = Instant::now();
        rtc(ns, "qdisc add dev eth0 root tbf rate 1mbit burst 20k latency 50ms");
        Sender::new(ns, THERE).flood(2000);
        let shown = ns.rtc(&words("-s qdisc show dev eth0"));
        let took = start.elapsed();
        let shown = shown.ok();
        assert!(one_after(shown, "(dropped ") > 0, "{shown}");
        holds(one_after(shown, "Sent "), 125_000, 20 << 10, took);
    });
}

#[test]
fn htb_classes_share_three_to_one() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        pair(ns);
        rtc(ns, "qdisc add dev eth0 root handle 1: htb");
        rtc(ns, "class add dev eth0 parent 1: classid 1:1 htb rate 1mbit burst 4k cburst 4k");
        for (class, port, rate) in [(10, 5010, 750), (20, 5020, 250)] {
            let words = format!("htb rate {rate}kbit ceil 1mbit burst 4k cburst 4k");
            rtc(ns, &format!("class add dev eth0 parent 1:1 classid 1:{class} {words}"));
            let words = format!("u32 match ip dport {port} 0xffff flowid 1:{class}");
            rtc(ns, &format!("filter add dev eth0 parent 1: protocol ip pref 1 {words}"));
        }
        // Each class has a socket: one for both would send to both alike.
        let senders = [(Sender::new(ns, THERE), 5010), (Sender::new(ns, THERE), 5020)];
        // Of both at one time: bytes sent, bytes that wait.
        let both = || {
            let shown = ns.rtc(&["-s", "class", "show", "dev", "eth0"]);
            ["1:10 ", "1:20 "].map(|class| {
                let mut classes = shown.ok().split("class htb ");
                let class = classes.find(|text| text.starts_with(class)).unwrap_or_default();
                (one_after(class, "Sent "), one_after(class, "backlog "))
            })
        };
        // Only what goes out while both have something waiting is shared, which one that is waited for too
        // long has not.
        let (mut many, mut few) = (0, 0);
        for _ in 0..2000 {
            for _ in 0..500 {
                for (sender, port) in &senders {
                    sender.send(*port);
                }
            }
            let before = both();
            sleep(Duration::from_millis(20));
            let after = both();
            if after.iter().all(|(_, waiting)| *waiting > 0) {
                many += after[0].0 - before[0].0;
                few += after[1].0 - before[1].0;
            }
            if many + few > 150_000 {
                break;
            }
        }
        assert!(many + few > 150_000, "only {many} and {few} bytes went out");
        let share = many as f64 / few as f64;
        assert!((2.2..4.0).contains(&share), "{many} : {few} is {share}");
    });
}

/// What `ping` says of so many packets.
fn ping(ns: &Ns, count: usize) -> String {
    let count = count.to_string();
    let words = ["-c", &count, "-i", "0.2", "-W", "3", THERE];
    ns.program("ping", &words).stdout
}

#[test]
fn netem_delays() {
    isolated(|ns| {
        ns.need_qdisc("netem");
        pair(ns);
        // The neighbour is asked for before, or its answer would count.
        assert!(ns.ping(THERE));
        rtc(ns, "qdisc add dev eth0 root netem delay 300ms");
        let said = ping(ns, 3);
        let least = said.split("min/avg/max/mdev = ").nth(1).and_then(|l| l.split('/').next());
        let least: f64 = least.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{said}"));
        assert!(least >= 299.0, "{said}");
    });
}

#[test]
fn netem_loses() {
    isolated(|ns| {
        ns.need_qdisc("netem");
        pair(ns);
        rtc(ns, "qdisc add dev eth0 root netem loss 100%");
        assert!(!ns.ping(THERE), "all is lost");
        rtc(ns, "qdisc change dev eth0 root netem loss 0");
        assert!(ns.ping(THERE), "nothing is lost any more");
    });
}

#[test]
fn netem_duplicates() {
    isolated(|ns| {
        ns.need_qdisc("netem");
        pair(ns);
        assert!(ns.ping(THERE));
        rtc(ns, "qdisc add dev eth0 root netem duplicate 100%");
        let said = ping(ns, 3);
        assert!(said.contains("duplicates"), "{said}");
    });
}
