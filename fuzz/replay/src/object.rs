//! BPF objects, up to their load by a kernel that grants everything.

use tc_bpf_loader::sys::{Errno, Fake};
use tc_bpf_loader::{LoadOptions, LogMode, ObjectSpec, ProgType, ProgramSpec, Select};

/// Programs that are linked and loaded; all are listed.
const LOADED: usize = 16;
/// The most instructions of a program (`BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_INSNS: usize = 1_000_000;

/// Reads an object, looks at all that it holds, and loads its programs.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn object(data: &[u8]) {
    let object = match ObjectSpec::parse("fuzz.o", data) {
        Ok(object) => object,
        Err(e) => {
            assert!(e.to_string().contains("fuzz.o"), "an error that does not name the file: {e}");
            return;
        }
    };
    assert!(!format!("{object:?}").is_empty());
    assert!(object.license().len() < 128);
    _ = (object.endian(), object.version(), object.file());
    object.sections().for_each(drop);
    for map in object.maps() {
        let text = map.map_or_else(|e| e.to_string(), ToString::to_string);
        assert!(text.len() < 64 * 1024, "{} bytes about a map", text.len());
    }
    _ = object.select(&Select::default()).map_err(|e| e.to_string());
    for (n, program) in object.programs().enumerate() {
        _ = (program.is_static(), program.object().file());
        assert!(!format!("{program:?}").is_empty());
        if n < LOADED {
            load(&object, program);
        }
    }
}

fn load(object: &ObjectSpec, program: ProgramSpec<'_>) {
    let (section, name) = (program.section(), program.name());
    for (section, name) in [(Some(section), None), (None, Some(name)), (Some(section), Some(name))]
    {
        let wanted = Select { section, program: name, ..Select::default() };
        match object.select(&wanted) {
            Ok(found) => {
                assert!(name.is_none_or(|name| found.name() == name));
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
    let linked = program.link();
    if let Ok(linked) = &linked {
        let len = linked.insns.len();
        assert!(len <= MAX_INSNS, "{len} instructions");
        assert!(linked.map_refs.iter().all(|(at, map)| *at < len && *map < linked.maps.len()));
        assert!(linked.func_info.len() <= len && linked.line_info.len() <= len);
    }
    let mut options = LoadOptions::new(ProgType::SCHED_CLS);
    let loaded = program.load(&options, &mut Fake::new());
    assert!(linked.is_ok() || loaded.is_err(), "loaded what cannot be linked");
    // A kernel that refuses each thing once, and a log that points into the source.
    options.log = LogMode::Always(1);
    let mut kernel = Fake::new();
    kernel.refuse_btf(Errno::EINVAL, "no\n");
    _ = program.load(&options, &mut kernel).map_err(|e| (e.to_string(), e.hint().is_some()));
    options.log = LogMode::OnError;
    kernel.refuse_prog(Errno::EACCES, "1: (85) call unknown#0\nR1 invalid mem access\n");
    kernel.refuse_prog_sized(Errno::EACCES, "1: (85) call unknown#0\nR1 invalid mem access\n", 99);
    kernel.refuse_map(Errno::EPERM);
    for _ in 0..2 {
        if let Err(e) = program.load(&options, &mut kernel) {
            assert!(!e.to_string().is_empty());
        }
    }
}
