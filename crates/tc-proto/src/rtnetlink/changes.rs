//! The stream of what others change.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use netlink_proto::sys::protocols::NETLINK_ROUTE;
use netlink_proto::sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::runtime;

use super::connection::current_runtime;
use super::lazy::BUFFER;
use crate::client::message::OVERRUN;
use crate::client::monitor::Gap;
use crate::client::{Error, Monitor, Netns};
use crate::msg::{Change, MessageType, NetlinkMessages};
use crate::wire::align;

/// Room for one datagram. The kernel's notifications are much shorter.
const DATAGRAM: usize = 64 * 1024;

/// The changes of traffic control that others make, and one's own, in the network namespace of the
/// calling thread.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use tc_proto::msg::{AnyReply, Change};
///
/// # async fn example() -> Result<(), tc_proto::client::Error> {
/// let mut changes = tc_proto::rtnetlink::changes()?;
/// while let Some(change) = changes.try_next().await? {
///     match change {
///         Change::Deleted(AnyReply::Filter(filter)) => println!("gone: {filter:?}"),
///         Change::Lost => println!("too slow, list anew"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// The stream has a socket of its own and needs no connection, but a tokio runtime with I/O. An error
/// about one message, [`Error::Decode`], does not end it. An error of the socket, [`Error::Io`], is
/// its last item; otherwise it does not end.
#[doc(alias = "RTNLGRP_TC")]
pub fn changes() -> Result<Changes, Error> {
    subscribe(&current_runtime()?)
}

/// The same in another network namespace. The calling thread stays where it is.
pub fn changes_in(netns: &Netns) -> Result<Changes, Error> {
    let runtime = current_runtime()?;
    netns.run(|| subscribe(&runtime))?
}

fn subscribe(runtime: &runtime::Handle) -> Result<Changes, Error> {
    let _entered = runtime.enter();
    let mut socket =
        TokioSocket::new(NETLINK_ROUTE).map_err(|source| Error::Io { op: "open", source })?;
    let _ = socket.socket_ref().set_rx_buf_sz(BUFFER);
    let groups = 1 << (Monitor::TC - 1);
    socket
        .socket_mut()
        .bind(&SocketAddr::new(0, groups))
        .map_err(|source| Error::Io { op: "subscribe", source })?;
    Ok(Changes(Heard::over(socket)))
}

/// A stream of changes; see [`changes`]. Dropped, it ends the subscription.
#[must_use = "streams do nothing unless they are polled"]
pub struct Changes(Heard<TokioSocket>);

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

impl Stream for Changes {
    type Item = Result<Change, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next(context)
    }
}

/// Whether nothing waits to be read.
fn is_empty(socket: &impl AsyncSocket) -> bool {
    let mut nothing: &mut [u8] = &mut [];
    let looked = socket.socket_ref().recv_from(&mut nothing, libc::MSG_PEEK | libc::MSG_DONTWAIT);
    looked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

/// What comes out of a socket that is subscribed.
pub(super) struct Heard<S> {
    /// Goes with its first error.
    socket: Option<S>,
    datagram: Vec<u8>,
    /// Where the next message starts in it.
    at: usize,
    gap: Gap,
}

impl<S: AsyncSocket> Heard<S> {
    pub(super) fn over(socket: S) -> Self {
        Self { socket: Some(socket), datagram: Vec::new(), at: 0, gap: Gap::default() }
    }

    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Change, Error>>> {
        loop {
            if let Some(next) = self.next_received() {
                return Poll::Ready(Some(next));
            }
            let Some(socket) = &self.socket else { return Poll::Ready(None) };
            self.at = 0;
            self.datagram.clear();
            self.datagram.reserve(DATAGRAM);
            // `poll_recv_from_full` would ask twice for each, and panic where the answers differ.
            let received = match socket.poll_recv_from(context, &mut self.datagram) {
                Poll::Ready(received) => received,
                // It may also be that others are to have their turn.
                Poll::Pending if self.gap.is_open() && is_empty(socket) => {
                    self.gap.empty();
                    return Poll::Ready(Some(Ok(Change::Lost)));
                }
                Poll::Pending => return Poll::Pending,
            };
            let failed = match received {
                // Port 0 is the kernel; nobody else is listened to.
                Ok(from) if from.port_number() != 0 => {
                    self.datagram.clear();
                    continue;
                }
                Ok(_) if self.datagram.is_empty() => io::ErrorKind::UnexpectedEof.into(),
                // What does not fit is cut without a word.
                Ok(_) if self.datagram.len() == self.datagram.capacity() => {
                    self.datagram.clear();
                    return Poll::Ready(Some(Ok(Change::Lost)));
                }
                Ok(_) if self.gap.read() => return Poll::Ready(Some(Ok(Change::Lost))),
                Ok(_) => continue,
                Err(e) => e,
            };
            match failed.raw_os_error() {
                Some(libc::ENOBUFS) if self.gap.dropped() => {
                    return Poll::Ready(Some(Ok(Change::Lost)));
                }
                Some(libc::ENOBUFS | libc::EINTR) => {}
                _ => {
                    self.socket = None;
                    let failed = Error::Io { op: "receive", source: failed };
                    return Poll::Ready(Some(Err(failed)));
                }
            }
        }
    }

    /// The next change in the datagram received last.
    fn next_received(&mut self) -> Option<Result<Change, Error>> {
        loop {
            let rest = self.datagram.get(self.at..).unwrap_or_default();
            let (header, body) = match NetlinkMessages::new(rest).next()? {
                Ok(message) => message,
                Err(e) => {
                    self.at = self.datagram.len();
                    return Some(Err(e.into()));
                }
            };
            self.at += align(header.len as usize);
            let message_type = MessageType(header.message_type);
            if header.message_type == OVERRUN {
                return Some(Ok(Change::Lost));
            }
            if Change::is_one(message_type) {
                return Some(
                    Change::from_message(message_type, body.to_vec()).map_err(Error::from),
                );
            }
        }
    }
}
