//! Tables of functions that programs implement (`struct_ops`): which operation of which table a program is for.
//!
//! A variable in a section `.struct_ops` has the type of the kernel's table, cut down to what the object knows of it, and
//! the relocations of its members name programs.

use std::collections::BTreeMap;

use crate::btf::{Btf, kind};
use crate::elf::functions::Function;
use crate::elf::{Elf, Place, SymbolKind};

/// Most variables of a section that are looked at, and most members of a table: more than any object or kernel has.
/// Nothing else bounds the work, as variables may overlap in a damaged object.
const MAX_TABLES: usize = 256;
const MAX_MEMBERS: usize = 256;

/// What a program is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Name of the table's type, as in `tcp_congestion_ops`.
    pub(crate) table: String,
    /// Name of the member.
    pub(crate) member: String,
}

impl Operation {
    /// From `TABLE:MEMBER`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (table, member) = text.split_once(':')?;
        Some(Operation { table: table.to_owned(), member: member.to_owned() })
    }
}

/// Whether such variables are in a section of this name.
pub(crate) fn is_section(name: &str) -> bool {
    matches!(name.strip_prefix('?').unwrap_or(name), ".struct_ops" | ".struct_ops.link")
}

/// Finds the operations, by the index of the function that is the program. The first that a program is for counts.
pub(crate) fn find(elf: &Elf, functions: &[Function], btf: &Btf) -> BTreeMap<usize, Operation> {
    let mut found = BTreeMap::new();
    let mut seen = Vec::new();
    for (section, header) in elf.sections() {
        let name = elf.name(header.name);
        if !is_section(name) || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let Some(datasec) = btf.data_section(name) else { continue };
        // In an object, places are those of symbols.
        let places: BTreeMap<&str, u64> = elf
            .symbols
            .iter()
            .filter(|s| matches!(s.place, Place::Section(s) if s == section))
            .filter(|s| matches!(s.kind, SymbolKind::Object | SymbolKind::Untyped))
            .map(|s| (elf.name(s.name), s.value))
            .collect();
        for var in btf.section_vars(&datasec).take(MAX_TABLES) {
            let Some(start) = places.get(btf.name(var.type_id)).copied() else { continue };
            let table = btf
                .get(var.type_id)
                .filter(|ty| ty.kind == kind::VAR)
                .and_then(|ty| btf.resolve(ty.size_or_id))
                .filter(|ty| ty.kind == kind::STRUCT);
            let Some(table) = table else { continue };
            let relocs = elf.relocs_in(section, start, start.saturating_add(var.size.into()));
            if relocs.is_empty() {
                continue;
            }
            let members: BTreeMap<u64, &str> = btf
                .members(&table)
                .take(MAX_MEMBERS)
                .map(|m| (u64::from(m.bit_offset / 8), btf.str_at(m.name_off)))
                .collect();
            for reloc in relocs.iter().take(MAX_MEMBERS) {
                let member = members.get(&(reloc.offset - start));
                let function = function(elf, functions, section, reloc.offset, reloc.symbol);
                if let (Some(member), Some(function)) = (member, function) {
                    found.entry(function).or_insert_with(|| Operation {
                        table: essential(btf.str_at(table.name_off)).to_owned(),
                        member: (*member).to_owned(),
                    });
                }
            }
        }
    }
    found
}

/// A name without the flavour that tells several definitions of a type apart.
fn essential(name: &str) -> &str {
    name.split_once("___").map_or(name, |(name, _)| name)
}

/// The index of the function that a relocation refers to.
fn function(
    elf: &Elf,
    functions: &[Function],
    section: u32,
    offset: u64,
    symbol: u32,
) -> Option<usize> {
    let symbol = elf.symbol(symbol)?;
    let Place::Section(target) = symbol.place else { return None };
    // What is there already is added to the symbol, which is the section for static things.
    let addend = if symbol.kind == SymbolKind::Section {
        elf.endian.u64_at(elf.section_bytes(section), usize::try_from(offset).ok()?)?
    } else {
        0
    };
    let place = (target, symbol.value.wrapping_add(addend));
    let at = functions.partition_point(|f| (f.section, f.offset) < place);
    functions.get(at).filter(|f| (f.section, f.offset) == place).map(|_| at)
}
