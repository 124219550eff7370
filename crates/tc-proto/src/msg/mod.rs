//! The messages of traffic control and the attributes that all kinds have in common.
//!
//! Kernel: uapi/linux/rtnetlink.h (`struct tcmsg`, `struct tcamsg`, `TCA_*`), uapi/linux/netlink.h.

mod action;
mod attrs;
mod class;
mod extack;
mod filter;
mod header;
mod object;
mod qdisc;
mod reply;
mod request;
mod stats;
pub mod tca;
mod verb;

pub use action::{ActionHeader, ActionMessage, ActionRequest, ActionSpec, ActionView, Bitfield32};
pub use attrs::TcMessage;
pub use class::ClassRequest;
pub use extack::{ExtAck, Policy, Status, attribute_path};
pub use filter::{ChainRequest, FilterRequest, Hook, Info};
pub use header::{NetlinkHeader, NetlinkMessages, TcHeader};
pub use object::{
    ActionList, ChainList, ClassList, FilterList, ListRequest, ObjectRequest, QdiscList,
};
pub use qdisc::QdiscRequest;
pub use reply::{
    ActionReply, AnyReply, ChainReply, Change, ClassReply, FilterReply, QdiscReply, Reply,
};
pub use request::Request;
pub use stats::{BasicStats, QueueStats, RateEstimate, Stats};
pub use verb::{MessageType, Verb, flags};
