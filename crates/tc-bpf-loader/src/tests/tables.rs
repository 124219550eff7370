//! Tables of operations: made as the kernel's type wants them, registered, and gone again.

use std::os::fd::{AsFd as _, AsRawFd};

use super::{bytes, object};
use crate::struct_ops::{Table, TableSpec};
use crate::sys::{Fake, Request};
use crate::{Errno, LoadError, LoadOptions, MapType, ObjectSpec, ProgType};

const ORDER: &str = if cfg!(target_endian = "big") { "eb" } else { "el" };

/// By two of clang and by gcc.
fn objects() -> [ObjectSpec; 3] {
    ["g", "c19-g", "gcc-g"].map(|kind| object(&format!("tables-{kind}-{ORDER}.o")))
}

fn kernel_types() -> ObjectSpec {
    object(&format!("kernel_tables-g-{ORDER}.o"))
}

fn fake() -> Fake {
    let mut fake = Fake::new();
    fake.add_file("/sys/kernel/btf/vmlinux", &bytes(&format!("kernel_tables-g-{ORDER}.o")));
    fake
}

fn id_of(types: &ObjectSpec, name: &str) -> u32 {
    let Some(Ok(btf)) = &types.btf else { panic!("no types") };
    btf.iter().find(|ty| btf.str_at(ty.name_off) == name).unwrap().id
}

fn table<'a>(object: &'a ObjectSpec, name: &str) -> TableSpec<'a> {
    object.tables().find(|table| table.name() == name).unwrap()
}

fn options() -> LoadOptions {
    LoadOptions::new(ProgType::STRUCT_OPS)
}

fn word(value: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(value[at..at + 8].try_into().unwrap())
}

#[test]
fn objects_tell_their_tables() {
    for object in objects() {
        let held = table(&object, "held");
        assert_eq!((held.type_name(), held.section()), ("tcp_congestion_ops", ".struct_ops"));
        assert!(!held.by_link() && table(&object, "linked").by_link());
        let operations: Vec<_> =
            held.operations().iter().map(|(member, program)| (*member, program.name())).collect();
        assert_eq!(
            operations,
            [("undo_cwnd", "undo"), ("cong_avoid", "grow"), ("ssthresh", "half")],
            "{}",
            object.file()
        );
        assert_eq!(object.tables().count(), 9);
    }
}

/// In the kernel's struct, which begins at byte 64 of the value: ssthresh, cong_avoid, undo_cwnd, init, name.
#[test]
fn members_go_where_the_kernel_has_them() {
    for object in objects() {
        let mut fake = fake();
        let made = table(&object, "held").load(&options(), &mut fake).unwrap();
        let fds = |table: &Table, member: &str| {
            let (_, fd) = table.programs.iter().find(|(name, _)| name == member).unwrap();
            u64::from(fd.as_raw_fd().unsigned_abs())
        };
        let members = ["ssthresh", "cong_avoid", "undo_cwnd"];
        let wanted = members.map(|member| fds(&made, member));
        assert!(fake.map(made.map.as_raw_fd()).unwrap().entries.is_empty(), "not registered yet");
        let registered = made.register(&mut fake).unwrap();
        assert!(registered.link.is_none());
        let map = fake.map(registered.map.as_raw_fd()).unwrap();
        assert_eq!(map.info.map_type, MapType::STRUCT_OPS);
        assert_eq!((map.info.name.as_str(), map.info.flags), ("held", 0));
        let value = &map.entries[[0; 4].as_slice()];
        assert_eq!((value.len(), map.info.value_size), (128, 128));
        assert_eq!(value[..64], [0; 64]);
        assert_eq!([64, 72, 80].map(|at| word(value, at)), wanted);
        assert_eq!(word(value, 88), 0);
        assert_eq!(value[96..112], *b"rtc_held\0\0\0\0\0\0\0\0");
        assert!(value[112..].iter().all(|b| *b == 0));

        let types = kernel_types();
        let (struct_id, value_id) = (
            id_of(&types, "tcp_congestion_ops"),
            id_of(&types, "bpf_struct_ops_tcp_congestion_ops"),
        );
        let of_table =
            |r: &&Request| matches!(r, Request::MapCreate { kernel_type, .. } if *kernel_type != 0);
        let Some(Request::MapCreate { kernel_type, kernel_types, btf, .. }) =
            fake.requests().iter().find(of_table)
        else {
            panic!("{:?}", fake.requests());
        };
        assert_eq!((*kernel_type, *kernel_types), (value_id, None));
        assert!(matches!(btf, Some((_, 0, 0))), "{btf:?}");
        let mut numbers: Vec<(u64, u32)> = Vec::new();
        for request in fake.requests() {
            if let Request::ProgLoad { fd, attach_btf_id, expected_attach_type, .. } = request {
                assert_eq!(*attach_btf_id, struct_id);
                numbers.push((u64::from(fd.unwrap().unsigned_abs()), *expected_attach_type));
            }
        }
        numbers.sort_by_key(|(_, number)| *number);
        assert_eq!(numbers, (0..).zip(wanted).map(|(n, fd)| (fd, n)).collect::<Vec<_>>());
        // All of it is undone by one request.
        registered.unregister(&mut fake).unwrap();
        assert!(fake.maps().last().unwrap().entries.is_empty());
    }
}

