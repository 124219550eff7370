//! A kernel that answers right over a socket that does not: every outcome is an error or the right
//! answer, and never that of another request.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Handle;
use crate::msg::{ActionList, ActionReply, ActionSpec, AnyReply, Change, QdiscList, TcHeader};
use crate::wire::AttrWriter;

/// What becomes of one datagram on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    /// It comes late, after the one behind it.
    Late,
    Twice,
    /// Dropped, which the socket tells.
    Dropped,
    /// Cut to this many of 256 parts, which the socket tells.
    Cut(u8),
    /// It claims to be of a length that it cannot have. Other spoilt fields would make it an answer
    /// like any other.
    Spoilt(u32),
    /// A signal comes first.
    Interrupted,
    /// Another process sends something of the same number first.
    Foreign,
    /// An answer to an older request comes first.
    Stale,
    /// The socket breaks.
    Broken,
}

pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::Late),
        1 => Just(Fault::Twice),
        1 => Just(Fault::Dropped),
        1 => any::<u8>().prop_map(Fault::Cut),
        1 => prop_oneof![0..16_u32, 10_000..=u32::MAX].prop_map(Fault::Spoilt),
        1 => Just(Fault::Interrupted),
        1 => Just(Fault::Foreign),
        1 => Just(Fault::Stale),
        1 => Just(Fault::Broken),
    ]
}

/// Parts of a list and notifications come in order and once: nothing in them could tell otherwise.
pub(crate) fn in_order() -> impl Strategy<Value = Fault> {
    fault().prop_map(|fault| match fault {
        Fault::Late | Fault::Twice => Fault::None,
        other => other,
    })
}

/// The steps by which `datagrams` arrive.
pub(crate) fn arrive(datagrams: Vec<Vec<u8>>, faults: &[Fault]) -> Vec<Step> {
    let mut steps = vec![];
    let mut late = None;
    let all = faults.iter().copied().chain(std::iter::repeat(Fault::None));
    for (datagram, fault) in datagrams.into_iter().zip(all) {
        let before = late.take();
        match fault {
            Fault::None => steps.push(Datagram(datagram)),
            Fault::Late => late = Some(datagram),
            Fault::Twice => steps.extend([Datagram(datagram.clone()), Datagram(datagram)]),
            Fault::Dropped => steps.push(Fails(libc::ENOBUFS)),
            Fault::Cut(part) => {
                let kept = datagram.len() * usize::from(part) / 256;
                steps.push(Step::Cut(datagram[..kept].to_vec(), datagram.len()));
            }
            Fault::Spoilt(len) => {
                let mut datagram = datagram;
                datagram[..4].copy_from_slice(&len.to_ne_bytes());
                steps.push(Datagram(datagram));
            }
            Fault::Interrupted => steps.extend([Fails(libc::EINTR), Datagram(datagram)]),
            Fault::Foreign => {
                let mut other = datagram.clone();
                other[16..].fill(0x5a);
                steps.extend([Foreign(other), Datagram(datagram)]);
            }
            Fault::Stale => {
                let mut other = ack(99, u32::MAX);
                other[16..].fill(0x5a);
                steps.extend([Datagram(other), Datagram(datagram)]);
            }
            Fault::Broken => steps.push(Fails(libc::ENOTCONN)),
        }
        steps.extend(before.map(Datagram));
    }
    steps.extend(late.map(Datagram));
    steps
}

/// `RTM_NEWQDISC` as an answer, about the qdisc of this handle.
pub(crate) fn qdisc(sequence: u32, handle: u32) -> Vec<u8> {
    let mut body = vec![];
    TcHeader { ifindex: 2, handle: Handle(handle), ..TcHeader::default() }.encode(&mut body);
    message(36, 2, sequence, &body)
}

