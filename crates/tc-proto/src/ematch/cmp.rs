//! `cmp`: compares a number in the packet with a value.
//!
//! Kernel: uapi/linux/tc_ematch/tc_em_cmp.h, net/sched/em_cmp.c; since 2.6.11. Payload: bare
//! `struct tcf_em_cmp`.

use super::{Layer, Operand, nibbles, split_nibbles};
use crate::error::DecodeError;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Reader};

/// `TCF_EM_CMP_TRANS`: the packet's bytes are in host byte order.
const TRANS: u8 = 1;

/// How wide the number in the packet is. Other values are kept, the kernel refuses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Align(pub u8);

impl Align {
    /// One byte.
    #[doc(alias = "TCF_EM_ALIGN_U8")]
    pub const U8: Self = Self(1);
    /// Two bytes.
    #[doc(alias = "TCF_EM_ALIGN_U16")]
    pub const U16: Self = Self(2);
    /// Four bytes.
    #[doc(alias = "TCF_EM_ALIGN_U32")]
    pub const U32: Self = Self(4);
}

/// `struct tcf_em_cmp`: compares a number in the packet with a value.
#[doc(alias = "tcf_em_cmp")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cmp {
    /// What it is compared with.
    pub value: u32,
    /// The bits that count; 0 for all of them.
    pub mask: u32,
    /// Where the number is, in bytes from `layer`.
    pub offset: u16,
    /// How wide it is.
    pub align: Align,
    /// Flags, `TCF_EM_CMP_*`, four bits.
    pub flags: u8,
    /// Where `offset` is counted from.
    pub layer: Layer,
    /// How the number is compared.
    pub operand: Operand,
}

impl Cmp {
    /// Whether the packet's bytes are in host byte order instead of network byte order.
    #[doc(alias = "TCF_EM_CMP_TRANS")]
    pub fn is_transformed(&self) -> bool {
        self.flags & TRANS != 0
    }

    /// Says that the packet's bytes are in host byte order.
    pub fn transform(&mut self) {
        self.flags |= TRANS;
    }
}

impl Kind for Cmp {
    const NAME: &'static str = "cmp";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.raw(&self.value.to_ne_bytes());
        w.raw(&self.mask.to_ne_bytes());
        w.raw(&self.offset.to_ne_bytes());
        w.raw(&[nibbles(self.align.0, self.flags), nibbles(self.layer.0, self.operand.0)]);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tcf_em_cmp", payload);
        let (value, mask, offset) = (r.u32()?, r.u32()?, r.u16()?);
        let (align, flags) = split_nibbles(r.u8()?);
        let (layer, operand) = split_nibbles(r.u8()?);
        let (align, layer, operand) = (Align(align), Layer(layer), Operand(operand));
        Ok(Self { value, mask, offset, align, flags, layer, operand })
    }
}

impl Ematch for Cmp {
    const NUMBER: u16 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `cmp(u16 at 3 layer 2 mask 0xff00 gt 20)`, with `trans`.
    #[test]
    fn fields_lie_as_in_c() {
        let bytes = [0x14, 0, 0, 0, 0, 0xff, 0, 0, 3, 0, 0x12, 0x12];
        let cmp = Cmp::decode(&bytes).unwrap();
        let expected = Cmp {
            value: 20,
            mask: 0xff00,
            offset: 3,
            align: Align::U16,
            flags: 1,
            layer: Layer::TRANSPORT,
            operand: Operand::GT,
        };
        assert_eq!(cmp, expected);
        assert!(cmp.is_transformed());
        assert!(Cmp::decode(&bytes[..11]).is_err());
    }
}
