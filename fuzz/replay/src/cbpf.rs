//! Classic bytecode: its text, and the checks on its instructions.

use tc_bpf_loader::cbpf::{self, Bytecode, MAX_INSNS, SockFilter};

/// The text of bytecode, and instructions as bytes.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn cbpf(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for parsed in [cbpf::parse_bytecode(&text), cbpf::parse_bytecode_file(&text)] {
        match parsed {
            Ok(insns) => check(&insns),
            Err(e) => assert!(e.to_string().len() < 512, "{e}"),
        }
    }
    let insns = data.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
    let insns: Vec<SockFilter> = insns.map(SockFilter::from_bytes).collect();
    let bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.to_bytes()).collect();
    assert!(data.starts_with(&bytes));
    check(&insns);
}

fn check(insns: &[SockFilter]) {
    crate::asm::check(insns);
    if let Err(e) = cbpf::validate(insns) {
        assert!(e.index <= insns.len(), "{e}");
    }
    if (1..=MAX_INSNS).contains(&insns.len()) {
        let text = Bytecode(insns).to_string();
        assert_eq!(cbpf::parse_bytecode(&text).as_deref(), Ok(insns), "{text}");
        assert_eq!(cbpf::parse_bytecode_file(&text).as_deref(), Ok(insns), "{text}");
    }
}
