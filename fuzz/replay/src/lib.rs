//! The fuzzed entry points, one function for each target, over any bytes.
//!
//! A target asserts what must hold whatever the bytes are; it touches nothing of the system but
//! `/dev/null`. The same functions serve cargo-fuzz (`fuzz/fuzz_targets`) and the plain tests that
//! replay `fuzz/corpus` with mutations (`tests/corpus.rs`).

mod asm;
mod cbpf;
mod command;
mod message;
mod object;
mod options;
mod types;
mod units;
mod world;

pub use asm::asm;
pub use cbpf::cbpf;
pub use command::{SHOWN, batch, show, show_with, words};
pub use message::message;
pub use object::object;
pub use options::{KINDS, options};
pub use types::types;
pub use units::units;

/// A target: its name, which is that of its directory in the corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("asm", asm),
    ("batch", batch),
    ("cbpf", cbpf),
    ("message", message),
    ("object", object),
    ("options", options),
    ("show", show),
    ("types", types),
    ("units", units),
    ("words", words),
];
