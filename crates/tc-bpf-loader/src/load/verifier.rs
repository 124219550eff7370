//! Reading the verifier's log for its point. The log's form is no interface, so nothing here is needed to go well.

/// What a log says, shortened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// The last line that means something.
    pub(super) message: Option<String>,
    /// The last instruction that the verifier looked at.
    pub(super) insn: Option<usize>,
    /// File, line and text of the source that instruction came from.
    pub(super) source: Option<String>,
}

/// Finds the reason in a log. `source` tells the source line of an instruction.
pub(super) fn summary(log: &str, source: &dyn Fn(usize) -> Option<String>) -> Summary {
    let mut found = Summary::default();
    for line in log.lines().rev().map(str::trim) {
        let insn = instruction(line);
        if found.message.is_none() && insn.is_none() && is_message(line) {
            found.message = Some(line.to_owned());
        }
        if let Some(n) = insn {
            found.insn = Some(n);
            found.source = source(n);
            break;
        }
    }
    found
}

/// The number of a line such as `12: (71) r0 = *(u8 *)(r2 +20)`.
fn instruction(line: &str) -> Option<usize> {
    let (number, rest) = line.split_once(": ")?;
    rest.starts_with('(').then(|| number.parse().ok())?
}

/// Not statistics, source lines or register states.
fn is_message(line: &str) -> bool {
    let noise = ["processed ", "verification time", "stack depth", "; ", "from ", "peak_states"];
    let state = line.split_once(": ").is_some_and(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()));
    !line.is_empty() && !state && !noise.iter().any(|n| line.starts_with(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Log of kernel 6.18 for a packet access without a check.
    const PACKET: &str = "0: R1=ctx() R10=fp0\n\
        ; return d[20]; @ bad.c:7\n\
        0: (61) r1 = *(u32 *)(r1 +76)         ; R1_w=pkt(r=0)\n\
        1: (71) r0 = *(u8 *)(r1 +20)\n\
        invalid access to packet, off=20 size=1, R1(id=0,off=20,r=0)\n\
        R1 offset is outside of the packet\n\
        processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

    #[test]
    fn the_point_is_the_last_line_before_the_statistics() {
        let got = summary(PACKET, &|n| Some(format!("line of {n}")));
        assert_eq!(got.message.as_deref(), Some("R1 offset is outside of the packet"));
        assert_eq!(got.insn, Some(1));
        assert_eq!(got.source.as_deref(), Some("line of 1"));
    }

    #[test]
    fn a_log_of_another_form_is_no_trouble() {
        assert_eq!(summary("", &|_| None), Summary::default());
        assert_eq!(
            summary("unknown opcode 06\n", &|_| None).message.as_deref(),
            Some("unknown opcode 06")
        );
    }
}
