//! Classic BPF: the assembler and the disassembler.

use tc_bpf_loader::cbpf::{
    self, Assembly, Disassembly, Initialisers, MAX_INSNS, assemble, assemble_file,
};

/// A text of one line, and a file.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn asm(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for assembled in [assemble(&text), assemble_file(&text)] {
        match assembled {
            Ok(Assembly { insns, lines, .. }) => {
                assert!((1..=MAX_INSNS).contains(&insns.len()));
                assert!(lines.len() == insns.len() && lines.is_sorted());
                assert!(lines.last().is_none_or(|line| *line <= text.split('\n').count()));
                check(&insns);
            }
            Err(e) => {
                assert!(e.to_string().len() < 512 + text.len(), "{e}");
                let line = text.split('\n').nth(e.line - 1).unwrap_or_default();
                assert!(e.column <= line.len() + 1, "{e} in {line:?}");
            }
        }
    }
    if let Ok(insns) = cbpf::parse_any_bytecode(&text) {
        check(&insns);
        let again = cbpf::parse_any_bytecode(&Initialisers(&insns).to_string());
        assert_eq!(again.as_ref(), Ok(&insns));
    }
}

/// The text of instructions is theirs.
pub(crate) fn check(insns: &[cbpf::SockFilter]) {
    if insns.len() > MAX_INSNS || insns.is_empty() {
        return;
    }
    let shown = Disassembly(insns).to_string();
    let again = assemble_file(&shown);
    assert_eq!(again.as_ref().map(|a| &a.insns[..]), Ok(insns), "{shown}");
    for index in cbpf::unreachable(insns) {
        assert!(index > 0 && index < insns.len());
    }
    assert!(cbpf::returns(insns).constants.len() <= insns.len());
}
