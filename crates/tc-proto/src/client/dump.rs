//! Listings: requests with `NLM_F_DUMP`, answered in many messages.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::transport::{Received, receive, send};
use super::{Client, DATAGRAM, Error, message};
use crate::msg::{ExtAck, MessageType, NetlinkHeader, NetlinkMessages, Request, Status, flags};
use crate::wire::align;

/// How often a dump is tried again that was interrupted or lost something.
const RETRIES: usize = 8;
/// Room for the first datagram of a socket: the kernel makes parts as long as the longest buffer that it
/// has seen so far, and the first no longer than this.
const FIRST: usize = 8 * 1024;
/// Bytes of a first part after which more are expected.
const SHORT: usize = 1024;

/// The answer to a dump request, in the bytes it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    bytes: Vec<u8>,
    sequence: u32,
    interrupted: bool,
    /// A notification came meanwhile that is about what is listed.
    changed: bool,
    warning: Option<ExtAck>,
}

/// What is to be known while a dump is read.
pub(super) struct Reading<H, P> {
    /// How often it is tried again when something was lost.
    pub(super) retries: usize,
    /// Whether a notification is about what is listed.
    pub(super) is_about: H,
    /// Lets others have their turn.
    pub(super) pause: P,
}

/// Parts of a dump that are read without a pause.
const AT_ONCE: usize = 2;

/// The outcome of a future that never waits.
pub(super) fn now<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(Error::NoAnswer),
    }
}

/// How one attempt ended.
enum End {
    Whole,
    Interrupted,
    Lost,
    Cut(usize),
}

impl Client {
    /// Sends a request with `NLM_F_DUMP` and gathers all messages of the answer.
    ///
    /// When what is listed changes meanwhile, or the kernel has no room for a part, the dump is
    /// tried again, up to eight times. After that one that was interrupted is given out as
    /// [`interrupted`](Dump::interrupted), one with losses is [`Error::Lost`].
    #[doc(alias = "NLM_F_DUMP_INTR")]
    pub fn dump(&mut self, request: &Request<'_>) -> Result<Dump, Error> {
        let (dump, ended) = self.dump_partly(request);
        ended.map(|()| dump)
    }

    /// Does the same, and gives out what came before an error as well, for those who show it.
    pub fn dump_partly(&mut self, request: &Request<'_>) -> (Dump, Result<(), Error>) {
        let mut dump = Dump::default();
        let reading = Reading {
            retries: RETRIES,
            is_about: |_, _: &[u8]| false,
            pause: || std::future::ready(()),
        };
        let ended = now(self.dump_into(&mut dump, request, &reading));
        (dump, ended)
    }

    /// The same, into a dump that is there.
    pub(super) async fn dump_into<H, P>(
        &mut self,
        dump: &mut Dump,
        request: &Request<'_>,
        reading: &Reading<H, impl Fn() -> P>,
    ) -> Result<(), Error>
    where
        H: Fn(MessageType, &[u8]) -> bool,
        P: Future<Output = ()>,
    {
        let mut room = 0;
        let mut end = End::Whole;
        for retry in 0..=RETRIES {
            self.clear();
            // How many actions a part has is to be seen.
            let has_seen_more =
                self.has_seen_more || request.message_type() == MessageType::GET_ACTION;
            room = room.max(if has_seen_more { DATAGRAM } else { FIRST });
            // Should this future be dropped.
            self.stale = true;
            end = match self.dump_once(request, dump, room, reading).await {
                Ok(end) => end,
                Err(e) => {
                    self.drain();
                    return Err(e);
                }
            };
            self.stale = matches!(end, End::Lost);
            match end {
                End::Whole => return Ok(()),
                End::Lost => {
                    // The notifications that come meanwhile took its room.
                    self.transport.enlarge();
                    if retry >= reading.retries {
                        return Err(Error::Lost);
                    }
                }
                End::Cut(need) => room = room.max(need),
                End::Interrupted => {}
            }
        }
        match end {
            End::Whole | End::Interrupted => Ok(()),
            End::Lost => Err(Error::Lost),
            End::Cut(need) => Err(Error::Truncated { need, have: room }),
        }
    }

