//! The project's own tasks: `cargo xtask TASK`.
mod api;
mod bench;
mod bench_load;
mod compat;
mod golden;
mod tdc;
mod tidy;
mod vm;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "cargo xtask TASK, with TASK one of api, bench, compat, golden, tdc, tidy, vm";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((task, args)) => match task.as_str() {
            "api" => api::run(args),
            "bench" => bench::run(args),
            "compat" => compat::run(args),
            "golden" => golden::run(args),
            "tdc" => tdc::run(args),
            "tidy" => tidy::run(args),
            "vm" => vm::run(args),
            other => Err(format!("no task {other:?}; {USAGE}")),
        },
        None => Err(USAGE.to_owned()),
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
