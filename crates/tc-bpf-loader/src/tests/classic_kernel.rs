//! Classic programs, run by the kernel: attached to sockets, where a result is a number of bytes that one can see.
//!
//! No privilege is needed. Each program goes before the next one comes.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::cbpf::{self, SockFilter};
use crate::socket::{self, SocketError};
use crate::sys::{self, Errno};

/// What is sent: byte 0 is 0, byte 1 is 1, and so on.
fn packet() -> Vec<u8> {
    (0..=255).cycle().take(4096).collect()
}

/// What the kernel makes of the packet: the length that is left of it, 0 when it is dropped.
fn run(insns: &[SockFilter]) -> usize {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    receiver.set_nonblocking(true).unwrap();
    socket::attach_classic(&receiver, insns).unwrap();
    sender.send(&packet()).unwrap();
    let mut buffer = [0; 8192];
    match receiver.recv(&mut buffer) {
        Ok(len) => len,
        Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
        Err(e) => panic!("{e}"),
    }
}

/// Each instruction does what its name says. The results are from the arithmetic of 32 bits and from the packet's bytes.
#[test]
fn instructions_do_what_they_say() {
    for (text, want) in [
        ("ret #7", 7),
        ("ret #0", 0),
        ("ret #-1", 4096),
        ("ld #9; ret a", 9),
        ("ldb [5]; ret a", 5),
        ("ldh [4]; and #0xff; ret a", 5),
        ("ldh [2]; ret a", 0x203),
        ("ld [0]; rsh #8; ret a", 0x102),
        ("ldx #3; ldb [x + 4]; ret a", 7),
        ("ldx #8; ldb [x - 2]; ret a", 6),
        ("ldx #1; ldh [x + 1]; ret a", 0x203),
        ("ldxb 4*([0x27]&0xf); txa; ret a", 28),
        ("ldx 4*([3]&0xf); txa; ret a", 12),
        ("ld len; ret a", 4096),
        ("ldx #len; txa; sub #4000; ret a", 96),
        ("ld #5; st M[3]; ld #0; ld M[3]; ret a", 5),
        ("ldx #6; stx M[15]; ldx #0; ldx M[15]; txa; ret a", 6),
        ("ld #5; add #4; ret a", 9),
        ("ld #5; sub #4; ret a", 1),
        ("ld #5; mul #4; ret a", 20),
        ("ld #21; div #4; ret a", 5),
        ("ld #23; mod #4; ret a", 3),
        ("ld #12; and #10; ret a", 8),
        ("ld #12; or #10; ret a", 14),
        ("ld #12; xor #10; ret a", 6),
        ("ld #3; lsh #4; ret a", 48),
        ("ld #48; rsh #4; ret a", 3),
        ("ld #-9; neg; ret a", 9),
        ("ld #21; ldx #4; add x; ret a", 25),
        ("ld #21; ldx #4; sub x; ret a", 17),
        ("ld #21; ldx #4; mul x; ret a", 84),
        ("ld #21; ldx #4; div x; ret a", 5),
        ("ld #21; ldx #4; mod x; ret a", 1),
        ("ld #21; ldx #4; and x; ret a", 4),
        ("ld #21; ldx #8; or x; ret a", 29),
        ("ld #21; ldx #5; xor x; ret a", 16),
        ("ld #21; ldx #1; lsh x; ret a", 42),
        ("ld #21; ldx #1; rsh x; ret a", 10),
        ("ld #7; tax; ld #0; txa; ret a", 7),
        // Division by an X of zero ends the program with 0.
        ("ld #21; ldx #0; div x; ret #9", 0),
        // So does a load from outside the packet.
        ("ld [4093]; ret #9", 0),
        ("ldb [4095]; ret a", 255),
        ("ja end; ret #1; end: ret #2", 2),
        ("ld #5; jeq #5, yes; ret #1; yes: ret #2", 2),
        ("ld #5; jeq #5, yes, no; no: ret #1; yes: ret #2", 2),
        ("ld #4; jeq #5, yes, no; yes: ret #2; no: ret #1", 1),
        ("ld #5; ldx #5; jeq x, yes; ret #1; yes: ret #2", 2),
        ("ld #5; jne #5, yes; ret #1; yes: ret #2", 1),
        ("ld #4; jneq #5, yes; ret #1; yes: ret #2", 2),
        ("ld #5; jgt #5, yes; ret #1; yes: ret #2", 1),
        ("ld #6; jgt #5, yes; ret #1; yes: ret #2", 2),
        ("ld #5; jge #5, yes; ret #1; yes: ret #2", 2),
        ("ld #5; jlt #5, yes; ret #1; yes: ret #2", 1),
        ("ld #4; jlt #5, yes; ret #1; yes: ret #2", 2),
        ("ld #5; jle #5, yes; ret #1; yes: ret #2", 2),
        ("ld #6; jle #5, yes; ret #1; yes: ret #2", 1),
        // Comparisons are of numbers without sign.
        ("ld #-1; jgt #5, yes; ret #1; yes: ret #2", 2),
        ("ld #6; jset #2, yes; ret #1; yes: ret #2", 2),
        ("ld #6; jset #1, yes, no; no: ret #1; yes: ret #2", 1),
        ("ld #6; ldx #9; jset x, yes, no; no: ret #1; yes: ret #2", 1),
        // A socket of this family has packets without protocol, device, mark and VLAN.
        ("ld proto; add #1; ret a", 1),
        ("ld type; add #1; ret a", 1),
        ("ld mark; add #3; ret a", 3),
        ("ld vlan_tci; add #3; ret a", 3),
        ("ld vlan_avail; add #3; ret a", 3),
        ("ld vlan_tpid; add #3; ret a", 3),
        ("ld queue; add #3; ret a", 3),
        ("ld rxhash; mod #1; add #3; ret a", 3),
        ("ld rand; mod #1; add #3; ret a", 3),
        ("ld cpu; rsh #16; add #3; ret a", 3),
        ("ld #0; ldx #0; ld nla; add #3; ret a", 3),
        ("ld #0; ldx #0; ld nlan; add #3; ret a", 3),
        // Without a device both end the program with 0.
        ("ld ifidx; ret #9", 0),
        ("ld hatype; ret #9", 0),
    ] {
        let insns = cbpf::assemble(text).unwrap_or_else(|e| panic!("{text}: {e}")).insns;
        assert_eq!(run(&insns), want, "{text}");
    }
}

