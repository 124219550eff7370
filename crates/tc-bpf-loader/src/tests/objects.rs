//! What is read from objects and how programs are chosen and put together. No kernel.

use super::{all_objects, bytes, named, object};
use crate::{Endian, Insn, MapType, ObjectError, ObjectSpec, Pinning, Select};

fn choose(
    object: &ObjectSpec,
    section: Option<&str>,
    program: Option<&str>,
) -> Result<String, String> {
    object
        .select(&Select { section, program, default_section: "classifier" })
        .map(|p| p.name().to_owned())
        .map_err(|e| e.to_string())
}

#[test]
fn both_byte_orders_say_the_same() {
    for (name, data) in all_objects().iter().filter(|(name, _)| name.ends_with("-el.o")) {
        let other = name.replace("-el.o", "-eb.o");
        let little = ObjectSpec::parse(name, data).unwrap();
        let big = object(&other);
        assert_eq!((little.endian(), big.endian()), (Endian::Little, Endian::Big));
        assert_eq!(little.license(), big.license());
        assert_eq!(little.version(), big.version());
        let maps = |o: &ObjectSpec| o.maps().map(|m| m.cloned().map_err(drop)).collect::<Vec<_>>();
        assert_eq!(maps(&little), maps(&big), "{name}");
        let programs: Vec<_> = little.programs().zip(big.programs()).collect();
        assert_eq!(programs.len(), big.programs().count());
        for (a, b) in programs {
            assert_eq!((a.name(), a.section()), (b.name(), b.section()));
            match (a.link(), b.link()) {
                (Ok(a), Ok(b)) => {
                    assert_eq!(a.map_refs, b.map_refs, "{name}");
                    assert_eq!(a.line_info.len(), b.line_info.len(), "{name}");
                    assert_eq!(a.func_info, b.func_info, "{name}");
                    // Not the constants: text in them is in the object's byte order.
                    // gcc loads half of a variable from where it is in that byte order.
                    let gcc = name.contains("-gcc-");
                    let shape = |i: &Insn| (i.code, i.dst(), i.src(), if gcc { 0 } else { i.off });
                    let (a, b): (Vec<_>, Vec<_>) =
                        (a.insns.iter().map(shape).collect(), b.insns.iter().map(shape).collect());
                    assert_eq!(a, b, "{name}");
                }
                (Err(_), Err(_)) => {}
                _ => panic!("{name} and {other} differ in {a:?}"),
            }
        }
    }
}

#[test]
fn any_section_name_will_do() {
    let drop = object("drop-el.o");
    assert_eq!(choose(&drop, Some("ingress"), None).as_deref(), Ok("drop"));
    assert_eq!(choose(&drop, None, Some("drop")).as_deref(), Ok("drop"));
    // Nothing chosen: the only program there is.
    assert_eq!(choose(&drop, None, None).as_deref(), Ok("drop"));
    assert_eq!(
        choose(&drop, Some("classifier"), None).unwrap_err(),
        "no program in section `classifier`; drop-el.o has: section `ingress`: drop()"
    );
}

#[test]
fn a_choice_must_fit_one_program() {
    let programs = object("programs-el.o");
    // Nothing chosen: tc's default section.
    assert_eq!(choose(&programs, None, None).as_deref(), Ok("pass"));
    assert_eq!(choose(&programs, Some("pair"), Some("second")).as_deref(), Ok("second"));
    assert_eq!(choose(&programs, None, Some("second")).as_deref(), Ok("second"));
    assert_eq!(choose(&programs, Some("hidden"), None).as_deref(), Ok("quiet"));
    assert_eq!(choose(&programs, Some("tc"), None).as_deref(), Ok("optional"));
    assert_eq!(choose(&programs, Some("?tc"), None).as_deref(), Ok("optional"));
    assert_eq!(
        choose(&programs, Some("pair"), None).unwrap_err(),
        "section `pair` of programs-el.o names several programs, choose one: section `pair`: first(), second()"
    );
    assert_eq!(
        choose(&programs, Some("hidden"), Some("first")).unwrap_err(),
        "no program in function `first` of section `hidden`; programs-el.o has: section `classifier`: pass(); \
         section `pair`: first(), second(); section `hidden`: quiet(); section `?tc`: optional()"
    );
    let action = Select { section: None, program: None, default_section: "action" };
    assert!(matches!(programs.select(&action), Err(ObjectError::NoProgram { .. })));
    assert!(named(&programs, "quiet").is_static());
}

