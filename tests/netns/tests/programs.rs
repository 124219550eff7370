//! Programs of the sorts that people use, from `bpf/`: loaded, attached, and seen to act on packets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helpers of tests do not find fails the test"
)]

use std::net::UdpSocket;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use netns_tests::{Ns, isolated, object, skip_for_kernel};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};
use serde_json::Value;
use tc_bpf_loader::sys::{Kernel, MapOps as _};
use tc_bpf_loader::{LoadOptions, Loaded, ObjectSpec, ProgType, Select, socket};

const SERVER: &str = "172.17.0.2";
const CLIENT: &str = "172.17.0.3";

fn client_of(ns: &Ns) -> Ns {
    ns.need_bpf();
    let client = ns.host("client");
    ns.join("eth0", &format!("{SERVER}/24"), &client, "eth0", &format!("{CLIENT}/24"));
    client
}

fn rtc(ns: &Ns, line: &str) -> netns_tests::Output {
    ns.rtc(&line.split_ascii_whitespace().collect::<Vec<_>>())
}

/// A socket that sees all packets of all devices of a host, with their Ethernet headers.
fn sniffer(ns: &Ns) -> OwnedFd {
    const ETH_P_ALL: u16 = 3;
    let all = NonZeroU32::new(ETH_P_ALL.to_be().into()).unwrap();
    ns.enter(|| {
        let protocol = Some(Protocol::from_raw(all));
        socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::empty(), protocol)
    })
    .expect("root may listen to packets")
}

/// Loads the program of a section as a socket filter and attaches it.
fn filter(file: &str, section: &str, to: impl AsFd) -> Loaded {
    let object = ObjectSpec::from_path(&Path::new("/run").join(file)).unwrap();
    let select = Select { section: Some(section), ..Select::default() };
    let program = object.select(&select).unwrap();
    let loaded = program.load(&LoadOptions::new(ProgType::SOCKET_FILTER), &mut Kernel);
    let loaded = loaded.unwrap_or_else(|e| panic!("{e}\n{}", e.log()));
    socket::attach(to, &loaded.fd).unwrap();
    loaded
}

/// The number under a key of a map; 0 if there is none.
fn lookup(loaded: &Loaded, map: &str, key: &[u8]) -> u64 {
    let (_, fd) = loaded.maps.iter().find(|(name, _)| name == map).expect("the map");
    let mut value = [0; 8];
    match Kernel.map_lookup(fd.as_fd(), key, &mut value, 0) {
        Ok(()) => u64::from_ne_bytes(value),
        Err(_) => 0,
    }
}

/// An address as programs read it with `load_word`: a number of the host's byte order.
fn number(address: &str) -> u32 {
    u32::from(address.parse::<std::net::Ipv4Addr>().unwrap())
}

#[test]
fn socket_filters_count_what_passes() {
    isolated(|ns| {
        let client = client_of(ns);
        let file = object("count-protocols");
        let (first, second) = (sniffer(ns), sniffer(ns));
        let protocols = filter(&file, "socket1", &first);
        let bytes = filter(&file, "socket2", &second);
        let of = |protocol: u32| lookup(&protocols, "by_protocol", &protocol.to_ne_bytes());
        assert_eq!((of(1), of(6)), (0, 0));
        assert!(client.ping(SERVER));
        let pinged = of(1);
        assert!(pinged >= 2, "a request and its answer");
        assert_eq!(of(6), 0);
        ns.serve_tcp(80);
        assert!(client.talk_tcp(SERVER, 80));
        assert!(of(6) >= 5, "a connection is made, used and closed");
        assert_eq!(of(1), pinged);
        let to = |address: &str| lookup(&bytes, "by_address", &number(address).to_ne_bytes());
        assert!(to(SERVER) > 98 && to(CLIENT) > 98, "{} {}", to(SERVER), to(CLIENT));
        assert_eq!(to("192.0.2.1"), 0);
    });
}

/// As the program's `struct flow` has it.
fn flow(source: u32, destination: u32, ports: (u16, u16), protocol: u32) -> Vec<u8> {
    let mut key = [source.to_ne_bytes(), destination.to_ne_bytes()].concat();
    key.extend([ports.0.to_ne_bytes(), ports.1.to_ne_bytes()].concat());
    key.extend(protocol.to_ne_bytes());
    key
}

