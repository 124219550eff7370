//! Reads attributes and structures without copying and without trusting them.

use super::{ATTR_HEADER, NESTED, TYPE_MASK, align};
use crate::error::DecodeError;

/// One attribute: its type and the bytes of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    ty: u16,
    payload: &'a [u8],
}

impl<'a> Attr<'a> {
    /// The type, without the nest and byte-order bits.
    pub fn ty(&self) -> u16 {
        self.ty & TYPE_MASK
    }

    /// The type field as it was sent.
    pub fn raw_type(&self) -> u16 {
        self.ty
    }

    /// Whether `NLA_F_NESTED` was set. Old nests come without it.
    pub fn is_flagged_nested(&self) -> bool {
        self.ty & NESTED != 0
    }

    /// The payload, without padding.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload read as attributes.
    pub fn nested(&self) -> Attrs<'a> {
        Attrs::new(self.payload)
    }

    /// The payload as a `u8`; surplus bytes are ignored.
    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.read(Reader::u8)
    }

    /// The payload as a `u16` in host byte order.
    pub fn u16(&self) -> Result<u16, DecodeError> {
        self.read(Reader::u16)
    }

    /// The payload as a `u16` in network byte order.
    pub fn be16(&self) -> Result<u16, DecodeError> {
        self.read(Reader::be16)
    }

    /// The payload as a `u32` in host byte order.
    pub fn u32(&self) -> Result<u32, DecodeError> {
        self.read(Reader::u32)
    }

    /// The payload as a `u32` in network byte order.
    pub fn be32(&self) -> Result<u32, DecodeError> {
        self.read(Reader::be32)
    }

    /// The payload as an `i32` in host byte order.
    pub fn i32(&self) -> Result<i32, DecodeError> {
        self.u32().map(|v| v as i32)
    }

    /// The payload as a `u64` in host byte order.
    pub fn u64(&self) -> Result<u64, DecodeError> {
        self.read(Reader::u64)
    }

    /// The payload as an `i64` in host byte order.
    pub fn i64(&self) -> Result<i64, DecodeError> {
        self.u64().map(|v| v as i64)
    }

    /// The payload up to its first NUL.
    pub fn cstr_bytes(&self) -> &'a [u8] {
        self.payload.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// The payload up to its first NUL, as text; bytes that are not UTF-8 are replaced.
    pub fn string(&self) -> std::borrow::Cow<'a, str> {
        let bytes = self.cstr_bytes();
        // The usual case by the quicker check.
        match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(bytes),
        }
    }

    fn read<T>(
        &self,
        get: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        get(&mut Reader::new("value", self.payload)).map_err(|e| e.inside(self.ty()))
    }
}

/// The attributes in a payload, in order.
///
/// Iteration ends at the end of the payload or at the first header that is not sound; what is left
/// then is in [`rest`](Self::rest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// Reads `payload` as attributes.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// The bytes that have not been read as attributes.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The last attribute of type `ty`, which is the one that counts for the kernel.
    pub fn find(self, ty: u16) -> Option<Attr<'a>> {
        self.filter(|a| a.ty() == ty).last()
    }
}

#[expect(clippy::copy_iterator, reason = "a slice that is read; copies go their own ways")]
impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    fn next(&mut self) -> Option<Attr<'a>> {
        let (len, rest) = self.rest.split_first_chunk::<2>()?;
        let (ty, _) = rest.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_ne_bytes(*len));
        let payload = self.rest.get(ATTR_HEADER..len)?;
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        Some(Attr { ty: u16::from_ne_bytes(*ty), payload })
    }
}

/// Reads the fields of a structure one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    what: &'static str,
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which errors will call `what`.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, whole: bytes.len(), rest: bytes }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((array, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N));
        };
        self.rest = rest;
        Ok(*array)
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.truncated(len));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Fewer than `len` bytes are left. Apart, so that reading a field is no more than a comparison.
    #[cold]
    fn truncated(&self, len: usize) -> DecodeError {
        DecodeError::Truncated {
            what: self.what,
            need: (self.whole - self.rest.len()).saturating_add(len),
            have: self.whole,
        }
    }

    /// A `u8`.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_ne_bytes)
    }

    /// A `u16` in host byte order.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_ne_bytes)
    }

    /// A `u16` in network byte order.
    pub fn be16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A `u32` in host byte order.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A `u32` in network byte order.
    pub fn be32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// An `i32` in host byte order.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_ne_bytes)
    }

    /// A `u64` in host byte order.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_in_order_and_the_last_of_a_type_counts() {
        let bytes = [5, 0, 1, 0, 7, 0, 0, 0, 4, 0, 2, 0x80, 5, 0, 1, 0, 9];
        let attrs = Attrs::new(&bytes);
        let seen: Vec<_> = attrs.map(|a| (a.ty(), a.is_flagged_nested(), a.payload())).collect();
        assert_eq!(seen, [(1, false, &[7][..]), (2, true, &[]), (1, false, &[9])]);
        assert_eq!(attrs.find(1).unwrap().u8(), Ok(9));
    }

    #[test]
    fn a_lying_length_ends_the_walk_and_leaves_the_rest() {
        for bytes in [&[3, 0, 1, 0][..], &[9, 0, 1, 0, 1, 2, 3, 4], &[0; 4], &[8, 0, 1]] {
            let mut attrs = Attrs::new(bytes);
            assert_eq!(attrs.next(), None);
            assert_eq!(attrs.rest(), bytes);
        }
    }

    #[test]
    fn a_short_value_names_its_attribute() {
        let bytes = [6, 0, 9, 0, 1, 2, 0, 0];
        let err = Attrs::new(&bytes).find(9).unwrap().u32().unwrap_err();
        assert_eq!(err.to_string(), "attribute 9: value: 2 bytes where at least 4 are needed");
    }

    #[test]
    fn fields_past_the_end_say_how_much_is_needed() {
        let mut r = Reader::new("tcmsg", &[1, 2, 3, 4, 5]);
        assert_eq!(r.u32(), Ok(u32::from_ne_bytes([1, 2, 3, 4])));
        assert_eq!(r.u16(), Err(DecodeError::Truncated { what: "tcmsg", need: 6, have: 5 }));
        assert_eq!(r.rest(), [5]);
    }
}
