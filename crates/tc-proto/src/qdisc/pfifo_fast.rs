//! `pfifo_fast`: three bands served in order of priority; the default of most devices. Classless.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_prio_qopt`, net/sched/sch_generic.c; since 2.2.
//! Payload: the bare structure, in dumps only; the kernel takes no options.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Reader};

/// Options of a `pfifo_fast` qdisc, as the kernel shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PfifoFast {
    /// Number of bands and the band of each priority; `None` when the kernel said nothing.
    #[doc(alias = "tc_prio_qopt")]
    pub bands: Option<Bands>,
}

/// `struct tc_prio_qopt`: bands, and the band that each priority goes to.
#[doc(alias = "tc_prio_qopt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bands {
    /// Number of bands.
    pub count: i32,
    /// Band of priority 0 to 15 (`TC_PRIO_MAX`); band 0 goes first.
    pub priomap: [u8; 16],
}

impl Kind for PfifoFast {
    const NAME: &'static str = "pfifo_fast";

    fn has_options(&self) -> bool {
        self.bands.is_some()
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(bands) = &self.bands {
            w.structure(&bands.count.to_ne_bytes()).structure(&bands.priomap);
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let mut r = Reader::new("tc_prio_qopt", payload);
        Ok(Self { bands: Some(Bands { count: r.i32()?, priomap: r.array()? }) })
    }
}

impl Qdisc for PfifoFast {}
