//! Loads that are cut off: the command is killed, or a system call fails, at each of the calls that change something.
//! Whatever is left must not be in the way of the next load, and after a failure nothing is left at all.
#![expect(clippy::expect_used, reason = "what helpers of tests do not find fails the test")]

use std::collections::BTreeSet;
use std::fs;

use netns_tests::{Ns, Output, isolated, object, since_linux, skip};

/// What a load changes something with. `sendto` and `sendmsg` attach.
const CALLS: [&str; 7] = ["bpf", "mkdir", "mkdirat", "mount", "symlink", "sendto", "sendmsg"];
/// The map of `acts.o` that programs jump through, pinned.
const KEPT: &str = "/sys/fs/bpf/tc/globals/kept";

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

fn ready(ns: &Ns) {
    ns.need_bpf();
    if cfg!(target_endian = "big") {
        skip("the objects are little-endian");
    }
    if ns.program("sh", &["-c", "command -v strace"]).status != 0 {
        skip("strace is not installed (package strace): nothing cuts loads off");
    }
    ns.link("eth0");
    ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
}

/// The load, under these words of strace.
fn cut(ns: &Ns, call: &str, how: &str, load: &str) -> Output {
    let rtc = ns.rtc_path().display();
    let line = format!("-f -qq -o /run/trace -e trace={call} -e inject={call}:{how} {rtc} {load}");
    ns.program("strace", &words(&line))
}

/// Everything in the BPF file system, and whether there is one.
fn left(ns: &Ns) -> BTreeSet<String> {
    let find = ["/sys/fs/bpf", "-mindepth", "1", "!", "-name", "*.debug"];
    let mut found: BTreeSet<_> =
        ns.program("find", &find).stdout.lines().map(str::to_owned).collect();
    // BPF_FS_MAGIC. The system's own, below the test's `/sys`, is in /proc/mounts as well.
    if ns.program("stat", &["-f", "-c", "%t", "/sys/fs/bpf"]).ok() == "cafe4a11\n" {
        found.insert("mounted".to_owned());
    }
    found
}

/// As on a system where nothing was loaded yet.
fn clean(ns: &Ns) {
    ns.program("umount", &["/sys/fs/bpf"]);
    ns.rtc(&words("filter del dev eth0 ingress"));
    assert_eq!(left(ns), BTreeSet::new());
}

/// The maps that the kernel has by these names.
fn maps(ns: &Ns, names: &[&str]) -> usize {
    let list = ns.program("bpftool", &["map", "list"]).stdout;
    names.iter().map(|name| list.matches(&format!(" name {name} ")).count()).sum()
}

const LOADS: [(&str, &str); 2] = [
    // A program array that is pinned and filled.
    ("acts", "filter replace dev eth0 ingress pref 1 handle 1 bpf da obj acts.o sec tc/kept"),
    // All the ways to pin.
    ("pins", "filter replace dev eth0 ingress pref 1 handle 1 bpf da obj pins.o sec tc/every"),
];

fn furnish(ns: &Ns) {
    ready(ns);
    for (name, _) in LOADS {
        object(name);
    }
    // `pins.o` has maps for a place that the system names.
    fs::create_dir_all("/etc/iproute2").expect("a place for the table");
    ns.program("mount", &["-t", "tmpfs", "x", "/etc/iproute2"]).ok();
    fs::write("/etc/iproute2/bpf_pinning", "7 seven\n").expect("the table");
}

/// Killed as it is about to make the first, second, third ... of the calls of each sort.
#[test]
fn a_load_that_was_killed_is_not_in_the_way_of_the_next() {
    isolated(|ns| {
        furnish(ns);
        let mut killed = 0;
        for (name, load) in LOADS {
            clean(ns);
            ns.rtc(&words(load)).ok();
            let wanted = left(ns);
            assert!(wanted.len() > 4, "{wanted:?}");
            for call in CALLS {
                for nth in 1.. {
                    clean(ns);
                    let done = cut(ns, call, &format!("signal=KILL:when={nth}"), load);
                    if done.status == 0 {
                        break;
                    }
                    killed += 1;
                    let what = format!("{name}, killed at {call} {nth}");
                    assert_eq!(done.status, 137, "{what}: {done}");
                    // What is left is what the load wants, and no more.
                    let after = left(ns);
                    assert!(after.is_subset(&wanted), "{what}: {after:?}");
                    let next = ns.rtc(&words(load));
                    assert_eq!((next.status, &*next.stderr), (0, ""), "{what}: {next}");
                    assert_eq!(left(ns), wanted, "{what}");
                    let shown = ns.rtc(&words("filter show dev eth0 ingress"));
                    shown.shows(&format!("{name}.o:[tc/"));
                    if name == "acts" && ns.program("sh", &["-c", "command -v bpftool"]).status == 0
                    {
                        let dump = ns.program("bpftool", &["map", "dump", "pinned", KEPT]);
                        dump.shows("Found 1 element");
                    }
                }
            }
        }
        assert!(killed > 25, "killed {killed} times only");
    });
}

