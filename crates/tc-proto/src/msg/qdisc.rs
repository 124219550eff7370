//! Requests about qdiscs.

use super::attrs::CommonAttrs;
use super::object::GET;
use super::{MessageType, Request, TcHeader, Verb, flags, tca};
use crate::error::EncodeError;
use crate::kind::{Options, Qdisc};
use crate::units::{Estimator, Handle, SizeTable};
use crate::wire::AttrWriter;

/// A request that adds, changes, replaces, links or deletes a qdisc.
///
/// ```
/// use tc_proto::msg::{QdiscRequest, Verb};
/// // tc qdisc add dev lo clsact
/// let request = QdiscRequest::clsact(1).encode(Verb::Add)?;
/// assert_eq!(request.bytes().len(), 48);
/// # Ok::<(), tc_proto::EncodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QdiscRequest<'a> {
    /// Index of the device.
    pub ifindex: i32,
    /// The qdisc's handle; [`Handle::UNSPEC`] lets the kernel choose (add) or means whatever
    /// stands at `parent` (change, delete).
    pub handle: Handle,
    /// Where it goes: [`Handle::ROOT`], [`Handle::INGRESS`] or a class.
    pub parent: Handle,
    /// Kind and options; a deletion needs none.
    pub options: Option<Options<'a>>,
    /// Measures the rate of what passes.
    pub estimator: Option<Estimator>,
    /// Shares the ingress filters under this index, which is not 0. Since Linux 4.16.
    pub ingress_block: Option<u32>,
    /// Shares the egress filters under this index, which is not 0. Since Linux 4.16.
    pub egress_block: Option<u32>,
    /// Corrects packet sizes for the link layer.
    pub stab: Option<SizeTable>,
}

impl<'a> QdiscRequest<'a> {
    /// The `clsact` qdisc of a device, where ingress and egress filters go. Since Linux 4.5.
    pub fn clsact(ifindex: i32) -> Self {
        Self {
            ifindex,
            handle: Handle::new(0xffff, 0),
            parent: Handle::INGRESS,
            options: Some(Options::bare("clsact")),
            ..Self::default()
        }
    }

    /// The qdisc at the root of a device, through which everything leaves.
    pub fn root(ifindex: i32) -> Self {
        Self::at(ifindex, Handle::ROOT)
    }

    /// The qdisc at `parent`: [`Handle::ROOT`], [`Handle::INGRESS`] or a class.
    pub fn at(ifindex: i32, parent: Handle) -> Self {
        Self { ifindex, parent, ..Self::default() }
    }

    /// Says its handle, whose minor number is 0.
    #[must_use]
    pub fn handle(self, handle: Handle) -> Self {
        Self { handle, ..self }
    }

    /// Says its kind and its options.
    ///
    /// ```
    /// use tc_proto::{Handle, msg::QdiscRequest, qdisc::Pfifo};
    /// // tc qdisc ... dev lo root handle 1: pfifo limit 100
    /// let fifo = Pfifo { limit_pkts: Some(100) };
    /// let request = QdiscRequest::root(1).handle(Handle::new(1, 0)).with(&fifo)?;
    /// # Ok::<(), tc_proto::EncodeError>(())
    /// ```
    pub fn with<K: Qdisc + 'a>(self, kind: &K) -> Result<Self, EncodeError> {
        Ok(Self { options: Some(Options::of(kind)?), ..self })
    }

    /// The message that does `verb`.
    pub fn encode(&self, verb: Verb) -> Result<Request<'a>, EncodeError> {
        let message_type = verb.pick(MessageType::NEW_QDISC, MessageType::DEL_QDISC);
        self.message(message_type, verb.qdisc_flags())
    }

    /// The message that asks for the qdisc at `parent`, whatever it is, or for the one of this
    /// handle when no `parent` is said.
    pub fn get(&self) -> Result<Request<'a>, EncodeError> {
        let handle = if self.parent == Handle::UNSPEC { self.handle } else { Handle::UNSPEC };
        let bare = QdiscRequest { handle, ..Self::at(self.ifindex, self.parent) };
        bare.message(MessageType::GET_QDISC, GET)
    }

    fn message(&self, message_type: MessageType, flags: u16) -> Result<Request<'a>, EncodeError> {
        Request::new(message_type, flags, |buf| {
            TcHeader {
                ifindex: self.ifindex,
                handle: self.handle,
                parent: self.parent,
                ..TcHeader::default()
            }
            .encode(buf);
            let mut w = AttrWriter::new(buf);
            w.kind(self.options.as_ref())
                .estimator(self.estimator)
                .opt_u32(tca::INGRESS_BLOCK, self.ingress_block)
                .opt_u32(tca::EGRESS_BLOCK, self.egress_block)
                .options(self.options.as_ref())
                .stab(self.stab.as_ref());
            w.finish()
        })
    }

    /// The message that lists qdiscs.
    ///
    /// The kernel before 7.x ignores `ifindex`, `parent` and `handle`: compare the entries as well.
    /// `invisible` includes qdiscs that were marked so (default qdiscs; since Linux 4.12).
    pub fn list(
        ifindex: i32,
        parent: Handle,
        handle: Handle,
        invisible: bool,
    ) -> Result<Request<'a>, EncodeError> {
        Request::new(MessageType::GET_QDISC, flags::REQUEST | flags::DUMP, |buf| {
            TcHeader { ifindex, handle, parent, ..TcHeader::default() }.encode(buf);
            let mut w = AttrWriter::new(buf);
            if invisible {
                w.flag(tca::DUMP_INVISIBLE);
            }
            w.finish()
        })
    }
}
