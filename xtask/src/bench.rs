//! `cargo xtask bench`: rtc beside the original tc, in the same run, as a table for the README.
//!
//! Counts of instructions and system calls repeat from run to run, times hardly do: a time is the
//! shortest of several. What is to be reached stands in the table beside what was measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::vm;

const USAGE: &str = "\
Usage: cargo xtask bench [--tc PATH] [--rtc PATH] [--runs N] [FILTER...]
       cargo xtask bench api
Counts what tc and rtc need for the same work, in namespaces made for it, and prints a table.

  --tc PATH    the original (default: tc, by PATH)
  --rtc PATH   default: a release build of this tree
  --runs N     times are the shortest of N (default: 9)
  load         just that: loads a small and a large BPF program, beside bpftool (libbpf)
  FILTER       only work whose name contains one of these words

api: what the libraries cost, allocations counted, beside the crates of rust-netlink
";

/// A classic program of four instructions: it takes IPv4 and nothing else.
const BYTECODE: &str = "4,40 0 0 12,21 0 1 2048,6 0 0 4294967295,6 0 0 0";

/// Pairs of devices that stand for a busy host.
const CROWD_PAIRS: usize = 1000;

/// Runs the sub-command; the result is the exit status.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    if matches!(args, [what] if what == "api") {
        return api();
    }
    let Some(options) = Options::parse(args)? else {
        return say(USAGE).map(|()| 0);
    };
    if options.inside && options.filters != ["load"] {
        return Bench::new(options)?.run().map(|()| 0);
    }
    let rtc = match &options.rtc {
        Some(rtc) => rtc.clone(),
        None => vm::build_rtc()?,
    };
    if options.filters == ["load"] {
        return crate::bench_load::run(&located(&rtc)?, options.runs, options.inside);
    }
    let tc = options.tc.clone().unwrap_or_else(|| PathBuf::from("tc"));
    let own = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    let status = Command::new("unshare")
        .args(["--mount", "--net", "--"])
        .arg(own)
        .args(["bench", "--inside", "--runs", &options.runs.to_string(), "--rtc"])
        .args([located(&rtc)?.as_os_str(), "--tc".as_ref(), located(&tc)?.as_os_str()])
        .args(&options.filters)
        .status()
        .map_err(|e| format!("unshare (package util-linux): {e}"))?;
    Ok(u8::from(!status.success()))
}

/// Builds and runs `bench/`, in a network namespace of its own.
fn api() -> Result<u8, String> {
    let dir = crate::tidy::root().join("bench");
    let target = dir.join("../target/bench");
    let run = |command: &mut Command| {
        let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
        status.success().then_some(()).ok_or(format!("{command:?}: {status}"))
    };
    // What it is compared with has procedural macros, which a static build does not load.
    run(Command::new("cargo")
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(&target)
        .current_dir(&dir)
        .env("RUSTFLAGS", "-Ctarget-feature=-crt-static"))?;
    let done = run(Command::new("unshare")
        .args(["--net", "--map-root-user", "--"])
        .arg(target.join("release/api-bench")));
    Ok(u8::from(done.is_err()))
}

struct Options {
    tc: Option<PathBuf>,
    rtc: Option<PathBuf>,
    runs: usize,
    filters: Vec<String>,
    /// The namespaces are ours already.
    inside: bool,
}

