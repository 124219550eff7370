//! `cargo xtask compat`: the library builds as others will build it: with any features, with the
//! oldest dependencies that it claims to take, with the oldest Rust that it promises.
//!
//! Output and last line are those of a test runner, so that `scripts/test` can add them up. What
//! cannot be had here (a network, another Rust) is skipped with the reason.

mod bench;
mod features;
mod minimal;
mod msrv;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const USAGE: &str = "\
usage: cargo xtask compat [--msrv-root DIR] [features] [minimal] [bench] [msrv]

features   each crate without features, with each feature alone, with all of them
minimal    all crates with the oldest versions of their dependencies that Cargo.toml allows
bench      what measures the libraries, which is apart from the workspace
msrv       the workspace with the oldest Rust that Cargo.toml promises, from Debian trixie
--msrv-root DIR   a tree with that Rust made before, instead (or env RTC_MSRV_ROOT)
Without words: all.";

/// How a check ended.
enum End {
    Passed,
    Failed,
    /// It cannot be done here, and why.
    Skipped(String),
}

/// Runs the checks; 1 when one failed.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    let mut msrv_root = std::env::var_os("RTC_MSRV_ROOT").map(PathBuf::from);
    let mut words = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--msrv-root" => {
                msrv_root = Some(args.next().ok_or(USAGE)?.into());
            }
            word @ ("features" | "minimal" | "bench" | "msrv") => words.push(word),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let wants = |word| words.is_empty() || words.contains(&word);
    let mut results = Results::default();
    if wants("features") {
        features::run(&mut results)?;
    }
    if wants("minimal") {
        results.add("oldest dependencies", minimal::run()?)?;
    }
    if wants("bench") {
        results.add("the benchmark of the libraries", bench::run()?)?;
    }
    if wants("msrv") {
        let (what, end) = msrv::run(msrv_root)?;
        results.add(&what, end)?;
    }
    results.finish()
}

/// The results so far, shown as they come.
#[derive(Default)]
struct Results {
    passed: usize,
    failed: usize,
}

impl Results {
    fn add(&mut self, what: &str, end: End) -> Result<(), String> {
        match end {
            End::Passed => {
                self.passed += 1;
                say(&format!("test {what} ... ok"))
            }
            End::Failed => {
                self.failed += 1;
                say(&format!("test {what} ... FAILED"))
            }
            // Counted as the test runner counts tests that skip themselves.
            End::Skipped(why) => {
                self.passed += 1;
                say(&format!("skipped: {what}: {why}"))
            }
        }
    }

    fn finish(self) -> Result<u8, String> {
        let Self { passed, failed } = self;
        let word = if failed == 0 { "ok" } else { "FAILED" };
        say(&format!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored"))?;
        Ok(u8::from(failed > 0))
    }
}

fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| e.to_string())
}

/// The top directory of the workspace.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cargo that runs this.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What cargo knows of the workspace at `dir`.
fn metadata(dir: &Path, words: &[&str]) -> Result<Value, String> {
    let done = cargo()
        .current_dir(dir)
        .args(["metadata", "--format-version", "1"])
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !done.status.success() {
        return Err("cargo metadata failed".to_owned());
    }
    serde_json::from_slice(&done.stdout).map_err(|e| format!("cargo metadata: {e}"))
}

/// The crates that are published: those below `crates/`.
fn published(metadata: &Value) -> Vec<&Value> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let of_ours = |p: &&Value| {
        p.get("source").is_some_and(Value::is_null)
            && p.get("manifest_path")
                .and_then(Value::as_str)
                .is_some_and(|path| path.contains("/crates/"))
    };
    packages.into_iter().flatten().filter(of_ours).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Where what is built here goes.
fn target(metadata: &Value) -> PathBuf {
    Path::new(text(metadata, "target_directory")).join("compat")
}

/// Whether cargo says that it found no way to crates.io.
fn cannot_reach(why: &str) -> bool {
    ["resolve host", "download of config.json failed", "--offline"].iter().any(|w| why.contains(w))
}

/// Runs a check of cargo's, which fails on warnings of ours as well.
fn check(dir: &Path, target: &Path, words: &[&str]) -> Result<End, String> {
    let done = cargo()
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", target)
        .args(["check", "--quiet", "--message-format=json"])
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    let mut passed = done.status.success();
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else { continue };
        let Some(message) = said.get("message") else { continue };
        if matches!(text(message, "level"), "warning" | "error") {
            passed = false;
            say(text(message, "rendered"))?;
        }
    }
    Ok(if passed { End::Passed } else { End::Failed })
}

/// Copies what git knows or would add, so that changes to it stay out of the tree. Files that are
/// the same already are left alone, so that little is built again.
fn copy_of_tree(to: &Path) -> Result<(), String> {
    let from = top();
    let listed = Command::new("git")
        .arg("-C")
        .arg(&from)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|e| format!("git: {e}"))?;
    let mut names: Vec<String> = String::from_utf8_lossy(&listed.stdout)
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if !listed.status.success() || names.is_empty() {
        return Err("git does not know the files of this tree".to_owned());
    }
    names.retain(|name| from.join(name).exists());
    // What is gone from the tree must not stay behind.
    let old = to.join("src");
    if old.exists() {
        prune(&old, "", &names)?;
    }
    for name in names {
        let (from, to) = (from.join(&name), old.join(&name));
        let bytes = fs::read(&from).map_err(|e| format!("{name}: {e}"))?;
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        // With its mode: some of it is run.
        fs::copy(&from, &to).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(())
}

fn prune(dir: &Path, prefix: &str, names: &[String]) -> Result<(), String> {
    let said = |e: std::io::Error| format!("{}: {e}", dir.display());
    for entry in fs::read_dir(dir).map_err(said)? {
        let entry = entry.map_err(said)?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(said)?.is_dir() {
            prune(&entry.path(), &format!("{path}/"), names)?;
        } else if !names.contains(&path) {
            fs::remove_file(entry.path()).map_err(said)?;
        }
    }
    Ok(())
}
