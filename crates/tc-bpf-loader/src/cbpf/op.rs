//! Operation codes: uapi `linux/bpf_common.h` and `linux/filter.h`.

// Classes.
pub(super) const LD: u16 = 0;
pub(super) const LDX: u16 = 1;
pub(super) const ST: u16 = 2;
pub(super) const STX: u16 = 3;
pub(super) const ALU: u16 = 4;
pub(super) const JMP: u16 = 5;
pub(super) const RET: u16 = 6;
pub(super) const MISC: u16 = 7;

// Sizes of loads.
pub(super) const W: u16 = 0x00;
pub(super) const H: u16 = 0x08;
pub(super) const B: u16 = 0x10;

// Modes of loads.
pub(super) const IMM: u16 = 0x00;
pub(super) const ABS: u16 = 0x20;
pub(super) const IND: u16 = 0x40;
pub(super) const MEM: u16 = 0x60;
pub(super) const LEN: u16 = 0x80;
pub(super) const MSH: u16 = 0xa0;

/// The operand is X, not the constant.
pub(super) const X: u16 = 0x08;
/// What is returned is A, not the constant.
pub(super) const A: u16 = 0x10;

pub(super) const DIV_K: u16 = ALU | 0x30;
pub(super) const MOD_K: u16 = ALU | 0x90;
pub(super) const LSH_K: u16 = ALU | 0x60;
pub(super) const RSH_K: u16 = ALU | 0x70;
pub(super) const NEG: u16 = ALU | 0x80;
pub(super) const JA: u16 = JMP;
pub(super) const JEQ: u16 = JMP | 0x10;
pub(super) const JGT: u16 = JMP | 0x20;
pub(super) const JGE: u16 = JMP | 0x30;
pub(super) const JSET: u16 = JMP | 0x40;
pub(super) const TAX: u16 = MISC;
pub(super) const TXA: u16 = MISC | 0x80;

/// Arithmetic with two operands.
pub(super) const ARITHMETIC: [(&str, u16); 10] = [
    ("add", ALU),
    ("sub", ALU | 0x10),
    ("mul", ALU | 0x20),
    ("div", DIV_K),
    ("or", ALU | 0x40),
    ("and", ALU | 0x50),
    ("lsh", LSH_K),
    ("rsh", RSH_K),
    ("mod", MOD_K),
    ("xor", ALU | 0xa0),
];

/// Conditional jumps: name, code, whether it jumps when the code's condition does not hold.
pub(super) const JUMPS: [(&str, u16, bool); 8] = [
    ("jeq", JEQ, false),
    ("jne", JEQ, true),
    ("jneq", JEQ, true),
    ("jgt", JGT, false),
    ("jle", JGT, true),
    ("jge", JGE, false),
    ("jlt", JGE, true),
    ("jset", JSET, false),
];

/// `SKF_AD_OFF`: absolute loads from here up are of the kernel's own data about the packet.
pub(super) const AD_OFF: u32 = -0x1000_i32 as u32;
/// `SKF_AD_MAX` of kernel 4.3 to 7.2.
pub(super) const AD_MAX: u32 = 64;

/// The kernel's data about the packet: name, offset from `SKF_AD_OFF`. The first name of an offset is the one to show.
pub(super) const EXTENSIONS: [(&str, u32); 18] = [
    ("proto", 0),
    ("type", 4),
    ("ifidx", 8),
    ("nla", 12),
    ("nlan", 16),
    ("mark", 20),
    ("queue", 24),
    ("hatype", 28),
    ("rxhash", 32),
    ("cpu", 36),
    // It has no name in other assemblers: what the kernel calls `SKF_AD_ALU_XOR_X` is `xor x`.
    ("vlan_tci", 44),
    ("vlan_avail", 48),
    ("vlan_pr", 48),
    // As tcpdump writes it.
    ("vlanp", 48),
    ("poff", 52),
    ("rand", 56),
    ("random", 56),
    ("vlan_tpid", 60),
];

/// The first name of the extension at this place of an absolute load.
pub(super) fn extension(k: u32) -> Option<&'static str> {
    let offset = k.checked_sub(AD_OFF)?;
    EXTENSIONS.iter().find(|(_, at)| *at == offset).map(|(name, _)| *name)
}
