//! A blocking client over a netlink socket.
//!
//! ```no_run
//! use tc_proto::client::Client;
//! use tc_proto::msg::{QdiscRequest, TcMessage};
//! use tc_proto::Handle;
//!
//! let mut client = Client::open()?;
//! let ifindex = client.link_index("eth0")?;
//! let request = QdiscRequest::list(ifindex as i32, Handle::UNSPEC, Handle::UNSPEC, false)?;
//! for (_header, body) in client.dump(&request)?.messages() {
//!     let qdisc = TcMessage::decode(body)?;
//!     println!("{:?} {}", qdisc.kind(), qdisc.header.handle);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The kernel works on a request while it is being sent. So when the socket's queue is empty, no
//! answer will come any more, and only a [`Monitor`] ever waits: a lost answer is an error, never a
//! hang.
//!
//! Kernel: uapi/linux/netlink.h, uapi/linux/rtnetlink.h.

mod dump;
mod ensure;
mod errno;
mod error;
mod link;
mod monitor;
mod netns;
mod object;
mod pipeline;
mod transport;
mod window;

#[cfg(test)]
mod tests;

pub use dump::{Dump, DumpMessages};
pub use ensure::Ensured;
pub use errno::errno_text;
pub use error::{Error, KernelError};
pub use monitor::{Changes, Event, Monitor};
pub use netns::Netns;
pub use object::List;
pub use pipeline::Pipeline;

use crate::msg::{ExtAck, NetlinkHeader, Request};
use transport::Transport;
use window::{Expect, Window};

/// Message types that all of netlink shares, `NLMSG_*`.
mod message {
    pub(super) const ERROR: u16 = 2;
    pub(super) const DONE: u16 = 3;
    pub(super) const OVERRUN: u16 = 4;
    pub(super) const MIN_TYPE: u16 = 16;
}

/// Room for one datagram: the kernel makes the parts of a dump no longer than this.
const DATAGRAM: usize = 32 * 1024;

/// A socket for traffic control requests.
///
/// It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Client {
    transport: Box<dyn Transport>,
    buf: Vec<u8>,
    window: Window,
    sequence: u32,
    /// Errors come without the request.
    capped: bool,
    /// The network namespace, when it was named.
    netns: Option<Netns>,
}

/// A request that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// What the kernel warns of.
    pub warning: Option<ExtAck>,
    /// The messages that came before the acknowledgement, asked for with `NLM_F_ECHO`.
    pub echoed: Vec<Message>,
}

/// A message that owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The netlink header.
    pub header: NetlinkHeader,
    /// What follows it.
    pub body: Vec<u8>,
}

impl Client {
    /// Opens a socket in the network namespace of the calling thread. Extended acknowledgements are
    /// on.
    #[doc(alias = "NETLINK_EXT_ACK")]
    pub fn open() -> Result<Self, Error> {
        Ok(Self::over(Box::new(transport::open()?)))
    }

    /// Opens a socket in another network namespace. The calling thread stays where it is.
    pub fn open_in(netns: &Netns) -> Result<Self, Error> {
        let socket = netns.run(transport::open)??;
        Ok(Self { netns: Some(netns.try_clone()?), ..Self::over(Box::new(socket)) })
    }

    fn over(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            buf: Vec::new(),
            window: Window::default(),
            sequence: 1,
            capped: false,
            netns: None,
        }
    }

    /// Sends a request and waits for its acknowledgement.
    ///
    /// Without `NLM_F_ACK` the kernel answers errors only: silence is success then, and there are
    /// no warnings. After [`Error::Lost`] and [`Error::NoAnswer`] it is not known whether the
    /// request took effect.
    pub fn request(&mut self, request: &Request<'_>) -> Result<Ack, Error> {
        self.transact(request, Expect::of(request))
    }

    /// Sends a request that is answered with one message, such as `RTM_GETTFILTER` or `RTM_GETLINK`
    /// without `NLM_F_DUMP`.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Message, Error> {
        let expect = match Expect::of(request) {
            Expect::Ack => Expect::Ack,
            _ => Expect::Message,
        };
        let ack = match self.transact(request, expect) {
            Err(Error::Truncated { need, .. }) => {
                // Nothing changes by asking again.
                self.reserve(need);
                self.transact(request, expect)?
            }
            other => other?,
        };
        ack.echoed.into_iter().next().ok_or(Error::NoAnswer)
    }

    fn transact(&mut self, request: &Request<'_>, expect: Expect) -> Result<Ack, Error> {
        let mut window = std::mem::take(&mut self.window);
        window.push(request, expect);
        self.exchange(&mut window);
        let outcome = window.outcomes().next();
        self.window = window;
        outcome.unwrap_or(Err(Error::NoAnswer))
    }

    /// Sends what is in `window` and gathers the outcomes there.
    fn exchange(&mut self, window: &mut Window) {
        // A request that fails comes back with its error. One does no harm, but the errors of many
        // must fit the socket's buffer.
        if window.count() > 1 && !self.capped {
            self.transport.cap_errors();
            self.capped = true;
        }
        self.reserve(window.len().saturating_add(4096));
        let first = self.take_sequence(window.count());
        window.exchange(self.transport.as_mut(), &mut self.buf, first);
    }

    /// Makes room for datagrams of `need` bytes.
    fn reserve(&mut self, need: usize) {
        self.buf.clear();
        self.buf.reserve(need.max(DATAGRAM));
    }

    /// The first of `count` fresh sequence numbers.
    fn take_sequence(&mut self, count: usize) -> u32 {
        let first = self.sequence;
        self.sequence = first.wrapping_add(count as u32);
        first
    }
}
