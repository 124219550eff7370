//! Programs that depend on the kernel's types, and what a kernel has for them.

use std::os::fd::AsRawFd as _;

use tc_bpf_loader::sys::{Errno, Fake, Request};
use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType};

/// Programs that are loaded.
const LOADED: usize = 16;

/// Four bytes, little endian, tell the length of an object, which follows; the rest are the types of the kernel and of a
/// module of it. The programs are adapted to them, tables of programs laid out, and the object's own types to a kernel that refuses them at first.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn types(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return };
    let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
    let (object, types) = rest.split_at(length);
    let Ok(object) = ObjectSpec::parse("fuzz.o", object) else { return };
    for program in object.programs().take(LOADED) {
        let by_section = LoadOptions::for_section(program.section());
        let fallback = LoadOptions::new(ProgType::SCHED_CLS);
        for options in by_section.into_iter().chain([fallback]) {
            let mut kernel = Fake::new();
            kernel.add_file("/sys/kernel/btf/vmlinux", types);
            kernel.add_file("/proc/sys/kernel/osrelease", b"6.1.0\n");
            kernel.add_file("/boot/config-6.1.0", b"CONFIG_BPF=y\nCONFIG_HZ=250\nCONFIG_X=\"x\"\n");
            kernel.add_file("/proc/kallsyms", b"ffffffff81000000 T schedule\n");
            kernel.add_module("module", types);
            kernel.refuse_btf(Errno::EINVAL, "");
            kernel.refuse_btf(Errno::EINVAL, "");
            kernel.refuse_prog(
                Errno::EACCES,
                "0: (85) call unknown#195896080\ninvalid func unknown#195896080\n",
            );
            let linked = program.link().map(|linked| linked.insns.len());
            match program.load(&options, &mut kernel) {
                Ok(_) => {
                    let loaded = kernel.requests().iter().rev().find_map(|request| match request {
                        Request::ProgLoad { insns, .. } => Some(insns.len()),
                        _ => None,
                    });
                    assert_eq!(loaded, linked.ok(), "its length has changed");
                }
                Err(e) => assert!(e.to_string().len() < 64 * 1024, "{} bytes", e.to_string().len()),
            }
            for request in kernel.requests() {
                if let Request::BtfLoad { bytes, .. } = request {
                    assert!(
                        bytes.len() <= 4 * data.len() + 64 * 1024,
                        "{} bytes of types",
                        bytes.len()
                    );
                }
            }
        }
    }
    for table in object.tables().take(LOADED) {
        let mut kernel = Fake::new();
        kernel.add_file("/sys/kernel/btf/vmlinux", types);
        let made = table.load(&LoadOptions::new(ProgType::STRUCT_OPS), &mut kernel);
        match made.and_then(|table| table.register(&mut kernel)) {
            Ok(registered) => {
                let map = kernel.map(registered.map.as_raw_fd()).map(|map| {
                    let value = map.entries.values().next().map(Vec::len);
                    (value, map.info.value_size as usize)
                });
                assert!(map.is_some_and(|(value, size)| value == Some(size)), "{map:?}");
            }
            Err(e) => assert!(e.to_string().len() < 64 * 1024, "{} bytes", e.to_string().len()),
        }
    }
}
