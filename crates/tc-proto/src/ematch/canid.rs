//! `canid`: compares the identifier of a CAN frame.
//!
//! Kernel: uapi/linux/can.h `struct can_filter`, net/sched/em_canid.c; since 3.6. Payload: those
//! structures, bare, one behind the other.

use crate::error::DecodeError;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Reader};

/// The bit of an identifier that says that it is an extended one.
#[doc(alias = "CAN_EFF_FLAG")]
pub const EXTENDED: u32 = 0x8000_0000;
/// The bits of a standard identifier.
#[doc(alias = "CAN_SFF_MASK")]
pub const STANDARD_BITS: u32 = 0x7ff;
/// The bits of an extended identifier.
#[doc(alias = "CAN_EFF_MASK")]
pub const EXTENDED_BITS: u32 = 0x1fff_ffff;
/// The most identifiers that the kernel takes.
#[doc(alias = "EM_CAN_RULES_MAX")]
pub const MAX_RULES: usize = 500;

/// `struct can_filter`: an identifier and the bits of it that count.
#[doc(alias = "can_filter")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The identifier, with [`EXTENDED`] where it is one.
    pub id: u32,
    /// The bits that count.
    pub mask: u32,
}

/// Identifiers, one of which the frame must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canid {
    /// The identifiers.
    pub rules: Vec<Rule>,
}

impl Kind for Canid {
    const NAME: &'static str = "canid";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        for rule in &self.rules {
            w.raw(&rule.id.to_ne_bytes()).raw(&rule.mask.to_ne_bytes());
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let rule = |bytes: &[u8]| {
            let mut r = Reader::new("can_filter", bytes);
            Ok(Rule { id: r.u32()?, mask: r.u32()? })
        };
        Ok(Self { rules: payload.chunks_exact(8).map(rule).collect::<Result<_, _>>()? })
    }
}

impl Ematch for Canid {
    const NUMBER: u16 = 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `canid(sff 0x123 eff 0x123)`.
    #[test]
    fn rules_follow_each_other() {
        let bytes = [0x23, 1, 0, 0, 0xff, 7, 0, 0x80, 0x23, 1, 0, 0x80, 0xff, 0xff, 0xff, 0x9f];
        let rules = vec![
            Rule { id: 0x123, mask: STANDARD_BITS | EXTENDED },
            Rule { id: 0x123 | EXTENDED, mask: EXTENDED_BITS | EXTENDED },
        ];
        assert_eq!(Canid::decode(&bytes), Ok(Canid { rules }));
    }
}
