//! Writes attributes in one pass.

use super::{ATTR_HEADER, NESTED, RawAttrs, TYPE_MASK, align};
use crate::error::{AttrPath, EncodeError};

/// Appends attributes to a buffer, patching the length of each nest when it ends.
///
/// The first error is kept and ends up in [`finish`](Self::finish); what is written after it does
/// not matter. So encoders need no error handling of their own.
///
/// ```
/// use tc_proto::wire::AttrWriter;
/// let mut buf = Vec::new();
/// let mut w = AttrWriter::new(&mut buf);
/// w.str(1, "htb").nest(2, |w| {
///     w.u32(5, 1000);
/// });
/// w.finish()?;
/// assert_eq!(buf.len(), 8 + 4 + 8);
/// # Ok::<(), tc_proto::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct AttrWriter<'a> {
    buf: &'a mut Vec<u8>,
    /// Where the first attribute starts; all are aligned from here.
    start: usize,
    path: Vec<u16>,
    error: Option<EncodeError>,
}

impl<'a> AttrWriter<'a> {
    /// Writes behind what `buf` holds already, whose length makes no difference.
    pub fn new(buf: &'a mut Vec<u8>) -> Self {
        let start = buf.len();
        Self { buf, start, path: Vec::new(), error: None }
    }

    /// The first thing that went wrong, if any did.
    pub fn finish(self) -> Result<(), EncodeError> {
        self.error.map_or(Ok(()), Err)
    }

    /// An attribute with these bytes.
    pub fn bytes(&mut self, ty: u16, payload: &[u8]) -> &mut Self {
        self.attr(ty, |w| {
            w.buf.extend_from_slice(payload);
        })
    }

    /// An attribute without payload, whose presence says all.
    pub fn flag(&mut self, ty: u16) -> &mut Self {
        self.bytes(ty, &[])
    }

    /// A `u8`.
    pub fn u8(&mut self, ty: u16, value: u8) -> &mut Self {
        self.bytes(ty, &[value])
    }

    /// A `u16` in host byte order.
    pub fn u16(&mut self, ty: u16, value: u16) -> &mut Self {
        self.bytes(ty, &value.to_ne_bytes())
    }

    /// A `u16` in network byte order.
    pub fn be16(&mut self, ty: u16, value: u16) -> &mut Self {
        self.bytes(ty, &value.to_be_bytes())
    }

    /// A `u32` in host byte order.
    pub fn u32(&mut self, ty: u16, value: u32) -> &mut Self {
        self.bytes(ty, &value.to_ne_bytes())
    }

    /// A `u32` in network byte order.
    pub fn be32(&mut self, ty: u16, value: u32) -> &mut Self {
        self.bytes(ty, &value.to_be_bytes())
    }

    /// An `i32` in host byte order.
    pub fn i32(&mut self, ty: u16, value: i32) -> &mut Self {
        self.bytes(ty, &value.to_ne_bytes())
    }

    /// A `u64` in host byte order.
    pub fn u64(&mut self, ty: u16, value: u64) -> &mut Self {
        self.bytes(ty, &value.to_ne_bytes())
    }

    /// An `i64` in host byte order.
    pub fn i64(&mut self, ty: u16, value: i64) -> &mut Self {
        self.bytes(ty, &value.to_ne_bytes())
    }

    /// A string with its terminating NUL.
    pub fn str(&mut self, ty: u16, value: &str) -> &mut Self {
        self.cstr_bytes(ty, value.as_bytes())
    }

    /// A string of arbitrary bytes with a terminating NUL, such as a file name.
    pub fn cstr_bytes(&mut self, ty: u16, value: &[u8]) -> &mut Self {
        self.attr(ty, |w| {
            if value.contains(&0) {
                let path = AttrPath(w.path.clone());
                w.error.get_or_insert(EncodeError::NulInString { path });
            }
            w.buf.extend_from_slice(value);
            w.buf.push(0);
        })
    }

    /// Attributes as they were received, nest bits and all.
    pub fn copy(&mut self, attrs: &RawAttrs) -> &mut Self {
        self.structure(attrs.as_bytes())
    }

    /// A nest without `NLA_F_NESTED`, as tc sends most of them.
    pub fn nest(&mut self, ty: u16, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.attr(ty, content)
    }

