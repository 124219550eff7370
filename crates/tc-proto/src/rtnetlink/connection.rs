//! Connections of our own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use netlink_proto::ConnectionHandle;
use netlink_proto::sys::AsyncSocket;
use tokio::runtime;

use super::channel::Channel;
use super::handle::{Lists, TcHandle};
use super::lazy::Lazy;
use super::strict::Strict;
use crate::client::{Client, Error, Netns};
use crate::packet_core::RawMessage;

/// Opens a connection in the network namespace of the calling thread: the connection itself, which
/// is a future that somebody must drive, and the handle to ask it things.
///
/// It has what rtnetlink's connection has not: acknowledgements with the kernel's warnings, errors
/// in the middle of a list, every message as it came, and batches.
///
/// ```no_run
/// # async fn example() -> Result<(), tc_proto::client::Error> {
/// let (connection, tc) = tc_proto::rtnetlink::new_connection()?;
/// tokio::spawn(connection);
/// let eth0 = tc.link_index("eth0").await?;
/// tc.ensure_clsact(eth0).await?;
/// # Ok(())
/// # }
/// ```
///
/// Needs a tokio runtime with I/O around it. The connection ends when all its handles are gone, and
/// when an answer is lost or cannot be read: then all that wait for one get
/// [`Error::NoAnswer`], and later requests an [`Error::Io`], for which a new connection is the remedy.
/// Lists are read on a second socket, whether or not somebody drives the connection.
pub fn new_connection() -> Result<(Connection, TcHandle), Error> {
    connect(&current_runtime()?)
}

/// The same in another network namespace. The calling thread stays where it is.
pub fn new_connection_in(netns: &Netns) -> Result<(Connection, TcHandle), Error> {
    let runtime = current_runtime()?;
    netns.run(|| connect(&runtime))?
}

fn connect(runtime: &runtime::Handle) -> Result<(Connection, TcHandle), Error> {
    let socket = Lazy::open(runtime).map_err(|source| Error::Io { op: "open", source })?;
    let lists = Client::open()?;
    let (connection, handle) = over(socket);
    Ok((Connection(connection), TcHandle::new(Channel::Own(handle), Lists::by(lists))))
}

type Over<S> = netlink_proto::Connection<RawMessage, Strict<S>>;

/// A connection over any socket.
pub(super) fn over<S: AsyncSocket>(socket: S) -> (Over<S>, ConnectionHandle<RawMessage>) {
    let socket = Strict::over(socket);
    let (mut connection, handle, _) =
        netlink_proto::from_socket_with_codec::<RawMessage, Strict<S>, _>(socket);
    connection.set_forward_ack(true);
    connection.set_forward_done(true);
    (connection, handle)
}

/// The connection of [`new_connection`]: a future that sends and receives, and that somebody must
/// drive, such as `tokio::spawn`. Dropped, it closes the socket: what was not sent is not sent, and all
/// that wait for an answer get [`Error::NoAnswer`].
#[must_use = "nothing is sent unless the connection is driven"]
pub struct Connection(Over<Lazy>);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.get_mut().0).poll(context)
    }
}

pub(super) fn current_runtime() -> Result<runtime::Handle, Error> {
    runtime::Handle::try_current()
        .map_err(|e| Error::Io { op: "open", source: io::Error::other(e) })
}
