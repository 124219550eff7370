//! Maps with contents, pins and variables, against the fake kernel.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::{named, object};
use crate::sys::{Bpf as _, Fake, Kernel, MapInfo, MapOps as _, PinOps as _, Request};
use crate::{
    Endian, Errno, Insn, LoadError, LoadOptions, Loaded, Map, MapType, ObjectSpec, Places,
    ProgType, SlotTarget, VarError,
};

/// The objects of this machine's byte order, of all compilers.
fn objects(stem: &str) -> Vec<ObjectSpec> {
    let order = if Endian::HOST == Endian::Big { "eb" } else { "el" };
    ["g", "c19-g", "gcc-g"].iter().map(|c| object(&format!("{stem}-{c}-{order}.o"))).collect()
}

fn options() -> LoadOptions {
    let mut options = LoadOptions::new(ProgType::SCHED_CLS);
    options.places = Places::of_iproute2(Path::new("/bpf"));
    options.places.custom.insert(7, "/bpf/seven".into());
    options
}

fn load(object: &ObjectSpec, program: &str, fake: &mut Fake) -> Result<Loaded, LoadError> {
    named(object, program).load(&options(), fake)
}

fn programs(fake: &Fake) -> Vec<String> {
    let programs = fake.requests().iter().filter_map(|r| match r {
        Request::ProgLoad { name, .. } => Some(name.clone()),
        _ => None,
    });
    programs.collect()
}

fn created(fake: &Fake) -> Vec<&str> {
    fake.maps().iter().map(|m| m.info.name.as_str()).collect()
}

#[test]
fn variables_have_names_places_and_values() {
    for object in objects("globals") {
        let packets = object.variable("packets").unwrap();
        assert_eq!((packets.section.as_str(), packets.size, packets.is_static), (".bss", 4, false));
        assert!(object.variable("octets").unwrap().is_static);
        assert_eq!(object.variable("tuned").unwrap().section, ".data.tuned");
        let fixed = object.variable("fixed").unwrap();
        assert_eq!((fixed.section.as_str(), fixed.is_writable()), (".rodata.fixed", false));
        assert_eq!(object.get_variable("verdict").unwrap(), 2u32.to_ne_bytes());
        assert_eq!(object.get_variable("packets").unwrap(), [0; 4]);
        assert_eq!(object.get_variable("names").unwrap(), *b"first\0\0\0second\0\0");
        let error = object.variable("nothing").unwrap_err();
        assert!(error.to_string().starts_with("there is no variable `nothing`; there is "));
    }
}

#[test]
fn variables_are_set_before_the_load() {
    for mut object in objects("globals") {
        object.set_variable("verdict", &7u32.to_ne_bytes()).unwrap();
        object.set_variable("packets", &9u32.to_ne_bytes()).unwrap();
        object.set_variable("packets", &10u32.to_ne_bytes()).unwrap();
        assert_eq!(object.get_variable("verdict").unwrap(), 7u32.to_ne_bytes());
        assert_eq!(
            object.set_variable("verdict", &[1, 2]).unwrap_err(),
            VarError::Size { name: "verdict".to_owned(), size: 4, given: 2 }
        );
        let mut fake = Fake::new();
        load(&object, "filter", &mut fake).unwrap();
        for (name, bytes) in [("verdict", 7u32), ("packets", 10)] {
            let variable = object.variable(name).unwrap();
            let map =
                fake.maps().iter().find(|m| m.info.name.ends_with(&variable.section)).unwrap();
            let value = &map.entries[&vec![0; 4]];
            assert_eq!(value[variable.offset as usize..][..4], bytes.to_ne_bytes(), "{name}");
        }
    }
}

/// Names and flags as bpftool shows them of maps that libbpf made of the same object.
#[test]
fn sections_of_variables_become_maps() {
    let object = &objects("globals")[0];
    let mut fake = Fake::new();
    load(object, "filter", &mut fake).unwrap();
    load(object, "all", &mut fake).unwrap();
    let maps: Vec<_> = fake
        .maps()
        .iter()
        .map(|m| {
            let info = &m.info;
            (info.name.as_str(), info.flags, info.value_size, m.frozen, m.entries.len())
        })
        .collect();
    assert_eq!(
        maps,
        [
            ("globals_.bss", 0x400, 40, false, 0),
            ("globals_.rodata", 0x480, 22, true, 1),
            ("globals_.data", 0x400, 32, false, 1),
            (".rodata.fixed", 0x480, 4, true, 1),
            (".data.tuned", 0x400, 4, false, 1),
            ("globals_.rodata", 0x480, 22, true, 1),
        ]
    );
    let mut fake = Fake::new();
    load(object, "no_data", &mut fake).unwrap();
    assert!(fake.maps().is_empty());
}

