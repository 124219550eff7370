//! Classic BPF: tc's `bytecode` text, an assembler and a disassembler, and the checks that the kernel makes without saying
//! which one failed.
//!
//! # Bytecode
//!
//! A count and as many instructions of four decimal numbers, `4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0`; a file may
//! have newlines instead of the commas, as `tcpdump -ddd` writes it. The instruction set is in uapi `linux/filter.h` and
//! `linux/bpf_common.h`, the checks are those of `bpf_check_classic`.
//!
//! # The language
//!
//! The one of the original paper with the kernel's additions, as `bpf_asm` has it. Instructions follow each other with
//! any blanks between; a label and a colon may stand in front. There are the accumulator A, the index register X, and
//! the memory cells M\[0\] to M\[15\]. Numbers are decimal, octal (`017`), hexadecimal (`0x1f`) or binary (`0b101`), and
//! may have a sign.
//!
//! | instruction | operand | |
//! |---|---|---|
//! | `ld` | `[k]` `[x + k]` `#k` `M[k]` `len`, an extension | loads four bytes into A |
//! | `ldh` `ldb` | `[k]` `[x + k]`, an extension | loads two bytes, one byte |
//! | `ldi` | `#k` | the same as `ld #k` |
//! | `ldx` | `#k` `M[k]` `len` `4*([k]&0xf)` | loads X; the last form is the length of an IPv4 header |
//! | `ldxi` `ldxb` | `#k`; `4*([k]&0xf)` | the same |
//! | `st` `stx` | `M[k]` | stores A, X |
//! | `add` `sub` `mul` `div` `mod` `and` `or` `xor` `lsh` `rsh` | `#k` `x` | changes A |
//! | `neg` `tax` `txa` | | A = -A, X = A, A = X |
//! | `jmp` `ja` | label | goes on there |
//! | `jeq` `jgt` `jge` `jset` | `#k` or `x`, label, label | compares A (`jset`: A & operand), and goes on at the first label if that holds, else at the second or, without one, at the next instruction |
//! | `jne` `jneq` `jlt` `jle` | `#k` or `x`, label | goes on at the label if that holds |
//! | `ret` | `#k` `a` | ends with that result |
//!
//! X may be written `%x`, A `%a`. Extensions are the kernel's data about the packet, with `#` in front or in brackets if
//! one likes: `proto` `type` `ifidx` `nla` `nlan` `mark` `queue` `hatype` `rxhash` `cpu` `vlan_tci` `vlan_avail` (or
//! `vlan_pr`) `vlan_tpid` `poff` `rand`. Comments are `/* ... */`, and lines with `#` in their first column; in texts of
//! several lines also what follows a semicolon, while in a text of one line semicolons stand between instructions.
//!
//! Two things are not in other assemblers: `.insn CODE JT JF K` is any instruction at all, which makes [`Disassembly`]
//! exact; and the text of `tcpdump -d` is taken as it is, with the places of instructions in front and in jumps.

mod asm;
mod bytecode;
mod check;
mod disasm;
mod lex;
mod op;

pub use asm::{AsmError, Assembly, Problem, assemble, assemble_file};
pub use bytecode::{
    Bytecode, BytecodeError, Initialisers, parse_any_bytecode, parse_bytecode, parse_bytecode_file,
};
pub use check::{InvalidProgram, Reason, Returns, returns, unreachable, validate};
pub use disasm::Disassembly;

/// Most instructions of a program.
#[doc(alias = "BPF_MAXINSNS")]
pub const MAX_INSNS: usize = 4096;

/// One classic instruction, eight bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "sock_filter")]
pub struct SockFilter {
    /// Operation code.
    pub code: u16,
    /// Instructions to skip if a condition holds.
    pub jt: u8,
    /// Instructions to skip if it doesn't.
    pub jf: u8,
    /// Constant.
    pub k: u32,
}

impl SockFilter {
    /// An instruction from its four fields.
    #[must_use]
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        SockFilter { code, jt, jf, k }
    }

    /// The eight bytes of `struct sock_filter`, in the host's byte order, as `TCA_BPF_OPS` has them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let ([c0, c1], [k0, k1, k2, k3]) = (self.code.to_ne_bytes(), self.k.to_ne_bytes());
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }

    /// The reverse of [`to_bytes`](Self::to_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let [c0, c1, jt, jf, k0, k1, k2, k3] = bytes;
        SockFilter {
            code: u16::from_ne_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_ne_bytes([k0, k1, k2, k3]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_struct_sock_filter() {
        let insn = SockFilter::new(0x15, 1, 2, 0x0800);
        if cfg!(target_endian = "little") {
            assert_eq!(insn.to_bytes(), [0x15, 0, 1, 2, 0, 8, 0, 0]);
        }
        assert_eq!(SockFilter::from_bytes(insn.to_bytes()), insn);
    }
}
