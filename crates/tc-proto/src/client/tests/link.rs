use super::*;

/// The start of what Linux 6.18 answers for `lo`: `struct ifinfomsg` and `IFLA_IFNAME`.
const LO: &[u8] = &[0, 0, 4, 3, 1, 0, 0, 0, 73, 0, 1, 0, 0, 0, 0, 0, 7, 0, 3, 0, b'l', b'o', 0, 0];

fn named(index: u32, name: &str, sequence: u32) -> Step {
    let mut body = LO[..16].to_vec();
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    crate::wire::AttrWriter::new(&mut body).str(3, name);
    Datagram(message(16, 0, sequence, &body))
}

#[test]
fn a_short_name_is_asked_for_as_tc_does() {
    let (mut client, sent) = watched([vec![Datagram(message(16, 0, 1, LO))]]);
    assert_eq!(client.link_index("nosuch0").unwrap(), 1);
    // strace of tc 7.3, sequence number aside.
    let expected = b"\x34\0\0\0\x12\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \x08\0\x1d\0\x09\x01\0\0\x0c\0\x03\0nosuch0\0";
    assert_eq!(*sent.lock().unwrap(), [expected]);
}

#[test]
fn a_long_name_is_an_alternative_name() {
    let (mut client, sent) =
        watched([vec![Datagram(message(16, 0, 1, LO))], vec![Datagram(message(16, 0, 2, LO))]]);
    client.link_index("fifteen-letters").unwrap();
    client.link_index("sixteen--letters").unwrap();
    let sent = sent.lock().unwrap();
    assert_eq!(sent[0][40..44], [20, 0, 3, 0]);
    assert_eq!(sent[1][40..], *b"\x15\0\x35\0sixteen--letters\0\0\0\0");
}

#[test]
fn an_unknown_name_is_not_found() {
    let mut refusing = client([vec![Datagram(ack(libc::ENODEV, 1))]]);
    assert!(refusing.link_index("nosuch0").unwrap_err().is_not_found());
    // No device can have these, and the kernel says so in other words.
    assert!(client([]).link_index("").unwrap_err().is_not_found());
    assert!(client([]).link_index(&"x".repeat(128)).unwrap_err().is_not_found());
    let error = client([]).link_index("a\0b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request cannot be written: attribute 3: NUL byte inside a string"
    );
}

#[test]
fn an_answer_that_is_no_link_is_an_error() {
    for (message_type, len) in [(36, LO.len()), (16, 0), (16, 15), (16, 16), (16, 19)] {
        let answer = message(message_type, 0, 1, &LO[..len]);
        assert_decode(client([vec![Datagram(answer)]]).link_index("lo"));
    }
}

#[test]
fn names_come_in_the_order_of_the_indexes_16_at_a_time() {
    let window = |range: std::ops::RangeInclusive<u32>| -> Vec<Step> {
        range
            .map(|n| match n {
                3 => Datagram(ack(libc::ENODEV, n)),
                _ => named(n * 10, &format!("eth{n}"), n),
            })
            .collect()
    };
    let (mut client, sent) = watched([window(1..=16), window(17..=20)]);
    let indexes: Vec<_> = (1..=20).map(|n| n * 10).collect();
    let names = client.link_names(&indexes).unwrap();
    assert_eq!(names.len(), 20);
    assert_eq!(names[2], None);
    assert_eq!(names[1].as_deref(), Some("eth2"));
    assert_eq!(names[19].as_deref(), Some("eth20"));
    let sent = sent.lock().unwrap();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [16 * 40, 4 * 40]);
    // strace of a request by index, Linux 6.18.
    assert_eq!(
        sent[0][40..80],
        *b"\x28\0\0\0\x12\0\x01\0\x02\0\0\0\0\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\
          \x08\0\x1d\0\x09\x01\0\0"
    );
    assert_eq!(client.link_names(&[]).unwrap(), []);
}

#[test]
fn names_that_were_lost_are_asked_for_one_by_one() {
    let mut client =
        client([vec![Fails(libc::ENOBUFS), named(10, "eth1", 1)], vec![named(20, "eth2", 3)]]);
    let names = client.link_names(&[10, 20]).unwrap();
    assert_eq!(names, [Some("eth1".to_owned()), Some("eth2".to_owned())]);
}

#[test]
fn other_errors_end_it() {
    let mut client = client([vec![Datagram(ack(libc::EPERM, 1))]]);
    assert_errno(client.link_names(&[1]), libc::EPERM);
}
