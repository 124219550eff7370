//! Listings: requests with `NLM_F_DUMP`, answered in many messages.

use super::transport::{Received, receive, send};
use super::{Client, DATAGRAM, Error, message};
use crate::msg::{ExtAck, MessageType, NetlinkHeader, NetlinkMessages, Request, Status, flags};
use crate::wire::align;

/// How often a dump is tried again that was interrupted or lost something.
const RETRIES: usize = 8;

/// The answer to a dump request, in the bytes it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    bytes: Vec<u8>,
    sequence: u32,
    interrupted: bool,
    warning: Option<ExtAck>,
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
        let mut room = DATAGRAM;
        let mut end = End::Whole;
        for _ in 0..=RETRIES {
            end = match self.dump_once(request, &mut dump, room) {
                Ok(End::Whole) => return (dump, Ok(())),
                Ok(end) => end,
                Err(e) => {
                    self.drain();
                    return (dump, Err(e));
                }
            };
            if let End::Cut(need) = end {
                room = room.max(need);
            }
        }
        let ended = match end {
            End::Whole | End::Interrupted => Ok(()),
            End::Lost => Err(Error::Lost),
            End::Cut(need) => Err(Error::Truncated { need, have: room }),
        };
        (dump, ended)
    }

    fn dump_once(
        &mut self,
        request: &Request<'_>,
        dump: &mut Dump,
        room: usize,
    ) -> Result<End, Error> {
        *dump = Dump { bytes: std::mem::take(&mut dump.bytes), ..Dump::default() };
        dump.sequence = self.take_sequence(1);
        let bytes = &mut dump.bytes;
        // The buffer for the answer carries the request first.
        bytes.clear();
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
        loop {
            let start = bytes.len();
            bytes.reserve(room);
            match receive(self.transport.as_mut(), bytes, false)? {
                Received::Datagram => {}
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
                dump.interrupted |= header.flags & flags::DUMP_INTERRUPTED != 0;
                match header.message_type {
                    message::DONE | message::ERROR => {
                        let status = Status::decode(&header, body)?;
                        dump.warning = Error::check(status, request.bytes())?;
                        return Ok(match end {
                            End::Whole if dump.interrupted => End::Interrupted,
                            end => end,
                        });
                    }
                    message::OVERRUN => end = End::Lost,
                    _ => {}
                }
            }
            bytes.resize(align(bytes.len()), 0);
        }
    }

    /// Reads away what is left of a dump that was given up, or the next one would find the socket
    /// busy.
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

    pub(super) fn into_warning(self) -> Option<ExtAck> {
        self.warning
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