impl Options {
    /// `None` when help is asked for.
    fn parse(args: &[String]) -> Result<Option<Self>, String> {
        let mut options = Self { tc: None, rtc: None, runs: 9, filters: Vec::new(), inside: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--tc" => options.tc = Some(value()?.into()),
                "--rtc" => options.rtc = Some(value()?.into()),
                "--runs" => {
                    let runs = value()?.parse().ok().filter(|runs| *runs > 0);
                    options.runs = runs.ok_or("--runs needs a number of at least 1")?;
                }
                "--inside" => options.inside = true,
                "--help" | "-h" => return Ok(None),
                other if other.starts_with('-') => {
                    return Err(format!("unknown option {other}\n{USAGE}"));
                }
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(Some(options))
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Measure {
    Instructions,
    SystemCalls,
    TimeUs,
    PeakKib,
    Libraries,
    SizeKib,
}

impl Measure {
    const COUNTS: &[Self] = &[Self::Instructions, Self::SystemCalls];
    const ALL: &[Self] = &[Self::Instructions, Self::SystemCalls, Self::TimeUs, Self::PeakKib];

    fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::SystemCalls => "system calls",
            Self::TimeUs => "time, µs",
            Self::PeakKib => "peak memory, KiB",
            Self::Libraries => "shared libraries",
            Self::SizeKib => "size, KiB",
        }
    }

    /// Whether the lines of a batch share it.
    fn is_per_line(self) -> bool {
        matches!(self, Self::Instructions | Self::SystemCalls | Self::TimeUs)
    }
}

/// A command line whose work is measured.
struct Work {
    name: String,
    words: Vec<String>,
    /// Command lines of tc that make the state to start from, with `_` for a space in a word.
    setup: Vec<String>,
    /// Lines of the batch, 1 for a command by itself.
    lines: usize,
    measures: &'static [Measure],
    /// The most that rtc should need, where that is laid down.
    reach: Vec<(Measure, f64)>,
}

const EMPTY: &[&str] = &[];
const CLSACT: &[&str] = &["qdisc add dev v0 clsact"];
const ONE_FILTER: &[&str] =
    &["qdisc add dev v0 clsact", "filter add dev v0 ingress pref 1 bpf bytecode 1,6_0_0_0"];
const PFIFO: &[&str] = &["qdisc add dev v0 root pfifo"];
const HTB: &[&str] = &["qdisc add dev v0 root handle 1: htb"];
/// With one list of filters the kernel would spend its time looking for the end of it.
const HASHED: &[&str] = &[
    "qdisc add dev v0 clsact",
    "filter add dev v0 ingress protocol ip pref 1 handle 1: u32 divisor 256",
];

impl Work {
    fn new(words: &str, setup: &[&str]) -> Self {
        Self {
            name: words.to_owned(),
            words: words.split(' ').map(str::to_owned).collect(),
            setup: setup.iter().map(|line| (*line).to_owned()).collect(),
            lines: 1,
            measures: Measure::COUNTS,
            reach: Vec::new(),
        }
    }

    fn reach(mut self, measure: Measure, most: f64) -> Self {
        self.reach.push((measure, most));
        self
    }

    /// Commands by themselves.
    fn one_shots() -> Vec<Self> {
        let mut add = Self::new("filter add dev v0 ingress bpf bytecode", CLSACT);
        add.words.push(BYTECODE.to_owned());
        vec![
            Self::new("qdisc show dev lo", EMPTY)
                .reach(Measure::Instructions, 200_000.0)
                .reach(Measure::SystemCalls, 40.0),
            Self::new("qdisc add dev v0 clsact", EMPTY),
            Self::new("qdisc del dev v0 clsact", CLSACT),
            Self::new("filter show dev v0 ingress", ONE_FILTER),
            add,
        ]
    }

    /// The batch with an empty file: what it takes to start.
    fn without_lines(&self) -> Self {
        let mut words = self.words.clone();
        words.pop();
        words.push("/dev/null".to_owned());
        let (name, setup) = (self.name.clone(), self.setup.clone());
        Self { name, words, setup, reach: Vec::new(), ..*self }
    }

    fn load() -> Result<Self, String> {
        let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf/drop-arp.o");
        let object = object.canonicalize().map_err(|e| format!("{}: {e}", object.display()))?;
        let mut work = Self::new("filter add dev v0 ingress bpf da obj", CLSACT);
        work.words.extend([object.display().to_string(), "sec".into(), "ingress".into()]);
        work.name.push_str(" drop-arp.o sec ingress");
        work.measures = Measure::ALL;
        Ok(work)
    }

