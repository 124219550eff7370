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
        Fails(libc::ENOBUFS),
        Datagram(message(36, 0, 0, b"one.")),
        Datagram(message(36, 0, 0, &vec![0; 200_000])),
        Datagram(message(36, 0, 0, &vec![0; 200_000])),
        Datagram(message(4, 0, 0, b"")),
    ]);
    assert_eq!(monitor.next_event().unwrap(), Event::Lost);
    assert_eq!(body(monitor.next_event().unwrap()), b"one.");
    // Did not fit; there is room for the next one.
    assert_eq!(monitor.next_event().unwrap(), Event::Lost);
    assert_eq!(body(monitor.next_event().unwrap()).len(), 200_000);
    assert_eq!(monitor.next_event().unwrap(), Event::Lost);
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
