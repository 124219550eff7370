//! Our messages as those of netlink-packet-route, and back.
//!
//! This is the only place that knows the types of that crate. Ours become theirs without loss:
//! every attribute goes as it is, in the variant for unknown ones. Theirs become ours with all that
//! theirs have kept; where they parsed options that they do not know, they would write the
//! attribute around them twice, which is undone here.

use netlink_packet_core::{
    DefaultNla, Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, Nla,
};
use netlink_packet_route::RouteNetlinkMessage as Theirs;
use netlink_packet_route::tc::{
    self, TcActionMessage, TcActionMessageAttribute, TcAttribute, TcFilterU32Option, TcOption,
};

use crate::error::DecodeError;
use crate::msg::{ActionHeader, ActionMessage, MessageType, TcHeader, TcMessage, tca};
use crate::packet_core::RawMessage;
use crate::units::Handle;
use crate::wire::{ATTR_HEADER, align};

/// What an attribute holds at most.
const MAX_PAYLOAD: usize = u16::MAX as usize - ATTR_HEADER;

/// A message about a qdisc, class, filter or chain, with every attribute as it is.
impl From<&TcMessage<'_>> for tc::TcMessage {
    fn from(ours: &TcMessage<'_>) -> Self {
        let TcHeader { family, ifindex, handle, parent, info } = ours.header;
        let header = tc::TcHeader {
            family: family.into(),
            index: ifindex,
            handle: handle.0.into(),
            parent: parent.0.into(),
            info,
        };
        let attributes = ours
            .attrs()
            .map(|a| TcAttribute::Other(DefaultNla::new(a.raw_type(), a.payload().into())));
        Self::from_parts(header, attributes.collect())
    }
}

/// A message about actions, with every attribute as it is.
impl From<&ActionMessage<'_>> for TcActionMessage {
    fn from(ours: &ActionMessage<'_>) -> Self {
        let mut theirs = Self::default();
        let attributes = ours.attrs().map(|a| {
            TcActionMessageAttribute::Other(DefaultNla::new(a.raw_type(), a.payload().into()))
        });
        theirs.attributes = attributes.collect();
        theirs
    }
}

/// The body of a message, which [`TcMessage::decode`] reads.
///
/// What cannot be written, such as an attribute that is too long, is an error.
pub fn tc_body(theirs: &tc::TcMessage) -> Result<Vec<u8>, DecodeError> {
    let tc::TcHeader { family, index, handle, parent, info } = theirs.header;
    let mut body = Vec::with_capacity(256);
    TcHeader {
        family: family.into(),
        ifindex: index,
        handle: Handle(handle.into()),
        parent: Handle(parent.into()),
        info,
    }
    .encode(&mut body);
    for attribute in &theirs.attributes {
        match attribute {
            TcAttribute::Options(options) => match &options[..] {
                // Options of a kind that they do not know, parsed: the whole attribute is inside.
                [TcOption::Other(inner)] if inner.kind() == tca::OPTIONS => {
                    push(inner, &mut body)?;
                }
                options => {
                    options.iter().try_for_each(writable)?;
                    push(attribute, &mut body)?;
                }
            },
            _ => push(attribute, &mut body)?,
        }
    }
    Ok(body)
}

/// Options of theirs that they would panic to write.
fn writable(option: &TcOption) -> Result<(), DecodeError> {
    match option {
        TcOption::U32(TcFilterU32Option::Selector(selector))
            if selector.keys.len() != usize::from(selector.nkeys) =>
        {
            let (claims, have) = (selector.nkeys.into(), selector.keys.len());
            Err(DecodeError::BadLength { what: "keys of a u32 selector", claims, have })
        }
        _ => Ok(()),
    }
}

fn push(attribute: &impl Nla, body: &mut Vec<u8>) -> Result<(), DecodeError> {
    let have = attribute.value_len();
    if have > MAX_PAYLOAD {
        return Err(DecodeError::BadLength { what: "attribute", claims: MAX_PAYLOAD, have });
    }
    let start = body.len();
    body.resize(start + align(ATTR_HEADER + have), 0);
    attribute.emit(body.get_mut(start..).unwrap_or_default());
    Ok(())
}

