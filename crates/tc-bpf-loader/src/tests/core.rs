//! CO-RE against types that are no kernel's: those of `kernel.c`. What is expected was read off its structs.

use std::sync::Arc;

use super::{named, object};
use crate::btf::Btf;
use crate::reloc::core::{self, Poisoned, Targets};
use crate::sys::Fake;
use crate::{Endian, Insn, LoadError, LoadOptions, ProgType};

struct Types(Btf, Vec<Arc<Btf>>);

impl Targets for Types {
    fn main(&self) -> &Btf {
        &self.0
    }

    fn modules(&mut self) -> &[Arc<Btf>] {
        &self.1
    }
}

fn types(endian: Endian) -> Btf {
    let suffix = if endian == Endian::Little { "el" } else { "eb" };
    object(&format!("kernel-c19-g-{suffix}.o")).btf.unwrap().unwrap()
}

/// A program's instructions after it was adapted.
fn adapted(
    object: &crate::ObjectSpec,
    program: &str,
    targets: &mut Types,
) -> Result<(Vec<Insn>, Vec<Poisoned>), String> {
    let mut linked = named(object, program).link().unwrap();
    let Some(Ok(local)) = &object.btf else { panic!("no types") };
    let poisoned = core::apply(&linked.core, &mut linked.insns, local, targets)
        .map_err(|(at, problem)| format!("insn {at}: {problem}"))?;
    Ok((linked.insns, poisoned))
}

/// The constant that a program returns.
fn answer(insns: &[Insn]) -> i64 {
    match insns {
        [load, _] if load.code == 0xb7 => i64::from(load.imm),
        [low, high, _] if low.code == Insn::LD_IMM64 => {
            i64::from(high.imm) << 32 | i64::from(low.imm as u32)
        }
        other => panic!("{other:?}"),
    }
}

/// Program, and what it returns for little and big endian.
const ANSWERS: &[(&str, i64, i64)] = &[
    ("offset_of_member", 12, 12),
    ("size_of_member", 32, 32),
    ("offset_of_element", 19, 19),
    ("offset_in_anonymous", 16, 16),
    ("nested", 56, 56),
    ("there", 1, 1),
    ("not_there", 0, 0),
    ("signed_one", 1, 1),
    ("unsigned_one", 0, 0),
    // In the kernel's struct: bits 7 to 11 of the four bytes from 32.
    ("bits_offset", 32, 32),
    ("bits_size", 4, 4),
    ("bits_left", 64 - 12, 32 + 7),
    ("bits_right", 64 - 5, 64 - 5),
    ("bits_there", 1, 1),
    // Bits 30 and 31 of the four bytes from 24.
    ("wide_bits_left", 32, 32 + 30),
    ("wide_bits_offset", 24, 24),
    ("wide_bits_size", 4, 4),
    ("left_of_plain", 48, 48),
    ("right_of_plain", 48, 48),
    ("type_there", 1, 1),
    ("type_not_there", 0, 0),
    ("typedef_not_there", 0, 0),
    ("typedef_there", 1, 1),
    ("union_there", 1, 1),
    ("size_of_type", 24, 24),
    ("size_of_larger_type", 48, 48),
    ("size_of_no_type", 0, 0),
    ("id_of_no_type", 0, 0),
    ("enumerator_there", 1, 1),
    ("enumerator_flavoured", 2, 2),
    ("enumerator_not_there", 0, 0),
    ("enumerator_value", 0x7fff_ffff, 0x7fff_ffff),
];