#[test]
fn instructions_refer_to_variables_by_map_and_offset() {
    for object in objects("globals") {
        let mut fake = Fake::new();
        let loaded = load(&object, "filter", &mut fake).unwrap();
        let Some(Request::ProgLoad { insns, .. }) = fake.requests().last() else { panic!() };
        let mut found = Vec::new();
        for pair in insns.windows(2).filter(|p| p[0].code == Insn::LD_IMM64) {
            assert_eq!(pair[0].src(), Insn::PSEUDO_MAP_VALUE);
            let section = &fake.map(pair[0].imm).unwrap().info.name;
            found.push((section.split_once('.').unwrap().1.to_owned(), pair[1].imm as u64));
        }
        for name in ["packets", "octets", "ether_type", "verdict"] {
            let variable = object.variable(name).unwrap();
            let place = (variable.section.replacen('.', "", 1), variable.offset);
            assert!(found.contains(&place), "{}: {name} {place:?} {found:?}", object.file());
        }
        assert_eq!(found.len(), 4);
        drop(loaded);
    }
}

#[test]
fn old_kernels_get_simpler_maps() {
    let object = &objects("globals")[0];
    let mut fake = Fake::new();
    // One that knows neither type information nor BPF_F_MMAPABLE nor names.
    (0..3).for_each(|_| fake.refuse_map(Errno::EINVAL));
    load(object, "filter", &mut fake).unwrap();
    let flags: Vec<_> = fake
        .requests()
        .iter()
        .filter_map(|r| match r {
            Request::MapCreate { flags, name, btf, .. } => {
                Some((*flags, name.as_str(), btf.is_some()))
            }
            _ => None,
        })
        .take(4)
        .collect();
    assert_eq!(
        flags,
        [
            (0x400, "globals_.bss", true),
            (0x400, "globals_.bss", false),
            (0, "globals_.bss", false),
            (0, "", false),
        ]
    );
}

#[test]
fn declared_programs_fill_the_array() {
    for object in objects("slots") {
        let jumps = object.maps().map(Result::unwrap).find(|m| m.name == "jumps").unwrap();
        let slots: Vec<_> = jumps.slots.iter().map(|s| (s.index, s.target.clone())).collect();
        let program = |name: &str| SlotTarget::Program(name.to_owned());
        assert_eq!(slots, [(1, program("leaf")), (3, program("again"))]);
        let mut fake = Fake::new();
        let loaded = load(&object, "jump", &mut fake).unwrap();
        let mut names = programs(&fake);
        assert_eq!(names.pop().as_deref(), Some("jump"));
        names.sort();
        assert_eq!(names, ["again", "leaf"]);
        assert_eq!(created(&fake), ["jumps"]);
        let keys: Vec<_> = fake.maps()[0].entries.keys().cloned().collect();
        assert_eq!(keys, [1u32.to_ne_bytes(), 3u32.to_ne_bytes()]);
        assert_eq!(loaded.emptied_on_close, ["jumps"]);
        assert_eq!(loaded.maps.len(), 1);
    }
}

#[test]
fn declared_maps_fill_the_map() {
    for object in objects("slots") {
        let mut fake = Fake::new();
        load(&object, "nested", &mut fake).unwrap();
        // The template is a map of its own, gone after that.
        assert_eq!(created(&fake), ["outer.inner", "outer", "first", "second"]);
        let outer = &fake.maps()[1];
        assert!(outer.inner.is_some());
        assert_eq!((outer.info.key_size, outer.info.value_size), (4, 4));
        let keys: Vec<_> = outer.entries.keys().cloned().collect();
        assert_eq!(keys, [0u32.to_ne_bytes(), 2u32.to_ne_bytes()]);
        let mut fake = Fake::new();
        load(&object, "hashed", &mut fake).unwrap();
        assert_eq!(created(&fake), ["by_key.inner", "by_key"]);
        assert_eq!(fake.maps()[0].info.max_entries, 16);
    }
}

