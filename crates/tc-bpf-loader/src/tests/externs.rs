//! What programs refer to that the kernel has, with a kernel that is a fake: its types are those of `kernel.c`.

use std::os::fd::AsFd as _;

use super::{bytes, named, object};
use crate::btf::Btf;
use crate::sys::{Bpf as _, Fake, Kernel, MapOps as _, Request};
use crate::{Endian, Insn, LoadError, LoadOptions, Loaded, ProgType};

const OBJECT: &str = if cfg!(target_endian = "big") { "externs-g-eb.o" } else { "externs-g-el.o" };
const TYPES: &str =
    if cfg!(target_endian = "big") { "kernel-c19-g-eb.o" } else { "kernel-c19-g-el.o" };

fn kernel() -> Fake {
    let mut fake = Fake::new();
    fake.add_file("/sys/kernel/btf/vmlinux", &bytes(TYPES));
    fake.add_file("/proc/sys/kernel/osrelease", b"6.18.44-test\n");
    fake.add_file(
        "/boot/config-6.18.44-test",
        b"# a comment\nCONFIG_BPF=y\nCONFIG_NET=m\nCONFIG_INET=m\nCONFIG_HZ=250\n\
          CONFIG_DEFAULT_HOSTNAME=\"(none)\"\n# CONFIG_NO_SUCH_OPTION is not set\nCONFIG_BPF_SYSCALL=y\n",
    );
    fake.add_file(
        "/proc/kallsyms",
        b"ffffffff81000000 T _stext\nffffffff821f8be0 T schedule\n\
          ffffffff81234560 t __x64_sys_bpf\nffffffffc0000000 t helper\t[module]\n",
    );
    fake
}

fn load(program: &str, fake: &mut Fake) -> Result<Loaded, String> {
    let object = object(OBJECT);
    let options = LoadOptions::new(ProgType::SCHED_CLS);
    named(&object, program).load(&options, fake).map_err(|e| e.to_string())
}

fn insns(fake: &Fake) -> Vec<Insn> {
    match fake.requests().last() {
        Some(Request::ProgLoad { insns, .. }) => insns.clone(),
        other => panic!("{other:?}"),
    }
}

