//! `bfifo`: first in, first out, limited in bytes. Classless.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_fifo_qopt`, net/sched/sch_fifo.c; since 2.2.
//! Payload: the bare structure.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Reader};

/// Options of a `bfifo` qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bfifo {
    /// The most bytes it holds; `None`: the device's transmit queue length times its MTU.
    #[doc(alias = "tc_fifo_qopt")]
    pub limit_bytes: Option<u32>,
}

impl Kind for Bfifo {
    const NAME: &'static str = "bfifo";

    fn has_options(&self) -> bool {
        self.limit_bytes.is_some()
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(limit) = self.limit_bytes {
            w.structure(&limit.to_ne_bytes());
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { limit_bytes: Some(Reader::new("tc_fifo_qopt", payload).u32()?) })
    }
}

impl Qdisc for Bfifo {}
