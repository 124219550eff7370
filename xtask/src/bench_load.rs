//! `cargo xtask bench load`: the time to load a small and a large BPF program, rtc beside bpftool, whose loader is
//! libbpf, taking turns in the same run.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::vm;

/// Instructions of the large program.
const LARGE: usize = 100_000;
const PIN: &str = "/sys/fs/bpf/bench";

/// Times `runs` loads of each program by each tool, and prints the shortest and their ratio. `rtc` is a release build.
pub(crate) fn run(rtc: &Path, runs: usize, inside: bool) -> Result<u8, String> {
    if !inside {
        let own = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
        let status = Command::new("unshare")
            .args(["--mount", "--net", "--"])
            .arg(own)
            .args(["bench", "load", "--inside", "--runs", &runs.to_string(), "--rtc"])
            .arg(rtc)
            .status()
            .map_err(|e| format!("unshare (package util-linux): {e}"))?;
        return Ok(u8::from(!status.success()));
    }
    vm::need(&[("ip", "iproute2"), ("bpftool", "bpftool"), ("clang", "clang")])?;
    let dir = std::env::temp_dir().join(format!("rtc-bench-load-{}", std::process::id()));
    fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let result = table(rtc, runs, &dir);
    // What cannot be removed stays in the directory for such things.
    _ = fs::remove_dir_all(&dir);
    let (text, slower) = result?;
    write!(std::io::stdout(), "{text}").map_err(|e| e.to_string())?;
    Ok(u8::from(slower))
}

/// The table, and whether rtc was slower anywhere.
fn table(rtc: &Path, runs: usize, dir: &Path) -> Result<(String, bool), String> {
    quietly(Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]))?;
    quietly(Command::new("ip").args("link add eth0 type veth peer name eth1".split(' ')))?;
    quietly(Command::new(rtc).args("qdisc add dev eth0 clsact".split(' ')))?;
    let mut text =
        "| program | instructions | bpftool, us | rtc, us | ratio |\n|---|---|---|---|---|\n"
            .to_owned();
    let mut slower = false;
    for (name, count) in [("small", 2), ("large", LARGE)] {
        let file = object(dir, name, count)?;
        let (mut libbpf, mut ours) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..runs {
            let load = ["prog", "load"].map(Into::into);
            let [prog, verb]: [PathBuf; 2] = load;
            let mut bpftool = Command::new("bpftool");
            bpftool.args([&prog, &verb, &file, &PIN.into()]).args(["type", "classifier"]);
            libbpf = libbpf.min(timed(&mut bpftool)?);
            fs::remove_file(PIN).map_err(|e| format!("{PIN}: {e}"))?;
            let mut add = Command::new(rtc);
            add.args("filter add dev eth0 ingress bpf da object-file".split(' ')).arg(&file);
            ours = ours.min(timed(add.args(["section", "tc"]))?);
            quietly(Command::new(rtc).args("filter del dev eth0 ingress".split(' ')))?;
        }
        let ratio = ours / libbpf;
        slower |= ratio > 1.0;
        _ = writeln!(text, "| {name} | {count} | {libbpf:.0} | {ours:.0} | {ratio:.2} |");
    }
    Ok((text, slower))
}

/// A program of that many instructions, which the verifier walks through once.
fn object(dir: &Path, name: &str, count: usize) -> Result<PathBuf, String> {
    let mut source =
        ".section tc,\"ax\",@progbits\n.globl prog\n.type prog,@function\nprog:\nr0 = 0\n"
            .to_owned();
    let mut left = count.saturating_sub(2);
    while left >= 2 {
        source.push_str("r2 = *(u32 *)(r1 + 8)\nr0 ^= r2\n");
        left -= 2;
    }
    source.push_str(
        "exit\n.size prog, . - prog\n.section license,\"aw\",@progbits\n.asciz \"GPL\"\n",
    );
    let (from, to) = (dir.join(format!("{name}.s")), dir.join(format!("{name}.o")));
    fs::write(&from, source).map_err(|e| format!("{}: {e}", from.display()))?;
    quietly(Command::new("clang").args(["-target", "bpf", "-c"]).arg(&from).arg("-o").arg(&to))?;
    Ok(to)
}

fn timed(command: &mut Command) -> Result<f64, String> {
    let start = Instant::now();
    quietly(command)?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

fn quietly(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
