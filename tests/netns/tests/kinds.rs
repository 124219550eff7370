//! What a listing shows of each kind, after packets: rtc's is tc's, in text and JSON.

use netns_tests::{Ns, isolated, object};

/// Sends a few packets out of `eth0`, and waits until they have gone.
fn traffic(ns: &Ns) {
    let other = ns.host("other");
    ns.join("eth0", "10.0.0.1/24", &other, "eth0", "10.0.0.2/24");
    ns.ip("link set eth0 address 02:00:00:00:00:01");
    other.ip("link set eth0 address 02:00:00:00:00:02");
    // Nothing is ever asked or said beside the packets of the test.
    ns.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0");
    other.ip("neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0");
}

#[test]
fn classful_qdiscs_and_their_leaves() {
    isolated(|ns| {
        for kind in ["prio", "sfq", "fq_codel"] {
            ns.need_qdisc(kind);
        }
        let host = ns.host("one");
        traffic(&host);
        host.batch(
            "\
qdisc add dev eth0 root handle 1: htb default 30 r2q 20
class add dev eth0 parent 1: classid 1:1 htb rate 100mbit ceil 200mbit burst 30k
class add dev eth0 parent 1:1 classid 1:10 htb rate 10mbit ceil 20mbit burst 15k cburst 16k prio 2 quantum 3000
class add dev eth0 parent 1:1 classid 1:20 htb rate 50gbit burst 1m mtu 9000
class add dev eth0 parent 1:1 classid 1:30 htb rate 1mbit ceil 90mbit mpu 64 overhead 24 linklayer atm prio 7
class add dev eth0 parent 1:1 classid 1:40 htb rate 5mbit
class add dev eth0 parent 1:1 classid 1:50 htb rate 5mbit
qdisc add dev eth0 parent 1:10 handle 10: prio bands 4 priomap 3 2 2 2 1 2 0 0 1 1 1 1 1 1 1 3
qdisc add dev eth0 parent 10:1 handle 11: sfq perturb 10 quantum 3000
qdisc add dev eth0 parent 10:2 handle 12: sfq limit 3000 flows 512 divisor 16384 redflowlimit 100000 min 8000 max 60000 burst 20 avpkt 1000 probability 0.20 ecn headdrop
qdisc add dev eth0 parent 10:3 handle 13: bfifo limit 20000
qdisc add dev eth0 parent 10:4 handle 14: pfifo_head_drop limit 20
qdisc add dev eth0 parent 1:20 handle 20: fq_codel limit 1000 flows 64 quantum 300 target 5ms interval 100ms noecn drop_batch 32 memory_limit 16Mb ce_threshold 1ms
qdisc add dev eth0 parent 1:30 handle 30: prio
qdisc add dev eth0 parent 30:1 handle 31: tbf rate 1mbit burst 10k latency 400ms
qdisc add dev eth0 parent 30:2 handle 32: fq_codel
qdisc add dev eth0 parent 1:40 handle 40: tbf rate 12mbit burst 9k limit 30000 mpu 64 overhead 8 linklayer atm
qdisc add dev eth0 parent 1:50 handle 50: pfifo limit 7
filter add dev eth0 parent 1: protocol ip pref 1 u32 match ip dst 10.0.0.2/32 flowid 1:30
filter add dev eth0 parent 30: protocol ip pref 1 u32 match u32 0 0 flowid 30:2
",
        );
        assert!(host.ping("10.0.0.2"));
        host.rtc(&["-s", "class", "show", "dev", "eth0", "classid", "1:30"]).shows(" 1 pkt ");
        host.compare_listings("eth0");
        host.compare_text(&["-g", "class", "show", "dev", "eth0"]);
        host.compare(&["-iec", "class", "show", "dev", "eth0"]);
        host.compare(&["class", "show", "dev", "eth0", "parent", "1:1"]);
        host.compare(&["class", "show", "dev", "eth0", "classid", "1:20"]);
    });
}

