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
//! Objects may be of any clang, with maps of either kind (`maps` and `.maps`), with programs in sections of any name,
//! of either byte order (the other one can be read, not loaded). Nothing in an object is believed: damage is an
//! [`ObjectError`] that names the place, and what a program doesn't use cannot stop it.
//!
//! Classic BPF, tc's `bytecode`, is in [`cbpf`].
//!

mod btf;
pub mod cbpf;
mod elf;
mod error;
pub mod info;
mod insn;
mod load;
mod map;
pub mod pin;
mod prog;
mod reloc;
mod spec;
pub mod sys;

pub use btf::ext::{FuncInfo, LineInfo};
pub use error::{Listing, ObjectError};
pub use insn::{Endian, Insn};
pub use load::{LoadError, LoadOptions, Loaded, LogMode, MapRefused, ProgRefused, load_insns};
pub use map::{MapOrigin, MapSpec, MapType, Pinning};
pub use prog::ProgType;
pub use reloc::Linked;
pub use spec::{ObjectSpec, ProgramSpec, Select};
pub use sys::Errno;

#[cfg(test)]
mod tests;
