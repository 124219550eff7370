//! Handles and class ids.

/// The 32-bit name of a qdisc (`major:`) or class (`major:minor`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u32);
