//! `u32`: compares a 32-bit word of the packet under a mask.
//!
//! Kernel: uapi/linux/pkt_cls.h `struct tc_u32_key`, net/sched/em_u32.c; since 2.6.11. Payload: that
//! structure, bare.

use crate::error::DecodeError;
use crate::filter::u32::Key;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Reader};

/// Compares a word of the packet, counted from the network header.
#[doc(alias = "tc_u32_key")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct U32 {
    /// The word, the bits that count, and where it is.
    pub key: Key,
}

impl Kind for U32 {
    const NAME: &'static str = "u32";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.raw(&self.key.to_bytes());
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        Key::read(&mut Reader::new("tc_u32_key", payload)).map(|key| Self { key })
    }
}

impl Ematch for U32 {
    const NUMBER: u16 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `u32(u16 0x1122 0xffff at nexthdr+4)`.
    #[test]
    fn the_word_is_in_the_order_of_the_packet() {
        let bytes = [0xff, 0xff, 0, 0, 0x11, 0x22, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255];
        let key = Key { mask: 0xffff_0000, value: 0x1122_0000, at: 4, offset_mask: -1 };
        assert_eq!(U32::decode(&bytes), Ok(U32 { key }));
    }
}