/// Packets that wait make classes of their own in these, which have counters.
#[test]
fn classes_of_flows() {
    isolated(|ns| {
        for kind in ["prio", "sfq", "fq_codel"] {
            ns.need_qdisc(kind);
        }
        let host = ns.host("one");
        traffic(&host);
        // The first packet goes; the next one would, after minutes.
        host.batch(
            "\
qdisc add dev eth0 root handle 1: prio
qdisc add dev eth0 parent 1:1 handle 10: tbf rate 80bit burst 1600 limit 10k
qdisc add dev eth0 parent 10:1 handle 11: fq_codel flows 4
qdisc add dev eth0 parent 1:2 handle 20: tbf rate 80bit burst 1600 limit 10k
qdisc add dev eth0 parent 20:1 handle 21: sfq divisor 8
filter add dev eth0 parent 1: protocol ip pref 1 u32 match ip tos 0x10 0xff flowid 1:1
filter add dev eth0 parent 1: protocol ip pref 2 u32 match u32 0 0 flowid 1:2
",
        );
        for tos in ["16", "0"] {
            let words = "-c 4 -i 0.01 -W 1 -s 1400 -Q";
            let words: Vec<&str> = words.split(' ').chain([tos, "10.0.0.2"]).collect();
            host.program("ping", &words);
        }
        host.rtc(&["-s", "class", "show", "dev", "eth0", "parent", "11:"])
            .shows("class fq_codel 11:");
        host.rtc(&["-s", "class", "show", "dev", "eth0", "parent", "21:"]).shows("class sfq 21:");
        host.compare_listings("eth0");
        host.compare_text(&["-s", "-g", "class", "show", "dev", "eth0"]);
    });
}

/// In JSON, tc leaves out what there is to say of such classes.
#[test]
fn classes_of_drr() {
    isolated(|ns| {
        ns.need_qdisc("drr");
        let host = ns.host("one");
        traffic(&host);
        host.batch(
            "\
qdisc add dev eth0 root handle 1: drr
class add dev eth0 parent 1: classid 1:1 drr
class add dev eth0 parent 1: classid 1:2 drr quantum 9k
qdisc add dev eth0 parent 1:2 handle 12: pfifo limit 7
filter add dev eth0 parent 1: protocol ip pref 1 u32 match u32 0 0 flowid 1:2
",
        );
        assert!(host.ping("10.0.0.2"));
        host.compare_text_listings("eth0");
        host.compare(&["qdisc", "show", "dev", "eth0"]);
    });
}

#[test]
fn qdiscs_of_devices_with_many_queues() {
    isolated(|ns| {
        ns.need_qdisc("prio");
        let host = ns.host("one");
        for dev in ["eth1", "eth2", "eth3"] {
            host.link_with_queues(dev, 4);
        }
        host.batch(
            "\
qdisc add dev eth1 root handle 1: multiq
qdisc add dev eth3 root handle 1: stab overhead 30 mtu 2048 mpu 60 tsize 256 linklayer atm tbf rate 1gbit burst 20k limit 100k
qdisc add dev eth1 parent 1:2 handle 2: pfifo limit 3
qdisc add dev eth2 root handle 1: mq
qdisc add dev eth2 parent 1:1 handle 10: pfifo
qdisc add dev eth2 parent 1:2 handle 20: fq_codel
qdisc add dev eth2 parent 1:3 handle 30: pfifo
qdisc add dev eth2 parent 1:4 handle 40: pfifo_fast
",
        );
        host.compare_listings("eth1");
        host.compare_listings("eth2");
        host.compare_listings("eth3");
    });
}

#[test]
fn delays_and_losses() {
    isolated(|ns| {
        ns.need_qdisc("prio");
        ns.need_qdisc("netem");
        let host = ns.host("one");
        traffic(&host);
        // Kernels of 2025 take no netem that duplicates beside others at the same device.
        for dev in ["eth1", "eth2"] {
            host.link(dev);
        }
        host.batch(
            "\
qdisc add dev eth1 root handle 13: netem delay 1us loss 0.3% 25% duplicate 1% 5% corrupt 0.1% 2% reorder 25% 50% gap 3
qdisc add dev eth2 root handle 23: netem loss gemodel 3% duplicate 100% rate 9kbit 0 0 0
qdisc add dev eth0 root handle 1: prio bands 14
qdisc add dev eth0 parent 1:1 handle 11: netem
qdisc add dev eth0 parent 1:2 handle 12: netem delay 100ms 10ms 25% distribution normal
qdisc add dev eth0 parent 1:3 handle 13: netem delay 1us loss 0.3% 25% corrupt 0.1% 2% reorder 25% 50% gap 3
qdisc add dev eth0 parent 1:4 handle 14: netem loss state 1% 2% 3% 4% 5% ecn
qdisc add dev eth0 parent 1:5 handle 15: netem loss gemodel 1% 10% 70% 0.1% ecn limit 77
qdisc add dev eth0 parent 1:6 handle 16: netem rate 1mbit 10 20 -5
qdisc add dev eth0 parent 1:7 handle 17: netem rate 50gbit seed 12345
qdisc add dev eth0 parent 1:8 handle 18: netem slot 1ms 2ms packets 3 bytes 4000
qdisc add dev eth0 parent 1:9 handle 19: netem slot distribution normal 3ms 1ms packets 5
qdisc add dev eth0 parent 1:a handle 20: netem delay 1234567us 1ns loss random 100%
qdisc add dev eth0 parent 1:b handle 21: netem slot 500us
qdisc add dev eth0 parent 1:c handle 22: netem delay 5s 1s distribution pareto loss state 7%
qdisc add dev eth0 parent 1:d handle 23: netem loss gemodel 3% rate 9kbit 0 0 0
qdisc add dev eth0 parent 1:e handle 24: netem delay 10ms reorder 50% corrupt 3%
",
        );
        for dev in ["eth0", "eth1", "eth2"] {
            host.compare_listings(dev);
        }
        host.compare_text(&["-g", "class", "show", "dev", "eth0"]);
    });
}

