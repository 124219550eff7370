//! What the compiler leaves open in BTF and the kernel insists on: sizes and offsets of data sections, linkage.

use std::collections::{BTreeMap, BTreeSet};

use super::{Btf, MAGIC, kind};
use crate::elf::{Elf, Place, Section, SymbolKind};

/// `BTF_INT_SIGNED`, and with `BTF_INT_CHAR`.
const SIGNED: u32 = 1;
const SIGNED_CHAR: u32 = 3;
const LINKAGE_GLOBAL: u32 = 1;
const LINKAGE_EXTERN: u32 = 2;

/// The bytes for `BPF_BTF_LOAD`: the object's BTF, in its byte order, with
/// - sizes of data sections and offsets of the variables in them taken from the ELF tables, in ascending order;
/// - data sections that are no section of the object (`.ksyms`, `.kconfig`), which the kernel refuses, turned into
///   plain integers, so that all type ids stay;
/// - functions that are defined elsewhere, whose parameters have no names, turned into pointers to functions;
/// - integers that are both signed and characters just signed, and forward declarations without a size;
/// - variables that are defined elsewhere declared global, as the kernel knows no other kind.
pub(crate) fn for_kernel(btf: &Btf, elf: &Elf) -> Vec<u8> {
    let sections: BTreeMap<&str, (u32, &Section)> =
        elf.sections().skip(1).map(|(i, s)| (elf.name(s.name), (i, s))).collect();
    let symbols: BTreeMap<(u32, &str), u64> = elf
        .symbols
        .iter()
        .filter(|s| matches!(s.kind, SymbolKind::Object | SymbolKind::Untyped))
        .filter_map(|s| match s.place {
            Place::Section(section) => Some(((section, elf.name(s.name)), s.value)),
            _ => None,
        })
        .collect();
    // The first integer that such a section becomes, as the type of variables that have none (`extern void x`).
    let integer = btf
        .iter()
        .find(|t| t.kind == kind::DATASEC && !sections.contains_key(btf.str_at(t.name_off)))
        .map_or(0, |t| t.id);
    // gcc lists the kernel's helpers among the functions, as if they were here.
    let functions: BTreeSet<&str> = elf
        .symbols
        .iter()
        .filter(|s| elf.is_gcc() && s.kind == SymbolKind::Function)
        .map(|s| elf.name(s.name))
        .collect();
    let absent = |name: &str| elf.is_gcc() && !functions.contains(name);
    let mut types = Vec::with_capacity(btf.types.len());
    let mut put = |words: &[u32]| types.extend(words.iter().flat_map(|w| btf.endian.put_u32(*w)));
    for ty in btf.iter() {
        let info = btf.endian.u32_at(&btf.types, btf.offset_of(ty.id) + 4).unwrap_or(0);
        match ty.kind {
            kind::DATASEC => match sections.get(btf.str_at(ty.name_off)) {
                None => put(&[ty.name_off, kind::INT << 24, 4, 32]),
                Some((index, section)) => {
                    let mut vars: Vec<_> = btf
                        .section_vars(&ty)
                        .map(|v| {
                            let offset = symbols.get(&(*index, btf.name(v.type_id)));
                            (offset.map_or(v.offset, |o| *o as u32), v)
                        })
                        .collect();
                    vars.sort_by_key(|(offset, _)| *offset);
                    put(&[ty.name_off, info, section.size as u32]);
                    for (offset, var) in vars {
                        put(&[var.type_id, offset, var.size]);
                    }
                }
            },
            kind::FUNC if ty.vlen == LINKAGE_EXTERN || absent(btf.str_at(ty.name_off)) => {
                put(&[0, kind::PTR << 24, ty.size_or_id]);
            }
            kind::VAR if btf.endian.u32_at(ty.tail, 0) == Some(LINKAGE_EXTERN) => {
                let sized = btf.size_of(ty.size_or_id).is_some();
                let type_id = if sized { ty.size_or_id } else { integer };
                put(&[ty.name_off, info, type_id, LINKAGE_GLOBAL]);
            }
            // gcc calls signed characters both at once, which the kernel does not know.
            kind::INT if btf.endian.u32_at(ty.tail, 0).is_some_and(|e| e >> 24 == SIGNED_CHAR) => {
                let encoding = btf.endian.u32_at(ty.tail, 0).unwrap_or(0);
                put(&[ty.name_off, info, ty.size_or_id, encoding & 0x00ff_ffff | SIGNED << 24]);
            }
            // gcc writes something where the kernel wants nothing.
            kind::FWD => put(&[ty.name_off, info, 0]),
            _ => {
                put(&[ty.name_off, info, ty.size_or_id]);
                let tail = ty.tail.chunks_exact(4).filter_map(|w| btf.endian.u32_at(w, 0));
                tail.for_each(|w| put(&[w]));
            }
        }
    }
    let word = |n: usize| btf.endian.put_u32(n as u32);
    let mut out = Vec::with_capacity(24 + types.len() + btf.strings.len());
    out.extend(match btf.endian {
        crate::Endian::Little => MAGIC.to_le_bytes(),
        crate::Endian::Big => MAGIC.to_be_bytes(),
    });
    out.extend([1, 0]);
    for n in [24, 0, types.len(), types.len(), btf.strings.len()] {
        out.extend(word(n));
    }
    out.extend(types);
    out.extend(&btf.strings);
    out
}

impl Btf {
    fn offset_of(&self, id: u32) -> usize {
        (id as usize).checked_sub(1).and_then(|i| self.offsets.get(i)).map_or(0, |o| *o as usize)
    }
}