fn why(program: &str, fake: &mut Fake) -> String {
    let error = load(program, fake).unwrap_err();
    let start = format!("program `{program}` (section `tc`, {OBJECT}) does not fit this kernel: ");
    error.strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn values_of_the_configuration_are_in_a_map() {
    let mut fake = kernel();
    let loaded = load("options", &mut fake).unwrap();
    let (name, map) = &loaded.maps[0];
    assert_eq!(name, ".kconfig");
    let size = fake.map_info(map.as_fd()).unwrap().value_size;
    let mut value = vec![0; size as usize];
    fake.map_lookup(map.as_fd(), &0u32.to_ne_bytes(), &mut value, 0).unwrap();
    // Where each variable is, as the instructions say: largest alignment first, by name.
    let fields: [(&str, &[u8]); 9] = [
        ("CONFIG_NO_SUCH_NUMBER", &[0; 8]),
        ("CONFIG_BPF_SYSCALL", &[0; 4]),
        ("CONFIG_HZ", &250u32.to_ne_bytes()),
        ("CONFIG_INET", &2u32.to_ne_bytes()),
        ("LINUX_KERNEL_VERSION", &0x06_122cu32.to_ne_bytes()),
        ("CONFIG_DEFAULT_HOSTNAME", b"(none)\0\0"),
        ("CONFIG_BPF", &[1]),
        ("CONFIG_NET", b"m"),
        ("CONFIG_NO_SUCH_OPTION", &[0]),
    ];
    let want: Vec<u8> = fields.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    assert_eq!(value[..want.len()], want, "{fields:?}");
    // The system calls have a wrapper; helper 174 is there, as the fake loads anything.
    assert_eq!(value[want.len()..], [1, 1]);
    let loads: Vec<_> = insns(&fake)
        .windows(2)
        .filter(|w| w[0].code == Insn::LD_IMM64)
        .map(|w| (w[0].src(), w[1].imm))
        .collect();
    assert!(loads.iter().all(|(src, _)| *src == Insn::PSEUDO_MAP_VALUE));
    assert!(loads.iter().any(|(_, at)| *at == 12), "CONFIG_HZ: {loads:?}");
}

#[test]
fn what_the_configuration_lacks_is_named() {
    let mut fake = kernel();
    let text = why("missing_option", &mut fake);
    assert!(text.starts_with("its configuration does not set `CONFIG_NO_SUCH_NUMBER`"), "{text}");
    let text = why("misfit_option", &mut fake);
    assert!(text.starts_with("`CONFIG_BPF_SYSCALL`: its value is y; declare it as"), "{text}");
    let mut bare = Fake::new();
    bare.add_file("/proc/sys/kernel/osrelease", b"6.1.0\n");
    let text = why("options", &mut bare);
    assert!(
        text.contains("its configuration is neither in /boot/config-6.1.0 nor in /proc/config.gz"),
        "{text}"
    );
    // The version needs no configuration.
    load("version", &mut bare).unwrap();
}

#[test]
fn symbols_have_the_addresses_of_kallsyms() {
    let mut fake = kernel();
    load("symbol", &mut fake).unwrap();
    let insns = insns(&fake);
    assert_eq!((insns[0].src(), insns[0].imm as u32), (0, 0x821f_8be0));
    assert_eq!(insns[1].imm as u32, 0xffff_ffff);
    let text = why("missing_symbol", &mut fake);
    assert!(
        text.starts_with("this kernel has no symbol `no_such_symbol`, at externs.c:"),
        "{text}"
    );
    fake.add_file("/proc/kallsyms", b"0000000000000000 T schedule\n");
    let text = why("symbol", &mut fake);
    assert!(text.contains("/proc/kallsyms hides its address"), "{text}");
    fake.add_file("/proc/kallsyms", b"ffffffff81000000 t schedule\nffffffff82000000 t schedule\n");
    let text = why("symbol", &mut fake);
    assert!(text.contains("several symbols of that name"), "{text}");
    // Weak ones are 0.
    load("weak_symbols", &mut fake).unwrap();
}

#[test]
fn functions_are_called_by_their_type() {
    let mut fake = kernel();
    load("functions", &mut fake).unwrap();
    let types = object(TYPES);
    let Some(Ok(btf)) = &types.btf else { panic!() };
    let id = |name: &str| {
        btf.iter().find(|t| t.kind == 12 && btf.str_at(t.name_off) == name).unwrap().id as i32
    };
    let calls: Vec<_> = insns(&fake)
        .into_iter()
        .filter(|i| i.code == Insn::CALL)
        .map(|i| (i.src(), i.off, i.imm))
        .collect();
    let (lock, unlock) = (id("bpf_rcu_read_lock"), id("bpf_rcu_read_unlock"));
    // A flavour is no part of a name.
    assert_eq!(calls, [(2, 0, lock), (2, 0, unlock), (2, 0, lock), (2, 0, unlock)]);
    let text = why("missing_function", &mut fake);
    assert!(
        text.starts_with(
            "this kernel has no function that programs may call (kfunc) `no_such_function`"
        ),
        "{text}"
    );
    // A weak one that is not there, and one that is of another type.
    load("weak_function", &mut fake).unwrap();
    let insns = insns(&fake);
    let addresses: Vec<_> = insns.iter().filter(|i| i.code == Insn::LD_IMM64).collect();
    assert!(!addresses.is_empty() && addresses.iter().all(|i| (i.src(), i.imm) == (0, 0)));
    let calls: Vec<_> = insns.iter().filter(|i| i.code == Insn::CALL).collect();
    assert!(calls.iter().all(|i| i.src() == 0 && i.imm >= 2_002_000_000), "{calls:?}");
}

/// A module's types go on where the kernel's end.
#[test]
fn functions_of_modules_are_called_with_their_module() {
    let mut fake = kernel();
    let types = object(TYPES);
    let Some(Ok(base)) = &types.btf else { panic!() };
    let strings = b"int\0no_such_function\0";
    let start = match &types.btf {
        Some(Ok(btf)) => btf.strings_len(),
        _ => panic!(),
    };
    let id = base.last_id();
    // int; int (int x); no_such_function
    let words = [
        start,
        1 << 24,
        4,
        1 << 24 | 32, //
        0,
        13 << 24 | 1,
        id + 1,
        start,
        id + 1, //
        start + 4,
        12 << 24,
        id + 2,
    ];
    let mut module = vec![0xebu8, 0x9f];
    if Endian::HOST == Endian::Little {
        module.reverse();
    }
    module.extend([1, 0]);
    for n in [24, 0, words.len() * 4, words.len() * 4, strings.len()] {
        module.extend((n as u32).to_ne_bytes());
    }
    module.extend(words.iter().flat_map(|w| w.to_ne_bytes()));
    module.extend(strings);
    Btf::parse_split(&module, Endian::HOST, Some(base.clone().into())).unwrap();
    fake.add_module("first", &[0; 3]);
    fake.add_module("second", &module);
    load("missing_function", &mut fake).unwrap();
    let Some(Request::ProgLoad { insns, fd_array, .. }) = fake.requests().last() else { panic!() };
    let call = insns.iter().find(|i| i.code == Insn::CALL).unwrap();
    assert_eq!((call.src(), call.off, call.imm), (2, 1, id as i32 + 3));
    assert_eq!(fd_array.len(), 2);
}

/// The object's own table in the kernel's place: `undo_cwnd`, `cong_avoid` and `ssthresh` are its first members.
#[test]
fn programs_are_loaded_for_the_operation_that_the_object_puts_them_in() {
    let order = if cfg!(target_endian = "big") { "eb" } else { "el" };
    let object = object(&format!("struct_ops-g-{order}.o"));
    let Some(Ok(btf)) = &object.btf else { panic!("no types") };
    let table = btf.iter().find(|ty| btf.str_at(ty.name_off) == "tcp_congestion_ops___mine");
    let id = table.unwrap().id;
    let mut types = crate::btf::fixup::for_kernel(btf, &object.elf);
    // The kernel's has no flavour.
    let name = b"tcp_congestion_ops___mine";
    let at = types.windows(name.len()).position(|w| w == name).unwrap();
    types[at + name.len() - 7..at + name.len()].fill(0);
    let options = LoadOptions::for_section("struct_ops").unwrap();
    for (program, number) in [("undo", 0), ("grow", 1), ("half", 2)] {
        let mut fake = Fake::new();
        fake.add_file("/sys/kernel/btf/vmlinux", &types);
        named(&object, program).load(&options, &mut fake).unwrap();
        let Some(Request::ProgLoad { expected_attach_type, attach_btf_id, .. }) =
            fake.requests().last()
        else {
            panic!("{:?}", fake.requests())
        };
        assert_eq!((*attach_btf_id, *expected_attach_type), (id, number), "{program}");
    }
    let why = |program: &str, options: &LoadOptions, types: &[u8]| {
        let mut fake = Fake::new();
        fake.add_file("/sys/kernel/btf/vmlinux", types);
        named(&object, program).load(options, &mut fake).unwrap_err().to_string()
    };
    assert!(why("unused", &options, &types).contains("no variable in `.struct_ops` has it"));
    let mut other = options.clone();
    other.target = Some("tcp_congestion_ops:no_such".to_owned());
    let said = why("half", &other, &types);
    assert!(
        said.contains("`struct tcp_congestion_ops` of this kernel has no operation `no_such`"),
        "{said}"
    );
    let said = why("half", &options, &bytes(TYPES));
    assert!(said.contains("this kernel has no table `struct tcp_congestion_ops`"), "{said}");
    // Who has no use for such programs is not troubled by them.
    named(&object, "plain").load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Fake::new()).unwrap();
}

