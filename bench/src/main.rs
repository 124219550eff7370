//! What the libraries cost: encoding and decoding of a filter with an action; one thing done from the
//! opening of a socket on, also beside many devices; lists and batches, blocking and async. Beside the
//! crates of rust-netlink where they can do the same.
//!
//! `cargo xtask bench api` runs it in a namespace of its own and prints a table. Allocations are
//! counted and repeat from run to run; times are the shortest of several.

mod batch;
mod codec;
mod oneshot;
mod socket;

use std::alloc::System;
use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one call costs.
#[derive(Clone, Copy)]
struct Cost {
    ns: f64,
    allocations: f64,
    bytes: f64,
}

/// Runs `work` `count` times in each of `runs` runs.
fn cost<T>(runs: usize, count: u32, mut work: impl FnMut() -> T) -> Cost {
    black_box(work());
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let started = Instant::now();
        for _ in 0..count {
            black_box(work());
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / f64::from(count));
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..count {
        black_box(work());
    }
    let change = region.change();
    let share = |n: usize| n as f64 / f64::from(count);
    Cost {
        ns: best,
        allocations: share(change.allocations + change.reallocations),
        bytes: share(change.bytes_allocated),
    }
}

/// The same for work that may fail, which ends the benchmark.
fn cost_of<T>(
    runs: usize,
    count: u32,
    mut work: impl FnMut() -> Result<T, Box<dyn Error>>,
) -> Result<Cost, Box<dyn Error>> {
    let mut failed = None;
    let cost = cost(runs, count, || match work() {
        Ok(done) => Some(done),
        Err(e) => {
            failed.get_or_insert(e);
            None
        }
    });
    failed.map_or(Ok(cost), Err)
}

/// A row of the table: ours beside theirs.
struct Row {
    work: String,
    ours: Cost,
    theirs: Option<Cost>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rows = codec::rows()?;
    rows.extend(oneshot::rows("")?);
    rows.extend(socket::rows()?);
    rows.extend(batch::rows()?);
    oneshot::crowd()?;
    rows.extend(oneshot::rows(", beside 1,000 other devices")?);
    let mut out = std::io::stdout();
    writeln!(out, "| work | measure | tc-proto | rust-netlink | theirs / ours |")?;
    writeln!(out, "|---|---|--:|--:|--:|")?;
    for Row { work, ours, theirs } in rows {
        let measures: [(&str, fn(&Cost) -> f64); 3] = [
            ("ns", |c| c.ns),
            ("allocations", |c| c.allocations),
            ("bytes allocated", |c| c.bytes),
        ];
        for (n, (measure, get)) in measures.into_iter().enumerate() {
            let name = if n == 0 { format!("`{work}`") } else { String::new() };
            let (ours, theirs) = (get(&ours), theirs.as_ref().map(get));
            let shown = theirs.map_or("-".to_owned(), number);
            let ratio = theirs
                .filter(|_| ours >= 0.05)
                .map_or("-".to_owned(), |t| format!("{:.1}", t / ours));
            writeln!(out, "| {name} | {measure} | {} | {shown} | {ratio} |", number(ours))?;
        }
    }
    Ok(())
}

/// With three figures at least, and commas between thousands.
fn number(value: f64) -> String {
    if value < 100.0 && value.fract() > 0.005 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
