//! The bpf filter: bytecode, objects and pinned programs.

use netns_tests::{Ns, Twins, isolated, object};

/// `drop everything that is ARP`, as classic BPF.
const NO_ARP: &str = "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0";

fn line(ns: &Ns, words: &str) {
    ns.rtc(&words.split_ascii_whitespace().collect::<Vec<_>>()).ok();
}

/// Shows all filters of `eth0` in all ways.
fn shows_alike(ns: &Ns) {
    ns.compare(&["filter", "show", "dev", "eth0"]);
    ns.compare(&["filter", "show", "dev", "eth0", "ingress"]);
    ns.compare(&["filter", "show", "dev", "eth0", "egress"]);
    ns.compare(&["filter", "show", "dev", "eth0", "ingress", "pref", "10"]);
}

#[test]
fn classic_bytecode() {
    isolated(|ns| {
        ns.need_bpf();
        ns.link("eth0");
        line(ns, "qdisc add dev eth0 clsact");
        let add = ["filter", "add", "dev", "eth0", "ingress", "pref", "10", "bpf", "bytecode"];
        ns.rtc(&[&add[..], &[NO_ARP, "flowid", "1:1"]].concat()).ok();
        let show = ns.rtc(&["filter", "show", "dev", "eth0", "ingress"]);
        show.shows(&format!("flowid 1:1 not_in_hw bytecode '{NO_ARP}'"));
        shows_alike(ns);
        ns.compare(&[
            "filter", "get", "dev", "eth0", "ingress", "protocol", "all", "pref", "10", "handle",
            "1", "bpf",
        ]);

        let twins = Twins::new(ns);
        twins.all(&["qdisc add dev eth0 clsact"]);
        twins.both(&[&add[..], &[NO_ARP]].concat());
        twins.both(&[&add[..], &[NO_ARP]].concat());
        for bytecode in ["", "0", "1,6 0 0", "2,6 0 0 0", "1,6 0 0 0,", "x", "4097,"] {
            twins.both(&[&add[..], &[bytecode]].concat());
        }
        // tc cuts these off without a word, to what the user did not write.
        for bytecode in ["1,6 0 0 0 0", "1,65542 0 0 0", "1,6 0 256 0", "1,6 0 0 4294967296"] {
            ns.rtc(&[&add[..], &[bytecode]].concat()).fails(1, "Error at instruction 0!");
        }
        twins.both(&[
            "filter",
            "replace",
            "dev",
            "eth0",
            "ingress",
            "pref",
            "10",
            "handle",
            "1",
            "bpf",
            "bytecode",
            "1,6 0 0 4294967295",
            "classid",
            "1:2",
        ]);
        twins.all(&[
            "filter change dev eth0 ingress pref 10 handle 1 bpf classid 1:3",
            "filter add dev eth0 ingress bpf",
            "filter add dev eth0 ingress bpf foo",
            "filter add dev eth0 ingress pref 65536 bpf",
            "filter get dev eth0 ingress pref 10 protocol all handle 9 bpf",
            "filter get dev eth0 ingress pref 10 protocol all bpf",
            "filter get dev eth0 ingress pref 10 handle 1 bpf",
            "filter del dev eth0 ingress pref 10 handle 9 bpf",
            "filter del dev eth0 ingress pref 11",
            "filter del dev eth0 ingress protocol all bpf",
            "filter del dev eth0 ingress pref 10 handle 1 bpf",
            "filter del dev eth0 ingress",
            "filter del dev eth0 parent ffff:fff3 pref 1",
            "filter show dev eth0 foo",
            "filter show dev nosuch ingress",
        ]);
    });
}

#[test]
fn objects() {
    isolated(|ns| {
        ns.need_bpf();
        for program in ["drop-arp", "drop-icmp", "drop-tcp"] {
            object(program);
        }
        ns.link("eth0");
        line(ns, "qdisc add dev eth0 clsact");
        line(ns, "filter add dev eth0 ingress bpf da obj drop-arp.o sec ingress");
        line(
            ns,
            "filter add dev eth0 egress protocol ip pref 10 bpf obj drop-tcp.o sec ingress \
                  flowid 1:2",
        );
        shows_alike(ns);
        line(
            ns,
            "filter replace dev eth0 ingress pref 49152 handle 1 bpf da obj drop-icmp.o sec \
                  ingress",
        );
        let show = ns.rtc(&["filter", "show", "dev", "eth0", "ingress"]);
        show.shows("handle 0x1 drop-icmp.o:[ingress] direct-action");
        shows_alike(ns);

        Twins::new(ns).all(&[
            "qdisc add dev eth0 clsact",
            "filter add dev eth0 ingress bpf da obj drop-arp.o sec ingress",
            "filter add dev eth0 ingress bpf da obj drop-arp.o sec ingress",
            "filter replace dev eth0 ingress pref 49152 handle 1 bpf da obj drop-tcp.o sec ingress",
            "filter change dev eth0 ingress pref 49152 handle 1 bpf da obj drop-arp.o sec ingress",
            "filter change dev eth0 ingress pref 49152 handle 1 protocol all bpf obj drop-icmp.o \
             sec ingress classid 1:1",
            "filter del dev eth0 ingress pref 49152",
            "filter del dev eth0 ingress",
            "qdisc del dev eth0 clsact",
        ]);
    });
}

#[test]
fn pinned_program() {
    isolated(|ns| {
        ns.need_bpf();
        let file = object("drop-arp");
        if ns.program("sh", &["-c", "command -v bpftool"]).status != 0 {
            netns_tests::skip("bpftool is not installed (package bpftool): nothing pins a program");
        }
        let pin = "/sys/fs/bpf/no_arp";
        ns.program("bpftool", &["prog", "load", &file, pin, "type", "classifier"]).ok();
        ns.link("eth0");
        line(ns, "qdisc add dev eth0 clsact");
        line(ns, &format!("filter add dev eth0 ingress bpf da object-pinned {pin}"));
        shows_alike(ns);
        // The /sys of the other namespace hides the BPF file system from tc.
        ns.host("other").link("eth0");
        line(ns, "-n other qdisc add dev eth0 clsact");
        line(ns, &format!("-n other filter add dev eth0 egress bpf da pinned {pin}"));
        let show = ns.rtc(&["-n", "other", "filter", "show", "dev", "eth0", "egress"]);
        show.shows("no_arp:[*fsobj] direct-action");
        let twins = Twins::new(ns);
        twins.all(&["qdisc add dev eth0 clsact"]);
        twins.all(&[&format!("filter add dev eth0 ingress pref 10 bpf da pinned {pin}")]);
        twins.all(&[&format!(
            "filter add dev eth0 egress pref 10 bpf object-pinned {pin} flowid 1:1"
        )]);
    });
}
