//! `cargo xtask vm`: runs the tests against other kernels, in an emulated machine.
//!
//! The machine is Debian's kernel of some suite with all its modules, under qemu without any
//! acceleration, so that it runs wherever the tests run. Its root is a Debian tree that is never
//! written to: the guest sees it through an overlay that ends with it.

mod boot;
mod root;
mod scripts;
mod share;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boot::Machine;
pub(crate) use root::of_packages;
use scripts::{Results, Script};
use share::Share;

const USAGE: &str = "\
usage: cargo xtask vm [OPTIONS] netns [TEST...]     run tests/netns in the guest
       cargo xtask vm [OPTIONS] tdc DIR [WORDS...]  run the kernel's tc-testing cases in DIR, with the
                                                    guest's tc and with rtc, and compare
       cargo xtask vm [OPTIONS] golden [WORDS...]   record goldens there (cargo xtask golden --help)
       cargo xtask vm [OPTIONS] COMMAND...          run any command there, as root

--suite SUITE         Debian suite of kernel and programs: sid (default), trixie, bookworm
--root DIR            a tree made before, instead (or env RTC_VM_ROOT)
--tc-root DIR          another tree, whose tc is the original to compare with
--kernel-version V    which of the tree's kernels; default: the newest
--rtc PATH            the command under test; `guest:PATH` is a program of the guest, such as
                      guest:/sbin/tc; default: a release build of rtc
--cpus N, --memory MIB, --timeout SECONDS   default: 2, 2048, 2400
WORDS for tdc: --filter REGEX, --jobs N, --out FILE (results as JSON)";

/// What the command line asks for.
struct Options {
    suite: String,
    root: Option<PathBuf>,
    tc_root: Option<PathBuf>,
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
    let (task, words) = options.words.split_first().ok_or(USAGE)?;
    // What runs often in the guest is copied there: the shared directory is slow.
    let mut prepare = vec!["mkdir -p /opt".to_owned()];
    let rtc = match options.rtc.as_deref() {
        Some(path) if path.starts_with("guest:") => path.trim_start_matches("guest:").to_owned(),
        // Recording goldens is the original's business.
        None if task == "golden" => String::new(),
        path => {
            let built = path.map_or_else(build_rtc, |path| Ok(PathBuf::from(path)))?;
            prepare
                .push(format!("cp {} /opt/rtc && chmod 755 /opt/rtc", share.add("rtc", &built)?));
            "/opt/rtc".to_owned()
        }
    };
    let tc = match &options.tc_root {
        Some(root) => {
            prepare.push(share.add_tc(root)?);
            "/opt/original/tc"
        }
        None => "/sbin/tc",
    };
    let script = match task.as_str() {
        "netns" => scripts::netns(&share, words)?,
        "tdc" => scripts::tdc(&share, words)?,
        "golden" => scripts::golden(&share, words)?,
        _ => {
            let words: Vec<String> = options.words.iter().map(|w| quote(w)).collect();
            Script { text: words.join(" "), results: Results::Nothing }
        }
    };
    let text = format!(
        "export RTC={} TC={tc} NETNS_REQUIRE=all NETNS_TIMEOUT=600\n{}\n{}\n",
        quote(&rtc),
        prepare.join("\n"),
        script.text
    );
    write(&share.dir.join("script"), &text)?;
    let ended = options.machine.run(&root, &kernel, &share.dir);
    let fetched = script.results.fetch(&share);
    let status = ended?;
    fetched.map(|()| status)
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        suite: "sid".to_owned(),
        root: None,
        tc_root: None,
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
            "--tc-root" => options.tc_root = Some(value.into()),
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
