//! The command `rtc`.

use std::mem::ManuallyDrop;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    // The kernel closes sockets and frees memory at once, when the process ends.
    let mut system = ManuallyDrop::new(rtc::env::System::default());
    let status = rtc::run(&words, &mut *system, &mut std::io::stdout(), &mut std::io::stderr());
    ExitCode::from(status)
}