#[test]
fn numbered_sections_fill_the_array() {
    for object in objects("elf_slots") {
        let mut fake = Fake::new();
        let loaded = load(&object, "entry", &mut fake).unwrap();
        let mut names = programs(&fake);
        assert_eq!(names.pop().as_deref(), Some("entry"));
        names.sort();
        assert_eq!(names, ["one", "sixteen"]);
        let keys: Vec<_> = fake.maps()[0].entries.keys().cloned().collect();
        let mut wanted = [1u32.to_ne_bytes(), 16u32.to_ne_bytes()];
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
        assert_eq!(loaded.emptied_on_close, ["jumps"]);
        // One of them may be meant itself; it is loaded once.
        let mut fake = Fake::new();
        load(&object, "one", &mut fake).unwrap();
        assert_eq!(programs(&fake).len(), 2);
        assert_eq!(fake.maps()[0].entries.len(), 2);
    }
}

#[test]
fn ids_tell_what_maps_hold() {
    for object in objects("elf_slots") {
        let mut fake = Fake::new();
        load(&object, "nested", &mut fake).unwrap();
        assert_eq!(created(&fake), ["inner", "outer", "inner"]);
        let keys: Vec<_> = fake.maps()[1].entries.keys().cloned().collect();
        assert_eq!(keys, [3u32.to_ne_bytes()]);
    }
    // The kernel samples' way: the number of the map in the section.
    let order = if Endian::HOST == Endian::Big { "eb" } else { "el" };
    for debug in ["", "-g"] {
        let object = object(&format!("inner_map_def{debug}-{order}.o"));
        let mut fake = Fake::new();
        load(&object, "look", &mut fake).unwrap();
        assert_eq!(created(&fake), ["inner", "outer"]);
        assert!(fake.maps()[1].inner.is_some());
    }
}

fn pins(fake: &Fake) -> Vec<String> {
    fake.pins().iter().map(|p| p.display().to_string()).collect()
}

/// `unused` is of no program, but it asks to be pinned.
#[test]
fn maps_are_pinned_where_they_ask_to_be() {
    for object in objects("pins") {
        let mut fake = Fake::new();
        let loaded = load(&object, "table", &mut fake).unwrap();
        let own = options().places.object(&object).join("of_object").display().to_string();
        assert_eq!(own.len(), "/bpf/tc//of_object".len() + 40);
        let mut wanted =
            vec![own, "/bpf/tc/globals/of_all".into(), "/bpf/tc/globals/unused".into()];
        wanted.insert(0, "/bpf/seven/of_table".into());
        let mut found = pins(&fake);
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
        assert!(fake.made().contains(&Path::new("/bpf")), "mounted");
        loaded.made.undo(&mut fake);
        assert!(fake.pins().is_empty() && fake.made().is_empty(), "{fake:?}");
    }
}

#[test]
fn what_is_pinned_already_is_used_and_left_alone() {
    let object = &objects("pins")[0];
    let mut fake = Fake::new();
    fake.mount(Path::new("/bpf"));
    let first = load(object, "every", &mut fake).unwrap();
    let count = fake.maps().len();
    let second = load(object, "every", &mut fake).unwrap();
    // Only `alone` is new.
    assert_eq!(fake.maps().len(), count + 1);
    assert_eq!(second.made.pins().count(), 0);
    second.made.undo(&mut fake);
    assert_eq!(fake.pins().len(), 4);
    first.made.undo(&mut fake);
    assert!(fake.pins().is_empty());
    assert_eq!(fake.made(), [Path::new("/bpf")]);
}

