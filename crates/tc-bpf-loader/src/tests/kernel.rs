//! Loading into the running kernel. Skipped, with the reason printed, where that is not allowed.

use std::os::fd::AsFd as _;
use std::process::Command;

use super::{all_objects, named, object, testdata};
use crate::sys::{Bpf as _, Kernel};
use crate::{
    Endian, Errno, Insn, LoadError, LoadOptions, LogMode, ObjectSpec, Pinning, ProgType, info,
    load_insns, pin,
};

const RETURN_0: [Insn; 2] = [Insn::new(0xb7, 0, 0, 0, 0), Insn::new(Insn::EXIT, 0, 0, 0, 0)];

/// Whether programs may be loaded here.
pub(super) fn usable() -> bool {
    if Endian::HOST == Endian::Big {
        println!("skipped: the names of the objects used are those of little-endian ones");
        return false;
    }
    match load_insns(&RETURN_0, "probe", "", &LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel) {
        Ok(_) => true,
        Err(e) => {
            println!("skipped: {e}: {}", e.hint().unwrap_or_default());
            false
        }
    }
}

fn options() -> LoadOptions {
    LoadOptions::new(ProgType::SCHED_CLS)
}

/// All programs that can be linked and that the verifier takes, by object.
#[test]
fn programs_of_all_objects_load() {
    if !usable() {
        return;
    }
    let refused =
        ["reads_too_far", "needs_the_gpl", "look_shared", "with_pinned", "uses_jump", "uses_core"];
    // They need what no kernel has.
    let lacking = ["missing_", "misfit_", "unguarded_", "uses_ksym", "uses_kfunc"];
    let lacks = |name: &str| lacking.iter().any(|start| name.starts_with(start));
    let mut loaded = 0;
    for (name, data) in all_objects().iter().filter(|(name, _)| name.ends_with("-el.o")) {
        let object = ObjectSpec::parse(name, data).unwrap();
        for program in
            object.programs().filter(|p| p.link().is_ok() && !refused.contains(&p.name()))
        {
            // Callbacks need type information; the pins of maps have tests of their own.
            let pins = object.maps().flatten().any(|m| m.pinning != Pinning::None);
            if pins
                || name.starts_with("core_refused")
                || name.starts_with("refused_hints")
                || name.starts_with("long_log")
                || name.starts_with("struct_ops")
                || name.starts_with("tables")
                || lacks(program.name())
                || (program.name() == "third" && (!name.contains("-g-") || name.contains("-gcc-")))
            {
                continue;
            }
            match program.load(&options(), &mut Kernel) {
                Ok(got) => {
                    assert_eq!(got.notes, Vec::<String>::new(), "{name} {program:?}");
                    let info =
                        info::check_program(got.fd.as_fd(), ProgType::SCHED_CLS, &mut Kernel)
                            .unwrap();
                    assert_eq!(info.name, got.name);
                    loaded += 1;
                }
                Err(e) => panic!("{name}: {e}\n{}", e.log()),
            }
        }
    }
    assert!(loaded > 20, "only {loaded} programs were tried");
}

/// Whether this is a process that runs just this test, in a mount namespace of its own; if not, it is one from here on,
/// and that one is waited for.
pub(super) fn alone(test: &str) -> bool {
    const VAR: &str = "TC_BPF_LOADER_ALONE";
    if std::env::var_os(VAR).is_some() {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "--"]).arg(own).args(["--exact", test, "--nocapture"]).env(VAR, "1");
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            print!("{}", String::from_utf8_lossy(&output.stdout));
            assert!(output.status.success(), "{said}");
        }
        Err(e) => println!("skipped: unshare (package util-linux): {e}"),
    }
    false
}

