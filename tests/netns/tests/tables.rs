//! Tables of programs that the kernel uses (`struct_ops`): congestion control, and a qdisc.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what helpers of tests do not find fails the test"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;

use netns_tests::{Ns, Output, isolated, object, since_linux, skip_for_kernel};
use tc_bpf_loader::sys::{Kernel, MapOps as _};
use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType};

/// Names are those of the whole kernel, on which other tests may run: the object gets one of this namespace.
fn rename(bytes: &mut [u8], old: &str, letter: char) -> String {
    let namespace = std::fs::read_link("/proc/self/ns/net").unwrap();
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let name = format!("{letter}{number}");
    let at = bytes.windows(old.len()).position(|w| w == old.as_bytes()).unwrap();
    let room = &mut bytes[at..at + 15];
    room.fill(0);
    room[..name.len()].copy_from_slice(name.as_bytes());
    name
}

fn tables(ns: &Ns) -> (Vec<u8>, [String; 2]) {
    ns.need_bpf();
    since_linux((6, 4), "a link that holds a table");
    let mut bytes = include_bytes!("../../../crates/tc-bpf-loader/testdata/tables-g-el.o").to_vec();
    let names = [("rtc_held", 'h'), ("rtc_linked", 'l')]
        .map(|(old, letter)| rename(&mut bytes, old, letter));
    std::fs::write("/run/tables.o", &bytes).unwrap();
    (bytes, names)
}

fn rtc(ns: &Ns, line: &str) -> Output {
    ns.rtc(&line.split_ascii_whitespace().collect::<Vec<_>>())
}

fn is_available(ns: &Ns, name: &str) -> bool {
    let file = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    ns.program("cat", &[file]).ok().split_whitespace().any(|known| known == name)
}

/// What a link held goes when the kernel comes to it.
fn wait_until_gone(ns: &Ns, name: &str) {
    while is_available(ns, name) {
        std::thread::yield_now();
    }
}

#[test]
fn tables_are_registered_and_unregistered() {
    isolated(|ns| {
        let (_, [held, linked]) = tables(ns);
        rtc(ns, "bpf register tables.o").fails(255, "tables.o has `held` (tcp_congestion_ops), ");
        rtc(ns, "bpf register tables.o table linked").fails(255, "say `pin PATH`");
        assert!(!is_available(ns, &linked));

        let shown = rtc(ns, "bpf register tables.o table linked pin /sys/fs/bpf/linked");
        shown.shows("table linked type tcp_congestion_ops id ");
        assert!(is_available(ns, &linked));
        let seen = ns.program("bpftool", &["struct_ops", "dump", "name", "linked"]);
        for part in
            ["half_linked/prog_id:", "grow_linked/prog_id:", "undo_linked/prog_id:", &linked]
        {
            seen.shows(part);
        }
        // Somebody else's pin is left alone, and nothing else is.
        rtc(ns, "bpf register tables.o table held pin /sys/fs/bpf/linked")
            .fails(1, "Cannot pin to /sys/fs/bpf/linked: File exists");
        assert!(!is_available(ns, &held));
        rtc(ns, "bpf unregister /sys/fs/bpf/linked").ok();
        wait_until_gone(ns, &linked);
        assert!(!std::path::Path::new("/sys/fs/bpf/linked").exists());

        let shown = rtc(ns, "-j bpf register tables.o table held");
        let shown: serde_json::Value = serde_json::from_str(shown.ok()).unwrap();
        rtc(ns, "bpf register tables.o table held").fails(1, "of that name is registered already");
        assert!(is_available(ns, &held));
        rtc(ns, &format!("bpf unregister id {}", shown[0]["id"])).ok();
        assert!(!is_available(ns, &held));
        // As a pinned map it is found again, too.
        rtc(ns, "bpf register tables.o table held pin /sys/fs/bpf/held").ok();
        rtc(ns, "bpf unregister /sys/fs/bpf/held").ok();
        assert!(!is_available(ns, &held));
        rtc(ns, "bpf unregister /sys/fs/bpf/held").fails(1, "No such file or directory");
        rtc(ns, "bpf register tables.o table more_operations")
            .fails(1, "of this kernel has no member `no_such`, which the object sets");
    });
}

