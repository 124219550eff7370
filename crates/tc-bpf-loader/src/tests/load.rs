//! What is asked of the kernel, in which order, and what becomes of refusals. The kernel is a fake.

use std::os::fd::{AsRawFd as _, RawFd};

use super::{named, object};
use crate::sys::{Fake, Request};
use crate::{
    Endian, Errno, Insn, LoadError, LoadOptions, LogMode, MapType, ObjectError, ProgType,
    load_insns,
};

fn options() -> LoadOptions {
    LoadOptions::new(ProgType::SCHED_CLS)
}

/// The objects of this machine's byte order.
fn host(stem: &str) -> String {
    format!("{stem}-{}.o", if Endian::HOST == Endian::Big { "eb" } else { "el" })
}

fn foreign(stem: &str) -> String {
    format!("{stem}-{}.o", if Endian::HOST == Endian::Big { "el" } else { "eb" })
}

fn map_fds(requests: &[Request]) -> Vec<(String, RawFd)> {
    requests
        .iter()
        .filter_map(|r| match r {
            Request::MapCreate { fd: Some(fd), name, .. } => Some((name.clone(), *fd)),
            _ => None,
        })
        .collect()
}

#[test]
fn only_referenced_maps_are_created_and_put_into_the_instructions() {
    let object = object(&host("elf_map36"));
    let mut fake = Fake::new();
    let loaded = named(&object, "look").load(&options(), &mut fake).unwrap();
    // And `shared`, which is to be pinned.
    let [
        Request::MapCreate { fd, name, map_type, flags, btf: None, .. },
        Request::ObjGet { .. },
        Request::MapCreate { .. },
        Request::ProgLoad { .. },
    ] = fake.requests()
    else {
        panic!("{:?}", fake.requests());
    };
    assert_eq!((name.as_str(), *map_type, *flags), ("plain", MapType::HASH, 1));
    assert_eq!(loaded.maps.len(), 2);
    assert_eq!((loaded.maps[0].0.as_str(), Some(loaded.maps[0].1.as_raw_fd())), ("plain", *fd));
    let Request::ProgLoad { insns, name, license, log_level, prog_type, .. } = &fake.requests()[3]
    else {
        panic!();
    };
    assert_eq!((name.as_str(), license.as_str(), *log_level), ("look", "", 0));
    assert_eq!(*prog_type, ProgType::SCHED_CLS);
    assert_eq!(insns[4], Insn::new(0x18, 1, 1, 0, fd.unwrap()));
    assert_eq!(insns[5], Insn::default());
    assert_eq!(loaded.name, "look");
}

