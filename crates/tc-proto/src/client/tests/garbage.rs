//! Whatever the socket gives, each call ends, and without a panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Messages that look right, with bytes that are not.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let types = prop_oneof![Just(2_u16), Just(3), Just(4), Just(1), Just(36), any::<u16>()];
    let one = (types, any::<u16>(), 0..4_u32, vec(any::<u8>(), 0..60), any::<(bool, u8, u8)>());
    let one = one.prop_map(|(message_type, flags, sequence, body, (spoil, at, value))| {
        let mut bytes = message(message_type, flags, sequence, &body);
        if spoil {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        bytes
    });
    vec(one, 0..4).prop_map(|messages| messages.concat())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => datagram().prop_map(Datagram),
        1 => datagram().prop_map(Foreign),
        1 => prop_oneof![Just(libc::EINTR), Just(libc::ENOBUFS), Just(libc::ENOMEM)].prop_map(Fails),
    ]
}

proptest! {
    #[test]
    fn requests_end(answer in vec(step(), 0..6), flags in any::<u16>()) {
        let _ = client([answer.clone()]).request(&request(flags, b""));
        let _ = client([answer.clone()]).ask(&request(flags, b""));
        let _ = client([answer.clone()]).link_index("lo");
        let _ = client([answer]).link_names(&[1, 2]);
    }

    #[test]
    fn dumps_end(answers in vec(vec(step(), 0..6), 0..4)) {
        let mut client = client(answers);
        if let Ok(dump) = client.dump(&request(0x301, b"")) {
            dump.messages().for_each(drop);
        }
    }

    #[test]
    fn batches_report_each_request_once_and_in_order(
        answers in vec(vec(step(), 0..6), 0..3),
        flags in vec(any::<u16>(), 0..6),
    ) {
        let mut client = client(answers);
        let mut reported = 0;
        let requests = flags.iter().map(|flags| request(*flags, b""));
        client.batch(requests, |number, _| {
            assert_eq!(number, reported);
            reported += 1;
        });
        prop_assert_eq!(reported, flags.len() as u64);
    }

    #[test]
    fn monitors_end_when_there_is_no_more(steps in vec(step(), 0..10)) {
        let mut monitor = Monitor::over(Box::new(Fake { queue: steps.into(), ..Fake::default() }));
        while !matches!(monitor.next_timeout(Duration::ZERO), Ok(None)) {}
    }

    #[test]
    fn explanations_and_places_are_total(
        bytes in vec(any::<u8>(), 0..80),
        offset in 0..100_usize,
        message_type in prop_oneof![Just(16_u16), Just(36), Just(48), any::<u16>()],
    ) {
        let _ = crate::msg::ExtAck::decode(&bytes);
        let _ = crate::msg::attribute_path(&message(message_type, 0, 0, &bytes), offset);
        let _ = crate::msg::attribute_path(&bytes, offset);
    }
}
