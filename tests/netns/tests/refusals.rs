//! What is refused, by the command or by the kernel: rtc says and leaves what tc does.

use netns_tests::{Twins, isolated};

const INGRESS: &str = "filter add dev eth0 ingress protocol ip pref";

#[test]
fn u32_keys_and_tables() {
    isolated(|ns| {
        let twins = Twins::new(ns);
        twins.all(&["qdisc add dev eth0 clsact"]);
        for words in [
            "1 u32 match u32 1 1 at 2 classid 1:1",
            "1 u32 match u16 1 1 at 1 classid 1:1",
            "1 u32 match ip dst 10.0.0.0/33 classid 1:1",
            "1 u32 match u8 256 ff at 0 classid 1:1",
            "1 u32 match u8 6 0xff at 9 match u8 7 0xff at 9 classid 1:1",
            "1 u32 match ip src classid 1:1",
            "1 u32 match foo classid 1:1",
            "1 u32 match u32 0 0 classid 1:1:1",
            "1 u32 match u32 0 0 classid 1:1 foo",
            "1 u32 classid 1:1",
            "1 handle 2: u32 divisor 3",
            "1 handle 2: u32 divisor 0",
            "1 handle 2: u32 divisor 512",
            "1 handle 2: u32 divisor 257",
            "1 handle 2: u32 divisor x",
            "1 u32 ht 5: match u32 0 0 classid 1:1",
            "1 u32 ht 800:5: match u32 0 0 classid 1:1",
            "1 u32 match u32 0 0 link 9:",
            "1 u32 match u32 0 0 link 9::1",
            "1 handle 800::1 u32 order 2 match u32 0 0 classid 1:1",
            "1 handle 9:0:1 u32 match u32 0 0 classid 1:1",
            "1 handle x u32 match u32 0 0 classid 1:1",
            "1 u32 match u32 0 0 offset at 1",
            "1 u32 match u32 0 0 hashkey mask 1 at 3",
            "1 u32 match u32 0 0 sample u32 0 0 divisor 3 classid 1:1",
            "1 u32 match u32 0 0 skip_hw skip_sw classid 1:1",
            "1 handle 2: u32 divisor 4",
            "1 handle 2: u32 divisor 4",
            "1 u32 ht 2:4: match u32 0 0 classid 1:1",
            "1 u32 ht 2:3: match u32 0 0 classid 1:1",
        ] {
            twins.all(&[&format!("{INGRESS} {words}")]);
        }
        twins.all(&["filter del dev eth0 ingress protocol ip pref 1 handle 2:3:800 u32"]);
        twins.all(&["filter del dev eth0 ingress protocol ip pref 1 handle 2:3:800 u32"]);
    });
}

#[test]
fn words_of_filters() {
    isolated(|ns| {
        let twins = Twins::new(ns);
        twins.all(&[
            "qdisc add dev eth0 clsact",
            "filter add dev eth0 ingress pref 65536 matchall classid 1:1",
            "filter add dev eth0 ingress protocol nosuch matchall classid 1:1",
            "filter add dev eth0 ingress chain 4294967296 matchall classid 1:1",
            "filter add dev eth0 ingress chain 268435456 matchall classid 1:1",
            "filter add dev nosuch ingress matchall classid 1:1",
            "filter add dev eth0 parent 1: matchall classid 1:1",
            "filter add dev eth0 ingress nosuchkind classid 1:1",
            "filter add dev eth0 ingress handle 1",
            "filter add dev eth0 ingress",
            "filter add dev eth0 ingress matchall foo",
            "filter add dev eth0 ingress matchall classid",
            "filter add block 7 matchall classid 1:1",
            "filter change dev eth0 ingress pref 1 protocol ip handle 1 matchall classid 1:1",
            "filter del dev eth0 ingress pref 1 protocol ip handle 1 matchall",
            "filter get dev eth0 ingress pref 1 protocol ip handle 1 matchall",
        ]);
    });
}