#[test]
fn functions_of_text_are_found_by_name_only() {
    let object = object("subprograms-el.o");
    let names: Vec<_> = object.programs().map(|p| p.name()).collect();
    assert_eq!(names, ["first", "second", "third"]);
    assert_eq!(choose(&object, None, Some("shared")).as_deref(), Ok("shared"));
}

#[test]
fn symbols_without_type_or_none_at_all() {
    let untyped = object("untyped-el.o");
    let programs: Vec<_> = untyped.programs().map(|p| (p.name(), p.insn_count())).collect();
    // The jump label LBB0_2 is no function.
    assert_eq!(programs, [("pass", 4), ("shot", 2)]);
    let nameless = object("nameless-el.o");
    let programs: Vec<_> = nameless.programs().map(|p| (p.name(), p.insn_count())).collect();
    assert_eq!(programs, [("ingress", 2)]);
}

#[test]
fn a_missing_license_is_no_license() {
    assert_eq!(object("drop-el.o").license(), "");
    assert_eq!(object("map_def-el.o").license(), "GPL");
    assert_eq!(object("map_def-el.o").version(), Some(0x60100));
}

#[test]
fn maps_of_a_maps_section() {
    for name in ["elf_map36-el.o", "elf_map28-el.o"] {
        let object = object(name);
        let maps: Vec<_> = object.maps().map(Result::unwrap).collect();
        let [plain, shared] = maps.as_slice() else { panic!("{maps:?}") };
        assert_eq!(plain.to_string(), "hash, key 4 B, value 8 B, max_entries 16, flags 0x1");
        assert_eq!((plain.pinning, plain.id), (Pinning::None, 0));
        assert_eq!(shared.to_string(), "array, key 4 B, value 8 B, max_entries 2, flags 0x0");
        assert_eq!((shared.pinning, shared.id), (Pinning::Global, 7));
    }
    let object = object("map_def-el.o");
    let map = object.maps().next().unwrap().unwrap();
    assert_eq!(
        (map.name.as_str(), map.map_type, map.max_entries),
        ("by_protocol", MapType::ARRAY, 256)
    );
}

#[test]
fn btf_tells_the_two_layouts_of_28_bytes_apart() {
    let outer = |name: &str| object(name).maps().nth(2).unwrap().unwrap().clone();
    let with = outer("inner_map_def-g-el.o");
    assert_eq!((with.inner_map_idx, with.id), (Some(1), 0));
    let without = outer("inner_map_def-el.o");
    assert_eq!((without.inner_map_idx, without.id), (None, 1));
}

#[test]
fn maps_that_btf_defines() {
    let object = object("btf_maps-g-el.o");
    let maps: Vec<_> = object.maps().filter_map(Result::ok).collect();
    let [jumps, flows, totals, pinned] = maps.as_slice() else { panic!("{maps:?}") };
    assert_eq!(jumps.to_string(), "prog_array, key 4 B, value 4 B, max_entries 2, flags 0x0");
    assert_eq!(jumps.slots.len(), 1);
    assert_eq!(flows.to_string(), "hash, key 12 B, value 8 B, max_entries 1024, flags 0x1");
    assert!(flows.key_type_id.is_some() && flows.value_type_id.is_some());
    assert_eq!(totals.to_string(), "array, key 4 B, value 8 B, max_entries 4, flags 0x0");
    assert_eq!(totals.key_type_id, None);
    assert_eq!(pinned.pinning, Pinning::ByName);
}

/// Instructions as `llvm-objdump -dr` shows them, the map's relocation applied.
#[test]
fn a_map_reference_is_marked_for_its_descriptor() {
    let object = object("elf_map36-el.o");
    let linked = named(&object, "look").link().unwrap();
    assert_eq!(
        linked.insns,
        [
            Insn::new(0x61, 1, 1, 40, 0),
            Insn::new(0x63, 10, 1, -4, 0),
            Insn::new(0xbf, 2, 10, 0, 0),
            Insn::new(0x07, 2, 0, 0, -4),
            Insn::new(0x18, 1, Insn::PSEUDO_MAP_FD, 0, 0),
            Insn::default(),
            Insn::new(0x85, 0, 0, 0, 1),
            Insn::new(0xbf, 1, 0, 0, 0),
            Insn::new(0xb7, 0, 0, 0, 1),
            Insn::new(0x55, 1, 0, 1, 0),
            Insn::new(0xb7, 0, 0, 0, 0),
            Insn::new(0x67, 0, 0, 0, 1),
            Insn::new(0x95, 0, 0, 0, 0),
        ]
    );
    assert_eq!(linked.map_refs, [(4, 0)]);
    assert_eq!(linked.maps.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["plain"]);
}