#[test]
fn a_pinned_map_must_be_as_the_object_wants_it() {
    let object = &objects("pins")[0];
    let path = PathBuf::from("/bpf/tc/globals/of_all");
    let info = |max: u32, map_type: MapType, flags: u32| MapInfo {
        map_type,
        key_size: 4,
        value_size: 8,
        max_entries: max,
        flags,
        ..MapInfo::default()
    };
    for (there, differs) in [
        (info(1, MapType::ARRAY, 0), "max_entries 1, object wants 2"),
        (info(2, MapType::HASH, 0), "type hash, object wants array"),
        (info(2, MapType::ARRAY, 0x80), "map_flags 0x80, object wants 0x0"),
        (info(3, MapType::HASH, 0), "type hash, object wants array; max_entries 3, object wants 2"),
    ] {
        let mut fake = Fake::new();
        fake.mount(Path::new("/bpf"));
        fake.pin_map(&path, there);
        let error = load(object, "global", &mut fake).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("map `of_all` is already pinned at /bpf/tc/globals/of_all with {differs}")
        );
        assert!(error.hint().unwrap().contains("say `replace-pins`"));
        assert_eq!(pins(&fake), ["/bpf/tc/globals/of_all"]);
    }
    let mut fake = Fake::new();
    fake.mount(Path::new("/bpf"));
    fake.pin_map(&path, info(2, MapType::ARRAY, 0));
    load(object, "global", &mut fake).unwrap();
}

/// The new map takes the old one's place when all else is done, and gives it back when what comes after fails.
#[test]
fn a_pinned_map_that_differs_is_replaced_on_demand() {
    let object = &objects("pins")[0];
    let path = Path::new("/bpf/tc/globals/of_all");
    let mut options = options();
    options.replace_pins = true;
    let ready = || {
        let mut fake = Fake::new();
        fake.mount(Path::new("/bpf"));
        let other = MapInfo { map_type: MapType::HASH, id: 77, ..MapInfo::default() };
        fake.pin_map(path, other);
        fake
    };
    let pinned_id = |fake: &mut Fake| {
        let fd = fake.obj_get(path).unwrap();
        fake.map_info(fd.as_fd()).unwrap().id
    };
    let mut fake = ready();
    let loaded = named(object, "global").load(&options, &mut fake).unwrap();
    let (_, fd) = loaded.maps.iter().find(|(name, _)| name == "of_all").unwrap();
    let new = fake.map_info(fd.as_fd()).unwrap().id;
    assert_eq!(pinned_id(&mut fake), new);
    assert_eq!((loaded.made.pins().count(), fake.pins().len()), (4, 4));
    assert!(loaded.notes[0].contains("replaces what was pinned"), "{:?}", loaded.notes);
    loaded.made.undo(&mut fake);
    assert_eq!(pinned_id(&mut fake), 77);
    assert_eq!(pins(&fake), ["/bpf/tc/globals/of_all"]);
    // What fits is used, as ever.
    let mut fake = Fake::new();
    fake.mount(Path::new("/bpf"));
    let first = named(object, "global").load(&options, &mut fake).unwrap();
    let again = named(object, "global").load(&options, &mut fake).unwrap();
    assert_eq!((first.made.pins().count(), again.made.pins().count()), (4, 0));
    // Whatever fails, the old one is there.
    let mut whole = ready();
    named(object, "global").load(&options, &mut whole).unwrap();
    for call in 0..whole.calls() {
        let mut fake = ready();
        fake.refuse_call(call, Errno(libc::EIO));
        if named(object, "global").load(&options, &mut fake).is_err() {
            assert_eq!(pinned_id(&mut fake), 77, "call {call}");
            assert_eq!(pins(&fake), ["/bpf/tc/globals/of_all"], "call {call}");
        }
    }
    // One that was killed at it left a name behind.
    let mut fake = ready();
    fake.pin_map(Path::new("/bpf/tc/globals/of_all_replacing"), MapInfo::default());
    named(object, "global").load(&options, &mut fake).unwrap();
    assert_eq!(fake.pins().len(), 4);
    // A program is in the way: that is no map to be replaced.
    let mut fake = Fake::new();
    fake.mount(Path::new("/bpf"));
    fake.make_dir(path.parent().unwrap()).unwrap();
    fake.describe("bpf-prog", Fake::program(ProgType::SCHED_CLS, 1, "x"));
    let program = fake.prog_by_id(1).unwrap();
    fake.obj_pin(program.as_fd(), path).unwrap();
    let error = named(object, "global").load(&options, &mut fake).unwrap_err();
    assert!(error.to_string().contains("something else is pinned there: bpf-prog"), "{error}");
}

