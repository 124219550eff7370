//! Requests over a connection that somebody drives: rtnetlink's, or one of our own.

use std::fmt;
use std::io;
use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use netlink_packet_core as core;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_proto::ConnectionHandle;
use netlink_proto::sys::SocketAddr;

use super::request::OwnedRequest;
use super::{convert, keep};
use crate::client::message::{DONE, ERROR, MIN_TYPE, OVERRUN};
use crate::client::{Ack, Error, Message, link};
use crate::msg::{NetlinkHeader, Request, Status, flags};
use crate::packet_core::RawMessage;

/// Requests sent at once. Their acknowledgements must fit the socket's buffer, or some are lost and
/// who waits for them waits for ever.
const AT_ONCE: usize = 128;
/// And this many bytes, which fit into the socket's buffer for sending.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// A message of the answer: of the kernel's own types, or `NLMSG_ERROR` and `NLMSG_DONE` with the
/// body that they had.
pub(super) type Answer = Message;

/// The answer, as it comes. It ends with the connection, too.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Answer> + Send>>;

/// Where requests go.
#[derive(Clone)]
pub(super) enum Channel {
    /// The connection of somebody else, with messages of netlink-packet-route.
    Shared(::rtnetlink::Handle),
    /// Ours, with acknowledgements and with every message as it is.
    Own(ConnectionHandle<RawMessage>),
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "Shared",
            Self::Own(_) => "Own",
        })
    }
}

/// A request on its way. Dropped before its end, the rest of the answer is read all the same.
struct Exchange {
    answers: Option<Answers>,
    held: Option<keep::Held>,
}

impl Exchange {
    async fn next(&mut self) -> Option<Answer> {
        let next = self.answers.as_mut()?.next().await;
        if next.is_none() {
            self.answers = None;
            self.held = None;
        }
        next
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let (Some(answers), Some(held)) = (self.answers.take(), self.held.take()) {
            keep::until_answered(answers, held);
        }
    }
}

/// The answer to a dump.
#[derive(Debug, Default)]
pub(super) struct Dumped {
    pub(super) messages: Vec<Message>,
    pub(super) interrupted: bool,
    pub(super) warning: Option<crate::msg::ExtAck>,
}

fn closed() -> Error {
    let source = io::Error::new(io::ErrorKind::NotConnected, "the connection has ended");
    Error::Io { op: "send", source }
}

/// One of their messages as one of ours.
fn plain<T>(message: core::NetlinkMessage<T>, inner: impl FnOnce(T) -> RawMessage) -> Answer {
    use core::NetlinkPayload as P;
    let (theirs, payload) = message.into_parts();
    let status = |code: i32, rest: Vec<u8>| [&code.to_ne_bytes()[..], &rest].concat();
    let (message_type, body) = match payload {
        P::InnerMessage(message) => {
            let RawMessage { message_type, body } = inner(message);
            (message_type, body)
        }
        P::Error(error) => (ERROR, status(error.raw_code(), error.header)),
        P::Done(done) => (DONE, status(done.code, done.extended_ack)),
        P::Overrun(body) => (OVERRUN, body),
        _ => (theirs.message_type, Vec::new()),
    };
    let header = NetlinkHeader {
        len: theirs.length,
        message_type,
        flags: theirs.flags,
        sequence: theirs.sequence_number,
        port: theirs.port_number,
    };
    Message { header, body }
}

impl Channel {
    /// Hands a request to the connection. What it needs is kept in the exchange.
    fn send(&self, request: &Request<'_>, held: keep::Held) -> Result<Exchange, Error> {
        let answers: Answers = match self {
            Self::Own(handle) => handle
                .request(RawMessage::message(request), SocketAddr::new(0, 0))
                .map_err(|_| closed())?
                .map(|message| plain(message, |inner| inner))
                .boxed(),
            Self::Shared(handle) => {
                let (header, payload) = RawMessage::message(request).into_parts();
                let core::NetlinkPayload::InnerMessage(ours) = payload else {
                    return Err(Error::NoAnswer);
                };
                let theirs = convert::to_theirs(ours.message_type, &ours.body)?;
                let mut message =
                    core::NetlinkMessage::new(header, core::NetlinkPayload::InnerMessage(theirs));
                message.finalize();
                // What of theirs cannot be written is left empty, which no reader of ours takes.
                let inner =
                    |theirs: RouteNetlinkMessage| convert::from_theirs(&theirs).unwrap_or_default();
                handle
                    .clone()
                    .request(message)
                    .map_err(|_| closed())?
                    .map(move |message| plain(message, inner))
                    .boxed()
            }
        };
        Ok(Exchange { answers: Some(answers), held: Some(held) })
    }

