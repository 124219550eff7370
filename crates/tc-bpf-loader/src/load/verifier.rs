//! Reading the verifier's log for its point. The log's form is no interface, so nothing here is needed to go well.

/// What a log says, shortened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// What was said of the last instruction: the first line of it, which says what is wrong, and the last, which says
    /// why, if there are more.
    pub(super) message: Option<String>,
    /// The last instruction that the verifier looked at.
    pub(super) insn: Option<usize>,
    /// File, line and text of the source that instruction came from.
    pub(super) source: Option<String>,
}

/// Finds the reason in a log. `source` tells the source line of an instruction.
///
/// Kernels differ in which of two lines says more: that a packet's bounds are left is in the last line up to 6.18, in
/// the first one since. So both are told.
pub(super) fn summary(log: &str, source: &dyn Fn(usize) -> Option<String>) -> Summary {
    let mut found = Summary::default();
    let (mut first, mut last) = (None, None);
    for line in log.lines().rev().map(str::trim) {
        if let Some(n) = instruction(line) {
            found.insn = Some(n);
            found.source = source(n);
            break;
        }
        if is_message(line) {
            first = Some(line);
            last = last.or(first);
        }
    }
    found.message = match (first, last) {
        (Some(first), Some(last)) if first != last => Some(format!("{first}: {last}")),
        (first, _) => first.map(str::to_owned),
    };
    found
}

/// The number of a line such as `12: (71) r0 = *(u8 *)(r2 +20)`.
fn instruction(line: &str) -> Option<usize> {
    let (number, rest) = line.split_once(": ")?;
    rest.starts_with('(').then(|| number.parse().ok())?
}

/// How lines begin that tell where the verifier is and what it knows, not what is wrong.
const NOISE: [&str; 22] = [
    "; ",
    "processed ",
    "verification time",
    "stack depth",
    "peak_states",
    "from ",
    "frame",
    "caller:",
    "callee:",
    "returning from callee:",
    "to caller at ",
    "cur state:",
    "old state:",
    "last_idx ",
    "mark_precise:",
    "regs=",
    "parent ",
    "propagating ",
    "func#",
    "Func#",
    "Validating ",
    "Live regs before insn:",
];

/// Not statistics, source lines or register states.
fn is_message(line: &str) -> bool {
    let at = line.split_once(": ").is_some_and(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()));
    !line.is_empty() && !at && !is_state(line) && !NOISE.iter().any(|n| line.starts_with(n))
}

/// Whether a line begins with what is in a register: `R1=ctx() R10=fp0`, of older kernels `R1_w=inv(id=0)`.
fn is_state(line: &str) -> bool {
    let Some((register, _)) = line.split_once('=') else { return false };
    let Some(register) = register.strip_prefix('R') else { return false };
    register.split('_').next().is_some_and(|n| n.parse::<u8>().is_ok())
        && !register.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason, and the instruction.
    fn point(log: &str) -> (String, Option<usize>) {
        let got = summary(log, &|n| Some(format!("line of {n}")));
        assert_eq!(got.source, got.insn.map(|n| format!("line of {n}")));
        (got.message.unwrap_or_default(), got.insn)
    }

    /// Logs for a program that reads from a packet without a check.
    #[test]
    fn both_lines_of_a_reason_count() {
        let what = "invalid access to packet, off=20 size=1, R1(id=0,off=20,r=0)";
        for (kernel, why) in [
            ("6.18", "R1 offset is outside of the packet"),
            ("7.2", "R1 min value is outside of the allowed memory range"),
        ] {
            let log = format!(
                "0: R1=ctx() R10=fp0\n\
                 ; u8 *data = (u8 *)(u64)skb->data; @ refused.c:6\n\
                 0: (61) r1 = *(u32 *)(r1 +76)         ; R1=pkt(r=0)\n\
                 ; return data[20]; @ refused.c:8\n\
                 1: (71) r0 = *(u8 *)(r1 +20)\n\
                 {what}\n{why}\n\
                 processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"
            );
            assert_eq!(point(&log), (format!("{what}: {why}"), Some(1)), "{kernel}");
        }
    }

    /// Logs of the kernel's Documentation/bpf/verifier.rst, which are of early kernels.
    #[test]
    fn logs_of_early_kernels() {
        let misaligned = "0: (7a) *(u64 *)(r10 -8) = 0\n\
            3: (18) r1 = 0x0\n\
            5: (85) call 1\n\
            6: (15) if r0 == 0x0 goto pc+1\n \
             R0=map_ptr R10=fp\n\
            7: (7a) *(u64 *)(r0 +4) = 0\n\
            misaligned access off 4 size 8\n";
        assert_eq!(point(misaligned), ("misaligned access off 4 size 8".to_owned(), Some(7)));
        let immediate = "6: (15) if r0 == 0x0 goto pc+1\n \
             R0=map_value(id=0,off=0,ks=8,vs=8) R10=fp\n\
            7: (95) exit\n\
            from 5 to 8: R0=imm1 R10=fp\n\
            8: (7a) *(u64 *)(r0 +0) = 1\n\
            R0 invalid mem access 'imm'\n";
        assert_eq!(point(immediate), ("R0 invalid mem access 'imm'".to_owned(), Some(8)));
    }

    /// What is in registers, and where the verifier is, are no reasons. Parts of logs of 6.18.
    #[test]
    fn states_are_no_reasons() {
        let endless = "4: (05) goto pc-2\n\
            infinite loop detected at insn 3\n\
            cur state: R1=1 R10=fp0 fp-8=mmmm????\n\
            old state: R1=1 R10=fp0 fp-8=mmmm????\n\
            processed 10 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0\n";
        assert_eq!(point(endless), ("infinite loop detected at insn 3".to_owned(), Some(4)));
        let kept = "11: (55) if r1 != 0x0 goto pc+1 13: R0=1 R1=sock(ref_obj_id=2) R10=fp0 refs=2\n\
            13: (95) exit\n\
            Unreleased reference id=2 alloc_insn=8\n\
            BPF_EXIT instruction in main prog would lead to reference leak\n\
            processed 15 insns (limit 1000000) max_states_per_insn 1 total_states 1 peak_states 1 mark_read 0\n";
        let reason = "Unreleased reference id=2 alloc_insn=8: \
            BPF_EXIT instruction in main prog would lead to reference leak";
        assert_eq!(point(kept), (reason.to_owned(), Some(13)));
        // A call, and what would come next.
        let called = "6: (85) call pc+3\n\
            caller:\n R6=fp(off=-508,smin=0,smax=1,var_off=(0x0; 0x1)) R10=fp0 fp-512=m???????\n\
            callee:\n frame1: R1=ctx() R10=fp0\n\
            10: frame1: R1=ctx() R10=fp0\n\
            ; return d[3]; @ more.c:9\n\
            combined stack size of 2 calls is 544. Too large\n";
        let reason = "combined stack size of 2 calls is 544. Too large";
        assert_eq!(point(called), (reason.to_owned(), Some(6)));
        let global = "Validating global() func#1...\n\
            Func#1 ('global') is safe for any args that match its prototype\n\
            tail_calls are not allowed\n";
        assert_eq!(point(global), ("tail_calls are not allowed".to_owned(), None));
    }

    #[test]
    fn a_log_of_another_form_is_no_trouble() {
        assert_eq!(summary("", &|_| None), Summary::default());
        assert_eq!(point("unknown opcode 06\n"), ("unknown opcode 06".to_owned(), None));
        assert_eq!(point("R1=ctx()\nR1 !read_ok\n").0, "R1 !read_ok");
        assert_eq!(point("processed 1 insns\n").0, "");
    }
}