/// A program before all filters: a link that no pin holds is gone with the command.
#[test]
fn a_killed_attachment_is_whole_or_not_there() {
    isolated(|ns| {
        since_linux((6, 6), "TCX");
        furnish(ns);
        let show = "filter show dev eth0 ingress tcx";
        let pin = "/sys/fs/bpf/tc/link";
        let load = format!("filter add dev eth0 ingress tcx obj acts.o sec tc/kept pin {pin}");
        let attached = || ns.rtc(&words(show)).ok().contains("through_kept");
        let clean = || {
            ns.program("umount", &["/sys/fs/bpf"]);
            // The kernel detaches a link some time after its last pin is gone.
            for _ in 0..100 {
                if !attached() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            assert!(!attached() && left(ns).is_empty());
        };
        clean();
        ns.rtc(&words(&load)).ok();
        let wanted = left(ns);
        assert!(wanted.contains(pin) && wanted.contains(KEPT), "{wanted:?}");
        let mut killed = 0;
        for call in CALLS {
            for nth in 1.. {
                clean();
                let done = cut(ns, call, &format!("signal=KILL:when={nth}"), &load);
                if done.status == 0 {
                    break;
                }
                killed += 1;
                let what = format!("killed at {call} {nth}");
                assert_eq!(done.status, 137, "{what}: {done}");
                let after = left(ns);
                assert!(after.is_subset(&wanted), "{what}: {after:?}");
                if after.contains(pin) {
                    assert!(attached(), "{what}");
                    continue;
                }
                let next = ns.rtc(&words(&load));
                assert_eq!((next.status, &*next.stderr), (0, ""), "{what}: {next}");
                assert_eq!(left(ns), wanted, "{what}");
                let shown = ns.rtc(&words(show)).ok().matches("through_kept").count();
                assert_eq!(shown, 1, "{what}");
            }
        }
        assert!(killed > 10, "killed {killed} times only");
    });
}

/// Each call fails in turn, with an error that is no question of the kernel's age.
#[test]
fn a_load_that_fails_leaves_nothing() {
    isolated(|ns| {
        furnish(ns);
        let bpftool = ns.program("sh", &["-c", "command -v bpftool"]).status == 0;
        let mut failed = 0;
        for (name, load) in LOADS {
            for call in CALLS {
                for nth in 1.. {
                    clean(ns);
                    let done = cut(ns, call, &format!("error=ENOMEM:when={nth}"), load);
                    let what = format!("{name}, {call} {nth}");
                    let trace = fs::read_to_string("/run/trace").expect("strace's file");
                    if !trace.contains("(INJECTED)") {
                        assert_eq!(done.status, 0, "{what}: {done}");
                        break;
                    }
                    // Some are not needed: names of links, what the object tells of its types.
                    if done.status == 0 {
                        continue;
                    }
                    failed += 1;
                    assert!(done.status < 128, "{what}: {done}");
                    assert!(done.stderr.contains("Cannot allocate memory"), "{what}: {done}");
                    assert_eq!(left(ns), BTreeSet::new(), "{what}: {done}");
                    let shown = ns.rtc(&words("filter show dev eth0 ingress"));
                    assert_eq!(shown.stdout, "", "{what}");
                }
            }
        }
        assert!(failed > 15, "failed {failed} times only");
        if bpftool {
            clean(ns);
            // What was closed is freed a little later.
            let names = ["kept", "of_object", "of_all", "of_table"];
            let gone = (0..100).any(|_| {
                let none = maps(ns, &names) == 0;
                if !none {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                none
            });
            assert!(gone, "{} maps are left", maps(ns, &names));
        }
    });
}

/// A pinned map is replaced at once: whoever looks finds the old one or the new one, whatever happens meanwhile.
#[test]
fn a_pin_that_is_replaced_is_always_there() {
    isolated(|ns| {
        ready(ns);
        if ns.program("sh", &["-c", "command -v bpftool"]).status != 0 {
            skip("bpftool is not installed (package bpftool): nothing looks into maps");
        }
        let mut bytes =
            include_bytes!("../../../crates/tc-bpf-loader/testdata/elf_map36-g-el.o").to_vec();
        fs::write("/run/old.o", &bytes).expect("/run is ours");
        // The map `shared` with five entries instead of two.
        let entry: Vec<u8> =
            [2u32, 4, 8, 2, 0, 7, 2].iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = bytes.windows(entry.len()).position(|w| w == entry).expect("the map `shared`");
        *bytes.get_mut(at + 12).expect("max_entries") = 5;
        fs::write("/run/new.o", &bytes).expect("/run is ours");
        let pin = "/sys/fs/bpf/tc/globals/shared";
        let entries = || {
            let shown = ns.program("bpftool", &["-j", "map", "show", "pinned", pin]);
            let shown: serde_json::Value = serde_json::from_str(shown.ok()).expect("JSON");
            shown["max_entries"].as_u64()
        };
        let line = "filter replace dev eth0 ingress pref 1 handle 1 bpf da obj";
        let (old, new) = (format!("{line} old.o"), format!("{line} new.o replace-pins"));
        let mut cuts = 0;
        for (how, kills) in [("signal=KILL", true), ("error=ENOMEM", false)] {
            for call in ["bpf", "rename", "renameat", "renameat2", "sendto", "sendmsg"] {
                for nth in 1.. {
                    clean(ns);
                    ns.rtc(&words(&old)).ok();
                    let before = left(ns);
                    let done = cut(ns, call, &format!("{how}:when={nth}"), &new);
                    let what = format!("{how} at {call} {nth}: {done}");
                    let injected = kills
                        || fs::read_to_string("/run/trace").is_ok_and(|t| t.contains("(INJECTED)"));
                    match (done.status, entries()) {
                        (0, Some(5)) if injected && !kills => continue,
                        (0, Some(5)) => break,
                        (137, Some(2 | 5)) if kills => {}
                        // What had been replaced is there again.
                        (_, Some(2)) if !kills => assert_eq!(left(ns), before, "{what}"),
                        (_, entries) => panic!("{what}: {entries:?}"),
                    }
                    cuts += 1;
                    ns.rtc(&words(&new)).ok();
                    assert_eq!(entries(), Some(5), "{what}");
                    assert_eq!(left(ns), before, "{what}");
                }
            }
        }
        assert!(cuts > 10, "cut off {cuts} times only");
    });
}
