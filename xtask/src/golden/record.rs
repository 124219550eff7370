//! Runs one case in namespaces of its own and reads what came out.
use super::cases::Case;
use super::format::{Golden, Run, Text};
use super::strace;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The original tc and where it runs.
pub(crate) struct Recorder {
    tc: String,
    root: String,
    golden: PathBuf,
    scratch: PathBuf,
    keep: bool,
    about: String,
}

/// Why a case was not recorded.
pub(crate) enum Failure {
    /// This machine cannot: something that the case needs is missing.
    Skip(String),
    /// The case itself is wrong.
    Wrong(String),
}

/// Exit status of the script when a `needs` or `setup` line fails.
const NEEDS_FAILED: i32 = 97;

impl Recorder {
    pub(crate) fn new(
        tc: Option<&Path>,
        root: Option<&Path>,
        golden: &Path,
        keep: bool,
    ) -> Result<Self, String> {
        let scratch = std::env::temp_dir().join(format!("rtc-golden-{}", std::process::id()));
        std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        let mut recorder = Self {
            tc: tc.map_or("tc".to_owned(), |p| p.display().to_string()),
            root: root.map_or(String::new(), |p| p.display().to_string()),
            golden: golden.to_owned(),
            scratch,
            keep,
            about: String::new(),
        };
        recorder.about = recorder.describe()?;
        Ok(recorder)
    }

    /// A directory for passing files, gone when the recorder is.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The first section of each file: what was run, on what, when.
    fn describe(&self) -> Result<String, String> {
        let version = format!("{}\ntc -V; uname -r; date -u +%F", self.prologue());
        let out =
            Command::new("unshare").args(unshare_flags()).args(["sh", "-c", &version]).output();
        let out = out.map_err(|e| format!("unshare: {e}"))?;
        let lines = String::from_utf8_lossy(&out.stdout).into_owned();
        let mut lines = lines.lines();
        let (Some(tc), Some(kernel), Some(date)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(format!(
                "cannot run {}: {}",
                self.tc,
                String::from_utf8_lossy(&out.stderr)
            ));
        };
        let kernel = kernel.split(['-', '+']).next().unwrap_or(kernel);
        Ok(format!("{tc}; kernel {kernel}; {date}; cargo xtask golden"))
    }

