//! The object `actions`, side by side with tc.

use netns_tests::{Ns, Twins, isolated};

/// Skips the test where the kernel lacks actions.
fn need_actions(ns: &Ns) {
    ns.need_action("drop");
    ns.need_action("vlan pop");
}

/// Each line is run with both tools, and both hosts must then list the same actions.
fn alike(twins: &Twins, kinds: &[&str], lines: &[&str]) {
    for line in lines {
        twins.alike(&line.split_ascii_whitespace().collect::<Vec<_>>());
        for kind in kinds {
            twins.alike(&["-d", "actions", "list", "action", kind]);
        }
    }
}

#[test]
fn are_added_changed_replaced_and_deleted() {
    isolated(|ns| {
        need_actions(ns);
        let twins = Twins::new(ns);
        alike(
            &twins,
            &["gact"],
            &[
                "actions add action drop index 1",
                "actions add action pass index 1",
                "actions add action gact pass random netrand drop 3 index 2 cookie a1b2",
                "actions change action reclassify index 1",
                "actions change action reclassify index 77",
                "actions replace action pipe index 1 hw_stats disabled",
                "actions replace action goto chain 7 index 3",
                "actions add action drop index 4 action pass index 5 action continue index 6",
                "actions add action drop index 7 action pass index 5",
                "actions get action gact index 2",
                "actions get action gact index 99",
                "actions delete action gact index 5 action gact index 6",
                "actions delete action gact index 99",
                "actions del action gact index 1 action gact index 99",
                "actions add action nosuch index 1",
                "actions add action drop index",
                "actions add action jump 4 index 8 action pass index 9",
                "actions add action drop index 4294967296",
                "actions flush action gact",
                "actions flush action gact",
                "actions flush action nosuch",
            ],
        );
    });
}

#[test]
fn of_every_kind() {
    isolated(|ns| {
        need_actions(ns);
        ns.need_bpf();
        let twins = Twins::new(ns);
        alike(
            &twins,
            &["mirred", "vlan", "police", "skbedit", "simple", "bpf"],
            &[
                "actions add action mirred egress redirect dev lo index 1 action vlan push id 123 protocol 802.1ad priority 3 drop index 1",
                "actions add action police rate 1mbit burst 10k conform-exceed drop/pipe index 1 action skbedit mark 5/0xff priority 1:2 ptype host inheritdsfield index 1",
                "actions add action simple sdata text index 1 action bpf bytecode 1,6 0 index 1",
                "actions add action simple sdata text index 1 action vlan pop_eth index 2 action mirred ingress mirror dev eth0 pipe index 2",
                "actions replace action vlan modify id 5 index 1 action police pkts_rate 1000 pkts_burst 100 index 1",
                "actions replace action mirred egress mirror blockid 5 index 1 cookie 00112233445566778899aabbccddeeff",
                "actions replace action skbedit queue_mapping 2 continue index 1",
                "actions add action mirred egress redirect dev nosuch",
                "actions add action mirred egress redirect",
                "actions add action vlan push id 4096",
                "actions add action police rate 1mbit",
                "actions add action police rate 99999999999gbit burst 10k",
                "actions add action skbedit ptype nonsense",
                "actions add action skbedit",
                "actions flush action vlan",
            ],
        );
    });
}

#[test]
fn come_and_go_by_the_hundred() {
    isolated(|ns| {
        need_actions(ns);
        let twins = Twins::new(ns);
        // 32 fit a request, 33 do not.
        let many = |first: u32, count: u32| -> Vec<String> {
            let one = |n: u32| {
                ["action", "pass", "index"].map(str::to_owned).into_iter().chain([n.to_string()])
            };
            ["actions", "add"]
                .map(str::to_owned)
                .into_iter()
                .chain((first..first + count).flat_map(one))
                .collect()
        };
        for (first, count) in [(1, 32), (101, 32), (201, 32), (301, 33)] {
            let words = many(first, count);
            twins.alike(&words.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for line in [
            "actions list action gact",
            "-s -j actions list action gact",
            "-br actions list action gact",
            "-br -j actions list action gact",
            "actions list action gact since 100000",
            "actions flush action gact",
            "actions list action gact",
        ] {
            twins.alike(&line.split(' ').collect::<Vec<_>>());
        }
    });
}

#[test]
fn since_lists_what_was_used() {
    isolated(|ns| {
        need_actions(ns);
        let host = ns.host("one");
        host.link("eth0");
        host.batch("actions add action drop index 1\nactions add action simple sdata x index 1\n");
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(host.rtc(&["actions", "list", "action", "gact", "since", "1"]).ok(), "");
        host.rtc(&["actions", "list", "action", "gact", "since", "1000000"]).shows("total acts 1");
        host.compare(&["actions", "list", "action", "gact", "since", "1"]);
        host.compare(&["actions", "list", "action", "gact", "since", "1000000"]);
        host.compare(&["actions", "list", "action", "gact", "since", "x"]);
        host.compare(&["actions", "list", "action", "gact"]);
        host.compare_text(&["actions", "get", "action", "simple", "index", "1"]);
    });
}

#[test]
fn held_by_a_filter_stay() {
    isolated(|ns| {
        need_actions(ns);
        let twins = Twins::new(ns);
        alike(
            &twins,
            &["gact"],
            &[
                "qdisc add dev eth0 clsact",
                "actions add action drop index 1",
                "filter add dev eth0 ingress protocol ip pref 1 matchall action gact index 1",
                "filter add dev eth0 ingress protocol ip pref 2 u32 match u32 0 0 action gact index 1 action pass index 2",
                "actions delete action gact index 1",
                "actions flush action gact",
                "filter del dev eth0 ingress pref 1",
                "filter del dev eth0 ingress",
                "actions flush action gact",
            ],
        );
    });
}

#[test]
fn echoes() {
    isolated(|ns| {
        need_actions(ns);
        let twins = Twins::new(ns);
        for line in [
            "-echo actions add action drop index 1",
            "-echo actions replace action pass index 1 action pipe index 2 cookie aa",
            "-echo actions delete action gact index 2",
            "-echo qdisc add dev eth0 clsact",
            "-echo filter add dev eth0 ingress protocol ip pref 1 u32 match ip src 10.0.0.1 action drop index 5",
            "-echo filter replace dev eth0 ingress protocol ip pref 2 handle 6/0xff fw classid 1:1",
            "-echo filter add dev eth0 ingress protocol ip pref 3 matchall action vlan push id 5 index 1",
            "-echo filter del dev eth0 ingress protocol ip pref 2 handle 6/0xff fw",
            "-echo filter del dev eth0 ingress pref 1",
        ] {
            twins.alike(&line.split(' ').collect::<Vec<_>>());
        }
    });
}
