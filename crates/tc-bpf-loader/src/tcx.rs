//! TCX: programs at a device's hooks, without qdisc and filter. Since Linux 6.6.
//!
//! A hook, the ingress or egress of a device, has a list of up to 64 programs of type
//! [`ProgType::SCHED_CLS`](crate::ProgType::SCHED_CLS), which run one after the other, **before** all filters of the
//! device's `clsact` or `ingress` qdisc. A program's verdict is as with `direct-action`: -1 (`TCX_NEXT`) asks the next
//! program, and after the last one the filters; 0 lets the packet pass, 2 drops it, 7 redirects it; these end the list,
//! and no filter sees the packet.
//!
//! # Who holds a program
//!
//! - [`attach`] has the hook itself hold the program, as filters are held: it stays until somebody detaches it or the
//!   device goes.
//! - [`attach_link`] returns a [`Link`] that holds it. **When the last descriptor of a link is closed, the program is
//!   detached**: a `Link` that is dropped, or whose process ends however it ends, detaches. [`Link::pin`] keeps a link
//!   beyond that, until the pin is removed. Nobody else can detach or replace a link's program without holding the link.
//!
//! The list has a revision, which changes whenever the list does. An [`Options::revision`] makes a change only if nobody
//! else changed the list since it was looked at.
//!
//! ```no_run
//! use std::path::Path;
//! use tc_bpf_loader::tcx::{self, Anchor, Hook, Options, Position};
//! use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType, Select, sys::Kernel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let object = ObjectSpec::from_path(Path::new("drop-arp.o"))?;
//! let program = object.select(&Select { section: Some("ingress"), ..Select::default() })?;
//! let loaded = program.load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)?;
//!
//! let hook = Hook::ingress(2); // the device's index
//! let seen = tcx::query(hook, &mut Kernel)?;
//! let first = Options { position: Position::First, revision: Some(seen.revision), ..Options::default() };
//! let link = tcx::attach_link(hook, &loaded.fd, &first, &mut Kernel)?;
//! link.pin(Path::new("/sys/fs/bpf/no_arp"), &mut Kernel)?;
//! // The program may be dropped now, and so may the link: its pin holds it.
//! # Ok(())
//! # }
//! ```

use std::error::Error;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::sys::{Attachment, Bpf, Errno, LinkInfo};

const BPF_F_REPLACE: u32 = 1 << 2;
const BPF_F_BEFORE: u32 = 1 << 3;
const BPF_F_AFTER: u32 = 1 << 4;
const BPF_F_ID: u32 = 1 << 5;
const BPF_F_LINK: u32 = 1 << 13;
/// `BPF_LINK_TYPE_TCX`.
const LINK_TYPE: u32 = 11;

/// A place of a device where packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hook {
    /// Index of the device.
    pub ifindex: u32,
    /// Which way packets go.
    pub direction: Direction,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// They arrived at the device.
    #[doc(alias = "BPF_TCX_INGRESS")]
    Ingress,
    /// They are to leave by the device.
    #[doc(alias = "BPF_TCX_EGRESS")]
    Egress,
}

impl Hook {
    /// Where packets arrive.
    #[must_use]
    pub const fn ingress(ifindex: u32) -> Hook {
        Hook { ifindex, direction: Direction::Ingress }
    }

    /// Where packets leave.
    #[must_use]
    pub const fn egress(ifindex: u32) -> Hook {
        Hook { ifindex, direction: Direction::Egress }
    }

    const fn attach_type(self) -> u32 {
        match self.direction {
            Direction::Ingress => 46,
            Direction::Egress => 47,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        })
    }
}

/// A program at a hook, named by its own id or by that of the link which holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// The program of this id.
    Program(u32),
    /// The link of this id.
    Link(u32),
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anchor::Program(id) => write!(f, "program {id}"),
            Anchor::Link(id) => write!(f, "link {id}"),
        }
    }
}

/// Where in the list a program goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Position {
    /// Behind all others.
    #[default]
    Last,
    /// In front of all others.
    First,
    /// Directly in front of that one.
    Before(Anchor),
    /// Directly behind that one.
    After(Anchor),
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Where in the list.
    pub position: Position,
    /// The revision that the list must have; otherwise nothing is changed.
    pub revision: Option<u64>,
}

