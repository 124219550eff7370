//! `nbyte`: compares bytes of the packet.
//!
//! Kernel: uapi/linux/tc_ematch/tc_em_nbyte.h, net/sched/em_nbyte.c; since 2.6.11. Payload: bare
//! `struct tcf_em_nbyte`, and the bytes.

use super::Layer;
use crate::error::DecodeError;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Reader};

/// The most bytes that can be compared.
pub const MAX_NEEDLE: usize = 0xfff;

/// `struct tcf_em_nbyte`: looks for bytes at a place of the packet.
#[doc(alias = "tcf_em_nbyte")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nbyte {
    /// Where the bytes are, counted from `layer`.
    pub offset: u16,
    /// Where `offset` is counted from.
    pub layer: Layer,
    /// The bytes, at most [`MAX_NEEDLE`]; those behind are not sent.
    pub needle: Vec<u8>,
}

impl Kind for Nbyte {
    const NAME: &'static str = "nbyte";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let needle = self.needle.get(..MAX_NEEDLE).unwrap_or(&self.needle);
        let (len, layer) = (needle.len() as u16, u16::from(self.layer.0 & 15));
        let both =
            if cfg!(target_endian = "little") { len | layer << 12 } else { len << 4 | layer };
        w.raw(&self.offset.to_ne_bytes()).raw(&both.to_ne_bytes());
        // tc counts the padding to the ematch.
        w.structure(needle);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tcf_em_nbyte", payload);
        let (offset, both) = (r.u16()?, r.u16()?);
        let (len, layer) = if cfg!(target_endian = "little") {
            (both & 0xfff, both >> 12)
        } else {
            (both >> 4, both & 15)
        };
        let needle = r.bytes(len.into())?.to_vec();
        Ok(Self { offset, layer: Layer(layer as u8), needle })
    }
}

impl Ematch for Nbyte {
    const NUMBER: u16 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `nbyte(AA... at 0)` with 4094 letters.
    #[test]
    fn the_length_has_twelve_bits() {
        let mut bytes = vec![0, 0, 0xfe, 0x1f];
        bytes.resize(4 + 4094, b'A');
        let nbyte = Nbyte::decode(&bytes).unwrap();
        assert_eq!((nbyte.layer, nbyte.needle.len()), (Layer::NETWORK, 4094));
        assert!(Nbyte::decode(&bytes[..4097]).is_err());
    }
}
