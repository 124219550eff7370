//! `matchall`: matches every packet.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_MATCHALL_*`, net/sched/cls_matchall.c; since 4.8. Payload: nest.

use super::OffloadFlags;
use crate::error::DecodeError;
use crate::kind::{Filter, Kind};
use crate::units::Handle;
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// u32, the class.
pub const TCA_MATCHALL_CLASSID: u16 = 1;
/// Nest, a list of actions.
pub const TCA_MATCHALL_ACT: u16 = 2;
/// u32, [`OffloadFlags`].
pub const TCA_MATCHALL_FLAGS: u16 = 3;
/// `struct tc_matchall_pcnt`, a counter.
pub const TCA_MATCHALL_PCNT: u16 = 4;

/// Options of a `matchall` filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchall {
    /// The class that packets go to.
    pub classid: Option<Handle>,
    /// Actions, as entries of [`ActionSpec`](crate::msg::ActionSpec).
    pub actions: Option<RawAttrs>,
    /// Where the filter runs.
    pub offload: Option<OffloadFlags>,
    /// Packets that matched; set by the kernel. Since Linux 5.1.
    #[doc(alias = "tc_matchall_pcnt")]
    pub hits: Option<u64>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Matchall {
    const NAME: &'static str = "matchall";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(classid) = self.classid {
            w.u32(TCA_MATCHALL_CLASSID, classid.0);
        }
        if let Some(actions) = &self.actions {
            w.bytes(TCA_MATCHALL_ACT, actions.as_bytes());
        }
        if let Some(offload) = self.offload {
            w.u32(TCA_MATCHALL_FLAGS, offload.bits());
        }
        if let Some(hits) = self.hits {
            w.u64(TCA_MATCHALL_PCNT, hits);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut matchall = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_MATCHALL_CLASSID => matchall.classid = Some(Handle(attr.u32()?)),
                TCA_MATCHALL_ACT => {
                    matchall.actions = Some(RawAttrs::from_payload(attr.payload()));
                }
                TCA_MATCHALL_FLAGS => {
                    matchall.offload = Some(OffloadFlags::from_bits_retain(attr.u32()?));
                }
                TCA_MATCHALL_PCNT => {
                    let hits = Reader::new("tc_matchall_pcnt", attr.payload()).u64();
                    matchall.hits = Some(hits.map_err(|e| e.inside(attr.ty()))?);
                }
                _ => matchall.unknown.push(attr),
            }
        }
        Ok(matchall)
    }
}

impl Filter for Matchall {}
