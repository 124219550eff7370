use super::*;
use crate::client::Pipeline;

/// How many messages each datagram holds.
fn messages_in(sent: &Mutex<Vec<Vec<u8>>>) -> Vec<usize> {
    let count = |d: &Vec<u8>| crate::msg::NetlinkMessages::new(d).count();
    sent.lock().unwrap().iter().map(count).collect()
}

/// Errno of each outcome, 0 for success, in the order of the reports, which must be that of the
/// requests.
fn outcomes(client: &mut Client, requests: impl IntoIterator<Item = Request<'static>>) -> Vec<i32> {
    let mut seen = vec![];
    client.batch(requests, |number, outcome| {
        assert_eq!(number, seen.len() as u64);
        seen.push(match outcome {
            Ok(_) => 0,
            Err(Error::NoAnswer) => -1,
            Err(e) => e.errno().unwrap(),
        });
    });
    seen
}

#[test]
fn requests_go_together_padded_and_numbered() {
    let (mut client, sent) = watched([vec![Datagram(ack(0, 1)), Datagram(ack(17, 2))]]);
    assert_eq!(outcomes(&mut client, [request(5, b"abcde"), request(5, b"f")]), [0, 17]);
    let expected: &[u8] = &[
        21, 0, 0, 0, 36, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c', b'd', b'e', 0, 0, 0,
        17, 0, 0, 0, 36, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'f', 0, 0, 0,
    ];
    assert_eq!(*sent.lock().unwrap(), [expected]);
}

#[test]
fn at_most_128_answers_are_under_way() {
    let window = |first: u32, count| (first..first + count).map(|n| Datagram(ack(0, n))).collect();
    let (mut client, sent) = watched([window(1, 128), window(129, 128), window(257, 44)]);
    assert_eq!(outcomes(&mut client, (0..300).map(|_| change())), [0; 300]);
    assert_eq!(messages_in(&sent), [128, 128, 44]);
}

#[test]
fn at_most_64_kib_are_sent_together_but_a_longer_one_goes_alone() {
    let sizes = [30_000, 30_000, 30_000, 70_000, 100];
    let requests = sizes.map(|size| request(5, &vec![0; size]));
    let (mut client, sent) = watched([
        vec![Datagram(ack(0, 1)), Datagram(ack(0, 2))],
        vec![Datagram(ack(0, 3))],
        vec![Datagram(ack(0, 4))],
        vec![Datagram(ack(0, 5))],
    ]);
    assert_eq!(outcomes(&mut client, requests), [0; 5]);
    assert_eq!(messages_in(&sent), [2, 1, 1, 1]);
}

#[test]
fn fewer_go_together_when_messages_are_echoed() {
    let answers = |n| vec![Datagram(message(36, 0, n, b"echo")), Datagram(ack(0, n))];
    let window = |range: std::ops::Range<u32>| range.flat_map(answers).collect();
    let (mut client, sent) = watched([window(1..9), window(9..11)]);
    let mut echoes = 0;
    client.batch((0..10).map(|_| request(0xd, b"")), |_, outcome| {
        echoes += outcome.unwrap().echoed.len();
    });
    assert_eq!(echoes, 10);
    assert_eq!(messages_in(&sent), [8, 2]);
}

#[test]
fn answers_out_of_order_reach_their_requests() {
    let answers = [(0, 3), (libc::EEXIST, 1), (libc::ENOENT, 2)];
    let mut client = client([answers.map(|(errno, n)| Datagram(ack(errno, n))).to_vec()]);
    let requests = [change(), change(), change()];
    assert_eq!(outcomes(&mut client, requests), [libc::EEXIST, libc::ENOENT, 0]);
}

#[test]
fn of_two_answers_the_first_counts() {
    let answers = [(0, 1), (libc::EEXIST, 1), (0, 2)];
    let mut client = client([answers.map(|(errno, n)| Datagram(ack(errno, n))).to_vec()]);
    assert_eq!(outcomes(&mut client, [change(), change()]), [0, 0]);
}