/// Has the kernel refuse something.
type Refuse = fn(&mut Fake);

#[test]
fn failures_leave_nothing_behind() {
    let object = &objects("pins")[0];
    let refusals: [(Refuse, &str); 6] = [
        (|f| f.refuse_map(Errno::EPERM), "kernel refused map"),
        (|f| f.refuse_pin(Errno::ENOMEM), "asks to be pinned at"),
        (|f| f.refuse_mounts(), "but /bpf cannot be had: Operation not permitted"),
        (|f| f.refuse_prog(Errno::EPERM, ""), "kernel rejected program"),
        (|f| f.refuse_get(Errno::ENOMEM), "but it cannot be opened"),
        (|f| (0..9).for_each(|_| f.refuse_prog(Errno::EACCES, "no\n")), "no"),
    ];
    for (refuse, said) in refusals {
        let mut fake = Fake::new();
        refuse(&mut fake);
        let error = load(object, "every", &mut fake).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(fake.pins().is_empty() && fake.made().is_empty(), "{said}: {fake:?}");
    }
}

/// Whichever of all requests fails, in whatever way.
#[test]
fn no_failure_leaves_anything_behind() {
    let mut failed = 0;
    for (stem, program) in [
        ("pins", "every"),
        ("pins", "table"),
        ("slots", "jump"),
        ("elf_slots", "entry"),
        ("elf_slots", "nested"),
        ("slots", "nested"),
        ("globals", "all"),
    ] {
        let object = &objects(stem)[0];
        let mut fake = Fake::new();
        load(object, program, &mut fake).unwrap();
        let calls = fake.calls();
        assert!(calls > 2, "{stem}: {calls}");
        for at in 0..calls {
            for errno in [Errno::EPERM, Errno::EINVAL, Errno::ENOMEM, Errno::ENOSYS, Errno::ENOENT]
            {
                let mut fake = Fake::new();
                fake.refuse_call(at, errno);
                match load(object, program, &mut fake) {
                    // Some requests are not needed, and some are repeated in another form.
                    Ok(loaded) => loaded.made.undo(&mut fake),
                    Err(_) => failed += 1,
                }
                let left = (fake.pins(), fake.made());
                assert!(
                    left.0.is_empty() && left.1.is_empty(),
                    "{stem}, request {at}, {errno}: {left:?}"
                );
            }
        }
    }
    assert!(failed > 50, "only {failed} loads failed");
}

#[test]
fn old_kernels_want_a_higher_limit_on_locked_memory() {
    let object = &objects("pins")[0];
    let mut fake = Fake::new();
    fake.limit_locked_memory();
    load(object, "every", &mut fake).unwrap();
    assert_eq!(
        fake.requests().iter().filter(|r| matches!(r, Request::MapCreate { fd: None, .. })).count(),
        1
    );
}

#[test]
fn a_slot_that_cannot_be_filled_is_named() {
    let object = &objects("slots")[0];
    let mut fake = Fake::new();
    fake.refuse_update(Errno::EINVAL);
    let error = load(object, "jump", &mut fake).unwrap_err().to_string();
    assert!(
        error.contains("map `jumps`") && error.contains("putting `leaf` into slot 1"),
        "{error}"
    );
}

#[test]
fn an_unknown_place_is_named() {
    let object = &objects("pins")[0];
    let mut fake = Fake::new();
    let mut options = options();
    options.places.custom.clear();
    let error = named(object, "table").load(&options, &mut fake).unwrap_err().to_string();
    assert!(error.contains("map `of_table` asks to be pinned in place 7"), "{error}");
    assert!(fake.pins().is_empty());
}

/// Names of all descriptors of this process.
fn descriptors() -> Vec<String> {
    let mut found: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .map(|link| link.display().to_string())
        .filter(|link| link.contains("bpf"))
        .collect();
    found.sort();
    found
}

/// Files in a directory, except those that the file system itself has.
fn files(directory: &str) -> Vec<String> {
    let found = std::fs::read_dir(directory).into_iter().flatten();
    let names = found.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !matches!(name.as_str(), "maps.debug" | "progs.debug")).collect()
}

