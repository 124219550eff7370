//! `cargo xtask tdc`: runs cases of the kernel's traffic-control suite (`tc-testing`) with any tc.
//!
//! The suite is the kernel's and stays there: say where its JSON files are. Every case runs in
//! namespaces of its own; one whose set-up fails stops nothing. Meant to run as root in a machine
//! made for it: `cargo xtask vm tdc DIR`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex_lite::Regex;
use serde_json::{Value, json};

const USAGE: &str = "\
usage: cargo xtask tdc DIR --tc PATH [--filter REGEX] [--jobs N] [--out FILE] [--list]
DIR holds JSON files of cases; REGEX looks at \"FILE ID NAME\"; --out gets the results as JSON.
Prints a line per case: pass, fail, nosetup or skip. Fails when a case fails.";

/// Seconds that one command of a case may take; emulated machines are slow.
const COMMAND_LIMIT_S: u32 = 60;

struct Options {
    dir: PathBuf,
    tc: String,
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
    let cases = cases(&options)?;
    if options.list {
        for case in &cases {
            say(&case.title());
        }
        return Ok(0);
    }
    if let Some((nth, of)) = options.worker {
        let runner = Runner::new(&options.tc)?;
        for case in cases.iter().skip(nth).step_by(of) {
            let result = runner.run(case);
            say(&format!("{} {}", Verdict::MARK, result));
        }
        return Ok(0);
    }
    if cases.is_empty() {
        return Err("no case fits the filter".to_owned());
    }
    let results = spread(&options, args)?;
    report(&options, &cases, results)
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut dir = None;
    let mut tc = std::env::var("RTC").ok();
    let mut filter = String::new();
    let (mut jobs, mut out, mut list, mut worker) = (2, None, false, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--tc" => tc = Some(value()?.clone()),
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
    Ok(Options { dir: dir.ok_or(USAGE)?, tc, filter, jobs, out, list, worker })
}

/// A case as the suite has it.
struct Case {
    file: String,
    json: Value,
}

impl Case {
    fn text(&self, key: &str) -> &str {
        self.json.get(key).and_then(Value::as_str).unwrap_or("")
    }

    /// A value that the suite writes now as a number, now as text.
    fn number(&self, key: &str) -> Option<i64> {
        let value = self.json.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    fn list(&self, key: &str) -> &[Value] {
        self.json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn title(&self) -> String {
        format!("{} {} {}", self.file, self.text("id"), self.text("name"))
    }
}

/// All cases under the directory that fit the filter, in a fixed order.
fn cases(options: &Options) -> Result<Vec<Case>, String> {
    let mut files = Vec::new();
    collect(&options.dir, &mut files)?;
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let file = path.strip_prefix(&options.dir).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| format!("{file}: {e}"))?;
        let Value::Array(items) = json else { continue };
        cases.extend(items.into_iter().map(|json| Case { file: file.clone(), json }));
    }
    cases.retain(|c| options.filter.is_match(&c.title()));
    Ok(cases)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|x| x == "json") {
            files.push(path);
        }
    }
    Ok(())
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
            let Some(json) = line.strip_prefix(Verdict::MARK) else { continue };
            let Ok(result) = serde_json::from_str::<Value>(json) else { continue };
            let get = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or("");
            let why =
                if get("why").is_empty() { String::new() } else { format!(": {}", get("why")) };
            say(&format!("{:8}{} {} {}{why}", get("verdict"), get("file"), get("id"), get("name")));
            results.push(result);
        }
    }
    let _ = worker.wait();
    results
}

