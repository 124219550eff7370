//! Requests about classes.

use super::attrs::CommonAttrs;
use super::{MessageType, Request, TcHeader, Verb, flags};
use crate::error::EncodeError;
use crate::kind::Options;
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
    /// The message that does `verb`.
    pub fn encode(&self, verb: Verb) -> Result<Request<'a>, EncodeError> {
        let message_type = verb.pick(MessageType::NEW_CLASS, MessageType::DEL_CLASS);
        Request::new(message_type, verb.flags(), |buf| {
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
