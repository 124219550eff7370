//! Objects as the kernel describes them, in answers and notifications, owning their bytes.
//!
//! A reply keeps the message as it came, one allocation for each, and reads what is asked for.

use std::borrow::Cow;
use std::fmt;

use super::{ActionMessage, ActionView, Hook, Info, MessageType, Stats, TcHeader, TcMessage};
use crate::error::DecodeError;
use crate::kind::{Kind, Options};
use crate::units::{Handle, Protocol};

/// An object as the kernel describes it.
pub trait Reply: Sized {
    /// Takes a message of `message_type`, whose `body` is what follows the netlink header. A type
    /// that is not about such an object is [`DecodeError::Invalid`].
    fn from_message(message_type: MessageType, body: Vec<u8>) -> Result<Self, DecodeError>;
}

/// Body of a message that begins with `struct tcmsg`.
#[derive(Clone, PartialEq, Eq)]
struct Body {
    header: TcHeader,
    bytes: Vec<u8>,
}

impl Body {
    fn new(
        message_type: MessageType,
        types: &[MessageType],
        bytes: Vec<u8>,
    ) -> Result<Self, DecodeError> {
        if !types.contains(&message_type) {
            return Err(DecodeError::Invalid { what: "type of the answer" });
        }
        Ok(Self { header: TcHeader::decode(&bytes)?, bytes })
    }

    fn message(&self) -> TcMessage<'_> {
        TcMessage::with_header(self.header, &self.bytes)
    }
}

/// What replies about qdiscs, classes, filters and chains have in common.
macro_rules! tc_reply {
    ($name:ident, $($type:ident),+) => {
        impl Reply for $name {
            fn from_message(
                message_type: MessageType,
                body: Vec<u8>,
            ) -> Result<Self, DecodeError> {
                Body::new(message_type, &[$(MessageType::$type),+], body).map(Self)
            }
        }

        impl $name {
            /// The whole message, for what has no method here.
            pub fn message(&self) -> TcMessage<'_> {
                self.0.message()
            }

            /// The body of the message, which is what follows the netlink header.
            pub fn bytes(&self) -> &[u8] {
                &self.0.bytes
            }

            /// Index of the device.
            pub fn ifindex(&self) -> i32 {
                self.0.header.ifindex
            }

            /// The name of the kind; empty when the message names none.
            pub fn kind(&self) -> Cow<'_, str> {
                self.message().kind().unwrap_or_default()
            }

            /// Kind and options; `None` when the message names no kind.
            pub fn options(&self) -> Option<Options<'_>> {
                self.message().options()
            }

            /// The options as those of kind `K`; `None` when they are of another kind.
            pub fn decode<K: Kind>(&self) -> Option<Result<K, DecodeError>> {
                self.options()?.decode()
            }

            /// The counters; all are `None` when the kernel sent none.
            pub fn stats(&self) -> Stats<'_> {
                self.message().stats().unwrap_or_default()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("header", &self.0.header)
                    .field("options", &self.options())
                    .finish_non_exhaustive()
            }
        }
    };
}

/// A qdisc as the kernel describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct QdiscReply(Body);
tc_reply!(QdiscReply, NEW_QDISC, DEL_QDISC);

impl QdiscReply {
    /// The qdisc's own handle.
    pub fn handle(&self) -> Handle {
        self.0.header.handle
    }

    /// Where it stands: [`Handle::ROOT`], [`Handle::INGRESS`] or a class.
    pub fn parent(&self) -> Handle {
        self.0.header.parent
    }

    /// How many references the kernel has to it.
    pub fn refcnt(&self) -> u32 {
        self.0.header.info
    }

    /// The counters particular to the kind, `struct tc_KIND_xstats`.
    pub fn xstats(&self) -> Option<&[u8]> {
        self.message().xstats()
    }
}

/// A class as the kernel describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClassReply(Body);
tc_reply!(ClassReply, NEW_CLASS, DEL_CLASS);

impl ClassReply {
    /// The class's own id.
    pub fn classid(&self) -> Handle {
        self.0.header.handle
    }

    /// The qdisc or class above it.
    pub fn parent(&self) -> Handle {
        self.0.header.parent
    }

    /// Handle of the qdisc below it, if it has one.
    pub fn leaf(&self) -> Option<Handle> {
        (self.0.header.info != 0).then_some(Handle(self.0.header.info))
    }

    /// The counters particular to the kind, `struct tc_KIND_xstats`.
    pub fn xstats(&self) -> Option<&[u8]> {
        self.message().xstats()
    }
}

/// A filter as the kernel describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct FilterReply(Body);
tc_reply!(FilterReply, NEW_FILTER, DEL_FILTER);

impl FilterReply {
    /// Where the filter hangs.
    pub fn hook(&self) -> Hook {
        Hook::from_header(&self.0.header)
    }