#[test]
fn after_a_loss_only_those_without_an_answer_are_lost() {
    let mut client = client([
        vec![
            Fails(libc::ENOBUFS),
            Datagram(ack(0, 1)),
            Datagram(ack(libc::EEXIST, 2)),
            Datagram(ack(0, 4)),
        ],
        vec![Datagram(ack(0, 5))],
    ]);
    let requests = [change(), change(), change(), change()];
    let lost = libc::ENOBUFS;
    assert_eq!(outcomes(&mut client, requests), [0, libc::EEXIST, lost, 0]);
    client.request(&change()).unwrap();
}

#[test]
fn an_answer_that_never_comes_is_reported() {
    let mut client = client([vec![Datagram(ack(0, 2))]]);
    assert_eq!(outcomes(&mut client, [change(), change(), change()]), [-1, 0, -1]);
}

#[test]
fn silent_requests_succeed_unless_an_error_names_them() {
    let silent = || request(1, b"");
    let mut client = client([
        vec![Datagram(ack(libc::EEXIST, 2))],
        vec![Datagram(ack(libc::EEXIST, 5)), Datagram(ack(0, 6))],
        vec![Fails(libc::ENOBUFS), Datagram(ack(libc::EEXIST, 8))],
        vec![Fails(libc::ENOBUFS), Datagram(ack(libc::EEXIST, 11)), Datagram(ack(0, 12))],
    ]);
    assert_eq!(outcomes(&mut client, [silent(), silent(), silent()]), [0, libc::EEXIST, 0]);
    assert_eq!(outcomes(&mut client, [silent(), silent(), change()]), [0, libc::EEXIST, 0]);
    let lost = libc::ENOBUFS;
    assert_eq!(outcomes(&mut client, [silent(), silent(), change()]), [lost, libc::EEXIST, lost]);
    assert_eq!(outcomes(&mut client, [silent(), silent(), change()]), [lost, libc::EEXIST, 0]);
}

#[test]
fn a_socket_that_fails_fails_each_request_once() {
    let fake = Fake { refuses: [libc::ENOMEM].into(), ..Fake::default() };
    let mut broken = Client::over(Box::new(fake));
    assert_eq!(outcomes(&mut broken, [change(), change()]), [libc::ENOMEM; 2]);
    let mut broken = client([vec![Datagram(ack(0, 1)), Fails(libc::EBADF)]]);
    assert_eq!(
        outcomes(&mut broken, [change(), change(), change()]),
        [0, libc::EBADF, libc::EBADF]
    );
}

#[test]
fn other_requests_may_go_in_between() {
    let (mut client, sent) = watched([
        vec![Datagram(message(44, 0, 1, b"body"))],
        vec![Datagram(ack(0, 2)), Datagram(ack(0, 3))],
    ]);
    let mut seen = vec![];
    let mut pipeline = Pipeline::new();
    pipeline.push(&mut client, &change(), |number, outcome| seen.push((number, outcome.is_ok())));
    client.ask(&request(1, b"")).unwrap();
    pipeline.push(&mut client, &change(), |number, outcome| seen.push((number, outcome.is_ok())));
    assert_eq!(pipeline.pending(), 2);
    pipeline.flush(&mut client, |number, outcome| seen.push((number, outcome.is_ok())));
    assert_eq!(pipeline.pending(), 0);
    pipeline.flush(&mut client, |_, _| panic!("nothing is left to report"));
    assert_eq!(seen, [(0, true), (1, true)]);
    assert_eq!(messages_in(&sent), [1, 2]);
}

#[test]
fn numbers_wrap_around() {
    let answers = [u32::MAX, 0, 1].map(|n| Datagram(ack(0, n)));
    let mut client = client([answers.to_vec()]);
    client.sequence = u32::MAX;
    assert_eq!(outcomes(&mut client, [change(), change(), change()]), [0; 3]);
}

#[test]
fn only_requests_sent_together_do_without_their_copies() {
    let fake = Fake { answers: [vec![], vec![]].into(), ..Fake::default() };
    let capped = Arc::clone(&fake.capped);
    let mut client = Client::over(Box::new(fake));
    assert_no_answer(client.request(&change()));
    assert!(!capped.load(Relaxed));
    client.batch([change(), change()], |_, outcome| assert_no_answer(outcome));
    assert!(capped.load(Relaxed));
}