fn calls(insns: &[Insn]) -> Vec<(usize, u8, i32)> {
    let calls = insns.iter().enumerate().filter(|(_, i)| i.code == Insn::CALL);
    calls.map(|(at, i)| (at, i.src(), at as i32 + 1 + i.imm)).collect()
}

/// first() is 8 instructions; it calls unused_by_second() (8), which calls outer() (5) and shared() (3), then
/// outer() again. Each is placed where it is first met, depth first.
#[test]
fn called_functions_are_appended_once() {
    let object = object("subprograms-g-el.o");
    let linked = named(&object, "first").link().unwrap();
    let (unused_by_second, outer, shared) = (8, 16, 21);
    assert_eq!(
        calls(&linked.insns),
        [(2, 1, unused_by_second), (5, 1, outer), (10, 1, outer), (13, 1, shared), (18, 1, shared),]
    );
    assert_eq!(linked.insns.len(), 24);
    let starts: Vec<_> = linked.func_info.iter().map(|f| f.insn_off).collect();
    assert_eq!(starts, [0, unused_by_second as u32, outer as u32, shared as u32]);
    assert!(starts.iter().all(|s| linked.line_info.iter().any(|l| l.insn_off == *s)));
    assert!(linked.line_info.windows(2).all(|w| w[0].insn_off < w[1].insn_off));
}

#[test]
fn a_program_may_call_another_one_of_its_section() {
    let object = object("siblings-g-el.o");
    let linked = named(&object, "caller").link().unwrap();
    assert_eq!(calls(&linked.insns), [(0, 1, 3)]);
    assert_eq!(linked.insns[3], Insn::new(0x61, 0, 1, 8, 0));
    assert_eq!(linked.insns.len(), 5);
}

#[test]
fn a_callback_is_an_address_relative_to_its_load() {
    let object = object("subprograms-el.o");
    let linked = named(&object, "third").link().unwrap();
    // third() is 11 instructions, each() follows.
    assert_eq!(linked.insns[5], Insn::new(0x18, 2, Insn::PSEUDO_FUNC, 0, 11 - 5 - 1));
    assert_eq!(linked.insns[6], Insn::default());
    assert_eq!(linked.insns.len(), 11 + 7);
}

/// What the kernel is asked for when a program is loaded, it is not asked for before.
#[test]
fn what_the_kernel_has_to_provide_does_not_hinder_linking() {
    let object = object("unsupported-g-el.o");
    for program in ["all_fine", "uses_kconfig", "uses_ksym", "uses_kfunc", "uses_core"] {
        assert!(named(&object, program).link().is_ok(), "{program}");
    }
}

#[test]
fn an_odd_map_stops_only_its_program() {
    let odd = object("odd_map-g-el.o");
    assert!(named(&odd, "without").link().is_ok());
    // Fields that nobody knows are overlooked, as iproute2 does; what cannot be read is not.
    assert!(named(&odd, "with_odd").link().is_ok());
}

#[test]
fn things_that_are_no_object() {
    let found = |data: &[u8]| match ObjectSpec::parse("x.o", data) {
        Err(ObjectError::NotObject { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found(b""), "the file is empty");
    assert!(
        found(b"#include <linux/bpf.h>\nint x;\n")
            .starts_with("it is text; C source must be compiled first")
    );
    assert!(found(b"BC\xc0\xde\x01\x02").starts_with("it is LLVM bitcode"));
    assert!(found(&[0, 1, 2, 3]).starts_with("it does not start with an ELF header"));
    let drop = bytes("drop-el.o");
    assert_eq!(found(&drop[..40]), "the ELF header is cut off");
    let mut narrow = drop.clone();
    narrow[4] = 1;
    assert!(found(&narrow).starts_with("it is a 32-bit ELF file"));
    let mut linked = drop.clone();
    linked[16] = 3;
    assert!(found(&linked).starts_with("it is linked already"));
    let mut other = drop;
    other[18] = 62;
    assert_eq!(
        ObjectSpec::parse("x.o", &other).unwrap_err().to_string(),
        "x.o is an object for x86-64, not for BPF: compile it with `clang -target bpf`"
    );
}

#[test]
fn only_regular_files_are_read() {
    use std::path::Path;
    let error = |path: &str| ObjectSpec::from_path(Path::new(path)).unwrap_err().to_string();
    assert_eq!(error("/dev/zero"), "cannot read /dev/zero: it is not a regular file");
    assert_eq!(error("/"), "cannot read /: it is not a regular file");
    assert!(error("/nonexistent/x.o").starts_with("cannot read /nonexistent/x.o: No such file"));
}
