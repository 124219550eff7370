//! `skbmod`: changes the Ethernet header, or marks congestion in the IP header.
//!
//! Kernel: uapi/linux/tc_act/tc_skbmod.h, net/sched/act_skbmod.c; since 4.9, `ecn` since 5.15.
//! Payload: nest.

use super::head::mac;
use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::units::MacAddr;
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_SKBMOD_TM: u16 = 1;
/// `struct tc_skbmod`.
pub const TCA_SKBMOD_PARMS: u16 = 2;
/// Six bytes, the destination address.
pub const TCA_SKBMOD_DMAC: u16 = 3;
/// Six bytes, the source address.
pub const TCA_SKBMOD_SMAC: u16 = 4;
/// u16, the ethertype, in the machine's byte order.
pub const TCA_SKBMOD_ETYPE: u16 = 5;
const TCA_SKBMOD_PAD: u16 = 6;

/// Options of a `skbmod` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skbmod {
    /// Index and verdict.
    #[doc(alias = "tc_skbmod")]
    pub head: ActionHead,
    /// What is done, `Skbmod::DMAC` and so on; bits without a name are kept.
    pub flags: u64,
    /// The new destination address.
    pub dst_mac: Option<MacAddr>,
    /// The new source address.
    pub src_mac: Option<MacAddr>,
    /// The new ethertype.
    pub ethertype: Option<u16>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Skbmod {
    /// The destination address is replaced.
    #[doc(alias = "SKBMOD_F_DMAC")]
    pub const DMAC: u64 = 0x1;
    /// The source address is replaced.
    #[doc(alias = "SKBMOD_F_SMAC")]
    pub const SMAC: u64 = 0x2;
    /// The ethertype is replaced.
    #[doc(alias = "SKBMOD_F_ETYPE")]
    pub const ETYPE: u64 = 0x4;
    /// Source and destination address change places, after the others are replaced.
    #[doc(alias = "SKBMOD_F_SWAPMAC")]
    pub const SWAP_MAC: u64 = 0x8;
    /// Congestion is marked in packets whose sender understands that. Since Linux 5.15.
    #[doc(alias = "SKBMOD_F_ECN")]
    pub const ECN: u64 = 0x10;
}

impl Kind for Skbmod {
    const NAME: &'static str = "skbmod";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let head = self.head.to_bytes();
        // The 64-bit flags stand at a multiple of eight bytes.
        w.bytes(TCA_SKBMOD_PARMS, &[&head[..], &[0; 4], &self.flags.to_ne_bytes()].concat());
        if let Some(MacAddr(address)) = self.dst_mac {
            w.bytes(TCA_SKBMOD_DMAC, &address);
        }
        if let Some(ethertype) = self.ethertype {
            w.u16(TCA_SKBMOD_ETYPE, ethertype);
        }
        if let Some(MacAddr(address)) = self.src_mac {
            w.bytes(TCA_SKBMOD_SMAC, &address);
        }
        ActionTimes::encode(self.times, TCA_SKBMOD_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut skbmod = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_SKBMOD_TM => skbmod.times = Some(ActionTimes::decode(&attr)?),
                TCA_SKBMOD_PARMS => {
                    let mut r = Reader::new("tc_skbmod", attr.payload());
                    let mut read = || {
                        skbmod.head = ActionHead::read(&mut r)?;
                        r.u32()?;
                        skbmod.flags = r.u64()?;
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_SKBMOD_DMAC => skbmod.dst_mac = Some(mac(&attr)?),
                TCA_SKBMOD_SMAC => skbmod.src_mac = Some(mac(&attr)?),
                TCA_SKBMOD_ETYPE => skbmod.ethertype = Some(attr.u16()?),
                TCA_SKBMOD_PAD => {}
                _ => skbmod.unknown.push(attr),
            }
        }
        Ok(skbmod)
    }
}

impl Action for Skbmod {
    fn index(&self) -> u32 {
        self.head.index
    }
}