proptest! {
    #[test]
    fn each_request_gets_its_own_answer_or_an_error(
        errnos in vec(prop_oneof![Just(0), 1..130_i32], 1..12),
        faults in vec(fault(), 0..12),
    ) {
        let answers = (1..).zip(&errnos).map(|(sequence, errno)| ack(*errno, sequence)).collect();
        let mut client = client([arrive(answers, &faults)]);
        let mut outcomes = vec![];
        client.batch(errnos.iter().map(|_| change()), |_, outcome| outcomes.push(outcome));
        prop_assert_eq!(outcomes.len(), errnos.len());
        for (outcome, errno) in outcomes.iter().zip(errnos) {
            match outcome {
                Ok(_) => prop_assert_eq!(errno, 0),
                Err(Error::Kernel(e)) => prop_assert_eq!(e.errno, errno),
                Err(Error::Io { .. } | Error::Decode(_) | Error::Lost | Error::NoAnswer) => {}
                Err(Error::Truncated { need, have }) => prop_assert!(need > have),
                Err(e) => prop_assert!(false, "{e:?}"),
            }
        }
        if faults.iter().all(|fault| matches!(fault,
            Fault::None | Fault::Late | Fault::Twice | Fault::Interrupted | Fault::Foreign | Fault::Stale))
        {
            prop_assert!(outcomes.iter().all(|o| matches!(o, Ok(_) | Err(Error::Kernel(_)))));
        }
    }

    #[test]
    fn one_request_after_another_gets_its_own_answer_or_an_error(
        errnos in vec(prop_oneof![Just(0), 1..130_i32], 1..8),
        faults in vec(vec(fault(), 0..2), 8),
    ) {
        let steps = (1..).zip(&errnos).zip(&faults);
        let steps = steps.map(|((sequence, errno), faults)| arrive(vec![ack(*errno, sequence)], faults));
        let mut client = client(steps);
        for errno in errnos {
            match client.request(&change()) {
                Ok(_) => prop_assert_eq!(errno, 0),
                Err(Error::Kernel(e)) => prop_assert_eq!(e.errno, errno),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn a_list_is_whole_or_an_error(
        parts in vec(vec(1..1000_u32, 0..4), 0..5),
        attempts in vec(vec(in_order(), 0..6), 1..12),
    ) {
        let answer = |sequence| {
            let parts = parts.iter().filter(|part| !part.is_empty());
            let parts = parts.map(move |part| part.iter().flat_map(|h| qdisc(sequence, *h)).collect());
            parts.chain([done(0, 0, sequence)]).collect::<Vec<Vec<u8>>>()
        };
        let steps = (1..).zip(&attempts).map(|(sequence, faults)| arrive(answer(sequence), faults));
        let steps: Vec<_> = steps.chain((attempts.len() as u32 + 1..20).map(|n| arrive(answer(n), &[]))).collect();
        let mut client = client(steps);
        if let Ok(list) = client.list(&QdiscList::on(2)) {
            let found: Vec<_> = list.iter().map(|qdisc| qdisc.handle().0).collect();
            prop_assert_eq!(found, parts.concat());
        }
    }

    #[test]
    fn notifications_come_in_order_or_are_said_to_be_lost(
        handles in vec(1..1000_u32, 0..12),
        faults in vec(in_order(), 0..12),
    ) {
        let steps = arrive(handles.iter().map(|handle| qdisc(0, *handle)).collect(), &faults);
        let mut monitor = Monitor::over(Box::new(Fake { queue: steps.into(), ..Fake::default() }));
        let (mut seen, mut gaps) = (vec![], false);
        loop {
            match monitor.changes(Duration::ZERO).next() {
                None => break,
                Some(Ok(Change::New(AnyReply::Qdisc(qdisc)))) => seen.push(qdisc.handle().0),
                Some(Ok(Change::Lost) | Err(_)) => gaps = true,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        let mut rest = handles.iter();
        prop_assert!(seen.iter().all(|handle| rest.any(|h| h == handle)), "{seen:?}");
        prop_assert!(gaps || seen == handles, "{seen:?}");
    }
}

/// A list of two qdiscs in two parts, time after time; between them comes what is `heard`. How often it
/// was asked for.
fn listed_while(heard: Vec<Vec<Step>>) -> (Result<Vec<u32>, Error>, usize) {
    let mut heard = heard.into_iter();
    let answer = |n| {
        let mut steps = vec![Datagram(qdisc(n, 1))];
        steps.extend(heard.next().unwrap_or_default());
        steps.extend([Datagram(qdisc(n, 2)), Datagram(done(0, 0, n))]);
        steps
    };
    let fake = Fake { answers: (1..40).map(answer).collect(), ..Fake::default() };
    let (sent, listens) = (Arc::clone(&fake.sent), Arc::clone(&fake.listens));
    let listed = Client::over(Box::new(fake)).list(&QdiscList::on(2));
    assert!(!listens.load(Relaxed), "it listens on");
    let listed = listed.map(|list| list.iter().map(|qdisc| qdisc.handle().0).collect());
    let sent = sent.lock().unwrap().len();
    (listed, sent)
}

#[test]
fn a_list_that_changed_is_read_anew() {
    for change in [
        Notice(qdisc(0, 7)),
        // Of a change made by a request of the same number as ours.
        Notice(qdisc(1, 7)),
        Fails(libc::ENOBUFS),
        Notice(message(4, 0, 0, b"")),
        Notice(vec![0xff; 16]),
        Step::CutNotice(qdisc(0, 7), 70_000),
    ] {
        let (listed, sent) = listed_while(vec![vec![change.clone()], vec![change]]);
        assert_eq!((listed.unwrap(), sent), (vec![1, 2], 3));
    }
}

#[test]
fn what_others_change_elsewhere_does_not_count() {
    let mut body = vec![];
    TcHeader { ifindex: 3, ..TcHeader::default() }.encode(&mut body);
    let (listed, sent) = listed_while(vec![vec![Notice(message(36, 0, 0, &body))]]);
    assert_eq!((listed.unwrap(), sent), (vec![1, 2], 1));
}

#[test]
fn what_changed_before_the_first_part_is_in_it() {
    let answer = vec![Notice(qdisc(0, 7)), Datagram(qdisc(1, 1)), Datagram(done(0, 0, 1))];
    let mut client = client([answer]);
    assert_eq!(client.list(&QdiscList::on(2)).unwrap().len(), 1);
}

/// When the buffer is full, the kernel drops on until all is read that is in it.
#[test]
fn a_list_is_read_anew_when_nothing_is_left_of_the_lost_one() {
    let mut lost = vec![Datagram(qdisc(1, 1)), Fails(libc::ENOBUFS), Datagram(done(0, 0, 1))];
    // Would be of the second, had it been sent before these were read.
    lost.extend([Datagram(qdisc(2, 9)), Notice(qdisc(0, 7))]);
    let whole = vec![Datagram(qdisc(2, 1)), Datagram(done(0, 0, 2))];
    let listed = client([lost, whole]).list(&QdiscList::on(2)).unwrap();
    assert_eq!(listed.iter().map(|qdisc| qdisc.handle().0).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_list_whose_parts_are_always_lost_is_an_error() {
    let lost = |n| match n % 2 {
        0 => vec![Datagram(qdisc(n, 1)), Fails(libc::ENOBUFS), Datagram(done(0, 0, n))],
        // No room for the first part.
        _ => vec![Datagram(ack(libc::ENOBUFS, n)), Notice(qdisc(0, 7))],
    };
    let (mut listing, sent) = watched((1..40).map(lost));
    let listed = listing.list(&QdiscList::on(2));
    assert!(matches!(listed, Err(Error::Changing)), "{listed:?}");
    assert_eq!(sent.lock().unwrap().len(), 17);
    assert_lost(client((1..40).map(lost)).list_once(&QdiscList::on(2)));
    // And when it is quiet at last.
    let whole = vec![Datagram(qdisc(3, 5)), Datagram(done(0, 0, 3))];
    let listed = client([lost(1), lost(2), whole]).list_once(&QdiscList::on(2)).unwrap();
    assert_eq!((listed.len(), listed.changed), (1, false));
}

/// What comes while a list is read may still be there when the next request is made.
#[test]
fn notifications_of_a_list_are_no_answers_to_what_follows() {
    let listed = vec![Datagram(qdisc(1, 1)), Datagram(done(0, 0, 1)), Notice(qdisc(2, 7))];
    let mut client = client([listed, vec![Datagram(qdisc(2, 5)), Datagram(ack(0, 2))]]);
    client.list(&QdiscList::on(2)).unwrap();
    let ack = client.request(&change()).unwrap();
    assert_eq!(ack.echoed.len(), 1);
}

#[test]
fn a_list_that_never_rests_is_an_error() {
    let (listed, sent) = listed_while(vec![vec![Notice(qdisc(0, 7))]; 40]);
    assert!(matches!(listed, Err(Error::Changing)), "{listed:?}");
    assert_eq!(sent, 17);
}

/// Who stops waiting for a list in the middle of it leaves nothing that the next one could trip over.
#[test]
fn a_list_that_nobody_waits_for_any_more_leaves_nothing() {
    let part = |n: u32| Datagram(qdisc(1, n));
    let given_up = (1..6).map(part).chain([Datagram(done(0, 0, 1))]).collect();
    let whole = |n| vec![Datagram(qdisc(n, 8)), Datagram(done(0, 0, n))];
    let fake = Fake { answers: [given_up, whole(2), whole(3)].into(), ..Fake::default() };
    let listens = Arc::clone(&fake.listens);
    let mut client = Client::over(Box::new(fake));
    {
        let list = QdiscList::on(2);
        let mut reading = std::pin::pin!(client.list_by(&list, false, std::future::pending::<()>));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(reading.as_mut().poll(&mut context).is_pending());
        assert!(listens.load(Relaxed));
    }
    assert!(!listens.load(Relaxed));
    for _ in 0..2 {
        let listed = client.list(&QdiscList::on(2)).unwrap();
        assert_eq!(listed.iter().map(|qdisc| qdisc.handle().0).collect::<Vec<_>>(), [8]);
    }
}

/// Actions go with their filters, and nobody hears of it.
#[test]
fn a_list_of_actions_is_whole_when_there_are_the_same_before_and_after() {
    let part = |sequence, numbers: &[u32]| {
        let specs: Vec<_> = numbers.iter().map(|n| ActionSpec::by_index("gact", *n)).collect();
        let mut body = vec![0; 4];
        ActionSpec::encode_list(&specs, 1, &mut AttrWriter::new(&mut body));
        message(48, 2, sequence, &body)
    };
    let listed = |attempts: &[&[u32]]| {
        let answers = (1..).zip(attempts).map(|(n, numbers)| {
            let part = (!numbers.is_empty()).then(|| Datagram(part(n, numbers)));
            part.into_iter().chain([Datagram(done(0, 0, n))]).collect()
        });
        let (mut client, sent) = watched(answers);
        let listed = client.list(&ActionList::of("gact"));
        let numbers = listed.map(|list| {
            let actions = list.iter().flat_map(ActionReply::actions);
            actions.map(|action| action.index().unwrap()).collect::<Vec<_>>()
        });
        let sent = sent.lock().unwrap().len();
        (numbers, sent)
    };
    let whole: &[u32] = &[2, 4, 5];
    let (numbers, sent) = listed(&[&[1, 2, 4, 5], &[1, 2, 5], whole, whole, whole]);
    assert_eq!((numbers.unwrap(), sent), (whole.to_vec(), 5));
    let (numbers, sent) = listed(&[&[], &[], &[]]);
    assert_eq!((numbers.unwrap(), sent), (vec![], 3));
    let never: Vec<[u32; 1]> = (1..40).map(|n| [n]).collect();
    let (numbers, sent) = listed(&never.iter().map(|one| &one[..]).collect::<Vec<_>>());
    assert!(matches!(numbers, Err(Error::Changing)), "{numbers:?}");
    assert_eq!(sent, 35);
}