#[test]
fn a_link_holds_a_table_that_asks_for_one() {
    let [object, ..] = objects();
    let mut fake = fake();
    let made = table(&object, "linked").load(&options(), &mut fake).unwrap();
    assert!(!fake.requests().iter().any(|r| matches!(r, Request::LinkCreate { .. })));
    let registered = made.register(&mut fake).unwrap();
    let map = registered.map.as_raw_fd();
    let table = fake.map(map).unwrap();
    assert_eq!(table.info.flags, 1 << 13);
    // Its own `flags`, which are the kernel's last member.
    assert_eq!(table.entries[[0; 4].as_slice()][124..128], 1u32.to_ne_bytes());
    let Some(Request::LinkCreate { fd, target, ifindex, attach_type, .. }) = fake.requests().last()
    else {
        panic!("{:?}", fake.requests());
    };
    assert_eq!(registered.link.as_ref().map(AsRawFd::as_raw_fd), *fd);
    assert_eq!((*target, *ifindex, *attach_type), (Some(map), 0, 44));
    // The programs' variables are at hand.
    assert_eq!(registered.maps.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [".bss"]);
}

#[test]
fn what_does_not_fit_this_kernel_is_named() {
    for object in objects() {
        for (name, why) in [
            (
                "more_operations",
                "the table `struct tcp_congestion_ops` of this kernel has no member `no_such`, which the object sets",
            ),
            (
                "more_numbers",
                "the table `struct tcp_congestion_ops` of this kernel has no member `no_such_number`, which the object \
                 sets",
            ),
            ("twice", "`other` implements several operations, and a program is for one"),
            (
                "misfit",
                "member `name` of `struct tcp_congestion_ops` has another type in this kernel than in the object",
            ),
            ("pointer", "member `flags` refers to something that is no program"),
            ("unknown", "this kernel has no table `struct no_such_ops`"),
        ] {
            let mut fake = fake();
            let error = table(&object, name).load(&options(), &mut fake).unwrap_err();
            let file = object.file();
            let wanted = format!(
                "table `{name}` (section `.struct_ops`, {file}) does not fit this kernel: {why}"
            );
            assert_eq!(error.to_string(), wanted);
            assert!(fake.requests().is_empty(), "{:?}", fake.requests());
        }
    }
}

/// Whatever request fails, the error says so, and nothing is left.
#[test]
fn refusals_of_tables() {
    let [object, ..] = objects();
    let spec = table(&object, "linked");
    let mut whole = fake();
    spec.load(&options(), &mut whole).unwrap().register(&mut whole).unwrap();
    for call in 0..whole.calls() {
        let mut fake = fake();
        fake.refuse_call(call, Errno::EINVAL);
        let result = spec.load(&options(), &mut fake).and_then(|table| table.register(&mut fake));
        if let Err(error) = result {
            assert!(!error.to_string().is_empty());
        }
        assert!(fake.pins().is_empty() && fake.made().is_empty());
    }
    let mut fake = fake();
    let made = spec.load(&options(), &mut fake).unwrap();
    fake.refuse_update(Errno::EEXIST);
    let error = made.register(&mut fake).unwrap_err();
    assert!(matches!(error, LoadError::Map(_)));
    let text = error.to_string();
    assert!(text.contains("registering it as `struct tcp_congestion_ops`"), "{text}");
    assert!(error.hint().unwrap().contains("registered already"), "{error}");
}