#[test]
fn filters() {
    isolated(|ns| {
        for kind in ["prio", "sfq"] {
            ns.need_qdisc(kind);
        }
        ns.need_bpf();
        let host = ns.host("one");
        traffic(&host);
        let object = object("use-cases");
        host.batch(&format!(
            "\
qdisc add dev eth0 root handle 1: prio
qdisc add dev eth0 clsact
filter add dev eth0 parent 1: protocol ip pref 10 handle 1: u32 divisor 256
filter add dev eth0 parent 1: protocol ip pref 10 u32 ht 1:7b: match ip tos 16 0xff flowid 1:3
filter add dev eth0 parent 1: protocol ip pref 10 u32 match ip dst 10.9.0.0/16 hashkey mask 0x000000ff at 12 link 1:
filter add dev eth0 parent 1: protocol ip pref 10 u32 match mark 5 0xff match ip protocol 1 0xff indev lo flowid 1:1
filter add dev eth0 parent 1: protocol 802.1q pref 12 u32 match u16 0x0064 0x0fff at -4 flowid 1:2
filter add dev eth0 parent 1: protocol ip pref 20 handle 6/0xff fw classid 1:3
filter add dev eth0 parent 1: protocol all pref 30 matchall classid 1:1
filter add dev eth0 ingress protocol ip pref 1 u32 match ip src 10.0.0.2 action pass index 1 cookie a1b2
filter add dev eth0 ingress protocol ip pref 2 matchall skip_hw classid :5 action drop index 2
filter add dev eth0 ingress protocol all pref 3 chain 7 handle 3 fw action gact reclassify random determ drop 3 index 3
filter add dev eth0 ingress pref 4 bpf obj {object} sec mycls classid 1:1
filter add dev eth0 ingress pref 5 bpf bytecode '4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0' action goto chain 7
filter add dev eth0 egress protocol ip pref 1 u32 match ip protocol 1 0xff action vlan push id 123 pipe index 1 action vlan pop index 2
filter add dev eth0 egress protocol ip pref 2 u32 match ip protocol 6 0xff action mirred egress mirror dev lo index 1 action skbedit mark 7 priority 1:2 queue_mapping 0 index 1
"
        ));
        assert!(host.ping("10.0.0.2"));
        host.rtc(&["-s", "filter", "show", "dev", "eth0", "ingress"]).shows(" 1 pkt ");
        host.compare_listings("eth0");
        host.compare(&["-p", "-r", "filter", "show", "dev", "eth0", "parent", "1:"]);
        host.compare(&["filter", "show", "dev", "eth0", "ingress", "chain", "7"]);
        host.compare(&["filter", "show", "dev", "eth0", "ingress", "pref", "2"]);
        host.compare(&["filter", "show", "dev", "eth0", "parent", "1:", "protocol", "802.1q"]);
        host.compare(&["-br", "filter", "show", "dev", "eth0", "ingress", "pref", "2"]);
        for words in [
            "dev eth0 parent 1: protocol ip pref 10 handle 800::800 u32",
            "dev eth0 parent 1: protocol ip pref 20 handle 6/0xff fw",
            "dev eth0 ingress protocol ip pref 2 handle 1 matchall",
            "dev eth0 ingress protocol all pref 4 handle 1 bpf",
            "dev eth0 ingress protocol all pref 9 handle 1 bpf",
        ] {
            let words: Vec<&str> = ["filter", "get"].into_iter().chain(words.split(' ')).collect();
            host.compare(&words);
        }
        host.compare(&["chain", "show", "dev", "eth0", "ingress"]);
        host.compare(&["-N", "filter", "show", "dev", "eth0", "ingress"]);
    });
}

