//! `clsact`: the place of a device's ingress and egress filters; queues nothing.
//!
//! Kernel: net/sched/sch_ingress.c; since 4.5. Payload: none.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::AttrWriter;

/// A `clsact` qdisc, which has no options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clsact;

impl Kind for Clsact {
    const NAME: &'static str = "clsact";

    fn has_options(&self) -> bool {
        false
    }

    fn encode(&self, _: &mut AttrWriter<'_>) {}

    fn decode(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Qdisc for Clsact {}
