//! Attributes kept as they are.

use super::{Attr, AttrWriter, Attrs, align};

/// Attributes as bytes, owned: those that a decoder does not know, or a list that is passed on.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawAttrs(Vec<u8>);

impl RawAttrs {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The bytes of a list of attributes, taken as they are.
    pub fn from_payload(payload: &[u8]) -> Self {
        Self(payload.to_vec())
    }

    /// Appends a copy of `attr`.
    pub fn push(&mut self, attr: Attr<'_>) {
        // The last attribute of a payload comes without its padding.
        self.0.resize(align(self.0.len()), 0);
        AttrWriter::new(&mut self.0).bytes(attr.raw_type(), attr.payload());
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes, in order.
    pub fn attrs(&self) -> Attrs<'_> {
        Attrs::new(&self.0)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for RawAttrs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.attrs().map(|a| (a.ty(), a.payload()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_go_behind_a_list_that_ends_without_padding() {
        let mut list = RawAttrs::from_payload(&[5, 0, 1, 0, 7]);
        let other = Attrs::new(&[5, 0, 2, 0, 9]).next().unwrap();
        list.push(other);
        let seen: Vec<_> = list.attrs().map(|a| (a.ty(), a.payload())).collect();
        assert_eq!(seen, [(1, &[7][..]), (2, &[9])]);
    }
}
