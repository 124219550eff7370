use super::*;
use crate::client::{Event, Monitor};

fn monitor(steps: impl Into<VecDeque<Step>>) -> Monitor {
    Monitor::over(Box::new(Fake { queue: steps.into(), ..Fake::default() }))
}

fn body(event: Event<'_>) -> &[u8] {
    match event {
        Event::Message(_, body) => body,
        Event::Lost => panic!("nothing was lost"),
    }
}

#[test]
fn messages_come_one_by_one_whatever_datagram_they_came_in() {
    let mut together = message(44, 0x400, 7, b"one.");
    together.extend(message(1, 0, 0, b"NOOP"));
    together.extend(message(45, 0, 0, b"two!"));
    let mut monitor = monitor([
        Fails(libc::EINTR),
        Datagram(together),
        Foreign(message(44, 0, 0, b"foreign")),
        Datagram(message(36, 0, 0, b"three")),
    ]);
    let Ok(Event::Message(header, body_)) = monitor.next_event() else { panic!() };
    assert_eq!((header.message_type, header.flags, body_), (44, 0x400, &b"one."[..]));
    assert_eq!(body(monitor.next_event().unwrap()), b"two!");
    assert_eq!(body(monitor.next_event().unwrap()), b"three");
}

#[test]
fn losses_are_events_and_the_next_ones_follow() {
    let mut monitor = monitor([
        Datagram(message(36, 0, 0, b"one.")),
        Datagram(message(36, 0, 0, &vec![0; 200_000])),
        Datagram(message(36, 0, 0, &vec![0; 200_000])),
        Datagram(message(4, 0, 0, b"")),
    ]);
    assert_eq!(body(monitor.next_event().unwrap()), b"one.");
    // Did not fit; there is room for the next one.
    assert_eq!(monitor.next_event().unwrap(), Event::Lost);
    assert_eq!(body(monitor.next_event().unwrap()).len(), 200_000);
    assert_eq!(monitor.next_event().unwrap(), Event::Lost);
}

/// The kernel drops on until all is read that it had when it said so.
#[test]
fn a_full_buffer_is_told_when_it_has_been_read() {
    let one = |body: &[u8; 4]| Datagram(message(36, 0, 0, body));
    let full = || Fails(libc::ENOBUFS);
    let mut monitor = monitor([
        full(),
        one(b"old."),
        Fails(libc::EINTR),
        one(b"old!"),
        Fails(libc::EAGAIN),
        one(b"new."),
        full(),
        one(b"old."),
        // It was empty since.
        full(),
        one(b"old!"),
    ]);
    let mut seen = vec![];
    while let Some(event) = monitor.next_timeout(Duration::ZERO).unwrap() {
        seen.push(if event == Event::Lost { b"lost".to_vec() } else { body(event).to_vec() });
    }
    let wanted: [&[u8]; 8] =
        [b"old.", b"old!", b"lost", b"new.", b"old.", b"lost", b"old!", b"lost"];
    assert_eq!(seen, wanted);
}

#[test]
fn a_full_buffer_is_told_however_much_there_is_to_read() {
    let many = std::iter::repeat_n(Datagram(message(36, 0, 0, b"new.")), 20_000);
    let mut monitor = monitor([Fails(libc::ENOBUFS)].into_iter().chain(many).collect::<Vec<_>>());
    let mut read = 0;
    while monitor.next_timeout(Duration::ZERO).unwrap().unwrap() != Event::Lost {
        read += 1;
    }
    assert!(read < 10_000, "{read}");
}

#[test]
fn a_broken_datagram_is_one_error() {
    let mut broken = message(36, 0, 0, b"one.");
    broken.extend([0xff; 20]);
    let mut monitor = monitor([
        Datagram(broken),
        Datagram(vec![1]),
        Datagram(message(36, 0, 0, b"two!")),
        Fails(libc::EBADF),
    ]);
    assert_eq!(body(monitor.next_event().unwrap()), b"one.");
    assert_decode(monitor.next_event());
    assert_decode(monitor.next_event());
    assert_eq!(body(monitor.next_event().unwrap()), b"two!");
    assert_eq!(monitor.next_event().unwrap_err().errno(), Some(libc::EBADF));
}

#[test]
fn a_timeout_gives_nothing_and_ends_with_the_call() {
    let mut monitor = monitor([Datagram(message(36, 0, 0, b"one."))]);
    let short = Duration::from_millis(1);
    assert_eq!(body(monitor.next_timeout(short).unwrap().unwrap()), b"one.");
    assert_eq!(monitor.next_timeout(short).unwrap(), None);
    assert_eq!(monitor.next_timeout(Duration::ZERO).unwrap(), None);
}

#[test]
fn the_end_of_the_socket_ends_the_changes() {
    for end in [Fails(libc::ENOTCONN), Datagram(vec![])] {
        let mut monitor =
            monitor([Datagram(vec![9; 9]), end, Datagram(message(36, 0, 0, &[0; 20]))]);
        let items: Vec<_> = monitor.changes(Duration::ZERO).collect();
        assert_eq!(items.len(), 2);
        assert!(matches!(items[0], Err(Error::Decode(_))), "{:?}", items[0]);
        assert!(matches!(items[1], Err(Error::Io { op: "receive", .. })), "{:?}", items[1]);
    }
}
