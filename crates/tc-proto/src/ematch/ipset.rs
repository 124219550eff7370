//! `ipset`: looks the packet up in an IP set.
//!
//! Kernel: uapi/linux/netfilter/xt_set.h, net/sched/em_ipset.c; since 3.6. Payload: bare
//! `struct xt_set_info`.

use crate::error::DecodeError;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Reader};

/// The most dimensions of a set.
#[doc(alias = "IPSET_DIM_MAX")]
pub const MAX_DIMENSIONS: u8 = 6;

/// `struct xt_set_info`: looks the packet up in a set.
#[doc(alias = "xt_set_info")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpSet {
    /// The number that the kernel has for the set.
    pub index: u16,
    /// How many of the packet's properties are looked up, 1 to [`MAX_DIMENSIONS`].
    pub dimensions: u8,
    /// From bit 1 on, a bit for each of them: the source's when it is set, or the destination's.
    pub flags: u8,
}

impl IpSet {
    /// Whether the dimension, counted from 1, is the source's.
    pub fn is_source(&self, dimension: u8) -> bool {
        1u8.checked_shl(dimension.into()).is_some_and(|bit| self.flags & bit != 0)
    }

    /// Adds a dimension; `None` when there are too many.
    #[must_use]
    pub fn with(mut self, source: bool) -> Option<Self> {
        if self.dimensions >= MAX_DIMENSIONS {
            return None;
        }
        self.dimensions += 1;
        if source {
            self.flags |= 1u8.checked_shl(self.dimensions.into())?;
        }
        Some(self)
    }
}

impl Kind for IpSet {
    const NAME: &'static str = "ipset";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.raw(&self.index.to_ne_bytes()).raw(&[self.dimensions, self.flags]);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("xt_set_info", payload);
        Ok(Self { index: r.u16()?, dimensions: r.u8()?, flags: r.u8()? })
    }
}

impl Ematch for IpSet {
    const NUMBER: u16 = 8;
}