    /// Priority and protocol.
    pub fn info(&self) -> Info {
        Info::from_wire(self.0.header.info)
    }

    /// The priority, called pref as well.
    pub fn prio(&self) -> u16 {
        self.info().prio
    }

    /// The protocol of the packets that the filter sees.
    pub fn protocol(&self) -> Protocol {
        self.info().protocol
    }

    /// The filter's handle, whose meaning is the kind's.
    pub fn handle(&self) -> u32 {
        self.0.header.handle.0
    }

    /// The number of its chain.
    pub fn chain(&self) -> u32 {
        self.message().chain().unwrap_or_default()
    }

    /// Whether this is no filter, but says that there are filters of this kind, priority and
    /// protocol.
    pub fn is_head(&self) -> bool {
        self.handle() == 0
    }
}

/// A chain of filters as the kernel describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct ChainReply(Body);
tc_reply!(ChainReply, NEW_CHAIN, DEL_CHAIN, GET_CHAIN);

impl ChainReply {
    /// Where the chain hangs.
    pub fn hook(&self) -> Hook {
        Hook::from_header(&self.0.header)
    }

    /// Its number.
    pub fn chain(&self) -> u32 {
        self.message().chain().unwrap_or_default()
    }
}

/// Actions as the kernel describes them: one message with one or more of them.
#[derive(Clone, PartialEq, Eq)]
pub struct ActionReply(Vec<u8>);

impl Reply for ActionReply {
    fn from_message(message_type: MessageType, body: Vec<u8>) -> Result<Self, DecodeError> {
        // Lists and single answers are of the type of the request.
        let types = [MessageType::NEW_ACTION, MessageType::DEL_ACTION, MessageType::GET_ACTION];
        if !types.contains(&message_type) {
            return Err(DecodeError::Invalid { what: "type of the answer" });
        }
        ActionMessage::decode(&body)?;
        Ok(Self(body))
    }
}

impl ActionReply {
    /// The whole message.
    pub fn message(&self) -> ActionMessage<'_> {
        ActionMessage::decode(&self.0).unwrap_or_default()
    }

    /// The body of the message, which is what follows the netlink header.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The actions, in order.
    pub fn actions(&self) -> impl Iterator<Item = ActionView<'_>> {
        ActionView::list(self.message().actions())
    }
}

impl fmt::Debug for ActionReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.actions().map(|action| action.options())).finish()
    }
}

/// What a notification of traffic control is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnyReply {
    /// A qdisc.
    Qdisc(QdiscReply),
    /// A class.
    Class(ClassReply),
    /// A filter.
    Filter(FilterReply),
    /// A chain.
    Chain(ChainReply),
    /// Actions.
    Action(ActionReply),
}

impl Reply for AnyReply {
    fn from_message(message_type: MessageType, body: Vec<u8>) -> Result<Self, DecodeError> {
        Ok(match message_type {
            MessageType::NEW_CLASS | MessageType::DEL_CLASS => {
                Self::Class(Reply::from_message(message_type, body)?)
            }
            MessageType::NEW_FILTER | MessageType::DEL_FILTER => {
                Self::Filter(Reply::from_message(message_type, body)?)
            }
            MessageType::NEW_CHAIN | MessageType::DEL_CHAIN | MessageType::GET_CHAIN => {
                Self::Chain(Reply::from_message(message_type, body)?)
            }
            MessageType::NEW_ACTION | MessageType::DEL_ACTION | MessageType::GET_ACTION => {
                Self::Action(Reply::from_message(message_type, body)?)
            }
            _ => Self::Qdisc(Reply::from_message(message_type, body)?),
        })
    }
}

/// A notification: what somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// An object was made, or changed.
    New(AnyReply),
    /// An object was deleted. What hung on it is gone as well, and the kernel does not say so.
    Deleted(AnyReply),
    /// Notifications were dropped, since they were not read in time. What is known from earlier
    /// ones may be outdated: list anew. What changes from now on is heard again.
    Lost,
}

impl Change {
    /// Whether messages of this type are notifications of traffic control.
    pub fn is_one(message_type: MessageType) -> bool {
        matches!(message_type.0, 36 | 37 | 40 | 41 | 44 | 45 | 48 | 49 | 100 | 101)
    }

    /// Reads a notification of `RTNLGRP_TC`.
    pub fn from_message(message_type: MessageType, body: Vec<u8>) -> Result<Self, DecodeError> {
        let object = AnyReply::from_message(message_type, body)?;
        Ok(match message_type {
            MessageType::DEL_QDISC
            | MessageType::DEL_CLASS
            | MessageType::DEL_FILTER
            | MessageType::DEL_CHAIN
            | MessageType::DEL_ACTION => Self::Deleted(object),
            _ => Self::New(object),
        })
    }
}
