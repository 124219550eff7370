//! Counts what arrives at a socket, by its first byte: a program of an object, attached with `SO_ATTACH_BPF`, whose map
//! is read while packets flow.
//!
//! `cargo run --example socket_filter`; needs root, or `CAP_BPF`. The program is `testdata/count_bytes.c`.
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;

use tc_bpf_loader::sys::{Kernel, MapOps as _};
use tc_bpf_loader::{LoadOptions, ObjectSpec, Select, socket};

/// The object, as clang made it for little-endian machines.
const OBJECT: &[u8] = include_bytes!("../testdata/count_bytes-g-el.o");

/// Sends what `text` has, a byte in each packet, and returns how often `byte` was counted after the first half of it and
/// after all of it.
pub(crate) fn count(text: &str, byte: u8) -> Result<(u64, u64), Box<dyn Error>> {
    let mut kernel = Kernel;
    let object = ObjectSpec::parse("count_bytes.o", OBJECT)?;
    let program = object.select(&Select { section: Some("socket"), ..Select::default() })?;
    let options = LoadOptions::for_section(program.section()).ok_or("no type of program")?;
    let loaded = program.load(&options, &mut kernel)?;

    let (sender, receiver) = UnixDatagram::pair()?;
    socket::attach(&receiver, &loaded.fd)?;

    let (_, counts) = loaded.maps.first().ok_or("the program has no map")?;
    let mut counted = || {
        let mut value = [0; 8];
        kernel.map_lookup(counts.as_fd(), &u32::from(byte).to_ne_bytes(), &mut value, 0)?;
        Ok::<u64, Box<dyn Error>>(u64::from_ne_bytes(value))
    };
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    for byte in first {
        sender.send(&[*byte])?;
    }
    let half = counted()?;
    for byte in second {
        sender.send(&[*byte])?;
    }
    Ok((half, counted()?))
}

/// Runs the example.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let (half, all) = count("how much wood would a woodchuck chuck", b'o')?;
    println!("the letter o came {half} times in the first half, and {all} times in all");
    Ok(())
}
