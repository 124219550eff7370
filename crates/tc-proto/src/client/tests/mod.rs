//! The client against a kernel that does as the script says, and against the real one.
//!
//! Answers in bytes were captured on Linux 6.18, x86-64.

mod batch;
mod dump;
pub(crate) mod faults;
mod garbage;
mod kernel;
mod link;
mod monitor;
mod request;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::transport::{From, Transport};
use super::{Client, Error, Monitor};
use crate::msg::{MessageType, Request};

/// What the next attempt to receive gives.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Datagram(Vec<u8>),
    Foreign(Vec<u8>),
    /// Sent to all who listen; nothing to others.
    Notice(Vec<u8>),
    /// The beginning of one of this length.
    CutNotice(Vec<u8>, usize),
    /// The beginning of a datagram of this length.
    Cut(Vec<u8>, usize),
    Fails(i32),
}

pub(crate) use Step::{Datagram, Fails, Foreign, Notice};

/// A socket whose n-th send queues the n-th list of steps.
#[derive(Debug, Default)]
struct Fake {
    answers: VecDeque<Vec<Step>>,
    queue: VecDeque<Step>,
    refuses: VecDeque<i32>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    timeout: Option<Duration>,
    listens: Arc<AtomicBool>,
    capped: Arc<AtomicBool>,
}

impl Transport for Fake {
    fn send(&mut self, datagram: &[u8]) -> io::Result<usize> {
        if let Some(errno) = self.refuses.pop_front() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.sent.lock().unwrap().push(datagram.to_vec());
        let listens = self.listens.load(Relaxed);
        let is_heard = |step: &Step| listens || !matches!(step, Notice(_) | Step::CutNotice(..));
        let answers = self.answers.pop_front().unwrap_or_default();
        self.queue.extend(answers.into_iter().filter(is_heard));
        Ok(datagram.len())
    }

    fn recv(&mut self, buf: &mut Vec<u8>, wait: bool) -> io::Result<(usize, From)> {
        let answer = From::default();
        let notice = From { to_all: true, ..answer };
        let (bytes, from) = match self.queue.pop_front() {
            Some(Datagram(bytes)) => (bytes, answer),
            Some(Notice(bytes)) => (bytes, notice),
            Some(Foreign(bytes)) => (bytes, From { port: 4711, ..answer }),
            Some(Step::Cut(bytes, len)) => {
                buf.extend_from_slice(&bytes);
                return Ok((len, answer));
            }
            Some(Step::CutNotice(bytes, len)) => {
                buf.extend_from_slice(&bytes);
                return Ok((len, notice));
            }
            Some(Fails(errno)) => return Err(io::Error::from_raw_os_error(errno)),
            None => {
                assert!(!wait || self.timeout.is_some(), "this would block for ever");
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
        };
        let room = buf.capacity() - buf.len();
        assert!(room > 0, "no room to receive into");
        buf.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok((bytes.len(), from))
    }

    fn peek(&mut self) {}

    fn cap_errors(&mut self) {
        self.capped.store(true, Relaxed);
    }

    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }

    fn listen(&mut self, groups: u32, _: u32) -> io::Result<()> {
        self.listens.store(groups != 0, Relaxed);
        Ok(())
    }

    fn enlarge(&mut self) {}
}

/// A client whose n-th datagram is answered with the n-th list of steps.
pub(crate) fn client(answers: impl IntoIterator<Item = Vec<Step>>) -> Client {
    Client::over(Box::new(Fake { answers: answers.into_iter().collect(), ..Fake::default() }))
}

/// A client like this that tells what it sent.
fn watched(answers: impl IntoIterator<Item = Vec<Step>>) -> (Client, Arc<Mutex<Vec<Vec<u8>>>>) {
    let fake = Fake { answers: answers.into_iter().collect(), ..Fake::default() };
    let sent = Arc::clone(&fake.sent);
    (Client::over(Box::new(fake)), sent)
}

pub(crate) fn message(message_type: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    bytes.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(&message_type.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&0x35e1_u32.to_ne_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// An acknowledgement as the kernel sends it with `NETLINK_CAP_ACK`.
pub(crate) fn ack(errno: i32, sequence: u32) -> Vec<u8> {
    let mut body = (-errno).to_ne_bytes().to_vec();
    body.extend_from_slice(&message(36, 5, sequence, &[]));
    message(2, 0x100, sequence, &body)
}

pub(crate) fn done(code: i32, flags: u16, sequence: u32) -> Vec<u8> {
    message(3, 2 | flags, sequence, &code.to_ne_bytes())
}

/// `RTM_NEWQDISC` with these flags and no more than a body to recognise it by.
fn request(flags: u16, body: &[u8]) -> Request<'static> {
    Request::new(MessageType(36), flags, |buf| {
        buf.extend_from_slice(body);
        Ok(())
    })
    .unwrap()
}

/// A request with `NLM_F_REQUEST | NLM_F_ACK`.
pub(crate) fn change() -> Request<'static> {
    request(5, &[0; 20])
}

#[track_caller]
fn assert_lost<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Lost), "{error:?}");
}

#[track_caller]
fn assert_no_answer<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::NoAnswer), "{error:?}");
}

#[track_caller]
fn assert_decode<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error:?}");
}

#[track_caller]
fn assert_errno<T: std::fmt::Debug>(result: Result<T, Error>, errno: i32) {
    let error = result.unwrap_err();
    assert_eq!(error.kernel().map(|kernel| kernel.errno), Some(errno), "{error:?}");
}

/// A monitor that hears nothing.
pub(crate) fn quiet() -> Monitor {
    Monitor::over(Box::new(Fake::default()))
}
