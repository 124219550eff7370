//! Kinds of actions, a file each, and what they have in common.
//!
//! Kernel: uapi/linux/pkt_cls.h `tc_gen`, `TC_ACT_*`.

mod control;
mod head;

pub mod gact;
pub mod mirred;

pub use control::{Control, Verdict};
pub use gact::Gact;
pub use head::{ActionHead, ActionTimes};
pub use mirred::Mirred;
