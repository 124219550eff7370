//! The traits of netlink-packet-core, for messages that plug into any connection of netlink-proto.
//!
//! ```
//! use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
//! use tc_proto::msg::{QdiscRequest, Verb};
//! use tc_proto::packet_core::RawMessage;
//!
//! // tc qdisc add dev lo clsact
//! let request = QdiscRequest::clsact(1).encode(Verb::Add)?;
//! let message: NetlinkMessage<RawMessage> = RawMessage::message(&request);
//! let mut bytes = vec![0; message.buffer_len()];
//! message.serialize(&mut bytes);
//! assert_eq!(bytes, request.bytes());
//!
//! let back = NetlinkMessage::<RawMessage>::deserialize(&bytes)?;
//! let NetlinkPayload::InnerMessage(back) = back.payload else { unreachable!() };
//! assert_eq!(back.tc()?.kind().as_deref(), Some("clsact"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use netlink_packet_core as core;

use crate::error::DecodeError;
use crate::msg::{ActionMessage, MessageType, NetlinkHeader, Request, TcMessage};
use crate::wire::{ATTR_HEADER, Attr, Attrs, align};

/// A message of any type with its bytes as they are.
///
/// Nothing is lost by reading and writing one, and no content makes it fail; see [`tc`](Self::tc)
/// and [`actions`](Self::actions) for what is inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMessage {
    /// What the message is.
    pub message_type: u16,
    /// What follows the netlink header.
    pub body: Vec<u8>,
}

impl RawMessage {
    /// The whole message that a request is, its flags and its sequence number included.
    ///
    /// It names descriptors that the request borrows by number only: keep them open until the
    /// answer has come.
    pub fn message(request: &Request<'_>) -> core::NetlinkMessage<Self> {
        let ours = NetlinkHeader::decode(request.bytes()).unwrap_or_default();
        let inner = Self { message_type: ours.message_type, body: request.body().to_vec() };
        let mut header = core::NetlinkHeader::default();
        header.flags = ours.flags;
        header.sequence_number = ours.sequence;
        header.port_number = ours.port;
        let mut message =
            core::NetlinkMessage::new(header, core::NetlinkPayload::InnerMessage(inner));
        message.finalize();
        message
    }

    /// The content, when it is about a qdisc, a class, a filter or a chain.
    pub fn tc(&self) -> Result<TcMessage<'_>, DecodeError> {
        match self.message_type {
            36..=38 | 40..=42 | 44..=46 | 100..=102 => TcMessage::decode(&self.body),
            _ => Err(DecodeError::Invalid { what: "type of a message" }),
        }
    }

    /// The content, when it is about actions.
    pub fn actions(&self) -> Result<ActionMessage<'_>, DecodeError> {
        match MessageType(self.message_type) {
            MessageType::NEW_ACTION | MessageType::DEL_ACTION | MessageType::GET_ACTION => {
                ActionMessage::decode(&self.body)
            }
            _ => Err(DecodeError::Invalid { what: "type of a message" }),
        }
    }
}

impl core::NetlinkSerializable for RawMessage {
    fn message_type(&self) -> u16 {
        self.message_type
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // Both have the length that was just asked for.
        for (to, from) in buffer.iter_mut().zip(&self.body) {
            *to = *from;
        }
    }
}

impl core::NetlinkDeserializable for RawMessage {
    type Error = std::convert::Infallible;

    fn deserialize(header: &core::NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self { message_type: header.message_type, body: payload.to_vec() })
    }
}

/// An attribute goes wherever the crates of rust-netlink take one.
impl core::Nla for Attr<'_> {
    fn value_len(&self) -> usize {
        self.payload().len()
    }

    fn kind(&self) -> u16 {
        self.ty()
    }

    fn is_nested(&self) -> bool {
        self.is_flagged_nested()
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        for (to, from) in buffer.iter_mut().zip(self.payload()) {
            *to = *from;
        }
    }
}

/// The attributes of a message or a nest, as they are.
impl core::Emitable for Attrs<'_> {
    fn buffer_len(&self) -> usize {
        self.map(|attr| align(ATTR_HEADER + attr.payload().len())).sum()
    }

    fn emit(&self, buffer: &mut [u8]) {
        let mut rest = buffer;
        for attr in *self {
            let len = align(ATTR_HEADER + attr.payload().len());
            let Some((place, after)) = rest.split_at_mut_checked(len) else { return };
            core::Emitable::emit(&attr, place);
            rest = after;
        }
    }
}

impl From<DecodeError> for core::DecodeError {
    fn from(e: DecodeError) -> Self {
        e.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, NetlinkMessage, NetlinkPayload};

    use super::*;
    use crate::msg::{ActionRequest, QdiscRequest, Verb};

    #[test]
    fn any_bytes_are_a_message() {
        // RTM_NEWLINK, 5 bytes.
        let bytes = [&[21, 0, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0][..], &[1, 2, 3, 4, 5]];
        let message = NetlinkMessage::<RawMessage>::deserialize(&bytes.concat()).unwrap();
        let NetlinkPayload::InnerMessage(message) = message.payload else { panic!("{message:?}") };
        assert_eq!(message, RawMessage { message_type: 16, body: vec![1, 2, 3, 4, 5] });
        assert!(message.tc().is_err() && message.actions().is_err());
    }

    #[test]
    fn content_is_read_by_its_type() {
        let request = ActionRequest::list("gact", false, None).unwrap();
        let message =
            RawMessage { message_type: request.message_type().0, body: request.body().to_vec() };
        assert!(message.tc().is_err());
        assert_eq!(message.actions().unwrap().actions().count(), 1);
    }

    #[test]
    fn attributes_are_emitted_as_they_are() {
        let request = QdiscRequest::clsact(1).encode(Verb::Add).unwrap();
        let attrs = TcMessage::decode(request.body()).unwrap().attrs();
        let mut bytes = vec![0xff; attrs.buffer_len()];
        attrs.emit(&mut bytes);
        assert_eq!(bytes, request.body()[20..]);
        let flagged = [8, 0, 2, 0x80, 4, 0, 1, 0];
        let mut bytes = [0; 8];
        Attrs::new(&flagged).emit(&mut bytes);
        assert_eq!(bytes, flagged);
    }
}