    /// Whether an answer that ended in silence is a success. On a shared connection it is, and the
    /// end of the connection looks the same: so something is asked whose answer cannot be missed.
    async fn silence_is_success(&self) -> bool {
        if matches!(self, Self::Own(_)) {
            return false;
        }
        let exchange = link::no_link().and_then(|nothing| self.send(&nothing, Box::new(())));
        match exchange {
            Ok(mut exchange) => exchange.next().await.is_some(),
            Err(_) => false,
        }
    }

    /// Sends a request and gathers its answer.
    pub(super) async fn transact(&self, request: OwnedRequest) -> Result<Ack, Error> {
        let OwnedRequest { mut request, fds } = request;
        if matches!(self, Self::Shared(_)) {
            // A message that netlink-packet-route cannot parse never comes; the acknowledgement does.
            request.add_flags(flags::ACK);
        }
        let mut exchange = self.send(&request, Box::new(fds))?;
        let mut ack = Ack::default();
        let mut acknowledged = false;
        while let Some(answer) = exchange.next().await {
            match answer.header.message_type {
                ERROR | DONE => {
                    let status = Status::decode(&answer.header, &answer.body)?;
                    ack.warning = Error::check(status, request.bytes())?;
                    acknowledged = true;
                }
                OVERRUN => return Err(Error::Lost),
                MIN_TYPE.. => ack.echoed.push(answer),
                _ => {}
            }
        }
        let answered = acknowledged || !ack.echoed.is_empty();
        if answered || self.silence_is_success().await { Ok(ack) } else { Err(Error::NoAnswer) }
    }

    /// Sends requests that all want an acknowledgement, up to 128 at once; gives the outcome of each.
    pub(super) async fn batch(&self, requests: Vec<OwnedRequest>) -> Vec<Result<Ack, Error>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let (mut some, mut bytes) = (Vec::new(), 0);
            while let Some(next) = requests.next_if(|next| {
                bytes += next.request.bytes().len();
                some.is_empty() || (some.len() < AT_ONCE && bytes <= BYTES_AT_ONCE)
            }) {
                some.push(next);
            }
            match self {
                Self::Own(handle) if some.iter().all(OwnedRequest::wants_ack_only) => {
                    outcomes.append(&mut Self::at_once(handle, some).await);
                }
                _ => {
                    for request in some {
                        outcomes.push(self.transact(request).await);
                    }
                }
            }
        }
        outcomes
    }

    async fn at_once(
        handle: &ConnectionHandle<RawMessage>,
        requests: Vec<OwnedRequest>,
    ) -> Vec<Result<Ack, Error>> {
        let (mut sent, mut fds) = (Vec::new(), Vec::new());
        for request in requests {
            sent.push(request.request);
            fds.extend(request.fds);
        }
        let messages: Vec<_> = sent.iter().map(RawMessage::message).collect();
        let mut exchange = match handle.request_batch(messages, SocketAddr::new(0, 0)) {
            Ok(answers) => Exchange {
                answers: Some(answers.map(|message| plain(message, |inner| inner)).boxed()),
                held: Some(Box::new(fds)),
            },
            Err(_) => return sent.iter().map(|_| Err(closed())).collect(),
        };
        // Each is answered once, and numbered in the order of the requests.
        let mut answers = Vec::with_capacity(sent.len());
        while let Some(answer) = exchange.next().await {
            if answer.header.message_type == ERROR {
                answers.push(answer);
            }
        }
        answers.sort_by_key(|answer| answer.header.sequence);
        let mut answers = answers.iter();
        let outcome = |request: &Request<'_>, answer: &Answer| {
            let status = Status::decode(&answer.header, &answer.body)?;
            let warning = Error::check(status, request.bytes())?;
            Ok(Ack { warning, ..Ack::default() })
        };
        sent.iter()
            .map(|request| outcome(request, answers.next().ok_or(Error::NoAnswer)?))
            .collect()
    }

    /// Sends a request with `NLM_F_DUMP` and gathers all of the answer.
    pub(super) async fn dump(
        &self,
        request: &Request<'static>,
        held: keep::Held,
    ) -> Result<Dumped, Error> {
        let mut exchange = self.send(request, held)?;
        let mut dumped = Dumped::default();
        let mut done = false;
        while let Some(answer) = exchange.next().await {
            dumped.interrupted |= answer.header.flags & flags::DUMP_INTERRUPTED != 0;
            match answer.header.message_type {
                ERROR | DONE => {
                    let status = Status::decode(&answer.header, &answer.body)?;
                    dumped.warning = Error::check(status, request.bytes())?;
                    done = true;
                }
                OVERRUN => return Err(Error::Lost),
                MIN_TYPE.. => dumped.messages.push(answer),
                _ => {}
            }
        }
        if done || self.silence_is_success().await { Ok(dumped) } else { Err(Error::NoAnswer) }
    }
}
