//! `ingress`: the place of a device's ingress filters; queues nothing.
//!
//! Kernel: net/sched/sch_ingress.c; since 2.6. Payload: none.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::AttrWriter;

/// A `ingress` qdisc, which has no options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ingress;

impl Kind for Ingress {
    const NAME: &'static str = "ingress";

    fn has_options(&self) -> bool {
        false
    }

    fn encode(&self, _: &mut AttrWriter<'_>) {}

    fn decode(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Qdisc for Ingress {}
