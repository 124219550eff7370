//! Actions: the lists of them in filters and in the object `actions`, and their kinds, a file each.

mod control;
mod list;
mod print;

pub mod bpf;
pub mod connmark;
pub mod csum;
pub mod ctinfo;
pub mod gact;
pub mod gate;
pub mod ife;
pub mod mirred;
pub mod mpls;
pub mod nat;
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

use tc_proto::units::{Base, parse_u32};

use crate::args::Args;
use crate::error::Error;

/// Reads `index N` if it is next; 0 lets the kernel choose. `prefix` begins tc's line for a number
/// that is none.
fn parse_index(args: &mut Args<'_>, prefix: &str) -> Result<u32, Error> {
    if !args.take_abbreviation("index") {
        return Ok(0);
    }
    parse_u32(args.value()?, Base::Ten).map_err(|e| {
        Error::refused(format_args!("{prefix}Illegal \"index\""))
            .at(args.last())
            .hint(e.to_string())
    })
}