#[test]
fn each_reference_gets_its_own_map() {
    let object = object(&host("btf_maps-g"));
    let mut fake = Fake::new();
    let loaded = named(&object, "both").load(&options(), &mut fake).unwrap();
    let fds = map_fds(fake.requests());
    assert_eq!(
        fds.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(),
        ["flows", "totals", "pinned"]
    );
    let Some(Request::ProgLoad { insns, btf, func_info, line_info, .. }) = fake.requests().last()
    else {
        panic!();
    };
    let loads: Vec<_> =
        insns.iter().filter(|i| i.code == Insn::LD_IMM64).map(|i| (i.src(), i.imm)).collect();
    assert_eq!(loads, [(1, fds[0].1), (1, fds[1].1)]);
    assert!(btf.is_some() && func_info.len() == 1 && line_info.len() > 3);
    assert_eq!(loaded.maps.len(), 3);
    // flows and pinned have a type for key and value, totals none.
    let btfs: Vec<_> = fake
        .requests()
        .iter()
        .filter_map(|r| match r {
            Request::MapCreate { btf, .. } => Some(btf.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(btfs, [true, false, true]);
}

/// The struct `____btf_map_NAME` beside a map of the old kind.
#[test]
fn annotated_maps_have_types() {
    let object = object(&host("annotated-g"));
    let mut fake = Fake::new();
    named(&object, "all").load(&options(), &mut fake).unwrap();
    let Some(Ok(btf)) = &object.btf else { panic!("no types") };
    let name = |id: u32| btf.str_at(btf.resolve(id).unwrap().name_off);
    let types: Vec<_> = fake
        .requests()
        .iter()
        .filter_map(|request| match request {
            Request::MapCreate { name: map, btf, .. } => {
                Some((map.as_str(), btf.map(|(_, key, value)| (name(key), name(value)))))
            }
            _ => None,
        })
        .collect();
    let totals = ("unsigned int", "total");
    assert_eq!(types, [("totals", Some(totals)), ("wrong", None), ("plain", None)]);
}

#[test]
fn a_map_that_dislikes_its_types_is_created_without() {
    let object = object(&host("btf_maps-g"));
    let mut fake = Fake::new();
    fake.refuse_map(Errno::EINVAL);
    named(&object, "both").load(&options(), &mut fake).unwrap();
    let names: Vec<_> = map_fds(fake.requests()).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["flows", "totals", "pinned"]);
}

#[test]
fn refused_type_information_is_no_obstacle() {
    let object = object(&host("btf_maps-g"));
    let mut fake = Fake::new();
    fake.refuse_btf(Errno::EINVAL, "");
    // What it has of kinds that not all kernels know: functions, global ones, variables.
    for _ in 0..3 {
        fake.grant_btf();
    }
    fake.refuse_btf(Errno::EINVAL, "magic: 0xeb9f\n[1] PTR (anon) Invalid type_id\n");
    let loaded = named(&object, "both").load(&options(), &mut fake).unwrap();
    assert_eq!(
        loaded.notes,
        [
            "type information not loaded, source lines are unavailable: Invalid argument (errno 22): \
         [1] PTR (anon) Invalid type_id"
        ]
    );
    let Some(Request::ProgLoad { btf: None, func_info, .. }) = fake.requests().last() else {
        panic!()
    };
    assert!(func_info.is_empty());
}

fn log_sizes(fake: &Fake) -> Vec<(u32, u32)> {
    fake.requests()
        .iter()
        .filter_map(|r| match r {
            Request::ProgLoad { log_level, log_size, .. } => Some((*log_level, *log_size)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_refused_program_is_asked_about_with_a_log() {
    let object = object(&host("refused-g"));
    let mut fake = Fake::new();
    fake.refuse_prog(Errno::EACCES, "");
    fake.refuse_prog(
        Errno::EACCES,
        "1: (71) r0 = *(u8 *)(r1 +20)\nR1 offset is outside of the packet\nprocessed 2 insns\n",
    );
    let error = named(&object, "reads_too_far").load(&options(), &mut fake).unwrap_err();
    assert_eq!(log_sizes(&fake), [(0, 0), (1, 1 << 20)]);
    assert_eq!(
        error.to_string(),
        format!(
            "kernel rejected program `reads_too_far` (section `bounds`, {}): R1 offset is outside of the packet, \
             at refused.c:8 `return data[20];` (insn 1)",
            object.file()
        )
    );
    let LoadError::Program(refused) = error else { panic!() };
    assert_eq!((refused.errno, refused.insn), (Errno::EACCES, Some(1)));
    assert_eq!(refused.source_line.as_deref(), Some("refused.c:8 `return data[20];`"));
    assert!(refused.log.starts_with("1: (71)"));
}

#[test]
fn a_log_that_does_not_fit_is_no_reason() {
    let object = object(&host("drop"));
    let mut fake = Fake::new();
    fake.refuse_prog(Errno::EACCES, "");
    fake.refuse_prog_sized(Errno::ENOSPC, "", 5_000_000);
    fake.refuse_prog(Errno::ENOSPC, "");
    fake.refuse_prog(Errno::EACCES, "the reason\n");
    let error = named(&object, "drop").load(&options(), &mut fake).unwrap_err();
    assert_eq!(log_sizes(&fake), [(0, 0), (1, 1 << 20), (1, 5_000_000), (1, 10_000_000)]);
    assert!(error.to_string().ends_with(": the reason"), "{error}");

    // No buffer is large enough, yet the program is good: it loads.
    let mut fake = Fake::new();
    fake.refuse_prog_sized(Errno::ENOSPC, "the end of it\n", u32::MAX);
    fake.refuse_prog_sized(Errno::ENOSPC, "the end of it\n", u32::MAX);
    let options = LoadOptions { log: LogMode::Always(1), ..options() };
    let loaded = named(&object, "drop").load(&options, &mut fake).unwrap();
    assert_eq!(log_sizes(&fake), [(1, 1 << 20), (1, 256 << 20), (0, 0)]);
    assert_eq!(loaded.log, "the end of it\n");
}

#[test]
fn an_interrupted_load_is_tried_five_times() {
    let object = object(&host("drop"));
    let mut fake = Fake::new();
    for _ in 0..4 {
        fake.refuse_prog(Errno::EAGAIN, "");
    }
    assert!(named(&object, "drop").load(&options(), &mut fake).is_ok());
    assert_eq!(log_sizes(&fake).len(), 5);
}

#[test]
fn refused_line_information_is_no_obstacle() {
    let object = object(&host("drop-g"));
    let mut fake = Fake::new();
    fake.refuse_prog(Errno::EINVAL, "");
    let loaded = named(&object, "drop").load(&options(), &mut fake).unwrap();
    assert_eq!(loaded.notes, ["the kernel refused the program's function and line information"]);
}

#[test]
fn the_log_is_kept_on_success_when_asked_for() {
    let object = object(&host("drop"));
    let mut fake = Fake::new();
    let options = LoadOptions {
        log: LogMode::Always(2),
        ifindex: Some(7),
        expected_attach_type: 46,
        ..options()
    };
    named(&object, "drop").load(&options, &mut fake).unwrap();
    let Some(Request::ProgLoad {
        log_level: 2,
        log_size: 1_048_576,
        ifindex: 7,
        expected_attach_type: 46,
        ..
    }) = fake.requests().last()
    else {
        panic!("{:?}", fake.requests());
    };
}

#[test]
fn missing_privilege_is_explained_without_asking_again() {
    let object = object(&host("drop"));
    let mut fake = Fake::new();
    fake.refuse_prog(Errno::EPERM, "");
    let error = named(&object, "drop").load(&options(), &mut fake).unwrap_err();
    assert_eq!(log_sizes(&fake).len(), 1);
    assert_eq!(error.hint(), Some("the fake forbids it"));
    assert!(error.to_string().ends_with("Operation not permitted (errno 1)"), "{error}");
}

#[test]
fn a_refused_map_is_named_with_its_definition() {
    let object = object(&host("map_def"));
    let mut fake = Fake::new();
    fake.refuse_map(Errno::E2BIG);
    let error = named(&object, "count").load(&options(), &mut fake).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "kernel refused map `by_protocol` of {} (array, key 4 B, value 8 B, max_entries 256, flags 0x0): \
             Argument list too long (errno 7)",
            object.file()
        )
    );
    // No program load after that.
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn the_kernel_may_say_what_is_wrong_with_a_map() {
    let object = object(&host("map_def"));
    let mut fake = Fake::new();
    fake.explain_maps("Invalid key_size");
    // With flags, with fewer, without a name.
    (0..4).for_each(|_| fake.refuse_map(Errno::EINVAL));
    let error = named(&object, "count").load(&options(), &mut fake).unwrap_err();
    assert_eq!(error.hint(), Some("the kernel says: Invalid key_size"));
    let mut fake = Fake::new();
    (0..4).for_each(|_| fake.refuse_map(Errno::EINVAL));
    let error = named(&object, "count").load(&options(), &mut fake).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.starts_with("this kernel may not know the type")));
}

#[test]
fn the_other_byte_order_is_refused() {
    let object = object(&foreign("drop"));
    let mut fake = Fake::new();
    let error = named(&object, "drop").load(&options(), &mut fake).unwrap_err();
    assert!(matches!(error, LoadError::Object(ObjectError::ForeignByteOrder { .. })));
    assert!(fake.requests().is_empty());
}

#[test]
fn bare_instructions_load_under_a_clean_name() {
    let insns = [Insn::new(0xb7, 0, 0, 0, 0), Insn::new(Insn::EXIT, 0, 0, 0, 0)];
    let mut fake = Fake::new();
    let loaded =
        load_insns(&insns, "my-prog with a long name", "GPL", &options(), &mut fake).unwrap();
    assert_eq!(loaded.name, "my_prog_with_a_");
    let [Request::ProgLoad { insns: sent, license, .. }] = fake.requests() else { panic!() };
    assert_eq!((sent.as_slice(), license.as_str()), (insns.as_slice(), "GPL"));
}
