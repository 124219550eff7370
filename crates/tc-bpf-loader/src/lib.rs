//! Turns BPF object files into loaded programs.
//!
//! Three steps, each of its own type:
//! 1. [`ObjectSpec`]: the file, read and checked. Pure: no system call, the same result on every machine.
//! 2. [`ProgramSpec::link`] -> [`Linked`]: a chosen program's final instructions but for descriptors. Pure as well.
//! 3. [`ProgramSpec::load`] -> [`Loaded`]: maps created, program loaded, through the trait [`sys::Bpf`], whose
//!    [`sys::Kernel`] is bpf(2) and whose [`sys::Fake`] is for tests.
//!
//! ```no_run
//! use std::path::Path;
//! use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType, Select, sys::Kernel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let object = ObjectSpec::from_path(Path::new("drop-arp.o"))?;
//! for program in object.programs() {
//!     eprintln!("{} in section {}", program.name(), program.section());
//! }
//! let program = object.select(&Select { section: Some("ingress"), ..Select::default() })?;
//! let loaded = program.load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)?;
//! // Put loaded.fd into TCA_BPF_FD; drop it once the kernel has acknowledged.
//! # Ok(())
//! # }
//! ```
//!
//! # What is in an object
//!
//! Objects may be of any clang, with maps of either kind (`maps` and `.maps`), with programs in sections of any name,
//! of either byte order (the other one can be read, not loaded). Nothing in an object is believed: damage is an
//! [`ObjectError`] that names the place, and what a program doesn't use cannot stop it.
//!
//! # What the kernel provides
//!
//! A program may depend on the kernel's types (CO-RE), on its configuration (`__kconfig`), on its symbols and on functions
//! of it or its modules (`__ksym`). All of that is looked up when a program is loaded that uses it; what is missing is a
//! [`LoadError::Unresolved`], or a refusal of the verifier that names it, where the program may step around it.
//! [`LoadOptions::btf`] takes the kernel's types from a file.
//!
//! # Any type of program
//!
//! [`LoadOptions::new`] takes the type, whatever the section is called, and [`LoadOptions::for_section`] what the name of
//! the section says by convention:
//!
//! ```no_run
//! # use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType, sys::Kernel};
//! # fn load(object: &ObjectSpec) -> Result<(), Box<dyn std::error::Error>> {
//! for program in object.programs() {
//!     let options = LoadOptions::for_section(program.section())
//!         .unwrap_or_else(|| LoadOptions::new(ProgType::SCHED_CLS));
//!     let loaded = program.load(&options, &mut Kernel)?;
//!     println!("{} is a program of type {}", loaded.name, options.prog_type);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Maps and variables
//!
//! Only the maps that the program refers to are created, those in their slots, and those that are to be pinned.
//! [`Loaded::maps`] has their descriptors. Programs that the object puts into a program array are loaded as well.
//! [`Places`] says where maps are pinned; what is pinned there already is used, if it is as the object wants it, and
//! [`PinRefused`] says what differs if it isn't. When a load fails, what it pinned, made or mounted is taken back;
//! [`Made::undo`] does that when what comes after the load fails.
//!
//! [`Map`] reads and writes what is in a map: of a program just loaded, pinned, or known by its number.
//!
//! Global variables are in maps called `.data`, `.rodata`, `.bss` and so on. [`ObjectSpec::set_variable`] sets one before
//! the load.
//!
//! # Which program
//!
//! [`Select`] says it by section, by function or not at all; then the section `classifier` is meant, or the only program
//! there is. When nothing or too much fits, the error lists what the object has:
//!
//! ```
//! use tc_bpf_loader::ObjectSpec;
//!
//! let error = ObjectSpec::parse("notes.txt", b"this is no object").unwrap_err();
//! assert!(error.to_string().contains("notes.txt"));
//! ```
//!
//! # What the verifier says
//!
//! A program is loaded without a log first, which is several times faster for a large one. When the verifier refuses it,
//! it is loaded again with a log, and the [`LoadError`] carries the log, a summary, and a hint where the cause is known.
//! [`LogMode::Always`] asks for the log at once.
//!
//! # Tables of the kernel
//!
//! Programs can be the operations of a table of the kernel's, such as a qdisc or congestion control: see [`struct_ops`].
//!
//! # Without an object
//!
//! [`load_insns`] loads instructions that were made otherwise. [`pin`] opens what is pinned in a BPF file system, [`info`]
//! tells what a program or map is. Classic BPF, tc's `bytecode`, is in [`cbpf`]:
//!
//! ```
//! use tc_bpf_loader::cbpf;
//!
//! // What `tcpdump -ddd arp` prints, as tc takes it on the command line.
//! let insns = cbpf::parse_bytecode("4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0")?;
//! assert_eq!(insns.len(), 4);
//! # Ok::<(), cbpf::BytecodeError>(())
//! ```
//!
//! # Without a kernel
//!
//! Everything that asks the kernel takes a `&mut dyn` [`sys::Bpf`]. [`sys::Fake`] plays the kernel in tests: it records
//! what it was asked, and fails when told to.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

mod access;
mod any;
mod btf;
pub mod cbpf;
mod data;
mod elf;
mod error;
pub mod info;
mod insn;
mod inspect;
mod load;
mod map;
pub mod pin;
mod prog;
mod reloc;
mod section;
mod sha1;
mod slots;
pub mod socket;
mod spec;
pub mod struct_ops;
pub mod sys;
pub mod tcx;

pub use access::{Entries, Map, MapError, Plain, Value};
pub use any::Error;
pub use btf::ext::{FuncInfo, LineInfo};
pub use data::{VarError, Variable};
pub use error::{Listing, ObjectError};
pub use insn::{Endian, Insn};
pub use inspect::{RelocKind, Relocation, SectionInfo};
pub use load::{
    LoadError, LoadOptions, Loaded, LogMode, Made, MapRefused, PinRefused, Places, ProgRefused,
    Unresolved, load_insns,
};
pub use map::{MapOrigin, MapSpec, MapType, Pinning, Slot, SlotTarget};
pub use prog::ProgType;
pub use reloc::Linked;
pub use section::SectionType;
pub use slots::slot as tail_call_slot;
pub use spec::{ObjectSpec, ProgramSpec, Select};
pub use sys::Errno;

#[cfg(test)]
mod tests;
