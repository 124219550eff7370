//! TCX: programs at a device's hooks, with real packets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what helpers of tests do not find fails the test"
)]

use netns_tests::{Ns, isolated, object, since_linux, skip_for_kernel};
use serde_json::Value;

const SERVER: &str = "172.17.0.2";
const CLIENT: &str = "172.17.0.3";

/// Two hosts on a veth pair, `eth0` at both ends; the test's own namespace is the server. The objects are there.
fn client_of(ns: &Ns) -> Ns {
    since_linux((6, 6), "TCX");
    ns.need_bpf();
    for name in ["drop-arp", "drop-icmp", "drop-tcp"] {
        object(name);
    }
    let client = ns.host("client");
    ns.join("eth0", &format!("{SERVER}/24"), &client, "eth0", &format!("{CLIENT}/24"));
    if tcx(ns, "show", "").status != 0 {
        skip_for_kernel("this kernel has no TCX");
    }
    client
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

fn rtc(ns: &Ns, line: &str) -> netns_tests::Output {
    ns.rtc(&words(line))
}

/// `filter VERB dev eth0 ingress tcx REST`
fn tcx(ns: &Ns, verb: &str, rest: &str) -> netns_tests::Output {
    rtc(ns, &format!("filter {verb} dev eth0 ingress tcx {rest}"))
}

/// Revision, and of each program its name and whether a link holds it.
fn shown(ns: &Ns) -> (u64, Vec<(String, bool)>) {
    let out = rtc(ns, "-j filter show dev eth0 ingress tcx");
    let json: Value = serde_json::from_str(out.ok()).unwrap();
    let programs = json[0]["programs"].as_array().unwrap().iter();
    let named = programs.map(|entry| {
        let name = entry["prog"]["name"].as_str().unwrap().to_owned();
        (name, entry["link"].is_u64())
    });
    (json[0]["revision"].as_u64().unwrap(), named.collect())
}

fn names(ns: &Ns) -> Vec<String> {
    shown(ns).1.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_program_acts_on_packets_until_it_is_deleted() {
    isolated(|ns| {
        let client = client_of(ns);
        assert!(client.ping(SERVER));
        tcx(ns, "add", "obj drop-icmp.o sec ingress").ok();
        assert!(!client.ping(SERVER), "ICMP is dropped, and no qdisc was needed");
        assert!(client.arping("eth0", SERVER), "ARP lives");
        assert_eq!(shown(ns).1, [("drop_icmp".to_owned(), false)]);
        tcx(ns, "replace", "obj drop-arp.o sec ingress").ok();
        assert!(client.ping(SERVER), "ICMP lives again");
        assert!(!client.arping("eth0", SERVER), "ARP is dropped instead");
        tcx(ns, "del", "").ok();
        assert!(client.arping("eth0", SERVER));
        assert!(names(ns).is_empty());
        tcx(ns, "del", "").fails(2, "TCX: there is no such program or link at this hook\n");
    });
}

#[test]
fn egress_is_another_hook() {
    isolated(|ns| {
        let client = client_of(ns);
        rtc(ns, "filter add dev eth0 egress tcx obj drop-icmp.o sec ingress").ok();
        assert!(!client.ping(SERVER), "the answer is dropped");
        assert!(names(ns).is_empty());
        rtc(ns, "filter show dev eth0 egress tcx").shows("tcx position 0 id ");
        rtc(ns, "filter del dev eth0 egress tcx all").ok();
        assert!(client.ping(SERVER));
    });
}

#[test]
fn programs_run_in_their_order_before_all_filters() {
    isolated(|ns| {
        let client = client_of(ns);
        // A verdict of 0 (TC_ACT_OK) ends the list: what lets ARP alone lets ICMP pass before a filter could drop it.
        rtc(ns, "qdisc add dev eth0 clsact").ok();
        rtc(ns, "filter add dev eth0 ingress bpf da obj drop-icmp.o sec ingress").ok();
        assert!(!client.ping(SERVER), "the filter drops ICMP");
        tcx(ns, "add", "obj drop-arp.o sec ingress").ok();
        assert!(client.ping(SERVER), "the TCX program decides before the filter can");
        let show = rtc(ns, "filter show dev eth0 ingress");
        assert!(show.stdout.contains("drop-icmp.o:[ingress]"), "{show}");
        assert!(
            show.stderr.starts_with("  note: a TCX program runs before these filters: drop_arp"),
            "{show}"
        );
        assert_eq!(rtc(ns, "filter show dev eth0 egress").stderr, "");
        tcx(ns, "add", "obj drop-icmp.o sec ingress first").ok();
        assert!(!client.ping(SERVER), "the one that is now first drops ICMP");
        assert_eq!(names(ns), ["drop_icmp", "drop_arp"]);
        tcx(ns, "del", "all").ok();
        assert_eq!(rtc(ns, "filter show dev eth0 ingress").stderr, "");
        assert!(!client.ping(SERVER), "the filter is asked again");
    });
}

#[test]
fn places_are_first_last_before_and_after() {
    isolated(|ns| {
        client_of(ns);
        let pin = "/sys/fs/bpf/icmp";
        tcx(ns, "add", "obj drop-arp.o sec ingress last").ok();
        tcx(ns, "add", &format!("obj drop-icmp.o sec ingress first pin {pin}")).ok();
        assert_eq!(names(ns), ["drop_icmp", "drop_arp"]);
        tcx(ns, "add", &format!("obj drop-tcp.o sec ingress after pinned {pin}")).ok();
        assert_eq!(names(ns), ["drop_icmp", "drop_tcp", "drop_arp"]);
        tcx(ns, "add", &format!("obj drop-arp.o sec ingress before pinned {pin}")).ok();
        assert_eq!(names(ns), ["drop_arp", "drop_icmp", "drop_tcp", "drop_arp"]);
        let out = rtc(ns, "-j filter show dev eth0 ingress tcx");
        let json: Value = serde_json::from_str(out.ok()).unwrap();
        let entry = |at: usize| &json[0]["programs"][at];
        let link = entry(1)["link"].as_u64().unwrap();
        let tcp = entry(2)["prog"]["id"].as_u64().unwrap();
        tcx(ns, "del", &format!("prog {tcp}")).ok();
        tcx(ns, "add", &format!("obj drop-tcp.o sec ingress before link {link}")).ok();
        assert_eq!(names(ns), ["drop_arp", "drop_tcp", "drop_icmp", "drop_arp"]);
        let arp = entry(0)["prog"]["id"].as_u64().unwrap();
        tcx(ns, "add", &format!("obj drop-icmp.o sec ingress after prog {arp}")).ok();
        assert_eq!(names(ns), ["drop_arp", "drop_icmp", "drop_tcp", "drop_icmp", "drop_arp"]);
        // The same program is there once only.
        tcx(ns, "add", &format!("id {arp}")).fails(2, "TCX: the program is at this hook already\n");
        tcx(ns, "add", "obj drop-icmp.o sec ingress after prog 4000000000")
            .fails(2, "TCX: there is no such program or link at this hook\n");
        let which = tcx(ns, "del", "");
        assert_eq!(which.status, 255, "{which}");
        assert!(which.stderr.contains("hint: eth0 ingress has drop_arp (id "), "{which}");
        tcx(ns, "del", "all").ok();
        assert!(names(ns).is_empty());
    });
}

#[test]
fn a_pinned_link_holds_its_program_and_nobody_else_detaches_it() {
    isolated(|ns| {
        let client = client_of(ns);
        let pin = "/sys/fs/bpf/icmp";
        tcx(ns, "add", &format!("obj drop-icmp.o sec ingress pin {pin}")).ok();
        assert_eq!(shown(ns).1, [("drop_icmp".to_owned(), true)]);
        assert!(!client.ping(SERVER));
        let out = rtc(ns, "-j filter show dev eth0 ingress tcx");
        let json: Value = serde_json::from_str(out.ok()).unwrap();
        let id = json[0]["programs"][0]["prog"]["id"].as_u64().unwrap();
        let held = tcx(ns, "del", &format!("prog {id}"));
        held.fails(2, "TCX: a link holds the program; only the link can change that\n");
        // Another program in its place, for all packets at once.
        tcx(ns, "replace", &format!("obj drop-arp.o sec ingress of pinned {pin}")).ok();
        assert_eq!(shown(ns).1, [("drop_arp".to_owned(), true)]);
        assert!(client.ping(SERVER));
        // A pin in the way leaves nothing behind.
        let refused = tcx(ns, "add", &format!("obj drop-tcp.o sec ingress pin {pin}"));
        assert_eq!(refused.status, 2, "{refused}");
        assert_eq!(names(ns), ["drop_arp"]);
        std::fs::remove_file(pin).unwrap();
        // The kernel lets go of it a little later.
        let gone = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            names(ns).is_empty()
        });
        assert!(gone, "without its pin the link is gone, and the program");
        tcx(ns, "add", &format!("obj drop-icmp.o sec ingress pin {pin}")).ok();
        tcx(ns, "del", &format!("pinned {pin}")).ok();
        assert!(!std::path::Path::new(pin).exists());
        assert!(client.ping(SERVER));
    });
}

