//! The stream of changes: what comes is what was sent, or it is said that something is missing.

use super::*;
use crate::msg::{AnyReply, Change};
use crate::rtnetlink::changes::Heard;

/// All that the stream gives until it waits or ends; whether it has ended.
fn hear(steps: Vec<Step>) -> (Vec<Result<Change, Error>>, bool) {
    let fake = Fake::new(NETLINK_ROUTE).unwrap();
    fake.state.lock().unwrap().queue.extend(steps);
    let mut heard = Heard::over(fake);
    let mut context = Context::from_waker(Waker::noop());
    let mut items = vec![];
    loop {
        match heard.poll_next(&mut context) {
            Poll::Ready(Some(item)) => items.push(item),
            Poll::Ready(None) => {
                // It stays so.
                assert!(matches!(heard.poll_next(&mut context), Poll::Ready(None)));
                return (items, true);
            }
            Poll::Pending => return (items, false),
        }
    }
}

/// Handles of the qdiscs that are said to be new; `None` for what is missing.
fn handles(items: &[Result<Change, Error>]) -> Vec<Option<u32>> {
    let handle = |item: &Result<Change, Error>| match item {
        Ok(Change::New(AnyReply::Qdisc(qdisc))) => Some(qdisc.handle().0),
        Ok(Change::Lost) | Err(Error::Decode(_) | Error::Io { .. }) => None,
        other => panic!("{other:?}"),
    };
    items.iter().map(handle).collect()
}

/// Messages that look right, with bytes that are not.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let types = prop_oneof![2..5_u16, 16..18_u16, 36..52_u16, 100..104_u16, any::<u16>()];
    let one = (types, vec(any::<u8>(), 0..60), any::<(bool, u8, u8)>());
    let one = one.prop_map(|(message_type, body, (spoil, at, value))| {
        let mut bytes = message(message_type, 0, 0, &body);
        if spoil {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        bytes
    });
    vec(one, 0..4).prop_map(|messages| messages.concat())
}

proptest! {
    #[test]
    fn changes_come_in_order_or_are_said_to_be_missing(
        datagrams in vec(vec(1..1000_u32, 1..4), 0..8),
        faults in vec(in_order(), 0..12),
    ) {
        let datagram = |handles: &Vec<u32>| handles.iter().flat_map(|h| qdisc(0, *h)).collect();
        let (items, ended) = hear(arrive(datagrams.iter().map(datagram).collect(), &faults));
        let seen = handles(&items);
        let mut rest = datagrams.iter().flatten();
        prop_assert!(seen.iter().flatten().all(|handle| rest.any(|h| h == handle)), "{seen:?}");
        let broken = faults.iter().take(datagrams.len()).any(|f| matches!(f, Fault::Broken));
        prop_assert_eq!(ended, broken);
        // What comes from others, and signals, are no reason.
        let harmless = faults.iter().take(datagrams.len()).all(|fault| is_harmless(*fault));
        if harmless || seen.iter().all(Option::is_some) {
            let all: Vec<_> = datagrams.concat().into_iter().map(Some).collect();
            prop_assert_eq!(seen, all);
        }
    }

    #[test]
    fn late_and_repeated_changes_all_come(
        sent in vec(1..1000_u32, 0..8),
        faults in vec(fault(), 0..8),
    ) {
        // Nothing in a change tells its place.
        let faults: Vec<_> = faults.into_iter().filter(|fault| is_harmless(*fault)).collect();
        let datagrams: Vec<_> = sent.iter().map(|handle| qdisc(0, *handle)).collect();
        let (items, ended) = hear(arrive(datagrams, &faults));
        prop_assert!(!ended);
        let mut seen = handles(&items);
        seen.sort_unstable();
        seen.dedup();
        let mut wanted: Vec<_> = sent.into_iter().map(Some).collect();
        wanted.sort_unstable();
        wanted.dedup();
        prop_assert_eq!(seen, wanted);
    }

    #[test]
    fn garbage_spoils_nothing_behind_it(datagrams in vec(garbage(), 0..6)) {
        let all = datagrams.into_iter().filter(|datagram| !datagram.is_empty());
        let steps = all.chain([qdisc(0, 7)]).map(Datagram).collect();
        let (items, ended) = hear(steps);
        prop_assert!(!ended);
        let Some(Ok(Change::New(AnyReply::Qdisc(last)))) = items.last() else {
            panic!("{items:?}");
        };
        prop_assert_eq!(last.handle().0, 7);
    }
}

#[test]
fn losses_are_items_and_what_follows_them_comes() {
    let two = [qdisc(0, 1), message(4, 0, 0, b""), qdisc(0, 2)].concat();
    let (items, ended) = hear(vec![
        Datagram(two),
        // Longer than any that the kernel sends: the end of it is not there.
        Datagram(message(36, 0, 0, &vec![0; 1 << 19])),
        Datagram(qdisc(0, 3)),
    ]);
    assert_eq!(handles(&items), [Some(1), None, Some(2), None, Some(3)]);
    assert!(matches!(items[3], Ok(Change::Lost)), "{:?}", items[3]);
    assert!(!ended);
}

/// The kernel drops on until all is read that it had when it said so.
#[test]
fn a_full_buffer_is_told_when_it_has_been_read() {
    let full = || Fails(libc::ENOBUFS);
    let steps = [full(), Datagram(qdisc(0, 1)), full(), Datagram(qdisc(0, 2))];
    let (items, _) = hear(steps.to_vec());
    assert_eq!(handles(&items), [Some(1), None, Some(2), None]);
    // However much there is to read.
    let many = std::iter::repeat_n(Datagram(qdisc(0, 1)), 20_000);
    let (items, _) = hear([full()].into_iter().chain(many).collect());
    let told = items.iter().position(|item| matches!(item, Ok(Change::Lost)));
    assert!(told.is_some_and(|n| n < 10_000), "{told:?}");
    assert_eq!(items.len(), 20_001);
}

#[test]
fn the_end_of_the_socket_is_one_error_and_the_last_item() {
    for end in [Fails(libc::ENOTCONN), Fails(libc::EBADF), Fails(libc::ENOMEM), Datagram(vec![])] {
        let (items, ended) = hear(vec![Datagram(qdisc(0, 1)), end, Datagram(qdisc(0, 2))]);
        assert_eq!(handles(&items), [Some(1), None]);
        assert!(matches!(items[1], Err(Error::Io { op: "receive", .. })), "{:?}", items[1]);
        assert!(ended);
    }
}

#[test]
fn who_is_not_the_kernel_is_not_heard() {
    let steps = vec![Foreign(qdisc(0, 1)), Foreign(vec![]), Foreign(vec![7; 9])];
    let (items, ended) = hear([steps, vec![Datagram(qdisc(0, 2))]].concat());
    assert_eq!((handles(&items), ended), (vec![Some(2)], false));
}
