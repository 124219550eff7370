//! Command lines that users have in their scripts, as they have them.

use netns_tests::{Ns, Twins, isolated, object};

/// Two equal hosts with `eth0` and `eth1`.
fn hosts(ns: &Ns) -> Twins {
    for action in ["drop", "mirred egress redirect dev lo", "vlan push id 123"] {
        ns.need_action(action);
    }
    let twins = Twins::new(ns);
    twins.each(|host| host.link("eth1"));
    twins
}

/// Runs a line as a shell would split it: quoted text is one word.
#[track_caller]
fn run(twins: &Twins, line: &str) -> netns_tests::Output {
    let mut words: Vec<&str> = Vec::new();
    for (n, part) in line.split('\'').enumerate() {
        if n % 2 == 1 {
            words.push(part);
        } else {
            words.extend(part.split_ascii_whitespace());
        }
    }
    twins.both(words.get(1..).unwrap_or_default())
}

#[test]
fn classifiers_below_a_classful_qdisc() {
    isolated(|ns| {
        ns.need_qdisc("prio");
        ns.need_bpf();
        object("use-cases");
        std::fs::rename("/run/use-cases.o", "/run/bpf.o").expect("it was just put there");
        let twins = hosts(ns);
        for line in [
            "tc qdisc add dev eth0 root handle 1: htb default 30",
            "tc class add dev eth0 parent 1: classid 1:10 htb rate 6mbit burst 15k",
            "tc filter add dev eth0 parent 1:0 protocol ip prio 1 u32 match ip src 4.3.2.1/32 match ip sport 80 0xffff flowid 1:3",
            "tc filter add dev eth0 parent 1:0 protocol ip prio 1 u32 match u16 0x0000 0xffc0 at 2 flowid 1:4",
            "tc filter add dev eth0 parent 1:0 protocol ip prio 2 handle 1 fw classid 1:10",
            "tc filter add dev eth0 parent 1:0 bpf obj bpf.o sec mycls flowid 1:1",
        ] {
            let done = run(&twins, line);
            assert_eq!(done.status, 0, "{done}");
        }
        // As it stands in scripts, the priority is u32's already: refused, as tc refuses it.
        run(
            &twins,
            "tc filter add dev eth0 parent 1:0 protocol ip prio 1 handle 1 fw classid 1:10",
        );
    });
}

#[test]
fn actions_at_ingress() {
    isolated(|ns| {
        ns.need_qdisc("prio");
        ns.need_bpf();
        object("use-cases");
        std::fs::rename("/run/use-cases.o", "/run/bpf.o").expect("it was just put there");
        let twins = hosts(ns);
        for line in [
            "tc qdisc add dev eth0 ingress",
            "tc filter add dev eth0 parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev eth1",
            "tc filter add dev eth0 parent ffff: protocol ip prio 6 u32 match ip src 10.0.0.9/32 action drop",
            "tc filter add dev eth0 parent ffff: pref 11 protocol ip u32 match ip protocol 1 0xff flowid 1:1",
            "tc filter add dev eth0 parent ffff: pref 11 protocol ip u32 match ip src 10.0.0.2 flowid 1:1 action vlan push id 123",
        ] {
            let done = run(&twins, line);
            assert_eq!(done.status, 0, "{done}");
        }
        let both = "tc filter add dev eth0 parent ffff: pref 11 protocol ip u32 match ip protocol 1 0xff flowid 1:1 u32 match ip src 10.0.0.2 flowid 1:1 action vlan push id 123";
        run(&twins, both).fails(1, "What is \"u32\"?");
    });
}

#[test]
fn a_firewall_in_bpf() {
    isolated(|ns| {
        ns.need_bpf();
        object("drop-arp");
        let twins = hosts(ns);
        for line in [
            "tc qdisc add dev eth0 clsact",
            "tc filter add dev eth0 ingress bpf da obj drop-arp.o sec ingress",
            "tc filter show dev eth0 ingress",
            "tc qdisc del dev eth0 clsact",
            "tc filter show dev eth0 ingress",
            "tc qdisc del dev eth0 clsact",
        ] {
            run(&twins, line);
        }
    });
}

/// The assembler's result, and what `tcpdump -ddd arp` prints into a file.
#[test]
fn bytecode_as_it_is_pasted() {
    isolated(|ns| {
        ns.need_bpf();
        ns.file("arp", "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n");
        ns.file("arp-in-a-line", "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0,\n");
        let twins = hosts(ns);
        for line in [
            "tc qdisc add dev eth0 ingress",
            "tc filter add dev eth0 parent ffff: bpf bytecode '4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0,' flowid 1:1",
            "tc filter add dev eth0 parent ffff: bpf bytecode-file arp-in-a-line flowid 1:1",
        ] {
            let done = run(&twins, line);
            assert_eq!(done.status, 0, "{done}");
        }
        run(&twins, "tc filter add dev eth0 parent ffff: bpf bytecode-file arp flowid 1:1");
    });
}
