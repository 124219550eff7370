//! What users see when the verifier refuses a program, and the words that help to find out why.

use netns_tests::{Ns, isolated};

/// A test object of the loader's crate, copied to where the namespace may read it.
macro_rules! test_object {
    ($name:literal) => {{
        let bytes = include_bytes!(concat!("../../../crates/tc-bpf-loader/testdata/", $name));
        let path = concat!("/run/", $name);
        std::fs::write(path, bytes).expect("/run is ours");
        path
    }};
}

fn add<'a>(object: &'a str, program: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let start = ["filter", "add", "dev", "eth0", "ingress", "bpf", "da", "obj", object, "program"];
    [&start[..], &[program], more].concat()
}

fn ready(ns: &Ns) {
    ns.need_bpf();
    ns.link("eth0");
    ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
}

/// tc without `verbose` shows no reason at all.
#[test]
fn a_refusal_tells_program_reason_line_and_what_to_do() {
    isolated(|ns| {
        ready(ns);
        let object = test_object!("refused-g-el.o");
        let refused = ns.rtc(&add(object, "reads_too_far", &[]));
        refused.fails(
            1,
            "kernel rejected program `reads_too_far` (section `bounds`, /run/refused-g-el.o): ",
        );
        refused.fails(1, "is outside of");
        refused.fails(1, "at refused.c:8 `return data[20];` (insn 1)");
        refused.fails(1, "compare the end of what is read or written with data_end first");
        let refused = ns.rtc(&add(object, "needs_the_gpl", &[]));
        refused.fails(1, "declare the license");
    });
}

/// A good program needs no log, however long one would be; a bad one shows the end of it, and all where it is told to.
#[test]
fn the_whole_log_is_in_a_file() {
    isolated(|ns| {
        ready(ns);
        let object = test_object!("refused-g-el.o");
        ns.rtc(&add(object, "reads_too_far", &["log-file", "/run/log"])).fails(1, "is outside of");
        let log = std::fs::read_to_string("/run/log").expect("the log");
        assert!(log.contains("1: (71) r0 = *(u8 *)(r1 +20)"), "{log}");
        // Also of a program that is fine, which says nothing on the terminal.
        let fine = test_object!("core-g-el.o");
        let added = ns.rtc(&add(fine, "there", &["log-file", "/run/log"]));
        added.ok();
        let log = std::fs::read_to_string("/run/log").expect("the log");
        assert!(log.contains("processed 2 insns"), "{log}");
        let refused = ns.rtc(&add(object, "reads_too_far", &["log-file", "/nowhere/log"]));
        refused.fails(
            1,
            "the verifier's log cannot be written to /nowhere/log: No such file or directory",
        );
    });
}

/// Types of another kernel than the running one.
#[test]
fn programs_are_adapted_to_the_types_of_a_file() {
    isolated(|ns| {
        ready(ns);
        let object = test_object!("core-g-el.o");
        let types = test_object!("kernel-c19-g-el.o");
        ns.rtc(&add(object, "offset_of_member", &["btf", types])).ok();
        ns.rtc(&add(object, "offset_of_member", &["btf", "/nowhere"]))
            .fails(1, "does not fit this kernel: cannot read /nowhere: No such file or directory");
    });
}

/// What the running kernel lacks is named, with the place in the source.
#[test]
fn what_the_kernel_lacks_is_named() {
    isolated(|ns| {
        ready(ns);
        let object = test_object!("core_refused-g-el.o");
        ns.rtc(&add(object, "needs_missing_member", &[])).fails(
            1,
            "it uses the offset of `struct net_device.no_such_member`, which this kernel does not have, at \
             core_refused.c:17",
        );
        let object = test_object!("externs-g-el.o");
        ns.rtc(&add(object, "missing_function", &[])).fails(
            1,
            "this kernel has no function that programs may call (kfunc) `no_such_function`",
        );
    });
}
