//! Shows what an object holds, and with `load TYPE` whether the kernel takes its programs.
//!
//! `cargo run --example inspect -- FILE [load cls|act|xdp|socket|section]`; `section`: as the section's name says.
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::path::Path;

use tc_bpf_loader::sys::{Bpf as _, Kernel};
use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: inspect FILE [load cls|act|xdp|socket|section]")?;
    let load_as = match (args.next().as_deref(), args.next().as_deref()) {
        (None, _) => None,
        (Some("load"), Some("act")) => Some(ProgType::SCHED_ACT),
        (Some("load"), Some("xdp")) => Some(ProgType::XDP),
        (Some("load"), Some("socket")) => Some(ProgType::SOCKET_FILTER),
        (Some("load"), Some("section")) => Some(ProgType::default()),
        (Some("load"), _) => Some(ProgType::SCHED_CLS),
        (Some(word), _) => return Err(format!("what is `{word}`?").into()),
    };
    let object = ObjectSpec::from_path(Path::new(&path))?;
    println!("{path}: {}, license `{}`", object.endian(), object.license());
    for map in object.maps() {
        match map {
            Ok(map) => println!("map {}: {map}", map.name),
            Err(e) => println!("map: {e}"),
        }
    }
    for program in object.programs() {
        println!("{program:?}");
        match (program.link(), load_as) {
            (Err(e), _) => println!("  {e}"),
            (Ok(linked), None) => println!("  {} instructions in all", linked.insns.len()),
            (Ok(_), Some(prog_type)) => {
                let by_section = LoadOptions::for_section(program.section());
                let options = by_section
                    .filter(|_| prog_type == ProgType::default())
                    .unwrap_or_else(|| LoadOptions::new(prog_type));
                match program.load(&options, &mut Kernel) {
                    Err(e) => println!("  {e}"),
                    Ok(loaded) => {
                        use std::os::fd::AsFd as _;
                        let info = Kernel.prog_info(loaded.fd.as_fd())?;
                        let tag = format!("{:016x}", u64::from_be_bytes(info.tag));
                        println!(
                            "  loaded as {}, id {}, tag {tag}, {} maps",
                            info.name,
                            info.id,
                            loaded.maps.len()
                        );
                        for note in &loaded.notes {
                            println!("  note: {note}");
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
