//! `noqueue`: sends at once and never queues; what virtual devices have by default.
//!
//! Kernel: net/sched/sch_generic.c; can be added by name since 4.3. Payload: none.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::AttrWriter;

/// A `noqueue` qdisc, which has no options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Noqueue;

impl Kind for Noqueue {
    const NAME: &'static str = "noqueue";

    fn has_options(&self) -> bool {
        false
    }

    fn encode(&self, _: &mut AttrWriter<'_>) {}

    fn decode(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Qdisc for Noqueue {}
