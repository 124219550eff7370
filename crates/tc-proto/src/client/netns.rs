//! Other network namespaces, without moving the thread that asks.
//!
//! A socket belongs for good to the namespace in which it was opened. So a helper thread enters the
//! namespace, opens the socket and ends. Entering takes `CAP_SYS_ADMIN`.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Error;

/// Where `ip netns add` keeps the namespaces.
const DIRECTORY: &str = "/run/netns";

/// A network namespace, held open: it lives as long as this value or a client that was opened in it,
/// whoever leaves it.
///
/// ```no_run
/// use tc_proto::client::{Client, Netns};
///
/// let web = Netns::of_process(4711)?; // that of a container
/// let mut client = Client::open_in(&web)?;
/// let eth0 = client.link_index("eth0")?;
/// # Ok::<(), tc_proto::client::Error>(())
/// ```
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
    /// What it is called in errors.
    name: String,
}

impl Netns {
    /// The namespace that `ip netns add` gave this name.
    pub fn named(name: impl AsRef<OsStr>) -> Result<Self, Error> {
        let name = name.as_ref();
        let shown = name.to_string_lossy();
        let plain = Path::new(name).file_name() == Some(name);
        let file = if plain {
            File::open(Path::new(DIRECTORY).join(name))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        };
        Self::opened(file, &shown)
    }

    /// The namespace of this file, such as `/proc/4711/ns/net` or `/run/netns/web`.
    pub fn at(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::opened(File::open(path), &path.display())
    }

    /// The namespace of the process of this id.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        let path = format!("/proc/{pid}/ns/net");
        Self::opened(File::open(path), &format_args!("process {pid}"))
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, Error> {
        Self::opened(File::open("/proc/thread-self/ns/net"), &"current")
    }

    fn opened(file: io::Result<File>, name: &dyn Display) -> Result<Self, Error> {
        let name = name.to_string();
        match file {
            Ok(file) => Ok(Self { fd: file.into(), name }),
            Err(source) => Err(Error::Netns { op: "open", name, source }),
        }
    }

    /// Runs `work` in this namespace, on a thread of its own that ends with it, and gives what it
    /// gives.
    ///
    /// Sockets that `work` opens stay in this namespace wherever they are used later.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let error = |op, source| Error::Netns { op, name: self.name.clone(), source };
        let inside = || {
            move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("netns".to_owned());
            let thread =
                thread.spawn_scoped(scope, inside).map_err(|e| error("start a thread for", e))?;
            match thread.join() {
                Ok(done) => done.map_err(|e: rustix::io::Errno| error("enter", e.into())),
                // It is the caller's own panic.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The same namespace, held open twice.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let name = self.name.clone();
        match self.fd.try_clone() {
            Ok(fd) => Ok(Self { fd, name }),
            Err(source) => Err(Error::Netns { op: "duplicate", name, source }),
        }
    }
}

/// A descriptor of a namespace.
impl From<OwnedFd> for Netns {
    fn from(fd: OwnedFd) -> Self {
        Self { fd, name: "of a descriptor".to_owned() }
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
