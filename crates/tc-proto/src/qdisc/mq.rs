//! `mq`: a class for each of the device's transmit queues; what multi-queue devices have by default.
//!
//! Kernel: net/sched/sch_mq.c; since 2.6.32. Payload: none.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::AttrWriter;

/// A `mq` qdisc, which has no options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mq;

impl Kind for Mq {
    const NAME: &'static str = "mq";

    fn has_options(&self) -> bool {
        false
    }

    fn encode(&self, _: &mut AttrWriter<'_>) {}

    fn decode(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Qdisc for Mq {}
