//! Notifications: what `monitor` shows while things change.

use netns_tests::{isolated, object};

/// Runs both monitors while things change, until both have shown the last change.
const SCRIPT: &str = r#"
set -e
rtc=$0 tc=$1
shift
"$rtc" "$@" monitor > /run/ours &
ours=$!
"$tc" "$@" monitor > /run/theirs &
theirs=$!
trap "kill $ours $theirs" EXIT
subscribed() { awk '$2 == 0 && $4 == "00000008"' /proc/net/netlink | wc -l; }
for try in $(seq 200); do [ "$(subscribed)" = 2 ] && break; sleep 0.05; done
"$rtc" -force -batch /run/changes
"$rtc" qdisc add dev eth1 root handle 77: pfifo
for file in ours theirs; do
    for try in $(seq 200); do grep -q 'pfifo 77:' /run/$file && break; sleep 0.05; done
done
"#;

/// Changes of each sort of object.
const CHANGES: &str = "\
qdisc add dev eth0 clsact
qdisc add dev eth0 root handle 1: pfifo
qdisc change dev eth0 root handle 1: pfifo limit 4
qdisc replace dev eth0 root handle 2: bfifo limit 9000
filter add dev eth0 ingress pref 4 bpf bytecode '1,6 0 0 0'
filter replace dev eth0 ingress pref 4 handle 1 bpf bytecode '1,6 0 0 4294967295' classid 1:1
filter add dev eth0 egress pref 5 protocol ip chain 3 bpf bytecode '1,6 0 0 0'
filter del dev eth0 ingress pref 4
qdisc del dev eth0 root
qdisc del dev eth0 clsact
";

#[test]
fn changes_show_as_in_tc() {
    isolated(|ns| {
        ns.need_bpf();
        let (rtc, tc) = (ns.rtc_path().display().to_string(), ns.tc_path().display().to_string());
        ns.link("eth0");
        ns.link("eth1");
        ns.file("changes", CHANGES);
        for options in [&[][..], &["-s"], &["-d"], &["-j"], &["-o"]] {
            ns.program("sh", &[&["-c", SCRIPT, &rtc, &tc], options].concat()).ok();
            let read = |name| std::fs::read_to_string(name).expect("the monitor wrote it");
            let (ours, theirs) = (read("/run/ours"), read("/run/theirs"));
            assert!(theirs.contains("deleted filter"), "{theirs}");
            assert_eq!(theirs, ours, "{options:?}: left tc's, right rtc's");
            ns.rtc(&["qdisc", "del", "dev", "eth1", "root"]).ok();
        }
    });
}

#[test]
fn time_stamps_are_those_of_tc() {
    isolated(|ns| {
        ns.need_bpf();
        let (rtc, tc) = (ns.rtc_path().display().to_string(), ns.tc_path().display().to_string());
        ns.link("eth0");
        ns.link("eth1");
        ns.file("changes", CHANGES);
        for (option, start) in [("-t", "Timestamp: "), ("-ts", "[")] {
            ns.program("sh", &["-c", SCRIPT, &rtc, &tc, option]).ok();
            // The two do not see an event at the same microsecond.
            let stamps = |name: &str| -> Vec<String> {
                let text = std::fs::read_to_string(name).expect("the monitor wrote it");
                let stamped = text.lines().filter(|line| line.starts_with(start));
                stamped.map(|line| line.replace(|c: char| c.is_ascii_digit(), "")).collect()
            };
            let theirs = stamps("/run/theirs");
            assert!(!theirs.is_empty());
            assert_eq!(theirs, stamps("/run/ours"));
            ns.rtc(&["qdisc", "del", "dev", "eth1", "root"]).ok();
        }
    });
}