impl Options {
    fn of(self, hook: Hook, program: BorrowedFd<'_>) -> Attachment<'_> {
        let (flags, anchor) = match self.position {
            Position::Last => (BPF_F_AFTER, None),
            Position::First => (BPF_F_BEFORE, None),
            Position::Before(anchor) => (BPF_F_BEFORE, Some(anchor)),
            Position::After(anchor) => (BPF_F_AFTER, Some(anchor)),
        };
        let (more, relative_id) = match anchor {
            None => (0, 0),
            Some(Anchor::Program(id)) => (BPF_F_ID, id),
            Some(Anchor::Link(id)) => (BPF_F_ID | BPF_F_LINK, id),
        };
        Attachment {
            program: Some(program),
            flags: flags | more,
            relative_id,
            revision: self.revision.unwrap_or(0),
            ..Attachment::at(hook.ifindex, hook.attach_type())
        }
    }
}

/// One program at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Entry {
    /// Id of the program.
    pub prog_id: u32,
    /// Id of the link that holds it, if one does.
    pub link_id: Option<u32>,
}

/// The programs at a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// Changes with every change of the list.
    pub revision: u64,
    /// In the order in which they run.
    pub entries: Vec<Entry>,
}

/// Why a list of programs could not be changed or read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcxError {
    /// The kernel is older than 6.6, or built without TCX.
    Unsupported,
    /// The list has changed since it had the revision given.
    #[non_exhaustive]
    Changed {
        /// The revision that the list has now, if that could be found out.
        revision: Option<u64>,
    },
    /// What was named, as a place or to be replaced or detached, is not at this hook.
    Absent,
    /// The program is at this hook already.
    Present,
    /// The hook has 64 programs, which are the most.
    Full,
    /// A link holds the program, so that only the link can replace or detach it.
    Held,
    /// There is no such device.
    NoDevice,
    /// The privilege is missing, with a phrase that says which.
    NotPermitted(Option<String>),
    /// The descriptor or pin is something else than was wanted.
    NotLink,
    /// Something else, in this step.
    #[non_exhaustive]
    Kernel {
        /// What was asked.
        step: &'static str,
        /// The answer.
        errno: Errno,
    },
}

impl fmt::Display for TcxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TcxError::Unsupported => f.write_str("this kernel has no TCX, which needs Linux 6.6"),
            TcxError::Changed { revision: Some(now) } => {
                write!(f, "the list of programs has changed; its revision is now {now}")
            }
            TcxError::Changed { revision: None } => f.write_str("the list of programs has changed"),
            TcxError::Absent => f.write_str("there is no such program or link at this hook"),
            TcxError::Present => f.write_str("the program is at this hook already"),
            TcxError::Full => f.write_str("the hook has 64 programs already, which are the most"),
            TcxError::Held => {
                f.write_str("a link holds the program; only the link can change that")
            }
            TcxError::NoDevice => f.write_str("there is no such device"),
            TcxError::NotPermitted(why) => {
                f.write_str("not permitted")?;
                why.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            TcxError::NotLink => f.write_str("it is no TCX link"),
            TcxError::Kernel { step, errno } => write!(f, "cannot {step}: {errno}"),
        }
    }
}

impl Error for TcxError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TcxError::Kernel { errno, .. } => Some(errno),
            _ => None,
        }
    }
}

/// What the kernel's error means, at this hook.
fn explain(step: &'static str, hook: Hook, errno: Errno, kernel: &mut dyn Bpf) -> TcxError {
    match errno.0 {
        libc::ESTALE => {
            TcxError::Changed { revision: query(hook, kernel).ok().map(|list| list.revision) }
        }
        libc::ENOENT => TcxError::Absent,
        libc::EEXIST => TcxError::Present,
        libc::ERANGE => TcxError::Full,
        libc::EBUSY => TcxError::Held,
        libc::ENODEV => TcxError::NoDevice,
        libc::EPERM => TcxError::NotPermitted(kernel.explain_eperm()),
        // Whoever does not know the hook cannot list it either.
        libc::EINVAL if kernel.prog_query(hook.ifindex, hook.attach_type()).is_err() => {
            TcxError::Unsupported
        }
        _ => TcxError::Kernel { step, errno },
    }
}