#[test]
fn a_revision_guards_against_other_changes() {
    isolated(|ns| {
        client_of(ns);
        let (revision, _) = shown(ns);
        let add = format!("obj drop-arp.o sec ingress expect-revision {revision}");
        tcx(ns, "add", &add).ok();
        let (now, _) = shown(ns);
        assert!(now > revision);
        let changed = format!("TCX: the list of programs has changed; its revision is now {now}\n");
        tcx(ns, "add", &add).fails(2, &changed);
        tcx(ns, "del", &format!("expect-revision {revision}")).fails(2, &changed);
        tcx(ns, "replace", &format!("obj drop-icmp.o sec ingress expect-revision {revision}"))
            .fails(2, &changed);
        tcx(ns, "replace", &format!("obj drop-icmp.o sec ingress expect-revision {now}")).ok();
        assert_eq!(names(ns), ["drop_icmp"]);
        let (now, _) = shown(ns);
        tcx(ns, "del", &format!("all expect-revision {now}")).ok();
        assert!(names(ns).is_empty());
    });
}

#[test]
fn nothing_stays_pinned_for_a_program_that_is_not_attached() {
    isolated(|ns| {
        client_of(ns);
        object("acts");
        let pins =
            || ns.program("find", &["/sys/fs/bpf", "-mindepth", "1", "!", "-name", "*.debug"]);
        for wrong in ["expect-revision 77", "before prog 1", "pin /sys/fs/bpf/none/link"] {
            let said = tcx(ns, "add", &format!("obj acts.o sec tc/kept {wrong}"));
            assert_ne!(said.status, 0, "{said}");
            assert_eq!(pins().stdout, "", "{wrong}");
        }
        tcx(ns, "add", "obj acts.o sec tc/kept").ok();
        assert!(pins().stdout.contains("/globals/kept\n"));
    });
}

