//! Notifications: what others change.
//!
//! Kernel: uapi/linux/rtnetlink.h (`RTNLGRP_*`).

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::transport::{Received, Transport, io_error, receive, subscribe};
use super::{DATAGRAM, Error, Netns, message};
use crate::msg::{Change, MessageType, NetlinkHeader, NetlinkMessages};
use crate::wire::align;

/// A socket that receives notifications. Dropped, it ends the subscription.
#[derive(Debug)]
pub struct Monitor {
    transport: Box<dyn Transport>,
    buf: Vec<u8>,
    /// Where the next message starts in `buf`.
    at: usize,
    timeout: Option<Duration>,
    gap: Gap,
}

/// Notifications that were dropped, of which nobody has been told.
///
/// The kernel says that its buffer is full before it gives out what is in it, and drops on until that
/// is read, without saying so again. Who looked at everything anew as soon as it says so would miss what
/// changes until then. So what there is is read first, and then it is told.
#[derive(Debug, Default)]
pub(crate) struct Gap {
    /// How much was read since.
    read: Option<usize>,
}

impl Gap {
    /// A buffer holds less. When more was read, it was empty in between.
    const FULL: usize = 8192;

    /// The kernel says that it dropped something. Says whether to tell now: the buffer was empty since
    /// it said so before.
    pub(crate) fn dropped(&mut self) -> bool {
        self.read.replace(0).is_some()
    }

    /// Something was read. Says whether to tell now.
    pub(crate) fn read(&mut self) -> bool {
        let read = self.read.map(|n| n + 1);
        self.read = read.filter(|n| *n < Self::FULL);
        read != self.read
    }

    /// There is nothing to read. Says whether to tell now.
    pub(crate) fn empty(&mut self) -> bool {
        self.read.take().is_some()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.read.is_some()
    }
}

/// An event by its place in the buffer.
enum Next {
    Message(NetlinkHeader, Range<usize>),
    Lost,
}

/// What a [`Monitor`] has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A message: header and body.
    Message(NetlinkHeader, &'a [u8]),
    /// The socket's buffer was full and the kernel dropped notifications. What was in it came before
    /// this; all that changes from now on follows, but what is known from earlier may be outdated.
    Lost,
}

/// The changes that a [`Monitor`] hears of; see [`Monitor::changes`].
#[derive(Debug)]
pub struct Changes<'a> {
    monitor: &'a mut Monitor,
    timeout: Duration,
    /// The socket failed.
    failed: bool,
}

impl Iterator for Changes<'_> {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let (message_type, body) = match self.monitor.next_timeout(self.timeout) {
                Ok(Some(Event::Message(header, body))) => (MessageType(header.message_type), body),
                Ok(Some(Event::Lost)) => return Some(Ok(Change::Lost)),
                Ok(None) => return None,
                Err(e) => {
                    self.failed = !matches!(e, Error::Decode(_));
                    return Some(Err(e));
                }
            };
            if Change::is_one(message_type) {
                return Some(
                    Change::from_message(message_type, body.to_vec()).map_err(Error::from),
                );
            }
        }
        None
    }
}

impl Monitor {
    /// `RTNLGRP_TC`: qdiscs, classes, filters, chains and actions.
    #[doc(alias = "RTNLGRP_TC")]
    pub const TC: u32 = 4;

    /// Subscribes to groups by their numbers (`RTNLGRP_*`), in the network namespace of the calling
    /// thread.
    pub fn open(groups: &[u32]) -> Result<Self, Error> {
        Ok(Self::over(Box::new(subscribe(groups)?)))
    }

    /// Subscribes to groups in another network namespace. The calling thread stays where it is.
    pub fn open_in(netns: &Netns, groups: &[u32]) -> Result<Self, Error> {
        Ok(Self::over(Box::new(netns.run(|| subscribe(groups))??)))
    }

