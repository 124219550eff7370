//! Filters of sockets: programs that see each packet before the socket's reader does, and say how much of it to keep.
//!
//! A filter's result is the number of bytes that the reader gets; 0 drops the packet, and a number larger than the packet
//! keeps all of it. No privilege is needed for a classic filter, nor for one's own program of
//! [`ProgType::SOCKET_FILTER`](crate::ProgType::SOCKET_FILTER), where the kernel lets users load it.
//!
//! The socket keeps the program: descriptor and instructions may be dropped once it is attached. The filter goes when
//! the socket is closed, when [`detach`] takes it off, or when another one is attached in its place.
//!
//! ```
//! use std::os::unix::net::UnixDatagram;
//! use tc_bpf_loader::{cbpf, socket};
//!
//! // Keeps the first two bytes of what begins with `a`, and drops all else.
//! let filter = cbpf::assemble("ldb [0]; jne #0x61, drop; ret #2; drop: ret #0")?;
//! let (sender, receiver) = UnixDatagram::pair()?;
//! socket::attach_classic(&receiver, &filter.insns)?;
//!
//! sender.send(b"bcd")?;
//! sender.send(b"abcd")?;
//! let mut buffer = [0; 16];
//! assert_eq!(receiver.recv(&mut buffer)?, 2);
//! assert_eq!(&buffer[..2], b"ab");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The examples `socket_filter` and `classic_socket_filter` count packets of a program that was loaded from an object,
//! and of a classic one.

use std::error::Error;
use std::fmt;
use std::os::fd::AsFd;

use crate::cbpf::{self, InvalidProgram, SockFilter};
use crate::sys::{Errno, socket};

/// Why a socket's filter could not be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketError {
    /// The kernel would refuse the program, for this reason.
    Invalid(InvalidProgram),
    /// The kernel refuses: `EBADF` or `ENOTSOCK` for what is no socket, `EINVAL` for a descriptor that is no program of
    /// this type, `ENOMEM` for a program that exceeds `net.core.optmem_max`, `EPERM` for a locked filter, `ENOENT` when
    /// there is none to detach.
    Kernel(Errno),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketError::Invalid(e) => write!(f, "the socket's filter: {e}"),
            SocketError::Kernel(e) => write!(f, "the socket's filter cannot be changed: {e}"),
        }
    }
}

impl Error for SocketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SocketError::Invalid(e) => Some(e),
            SocketError::Kernel(e) => Some(e),
        }
    }
}

impl From<Errno> for SocketError {
    fn from(e: Errno) -> Self {
        SocketError::Kernel(e)
    }
}

/// Attaches a classic program, in place of the socket's filter if it has one. The program is checked first, so that an
/// error says which instruction is to blame.
#[doc(alias = "SO_ATTACH_FILTER")]
pub fn attach_classic(socket: impl AsFd, insns: &[SockFilter]) -> Result<(), SocketError> {
    cbpf::validate(insns).map_err(SocketError::Invalid)?;
    Ok(socket::attach_filter(socket.as_fd(), insns)?)
}

/// Attaches a loaded program of [`ProgType::SOCKET_FILTER`](crate::ProgType::SOCKET_FILTER), in place of the socket's
/// filter if it has one. Since Linux 3.19.
#[doc(alias = "SO_ATTACH_BPF")]
pub fn attach(socket: impl AsFd, program: impl AsFd) -> Result<(), SocketError> {
    Ok(socket::attach_bpf(socket.as_fd(), program.as_fd())?)
}

/// Takes the filter off, of either sort.
#[doc(alias = "SO_DETACH_FILTER")]
#[doc(alias = "SO_DETACH_BPF")]
pub fn detach(socket: impl AsFd) -> Result<(), SocketError> {
    Ok(socket::detach_filter(socket.as_fd())?)
}

/// Forbids for good to change the socket's filter. Since Linux 3.9.
#[doc(alias = "SO_LOCK_FILTER")]
pub fn lock(socket: impl AsFd) -> Result<(), SocketError> {
    Ok(socket::lock_filter(socket.as_fd())?)
}
