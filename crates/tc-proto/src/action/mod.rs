//! Kinds of actions, a file each, and what they have in common.
//!
//! Kernel: uapi/linux/pkt_cls.h `tc_gen`, `TC_ACT_*`.

mod control;
mod head;

pub mod bpf;
pub mod gact;
pub mod mirred;
pub mod police;
pub mod simple;
pub mod skbedit;
pub mod vlan;

pub use bpf::Bpf;
pub use control::{Control, Verdict};
pub use gact::Gact;
pub use head::{ActionHead, ActionTimes};
pub use mirred::Mirred;
pub use police::Police;
pub use simple::Simple;
pub use skbedit::Skbedit;
pub use vlan::Vlan;