/// A frame without addresses: what stands between its header and the packet, and the packet.
fn frame(ether_type: u16, between: &[u8], packet: &[u8]) -> Vec<u8> {
    [&[0; 12][..], &ether_type.to_be_bytes(), between, packet].concat()
}

/// IPv4 from 10.0.0.1 to 10.0.0.2, with ports if it is TCP or UDP.
fn ipv4(protocol: u8, ports: (u16, u16)) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes(), [0; 2], [0; 2]].concat());
    packet
}

/// Each parser is called by a tail call, and finds the flow behind its header.
#[test]
fn a_dissector_calls_a_program_for_each_protocol() {
    isolated(|ns| {
        ns.need_bpf();
        let file = object("flows");
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let loaded = filter(&file, "socket/0", &receiver);
        let (one, two) = (number("10.0.0.1"), number("10.0.0.2"));
        let count = |ports, protocol| lookup(&loaded, "flows", &flow(one, two, ports, protocol));
        let mut expected = 0;
        // The label 5 with and without the mark of the last one.
        let (last, more) = ([0, 0, 0x51, 64], [0, 0, 0x50, 64]);
        for (what, ether_type, between) in [
            ("IPv4", 0x0800, vec![]),
            ("VLAN", 0x8100, vec![0, 10, 8, 0]),
            ("two VLANs", 0x88a8, vec![0, 10, 0x81, 0, 0, 11, 8, 0]),
            ("MPLS", 0x8847, last.to_vec()),
            ("three labels", 0x8847, [more, more, last].concat()),
            ("MPLS in a VLAN", 0x8100, [&[0, 10, 0x88, 0x47][..], &last].concat()),
        ] {
            sender.send(&frame(ether_type, &between, &ipv4(6, (1000, 80)))).unwrap();
            expected += 1;
            assert_eq!(count((1000, 80), 6), expected, "{what}");
        }
        sender.send(&frame(0x0800, &[], &ipv4(17, (53, 5353)))).unwrap();
        assert_eq!(count((53, 5353), 17), 1);
        // ICMP has no ports; ARP is no flow; a packet that ends early is none.
        sender.send(&frame(0x0800, &[], &ipv4(1, (0x0800, 7)))).unwrap();
        assert_eq!(count((0, 0), 1), 1);
        sender.send(&frame(0x0806, &[], &[0; 28])).unwrap();
        sender.send(&frame(0x0800, &[], &ipv4(6, (1000, 80))[..19])).unwrap();
        assert_eq!(count((1000, 80), 6), expected);
        // IPv6, by the ends of the addresses, in a VLAN.
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        packet.extend(
            [[0; 12].as_slice(), &one.to_be_bytes(), &[0; 12], &two.to_be_bytes()].concat(),
        );
        packet.extend([0, 7, 0, 9, 0, 8, 0, 0]);
        sender.send(&frame(0x8100, &[0, 10, 0x86, 0xdd], &packet)).unwrap();
        assert_eq!(count((7, 9), 17), 1);
    });
}

#[test]
fn a_dissector_sees_real_connections() {
    isolated(|ns| {
        let client = client_of(ns);
        let listener = sniffer(ns);
        let loaded = filter(&object("flows"), "socket/0", &listener);
        ns.serve_tcp(80);
        assert!(client.ping(SERVER));
        assert!(client.talk_tcp(SERVER, 80));
        let ping = flow(number(CLIENT), number(SERVER), (0, 0), 1);
        assert_eq!(lookup(&loaded, "flows", &ping), 1);
        let udp = flow(number(CLIENT), number(SERVER), (4000, 4001), 17);
        assert_eq!(lookup(&loaded, "flows", &udp), 0);
        client.enter(|| {
            let from = UdpSocket::bind((CLIENT, 4000)).unwrap();
            from.send_to(b"x", (SERVER, 4001)).unwrap();
        });
        assert_eq!(lookup(&loaded, "flows", &udp), 1);
    });
}