#[test]
fn each_kind_of_question_is_answered() {
    for (name, endian) in [
        ("core-g-el.o", Endian::Little),
        ("core-g-eb.o", Endian::Big),
        ("core-c19-g-el.o", Endian::Little),
        ("core-c19-g-eb.o", Endian::Big),
    ] {
        let object = object(name);
        let mut targets = Types(types(endian), Vec::new());
        let mut ask = |program: &str| {
            let (insns, poisoned) = adapted(&object, program, &mut targets).unwrap();
            assert_eq!(poisoned, [], "{program}");
            answer(&insns)
        };
        for (program, little, big) in ANSWERS {
            let want = if endian == Endian::Little { little } else { big };
            assert_eq!(ask(program), *want, "{program} of {name}");
        }
        if name.contains("c19") {
            // The kernel's type has all members of the object's; that of devices lacks one.
            assert_eq!((ask("type_matches"), ask("type_matches_not")), (1, 0));
        }
        assert_eq!(ask("enumerator_of_flavour"), -3);
        let id = |btf: &Btf| {
            let found = btf.iter().find(|t| btf.str_at(t.name_off) == "net_device").unwrap();
            i64::from(found.id)
        };
        assert_eq!(ask("target_id"), id(&types(endian)));
        let Some(Ok(local)) = &object.btf else { panic!() };
        assert_eq!(ask("local_id"), id(local));
    }
}

#[test]
fn subprograms_are_adapted_too() {
    let object = object("core-g-el.o");
    let mut targets = Types(types(Endian::Little), Vec::new());
    let (insns, _) = adapted(&object, "calls", &mut targets).unwrap();
    let constants: Vec<_> = insns.iter().filter(|i| matches!(i.code, 0xb7 | 0x07)).collect();
    let found: Vec<_> = constants.iter().map(|i| i.imm).filter(|i| *i != 0).collect();
    assert!(found.contains(&12) && found.contains(&8), "{insns:?}");
}

#[test]
fn what_is_missing_becomes_a_call_of_nothing() {
    let object = object("core-g-el.o");
    let mut targets = Types(types(Endian::Little), Vec::new());
    let (insns, poisoned) = adapted(&object, "guarded", &mut targets).unwrap();
    let what: Vec<_> = poisoned.iter().map(|p| p.what.as_str()).collect();
    assert_eq!(
        what,
        ["offset of `struct sk_buff.gone`", "value of `enum bpf_map_type.BPF_MAP_TYPE_NO_SUCH`"]
    );
    for poisoned in poisoned {
        assert_eq!(insns[poisoned.at], Insn::new(Insn::CALL, 0, 0, 0, 195_896_080));
    }
}

/// A type that is not the kernel's is looked for in modules, which continue its types.
#[test]
fn modules_have_what_the_kernel_lacks() {
    let object = object("core-g-el.o");
    let base = Arc::new(Btf::parse(&[&header(0, 1)[..], b"\0"].concat(), Endian::Little).unwrap());
    // A forward declaration is no struct; the struct of two members comes after it.
    let strings = b"net_device\0mtu\0u32\0";
    let words: [u32; 17] = [
        1,
        7 << 24,
        0, // FWD net_device
        16,
        1 << 24,
        4,
        32, // INT u32
        1,
        4 << 24 | 1,
        40, // STRUCT net_device
        12,
        2,
        256, // mtu at byte 32
        1,
        8 << 24,
        2, // TYPEDEF net_device
        0,
    ];
    let types: Vec<u8> = words.iter().take(16).flat_map(|w| w.to_le_bytes()).collect();
    let bytes = [&header(64, strings.len() as u32)[..], &types, strings].concat();
    let module = Btf::parse_split(&bytes, Endian::Little, Some(base.clone())).unwrap();
    let mut targets = Types(Btf::clone(&base), vec![Arc::new(module)]);
    let (insns, _) = adapted(&object, "unsigned_one", &mut targets).unwrap();
    assert_eq!(answer(&insns), 0);
    let (insns, _) = adapted(&object, "size_of_larger_type", &mut targets).unwrap();
    assert_eq!(answer(&insns), 40);
    // Two modules that do not agree about it.
    let mut other = bytes.clone();
    other[24 + 36] = 44;
    let other = Btf::parse_split(&other, Endian::Little, Some(base)).unwrap();
    targets.1.push(Arc::new(other));
    let error = adapted(&object, "size_of_larger_type", &mut targets).unwrap_err();
    assert_eq!(
        error,
        "insn 0: size of `struct net_device`: the kernel has several types `net_device`, which do not agree \
         (types 3 and 3)"
    );
    assert!(adapted(&object, "unsigned_one", &mut targets).is_ok());
}

