//! `mirred`: sends packets, or copies of them, to another device.
//!
//! Kernel: uapi/linux/tc_act/tc_mirred.h, net/sched/act_mirred.c; since 2.6.14, to a block of
//! devices since 6.8. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_MIRRED_TM: u16 = 1;
/// `struct tc_mirred`.
pub const TCA_MIRRED_PARMS: u16 = 2;
const TCA_MIRRED_PAD: u16 = 3;
/// u32, the block.
pub const TCA_MIRRED_BLOCKID: u16 = 4;

/// `TCA_EGRESS_*`, `TCA_INGRESS_*`: what is done with packets, and where they enter the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MirredAction(pub i32);

impl MirredAction {
    /// The packet is sent out.
    #[doc(alias = "TCA_EGRESS_REDIR")]
    pub const EGRESS_REDIRECT: Self = Self(1);
    /// A copy is sent out.
    #[doc(alias = "TCA_EGRESS_MIRROR")]
    pub const EGRESS_MIRROR: Self = Self(2);
    /// The packet is received. Since Linux 4.10.
    #[doc(alias = "TCA_INGRESS_REDIR")]
    pub const INGRESS_REDIRECT: Self = Self(3);
    /// A copy is received. Since Linux 4.10.
    #[doc(alias = "TCA_INGRESS_MIRROR")]
    pub const INGRESS_MIRROR: Self = Self(4);
}

/// Options of a `mirred` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirred {
    /// Index and verdict.
    #[doc(alias = "tc_mirred")]
    pub head: ActionHead,
    /// What is done.
    pub action: MirredAction,
    /// The index of the device; 0 for none.
    pub ifindex: u32,
    /// The devices of this block, in place of one device. Since Linux 6.8.
    pub block: Option<u32>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Mirred {
    const NAME: &'static str = "mirred";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let tail = [self.action.0.to_ne_bytes(), self.ifindex.to_ne_bytes()];
        w.bytes(TCA_MIRRED_PARMS, &[&self.head.to_bytes()[..], tail.as_flattened()].concat());
        if let Some(block) = self.block {
            w.u32(TCA_MIRRED_BLOCKID, block);
        }
        ActionTimes::encode(self.times, TCA_MIRRED_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut mirred = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_MIRRED_TM => mirred.times = Some(ActionTimes::decode(&attr)?),
                TCA_MIRRED_PARMS => {
                    let mut r = Reader::new("tc_mirred", attr.payload());
                    let mut read = || {
                        mirred.head = ActionHead::read(&mut r)?;
                        mirred.action = MirredAction(r.i32()?);
                        mirred.ifindex = r.u32()?;
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_MIRRED_BLOCKID => mirred.block = Some(attr.u32()?),
                TCA_MIRRED_PAD => {}
                _ => mirred.unknown.push(attr),
            }
        }
        Ok(mirred)
    }
}

impl Action for Mirred {
    fn index(&self) -> u32 {
        self.head.index
    }
}
