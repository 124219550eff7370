//! One error for all that this crate does, for those who pass errors on.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::access::MapError;
use crate::cbpf::{AsmError, BytecodeError};
use crate::data::VarError;
use crate::error::ObjectError;
use crate::info::WrongFd;
use crate::load::LoadError;
use crate::pin::PinError;
use crate::socket::SocketError;
use crate::sys::Errno;

/// Whatever can go wrong in this crate. Functions return the part that they can meet; `?` makes it
/// this.
///
/// ```no_run
/// use tc_bpf_loader::{Error, LoadOptions, ObjectSpec, ProgType, Select, info, sys::Kernel};
/// use std::os::fd::{AsFd, OwnedFd};
///
/// fn program(file: &str) -> Result<(OwnedFd, [u8; 8]), Error> {
///     let object = ObjectSpec::from_path(file.as_ref())?;
///     let program = object.select(&Select::default())?;
///     let loaded = program.load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)?;
///     let tag = info::program(loaded.fd.as_fd(), &mut Kernel)?.tag;
///     Ok((loaded.fd, tag))
/// }
///
/// assert!(program("no/such/file.o").unwrap_err().is_not_found());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An object cannot be read, or has no such program.
    Object(ObjectError),
    /// A program cannot be loaded.
    Load(LoadError),
    /// A descriptor is not what was wanted.
    Info(WrongFd),
    /// A pinned object cannot be had.
    Pin(PinError),
    /// A map cannot be read or changed.
    Map(MapError),
    /// A variable of an object cannot be read or set.
    Variable(VarError),
    /// A socket's filter cannot be changed.
    Socket(SocketError),
    /// A text is no bytecode.
    Bytecode(BytecodeError),
    /// A text is no program in the language of `bpf_asm`.
    Asm(AsmError),
}

impl Error {
    /// The error number of the system call that failed.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Load(LoadError::Program(refused)) => Some(refused.errno.0),
            Self::Load(LoadError::Map(refused)) => Some(refused.errno.0),
            _ => {
                let mut at: Option<&(dyn StdError + 'static)> = Some(self);
                while let Some(error) = at {
                    if let Some(errno) = error.downcast_ref::<Errno>() {
                        return Some(errno.0);
                    }
                    if let Some(error) = error.downcast_ref::<io::Error>() {
                        return error.raw_os_error();
                    }
                    at = error.source();
                }
                None
            }
        }
    }

    /// There is no such file, pinned object or program in an object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Object(ObjectError::NoProgram { .. }))
            || matches!(self, Self::Load(LoadError::Object(ObjectError::NoProgram { .. })))
            || self.errno() == Some(libc::ENOENT)
    }

    /// Something of that name exists already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// This crate or this kernel cannot do that.
    pub fn is_unsupported(&self) -> bool {
        let object = match self {
            Self::Object(e) | Self::Load(LoadError::Object(e)) => Some(e),
            Self::Load(LoadError::Unresolved(_)) => return true,
            _ => None,
        };
        matches!(object, Some(ObjectError::Unsupported { .. }))
            || matches!(self.errno(), Some(libc::ENOSYS | libc::EOPNOTSUPP | 524))
    }

    /// The privilege is missing. `EACCES` for a program is not that, but the verifier's refusal.
    pub fn is_permission(&self) -> bool {
        match self.errno() {
            Some(libc::EPERM) => true,
            Some(libc::EACCES) => !matches!(self, Self::Load(LoadError::Program(_))),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(e) => e.fmt(f),
            Self::Load(e) => e.fmt(f),
            Self::Info(e) => e.fmt(f),
            Self::Pin(e) => e.fmt(f),
            Self::Map(e) => e.fmt(f),
            Self::Variable(e) => e.fmt(f),
            Self::Socket(e) => e.fmt(f),
            Self::Bytecode(e) => e.fmt(f),
            Self::Asm(e) => e.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(match self {
            Self::Object(e) => e,
            Self::Load(e) => e,
            Self::Info(e) => e,
            Self::Pin(e) => e,
            Self::Map(e) => e,
            Self::Variable(e) => e,
            Self::Socket(e) => e,
            Self::Bytecode(e) => e,
            Self::Asm(e) => e,
        })
    }
}

/// A variant for each error of a part.
macro_rules! from {
    ($($variant:ident: $error:ty,)+) => {
        $(
            impl From<$error> for Error {
                fn from(e: $error) -> Self {
                    Self::$variant(e)
                }
            }
        )+
    };
}

from! {
    Object: ObjectError,
    Load: LoadError,
    Info: WrongFd,
    Pin: PinError,
    Map: MapError,
    Variable: VarError,
    Socket: SocketError,
    Bytecode: BytecodeError,
    Asm: AsmError,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{ObjectSpec, Select};

    #[test]
    fn what_is_not_there_is_not_found() {
        let error = Error::from(ObjectSpec::from_path(Path::new("/no/such.o")).unwrap_err());
        assert!(error.is_not_found() && !error.is_permission(), "{error:?}");
        let object = include_bytes!("../../../bpf/drop-arp.o");
        let object = ObjectSpec::parse("drop-arp.o", object).unwrap();
        let select = Select { section: Some("nosuch"), ..Select::default() };
        let error = Error::from(object.select(&select).unwrap_err());
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(error.errno(), None);
        let (path, errno) = ("/no/such".into(), Errno::ENOENT);
        let error = Error::from(PinError::Open { path, errno, hint: None });
        assert!(error.is_not_found(), "{error:?}");
    }

    #[test]
    fn numbers_are_found_through_all_parts() {
        for errno in [libc::EPERM, libc::EACCES] {
            let error = Error::from(WrongFd::Unknown(Errno(errno)));
            assert!(error.is_permission() && error.errno() == Some(errno));
        }
        let error = Error::from(SocketError::Kernel(Errno(libc::EEXIST)));
        assert!(error.is_exists() && !error.is_unsupported());
        assert!(Error::from(SocketError::Kernel(Errno(libc::ENOSYS))).is_unsupported());
        assert!(Error::from(WrongFd::Unknown(Errno::ENOTSUPP)).is_unsupported());
    }
}
