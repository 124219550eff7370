//! Requests about filters and their chains.

use super::attrs::CommonAttrs;
use super::object::GET;
use super::{Bitfield32, MessageType, Request, TcHeader, Verb, flags, tca};
use crate::error::EncodeError;
use crate::kind::{Filter, Options};
use crate::units::{Estimator, Handle, Protocol};
use crate::wire::AttrWriter;

/// Where filters hang: on a qdisc or class of a device, or in a shared block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// At `parent` on a device: [`Handle::MIN_INGRESS`], [`Handle::MIN_EGRESS`], a qdisc or a
    /// class; [`Handle::UNSPEC`] is the root qdisc.
    Device {
        /// Index of the device.
        ifindex: i32,
        /// The qdisc, class or clsact direction.
        parent: Handle,
    },
    /// In the block of this index. Since Linux 4.16.
    Block(u32),
}

impl Hook {
    /// What arrives at the device, when it has a clsact or ingress qdisc.
    pub fn ingress(ifindex: i32) -> Self {
        Self::Device { ifindex, parent: Handle::MIN_INGRESS }
    }

    /// What leaves by the device, when it has a clsact qdisc.
    pub fn egress(ifindex: i32) -> Self {
        Self::Device { ifindex, parent: Handle::MIN_EGRESS }
    }

    /// At a qdisc or class of the device.
    pub fn at(ifindex: i32, parent: Handle) -> Self {
        Self::Device { ifindex, parent }
    }

    /// Reads where a filter or chain hangs.
    pub(super) fn from_header(header: &TcHeader) -> Self {
        match header.ifindex {
            TcHeader::BLOCK_IFINDEX => Self::Block(header.parent.0),
            ifindex => Self::Device { ifindex, parent: header.parent },
        }
    }

    fn header(self, handle: u32, info: Info) -> TcHeader {
        let (ifindex, parent) = match self {
            Self::Device { ifindex, parent } => (ifindex, parent),
            Self::Block(index) => (TcHeader::BLOCK_IFINDEX, Handle(index)),
        };
        TcHeader { ifindex, parent, handle: Handle(handle), info: info.to_wire(), family: 0 }
    }
}

/// `tcm_info` of a filter: its priority and its protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Priority, called pref as well; lower runs first. 0 lets the kernel choose one.
    pub prio: u16,
    /// The protocol of the packets that the filter sees; 0 is unset.
    pub protocol: Protocol,
}

impl Info {
    /// Splits `tcm_info`.
    pub fn from_wire(info: u32) -> Self {
        Self { prio: (info >> 16) as u16, protocol: Protocol(u16::from_be(info as u16)) }
    }

    /// Builds `tcm_info`.
    pub fn to_wire(self) -> u32 {
        u32::from(self.prio) << 16 | u32::from(self.protocol.0.to_be())
    }
}

/// A request that adds, changes, replaces, deletes or gets a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRequest<'a> {
    /// Where the filter hangs.
    pub hook: Hook,
    /// Priority and protocol.
    pub info: Info,
    /// The filter's handle, whose meaning is the kind's; 0 lets the kernel choose.
    pub handle: u32,
    /// Number of the chain; `None` is chain 0. Since Linux 4.13.
    pub chain: Option<u32>,
    /// Kind and options.
    pub options: Option<Options<'a>>,
    /// Measures the rate of what matches.
    pub estimator: Option<Estimator>,
}

impl<'a> FilterRequest<'a> {
    /// A filter at `hook` of which nothing else is said yet.
    pub fn new(hook: Hook) -> Self {
        Self { hook, info: Info::default(), handle: 0, chain: None, options: None, estimator: None }
    }

    /// Says its priority, called pref as well; lower runs first.
    #[must_use]
    pub fn prio(mut self, prio: u16) -> Self {
        self.info.prio = prio;
        self
    }

