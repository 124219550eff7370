//! `nat`: replaces IPv4 addresses without keeping state.
//!
//! Kernel: uapi/linux/tc_act/tc_nat.h, net/sched/act_nat.c; since 2.6.24. Payload: nest.

use std::net::Ipv4Addr;

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tc_nat`.
pub const TCA_NAT_PARMS: u16 = 1;
/// `struct tcf_t`.
pub const TCA_NAT_TM: u16 = 2;
const TCA_NAT_PAD: u16 = 3;

/// Options of a `nat` action: of addresses in `old`/`mask`, the bits in `mask` become those of
/// `new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Index and verdict.
    #[doc(alias = "tc_nat")]
    pub head: ActionHead,
    /// The addresses that are replaced.
    pub old: Ipv4Addr,
    /// What they become.
    pub new: Ipv4Addr,
    /// Which bits of an address are compared and replaced.
    pub mask: Ipv4Addr,
    /// `Nat::EGRESS`; bits without a name are kept.
    pub flags: u32,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Nat {
    /// The flag that changes the source address; without it, the destination is changed.
    #[doc(alias = "TCA_NAT_FLAG_EGRESS")]
    pub const EGRESS: u32 = 1;
}

impl Default for Nat {
    fn default() -> Self {
        Self {
            head: ActionHead::default(),
            old: Ipv4Addr::UNSPECIFIED,
            new: Ipv4Addr::UNSPECIFIED,
            mask: Ipv4Addr::UNSPECIFIED,
            flags: 0,
            times: None,
            unknown: RawAttrs::default(),
        }
    }
}

impl Kind for Nat {
    const NAME: &'static str = "nat";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let head = self.head.to_bytes();
        let tail =
            [self.old.octets(), self.new.octets(), self.mask.octets(), self.flags.to_ne_bytes()];
        w.bytes(TCA_NAT_PARMS, &[&head[..], tail.as_flattened()].concat());
        ActionTimes::encode(self.times, TCA_NAT_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut nat = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_NAT_PARMS => {
                    let mut r = Reader::new("tc_nat", attr.payload());
                    let mut read = || {
                        nat.head = ActionHead::read(&mut r)?;
                        nat.old = r.array::<4>()?.into();
                        nat.new = r.array::<4>()?.into();
                        nat.mask = r.array::<4>()?.into();
                        nat.flags = r.u32()?;
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_NAT_TM => nat.times = Some(ActionTimes::decode(&attr)?),
                TCA_NAT_PAD => {}
                _ => nat.unknown.push(attr),
            }
        }
        Ok(nat)
    }
}

impl Action for Nat {
    fn index(&self) -> u32 {
        self.head.index
    }
}
