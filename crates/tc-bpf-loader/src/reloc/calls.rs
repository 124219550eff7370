//! Functions and the calls between them (BPF to BPF).

use std::collections::BTreeMap;

use super::{Linker, MAX_INSNS};
use crate::elf::{Place, R_BPF_64_32, R_BPF_64_64, Reloc, SymbolKind};
use crate::error::ObjectError;
use crate::insn::Insn;

/// A call or a function's address whose target is known but not yet where it will be.
struct Pending {
    /// Instruction in the output.
    at: usize,
    /// Index in the object's functions.
    target: usize,
}

/// A function that is placed but whose references are not all seen yet.
struct Open {
    section: u32,
    /// Byte offset in the section, and number of instructions.
    offset: u64,
    count: usize,
    /// First instruction in the output.
    start: usize,
    /// Next instruction to look at, from the function's start.
    next: usize,
    /// No relocation is for it: of its instructions only calls refer to anything.
    is_bare: bool,
}

impl Linker<'_> {
    /// Places the function and, depth first, all that it calls.
    pub(super) fn link(&mut self, main: usize) -> Result<(), ObjectError> {
        let mut placed = BTreeMap::new();
        let mut pending = Vec::new();
        let mut stack = vec![self.place(main, &mut placed)?];
        while let Some(mut open) = stack.pop() {
            while open.next < open.count {
                if open.is_bare {
                    let left = self.out.insns.get(open.start + open.next..open.start + open.count);
                    let call = left.and_then(|left| left.iter().position(|i| i.code == Insn::CALL));
                    let Some(call) = call else { break };
                    open.next += call;
                }
                let here = open.next;
                let reference = self.insn(&open, here)?;
                let code = self.out.insns.get(open.start + here).map_or(0, |i| i.code);
                open.next += if code == Insn::LD_IMM64 { 2 } else { 1 };
                let Some(target) = reference else {
                    continue;
                };
                pending.push(Pending { at: open.start + here, target });
                if !placed.contains_key(&target) {
                    let callee = self.place(target, &mut placed)?;
                    stack.push(open);
                    open = callee;
                }
            }
        }
        for Pending { at, target } in pending {
            let start = placed.get(&target).copied().unwrap_or_default();
            if let Some(insn) = self.out.insns.get_mut(at) {
                let is_call = insn.code == Insn::CALL;
                insn.set_src(if is_call { Insn::PSEUDO_CALL } else { Insn::PSEUDO_FUNC });
                insn.imm = (start as i64 - at as i64 - 1) as i32;
            }
        }
        if !self.complete_funcs {
            self.out.func_info.clear();
        }
        // The kernel wants the lines of every function or of none, and none without their functions.
        if !(self.complete_funcs && self.complete_lines) {
            self.out.line_info.clear();
        }
        Ok(())
    }

    /// Appends a function's instructions to the output.
    fn place(
        &mut self,
        index: usize,
        placed: &mut BTreeMap<usize, usize>,
    ) -> Result<Open, ObjectError> {
        let spec = self.spec;
        let function =
            spec.functions.get(index).copied().unwrap_or(crate::elf::functions::Function::NONE);
        let (section, offset) = (function.section, function.offset);
        if spec.elf.section(section).is_some_and(|s| s.has_rela) {
            return Err(self.unsupported(section, offset, "has relocations with addends (RELA)"));
        }
        let bytes = spec.elf.section_bytes(section);
        let start = self.out.insns.len();
        let code = usize::try_from(offset)
            .ok()
            .and_then(|from| bytes.get(from..)?.get(..usize::try_from(function.size).ok()?))
            .unwrap_or_default();
        if start + code.len() / Insn::SIZE > MAX_INSNS {
            let what = format!("has more than {MAX_INSNS} instructions, the kernel's limit");
            return Err(self.unsupported(section, offset, &what));
        }
        // The chunks have just this size.
        let insns = code.chunks_exact(Insn::SIZE).map(|c| c.try_into().unwrap_or_default());
        self.out.insns.extend(insns.map(|c| Insn::decode(c, spec.elf.endian)));
        self.add_core(section, offset, function.size, start)?;
        self.add_debug_info(section, offset, function.size, start);
        placed.insert(index, start);
        // Also what touches the end: a constant may reach over it.
        let end = offset.saturating_add(function.size).saturating_add(8);
        Ok(Open {
            section,
            offset,
            count: self.out.insns.len() - start,
            start,
            next: 0,
            is_bare: spec.elf.relocs_in(section, offset, end).is_empty(),
        })
    }

    /// Resolves what one instruction refers to; a function's index if it is a function.
    fn insn(&mut self, open: &Open, n: usize) -> Result<Option<usize>, ObjectError> {
        let Some(insn) = self.out.insns.get(open.start + n).copied() else {
            return Ok(None);
        };
        let offset = open.offset + 8 * n as u64;
        // All that touch it: none may be overlooked.
        let size = if insn.code == Insn::LD_IMM64 { 16 } else { 8 };
        let relocs = self.spec.elf.relocs_in(open.section, offset, offset + size);
        match (relocs, insn.code) {
            ([], Insn::CALL) if insn.src() == Insn::PSEUDO_CALL => {
                let to = offset.wrapping_add_signed((i64::from(insn.imm) + 1) * 8);
                self.function_at(open.section, offset, open.section, to).map(Some)
            }
            ([], Insn::CALL) if insn.src() == Insn::PSEUDO_KFUNC_CALL => {
                Err(self.unsupported(open.section, offset, "calls a kernel function"))
            }
            ([], _) => Ok(None),
            ([reloc], Insn::CALL) if reloc.kind == R_BPF_64_32 && reloc.offset == offset => {
                self.call(open, n, reloc, insn)
            }
            ([reloc], Insn::LD_IMM64) if reloc.kind == R_BPF_64_64 && reloc.offset == offset => {
                let second = self.out.insns.get(open.start + n + 1);
                if n + 1 >= open.count || second.is_none_or(|s| s.code != 0) {
                    let problem = "the second half of its 64-bit constant is missing".to_owned();
                    return Err(self.malformed(open.section, offset, problem));
                }
                self.load(open.section, offset, reloc, open.start + n)
            }
            ([reloc], code) => {
                let problem = format!(
                    "relocation of type {} does not fit an instruction of code {code:#04x}",
                    reloc.kind
                );
                Err(self.malformed(open.section, offset, problem))
            }
            (more, _) => {
                let problem = format!("{} relocations apply to it", more.len());
                Err(self.malformed(open.section, offset, problem))
            }
        }
    }

    fn call(
        &mut self,
        open: &Open,
        n: usize,
        reloc: &Reloc,
        insn: Insn,
    ) -> Result<Option<usize>, ObjectError> {
        let spec = self.spec;
        let (section, offset) = (open.section, open.offset + 8 * n as u64);
        let Some(symbol) = spec.elf.symbol(reloc.symbol) else {
            return Err(self.malformed(section, offset, "its symbol does not exist".to_owned()));
        };
        match symbol.place {
            Place::Undefined => {
                self.add_extern(section, offset, reloc.symbol, open.start + n)?;
                Ok(None)
            }
            Place::Section(to) => {
                let target = if symbol.kind == SymbolKind::Section {
                    symbol.value.wrapping_add_signed((i64::from(insn.imm) + 1) * 8)
                } else {
                    symbol.value
                };
                self.function_at(section, offset, to, target).map(Some)
            }
            Place::Special(n) => {
                let name = spec.elf.name(symbol.name);
                Err(self.malformed(section, offset, format!("it calls `{name}` in section {n:#x}")))
            }
        }
    }

    /// The function that starts at a place of a code section.
    pub(super) fn function_at(
        &self,
        section: u32,
        offset: u64,
        to: u32,
        target: u64,
    ) -> Result<usize, ObjectError> {
        let functions = &self.spec.functions;
        let index = functions.partition_point(|f| (f.section, f.offset) < (to, target));
        match functions.get(index) {
            Some(f) if f.section == to && f.offset == target => Ok(index),
            _ => {
                let name = self.spec.elf.section_name(to);
                let problem = format!(
                    "no function starts at byte {target} of section `{name}`, which it refers to"
                );
                Err(self.malformed(section, offset, problem))
            }
        }
    }
}