    /// Batches, whose files are written to `dir`.
    fn batches(dir: &Path) -> Result<Vec<Self>, String> {
        let filter = |n| format!("filter add dev v0 ingress pref {n} bpf bytecode '{BYTECODE}'");
        let change = |n| format!("qdisc change dev v0 root pfifo limit {n}");
        let hashed = |n: usize| {
            let (bucket, rest) = (n % 256, n / 256);
            let address = format!("10.{}.{}.{bucket}", rest / 256, rest % 256);
            let matches = format!("match ip src {address}/32 match ip protocol 6 0xff");
            let words = format!("u32 ht 1:{bucket:x}: {matches} flowid 1:{:x}", n % 4096 + 1);
            format!("filter add dev v0 ingress protocol ip pref 1 {words}")
        };
        let class =
            |n| format!("class add dev v0 parent 1: classid 1:{n:x} htb rate 1mbit ceil 10mbit");
        let mut all = Vec::new();
        for (lines, what, setup, line) in [
            (2_000, "filter add ... bpf bytecode", CLSACT, &filter as &dyn Fn(usize) -> String),
            (2_000, "qdisc change ... pfifo", PFIFO, &change),
            // The kernel's own lists grow with the filters, and would be all that is measured.
            (20_000, "qdisc change ... pfifo", PFIFO, &change),
            (2_000, "filter add ... u32", HASHED, &hashed),
            (20_000, "filter add ... u32", HASHED, &hashed),
            (2_000, "class add ... htb", HTB, &class),
        ] {
            let file = dir.join(format!("{}-{lines}", what.replace(' ', "-")));
            let text: String = (1..=lines).fold(String::new(), |text, n| text + &line(n) + "\n");
            fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
            for force in [false, true] {
                let mut work = Self::new("-batch", setup)
                    .reach(Measure::SystemCalls, if force { 1.1 } else { 2.0 });
                work.words.push(file.display().to_string());
                if force {
                    work.words.insert(0, "-force".to_owned());
                }
                if setup == PFIFO || setup == HASHED {
                    // In the kernel these cost least, so what is left is the command's own.
                    work = work.reach(Measure::TimeUs, 7.0);
                }
                let flags = if force { "-force -batch" } else { "-batch" };
                work.name = format!("{flags}, {} lines of {what}", grouped(lines as f64));
                work.lines = lines;
                work.measures = match lines {
                    2_000 => Measure::ALL,
                    _ => &[Measure::TimeUs, Measure::PeakKib],
                };
                all.push(work);
            }
        }
        Ok(all)
    }

    /// A long list, whose entries a batch makes that is written to `dir`.
    fn list(dir: &Path) -> Result<Self, String> {
        const CLASSES: usize = 10_000;
        let file = dir.join("classes");
        let line = |n: usize| {
            let rates = format!("rate {}mbit ceil 100mbit", n % 9 + 1);
            format!("class add dev v0 parent 1: classid 1:{n:x} htb {rates}\n")
        };
        let text: String = (1..=CLASSES).map(line).collect();
        fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut work =
            Self::new("class show dev v0", HTB).reach(Measure::Instructions, 25_000_000.0);
        work.setup.push(format!("-batch {}", file.display()));
        work.name = format!("class show dev v0, {} classes of htb", grouped(CLASSES as f64));
        work.measures = Measure::ALL;
        Ok(work)
    }
}

/// A line of the table.
struct Row {
    work: String,
    measure: String,
    tc: f64,
    rtc: f64,
    reach: Option<f64>,
}

/// How instructions are counted.
#[derive(Clone, Copy)]
enum Counter {
    Perf,
    Callgrind,
}

/// The benchmark, inside its namespaces.
struct Bench {
    tc: PathBuf,
    rtc: PathBuf,
    runs: usize,
    filters: Vec<String>,
    counter: Counter,
    dir: Scratch,
    rows: Vec<Row>,
    /// What rtc needed without other interfaces.
    alone: BTreeMap<(String, Measure), f64>,
}

impl Bench {
    fn new(options: Options) -> Result<Self, String> {
        let missing = || "the inner process lacks a path".to_owned();
        let mut bench = Self {
            tc: options.tc.ok_or_else(missing)?,
            rtc: options.rtc.ok_or_else(missing)?,
            runs: options.runs,
            filters: options.filters,
            counter: Counter::Callgrind,
            dir: Scratch::new()?,
            rows: Vec::new(),
            alone: BTreeMap::new(),
        };
        let mut needed = vec![("ip", "iproute2"), ("strace", "strace"), ("time", "time")];
        if bench.count_by_perf(&Command::new("true")).is_ok() {
            bench.counter = Counter::Perf;
        } else {
            needed.push(("valgrind", "valgrind"));
        }
        vm::need(&needed)?;
        Ok(bench)
    }

