//! Netlink attributes: a writer that works in one pass and a reader that borrows.
//!
//! Kernel: uapi/linux/netlink.h, `struct nlattr`.

mod raw;
mod reader;
mod writer;

pub use raw::RawAttrs;
pub use reader::{Attr, Attrs, Reader};
pub use writer::AttrWriter;

/// `NLA_F_NESTED`: the attribute holds attributes. Most of tc's nests are sent without it.
#[doc(alias = "NLA_F_NESTED")]
pub const NESTED: u16 = 1 << 15;

/// `NLA_F_NET_BYTEORDER`: the payload is big-endian.
#[doc(alias = "NLA_F_NET_BYTEORDER")]
pub const NET_BYTEORDER: u16 = 1 << 14;

/// The bits of an attribute's type that are its type.
#[doc(alias = "NLA_TYPE_MASK")]
pub const TYPE_MASK: u16 = !(NESTED | NET_BYTEORDER);

/// Size of an attribute's header in bytes.
pub const ATTR_HEADER: usize = 4;

/// Rounds a length up to the four bytes that messages and attributes are aligned to.
pub const fn align(len: usize) -> usize {
    len.saturating_add(3) & !3
}
