//! Linux traffic control over netlink.
//!
//! This crate knows the messages that `tc` and the kernel exchange: qdiscs, classes, filters,
//! chains and actions, the attributes they have in common, and the options of each *kind* (`htb`,
//! `bpf`, …). Without features it only encodes and decodes; it does no I/O.
//!
//! | feature  | adds |
//! |----------|------|
//! | `client` | [`client::Client`], a blocking client over a netlink socket |
//!
//! Three habits hold everywhere:
//!
//! * **Absent is not zero.** An optional attribute is an `Option`; nothing is sent that was not set.
//! * **Unknown is data.** Unknown attributes, kinds and enum values survive decoding; a struct that
//!   is shorter than today's is zero-extended, a longer one keeps its tail.
//! * **One bad entry never spoils the rest.** A message keeps its options as raw bytes and decodes
//!   them per kind, when asked.

pub mod action;
#[cfg(feature = "client")]
pub mod client;
pub mod error;
pub mod filter;
pub mod kind;
pub mod msg;
pub mod qdisc;
pub mod units;
pub mod wire;

pub use error::{DecodeError, EncodeError};
pub use kind::{Action, Filter, Kind, Options, Qdisc};
pub use msg::{TcHeader, TcMessage};
pub use units::Handle;
