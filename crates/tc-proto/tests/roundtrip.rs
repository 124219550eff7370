//! Every message encodes and decodes to itself, and to the bytes that tc 7.1 sends.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::borrow::Cow;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use tc_proto::filter::OffloadFlags;
use tc_proto::filter::bpf::{Bpf, BpfFlags, ClassicInsn, Program};
use tc_proto::msg::{
    ActionMessage, ActionRequest, ActionSpec, ActionView, Bitfield32, ChainRequest, ClassRequest,
    ExtAck, FilterRequest, Hook, Info, MessageType, NetlinkHeader, NetlinkMessages, QdiscRequest,
    Request, Status, TcHeader, TcMessage, Verb, attribute_path,
};
use tc_proto::qdisc::{
    Bands, Bfifo, Clsact, Ingress, Mq, Noqueue, Pfifo, PfifoFast, PfifoHeadDrop,
};
use tc_proto::units::{Estimator, LinkLayer, Protocol, SizeSpec, SizeTable, StabParams};
use tc_proto::wire::{AttrWriter, RawAttrs};
use tc_proto::{Handle, Kind, Options};

// Values of all fields, absent and present.

fn verbs() -> impl Strategy<Value = Verb> {
    prop_oneof![
        Just(Verb::Add),
        Just(Verb::Change),
        Just(Verb::Replace),
        Just(Verb::Link),
        Just(Verb::Delete)
    ]
}

/// Numbers with the edges more often.
fn u32s() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()]
}

fn handles() -> impl Strategy<Value = Handle> {
    u32s().prop_map(Handle)
}

/// Text that can stand in a message: without NUL.
fn texts() -> impl Strategy<Value = String> {
    "[^\0]{0,40}"
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..70)
}

prop_compose! {
    fn some_options()(
        kind in texts(),
        payload in of(payloads()),
        flagged in any::<bool>(),
    ) -> Options<'static> {
        // The flag is a part of the attribute, so there is none without it.
        let flagged = flagged && payload.is_some();
        Options { kind: Cow::Owned(kind), payload: payload.map(Cow::Owned), flagged }
    }
}

fn estimators() -> impl Strategy<Value = Estimator> {
    any::<(i8, u8)>().prop_map(|(interval, ewma_log)| Estimator { interval, ewma_log })
}

prop_compose! {
    fn size_tables()(
        (cell_log, size_log, cell_align, overhead) in any::<(u8, u8, i16, i32)>(),
        (linklayer, mpu, mtu, tsize) in (u32s(), u32s(), u32s(), u32s()),
        data in of(vec(any::<u16>(), 0..40)),
    ) -> SizeTable {
        let spec =
            SizeSpec { cell_log, size_log, cell_align, overhead, linklayer, mpu, mtu, tsize };
        SizeTable { spec, data }
    }
}

fn hooks() -> impl Strategy<Value = Hook> {
    prop_oneof![
        (any::<i32>(), handles())
            .prop_map(|(ifindex, parent)| Hook::Device { ifindex, parent })
            .prop_filter("a device is no block", |hook| {
                !matches!(hook, Hook::Device { ifindex: TcHeader::BLOCK_IFINDEX, .. })
            }),
        u32s().prop_map(Hook::Block),
    ]
}

fn infos() -> impl Strategy<Value = Info> {
    any::<(u16, u16)>().prop_map(|(prio, protocol)| Info { prio, protocol: Protocol(protocol) })
}

fn bitfields() -> impl Strategy<Value = Bitfield32> {
    (u32s(), u32s()).prop_map(|(value, selector)| Bitfield32 { value, selector })
}

/// Attributes of any type that are not among `known`.
fn unknown_attrs(known: u16) -> impl Strategy<Value = RawAttrs> {
    vec((known + 1..0x3fff, any::<bool>(), payloads()), 0..4).prop_map(|attrs| {
        let mut bytes = Vec::new();
        let mut w = AttrWriter::new(&mut bytes);
        for (ty, nested, payload) in attrs {
            w.bytes(if nested { ty | 0x8000 } else { ty }, &payload);
        }
        w.finish().unwrap();
        RawAttrs::from_payload(&bytes)
    })
}

