//! `cargo xtask vm`: runs the tests against other kernels, in an emulated machine.
//!
//! The machine is Debian's kernel of some suite with all its modules, under qemu without any
//! acceleration, so that it runs wherever the tests run. Its root is a Debian tree that is never
//! written to: the guest sees it through an overlay that ends with it.

mod boot;
mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boot::Machine;
pub(crate) use root::of_packages;

const USAGE: &str = "\
usage: cargo xtask vm [OPTIONS] netns [TEST...]     run tests/netns in the guest
       cargo xtask vm [OPTIONS] tdc DIR [WORDS...]  run the kernel's tc-testing cases in DIR
       cargo xtask vm [OPTIONS] COMMAND...          run any command there, as root

--suite SUITE         Debian suite of kernel and programs: sid (default), trixie, bookworm
--root DIR            a tree made before, instead (or env RTC_VM_ROOT)
--kernel-version V    which of the tree's kernels; default: the newest
--rtc PATH            the command under test; `guest:PATH` is a program of the guest, such as
                      guest:/sbin/tc; default: a release build of rtc
--cpus N, --memory MIB, --timeout SECONDS   default: 2, 2048, 2400
WORDS for tdc: --filter REGEX, --jobs N, --out FILE (results as JSON)";

/// What the command line asks for.
struct Options {
    suite: String,
    root: Option<PathBuf>,
    kernel: Option<String>,
    rtc: Option<String>,
    machine: Machine,
    words: Vec<String>,
}

/// Runs the task; the guest's exit status is its own.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    let options = parse(args)?;
    let root = match options.root.or_else(|| std::env::var_os("RTC_VM_ROOT").map(Into::into)) {
        Some(root) => root,
        None => root::of_suite(&options.suite)?,
    };
    let kernel = match options.kernel {
        Some(kernel) => kernel,
        None => newest_kernel(&root)?,
    };
    let share = Share::new()?;
    let guest_rtc = match options.rtc.as_deref() {
        Some(path) if path.starts_with("guest:") => path.trim_start_matches("guest:").to_owned(),
        Some(path) => share.add("rtc", Path::new(path))?,
        None => share.add("rtc", &build_rtc()?)?,
    };
    let (task, words) = options.words.split_first().ok_or(USAGE)?;
    let mut results = None;
    let script = match task.as_str() {
        "netns" => netns_script(&share, words)?,
        "tdc" => {
            let (script, out) = tdc_script(&share, words)?;
            results = out;
            script
        }
        _ => options.words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" "),
    };
    let script =
        format!("export RTC={} NETNS_REQUIRE=all NETNS_TIMEOUT=600\n{script}\n", quote(&guest_rtc));
    write(&share.dir.join("script"), &script)?;
    let status = options.machine.run(&root, &kernel, &share.dir)?;
    if let Some(out) = results {
        fs::copy(share.dir.join("results.json"), &out)
            .map_err(|e| format!("the guest left no results for {}: {e}", out.display()))?;
    }
    Ok(status)
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        suite: "sid".to_owned(),
        root: None,
        kernel: None,
        rtc: std::env::var("RTC").ok(),
        machine: Machine { cpus: 2, memory_mib: 2048, timeout_s: 2400 },
        words: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with("--") {
            options.words.push(arg.clone());
            options.words.extend(args.cloned());
            return Ok(options);
        }
        let value = args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"))?;
        let number = || value.parse().map_err(|_| format!("{arg}: {value:?} is no number"));
        match arg.as_str() {
            "--suite" => options.suite.clone_from(value),
            "--root" => options.root = Some(value.into()),
            "--kernel-version" => options.kernel = Some(value.clone()),
            "--rtc" => options.rtc = Some(value.clone()),
            "--cpus" => options.machine.cpus = number()?,
            "--memory" => options.machine.memory_mib = number()?,
            "--timeout" => options.machine.timeout_s = number()?.into(),
            _ => return Err(format!("what is {arg}?\n{USAGE}")),
        }
    }
    Err(USAGE.to_owned())
}

