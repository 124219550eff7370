//! A `matchall` filter with a `mirred` action, to bytes and back.

use std::error::Error;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionGeneric, TcActionMirrorOption, TcActionOption,
    TcActionType, TcAttribute, TcFilterMatchAllOption, TcHandle, TcHeader, TcMessage, TcMirror,
    TcMirrorActionType, TcOption,
};
use tc_proto::action::{ActionHead, Control, Mirred, mirred::MirredAction};
use tc_proto::filter::Matchall;
use tc_proto::msg::{ActionSpec, ActionView, FilterRequest, Hook, Verb};
use tc_proto::units::Protocol;
use tc_proto::{EncodeError, TcMessage as OurMessage};

use crate::{Row, cost};

const RUNS: usize = 15;
const COUNT: u32 = 20_000;

/// `filter add dev #2 ingress pref 1 protocol all matchall action mirred egress redirect dev #3`.
fn ours() -> Result<Vec<u8>, EncodeError> {
    let mirred = Mirred {
        head: ActionHead::new(0, Control::STOLEN),
        action: MirredAction::EGRESS_REDIRECT,
        ifindex: 3,
        ..Mirred::default()
    };
    let actions = Some(ActionSpec::list(&[ActionSpec::of(&mirred)?])?);
    let filter = FilterRequest::new(Hook::ingress(2)).prio(1).protocol(Protocol::ALL);
    let filter = filter.with(&Matchall { actions, ..Matchall::default() })?;
    Ok(filter.encode(Verb::Add)?.into_bytes())
}

fn theirs() -> Vec<u8> {
    let mut generic = TcActionGeneric::default();
    generic.action = TcActionType::Stolen;
    let mut mirror = TcMirror::default();
    mirror.generic = generic;
    mirror.eaction = TcMirrorActionType::EgressRedir;
    mirror.ifindex = 3;
    let mut action = TcAction::default();
    action.tab = 1;
    action.attributes = vec![
        TcActionAttribute::Kind("mirred".to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(
            mirror,
        ))]),
    ];
    let mut message = TcMessage::default();
    let mut header = TcHeader::default();
    header.index = 2;
    header.parent = TcHandle { major: 0xffff, minor: 0xfff2 };
    header.info = 1 << 16 | u32::from(3u16.to_be());
    message.header = header;
    message.attributes = vec![
        TcAttribute::Kind("matchall".to_owned()),
        TcAttribute::Options(vec![TcOption::MatchAll(TcFilterMatchAllOption::Action(vec![
            action,
        ]))]),
    ];
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let payload = NetlinkPayload::from(RouteNetlinkMessage::NewTrafficFilter(message));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The device that the action of a filter sends to.
fn read_ours(body: &[u8]) -> Option<u32> {
    let message = OurMessage::decode(body).ok()?;
    let filter = message.options()?.decode::<Matchall>()?.ok()?;
    let actions = filter.actions?;
    let action = ActionView::list(actions.attrs()).next()?;
    Some(action.options()?.decode::<Mirred>()?.ok()?.ifindex)
}

fn read_theirs(bytes: &[u8]) -> Option<u32> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).ok()?;
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(message)) =
        message.payload
    else {
        return None;
    };
    message.attributes.iter().find_map(|attribute| {
        let TcAttribute::Options(options) = attribute else { return None };
        options.iter().find_map(|option| {
            let TcOption::MatchAll(TcFilterMatchAllOption::Action(actions)) = option else {
                return None;
            };
            actions.first()?.attributes.iter().find_map(|attribute| {
                let TcActionAttribute::Options(options) = attribute else { return None };
                options.iter().find_map(|option| match option {
                    TcActionOption::Mirror(TcActionMirrorOption::Parms(mirror)) => {
                        Some(mirror.ifindex)
                    }
                    _ => None,
                })
            })
        })
    })
}

/// The device of a message, without looking into its options.
fn skim_ours(body: &[u8]) -> Option<(i32, usize)> {
    let message = OurMessage::decode(body).ok()?;
    Some((message.header.ifindex, message.kind()?.len()))
}

pub(crate) fn rows() -> Result<Vec<Row>, Box<dyn Error>> {
    let bytes = ours()?;
    let body = bytes.get(16..).ok_or("a message without a body")?;
    if read_ours(body) != Some(3)
        || read_theirs(&bytes) != Some(3)
        || read_theirs(&theirs()) != Some(3)
    {
        return Err("the two do not speak of the same".into());
    }
    Ok(vec![
        Row {
            work: "encode a filter with an action".to_owned(),
            ours: cost(RUNS, COUNT, ours),
            theirs: Some(cost(RUNS, COUNT, theirs)),
        },
        Row {
            work: "decode a filter with an action".to_owned(),
            ours: cost(RUNS, COUNT, || read_ours(body)),
            theirs: Some(cost(RUNS, COUNT, || read_theirs(&bytes))),
        },
        Row {
            work: "decode device and kind only".to_owned(),
            ours: cost(RUNS, COUNT, || skim_ours(body)),
            theirs: Some(cost(RUNS, COUNT, || read_theirs(&bytes))),
        },
    ])
}
