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

/// Makes what the lines say and compares how it is listed, kind by kind.
fn listed_alike(ns: &Ns, kinds: &[&str], text_alone: &[&str], lines: &str) {
    let host = ns.host("one");
    host.link("eth0");
    host.link("eth1");
    let lines: Vec<_> = lines.lines().map(|line| format!("actions add action {line}\n")).collect();
    host.batch(&lines.concat());
    let list = |kinds: &[&str]| -> String {
        let lists: Vec<_> =
            kinds.iter().map(|kind| format!("actions list action {kind}\n")).collect();
        lists.concat()
    };
    let file = host.file("listings", &list(kinds));
    host.compare(&["-force", "-batch", &file]);
    host.compare(&["-br", "-force", "-batch", &file]);
    let file = host.file("listings", &list(text_alone));
    host.compare_text(&["-force", "-batch", &file]);
    host.compare_text(&["-s", "-d", "-r", "-force", "-batch", &file]);
}

#[test]
fn that_decide_and_redirect_are_listed_alike() {
    isolated(|ns| {
        need_actions(ns);
        listed_alike(
            ns,
            &["gact", "mirred", "vlan"],
            &["police", "simple", "skbedit"],
            "\
drop index 1
pass random netrand drop 3 index 2 cookie a1b2
continue random determ pipe 10000 index 3
jump 3 index 4
pipe index 5 no_percpu
trap index 6
reclassify index 4294967295
mirred egress redirect dev eth0 index 1
mirred ingress mirror dev eth1 index 2 drop
mirred egress mirror dev eth1 continue index 3 cookie 00112233445566778899aabbccddeeff
mirred ingress redirect dev lo index 4
vlan pop index 1
vlan push id 123 protocol 802.1ad priority 3 drop index 2
vlan modify id 4094 priority 0 index 3
vlan modify protocol 802.1q id 5 index 4
vlan pop_eth index 5
vlan push_eth dst_mac 00:11:22:33:44:55 src_mac 66:77:88:99:aa:bb pass index 6
police rate 1mbit burst 10k index 1
police rate 1mbit burst 10k conform-exceed drop/pipe index 2
police rate 50gbit burst 10m peakrate 60gbit mtu 64k drop index 3
police rate 1mbit burst 10k mtu 2k mpu 64 overhead 24 linklayer atm pipe index 4
police pkts_rate 1000 pkts_burst 100 continue index 5
police mtu 1500 pass index 6
police rate 1mbit burst 10k conform-exceed pass/drop index 7 cookie aa
simple sdata \"hello world\" index 1
simple sdata x index 2
skbedit mark 5/0xff index 1
skbedit queue_mapping 3 priority 1:2 mark 7 ptype host drop index 2
skbedit ptype otherhost index 3
skbedit inheritdsfield index 4
skbedit priority root continue index 5
",
        );
    });
}

#[test]
fn that_change_packets_are_listed_alike() {
    isolated(|ns| {
        for words in [
            "csum ip index 1",
            "nat egress 10.0.0.1 10.0.0.2",
            "connmark",
            "sample rate 1 group 1",
            "mpls pop protocol ip",
            "gate clockid CLOCK_TAI sched-entry open 200000000",
            "ife decode pass",
            "pedit munge ip ttl set 5",
            "ctinfo dscp 0xfc000000 0x01000000",
        ] {
            ns.need_action(words);
        }
        listed_alike(
            ns,
            &["csum", "nat", "connmark", "ctinfo", "sample", "mpls", "ife"],
            &["skbmod", "gate", "pedit"],
            "\
csum iph and tcp index 1
csum icmp and igmp and udp and udplite and sctp drop index 2
nat ingress 10.0.0.0/24 20.0.0.1 index 1
nat egress default 20.0.0.1 pipe index 2
connmark zone 5 index 1
connmark drop index 2
ctinfo dscp 0xfc000000 0x01000000 index 1
ctinfo cpmark zone 3 index 2
ctinfo cpmark 0x00ffff00 index 3
sample rate 100 group 5 index 1
sample rate 100 group 5 trunc 128 drop index 2
mpls pop protocol ip index 1
mpls push label 5 tc 3 ttl 4 bos 1 index 2
mpls mac_push protocol mpls_mc label 7 index 3
mpls modify label 9 tc 1 ttl 3 index 4
mpls dec_ttl index 5
ife encode use mark 10 allow prio dst 00:11:22:33:44:55 src 66:77:88:99:aa:bb type 0xED3E index 1
ife decode pass index 2
ife encode allow mark use tcindex 5 index 3
skbmod set dmac 00:11:22:33:44:55 smac 66:77:88:99:aa:bb etype 0xbeef index 1
skbmod swap mac pass index 2
skbmod ecn index 3
skbmod set dmac 00:11:22:33:44:55 index 4
skbmod set etype 7 drop index 5
gate clockid CLOCK_TAI sched-entry open 200000000 -1 8000000 sched-entry close 100000000 index 1
gate priority 3 base-time 200000000000ns cycle-time 300ms cycle-time-ext 10us clockid CLOCK_TAI sched-entry open 100 5 10 index 2
pedit ex munge ip ttl add 1 munge tcp sport set 5 index 1
pedit ex munge udp dport set 5 munge ip6 hoplimit set 9 munge eth type set 0x800 index 2
pedit ex munge offset 0 u16 at 4 0xf 2 set 0x1234 index 3
pedit munge offset 0 u32 invert pipe index 4
pedit ex munge ip src set 1.2.3.4 munge ip dst set 10.0.0.0 retain 0xff pass index 5
",
        );
    });
}

#[test]
fn of_tunnels_and_connections_are_listed_alike() {
    isolated(|ns| {
        ns.need_action("tunnel_key unset");
        ns.need_action("ct zone 5");
        listed_alike(
            ns,
            &["tunnel_key", "ct"],
            &[],
            "\
tunnel_key unset index 1
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 42 dst_port 4789 index 2
tunnel_key set src_ip ::1 dst_ip ::2 id 7 tos 0x10 ttl 64 nocsum nofrag index 3
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 42 dst_port 6081 geneve_opts 0102:80:00800022,0408:42:0040007611223344 index 4
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 42 geneve_opts 0102:80:00800022 index 5
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 42 vxlan_opts 12 index 6
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 42 erspan_opts 1:5:0:0 index 7
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 42 erspan_opts 2:0:1:63 index 8
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 tos 5 csum drop index 9
tunnel_key set src_ip 1.1.1.1 dst_ip 2.2.2.2 id 4294967295 ttl 255 index 10 cookie aa
ct zone 5 index 1
ct clear index 2
ct commit mark 5/0xff label 0102/0304 zone 3 index 3
ct commit force nat src addr 1.1.1.1-1.1.1.9 port 100-200 index 4
ct nat index 5
ct commit nat dst addr ::1 index 6
ct commit mark 7 index 7
ct commit label 01 index 8
ct force index 9
ct commit nat src addr 1.2.3.4 port 80 index 10
ct nat zone 4 index 11
",
        );
    });
}
