//! The project's own tasks: `cargo xtask TASK`.
mod golden;
mod tidy;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((task, args)) => match task.as_str() {
            "golden" => golden::run(args),
            "tidy" => tidy::run(args),
            other => Err(format!("no task {other:?}; there are: golden, tidy")),
        },
        None => Err("usage: cargo xtask TASK; tasks: golden, tidy".to_owned()),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(std::io::stderr(), "xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
