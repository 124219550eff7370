//! `cargo xtask tdc`: runs cases of the kernel's traffic-control suite (`tc-testing`) with any tc.
//!
//! The suite is the kernel's and stays there: say where its JSON files are. Every case runs in
//! namespaces of its own; one whose set-up fails stops nothing. Meant to run as root in a machine
//! made for it: `cargo xtask vm tdc DIR`.

mod case;
mod packet;
mod report;
mod runner;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use regex_lite::Regex;
use serde_json::{Value, json};

use case::Case;
use runner::Runner;

const USAGE: &str = "\
usage: cargo xtask tdc DIR --tc PATH [--beside PATH] [--filter REGEX] [--jobs N] [--out FILE] [--list]
DIR holds JSON files of cases; REGEX looks at \"FILE ID NAME\"; --out gets the results as JSON.
Prints a line per case: pass, fail, nosetup or skip. Fails when a case fails. With --beside, each
case runs with that tc as well; a table compares, and it fails when a case passes with that one alone.";

/// Begins a worker's line with a result.
const MARK: &str = "result";

struct Options {
    dir: PathBuf,
    tc: String,
    beside: Option<String>,
    filter: Regex,
    jobs: usize,
    out: Option<PathBuf>,
    list: bool,
    /// `N/M`, in an inner process: take every M-th case, from the N-th.
    worker: Option<(usize, usize)>,
}

/// Runs the task.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    let options = parse(args)?;
    let cases = case::all(&options.dir, &options.filter)?;
    if options.list {
        for case in &cases {
            say(&case.title());
        }
        return Ok(0);
    }
    if let Some((nth, of)) = options.worker {
        let ours = Runner::new(&options.tc)?;
        let theirs = options.beside.as_deref().map(|tc| ours.with(tc));
        for case in cases.iter().skip(nth).step_by(of) {
            let theirs = theirs.as_ref().map(|runner| runner.run(case));
            let result = result(case, &ours.run(case), theirs.as_ref());
            say(&format!("{MARK} {result}"));
        }
        return Ok(0);
    }
    if cases.is_empty() {
        return Err("no case fits the filter".to_owned());
    }
    let results = spread(&options, args)?;
    report::report(&cases, results, options.beside.is_some(), options.out.as_deref())
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut dir = None;
    let mut tc = std::env::var("RTC").ok();
    let mut filter = String::new();
    let (mut beside, mut jobs, mut out, mut list, mut worker) = (None, 2, None, false, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--tc" => tc = Some(value()?.clone()),
            "--beside" => beside = Some(value()?.clone()),
            "--filter" => filter.clone_from(value()?),
            "--jobs" => jobs = value()?.parse().map_err(|_| "--jobs needs a number")?,
            "--out" => out = Some(PathBuf::from(value()?)),
            "--list" => list = true,
            "--worker" => {
                let (nth, of) = value()?.split_once('/').ok_or(USAGE)?;
                let number = |n: &str| n.parse::<usize>().map_err(|_| USAGE);
                worker = Some((number(nth)?, number(of)?.max(1)));
            }
            _ if dir.is_none() && !arg.starts_with("--") => dir = Some(PathBuf::from(arg)),
            _ => return Err(format!("what is {arg}?\n{USAGE}")),
        }
    }
    let filter = Regex::new(&filter).map_err(|e| format!("--filter: {e}"))?;
    let tc = tc.unwrap_or_else(|| "tc".to_owned());
    Ok(Options { dir: dir.ok_or(USAGE)?, tc, beside, filter, jobs, out, list, worker })
}

/// What a worker says of a case.
fn result(case: &Case, ours: &Value, theirs: Option<&Value>) -> Value {
    let mut result = json!({
        "file": case.file, "id": case.text("id"), "name": case.text("name"), "ours": ours,
    });
    if let (Some(theirs), Some(object)) = (theirs, result.as_object_mut()) {
        object.insert("theirs".to_owned(), theirs.clone());
    }
    result
}

/// Runs the workers, each in namespaces of its own, and gathers their results.
fn spread(options: &Options, args: &[String]) -> Result<Vec<Value>, String> {
    let exe = std::env::current_exe().map_err(|e| e.to_string())?;
    let jobs = options.jobs.max(1);
    let workers: Vec<_> = (0..jobs)
        .map(|nth| {
            Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork"])
                .args(["--kill-child", "--mount-proc", "--propagation", "private", "--"])
                .arg(&exe)
                .arg("tdc")
                .args(args)
                .args(["--worker", &format!("{nth}/{jobs}")])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|e| format!("setpriv: {e}"))
        })
        .collect::<Result<_, _>>()?;
    let readers: Vec<_> =
        workers.into_iter().map(|worker| std::thread::spawn(|| relay(worker))).collect();
    let mut results = Vec::new();
    for reader in readers {
        results.extend(reader.join().map_err(|_| "a worker's reader failed")?);
    }
    Ok(results)
}

/// Prints a worker's verdicts as they come and returns them.
fn relay(mut worker: std::process::Child) -> Vec<Value> {
    let mut results = Vec::new();
    if let Some(stdout) = worker.stdout.take() {
        for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok) {
            let Some(json) = line.strip_prefix(MARK) else { continue };
            let Ok(result) = serde_json::from_str::<Value>(json) else { continue };
            say(&report::line(&result));
            results.push(result);
        }
    }
    let _ = worker.wait();
    results
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
