//! The twelve things that people who load programs with tc ask about most: what is no trouble any more says nothing,
//! and the rest says what is wrong and what to do.
#![expect(clippy::expect_used, reason = "what helpers of tests do not find fails the test")]

use std::fs;

use netns_tests::{Ns, Output, isolated, object, skip};

/// A test object of the loader's crate.
macro_rules! test_object {
    ($name:literal) => {
        include_bytes!(concat!("../../../crates/tc-bpf-loader/testdata/", $name)).as_slice()
    };
}

/// Puts an object where commands run.
fn put(name: &str, bytes: &[u8]) -> String {
    let path = format!("/run/{name}");
    fs::write(&path, bytes).expect("/run is ours");
    path
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

/// Adds a filter of a program of an object, with these last words.
fn add(ns: &Ns, object: &str, rest: &str) -> Output {
    ns.rtc(&words(&format!("filter add dev eth0 ingress bpf da obj {object} {rest}")))
}

fn ready(ns: &Ns) {
    ns.need_bpf();
    if cfg!(target_endian = "big") {
        skip("the objects are little-endian");
    }
    ns.link("eth0");
    ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
}

/// It worked, and nothing was said about it.
#[track_caller]
fn silent(done: &Output) {
    assert_eq!((done.status, &*done.stderr, &*done.stdout), (0, "", ""), "{done}");
}

/// All that is pinned, and the directories of that.
fn pinned(ns: &Ns, place: &str) -> String {
    ns.program("find", &[place, "-mindepth", "1", "!", "-name", "*.debug"]).stdout
}

/// 1. `legacy map definitions in 'maps' section are not supported by libbpf v1.0+`.
#[test]
fn old_map_definitions_load() {
    isolated(|ns| {
        ready(ns);
        let file = put("old.o", test_object!("elf_map36-g-el.o"));
        silent(&add(ns, &file, "sec classifier"));
        let said = add(ns, &file, "sec classifier verbose");
        assert_eq!(said.status, 0, "{said}");
        let note = "note: object uses pre-BTF map definitions (2 maps, 36-byte entries)";
        assert!(said.stdout.contains(note) || said.stderr.contains(note), "{said}");
        let file = put("older.o", test_object!("map_def-el.o"));
        silent(&add(ns, &file, "program count"));
    });
}

/// 2. `ELF contains non-{map,call} related relo data in entry 0 pointing to section 5! Compiler bug?!`.
#[test]
fn global_variables_load() {
    isolated(|ns| {
        ready(ns);
        for (name, bytes) in [
            ("clang14.o", test_object!("globals-g-el.o")),
            ("clang19.o", test_object!("globals-c19-g-el.o")),
            ("gcc.o", test_object!("globals-gcc-g-el.o")),
        ] {
            silent(&add(ns, &put(name, bytes), "program all"));
        }
    });
}

/// 3. `Prog section 'cls' rejected: Permission denied (13)! Verifier analysis:` and nothing more.
#[test]
fn a_refused_program_is_explained() {
    isolated(|ns| {
        ready(ns);
        let file = put("refused.o", test_object!("refused-g-el.o"));
        let said = add(ns, &file, "program reads_too_far");
        said.fails(1, "Unable to load program");
        said.fails(
            1,
            "hint: kernel rejected program `reads_too_far` (section `bounds`, /run/refused.o): ",
        );
        said.fails(1, "at refused.c:8 `return data[20];` (insn 1)");
        said.fails(1, "hint: compare the end of what is read or written with data_end first");
        // The log itself comes before.
        said.fails(1, "1: (71) r0 = *(u8 *)(r1 +20)");
        // Without type information there are no lines, but there is a reason.
        let file = put("bare.o", test_object!("refused-el.o"));
        add(ns, &file, "sec bounds").fails(1, " (insn 1)");
    });
}

/// 4. `Log buffer too small to dump verifier log 16777215 bytes (9 tries)!`: the log of these programs has 24 MB.
#[test]
fn a_long_log_stops_nothing() {
    isolated(|ns| {
        ready(ns);
        let file = put("long.o", test_object!("long_log-g-el.o"));
        silent(&add(ns, &file, "sec good"));
        let said = add(ns, &file, "sec bad log-file /run/log");
        said.fails(1, ", at long_log.c:23 `return data[20] + sum;`");
        let lines: Vec<&str> = said.stderr.lines().collect();
        assert!(lines.len() < 30, "{} lines", lines.len());
        let first = lines.first().copied().unwrap_or_default();
        assert!(
            first.ends_with(" lines of the verifier's log left out; all of it is in /run/log)"),
            "{first}"
        );
        let log = fs::read_to_string("/run/log").expect("the log");
        assert!(log.len() > 16 << 20, "{} bytes", log.len());
        assert!(log.starts_with("0: R1=ctx(") || log.starts_with("func#0 @0"), "{log:.80}");
        assert!(log.contains("\nprocessed "), "it is complete");
        // Who does not know of the word is told.
        let said = add(ns, &file, "sec bad");
        said.fails(1, "`verbose` shows them, `log-file FILE` writes all to a file)");
        // And the good program loads with its log as well.
        add(ns, &file, "sec good log-file /run/log").ok();
    });
}

/// 5. `couldn't reuse pinned map at ...: parameter mismatch`.
#[test]
fn a_pinned_map_that_differs_is_described() {
    isolated(|ns| {
        ready(ns);
        let file = put("old.o", test_object!("elf_map36-g-el.o"));
        silent(&add(ns, &file, "sec classifier"));
        let pin = "/sys/fs/bpf/tc/globals/shared";
        assert!(pinned(ns, "/sys/fs/bpf").contains(pin));
        // The same map, of an object that has more of it: max_elem of the last entry.
        let mut bytes = test_object!("elf_map36-g-el.o").to_vec();
        let entry: Vec<u8> =
            [2u32, 4, 8, 2, 0, 7, 2].iter().flat_map(|w| w.to_le_bytes()).collect();
        let at = bytes.windows(entry.len()).position(|w| w == entry).expect("the map `shared`");
        bytes[at + 8..at + 16].copy_from_slice(&[16, 0, 0, 0, 5, 0, 0, 0]);
        let said = add(ns, &put("new.o", &bytes), "sec classifier");
        said.fails(
            1,
            &format!(
                "hint: map `shared` is already pinned at {pin} with value_size 8, object wants 16; max_entries 2, \
                 object wants 5"
            ),
        );
        said.fails(1, "hint: remove the pin, rename the map, or say `replace-pins`");
        // The kernel refuses the filter when the map has been replaced, which is taken back.
        silent(&add(ns, &file, "sec classifier"));
        let entries = || ns.program("bpftool", &["map", "show", "pinned", pin]).ok().to_owned();
        let line = "filter add dev eth0 parent 77: bpf da obj new.o sec classifier replace-pins";
        assert_ne!(ns.rtc(&line.split(' ').collect::<Vec<_>>()).status, 0);
        assert!(entries().contains("max_entries 2 "), "{}", entries());
        silent(&add(ns, "/run/new.o", "sec classifier replace-pins"));
        assert!(entries().contains("max_entries 5 "), "{}", entries());
        assert_eq!(pinned(ns, "/sys/fs/bpf/tc/globals").lines().count(), 1);
        // What fits is left alone, and nothing is to be replaced where nothing is pinned.
        silent(&add(ns, "/run/new.o", "sec classifier replace-pins"));
        let told = add(ns, &file, "sec classifier replace-pins verbose");
        assert!(told.stderr.contains("note: map `shared` replaces what was pinned"), "{told}");
        fs::remove_file(pin).expect("the pin");
        silent(&add(ns, "/run/new.o", "sec classifier replace-pins"));
    });
}

/// 6. `Operation not permitted`, whoever forbids it. What the other reasons say is tested beside their texts.
#[test]
fn missing_rights_are_told_apart() {
    isolated(|ns| {
        ready(ns);
        let file = object("drop-arp");
        let rtc = ns.rtc_path().display().to_string();
        let line = format!("{rtc} filter add dev eth0 ingress bpf da obj /run/{file}");
        let knob = fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
        let knob = knob.expect("this kernel has bpf(2)");
        let forbids = if knob.trim() == "0" { "socket filters only" } else { "nothing" };
        let knob = format!(
            "hint: it needs root, or CAP_BPF and CAP_NET_ADMIN (kernel.unprivileged_bpf_disabled is {}: others may \
             load {forbids})",
            knob.trim()
        );
        let user_ns = "hint: root of a user namespace, as in a container, may load no programs: it needs root of the \
                       machine";
        for (with, reason) in [
            ("setpriv --bounding-set -all --inh-caps -all", &*knob),
            ("setpriv --reuid 65534 --clear-groups", &*knob),
            (
                "setpriv --bounding-set -sys_admin,-net_admin --inh-caps -all",
                "hint: it has CAP_BPF, but programs of the network need CAP_NET_ADMIN too",
            ),
            ("unshare --user --map-root-user", user_ns),
        ] {
            // Somebody else's root may not see the command where it was built.
            let all = format!("{with} {line}");
            let all = words(&all);
            let (program, rest) = all.split_first().expect("a program");
            let said = ns.program(program, rest);
            if said.stderr.contains("Permission denied") && !said.stderr.contains("hint") {
                continue;
            }
            said.fails(1, "kernel rejected program `drop_arp` (section `ingress`, /run/drop-arp.o): Operation not permitted");
            said.fails(1, reason);
        }
    });
}

/// 7. `BTF debug data section '.BTF' rejected: Invalid argument (22)!` and a wall of text.
#[test]
fn refused_type_information_is_not_mentioned() {
    isolated(|ns| {
        ready(ns);
        // `int` has 240 bits in its 4 bytes, which nothing repairs.
        let mut bytes = test_object!("drop-g-el.o").to_vec();
        let int = [0, 0, 0, 1, 4, 0, 0, 0, 32, 0, 0, 1];
        let at = bytes.windows(int.len()).position(|w| w == int).expect("an integer of four bytes");
        bytes[at + 8] = 240;
        let file = put("types.o", &bytes);
        silent(&add(ns, &file, ""));
        let said = add(ns, &file, "verbose");
        assert_eq!(said.status, 0, "{said}");
        let shown = said.stdout.clone() + &said.stderr;
        let note = "note: type information not loaded, source lines are unavailable: Invalid argument (errno 22): ";
        assert_eq!(shown.matches(note).count(), 1, "{said}");
        assert!(shown.lines().count() < 10, "{said}");
        // Names that no C program has, as rustc's, are made such.
        let mut bytes = test_object!("drop-g-el.o").to_vec();
        let name = b"\0__sk_buff\0";
        let at = bytes.windows(name.len()).position(|w| w == name).expect("the context's name");
        bytes[at + 5] = b'<';
        let file = put("names.o", &bytes);
        let said = add(ns, &file, "verbose");
        assert_eq!(said.status, 0, "{said}");
        assert!(!(said.stdout.clone() + &said.stderr).contains("not loaded"), "{said}");
    });
}

/// 8. `object file doesn't contain sec classifier`.
#[test]
fn a_section_that_is_not_there_is_answered_with_those_that_are() {
    isolated(|ns| {
        ready(ns);
        let file = object("drop-arp");
        // There is but one program.
        silent(&add(ns, &file, ""));
        let has = "drop-arp.o has: section `ingress`: drop_arp()";
        let said = add(ns, &file, "sec nosuch");
        said.fails(1, "object file doesn't contain sec nosuch\nUnable to load program\n");
        said.fails(1, &format!("hint: no program in section `nosuch`; {has}"));
        let said = add(ns, &file, "program nosuch");
        said.fails(1, &format!("hint: no program in function `nosuch`; {has}"));
        // With several, none is guessed.
        let file = put("slots.o", test_object!("slots-g-el.o"));
        let said = add(ns, &file, "");
        said.fails(1, "hint: no program in section `classifier`; /run/slots.o has: section `tc/");
    });
}

/// 9. `elf: skipping unrecognized data section(16) .eh_frame`, taken for an error.
#[test]
fn odd_sections_are_passed_over() {
    isolated(|ns| {
        ready(ns);
        // Strings of the compiler's own, notes and debugging information; `.text` in use or not.
        for (name, bytes) in [
            ("text.o", test_object!("globals-g-el.o")),
            ("gcc.o", test_object!("drop-gcc-g-el.o")),
            ("subprograms.o", test_object!("subprograms-gcc-g-el.o")),
        ] {
            let file = put(name, bytes);
            let program = match name {
                "text.o" => "text",
                "gcc.o" => "drop",
                _ => "first",
            };
            silent(&add(ns, &file, &format!("program {program}")));
        }
        // A section that nobody knows.
        let mut bytes = test_object!("drop-g-el.o").to_vec();
        for (from, to) in
            [(&b".llvm_addrsig\0"[..], &b"xdp_metadata.\0"[..]), (b".debug_str\0", b".eh_frame_\0")]
        {
            let at = bytes.windows(from.len()).position(|w| w == from).expect("that section");
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        silent(&add(ns, &put("odd.o", &bytes), ""));
    });
}

/// 10. `Error: Parent Qdisc doesn't exists.`, and a filter that nobody wanted at the root.
#[test]
fn a_missing_qdisc_is_named_with_the_command() {
    isolated(|ns| {
        ns.need_bpf();
        ns.link("eth0");
        let file = object("drop-arp");
        let said = add(ns, &file, "");
        said.fails(
            2,
            "Error: Parent Qdisc doesn't exists.\nWe have an error talking to the kernel\n",
        );
        said.fails(2, "hint: eth0 has no clsact or ingress qdisc: rtc qdisc add dev eth0 clsact\n");
        let nowhere = format!("filter add dev eth0 bpf da obj {file}");
        let said = ns.rtc(&words(&nowhere));
        said.fails(2, "hint: without ingress, egress or parent a filter goes to the root qdisc, which here takes none");
        // Where the root qdisc takes filters, the program may drop what nobody meant it to.
        ns.need_qdisc("htb");
        ns.rtc(&words("qdisc add dev eth0 root handle 1: htb")).ok();
        let said = ns.rtc(&words(&nowhere));
        assert_eq!(said.status, 0, "{said}");
        assert_eq!(
            said.stderr,
            "  warning: without ingress, egress or parent the filter is at the root qdisc, where it decides about what \
             eth0 sends\n"
        );
        // Who names the place, or only has packets classified, knows.
        silent(&ns.rtc(&words(&nowhere.replace("dev eth0", "dev eth0 parent 1:"))));
        silent(&ns.rtc(&words(&nowhere.replace("bpf da", "bpf classid 1:1"))));
        // What the hint says helps.
        ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
        silent(&add(ns, &file, ""));
    });
}

/// 11. `RTNETLINK answers: File exists`, and two programs that both want to be the first.
#[test]
fn a_taken_place_is_named_with_who_has_it() {
    isolated(|ns| {
        ready(ns);
        let (first, second) = (object("drop-arp"), object("drop-icmp"));
        let line = |verb: &str, file: &str| {
            format!("filter {verb} dev eth0 ingress prio 1 handle 1 bpf da obj {file} sec ingress")
        };
        silent(&ns.rtc(&words(&line("add", &first))));
        let said = ns.rtc(&words(&line("add", &second)));
        said.fails(2, "hint: pref 1 handle 0x1 is drop-arp.o:[ingress] (id ");
        said.fails(2, "; use `replace`, or another pref or handle");
        silent(&ns.rtc(&words(&line("replace", &second))));
        let shown = ns.rtc(&words("filter show dev eth0 ingress"));
        shown.shows("handle 0x1 drop-icmp.o:[ingress]");
        assert!(!shown.stdout.contains("drop-arp"), "{shown}");
    });
}

/// 12. `Continuing without mounted eBPF fs. Too old kernel?`, `mkdir /sys/fs/bpf failed`.
#[test]
fn a_missing_bpf_file_system_matters_to_pins_only() {
    isolated(|ns| {
        ready(ns);
        ns.program("umount", &["/sys/fs/bpf"]).ok();
        let mounts =
            || fs::read_to_string("/proc/mounts").expect("a list").matches(" bpf ").count();
        let before = mounts();
        silent(&add(ns, &object("drop-arp"), ""));
        assert_eq!(mounts(), before, "nothing is to be pinned");
        let file = put("old.o", test_object!("elf_map36-g-el.o"));
        // Who may not mount is told what to do.
        let rtc = ns.rtc_path().display().to_string();
        let line = format!(
            "--bounding-set -sys_admin --inh-caps -all {rtc} filter add dev eth0 ingress bpf da obj {file} sec action"
        );
        let said = ns.program("setpriv", &words(&line));
        said.fails(
            1,
            "hint: map `shared` of /run/old.o asks to be pinned at /sys/fs/bpf/tc/globals/shared, but /sys/fs/bpf \
             cannot be had: Operation not permitted (errno 1)",
        );
        said.fails(
            1,
            "hint: /sys/fs/bpf is no BPF file system and none can be mounted there: mount -t bpf bpf /sys/fs/bpf",
        );
        assert_eq!(mounts(), before);
        // The environment may name another place, which is made.
        let line =
            format!("TC_BPF_MNT=/run/there {rtc} filter add dev eth0 ingress bpf da obj {file}");
        silent(&ns.program("env", &words(&line)));
        assert_eq!(mounts(), before + 1);
        assert!(pinned(ns, "/run/there").contains("/run/there/tc/globals/shared\n"));
        ns.program("umount", &["/run/there"]).ok();
        // And root's program has it mounted in the usual one.
        silent(&add(ns, &file, ""));
        assert!(pinned(ns, "/sys/fs/bpf").contains("/sys/fs/bpf/tc/globals/shared\n"));
    });
}

/// And one that tc leaves at `Invalid argument`.
#[test]
fn a_refused_map_is_shown_with_its_definition() {
    isolated(|ns| {
        ready(ns);
        // An array with keys of eight bytes.
        let mut bytes = test_object!("map_def-el.o").to_vec();
        let entry: Vec<u8> = [2u32, 4, 8, 256, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
        let at = bytes.windows(entry.len()).position(|w| w == entry).expect("the map");
        bytes[at + 4] = 8;
        let said = add(ns, &put("keys.o", &bytes), "program count");
        said.fails(
            1,
            "hint: kernel refused map `by_protocol` of /run/keys.o (array, key 8 B, value 8 B, max_entries 256, flags \
             0x0): Invalid argument (errno 22)",
        );
        // Kernels from 7.0 have words for some of what they refuse, and none for this.
        said.fails(
            1,
            "hint: this kernel may not know the type, or sizes, entries or flags don't suit it",
        );
    });
}