    /// Shell text that makes the namespaces usable: tc as a function, its file systems, its work directory.
    fn prologue(&self) -> String {
        let root = quote(&self.root);
        let enter =
            if self.root.is_empty() { String::new() } else { format!("unshare -R {root} -w /mnt") };
        format!(
            "set -e
R={root}
if [ -n \"$R\" ]; then mount --rbind \"$R\" \"$R\"; fi
mount -t tmpfs -o mode=755 golden \"$R/mnt\"
if [ -n \"$R\" ]; then mount --rbind /proc \"$R/proc\"; mount --rbind /dev \"$R/dev\"; fi
mount -t sysfs sysfs \"$R/sys\"
mount -t bpf bpf \"$R/sys/fs/bpf\" 2>/dev/null || true
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null || true
cd \"$R/mnt\"
P=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
T=
tc() {{ env -i $P LC_ALL=C {enter} {tc} \"$@\"; }}
traced() {{ t=$1; shift; $T strace -qq -o \"$t\" -e signal=none -e trace=sendmsg,sendto,recvmsg,recvfrom \\
  -e raw=sendmsg,sendto,recvmsg,recvfrom -e write=all -e read=all env -i $P LC_ALL=C $E {enter} {tc} \"$@\"; }}
",
            tc = quote(&self.tc),
        )
    }

    /// Runs the case and gives what its file should say.
    pub(crate) fn record(&self, case: &Case) -> Result<Golden, Failure> {
        let dir = self.scratch.join("case");
        let wrong =
            |what: &Path, e: std::io::Error| Failure::Wrong(format!("{}: {e}", what.display()));
        let files = dir.join("files");
        std::fs::create_dir_all(&files).map_err(|e| wrong(&files, e))?;
        for (name, content) in &case.files {
            let path = files.join(name);
            std::fs::write(&path, content).map_err(|e| wrong(&path, e))?;
        }
        for below in &case.copies {
            let from = self.golden.join(below);
            let to = files.join(below.file_name().unwrap_or_default());
            std::fs::copy(&from, &to).map_err(|e| wrong(&from, e))?;
        }
        let stdin = dir.join("stdin");
        std::fs::write(&stdin, case.stdin.as_deref().unwrap_or_default())
            .map_err(|e| wrong(&stdin, e))?;
        let script = dir.join("script");
        std::fs::write(&script, self.script(case, &dir)).map_err(|e| wrong(&script, e))?;
        let status = Command::new("unshare")
            .args(unshare_flags())
            .arg("sh")
            .arg(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(|e| wrong(Path::new("unshare"), e))?;
        let golden = match status.code() {
            Some(0) => self.collect(case, &dir),
            Some(NEEDS_FAILED) => Err(Failure::Skip(last_line(&dir.join("setup.err")))),
            _ => Err(Failure::Wrong(format!(
                "the script ended with {status}: {}",
                last_line(&dir.join("setup.err"))
            ))),
        };
        if self.keep {
            let kept = self.scratch.join(case.name.replace('/', "-"));
            std::fs::rename(&dir, &kept).map_err(|e| wrong(&kept, e))?;
            return super::say(&format!("{}\n", kept.display()))
                .map_err(Failure::Wrong)
                .and(golden);
        }
        std::fs::remove_dir_all(&dir).map_err(|e| wrong(&dir, e))?;
        golden
    }

    fn script(&self, case: &Case, out: &Path) -> String {
        let mut text = self.prologue();
        let out = quote(&out.display().to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "O={out}; E={}; cp -r \"$O/files/.\" .", quote(&case.env.join(" ")));
        for line in case.needs.iter().chain(&case.setup) {
            let failed = quote(&format!("failed: {line}"));
            let _ = writeln!(
                text,
                "({line}) >/dev/null 2>\"$O/setup.err\" || {{ echo {failed} >>\"$O/setup.err\"; exit {NEEDS_FAILED}; }}"
            );
        }
        text.push_str("ip -o link show >\"$O/links\"\nset +e\n");
        for (n, options) in std::iter::once(&Vec::new()).chain(&case.also).enumerate() {
            let words: Vec<String> = options.iter().chain(&case.cmd).map(|w| quote(w)).collect();
            let run = format!(
                "traced \"$O/{n}.trace\" {} <\"$O/stdin\" >\"$O/{n}.out\" 2>\"$O/{n}.err\"",
                words.join(" ")
            );
            if case.during.is_empty() {
                let _ = writeln!(text, "{run}; echo $? >\"$O/{n}.status\"");
                continue;
            }
            // It runs until it is ended, so its status is of no interest.
            let _ = writeln!(text, "T='timeout 2'; {run} & sleep 0.5");
            for line in &case.during {
                let _ = writeln!(text, "({line}) >/dev/null 2>&1");
            }
            let _ = writeln!(text, "wait; echo 0 >\"$O/{n}.status\"");
        }
        text.push_str("exit 0\n");
        text
    }

    fn collect(&self, case: &Case, out: &Path) -> Result<Golden, Failure> {
        let read = |name: &str| {
            let path = out.join(name);
            std::fs::read(&path).map_err(|e| Failure::Wrong(format!("{}: {e}", path.display())))
        };
        let links = String::from_utf8_lossy(&read("links")?).into_owned();
        // `3: v0@v1: <BROADCAST,…`
        let link = |line: &str| {
            let mut parts = line.split(": ");
            let index = parts.next()?.parse().ok()?;
            Some((parts.next()?.split('@').next()?.to_owned(), index))
        };
        let mut runs = Vec::new();
        for (n, options) in std::iter::once(&Vec::new()).chain(&case.also).enumerate() {
            let trace = String::from_utf8_lossy(&read(&format!("{n}.trace"))?).into_owned();
            let (mut request, reply) = strace::messages(&trace);
            for path in &case.masks {
                for message in &mut request {
                    strace::mask(message, path);
                }
            }
            let status = String::from_utf8_lossy(&read(&format!("{n}.status"))?).trim().parse();
            runs.push(Run {
                options: options.clone(),
                status: status.map_err(|e| Failure::Wrong(format!("status of the run: {e}")))?,
                request,
                reply,
                stderr: Text::of(&read(&format!("{n}.err"))?),
                stdout: Text::of(&read(&format!("{n}.out"))?),
            });
        }
        Ok(Golden {
            about: self.about.clone(),
            links: links.lines().filter_map(link).collect(),
            setup: case.setup.clone(),
            during: case.during.clone(),
            files: case.files.clone(),
            stdin: case.stdin.clone(),
            env: case.env.clone(),
            masks: case.masks.clone(),
            cmd: case.cmd.clone(),
            runs,
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.keep {
            // What stays behind is a few files in the system's temporary directory.
            let _ = std::fs::remove_dir_all(&self.scratch);
        }
    }
}

/// A user namespace is needed only by those who are not root.
fn unshare_flags() -> &'static [&'static str] {
    let root = std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|s| s.lines().any(|l| l.split_whitespace().take(3).eq(["Uid:", "0", "0"])));
    if root { &["-mn"] } else { &["-rmn"] }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn last_line(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(2).collect();
    lines.join(": ")
}
