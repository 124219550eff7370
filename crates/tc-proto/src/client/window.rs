//! Requests that are sent together, and what is answered to each.

use super::transport::{Received, Transport, receive, send};
use super::{Ack, Error, Message, message};
use crate::msg::{ExtAck, NetlinkHeader, NetlinkMessages, Request, Status, flags};
use crate::wire::align;

/// How the end of an answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// By an acknowledgement or an error.
    Ack,
    /// By an error only; silence is success.
    Silence,
    /// By a message or an error.
    Message,
}

impl Expect {
    /// What the flags of `request` ask the kernel for.
    pub(super) fn of(request: &Request<'_>) -> Self {
        if request.flags() & flags::ACK == 0 { Self::Silence } else { Self::Ack }
    }
}

#[derive(Debug)]
struct Entry {
    start: usize,
    end: usize,
    expect: Expect,
    messages: Vec<Message>,
    outcome: Option<Result<Ack, Error>>,
}

/// Requests packed into one datagram, in order, with their outcomes.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Window {
    /// Bytes of the requests.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Number of requests.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, request: &Request<'_>, expect: Expect) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(request.bytes());
        let end = self.bytes.len();
        self.bytes.resize(align(end), 0);
        self.entries.push(Entry { start, end, expect, messages: Vec::new(), outcome: None });
    }

    /// Sends the requests, numbered from `first`, and reads their answers into `buf` until each
    /// has one or there is nothing left to read.
    pub(super) fn exchange(
        &mut self,
        transport: &mut dyn Transport,
        buf: &mut Vec<u8>,
        first: u32,
    ) {
        let mut sequence = first;
        for entry in &self.entries {
            if let Some(field) = self.bytes.get_mut(entry.start + 8..entry.start + 12) {
                field.copy_from_slice(&sequence.to_ne_bytes());
            }
            sequence = sequence.wrapping_add(1);
        }
        let ended =
            send(transport, &self.bytes).and_then(|()| self.receive_answers(transport, buf, first));
        for entry in self.entries.iter_mut().filter(|entry| entry.outcome.is_none()) {
            entry.outcome = Some(match (&ended, entry.expect) {
                (Err(e), _) => Err(e.again()),
                (Ok(()), Expect::Silence) => Ok(entry.ack(None)),
                (Ok(()), _) => Err(Error::NoAnswer),
            });
        }
    }

    /// Takes the outcomes, in the order of the requests, and empties the window.
    pub(super) fn outcomes(&mut self) -> impl Iterator<Item = Result<Ack, Error>> {
        self.bytes.clear();
        self.entries.drain(..).map(|entry| entry.outcome.unwrap_or(Err(Error::NoAnswer)))
    }

    fn receive_answers(
        &mut self,
        transport: &mut dyn Transport,
        buf: &mut Vec<u8>,
        first: u32,
    ) -> Result<(), Error> {
        let last = self.entries.len().saturating_sub(1);
        // Silence is heard when a later request is answered or, for the last one, when there is
        // nothing left to read.
        let mut awaited = (0..)
            .zip(&self.entries)
            .filter(|(i, e)| e.expect != Expect::Silence || *i == last)
            .count();
        let mut lost = false;
        while awaited > 0 {
            buf.clear();
            let cut = match receive(transport, buf, false)? {
                // What is echoed goes to all who listen as well, and looks like it.
                Received::Datagram | Received::Notice => None,
                Received::Cut(need) | Received::CutNotice(need) => Some(need),
                Received::Lost => {
                    lost = true;
                    continue;
                }
                Received::Nothing => break,
            };
            if let Some(need) = cut {
                let header = NetlinkHeader::decode(buf)?;
                let index = header.sequence.wrapping_sub(first) as usize;
                if let Some(entry) = self.entries.get_mut(index) {
                    let truncated = Error::Truncated { need, have: buf.len() };
                    awaited -= usize::from(entry.settle(Err(truncated), index == last));
                }
                continue;
            }
            for message in NetlinkMessages::new(buf) {
                let (header, body) = message?;
                lost |= header.message_type == message::OVERRUN;
                let index = header.sequence.wrapping_sub(first) as usize;
                if let Some(entry) = self.entries.get_mut(index) {
                    let request = self.bytes.get(entry.start..entry.end).unwrap_or_default();
                    if let Some(outcome) = entry.take(&header, body, request)? {
                        awaited -= usize::from(entry.settle(outcome, index == last));
                    }
                }
            }
        }
        // Those that were to fail by an error that was dropped are silent as well.
        if lost { Err(Error::Lost) } else { Ok(()) }
    }
}

impl Entry {
    /// Takes a message that answers `request`; gives the outcome when it decides it.
    fn take(
        &mut self,
        header: &NetlinkHeader,
        body: &[u8],
        request: &[u8],
    ) -> Result<Option<Result<Ack, Error>>, Error> {
        match header.message_type {
            message::ERROR => {
                let warning = Error::check(Status::decode(header, body)?, request);
                Ok(Some(warning.map(|warning| self.ack(warning))))
            }
            message::MIN_TYPE.. => {
                self.messages.push(Message { header: *header, body: body.to_vec() });
                Ok((self.expect == Expect::Message).then(|| Ok(self.ack(None))))
            }
            _ => Ok(None),
        }
    }

    fn ack(&mut self, warning: Option<ExtAck>) -> Ack {
        Ack { warning, echoed: std::mem::take(&mut self.messages) }
    }

    /// Keeps the first outcome; says whether it was waited for.
    fn settle(&mut self, outcome: Result<Ack, Error>, is_last: bool) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        self.outcome = Some(outcome);
        is_last || self.expect != Expect::Silence
    }
}