#[test]
fn fw_masks_contradict() {
    isolated(|ns| {
        ns.need_filter("fw classid 1:1");
        let twins = Twins::new(ns);
        twins.all(&["qdisc add dev eth0 clsact"]);
        for words in [
            "handle 1/0xff fw classid 1:1",
            "handle 2/0xf0 fw classid 1:1",
            "handle 2 fw classid 1:1",
            "handle 1/0xff fw classid 1:1",
            "handle 4294967296 fw classid 1:1",
            "handle 1/x fw classid 1:1",
            "handle 3/0xff fw indev averylongdevicename classid 1:1",
        ] {
            twins.all(&[&format!("{INGRESS} 1 {words}")]);
        }
    });
}

#[test]
fn expressions_of_basic() {
    isolated(|ns| {
        ns.need_filter("basic match meta(random eq 1) classid 1:1");
        let twins = Twins::new(ns);
        twins.all(&["qdisc add dev eth0 clsact"]);
        for expression in [
            "(cmp(u8 at 0 eq 1)",
            "cmp(u8 at 0 eq 1",
            "cmp(u8 at 0 eq 1))",
            "()",
            "not",
            "cmp(u8 at 0 eq 1) and",
            "nosuch(1)",
            "meta(nosuch eq 1)",
            "meta(priority eq 1 mask 1)",
            "meta(priority mask -1 eq 1)",
            "meta(dev eq \"eth0\")",
            "meta(priority eq \"eth0\")",
            "cmp(u64 at 0 eq 1)",
            "cmp(u8 at 65536 eq 4294967297)",
            "nbyte(\"\" at 0)",
            "u32(u8 256 1 at 0)",
            "canid(sff 0x123:x)",
            "ipt(-m policy --dir in)",
        ] {
            let words = ["filter", "add", "dev", "eth0", "ingress", "protocol", "ip", "pref", "1"];
            let basic = ["basic", "match", expression, "classid", "1:1"];
            twins.both(&[&words[..], &basic].concat());
        }
        let deep = "(".repeat(40) + "cmp(u8 at 0 eq 1)" + &")".repeat(40);
        twins.both(&[
            "filter", "add", "dev", "eth0", "ingress", "basic", "match", &deep, "c", "1:1",
        ]);
    });
}

#[test]
fn actions_of_filters() {
    isolated(|ns| {
        for action in ["drop", "mirred egress redirect dev lo", "vlan pop", "skbedit mark 1"] {
            ns.need_action(action);
        }
        let twins = Twins::new(ns);
        twins.all(&["qdisc add dev eth0 clsact"]);
        for action in [
            "mirred egress redirect dev nosuch",
            "mirred egress redirect",
            "mirred sideways redirect dev eth0",
            "mirred egress redirect dev eth0 dev eth0_",
            "vlan push id 4096",
            "vlan push",
            "vlan push id 5 protocol nosuch",
            "vlan push id 5 priority 8",
            "vlan modify",
            "skbedit mark 4294967296",
            "skbedit priority 1:2:3",
            "skbedit",
            "gact",
            "pass random determ drop 10001",
            "goto chain 4294967296",
            "goto chain",
            "drop index 4294967296",
            "drop cookie abc",
            "drop cookie 0123456789012345678901234567890123",
            "nosuch",
            "",
            "police rate 18446744073709551616 burst 10k",
            "police rate 1mbit",
            "police burst 10k",
            "police rate 1mbit burst 10k mtu 1k peakrate x",
            "simple sdata",
        ] {
            twins.all(&[&format!("filter add dev eth0 ingress pref 1 matchall action {action}")]);
        }
        let many = |count: usize| {
            format!("filter add dev eth0 ingress pref 1 matchall {}", "action pass ".repeat(count))
        };
        twins.all(&[&many(33), &many(32)]);
    });
}
