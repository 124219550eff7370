//! Keeps from a socket what it is not interested in: a classic program, assembled from text and attached with
//! `SO_ATTACH_FILTER`. No privilege is needed.
//!
//! `cargo run --example classic_socket_filter`
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::os::unix::net::UnixDatagram;

use tc_bpf_loader::{cbpf, socket};

/// Keeps the number behind a 7, which must be even, and drops everything else.
const PROGRAM: &str = "
        ld len
        jlt #5, drop
        ldb [0]
        jne #7, drop
        ld [1]
        jset #1, drop
        ret #5          ; what follows is cut off
drop:   ret #0
";

/// Sends these packets, and returns those that come through.
pub(crate) fn filter(packets: &[&[u8]]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let program = cbpf::assemble_file(PROGRAM)?;
    let (sender, receiver) = UnixDatagram::pair()?;
    socket::attach_classic(&receiver, &program.insns)?;
    socket::lock(&receiver)?;
    receiver.set_nonblocking(true)?;
    let mut kept = Vec::new();
    for packet in packets {
        sender.send(packet)?;
        let mut buffer = [0; 64];
        if let Ok(length) = receiver.recv(&mut buffer) {
            kept.push(buffer.iter().take(length).copied().collect());
        }
    }
    Ok(kept)
}

/// Runs the example.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let packets: [&[u8]; 4] = [&[7, 0, 0, 1, 4, 9], &[7, 0, 0, 1, 5], &[8, 0, 0, 1, 4], &[7, 0]];
    for packet in filter(&packets)? {
        println!("{packet:?}");
    }
    Ok(())
}
