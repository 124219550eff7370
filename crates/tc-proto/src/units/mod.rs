//! Numbers as tc spells, rounds and prints them.
//!
//! Each unit reads the words that tc takes and prints what tc prints; nothing here touches the
//! system. Where a unit depends on it (the clock of the packet scheduler, a device's speed), the
//! caller passes in what it found there.
//!
//! The words and texts in the tests are those of tc 7.3. Units refuse a value that does not fit,
//! where tc would silently send another one.

mod error;
mod estimator;
mod float;
mod handle;
mod linklayer;
mod mac;
mod number;
mod percent;
mod protocol;
mod psched;
mod rate;
mod ratespec;
mod size;
mod stab;
mod time;

pub use error::UnitError;
pub use estimator::Estimator;
pub use float::{General, general};
pub use handle::Handle;
pub use linklayer::LinkLayer;
pub use mac::MacAddr;
pub use number::{
    Base, leading_i64, parse_i32, parse_i64, parse_leading, parse_loose_handle, parse_u8,
    parse_u16, parse_u32, parse_u64,
};
pub use percent::Percent;
pub use protocol::Protocol;
pub use psched::Psched;
pub use rate::{Rate, RateText, RateWord, SpeedShare};
pub use ratespec::RateSpec;
pub use size::Size;
pub use stab::{SizeSpec, SizeTable, StabParams};
pub use time::{TimeNs, TimeUs};
