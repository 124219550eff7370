//! Requests that only read, to the kernel that runs the tests.

use super::*;
use crate::client::{Expect, Monitor, Window};
use crate::msg::TcHeader;

const LO: i32 = 1;

fn qdiscs_of(ifindex: i32) -> Request<'static> {
    let header = TcHeader { ifindex, ..TcHeader::default() };
    Request::new(MessageType(38), 0x301, |body| {
        header.encode(body);
        Ok(())
    })
    .unwrap()
}

/// `RTM_GETLINK` by index.
fn link(index: i32, flags: u16) -> Request<'static> {
    Request::new(MessageType(18), flags, |body| {
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&index.to_ne_bytes());
        body.extend_from_slice(&[0; 8]);
        Ok(())
    })
    .unwrap()
}

#[test]
fn names_and_indexes_of_devices() {
    let mut client = Client::open().unwrap();
    assert_eq!(client.link_index("lo").unwrap(), LO);
    assert!(client.link_index("no-such-device").unwrap_err().is_not_found());
    let error = client.link_index("no-device-has-this-long-name").unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let names = client.link_names(&[LO, 0x7fff_ffff, LO]).unwrap();
    assert_eq!(names, [Some("lo".to_owned()), None, Some("lo".to_owned())]);
}

#[test]
fn a_dump_is_whole() {
    let mut client = Client::open().unwrap();
    for _ in 0..3 {
        let dump = client.dump(&qdiscs_of(LO)).unwrap();
        for (header, body) in dump.messages() {
            assert_eq!(header.message_type, 36);
            TcHeader::decode(body).unwrap();
        }
    }
}

#[test]
fn a_get_with_and_without_acknowledgement() {
    let mut client = Client::open().unwrap();
    for flags in [1, 5] {
        let answer = client.ask(&link(LO, flags)).unwrap();
        assert_eq!(answer.header.message_type, 16);
        assert!(client.ask(&link(0x7fff_ffff, flags)).unwrap_err().is_not_found());
    }
    assert_eq!(client.request(&link(LO, 5)).unwrap().echoed.len(), 1);
}

#[test]
fn a_dump_given_up_halfway_does_not_block_the_next() {
    let mut client = Client::open().unwrap();
    // The answer to a dump that nobody reads to its end.
    let mut window = Window::default();
    window.push(&link(0, 0x301), Expect::Message);
    client.exchange(&mut window);
    assert!(window.outcomes().next().unwrap().is_ok());
    client.drain();
    assert!(client.dump(&qdiscs_of(LO)).is_ok());
}

#[test]
fn more_answers_than_fit_are_lost_and_not_waited_for() {
    let mut client = Client::open().unwrap();
    let mut window = Window::default();
    for _ in 0..1000 {
        window.push(&link(LO, 5), Expect::Ack);
    }
    client.exchange(&mut window);
    let outcomes: Vec<_> = window.outcomes().collect();
    assert_eq!(outcomes.len(), 1000);
    assert!(outcomes[0].is_ok());
    let lost = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert!(lost > 0);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_lost(outcome);
    }
    assert_eq!(client.link_index("lo").unwrap(), LO);
}

#[test]
fn a_window_of_errors_fits_the_default_buffer() {
    let mut client = Client::open().unwrap();
    let mut refused = 0;
    client.batch((0..1000).map(|_| link(0x7fff_ffff, 5)), |number, outcome| {
        assert_eq!(number, refused);
        assert_errno(outcome, libc::ENODEV);
        refused += 1;
    });
    assert_eq!(refused, 1000);
}

#[test]
fn a_quiet_monitor_times_out() {
    // A group beyond the first 32 as well: RTNLGRP_MCTP_IFADDR.
    for groups in [&[Monitor::TC][..], &[Monitor::TC, 34]] {
        let mut monitor = Monitor::open(groups).unwrap();
        // Others may be changing things meanwhile.
        while monitor.next_timeout(Duration::from_millis(1)).unwrap().is_some() {}
    }
}
