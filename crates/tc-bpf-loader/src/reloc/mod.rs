//! From a chosen program to its final instructions: subprograms appended, references resolved to map numbers.
//!
//! Pure: map file descriptors are filled in at load time. Only code that the program can reach is looked at, so that
//! whatever else is in the object cannot stop it.

mod calls;
pub(crate) mod core;
pub(crate) mod externs;
mod maps;

use crate::btf::ext::{FuncInfo, LineInfo};
use crate::error::{Fault, ObjectError};
use crate::insn::Insn;
use crate::map::MapSpec;
use crate::spec::{ObjectSpec, ProgramSpec};

/// Most instructions the kernel takes from a privileged user (`BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_INSNS: usize = 1_000_000;

/// A program ready to load but for the maps' file descriptors.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Linked<'a> {
    /// The program and the functions it calls, the program first. Loads of map addresses have
    /// [`Insn::PSEUDO_MAP_FD`] set and zero where the descriptor goes, those of variables' addresses
    /// [`Insn::PSEUDO_MAP_VALUE`] and the offset in the second half.
    pub insns: Vec<Insn>,
    /// Maps that the program refers to, in order of first reference.
    pub maps: Vec<&'a MapSpec>,
    /// Index of each of `maps` in the object's.
    pub(crate) map_indices: Vec<usize>,
    /// Instructions that load a map's address, or that of a variable in it: index of the first of the two, and index in `maps`.
    pub map_refs: Vec<(usize, usize)>,
    /// Type of each function, empty if the object doesn't tell all of them.
    pub func_info: Vec<FuncInfo>,
    /// Source lines, empty if the object doesn't tell them.
    pub line_info: Vec<LineInfo>,
    /// Instructions that depend on the kernel's types.
    pub(crate) core: Vec<core::CoreRef>,
    /// Instructions that refer to something of the kernel: a function, a variable, a value of its configuration.
    pub(crate) externs: Vec<externs::ExternRef>,
}

impl<'a> ProgramSpec<'a> {
    /// Puts the program together without asking the kernel anything.
    ///
    /// # Errors
    /// [`ObjectError::Malformed`] for references that cannot be, [`ObjectError::Unsupported`] for what this loader
    /// lacks: symbols of the kernel.
    pub fn link(&self) -> Result<Linked<'a>, ObjectError> {
        let mut linker = Linker {
            spec: self.spec,
            program: self.name(),
            out: Linked {
                insns: Vec::new(),
                maps: Vec::new(),
                map_indices: Vec::new(),
                map_refs: Vec::new(),
                func_info: Vec::new(),
                line_info: Vec::new(),
                core: Vec::new(),
                externs: Vec::new(),
            },
            map_slots: std::collections::BTreeMap::new(),
            complete_funcs: true,
            complete_lines: true,
        };
        linker.link(self.index())?;
        Ok(linker.out)
    }
}

/// What is collected while a program is put together.
struct Linker<'a> {
    spec: &'a ObjectSpec,
    program: &'a str,
    out: Linked<'a>,
    /// Index in the object's maps to index in `out.maps`.
    map_slots: std::collections::BTreeMap<usize, usize>,
    /// Every function so far had its type, and its lines began at its first instruction.
    complete_funcs: bool,
    complete_lines: bool,
}

impl Linker<'_> {
    /// An error about an instruction of the object.
    fn malformed(&self, section: u32, offset: u64, problem: String) -> ObjectError {
        let at = format!(
            "program `{}`, instruction {} of section `{}`",
            self.program,
            offset / 8,
            self.spec.elf.section_name(section)
        );
        Fault::new(at, problem).in_file(&self.spec.file)
    }

    fn unsupported(&self, section: u32, offset: u64, what: &str) -> ObjectError {
        let what = format!(
            "instruction {} of section `{}` {what}",
            offset / 8,
            self.spec.elf.section_name(section)
        );
        self.spec.unsupported(Some(self.program), what)
    }

    /// Notes which instructions of the function depend on the kernel's types.
    fn add_core(
        &mut self,
        section: u32,
        offset: u64,
        size: u64,
        start: usize,
    ) -> Result<(), ObjectError> {
        let Some(Ok(ext)) = &self.spec.btf_ext else {
            return Ok(());
        };
        for (at, relo) in ext.core(section, offset, offset + size) {
            if at % 8 != 0 {
                let problem = format!("a CO-RE relocation is for byte {at}, within an instruction");
                return Err(self.malformed(section, u64::from(*at), problem));
            }
            let at = start + ((u64::from(*at) - offset) / 8) as usize;
            self.out.core.push(core::CoreRef { at, relo: *relo });
        }
        Ok(())
    }

    /// Adds the function's type and lines, rebased to where the function now starts.
    fn add_debug_info(&mut self, section: u32, offset: u64, size: u64, start: usize) {
        let Some(Ok(ext)) = &self.spec.btf_ext else {
            self.complete_funcs = false;
            self.complete_lines = false;
            return;
        };
        match ext.func_at(section, offset) {
            Some(type_id) => self.out.func_info.push(FuncInfo { insn_off: start as u32, type_id }),
            None => self.complete_funcs = false,
        }
        let lines = ext.lines(section, offset, offset + size);
        if lines.first().is_none_or(|(at, _)| u64::from(*at) != offset) {
            self.complete_lines = false;
        }
        let mut last = None;
        for (at, line) in lines {
            let insn_off = start as u32 + ((u64::from(*at) - offset) / 8) as u32;
            // The kernel wants them strictly ascending.
            if at % 8 == 0 && last != Some(insn_off) {
                self.out.line_info.push(LineInfo { insn_off, ..*line });
                last = Some(insn_off);
            }
        }
    }
}
