//! Tests of `rtc` against a real kernel, beside the original `tc` where that is installed.
//!
//! A test is a plain `#[test]` that hands a closure to [`isolated`]; the closure gets a network
//! namespace ([`Ns`]) that nothing else uses:
//!
//! ```no_run
//! // tests/qdisc.rs: #[test] fn pfifo() {
//! netns_tests::isolated(|ns| {
//!     ns.link("eth0");
//!     ns.rtc(&["qdisc", "add", "dev", "eth0", "root", "pfifo", "limit", "7"]).ok();
//!     ns.compare(&["qdisc", "show"]); // rtc and tc print the same, also with -j, -s, -d, -p
//! });
//! ```
//!
//! How it is kept apart: [`isolated`] runs the test binary again for that one test, under `unshare`
//! with network, mount and process namespaces of its own, a fresh `/run`, `/sys` and bpffs. All of
//! it ends with that process, however it ends; a test that hangs is killed after a while.
//!
//! The environment:
//! - `RTC`: the binary under test. Default: `rtc` beside the test's own build, then a release build.
//! - `TC`: the original. Default: `/usr/sbin/tc`, `/sbin/tc`. Differences that are wanted or come
//!   with its version are listed with a reason in `known-differences`.
//! - `NETNS_REQUIRE`: `userland`: what would be skipped for lack of a program or a right fails
//!   instead; `all`: also what this kernel lacks, unless it is from before there was such a thing.
//!   Default: neither.
//! - `NETNS_TIMEOUT`: seconds that one test may take. Default: 120.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::exit,
    clippy::missing_panics_doc,
    reason = "a test harness fails by panicking, and its inner process ends with a status"
)]

mod isolate;
mod known;
mod ns;
mod output;
mod traffic;
mod twins;

pub use isolate::{isolated, since_linux, skip, skip_for_kernel};
pub use ns::{Ns, object};
pub use output::Output;
pub use twins::Twins;
