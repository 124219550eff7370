use super::*;
use crate::client::{Ack, Message};
use crate::error::AttrPath;

#[test]
fn the_request_is_sent_with_the_next_number_and_otherwise_unchanged() {
    let (mut client, sent) = watched([vec![Datagram(ack(0, 1))], vec![Datagram(ack(0, 2))]]);
    client.request(&request(5, b"one.")).unwrap();
    client.request(&request(5, b"two.")).unwrap();
    let sent = sent.lock().unwrap();
    assert_eq!(sent[0], [20, 0, 0, 0, 36, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'o', b'n', b'e', b'.']);
    assert_eq!(sent[1], [20, 0, 0, 0, 36, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, b't', b'w', b'o', b'.']);
}

#[test]
fn messages_before_the_acknowledgement_are_echoes() {
    let mut together = message(36, 0, 1, b"1234");
    together.extend(message(44, 0, 1, b""));
    let mut client = client([vec![Datagram(together), Datagram(ack(0, 1))]]);
    let Ack { warning, echoed } = client.request(&request(0xd, b"")).unwrap();
    assert_eq!(warning, None);
    let seen: Vec<_> = echoed.iter().map(|m| (m.header.message_type, m.body.as_slice())).collect();
    assert_eq!(seen, [(36, &b"1234"[..]), (44, b"")]);
}

#[test]
fn signals_strangers_and_stale_answers_are_passed_over() {
    let mut client = client([vec![
        Fails(libc::EINTR),
        Datagram(ack(libc::EPERM, 0)),
        Foreign(ack(libc::EPERM, 1)),
        Foreign(b"rubbish".to_vec()),
        Datagram(message(36, 0, 0, b"a notification")),
        Fails(libc::EINTR),
        Datagram(message(1, 0, 1, b"NOOP")),
        Datagram(vec![]),
        Datagram(ack(0, 1)),
    ]]);
    assert_eq!(client.request(&change()).unwrap(), Ack::default());
}

#[test]
fn a_signal_during_send_sends_again() {
    let fake = Fake {
        answers: [vec![Datagram(ack(0, 1))]].into(),
        refuses: [libc::EINTR, libc::EINTR].into(),
        ..Fake::default()
    };
    let sent = Arc::clone(&fake.sent);
    Client::over(Box::new(fake)).request(&change()).unwrap();
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[test]
fn a_failing_send_names_itself_and_its_reason() {
    let fake = Fake { refuses: [libc::EMSGSIZE].into(), ..Fake::default() };
    let error = Client::over(Box::new(fake)).request(&change()).unwrap_err();
    assert_eq!(error.to_string(), "netlink socket: send: Message too long");
    assert_eq!(error.errno(), Some(libc::EMSGSIZE));
}

#[test]
fn a_failing_receive_is_an_error() {
    let mut client = client([vec![Fails(libc::ENOMEM)]]);
    let error = client.request(&change()).unwrap_err();
    assert_eq!(error.to_string(), "netlink socket: receive: Cannot allocate memory");
}

#[test]
fn silence_is_an_error_when_an_acknowledgement_was_asked_for() {
    assert_no_answer(client([]).request(&change()));
}

#[test]
fn silence_is_success_when_none_was_asked_for() {
    let mut client = client([vec![], vec![Datagram(ack(libc::EEXIST, 2))]]);
    assert_eq!(client.request(&request(1, b"")).unwrap(), Ack::default());
    assert_errno(client.request(&request(1, b"")), libc::EEXIST);
}

#[test]
fn an_answer_that_came_in_spite_of_losses_counts() {
    let mut client = client([
        vec![Fails(libc::ENOBUFS), Datagram(ack(libc::ENOENT, 1))],
        vec![Fails(libc::ENOBUFS)],
        vec![Datagram(message(4, 0, 3, b""))],
        vec![Fails(libc::ENOBUFS)],
    ]);
    assert_errno(client.request(&change()), libc::ENOENT);
    assert_lost(client.request(&change()));
    assert_lost(client.request(&change()));
    // Silence after a loss is no success.
    assert_lost(client.request(&request(1, b"")));
}

#[test]
fn broken_answers_are_errors_and_do_not_spoil_the_next_request() {
    let whole = ack(0, 1);
    for cut in 1..whole.len() {
        let mut client = client([vec![Datagram(whole[..cut].to_vec())], vec![Datagram(ack(0, 2))]]);
        assert_decode(client.request(&change()));
        client.request(&change()).unwrap();
    }
    let mut positive = whole.clone();
    positive[16] = 1;
    assert_decode(client([vec![Datagram(positive)]]).request(&change()));
    let mut client = client([vec![Datagram(vec![0xff; 100])]]);
    assert_decode(client.request(&change()));
}

#[test]
fn no_byte_of_a_refusal_can_make_it_panic_hang_or_succeed() {
    // An error with all that belongs to it.
    let whole = hex(NO_SUCH_KIND);
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut broken = whole.clone();
            broken[at] = value;
            let mut client = client([vec![Datagram(broken)]]);
            client.sequence = 10;
            assert!(client.request(&change()).is_err());
        }
    }
}

#[test]
fn an_answer_longer_than_the_buffer_is_an_error_for_a_change() {
    let long = message(36, 0, 1, &vec![0; 200_000]);
    let mut client = client([vec![Datagram(long), Datagram(ack(0, 1))]]);
    let error = client.request(&request(0xd, b"")).unwrap_err();
    let Error::Truncated { need: 200_016, have } = error else { panic!("{error:?}") };
    assert!((32_768..200_016).contains(&have));
}

