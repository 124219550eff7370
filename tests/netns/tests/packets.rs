//! Real packets against filters and actions: what a filter names is gone, changed or elsewhere, and
//! nothing else is.

use netns_tests::{Ns, isolated, skip_for_kernel};

const SERVER: &str = "172.17.0.2";
const CLIENT: &str = "172.17.0.3";
/// A second address of the client.
const OTHER: &str = "172.17.0.4";

/// Two hosts on a veth pair, `eth0` at both ends; the test's own namespace is the server, whose
/// `eth0` has clsact.
fn client_of(ns: &Ns) -> Ns {
    let client = ns.host("client");
    ns.join("eth0", &format!("{SERVER}/24"), &client, "eth0", &format!("{CLIENT}/24"));
    client.ip(&format!("addr add {OTHER}/24 dev eth0"));
    do_rtc(ns, "qdisc add dev eth0 clsact");
    assert!(ns.ping(CLIENT), "the hosts know each other");
    client
}

/// Runs rtc with these words, split at blanks; it must succeed.
#[track_caller]
fn do_rtc(ns: &Ns, line: &str) {
    ns.rtc(&line.split_ascii_whitespace().collect::<Vec<_>>()).ok();
}

/// Whether the address answers an echo request with these options of `ping`.
fn ping_with(ns: &Ns, options: &str, address: &str) -> bool {
    let fixed = ["-q", "-c", "1", "-W", "1"];
    let options = options.split_ascii_whitespace();
    let words: Vec<&str> = fixed.into_iter().chain(options).chain([address]).collect();
    ns.program("ping", &words).status == 0
}

