//! The system that a command works on: the kernel's netlink and bpf(2) interfaces.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use tc_bpf_loader::sys::{self, Kernel};
use tc_bpf_loader::{ObjectError, ObjectSpec};
use tc_proto::client::{
    Ack, Client, Dump, Error as ClientError, IpSets, Message, Monitor, Pipeline,
};
use tc_proto::msg::Request;
use tc_proto::units::Psched;

use crate::ematch_map::EmatchMap;
use crate::error::Error;
use crate::netns;
use crate::sysfs;

/// A message, and the descriptors that came with it.
pub type Received = (Vec<u8>, Vec<OwnedFd>);

/// What commands need of the system. Parsing needs nothing of it.
pub trait Env {
    /// Moves to the network namespace of this name.
    fn enter_netns(&mut self, name: &OsStr) -> Result<(), Error>;

    /// Sends a request and waits for its acknowledgement.
    fn request(&mut self, request: &Request<'_>) -> Result<Ack, ClientError>;

    /// Queues a request; outcomes are reported in order, some time later.
    fn queue(
        &mut self,
        request: &Request<'_>,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError>;

    /// Waits for everything that was queued.
    fn settle(
        &mut self,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError>;

    /// Sends a request that one message answers.
    fn get(&mut self, request: &Request<'_>) -> Result<Message, ClientError>;

    /// Sends a request that a list answers. What came before an error is given out as well.
    fn dump(&mut self, request: &Request<'_>) -> (Dump, Result<(), ClientError>);

    /// Subscribes to the kernel's notifications about traffic control.
    fn monitor(&mut self) -> Result<Monitor, ClientError>;

    /// The index of the device of this name; asks once for each name.
    fn ifindex(&mut self, name: &str) -> Result<i32, ClientError>;

    /// Forgets the index of a device that turned out to be gone.
    fn forget_ifindex(&mut self, _name: &str) {}

    /// Looks up the names of devices together, before [`ifname`](Self::ifname) is asked for each.
    fn learn_ifnames(&mut self, indexes: &[i32]) -> Result<(), ClientError>;

    /// The name of a device; `if7` when the device is gone.
    fn ifname(&mut self, index: i32) -> String;

    /// The bpf(2) system call.
    fn bpf(&mut self) -> &mut dyn sys::Bpf;

    /// Opens a file that a command line names: a batch, bytecode, saved messages.
    fn open(&mut self, file: &Path) -> io::Result<Box<dyn Read>>;

    /// Writes a file that a command line names, in place of what is there.
    fn write(&mut self, _file: &Path, _text: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What `-batch -` reads.
    fn stdin(&mut self) -> Box<dyn Read>;

    /// The device and the inode of a file.
    fn file_id(&self, _file: &Path) -> io::Result<(u64, u64)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Sends a message with descriptors to a Unix socket, or nothing if there are none. Errors come with the step that failed.
    fn send_fds(
        &mut self,
        _socket: &Path,
        _message: &[u8],
        _fds: &[BorrowedFd<'_>],
    ) -> Result<(), (&'static str, io::Error)> {
        Err(("connect to", io::ErrorKind::Unsupported.into()))
    }

    /// Waits for a message with descriptors on a Unix socket made for it. Errors come with the step that failed.
    fn receive_fds(
        &mut self,
        _socket: &Path,
        _most: usize,
    ) -> Result<Received, (&'static str, io::Error)> {
        Err(("bind to socket", io::ErrorKind::Unsupported.into()))
    }

    /// Becomes another program, which has the descriptors. Returns only on failure.
    fn exec(
        &mut self,
        _command: &[OsString],
        _vars: &[(String, String)],
        _fds: &[OwnedFd],
    ) -> io::Error {
        io::ErrorKind::Unsupported.into()
    }

    /// Reads a BPF object.
    fn object(&mut self, file: &Path) -> Result<ObjectSpec, ObjectError>;

    /// An environment variable.
    fn var(&self, name: &str) -> Option<OsString>;

    /// Whether standard output is a terminal.
    fn shows_on_terminal(&self) -> bool;

    /// The clock of the packet scheduler, in whose ticks messages tell the times of bursts. It is
    /// the same on all current kernels.
    fn psched(&mut self) -> Psched {
        Psched::CURRENT
    }

    /// The speed of a device in Mbit/s, of which `rate 10%` is a share. The error has tc's words.
    fn link_speed(&mut self, dev: &str) -> Result<u32, Error> {
        let file = sysfs::speed_file(dev);
        sysfs::link_speed(&file, self.open(Path::new(&file)))
    }

    /// The numbers that the system gives to the kinds of ematches.
    fn ematch_map(&mut self) -> Rc<EmatchMap> {
        Rc::new(EmatchMap::read(&mut |file| self.open(Path::new(file))))
    }

    /// The number of an IP set; `None` when there is none of this name, or no way to know.
    fn ip_set_index(&mut self, _name: &str) -> Option<u16> {
        None
    }

    /// The name of an IP set.
    fn ip_set_name(&mut self, _index: u16) -> Option<String> {
        None
    }
}

/// Reads the clock of the packet scheduler from `/proc/net/psched`. As in tc, `PROC_NET_PSCHED`
/// names another file, `PROC_ROOT` another `/proc`, and `HZ` the frequency of the timer.
pub fn read_psched(env: &mut dyn Env) -> Psched {
    let file = match env.var("PROC_NET_PSCHED") {
        Some(file) => PathBuf::from(file),
        None => PathBuf::from(env.var("PROC_ROOT").unwrap_or("/proc".into())).join("net/psched"),
    };
    let hz = env.var("HZ");
    sysfs::psched(env.open(&file), hz.as_deref())
}

/// The running system. Sockets are opened when first used.
#[derive(Debug, Default)]
pub struct System {
    client: Option<Client>,
    pipeline: Pipeline,
    indexes: BTreeMap<String, i32>,
    names: BTreeMap<i32, Option<String>>,
    kernel: Kernel,
    psched: Option<Psched>,
    ematch_map: Option<Rc<EmatchMap>>,
    ip_sets: Option<IpSets>,
}

impl System {
    fn client(&mut self) -> Result<&mut Client, ClientError> {
        Self::opened(&mut self.client)
    }

    fn opened(client: &mut Option<Client>) -> Result<&mut Client, ClientError> {
        match client {
            Some(client) => Ok(client),
            none => Ok(none.insert(Client::open()?)),
        }
    }

    fn ip_sets(&mut self) -> Option<&mut IpSets> {
        match &mut self.ip_sets {
            Some(sets) => Some(sets),
            none => Some(none.insert(IpSets::open().ok()?)),
        }
    }
}

impl Env for System {
    fn enter_netns(&mut self, name: &OsStr) -> Result<(), Error> {
        netns::enter(name)
    }

    fn request(&mut self, request: &Request<'_>) -> Result<Ack, ClientError> {
        self.client()?.request(request)
    }

    fn queue(
        &mut self,
        request: &Request<'_>,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        let client = Self::opened(&mut self.client)?;
        self.pipeline.push(client, request, report);
        Ok(())
    }

    fn settle(
        &mut self,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        if self.pipeline.pending() > 0 {
            let client = Self::opened(&mut self.client)?;
            self.pipeline.flush(client, report);
        }
        Ok(())
    }

    fn get(&mut self, request: &Request<'_>) -> Result<Message, ClientError> {
        self.client()?.ask(request)
    }

    fn dump(&mut self, request: &Request<'_>) -> (Dump, Result<(), ClientError>) {
        match self.client() {
            Ok(client) => client.dump_partly(request),
            Err(e) => (Dump::default(), Err(e)),
        }
    }

    fn monitor(&mut self) -> Result<Monitor, ClientError> {
        Monitor::open(&[Monitor::TC])
    }

    fn ifindex(&mut self, name: &str) -> Result<i32, ClientError> {
        if let Some(index) = self.indexes.get(name) {
            return Ok(*index);
        }
        let index = self.client()?.link_index(name)?;
        self.indexes.insert(name.to_owned(), index);
        Ok(index)
    }

    fn forget_ifindex(&mut self, name: &str) {
        self.indexes.remove(name);
    }

    fn learn_ifnames(&mut self, indexes: &[i32]) -> Result<(), ClientError> {
        let unknown: Vec<i32> = indexes
            .iter()
            .copied()
            .filter(|index| *index > 0 && !self.names.contains_key(index))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let names = self.client()?.link_names(&unknown)?;
        self.names.extend(unknown.into_iter().zip(names));
        Ok(())
    }

    fn ifname(&mut self, index: i32) -> String {
        // A failed look-up shows as an unnamed device; the listing goes on.
        _ = self.learn_ifnames(&[index]);
        match self.names.get(&index) {
            Some(Some(name)) => name.clone(),
            _ => format!("if{index}"),
        }
    }

    fn bpf(&mut self) -> &mut dyn sys::Bpf {
        &mut self.kernel
    }

    fn open(&mut self, file: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(file)?))
    }

    fn write(&mut self, file: &Path, text: &[u8]) -> io::Result<()> {
        std::fs::write(file, text)
    }

    fn stdin(&mut self) -> Box<dyn Read> {
        Box::new(io::stdin().lock())
    }

    fn file_id(&self, file: &Path) -> io::Result<(u64, u64)> {
        std::fs::metadata(file).map(|data| (data.dev(), data.ino()))
    }

    fn send_fds(
        &mut self,
        socket: &Path,
        message: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), (&'static str, io::Error)> {
        let own = UnixDatagram::unbound().map_err(|e| ("open socket for", e))?;
        own.connect(socket).map_err(|e| ("connect to", e))?;
        if fds.is_empty() {
            return Ok(());
        }
        sys::fds::send(&own, message, fds).map_err(|e| ("send fds to", e))
    }

    fn receive_fds(
        &mut self,
        socket: &Path,
        most: usize,
    ) -> Result<Received, (&'static str, io::Error)> {
        let bound = match UnixDatagram::bind(socket) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_abandoned(socket) => {
                std::fs::remove_file(socket).and_then(|()| UnixDatagram::bind(socket))
            }
            bound => bound,
        };
        let bound = bound.map_err(|e| ("bind to socket", e))?;
        let mut message = vec![0; most];
        let received = sys::fds::receive(&bound, &mut message);
        // It is of no use to anybody any more.
        _ = std::fs::remove_file(socket);
        let (length, fds) = received.map_err(|e| ("recv fds from", e))?;
        message.truncate(length);
        Ok((message, fds))
    }

    fn exec(
        &mut self,
        command: &[OsString],
        vars: &[(String, String)],
        fds: &[OwnedFd],
    ) -> io::Error {
        let [program, arguments @ ..] = command else {
            return io::ErrorKind::InvalidInput.into();
        };
        for fd in fds {
            if let Err(e) = sys::fds::keep_on_exec(fd.as_fd()) {
                return e;
            }
        }
        let vars = vars.iter().map(|(name, value)| (name, value));
        Command::new(program).args(arguments).envs(vars).exec()
    }

    fn object(&mut self, file: &Path) -> Result<ObjectSpec, ObjectError> {
        ObjectSpec::from_path(file)
    }

    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn shows_on_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn psched(&mut self) -> Psched {
        match self.psched {
            Some(psched) => psched,
            None => {
                let psched = read_psched(self);
                *self.psched.insert(psched)
            }
        }
    }

    fn ematch_map(&mut self) -> Rc<EmatchMap> {
        let map = match self.ematch_map.take() {
            Some(map) => map,
            None => Rc::new(EmatchMap::read(&mut |file| self.open(Path::new(file)))),
        };
        Rc::clone(self.ematch_map.insert(map))
    }

    fn ip_set_index(&mut self, name: &str) -> Option<u16> {
        self.ip_sets()?.index(name).ok()
    }

    fn ip_set_name(&mut self, index: u16) -> Option<String> {
        self.ip_sets()?.name(index).ok()
    }
}

/// Whether nobody listens on a socket of the file system any more.
fn is_abandoned(socket: &Path) -> bool {
    let answer = UnixDatagram::unbound().and_then(|own| own.connect(socket));
    answer.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
}
