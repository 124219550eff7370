//! The options of every kind.

use std::fmt::Debug;

use tc_proto::action;
use tc_proto::ematch;
use tc_proto::filter::{Basic, Bpf, Fw, Matchall, U32};
use tc_proto::qdisc::{
    Bfifo, Clsact, Drr, FqCodel, Htb, Ingress, Mq, Multiq, Netem, Noqueue, Pfifo, PfifoFast,
    PfifoHeadDrop, Prio, Sfq, Tbf,
};
use tc_proto::units::{Estimator, SizeTable};
use tc_proto::wire::AttrWriter;
use tc_proto::{Kind, Options};

/// A kind's name, and what reads and writes its options.
type Check = (&'static str, fn(&[u8]));

/// All kinds, one row for each.
pub const KINDS: &[Check] = &[
    row::<Basic>(),
    row::<Bfifo>(),
    row::<Bpf<'_>>(),
    row::<action::Bpf<'_>>(),
    row::<ematch::Canid>(),
    row::<Clsact>(),
    row::<ematch::Cmp>(),
    row::<action::Connmark>(),
    row::<action::Csum>(),
    row::<action::Ctinfo>(),
    row::<Drr>(),
    row::<FqCodel>(),
    row::<Fw>(),
    row::<action::Gact>(),
    row::<action::Gate>(),
    row::<Htb>(),
    row::<action::Ife>(),
    row::<Ingress>(),
    row::<ematch::IpSet>(),
    row::<ematch::Ipt>(),
    row::<Matchall>(),
    row::<ematch::Meta>(),
    row::<action::Mirred>(),
    row::<action::Mpls>(),
    row::<Mq>(),
    row::<Multiq>(),
    row::<ematch::Nbyte>(),
    row::<action::Nat>(),
    row::<Netem>(),
    row::<Noqueue>(),
    row::<Pfifo>(),
    row::<PfifoFast>(),
    row::<PfifoHeadDrop>(),
    row::<action::Police>(),
    row::<Prio>(),
    row::<action::Sample>(),
    row::<Sfq>(),
    row::<action::Simple>(),
    row::<action::Skbedit>(),
    row::<action::Skbmod>(),
    row::<Tbf>(),
    row::<action::TunnelKey>(),
    row::<ematch::U32>(),
    row::<U32>(),
    row::<action::Vlan>(),
];

const fn row<K: Kind + Debug>() -> Check {
    (K::NAME, check::<K>)
}

/// What any kind decodes encodes to bytes that decode to the same.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn options(data: &[u8]) {
    for (_, check) in KINDS {
        check(data);
    }
    if let Ok(table) = SizeTable::decode(data) {
        if let Some(bytes) = written(|w| table.encode(w)) {
            assert_eq!(SizeTable::decode(&bytes), Ok(table));
        }
    }
    if let Ok(estimator) = Estimator::decode(data) {
        assert_eq!(Estimator::decode(&estimator.to_bytes()), Ok(estimator));
    }
}

fn check<K: Kind + Debug>(data: &[u8]) {
    let kind = match K::decode(data) {
        Ok(kind) => kind,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return;
        }
    };
    // Text that is not UTF-8 grows when it is replaced, and may then be too long.
    let Some(bytes) = written(|w| kind.encode(w)) else { return };
    let again = K::decode(&bytes);
    assert_eq!(format!("{again:?}"), format!("Ok({kind:?})"));
    let again = again.ok().and_then(|again| written(|w| again.encode(w)));
    assert_eq!(again.as_deref(), Some(&*bytes), "{}", K::NAME);
    let payload = Options::of(&kind).ok().and_then(|options| options.payload);
    assert!(payload.is_none_or(|payload| *payload == *bytes));
}

fn written(write: impl FnOnce(&mut AttrWriter<'_>)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut w = AttrWriter::new(&mut bytes);
    write(&mut w);
    w.finish().ok().map(|()| bytes)
}
