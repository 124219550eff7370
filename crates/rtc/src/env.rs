//! The system that a command works on: the kernel's netlink and bpf(2) interfaces.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use tc_bpf_loader::sys::Kernel;
use tc_bpf_loader::{ObjectError, ObjectSpec};
use tc_proto::client::{Ack, Client, Dump, Error as ClientError, Message, Monitor, Pipeline};
use tc_proto::msg::Request;
use tc_proto::units::Psched;

use crate::error::Error;
use crate::netns;
use crate::sysfs;

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
    fn bpf(&mut self) -> &mut dyn tc_bpf_loader::sys::Bpf;

    /// Opens a file that a command line names: a batch, bytecode, saved messages.
    fn open(&mut self, file: &Path) -> io::Result<Box<dyn Read>>;

    /// What `-batch -` reads.
    fn stdin(&mut self) -> Box<dyn Read>;

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

    fn bpf(&mut self) -> &mut dyn tc_bpf_loader::sys::Bpf {
        &mut self.kernel
    }

    fn open(&mut self, file: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(file)?))
    }

    fn stdin(&mut self) -> Box<dyn Read> {
        Box::new(io::stdin().lock())
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
}
