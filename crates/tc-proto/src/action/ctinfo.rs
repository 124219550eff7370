//! `ctinfo`: takes the DSCP and the mark of a packet from the mark of its connection.
//!
//! Kernel: uapi/linux/tc_act/tc_ctinfo.h, net/sched/act_ctinfo.c; since 5.3. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

const TCA_CTINFO_PAD: u16 = 1;
/// `struct tcf_t`.
pub const TCA_CTINFO_TM: u16 = 2;
/// `struct tc_ctinfo`.
pub const TCA_CTINFO_ACT: u16 = 3;
/// u16, the zone.
pub const TCA_CTINFO_ZONE: u16 = 4;
/// u32, where the DSCP stands in the connection's mark.
pub const TCA_CTINFO_PARMS_DSCP_MASK: u16 = 5;
/// u32, the bits that say whether there is a DSCP.
pub const TCA_CTINFO_PARMS_DSCP_STATEMASK: u16 = 6;
/// u32, which bits of the connection's mark become the packet's.
pub const TCA_CTINFO_PARMS_CPMARK_MASK: u16 = 7;
/// u64, packets whose DSCP was set.
pub const TCA_CTINFO_STATS_DSCP_SET: u16 = 8;
/// u64, packets whose DSCP could not be set.
pub const TCA_CTINFO_STATS_DSCP_ERROR: u16 = 9;
/// u64, packets whose mark was set.
pub const TCA_CTINFO_STATS_CPMARK_SET: u16 = 10;

/// Options of a `ctinfo` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ctinfo {
    /// Index and verdict.
    #[doc(alias = "tc_ctinfo")]
    pub head: ActionHead,
    /// The zone in which the connection is looked up.
    pub zone: Option<u16>,
    /// Six neighbouring bits of the connection's mark: the DSCP. Absent: it is left alone.
    pub dscp_mask: Option<u32>,
    /// The DSCP is set when one of these bits of the connection's mark is. Absent: always.
    pub dscp_state_mask: Option<u32>,
    /// Which bits of the connection's mark become the packet's. Absent: it is left alone.
    pub mark_mask: Option<u32>,
    /// Set by the kernel: packets whose DSCP was set.
    pub dscp_set: Option<u64>,
    /// Set by the kernel: packets whose DSCP could not be set.
    pub dscp_errors: Option<u64>,
    /// Set by the kernel: packets whose mark was set.
    pub mark_set: Option<u64>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Ctinfo {
    const NAME: &'static str = "ctinfo";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_CTINFO_ACT, &self.head.to_bytes());
        if let Some(zone) = self.zone {
            w.u16(TCA_CTINFO_ZONE, zone);
        }
        for (ty, mask) in [
            (TCA_CTINFO_PARMS_DSCP_MASK, self.dscp_mask),
            (TCA_CTINFO_PARMS_DSCP_STATEMASK, self.dscp_state_mask),
            (TCA_CTINFO_PARMS_CPMARK_MASK, self.mark_mask),
        ] {
            if let Some(mask) = mask {
                w.u32(ty, mask);
            }
        }
        for (ty, count) in [
            (TCA_CTINFO_STATS_DSCP_SET, self.dscp_set),
            (TCA_CTINFO_STATS_DSCP_ERROR, self.dscp_errors),
            (TCA_CTINFO_STATS_CPMARK_SET, self.mark_set),
        ] {
            if let Some(count) = count {
                w.u64(ty, count);
            }
        }
        ActionTimes::encode(self.times, TCA_CTINFO_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut ctinfo = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_CTINFO_TM => ctinfo.times = Some(ActionTimes::decode(&attr)?),
                TCA_CTINFO_ACT => {
                    let mut r = Reader::new("tc_ctinfo", attr.payload());
                    ctinfo.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_CTINFO_ZONE => ctinfo.zone = Some(attr.u16()?),
                TCA_CTINFO_PARMS_DSCP_MASK => ctinfo.dscp_mask = Some(attr.u32()?),
                TCA_CTINFO_PARMS_DSCP_STATEMASK => ctinfo.dscp_state_mask = Some(attr.u32()?),
                TCA_CTINFO_PARMS_CPMARK_MASK => ctinfo.mark_mask = Some(attr.u32()?),
                TCA_CTINFO_STATS_DSCP_SET => ctinfo.dscp_set = Some(attr.u64()?),
                TCA_CTINFO_STATS_DSCP_ERROR => ctinfo.dscp_errors = Some(attr.u64()?),
                TCA_CTINFO_STATS_CPMARK_SET => ctinfo.mark_set = Some(attr.u64()?),
                TCA_CTINFO_PAD => {}
                _ => ctinfo.unknown.push(attr),
            }
        }
        Ok(ctinfo)
    }
}

impl Action for Ctinfo {
    fn index(&self) -> u32 {
        self.head.index
    }
}