#[test]
fn all_kinds_show_as_in_tc() {
    isolated(|ns| {
        ns.need_bpf();
        for kind in ["prio", "drr", "multiq", "fq_codel", "sfq"] {
            ns.need_qdisc(kind);
        }
        for action in
            ["nat ingress 10.0.0.1 10.0.0.2", "vlan pop", "skbedit mark 1", "simple sdata x"]
        {
            ns.need_action(action);
        }
        let (rtc, tc) = (ns.rtc_path().display().to_string(), ns.tc_path().display().to_string());
        ns.link_with_queues("eth0", 4);
        ns.link("eth1");
        object("use-cases");
        ns.file(
            "changes",
            "\
qdisc add dev eth0 root handle 1: htb default 30
class add dev eth0 parent 1: classid 1:1 htb rate 10mbit burst 15k
class add dev eth0 parent 1:1 classid 1:2 htb rate 5mbit burst 15k prio 3
class change dev eth0 parent 1:1 classid 1:2 htb rate 6mbit burst 15k
qdisc add dev eth0 parent 1:2 handle 2: drr
class add dev eth0 parent 2: classid 2:1 drr quantum 2000
class del dev eth0 classid 2:1
qdisc replace dev eth0 parent 1:2 handle 3: prio bands 4
qdisc add dev eth0 parent 3:1 handle 4: sfq perturb 10
qdisc add dev eth0 parent 3:2 handle 5: fq_codel limit 100
qdisc change dev eth0 parent 3:2 handle 5: fq_codel target 10ms
qdisc add dev eth0 parent 3:3 handle 6: tbf rate 1mbit burst 10k latency 1s
filter add dev eth0 parent 1: protocol ip pref 1 handle 1: u32 divisor 4
filter add dev eth0 parent 1: protocol ip pref 1 u32 ht 1:2: match ip src 10.0.0.1 flowid 1:2
filter add dev eth0 parent 1: protocol ip pref 2 handle 6 fw classid 1:2
filter replace dev eth0 parent 1: protocol ip pref 2 handle 6 fw classid 1:1
filter del dev eth0 parent 1: protocol ip pref 2
qdisc del dev eth0 root
qdisc add dev eth0 root handle 8: multiq
qdisc del dev eth0 root
qdisc add dev eth0 root handle 9: mq
qdisc del dev eth0 root
qdisc add dev eth0 clsact
chain add dev eth0 ingress chain 7
filter add dev eth0 ingress chain 7 pref 1 handle 5 matchall action drop index 1 action pass index 2
filter add dev eth0 ingress pref 2 protocol ip u32 match u32 0 0 action vlan push id 5 index 1 action skbedit mark 3 index 1 action simple sdata x index 1
qdisc add dev eth1 clsact
filter add dev eth1 egress pref 3 bpf obj use-cases.o sec mycls police rate 1mbit burst 10k index 1
filter add dev eth0 egress pref 4 matchall action mirred egress redirect dev eth1 index 1 action police rate 2mbit burst 10k pipe index 2
filter del dev eth0 ingress chain 7
chain del dev eth0 ingress chain 7
filter del dev eth0 ingress
qdisc del dev eth0 clsact
actions add action drop index 41 action pass random netrand drop 3 index 42 cookie a1b2
actions replace action pass index 41
actions delete action gact index 41
actions add action bpf bytecode '1,6 0 0 0' index 1
actions add action nat ingress 10.0.0.1 10.0.0.2 index 1 action nat egress 10.0.0.0/8 10.1.0.0 index 2
actions flush action nat
actions delete action gact index 42
actions flush action bpf
",
        );
        for options in [&[][..], &["-d"], &["-r"]] {
            ns.program("sh", &[&["-c", SCRIPT, &rtc, &tc], options].concat()).ok();
            let read = |name| std::fs::read_to_string(name).expect("the monitor wrote it");
            let (ours, theirs) = (read("/run/ours"), read("/run/theirs"));
            assert!(theirs.contains("Flushed table"), "{theirs}");
            assert_eq!(theirs, ours, "{options:?}: left tc's, right rtc's");
            // Until now, for a program that is gone cannot be described.
            ns.batch("qdisc del dev eth1 root\nqdisc del dev eth1 clsact\n");
        }
    });
}