/// Lists the programs at a hook.
///
/// Needs `CAP_NET_ADMIN`.
pub fn query(hook: Hook, kernel: &mut dyn Bpf) -> Result<List, TcxError> {
    match kernel.prog_query(hook.ifindex, hook.attach_type()) {
        Ok(attached) => Ok(List {
            revision: attached.revision,
            entries: attached
                .programs
                .into_iter()
                .map(|(prog_id, link)| Entry { prog_id, link_id: (link != 0).then_some(link) })
                .collect(),
        }),
        Err(Errno::EINVAL) => Err(TcxError::Unsupported),
        Err(Errno(libc::ENODEV)) => Err(TcxError::NoDevice),
        Err(Errno::EPERM) => Err(TcxError::NotPermitted(kernel.explain_eperm())),
        Err(errno) => Err(TcxError::Kernel { step: "list the programs", errno }),
    }
}

/// Attaches a program that the hook holds itself, until it is detached or the device goes.
#[doc(alias = "BPF_PROG_ATTACH")]
pub fn attach(
    hook: Hook,
    program: impl AsFd,
    options: &Options,
    kernel: &mut dyn Bpf,
) -> Result<(), TcxError> {
    let attachment = options.of(hook, program.as_fd());
    kernel.prog_attach(&attachment).map_err(|e| explain("attach the program", hook, e, kernel))
}

/// Puts a program in the place of another one that the hook holds itself, at once for all packets.
#[doc(alias = "BPF_F_REPLACE")]
pub fn replace(
    hook: Hook,
    program: impl AsFd,
    old: impl AsFd,
    revision: Option<u64>,
    kernel: &mut dyn Bpf,
) -> Result<(), TcxError> {
    let attachment = Attachment {
        program: Some(program.as_fd()),
        flags: BPF_F_REPLACE,
        replace: Some(old.as_fd()),
        revision: revision.unwrap_or(0),
        ..Attachment::at(hook.ifindex, hook.attach_type())
    };
    kernel.prog_attach(&attachment).map_err(|e| explain("replace the program", hook, e, kernel))
}

/// Detaches a program that the hook holds itself.
#[doc(alias = "BPF_PROG_DETACH")]
pub fn detach(
    hook: Hook,
    program: impl AsFd,
    revision: Option<u64>,
    kernel: &mut dyn Bpf,
) -> Result<(), TcxError> {
    let attachment = Attachment {
        program: Some(program.as_fd()),
        revision: revision.unwrap_or(0),
        ..Attachment::at(hook.ifindex, hook.attach_type())
    };
    kernel.prog_detach(&attachment).map_err(|e| explain("detach the program", hook, e, kernel))
}

/// Attaches a program by a link, which holds it.
#[doc(alias = "BPF_LINK_CREATE")]
pub fn attach_link(
    hook: Hook,
    program: impl AsFd,
    options: &Options,
    kernel: &mut dyn Bpf,
) -> Result<Link, TcxError> {
    let attachment = options.of(hook, program.as_fd());
    match kernel.link_create(&attachment) {
        Ok(fd) => Ok(Link { fd }),
        Err(e) => Err(explain("attach the program", hook, e, kernel)),
    }
}

/// A link that holds a program at a hook. Dropped, it detaches the program, unless it is pinned or another descriptor
/// of it is open.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

impl Link {
    /// Opens the link of this id.
    ///
    /// Needs `CAP_SYS_ADMIN`.
    pub fn by_id(id: u32, kernel: &mut dyn Bpf) -> Result<Link, TcxError> {
        match kernel.link_by_id(id) {
            Ok(fd) => Link::from_fd(fd, kernel),
            Err(Errno::ENOENT) => Err(TcxError::Absent),
            Err(Errno::EPERM) => Err(TcxError::NotPermitted(kernel.explain_eperm())),
            Err(errno) => Err(TcxError::Kernel { step: "open the link", errno }),
        }
    }

    /// Takes a descriptor, of a pin for example, which must be of a TCX link.
    pub fn from_fd(fd: OwnedFd, kernel: &mut dyn Bpf) -> Result<Link, TcxError> {
        let link = Link { fd };
        // The kernel describes programs and maps by the same command, with other structures.
        if kernel.fd_kind(link.fd.as_fd()).is_ok_and(|kind| !kind.contains("link")) {
            return Err(TcxError::NotLink);
        }
        match link.info(kernel)?.link_type {
            LINK_TYPE => Ok(link),
            _ => Err(TcxError::NotLink),
        }
    }

