//! Program types and attach types.

use std::fmt;

use crate::section::SectionType;

/// Type of a program, uapi `enum bpf_prog_type`. Unknown ones are passed to the kernel as they are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "bpf_prog_type")]
pub struct ProgType(pub u32);

macro_rules! prog_types {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl ProgType {
            $(#[doc = concat!("`BPF_PROG_TYPE_", stringify!($name), "`")]
            pub const $name: ProgType = ProgType($value);)*

            /// Short lower-case name, as in `bpftool prog`; `None` for unknown types.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(ProgType::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

prog_types! {
    SOCKET_FILTER = 1, "socket_filter";
    KPROBE = 2, "kprobe";
    SCHED_CLS = 3, "sched_cls";
    SCHED_ACT = 4, "sched_act";
    TRACEPOINT = 5, "tracepoint";
    XDP = 6, "xdp";
    PERF_EVENT = 7, "perf_event";
    CGROUP_SKB = 8, "cgroup_skb";
    CGROUP_SOCK = 9, "cgroup_sock";
    LWT_IN = 10, "lwt_in";
    LWT_OUT = 11, "lwt_out";
    LWT_XMIT = 12, "lwt_xmit";
    SOCK_OPS = 13, "sock_ops";
    SK_SKB = 14, "sk_skb";
    CGROUP_DEVICE = 15, "cgroup_device";
    SK_MSG = 16, "sk_msg";
    RAW_TRACEPOINT = 17, "raw_tracepoint";
    CGROUP_SOCK_ADDR = 18, "cgroup_sock_addr";
    LWT_SEG6LOCAL = 19, "lwt_seg6local";
    LIRC_MODE2 = 20, "lirc_mode2";
    SK_REUSEPORT = 21, "sk_reuseport";
    FLOW_DISSECTOR = 22, "flow_dissector";
    CGROUP_SYSCTL = 23, "cgroup_sysctl";
    RAW_TRACEPOINT_WRITABLE = 24, "raw_tracepoint_writable";
    CGROUP_SOCKOPT = 25, "cgroup_sockopt";
    TRACING = 26, "tracing";
    STRUCT_OPS = 27, "struct_ops";
    EXT = 28, "ext";
    LSM = 29, "lsm";
    SK_LOOKUP = 30, "sk_lookup";
    SYSCALL = 31, "syscall";
    NETFILTER = 32, "netfilter";
}

impl ProgType {
    /// The type that a section's name stands for by convention, [`SectionType`] tells more; `None` for other names,
    /// such as `ingress`, which say nothing.
    pub fn from_section(section: &str) -> Option<ProgType> {
        SectionType::of(section).map(|s| s.prog_type)
    }
}

impl fmt::Display for ProgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "program type {}", self.0),
        }
    }
}

impl fmt::Debug for ProgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProgType({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_tells_a_type_only_by_convention() {
        let type_of = ProgType::from_section;
        for section in ["classifier", "classifier/x", "tc", "?tc", "tcx/ingress", "netkit/primary"]
        {
            assert_eq!(type_of(section), Some(ProgType::SCHED_CLS), "{section}");
        }
        assert_eq!(type_of("action"), Some(ProgType::SCHED_ACT));
        assert_eq!(type_of("socket/3"), Some(ProgType::SOCKET_FILTER));
        for section in ["ingress", "socket1", "42/0", "", "?", "classifiers"] {
            assert_eq!(type_of(section), None, "{section}");
        }
    }

    /// Numbers as in uapi `linux/bpf.h`.
    #[test]
    fn numbers_and_names() {
        assert_eq!((ProgType::SCHED_CLS.0, ProgType::SCHED_ACT.0, ProgType::XDP.0), (3, 4, 6));
        assert_eq!(ProgType::SCHED_CLS.to_string(), "sched_cls");
        assert_eq!(ProgType(4711).to_string(), "program type 4711");
    }
}
