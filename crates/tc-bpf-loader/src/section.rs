//! What a section's name says about the programs in it, as the kernel's Documentation/bpf/libbpf/program_types.rst lists
//! it.

use crate::prog::ProgType;

/// `BPF_F_SLEEPABLE`: the program may sleep. Since Linux 5.10.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_XDP_HAS_FRAGS`: the program knows packets of several buffers. Since Linux 5.18.
const FRAGS: u32 = 1 << 5;

/// What the name of a section stands for by convention.
///
/// ```
/// use tc_bpf_loader::{ProgType, SectionType};
///
/// let section = SectionType::of("fentry.s/tcp_connect").unwrap();
/// assert_eq!(section.prog_type, ProgType::TRACING);
/// assert_eq!(section.target, Some("tcp_connect"));
/// // A name that says nothing: whoever loads the program must know what it is.
/// assert_eq!(SectionType::of("ingress"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionType<'a> {
    /// Type of the programs.
    pub prog_type: ProgType,
    /// `enum bpf_attach_type`; 0 where it doesn't matter.
    pub expected_attach_type: u32,
    /// `BPF_F_*` of program load.
    pub flags: u32,
    /// What comes after the first `/`: the function, hook or tracepoint that the programs are for.
    pub target: Option<&'a str>,
}

