//! What an object holds beside programs and maps, for those who look at objects rather than load them.

use crate::elf::{Place, R_BPF_64_32, R_BPF_64_64, SymbolKind};
use crate::error::ObjectError;
use crate::spec::ObjectSpec;

/// A section of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionInfo<'a> {
    /// Name; may be empty.
    pub name: &'a str,
    /// Bytes in memory.
    pub size: u64,
    /// Whether it holds instructions.
    pub is_code: bool,
    /// References from its instructions to symbols.
    pub relocations: usize,
}

/// A reference from an instruction to a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relocation<'a> {
    /// Section of the instruction.
    pub section: &'a str,
    /// Instruction in the section, from 0.
    pub insn: u64,
    /// How the instruction is patched.
    pub kind: RelocKind,
    /// Symbol that it refers to, or the section of a symbol without a name.
    pub symbol: &'a str,
    /// Section of the symbol; `None` if it is not in the object.
    pub target: Option<&'a str>,
}

/// How an instruction is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelocKind {
    /// The constant of a two-instruction load: a map, a variable, a function's address.
    #[doc(alias = "R_BPF_64_64")]
    Load,
    /// The target of a call.
    #[doc(alias = "R_BPF_64_32")]
    Call,
    /// Another one, by its number.
    Other(u32),
}

impl ObjectSpec {
    /// The sections in file order; the nameless first one is left out.
    pub fn section_table(&self) -> impl Iterator<Item = SectionInfo<'_>> {
        self.elf.sections().skip(1).map(|(index, section)| SectionInfo {
            name: self.elf.name(section.name),
            size: section.size,
            is_code: section.is_code,
            relocations: match section.is_code {
                true => self.elf.relocs_in(index, 0, u64::MAX).len(),
                false => 0,
            },
        })
    }

    /// The references from instructions to symbols, section by section.
    pub fn relocations(&self) -> impl Iterator<Item = Relocation<'_>> {
        let code = self.elf.sections().filter(|(_, section)| section.is_code);
        let relocs = code.flat_map(|(index, _)| self.elf.relocs_in(index, 0, u64::MAX));
        relocs.map(|reloc| {
            let symbol = self.elf.symbol(reloc.symbol);
            let target = symbol.and_then(|symbol| match symbol.place {
                Place::Section(section) => Some(self.elf.section_name(section)),
                _ => None,
            });
            let name = symbol.map_or("", |symbol| match symbol.kind {
                SymbolKind::Section => "",
                _ => self.elf.name(symbol.name),
            });
            Relocation {
                section: self.elf.section_name(reloc.section),
                insn: reloc.offset / 8,
                kind: match reloc.kind {
                    R_BPF_64_64 => RelocKind::Load,
                    R_BPF_64_32 => RelocKind::Call,
                    other => RelocKind::Other(other),
                },
                symbol: if name.is_empty() { target.unwrap_or_default() } else { name },
                target,
            }
        })
    }

    /// Bytes of the type information, or why it cannot be used; `None` if the object has none.
    pub fn type_info(&self) -> Option<Result<u64, ObjectError>> {
        let size = self.section_table().find(|section| section.name == ".BTF")?.size;
        Some(match self.btf.as_ref()? {
            Ok(_) => Ok(size),
            Err(fault) => Err(fault.clone().in_file(&self.file)),
        })
    }
}
