//! `sample`: hands a part of the packets to listeners in user space, by psample.
//!
//! Kernel: uapi/linux/tc_act/tc_sample.h, net/sched/act_sample.c; since 4.11. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_SAMPLE_TM: u16 = 1;
/// `struct tc_sample`.
pub const TCA_SAMPLE_PARMS: u16 = 2;
/// u32, one packet in so many.
pub const TCA_SAMPLE_RATE: u16 = 3;
/// u32, bytes of a packet that are handed on.
pub const TCA_SAMPLE_TRUNC_SIZE: u16 = 4;
/// u32, the group of psample.
pub const TCA_SAMPLE_PSAMPLE_GROUP: u16 = 5;
const TCA_SAMPLE_PAD: u16 = 6;

/// Options of a `sample` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Index and verdict.
    #[doc(alias = "tc_sample")]
    pub head: ActionHead,
    /// One packet in so many is sampled, 1 or more.
    pub one_in: Option<u32>,
    /// Bytes of a packet that are handed on; all when absent.
    pub trunc_bytes: Option<u32>,
    /// The group of psample that gets the packets.
    pub group: Option<u32>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Sample {
    const NAME: &'static str = "sample";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_SAMPLE_PARMS, &self.head.to_bytes());
        if let Some(one_in) = self.one_in {
            w.u32(TCA_SAMPLE_RATE, one_in);
        }
        if let Some(group) = self.group {
            w.u32(TCA_SAMPLE_PSAMPLE_GROUP, group);
        }
        if let Some(bytes) = self.trunc_bytes {
            w.u32(TCA_SAMPLE_TRUNC_SIZE, bytes);
        }
        ActionTimes::encode(self.times, TCA_SAMPLE_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut sample = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_SAMPLE_TM => sample.times = Some(ActionTimes::decode(&attr)?),
                TCA_SAMPLE_PARMS => {
                    let mut r = Reader::new("tc_sample", attr.payload());
                    sample.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_SAMPLE_RATE => sample.one_in = Some(attr.u32()?),
                TCA_SAMPLE_TRUNC_SIZE => sample.trunc_bytes = Some(attr.u32()?),
                TCA_SAMPLE_PSAMPLE_GROUP => sample.group = Some(attr.u32()?),
                TCA_SAMPLE_PAD => {}
                _ => sample.unknown.push(attr),
            }
        }
        Ok(sample)
    }
}

impl Action for Sample {
    fn index(&self) -> u32 {
        self.head.index
    }
}
