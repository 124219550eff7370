//! A system made of bytes: what the kernel answers and what files hold.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rtc::env::Env;
use rtc::error::Error;
use tc_bpf_loader::sys::{Bpf, Fake};
use tc_bpf_loader::{ObjectError, ObjectSpec, ProgType};
use tc_proto::client::{Ack, Dump, Error as ClientError, KernelError, Message, Monitor};
use tc_proto::msg::{
    ActionMessage, ExtAck, MessageType, NetlinkHeader, NetlinkMessages, Request, TcMessage, flags,
};
use tc_proto::wire::Attrs;

/// Changes that wait for their outcome at most.
const WINDOW: usize = 8;
/// `ENODEV`.
const NO_DEVICE: i32 = 19;

/// Answers every question with the same bytes.
pub(crate) struct World<'a> {
    given: &'a [u8],
    stdin: &'a [u8],
    bpf: Fake,
    queued: VecDeque<Result<Ack, ClientError>>,
    reported: u64,
    monitored: bool,
}

impl<'a> World<'a> {
    /// Replies and files hold `given`, standard input holds `stdin`.
    pub(crate) fn new(given: &'a [u8], stdin: &'a [u8]) -> Self {
        let mut bpf = Fake::new();
        let mut info = Fake::program(ProgType::SCHED_CLS, 7, "a\"\\\u{1}\u{e9}");
        info.jited = true;
        info.btf_id = Some(3);
        bpf.describe("bpf-prog", info);
        Self { given, stdin, bpf, queued: VecDeque::new(), reported: 0, monitored: false }
    }

    /// Whether `monitor` may have run, whose output is text even among JSON.
    pub(crate) fn monitored(&self) -> bool {
        self.monitored
    }

    /// Checks a request, and decides its outcome by its bytes.
    fn outcome(&self, request: &Request<'_>) -> Result<Ack, ClientError> {
        check(request);
        let bytes = request.bytes();
        let choice = bytes.iter().fold(0u8, |sum, b| sum.wrapping_mul(31).wrapping_add(*b));
        let ext_ack = ExtAck::decode(self.given);
        let refused = |errno, ext_ack: Option<ExtAck>| {
            let mut e = KernelError::new(errno, request.message_type().0);
            e.attribute = ext_ack.as_ref().and_then(|ack| ack.attribute(bytes));
            e.ext_ack = ext_ack;
            Err(ClientError::Kernel(Box::new(e)))
        };
        match choice % 8 {
            0 => refused(choice.into(), Some(ext_ack)),
            1 => refused(choice.into(), None),
            2 => Err(ClientError::Lost),
            3 => Ok(Ack { warning: Some(ext_ack), echoed: Vec::new() }),
            _ if request.flags() & flags::ECHO != 0 => {
                Ok(Ack { warning: None, echoed: self.messages() })
            }
            _ => Ok(Ack::default()),
        }
    }

    fn messages(&self) -> Vec<Message> {
        let messages = NetlinkMessages::new(self.given).map_while(Result::ok);
        messages.map(|(header, body)| Message { header, body: body.to_vec() }).collect()
    }
}

/// Gives out a few bytes at a time, as a pipe may.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = 1 + self.0.position() as usize % 13;
        let end = buf.len().min(most);
        self.0.read(buf.get_mut(..end).unwrap_or_default())
    }
}

/// Whether a request is one that a kernel could read.
fn check(request: &Request<'_>) {
    let bytes = request.bytes();
    let mut messages = NetlinkMessages::new(bytes);
    let whole =
        matches!(messages.next(), Some(Ok((header, _))) if header.len as usize == bytes.len());
    assert!(whole, "the length in the header is not that of the message");
    assert!(messages.next().is_none());
    let attrs = match request.message_type() {
        MessageType::NEW_ACTION | MessageType::DEL_ACTION | MessageType::GET_ACTION => {
            ActionMessage::decode(request.body()).map(|message| message.attrs())
        }
        _ => TcMessage::decode(request.body()).map(|message| message.attrs()),
    };
    let mut attrs: Attrs<'_> = attrs.unwrap_or_else(|_| Attrs::new(&[0]));
    attrs.by_ref().for_each(drop);
    assert!(attrs.rest().is_empty(), "the attributes do not reach to the end");
}

impl Env for World<'_> {
    fn enter_netns(&mut self, name: &OsStr) -> Result<(), Error> {
        match name.is_empty() {
            true => Err(Error::usage("Cannot open network namespace")),
            false => Ok(()),
        }
    }

    fn request(&mut self, request: &Request<'_>) -> Result<Ack, ClientError> {
        self.outcome(request)
    }

    fn queue(
        &mut self,
        request: &Request<'_>,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        self.queued.push_back(self.outcome(request));
        match self.queued.len() {
            ..WINDOW => Ok(()),
            _ => self.settle(report),
        }
    }

    fn settle(
        &mut self,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        for outcome in self.queued.drain(..) {
            report(self.reported, outcome);
            self.reported += 1;
        }
        Ok(())
    }

    fn get(&mut self, request: &Request<'_>) -> Result<Message, ClientError> {
        check(request);
        self.messages().into_iter().next().ok_or(ClientError::NoAnswer)
    }

    fn dump(&mut self, request: &Request<'_>) -> (Dump, Result<(), ClientError>) {
        check(request);
        (Dump::recorded(self.given.to_vec()), Ok(()))
    }

    fn monitor(&mut self) -> Result<Monitor, ClientError> {
        self.monitored = true;
        Err(ClientError::NoAnswer)
    }

    fn ifindex(&mut self, name: &str) -> Result<i32, ClientError> {
        match name.starts_with('n') {
            true => Err(ClientError::Kernel(Box::new(KernelError::new(NO_DEVICE, 18)))),
            false => Ok(i32::try_from(name.len()).unwrap_or(i32::MAX)),
        }
    }

    fn learn_ifnames(&mut self, indexes: &[i32]) -> Result<(), ClientError> {
        assert!(indexes.windows(2).all(|pair| pair.first() < pair.last()), "not sorted");
        Ok(())
    }

    fn ifname(&mut self, index: i32) -> String {
        match index % 4 {
            0 => "\u{e9}\"\\\u{7}\n".to_owned(),
            _ => format!("if{index}"),
        }
    }

    fn bpf(&mut self) -> &mut dyn Bpf {
        &mut self.bpf
    }

    fn open(&mut self, file: &Path) -> io::Result<Box<dyn Read>> {
        self.monitored = true;
        match file.as_os_str().is_empty() {
            true => Err(io::Error::from(io::ErrorKind::NotFound)),
            false => Ok(Box::new(Trickle(Cursor::new(self.given.to_vec())))),
        }
    }

    fn stdin(&mut self) -> Box<dyn Read> {
        Box::new(Trickle(Cursor::new(self.stdin.to_vec())))
    }

    fn object(&mut self, file: &Path) -> Result<ObjectSpec, ObjectError> {
        ObjectSpec::parse(&file.to_string_lossy(), self.given)
    }

    fn var(&self, _: &str) -> Option<OsString> {
        let value = self.given.get(..6).filter(|bytes| bytes.contains(&b';'));
        value.map(|bytes| OsStr::from_bytes(bytes).to_owned())
    }

    fn shows_on_terminal(&self) -> bool {
        self.given.len() % 2 == 1
    }
}

/// The header of the message that `bytes` begins with, if there is one.
pub(crate) fn first_header(bytes: &[u8]) -> NetlinkHeader {
    NetlinkHeader::decode(bytes).unwrap_or_default()
}