/// TCP to port 80 leaves by another device, to port 8080; all else is as before.
#[test]
fn a_classifier_rewrites_a_port_and_redirects() {
    isolated(|ns| {
        let client = client_of(ns);
        let other = ns.host("other");
        ns.ip("link add out index 77 type veth peer name eth0 netns other");
        ns.ip("link set out up");
        other.ip("link set eth0 up");
        let listener = sniffer(&other);
        let loaded = filter(&object("flows"), "socket/0", &listener);
        let file = object("redirect-port");
        rtc(ns, "qdisc add dev eth0 clsact").ok();
        rtc(ns, &format!("filter add dev eth0 ingress bpf da obj {file} sec redirect_xmit")).ok();
        ns.serve_tcp(80);
        ns.serve_tcp(81);
        assert!(client.ping(SERVER), "ICMP is left alone");
        assert!(client.talk_tcp(SERVER, 81), "port 81 is left alone");
        client.enter(|| {
            // From a port of our choice, so that the flow is known.
            let udp = UdpSocket::bind((CLIENT, 4000)).unwrap();
            udp.send_to(b"x", (SERVER, 80)).unwrap();
        });
        let port = ns.program("cat", &["/proc/sys/net/ipv4/ip_local_port_range"]);
        assert_eq!(port.status, 0);
        client
            .program("sh", &["-c", "echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range"])
            .ok();
        assert!(!client.talk_tcp(SERVER, 80), "port 80 went elsewhere");
        let arrived = |port: u16, protocol: u32| {
            let from = if protocol == 17 { 4000 } else { 40000 };
            let key = flow(number(CLIENT), number(SERVER), (from, port), protocol);
            lookup(&loaded, "flows", &key)
        };
        assert!(arrived(8080, 6) >= 1, "it arrives there, with the port rewritten");
        assert_eq!(arrived(80, 6), 0);
        assert_eq!(arrived(80, 17), 0, "UDP is left alone");
    });
}

/// A result that is no verdict is the class.
#[test]
fn a_classifier_without_direct_action_chooses_classes() {
    isolated(|ns| {
        let client = client_of(ns);
        ns.need_qdisc("htb");
        let file = object("classes");
        for line in [
            "qdisc add dev eth0 root handle 1: htb default 9",
            "class add dev eth0 parent 1: classid 1:2 htb rate 1mbit",
            "class add dev eth0 parent 1: classid 1:3 htb rate 1mbit",
            "class add dev eth0 parent 1: classid 1:4 htb rate 1mbit",
            "class add dev eth0 parent 1: classid 1:9 htb rate 1mbit",
            &format!("filter add dev eth0 parent 1:0 bpf obj {file} sec mycls flowid 1:4"),
        ] {
            rtc(ns, line).ok();
        }
        let packets = |class: &str| {
            let out = rtc(ns, "-j -s class show dev eth0");
            let json: Value = serde_json::from_str(out.ok()).unwrap();
            let all = json.as_array().unwrap().iter();
            let of = all.filter(|c| c["handle"] == class).map(|c| &c["stats"]["packets"]);
            of.map(|count| count.as_u64().unwrap()).sum::<u64>()
        };
        client.serve_tcp(80);
        let before = packets("1:4");
        assert!(ns.ping(CLIENT));
        assert_eq!(packets("1:4"), before + 1, "ICMP goes where the words say");
        assert_eq!((packets("1:2"), packets("1:3")), (0, 0));
        ns.enter(|| {
            let udp = UdpSocket::bind((SERVER, 0)).unwrap();
            udp.send_to(b"x", (CLIENT, 9)).unwrap();
        });
        assert_eq!(packets("1:3"), 1, "UDP");
        assert!(ns.talk_tcp(CLIENT, 80));
        assert!(packets("1:2") >= 3, "TCP");
        assert!(packets("1:9") >= 1, "ARP, which the program does not match");
    });
}

/// The program's result is the verdict; -1 would be the one of the words.
#[test]
fn an_action_drops_by_mark() {
    isolated(|ns| {
        let client = client_of(ns);
        let file = object("classes");
        rtc(ns, "qdisc add dev eth0 clsact").ok();
        let line =
            format!("filter add dev eth0 egress matchall action bpf obj {file} sec my-action");
        let added = rtc(ns, &line);
        if added.status == 2 {
            skip_for_kernel("this kernel has no action bpf or no matchall");
        }
        added.ok();
        assert!(ns.ping(CLIENT), "nothing is marked");
        assert_eq!(ns.program("ping", &["-q", "-c", "1", "-W", "1", "-m", "7", CLIENT]).status, 1);
        assert_eq!(ns.program("ping", &["-q", "-c", "1", "-W", "1", "-m", "8", CLIENT]).status, 0);
        assert!(client.ping(SERVER));
    });
}
