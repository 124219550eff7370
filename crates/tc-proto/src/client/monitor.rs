//! Notifications: what others change.
//!
//! Kernel: uapi/linux/rtnetlink.h (`RTNLGRP_*`).

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
    /// The socket's buffer was full and the kernel dropped notifications. Those that follow are
    /// good, but what is known from earlier ones may be outdated.
    Lost,
}

/// The changes that a [`Monitor`] hears of; see [`Monitor::changes`].
#[derive(Debug)]
pub struct Changes<'a> {
    monitor: &'a mut Monitor,
    timeout: Duration,
}

impl Iterator for Changes<'_> {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (message_type, body) = match self.monitor.next_timeout(self.timeout) {
                Ok(Some(Event::Message(header, body))) => (MessageType(header.message_type), body),
                Ok(Some(Event::Lost)) => return Some(Ok(Change::Lost)),
                Ok(None) => return None,
                Err(e) => return Some(Err(e)),
            };
            if Change::is_one(message_type) {
                return Some(
                    Change::from_message(message_type, body.to_vec()).map_err(Error::from),
                );
            }
        }
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
        Self { transport, buf: Vec::with_capacity(2 * DATAGRAM), at: 0, timeout: None }
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
    /// message does not end the iteration.
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
        Changes { monitor: self, timeout }
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
            let wait = timeout.is_none_or(|timeout| !timeout.is_zero());
            if wait && self.timeout != timeout {
                self.transport.set_timeout(timeout).map_err(io_error("set the timeout"))?;
                self.timeout = timeout;
            }
            self.at = 0;
            self.buf.clear();
            match receive(self.transport.as_mut(), &mut self.buf, wait)? {
                Received::Datagram => {}
                Received::Cut(need) => {
                    self.buf.clear();
                    self.buf.reserve(need);
                    return Ok(Some(Next::Lost));
                }
                Received::Lost => return Ok(Some(Next::Lost)),
                Received::Nothing => {
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