    fn run(mut self) -> Result<(), String> {
        checked(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        checked(Command::new("ip").args("link add v0 type veth peer name v1".split(' ')))?;
        for work in Work::one_shots() {
            self.work(&work)?;
        }
        self.work(&Work::load()?)?;
        for work in Work::batches(&self.dir.0)? {
            self.work(&work)?;
        }
        self.work(&Work::list(&self.dir.0)?)?;
        self.binaries()?;
        self.crowd()?;
        for mut work in Work::one_shots() {
            for measure in work.measures {
                let flat = self.alone.get(&(work.name.clone(), *measure));
                // Other interfaces may cost a hash table a longer chain, and no more.
                work.reach =
                    flat.map(|n| (*measure, n * 1.02)).into_iter().chain(work.reach).collect();
            }
            let _ = write!(work.name, ", beside {} interfaces", grouped(2.0 * CROWD_PAIRS as f64));
            self.work(&work)?;
        }
        self.print()
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|f| name.contains(f.as_str()))
    }

    /// Adds many interfaces to the namespace.
    fn crowd(&self) -> Result<(), String> {
        let file = self.dir.0.join("crowd");
        let text: String = (0..CROWD_PAIRS).fold(String::new(), |text, n| {
            text + &format!("link add a{n} type veth peer name b{n}\n")
        });
        fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        checked(Command::new("ip").arg("-batch").arg(file))
    }

    fn work(&mut self, work: &Work) -> Result<(), String> {
        if !self.is_wanted(&work.name) {
            return Ok(());
        }
        for measure in work.measures {
            let (mut tc, mut rtc) = self.both(work, *measure)?;
            let per_line = measure.is_per_line() && work.lines > 1;
            if per_line {
                let start_up = self.both(&work.without_lines(), *measure)?;
                tc = (tc - start_up.0) / work.lines as f64;
                rtc = (rtc - start_up.1) / work.lines as f64;
            }
            let name = measure.name();
            self.alone.insert((work.name.clone(), *measure), rtc);
            self.rows.push(Row {
                work: work.name.clone(),
                measure: if per_line { format!("{name} a line") } else { name.to_owned() },
                tc,
                rtc,
                reach: work.reach.iter().find(|(m, _)| m == measure).map(|(_, most)| *most),
            });
        }
        Ok(())
    }

    /// What tc and rtc need.
    fn both(&self, work: &Work, measure: Measure) -> Result<(f64, f64), String> {
        // Taking turns, both meet the same disturbances.
        let runs = if measure == Measure::TimeUs { self.runs } else { 1 };
        let (mut tc, mut rtc) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..runs {
            tc = tc.min(self.one(&self.tc, work, measure)?);
            rtc = rtc.min(self.one(&self.rtc, work, measure)?);
        }
        Ok((tc, rtc))
    }

