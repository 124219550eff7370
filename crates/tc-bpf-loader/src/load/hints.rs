//! What to do about frequent refusals of the verifier. Its words are no interface: what is not recognised gets no hint.

/// What the log may contain, and what to do then; the first that fits counts.
const HINTS: &[(&str, &str)] = &[
    ("missing btf func_info", "callbacks need type information: compile with -g"),
    (
        "cannot call GPL-restricted function",
        "declare the license: char _license[] SEC(\"license\") = \"GPL\";",
    ),
    ("is outside of the packet", "compare the end of what is read or written with data_end first"),
    ("invalid access to packet", "compare the end of what is read or written with data_end first"),
    ("invalid access to map value", "compare the place with the size of the map's value first"),
    ("_or_null'", "the pointer may be NULL: test it before it is used"),
    ("null-check it first", "the pointer may be NULL: test it before it is used"),
    (
        "unbounded memory access",
        "test the index or the size against a constant first, and that it is not negative",
    ),
    (
        "min value is negative",
        "test that the index or the size is not negative, or make it unsigned",
    ),
    (
        "infinite loop detected",
        "a loop must come to an end that the verifier can see: count up to a constant",
    ),
    ("back-edge from insn", "this kernel takes no loops: unroll it (#pragma unroll)"),
    (
        "BPF program is too large",
        "there are too many ways through the program: make loops shorter, or functions of parts (bpf_loop(), tail calls)",
    ),
    ("program of this type cannot use helper", "programs of this type may not call that helper"),
    (
        "invalid func unknown#",
        "this kernel has no helper of that number: the program needs a newer one",
    ),
    ("unknown func ", "this kernel does not let programs of this type call that helper"),
    (
        "combined stack size",
        "functions that call each other may use 512 bytes of stack together: move data into a map",
    ),
    (
        "Unreleased reference",
        "what was looked up must be released on every way out, for example by bpf_sk_release()",
    ),
    ("!read_ok", "a register, such as the result, is used before it has a value"),
    (
        "dereference of modified ctx ptr",
        "read the context's fields from the pointer that the program was given",
    ),
    (
        "invalid bpf_context access",
        "programs of this type may not read or write that part of their context",
    ),
    ("leaks addr", "only a privileged user may let addresses of the kernel out (CAP_PERFMON)"),
    (
        "pointer comparison prohibited",
        "pointers may be compared by a privileged user only (CAP_PERFMON)",
    ),
    ("unreachable insn", "there are instructions that no way leads to"),
];

/// The hint for a log.
pub(super) fn find(log: &str) -> Option<&'static str> {
    HINTS.iter().find(|(text, _)| log.contains(text)).map(|(_, hint)| *hint)
}
