//! What a descriptor is.

use std::error::Error;
use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd};

use crate::prog::ProgType;
use crate::sys::{Bpf, Errno, ProgInfo};

/// A descriptor is not what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrongFd {
    /// It is no program.
    #[non_exhaustive]
    NotProgram {
        /// What it is: `bpf-map`, `bpf_link`, a path.
        kind: String,
    },
    /// It is a program of another type.
    #[non_exhaustive]
    WrongType {
        /// Name of the program.
        name: String,
        /// Its type.
        found: ProgType,
        /// The type wanted.
        wanted: ProgType,
    },
    /// The kernel does not tell.
    Unknown(Errno),
}

impl fmt::Display for WrongFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrongFd::NotProgram { kind } => write!(f, "it is not a BPF program but {kind}"),
            WrongFd::WrongType { name, found, wanted } => {
                write!(f, "program `{name}` is of type {found}, not {wanted}")
            }
            WrongFd::Unknown(errno) => write!(f, "the kernel does not tell what it is: {errno}"),
        }
    }
}

impl Error for WrongFd {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WrongFd::Unknown(errno) => Some(errno),
            _ => None,
        }
    }
}

/// Describes a program.
///
/// # Errors
/// [`WrongFd::NotProgram`] for any other descriptor, [`WrongFd::Unknown`].
pub fn program(fd: BorrowedFd<'_>, kernel: &mut dyn Bpf) -> Result<ProgInfo, WrongFd> {
    // The kernel answers the same request for maps, with another structure. Without /proc, hope for the best.
    if let Ok(kind) = kernel.fd_kind(fd) {
        if kind != "bpf-prog" {
            return Err(WrongFd::NotProgram { kind });
        }
    }
    kernel.prog_info(fd).map_err(WrongFd::Unknown)
}

/// Describes the program of that id, as listings name it.
///
/// # Errors
/// [`WrongFd::Unknown`]: there is no such program any more, or the privilege to look is missing.
pub fn program_by_id(id: u32, kernel: &mut dyn Bpf) -> Result<ProgInfo, WrongFd> {
    let fd = kernel.prog_by_id(id).map_err(WrongFd::Unknown)?;
    kernel.prog_info(fd.as_fd()).map_err(WrongFd::Unknown)
}

/// Describes a program that must be of that type.
///
/// # Errors
/// As [`program`], and [`WrongFd::WrongType`].
pub fn check_program(
    fd: BorrowedFd<'_>,
    wanted: ProgType,
    kernel: &mut dyn Bpf,
) -> Result<ProgInfo, WrongFd> {
    let info = program(fd, kernel)?;
    if info.prog_type != wanted {
        return Err(WrongFd::WrongType { name: info.name, found: info.prog_type, wanted });
    }
    Ok(info)
}
