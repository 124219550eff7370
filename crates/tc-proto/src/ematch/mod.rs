//! Ematches: what filters such as `basic` look for, a file for each kind, and the tree that joins
//! them.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_EMATCH_TREE_*`, net/sched/ematch.c; since 2.6.11.
//!
//! ```
//! use tc_proto::ematch::{Entry, Layer, Nbyte, Relation, Tree};
//! let dns = Nbyte { offset: 2, layer: Layer::TRANSPORT, needle: b"\0\x35".to_vec() };
//! let tree = Tree { entries: vec![Entry::of(&dns)?], ..Tree::default() };
//! assert_eq!(tree.entries[0].relation(), Relation::End);
//! # Ok::<(), tc_proto::EncodeError>(())
//! ```

pub mod canid;
pub mod cmp;
pub mod ipset;
pub mod ipt;
pub mod meta;
pub mod nbyte;
pub mod u32;

pub use canid::Canid;
pub use cmp::Cmp;
pub use ipset::IpSet;
pub use ipt::Ipt;
pub use meta::Meta;
pub use nbyte::Nbyte;
pub use u32::U32;

use crate::error::{DecodeError, EncodeError};
use crate::kind::Ematch;
use crate::wire::{Attr, AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_ematch_tree_hdr`: how many ematches there are, and who made them.
pub const TCA_EMATCH_TREE_HDR: u16 = 1;
/// Nest: the ematches, each with its number in the list as its type, from 1 on.
pub const TCA_EMATCH_TREE_LIST: u16 = 2;

/// `TCF_EM_CONTAINER`: not an ematch but a group, which holds the index of its first entry.
#[doc(alias = "TCF_EM_CONTAINER")]
pub const CONTAINER: u16 = 0;

/// `TCF_EM_REL_MASK`: the bits of [`Entry::flags`] that say how it goes on.
const REL_MASK: u16 = 3;
/// `TCF_EM_INVERT`: the bit of [`Entry::flags`] that turns a match around.
const INVERT: u16 = 4;

/// Where offsets into a packet are counted from. Other values are kept, the kernel refuses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layer(pub u8);

impl Layer {
    /// The link layer's header.
    #[doc(alias = "TCF_LAYER_LINK")]
    pub const LINK: Self = Self(0);
    /// The network layer's header.
    #[doc(alias = "TCF_LAYER_NETWORK")]
    pub const NETWORK: Self = Self(1);
    /// The transport layer's header.
    #[doc(alias = "TCF_LAYER_TRANSPORT")]
    pub const TRANSPORT: Self = Self(2);
}

/// How two numbers are compared. Other values are kept, the kernel refuses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operand(pub u8);

impl Operand {
    /// They are equal.
    #[doc(alias = "TCF_EM_OPND_EQ")]
    pub const EQ: Self = Self(0);
    /// The first is greater.
    #[doc(alias = "TCF_EM_OPND_GT")]
    pub const GT: Self = Self(1);
    /// The first is less.
    #[doc(alias = "TCF_EM_OPND_LT")]
    pub const LT: Self = Self(2);
}

/// How an ematch is joined to the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It is the last one of its group.
    End,
    /// Both must match.
    And,
    /// One of them must match.
    Or,
    /// Both bits are set, which the kernel refuses.
    Invalid,
}

/// One ematch of a tree, or a group of them: `struct tcf_ematch_hdr` and what follows it.
#[doc(alias = "tcf_ematch_hdr")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// A number that means something to whoever made the tree; tc leaves it 0.
    pub id: u16,
    /// The number of the kind, `TCF_EM_*`; [`CONTAINER`] for a group.
    pub kind: u16,
    /// How it is joined to the next one, and whether it is turned around.
    pub flags: u16,
    /// Unused.
    pub pad: u16,
    /// What the kind's ematch holds, decoded when asked.
    pub data: Vec<u8>,
}

/// The ematches of a filter, in one list: first those of the expression itself, then those of each
/// group in turn.
///
/// A group refers to its first member by the member's index. The kernel takes only references to
/// entries further behind, and 32 groups inside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The program that made the tree, `TCF_EM_PROG_*`; 0 is tc.
    pub program: u16,
    /// The list.
    pub entries: Vec<Entry>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Entry {
    /// A single ematch of this kind.
    pub fn of<K: Ematch>(ematch: &K) -> Result<Self, EncodeError> {
        let mut data = Vec::new();
        let mut w = AttrWriter::new(&mut data);
        ematch.encode(&mut w);
        w.finish()?;
        Ok(Self { kind: K::NUMBER, data, ..Self::default() })
    }

    /// A group whose first member has this index in the list.
    pub fn container(first: u32) -> Self {
        Self { kind: CONTAINER, data: first.to_ne_bytes().to_vec(), ..Self::default() }
    }

    /// The index of a group's first member; `None` when it is no group.
    pub fn first_member(&self) -> Option<Result<u32, DecodeError>> {
        (self.kind == CONTAINER).then(|| Reader::new("tcf_ematch container", &self.data).u32())
    }

    /// How it is joined to the next one.
    pub fn relation(&self) -> Relation {
        match self.flags & REL_MASK {
            0 => Relation::End,
            1 => Relation::And,
            2 => Relation::Or,
            _ => Relation::Invalid,
        }
    }

    /// Whether it matches what it does not look for.
    pub fn is_inverted(&self) -> bool {
        self.flags & INVERT != 0
    }

    /// Joins it to the next one.
    #[must_use]
    pub fn joined(mut self, relation: Relation) -> Self {
        let bits = match relation {
            Relation::End => 0,
            Relation::And => 1,
            Relation::Or => 2,
            Relation::Invalid => 3,
        };
        self.flags = self.flags & !REL_MASK | bits;
        self
    }

    /// Turns it around, or not.
    #[must_use]
    pub fn inverted(mut self, inverted: bool) -> Self {
        self.flags = self.flags & !INVERT | if inverted { INVERT } else { 0 };
        self
    }

    /// What it holds as an ematch of kind `K`, or `None` when it is of another kind.
    pub fn decode<K: Ematch>(&self) -> Option<Result<K, DecodeError>> {
        (self.kind == K::NUMBER).then(|| K::decode(&self.data))
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tcf_ematch_hdr", attr.payload());
        let mut entry =
            Self { id: r.u16()?, kind: r.u16()?, flags: r.u16()?, pad: r.u16()?, data: Vec::new() };
        entry.data = r.rest().to_vec();
        Ok(entry)
    }

    fn write(&self, w: &mut AttrWriter<'_>) {
        for field in [self.id, self.kind, self.flags, self.pad] {
            w.raw(&field.to_ne_bytes());
        }
        w.raw(&self.data);
    }
}

impl Tree {
    /// Writes the payload of the attribute that holds the tree.
    pub fn encode(&self, w: &mut AttrWriter<'_>) {
        let count = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        let mut header = count.to_ne_bytes().to_vec();
        header.extend_from_slice(&self.program.to_ne_bytes());
        w.bytes(TCA_EMATCH_TREE_HDR, &header);
        w.nest(TCA_EMATCH_TREE_LIST, |w| {
            for (number, entry) in (1..).zip(&self.entries) {
                w.nest(number, |w| entry.write(w));
            }
        });
        w.copy(&self.unknown);
    }

    /// Reads the payload of the attribute that holds the tree.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut tree = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_EMATCH_TREE_HDR => {
                    let mut r = Reader::new("tcf_ematch_tree_hdr", attr.payload());
                    // The list says by itself how many there are.
                    r.u16()?;
                    tree.program = r.u16()?;
                }
                TCA_EMATCH_TREE_LIST => {
                    let entry = |attr: Attr<'_>| {
                        Entry::read(attr)
                            .map_err(|e| e.inside(attr.ty()).inside(TCA_EMATCH_TREE_LIST))
                    };
                    tree.entries = attr.nested().map(entry).collect::<Result<_, _>>()?;
                }
                _ => tree.unknown.push(attr),
            }
        }
        Ok(tree)
    }
}

/// The low and the high four bits of a byte, as C's bit-fields lie: the first declared is the low
/// one where the least significant byte comes first.
const fn nibbles(first: u8, second: u8) -> u8 {
    let (first, second) = (first & 15, second & 15);
    if cfg!(target_endian = "little") { first | second << 4 } else { first << 4 | second }
}

/// The reverse of [`nibbles`].
const fn split_nibbles(byte: u8) -> (u8, u8) {
    if cfg!(target_endian = "little") { (byte & 15, byte >> 4) } else { (byte >> 4, byte & 15) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `basic match 'not (cmp(u8 at 0 eq 1) or cmp(u8 at 1 eq 2)) and nbyte("a" at 1)'`.
    #[test]
    fn groups_come_behind_the_list_they_are_in() {
        let cmp = |value, offset| Cmp {
            value,
            offset,
            align: cmp::Align::U8,
            layer: Layer::NETWORK,
            ..Cmp::default()
        };
        let nbyte = Nbyte { offset: 1, layer: Layer::NETWORK, needle: b"a".to_vec() };
        let tree = Tree {
            entries: vec![
                Entry::container(2).inverted(true).joined(Relation::And),
                Entry::of(&nbyte).unwrap(),
                Entry::of(&cmp(1, 0)).unwrap().joined(Relation::Or),
                Entry::of(&cmp(2, 1)).unwrap(),
            ],
            ..Tree::default()
        };
        let mut bytes = Vec::new();
        let mut w = AttrWriter::new(&mut bytes);
        tree.encode(&mut w);
        w.finish().unwrap();
        #[rustfmt::skip]
        let expected = [
            8, 0, 1, 0, 4, 0, 0, 0,
            0x58, 0, 2, 0,
            16, 0, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0,
            20, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0x10, b'a', 0, 0, 0,
            24, 0, 3, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
            24, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(Tree::decode(&bytes), Ok(tree));
    }

    #[test]
    fn an_entry_without_its_header_says_which() {
        let list = [12, 0, 2, 0, 6, 0, 1, 0, 0, 0, 0, 0];
        let err = Tree::decode(&list).unwrap_err();
        assert_eq!(
            err.to_string(),
            "attribute 2.1: tcf_ematch_hdr: 2 bytes where at least 4 are needed"
        );
    }
}