#[test]
fn a_get_asks_again_with_more_room() {
    let long = |sequence| Datagram(message(44, 0, sequence, &vec![7; 200_000]));
    let mut client = client([vec![long(1)], vec![long(2)]]);
    let Message { header, body } = client.ask(&request(1, b"")).unwrap();
    assert_eq!((header.message_type, header.sequence), (44, 2));
    assert_eq!(body, vec![7; 200_000]);
}

#[test]
fn a_get_ends_with_its_message() {
    let mut client = client([
        vec![Datagram(message(44, 0, 1, b"body"))],
        vec![Datagram(ack(libc::ENOENT, 2))],
        vec![Datagram(message(44, 0, 3, b"body")), Datagram(ack(0, 3))],
        vec![Datagram(ack(0, 4))],
        vec![],
    ]);
    assert_eq!(client.ask(&request(9, b"")).unwrap().body, b"body");
    assert!(client.ask(&request(9, b"")).unwrap_err().is_not_found());
    assert_eq!(client.ask(&request(5, b"")).unwrap().body, b"body");
    assert_no_answer(client.ask(&request(5, b"")));
    assert_no_answer(client.ask(&request(9, b"")));
}

/// `tc qdisc add dev lo root nosuch` with capped acknowledgements, Linux 6.18.
const NO_SUCH_KIND: &str = "48000000 0200 0003 0a000000 e1350000 feffffff \
    30000000 2400 0506 0a000000 00000000 24000100 \
    53706563696669656420716469736320 6b696e6420697320756e6b6e6f776e00";

/// An action with bits in `TCA_ACT_FLAGS` that do not exist, Linux 6.18: request and answer.
const BAD_FLAGS: [&str; 2] = [
    "30000000 3000 0506 44000000 00000000 00000000 1c000100 18000100 08000100 62706600 \
     0c000700 00040000 00040000",
    "68000000 0200 0003 44000000 62740000 eaffffff 30000000 3000 0506 44000000 00000000 \
     27000100 417474726962757465206661696c656420706f6c6963792076616c69646174696f6e 0000 \
     08000200 24000000 14000480 08000a00 07000000 08000100 0f000000",
];

/// `htb` class with a small quantum, Linux 6.18.
const SMALL_QUANTUM: &str = "68000000 0200 0003 01000000 e1350000 00000000 \
    60000000 2800 0506 0d000000 00000000 43000100 \
    7363685f6874623a207175616e74756d206f6620636c617373203130303031206973 \
    20736d616c6c2e20436f6e736964657220723271206368616e67652e 0000";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[test]
fn a_refusal_has_number_type_and_explanation() {
    let mut client = client([vec![Datagram(hex(NO_SUCH_KIND))]]);
    client.sequence = 10;
    let error = client.request(&change()).unwrap_err();
    assert!(error.is_unsupported() && !error.is_not_found() && !error.is_exists());
    let kernel = error.kernel().unwrap();
    assert_eq!((kernel.errno, kernel.message_type), (2, 36));
    assert_eq!(kernel.message(), Some("Specified qdisc kind is unknown"));
    assert_eq!(
        error.to_string(),
        "the kernel refused: No such file or directory: Specified qdisc kind is unknown"
    );
}

#[test]
fn a_refusal_points_at_the_attribute() {
    let [sent, answer] = BAD_FLAGS;
    let mut client = client([vec![Datagram(hex(answer))]]);
    client.sequence = 0x44;
    let body = hex(sent).split_off(16);
    let request = Request::new(MessageType(48), 0x605, |buf| {
        buf.extend_from_slice(&body);
        Ok(())
    });
    let error = client.request(&request.unwrap()).unwrap_err();
    assert_eq!(error.kernel().unwrap().attribute, Some(AttrPath(vec![1, 1, 7])));
    assert_eq!(
        error.to_string(),
        "the kernel refused: Invalid argument: Attribute failed policy validation \
         (attribute 1.1.7), it takes a bitfield32 with no bits outside 0x7"
    );
}

#[test]
fn a_warning_rides_on_success() {
    let mut client = client([vec![Datagram(hex(SMALL_QUANTUM))]]);
    let warning = client.request(&change()).unwrap().warning.unwrap();
    assert_eq!(
        warning.message.unwrap(),
        "sch_htb: quantum of class 10001 is small. Consider r2q change."
    );
}

#[test]
fn classes_of_errors() {
    let error = |errno| client([vec![Datagram(ack(errno, 1))]]).request(&change()).unwrap_err();
    assert!(error(libc::ENODEV).is_not_found());
    assert!(error(libc::ENOENT).is_not_found() && !error(libc::ENOENT).is_unsupported());
    assert!(!error(libc::EINVAL).is_not_found());
    assert!(error(libc::EEXIST).is_exists());
    assert!(error(libc::EPERM).is_permission());
    assert!(error(libc::EACCES).is_permission());
    assert!(error(libc::EOPNOTSUPP).is_unsupported());
    assert!(error(524).is_unsupported());
    assert_eq!(error(524).to_string(), "the kernel refused: Unknown error 524");
    assert_eq!(error(libc::EPERM).to_string(), "the kernel refused: Operation not permitted");
}
