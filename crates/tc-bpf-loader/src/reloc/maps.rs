//! Loads of addresses: of maps, of functions, and of what this loader does not provide yet.

use super::Linker;
use crate::elf::{Place, Reloc, Symbol, SymbolKind};
use crate::error::ObjectError;
use crate::insn::Insn;
use crate::spec::is_map_section;

impl Linker<'_> {
    /// Resolves the two-instruction load at `at`; a function's index if it loads a function's address.
    pub(super) fn load(
        &mut self,
        section: u32,
        offset: u64,
        reloc: &Reloc,
        at: usize,
    ) -> Result<Option<usize>, ObjectError> {
        let spec = self.spec;
        let Some(symbol) = spec.elf.symbol(reloc.symbol) else {
            return Err(self.malformed(section, offset, "its symbol does not exist".to_owned()));
        };
        let name = spec.elf.name(symbol.name);
        let target = match symbol.place {
            Place::Section(target) => target,
            Place::Undefined => {
                self.add_extern(section, offset, reloc.symbol, at)?;
                return Ok(None);
            }
            Place::Special(n) => {
                return Err(self.malformed(
                    section,
                    offset,
                    format!("it refers to `{name}` in section {n:#x}"),
                ));
            }
        };
        let imm = self.out.insns.get(at).map_or(0, |i| i.imm);
        let to = symbol.value.wrapping_add_signed(i64::from(imm));
        let section_name = spec.elf.section_name(target);
        if spec.elf.section(target).is_some_and(|s| s.is_code) {
            let function = self.function_at(section, offset, target, to)?;
            self.clear_constant(at);
            return Ok(Some(function));
        }
        if is_map_section(section_name) {
            self.map(section, offset, symbol, to, at)?;
            return Ok(None);
        }
        let what = if symbol.kind == SymbolKind::Section || name.is_empty() {
            format!(
                "refers to global data in section `{section_name}`, which this loader does not provide"
            )
        } else {
            format!(
                "refers to the global variable `{name}` in section `{section_name}`, which this loader does not provide"
            )
        };
        Err(self.unsupported(section, offset, &what))
    }

    fn map(
        &mut self,
        section: u32,
        offset: u64,
        symbol: &Symbol,
        to: u64,
        at: usize,
    ) -> Result<(), ObjectError> {
        let spec = self.spec;
        let Place::Section(target) = symbol.place else {
            return Ok(());
        };
        let index = spec.maps.partition_point(|m| (m.section, m.offset) < (target, to));
        let Some(map) = spec.maps.get(index).filter(|m| m.section == target && m.offset == to)
        else {
            let name = spec.elf.section_name(target);
            let problem =
                format!("no map starts at byte {to} of section `{name}`, which it refers to");
            return Err(self.malformed(section, offset, problem));
        };
        let slot = if let Some(slot) = self.map_slots.get(&index) {
            *slot
        } else {
            let slot = self.out.maps.len();
            self.out.maps.push(spec.map_def(map, Some(self.program))?);
            self.map_slots.insert(index, slot);
            slot
        };
        self.clear_constant(at);
        if let Some(insn) = self.out.insns.get_mut(at) {
            insn.src = Insn::PSEUDO_MAP_FD;
        }
        self.out.map_refs.push((at, slot));
        Ok(())
    }

    /// The constant held an offset into the section; what it will hold is known later.
    fn clear_constant(&mut self, at: usize) {
        for at in [at, at + 1] {
            if let Some(insn) = self.out.insns.get_mut(at) {
                insn.imm = 0;
            }
        }
    }
}