#[test]
fn the_kernel_keeps_nothing_of_a_failed_load() {
    let test = "tests::maps::the_kernel_keeps_nothing_of_a_failed_load";
    if !super::kernel::usable() || !super::kernel::alone(test) {
        return;
    }
    let kernel = &mut Kernel;
    let mount = std::env::temp_dir().join(format!("rtc-maps-{}", std::process::id()));
    std::fs::create_dir(&mount).unwrap();
    let object = object("pins-g-el.o");
    let mut options = LoadOptions::new(ProgType::SCHED_CLS);
    options.places = Places::of_iproute2(&mount);
    options.places.custom.insert(7, mount.join("seven"));
    let program = named(&object, "every");
    let before = descriptors();
    // The program is refused once all maps are there.
    let wrong = LoadOptions { flags: 1 << 30, ..options.clone() };
    assert!(matches!(program.load(&wrong, kernel), Err(LoadError::Program(_))));
    assert_eq!((descriptors(), files(mount.to_str().unwrap())), (before.clone(), vec![]));
    assert_eq!(kernel.is_bpf_fs(&mount), Ok(false), "unmounted again");

    let first = program.load(&options, kernel).unwrap();
    assert_eq!(kernel.is_bpf_fs(&mount), Ok(true));
    let path = mount.join("tc/globals/of_all");
    // What it finds there is as it left it, and counts on.
    let map = Map::pinned(&path, kernel).unwrap();
    map.set(&1u32, &5u64, kernel).unwrap();
    let second = program.load(&options, kernel).unwrap();
    let (_, fd) = second.maps.iter().find(|(name, _)| name == "of_all").unwrap();
    let same = Map::new(fd.try_clone().unwrap(), kernel).unwrap();
    assert_eq!(same.info().id, map.info().id);
    assert_eq!(same.get::<u32, u64>(&1, kernel).unwrap(), Some(5));
    drop((second, map, same));

    // Another map in its place is left alone, and so are those that were there before.
    std::fs::remove_file(&path).unwrap();
    let other = Map::new(first.maps[0].1.try_clone().unwrap(), kernel).unwrap();
    let small = kernel
        .map_create(&crate::sys::MapCreate {
            map_type: MapType::ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
            flags: 0,
            numa_node: 0,
            name: "small",
            ifindex: 0,
            map_extra: 0,
            btf: None,
            inner: None,
            ..crate::sys::MapCreate::default()
        })
        .unwrap();
    kernel.obj_pin(small.as_fd(), &path).unwrap();
    let error = program.load(&options, kernel).unwrap_err();
    assert!(error.to_string().contains("max_entries 1, object wants 2"), "{error}");
    assert_eq!(Map::pinned(&path, kernel).unwrap().info().name, "small");
    drop((small, other));
    std::fs::remove_file(&path).unwrap();
    first.made.undo(kernel);
    drop(first);
    assert_eq!(descriptors(), before);
    std::fs::remove_dir(&mount).unwrap();
}

#[test]
fn variables_live_in_the_kernel() {
    if !super::kernel::usable() {
        return;
    }
    let kernel = &mut Kernel;
    for compiler in ["g", "c19-g", "gcc-g"] {
        let mut object = object(&format!("globals-{compiler}-el.o"));
        object.set_variable("limit", &77u32.to_ne_bytes()).unwrap();
        let loaded =
            named(&object, "all").load(&LoadOptions::new(ProgType::SCHED_CLS), kernel).unwrap();
        let place = object.variable("limit").unwrap();
        let (_, fd) = loaded.maps.iter().find(|(name, _)| *name == place.section).unwrap();
        let map = Map::new(fd.try_clone().unwrap(), kernel).unwrap();
        let value = map.lookup(&[0; 4], kernel).unwrap().unwrap();
        assert_eq!(value.bytes()[place.offset as usize..][..4], 77u32.to_ne_bytes());
        // Constants are frozen.
        let (_, fd) = loaded.maps.iter().find(|(name, _)| name == ".rodata.fixed").unwrap();
        let fixed = Map::new(fd.try_clone().unwrap(), kernel).unwrap();
        assert_eq!(fixed.get::<u32, u32>(&0, kernel).unwrap(), Some(11));
        assert!(fixed.set(&0u32, &12u32, kernel).is_err());
    }
}