/// What the checks refuse the kernel refuses, and what they let pass it takes.
#[test]
fn the_checks_are_the_kernels() {
    let (socket, _other) = UnixDatagram::pair().unwrap();
    let kernel_takes =
        |insns: &[SockFilter]| match sys::socket::attach_filter(socket.as_fd(), insns) {
            Ok(()) => true,
            Err(Errno::EINVAL) => false,
            Err(e) => panic!("{e}"),
        };
    // Every operation there could be, harmless ones and limits.
    let mut taken = 0;
    for code in 0..=0xff {
        for k in [0, 1] {
            let insns = [SockFilter::new(code, 0, 0, k), SockFilter::new(6, 0, 0, 0)];
            let ours = cbpf::validate(&insns);
            assert_eq!(kernel_takes(&insns), ours.is_ok(), "{insns:?}: {ours:?}");
            taken += u32::from(ours.is_ok());
        }
    }
    assert!(taken > 60, "{taken}");
    for k in
        [15, 16, 31, 32, 0xffff_efff, 0xffff_f000, 0xffff_f001, 0xffff_f03c, 0xffff_f040, u32::MAX]
    {
        for code in [0x20, 0x28, 0x30, 0x40, 0x60, 2, 3, 0x61, 0x64, 0x74, 0x34, 0x94, 5, 0xb1] {
            let end = SockFilter::new(6, 0, 0, 0);
            let insns = [SockFilter::new(2, 0, 0, 15), SockFilter::new(code, 0, 0, k), end];
            let ours = cbpf::validate(&insns);
            assert_eq!(kernel_takes(&insns), ours.is_ok(), "{insns:?}: {ours:?}");
        }
    }
    // Jumps and memory cells, at random but the same in every run.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let insn = proptest::sample::select(vec![
        (2u16, 16u32),
        (0x60, 16),
        (0x15, 1),
        (0x45, 1),
        (5, 4),
        (0, 9),
        (0x16, 1),
    ]);
    let insn = (insn, 0u8..4, 0u8..4, 0u32..17);
    let programs = proptest::collection::vec(insn, 3..8);
    let mut counts = [0, 0];
    for _ in 0..100 {
        let drawn = programs.new_tree(&mut runner).unwrap().current();
        let mut insns: Vec<_> = drawn
            .into_iter()
            .map(|((code, most), jt, jf, k)| match code & 7 {
                5 => SockFilter::new(code, jt, jf, k % most),
                _ => SockFilter::new(code, 0, 0, k % most.max(2) / 4),
            })
            .collect();
        insns.push(SockFilter::new(6, 0, 0, 0));
        let ours = cbpf::validate(&insns);
        assert_eq!(kernel_takes(&insns), ours.is_ok(), "{insns:?}: {ours:?}");
        counts[usize::from(ours.is_ok())] += 1;
    }
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

#[test]
fn a_filter_of_a_socket_is_replaced_locked_and_detached() {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let mut buffer = [0; 16];
    let mut length = |text: &str| {
        sender.send(text.as_bytes()).unwrap();
        receiver.recv(&mut buffer).unwrap()
    };
    let keep = |n: u32| [SockFilter::new(6, 0, 0, n)];
    assert_eq!(socket::detach(&receiver), Err(SocketError::Kernel(Errno::ENOENT)));
    socket::attach_classic(&receiver, &keep(3)).unwrap();
    assert_eq!(length("abcdef"), 3);
    socket::attach_classic(&receiver, &keep(2)).unwrap();
    assert_eq!(length("abcdef"), 2);
    let refused = socket::attach_classic(&receiver, &[SockFilter::new(4, 0, 0, 0)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the socket's filter: instruction 0 is not valid: the last instruction must be a return"
    );
    assert_eq!(length("abcdef"), 2);
    socket::detach(&receiver).unwrap();
    assert_eq!(length("abcdef"), 6);
    socket::attach_classic(&receiver, &keep(4)).unwrap();
    socket::lock(&receiver).unwrap();
    assert_eq!(socket::detach(&receiver), Err(SocketError::Kernel(Errno::EPERM)));
    assert_eq!(socket::attach_classic(&receiver, &keep(5)), Err(SocketError::Kernel(Errno::EPERM)));
    assert_eq!(length("abcdef"), 4);
    let null = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(
        socket::attach_classic(&null, &keep(5)),
        Err(SocketError::Kernel(Errno(libc::ENOTSOCK)))
    );
    // A descriptor that is no program.
    assert_eq!(socket::attach(&sender, &null), Err(SocketError::Kernel(Errno::EINVAL)));
}