/// A message of ours as one of theirs.
pub(super) fn to_theirs(message_type: u16, body: &[u8]) -> Result<Theirs, DecodeError> {
    Ok(match MessageType(message_type) {
        MessageType::NEW_ACTION => Theirs::NewTrafficAction(action(body)?),
        MessageType::DEL_ACTION => Theirs::DelTrafficAction(action(body)?),
        MessageType::GET_ACTION => Theirs::GetTrafficAction(action(body)?),
        MessageType::NEW_QDISC => Theirs::NewQueueDiscipline(tc(body)?),
        MessageType::DEL_QDISC => Theirs::DelQueueDiscipline(tc(body)?),
        MessageType::GET_QDISC => Theirs::GetQueueDiscipline(tc(body)?),
        MessageType::NEW_CLASS => Theirs::NewTrafficClass(tc(body)?),
        MessageType::DEL_CLASS => Theirs::DelTrafficClass(tc(body)?),
        MessageType::GET_CLASS => Theirs::GetTrafficClass(tc(body)?),
        MessageType::NEW_FILTER => Theirs::NewTrafficFilter(tc(body)?),
        MessageType::DEL_FILTER => Theirs::DelTrafficFilter(tc(body)?),
        MessageType::GET_FILTER => Theirs::GetTrafficFilter(tc(body)?),
        MessageType::NEW_CHAIN => Theirs::NewTrafficChain(tc(body)?),
        MessageType::DEL_CHAIN => Theirs::DelTrafficChain(tc(body)?),
        MessageType::GET_CHAIN => Theirs::GetTrafficChain(tc(body)?),
        // Devices; theirs know those well.
        _ => {
            let mut header = NetlinkHeader::default();
            header.message_type = message_type;
            Theirs::deserialize(&header, body)
                .map_err(|_| DecodeError::Invalid { what: "request" })?
        }
    })
}

fn tc(body: &[u8]) -> Result<tc::TcMessage, DecodeError> {
    let message = TcMessage::decode(body)?;
    whole(message.attrs())?;
    Ok(tc::TcMessage::from(&message))
}

fn action(body: &[u8]) -> Result<TcActionMessage, DecodeError> {
    let message = ActionMessage::decode(body)?;
    whole(message.attrs())?;
    Ok(TcActionMessage::from(&message))
}

/// Bytes that are no attributes would be lost.
fn whole(mut attrs: crate::wire::Attrs<'_>) -> Result<(), DecodeError> {
    attrs.by_ref().for_each(drop);
    match attrs.rest() {
        [] => Ok(()),
        rest => Err(DecodeError::BadLength { what: "attribute", claims: 0, have: rest.len() }),
    }
}

