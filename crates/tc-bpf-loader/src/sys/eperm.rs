//! Why the kernel says "operation not permitted" to bpf(2), which has many reasons and tells none.

use std::fs;

const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// What the system lets this process do. What cannot be read is left as it is for root on an ordinary system.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// Effective capabilities.
    capabilities: Option<u64>,
    /// Whether the process is in the first user namespace: only that one's root is root.
    user_namespace: bool,
    /// Whether a seccomp filter looks at its system calls.
    seccomp: bool,
    /// `kernel.unprivileged_bpf_disabled`.
    unprivileged_disabled: String,
    /// `integrity` or `confidentiality`; empty if the kernel is not locked down.
    lockdown: String,
    /// The limit on locked memory in bytes, if there is one.
    locked_memory: Option<u64>,
    /// Version of the kernel.
    version: (u32, u32),
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Limits {
    pub(super) fn of_this_process() -> Self {
        Limits::read(&read)
    }

    fn read(read: &dyn Fn(&str) -> String) -> Self {
        let status = read("/proc/self/status");
        let of = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
        let lockdown = read("/sys/kernel/security/lockdown");
        let chosen = lockdown.split('[').nth(1).and_then(|rest| rest.split(']').next());
        let limits = read("/proc/self/limits");
        let locked = limits.lines().find_map(|l| l.strip_prefix("Max locked memory"));
        let release = read("/proc/sys/kernel/osrelease");
        let mut numbers = release.split(['.', '-']).map(|n| n.trim().parse().unwrap_or(0));
        let ids = read("/proc/self/uid_map");
        Limits {
            capabilities: of("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()),
            user_namespace: !ids.is_empty()
                && ids.split_ascii_whitespace().ne(["0", "0", "4294967295"]),
            seccomp: of("Seccomp:") == Some("2"),
            unprivileged_disabled: read("/proc/sys/kernel/unprivileged_bpf_disabled")
                .trim()
                .to_owned(),
            lockdown: chosen.filter(|mode| *mode != "none").unwrap_or_default().to_owned(),
            locked_memory: locked
                .and_then(|l| l.split_ascii_whitespace().next())
                .and_then(|n| n.parse().ok()),
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
        }
    }

    /// Whether maps and programs count as locked memory.
    pub(super) fn counts_locked_memory(&self) -> bool {
        self.version < (5, 11)
    }

    /// The reason, or those that it may be.
    pub(super) fn explain(&self) -> Option<String> {
        let has = |capability: u64| {
            self.capabilities.is_none_or(|c| c & (capability | CAP_SYS_ADMIN) != 0)
        };
        self.capabilities?;
        if !has(CAP_BPF) {
            let knob = match self.unprivileged_disabled.as_str() {
                "" => String::new(),
                "0" => {
                    " (kernel.unprivileged_bpf_disabled is 0: others may load socket filters only)"
                        .into()
                }
                set => {
                    format!(" (kernel.unprivileged_bpf_disabled is {set}: others may load nothing)")
                }
            };
            return Some(format!("it needs root, or CAP_BPF and CAP_NET_ADMIN{knob}"));
        }
        if self.user_namespace {
            return Some(
                "root of a user namespace, as in a container, may load no programs: it needs root of the machine"
                    .to_owned(),
            );
        }
        if !has(CAP_NET_ADMIN) {
            return Some(
                "it has CAP_BPF, but programs of the network need CAP_NET_ADMIN too".to_owned(),
            );
        }
        let mut reasons = Vec::new();
        if !has(CAP_PERFMON) {
            reasons.push("programs that trace need CAP_PERFMON".to_owned());
        }
        if !self.lockdown.is_empty() {
            let mode = &self.lockdown;
            reasons
                .push(format!("the kernel is locked down (/sys/kernel/security/lockdown: {mode})"));
        }
        if let Some(bytes) = self.locked_memory.filter(|_| self.counts_locked_memory()) {
            reasons.push(format!(
                "kernels before 5.11 count maps and programs as locked memory, of which {bytes} bytes are allowed \
                 (ulimit -l)"
            ));
        }
        if self.seccomp {
            reasons.push(
                "a seccomp filter, as of a container or service, may forbid bpf(2)".to_owned(),
            );
        }
        if reasons.is_empty() {
            reasons.push(
                "the process has the capabilities; a security module may forbid it, or this kernel cannot run such programs".to_owned(),
            );
        }
        Some(reasons.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root on an ordinary system, and what is different in the case at hand.
    fn explained(differs: &[(&str, &str)]) -> String {
        let usual = [
            ("/proc/self/status", "Name:\trtc\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"),
            ("/proc/self/uid_map", "         0          0 4294967295\n"),
            ("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n"),
            ("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n"),
            ("/proc/self/limits", LIMITS),
            ("/proc/sys/kernel/osrelease", "6.1.0-37-amd64\n"),
        ];
        let limits = Limits::read(&|path| {
            let found = differs.iter().chain(&usual).find(|(p, _)| *p == path);
            found.map(|(_, text)| (*text).to_owned()).unwrap_or_default()
        });
        limits.explain().unwrap()
    }

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max processes             63450                63450                processes \n\
        Max locked memory         65536                65536                bytes     \n";
    const STATUS: &str = "/proc/self/status";

    #[test]
    fn the_reason_is_told_apart() {
        let caps = |hex: &str| format!("CapEff:\t{hex}\nSeccomp:\t0\n");
        let knob = "/proc/sys/kernel/unprivileged_bpf_disabled";
        for (status, value, reason) in [
            (
                caps("0"),
                "2\n",
                "it needs root, or CAP_BPF and CAP_NET_ADMIN (kernel.unprivileged_bpf_disabled is 2: others may load \
                 nothing)",
            ),
            (
                caps("0"),
                "0\n",
                "it needs root, or CAP_BPF and CAP_NET_ADMIN (kernel.unprivileged_bpf_disabled is 0: others may load \
                 socket filters only)",
            ),
            (caps("0"), "", "it needs root, or CAP_BPF and CAP_NET_ADMIN"),
            (
                caps("8000000000"),
                "2\n",
                "it has CAP_BPF, but programs of the network need CAP_NET_ADMIN too",
            ),
            (caps("8000001000"), "2\n", "programs that trace need CAP_PERFMON"),
        ] {
            assert_eq!(explained(&[(STATUS, &status), (knob, value)]), reason);
        }
        let container = [("/proc/self/uid_map", "         0       1000          1\n")];
        assert!(explained(&container).starts_with("root of a user namespace, as in a container"));
        let locked = [("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")];
        assert_eq!(
            explained(&locked),
            "the kernel is locked down (/sys/kernel/security/lockdown: integrity)"
        );
        let filtered = [(STATUS, "CapEff:\t000001ffffffffff\nSeccomp:\t2\n")];
        assert!(explained(&filtered).starts_with("a seccomp filter"));
        assert!(explained(&[]).contains("a security module may forbid it"));
    }

    #[test]
    fn locked_memory_matters_before_linux_5_11() {
        let old = ("/proc/sys/kernel/osrelease", "5.10.0-35-amd64\n");
        assert!(explained(&[old]).contains("of which 65536 bytes are allowed (ulimit -l)"));
        let unlimited = LIMITS.replace("65536 ", "unlimited");
        let none = explained(&[old, ("/proc/self/limits", &unlimited)]);
        assert!(none.contains("a security module"), "{none}");
    }
}