    pub(super) fn over(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            buf: Vec::with_capacity(2 * DATAGRAM),
            at: 0,
            timeout: None,
            gap: Gap::default(),
        }
    }

    /// Waits for the next event.
    ///
    /// An error about one datagram ([`Error::Decode`]) does not end the subscription.
    pub fn next_event(&mut self) -> Result<Event<'_>, Error> {
        loop {
            if let Some(next) = self.advance(None)? {
                return Ok(self.event(next));
            }
        }
    }

    /// Waits for the next event this long; `None` when there was none. Handled signals may make
    /// the wait up to twice as long.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event<'_>>, Error> {
        Ok(self.advance(Some(timeout))?.map(|next| self.event(next)))
    }

    /// The changes of traffic control, typed: an iterator that ends when nothing came for as long as
    /// `timeout`. The subscription goes on; the iterator may be asked again, or made anew.
    ///
    /// Needs the group [`TC`](Self::TC). Messages of other groups are skipped. An error about one
    /// message, [`Error::Decode`], does not end the iteration; one of the socket, [`Error::Io`], does.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use tc_proto::client::Monitor;
    /// use tc_proto::msg::{AnyReply, Change};
    ///
    /// let mut monitor = Monitor::open(&[Monitor::TC])?;
    /// for change in monitor.changes(Duration::from_secs(10)) {
    ///     match change? {
    ///         Change::Deleted(AnyReply::Filter(filter)) => println!("gone: {filter:?}"),
    ///         Change::Lost => println!("too slow, list anew"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), tc_proto::client::Error>(())
    /// ```
    pub fn changes(&mut self, timeout: Duration) -> Changes<'_> {
        Changes { monitor: self, timeout, failed: false }
    }

    fn event(&self, next: Next) -> Event<'_> {
        match next {
            Next::Message(header, body) => {
                Event::Message(header, self.buf.get(body).unwrap_or_default())
            }
            Next::Lost => Event::Lost,
        }
    }

    fn advance(&mut self, timeout: Option<Duration>) -> Result<Option<Next>, Error> {
        let started = Instant::now();
        loop {
            if let Some(next) = self.next_received()? {
                return Ok(Some(next));
            }
            let wait = !self.gap.is_open() && timeout.is_none_or(|timeout| !timeout.is_zero());
            if wait && self.timeout != timeout {
                self.transport.set_timeout(timeout).map_err(io_error("set the timeout"))?;
                self.timeout = timeout;
            }
            self.at = 0;
            self.buf.clear();
            match receive(self.transport.as_mut(), &mut self.buf, wait)? {
                // The kernel sends none that are empty.
                Received::Datagram | Received::Notice if self.buf.is_empty() => {
                    return Err(io_error("receive")(io::ErrorKind::UnexpectedEof.into()));
                }
                Received::Datagram | Received::Notice => {
                    if self.gap.read() {
                        return Ok(Some(Next::Lost));
                    }
                }
                Received::Cut(need) | Received::CutNotice(need) => {
                    self.buf.clear();
                    self.buf.reserve(need);
                    return Ok(Some(Next::Lost));
                }
                Received::Lost => {
                    if self.gap.dropped() {
                        return Ok(Some(Next::Lost));
                    }
                }
                Received::Nothing => {
                    if self.gap.empty() {
                        return Ok(Some(Next::Lost));
                    }
                    if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The next message in the datagram received last.
    fn next_received(&mut self) -> Result<Option<Next>, Error> {
        loop {
            let rest = self.buf.get(self.at..).unwrap_or_default();
            let Some(message) = NetlinkMessages::new(rest).next() else { return Ok(None) };
            let start = self.at + NetlinkHeader::LEN;
            self.at = self.buf.len();
            let (header, body) = message?;
            let end = start + body.len();
            self.at = align(end);
            match header.message_type {
                message::OVERRUN => return Ok(Some(Next::Lost)),
                message::MIN_TYPE.. => return Ok(Some(Next::Message(header, start..end))),
                _ => {}
            }
        }
    }
}
