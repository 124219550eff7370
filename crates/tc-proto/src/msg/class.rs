//! Requests about classes.

use super::attrs::CommonAttrs;
use super::object::GET;
use super::{MessageType, Request, TcHeader, Verb, flags};
use crate::error::EncodeError;
use crate::kind::{Kind, Options};
use crate::units::{Estimator, Handle};
use crate::wire::AttrWriter;

/// A request that adds, changes, replaces or deletes a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassRequest<'a> {
    /// Index of the device.
    pub ifindex: i32,
    /// The class's own id.
    pub classid: Handle,
    /// The qdisc or class above it.
    pub parent: Handle,
    /// Kind and options; a deletion needs none.
    pub options: Option<Options<'a>>,
    /// Measures the rate of what passes.
    pub estimator: Option<Estimator>,
}

impl<'a> ClassRequest<'a> {
    /// The class `classid`; its parent is the qdisc it belongs to, as long as nothing else is said.
    pub fn new(ifindex: i32, classid: Handle) -> Self {
        let parent = Handle::new(classid.major(), 0);
        Self { ifindex, classid, parent, ..Self::default() }
    }

    /// Says what is above it: its qdisc, or another class.
    #[must_use]
    pub fn below(self, parent: Handle) -> Self {
        Self { parent, ..self }
    }

    /// Says its kind and its options.
    pub fn with<K: Kind + 'a>(self, kind: &K) -> Result<Self, EncodeError> {
        Ok(Self { options: Some(Options::of(kind)?), ..self })
    }

    /// The message that does `verb`.
    pub fn encode(&self, verb: Verb) -> Result<Request<'a>, EncodeError> {
        let message_type = verb.pick(MessageType::NEW_CLASS, MessageType::DEL_CLASS);
        self.message(message_type, verb.flags())
    }

    /// The message that asks for the class.
    pub fn get(&self) -> Result<Request<'a>, EncodeError> {
        let bare = Self { options: None, estimator: None, ..self.clone() };
        bare.message(MessageType::GET_CLASS, GET)
    }

    fn message(&self, message_type: MessageType, flags: u16) -> Result<Request<'a>, EncodeError> {
        Request::new(message_type, flags, |buf| {
            TcHeader {
                ifindex: self.ifindex,
                handle: self.classid,
                parent: self.parent,
                ..TcHeader::default()
            }
            .encode(buf);
            let mut w = AttrWriter::new(buf);
            w.kind(self.options.as_ref()).estimator(self.estimator).options(self.options.as_ref());
            w.finish()
        })
    }

    /// The message that lists the classes of a device, below `parent` when it is not
    /// [`Handle::UNSPEC`].
    pub fn list(ifindex: i32, parent: Handle) -> Result<Request<'a>, EncodeError> {
        Request::new(MessageType::GET_CLASS, flags::REQUEST | flags::DUMP, |buf| {
            TcHeader { ifindex, parent, ..TcHeader::default() }.encode(buf);
            Ok(())
        })
    }
}
