//! What a load takes: the program, the programs in slots of arrays that it can jump through, and the maps of all.

use std::collections::BTreeSet;

use crate::error::ObjectError;
use crate::insn::Endian;
use crate::map::{MapType, Pinning, SlotTarget};
use crate::reloc::Linked;
use crate::spec::{ObjectSpec, ProgramSpec};

/// Most instructions of all programs together.
const MAX_TOTAL: usize = 4_000_000;

pub(super) struct Plan<'a> {
    /// The programs that are meant, and those they can jump to, each behind the one that can.
    pub(super) programs: Vec<(ProgramSpec<'a>, Linked<'a>)>,
    /// Indices of maps in the object: those that programs refer to, in order of first reference, what is put into them,
    /// and those that are to be pinned.
    pub(super) maps: Vec<usize>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(
        spec: &'a ObjectSpec,
        mains: &[ProgramSpec<'a>],
    ) -> Result<Plan<'a>, ObjectError> {
        if spec.endian() != Endian::HOST {
            let file = spec.file.clone();
            return Err(ObjectError::ForeignByteOrder { file, object: spec.endian() });
        }
        let mut plan = Plan { programs: Vec::new(), maps: Vec::new() };
        let mut seen_maps = BTreeSet::new();
        let mut seen_programs: BTreeSet<usize> = mains.iter().map(ProgramSpec::index).collect();
        let mut waiting: Vec<_> = mains.iter().rev().copied().collect();
        let mut total = 0;
        // Programs and maps still to be looked at; maps come first, so that their order is that of references.
        while let Some(program) = waiting.pop() {
            let linked = program.link()?;
            total += linked.insns.len();
            if total > MAX_TOTAL {
                let what = format!(
                    "the programs it can jump to have more than {MAX_TOTAL} instructions together"
                );
                return Err(spec.unsupported(Some(program.name()), what));
            }
            let mut maps = linked.map_indices.clone();
            plan.programs.push((program, linked));
            let pinned = spec.maps.iter().enumerate().filter_map(|(index, m)| {
                let pinning = m.def.as_ref().map_or(Pinning::None, |d| d.pinning);
                (pinning != Pinning::None).then_some(index)
            });
            if plan.programs.len() == 1 {
                maps.extend(pinned);
            }
            let mut next = 0;
            while let Some(index) = maps.get(next).copied() {
                next += 1;
                if !seen_maps.insert(index) {
                    continue;
                }
                plan.maps.push(index);
                let Some(entry) = spec.maps.get(index) else { continue };
                let map = spec.map_def(entry)?;
                let holds = map.map_type.holds_maps() || map.map_type == MapType::PROG_ARRAY;
                for slot in map.slots.iter().filter(|_| holds) {
                    match slot.target {
                        SlotTarget::Map(_) => maps.push(slot.at),
                        SlotTarget::Program(_) if seen_programs.insert(slot.at) => {
                            waiting.push(spec.program_at(slot.at));
                        }
                        SlotTarget::Program(_) => {}
                    }
                }
            }
        }
        Ok(plan)
    }

    /// Whether type information is of use to a program or map.
    pub(super) fn wants_btf(&self) -> bool {
        self.programs.iter().any(|(_, linked)| {
            !linked.func_info.is_empty()
                || linked.maps.iter().any(|m| m.key_type_id.is_some() || m.value_type_id.is_some())
        })
    }
}