/// The test binaries, run one after the other; all run, the status tells whether all passed.
fn netns_script(share: &Share, words: &[String]) -> Result<String, String> {
    let mut parts = vec!["status=0".to_owned()];
    for exe in build_tests()? {
        let name =
            exe.file_name().and_then(|n| n.to_str()).ok_or("a test binary without a name")?;
        let path = share.add(name, &exe)?;
        let words: Vec<String> = words.iter().map(|w| quote(w)).collect();
        let words = words.join(" ");
        parts.push(format!("echo; echo {name}\n{path} {words} || status=1"));
    }
    parts.push("exit $status".to_owned());
    Ok(parts.join("\n"))
}

/// This very program does it: it is static, so it runs in the guest as well.
fn tdc_script(share: &Share, words: &[String]) -> Result<(String, Option<PathBuf>), String> {
    let (suite, words) = words.split_first().ok_or("tdc needs the directory of the cases")?;
    let done = Command::new("cp").arg("-rL").arg(suite).arg(share.dir.join("cases")).status();
    if !done.is_ok_and(|s| s.success()) {
        return Err(format!("cannot copy {suite}"));
    }
    let xtask = share.add("xtask", &std::env::current_exe().map_err(|e| e.to_string())?)?;
    let mut passed_on = Vec::new();
    let mut out = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--out" {
            out = words.next().map(PathBuf::from);
        } else {
            passed_on.push(quote(word));
        }
    }
    let words = passed_on.join(" ");
    let line = format!("{xtask} tdc /share/cases --tc \"$RTC\" --out /share/results.json {words}");
    Ok((line, out))
}

/// The command as it is published: static, so it runs in the guest.
pub(crate) fn build_rtc() -> Result<PathBuf, String> {
    let built = cargo(&["build", "--release", "--package", "rtc", "--bin", "rtc"])?;
    built.into_iter().next().ok_or_else(|| "cargo built no rtc".to_owned())
}

fn build_tests() -> Result<Vec<PathBuf>, String> {
    cargo(&["test", "--no-run", "--package", "netns-tests", "--tests"])
}

/// Runs cargo and returns the executables that it made.
fn cargo(words: &[&str]) -> Result<Vec<PathBuf>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(words)
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !done.status.success() {
        return Err(format!("cargo {} failed", words.join(" ")));
    }
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let messages = said.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    Ok(messages.filter_map(|m| m.get("executable")?.as_str().map(PathBuf::from)).collect())
}

fn newest_kernel(root: &Path) -> Result<String, String> {
    let dir = root.join("lib/modules");
    let entries = fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let versions = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    let by_number = |v: &String| -> Vec<u32> {
        v.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
    };
    let newest = versions.max_by_key(by_number);
    newest.ok_or_else(|| format!("no kernel in {}", root.display()))
}

/// The directory that host and guest share; removed at the end, or by the next run.
struct Share {
    dir: PathBuf,
}

impl Share {
    fn new() -> Result<Share, String> {
        let tmp = std::env::temp_dir();
        for entry in fs::read_dir(&tmp).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|n| n.strip_prefix("rtc-vm-"));
            // Its owner was killed before it could remove it.
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let dir = tmp.join(format!("rtc-vm-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(Share { dir })
    }

    /// Copies a file into it; returns its path in the guest.
    fn add(&self, name: &str, from: &Path) -> Result<String, String> {
        fs::copy(from, self.dir.join(name)).map_err(|e| format!("{}: {e}", from.display()))?;
        Ok(format!("/share/{name}"))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Fails when this is not root, or as [`need`] does.
pub(crate) fn rooted(programs: &[(&str, &str)]) -> Result<(), String> {
    // The directory of a process belongs to its user.
    let uid = fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m));
    if uid.is_ok_and(|uid| uid != 0) {
        return Err("making a Debian tree takes root".to_owned());
    }
    need(programs)
}

/// Fails with the packages of the programs that are missing, and how to install them.
pub(crate) fn need(programs: &[(&str, &str)]) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect();
    let there = |program: &str| dirs.iter().any(|dir| dir.join(program).exists());
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !there(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    Err(format!("missing here: {missing}; apt-get install --no-install-recommends {missing}"))
}
