//! Linux traffic control over netlink.
//!
//! This crate knows the messages that `tc` and the kernel exchange: qdiscs, classes, filters,
//! chains and actions, the attributes they have in common, and the options of each *kind* (`pfifo`,
//! `bpf`, …). Without features it only encodes and decodes; it does no I/O.
//!
//! | feature | adds |
//! |---------|------|
//! | `client` | the module `client`: a blocking client, for this or another network namespace |
//! | `rtnetlink` | the module `rtnetlink`: the async client, beside rtnetlink or alone, on tokio |
//! | `netlink-packet-core` | the module `packet_core`: messages for any connection of netlink-proto |
//!
//! Programs that want something done begin with a client; its requests are those below.
//!
#![cfg_attr(feature = "client", doc = include_str!("attach.md"))]
//!
#![cfg_attr(feature = "client", doc = "See [`client`] for its guide.")]
//!
//! # A request
//!
//! A request is a plain struct: [`msg::QdiscRequest`], [`msg::FilterRequest`], and so on. Its kind
//! and options are [`Options`], made from the struct of that kind; a [`msg::Verb`] makes it an
//! addition, a change, a replacement or a deletion. What comes out is a [`msg::Request`], a complete
//! netlink message for any socket.
//!
//! ```
//! use tc_proto::filter::bpf::{Bpf, ClassicInsn, Program};
//! use tc_proto::msg::{FilterRequest, Hook, MessageType, Verb};
//! use tc_proto::units::Protocol;
//!
//! // tc filter add dev lo ingress pref 5 protocol ip bpf bytecode '1,6 0 0 0'
//! let drop_all = ClassicInsn { code: 6, jt: 0, jf: 0, k: 0 };
//! let bpf = Bpf { program: Some(Program::Classic(vec![drop_all])), ..Bpf::default() };
//! let filter = FilterRequest::new(Hook::ingress(1)).prio(5).protocol(Protocol(0x0800)).with(&bpf)?;
//!
//! let request = filter.encode(Verb::Add)?;
//! assert_eq!(request.message_type(), MessageType::NEW_FILTER);
//! # Ok::<(), tc_proto::EncodeError>(())
//! ```
//!
//! What a message refers to by number is borrowed: a `Program::Extended` holds a
//! [`BorrowedFd`](std::os::fd::BorrowedFd), so that [`Options::of`] and the request made from it
//! cannot outlive the descriptor.
//!
//! ```compile_fail,E0505
//! # use std::os::fd::{AsFd, OwnedFd};
//! # use tc_proto::filter::bpf::{Bpf, Program};
//! # use tc_proto::msg::{FilterRequest, Hook, Verb};
//! # use tc_proto::Options;
//! fn closed_too_early(fd: OwnedFd) -> Result<usize, tc_proto::EncodeError> {
//!     let bpf = Bpf { program: Some(Program::Extended(fd.as_fd())), ..Bpf::default() };
//!     let options = Some(Options::of(&bpf)?);
//!     let request = FilterRequest { options, ..FilterRequest::new(Hook::ingress(1)) };
//!     let request = request.encode(Verb::Add)?;
//!     drop(fd); // error: the request still speaks of it
//!     Ok(request.bytes().len())
//! }
//! ```
//!
//! # An answer
//!
//! Answers and notifications come as [`msg::QdiscReply`], [`msg::FilterReply`], and so on, which own
//! their bytes; [`msg::Change`] is a notification of any of them. Where speed counts,
//! [`TcMessage::decode`] reads what the kernel sends about qdiscs, classes, filters and chains. It
//! borrows from the bytes and keeps the options raw; the kind's struct reads them when asked.
//!
//! ```
//! use tc_proto::TcMessage;
//! use tc_proto::qdisc::Pfifo;
//! # use tc_proto::msg::{QdiscRequest, Verb};
//! # use tc_proto::{Handle, Options};
//! # let fifo = Pfifo { limit_pkts: Some(100) };
//! # let options = Some(Options::of(&fifo)?);
//! # let request = QdiscRequest { parent: Handle::ROOT, options, ..QdiscRequest::default() };
//! # let request = request.encode(Verb::Add)?;
//! # let body = request.body();
//! // `body` is what follows the netlink header.
//! let message = TcMessage::decode(body)?;
//! if let Some(Ok(fifo)) = message.options().as_ref().and_then(|o| o.decode::<Pfifo>()) {
//!     assert_eq!(fifo.limit_pkts, Some(100));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Habits
//!
//! * **Absent is not zero.** An optional attribute is an `Option`; nothing is sent that was not set.
//! * **Unknown is data.** Unknown attributes, kinds and enum values survive decoding. What a
//!   structure has beyond the fields known here is skipped; one that ends before them is a
//!   [`DecodeError::Truncated`].
//! * **One bad entry never spoils the rest.** A message keeps its options as raw bytes and decodes
//!   them per kind, when asked.
//! * **Units are in names and types**: `limit_pkts`, `limit_bytes`, [`units::TimeUs`],
//!   [`units::Rate`]. The units read and print numbers as tc does.
//! * **The kernel's names find ours**: search the documentation for `TCA_BPF_FLAGS` or `tc_fifo_qopt`.
//!
//! # Another kind
//!
//! A kind of your own needs no change here: implement [`Kind`] and hand it to [`Options::of`].
//!
//! ```
//! use tc_proto::wire::{AttrWriter, Attrs};
//! use tc_proto::{DecodeError, Kind, Options};
//!
//! /// `fq_codel`, as far as we need it. Kernel: uapi/linux/pkt_sched.h `TCA_FQ_CODEL_*`.
//! #[derive(Debug, Default, PartialEq)]
//! struct FqCodel {
//!     target_us: Option<u32>,
//! }
//!
//! const TCA_FQ_CODEL_TARGET: u16 = 1;
//!
//! impl Kind for FqCodel {
//!     const NAME: &'static str = "fq_codel";
//!
//!     fn encode(&self, w: &mut AttrWriter<'_>) {
//!         if let Some(target) = self.target_us {
//!             w.u32(TCA_FQ_CODEL_TARGET, target);
//!         }
//!     }
//!
//!     fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
//!         let target = Attrs::new(payload).find(TCA_FQ_CODEL_TARGET);
//!         Ok(Self { target_us: target.map(|attr| attr.u32()).transpose()? })
//!     }
//! }
//!
//! let fq_codel = FqCodel { target_us: Some(5000) };
//! let options = Options::of(&fq_codel)?;
//! assert_eq!(options.decode::<FqCodel>().unwrap()?, fq_codel);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(all(doctest, feature = "client"), doc = include_str!("../README.md"))]

pub mod action;
#[cfg(feature = "client")]
pub mod client;
pub mod ematch;
pub mod error;
pub mod filter;
pub mod kind;
pub mod msg;
#[cfg(feature = "netlink-packet-core")]
pub mod packet_core;
pub mod qdisc;
#[cfg(feature = "rtnetlink")]
pub mod rtnetlink;
pub mod units;
pub mod wire;

#[cfg(feature = "client")]
pub use client::Error;
pub use error::{DecodeError, EncodeError};
pub use kind::{Action, Ematch, Filter, Kind, Options, Qdisc};
pub use msg::{TcHeader, TcMessage};
pub use units::Handle;