#[test]
fn wrong_words_say_what_is_wrong() {
    isolated(|ns| {
        client_of(ns);
        for (line, status) in [
            ("filter add dev eth0 tcx obj drop-arp.o", 255),
            ("filter add ingress tcx obj drop-arp.o", 255),
            ("filter add dev eth0 ingress pref 1 tcx obj drop-arp.o", 255),
            ("filter add dev eth0 ingress tcx", 255),
            ("filter add dev eth0 ingress tcx bytecode 1,6", 1),
            ("filter add dev eth0 ingress tcx obj drop-arp.o sec nosuch", 1),
            ("filter add dev eth0 ingress tcx obj drop-arp.o sec ingress between", 1),
            ("filter add dev eth0 ingress tcx obj drop-arp.o sec ingress first last", 255),
            ("filter add dev eth0 ingress tcx obj drop-arp.o sec ingress before 7", 255),
            ("filter add dev eth0 ingress tcx id 4000000000", 1),
            ("filter change dev eth0 ingress tcx id 7", 255),
            ("filter add dev nosuch ingress tcx obj drop-arp.o sec ingress", 1),
            ("filter show dev eth0 ingress tcx nosuch", 255),
            ("filter show dev eth0 tcx", 255),
            ("chain show dev eth0 ingress tcx", 255),
        ] {
            let out = rtc(ns, line);
            assert_eq!(out.status, status, "{out}");
            assert!(!out.stderr.is_empty(), "{out}");
        }
        assert!(names(ns).is_empty());
    });
}

/// Kernels before 6.6 have no such hooks: that is what they are said to lack, and nothing is left of the load.
#[test]
fn kernels_without_the_hooks_are_told_apart() {
    isolated(|ns| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map(|n| n.trim().parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
        if version >= (6, 6) {
            return;
        }
        ns.need_bpf();
        ns.link("eth0");
        object("acts");
        for line in [
            "filter add dev eth0 ingress tcx obj acts.o sec tc/kept",
            "filter add dev eth0 egress tcx obj acts.o sec tc/kept pin /sys/fs/bpf/link",
            "filter show dev eth0 ingress tcx",
        ] {
            let said = rtc(ns, line);
            assert_ne!(said.status, 0, "{said}");
            assert!(
                said.stderr.contains("this kernel has no TCX, which needs Linux 6.6"),
                "{said}"
            );
        }
        let left = ns.program("find", &["/sys/fs/bpf", "-mindepth", "1", "!", "-name", "*.debug"]);
        assert_eq!(left.stdout, "");
        // Filters are as ever, and listing them asks for no more.
        ns.rtc(&words("qdisc add dev eth0 clsact")).ok();
        rtc(ns, "filter add dev eth0 ingress bpf da obj acts.o sec tc/drop").ok();
        let shown = rtc(ns, "filter show dev eth0 ingress");
        shown.shows("acts.o:[tc/drop]");
    });
}
