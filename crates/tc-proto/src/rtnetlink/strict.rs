//! A socket that takes no loss: where an answer may be missing, it breaks.
//!
//! netlink-proto goes on after a datagram that it cannot read, and after one that the kernel dropped;
//! who waits for what was in it would wait for ever, and with it the lists behind. A connection over
//! this socket ends instead, and all that wait get an error. Who waits for nothing loses nothing: on
//! this connection nothing comes that was not asked for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::BufMut;
use netlink_proto::sys::{AsyncSocket, SocketAddr};
use netlink_sys::Socket;

use crate::client::message::{DONE, ERROR, OVERRUN};
use crate::msg::{NetlinkHeader, NetlinkMessages};

/// Bytes of a status.
const STATUS: usize = 4;
/// Room for one datagram: the kernel makes the parts of a list shorter than this.
const DATAGRAM: usize = 32 * 1024;

pub(super) struct Strict<S> {
    inner: S,
    datagram: Mutex<Vec<u8>>,
    sent: AtomicBool,
    /// Who reads, before anything is sent.
    reader: Mutex<Option<Waker>>,
}

impl<S> Strict<S> {
    pub(super) fn over(inner: S) -> Self {
        Self { inner, datagram: Mutex::default(), sent: false.into(), reader: Mutex::default() }
    }
}

/// Whether all of a datagram can be read.
fn is_sound(datagram: &[u8]) -> bool {
    let sound = |(header, body): (NetlinkHeader, &[u8])| match header.message_type {
        OVERRUN => false,
        ERROR => body.len() >= STATUS,
        DONE => body.is_empty() || body.len() >= STATUS,
        _ => true,
    };
    !datagram.is_empty() && NetlinkMessages::new(datagram).all(|message| message.is_ok_and(sound))
}

fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    // Not the error itself: netlink-proto makes light of one of them.
    io::Error::other(why)
}

impl<S: AsyncSocket> AsyncSocket for Strict<S> {
    fn socket_ref(&self) -> &Socket {
        self.inner.socket_ref()
    }

    fn socket_mut(&mut self) -> &mut Socket {
        self.inner.socket_mut()
    }

    fn new(protocol: isize) -> io::Result<Self> {
        S::new(protocol).map(Self::over)
    }

    fn poll_send(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_send(context, buf)
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        buf: &[u8],
        to: &SocketAddr,
    ) -> Poll<io::Result<usize>> {
        if !self.sent.swap(true, Relaxed) {
            let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(reader) = reader {
                reader.wake();
            }
        }
        loop {
            match ready!(self.inner.poll_send_to(context, buf, to)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_recv<B: BufMut>(&self, context: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buf).map_ok(drop)
    }

    fn poll_recv_from<B: BufMut>(
        &self,
        context: &mut Context<'_>,
        buf: &mut B,
    ) -> Poll<io::Result<SocketAddr>> {
        if !self.sent.load(Relaxed) {
            // There is nothing to come, and nothing that it takes to hear it.
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            *reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut datagram = self.datagram.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            datagram.clear();
            datagram.reserve(DATAGRAM);
            return Poll::Ready(match ready!(self.inner.poll_recv_from(context, &mut *datagram)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => Err(broken(e)),
                // Port 0 is the kernel; nobody else was asked.
                Ok(from) if from.port_number() != 0 => continue,
                // What does not fit is cut without a word.
                Ok(from) if datagram.len() < datagram.capacity() && is_sound(&datagram) => {
                    buf.put_slice(&datagram);
                    Ok(from)
                }
                Ok(_) => Err(broken("what the kernel sent cannot be read")),
            });
        }
    }

    fn poll_recv_from_full(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        let mut datagram = Vec::with_capacity(DATAGRAM);
        let from = ready!(self.poll_recv_from(context, &mut datagram))?;
        Poll::Ready(Ok((datagram, from)))
    }
}