    /// Describes it.
    pub fn info(&self, kernel: &mut dyn Bpf) -> Result<LinkInfo, TcxError> {
        let info = kernel.link_info(self.fd.as_fd());
        info.map_err(|errno| TcxError::Kernel { step: "describe the link", errno })
    }

    /// Pins it at a path of a BPF file system, where nothing may be: it stays until the pin is removed.
    pub fn pin(&self, path: &Path, kernel: &mut dyn Bpf) -> Result<(), TcxError> {
        let pinned = kernel.obj_pin(self.fd.as_fd(), path);
        pinned.map_err(|errno| TcxError::Kernel { step: "pin the link", errno })
    }

    /// Puts another program in the place of the link's, at once for all packets; only if the link's program is `old`,
    /// if given.
    #[doc(alias = "BPF_LINK_UPDATE")]
    pub fn update(
        &self,
        program: impl AsFd,
        old: Option<BorrowedFd<'_>>,
        kernel: &mut dyn Bpf,
    ) -> Result<(), TcxError> {
        match kernel.link_update(self.fd.as_fd(), program.as_fd(), old) {
            Ok(()) => Ok(()),
            Err(Errno::EPERM) if old.is_some() => Err(TcxError::Changed { revision: None }),
            Err(Errno(libc::ENOLINK)) => Err(TcxError::Absent),
            Err(errno) => Err(TcxError::Kernel { step: "update the link", errno }),
        }
    }

    /// Detaches the program for good, whoever else holds the link. Pins of it stay, and hold nothing.
    #[doc(alias = "BPF_LINK_DETACH")]
    pub fn detach(&self, kernel: &mut dyn Bpf) -> Result<(), TcxError> {
        let detached = kernel.link_detach(self.fd.as_fd());
        detached.map_err(|errno| TcxError::Kernel { step: "detach the link", errno })
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Link> for OwnedFd {
    fn from(link: Link) -> OwnedFd {
        link.fd
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::sys::Fake;

    /// What the kernel's errors of attaching mean, and those of listing.
    #[test]
    fn errors_say_what_the_kernel_means() {
        let program = File::open("/dev/null").unwrap();
        let hook = Hook::ingress(2);
        let refusing = |errnos: &[i32]| {
            let mut fake = Fake::new();
            for errno in errnos {
                fake.refuse_attachment(Errno(*errno));
            }
            fake
        };
        let attach = |errnos: &[i32]| {
            let options = Options::default();
            let by_link = attach_link(hook, &program, &options, &mut refusing(errnos)).map(drop);
            let plain = attach(hook, &program, &options, &mut refusing(errnos));
            assert_eq!(by_link, plain);
            plain
        };
        assert_eq!(attach(&[]), Ok(()));
        assert_eq!(attach(&[libc::ESTALE]), Err(TcxError::Changed { revision: Some(1) }));
        assert_eq!(attach(&[libc::ENOENT]), Err(TcxError::Absent));
        assert_eq!(attach(&[libc::EEXIST]), Err(TcxError::Present));
        assert_eq!(attach(&[libc::ERANGE]), Err(TcxError::Full));
        assert_eq!(attach(&[libc::EBUSY]), Err(TcxError::Held));
        assert_eq!(attach(&[libc::ENODEV]), Err(TcxError::NoDevice));
        assert!(matches!(attach(&[libc::EPERM]), Err(TcxError::NotPermitted(Some(_)))));
        // A kernel before 6.6 can neither attach nor list; a newer one lists.
        assert_eq!(attach(&[libc::EINVAL, libc::EINVAL]), Err(TcxError::Unsupported));
        assert!(matches!(
            attach(&[libc::EINVAL]),
            Err(TcxError::Kernel { errno: Errno::EINVAL, .. })
        ));
        let mut fake = Fake::new();
        fake.refuse_attachment(Errno::EINVAL);
        assert_eq!(query(hook, &mut fake), Err(TcxError::Unsupported));
        assert_eq!(
            TcxError::Unsupported.to_string(),
            "this kernel has no TCX, which needs Linux 6.6"
        );
    }
}
