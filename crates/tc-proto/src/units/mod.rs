//! Numbers as tc spells, rounds and prints them.
//!
//! Each unit reads the words that tc takes and prints what tc prints; nothing here touches the
//! system. Where a unit depends on it (the clock of the packet scheduler, a device's speed), the
//! caller passes in what it found there.

mod error;
mod handle;
mod number;
mod protocol;

pub use error::UnitError;
pub use handle::Handle;
pub use number::{
    Base, parse_i32, parse_i64, parse_loose_handle, parse_u8, parse_u16, parse_u32, parse_u64,
};
pub use protocol::Protocol;
