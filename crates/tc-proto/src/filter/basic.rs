//! `basic`: an expression of ematches.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_BASIC_*`, net/sched/cls_basic.c; since 2.6.11. Payload: nest.

use crate::ematch::Tree;
use crate::error::DecodeError;
use crate::kind::{Filter, Kind};
use crate::units::Handle;
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// u32, the class.
pub const TCA_BASIC_CLASSID: u16 = 1;
/// Nest, the ematches.
pub const TCA_BASIC_EMATCHES: u16 = 2;
/// Nest, a list of actions.
pub const TCA_BASIC_ACT: u16 = 3;
/// Nest, a policer of the old form.
pub const TCA_BASIC_POLICE: u16 = 4;
/// `struct tc_basic_pcnt`, the filter's counters. Set by the kernel, since Linux 4.20.
pub const TCA_BASIC_PCNT: u16 = 5;
/// Nothing; aligns what follows.
pub const TCA_BASIC_PAD: u16 = 6;

/// `struct tc_basic_pcnt`: what a filter has seen.
#[doc(alias = "tc_basic_pcnt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that were looked at.
    pub seen: u64,
    /// Packets that matched.
    pub hits: u64,
}

/// Options of a `basic` filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basic {
    /// The class that matching packets go to.
    pub classid: Option<Handle>,
    /// What is looked for; without it every packet matches.
    pub ematches: Option<Tree>,
    /// Actions for matching packets, as entries of [`ActionSpec`](crate::msg::ActionSpec).
    pub actions: Option<RawAttrs>,
    /// A policer for matching packets, as attributes of the old form.
    pub police: Option<RawAttrs>,
    /// What the filter has seen. Set by the kernel.
    pub counters: Option<Counters>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Basic {
    const NAME: &'static str = "basic";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(tree) = &self.ematches {
            w.nest(TCA_BASIC_EMATCHES, |w| tree.encode(w));
        }
        if let Some(classid) = self.classid {
            w.u32(TCA_BASIC_CLASSID, classid.0);
        }
        if let Some(actions) = &self.actions {
            w.bytes(TCA_BASIC_ACT, actions.as_bytes());
        }
        if let Some(police) = &self.police {
            w.bytes(TCA_BASIC_POLICE, police.as_bytes());
        }
        if let Some(Counters { seen, hits }) = self.counters {
            let bytes = [seen, hits].map(u64::to_ne_bytes);
            w.bytes(TCA_BASIC_PCNT, bytes.as_flattened());
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut basic = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_BASIC_CLASSID => basic.classid = Some(Handle(attr.u32()?)),
                TCA_BASIC_EMATCHES => {
                    let tree = Tree::decode(attr.payload());
                    basic.ematches = Some(tree.map_err(|e| e.inside(TCA_BASIC_EMATCHES))?);
                }
                TCA_BASIC_ACT => basic.actions = Some(RawAttrs::from_payload(attr.payload())),
                TCA_BASIC_POLICE => basic.police = Some(RawAttrs::from_payload(attr.payload())),
                TCA_BASIC_PCNT => {
                    let mut r = Reader::new("tc_basic_pcnt", attr.payload());
                    let counters = r.u64().and_then(|seen| Ok(Counters { seen, hits: r.u64()? }));
                    basic.counters = Some(counters.map_err(|e| e.inside(TCA_BASIC_PCNT))?);
                }
                TCA_BASIC_PAD => {}
                _ => basic.unknown.push(attr),
            }
        }
        Ok(basic)
    }
}

impl Filter for Basic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_come_back() {
        let counters = Some(Counters { seen: 7, hits: 3 });
        let basic = Basic { classid: Some(Handle(0x1_0001)), counters, ..Basic::default() };
        let mut bytes = Vec::new();
        basic.encode(&mut AttrWriter::new(&mut bytes));
        assert_eq!(Basic::decode(&bytes), Ok(basic));
        let err = Basic::decode(&[8, 0, 5, 0, 1, 0, 0, 0]).unwrap_err();
        assert_eq!(
            err.to_string(),
            "attribute 5: tc_basic_pcnt: 4 bytes where at least 8 are needed"
        );
    }
}
