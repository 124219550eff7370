//! Filters of sockets: setsockopt(2).

use std::mem::size_of;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::Errno;
use crate::cbpf::SockFilter;

/// `struct sock_fprog`.
#[repr(C)]
struct SockFprog {
    len: u16,
    filter: *const [u8; 8],
}

/// # Safety
/// `value` must be what the option wants, and what it points to must be readable.
unsafe fn set<T>(socket: BorrowedFd<'_>, option: libc::c_int, value: &T) -> Result<(), Errno> {
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: value is valid for its size; what it points to is the caller's promise.
    let result = unsafe {
        let length = size_of::<T>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length)
    };
    if result == 0 { Ok(()) } else { Err(super::last_errno()) }
}

pub(crate) fn attach_filter(socket: BorrowedFd<'_>, insns: &[SockFilter]) -> Result<(), Errno> {
    let bytes: Vec<[u8; 8]> = insns.iter().map(|insn| insn.to_bytes()).collect();
    let len = u16::try_from(bytes.len()).map_err(|_| Errno::EINVAL)?;
    let program = SockFprog { len, filter: bytes.as_ptr() };
    // SAFETY: the option wants this structure; the instructions live until after the call, as many as it says.
    unsafe { set(socket, libc::SO_ATTACH_FILTER, &program) }
}

pub(crate) fn attach_bpf(socket: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the option wants an int.
    unsafe { set(socket, libc::SO_ATTACH_BPF, &program.as_raw_fd()) }
}

pub(crate) fn detach_filter(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the option wants an int and ignores it.
    unsafe { set(socket, libc::SO_DETACH_FILTER, &0) }
}

pub(crate) fn lock_filter(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the option wants an int.
    unsafe { set(socket, libc::SO_LOCK_FILTER, &1) }
}