    /// A nest with `NLA_F_NESTED`.
    pub fn nest_flagged(&mut self, ty: u16, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.attr(ty | NESTED, content)
    }

    /// Bytes of a structure that stands bare inside the current nest, padded to four bytes.
    pub fn structure(&mut self, payload: &[u8]) -> &mut Self {
        self.buf.extend_from_slice(payload);
        self.pad();
        self
    }

    /// Bytes of a payload that is no structure and no attribute; only the attribute's end is padded.
    pub fn raw(&mut self, payload: &[u8]) -> &mut Self {
        self.buf.extend_from_slice(payload);
        self
    }

    fn attr(&mut self, ty: u16, content: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.buf.len();
        self.buf.extend_from_slice(&[0, 0]);
        self.buf.extend_from_slice(&ty.to_ne_bytes());
        self.path.push(ty & TYPE_MASK);
        content(self);
        let len = self.buf.len() - start;
        if let (Ok(len), Some(field)) = (u16::try_from(len), self.buf.get_mut(start..start + 2)) {
            field.copy_from_slice(&len.to_ne_bytes());
        } else {
            let path = AttrPath(self.path.clone());
            self.error.get_or_insert(EncodeError::AttributeTooLong { path, len });
        }
        self.path.pop();
        debug_assert!(len >= ATTR_HEADER);
        self.pad();
        self
    }

    fn pad(&mut self) {
        self.buf.resize(self.start + align(self.buf.len() - self.start), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_exclude_padding_and_padding_is_zero() {
        let mut buf = vec![];
        let mut w = AttrWriter::new(&mut buf);
        w.nest(2, |w| {
            w.u8(1, 0xff).str(3, "a");
        });
        w.u16(9, 0x1234);
        assert_eq!(w.finish(), Ok(()));
        assert_eq!(
            buf,
            [
                20, 0, 2, 0, // nest of 16
                5, 0, 1, 0, 0xff, 0, 0, 0, // u8
                6, 0, 3, 0, b'a', 0, 0, 0, // string with NUL
                6, 0, 9, 0, 0x34, 0x12, 0, 0,
            ]
        );
    }

    #[test]
    fn attributes_are_the_same_behind_anything() {
        let mut buf = vec![0xaa; 3];
        AttrWriter::new(&mut buf).u8(1, 7).u8(2, 9);
        assert_eq!(buf[3..], [5, 0, 1, 0, 7, 0, 0, 0, 5, 0, 2, 0, 9, 0, 0, 0]);
    }

    #[test]
    fn the_nested_bit_is_set_only_when_asked_for() {
        let mut buf = vec![];
        AttrWriter::new(&mut buf).nest(2, |_| {}).nest_flagged(2, |_| {});
        assert_eq!(buf, [4, 0, 2, 0, 4, 0, 2, 0x80]);
    }

    #[test]
    fn an_attribute_past_64_kib_is_an_error_with_its_place() {
        let mut buf = vec![];
        let mut w = AttrWriter::new(&mut buf);
        w.nest(2, |w| {
            w.bytes(7, &vec![0; 65_532]);
        });
        let path = AttrPath(vec![2, 7]);
        assert_eq!(w.finish(), Err(EncodeError::AttributeTooLong { path, len: 65_536 }));
    }

    #[test]
    fn the_longest_attribute_is_fine_alone_but_not_in_a_nest() {
        let mut buf = vec![];
        let mut w = AttrWriter::new(&mut buf);
        w.bytes(7, &vec![0; 65_531]);
        assert_eq!(w.finish(), Ok(()));
        let mut w = AttrWriter::new(&mut buf);
        w.nest(2, |w| {
            w.bytes(7, &vec![0; 65_531]);
        });
        let path = AttrPath(vec![2]);
        assert_eq!(w.finish(), Err(EncodeError::AttributeTooLong { path, len: 65_540 }));
    }

    #[test]
    fn a_nul_inside_a_string_is_refused() {
        let mut buf = vec![];
        let mut w = AttrWriter::new(&mut buf);
        w.str(1, "a\0b");
        assert_eq!(w.finish(), Err(EncodeError::NulInString { path: AttrPath(vec![1]) }));
    }
}
