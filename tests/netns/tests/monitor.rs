//! Notifications: what `monitor` shows while things change.

use netns_tests::isolated;

/// Runs both monitors while things change, until both have shown the last change.
const SCRIPT: &str = r#"
set -e
rtc=$0 tc=$1
shift
"$rtc" "$@" monitor > /run/ours &
ours=$!
"$tc" "$@" monitor > /run/theirs &
theirs=$!
subscribed() { awk '$2 == 0 && $4 == "00000008"' /proc/net/netlink | wc -l; }
for try in $(seq 200); do [ "$(subscribed)" = 2 ] && break; sleep 0.05; done
"$rtc" -force -batch - <<END
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
qdisc add dev eth1 root handle 77: pfifo
END
for file in ours theirs; do
    for try in $(seq 200); do grep -q 'pfifo 77:' /run/$file && break; sleep 0.05; done
done
kill $ours $theirs
"#;

#[test]
fn changes_show_as_in_tc() {
    isolated(|ns| {
        ns.need_bpf();
        let (rtc, tc) = (ns.rtc_path().display().to_string(), ns.tc_path().display().to_string());
        ns.link("eth0");
        ns.link("eth1");
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
