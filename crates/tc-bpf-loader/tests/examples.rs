//! Runs the examples that attach filters to sockets.

#[path = "../examples/classic_socket_filter.rs"]
mod classic_socket_filter;
#[path = "../examples/raw_instructions.rs"]
mod raw_instructions;
#[path = "../examples/socket_filter.rs"]
mod socket_filter;

use std::error::Error;

use tc_bpf_loader::MapType;
use tc_bpf_loader::sys::{Bpf as _, Errno, Kernel, MapCreate};

/// Whether programs and maps can be made here.
fn allowed() -> bool {
    let mut map = MapCreate::default();
    map.map_type = MapType::ARRAY;
    (map.key_size, map.value_size, map.max_entries) = (4, 4, 1);
    !matches!(Kernel.map_create(&map), Err(Errno::EPERM | Errno::ENOSYS))
}

#[test]
fn a_program_of_an_object_counts_what_arrives() -> Result<(), Box<dyn Error>> {
    if allowed() && cfg!(target_endian = "little") {
        assert_eq!(socket_filter::count("abacadae", b'a')?, (2, 4));
        assert_eq!(socket_filter::count("xyz", b'a')?, (0, 0));
        socket_filter::main()?;
    }
    Ok(())
}

#[test]
fn a_program_of_raw_instructions_counts_what_arrives() -> Result<(), Box<dyn Error>> {
    if allowed() {
        assert_eq!(raw_instructions::count(3)?, 3);
        assert_eq!(raw_instructions::count(0)?, 0);
        raw_instructions::main()?;
    }
    Ok(())
}

#[test]
fn a_classic_program_keeps_what_it_says() -> Result<(), Box<dyn Error>> {
    let packets: [&[u8]; 5] =
        [&[7, 0, 0, 0, 2], &[7, 0, 0, 0, 3], &[6, 0, 0, 0, 2], &[7, 0, 0], &[7, 1, 2, 3, 4, 5, 6]];
    let kept = classic_socket_filter::filter(&packets)?;
    assert_eq!(kept, [[7, 0, 0, 0, 2], [7, 1, 2, 3, 4]]);
    classic_socket_filter::main()
}
