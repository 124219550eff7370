//! The messages of traffic control and the attributes that all kinds have in common.
//!
//! Kernel: uapi/linux/rtnetlink.h (`struct tcmsg`, `TCA_*`), uapi/linux/netlink.h.

mod extack;
mod header;
mod request;

pub use extack::{ExtAck, Policy, Status, attribute_path};
pub use header::{NetlinkHeader, NetlinkMessages, TcHeader};
pub use request::Request;

/// A message about a qdisc, class, filter or chain. (Grows in its own file.)
#[derive(Clone, Debug)]
pub struct TcMessage;