/// A counter of a device of the test's own namespace.
fn count(dev: &str, counter: &str) -> u64 {
    let file = format!("/sys/class/net/{dev}/statistics/{counter}");
    std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Shows the filters as tc does, in text: of `u32` and of ematches, tc makes no sound JSON.
#[track_caller]
fn compare(ns: &Ns) {
    for place in ["ingress", "egress"] {
        ns.compare_text(&["filter", "show", "dev", "eth0", place]);
    }
}

/// Forgets all filters.
fn reset(ns: &Ns) {
    do_rtc(ns, "qdisc del dev eth0 clsact");
    do_rtc(ns, "qdisc add dev eth0 clsact");
}

#[test]
fn u32_drops_what_it_names() {
    isolated(|ns| {
        ns.need_action("drop");
        let client = client_of(ns);
        client.serve_tcp(80);
        ns.serve_tcp(80);
        do_rtc(
            ns,
            &format!(
                "filter add dev eth0 ingress protocol ip pref 1 u32 match ip src {CLIENT} action drop"
            ),
        );
        assert!(!ping_with(&client, &format!("-I {CLIENT}"), SERVER), "this source is dropped");
        assert!(ping_with(&client, &format!("-I {OTHER}"), SERVER), "another one is not");
        reset(ns);
        do_rtc(
            ns,
            "filter add dev eth0 ingress protocol ip pref 1 u32 match ip protocol 1 0xff action drop",
        );
        assert!(!client.ping(SERVER), "ICMP is dropped");
        assert!(client.talk_tcp(SERVER, 80), "TCP lives");
        assert!(client.arping("eth0", SERVER), "ARP lives");
        reset(ns);
        do_rtc(
            ns,
            "filter add dev eth0 ingress protocol ip pref 1 u32 match ip protocol 6 0xff \
             match ip dport 80 0xffff action drop",
        );
        assert!(!client.talk_tcp(SERVER, 80), "port 80 is dropped");
        assert!(client.ping(SERVER), "ICMP lives");
    });
}

#[test]
fn u32_looks_into_the_table_that_a_key_chooses() {
    isolated(|ns| {
        ns.need_action("drop");
        let client = client_of(ns);
        for line in [
            "filter add dev eth0 ingress protocol ip pref 1 handle 2: u32 divisor 256",
            "filter add dev eth0 ingress protocol ip pref 1 u32 ht 800: match ip src 172.17.0.0/24 \
             link 2: hashkey mask 0x000000ff at 12",
            "filter add dev eth0 ingress protocol ip pref 1 u32 ht 2:3: match ip src 172.17.0.3 \
             action drop",
        ] {
            do_rtc(ns, line);
        }
        assert!(!ping_with(&client, &format!("-I {CLIENT}"), SERVER), "bucket 3 drops");
        assert!(ping_with(&client, &format!("-I {OTHER}"), SERVER), "bucket 4 is empty");
    });
}

#[test]
fn fw_drops_by_mark() {
    isolated(|ns| {
        ns.need_filter("fw classid 1:1");
        ns.need_action("drop");
        client_of(ns);
        do_rtc(ns, "filter add dev eth0 egress protocol ip pref 1 handle 7 fw action drop");
        assert!(!ping_with(ns, "-m 7", CLIENT), "this mark is dropped");
        assert!(ping_with(ns, "-m 8", CLIENT), "another one is not");
        assert!(ns.ping(CLIENT), "nor is none");
        reset(ns);
        do_rtc(ns, "filter add dev eth0 egress protocol ip pref 1 handle 0x10/0xf0 fw action drop");
        assert!(!ping_with(ns, "-m 23", CLIENT), "the mask lets 0x17 be 0x10");
        assert!(ping_with(ns, "-m 39", CLIENT), "0x27 is not");
        compare(ns);
    });
}

#[test]
fn basic_drops_what_ematches_find() {
    isolated(|ns| {
        for ematch in
            ["cmp(u8 at 0 eq 1)", "nbyte(a at 0)", "u32(u8 1 1 at 0)", "meta(random eq 1)"]
        {
            ns.need_filter(&format!("basic match {ematch} classid 1:1"));
        }
        ns.need_action("drop");
        let client = client_of(ns);
        ns.serve_tcp(80);
        ns.serve_tcp(8080);
        let drop = |place: &str, expression: &str| {
            reset(ns);
            let words = ["filter", "add", "dev", "eth0", place, "protocol", "ip", "pref", "1"];
            let basic = ["basic", "match", expression, "action", "drop"];
            ns.rtc(&[&words[..], &basic].concat()).ok();
            compare(ns);
        };

        drop("egress", "meta(priority eq 6)");
        assert!(!ping_with(ns, "-Q 0x10", CLIENT), "low delay has priority 6");
        assert!(ping_with(ns, "-Q 0x08", CLIENT), "throughput has another");
        drop("egress", "meta(nf_mark mask 0xf0 eq 0x10)");
        assert!(!ping_with(ns, "-m 23", CLIENT), "the mask lets 0x17 be 0x10");
        assert!(ping_with(ns, "-m 39", CLIENT), "0x27 is not");
        drop("egress", "meta(pkt_len gt 500)");
        assert!(!ping_with(ns, "-s 600", CLIENT), "long packets are dropped");
        assert!(ns.ping(CLIENT), "short ones are not");
        drop("egress", "meta(\"eth0\" eq dev) and meta(pkt_len gt 500)");
        assert!(!ping_with(ns, "-s 600", CLIENT), "they go out by this device");
        assert!(ns.ping(CLIENT));

        drop("ingress", "cmp(u8 at 9 eq 1)");
        assert!(!client.ping(SERVER), "ICMP is dropped");
        assert!(client.talk_tcp(SERVER, 80), "TCP lives");
        drop("egress", "cmp(u8 at 9 eq 6) and cmp(u16 at 0 layer transport eq 80)");
        assert!(!client.talk_tcp(SERVER, 80), "port 80 does not answer");
        assert!(client.talk_tcp(SERVER, 8080), "port 8080 does");

        drop("ingress", "u32(u32 0xac110003 0xffffffff at 12)");
        assert!(!ping_with(&client, &format!("-I {CLIENT}"), SERVER), "this source is dropped");
        assert!(ping_with(&client, &format!("-I {OTHER}"), SERVER), "another one is not");

        drop("ingress", "nbyte(\"abab\" at 60)");
        assert!(!ping_with(&client, "-p 6162", SERVER), "these bytes are dropped");
        assert!(ping_with(&client, "-p 6364", SERVER), "others are not");
        drop("ingress", "nbyte(\"abab\" at 60) or nbyte(\"cdcd\" at 60)");
        assert!(!ping_with(&client, "-p 6162", SERVER), "each text is looked for");
        assert!(!ping_with(&client, "-p 6364", SERVER));
        assert!(ping_with(&client, "-p 6566", SERVER));

        // a or b and c is a or (b and c).
        drop("ingress", "cmp(u8 at 9 eq 1) or cmp(u8 at 9 eq 6) and cmp(u16 at 22 eq 80)");
        assert!(!client.ping(SERVER));
        assert!(!client.talk_tcp(SERVER, 80));
        assert!(client.talk_tcp(SERVER, 8080));
        drop("ingress", "not (cmp(u8 at 9 eq 1) or (not cmp(u16 at 22 eq 80)))");
        assert!(client.ping(SERVER));
        assert!(!client.talk_tcp(SERVER, 80));
        assert!(client.talk_tcp(SERVER, 8080));
    });
}

#[test]
fn basic_looks_packets_up_in_a_set() {
    isolated(|ns| {
        ns.need_action("drop");
        if ns.program("ipset", &["create", "bulk", "hash:ip"]).status != 0 {
            skip_for_kernel("this system has no IP sets");
        }
        ns.program("ipset", &["create", "ports", "hash:ip,port"]).ok();
        ns.program("ipset", &["add", "bulk", CLIENT]).ok();
        let client = client_of(ns);
        let add = |pref: &str, ematch: &str| {
            let words = ["filter", "add", "dev", "eth0", "ingress", "protocol", "ip", "pref", pref];
            ns.rtc(&[&words[..], &["basic", "match", ematch, "action", "drop"]].concat())
        };
        add("1", "ipset(bulk src)").ok();
        assert!(!ping_with(&client, &format!("-I {CLIENT}"), SERVER), "in the set");
        assert!(ping_with(&client, &format!("-I {OTHER}"), SERVER), "not in the set");
        add("2", "not ipset(ports src,dst) and ipset(ports dst,dst)").ok();
        compare(ns);
        add("3", "ipset(nosuch src)").fails(1, "ipset: unknown set name 'nosuch'\n");
        ns.program("ipset", &["add", "bulk", OTHER]).ok();
        assert!(!ping_with(&client, &format!("-I {OTHER}"), SERVER), "now it is");
    });
}

#[test]
fn vlan_tags_are_pushed_popped_and_changed() {
    isolated(|ns| {
        ns.need_action("vlan pop");
        let client = client_of(ns);
        // Whoever hears the tag 123 has this address; nobody else does.
        ns.ip("addr add 172.18.0.2/24 dev eth0");
        client.ip("link add link eth0 name tagged type vlan id 123");
        client.ip("addr add 172.18.0.3/24 dev tagged");
        client.ip("link set tagged up");
        // Whoever asked in vain before asks anew only after a while.
        let answers = || (0..5).any(|_| ns.ping("172.18.0.3"));
        assert!(!ns.ping("172.18.0.3"), "without a tag nobody answers");
        let all = "protocol all pref 1 matchall action vlan";
        let pop = "filter add dev eth0 ingress protocol 802.1Q pref 1 matchall action vlan pop";
        do_rtc(ns, &format!("filter add dev eth0 egress {all} push id 123"));
        assert!(!ns.ping("172.18.0.3"), "the answer comes with its tag");
        do_rtc(ns, pop);
        assert!(answers(), "the tag is pushed here and popped there");
        compare(ns);
        reset(ns);
        do_rtc(ns, &format!("filter add dev eth0 egress {all} push id 100"));
        do_rtc(ns, pop);
        assert!(!ns.ping("172.18.0.3"), "another tag is another network");
        reset(ns);
        do_rtc(
            ns,
            &format!("filter add dev eth0 egress {all} push id 100 action vlan modify id 123"),
        );
        do_rtc(ns, pop);
        assert!(answers(), "the tag was changed");
        compare(ns);
    });
}

#[test]
fn mirred_copies_and_redirects() {
    isolated(|ns| {
        ns.need_action("mirred egress redirect dev lo");
        let client = client_of(ns);
        ns.link("copy");
        let icmp = "filter add dev eth0 ingress protocol ip pref 1 u32 match ip protocol 1 0xff";
        do_rtc(ns, &format!("{icmp} action mirred egress mirror dev copy"));
        let before = count("copy", "tx_packets");
        assert!(client.ping(SERVER), "a copy leaves the packet alone");
        assert!(count("copy", "tx_packets") > before, "the copy is there");
        compare(ns);
        reset(ns);
        do_rtc(ns, &format!("{icmp} action mirred egress redirect dev copy"));
        let before = count("copy", "tx_packets");
        assert!(!client.ping(SERVER), "the packet went elsewhere");
        assert!(count("copy", "tx_packets") > before, "it went there");
        assert!(client.arping("eth0", SERVER), "ARP stays");
        compare(ns);
        reset(ns);
        if ns.program("ip", &["link", "add", "ifb0", "type", "ifb"]).status != 0 {
            skip_for_kernel("this kernel has no ifb");
        }
        ns.ip("link set ifb0 up");
        do_rtc(ns, &format!("{icmp} action mirred egress redirect dev ifb0"));
        let before = count("ifb0", "rx_packets");
        assert!(client.ping(SERVER), "what ifb takes comes back");
        assert!(count("ifb0", "rx_packets") > before, "it came through");
    });
}

#[test]
fn a_program_as_action_runs() {
    isolated(|ns| {
        ns.need_bpf();
        let tried = ns.rtc(&["actions", "add", "action", "bpf", "bytecode", "1,6 0 0 0"]);
        if tried.stderr.contains("Failed to load TC action module") {
            skip_for_kernel("this kernel has no action bpf");
        }
        let client = client_of(ns);
        let attach = |bytecode: &str| {
            reset(ns);
            let words = ["filter", "add", "dev", "eth0", "ingress", "protocol", "ip", "matchall"];
            let action = ["action", "bpf", "bytecode", bytecode];
            ns.rtc(&[&words[..], &action].concat()).ok();
        };
        attach("1,6 0 0 2");
        assert!(!client.ping(SERVER), "it says drop");
        compare(ns);
        attach("1,6 0 0 0");
        assert!(client.ping(SERVER), "it says pass");
    });
}

#[test]
fn skbedit_marks_for_the_filters_behind() {
    isolated(|ns| {
        ns.need_action("skbedit mark 7");
        ns.need_filter("fw classid 1:1");
        let client = client_of(ns);
        let first = format!(
            "filter add dev eth0 ingress protocol ip pref 1 u32 match ip src {CLIENT} action skbedit"
        );
        do_rtc(ns, &format!("{first} mark 7 continue"));
        do_rtc(ns, "filter add dev eth0 ingress protocol ip pref 2 handle 7 fw action drop");
        assert!(!ping_with(&client, &format!("-I {CLIENT}"), SERVER), "the mark is seen");
        assert!(ping_with(&client, &format!("-I {OTHER}"), SERVER), "others have none");
        compare(ns);
        reset(ns);
        ns.need_filter("basic match meta(random eq 1) classid 1:1");
        do_rtc(ns, &format!("{first} priority 1:2 continue"));
        let words = ["filter", "add", "dev", "eth0", "ingress", "protocol", "ip", "pref", "2"];
        let basic = ["basic", "match", "meta(priority eq 0x10002)", "action", "drop"];
        ns.rtc(&[&words[..], &basic].concat()).ok();
        assert!(!ping_with(&client, &format!("-I {CLIENT}"), SERVER), "the priority is seen");
        assert!(ping_with(&client, &format!("-I {OTHER}"), SERVER), "others have none");
        compare(ns);
    });
}

#[test]
fn packets_go_to_another_chain() {
    isolated(|ns| {
        ns.need_action("drop");
        let client = client_of(ns);
        ns.serve_tcp(80);
        do_rtc(ns, "filter add dev eth0 ingress protocol ip pref 1 matchall action goto chain 5");
        assert!(client.ping(SERVER), "an empty chain passes");
        let icmp = "protocol ip pref 1 u32 match ip protocol 1 0xff action drop";
        do_rtc(ns, &format!("filter add dev eth0 ingress chain 5 {icmp}"));
        do_rtc(ns, &format!("filter add dev eth0 ingress chain 6 {icmp}"));
        assert!(!client.ping(SERVER), "the chain drops");
        assert!(client.talk_tcp(SERVER, 80), "TCP lives");
        compare(ns);
        for words in [&["chain", "show", "dev", "eth0", "ingress"][..], &["chain", "show"]] {
            ns.compare(words);
        }
        do_rtc(ns, "chain add dev eth0 ingress chain 9");
        ns.compare(&["chain", "show", "dev", "eth0", "ingress"]);
        do_rtc(ns, "filter del dev eth0 ingress chain 5 protocol ip pref 1");
        assert!(client.ping(SERVER), "the chain is empty again");
    });
}
