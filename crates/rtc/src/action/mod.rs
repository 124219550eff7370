//! Actions: the lists of them in filters and in the object `actions`, and their kinds, a file each.

mod control;
mod list;
mod print;

pub mod bpf;
pub mod connmark;
pub mod csum;
pub mod ct;
pub mod ctinfo;
pub mod gact;
pub mod gate;
pub mod ife;
pub mod mirred;
pub mod mpls;
pub mod nat;
pub mod pedit;
pub mod police;
pub mod sample;
pub mod simple;
pub mod skbedit;
pub mod skbmod;
pub mod tunnel_key;
pub mod vlan;

pub use list::{Actions, List};
pub use print::print;
pub(crate) use print::print_objects;

use std::fmt::Write as _;

use tc_proto::units::{Base, parse_u32};

use crate::args::Args;
use crate::error::Error;

/// Reads `index N` if it is next; 0 lets the kernel choose. `prefix` begins tc's line for a number
/// that is none.
fn parse_index(args: &mut Args<'_>, prefix: &str) -> Result<u32, Error> {
    parse_index_of(Base::Ten, args, prefix)
}

/// The same with numbers of `base`.
fn parse_index_of(base: Base, args: &mut Args<'_>, prefix: &str) -> Result<u32, Error> {
    if !args.take_abbreviation("index") {
        return Ok(0);
    }
    parse_u32(args.value()?, base).map_err(|e| {
        Error::refused(format_args!("{prefix}Illegal \"index\""))
            .at(args.last())
            .hint(e.to_string())
    })
}

/// Bytes as pairs of digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Pairs of digits as bytes; a single one at the end is left out.
fn hex_bytes(word: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    word.as_bytes().chunks_exact(2).map(pair).collect()
}
