//! `bpf`: a filter that is a BPF program, classic or extended.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_BPF_*`, net/sched/cls_bpf.c; classic since 3.13, extended since
//! 4.1, direct action since 4.4. Payload: nest.

use std::os::fd::{AsRawFd, BorrowedFd};

use bitflags::bitflags;

use super::OffloadFlags;
use crate::error::DecodeError;
use crate::kind::{Filter, Kind};
use crate::units::Handle;
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// Nest, a list of actions.
pub const TCA_BPF_ACT: u16 = 1;
/// Nest, a policer of the old form.
pub const TCA_BPF_POLICE: u16 = 2;
/// u32, the class.
pub const TCA_BPF_CLASSID: u16 = 3;
/// u16, number of classic instructions.
pub const TCA_BPF_OPS_LEN: u16 = 4;
/// Classic instructions, 8 bytes each.
pub const TCA_BPF_OPS: u16 = 5;
/// u32, descriptor of a loaded program.
pub const TCA_BPF_FD: u16 = 6;
/// String, what listings call the program.
pub const TCA_BPF_NAME: u16 = 7;
/// u32, [`BpfFlags`].
pub const TCA_BPF_FLAGS: u16 = 8;
/// u32, [`OffloadFlags`].
pub const TCA_BPF_FLAGS_GEN: u16 = 9;
/// 8 bytes, hash of the program.
pub const TCA_BPF_TAG: u16 = 10;
/// u32, id of the program.
pub const TCA_BPF_ID: u16 = 11;

bitflags! {
    /// `TCA_BPF_FLAGS`: how the program's result is used.
    #[doc(alias = "TCA_BPF_FLAGS")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct BpfFlags: u32 {
        /// `TCA_BPF_FLAG_ACT_DIRECT`: the result is the verdict. Extended BPF only; since Linux 4.4.
        #[doc(alias = "TCA_BPF_FLAG_ACT_DIRECT")]
        const DIRECT_ACTION = 1;
        const _ = !0;
    }
}

/// `struct sock_filter`: an instruction of classic BPF.
#[doc(alias = "sock_filter")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassicInsn {
    /// Operation and addressing mode.
    pub code: u16,
    /// Instructions to skip when a jump is taken.
    pub jt: u8,
    /// Instructions to skip when it is not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// The program of a filter.
#[derive(Clone, Debug)]
pub enum Program<'fd> {
    /// Classic BPF, at most 4096 instructions (`BPF_MAXINSNS`).
    Classic(Vec<ClassicInsn>),
    /// A loaded program of type `BPF_PROG_TYPE_SCHED_CLS`.
    Extended(BorrowedFd<'fd>),
}

/// Options of a `bpf` filter.
///
/// ```
/// use tc_proto::filter::bpf::{Bpf, ClassicInsn, Program};
/// let drop_all = ClassicInsn { code: 6, k: 0, ..ClassicInsn::default() };
/// let filter = Bpf { program: Some(Program::Classic(vec![drop_all])), ..Bpf::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bpf<'fd> {
    /// The program. In dumps only classic programs stand here; see [`id`](Self::id).
    pub program: Option<Program<'fd>>,
    /// What listings call the program; tc sends `FILE:[SECTION]`.
    pub name: Option<String>,
    /// The class that matching packets go to, when the program does not say.
    pub classid: Option<Handle>,
    /// Actions for matching packets, as entries of [`ActionSpec`](crate::msg::ActionSpec).
    pub actions: Option<RawAttrs>,
    /// A policer for matching packets, as attributes of the old form.
    pub police: Option<RawAttrs>,
    /// Where the filter runs.
    pub offload: Option<OffloadFlags>,
    /// How the result is used.
    pub flags: Option<BpfFlags>,
    /// Set by the kernel: a hash of the program, for extended BPF. Since Linux 4.13.
    pub tag: Option<[u8; 8]>,
    /// Set by the kernel: the program's id, for extended BPF. Since Linux 4.15.
    pub id: Option<u32>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl<'fd> Bpf<'fd> {
    /// A loaded program whose result is the verdict, as tc's `direct-action`; listings call it
    /// `name`.
    pub fn direct_action(program: BorrowedFd<'fd>, name: impl Into<String>) -> Self {
        Self {
            program: Some(Program::Extended(program)),
            name: Some(name.into()),
            flags: Some(BpfFlags::DIRECT_ACTION),
            ..Self::default()
        }
    }
}

