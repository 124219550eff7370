//! `multiq`: a class for each transmit queue of the device, each with a qdisc of its own.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_multiq_qopt`, net/sched/sch_multiq.c; since 2.6.28.
//! Payload: the bare structure.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Reader};

/// Options of a `multiq` qdisc. There is nothing to choose: the device has the queues that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multiq {
    /// Number of bands and how many there could be; the kernel's answer.
    #[doc(alias = "tc_multiq_qopt")]
    pub bands: Option<MultiqBands>,
}

/// `struct tc_multiq_qopt`.
#[doc(alias = "tc_multiq_qopt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MultiqBands {
    /// Queues in use.
    pub count: u16,
    /// Queues that the device has.
    pub max: u16,
}

impl Kind for Multiq {
    const NAME: &'static str = "multiq";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        // The kernel insists on the structure and reads nothing of it.
        let MultiqBands { count, max } = self.bands.unwrap_or_default();
        w.raw(&count.to_ne_bytes()).raw(&max.to_ne_bytes());
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let mut r = Reader::new("tc_multiq_qopt", payload);
        let bands = MultiqBands { count: r.u16()?, max: r.u16()? };
        // Zeros are what a request sends; every device has a queue.
        Ok(Self { bands: Some(bands).filter(|bands| *bands != MultiqBands::default()) })
    }
}

impl Qdisc for Multiq {}