    fn one(&self, tool: &Path, work: &Work, measure: Measure) -> Result<f64, String> {
        self.reset(&work.setup)?;
        let mut command = Command::new(tool);
        command.args(&work.words);
        match (measure, self.counter) {
            (Measure::Instructions, Counter::Perf) => self.count_by_perf(&command),
            (Measure::Instructions, Counter::Callgrind) => self.count_by_callgrind(&command),
            (Measure::SystemCalls, _) => self.count_system_calls(&command),
            (Measure::PeakKib, _) => {
                let report = self.under(&["time", "-f", "%M", "-o"], &command)?;
                number(report.lines().last().unwrap_or_default(), "time")
            }
            _ => {
                let start = Instant::now();
                checked(&mut command)?;
                Ok(start.elapsed().as_secs_f64() * 1e6)
            }
        }
    }

    /// Brings the device to the state to start from.
    fn reset(&self, setup: &[String]) -> Result<(), String> {
        for gone in ["qdisc del dev v0 clsact", "qdisc del dev v0 root"] {
            // There is none, mostly.
            let _ = Command::new(&self.tc)
                .args(gone.split(' '))
                .stderr(Stdio::null())
                .status()
                .map_err(|e| format!("{}: {e}", self.tc.display()))?;
        }
        for line in setup {
            let words = line.split(' ').map(|word| word.replace('_', " "));
            checked(Command::new(&self.tc).args(words))?;
        }
        Ok(())
    }

    fn count_by_perf(&self, command: &Command) -> Result<f64, String> {
        let report =
            self.under(&["perf", "stat", "-x", ",", "-e", "instructions:u", "-o"], command)?;
        let line = report.lines().find(|line| line.contains("instructions")).unwrap_or_default();
        number(line.split(',').next().unwrap_or_default(), "perf")
    }

    fn count_by_callgrind(&self, command: &Command) -> Result<f64, String> {
        let file = self.dir.0.join("report");
        let log = format!("--log-file={}", file.display());
        let report = self.measured(
            &["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", &log],
            command,
            &file,
        )?;
        let count = report.lines().find_map(|line| line.split_once("Collected :"));
        number(count.map_or("", |(_, count)| count), "valgrind")
    }

    fn count_system_calls(&self, command: &Command) -> Result<f64, String> {
        let report = self.under(&["strace", "-f", "-c", "-o"], command)?;
        let total = report.lines().find(|line| line.ends_with(" total")).unwrap_or_default();
        number(total.split_whitespace().nth(3).unwrap_or_default(), "strace")
    }

    /// Runs `command` under a tool whose last option takes the file for its report.
    fn under(&self, tool: &[&str], command: &Command) -> Result<String, String> {
        let file = self.dir.0.join("report");
        let mut words = tool.to_vec();
        let name = file.display().to_string();
        words.push(&name);
        self.measured(&words, command, &file)
    }

    fn measured(&self, tool: &[&str], command: &Command, file: &Path) -> Result<String, String> {
        let (program, options) = tool.split_first().ok_or("no tool")?;
        checked(
            Command::new(program)
                .args(options)
                .arg(command.get_program())
                .args(command.get_args())
                .current_dir(&self.dir.0),
        )?;
        fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
    }

    fn binaries(&mut self) -> Result<(), String> {
        let name = "the program";
        if !self.is_wanted(name) {
            return Ok(());
        }
        let show = Work::new("qdisc show dev lo", EMPTY);
        let (tc, rtc) = self.both(&show, Measure::PeakKib)?;
        let mut row = |measure: Measure, tc, rtc, reach| {
            let measure = measure.name().to_owned();
            self.rows.push(Row { work: name.to_owned(), measure, tc, rtc, reach });
        };
        row(Measure::PeakKib, tc, rtc, None);
        row(Measure::Libraries, libraries(&self.tc)?, libraries(&self.rtc)?, Some(0.0));
        row(Measure::SizeKib, size(&self.tc)?, size(&self.rtc)?, None);
        Ok(())
    }

