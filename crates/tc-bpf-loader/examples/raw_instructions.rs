//! Counts packets with a program that no object holds: instructions made here, with the descriptor of a map put into
//! them.
//!
//! `cargo run --example raw_instructions`; needs root, or `CAP_BPF`.
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;

use tc_bpf_loader::sys::{Bpf as _, Kernel, MapCreate, MapOps as _};
use tc_bpf_loader::{Insn, LoadOptions, MapType, ProgType, load_insns, socket};

/// Sends so many packets, and returns how many the program counted.
pub(crate) fn count(packets: u64) -> Result<u64, Box<dyn Error>> {
    let mut kernel = Kernel;
    let mut map = MapCreate::default();
    (map.map_type, map.name) = (MapType::ARRAY, "packets");
    (map.key_size, map.value_size, map.max_entries) = (4, 8, 1);
    let counter = kernel.map_create(&map)?;

    let mut program = vec![
        Insn::new(0x62, 10, 0, -4, 0), // *(u32 *)(r10 - 4) = 0, the key
        Insn::new(0xbf, 2, 10, 0, 0),  // r2 = r10
        Insn::new(0x07, 2, 0, 0, -4),  // r2 += -4
    ];
    program.extend(Insn::ld_map_fd(1, counter.as_fd())); // r1 = the map
    program.extend([
        Insn::new(Insn::CALL, 0, 0, 0, 1), // r0 = map_lookup_elem(r1, r2)
        Insn::new(0x15, 0, 0, 2, 0),       // if r0 == 0 skip two
        Insn::new(0xb7, 1, 0, 0, 1),       // r1 = 1
        Insn::new(0xdb, 0, 1, 0, 0),       // lock *(u64 *)r0 += r1
        Insn::new(0xb7, 0, 0, 0, 0),       // r0 = 0: the socket gets nothing
        Insn::new(Insn::EXIT, 0, 0, 0, 0),
    ]);
    let options = LoadOptions::new(ProgType::SOCKET_FILTER);
    let loaded = load_insns(&program, "count", "", &options, &mut kernel)?;

    let (sender, receiver) = UnixDatagram::pair()?;
    socket::attach(&receiver, &loaded.fd)?;
    for _ in 0..packets {
        sender.send(b"x")?;
    }
    let mut value = [0; 8];
    kernel.map_lookup(counter.as_fd(), &0u32.to_ne_bytes(), &mut value, 0)?;
    Ok(u64::from_ne_bytes(value))
}

/// Runs the example.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    println!("{} packets were counted", count(5)?);
    Ok(())
}