prop_compose! {
    fn bpf_filters()(
        insns in of(vec(any::<(u16, u8, u8, u32)>(), 0..20)),
        name in of(texts()),
        classid in of(handles()),
        (actions, police) in (of(payloads()), of(payloads())),
        (offload, flags) in (of(u32s()), of(u32s())),
        tag in of(any::<[u8; 8]>()),
        id in of(u32s()),
        unknown in unknown_attrs(11),
    ) -> Bpf<'static> {
        let insn = |(code, jt, jf, k)| ClassicInsn { code, jt, jf, k };
        Bpf {
            program: insns.map(|all| Program::Classic(all.into_iter().map(insn).collect())),
            name,
            classid,
            actions: actions.map(|bytes| RawAttrs::from_payload(&bytes)),
            police: police.map(|bytes| RawAttrs::from_payload(&bytes)),
            offload: offload.map(OffloadFlags::from_bits_retain),
            flags: flags.map(BpfFlags::from_bits_retain),
            tag,
            id,
            unknown,
        }
    }
}

prop_compose! {
    fn qdisc_requests()(
        (ifindex, handle, parent) in (any::<i32>(), handles(), handles()),
        options in of(some_options()),
        estimator in of(estimators()),
        (ingress_block, egress_block) in (of(u32s()), of(u32s())),
        stab in of(size_tables()),
    ) -> QdiscRequest<'static> {
        QdiscRequest {
            ifindex, handle, parent, options, estimator, ingress_block, egress_block, stab,
        }
    }
}

prop_compose! {
    fn class_requests()(
        (ifindex, classid, parent) in (any::<i32>(), handles(), handles()),
        options in of(some_options()),
        estimator in of(estimators()),
    ) -> ClassRequest<'static> {
        ClassRequest { ifindex, classid, parent, options, estimator }
    }
}

prop_compose! {
    fn filter_requests()(
        (hook, info, handle, chain) in (hooks(), infos(), u32s(), of(u32s())),
        options in of(some_options()),
        estimator in of(estimators()),
    ) -> FilterRequest<'static> {
        FilterRequest { hook, info, handle, chain, options, estimator }
    }
}

prop_compose! {
    fn chain_requests()(
        (hook, info, handle, chain) in (hooks(), infos(), u32s(), of(u32s())),
        template in of(some_options()),
        estimator in of(estimators()),
    ) -> ChainRequest<'static> {
        ChainRequest { hook, info, chain, template, handle, estimator }
    }
}

prop_compose! {
    fn action_specs()(
        options in some_options(),
        index in of(u32s()),
        cookie in of(vec(any::<u8>(), 1..17)),
        (hw_stats, flags) in (of(bitfields()), of(bitfields())),
    ) -> ActionSpec<'static> {
        // An action's options always have the flag.
        let flagged = options.payload.is_some();
        let options = Options { flagged, ..options };
        ActionSpec { options, index, own_index: 0, cookie, hw_stats, flags }
    }
}

// What a message says, as the request that says it.