    async fn dump_once<H, P>(
        &mut self,
        request: &Request<'_>,
        dump: &mut Dump,
        mut room: usize,
        reading: &Reading<H, impl Fn() -> P>,
    ) -> Result<End, Error>
    where
        H: Fn(MessageType, &[u8]) -> bool,
        P: Future<Output = ()>,
    {
        *dump = Dump { bytes: std::mem::take(&mut dump.bytes), ..Dump::default() };
        dump.sequence = self.take_sequence(1);
        let bytes = &mut dump.bytes;
        // The buffer for the answer carries the request first.
        bytes.clear();
        bytes.reserve(room.saturating_add(SHORT));
        bytes.extend_from_slice(request.bytes());
        if let Some(field) = bytes.get_mut(8..12) {
            field.copy_from_slice(&dump.sequence.to_ne_bytes());
        }
        send(self.transport.as_mut(), bytes)?;
        bytes.clear();
        if request.message_type() == MessageType::GET_ACTION {
            // The kernel makes the next part of a dump whenever somebody looks for one, as large as
            // the largest buffer it has seen so far. How many actions a part has is part of what
            // tc shows, and tc looks before it reads.
            self.transport.peek();
        }
        let mut end = End::Whole;
        let (mut parts, mut datagrams) = (0, 0);
        loop {
            let start = bytes.len();
            if start > SHORT {
                room = room.max(DATAGRAM);
            }
            bytes.reserve(room);
            self.has_seen_more |= bytes.capacity() - start > FIRST + 2 * SHORT;
            match receive(self.transport.as_mut(), bytes, false)? {
                Received::Datagram => {}
                Received::Notice => {
                    // What comes before the first part is in that part.
                    let messages = NetlinkMessages::new(bytes.get(start..).unwrap_or_default());
                    dump.changed |= parts > 0 && is_about(messages, &reading.is_about);
                    bytes.truncate(start);
                    continue;
                }
                Received::CutNotice(_) => {
                    dump.changed |= parts > 0;
                    bytes.truncate(start);
                    continue;
                }
                Received::Lost => {
                    end = End::Lost;
                    continue;
                }
                Received::Cut(need) => {
                    end = End::Cut(need);
                    bytes.truncate(start);
                    continue;
                }
                Received::Nothing if matches!(end, End::Whole) => return Err(Error::NoAnswer),
                Received::Nothing => return Ok(end),
            }
            for message in NetlinkMessages::new(bytes.get(start..).unwrap_or_default()) {
                let (header, body) = message?;
                if header.sequence != dump.sequence {
                    continue;
                }
                self.port = header.port;
                dump.interrupted |= header.flags & flags::DUMP_INTERRUPTED != 0;
                match header.message_type {
                    message::DONE | message::ERROR => {
                        let status = Status::decode(&header, body)?;
                        dump.warning = match Error::check(status, request.bytes()) {
                            // There was no room even for the first part.
                            Err(e) if e.errno() == Some(libc::ENOBUFS) => return Ok(End::Lost),
                            checked => checked?,
                        };
                        return Ok(match end {
                            End::Whole if dump.interrupted => End::Interrupted,
                            end => end,
                        });
                    }
                    message::OVERRUN => end = End::Lost,
                    _ => parts += 1,
                }
            }
            bytes.resize(align(bytes.len()), 0);
            datagrams += 1;
            if datagrams >= AT_ONCE {
                (reading.pause)().await;
            }
        }
    }

    /// Reads away what was left.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.drain();
        }
    }

    /// Reads away what is left of a dump that was given up, or the next one would find the socket
    /// busy, and the notifications that came with it.
    pub(super) fn drain(&mut self) {
        loop {
            self.reserve(DATAGRAM);
            match receive(self.transport.as_mut(), &mut self.buf, false) {
                Ok(Received::Nothing) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// Whether one of these notifications is about what is listed, as far as they can be read.
fn is_about(
    mut messages: NetlinkMessages<'_>,
    is_about: impl Fn(MessageType, &[u8]) -> bool,
) -> bool {
    messages.any(|message| match message {
        Ok((header, body)) => {
            header.message_type == message::OVERRUN
                || is_about(MessageType(header.message_type), body)
        }
        Err(_) => true,
    })
}

impl Dump {
    /// An answer recorded before, whose messages all have sequence number 0.
    pub fn recorded(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// The messages, in order, without the one that ends the dump.
    pub fn messages(&self) -> DumpMessages<'_> {
        DumpMessages { rest: NetlinkMessages::new(&self.bytes), sequence: self.sequence }
    }

    /// Whether the kernel says that what it listed changed meanwhile, each time: entries may be
    /// missing or there twice.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Whether a notification came meanwhile that is about what is listed.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// One that makes use of a buffer.
    pub(super) fn within(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, Option<ExtAck>) {
        (self.bytes, self.warning)
    }

    /// What the kernel warns of at the end of the dump.
    pub fn warning(&self) -> Option<&ExtAck> {
        self.warning.as_ref()
    }
}

/// The messages of a [`Dump`]: header and body of each.
#[derive(Clone, Debug)]
pub struct DumpMessages<'a> {
    rest: NetlinkMessages<'a>,
    sequence: u32,
}

impl<'a> Iterator for DumpMessages<'a> {
    type Item = (NetlinkHeader, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let sequence = self.sequence;
        // All lengths were checked when the dump was received.
        self.rest.by_ref().filter_map(Result::ok).find(|(header, _)| {
            header.sequence == sequence && header.message_type >= message::MIN_TYPE
        })
    }
}
