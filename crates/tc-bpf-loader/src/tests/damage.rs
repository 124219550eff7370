//! Damaged objects: every lie is a clear error, and no bytes make the reader panic or hang.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{all_objects, bytes};
use crate::cbpf::{self, Bytecode, SockFilter};
use crate::sys::Fake;
use crate::{LoadOptions, ObjectSpec, ProgType, Select};

/// Offsets of fields in an ELF64 section header.
const SH_NAME: usize = 0;
const SH_OFFSET: usize = 24;
const SH_SIZE: usize = 32;
const SH_LINK: usize = 40;
const SH_INFO: usize = 44;
const SH_ENTSIZE: usize = 56;

/// A little-endian object whose headers can be written to.
struct Patch(Vec<u8>);

impl Patch {
    fn new(name: &str) -> Self {
        Patch(bytes(name))
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn put(mut self, at: usize, value: &[u8]) -> Self {
        self.0[at..at + value.len()].copy_from_slice(value);
        self
    }

    fn header_at(&self, n: u64) -> usize {
        (self.u64_at(40) + 64 * n) as usize
    }

    /// Index of the first section of a type (1 PROGBITS, 2 SYMTAB, 3 STRTAB, 9 REL).
    fn first(&self, sh_type: u32) -> u64 {
        let count = u16::from_le_bytes([self.0[60], self.0[61]]);
        (0..u64::from(count))
            .find(|n| {
                let at = self.header_at(*n) + 4;
                self.0[at..at + 4] == sh_type.to_le_bytes()
            })
            .unwrap()
    }

    /// Index of the section of that name.
    fn named(&self, name: &str) -> u64 {
        let shstrndx = u16::from_le_bytes([self.0[62], self.0[63]]);
        let names = self.u64_at(self.header_at(shstrndx.into()) + SH_OFFSET) as usize;
        let count = u16::from_le_bytes([self.0[60], self.0[61]]);
        (0..u64::from(count))
            .find(|n| {
                let at = self.header_at(*n);
                let start =
                    names + u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap()) as usize;
                self.0[start..].starts_with(name.as_bytes()) && self.0[start + name.len()] == 0
            })
            .unwrap()
    }

    fn section(self, n: u64, field: usize, value: &[u8]) -> Self {
        let at = self.header_at(n) + field;
        self.put(at, value)
    }

    fn start_of(&self, n: u64) -> usize {
        self.u64_at(self.header_at(n) + SH_OFFSET) as usize
    }

    fn error(self) -> String {
        ObjectSpec::parse("x.o", &self.0).unwrap_err().to_string()
    }

    /// The error of linking the first program.
    fn link_error(self) -> String {
        let object = ObjectSpec::parse("x.o", &self.0).unwrap();
        object.programs().next().unwrap().link().unwrap_err().to_string()
    }
}

fn drop() -> Patch {
    Patch::new("drop-el.o")
}

#[test]
fn lying_section_headers() {
    let huge = u64::MAX.to_le_bytes();
    assert_eq!(
        drop().put(40, &huge).error(),
        "x.o is damaged: section header table: 6 entries of 64 bytes at offset 18446744073709551615 do not fit in the \
         file's 600 bytes"
    );
    assert!(drop().put(60, &[0xff, 0xfe]).error().contains("section header table: 65279 entries"));
    assert!(drop().put(58, &[0, 0]).error().contains("section header table: 6 entries of 0 bytes"));
    assert!(
        drop().put(62, &[77, 0]).error().contains("section names are said to be in section 77")
    );
    let code = drop().named("ingress");
    assert_eq!(
        drop().section(code, SH_OFFSET, &huge).error(),
        format!(
            "x.o is damaged: section {code} `ingress`: 16 bytes at offset 18446744073709551615 do not fit in the \
             file's 600 bytes"
        )
    );
    assert!(drop().section(code, SH_SIZE, &huge).error().contains("do not fit in the file"));
    assert!(
        drop()
            .section(code, SH_NAME, &[0xff; 4])
            .error()
            .contains("its name is at offset 4294967295")
    );
    assert_eq!(
        drop().section(code, SH_SIZE, &12u64.to_le_bytes()).error(),
        "x.o is damaged: section `ingress`: its size 12 is no multiple of 8, the size of an instruction"
    );
    let symtab = drop().first(2);
    let same = drop().start_of(code) as u64;
    assert!(
        drop().section(symtab, SH_OFFSET, &same.to_le_bytes()).error().contains("overlaps section")
    );
}