#[test]
fn programs_are_loaded_for_what_their_section_names() {
    let types = object(TYPES);
    let Some(Ok(btf)) = &types.btf else { panic!() };
    let id = |name: &str| btf.iter().find(|t| btf.str_at(t.name_off) == name).unwrap().id;
    let drop = object(&OBJECT.replace("externs-g", "drop"));
    let mut fake = kernel();
    for (section, name) in [
        ("fentry/tcp_connect", "tcp_connect"),
        ("fexit.s/tcp_connect", "tcp_connect"),
        ("tp_btf/sched_switch", "btf_trace_sched_switch"),
        ("lsm/bprm", "bpf_lsm_bprm"),
        ("iter/task", "bpf_iter_task"),
    ] {
        let options = LoadOptions::for_section(section).unwrap();
        named(&drop, "drop").load(&options, &mut fake).unwrap();
        let Some(Request::ProgLoad { attach_btf_id, flags, prog_type, .. }) =
            fake.requests().last()
        else {
            panic!();
        };
        assert_eq!(*attach_btf_id, id(name), "{section}");
        assert_eq!((*flags, *prog_type), (options.flags, options.prog_type));
    }
    let mut why = |section: &str| {
        let options = LoadOptions::for_section(section).unwrap();
        named(&drop, "drop").load(&options, &mut fake).unwrap_err().to_string()
    };
    let text = why("fentry/no_such");
    assert!(
        text.ends_with("this kernel has no function `no_such` for programs (`no_such`)"),
        "{text}"
    );
    let text = why("fentry");
    assert!(
        text.ends_with("is for a function or hook of the kernel, which nothing names"),
        "{text}"
    );
    let text = why("freplace/x");
    assert!(text.ends_with("the program whose function `x` it replaces is not given"), "{text}");
}