/// Writes the results and the sums.
fn report(options: &Options, cases: &[Case], mut results: Vec<Value>) -> Result<u8, String> {
    let key = |r: &Value| (r.get("file").map(Value::to_string), r.get("id").map(Value::to_string));
    results.sort_by_key(key);
    let mut sums: BTreeMap<&str, usize> =
        ["pass", "fail", "nosetup", "skip"].map(|v| (v, 0)).into();
    for result in &results {
        if let Some(verdict) = result.get("verdict").and_then(Value::as_str) {
            *sums.entry(verdict).or_default() += 1;
        }
    }
    if let Some(out) = &options.out {
        let text = serde_json::to_string_pretty(&results).map_err(|e| e.to_string())?;
        fs::write(out, text).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    let count = |verdict: &str| sums.get(verdict).copied().unwrap_or(0);
    let lost = cases.len() - results.len().min(cases.len());
    say(&format!(
        "\n{} passed, {} failed, {} skipped",
        count("pass"),
        count("fail") + lost,
        count("nosetup") + count("skip")
    ));
    if lost > 0 {
        return Err(format!("{lost} cases left no verdict: a worker ended early"));
    }
    Ok(u8::from(count("fail") > 0))
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What became of a case.
enum Verdict {
    Pass,
    Fail(String),
    NoSetup(String),
    Skip(String),
}

impl Verdict {
    /// Begins a worker's line with a result.
    const MARK: &'static str = "result";
}

/// A finished command.
struct Done {
    status: i64,
    stdout: String,
    stderr: String,
}

impl Done {
    /// What the suite looks at: standard error stands in for the output of a failed command.
    fn output(&self) -> &str {
        if self.status != 0 && !self.stderr.is_empty() { &self.stderr } else { &self.stdout }
    }

    /// The end of what it said, for a message.
    fn tail(&self) -> String {
        let text = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        let text = text.trim().replace('\n', " | ");
        let skipped = text.chars().count().saturating_sub(300);
        text.chars().skip(skipped).collect()
    }
}

/// Runs cases one after the other, in this process's namespaces.
struct Runner {
    tc: String,
    /// Working directory, and the place of batch files.
    dir: PathBuf,
}

impl Runner {
    fn new(tc: &str) -> Result<Runner, String> {
        let dir = std::env::temp_dir().join("tdc");
        let runner = Runner { tc: tc.to_owned(), dir };
        let prepare = "mount -t tmpfs run /run && mkdir -p /run/netns && mount -t tmpfs tmp \"$0\" && \
                       ip link set lo up";
        fs::create_dir_all(&runner.dir).map_err(|e| e.to_string())?;
        let done = Command::new("sh").args(["-c", prepare]).arg(&runner.dir).status();
        if done.is_ok_and(|s| s.success()) {
            Ok(runner)
        } else {
            Err("cannot prepare a worker".to_owned())
        }
    }

    /// Runs the case; the result as JSON.
    fn run(&self, case: &Case) -> Value {
        let names = self.names(case.text("id"));
        let mut log = Vec::new();
        let verdict = self.verdict(case, &names, &mut log);
        let (verdict, why) = match verdict {
            Verdict::Pass => ("pass", String::new()),
            Verdict::Fail(why) => ("fail", why),
            Verdict::NoSetup(why) => ("nosetup", why),
            Verdict::Skip(why) => ("skip", why),
        };
        json!({
            "file": case.file, "id": case.text("id"), "name": case.text("name"),
            "verdict": verdict, "why": why, "log": log,
        })
    }

    /// The words that the suite's commands use.
    fn names(&self, id: &str) -> BTreeMap<&'static str, String> {
        let dir = self.dir.display();
        BTreeMap::from([
            ("TC", self.tc.clone()),
            ("IP", "/sbin/ip".to_owned()),
            ("ETHTOOL", "/usr/sbin/ethtool".to_owned()),
            ("DEV0", format!("v0p0id{id}")),
            ("DEV1", format!("v0p1id{id}")),
            ("DEV2", String::new()),
            ("DUMMY", format!("dummy1id{id}")),
            ("IFB", format!("ifbtdc0id{id}")),
            ("ETH", "eth0".to_owned()),
            ("BATCH_FILE", format!("{dir}/batch.txt")),
            ("BATCH_DIR", format!("{dir}/batches")),
            ("NS", format!("tcut-{id}")),
            ("EBPFDIR", format!("{dir}/")),
            ("TESTID", id.to_owned()),
        ])
    }

    fn verdict(
        &self,
        case: &Case,
        names: &BTreeMap<&str, String>,
        log: &mut Vec<Value>,
    ) -> Verdict {
        if case.text("skip") == "yes" {
            return Verdict::Skip("marked so".to_owned());
        }
        if case.json.get("scapy").is_some() {
            return Verdict::Skip("needs scapy".to_owned());
        }
        let needs = case.text("dependsOn");
        if !needs.is_empty() && self.shell(&filled(needs, names)).status != 0 {
            return Verdict::Skip(format!("needs {needs}"));
        }
        let in_ns = case.json.get("plugins").is_some_and(|p| p.to_string().contains("nsPlugin"));
        let prefix = if in_ns { "ip netns exec $NS " } else { "" };
        let command = |text: &str| filled(&format!("{prefix}{text}"), names);
        if in_ns {
            self.shell(&filled(DEVICES, names));
        }
        let verdict = self.steps(case, &command, log);
        for step in case.list("teardown") {
            let (text, _) = step_of(step);
            if !text.trim().is_empty() {
                self.shell(&command(text));
            }
        }
        if in_ns {
            self.shell(&filled("ip netns del $NS; ip link del $DEV0", names));
        }
        verdict
    }

    /// Set-up, the command under test, and the look at what it did.
    fn steps(
        &self,
        case: &Case,
        command: &dyn Fn(&str) -> String,
        log: &mut Vec<Value>,
    ) -> Verdict {
        let mut step = |text: &str| {
            let line = command(text);
            let done = self.shell(&line);
            log.push(json!([line, done.status, done.stdout, done.stderr]));
            done
        };
        for setup in case.list("setup") {
            let (text, allowed) = step_of(setup);
            if text.trim().is_empty() {
                continue;
            }
            let done = step(text);
            if !allowed.contains(&done.status) {
                return Verdict::NoSetup(format!(
                    "{text}: status {}: {}",
                    done.status,
                    done.tail()
                ));
            }
        }
        let done = step(case.text("cmdUnderTest"));
        let expected = case.number("expExitCode").unwrap_or(0);
        if done.status != expected {
            return Verdict::Fail(format!(
                "status {}, expected {expected}: {}",
                done.status,
                done.tail()
            ));
        }
        if case.text("verifyCmd").trim().is_empty() {
            return Verdict::Pass;
        }
        let done = step(case.text("verifyCmd"));
        judge(case, done.output())
    }

    fn shell(&self, line: &str) -> Done {
        let limit = COMMAND_LIMIT_S.to_string();
        let done = Command::new("timeout")
            .args(["-k", "1", &limit, "/bin/sh", "-c", line])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .output();
        match done {
            Ok(done) => Done {
                status: i64::from(done.status.code().unwrap_or(255)),
                stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
            },
            Err(e) => Done { status: 255, stdout: String::new(), stderr: e.to_string() },
        }
    }
}

/// The devices that a case in a namespace finds there.
const DEVICES: &str = "ip netns add $NS; ip link add $DEV1 type veth peer name $DEV0; \
    ip link set $DEV1 netns $NS; ip -n $NS link add $DUMMY type dummy; ip -n $NS link add $IFB type ifb; \
    for dev in $DEV1 $DUMMY $IFB; do ip -n $NS link set $dev up; done; ip link set $DEV0 up";

/// A step is a command, or a list of a command and the statuses that are right.
fn step_of(step: &Value) -> (&str, Vec<i64>) {
    match step {
        Value::Array(items) => {
            let text = items.first().and_then(Value::as_str).unwrap_or("");
            (text, items.iter().skip(1).filter_map(Value::as_i64).collect())
        }
        other => (other.as_str().unwrap_or(""), vec![0]),
    }
}

/// Puts the names in for `$NAME` and `${NAME}`; leaves the rest to the shell.
fn filled(text: &str, names: &BTreeMap<&str, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{');
        let body = braced.unwrap_or(after);
        let len = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let (name, tail) = body.split_at(len);
        let closed = if braced.is_some() { tail.strip_prefix('}') } else { Some(tail) };
        if let (Some(value), Some(tail)) = (names.get(name), closed) {
            out.push_str(value);
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out + rest
}

/// Whether the output of the verifying command is what the case wants.
fn judge(case: &Case, output: &str) -> Verdict {
    let wanted = case.number("matchCount").unwrap_or(0);
    if let Some(part) = case.json.get("matchJSON").filter(|_| !output.is_empty()) {
        return match serde_json::from_str::<Value>(output) {
            Ok(whole) if contains(&whole, part) => Verdict::Pass,
            Ok(_) => Verdict::Fail("the JSON lacks what is expected".to_owned()),
            Err(e) => Verdict::Fail(format!("no JSON: {e}")),
        };
    }
    if output.is_empty() {
        return if wanted == 0 {
            Verdict::Pass
        } else {
            Verdict::Fail("the verifying command printed nothing".to_owned())
        };
    }
    let pattern = case.text("matchPattern");
    match Regex::new(&format!("(?sm){pattern}")) {
        Ok(pattern) => {
            let found = pattern.find_iter(output).count() as i64;
            if found == wanted {
                Verdict::Pass
            } else {
                Verdict::Fail(format!("the pattern fits {found} times, expected {wanted}"))
            }
        }
        Err(e) => Verdict::Skip(format!("pattern: {e}")),
    }
}

/// Whether `part` is in `whole`: of lists the first elements count, of objects the keys named.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Array(whole), Value::Array(part)) => {
            part.len() <= whole.len() && whole.iter().zip(part).all(|(w, p)| contains(w, p))
        }
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, p)| whole.get(key).is_some_and(|w| contains(w, p)))
        }
        _ => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeMap<&'static str, String> {
        BTreeMap::from([("TC", "/sbin/tc".to_owned()), ("DEV1", "v0".to_owned())])
    }

    #[test]
    fn known_names_are_filled_in_and_others_stay() {
        assert_eq!(filled("$TC qdisc add dev $DEV1", &names()), "/sbin/tc qdisc add dev v0");
        assert_eq!(filled("${DEV1}x $DEV10 $(seq 3) $i", &names()), "v0x $DEV10 $(seq 3) $i");
    }

    #[test]
    fn a_step_lists_the_statuses_that_are_right() {
        assert_eq!(step_of(&json!(["tc x", 0, 1, 255])), ("tc x", vec![0, 1, 255]));
        assert_eq!(step_of(&json!("tc x")), ("tc x", vec![0]));
    }

    #[test]
    fn json_is_matched_as_a_part() {
        let whole = json!([{"kind": "pfifo", "options": {"limit": 3}}, {"kind": "mq"}]);
        assert!(contains(&whole, &json!([{"options": {"limit": 3}}])));
        assert!(!contains(&whole, &json!([{"options": {"limit": 4}}])));
        assert!(!contains(&whole, &json!([{"kind": "mq"}])));
    }

    #[test]
    fn patterns_count_and_silence_is_no_match() {
        let case = |count: &str| Case {
            file: String::new(),
            json: json!({"matchPattern": "^qdisc .*fifo", "matchCount": count}),
        };
        assert!(matches!(judge(&case("1"), "x\nqdisc pfifo 1:"), Verdict::Pass));
        assert!(matches!(judge(&case("2"), "x\nqdisc pfifo 1:"), Verdict::Fail(_)));
        assert!(matches!(judge(&case("0"), ""), Verdict::Pass));
        assert!(matches!(judge(&case("1"), ""), Verdict::Fail(_)));
    }
}
