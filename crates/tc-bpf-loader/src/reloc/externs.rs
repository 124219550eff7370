//! What a program refers to that is not in the object: functions and variables of the kernel, its configuration.

use std::collections::BTreeMap;

use super::Linker;
use crate::btf::{Btf, kind};
use crate::error::ObjectError;

/// A reference to something that the kernel has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExternRef {
    /// Instruction of the linked program.
    pub(crate) at: usize,
    /// Index in the object's symbols.
    pub(crate) symbol: u32,
}

/// How the object declares something that is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decl {
    /// A value of the configuration; the id of its type.
    Kconfig(u32),
    /// A variable of the kernel; the id of its type, 0 for `void`.
    Variable(u32),
    /// A function of the kernel; the id of its prototype.
    Function(u32),
}

/// The declarations of an object by name.
pub(crate) fn declarations(btf: &Btf) -> BTreeMap<&str, Decl> {
    let mut found = BTreeMap::new();
    for section in btf.iter().filter(|t| t.kind == kind::DATASEC) {
        let is_kconfig = match btf.str_at(section.name_off) {
            ".kconfig" => true,
            ".ksyms" => false,
            _ => continue,
        };
        for var in btf.section_vars(&section) {
            let Some(ty) = btf.get(var.type_id) else { continue };
            let decl = match (ty.kind, is_kconfig) {
                (kind::VAR, true) => Decl::Kconfig(ty.size_or_id),
                (kind::VAR, false) => {
                    // `extern const void x`
                    let known = btf.resolve(ty.size_or_id).is_some();
                    Decl::Variable(if known { ty.size_or_id } else { 0 })
                }
                (kind::FUNC, false) => Decl::Function(ty.size_or_id),
                _ => continue,
            };
            found.insert(btf.str_at(ty.name_off), decl);
        }
    }
    found
}

impl Linker<'_> {
    /// Notes that an instruction refers to something that is not in the object.
    pub(super) fn add_extern(
        &mut self,
        section: u32,
        offset: u64,
        symbol: u32,
        at: usize,
    ) -> Result<(), ObjectError> {
        let spec = self.spec;
        let name = spec.elf.symbol(symbol).map_or("", |s| spec.elf.name(s.name));
        if name.is_empty() {
            let problem = "it refers to something without a name that is not there".to_owned();
            return Err(self.malformed(section, offset, problem));
        }
        self.out.externs.push(ExternRef { at, symbol });
        Ok(())
    }
}
