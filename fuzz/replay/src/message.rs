//! Messages from the kernel, and what a client looks up in them.

use tc_proto::msg::{
    ActionMessage, ActionView, ExtAck, NetlinkMessages, Status, TcMessage, attribute_path, tca,
};
use tc_proto::units::Handle;
use tc_proto::wire::Attrs;

use crate::world::first_header;

/// Datagrams, messages, acknowledgements: everything that reads what the kernel sends.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn message(data: &[u8]) {
    let mut len = 0;
    for message in NetlinkMessages::new(data) {
        let Ok((header, body)) = message else { break };
        len += body.len();
        assert!(len <= data.len(), "bodies overlap");
        _ = Status::decode(&header, body).map(|status| status.ext_ack);
        look_at(body);
    }
    look_at(data);
    _ = Status::decode(&first_header(data), data.get(16..).unwrap_or_default());
    paths(data);
}

fn look_at(body: &[u8]) {
    if let Ok(message) = TcMessage::decode(body) {
        tc_message(&message);
    }
    if let Ok(message) = ActionMessage::decode(body) {
        _ = (message.count(), message.warning());
        actions(message.actions());
        message.attrs().for_each(drop);
    }
    let ext_ack = ExtAck::decode(body);
    _ = ext_ack.attribute(body);
    _ = ext_ack.policy.map(|policy| policy.to_string());
}

fn tc_message(message: &TcMessage<'_>) {
    let header = &message.header;
    for handle in [header.handle, header.parent] {
        assert_eq!(Handle::parse_classid(&handle.to_string()).ok(), Some(handle));
    }
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    assert_eq!(TcMessage::decode(&bytes).map(|again| again.header), Ok(*header));

    assert_eq!(message.options().is_some(), message.kind().is_some());
    let options = message.options().and_then(|options| options.payload);
    let attr = message.attrs().find(tca::OPTIONS).filter(|_| message.kind().is_some());
    assert_eq!(options.as_deref(), attr.map(|attr| attr.payload()));
    let stats = message.stats();
    if let Some(kind) = stats.and_then(|stats| stats.kind) {
        assert_eq!(message.xstats(), Some(kind));
    }
    if let Some(estimator) = message.estimator() {
        let rate = message.attrs().find(tca::RATE).map(|attr| attr.payload());
        assert_eq!(rate.and_then(|rate| rate.get(..2)), Some(&estimator.to_bytes()[..]));
    }
    _ = (message.chain(), message.fcnt(), message.hw_offload(), message.warning());
    _ = (message.ingress_block(), message.egress_block(), message.stab(), message.xstats());
    // A filter's actions are in its options, where each kind has its own place for them.
    for attr in message.attrs() {
        actions(attr.nested());
        attr.nested().for_each(|inner| actions(inner.nested()));
        _ = (attr.string(), attr.u8(), attr.u16(), attr.be16(), attr.u32(), attr.be32());
        _ = (attr.i32(), attr.u64(), attr.i64());
    }
}

fn actions(entries: Attrs<'_>) {
    for action in ActionView::list(entries) {
        _ = (action.options(), action.index(), action.cookie(), action.stats(), action.flags());
        _ = (action.hw_stats(), action.used_hw_stats(), action.in_hw_count());
        action.attrs().for_each(drop);
    }
}

/// Looks up what stands at every place of a message, and past its end.
fn paths(request: &[u8]) {
    let end = request.len().min(512);
    for offset in (0..end + 2).chain([request.len(), usize::MAX, u32::MAX as usize]) {
        let Some(path) = attribute_path(request, offset) else { continue };
        assert!(!path.0.is_empty() && path.0.len() <= 32, "{path}");
        assert!(offset < request.len() + 4, "a path behind the end");
    }
}
