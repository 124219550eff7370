//! Programs and maps pinned in a BPF file system.

use std::error::Error;
use std::fmt;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use crate::info;
use crate::prog::ProgType;
use crate::sys::{Bpf, Errno};

/// Why a pinned object could not be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum PinError {
    /// The path could not be opened.
    #[non_exhaustive]
    Open {
        /// The path.
        path: PathBuf,
        /// The kernel's error.
        errno: Errno,
        /// What to do about it, if known.
        hint: Option<String>,
    },
    /// Something else is pinned there than a program of the type wanted.
    #[non_exhaustive]
    Wrong {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        source: info::WrongFd,
    },
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinError::Open { path, errno, hint } => {
                write!(f, "cannot open pinned object {}: {errno}", path.display())?;
                hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
            }
            PinError::Wrong { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl Error for PinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PinError::Open { errno, .. } => Some(errno),
            PinError::Wrong { source, .. } => Some(source),
        }
    }
}

/// Opens whatever is pinned at `path`.
///
/// # Errors
/// [`PinError::Open`].
pub fn get(path: &Path, kernel: &mut dyn Bpf) -> Result<OwnedFd, PinError> {
    kernel.obj_get(path).map_err(|errno| {
        let hint = match errno {
            Errno::EPERM => kernel.explain_eperm(),
            Errno::EACCES => Some("it is not a BPF object, or its file mode forbids it".to_owned()),
            _ => None,
        };
        PinError::Open { path: path.to_owned(), errno, hint }
    })
}

/// Opens a program of that type.
///
/// # Errors
/// [`PinError::Open`], [`PinError::Wrong`].
pub fn get_program(path: &Path, want: ProgType, kernel: &mut dyn Bpf) -> Result<OwnedFd, PinError> {
    let fd = get(path, kernel)?;
    match info::check_program(fd.as_fd(), want, kernel) {
        Ok(_) => Ok(fd),
        Err(source) => Err(PinError::Wrong { path: path.to_owned(), source }),
    }
}
