//! Runs one test in namespaces of its own, by running the test binary again under `unshare`.

use std::env;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount};

use crate::Ns;
use crate::known::Known;

/// Tells the inner process that it is one.
const INSIDE: &str = "NETNS_INSIDE";
/// The inner process's exit status for "skipped", the customary one.
const SKIPPED: i32 = 77;
/// The same, where the kernel is what lacks something.
const KERNEL_LACKS: i32 = 78;
/// The same, where the kernel is from before it had what is tested.
const KERNEL_TOO_OLD: i32 = 79;
/// Begins the line by which the inner process says why it skipped.
const SKIP_MARK: &str = "netns-skip: ";

/// Runs `body` in a network namespace of its own, in a process of its own.
///
/// The closure must stand directly in the `#[test]` function: the test's name is taken from its
/// type. Fails when the body panics, when it takes too long, and when an entry of
/// `known-differences` for this test was of no use.
pub fn isolated<F: FnOnce(&Ns)>(body: F) {
    let test = test_name::<F>();
    if env::var_os(INSIDE).is_some() {
        furnish();
        let ns = Ns::first(Known::of(test));
        body(&ns);
        ns.known().assert_all_used();
        return;
    }
    if let Err(why) = can_unshare() {
        return report_skip(test, &why, SKIPPED);
    }
    let (status, printed) = run_inside(test);
    if let Some(code @ (SKIPPED | KERNEL_LACKS | KERNEL_TOO_OLD)) = status.code() {
        let why = printed.lines().find_map(|l| l.split_once(SKIP_MARK)).map_or("?", |(_, why)| why);
        return report_skip(test, why, code);
    }
    let said = if status.signal().is_some() { "was killed: it took too long" } else { "failed" };
    assert!(status.success(), "{test} {said}; its process printed:\n{printed}");
    assert!(printed.contains("1 passed"), "no test is called {test:?}:\n{printed}");
}

/// Ends the test, inside of [`isolated`], as one that cannot run here for lack of a program or a
/// right, and says why. Fails instead where `NETNS_REQUIRE` is set.
pub fn skip(why: &str) -> ! {
    leave(why, SKIPPED)
}

/// The same, where it is the kernel that lacks something: that fails with `NETNS_REQUIRE=all` only.
pub fn skip_for_kernel(why: &str) -> ! {
    leave(why, KERNEL_LACKS)
}

/// Ends the test, inside of [`isolated`], where Linux is older than `(major, minor)`, which brought
/// `what`. That is never a failure; from that version on, nothing is skipped.
pub fn since_linux((major, minor): (u32, u32), what: &str) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let running = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if running < (major, minor) {
        let why = format!("{what} came with Linux {major}.{minor}, and this is {}", release.trim());
        leave(&why, KERNEL_TOO_OLD);
    }
}

fn leave(why: &str, code: i32) -> ! {
    let _ = writeln!(std::io::stderr(), "{SKIP_MARK}{why}");
    std::process::exit(code)
}

fn report_skip(test: &str, why: &str, code: i32) {
    let required = match env::var("NETNS_REQUIRE").as_deref() {
        Ok("all") => code != KERNEL_TOO_OLD,
        Ok("userland") => code == SKIPPED,
        _ => false,
    };
    assert!(!required, "{test} must not be skipped here (NETNS_REQUIRE), but: {why}");
    // Written past libtest's capture: a skip must be seen. The line is one of its own, whatever
    // libtest has left open.
    let _ = write!(std::io::stderr(), "\nskipped: {test}: {why}\n");
}

/// `crate::module::test::{{closure}}` -> `module::test`, which is libtest's name for it.
fn test_name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let path = path.split("::{{closure}}").next().unwrap_or(path);
    path.split_once("::").map_or(path, |(_, name)| name)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command line that makes the namespaces. `setpriv` has the kernel kill `unshare`, and that
/// the rest, when this process dies first.
fn unshare() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork"]);
    command.args(["--kill-child", "--mount-proc", "--propagation", "private"]);
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.arg("--").stdin(Stdio::null());
    command
}

/// Whether namespaces can be made here at all; asked once per test binary.
fn can_unshare() -> Result<(), String> {
    static ANSWER: Mutex<Option<Result<(), String>>> = Mutex::new(None);
    let mut answer = ANSWER.lock().expect("nobody panics with it");
    let asked = answer.get_or_insert_with(|| {
        let done = unshare().arg("true").output().map_err(|e| format!("setpriv: {e}"))?;
        if done.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(format!("no namespaces to be had here (root can): {why}"))
    });
    asked.clone()
}

/// Runs `test` alone, inside; returns how it ended and what it printed. Kills it when it takes too
/// long.
fn run_inside(test: &str) -> (ExitStatus, String) {
    let exe = env::current_exe().expect("the test binary's own path");
    let mut child = unshare()
        .arg(exe)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setpriv and unshare ran a moment ago");
    let readers = [drain(child.stdout.take()), drain(child.stderr.take())];
    let deadline = Instant::now() + time_limit();
    let status = loop {
        match child.try_wait().expect("waiting for a child of ours") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                break child.wait().expect("waiting for a child of ours");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let printed = readers.map(|r| r.join().unwrap_or_default()).concat();
    (status, printed)
}

fn time_limit() -> Duration {
    let seconds = env::var("NETNS_TIMEOUT").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(120))
}

fn drain(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What every namespace gets: file systems that nobody else sees, no stray IPv6 packets.
fn furnish() {
    let flags = MountFlags::empty();
    mount("run", "/run", "tmpfs", flags, None).expect("a private /run");
    std::fs::create_dir_all("/run/netns").expect("the place of named namespaces");
    mount("sysfs", "/sys", "sysfs", flags, None).expect("a /sys of this namespace");
    // Where loading BPF is not allowed, mounting its file system is not either; the tests ask.
    let _ = mount("bpf", "/sys/fs/bpf", "bpf", flags, None);
    for of in ["all", "default"] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{of}/disable_ipv6"), "1");
    }
}