impl<'a> SectionType<'a> {
    /// What a section of that name is for; a `?` before it says nothing. `None` for names without a convention.
    pub fn of(section: &'a str) -> Option<SectionType<'a>> {
        let name = section.strip_prefix('?').unwrap_or(section);
        // The whole name, then its beginning up to a slash, longest first.
        let mut head = name;
        loop {
            if let Ok(at) = TABLE.binary_search_by(|row| row.0.cmp(head)) {
                let (_, prog_type, expected_attach_type, flags) = TABLE.get(at)?;
                let target = name.get(head.len() + 1..).filter(|t| !t.is_empty());
                return Some(SectionType {
                    prog_type: *prog_type,
                    expected_attach_type: *expected_attach_type,
                    flags: *flags,
                    target,
                });
            }
            head = head.rsplit_once('/')?.0;
        }
    }
}

type Row = (&'static str, ProgType, u32, u32);

const fn row(name: &'static str, prog_type: ProgType, attach: u32) -> Row {
    (name, prog_type, attach, 0)
}

const fn sleeping(name: &'static str, prog_type: ProgType, attach: u32) -> Row {
    (name, prog_type, attach, SLEEPABLE)
}

/// Sorted by name.
const TABLE: &[Row] = &[
    row("action", ProgType::SCHED_ACT, 0),
    row("cgroup/bind4", ProgType::CGROUP_SOCK_ADDR, 8),
    row("cgroup/bind6", ProgType::CGROUP_SOCK_ADDR, 9),
    row("cgroup/connect4", ProgType::CGROUP_SOCK_ADDR, 10),
    row("cgroup/connect6", ProgType::CGROUP_SOCK_ADDR, 11),
    row("cgroup/connect_unix", ProgType::CGROUP_SOCK_ADDR, 49),
    row("cgroup/dev", ProgType::CGROUP_DEVICE, 6),
    row("cgroup/getpeername4", ProgType::CGROUP_SOCK_ADDR, 29),
    row("cgroup/getpeername6", ProgType::CGROUP_SOCK_ADDR, 30),
    row("cgroup/getpeername_unix", ProgType::CGROUP_SOCK_ADDR, 52),
    row("cgroup/getsockname4", ProgType::CGROUP_SOCK_ADDR, 31),
    row("cgroup/getsockname6", ProgType::CGROUP_SOCK_ADDR, 32),
    row("cgroup/getsockname_unix", ProgType::CGROUP_SOCK_ADDR, 53),
    row("cgroup/getsockopt", ProgType::CGROUP_SOCKOPT, 21),
    row("cgroup/post_bind4", ProgType::CGROUP_SOCK, 12),
    row("cgroup/post_bind6", ProgType::CGROUP_SOCK, 13),
    row("cgroup/recvmsg4", ProgType::CGROUP_SOCK_ADDR, 19),
    row("cgroup/recvmsg6", ProgType::CGROUP_SOCK_ADDR, 20),
    row("cgroup/recvmsg_unix", ProgType::CGROUP_SOCK_ADDR, 51),
    row("cgroup/sendmsg4", ProgType::CGROUP_SOCK_ADDR, 14),
    row("cgroup/sendmsg6", ProgType::CGROUP_SOCK_ADDR, 15),
    row("cgroup/sendmsg_unix", ProgType::CGROUP_SOCK_ADDR, 50),
    row("cgroup/setsockopt", ProgType::CGROUP_SOCKOPT, 22),
    row("cgroup/skb", ProgType::CGROUP_SKB, 0),
    row("cgroup/sock", ProgType::CGROUP_SOCK, 2),
    row("cgroup/sock_create", ProgType::CGROUP_SOCK, 2),
    row("cgroup/sock_release", ProgType::CGROUP_SOCK, 34),
    row("cgroup/sysctl", ProgType::CGROUP_SYSCTL, 18),
    row("cgroup_skb/egress", ProgType::CGROUP_SKB, 1),
    row("cgroup_skb/ingress", ProgType::CGROUP_SKB, 0),
    row("classifier", ProgType::SCHED_CLS, 0),
    row("fentry", ProgType::TRACING, 24),
    sleeping("fentry.s", ProgType::TRACING, 24),
    row("fexit", ProgType::TRACING, 25),
    sleeping("fexit.s", ProgType::TRACING, 25),
    row("flow_dissector", ProgType::FLOW_DISSECTOR, 17),
    row("fmod_ret", ProgType::TRACING, 26),
    sleeping("fmod_ret.s", ProgType::TRACING, 26),
    row("freplace", ProgType::EXT, 0),
    row("fsession", ProgType::TRACING, 58),
    sleeping("fsession.s", ProgType::TRACING, 58),
    row("iter", ProgType::TRACING, 28),
    sleeping("iter.s", ProgType::TRACING, 28),
    row("kprobe", ProgType::KPROBE, 0),
    row("kprobe.multi", ProgType::KPROBE, 42),
    row("kprobe.session", ProgType::KPROBE, 56),
    row("kretprobe", ProgType::KPROBE, 0),
    row("kretprobe.multi", ProgType::KPROBE, 42),
    row("kretsyscall", ProgType::KPROBE, 0),
    row("ksyscall", ProgType::KPROBE, 0),
    row("lirc_mode2", ProgType::LIRC_MODE2, 16),
    row("lsm", ProgType::LSM, 27),
    sleeping("lsm.s", ProgType::LSM, 27),
    row("lsm_cgroup", ProgType::LSM, 43),
    row("lwt_in", ProgType::LWT_IN, 0),
    row("lwt_out", ProgType::LWT_OUT, 0),
    row("lwt_seg6local", ProgType::LWT_SEG6LOCAL, 0),
    row("lwt_xmit", ProgType::LWT_XMIT, 0),
    row("netfilter", ProgType::NETFILTER, 45),
    row("netkit", ProgType::SCHED_CLS, 0),
    row("netkit/peer", ProgType::SCHED_CLS, 55),
    row("netkit/primary", ProgType::SCHED_CLS, 54),
    row("perf_event", ProgType::PERF_EVENT, 0),
    row("raw_tp", ProgType::RAW_TRACEPOINT, 0),
    row("raw_tp.w", ProgType::RAW_TRACEPOINT_WRITABLE, 0),
    row("raw_tracepoint", ProgType::RAW_TRACEPOINT, 0),
    row("raw_tracepoint.w", ProgType::RAW_TRACEPOINT_WRITABLE, 0),
    row("sk_lookup", ProgType::SK_LOOKUP, 36),
    row("sk_msg", ProgType::SK_MSG, 7),
    row("sk_reuseport", ProgType::SK_REUSEPORT, 39),
    row("sk_reuseport/migrate", ProgType::SK_REUSEPORT, 40),
    row("sk_skb", ProgType::SK_SKB, 0),
    row("sk_skb/stream_parser", ProgType::SK_SKB, 4),
    row("sk_skb/stream_verdict", ProgType::SK_SKB, 5),
    row("sk_skb/verdict", ProgType::SK_SKB, 38),
    row("socket", ProgType::SOCKET_FILTER, 0),
    row("sockops", ProgType::SOCK_OPS, 3),
    row("struct_ops", ProgType::STRUCT_OPS, 0),
    sleeping("struct_ops.s", ProgType::STRUCT_OPS, 0),
    sleeping("syscall", ProgType::SYSCALL, 0),
    row("tc", ProgType::SCHED_CLS, 0),
    row("tc/egress", ProgType::SCHED_CLS, 47),
    row("tc/ingress", ProgType::SCHED_CLS, 46),
    row("tcx", ProgType::SCHED_CLS, 0),
    row("tcx/egress", ProgType::SCHED_CLS, 47),
    row("tcx/ingress", ProgType::SCHED_CLS, 46),
    row("tp", ProgType::TRACEPOINT, 0),
    row("tp_btf", ProgType::TRACING, 23),
    row("tracepoint", ProgType::TRACEPOINT, 0),
    row("uprobe", ProgType::KPROBE, 0),
    row("uprobe.multi", ProgType::KPROBE, 48),
    sleeping("uprobe.multi.s", ProgType::KPROBE, 48),
    sleeping("uprobe.s", ProgType::KPROBE, 0),
    row("uprobe.session", ProgType::KPROBE, 57),
    sleeping("uprobe.session.s", ProgType::KPROBE, 57),
    row("uretprobe", ProgType::KPROBE, 0),
    row("uretprobe.multi", ProgType::KPROBE, 48),
    sleeping("uretprobe.multi.s", ProgType::KPROBE, 48),
    sleeping("uretprobe.s", ProgType::KPROBE, 0),
    row("usdt", ProgType::KPROBE, 0),
    sleeping("usdt.s", ProgType::KPROBE, 0),
    row("xdp", ProgType::XDP, 37),
    ("xdp.frags", ProgType::XDP, 37, FRAGS),
    ("xdp.frags/cpumap", ProgType::XDP, 35, FRAGS),
    ("xdp.frags/devmap", ProgType::XDP, 33, FRAGS),
    row("xdp/cpumap", ProgType::XDP, 35),
    row("xdp/devmap", ProgType::XDP, 33),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    /// From Documentation/bpf/libbpf/program_types.rst, numbers from uapi `linux/bpf.h`.
    #[test]
    fn names_of_the_kernels_documentation() {
        let of =
            |name| SectionType::of(name).map(|s| (s.prog_type.0, s.expected_attach_type, s.flags));
        for (name, prog_type, attach, flags) in [
            ("socket", 1, 0, 0),
            ("kprobe/do_unlinkat", 2, 0, 0),
            ("uprobe.multi.s//proc/self/exe:x*", 2, 48, 16),
            ("tc", 3, 0, 0),
            ("?tc", 3, 0, 0),
            ("classifier/x", 3, 0, 0),
            ("tcx/ingress", 3, 46, 0),
            ("tc/egress", 3, 47, 0),
            ("netkit/peer", 3, 55, 0),
            ("action", 4, 0, 0),
            ("tp/syscalls/sys_enter_bpf", 5, 0, 0),
            ("xdp", 6, 37, 0),
            ("xdp/devmap", 6, 33, 0),
            ("xdp.frags/cpumap", 6, 35, 32),
            ("cgroup_skb/egress", 8, 1, 0),
            ("sk_skb/stream_verdict", 14, 5, 0),
            ("raw_tp.w/nbd", 24, 0, 0),
            ("cgroup/connect6", 18, 11, 0),
            ("tp_btf/sched_switch", 26, 23, 0),
            ("fmod_ret/bpf_modify", 26, 26, 0),
            ("iter.s/task", 26, 28, 16),
            ("lsm_cgroup/socket_bind", 29, 43, 0),
            ("lsm.s/bprm", 29, 27, 16),
            ("freplace/x", 28, 0, 0),
            ("syscall", 31, 0, 16),
            ("struct_ops/init", 27, 0, 0),
        ] {
            assert_eq!(of(name), Some((prog_type, attach, flags)), "{name}");
        }
        for name in ["", "?", "ingress", "classifiers", "socket1", "42/0", "tcx2", "/"] {
            assert_eq!(of(name), None, "{name}");
        }
        let target = |name| SectionType::of(name).and_then(|s| s.target);
        assert_eq!(target("fentry/tcp_connect"), Some("tcp_connect"));
        assert_eq!(target("tracepoint/a/b"), Some("a/b"));
        assert_eq!(target("fentry"), None);
        assert_eq!(target("xdp/"), None);
    }
}