/// A module's types continue the kernel's: ids and places of names begin where those end.
#[test]
fn tables_of_modules() {
    let object = object(&format!("tables-g-{ORDER}.o"));
    let kernel = kernel_types();
    let Some(Ok(base)) = &kernel.btf else { panic!("no types") };
    let (ids, strings) = (base.last_id(), base.strings_len());
    let names = b"no_such_ops\0anything\0bpf_struct_ops_no_such_ops\0data\0";
    let name = |text: &str| {
        let at = names.windows(text.len()).position(|w| w == text.as_bytes()).unwrap();
        strings + at as u32
    };
    let types = [
        // A function without parameters, a pointer to it, the struct, the value.
        [0, 13 << 24, 0].to_vec(),
        [0, 2 << 24, ids + 1].to_vec(),
        [name("no_such_ops"), 4 << 24 | 1, 8, name("anything"), ids + 2, 0].to_vec(),
        [name("bpf_struct_ops_no_such_ops"), 4 << 24 | 1, 128, name("data\0"), ids + 3, 512]
            .to_vec(),
    ]
    .concat();
    let mut btf = [0xeb9f_u16.to_ne_bytes(), [1, 0]].concat();
    for n in [24, 0, types.len() * 4, types.len() * 4, names.len()] {
        btf.extend((n as u32).to_ne_bytes());
    }
    btf.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
    btf.extend(names);
    let mut fake = fake();
    fake.add_module("first", &btf[..24]);
    fake.add_module("second", &btf);
    table(&object, "unknown").load(&options(), &mut fake).unwrap();
    let mut seen = 0;
    for request in fake.requests() {
        match request {
            Request::ProgLoad { attach_btf_id, attach_to, expected_attach_type, .. } => {
                assert_eq!((*attach_btf_id, *expected_attach_type), (ids + 3, 0));
                assert!(attach_to.is_some());
                seen += 1;
            }
            Request::MapCreate { kernel_type, kernel_types, flags, value_size, .. } => {
                assert_eq!((*kernel_type, *flags, *value_size), (ids + 4, 1 << 15, 128));
                assert!(kernel_types.is_some());
                seen += 1;
            }
            _ => {}
        }
    }
    assert_eq!(seen, 2);
    fake.refuse_map(Errno::E2BIG);
    let error = table(&object, "unknown").load(&options(), &mut fake).unwrap_err();
    assert_eq!(error.hint(), Some("tables of modules need Linux 6.9"), "{error}");
}

mod kernel {
    use super::*;
    use crate::struct_ops::Registered;
    use crate::sys::{Kernel, LinkOps as _, MapOps as _};
    use crate::tests::kernel::usable;

    /// Whether the kernel looks up congestion control of that name.
    fn available(name: &str) -> bool {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
        text.unwrap().split_whitespace().any(|known| known == name)
    }

    /// Registers, or says why not on a kernel where it need not work.
    /// What the table is called is known to the whole kernel, where other tests may run, so the object gets a name of
    /// this process.
    fn registered(name: &str) -> Option<(ObjectSpec, String, Registered)> {
        if !usable() {
            return None;
        }
        let mut image = bytes(&format!("tables-g-{ORDER}.o"));
        let old = format!("rtc_{name}");
        let own = format!("{}{}", name.len(), std::process::id());
        let at = image.windows(old.len()).position(|w| w == old.as_bytes()).unwrap();
        image[at..at + 15].fill(0);
        image[at..at + own.len()].copy_from_slice(own.as_bytes());
        let object = ObjectSpec::parse("tables.o", &image).unwrap();
        let table = match table(&object, name).load(&options(), &mut Kernel) {
            Ok(table) => table,
            Err(LoadError::Unresolved(e)) => {
                println!("skipped: {}", e.problem);
                return None;
            }
            Err(LoadError::Map(e)) if name == "linked" && e.errno == Errno::EINVAL => {
                println!("skipped: {}", e.hint.unwrap_or_default());
                return None;
            }
            Err(e) => panic!("{e}: {:?}\n{}", e.hint(), e.log()),
        };
        assert!(!available(&own), "not registered yet");
        let registered = table.register(&mut Kernel).unwrap();
        assert!(available(&own));
        Some((object, own, registered))
    }

    #[test]
    fn a_table_without_a_link_stays_until_it_is_unregistered() {
        let Some((object, own, registered)) = registered("held") else { return };
        // The kernel knows one of the name.
        let again = table(&object, "held").load(&options(), &mut Kernel).unwrap();
        let error = again.register(&mut Kernel).unwrap_err();
        assert!(error.hint().unwrap().contains("registered already"), "{error}");
        let id = Kernel.map_info(registered.map.as_fd()).unwrap().id;
        drop(registered);
        assert!(available(&own));
        let map = Kernel.map_by_id(id).unwrap();
        Kernel.map_delete(map.as_fd(), &[0; 4]).unwrap();
        assert!(!available(&own));
        // It needs more operations.
        let few = table(&object, "too_few").load(&options(), &mut Kernel).unwrap();
        let error = few.register(&mut Kernel).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
        assert!(error.hint().unwrap().contains("may need operations"), "{error}");
    }

    #[test]
    fn a_table_goes_with_its_link() {
        let Some((_, own, registered)) = registered("linked") else { return };
        let link = registered.link.as_ref().unwrap();
        assert_eq!(Kernel.link_info(link.as_fd()).unwrap().link_type, 9);
        drop(registered);
        // Links go when the kernel comes to it.
        while available(&own) {
            std::thread::yield_now();
        }
    }
}