    /// Says the protocol of the packets that it sees.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.info.protocol = protocol;
        self
    }

    /// Says its handle, whose meaning is the kind's.
    #[must_use]
    pub fn handle(self, handle: u32) -> Self {
        Self { handle, ..self }
    }

    /// Says its chain.
    #[must_use]
    pub fn chain(self, chain: u32) -> Self {
        Self { chain: Some(chain), ..self }
    }

    /// Says its kind and its options.
    pub fn with<K: Filter + 'a>(self, kind: &K) -> Result<Self, EncodeError> {
        Ok(Self { options: Some(Options::of(kind)?), ..self })
    }

    /// Says its kind and no options, which is enough to get or to delete it.
    #[must_use]
    pub fn of_kind(self, kind: impl Into<String>) -> Self {
        Self { options: Some(Options::bare(kind)), ..self }
    }

    /// The message that does `verb`.
    pub fn encode(&self, verb: Verb) -> Result<Request<'a>, EncodeError> {
        let message_type = verb.pick(MessageType::NEW_FILTER, MessageType::DEL_FILTER);
        self.message(message_type, verb.flags())
    }

    /// The message that asks for one filter.
    pub fn get(&self) -> Result<Request<'a>, EncodeError> {
        self.message(MessageType::GET_FILTER, GET)
    }

    fn message(&self, message_type: MessageType, flags: u16) -> Result<Request<'a>, EncodeError> {
        Request::new(message_type, flags, |buf| {
            self.hook.header(self.handle, self.info).encode(buf);
            let mut w = AttrWriter::new(buf);
            w.opt_u32(tca::CHAIN, self.chain)
                .kind(self.options.as_ref())
                .options(self.options.as_ref())
                .estimator(self.estimator);
            w.finish()
        })
    }

    /// The message that lists filters. Priority, protocol and chain narrow the list down.
    ///
    /// `terse` asks for an abridged listing, which few kinds of filters can give (since Linux 5.8).
    pub fn list(
        hook: Hook,
        info: Info,
        chain: Option<u32>,
        terse: bool,
    ) -> Result<Request<'a>, EncodeError> {
        Request::new(MessageType::GET_FILTER, flags::REQUEST | flags::DUMP, |buf| {
            hook.header(0, info).encode(buf);
            let mut w = AttrWriter::new(buf);
            w.opt_u32(tca::CHAIN, chain);
            if terse {
                w.bytes(tca::DUMP_FLAGS, &Bitfield32::set(1).encode());
            }
            w.finish()
        })
    }
}

/// A request that adds, deletes or gets a chain of filters. Since Linux 4.19.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRequest<'a> {
    /// Where the chain hangs.
    pub hook: Hook,
    /// Priority and protocol, which only a template needs.
    pub info: Info,
    /// Number of the chain.
    pub chain: Option<u32>,
    /// Kind and options of the template that every filter of the chain must fit.
    pub template: Option<Options<'a>>,
    /// Handle that is sent with the template; the kernel does not look at it.
    pub handle: u32,
    /// Estimator that is sent with the template; the kernel does not look at it.
    pub estimator: Option<Estimator>,
}

impl<'a> ChainRequest<'a> {
    /// A chain at `hook`, without a template.
    pub fn new(hook: Hook, chain: u32) -> Self {
        Self {
            hook,
            info: Info::default(),
            chain: Some(chain),
            template: None,
            handle: 0,
            estimator: None,
        }
    }

    /// The message that does `verb`.
    pub fn encode(&self, verb: Verb) -> Result<Request<'a>, EncodeError> {
        let message_type = verb.pick(MessageType::NEW_CHAIN, MessageType::DEL_CHAIN);
        self.message(message_type, verb.flags())
    }

    /// The message that asks for one chain.
    pub fn get(&self) -> Result<Request<'a>, EncodeError> {
        self.message(MessageType::GET_CHAIN, GET)
    }

    fn message(&self, message_type: MessageType, flags: u16) -> Result<Request<'a>, EncodeError> {
        Request::new(message_type, flags, |buf| {
            self.hook.header(self.handle, self.info).encode(buf);
            let mut w = AttrWriter::new(buf);
            w.opt_u32(tca::CHAIN, self.chain)
                .kind(self.template.as_ref())
                .options(self.template.as_ref())
                .estimator(self.estimator);
            w.finish()
        })
    }

    /// The message that lists the chains at `hook`. `terse` asks for an abridged listing, which the
    /// kernel does not have for chains.
    pub fn list(hook: Hook, chain: Option<u32>, terse: bool) -> Result<Request<'a>, EncodeError> {
        Request::new(MessageType::GET_CHAIN, flags::REQUEST | flags::DUMP, |buf| {
            hook.header(0, Info::default()).encode(buf);
            let mut w = AttrWriter::new(buf);
            w.opt_u32(tca::CHAIN, chain);
            if terse {
                w.bytes(tca::DUMP_FLAGS, &Bitfield32::set(1).encode());
            }
            w.finish()
        })
    }
}
