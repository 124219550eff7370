//! Numbers as tc spells, rounds and prints them.

mod handle;

pub use handle::Handle;