mod kernel {
    use super::*;
    use crate::tests::kernel::usable;

    /// The verifier knows what is in the map, as it is frozen, and the configuration of this kernel has BPF.
    #[test]
    fn this_kernel_has_what_programs_refer_to() {
        if !usable() {
            return;
        }
        let object = object(OBJECT);
        let options = LoadOptions::new(ProgType::SCHED_CLS);
        for program in ["version", "options", "weak_symbols", "functions", "weak_function"] {
            match named(&object, program).load(&options, &mut Kernel) {
                Ok(loaded) => assert!(loaded.fd.as_fd().try_clone_to_owned().is_ok()),
                // Kernel functions came in 5.13, these in 6.2.
                Err(e) if program == "functions" => println!("skipped: {e}"),
                Err(e) => panic!("{program}: {e}\n{}", e.log()),
            }
        }
        let error = named(&object, "unguarded_function").load(&options, &mut Kernel).unwrap_err();
        assert!(
            error.to_string().contains(
                "it uses the function `no_such_weak_function`, which this kernel does not have"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_function_of_a_program_is_replaced() {
        if !usable() {
            return;
        }
        let object = object("subprograms-g-el.o");
        let whole = named(&object, "first")
            .load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)
            .unwrap();
        assert!(Kernel.prog_info(whole.fd.as_fd()).unwrap().btf_id.is_some());
        let mut options = LoadOptions::for_section("freplace/no_such").unwrap();
        options.attach_to = Some(whole.fd.into());
        let error = named(&object, "second").load(&options, &mut Kernel).unwrap_err();
        assert!(error.to_string().ends_with("has no function `no_such`"), "{error}");
        options.target = Some("shared".to_owned());
        // shared() takes a number, second() a packet: the verifier compares them.
        let error = named(&object, "second").load(&options, &mut Kernel).unwrap_err();
        assert!(error.log().contains("shared") || error.errno().is_some(), "{error}");
    }

    /// The verifier checks a program against the operation that it is for.
    #[test]
    fn operations_of_a_table_of_this_kernel() {
        if !usable() {
            return;
        }
        let object = object("struct_ops-g-el.o");
        let options = LoadOptions::for_section("struct_ops").unwrap();
        for program in ["undo", "grow", "half"] {
            match named(&object, program).load(&options, &mut Kernel) {
                Ok(loaded) => {
                    let info = Kernel.prog_info(loaded.fd.as_fd()).unwrap();
                    assert_eq!(info.prog_type, ProgType::STRUCT_OPS);
                }
                Err(LoadError::Unresolved(e)) => println!("skipped: {}", e.problem),
                Err(e) => panic!("{e}\n{}", e.log()),
            }
        }
        let mut options = options;
        options.target = Some("tcp_congestion_ops:name".to_owned());
        assert!(named(&object, "half").load(&options, &mut Kernel).is_err());
    }

    /// Programs of types that are not traffic control's.
    #[test]
    fn other_types_of_programs() {
        if !usable() {
            return;
        }
        let object = object("drop-g-el.o");
        for section in
            ["xdp", "xdp.frags/devmap", "socket", "tp_btf/sched_switch", "lwt_xmit", "action"]
        {
            let options = LoadOptions::for_section(section).unwrap();
            let loaded = match named(&object, "drop").load(&options, &mut Kernel) {
                Ok(loaded) => loaded,
                Err(e) if section.starts_with("tp_btf") => {
                    // Its verdict is none of a tracepoint's; that it is the verifier who says so is enough.
                    assert!(e.errno().is_some(), "{e}");
                    continue;
                }
                Err(e) => panic!("{section}: {e}\n{}", e.log()),
            };
            let info = Kernel.prog_info(loaded.fd.as_fd()).unwrap();
            assert_eq!(info.prog_type, options.prog_type, "{section}");
        }
    }
}