/// What bpftool, whose loader is libbpf, makes of the same object, but for numbers.
#[test]
fn a_table_is_what_others_make_of_it() {
    isolated(|ns| {
        ns.need_bpf();
        let mut bytes = include_bytes!("../objects/congestion.o").to_vec();
        let name = rename(&mut bytes, "rtc_plain", 'p');
        std::fs::write("/run/plain.o", &bytes).unwrap();
        let dump = |id: &str| {
            let text = ns.program("bpftool", &["-j", "struct_ops", "dump", "id", id]);
            // Of one table, bpftool 7.1 forgets the brackets.
            let text = text.ok().trim().trim_start_matches('[').trim_end_matches(']');
            let mut value: serde_json::Value = serde_json::from_str(&format!("[{text}]")).unwrap();
            let info = value[0]["bpf_map_info"].as_object_mut().unwrap();
            for number in ["id", "btf_id"] {
                info.remove(number).unwrap();
            }
            let members =
                value[1]["bpf_struct_ops_tcp_congestion_ops"]["data"].as_object_mut().unwrap();
            for member in members.values_mut() {
                if let Some((name, _)) = member.as_str().and_then(|m| m.split_once("/prog_id:")) {
                    *member = name.into();
                }
            }
            value
        };
        let shown = rtc(ns, "-j bpf register plain.o");
        let shown: serde_json::Value = serde_json::from_str(shown.ok()).unwrap();
        let id = shown[0]["id"].to_string();
        assert!(is_available(ns, &name));
        let ours = dump(&id);
        rtc(ns, &format!("bpf unregister id {id}")).ok();
        assert!(!is_available(ns, &name));
        // "Registered tcp_congestion_ops plain id 7"
        let said = ns.program("bpftool", &["struct_ops", "register", "plain.o"]);
        let id = said.stderr.split_whitespace().last().unwrap().to_owned();
        assert_eq!(ours, dump(&id));
        assert!(ours.to_string().contains("half"), "{ours}");
        // Whoever registered it.
        rtc(ns, &format!("bpf unregister id {id}")).ok();
        assert!(!is_available(ns, &name));
    });
}

/// The programs are asked what to do, by connections that use them.
#[test]
fn connections_use_registered_congestion_control() {
    isolated(|ns| {
        let (bytes, [_, name]) = tables(ns);
        let object = ObjectSpec::parse("tables.o", &bytes).unwrap();
        let table = object.tables().find(|table| table.name() == "linked").unwrap();
        let made = table.load(&LoadOptions::new(ProgType::STRUCT_OPS), &mut Kernel).unwrap();
        let registered = made.register(&mut Kernel).unwrap();
        ns.ip("link set lo up");
        let file = "/proc/sys/net/ipv4/tcp_congestion_control";
        ns.program("sh", &["-c", &format!("echo {name} > {file}")]).ok();
        ns.enter(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut back, _) = listener.accept().unwrap();
            // Acknowledgements are what asks.
            let mut room = [0; 1000];
            for _ in 0..100 {
                out.write_all(&room).unwrap();
                back.read_exact(&mut room).unwrap();
            }
        });
        let (_, bss) = registered.maps.iter().find(|(name, _)| name == ".bss").unwrap();
        let mut asked = [0; 8];
        Kernel.map_lookup(bss.as_fd(), &[0; 4], &mut asked, 0).unwrap();
        assert_ne!(u64::from_ne_bytes(asked), 0);
        ns.program("sh", &["-c", &format!("echo reno > {file}")]).ok();
        drop(registered);
        wait_until_gone(ns, &name);
    });
}

/// A qdisc of programs passes packets, counts them and is bound to its limit.
#[test]
fn packets_pass_a_qdisc_of_programs() {
    isolated(|ns| {
        ns.need_bpf();
        since_linux((6, 16), "a qdisc of programs");
        let other = ns.host("other");
        ns.join("eth0", "172.17.0.2/24", &other, "eth0", "172.17.0.3/24");
        let file = object("fifo");
        let registered = rtc(ns, &format!("bpf register {file} pin /sys/fs/bpf/fifo"));
        if registered.stderr.contains("this kernel has no table `struct Qdisc_ops`")
            || registered.stderr.contains("programs cannot be the operations of")
        {
            skip_for_kernel("this kernel has no qdiscs of programs (CONFIG_NET_SCH_BPF)");
        }
        registered.shows("table fifo type Qdisc_ops id ");
        rtc(ns, "qdisc add dev eth0 root bpf_fifo").ok();
        ns.compare(&["qdisc", "show", "dev", "eth0"]);
        ns.program("ping", &["-c", "3", "-i", "0.01", "172.17.0.3"]).ok();
        let seen = rtc(ns, "-s -j qdisc show dev eth0");
        let seen: serde_json::Value = serde_json::from_str(seen.ok()).unwrap();
        assert_eq!(seen[0]["kind"], "bpf_fifo");
        assert!(seen[0]["packets"].as_u64().unwrap() >= 3, "{seen}");
        assert_eq!((seen[0]["qlen"].as_u64(), seen[0]["backlog"].as_u64()), (Some(0), Some(0)));
        // A device that uses it keeps it; nobody else can.
        rtc(ns, "bpf unregister /sys/fs/bpf/fifo").ok();
        ns.program("ping", &["-c", "1", "172.17.0.3"]).ok();
        rtc(ns, "qdisc del dev eth0 root").ok();
        rtc(ns, "qdisc add dev eth0 root bpf_fifo").fails(2, "Specified qdisc kind is unknown.");
    });
}