    fn print(&self) -> Result<(), String> {
        let mut text = String::new();
        let how = match self.counter {
            Counter::Perf => "perf (instructions:u)",
            Counter::Callgrind => "valgrind --tool=callgrind",
        };
        let _ = writeln!(
            text,
            "tc: {}; kernel {}. Instructions in user mode by {how}, system calls by strace -f; \
             times are the shortest of {}; a line's share is without start-up.\n",
            version(&self.tc)?,
            fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
            self.runs,
        );
        text.push_str("| work | measure | tc | rtc | tc / rtc | to reach |\n");
        text.push_str("|---|---|--:|--:|--:|--:|\n");
        let mut last = "";
        for row in &self.rows {
            let work = if last == row.work { String::new() } else { format!("`{}`", row.work) };
            last = &row.work;
            let ratio = match row.rtc > 0.0 {
                true => format!("{:.1}", row.tc / row.rtc),
                false => "-".to_owned(),
            };
            let (tc, rtc) = (grouped(row.tc), grouped(row.rtc));
            let reach = match row.reach {
                // Judged as printed: reading the file takes a system call for hundreds of lines.
                Some(most) if row.rtc > most && rtc != grouped(most) => {
                    format!("{}, missed", grouped(most))
                }
                Some(most) => grouped(most),
                None => String::new(),
            };
            let _ =
                writeln!(text, "| {work} | {} | {tc} | {rtc} | {ratio} | {reach} |", row.measure);
        }
        say(&text)
    }
}

/// A directory that is removed with its contents.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("rtc-bench-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A number with its thousands apart; two decimals where they matter.
fn grouped(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        let text = format!("{number:.2}");
        return text.strip_suffix(".00").map_or(text.clone(), str::to_owned);
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn number(text: &str, tool: &str) -> Result<f64, String> {
    let digits = text.trim().replace(',', "");
    digits.parse().map_err(|_| format!("{tool} reports {text:?} instead of a number"))
}

/// Runs a command that must succeed; its output is of no interest.
fn checked(command: &mut Command) -> Result<(), String> {
    // Even the number of variables in the environment counts, in instructions.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let output = output.map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{said}", output.status))
}

/// The path of a program, found by PATH where it has no slash.
fn located(program: &Path) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = match program.components().count() {
        1 => dirs.map(|dir| dir.join(program)).find(|file| file.is_file()),
        _ => Some(program.to_owned()),
    };
    let found = found.and_then(|file| file.canonicalize().ok());
    found.ok_or_else(|| format!("{} is not there; tc is in iproute2", program.display()))
}

fn version(tool: &Path) -> Result<String, String> {
    let output = Command::new(tool).arg("-V").output();
    let output = output.map_err(|e| format!("{}: {e}", tool.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Number of shared libraries that a program needs, and they in turn.
fn libraries(tool: &Path) -> Result<f64, String> {
    let output = Command::new("ldd").arg(tool).output();
    let output = output.map_err(|e| format!("ldd (package libc-bin): {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter(|line| line.contains("=>")).count() as f64)
}

fn size(tool: &Path) -> Result<f64, String> {
    let file = fs::metadata(tool).map_err(|e| format!("{}: {e}", tool.display()))?;
    Ok(file.len() as f64 / 1024.0)
}

fn say(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| format!("standard output: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_at_a_glance() {
        let numbers = [0.0, 2.0015, 2.023, 44.0, 44.88, 150_083.82, 1_166_687.0];
        let texts = ["0", "2", "2.02", "44", "44.88", "150,084", "1,166,687"];
        assert_eq!(numbers.map(grouped), texts);
    }

    #[test]
    fn a_tool_that_cannot_count_is_told_from_one_that_counts_nothing() {
        assert_eq!(number(" 1,114,521", "valgrind"), Ok(1_114_521.0));
        assert_eq!(number("0", "strace"), Ok(0.0));
        let refused = number("<not supported>", "perf").unwrap_err();
        assert_eq!(refused, "perf reports \"<not supported>\" instead of a number");
    }
}
