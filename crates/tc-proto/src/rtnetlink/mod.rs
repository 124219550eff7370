//! The async client: beside rtnetlink on its connection, or on one of its own; on tokio.
//!
//! The requests, the replies and the errors are those of the blocking [`client`](crate::client).
//!
//! # Beside rtnetlink
//!
//! Who has an [`rtnetlink::Handle`] asks it for traffic control as well:
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use rtnetlink::sys::AsyncSocket;
//! use tc_proto::qdisc::Pfifo;
//! use tc_proto::rtnetlink::TcExt;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut connection, handle, _) = rtnetlink::new_connection()?;
//! connection.socket_mut().socket_mut().set_ext_ack(true)?; // for the kernel's sentences
//! tokio::spawn(connection);
//!
//! let fifo = Pfifo { limit_pkts: Some(100) };
//! handle.tc().qdisc().add(2).root().handle(1, 0).kind(fifo).execute().await?;
//! let mut qdiscs = std::pin::pin!(handle.tc().qdisc().get(2));
//! while let Some(qdisc) = qdiscs.try_next().await? {
//!     println!("{} {}", qdisc.kind(), qdisc.handle());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What such a connection cannot give, since it belongs to rtnetlink:
//!
//! * The kernel's sentence with an error comes only when the owner of the connection turned it on, as
//!   above. Without it, [`is_unsupported`](crate::client::Error::is_unsupported) cannot tell a kind
//!   that the kernel lacks from an object that is not there. Warnings with a success never come.
//! * A list in whose middle the kernel fails looks complete, and entries that netlink-packet-route
//!   cannot parse are missing. It also drops what it does not know from a few kinds' statistics.
//! * While a list is read, another one over the same connection is put off by the kernel. Lists of
//!   this crate try again; rtnetlink's own fail then.
//! * There are no batches: requests go one by one.
//!
//! # On a connection of its own
//!
//! [`new_connection`] has none of these limits; [`changes`] is the stream of what others change.
//!
//! ```no_run
//! use tc_proto::msg::{ClassList, QdiscRequest};
//! use tc_proto::qdisc::FqCodel;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (connection, tc) = tc_proto::rtnetlink::new_connection()?;
//! tokio::spawn(connection);
//!
//! let eth0 = tc.link_index("eth0").await?;
//! let ack = tc.replace(&QdiscRequest::root(eth0).with(&FqCodel::default())?).await?;
//! if let Some(warning) = ack.warning {
//!     eprintln!("{warning:?}");
//! }
//! for class in &tc.list(&ClassList::on(eth0)).await? {
//!     println!("{} {}", class.kind(), class.classid());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nobody waits there for what will not come: a connection that loses an answer, or cannot read one,
//! ends, and all that wait get an error. Over rtnetlink's connection they wait on.
//!
//! # Cancelling
//!
//! A future may be dropped at any time. A request that was not sent is not sent; one that was is not
//! taken back, its answer is read and forgotten. What a request names by number, such as the
//! descriptor of a BPF program, it owns until the kernel has answered ([`OwnedRequest`]), so that no
//! number is sent whose descriptor is closed, or another's.
//!
//! # Versions
//!
//! This feature has the types of rtnetlink 0.24 and netlink-packet-route 0.34 in its interface, and
//! re-exports them as [`crates`]. A new minor version of this crate follows theirs.

mod builder;
mod changes;
mod channel;
mod connection;
pub mod convert;
mod handle;
mod keep;
mod lazy;
mod request;
mod strict;
#[cfg(test)]
mod tests;

/// The crates whose types are in the interface, in the versions that fit.
pub mod crates {
    pub use ::rtnetlink;
    pub use netlink_packet_core;
    pub use netlink_packet_route;
    pub use netlink_proto;
}

pub use builder::{ActionHandle, ChainHandle, Change, ClassHandle, FilterHandle, QdiscHandle};
pub use changes::{Changes, changes, changes_in};
pub use connection::{Connection, new_connection, new_connection_in};
pub use handle::TcHandle;
pub use request::OwnedRequest;

/// Traffic control for an [`rtnetlink::Handle`].
pub trait TcExt {
    /// Requests about traffic control over the same connection.
    fn tc(&self) -> TcHandle;
}

impl TcExt for ::rtnetlink::Handle {
    fn tc(&self) -> TcHandle {
        TcHandle::new(channel::Channel::Shared(self.clone()), handle::Lists::default())
    }
}
