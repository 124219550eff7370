//! A network namespace and what can be done in it.

use std::env;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::known::Known;
use crate::{Output, skip, skip_for_kernel};

/// The options under which [`Ns::compare`] compares.
const VIEWS: [&[&str]; 11] = [
    &[],
    &["-s"],
    &["-d"],
    &["-s", "-d"],
    &["-j"],
    &["-j", "-s"],
    &["-j", "-s", "-d"],
    &["-j", "-p"],
    &["-p", "-s"],
    &["-r"],
    &["-o"],
];

/// All that hangs on the device `DEV`, listed by one process: in an emulated machine processes are
/// dear.
const LISTINGS: &str = "\
qdisc show dev DEV
class show dev DEV
filter show dev DEV
filter show dev DEV ingress
filter show dev DEV egress
";

/// A network namespace: that of the test, or one more of its hosts.
#[derive(Debug, Clone)]
pub struct Ns {
    /// Name under `/run/netns`; none for the test's first.
    name: Option<String>,
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    known: Known,
    rtc: PathBuf,
    tc: Option<Reference>,
}

#[derive(Debug)]
struct Reference {
    path: PathBuf,
    /// iproute2's version, as in `6.1.0`.
    version: String,
}

impl Ns {
    pub(crate) fn first(known: Known) -> Ns {
        let ns =
            Ns { name: None, shared: Rc::new(Shared { known, rtc: find_rtc(), tc: find_tc() }) };
        ns.ip("link set lo up");
        ns
    }

    pub(crate) fn known(&self) -> &Known {
        &self.shared.known
    }

    /// One more namespace, a second host. It ends with the test.
    #[must_use]
    pub fn host(&self, name: &str) -> Ns {
        self.ip(&format!("netns add {name}"));
        let ns = Ns { name: Some(name.to_owned()), shared: Rc::clone(&self.shared) };
        ns.ip("link set lo up");
        ns.enter(|| {
            let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        });
        ns
    }

    /// Runs `rtc` with these words.
    pub fn rtc(&self, words: &[&str]) -> Output {
        self.run(&self.shared.rtc, "rtc", words)
    }

    /// Where `rtc` is, for scripts that run it.
    pub fn rtc_path(&self) -> &Path {
        &self.shared.rtc
    }

    /// Runs the original `tc` with these words; skips the test where there is none.
    pub fn tc(&self, words: &[&str]) -> Output {
        self.run(&self.reference().path, "tc", words)
    }

    /// Where the original `tc` is, for scripts that run it; skips the test where there is none.
    pub fn tc_path(&self) -> &Path {
        &self.reference().path
    }

    /// Runs `ip` with these words, split at blanks; it must succeed.
    #[track_caller]
    pub fn ip(&self, words: &str) -> String {
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        self.run(Path::new("ip"), "ip", &words).ok().to_owned()
    }

    /// Runs any program with these words.
    pub fn program(&self, program: &str, words: &[&str]) -> Output {
        self.run(Path::new(program), program, words)
    }

    /// Makes the device `dev`, up, with the other end of the pair, `dev` + `_`, up beside it.
    pub fn link(&self, dev: &str) {
        self.link_with_queues(dev, 1);
    }

    /// The same, with this many transmit queues.
    pub fn link_with_queues(&self, dev: &str, queues: u32) {
        self.ip(&format!(
            "link add {dev} numtxqueues {queues} type veth peer name {dev}_ numtxqueues {queues}"
        ));
        self.ip(&format!("link set {dev}_ up"));
        self.ip(&format!("link set {dev} up"));
    }

    /// Joins this host and `other` by a pair of devices with these names and IPv4 addresses (with
    /// prefix length), both up.
    pub fn join(&self, dev: &str, address: &str, other: &Ns, other_dev: &str, other_address: &str) {
        let name = other.name.as_deref().expect("the other host is not the first one");
        self.ip(&format!("link add {dev} type veth peer name {other_dev} netns {name}"));
        self.ip(&format!("addr add {address} dev {dev}"));
        self.ip(&format!("link set {dev} up"));
        other.ip(&format!("addr add {other_address} dev {other_dev}"));
        other.ip(&format!("link set {other_dev} up"));
    }

