//! The command `rtc`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let mut system = rtc::env::System::default();
    let status = rtc::run(&words, &mut system, &mut std::io::stdout(), &mut std::io::stderr());
    ExitCode::from(status)
}