/// Filters of which tc's JSON repeats keys, leaves out values or is none: only their text is
/// compared here. What rtc makes of them is in the goldens.
#[test]
fn filters_without_sound_json() {
    isolated(|ns| {
        ns.need_qdisc("prio");
        ns.need_bpf();
        let host = ns.host("one");
        host.link("eth1");
        let object = object("use-cases");
        host.batch(&format!(
            "\
qdisc add dev eth1 root handle 1: prio
qdisc add dev eth1 clsact
filter add dev eth1 parent 1: protocol ip pref 10 handle 1: u32 divisor 256
filter add dev eth1 parent 1: protocol ip pref 10 u32 ht 1:7b: match ip tos 16 0xff match tcp dst 80 0xffff flowid 1:3
filter add dev eth1 parent 1: protocol ip pref 10 u32 match u8 0x45 0xff at 0 offset at 0 mask 0x0f00 shift 6 plus 4 eat link 1:
filter add dev eth1 parent 1: protocol ip pref 10 u32 match mark 5 0xff match ip protocol 1 0xff indev lo flowid 1:1
filter add dev eth1 parent 1: protocol ipv6 pref 11 u32 match ip6 src 2001:db8::/48 match ip6 dport 53 0xffff flowid 1:2
filter add dev eth1 parent 1: protocol ip pref 20 handle 7/0xff fw classid 1:1 indev lo police rate 1mbit burst 10k continue
filter add dev eth1 egress protocol ip pref 3 matchall action police rate 7mbit burst 20k conform-exceed drop/pipe index 9 action bpf obj {object} sec my-action index 1
filter add dev eth1 ingress protocol ip pref 2 matchall action simple sdata text index 1 action mirred egress mirror dev lo index 2
filter add dev eth1 egress protocol ip pref 4 u32 match u32 0 0 flowid 1:1 police rate 1mbit burst 10k mtu 2k pass
"
        ));
        host.compare_text_listings("eth1");
        host.compare_text(&["-p", "-r", "filter", "show", "dev", "eth1", "parent", "1:"]);
        host.compare_text(&["filter", "show", "dev", "eth1", "parent", "1:", "protocol", "ipv6"]);
        let get = "filter get dev eth1 parent 1: protocol ip pref 10 handle 800::800 u32";
        host.compare_text(&get.split(' ').collect::<Vec<_>>());
    });
}

#[test]
fn filters_by_flow() {
    isolated(|ns| {
        ns.need_filter("flow map key src");
        ns.need_action("drop");
        let host = ns.host("one");
        for dev in ["eth1", "eth2"] {
            host.link(dev);
        }
        let under = |dev: &str, lines: &str| {
            let lines: Vec<_> = lines
                .lines()
                .zip(1..)
                .map(|(words, n)| {
                    format!("filter add dev {dev} parent 1: protocol ip pref {n} handle {n} flow {words}\n")
                })
                .collect();
            let lines = lines.concat();
            host.batch(&format!("qdisc add dev {dev} root handle 1: htb\n{lines}"));
        };
        under(
            "eth1",
            "\
hash keys src,dst,proto,proto-src,proto-dst divisor 1024
map key dst and 0xff rshift 2 addend 5 divisor 16 baseclass 1:1
hash keys src,mark perturb 10 divisor 16
map key dst or 0xff xor 3 and 0xf
map key dst xor 5
map key dst addend -192.168.0.0 divisor 256
map key dst and 0xff divisor 16 action drop
map key dst or 0xff
map key dst and 0xf or 1
map key priority and 0 addend 1
hash keys iif,priority,mark,vlan-tag,rxhash
map key src rshift 0 baseclass 1:ffff
map key src action pass action drop index 7
",
        );
        host.compare_listings("eth1");
        host.compare_text(&["-p", "-r", "filter", "show", "dev", "eth1"]);
        let get = "filter get dev eth1 parent 1: protocol ip pref 2 handle 2 flow";
        host.compare(&get.split(' ').collect::<Vec<_>>());
        // With these, tc's JSON is none.
        under(
            "eth2",
            "\
map key src match 'meta(priority eq 6)' divisor 8
map key src match 'meta(priority eq 6)' and not 'u32(u8 1 1 at 9)' baseclass 1:2 action drop
map key src police rate 1mbit burst 10k drop
",
        );
        host.compare_text_listings("eth2");
    });
}

