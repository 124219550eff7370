use super::*;

fn listing(client: &mut Client) -> Result<Vec<Vec<u8>>, Error> {
    let dump = client.dump(&request(0x301, b""))?;
    assert!(!dump.interrupted());
    Ok(dump.messages().map(|(_, body)| body.to_vec()).collect())
}

fn part(sequence: u32, body: &[u8]) -> Vec<u8> {
    message(36, 2, sequence, body)
}

#[test]
fn messages_of_all_datagrams_come_in_order() {
    let mut first = part(1, b"one.");
    first.extend(part(1, b"two!"));
    let mut last = part(1, b"four");
    last.extend(done(0, 0, 1));
    let mut client = client([vec![
        Datagram(first),
        // A length that is no multiple of four, the padding left out.
        Datagram(part(1, b"three")),
        Foreign(part(1, b"foreign")),
        Datagram(part(0, b"stale")),
        Fails(libc::EINTR),
        Datagram(last),
    ]]);
    let seen = listing(&mut client).unwrap();
    assert_eq!(seen, [&b"one."[..], b"two!", b"three", b"four"]);
}

#[test]
fn an_empty_dump_is_empty() {
    let mut client = client([vec![Datagram(done(0, 0, 1))], vec![Datagram(message(3, 2, 2, b""))]]);
    assert_eq!(listing(&mut client).unwrap(), [[]; 0]);
    assert_eq!(listing(&mut client).unwrap(), [[]; 0]);
}

#[test]
fn errors_at_once_and_at_the_end_are_refusals() {
    let mut client = client([
        vec![Datagram(ack(libc::EPERM, 1))],
        vec![Datagram(part(2, b"one.")), Datagram(done(-libc::ENODEV, 0, 2))],
        vec![Datagram(done(0, 0, 3))],
    ]);
    assert_errno(client.dump(&request(0x301, b"")), libc::EPERM);
    assert_errno(client.dump(&request(0x301, b"")), libc::ENODEV);
    assert_eq!(listing(&mut client).unwrap(), [[]; 0]);
}

/// `RTM_GETTFILTER` with a `TCA_CHAIN` of one byte, Linux 6.18: request and answer.
const SHORT_CHAIN: [&[u8]; 2] = [
    &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 5, 0, 11, 0, b'1', 0, 0, 0],
    b"\xde\xff\xff\xff\x27\0\x01\0Attribute failed policy validation\0\0\
      \x08\0\x02\0\x24\0\0\0\x24\0\x04\x80\
      \x0c\0\x04\0\0\0\0\0\0\0\0\0\x0c\0\x05\0\xff\xff\xff\xff\0\0\0\0\x08\0\x01\0\x04\0\0\0",
];

#[test]
fn the_end_of_a_dump_explains_itself() {
    let [body, answer] = SHORT_CHAIN;
    let mut client = client([vec![Datagram(message(3, 0x202, 1, answer))]]);
    let request = Request::new(MessageType(46), 0x301, |buf| {
        buf.extend_from_slice(body);
        Ok(())
    });
    assert_eq!(
        client.dump(&request.unwrap()).unwrap_err().to_string(),
        "the kernel refused: Numerical result out of range: Attribute failed policy validation \
         (attribute 11), it takes a u32 from 0 to 4294967295"
    );
}

#[test]
fn an_interrupted_dump_is_asked_for_again_as_a_whole() {
    for torn in [
        vec![Datagram(message(36, 0x12, 1, b"old.")), Datagram(done(0, 0, 1))],
        vec![Datagram(part(1, b"old.")), Datagram(done(0, 0x10, 1))],
    ] {
        let (mut client, sent) =
            watched([torn, vec![Datagram(part(2, b"new.")), Datagram(done(0, 0, 2))]]);
        assert_eq!(listing(&mut client).unwrap(), [b"new."]);
        let sent = sent.lock().unwrap();
        assert_eq!(sent.iter().map(|d| d[8]).collect::<Vec<_>>(), [1, 2]);
    }
}

#[test]
fn a_dump_interrupted_nine_times_is_given_out_as_such() {
    let torn = |n| vec![Datagram(part(n, &n.to_ne_bytes())), Datagram(done(0, 0x10, n))];
    let (mut client, sent) = watched((1..20).map(torn));
    let dump = client.dump(&request(0x301, b"")).unwrap();
    assert!(dump.interrupted());
    let bodies: Vec<_> = dump.messages().map(|(_, body)| body).collect();
    assert_eq!(bodies, [9_u32.to_ne_bytes()]);
    assert_eq!(sent.lock().unwrap().len(), 9);
}

#[test]
fn a_dump_with_losses_is_asked_for_again() {
    let lossy = vec![
        Datagram(part(1, b"old.")),
        Fails(libc::ENOBUFS),
        Datagram(part(1, b"old.")),
        Datagram(done(0, 0, 1)),
    ];
    let whole = vec![Datagram(part(2, b"new.")), Datagram(done(0, 0, 2))];
    assert_eq!(listing(&mut client([lossy, whole])).unwrap(), [b"new."]);
    let lossy = (0..20).map(|_| vec![Fails(libc::ENOBUFS)]);
    assert_lost(listing(&mut client(lossy)));
    let lossy = (1..20).map(|n| vec![Datagram(message(4, 0, n, b"")), Datagram(done(0, 0, n))]);
    assert_lost(listing(&mut client(lossy)));
}

#[test]
fn a_part_that_does_not_fit_gets_more_room() {
    let parts = |n| {
        let long = Datagram(part(n, &vec![7; 200_000]));
        vec![Datagram(part(n, b"one.")), long, Datagram(done(0, 0, n))]
    };
    let seen = listing(&mut client((1..3).map(parts))).unwrap();
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [4, 200_000]);
}

#[test]
fn a_dump_that_does_not_end_is_an_error() {
    assert_no_answer(listing(&mut client([vec![]])));
    assert_no_answer(listing(&mut client([vec![Datagram(part(1, b"one."))]])));
}

#[test]
fn what_is_left_of_a_broken_dump_is_read_away() {
    for broken in [vec![9; 9], vec![0xff; 64], part(1, b"1234")[..18].to_vec()] {
        let left = Datagram(part(1, b"left"));
        let mut client = client([
            vec![Datagram(broken), left.clone(), Fails(libc::ENOBUFS), left],
            vec![Datagram(done(0, 0, 2))],
        ]);
        assert_decode(listing(&mut client));
        assert_eq!(listing(&mut client).unwrap(), [[]; 0]);
    }
}