#[test]
fn lying_symbol_tables() {
    let symtab = drop().first(2);
    assert_eq!(
        drop().section(symtab, SH_ENTSIZE, &[0; 8]).error(),
        "x.o is damaged: symbol table: its entry size is 0, not 24"
    );
    assert!(
        drop()
            .section(symtab, SH_SIZE, &25u64.to_le_bytes())
            .error()
            .contains("is no multiple of 24")
    );
    assert!(
        drop()
            .section(symtab, SH_LINK, &[99, 0, 0, 0])
            .error()
            .contains("names are said to be in section 99")
    );
    // The last symbol is drop(): name, info, other, section, value, size.
    let last = {
        let d = drop();
        let size = d.u64_at(d.header_at(symtab) + SH_SIZE) as usize;
        d.start_of(symtab) + size - 24
    };
    let names = drop().first(3);
    let name = drop().start_of(names) + 1;
    assert!(drop().put(name, &[0x1b]).error().contains("its name has control characters"));
    assert!(drop().put(name, &[0xff]).error().contains("its name is not UTF-8"));
    assert!(drop().put(last, &[0xff; 4]).error().contains("its name is at offset"));
    assert!(
        drop()
            .put(last + 6, &[0x77, 0])
            .error()
            .contains("symbol 2 `drop`: it is said to be in section 119 of 6")
    );
    assert_eq!(
        drop().put(last + 8, &8u64.to_le_bytes()).error(),
        "x.o is damaged: function `drop` in section `ingress`: 16 bytes at offset 8 do not fit in the section's 16"
    );
    assert!(drop().put(last + 8, &u64::MAX.to_le_bytes()).error().contains("is no multiple of 8"));
    assert!(
        drop()
            .put(last + 16, &(u64::MAX - 7).to_le_bytes())
            .error()
            .contains("do not fit in the section's 16")
    );
    assert!(drop().put(last + 16, &9u64.to_le_bytes()).error().contains("is no multiple of 8"));
}

#[test]
fn lying_relocations() {
    let map = || Patch::new("elf_map36-el.o");
    let rel = map().first(9);
    assert!(
        map().section(rel, SH_ENTSIZE, &[0; 8]).error().contains("its entry size is 0, not 16")
    );
    assert!(
        map()
            .section(rel, SH_LINK, &[1, 0, 0, 0])
            .error()
            .contains("its symbols are said to be in section 1")
    );
    let first = map().start_of(rel);
    assert!(map().put(first + 12, &[0xff; 4]).error().contains("there is no symbol 4294967295"));
    // To the second half of the load, into the middle of an instruction, of another type.
    assert!(
        map()
            .put(first, &[0x28])
            .link_error()
            .contains("relocation of type 1 does not fit an instruction of code 0x18")
    );
    assert!(map().put(first, &[0x21]).link_error().contains("relocation of type 1 does not fit"));
    assert_eq!(
        map().put(first + 8, &[10]).link_error(),
        "x.o is damaged: program `look`, instruction 4 of section `classifier`: relocation of type 10 does not fit an \
         instruction of code 0x18"
    );
    // To a section that is not code: ignored, and the reference stays a plain zero.
    let object = ObjectSpec::parse("x.o", &map().section(rel, SH_INFO, &[0; 4]).0).unwrap();
    assert!(object.programs().next().unwrap().link().unwrap().maps.is_empty());
}

#[test]
fn references_into_the_middle_of_a_map() {
    let map = Patch::new("elf_map36-el.o");
    let code = map.start_of(map.named("classifier"));
    assert_eq!(
        map.put(code + 4 * 8 + 4, &[4]).link_error(),
        "x.o is damaged: program `look`, instruction 4 of section `classifier`: no map starts at byte 4 of section \
         `maps`, which it refers to"
    );
}

#[test]
fn map_sections_that_do_not_divide() {
    let map = || Patch::new("elf_map36-el.o");
    let maps = map().named("maps");
    let problem = |size: u64| {
        let object =
            ObjectSpec::parse("x.o", &map().section(maps, SH_SIZE, &size.to_le_bytes()).0).unwrap();
        object.maps().next().unwrap().unwrap_err().to_string()
    };
    assert!(
        problem(71).ends_with("71 bytes do not divide into 2 maps of whole u32 fields"),
        "{}",
        problem(71)
    );
    assert!(problem(24).ends_with("an entry of 12 bytes is too small, the least is 16"));
    assert!(problem(0).contains("is too small"));
}

