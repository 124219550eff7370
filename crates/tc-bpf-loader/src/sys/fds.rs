//! Descriptors over a Unix socket, and through exec.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

/// Most descriptors of one message; the kernel's own limit is 253 (`SCM_MAX_FD`).
pub const MAX_FDS: usize = 64;

/// Room for the control message of [`MAX_FDS`] descriptors, aligned as its header wants it.
const CONTROL: usize = (size_of::<libc::cmsghdr>() + MAX_FDS * size_of::<RawFd>()) / 8 + 2;

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_owned())
}

/// Sends one message with descriptors, of which the receiver gets duplicates.
///
/// # Errors
/// What sendmsg(2) says, and for more than [`MAX_FDS`] descriptors or none.
pub fn send(socket: &UnixDatagram, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.is_empty() || fds.len() > MAX_FDS {
        return Err(invalid("a message carries 1 to 64 descriptors"));
    }
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let length = size_of::<RawFd>() * numbers.len();
    let mut control = [0u64; CONTROL];
    let mut vector =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the structure is plain data, for which zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: the macro computes only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(length as u32) } as _;
    // SAFETY: `control` has room for a header and MAX_FDS descriptors, and is aligned for both; the kernel only reads
    // what the message points to, all of which lives until after the call.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(length as u32) as _;
        std::ptr::copy_nonoverlapping(
            numbers.as_ptr().cast::<u8>(),
            libc::CMSG_DATA(header),
            length,
        );
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits for one message and the descriptors in it; returns how many bytes it has.
///
/// # Errors
/// What recvmsg(2) says, and for a message that is longer than `bytes` or has more than [`MAX_FDS`] descriptors.
pub fn receive(socket: &UnixDatagram, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = [0u64; CONTROL];
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the structure is plain data, for which zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<[u64; CONTROL]>() as _;
    // SAFETY: all that the message points to is ours to be written, has the lengths given and lives on.
    let length =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let Ok(length) = usize::try_from(length) else { return Err(io::Error::last_os_error()) };
    let mut fds = Vec::new();
    // SAFETY: the headers are those that the kernel wrote into `control`, within the length that it left in the
    // message; each descriptor in them is open and nobody else's.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let start = libc::CMSG_DATA(header);
                let size = ((*header).cmsg_len as usize)
                    .saturating_sub(start.addr().saturating_sub(header.addr()));
                let numbers =
                    std::slice::from_raw_parts(start, size).chunks_exact(size_of::<RawFd>());
                for number in numbers.filter_map(|n| n.try_into().ok()) {
                    fds.push(OwnedFd::from_raw_fd(RawFd::from_ne_bytes(number)));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(invalid("the message is longer than what was asked for"));
    }
    Ok((length, fds))
}

/// Has a descriptor survive exec.
///
/// # Errors
/// What fcntl(2) says.
pub fn keep_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl with these takes no pointers.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn descriptors_arrive_with_their_message() {
        let (a, b) = UnixDatagram::pair().unwrap();
        let mut file = tempfile();
        file.write_all(b"through a socket").unwrap();
        send(&a, b"hello", &[file.as_fd(), a.as_fd()]).unwrap();
        let mut buffer = [0; 16];
        let (length, mut fds) = receive(&b, &mut buffer).unwrap();
        assert_eq!((&buffer[..length], fds.len()), (&b"hello"[..], 2));
        let mut same = File::from(fds.swap_remove(0));
        same.rewind().unwrap();
        let mut text = String::new();
        same.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through a socket");
    }

    #[test]
    fn limits() {
        let (a, b) = UnixDatagram::pair().unwrap();
        assert!(send(&a, b"x", &[]).is_err());
        assert!(send(&a, b"x", &[a.as_fd(); 65]).is_err());
        send(&a, b"long", &[a.as_fd(); 64]).unwrap();
        assert!(receive(&b, &mut [0; 2]).is_err());
        send(&a, b"long", &[a.as_fd(); 64]).unwrap();
        assert_eq!(receive(&b, &mut [0; 4]).unwrap().1.len(), 64);
    }

    fn tempfile() -> File {
        let path = std::env::temp_dir().join(format!("rtc-fds-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        std::fs::remove_file(&path).unwrap();
        file.unwrap()
    }
}
