//! Runs rtc in a system that answers with what was recorded.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rtc::env::{Env, System, read_psched};
use rtc::error::Error;
use tc_bpf_loader::sys::{Bpf, Errno, Fake};
use tc_bpf_loader::{ObjectError, ObjectSpec, ProgType};
use tc_proto::client::{
    Ack, Dump, Error as ClientError, KernelError, Message as ClientMessage, Monitor, errno_text,
};
use tc_proto::msg::{NetlinkHeader, Request, Status};
use tc_proto::units::Psched;

use crate::compare::same_message;
use crate::format::{Chunk, Golden, Message, Run, Text};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;

/// What rtc did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) status: u8,
    pub(crate) request: Vec<Message>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) stdout: Vec<u8>,
}

/// A directory with the files of a case, in which the process is as long as this lives.
pub(crate) struct WorkDir(PathBuf);

/// Where the work directory was when the goldens were recorded.
const RECORDED_AT: &str = "/mnt/";

impl WorkDir {
    pub(crate) fn new(root: &Path, golden: &Golden) -> Self {
        let dir = std::env::temp_dir().join(format!("rtc-golden-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, content) in &golden.files {
            std::fs::write(dir.join(name), content).unwrap();
        }
        let object = "classifier.o";
        symlink(root.join("objects").join(object), dir.join(object)).unwrap();
        std::env::set_current_dir(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        std::env::set_current_dir("/").unwrap();
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn run(golden: &Golden, run: &Run, work: &WorkDir) -> Done {
    let here = |word: &String| match word.strip_prefix(RECORDED_AT) {
        Some(file) => work.0.join(file).into_os_string(),
        None => OsString::from(word),
    };
    let words: Vec<_> = std::iter::once("tc".into())
        .chain(run.options.iter().chain(&golden.cmd).map(here))
        .collect();
    let mut env = Replay::new(golden, run);
    let mut done = Done::default();
    done.status = rtc::run(&words, &mut env, &mut done.stdout, &mut done.stderr);
    done.request = env.sent;
    done
}

/// The recorded system.
struct Replay<'g> {
    golden: &'g Golden,
    /// The requests that tc sent, in order, with the answers; those that rtc sent too are gone.
    recorded: VecDeque<(&'g Message, Vec<&'g Message>)>,
    /// What rtc sent.
    sent: Vec<Message>,
    queued: Vec<Vec<u8>>,
    /// The last change was refused: rtc may look for the cause.
    refused: bool,
    bpf: Fake,
}

impl<'g> Replay<'g> {
    fn new(golden: &'g Golden, run: &'g Run) -> Self {
        Self {
            golden,
            recorded: exchanges(run),
            sent: Vec::new(),
            queued: Vec::new(),
            refused: false,
            bpf: programs(golden, run),
        }
    }

    /// Takes the recorded answer to the request, to a later one of the same bytes, or to another
    /// one of its type. `None`: tc asked nothing of the kind.
    fn exchange(&mut self, request: &[u8]) -> Option<Vec<&'g Message>> {
        let header = NetlinkHeader::decode(request).unwrap();
        let (kind, flags) = (header.message_type, header.flags);
        let payload = request[NetlinkHeader::LEN..].to_vec();
        let message = Message { kind, flags, payload };
        let masks = &self.golden.masks;
        let same = self.recorded.iter().position(|(r, _)| same_message(r, &message, masks));
        if self.refused && same.is_none() && flags & DUMP == DUMP {
            // A look-up for a hint.
            return None;
        }
        let place = same.or_else(|| self.recorded.iter().position(|(r, _)| r.kind == kind));
        self.sent.push(message);
        Some(self.recorded.remove(place?)?.1)
    }

    /// The recorded outcome of a change.
    fn outcome(&mut self, request: &[u8]) -> Result<Ack, ClientError> {
        let answer = self.exchange(request).unwrap_or_default();
        let Some((last, echoed)) = answer.split_last() else { return Err(ClientError::NoAnswer) };
        let (header, bytes) = with_header(last);
        let (echoed, warning) = if last.kind == ERROR {
            let status = Status::decode(&header, &bytes[NetlinkHeader::LEN..]).unwrap();
            (echoed, check(status, request).inspect_err(|_| self.refused = true)?)
        } else {
            (&*answer, None)
        };
        let echoed = echoed.iter().map(|m| client_message(m)).collect();
        self.refused = false;
        let mut ack = Ack::default();
        (ack.warning, ack.echoed) = (warning, echoed);
        Ok(ack)
    }
}

/// The requests of a run, each with its answer.
fn exchanges(run: &Run) -> VecDeque<(&Message, Vec<&Message>)> {
    let mut replies = run.reply.iter();
    let ends = |request: &Message, reply: &Message| match request.flags {
        _ if reply.kind == ERROR || reply.kind == DONE => true,
        dump if dump & DUMP == DUMP => false,
        // Without an acknowledgement to come, one message is all.
        flags => flags & ACK == 0,
    };
    let exchange = |request| {
        let mut answer: Vec<&Message> = Vec::new();
        while !answer.last().is_some_and(|reply| ends(request, reply)) {
            match replies.next() {
                Some(reply) => answer.push(reply),
                None => break,
            }
        }
        (request, answer)
    };
    run.request.iter().map(exchange).collect()
}

/// Programs as the recorded output shows them; what bpf(2) answers is not in the goldens.
fn programs(golden: &Golden, run: &Run) -> Fake {
    let mut fake = Fake::new();
    let mut info = Fake::program(ProgType::SCHED_CLS, 0, "");
    let detailed = golden.runs.iter().find(|r| r.options.iter().any(|o| o == "-d"));
    let shown = lines(&detailed.unwrap_or(&golden.runs[0]).stdout);
    let mut words = shown.split(' ').skip_while(|word| *word != "id");
    while let (Some(key), Some(value)) = (words.next(), words.clone().next()) {
        match key {
            "id" => info.id = value.parse().unwrap(),
            "name" => value.clone_into(&mut info.name),
            "tag" => info.tag = u64::from_str_radix(value, 16).unwrap().to_be_bytes(),
            "jited" => info.jited = true,
            "load_time" => info.load_time_ns = value.parse().unwrap(),
            "created_by_uid" => info.created_by_uid = value.parse().unwrap(),
            "btf_id" => info.btf_id = value.parse().ok(),
            _ => {}
        }
    }
    fake.describe("bpf-prog", info);
    let said = lines(&run.stderr);
    if let Some((_, why)) = said.split_once("retrieve pinned program '") {
        let fits = |errno: &i32| why.contains(&errno_text(*errno));
        fake.refuse_get(Errno((1..134).find(fits).unwrap()));
    }
    fake
}

fn lines(text: &Text) -> String {
    let line = |chunk: &Chunk| match chunk {
        Chunk::Line(line, _) => String::from_utf8_lossy(line).into_owned(),
        Chunk::Usage => String::new(),
    };
    text.0.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn check(status: Status, request: &[u8]) -> Result<Option<tc_proto::msg::ExtAck>, ClientError> {
    if status.errno == 0 {
        return Ok(status.ext_ack);
    }
    let message_type = NetlinkHeader::decode(request).unwrap().message_type;
    let mut error = KernelError::new(status.errno, message_type);
    error.attribute = status.ext_ack.as_ref().and_then(|e| e.attribute(request));
    error.ext_ack = status.ext_ack;
    Err(ClientError::Kernel(Box::new(error)))
}

/// The message with a netlink header, as the kernel sent it but for the numbers not kept.
fn with_header(message: &Message) -> (NetlinkHeader, Vec<u8>) {
    let len = (NetlinkHeader::LEN + message.payload.len()) as u32;
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend(message.kind.to_ne_bytes());
    bytes.extend(message.flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(&message.payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    (NetlinkHeader::decode(&bytes).unwrap(), bytes)
}

fn client_message(message: &Message) -> ClientMessage {
    ClientMessage { header: with_header(message).0, body: message.payload.clone() }
}

fn no_device() -> ClientError {
    ClientError::Kernel(Box::new(KernelError::new(libc::ENODEV, 18)))
}

impl Env for Replay<'_> {
    fn enter_netns(&mut self, name: &OsStr) -> Result<(), Error> {
        let made = format!("run/netns/{}", name.to_string_lossy());
        if self.golden.setup.iter().any(|line| line.contains(&made)) {
            return Ok(());
        }
        System::default().enter_netns(name)
    }

    fn request(&mut self, request: &Request<'_>) -> Result<Ack, ClientError> {
        self.outcome(request.bytes())
    }

    fn queue(
        &mut self,
        request: &Request<'_>,
        _: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        self.queued.push(request.bytes().to_vec());
        Ok(())
    }

    fn settle(
        &mut self,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        for (i, request) in (0..).zip(std::mem::take(&mut self.queued)) {
            report(i, self.outcome(&request));
        }
        Ok(())
    }

    fn get(&mut self, request: &Request<'_>) -> Result<ClientMessage, ClientError> {
        let ack = self.outcome(request.bytes())?;
        ack.echoed.into_iter().next().ok_or(ClientError::NoAnswer)
    }

    fn dump(&mut self, request: &Request<'_>) -> (Dump, Result<(), ClientError>) {
        let answer = self.exchange(request.bytes()).unwrap_or_default();
        let bytes = answer.iter().flat_map(|m| with_header(m).1).collect();
        let ended = answer.last().map_or(Ok(None), |last| {
            let (header, bytes) = with_header(last);
            let status = Status::decode(&header, &bytes[NetlinkHeader::LEN..]).unwrap();
            check(status, request.bytes())
        });
        (Dump::recorded(bytes), ended.map(|_| ()))
    }

    fn monitor(&mut self) -> Result<Monitor, ClientError> {
        Err(ClientError::NoAnswer)
    }

    fn ifindex(&mut self, name: &str) -> Result<i32, ClientError> {
        let found = self.golden.links.iter().find(|(link, _)| link == name);
        found.map(|(_, index)| *index as i32).ok_or_else(no_device)
    }

    fn learn_ifnames(&mut self, _: &[i32]) -> Result<(), ClientError> {
        Ok(())
    }

    fn ifname(&mut self, index: i32) -> String {
        let found = self.golden.links.iter().find(|(_, i)| *i as i32 == index);
        found.map_or_else(|| format!("if{index}"), |(name, _)| name.clone())
    }

    fn bpf(&mut self) -> &mut dyn Bpf {
        &mut self.bpf
    }

    fn psched(&mut self) -> Psched {
        // The clock is the same on all kernels; the environment may name another.
        match self.golden.env.is_empty() {
            true => Psched::CURRENT,
            false => read_psched(self),
        }
    }

    fn open(&mut self, file: &Path) -> io::Result<Box<dyn Read>> {
        // The speed of a veth device, once it is up.
        if file.starts_with("/sys/class/net") && !file.to_string_lossy().contains("nosuch") {
            let up = self.golden.setup.iter().any(|line| line.contains("ip link set v0 up"));
            return match up {
                true => Ok(Box::new("10000\n".as_bytes())),
                false => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            };
        }
        if file.starts_with("/usr/share/iproute2") {
            let echo =
                |line: &String| Some(line.split_once("echo ")?.1.split_once(" >")?.0.to_owned());
            let made = self.golden.setup.iter().filter(|l| l.contains("tc_cls")).find_map(echo);
            let made = made.ok_or(io::ErrorKind::NotFound)?;
            return Ok(Box::new(Cursor::new(made.into_bytes())));
        }
        Ok(Box::new(File::open(file)?))
    }

    fn send_fds(
        &mut self,
        _: &Path,
        _: &[u8],
        _: &[BorrowedFd<'_>],
    ) -> Result<(), (&'static str, io::Error)> {
        // Nobody listens.
        Err(("connect to", io::Error::from_raw_os_error(libc::ENOENT)))
    }

    fn object(&mut self, file: &Path) -> Result<ObjectSpec, ObjectError> {
        ObjectSpec::from_path(file)
    }

    fn stdin(&mut self) -> Box<dyn Read> {
        Box::new(Cursor::new(self.golden.stdin.clone().unwrap_or_default()))
    }

    fn var(&self, name: &str) -> Option<OsString> {
        let prefix = format!("{name}=");
        self.golden.env.iter().find_map(|set| set.strip_prefix(&prefix)).map(OsString::from)
    }

    fn shows_on_terminal(&self) -> bool {
        false
    }
}