/// All that an expression can look for. In tc's JSON, expressions are raw text.
#[test]
fn expressions_of_basic() {
    isolated(|ns| {
        ns.need_filter("basic match meta(random eq 1) classid 1:1");
        ns.need_action("drop");
        let host = ns.host("one");
        host.link("eth1");
        host.batch("qdisc add dev eth1 clsact\n");
        let integers = "random loadavg_1 loadavg_5 loadavg_15 priority protocol pkt_type pkt_len data_len mac_len \
                        nf_mark fwmark tc_index rt_classid rt_iif vlan sk_family sk_state sk_reuse sk_refcnt \
                        sk_shutdown sk_proto sk_type sk_rcvbuf sk_rmem sk_wmem sk_omem sk_wmem_queue sk_snd_queue \
                        sk_rcv_queue sk_err_queue sk_fwd_alloc sk_sndbuf dev sk_bind_if";
        let integers: Vec<_> = integers
            .split_ascii_whitespace()
            .zip(1000..)
            .map(|(id, n)| {
                let words = match n % 4 {
                    0 => format!("{id} eq {n}"),
                    1 => format!("{id} shift 3 mask 0x0f gt {n}"),
                    2 => format!("{id} mask 0xff00 lt 0x10000"),
                    _ => format!("{id} eq priority"),
                };
                format!("filter add dev eth1 ingress protocol ip pref {n} basic match 'meta({words})' classid 1:1\n")
            })
            .collect();
        let texts = "\
filter add dev eth1 ingress protocol ip pref 6 handle 0xab basic match 'meta(dev eq \"eth1\")' police rate 1mbit burst 10k drop
filter add dev eth1 ingress protocol ip pref 9 basic match '(meta(dev eq \"eth1\")) and (meta(sk_bind_if eq \"lo\"))' action drop
";
        let others = texts.to_owned() + &integers.concat();
        host.batch(
            "\
filter add dev eth1 ingress protocol ip pref 1 basic match 'cmp(u8 at 0 layer 0 mask 0xff gt 10)' classid 1:1
filter add dev eth1 ingress protocol ip pref 2 basic match 'cmp(u16 at 2 layer link lt 65535) and cmp(u32 at 4 layer transport trans eq 7)' action drop
filter add dev eth1 ingress protocol ip pref 3 basic match 'nbyte(\"ab c\" at 4 layer 1)' or 'nbyte(0x4142 at 0)' or 'nbyte(\"\\x01\\n\\377\" at 3 layer transport)' classid 1:1
filter add dev eth1 ingress protocol ip pref 4 basic match 'u32(u32 0x0a000000 0xf0000000 at nexthdr+0)' and 'u32(u16 5 0xff at 2)' classid 1:2
filter add dev eth1 ingress protocol ip pref 5 basic match 'not (cmp(u8 at 9 eq 1) or (not meta(priority eq 6) and not u32(u8 1 1 at 0)))' action drop action pass
filter add dev eth1 ingress protocol ip pref 8 basic classid root
",
        );
        // Some comparisons are none to the kernel.
        let file = host.file("lines", &others);
        host.rtc(&["-force", "-batch", &file]);
        host.rtc(&["filter", "show", "dev", "eth1", "ingress"]).shows("meta(sk_sndbuf ");
        host.compare_text_listings("eth1");
        host.compare_text(&["-p", "-r", "filter", "show", "dev", "eth1", "ingress"]);
        let get = "filter get dev eth1 ingress protocol ip pref 5 handle 1 basic";
        host.compare_text(&get.split(' ').collect::<Vec<_>>());
    });
}

#[test]
fn shared_blocks() {
    isolated(|ns| {
        ns.need_qdisc("prio");
        let host = ns.host("one");
        for dev in ["eth1", "eth2"] {
            host.link(dev);
        }
        host.batch(
            "\
qdisc add dev eth1 ingress_block 22 egress_block 23 clsact
qdisc add dev eth2 ingress_block 22 ingress
chain add block 22 chain 5
chain add block 22 chain 6
filter add block 22 protocol ip pref 1 u32 match ip src 10.0.0.9 action drop
filter add block 22 chain 5 pref 3 matchall action goto chain 6
filter add block 23 protocol all pref 9 handle 5 fw classid 1:1
",
        );
        host.compare_listings("eth1");
        host.compare(&["filter", "show", "block", "22"]);
        host.compare(&["filter", "show", "block", "22", "chain", "5"]);
        host.compare(&["filter", "show", "block", "24"]);
        host.compare(&["chain", "show", "block", "22"]);
        host.compare(&["chain", "get", "block", "22", "chain", "5"]);
        let get = "filter get block 22 protocol ip parent ffff: pref 1 handle 800::800 u32";
        host.compare(&get.split(' ').collect::<Vec<_>>());
        for refused in [
            "filter add dev eth1 ingress matchall action drop",
            "filter add block 24 matchall action drop",
            "qdisc add dev eth2 egress_block 23 clsact",
            "filter del block 22 chain 9",
        ] {
            host.compare(&refused.split(' ').collect::<Vec<_>>());
        }
    });
}