/// The tag is the kernel's hash over the instructions, so an equal tag means equal instructions, called functions and
/// all. bpftool loads the same objects with libbpf.
#[test]
fn tags_are_those_of_the_reference_loader() {
    if !usable() || !alone("tests::kernel::tags_are_those_of_the_reference_loader") {
        return;
    }
    let mut compared = 0;
    for name in [
        "drop-g-el.o",
        "btf_maps-g-el.o",
        "subprograms-g-el.o",
        "subprograms-gcc-g-el.o",
        "core-g-el.o",
        "core-c19-g-el.o",
        "btf_kinds-c19-g-el.o",
        "globals-g-el.o",
        "globals-c19-g-el.o",
        "slots-g-el.o",
        "slots-c19-g-el.o",
        "acts-g-el.o",
    ] {
        let object = object(name);
        let script = format!(
            "mount -t bpf bpf /sys/fs/bpf && bpftool prog loadall {} /sys/fs/bpf/x type classifier >&2 && \
             for f in /sys/fs/bpf/x/*; do bpftool prog show pinned $f; done",
            testdata().join(name).display()
        );
        let output = match Command::new("unshare").args(["-m", "sh", "-c", &script]).output() {
            Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
            other => {
                println!("skipped: bpftool does not load {name} here: {other:?}");
                continue;
            }
        };
        // 12: sched_cls  name first  tag 0123456789abcdef  gpl
        for line in output.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let after = |word: &str| words.iter().position(|w| *w == word).map(|at| words[at + 1]);
            let (Some(function), Some(tag)) = (after("name"), after("tag")) else { continue };
            let loaded = match named(&object, function).load(&options(), &mut Kernel) {
                Ok(loaded) => loaded,
                // What is to come.
                Err(LoadError::Object(_)) => continue,
                Err(e) => panic!("{function} of {name}: {e}"),
            };
            let ours = Kernel.prog_info(loaded.fd.as_fd()).unwrap().tag;
            assert_eq!(format!("{:016x}", u64::from_be_bytes(ours)), tag, "{function} of {name}");
            compared += 1;
        }
    }
    println!("{compared} tags compared");
}

#[test]
fn the_verifiers_reason_comes_with_the_source_line() {
    if !usable() {
        return;
    }
    let object = object("refused-g-el.o");
    let error = named(&object, "reads_too_far").load(&options(), &mut Kernel).unwrap_err();
    let LoadError::Program(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.errno, Errno::EACCES);
    assert_eq!(refused.insn, Some(1));
    assert_eq!(refused.source_line.as_deref(), Some("refused.c:8 `return data[20];`"));
    // 6.18: R1 offset is outside of the packet; 7.2: R1 min value is outside of the allowed memory range
    assert!(
        refused.reason.as_deref().is_some_and(|r| r.contains("is outside of")),
        "{:?}",
        refused.reason
    );
    let error = named(&object, "needs_the_gpl").load(&options(), &mut Kernel).unwrap_err();
    assert!(error.hint().is_some_and(|h| h.contains("license")), "{error:?}");
}

/// Frequent refusals, in the words of the kernels so far.
#[test]
fn frequent_refusals_come_with_a_hint() {
    if !usable() {
        return;
    }
    let object = object("refused_hints-g-el.o");
    for (program, hint) in [
        ("may_be_null", "may be NULL"),
        ("unbounded", "test the index or the size"),
        ("endless", "a loop must come to an end"),
        ("wrong_helper", "programs of this type may not call that helper"),
        ("unknown_helper", "this kernel has no helper of that number"),
        ("kept_reference", "must be released"),
        ("beyond_context", "that part of their context"),
        ("no_result", "before it has a value"),
    ] {
        let error = named(&object, program).load(&options(), &mut Kernel).unwrap_err();
        let found = error.hint().unwrap_or_default();
        assert!(found.contains(hint), "{program}: {found:?}\n{error}\n{}", error.log());
        assert!(error.to_string().contains("refused_hints.c:"), "{error}");
    }
}

#[test]
fn a_log_is_there_when_asked_for() {
    if !usable() {
        return;
    }
    let object = object("drop-el.o");
    let options = LoadOptions { log: LogMode::Always(1), ..options() };
    let loaded = named(&object, "drop").load(&options, &mut Kernel).unwrap();
    assert!(loaded.log.contains("processed 2 insns"), "{}", loaded.log);
}

#[test]
fn a_map_of_ones_own_in_bare_instructions() {
    if !usable() {
        return;
    }
    let object = object("map_def-el.o");
    let owner = named(&object, "count").load(&options(), &mut Kernel).unwrap();
    let [load, half] = Insn::ld_map_fd(1, owner.maps[0].1.as_fd());
    let insns = [load, half, RETURN_0[0], RETURN_0[1]];
    assert!(load_insns(&insns, "uses_map", "", &options(), &mut Kernel).is_ok());
    // A map is no program.
    let wrong = info::program(owner.maps[0].1.as_fd(), &mut Kernel).unwrap_err();
    assert_eq!(wrong.to_string(), "it is not a BPF program but bpf-map");
    let wrong = info::check_program(owner.fd.as_fd(), ProgType::XDP, &mut Kernel).unwrap_err();
    assert_eq!(wrong.to_string(), "program `count` is of type sched_cls, not xdp");
}

#[test]
fn paths_that_are_no_pins() {
    if !usable() {
        return;
    }
    let error = |path: &str| pin::get(path.as_ref(), &mut Kernel).unwrap_err().to_string();
    assert_eq!(
        error("/nonexistent/pin"),
        "cannot open pinned object /nonexistent/pin: No such file or directory (errno 2)"
    );
    assert!(error("/dev/null").contains("it is not a BPF object"), "{}", error("/dev/null"));
}
