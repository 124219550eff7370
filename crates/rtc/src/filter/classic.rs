//! Classic BPF in filters and actions: assembler text, and what is said about a program that the kernel would refuse, or
//! take for something else than was meant.

use std::fmt::Write as _;

use tc_bpf_loader::cbpf::{self, AsmError, Assembly, SockFilter};
use tc_proto::Handle;
use tc_proto::filter::bpf::ClassicInsn;

/// What tcpdump's programs return of packets that they want: its snapshot lengths, past and present.
const SNAPLENS: [u32; 2] = [0xffff, 0x4_0000];
/// `TC_ACT_VALUE_MAX` of uapi `linux/pkt_cls.h`.
const MAX_VERDICT: u32 = 8;

/// Assembles text of which the kernel must take the instructions. The error is a hint.
pub(crate) fn assemble(
    text: &str,
    assemble: fn(&str) -> Result<Assembly, AsmError>,
) -> Result<Assembly, String> {
    let at = |line: usize, column: usize, what: &dyn std::fmt::Display| {
        let shown: String = text.split('\n').nth(line - 1).unwrap_or_default().trim_end().into();
        let mark = shown.char_indices().take_while(|(i, _)| i + 1 < column);
        let mark: String = mark.map(|(_, c)| if c == '\t' { '\t' } else { ' ' }).collect();
        // A long line says more in words than in characters.
        match shown.len() {
            0..=120 => format!("{what}\n  {shown}\n  {mark}^"),
            _ => what.to_string(),
        }
    };
    let assembly = assemble(text).map_err(|e| at(e.line, e.column, &e))?;
    match cbpf::validate(&assembly.insns) {
        Ok(()) => Ok(assembly),
        Err(e) => {
            let line = assembly.lines.get(e.index).copied().unwrap_or(1);
            let insn = assembly.insns.get(e.index).map(ToString::to_string).unwrap_or_default();
            Err(format!("line {line}: `{insn}`: {}", e.reason))
        }
    }
}

fn plain(insns: &[ClassicInsn]) -> Vec<SockFilter> {
    insns.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect()
}

/// Which instruction makes the kernel refuse the program.
pub(crate) fn suspicion(insns: &[ClassicInsn]) -> Option<String> {
    let insns = plain(insns);
    let invalid = cbpf::validate(&insns).err()?;
    Some(match insns.get(invalid.index) {
        Some(insn) => {
            format!("instruction {} of the bytecode, `{insn}`: {}", invalid.index, invalid.reason)
        }
        None => invalid.reason.to_string(),
    })
}

/// Says of a filter's program what its author may not have meant. `acts` is whether it has actions.
pub(crate) fn advise_filter(insns: &[ClassicInsn], classid: Option<Handle>, acts: bool) -> String {
    let insns = plain(insns);
    let mut said = unreached(&insns);
    let returns = cbpf::returns(&insns);
    let mut classes: Vec<u32> = returns.constants.into_iter().map(|(_, k)| k).collect();
    classes.retain(|k| !matches!(*k, 0 | u32::MAX));
    classes.sort_unstable();
    classes.dedup();
    for k in classes {
        let class = Handle(k);
        if let Some(classid) = classid {
            said.push_str(&note(&format!(
                "the bytecode returns {k:#x}, which is the class {class}, whatever flowid says; \
                 `ret #-1` takes flowid {classid}"
            )));
        } else if SNAPLENS.contains(&k) && !acts {
            said.push_str(&note(&format!(
                "the bytecode returns {k:#x}, as tcpdump's does, which is the class {class}; \
                 `ret #-1` matches and takes the flowid given here"
            )));
        }
    }
    said
}

/// Says of an action's program what its author may not have meant.
pub(crate) fn advise_action(insns: &[ClassicInsn]) -> String {
    let insns = plain(insns);
    let mut said = unreached(&insns);
    let mut results: Vec<u32> = cbpf::returns(&insns).constants.iter().map(|(_, k)| *k).collect();
    results.retain(|k| *k > MAX_VERDICT && *k != u32::MAX);
    results.sort_unstable();
    results.dedup();
    for k in results {
        said.push_str(&note(&format!(
            "the bytecode returns {k:#x}, which is no verdict; `ret #-1` takes the one given here"
        )));
    }
    said
}

fn unreached(insns: &[SockFilter]) -> String {
    let mut said = String::new();
    if cbpf::validate(insns).is_err() {
        return said;
    }
    if let [first, rest @ ..] = &*cbpf::unreachable(insns) {
        let insn = insns.get(*first).map(ToString::to_string).unwrap_or_default();
        let more = match rest.len() {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        said =
            note(&format!("no way leads to instruction {first} of the bytecode, `{insn}`{more}"));
    }
    said
}

/// A line of our own.
pub(crate) fn note(text: &str) -> String {
    let mut line = String::new();
    _ = writeln!(line, "  note: {text}");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insns(text: &str) -> Vec<ClassicInsn> {
        let insns = cbpf::parse_bytecode(text).unwrap().into_iter();
        insns.map(|i| ClassicInsn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
    }

    /// tcpdump -ddd arp, which returns its snapshot length.
    const TCPDUMP: &str = "4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0";
    const MEANT: &str = "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0";

    #[test]
    fn the_class_that_tcpdump_does_not_mean_is_told_of() {
        let said = advise_filter(&insns(TCPDUMP), Some(Handle::new(1, 1)), false);
        assert!(
            said.contains("returns 0x40000, which is the class 4:") && said.contains("flowid 1:1"),
            "{said}"
        );
        assert!(advise_filter(&insns(TCPDUMP), None, false).contains("as tcpdump's does"));
        // With an action nobody asks for the class.
        assert_eq!(advise_filter(&insns(TCPDUMP), None, true), "");
        assert_eq!(advise_filter(&insns(MEANT), Some(Handle::new(1, 1)), false), "");
        // A class that is meant, and none that is ignored.
        assert_eq!(advise_filter(&insns("1,6 0 0 65546"), None, false), "");
        assert!(advise_action(&insns(TCPDUMP)).contains("no verdict"));
        assert_eq!(advise_action(&insns("1,6 0 0 2")), "");
    }

    #[test]
    fn the_instruction_to_blame_is_shown() {
        let said = suspicion(&insns("2,52 0 0 0,6 0 0 0")).unwrap();
        assert_eq!(said, "instruction 0 of the bytecode, `div #0`: it divides by the constant 0");
        assert_eq!(suspicion(&insns(MEANT)), None);
        assert_eq!(suspicion(&[]).unwrap(), "a program has 1 to 4096 instructions");
        let said = assemble("ldh [12]\ndiv #0\nret a\n", cbpf::assemble_file).unwrap_err();
        assert_eq!(said, "line 2: `div #0`: it divides by the constant 0");
        let said = assemble("ldh [12]\n\tjq #0\nret a\n", cbpf::assemble_file).unwrap_err();
        assert_eq!(said, "line 2, column 2: there is no instruction `jq`\n  \tjq #0\n  \t^");
    }
}
