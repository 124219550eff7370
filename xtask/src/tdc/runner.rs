//! Runs a case: its devices, its steps, and the judgement.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex_lite::Regex;
use serde_json::{Value, json};

use super::case::{Case, step_of};
use super::packet;

/// Seconds that one command of a case may take; emulated machines are slow.
const COMMAND_LIMIT_S: u32 = 60;

/// What became of a case.
#[derive(Debug)]
enum Verdict {
    Pass,
    Fail(String),
    NoSetup(String),
    Skip(String),
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
pub(super) struct Runner {
    tc: String,
    /// Working directory, and the place of batch files.
    dir: PathBuf,
}

impl Runner {
    pub(super) fn new(tc: &str) -> Result<Runner, String> {
        let dir = std::env::temp_dir().join("tdc");
        let runner = Runner { tc: tc.to_owned(), dir };
        let prepare = "mount -t tmpfs run /run && mkdir -p /run/netns && mount -t tmpfs tmp \"$0\" && \
                       ip link set lo up";
        fs::create_dir_all(&runner.dir).map_err(|e| e.to_string())?;
        let done = Command::new("sh").args(["-c", prepare]).arg(&runner.dir).status();
        if !done.is_ok_and(|s| s.success()) {
            return Err("cannot prepare a worker".to_owned());
        }
        let object = include_bytes!("../../testdata/action-ebpf.o");
        fs::write(runner.dir.join("action-ebpf"), object).map_err(|e| e.to_string())?;
        Ok(runner)
    }

    /// One with another tc, in the same place.
    pub(super) fn with(&self, tc: &str) -> Runner {
        Runner { tc: tc.to_owned(), dir: self.dir.clone() }
    }

    /// Runs the case; the result as JSON.
    pub(super) fn run(&self, case: &Case) -> Value {
        let names = self.names(case.text("id"));
        let mut log = Vec::new();
        let verdict = self.verdict(case, &names, &mut log);
        let (verdict, why) = match verdict {
            Verdict::Pass => ("pass", String::new()),
            Verdict::Fail(why) => ("fail", why),
            Verdict::NoSetup(why) => ("nosetup", why),
            Verdict::Skip(why) => ("skip", why),
        };
        json!({ "verdict": verdict, "why": why, "log": log })
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
        let needs = case.text("dependsOn");
        if !needs.is_empty() && self.shell(&filled(needs, names)).status != 0 {
            return Verdict::Skip(format!("needs {needs}"));
        }
        let in_ns = case.json.get("plugins").is_some_and(|p| p.to_string().contains("nsPlugin"));
        let prefix = if in_ns { "ip netns exec $NS " } else { "" };
        let command = |text: &str| {
            let stand_in =
                if Path::new("/sys/bus/netdevsim").exists() { None } else { dummy(text) };
            filled(&format!("{prefix}{}", stand_in.as_deref().unwrap_or(text)), names)
        };
        if in_ns {
            let made = self.shell(&filled(DEVICES, names));
            if made.status != 0 {
                return Verdict::NoSetup(format!("the devices: {}", made.tail()));
            }
        }
        let verdict = self.steps(case, names, &command, log);
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
        names: &BTreeMap<&str, String>,
        command: &dyn Fn(&str) -> String,
        log: &mut Vec<Value>,
    ) -> Verdict {
        let mut step = |text: &str| self.step(&command(text), log);
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
        for packet in case.list("scapy") {
            let sent = self.send(packet, names);
            log.push(json!([packet.to_string(), sent.status, sent.stdout, sent.stderr]));
            if sent.status != 0 {
                return Verdict::Skip(format!("packet: {}", sent.tail()));
            }
        }
        let mut step = |text: &str| self.step(&command(text), log);
        if case.text("verifyCmd").trim().is_empty() {
            return Verdict::Pass;
        }
        let done = step(case.text("verifyCmd"));
        judge(case, done.output())
    }

    fn step(&self, line: &str, log: &mut Vec<Value>) -> Done {
        let done = self.shell(line);
        log.push(json!([line, done.status, done.stdout, done.stderr]));
        done
    }

    /// Sends a packet that the case describes.
    fn send(&self, packet: &Value, names: &BTreeMap<&str, String>) -> Done {
        let text = |key: &str| packet.get(key).and_then(Value::as_str).unwrap_or("");
        let Some(frame) = packet::frame(text("packet")) else {
            let what = format!("not understood: {}", text("packet"));
            return Done { status: 255, stdout: String::new(), stderr: what };
        };
        let hex = packet::hex(&frame);
        let count = packet.get("count").and_then(Value::as_i64).unwrap_or(1).to_string();
        self.shell_with(packet::SEND, &[&filled(text("iface"), names), &hex, &count])
    }

    fn shell(&self, line: &str) -> Done {
        self.shell_with(line, &[])
    }

    fn shell_with(&self, line: &str, words: &[&str]) -> Done {
        let limit = COMMAND_LIMIT_S.to_string();
        let done = Command::new("timeout")
            .args(["-k", "1", &limit, "/bin/sh", "-c", line])
            .args(words)
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
    ip link set $DEV1 netns $NS; ip link set $DEV0 up; ip -n $NS -batch - <<END\n\
    link add $DUMMY type dummy\nlink add $IFB type ifb\n\
    link set $DEV1 up\nlink set $DUMMY up\nlink set $IFB up\nEND\n";

/// The line that makes or removes a dummy device with as many queues where `line` does so by the module
/// `netdevsim`, which Debian's kernels lack.
fn dummy(line: &str) -> Option<String> {
    let (value, file) = line.strip_prefix("echo ")?.split_once(" > /sys/bus/netdevsim/")?;
    match file {
        "new_device" => {
            let mut numbers = value.trim_matches('"').split(' ');
            let queues = numbers.nth(2).unwrap_or("1");
            let made = format!("numtxqueues {queues} numrxqueues {queues} type dummy");
            Some(format!("ip link add $ETH {made}"))
        }
        "del_device" => Some("ip link del $ETH".to_owned()),
        _ => None,
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
    fn devices_of_netdevsim_have_a_stand_in_with_as_many_queues() {
        let made = |queues| {
            format!("ip link add $ETH numtxqueues {queues} numrxqueues {queues} type dummy")
        };
        let file = "/sys/bus/netdevsim";
        assert_eq!(dummy(&format!("echo \"1 1 8\" > {file}/new_device")), Some(made(8)));
        assert_eq!(dummy(&format!("echo \"1 1\" > {file}/new_device")), Some(made(1)));
        let gone = dummy(&format!("echo \"1\" > {file}/del_device"));
        assert_eq!(gone.as_deref(), Some("ip link del $ETH"));
        assert_eq!(dummy("$TC qdisc add dev $ETH root mq"), None);
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
