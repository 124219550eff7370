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
        let to = self.target(symbol, imm);
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
        if crate::data::is_section(section_name) {
            self.variable(section, offset, target, to, at)?;
            return Ok(None);
        }
        let what = if symbol.kind == SymbolKind::Section || name.is_empty() {
            format!("refers to section `{section_name}`, which holds neither maps nor variables")
        } else {
            format!(
                "refers to `{name}` in section `{section_name}`, which holds neither maps nor variables"
            )
        };
        Err(self.unsupported(section, offset, &what))
    }

    /// Where in its section a load refers to. What the instruction holds is added to the symbol's place; gcc's assembler
    /// has added the place already, except to that of a section, which is 0.
    fn target(&self, symbol: &Symbol, imm: i32) -> u64 {
        let sum = symbol.value.wrapping_add_signed(i64::from(imm));
        let imm = imm as u32;
        let added = u64::from(imm).checked_sub(symbol.value).is_some_and(|at| at <= symbol.size);
        if symbol.kind != SymbolKind::Section && added && self.spec.elf.is_gcc() {
            u64::from(imm)
        } else {
            sum
        }
    }

    /// Resolves a load of a variable's address: the map of its section, and the offset in there.
    fn variable(
        &mut self,
        section: u32,
        offset: u64,
        target: u32,
        to: u64,
        at: usize,
    ) -> Result<(), ObjectError> {
        let spec = self.spec;
        let name = spec.elf.section_name(target);
        let index = spec.maps.partition_point(|m| m.section < target);
        let found = spec.maps.get(index).filter(|m| m.section == target);
        let (Some(_), Ok(to)) = (found, i32::try_from(to)) else {
            let problem = format!("section `{name}`, which it refers to, has no byte {to}");
            return Err(self.malformed(section, offset, problem));
        };
        let slot = self.slot(index)?;
        if let Some(insn) = self.out.insns.get_mut(at) {
            insn.set_src(Insn::PSEUDO_MAP_VALUE);
            insn.imm = 0;
        }
        if let Some(half) = self.out.insns.get_mut(at + 1) {
            half.imm = to;
        }
        self.out.map_refs.push((at, slot));
        Ok(())
    }

    /// The number of a map among those that the program refers to.
    fn slot(&mut self, index: usize) -> Result<usize, ObjectError> {
        if let Some(slot) = self.map_slots.get(&index) {
            return Ok(*slot);
        }
        let slot = self.out.maps.len();
        let spec = self.spec;
        if let Some(map) = spec.maps.get(index) {
            self.out.maps.push(spec.map_def(map)?);
            self.out.map_indices.push(index);
        }
        self.map_slots.insert(index, slot);
        Ok(slot)
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
        let found = spec.maps.get(index).filter(|m| m.section == target && m.offset == to);
        if found.is_none() {
            let name = spec.elf.section_name(target);
            let problem =
                format!("no map starts at byte {to} of section `{name}`, which it refers to");
            return Err(self.malformed(section, offset, problem));
        }
        let slot = self.slot(index)?;
        self.clear_constant(at);
        if let Some(insn) = self.out.insns.get_mut(at) {
            insn.set_src(Insn::PSEUDO_MAP_FD);
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
