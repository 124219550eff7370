//! `bpf`: an action that is a BPF program, classic or extended.
//!
//! Kernel: uapi/linux/tc_act/tc_bpf.h, net/sched/act_bpf.c; since 4.1. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::filter::bpf::{ClassicInsn, Program};
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};
use std::os::fd::AsRawFd;

/// `struct tcf_t`.
pub const TCA_ACT_BPF_TM: u16 = 1;
/// `struct tc_act_bpf`.
pub const TCA_ACT_BPF_PARMS: u16 = 2;
/// u16, number of classic instructions.
pub const TCA_ACT_BPF_OPS_LEN: u16 = 3;
/// Classic instructions, 8 bytes each.
pub const TCA_ACT_BPF_OPS: u16 = 4;
/// u32, descriptor of a loaded program.
pub const TCA_ACT_BPF_FD: u16 = 5;
/// String, what listings call the program.
pub const TCA_ACT_BPF_NAME: u16 = 6;
const TCA_ACT_BPF_PAD: u16 = 7;
/// 8 bytes, hash of the program.
pub const TCA_ACT_BPF_TAG: u16 = 8;
/// u32, id of the program.
pub const TCA_ACT_BPF_ID: u16 = 9;

/// Options of a `bpf` action.
#[derive(Clone, Debug, Default)]
pub struct Bpf<'fd> {
    /// Index, and the verdict when the program says [`Control::CONTINUE`](super::Control::CONTINUE).
    #[doc(alias = "tc_act_bpf")]
    pub head: ActionHead,
    /// The program; extended ones have the type `BPF_PROG_TYPE_SCHED_ACT`. In dumps only classic
    /// programs stand here; see [`id`](Self::id).
    pub program: Option<Program<'fd>>,
    /// What listings call the program; tc sends `FILE:[SECTION]`.
    pub name: Option<String>,
    /// Set by the kernel: a hash of the program, for extended BPF. Since Linux 4.13.
    pub tag: Option<[u8; 8]>,
    /// Set by the kernel: the program's id, for extended BPF. Since Linux 4.15.
    pub id: Option<u32>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Bpf<'_> {
    const NAME: &'static str = "bpf";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        match &self.program {
            Some(Program::Classic(insns)) => {
                w.u16(TCA_ACT_BPF_OPS_LEN, insns.len() as u16);
                w.nest(TCA_ACT_BPF_OPS, |w| {
                    for insn in insns {
                        w.raw(&insn.encode());
                    }
                });
            }
            Some(Program::Extended(fd)) => _ = w.i32(TCA_ACT_BPF_FD, fd.as_raw_fd()),
            None => {}
        }
        if let Some(name) = &self.name {
            w.str(TCA_ACT_BPF_NAME, name);
        }
        w.bytes(TCA_ACT_BPF_PARMS, &self.head.to_bytes());
        if let Some(tag) = self.tag {
            w.bytes(TCA_ACT_BPF_TAG, &tag);
        }
        if let Some(id) = self.id {
            w.u32(TCA_ACT_BPF_ID, id);
        }
        ActionTimes::encode(self.times, TCA_ACT_BPF_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bpf = Self::default();
        for attr in Attrs::new(payload) {
            let mut r = Reader::new("bpf", attr.payload());
            match attr.ty() {
                TCA_ACT_BPF_TM => bpf.times = Some(ActionTimes::decode(&attr)?),
                TCA_ACT_BPF_PARMS => {
                    bpf.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_ACT_BPF_OPS_LEN => _ = attr.u16()?,
                TCA_ACT_BPF_OPS => {
                    let insns = attr.payload().chunks_exact(8).map(ClassicInsn::decode);
                    let insns = insns.collect::<Result<_, _>>().map_err(|e| e.inside(attr.ty()))?;
                    bpf.program = Some(Program::Classic(insns));
                }
                TCA_ACT_BPF_NAME => bpf.name = Some(attr.string().into_owned()),
                TCA_ACT_BPF_TAG => {
                    bpf.tag = Some(r.array().map_err(|e| e.inside(attr.ty()))?);
                }
                TCA_ACT_BPF_ID => bpf.id = Some(attr.u32()?),
                TCA_ACT_BPF_PAD => {}
                // A number cannot be turned back into a descriptor that is known to be open.
                _ => bpf.unknown.push(attr),
            }
        }
        Ok(bpf)
    }
}

impl Action for Bpf<'_> {
    fn index(&self) -> u32 {
        self.head.index
    }
}
