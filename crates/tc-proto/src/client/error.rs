//! What can go wrong between a request and its answer.

use std::{fmt, io};

use super::errno_text;
use crate::error::{AttrPath, DecodeError, EncodeError};
use crate::msg::{ExtAck, NetlinkHeader, Status};
use crate::units::UnitError;

/// What the kernel says with `ENOENT` when it does not have a kind.
const UNKNOWN_KIND: [&str; 3] = [
    "Specified qdisc kind is unknown",
    "TC classifier not found",
    "Failed to load TC action module",
];

/// What the kernel says with `EINVAL` when something does not exist.
const NOT_FOUND: [&str; 5] = [
    "Invalid handle",
    "Parent Qdisc doesn't exists",
    "Cannot find specified filter chain",
    "Block of given index was not found",
    "Specified TC action kind not found",
];

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
    /// A word of the caller is not a value of its unit.
    Unit(UnitError),
    /// The kernel had no room for the answer (`ENOBUFS`). Whether a request that changes something
    /// took effect is not known.
    Lost,
    /// The kernel did not answer. Whether a request that changes something took effect is not
    /// known.
    NoAnswer,
    /// What was to be listed changed each time while it was read.
    Changing,
    /// Another object stands in the place of the one that is wanted.
    Conflict {
        /// The kind that is wanted.
        wanted: String,
        /// The kind that is there.
        found: String,
    },
    /// A network namespace cannot be opened or entered.
    Netns {
        /// What was being done, e.g. `enter`.
        op: &'static str,
        /// Which namespace.
        name: String,
        /// Why it failed.
        source: io::Error,
    },
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
            Self::Io { source, .. } | Self::Netns { source, .. } => source.raw_os_error(),
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

    /// There is no such object or device, or none of those that it hangs on.
    ///
    /// `ENOENT` and `ENODEV`, and `EINVAL` where the kernel's sentence says so; but not the `ENOENT`
    /// for a kind that the kernel does not have, which [`is_unsupported`](Self::is_unsupported).
    pub fn is_not_found(&self) -> bool {
        match self.errno() {
            Some(libc::ENOENT) => !self.says(&UNKNOWN_KIND),
            Some(libc::ENODEV) => true,
            Some(libc::EINVAL) => self.says(&NOT_FOUND),
            _ => false,
        }
    }

    /// The object exists already (`EEXIST`), or another one stands in its place.
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::Conflict { .. }) || self.errno() == Some(libc::EEXIST)
    }

    /// The kernel cannot do that: `EOPNOTSUPP`, its internal twin `ENOTSUPP`, 524, or a kind that
    /// it does not have.
    pub fn is_unsupported(&self) -> bool {
        match self.errno() {
            Some(libc::EOPNOTSUPP | 524) => true,
            Some(libc::ENOENT) => self.says(&UNKNOWN_KIND),
            _ => false,
        }
    }

    /// The privilege is missing (`EPERM`, `EACCES`).
    pub fn is_permission(&self) -> bool {
        matches!(self.errno(), Some(libc::EPERM | libc::EACCES))
    }

    fn says(&self, sentences: &[&str]) -> bool {
        self.kernel().and_then(KernelError::message).is_some_and(|said| sentences.contains(&said))
    }

    /// The warning that came with a success, or the error that `status` is for `request`.
    pub(crate) fn check(status: Status, request: &[u8]) -> Result<Option<ExtAck>, Self> {
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
            Self::Io { op, source } => Self::Io { op, source: same(source) },
            Self::Kernel(e) => Self::Kernel(e.clone()),
            Self::Decode(e) => Self::Decode(e.clone()),
            Self::Encode(e) => Self::Encode(e.clone()),
            Self::Unit(e) => Self::Unit(e.clone()),
            Self::Lost => Self::Lost,
            Self::NoAnswer => Self::NoAnswer,
            Self::Changing => Self::Changing,
            Self::Conflict { wanted, found } => {
                Self::Conflict { wanted: wanted.clone(), found: found.clone() }
            }
            Self::Netns { op, name, source } => {
                Self::Netns { op, name: name.clone(), source: same(source) }
            }
            Self::Truncated { need, have } => Self::Truncated { need: *need, have: *have },
        }
    }
}

fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
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
            Self::Netns { op, name, source } => {
                write!(f, "cannot {op} the network namespace {name}: ")?;
                match source.raw_os_error() {
                    Some(errno) => f.write_str(&errno_text(errno)),
                    None => write!(f, "{source}"),
                }
            }
            Self::Changing => f.write_str("the list changed each time while it was read"),
            Self::Conflict { wanted, found } => {
                write!(f, "{wanted} is wanted, and {found} stands in its place")
            }
            Self::Kernel(e) => e.fmt(f),
            Self::Decode(e) => write!(f, "the kernel's answer makes no sense: {e}"),
            Self::Unit(e) => e.fmt(f),
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
            Self::Io { source, .. } | Self::Netns { source, .. } => Some(source),
            Self::Decode(e) => Some(e),
            Self::Encode(e) => Some(e),
            Self::Unit(e) => Some(e),
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

impl From<UnitError> for Error {
    fn from(e: UnitError) -> Self {
        Self::Unit(e)
    }
}