impl Kind for Bpf<'_> {
    const NAME: &'static str = "bpf";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        // As tc: the program after what is done with its result, wherever its words stand.
        for (ty, attrs) in [(TCA_BPF_ACT, &self.actions), (TCA_BPF_POLICE, &self.police)] {
            if let Some(attrs) = attrs {
                w.bytes(ty, attrs.as_bytes());
            }
        }
        if let Some(classid) = self.classid {
            w.u32(TCA_BPF_CLASSID, classid.0);
        }
        match &self.program {
            Some(Program::Classic(insns)) => {
                w.u16(TCA_BPF_OPS_LEN, insns.len() as u16);
                w.nest(TCA_BPF_OPS, |w| {
                    for insn in insns {
                        w.raw(&insn.encode());
                    }
                });
            }
            Some(Program::Extended(fd)) => _ = w.i32(TCA_BPF_FD, fd.as_raw_fd()),
            None => {}
        }
        if let Some(name) = &self.name {
            w.str(TCA_BPF_NAME, name);
        }
        if let Some(offload) = self.offload {
            w.u32(TCA_BPF_FLAGS_GEN, offload.bits());
        }
        if let Some(flags) = self.flags {
            w.u32(TCA_BPF_FLAGS, flags.bits());
        }
        if let Some(tag) = self.tag {
            w.bytes(TCA_BPF_TAG, &tag);
        }
        if let Some(id) = self.id {
            w.u32(TCA_BPF_ID, id);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bpf = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_BPF_ACT => bpf.actions = Some(RawAttrs::from_payload(attr.payload())),
                TCA_BPF_POLICE => bpf.police = Some(RawAttrs::from_payload(attr.payload())),
                TCA_BPF_CLASSID => bpf.classid = Some(Handle(attr.u32()?)),
                TCA_BPF_OPS_LEN => _ = attr.u16()?,
                TCA_BPF_OPS => {
                    let insns = attr.payload().chunks_exact(8).map(ClassicInsn::decode);
                    let insns = insns.collect::<Result<_, _>>().map_err(|e| e.inside(attr.ty()))?;
                    bpf.program = Some(Program::Classic(insns));
                }
                TCA_BPF_NAME => bpf.name = Some(attr.string().into_owned()),
                TCA_BPF_FLAGS => bpf.flags = Some(BpfFlags::from_bits_retain(attr.u32()?)),
                TCA_BPF_FLAGS_GEN => {
                    bpf.offload = Some(OffloadFlags::from_bits_retain(attr.u32()?));
                }
                TCA_BPF_TAG => {
                    let tag = Reader::new("tag", attr.payload()).array();
                    bpf.tag = Some(tag.map_err(|e| e.inside(attr.ty()))?);
                }
                TCA_BPF_ID => bpf.id = Some(attr.u32()?),
                // A number cannot be turned back into a descriptor that is known to be open.
                _ => bpf.unknown.push(attr),
            }
        }
        Ok(bpf)
    }
}

impl Filter for Bpf<'_> {}

impl ClassicInsn {
    pub(crate) fn encode(self) -> [u8; 8] {
        let [c0, c1] = self.code.to_ne_bytes();
        let [k0, k1, k2, k3] = self.k.to_ne_bytes();
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("sock_filter", bytes);
        Ok(Self { code: r.u16()?, jt: r.u8()?, jf: r.u8()?, k: r.u32()? })
    }
}

impl PartialEq for Program<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Classic(a), Self::Classic(b)) => a == b,
            (Self::Extended(a), Self::Extended(b)) => a.as_raw_fd() == b.as_raw_fd(),
            _ => false,
        }
    }
}
