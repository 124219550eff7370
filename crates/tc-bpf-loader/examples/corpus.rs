//! Finds objects within programs, and tries to load every program of objects; `scripts/bpf-corpus` calls it.
//!
//! `corpus carve DIRECTORY FILE...` writes the BPF objects that the files carry to the directory.
//! `corpus try FILE...` loads each program as its section says and as a classifier, one at a time, and prints a line for
//! each: file, program, section, and for both ways a tag or why not, separated by tabs.
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::os::fd::AsFd as _;
use std::path::Path;

use tc_bpf_loader::sys::{Bpf as _, Kernel};
use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType, ProgramSpec};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["carve", directory, files @ ..] => {
            files.iter().try_for_each(|file| carve(Path::new(directory), Path::new(file)))
        }
        ["try", files @ ..] => {
            for file in files {
                try_object(file);
            }
            Ok(())
        }
        _ => Err("usage: corpus carve DIRECTORY FILE... | corpus try FILE...".into()),
    }
}

/// Writes out every ELF file for BPF that is in another file.
fn carve(directory: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut found = 0;
    for (at, window) in bytes.windows(20).enumerate() {
        // ELF of 64 bits, little endian, relocatable, machine 247
        if !window.starts_with(b"\x7fELF\x02\x01\x01")
            || window.get(16..20) != Some(&[1, 0, 247, 0])
        {
            continue;
        }
        let header = bytes.get(at..at + 64).unwrap_or_default();
        let number = |from: usize, len: usize| {
            header
                .get(from..from + len)
                .unwrap_or_default()
                .iter()
                .rev()
                .fold(0, |n, b| n << 8 | usize::from(*b))
        };
        // The section headers come last.
        let len = number(40, 8).saturating_add(number(58, 2) * number(60, 2));
        if let Some(object) = at.checked_add(len).and_then(|end| bytes.get(at..end)) {
            let suffix = if found == 0 { String::new() } else { format!(".{found}") };
            std::fs::write(directory.join(format!("{name}{suffix}.o")), object)?;
            found += 1;
        }
    }
    Ok(())
}

fn try_object(file: &str) {
    let object = match ObjectSpec::from_path(Path::new(file)) {
        Ok(object) => object,
        Err(e) => return println!("{file}\t-\t-\t{e}\t-"),
    };
    for program in object.programs() {
        let by_section = match LoadOptions::for_section(program.section()) {
            Some(options) => result(&program, &options),
            None => "-".to_owned(),
        };
        let as_classifier = result(&program, &LoadOptions::new(ProgType::SCHED_CLS));
        let (name, section) = (program.name(), program.section());
        println!("{file}\t{name}\t{section}\t{by_section}\t{as_classifier}");
    }
}

/// The tag, or why there is none, on one line.
fn result(program: &ProgramSpec<'_>, options: &LoadOptions) -> String {
    match program.load(options, &mut Kernel) {
        Ok(loaded) => {
            let tag = Kernel.prog_info(loaded.fd.as_fd()).map(|info| u64::from_be_bytes(info.tag));
            loaded.made.undo(&mut Kernel);
            tag.map_or_else(|e| e.to_string(), |tag| format!("{tag:016x}"))
        }
        Err(e) => e.to_string().replace(['\t', '\n'], " "),
    }
}