    /// Runs `f` on a thread that is in this namespace: sockets and processes made there belong to
    /// it.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let Some(name) = &self.name else { return f() };
        let path = format!("/run/netns/{name}");
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let ns = File::open(path).expect("a namespace of ours");
                move_into_link_name_space(ns.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("we own that namespace");
                f()
            });
            thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
        })
    }

    /// Runs rtc and tc with these words, on the same state, as text and JSON and with statistics and
    /// details: both streams and the status must be equal, known differences apart. For commands
    /// that change nothing.
    #[track_caller]
    pub fn compare(&self, words: &[&str]) {
        self.compare_in(words, |_| true);
    }

    /// The same for text alone, where tc's JSON is known to be none.
    #[track_caller]
    pub fn compare_text(&self, words: &[&str]) {
        self.compare_in(words, |view| !view.contains(&"-j"));
    }

    #[track_caller]
    fn compare_in(&self, words: &[&str], wanted: impl Fn(&[&str]) -> bool) {
        for view in VIEWS.into_iter().filter(|view| wanted(view)) {
            let words = [view, words].concat();
            let look = || (steady(self.tc(&words)), steady(self.rtc(&words)));
            let (mut theirs, mut ours) = look();
            // Where tc itself does not say the same once more, a packet passed meanwhile.
            for _ in 0..10 {
                if theirs.stdout == ours.stdout || theirs.stdout == steady(self.tc(&words)).stdout {
                    break;
                }
                (theirs, ours) = look();
            }
            self.assert_same(&theirs, &ours);
            // tc itself answers some -j in text; where it does not, rtc's must be sound.
            if is_json(&theirs.stdout) {
                assert!(is_json(&ours.stdout), "this is not JSON:\n{ours}");
            }
        }
    }

    /// The same for all that hangs on the device, listed in one go.
    #[track_caller]
    pub fn compare_listings(&self, dev: &str) {
        let file = self.file("listings", &LISTINGS.replace("DEV", dev));
        self.compare(&["-force", "-batch", &file]);
    }

    /// The same for text alone.
    #[track_caller]
    pub fn compare_text_listings(&self, dev: &str) {
        let file = self.file("listings", &LISTINGS.replace("DEV", dev));
        self.compare_text(&["-force", "-batch", &file]);
    }

    /// Runs rtc with these lines as a batch, which must succeed.
    #[track_caller]
    pub fn batch(&self, lines: &str) -> Output {
        let file = self.file("lines", lines);
        let done = self.rtc(&["-batch", &file]);
        assert_eq!(done.status, 0, "{done}");
        done
    }

    /// Puts a file where commands run; returns its name.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(Path::new("/run").join(name), text).expect("/run is ours");
        name.to_owned()
    }

    #[track_caller]
    pub(crate) fn assert_same(&self, theirs: &Output, ours: &Output) {
        let version = &self.reference().version;
        let same = |theirs: &str, ours: &str| {
            theirs == ours || self.known().expected(theirs, version) == ours
        };
        assert!(
            ours.status == theirs.status
                && same(&theirs.stdout, &ours.stdout)
                && same(&common_part(&theirs.stderr), &common_part(&ours.stderr)),
            "rtc differs from tc {version}:\n{theirs}\n{ours}"
        );
    }

    /// Skips the test unless the kernel has this qdisc.
    pub fn need_qdisc(&self, kind: &str) {
        self.probe(kind, &["qdisc", "add", "dev", "probe", "root", kind]);
    }

    /// Skips the test unless the kernel has this action; gives the words of one. Afterwards its module
    /// is there: filters that make the kernel load it get other numbers than those that do not.
    pub fn need_action(&self, words: &str) {
        let words = ["actions", "add", "action"].into_iter().chain(words.split_ascii_whitespace());
        self.probe(words.clone().nth(3).unwrap_or_default(), &words.collect::<Vec<_>>());
    }

    /// Skips the test unless BPF programs can be loaded and attached here.
    pub fn need_bpf(&self) {
        if !Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists() {
            skip_for_kernel("this kernel has no bpf(2)");
        }
        if std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|m| !m.contains(" 4294967295")) {
            skip("loading BPF takes root, and this user namespace's root is not the machine's");
        }
        self.probe("clsact", &["qdisc", "add", "dev", "probe", "clsact"]);
    }

    /// Skips the test unless the kernel has this filter, in these words.
    pub fn need_filter(&self, words: &str) {
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        self.probe_ingress(words.first().copied().unwrap_or(""), &words);
    }

    fn probe_ingress(&self, kind: &str, words: &[&str]) {
        let host = self.host("probe");
        host.link("probe");
        let run = |words: &[&str]| {
            if self.shared.tc.is_some() { host.tc(words) } else { host.rtc(words) }
        };
        run(&["qdisc", "add", "dev", "probe", "clsact"]);
        let at = ["filter", "add", "dev", "probe", "ingress", "pref", "1", "handle", "1"];
        let done = run(&[&at, words].concat());
        self.ip("netns del probe");
        let lacks =
            ["TC classifier not found", "Failed to load TC action module", "Unknown ematch"];
        if lacks.iter().any(|text| done.stderr.contains(text)) {
            skip_for_kernel(&format!("this kernel has no {kind}, or not what it needs"));
        }
    }

    fn probe(&self, kind: &str, words: &[&str]) {
        let host = self.host("probe");
        host.link("probe");
        let done = if self.shared.tc.is_some() { host.tc(words) } else { host.rtc(words) };
        self.ip("netns del probe");
        if ["kind is unknown", "Failed to load TC action"].iter().any(|s| done.stderr.contains(s)) {
            skip_for_kernel(&format!("this kernel has no {kind}"));
        }
    }

    fn reference(&self) -> &Reference {
        let why = "the original tc is not installed (package iproute2; or say TC=/path/to/tc)";
        self.shared.tc.as_ref().unwrap_or_else(|| skip(why))
    }

    fn run(&self, program: &Path, shown: &str, words: &[&str]) -> Output {
        let run = || {
            Command::new(program)
                .args(words)
                .current_dir("/run")
                .env_remove("NO_COLOR")
                .env("LC_ALL", "C")
                .stdin(Stdio::null())
                .output()
        };
        let done = self.enter(run);
        let done = done.unwrap_or_else(|e| panic!("cannot run {}: {e}", program.display()));
        Output {
            command: format!("{shown} {}", words.join(" ")),
            status: done.status.code().unwrap_or_else(|| 128 + done.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }
}

/// Puts one of the project's BPF objects, such as `drop-arp` for `bpf/drop-arp.o`, where commands run,
/// and returns its file name.
pub fn object(name: &str) -> String {
    let bytes: &[u8] = match name {
        "drop-arp" => include_bytes!("../../../bpf/drop-arp.o"),
        "drop-icmp" => include_bytes!("../../../bpf/drop-icmp.o"),
        "drop-tcp" => include_bytes!("../../../bpf/drop-tcp.o"),
        "acts" => include_bytes!("../../../crates/tc-bpf-loader/testdata/acts-g-el.o"),
        "acts-gcc" => include_bytes!("../../../crates/tc-bpf-loader/testdata/acts-gcc-g-el.o"),
        "elf_slots" => include_bytes!("../../../crates/tc-bpf-loader/testdata/elf_slots-g-el.o"),
        "pins" => include_bytes!("../../../crates/tc-bpf-loader/testdata/pins-g-el.o"),
        "use-cases" => include_bytes!("../objects/use-cases.o"),
        "classes" => include_bytes!("../../../bpf/classes.o"),
        "count-protocols" => include_bytes!("../../../bpf/count-protocols.o"),
        "fifo" => include_bytes!("../../../bpf/fifo.o"),
        "flows" => include_bytes!("../../../bpf/flows.o"),
        "redirect-port" => include_bytes!("../../../bpf/redirect-port.o"),
        _ => panic!("no object {name:?}"),
    };
    let file = format!("{name}.o");
    std::fs::write(Path::new("/run").join(&file), bytes).expect("/run is ours");
    file
}

/// What is left of the clocks in JSON.
const CLOCKS_IN_JSON: [&str; 3] = ["\"installed\":,", "\"last_used\":,", "\"first_used\":,"];

/// Without the seconds since an action was made and used, which go on between two commands.
pub(crate) fn steady(mut output: Output) -> Output {
    const CLOCKS: [&str; 6] = [
        "installed ",
        " used ",
        "firstused ",
        "\"installed\":",
        "\"last_used\":",
        "\"first_used\":",
    ];
    for mark in CLOCKS {
        output.stdout = without_number_after(mark, &output.stdout);
    }
    // tc 6.1 leaves each of them out as long as it is zero.
    let zeros = [" installed", " used", " firstused"].map(|clock| format!("{clock}  sec"));
    for zero in zeros.iter().map(String::as_str).chain(CLOCKS_IN_JSON) {
        output.stdout = output.stdout.replace(zero, "");
    }
    output
}

/// Takes out the digits that follow the mark, wherever it stands.
pub(crate) fn without_number_after(mark: &str, text: &str) -> String {
    let mut pieces = text.split(mark);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str(mark);
        out.push_str(piece.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

fn find_rtc() -> PathBuf {
    if let Some(path) = env::var_os("RTC") {
        return std::path::absolute(path).expect("RTC is a path");
    }
    // .../target/debug/deps/qdisc-0123: the command stands two levels up, if it was built.
    let exe = env::current_exe().expect("the test binary's own path");
    let profile = exe.ancestors().nth(2).expect("cargo's directories");
    let candidates = [profile.join("rtc"), profile.with_file_name("release").join("rtc")];
    let found = candidates.into_iter().find(|p| p.exists());
    found.expect("rtc is not built: cargo build -p rtc, or say RTC=/path/to/rtc")
}

fn find_tc() -> Option<Reference> {
    let from_env = env::var_os("TC").map(PathBuf::from);
    let usual = ["/usr/sbin/tc", "/sbin/tc"].map(PathBuf::from);
    let path = from_env.into_iter().chain(usual).find(|p| p.exists())?;
    let said = Command::new(&path).arg("-V").output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split("iproute2-").nth(1)?.split([',', ' ', '\n']).next()?.to_owned();
    Some(Reference { path, version })
}

/// What rtc's standard error has in common with tc's: a usage text counts as such, whatever its words, and rtc's
/// own lines, which are indented by two blanks and follow tc's, do not count.
fn common_part(stderr: &str) -> String {
    let mut common = String::new();
    for line in stderr.lines() {
        if line.starts_with("Usage:") {
            common.push_str("(usage)\n");
            break;
        }
        if !line.starts_with("  ") {
            common.push_str(line);
            common.push('\n');
        }
    }
    common
}