fn header(types: u32, strings: u32) -> [u8; 24] {
    let mut out = [0; 24];
    out[..8].copy_from_slice(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0]);
    for (at, word) in [(8, 0), (12, types), (16, types), (20, strings)] {
        out[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    out
}

#[test]
fn a_kernel_without_types_is_named() {
    if Endian::HOST == Endian::Big {
        return;
    }
    let object = object("core-g-el.o");
    let program = named(&object, "offset_of_member");
    let options = LoadOptions::new(ProgType::SCHED_CLS);
    let error = program.load(&options, &mut Fake::new()).unwrap_err();
    assert!(matches!(error, LoadError::Unresolved(_)));
    assert_eq!(
        error.to_string(),
        "program `offset_of_member` (section `tc`, core-g-el.o) does not fit this kernel: the types of the running \
         kernel cannot be read from /sys/kernel/btf/vmlinux: No such file or directory (errno 2)"
    );
    assert!(error.hint().unwrap().contains("CONFIG_DEBUG_INFO_BTF"));
    // What is about the object alone needs no kernel.
    assert!(named(&object, "local_id").load(&options, &mut Fake::new()).is_ok());
}

/// The types may come from a file, bare or as a section of an ELF file.
#[test]
fn types_of_a_file() {
    if Endian::HOST == Endian::Big {
        return;
    }
    let object = object("core-g-el.o");
    let elf = super::bytes("kernel-c19-g-el.o");
    let mut fake = Fake::new();
    fake.add_file("/tmp/kernel.o", &elf);
    fake.add_file("/tmp/notes", b"\x7fELFx");
    fake.add_file("/tmp/text", b"text");
    let load = |path: &str, fake: &mut Fake| {
        let mut options = LoadOptions::new(ProgType::SCHED_CLS);
        options.btf = Some(path.into());
        named(&object, "offset_of_member").load(&options, fake).map_err(|e| e.to_string())
    };
    load("/tmp/kernel.o", &mut fake).unwrap();
    let Some(crate::sys::Request::ProgLoad { insns, .. }) = fake.requests().last() else {
        panic!()
    };
    assert_eq!(answer(insns), 12);
    for (path, why) in [
        ("/tmp/none", "cannot read /tmp/none: No such file or directory (errno 2)"),
        ("/tmp/notes", "/tmp/notes has no type information (.BTF)"),
        ("/tmp/text", "/tmp/text holds no type information (BTF)"),
    ] {
        let error = load(path, &mut fake).unwrap_err();
        assert!(error.ends_with(why), "{error}");
    }
}

fn word_at(bytes: &[u8], at: usize) -> usize {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// A module's file has types whose ids begin where those of its kernel end.
#[test]
fn types_of_a_module_alone_are_not_enough() {
    let object = object(if cfg!(target_endian = "big") { "core-g-eb.o" } else { "core-g-el.o" });
    let Some(Ok(btf)) = &object.btf else { panic!("no types") };
    let mut types = crate::btf::fixup::for_kernel(btf, &object.elf);
    // The length of the strings, which come last, is the last word of the header.
    let length = word_at(&types, 20);
    let at = types.len() - length;
    types[at] = b'x';
    let mut fake = Fake::new();
    fake.add_file("/module.btf", &types);
    let mut options = LoadOptions::new(ProgType::SCHED_CLS);
    options.btf = Some("/module.btf".into());
    let error = named(&object, "there").load(&options, &mut fake).unwrap_err().to_string();
    assert!(error.contains("/module.btf holds the types of a module"), "{error}");
}
