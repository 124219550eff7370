//! Real packets against the BPF programs in `bpf/`: what is dropped is gone, the rest lives.

use netns_tests::{Ns, isolated, object};

const SERVER: &str = "172.17.0.2";
const CLIENT: &str = "172.17.0.3";

/// Two hosts on a veth pair, `eth0` at both ends; the test's own namespace is the server.
fn client_of(ns: &Ns) -> Ns {
    ns.need_bpf();
    let client = ns.host("client");
    ns.join("eth0", &format!("{SERVER}/24"), &client, "eth0", &format!("{CLIENT}/24"));
    client
}

/// Hangs the object into the server's ingress, with the words that its users paste.
fn attach(ns: &Ns, program: &str) {
    let file = object(program);
    ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
    ns.rtc(&words(&format!("filter add dev eth0 ingress bpf da obj {file} sec ingress"))).ok();
    let shown = ns.rtc(&["filter", "show", "dev", "eth0", "ingress"]);
    shown.shows("filter protocol all pref 49152 bpf chain 0 \n");
    shown.shows(&format!("handle 0x1 {file}:[ingress] direct-action not_in_hw id "));
    shown.shows(" jited");
}

fn detach(ns: &Ns) {
    ns.rtc(&["qdisc", "del", "dev", "eth0", "clsact"]).ok();
    assert_eq!(ns.rtc(&["filter", "show", "dev", "eth0", "ingress"]).ok(), "");
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

/// Sets neighbour entries by hand on both sides.
fn introduce(ns: &Ns, client: &Ns) {
    for (here, other, address) in [(ns, client, CLIENT), (client, ns, SERVER)] {
        let link = other.ip("-o link show dev eth0");
        let mac = link.split("link/ether ").nth(1).and_then(|l| l.split(' ').next()).unwrap_or("");
        here.ip(&format!("neigh replace {address} lladdr {mac} dev eth0"));
    }
}

#[test]
fn drop_arp() {
    isolated(|ns| {
        let client = client_of(ns);
        assert!(client.arping("eth0", SERVER), "ARP is answered before");
        attach(ns, "drop-arp");
        assert!(!client.arping("eth0", SERVER), "ARP is dropped");
        client.ip("neigh flush dev eth0");
        assert!(!client.ping(SERVER), "nobody knows the server");
        introduce(ns, &client);
        assert!(client.ping(SERVER), "IPv4 lives where the neighbours know each other");
        detach(ns);
        assert!(client.arping("eth0", SERVER), "ARP is answered again");
    });
}

#[test]
fn drop_icmp() {
    isolated(|ns| {
        let client = client_of(ns);
        ns.serve_tcp(80);
        assert!(client.ping(SERVER));
        attach(ns, "drop-icmp");
        assert!(!client.ping(SERVER), "ICMP is dropped");
        assert!(client.talk_tcp(SERVER, 80), "TCP lives");
        assert!(client.arping("eth0", SERVER), "ARP lives");
        detach(ns);
        assert!(client.ping(SERVER));
    });
}

#[test]
fn drop_tcp() {
    isolated(|ns| {
        let client = client_of(ns);
        ns.serve_tcp(80);
        ns.serve_tcp(8080);
        assert!(client.talk_tcp(SERVER, 80));
        attach(ns, "drop-tcp");
        assert!(!client.talk_tcp(SERVER, 80), "port 80 is dropped");
        assert!(client.talk_tcp(SERVER, 8080), "port 8080 lives");
        assert!(client.ping(SERVER), "ICMP lives");
        detach(ns);
        assert!(client.talk_tcp(SERVER, 80));
    });
}

#[test]
fn the_option_for_a_namespace_reaches_another_host() {
    isolated(|ns| {
        let client = client_of(ns);
        let file = object("drop-icmp");
        ns.rtc(&["-n", "client", "qdisc", "add", "dev", "eth0", "clsact"]).ok();
        let line = format!("-n client filter add dev eth0 ingress bpf da obj {file} sec ingress");
        ns.rtc(&words(&line)).ok();
        client.rtc(&["qdisc", "show", "dev", "eth0"]).shows("qdisc clsact ffff: parent ffff:fff1");
        assert!(!ns.ping(CLIENT), "the client drops ICMP");
    });
}