fn qdisc_of(message: &TcMessage<'_>) -> QdiscRequest<'static> {
    QdiscRequest {
        ifindex: message.header.ifindex,
        handle: message.header.handle,
        parent: message.header.parent,
        options: message.options().map(Options::into_owned),
        estimator: message.estimator(),
        ingress_block: message.ingress_block(),
        egress_block: message.egress_block(),
        stab: message.stab(),
    }
}

fn hook_of(header: &TcHeader) -> Hook {
    match header.ifindex {
        TcHeader::BLOCK_IFINDEX => Hook::Block(header.parent.0),
        ifindex => Hook::Device { ifindex, parent: header.parent },
    }
}

fn action_of(action: &ActionView<'_>) -> ActionSpec<'static> {
    ActionSpec {
        options: action.options().unwrap().into_owned(),
        index: action.index(),
        own_index: 0,
        cookie: action.cookie().map(<[u8]>::to_vec),
        hw_stats: action.hw_stats(),
        flags: action.flags(),
    }
}

/// The one message that a request is: its length is right and the attributes reach to its end.
fn message_of<'a>(request: &'a Request<'_>) -> TcMessage<'a> {
    let messages: Vec<_> = NetlinkMessages::new(request.bytes()).collect();
    assert_eq!(messages.len(), 1);
    let (header, body) = messages[0].clone().unwrap();
    assert_eq!(header.message_type, request.message_type().0);
    let message = TcMessage::decode(body).unwrap();
    let mut attrs = message.attrs();
    attrs.by_ref().for_each(drop);
    assert!(attrs.rest().is_empty());
    message
}

fn encoded(write: impl Fn(&mut AttrWriter<'_>)) -> Vec<u8> {
    let mut clean = Vec::new();
    let mut w = AttrWriter::new(&mut clean);
    write(&mut w);
    w.finish().unwrap();
    // What the buffer holds already, whatever its length, makes no difference.
    for before in [&[0xaa; 64][..], &[0x55; 7]] {
        let mut dirty = before.to_vec();
        let mut w = AttrWriter::new(&mut dirty);
        write(&mut w);
        w.finish().unwrap();
        assert_eq!(dirty[..before.len()], *before);
        assert_eq!(dirty[before.len()..], clean);
    }
    clean
}

fn kind_survives<K: Kind + Debug>(kind: &K) {
    let bytes = encoded(|w| kind.encode(w));
    let again = K::decode(&bytes).unwrap();
    assert_eq!(format!("{again:?}"), format!("{kind:?}"));
    // The same inside a message.
    let options = Options::of(kind).unwrap();
    assert_eq!(options.payload.is_some(), kind.has_options());
    let request = QdiscRequest { options: Some(options), ..QdiscRequest::default() };
    let request = request.encode(Verb::Add).unwrap();
    let found = message_of(&request).options().unwrap().decode::<K>().unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{kind:?}"));
}

proptest! {
    #[test]
    fn qdisc_requests_survive(request in qdisc_requests(), verb in verbs()) {
        let bytes = request.encode(verb).unwrap();
        prop_assert_eq!(qdisc_of(&message_of(&bytes)), request);
        let deletes = bytes.message_type() == MessageType::DEL_QDISC;
        prop_assert_eq!(deletes, verb == Verb::Delete);
    }

    #[test]
    fn class_requests_survive(request in class_requests(), verb in verbs()) {
        let bytes = request.encode(verb).unwrap();
        let message = message_of(&bytes);
        let found = ClassRequest {
            ifindex: message.header.ifindex,
            classid: message.header.handle,
            parent: message.header.parent,
            options: message.options().map(Options::into_owned),
            estimator: message.estimator(),
        };
        prop_assert_eq!(found, request);
    }

    #[test]
    fn filter_requests_survive(request in filter_requests(), verb in verbs()) {
        for bytes in [request.encode(verb).unwrap(), request.get().unwrap()] {
            let message = message_of(&bytes);
            let found = FilterRequest {
                hook: hook_of(&message.header),
                info: Info::from_wire(message.header.info),
                handle: message.header.handle.0,
                chain: message.chain(),
                options: message.options().map(Options::into_owned),
                estimator: message.estimator(),
            };
            prop_assert_eq!(&found, &request);
        }
    }

    #[test]
    fn chain_requests_survive(request in chain_requests(), verb in verbs()) {
        for bytes in [request.encode(verb).unwrap(), request.get().unwrap()] {
            let message = message_of(&bytes);
            let found = ChainRequest {
                hook: hook_of(&message.header),
                info: Info::from_wire(message.header.info),
                chain: message.chain(),
                template: message.options().map(Options::into_owned),
                handle: message.header.handle.0,
                estimator: message.estimator(),
            };
            prop_assert_eq!(&found, &request);
        }
    }

    #[test]
    fn action_requests_survive(actions in vec(action_specs(), 0..33), verb in verbs()) {
        let request = ActionRequest { actions };
        for bytes in [request.encode(verb).unwrap(), request.get().unwrap()] {
            let message = ActionMessage::decode(bytes.body()).unwrap();
            let found: Vec<_> = ActionView::list(message.actions()).collect();
            let orders: Vec<_> = found.iter().map(|action| action.order).collect();
            let expected: Vec<_> = (1..).take(request.actions.len()).collect();
            prop_assert_eq!(orders, expected);
            let found: Vec<_> = found.iter().map(action_of).collect();
            prop_assert_eq!(&found, &request.actions);
        }
    }

    #[test]
    fn lists_of_actions_survive_inside_a_filter(actions in vec(action_specs(), 0..5)) {
        let bytes = encoded(|w| ActionSpec::encode_list(&actions, 1, w));
        let list = tc_proto::wire::Attrs::new(&bytes).find(1).unwrap().nested();
        let found: Vec<_> = ActionView::list(list).map(|action| action_of(&action)).collect();
        prop_assert_eq!(found, actions);
    }

    #[test]
    fn lists_say_where_and_what(
        (hook, info, chain, terse) in (hooks(), infos(), of(u32s()), any::<bool>()),
        (ifindex, parent, handle) in (any::<i32>(), handles(), handles()),
    ) {
        let request = FilterRequest::list(hook, info, chain, terse).unwrap();
        let message = message_of(&request);
        prop_assert_eq!(hook_of(&message.header), hook);
        prop_assert_eq!(Info::from_wire(message.header.info), info);
        prop_assert_eq!(message.chain(), chain);
        prop_assert_eq!(message.attrs().find(15).is_some(), terse);
        let request = ChainRequest::list(hook, chain, terse).unwrap();
        prop_assert_eq!(hook_of(&message_of(&request).header), hook);
        prop_assert_eq!(message_of(&request).chain(), chain);
        let request = QdiscRequest::list(ifindex, parent, handle, terse).unwrap();
        prop_assert_eq!(message_of(&request).header.parent, parent);
        prop_assert_eq!(message_of(&request).header.handle, handle);
        prop_assert_eq!(message_of(&request).attrs().find(10).is_some(), terse);
        let request = ClassRequest::list(ifindex, parent).unwrap();
        prop_assert_eq!(message_of(&request).header.ifindex, ifindex);
    }

    #[test]
    fn fifo_options_survive(limit in of(u32s()), bands in of(any::<(i32, [u8; 16])>())) {
        kind_survives(&Pfifo { limit_pkts: limit });
        kind_survives(&PfifoHeadDrop { limit_pkts: limit });
        kind_survives(&Bfifo { limit_bytes: limit });
        let bands = bands.map(|(count, priomap)| Bands { count, priomap });
        kind_survives(&PfifoFast { bands });
    }

    #[test]
    fn bpf_options_survive(filter in bpf_filters()) {
        kind_survives(&filter);
    }

    #[test]
    fn size_tables_survive(table in size_tables()) {
        let bytes = encoded(|w| table.encode(w));
        prop_assert_eq!(SizeTable::decode(&bytes), Ok(table));
    }

    #[test]
    fn computed_size_tables_survive(
        (mtu, tsize, mpu, overhead) in (u32s(), 0u32..2000, 0u32..4000, any::<i32>()),
        atm in any::<bool>(),
    ) {
        let linklayer = if atm { LinkLayer::ATM } else { LinkLayer::ETHERNET };
        if let Ok(table) = SizeTable::compute(StabParams { overhead, linklayer, mpu, mtu, tsize }) {
            let bytes = encoded(|w| table.encode(w));
            prop_assert_eq!(SizeTable::decode(&bytes), Ok(table));
        }
    }

    #[test]
    fn estimators_survive(estimator in estimators()) {
        prop_assert_eq!(Estimator::decode(&estimator.to_bytes()), Ok(estimator));
    }

    #[test]
    fn extended_acknowledgements_survive(
        (message, offset, cookie) in (of(texts()), of(u32s()), of(payloads())),
        (missing_type, missing_nest) in (of(u32s()), of(u32s())),
        policy in of((of(u32s()), of(any::<i64>()), of(any::<u64>()), of(u32s()), of(any::<u64>()))),
        unknown in vec((7u16..0x3fff, payloads()), 0..3),
        (errno, done) in (0..4096i32, any::<bool>()),
    ) {
        let bytes = encoded(|w| {
            if let Some(text) = &message { w.str(1, text); }
            if let Some(at) = &offset { w.u32(2, *at); }
            if let Some(cookie) = &cookie { w.bytes(3, cookie); }
            if let Some((ty, min, max, len, mask)) = policy {
                w.nest_flagged(4, |w| {
                    if let Some(v) = &ty { w.u32(1, *v); }
                    if let Some(v) = &min { w.i64(2, *v); }
                    if let Some(v) = &max { w.u64(5, *v); }
                    if let Some(v) = &len { w.u32(7, *v); }
                    if let Some(v) = &mask { w.u64(12, *v); }
                });
            }
            if let Some(ty) = &missing_type { w.u32(5, *ty); }
            if let Some(at) = &missing_nest { w.u32(6, *at); }
            for (ty, payload) in &unknown { w.bytes(*ty, payload); }
        });
        let found = ExtAck::decode(&bytes);
        prop_assert_eq!(&found.message, &message);
        prop_assert_eq!(found.offset, offset);
        prop_assert_eq!(&found.cookie, &cookie);
        prop_assert_eq!(found.missing_type, missing_type);
        prop_assert_eq!(found.missing_nest, missing_nest);
        prop_assert_eq!(&found.unknown, &unknown);
        let rules = found.policy.as_ref();
        let rules =
            rules.map(|p| (p.ty, p.min_signed, p.max_unsigned, p.max_len, p.mask));
        prop_assert_eq!(rules, policy);

        // The same behind an error with a capped request, or at the end of a dump.
        let message_type = if done { 3 } else { 2 };
        let header = NetlinkHeader { message_type, flags: 0x300, ..NetlinkHeader::default() };
        let mut body = (-errno).to_ne_bytes().to_vec();
        if !done {
            body.extend_from_slice(&[0; NetlinkHeader::LEN]);
        }
        body.extend_from_slice(&bytes);
        let status = Status::decode(&header, &body).unwrap();
        prop_assert_eq!(status.errno, errno);
        prop_assert_eq!(status.ext_ack, Some(found).filter(|_| !bytes.is_empty()));
    }

    #[test]
    fn every_byte_of_an_attribute_leads_to_it(request in filter_requests()) {
        let request = FilterRequest {
            options: request.options.map(|options| Options {
                // An empty payload or one of random bytes may look like attributes, this cannot.
                payload: options.payload.map(|_| Cow::Owned(vec![0; 5])),
                ..options
            }),
            ..request
        };
        let bytes = request.encode(Verb::Add).unwrap();
        let mut at = NetlinkHeader::LEN + TcHeader::LEN;
        prop_assert_eq!(attribute_path(bytes.bytes(), at - 1), None);
        for attr in message_of(&bytes).attrs() {
            let end = at + 4 + attr.payload().len().next_multiple_of(4);
            for offset in at..end {
                let path = attribute_path(bytes.bytes(), offset).unwrap();
                prop_assert_eq!(path.0[0], attr.ty());
            }
            at = end;
        }
        prop_assert_eq!(at, bytes.bytes().len());
        prop_assert_eq!(attribute_path(bytes.bytes(), at), None);
    }
}

#[test]
fn kinds_without_options_survive() {
    kind_survives(&Clsact::default());
    kind_survives(&Ingress::default());
    kind_survives(&Mq::default());
    kind_survives(&Noqueue::default());
}

/// Type, flags and, in hex, what follows the netlink header.
#[track_caller]
fn sends(request: &Request<'_>, message_type: u16, flags: u16, body: &str) {
    let digits: Vec<_> = body.chars().filter_map(|c| c.to_digit(16)).collect();
    let body: Vec<_> = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    assert_eq!(request.message_type().0, message_type);
    assert_eq!(request.flags(), flags, "{:#x}", request.flags());
    assert_eq!(request.body(), body);
    assert_eq!(request.bytes()[..4], (16 + body.len() as u32).to_ne_bytes());
}

// What follows was captured from tc 7.1 on x86-64; lo has index 1.

#[test]
#[cfg(target_endian = "little")]
fn clsact_is_added_as_tc_adds_it() {
    // qdisc add dev lo clsact
    sends(
        &QdiscRequest::clsact(1).encode(Verb::Add).unwrap(),
        36,
        0x605,
        "00000000 01000000 0000ffff f1ffffff 00000000 0b000100 636c7361 63740000",
    );
}

#[test]
#[cfg(target_endian = "little")]
fn a_bytecode_filter_is_added_as_tc_adds_it() {
    // filter add dev lo ingress bpf da bytecode '1,6 0 0 0' flowid 1:1
    let insn = ClassicInsn { code: 6, ..ClassicInsn::default() };
    let bpf = Bpf {
        program: Some(Program::Classic(vec![insn])),
        classid: Some(Handle::new(1, 1)),
        flags: Some(BpfFlags::DIRECT_ACTION),
        ..Bpf::default()
    };
    let request = FilterRequest {
        info: Info { prio: 0, protocol: Protocol::ALL },
        options: Some(Options::of(&bpf).unwrap()),
        ..FilterRequest::new(Hook::ingress(1))
    };
    sends(
        &request.encode(Verb::Add).unwrap(),
        44,
        0x605,
        "00000000 01000000 00000000 f2ffffff 00030000 08000100 62706600 \
         28000200 08000300 01000100 06000400 01000000 0c000500 06000000 00000000 \
         08000800 01000000",
    );
}

#[test]
#[cfg(target_endian = "little")]
fn an_abridged_list_of_filters_is_asked_for_as_tc_does() {
    // -br filter show dev lo ingress chain 3
    let request = FilterRequest::list(Hook::ingress(1), Info::default(), Some(3), true);
    sends(
        &request.unwrap(),
        46,
        0x301,
        "00000000 01000000 00000000 f2ffffff 00000000 08000b00 03000000 \
         0c000f00 01000000 01000000",
    );
}

#[test]
#[cfg(target_endian = "little")]
fn a_chain_is_added_as_tc_adds_it() {
    // chain add dev lo ingress chain 5
    let request = ChainRequest::new(Hook::ingress(1), 5);
    sends(
        &request.encode(Verb::Add).unwrap(),
        100,
        0x605,
        "00000000 01000000 00000000 f2ffffff 00000000 08000b00 05000000",
    );
}

#[test]
#[cfg(target_endian = "little")]
fn actions_are_asked_for_as_tc_does() {
    // actions get action gact index 5
    let action = ActionSpec { index: Some(5), ..ActionSpec::new(Options::bare("gact")) };
    sends(
        &ActionRequest { actions: vec![action] }.get().unwrap(),
        50,
        0x001,
        "00000000 1c000100 18000100 09000100 67616374 00000000 08000300 05000000",
    );
    // actions ls action gact
    sends(
        &ActionRequest::list("gact", false, None).unwrap(),
        50,
        0x301,
        "00000000 14000100 10000100 09000100 67616374 00000000 0c000200 01000000 01000000",
    );
}

#[test]
#[cfg(target_endian = "little")]
fn actions_are_added_as_tc_adds_them() {
    // actions add action gact drop index 5 action mirred egress mirror dev lo
    let options = |kind: &'static str, payload: &[u8]| Options {
        kind: kind.into(),
        payload: Some(Cow::Owned(payload.to_vec())),
        flagged: true,
    };
    let gact = [&[24, 0, 2, 0, 5][..], &[0; 7], &[2], &[0; 11]].concat();
    let mirred = [&[32, 0, 2, 0][..], &[0; 8], &[3], &[0; 11], &[2, 0, 0, 0, 1, 0, 0, 0]].concat();
    let actions =
        [options("gact", &gact), options("mirred", &mirred)].map(ActionSpec::new).to_vec();
    sends(
        &ActionRequest { actions }.encode(Verb::Add).unwrap(),
        48,
        0x605,
        "00000000 64000100 2c000100 09000100 67616374 00000000 1c000280 18000200 05000000 \
         00000000 02000000 00000000 00000000 34000200 0b000100 6d697272 65640000 24000280 \
         20000200 00000000 00000000 03000000 00000000 00000000 02000000 01000000",
    );
}