#[test]
fn entries_longer_than_known_must_end_in_zeros() {
    // Two maps of 20 bytes each, read as one of 40.
    let two = Patch::new("elf_map36-el.o");
    let symtab = two.first(2);
    let at = two.start_of(symtab);
    let count = (two.u64_at(two.header_at(symtab) + SH_SIZE) / 24) as usize;
    let maps = two.named("maps");
    let start = two.start_of(maps);
    // Makes the second map's symbol absolute, so that one entry of 72 bytes remains.
    let shared = (0..count)
        .find(|n| {
            let value = two.u64_at(at + n * 24 + 8);
            let section = u16::from_le_bytes([two.0[at + n * 24 + 6], two.0[at + n * 24 + 7]]);
            u64::from(section) == maps && value == 36
        })
        .unwrap();
    let one = two.put(at + shared * 24 + 6, &[0xf1, 0xff]);
    let first_map = |patch: Patch| {
        let object = ObjectSpec::parse("x.o", &patch.0).unwrap();
        let map = object.maps().next().unwrap();
        map.cloned().map_err(|e| e.to_string())
    };
    let error = first_map(Patch(one.0.clone())).unwrap_err();
    assert!(
        error.contains("an entry has 72 bytes and something in those after the first 36"),
        "{error}"
    );
    let zeroed = one.put(start + 36, &[0; 36]);
    assert_eq!(first_map(zeroed).unwrap().max_entries, 16);
}

#[test]
fn every_truncation_is_an_error_or_an_object() {
    for (name, data) in all_objects() {
        for len in (0..data.len()).step_by(7) {
            exercise(&name, &data[..len]);
        }
    }
}

/// Does with an object all that can be done without a kernel.
fn exercise(name: &str, data: &[u8]) {
    let Ok(object) = ObjectSpec::parse(name, data) else {
        return;
    };
    let _ = object.select(&Select::default()).map(|p| p.name().len());
    let _ = format!("{object:?}");
    object.maps().for_each(|m| drop_result(m.map(ToString::to_string)));
    for program in object.programs() {
        let _ =
            program.load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Fake::new()).map(|l| l.maps);
        if let Ok(linked) = program.link() {
            assert!(
                linked
                    .map_refs
                    .iter()
                    .all(|(at, map)| *at < linked.insns.len() && *map < linked.maps.len())
            );
        }
    }
    for table in object.tables() {
        assert!(table.operations().len() <= 256);
        let mut fake = Fake::new();
        fake.add_file("/sys/kernel/btf/vmlinux", &KERNEL);
        let made = table.load(&LoadOptions::new(ProgType::STRUCT_OPS), &mut fake);
        let _ = made.and_then(|table| table.register(&mut fake)).map_err(|e| e.to_string());
    }
    if let Some(Ok(btf)) = &object.btf {
        let _ = crate::btf::fixup::for_kernel(btf, &object.elf).len();
    }
}

fn drop_result<T>(result: Result<T, crate::ObjectError>) {
    if let Err(e) = result {
        assert!(!e.to_string().is_empty());
    }
}

/// The types of a kernel with a table.
static KERNEL: LazyLock<Vec<u8>> = LazyLock::new(|| bytes("kernel_tables-g-el.o"));

/// Read once: the properties below look at one after another.
static OBJECTS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(all_objects);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(data in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise("x.o", &data);
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        elf.extend(data);
        exercise("x.o", &elf);
    }

    #[test]
    fn changed_objects_are_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff), 0u8..9]), 1..12),
    ) {
        let objects = &*OBJECTS;
        let (name, mut data) = objects[which.index(objects.len())].clone();
        for (at, value) in changes {
            let at = at.index(data.len());
            data[at] = value;
        }
        exercise(&name, &data);
    }

    #[test]
    fn changed_tables_are_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0u64..24, 0usize..64, prop_oneof![any::<u8>(), Just(0), 0u8..9]), 1..6),
    ) {
        let objects = &*OBJECTS;
        let (name, mut data) = objects[which.index(objects.len())].clone();
        let table = if name.ends_with("-el.o") { data[40] as usize | (data[41] as usize) << 8 }
            else { data[47] as usize | (data[46] as usize) << 8 };
        for (n, field, value) in changes {
            if let Some(byte) = data.get_mut(table + 64 * n as usize + field) {
                *byte = value;
            }
        }
        exercise(&name, &data);
    }

    #[test]
    fn bytecode_reads_back_what_it_prints(
        insns in prop::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), any::<u32>()), 1..50),
    ) {
        let insns: Vec<_> = insns.into_iter().map(|(c, t, f, k)| SockFilter::new(c, t, f, k)).collect();
        let text = Bytecode(&insns).to_string();
        prop_assert_eq!(cbpf::parse_bytecode(&text).unwrap(), insns.clone());
        prop_assert_eq!(cbpf::parse_bytecode_file(&text.replace(',', "\n")).unwrap(), insns.clone());
        let _ = cbpf::validate(&insns);
    }

    #[test]
    fn any_text_is_survived(text in "[0-9 ,\\-x\\n]{0,60}") {
        let _ = cbpf::parse_bytecode(&text);
        let _ = cbpf::parse_bytecode_file(&text);
    }
}
