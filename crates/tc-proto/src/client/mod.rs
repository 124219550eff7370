//! A blocking client over a netlink socket.
//!
//! ```no_run
//! use tc_proto::Handle;
//! use tc_proto::client::{Client, Netns};
//! use tc_proto::msg::{ClassList, ClassRequest, QdiscRequest};
//! use tc_proto::qdisc::{FqCodel, Htb, HtbClass, HtbInit};
//! use tc_proto::units::Rate;
//!
//! // In the network namespace of a container, without moving this thread there.
//! let mut client = Client::open_in(&Netns::of_process(4711)?)?;
//! let eth0 = client.link_index("eth0")?;
//!
//! // tc qdisc replace dev eth0 root handle 1: htb default 10
//! let init = HtbInit { default_class: 0x10, ..HtbInit::default() };
//! let htb = Htb { init: Some(init), ..Htb::default() };
//! client.replace(&QdiscRequest::root(eth0).handle(Handle::new(1, 0)).with(&htb)?)?;
//! // tc class replace dev eth0 classid 1:10 htb rate 10mbit; tc qdisc replace … fq_codel
//! let class = ClassRequest::new(eth0, Handle::new(1, 0x10));
//! client.replace(&class.with(&HtbClass::with_rates(Rate(1_250_000), Rate(1_250_000)))?)?;
//! let leaf = QdiscRequest::at(eth0, Handle::new(1, 0x10)).with(&FqCodel::default())?;
//! client.replace(&leaf)?;
//!
//! for class in &client.list(&ClassList::on(eth0))? {
//!     println!("{} {:?}", class.classid(), class.stats().basic);
//! }
//! # Ok::<(), tc_proto::client::Error>(())
//! ```
//!
//! # What can be done
//!
//! | | |
//! |---|---|
//! | one object | [`add`](Client::add), [`change`](Client::change), [`replace`](Client::replace), [`delete`](Client::delete), [`create`](Client::create) (add, and tell what the kernel made of it), [`get`](Client::get), [`find`](Client::find) |
//! | many objects | [`list`](Client::list), whole or an error; [`list_once`](Client::list_once) |
//! | wishes | [`ensure`](Client::ensure), [`ensure_absent`](Client::ensure_absent), [`ensure_clsact`](Client::ensure_clsact), [`ensure_bpf_filter`](Client::ensure_bpf_filter): safe to repeat, and quiet when it is so already |
//! | many requests | [`send_all`](Client::send_all), [`batch`](Client::batch), [`Pipeline`]: few system calls, an outcome for each |
//! | what others do | [`Monitor`] |
//! | devices | [`link_index`](Client::link_index), [`link_names`](Client::link_names) |
//! | raw messages | [`request`](Client::request), [`ask`](Client::ask), [`dump`](Client::dump), which borrows from what was received |
//!
//! Objects are [requests](crate::msg::ObjectRequest): [`QdiscRequest`](crate::msg::QdiscRequest),
//! [`ClassRequest`](crate::msg::ClassRequest), [`FilterRequest`](crate::msg::FilterRequest),
//! [`ChainRequest`](crate::msg::ChainRequest), [`ActionRequest`](crate::msg::ActionRequest). Answers
//! are replies that own their bytes: [`QdiscReply`](crate::msg::QdiscReply) and so on. Lists have
//! requests of their own: [`QdiscList`](crate::msg::QdiscList) and so on.
//!
//! # What is promised
//!
//! * **Nothing hangs.** The kernel works on a request while it is being sent. So when the socket's
//!   queue is empty, no answer will come any more, and only a [`Monitor`] ever waits: a lost answer
//!   is [`Error::NoAnswer`] or [`Error::Lost`]. Then it is not known whether a change was made; look.
//! * **Answers belong to their requests**, by number and by sender, whatever else arrives.
//! * **Lists are whole**; see [`Client::list`].
//! * **Refusals have a reason**: [`Error::Kernel`] has the number, the kernel's sentence, and the
//!   attribute of the request that is meant. Ask an [`Error`] what it is about:
//!   [`is_not_found`](Error::is_not_found), [`is_exists`](Error::is_exists),
//!   [`is_unsupported`](Error::is_unsupported), [`is_permission`](Error::is_permission).
//! * **Warnings come with success**, in [`Ack::warning`] and [`Ensured::warning`].
//!
//! A client is one socket, used by one thread at a time (it is `Send`); open as many as you like. It
//! belongs to the network namespace in which it was opened.
//!
//! Kernel: uapi/linux/netlink.h, uapi/linux/rtnetlink.h.

mod dump;
pub(crate) mod ensure;
mod errno;
mod error;
pub(crate) mod link;
pub(crate) mod monitor;
mod netns;
pub(crate) mod object;
mod pipeline;
mod sets;
mod transport;
mod window;

#[cfg(test)]
pub(crate) mod tests;

pub use dump::{Dump, DumpMessages};
pub use ensure::Ensured;
pub use errno::errno_text;
pub use error::{Error, KernelError};
pub use monitor::{Changes, Event, Monitor};
pub use netns::Netns;
pub use object::List;
pub use pipeline::Pipeline;
pub use sets::IpSets;

use crate::msg::{ExtAck, NetlinkHeader, Request};
use transport::Transport;
use window::{Expect, Window};

/// Message types that all of netlink shares, `NLMSG_*`.
pub(crate) mod message {
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;
    pub(crate) const OVERRUN: u16 = 4;
    pub(crate) const MIN_TYPE: u16 = 16;
}

/// Room for one datagram: the kernel makes the parts of a dump no longer than this.
const DATAGRAM: usize = 32 * 1024;

/// A socket for traffic control requests; see the [guide](self).
///
/// It belongs to the network namespace in which it was opened. Changes take `CAP_NET_ADMIN` there.
/// Dropped, it closes the socket and nothing else: what was made with it stays.
#[derive(Debug)]
pub struct Client {
    transport: Box<dyn Transport>,
    buf: Vec<u8>,
    window: Window,
    sequence: u32,
    /// Errors come without the request.
    capped: bool,
    /// The socket's address, when it is known; else 0.
    port: u32,
    /// Something may be left in the socket that nobody waits for any more.
    stale: bool,
    /// The kernel has seen a buffer of [`DATAGRAM`] bytes, and may fill one.
    has_seen_more: bool,
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
        Ok(Self::over(Box::new(socket)))
    }

    fn over(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            buf: Vec::new(),
            window: Window::default(),
            sequence: 1,
            capped: false,
            port: 0,
            stale: false,
            has_seen_more: false,
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
        self.clear();
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
        self.has_seen_more = true;
    }

    /// The first of `count` fresh sequence numbers.
    fn take_sequence(&mut self, count: usize) -> u32 {
        let first = self.sequence;
        self.sequence = first.wrapping_add(count as u32);
        first
    }
}
