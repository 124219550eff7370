//! The socket, behind a trait so that tests can put a misbehaving kernel in its place.

use std::fmt::Debug;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};

use super::Error;

/// Receive buffer of a monitor in bytes, as tc asks for it.
const MONITOR_BUFFER: i32 = 1 << 20;

/// Sends and receives datagrams.
pub(super) trait Transport: Debug + Send {
    /// Sends `datagram` to the kernel; gives the number of bytes sent.
    fn send(&mut self, datagram: &[u8]) -> io::Result<usize>;

    /// Appends a datagram to `buf`, cut to its spare capacity; gives the length of the whole
    /// datagram. Without `wait`, `EAGAIN` says that there is none.
    fn recv(&mut self, buf: &mut Vec<u8>, wait: bool) -> io::Result<(usize, From)>;

    /// Looks whether there is a datagram, and leaves it there.
    fn peek(&mut self);

    /// Asks the kernel to leave the request out of its errors.
    fn cap_errors(&mut self);

    /// The index of a device, where the socket can tell it without a message; `None` says nothing
    /// of whether there is one.
    fn index(&self, _name: &str) -> Option<i32> {
        None
    }

    /// Limits the time that `recv` waits.
    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Receives the notifications of these groups, a bit for each, and of no others. `port` is the
    /// address of this socket, if it is known, and else 0.
    fn listen(&mut self, groups: u32, port: u32) -> io::Result<()>;

    /// Makes room for many notifications.
    fn enlarge(&mut self);
}

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct From {
    /// The sender; 0 is the kernel.
    pub(super) port: u32,
    /// Whether it was sent to all who listen.
    pub(super) to_all: bool,
}

impl Transport for Socket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.send_to(datagram, &SocketAddr::new(0, 0), 0)
    }

    fn recv(&mut self, buf: &mut Vec<u8>, wait: bool) -> io::Result<(usize, From)> {
        let flags = libc::MSG_TRUNC | if wait { 0 } else { libc::MSG_DONTWAIT };
        let (len, sender) = self.recv_from(buf, flags)?;
        let to_all = sender.multicast_groups() != 0;
        Ok((len, From { port: sender.port_number(), to_all }))
    }

    fn peek(&mut self) {
        let mut nothing: &mut [u8] = &mut [];
        // Whatever there is to say about it, receiving says it again.
        let _ = self.recv_from(&mut nothing, libc::MSG_PEEK | libc::MSG_DONTWAIT);
    }

    fn cap_errors(&mut self) {
        // Kernels before 4.2 cannot; their errors take more room.
        let _ = self.set_cap_ack(true);
    }

    fn index(&self, name: &str) -> Option<i32> {
        // What stands behind a colon, the kernel would not look at.
        if name.contains(':') {
            return None;
        }
        rustix::net::netdevice::name_to_index(self, name).ok().map(|index| index as i32)
    }

    fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        // The option belongs to the socket, so setting it on a duplicate sets it here.
        UnixDatagram::from(self.as_fd().try_clone_to_owned()?).set_read_timeout(timeout)
    }

    fn listen(&mut self, groups: u32, port: u32) -> io::Result<()> {
        match self.bind(&SocketAddr::new(port, groups)) {
            // It has another address already, and cannot get a new one.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                let mut own = SocketAddr::new(0, 0);
                self.get_address(&mut own)?;
                self.bind(&SocketAddr::new(own.port_number(), groups))
            }
            bound => bound,
        }
    }

    fn enlarge(&mut self) {
        // The kernel gives what it may.
        let _ = self.set_rx_buf_sz(MONITOR_BUFFER);
    }
}

/// A socket for requests: two system calls, the kernel binds it when it first sends.
pub(super) fn open() -> Result<Socket, Error> {
    open_protocol(NETLINK_ROUTE)
}

/// The same for requests to the packet filter.
pub(super) fn open_netfilter() -> Result<Socket, Error> {
    open_protocol(NETLINK_NETFILTER)
}

fn open_protocol(protocol: isize) -> Result<Socket, Error> {
    let socket = Socket::new(protocol).map_err(io_error("open"))?;
    // Kernels before 4.12 know less; what they leave out is not missed.
    let _ = socket.set_ext_ack(true);
    Ok(socket)
}

/// A socket that receives the notifications of `groups`.
pub(super) fn subscribe(groups: &[u32]) -> Result<Socket, Error> {
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(io_error("open"))?;
    // The kernel gives what it may; a smaller buffer loses notifications earlier.
    let _ = socket.set_rx_buf_sz(MONITOR_BUFFER);
    let bit = |group: &u32| group.checked_sub(1).and_then(|n| 1_u32.checked_shl(n));
    let mask = groups.iter().filter_map(bit).fold(0, |mask, bit| mask | bit);
    socket.bind(&SocketAddr::new(0, mask)).map_err(io_error("subscribe"))?;
    for group in groups.iter().filter(|group| bit(group).is_none()) {
        socket.add_membership(*group).map_err(io_error("subscribe"))?;
    }
    Ok(socket)
}

pub(super) fn io_error(op: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { op, source }
}

/// Sends `datagram`, again when a signal interrupts.
pub(super) fn send(transport: &mut dyn Transport, datagram: &[u8]) -> Result<(), Error> {
    loop {
        match transport.send(datagram) {
            Ok(sent) if sent == datagram.len() => return Ok(()),
            Ok(_) => return Err(io_error("send")(io::ErrorKind::WriteZero.into())),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(io_error("send")(e)),
        }
    }
}

/// What came of an attempt to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A datagram from the kernel, appended to the buffer.
    Datagram,
    /// A datagram from the kernel that needs this many bytes; its beginning was appended.
    Cut(usize),
    /// A datagram that the kernel sent to all who listen, appended to the buffer.
    Notice,
    /// One that needs this many bytes; its beginning was appended.
    CutNotice(usize),
    /// The kernel dropped something for want of room.
    Lost,
    /// There is nothing, or nothing came in time.
    Nothing,
}

/// Appends the next datagram of the kernel to `buf`, which has spare capacity.
///
/// The kernel works on a request while it is being sent and queues the next part of a dump while
/// one is received. So when the queue is empty, no answer will ever come, and `wait` is for
/// notifications only.
pub(super) fn receive(
    transport: &mut dyn Transport,
    buf: &mut Vec<u8>,
    wait: bool,
) -> Result<Received, Error> {
    let start = buf.len();
    loop {
        let (len, from) = match transport.recv(buf, wait) {
            Ok(received) => received,
            Err(e) => match e.raw_os_error() {
                // Who waits decides whether to wait on.
                Some(libc::EINTR) if wait => return Ok(Received::Nothing),
                Some(libc::EINTR) => continue,
                Some(libc::ENOBUFS) => return Ok(Received::Lost),
                Some(libc::EAGAIN) => return Ok(Received::Nothing),
                _ => return Err(io_error("receive")(e)),
            },
        };
        if from.port != 0 {
            // Port 0 is the kernel; nobody else is asked anything here.
            buf.truncate(start);
            continue;
        }
        let is_cut = buf.len() - start < len;
        return Ok(match from.to_all {
            false if is_cut => Received::Cut(len),
            false => Received::Datagram,
            true if is_cut => Received::CutNotice(len),
            true => Received::Notice,
        });
    }
}
