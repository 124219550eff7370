//! The command `rtc`.
fn main() {}