/// A message of theirs with the bytes of ours.
pub(super) fn from_theirs(theirs: &Theirs) -> Result<RawMessage, DecodeError> {
    let message_type = NetlinkSerializable::message_type(theirs);
    let body = match theirs {
        Theirs::NewQueueDiscipline(message)
        | Theirs::DelQueueDiscipline(message)
        | Theirs::GetQueueDiscipline(message)
        | Theirs::NewTrafficClass(message)
        | Theirs::DelTrafficClass(message)
        | Theirs::GetTrafficClass(message)
        | Theirs::NewTrafficFilter(message)
        | Theirs::DelTrafficFilter(message)
        | Theirs::GetTrafficFilter(message)
        | Theirs::NewTrafficChain(message)
        | Theirs::DelTrafficChain(message)
        | Theirs::GetTrafficChain(message) => tc_body(message)?,
        Theirs::NewTrafficAction(message)
        | Theirs::DelTrafficAction(message)
        | Theirs::GetTrafficAction(message) => {
            let mut body = vec![0; ActionHeader::LEN];
            message.attributes.iter().try_for_each(|a| push(a, &mut body))?;
            body
        }
        other => {
            let mut body = vec![0; NetlinkSerializable::buffer_len(other)];
            other.serialize(&mut body);
            body
        }
    };
    Ok(RawMessage { message_type, body })
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
    use netlink_packet_route::tc::{TcU32Key, TcU32Selector};

    use super::*;
    use crate::action::Gact;
    use crate::filter::bpf::{Bpf, ClassicInsn, Program};
    use crate::msg::{
        ActionRequest, ActionSpec, ClassRequest, FilterRequest, Hook, QdiscRequest, Request, Verb,
    };
    use crate::qdisc::{FqCodel, Htb, HtbClass, HtbInit};

    /// Through their types and their bytes, and back.
    fn there_and_back(request: &Request<'_>) {
        let ours = RawMessage::message(request);
        let theirs = to_theirs(request.message_type().0, request.body()).unwrap();
        let mut message = NetlinkMessage::new(ours.header, NetlinkPayload::InnerMessage(theirs));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        assert_eq!(bytes, request.bytes());
        let read = NetlinkMessage::<Theirs>::deserialize(&bytes).unwrap();
        let NetlinkPayload::InnerMessage(read) = read.payload else { panic!("{read:?}") };
        let back = from_theirs(&read).unwrap();
        assert_eq!((back.message_type, &back.body[..]), (request.message_type().0, request.body()));
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
        let qdisc = QdiscRequest::root(3).handle(Handle::new(0x1a, 0)).with(&htb).unwrap();
        there_and_back(&qdisc.encode(Verb::Replace).unwrap());
        // They know this one.
        let fq_codel = FqCodel { limit_pkts: Some(7), ..FqCodel::default() };
        let qdisc = QdiscRequest::root(3).with(&fq_codel).unwrap();
        there_and_back(&qdisc.encode(Verb::Add).unwrap());
        there_and_back(&QdiscRequest::clsact(1).encode(Verb::Delete).unwrap());
        let class = ClassRequest::new(3, Handle::new(1, 2)).with(&HtbClass::default()).unwrap();
        there_and_back(&class.encode(Verb::Change).unwrap());
        let program = Some(Program::Classic(vec![ClassicInsn::default()]));
        let filter = FilterRequest::new(Hook::Block(7)).prio(9).chain(4);
        let filter = filter.with(&Bpf { program, ..Bpf::default() }).unwrap();
        there_and_back(&filter.encode(Verb::Add).unwrap());
    }

    #[test]
    fn actions_keep_their_attributes() {
        let action = ActionSpec::of(&Gact::default()).unwrap();
        let request = ActionRequest::new(action).encode(Verb::Add).unwrap();
        let theirs = to_theirs(request.message_type().0, request.body()).unwrap();
        assert_eq!(from_theirs(&theirs).unwrap().body, request.body());
        let list = ActionRequest::list("gact", false, Some(5)).unwrap();
        let theirs = to_theirs(list.message_type().0, list.body()).unwrap();
        assert_eq!(from_theirs(&theirs).unwrap().body, list.body());
    }

    #[test]
    fn what_they_would_panic_to_write_is_an_error() {
        let long = TcAttribute::Other(DefaultNla::new(2, vec![0; MAX_PAYLOAD + 1]));
        let message = tc::TcMessage::from_parts(tc::TcHeader::default(), vec![long]);
        assert!(matches!(tc_body(&message), Err(DecodeError::BadLength { .. })));
        let fits = TcAttribute::Other(DefaultNla::new(2, vec![0; MAX_PAYLOAD]));
        let message = tc::TcMessage::from_parts(tc::TcHeader::default(), vec![fits]);
        assert_eq!(tc_body(&message).unwrap().len(), 20 + 65_536);

        let mut selector = TcU32Selector::default();
        selector.keys = vec![TcU32Key::default()];
        selector.nkeys = 0;
        let options = vec![TcOption::U32(TcFilterU32Option::Selector(selector))];
        let attributes = vec![TcAttribute::Kind("u32".to_owned()), TcAttribute::Options(options)];
        let message = tc::TcMessage::from_parts(tc::TcHeader::default(), attributes);
        assert!(matches!(tc_body(&message), Err(DecodeError::BadLength { .. })));
    }

    #[test]
    fn bytes_that_are_no_attributes_are_not_dropped_in_silence() {
        let mut body = QdiscRequest::clsact(1).encode(Verb::Add).unwrap().body().to_vec();
        body.extend([1, 2, 3]);
        assert!(to_theirs(36, &body).is_err());
        assert!(to_theirs(36, &[0; 7]).is_err());
    }
}
