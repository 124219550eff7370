//! `meta`: compares what the kernel knows of a packet besides its bytes.
//!
//! Kernel: uapi/linux/tc_ematch/tc_em_meta.h, net/sched/em_meta.c; since 2.6.11. Payload: nest.

use super::Operand;
use crate::error::DecodeError;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_meta_hdr`: what is compared, and how.
pub const TCA_EM_META_HDR: u16 = 1;
/// The mask or the value of the left side: a u32 of any length up to eight bytes, or text.
pub const TCA_EM_META_LVALUE: u16 = 2;
/// The same of the right side.
pub const TCA_EM_META_RVALUE: u16 = 3;

/// The bits of [`Side::kind`] that name a property.
const ID_MASK: u16 = 0x7ff;

/// One side of the comparison: `struct tcf_meta_val`, and its value or mask.
#[doc(alias = "tcf_meta_val")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The property and its type, `TCF_META_ID_*` and `TCF_META_TYPE_*`.
    pub kind: u16,
    /// How far a number is shifted right, in bits.
    pub shift: u8,
    /// How the sides are compared; only that of the left side counts.
    pub operand: Operand,
    /// The value itself where the property is [`VALUE`](Self::VALUE), or the mask of a number, a
    /// u32; no mask is the same as one of 0. Values that are text end without a NUL.
    pub data: Option<Vec<u8>>,
}

impl Side {
    /// No property, but a value that is given.
    #[doc(alias = "TCF_META_ID_VALUE")]
    pub const VALUE: u16 = 0;
    /// Text, such as the name of a device.
    #[doc(alias = "TCF_META_TYPE_VAR")]
    pub const VAR: u8 = 0;
    /// A number.
    #[doc(alias = "TCF_META_TYPE_INT")]
    pub const INT: u8 = 1;

    /// A number that is given.
    pub fn number(value: u32) -> Self {
        Self { data: Some(value.to_ne_bytes().to_vec()), ..Self::property(Self::VALUE, Self::INT) }
    }

    /// A text that is given.
    pub fn text(value: &[u8]) -> Self {
        Self { data: Some(value.to_vec()), ..Self::property(Self::VALUE, Self::VAR) }
    }

    /// A property, `TCF_META_ID_*`, as a number or text.
    pub fn property(id: u16, ty: u8) -> Self {
        Self { kind: u16::from(ty) << 12 | id & ID_MASK, ..Self::default() }
    }

    /// The property, `TCF_META_ID_*`.
    #[doc(alias = "TCF_META_ID")]
    pub fn id(&self) -> u16 {
        self.kind & ID_MASK
    }

    /// The type, `TCF_META_TYPE_*`.
    #[doc(alias = "TCF_META_TYPE")]
    pub fn ty(&self) -> u8 {
        (self.kind >> 12) as u8
    }

    /// The value or mask of a number; `None` when there is none.
    pub fn word(&self) -> Option<Result<u32, DecodeError>> {
        self.data.as_deref().map(|data| Reader::new("meta value", data).u32())
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { kind: r.u16()?, shift: r.u8()?, operand: Operand(r.u8()?), data: None })
    }
}

/// Two sides that are compared. They must be of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The left side, which says how they are compared.
    pub left: Side,
    /// The right side.
    pub right: Side,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Meta {
    const NAME: &'static str = "meta";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut header = Vec::new();
        for Side { kind, shift, operand, .. } in [&self.left, &self.right] {
            header.extend_from_slice(&kind.to_ne_bytes());
            header.extend_from_slice(&[*shift, operand.0]);
        }
        w.bytes(TCA_EM_META_HDR, &header);
        if let Some(data) = &self.left.data {
            w.bytes(TCA_EM_META_LVALUE, data);
        }
        if let Some(data) = &self.right.data {
            w.bytes(TCA_EM_META_RVALUE, data);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let (mut left, mut right) = (None, None);
        let mut header = None;
        let mut unknown = RawAttrs::new();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_EM_META_HDR => {
                    let mut r = Reader::new("tcf_meta_hdr", attr.payload());
                    header = Some((Side::read(&mut r)?, Side::read(&mut r)?));
                }
                TCA_EM_META_LVALUE => left = Some(attr.payload().to_vec()),
                TCA_EM_META_RVALUE => right = Some(attr.payload().to_vec()),
                _ => unknown.push(attr),
            }
        }
        let (l, r) = header.ok_or(DecodeError::Invalid { what: "meta without its header" })?;
        let (left, right) = (Side { data: left, ..l }, Side { data: right, ..r });
        Ok(Self { left, right, unknown })
    }
}

impl Ematch for Meta {
    const NUMBER: u16 = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `meta(priority shift 2 mask 0xf gt 6)`.
    #[test]
    fn both_sides_have_a_type_and_a_value() {
        let bytes = [
            12, 0, 1, 0, 6, 0x10, 2, 1, 0, 0x10, 0, 0, 8, 0, 2, 0, 15, 0, 0, 0, 8, 0, 3, 0, 6, 0,
            0, 0,
        ];
        let meta = Meta::decode(&bytes).unwrap();
        assert_eq!((meta.left.id(), meta.left.ty(), meta.left.shift), (6, Side::INT, 2));
        assert_eq!((meta.left.operand, meta.left.word()), (Operand::GT, Some(Ok(15))));
        assert_eq!(meta.right, Side::number(6));
        let mut again = Vec::new();
        meta.encode(&mut AttrWriter::new(&mut again));
        assert_eq!(again, bytes);
        assert!(Meta::decode(&bytes[12..]).is_err());
    }
}
