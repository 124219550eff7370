//! A socket that costs nothing before it is used.
//!
//! The lists of a connection have a socket of their own, and many a connection does nothing but list.
//! So this one is opened in the network namespace where the connection is made, and the rest is done
//! when the first request is sent.

use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use netlink_proto::sys::protocols::NETLINK_ROUTE;
use netlink_proto::sys::{AsyncSocket, SocketAddr};
use netlink_sys::Socket;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::runtime;

/// Receive buffer in bytes; the kernel gives what it may.
pub(super) const BUFFER: i32 = 1 << 20;

pub(super) struct Lazy {
    socket: Socket,
    runtime: runtime::Handle,
    ready: OnceLock<io::Result<UnixDatagram>>,
}

impl Lazy {
    /// Opens it in the network namespace of the calling thread.
    pub(super) fn open(runtime: &runtime::Handle) -> io::Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        Ok(Self { socket, runtime: runtime.clone(), ready: OnceLock::new() })
    }

    /// Tells when the socket is ready. What it tells does not depend on what sort of socket it is.
    fn ready(&self) -> io::Result<&UnixDatagram> {
        let ready = self.ready.get_or_init(|| {
            // Kernels before 4.12 know less; what they leave out is not missed.
            let _ = self.socket.set_ext_ack(true);
            // The request need not come back with its error: it is still here.
            let _ = self.socket.set_cap_ack(true);
            let _ = self.socket.set_rx_buf_sz(BUFFER);
            self.socket.set_non_blocking(true)?;
            let same = self.socket.as_fd().try_clone_to_owned()?;
            let _entered = self.runtime.enter();
            UnixDatagram::from_std(same.into())
        });
        ready.as_ref().map_err(|e| io::Error::new(e.kind(), e.to_string()))
    }

    fn poll_write<T>(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let ready = self.ready()?;
        loop {
            ready!(ready.poll_send_ready(context))?;
            match ready.try_io(Interest::WRITABLE, &mut write) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_read<T>(
        &self,
        context: &mut Context<'_>,
        mut read: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let ready = self.ready()?;
        loop {
            ready!(ready.poll_recv_ready(context))?;
            match ready.try_io(Interest::READABLE, &mut read) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncSocket for Lazy {
    fn socket_ref(&self) -> &Socket {
        &self.socket
    }

    fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    fn new(_: isize) -> io::Result<Self> {
        let runtime = runtime::Handle::try_current().map_err(io::Error::other)?;
        Self::open(&runtime)
    }

    fn poll_send(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write(context, || self.socket.send(buf, 0))
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        buf: &[u8],
        to: &SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.poll_write(context, || self.socket.send_to(buf, to, 0))
    }

    fn poll_recv<B: BufMut>(&self, context: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buf).map_ok(drop)
    }

    fn poll_recv_from<B: BufMut>(
        &self,
        context: &mut Context<'_>,
        buf: &mut B,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_read(context, || self.socket.recv_from(buf, 0)).map_ok(|(_, from)| from)
    }

    fn poll_recv_from_full(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        self.poll_read(context, || self.socket.recv_from_full())
    }
}
