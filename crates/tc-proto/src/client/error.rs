//! What can go wrong between a request and its answer.

use std::{fmt, io};

use super::errno_text;
use crate::error::{AttrPath, DecodeError, EncodeError};
use crate::msg::{ExtAck, NetlinkHeader, Status};

/// A request that did not succeed, or whose outcome is not known.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call on the socket failed.
    Io {
        /// What was being done, e.g. `send`.
        op: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel refused the request.
    Kernel(Box<KernelError>),
    /// The answer is not what an answer should be.
    Decode(DecodeError),
    /// The request cannot be written.
    Encode(EncodeError),
    /// The kernel had no room for the answer (`ENOBUFS`). Whether a request that changes something
    /// took effect is not known.
    Lost,
    /// The kernel did not answer. Whether a request that changes something took effect is not
    /// known.
    NoAnswer,
    /// The answer was longer than the buffer for it, and asking again would repeat the change.
    Truncated {
        /// Bytes of the answer.
        need: usize,
        /// Bytes there was room for.
        have: usize,
    },
}

/// What the kernel said when it refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelError {
    /// The error number, positive.
    pub errno: i32,
    /// The request's type, e.g. `RTM_NEWQDISC`.
    pub message_type: u16,
    /// The kernel's explanation, if it gave one.
    pub ext_ack: Option<ExtAck>,
    /// The attribute of the request that the explanation points at.
    pub attribute: Option<AttrPath>,
}

impl KernelError {
    /// An error without explanation, for a request of `message_type`.
    pub fn new(errno: i32, message_type: u16) -> Self {
        Self { errno, message_type, ext_ack: None, attribute: None }
    }

    /// The kernel's sentence, if it gave one.
    pub fn message(&self) -> Option<&str> {
        self.ext_ack.as_ref()?.message.as_deref()
    }
}

impl Error {
    /// The error number of the kernel or of the system call.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(e) => Some(e.errno),
            Self::Io { source, .. } => source.raw_os_error(),
            Self::Lost => Some(libc::ENOBUFS),
            _ => None,
        }
    }

    /// The kernel's part of the error, if it is the kernel that refused.
    pub fn kernel(&self) -> Option<&KernelError> {
        match self {
            Self::Kernel(e) => Some(e),
            _ => None,
        }
    }

    /// There is no such object or device (`ENOENT`, `ENODEV`).
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Some(libc::ENOENT | libc::ENODEV))
    }

    /// The object exists already (`EEXIST`).
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// The kernel cannot do that (`EOPNOTSUPP`, or its internal twin `ENOTSUPP`, 524).
    pub fn is_unsupported(&self) -> bool {
        matches!(self.errno(), Some(libc::EOPNOTSUPP | 524))
    }

    /// The privilege is missing (`EPERM`, `EACCES`).
    pub fn is_permission(&self) -> bool {
        matches!(self.errno(), Some(libc::EPERM | libc::EACCES))
    }

    /// The warning that came with a success, or the error that `status` is for `request`.
    pub(super) fn check(status: Status, request: &[u8]) -> Result<Option<ExtAck>, Self> {
        let Status { errno, ext_ack, .. } = status;
        if errno == 0 {
            return Ok(ext_ack);
        }
        let message_type = NetlinkHeader::decode(request).unwrap_or_default().message_type;
        let attribute = ext_ack.as_ref().and_then(|ext_ack| ext_ack.attribute(request));
        Err(Self::Kernel(Box::new(KernelError { errno, message_type, ext_ack, attribute })))
    }

    /// The same error for another request that failed with it.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Io { op, source } => {
                let source = source
                    .raw_os_error()
                    .map_or_else(|| source.kind().into(), io::Error::from_raw_os_error);
                Self::Io { op, source }
            }
            Self::Kernel(e) => Self::Kernel(e.clone()),
            Self::Decode(e) => Self::Decode(e.clone()),
            Self::Encode(e) => Self::Encode(e.clone()),
            Self::Lost => Self::Lost,
            Self::NoAnswer => Self::NoAnswer,
            Self::Truncated { need, have } => Self::Truncated { need: *need, have: *have },
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel refused: {}", errno_text(self.errno))?;
        if let Some(message) = self.message() {
            write!(f, ": {}", message.strip_suffix('.').unwrap_or(message))?;
        }
        let Some(ext_ack) = &self.ext_ack else { return Ok(()) };
        if let Some(missing) = ext_ack.missing_type {
            write!(f, ", attribute {missing} is missing")?;
        }
        if let Some(path) = &self.attribute {
            let word = if ext_ack.offset.is_some() { "attribute" } else { "in" };
            write!(f, " ({word} {path})")?;
        }
        if let Some(policy) = &ext_ack.policy {
            write!(f, ", it takes {policy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, source } => match source.raw_os_error() {
                Some(errno) => write!(f, "netlink socket: {op}: {}", errno_text(errno)),
                None => write!(f, "netlink socket: {op}: {source}"),
            },
            Self::Kernel(e) => e.fmt(f),
            Self::Decode(e) => write!(f, "the kernel's answer makes no sense: {e}"),
            Self::Encode(e) => write!(f, "the request cannot be written: {e}"),
            Self::Lost => f.write_str(
                "the kernel's answer was lost for want of buffer space, the request may have \
                 taken effect",
            ),
            Self::NoAnswer => {
                f.write_str("the kernel gave no answer, the request may have taken effect")
            }
            Self::Truncated { need, have } => {
                write!(f, "the kernel's answer has {need} bytes, there was room for {have}")
            }
        }
    }
}

impl std::error::Error for KernelError {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Decode(e) => Some(e),
            Self::Encode(e) => Some(e),
            _ => None,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl From<EncodeError> for Error {
    fn from(e: EncodeError) -> Self {
        Self::Encode(e)
    }
}
