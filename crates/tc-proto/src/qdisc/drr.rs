//! `drr`: classes that take turns, each sending up to its quantum of bytes.
//!
//! Kernel: uapi/linux/pkt_sched.h `TCA_DRR_*`, `struct tc_drr_stats`, net/sched/sch_drr.c; since
//! 2.6.29. Payload: none for the qdisc, attributes for a class.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Attrs, Reader};

const TCA_DRR_QUANTUM: u16 = 1;

/// A `drr` qdisc, which has no options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drr {}

impl Kind for Drr {
    const NAME: &'static str = "drr";

    fn has_options(&self) -> bool {
        false
    }

    fn encode(&self, _: &mut AttrWriter<'_>) {}

    fn decode(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self::default())
    }
}

impl Qdisc for Drr {}

/// Options of a class of `drr`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrrClass {
    /// Bytes that the class sends in one turn, more than 0; `None`: the device's MTU.
    #[doc(alias = "TCA_DRR_QUANTUM")]
    pub quantum_bytes: Option<u32>,
}

impl Kind for DrrClass {
    const NAME: &'static str = "drr";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(quantum) = self.quantum_bytes {
            w.u32(TCA_DRR_QUANTUM, quantum);
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let quantum = Attrs::new(payload).find(TCA_DRR_QUANTUM);
        Ok(Self { quantum_bytes: quantum.map(|attr| attr.u32()).transpose()? })
    }
}

/// `struct tc_drr_stats`: counters of a class.
#[doc(alias = "tc_drr_stats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrrXstats {
    /// Bytes that are left of the quantum in this turn.
    pub deficit_bytes: u32,
}

impl DrrXstats {
    /// Reads the structure.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { deficit_bytes: Reader::new("tc_drr_stats", payload).u32()? })
    }
}
