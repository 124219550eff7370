//! Classic BPF: tc's `bytecode` text, and the checks that the kernel makes without saying which one failed.
//!
//! The text is a count and as many instructions of four decimal numbers, `4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0
//! 0`; a file may have newlines instead of the commas, as `tcpdump -ddd` writes it. The instruction set is in uapi
//! `linux/filter.h` and `linux/bpf_common.h`, the checks are those of `bpf_check_classic`.

use std::error::Error;
use std::fmt;

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

/// Shows instructions as the text that [`parse_bytecode`] reads and tc prints.
///
/// ```
/// # use tc_bpf_loader::cbpf::{Bytecode, SockFilter};
/// let text = Bytecode(&[SockFilter::new(6, 0, 0, 4294967295)]).to_string();
/// assert_eq!(text, "1,6 0 0 4294967295");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bytecode<'a>(pub &'a [SockFilter]);

impl fmt::Display for Bytecode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())?;
        self.0.iter().try_for_each(|i| write!(f, ",{} {} {} {}", i.code, i.jt, i.jf, i.k))
    }
}

/// Why a text is no bytecode.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BytecodeError {
    /// The text does not start with a count from 1 to 4096 and a comma.
    Count {
        /// What is there instead, shortened.
        found: String,
    },
    /// Fewer instructions than the count says.
    Less {
        /// The count.
        expected: usize,
        /// Instructions there are.
        found: usize,
    },
    /// More text after as many instructions as the count says.
    More {
        /// The count.
        expected: usize,
    },
    /// An instruction is not four numbers in range.
    At {
        /// The instruction, from 0.
        index: usize,
        /// What is there instead, shortened.
        found: String,
    },
}

impl fmt::Display for BytecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BytecodeError::Count { found } => write!(
                f,
                "bytecode starts with the number of instructions, 1 to {MAX_INSNS}, and a comma, not with `{found}`"
            ),
            BytecodeError::Less { expected, found } => {
                write!(f, "bytecode of {expected} instructions ends after {found}")
            }
            BytecodeError::More { expected } => {
                write!(f, "bytecode of {expected} instructions goes on after them")
            }
            BytecodeError::At { index, found } => write!(
                f,
                "instruction {index} of the bytecode is `{found}`, not `code jt jf k` \
                 (at most 65535, 255, 255 and 4294967295)"
            ),
        }
    }
}

impl Error for BytecodeError {}

/// Reads bytecode as it stands on a command line.
///
/// As in tc: blanks may surround the count and separate the numbers in any amount, one comma may end the text, and a
/// constant may be negative, which means its two's complement. Unlike tc: numbers out of range and text after the
/// fourth number of an instruction are errors, rather than cut off.
///
/// # Errors
/// [`BytecodeError`].
pub fn parse_bytecode(text: &str) -> Result<Vec<SockFilter>, BytecodeError> {
    let (count, mut rest) = text.split_once(',').unwrap_or((text, ""));
    let expected: usize = match count.trim_start().parse() {
        Ok(n @ 1..=MAX_INSNS) if text.contains(',') => n,
        _ => return Err(BytecodeError::Count { found: shortened(count) }),
    };
    let mut found = Vec::with_capacity(expected);
    while found.len() < expected && !rest.is_empty() {
        let (one, after) = rest.split_once(',').unwrap_or((rest, ""));
        let insn = instruction(one)
            .ok_or_else(|| BytecodeError::At { index: found.len(), found: shortened(one) })?;
        found.push(insn);
        rest = after;
    }
    if found.len() < expected {
        return Err(BytecodeError::Less { expected, found: found.len() });
    }
    if !rest.is_empty() {
        return Err(BytecodeError::More { expected });
    }
    Ok(found)
}

/// Reads bytecode as it stands in a file, where newlines may stand for commas; the last one ends the text.
///
/// # Errors
/// [`BytecodeError`].
pub fn parse_bytecode_file(text: &str) -> Result<Vec<SockFilter>, BytecodeError> {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    let mut joined = String::with_capacity(text.len());
    for line in lines {
        joined.push_str(line);
        if !line.ends_with(',') {
            joined.push(',');
        }
    }
    parse_bytecode(&joined)
}

fn instruction(text: &str) -> Option<SockFilter> {
    let mut words = text.split_ascii_whitespace();
    let code = words.next()?.parse().ok()?;
    let jt = words.next()?.parse().ok()?;
    let jf = words.next()?.parse().ok()?;
    let k = words.next()?;
    let k = if k.starts_with('-') { k.parse::<i32>().ok()? as u32 } else { k.parse().ok()? };
    words.next().is_none().then_some(SockFilter { code, jt, jf, k })
}

/// At most 32 characters of what the user wrote.
fn shortened(text: &str) -> String {
    let mut short: String = text.trim().chars().take(32).collect();
    if short.len() < text.trim().len() {
        short.push_str("...");
    }
    short
}

/// The first thing in a program that the kernel refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidProgram {
    /// The instruction, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a classic instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The program has no instruction, or more than [`MAX_INSNS`].
    Length,
    /// There is no such operation.
    UnknownCode,
    /// A jump leads behind the last instruction.
    JumpOutside,
    /// A division by the constant 0.
    DivisionByZero,
    /// A shift by 32 bits or more.
    WideShift,
    /// There are memory cells 0 to 15.
    NoSuchCell,
    /// A memory cell is read that no way there writes.
    UnwrittenCell,
    /// The kernel has no such extension: an absolute load from -4096 and up must be one of its data.
    UnknownExtension,
    /// The last instruction does not return.
    NoReturn,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Length => "a program has 1 to 4096 instructions",
            Reason::UnknownCode => "there is no such operation",
            Reason::JumpOutside => "the jump leads behind the last instruction",
            Reason::DivisionByZero => "it divides by the constant 0",
            Reason::WideShift => "it shifts by 32 bits or more",
            Reason::NoSuchCell => "there are memory cells 0 to 15 only",
            Reason::UnwrittenCell => {
                "it reads a memory cell that was not written before on every way"
            }
            Reason::UnknownExtension => "the kernel has no extension at that offset",
            Reason::NoReturn => "the last instruction must be a return",
        })
    }
}

impl fmt::Display for InvalidProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {} is not valid: {}", self.index, self.reason)
    }
}

impl Error for InvalidProgram {}

// Parts of an operation code.
const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;
const W: u16 = 0x00;
const H: u16 = 0x08;
const B: u16 = 0x10;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const IND: u16 = 0x40;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
const MSH: u16 = 0xa0;
const X: u16 = 0x08;
const DIV_K: u16 = ALU | 0x30;
const MOD_K: u16 = ALU | 0x90;
const LSH_K: u16 = ALU | 0x60;
const RSH_K: u16 = ALU | 0x70;
const JA: u16 = JMP;

/// `SKF_AD_OFF`: absolute loads from here up are of the kernel's own data about the packet.
const AD_OFF: u32 = -0x1000_i32 as u32;
/// `SKF_AD_MAX` of kernel 4.3 to 7.2.
const AD_MAX: u32 = 64;

/// Makes the kernel's checks, to tell which instruction it would refuse.
///
/// # Errors
/// The first instruction that is not valid, and why.
pub fn validate(insns: &[SockFilter]) -> Result<(), InvalidProgram> {
    let count = insns.len();
    let bad = |index, reason| Err(InvalidProgram { index, reason });
    if count == 0 || count > MAX_INSNS {
        return bad(0, Reason::Length);
    }
    for (index, insn) in insns.iter().enumerate() {
        if !is_known(insn.code) {
            return bad(index, Reason::UnknownCode);
        }
        // Jumps count from the next instruction.
        let outside = |offset: u64| index as u64 + offset + 1 >= count as u64;
        let reason = match insn.code {
            DIV_K | MOD_K if insn.k == 0 => Some(Reason::DivisionByZero),
            LSH_K | RSH_K if insn.k >= 32 => Some(Reason::WideShift),
            JA if outside(u64::from(insn.k)) => Some(Reason::JumpOutside),
            JA => None,
            code if code & 7 == JMP && (outside(insn.jt.into()) || outside(insn.jf.into())) => {
                Some(Reason::JumpOutside)
            }
            _ if cell(*insn).is_some_and(|(k, _)| k >= 16) => Some(Reason::NoSuchCell),
            code if code & !0x18 == (LD | ABS) && insn.k >= AD_OFF => {
                (insn.k - AD_OFF >= AD_MAX || insn.k % 4 != 0).then_some(Reason::UnknownExtension)
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return bad(index, reason);
        }
    }
    if insns.last().is_none_or(|i| i.code & 7 != RET) {
        return bad(count - 1, Reason::NoReturn);
    }
    unwritten(insns).map_or(Ok(()), |index| bad(index, Reason::UnwrittenCell))
}

/// The memory cell of an instruction, and whether it is written.
fn cell(insn: SockFilter) -> Option<(u32, bool)> {
    const LD_MEM: u16 = LD | MEM;
    const LDX_MEM: u16 = LDX | MEM;
    match insn.code {
        LD_MEM | LDX_MEM => Some((insn.k, false)),
        ST | STX => Some((insn.k, true)),
        _ => None,
    }
}

/// The first instruction that reads a cell which is not written on every way to it. Jumps lead forward only, so one
/// pass will do.
fn unwritten(insns: &[SockFilter]) -> Option<usize> {
    // Cells that are written on all ways seen so far to each instruction.
    let mut known = vec![u16::MAX; insns.len() + 1];
    let mut here = 0u16;
    for (index, insn) in insns.iter().enumerate() {
        here &= known.get(index).copied().unwrap_or_default();
        let mut meet = |offset: usize, cells: u16| {
            if let Some(there) = known.get_mut(index.saturating_add(offset).saturating_add(1)) {
                *there &= cells;
            }
        };
        match (cell(*insn), insn.code) {
            (Some((k, true)), _) => here |= 1u16.checked_shl(k).unwrap_or(0),
            (Some((k, false)), _) if here & 1u16.checked_shl(k).unwrap_or(0) == 0 => {
                return Some(index);
            }
            (_, JA) => {
                meet(insn.k as usize, here);
                here = u16::MAX;
            }
            (_, code) if code & 7 == JMP => {
                meet(insn.jt.into(), here);
                meet(insn.jf.into(), here);
                here = u16::MAX;
            }
            _ => {}
        }
    }
    None
}

/// Whether the kernel has that operation.
fn is_known(code: u16) -> bool {
    let (class, rest) = (code & 7, code & !7);
    match class {
        LD => {
            matches!(rest & !(H | B), ABS | IND) && rest & (H | B) != (H | B)
                || [W | IMM, W | LEN, W | MEM].contains(&rest)
        }
        LDX => [W | IMM, W | LEN, W | MEM, B | MSH].contains(&rest),
        ST | STX => rest == 0,
        // add sub mul div or and lsh rsh (neg) mod xor, with a constant or X.
        ALU => matches!(rest & !X, 0x00..=0x70 | 0x90 | 0xa0) && rest & !0xf8 == 0 || rest == 0x80,
        // ja has a constant only; jeq jgt jge jset.
        JMP => rest == 0 || matches!(rest & !X, 0x10 | 0x20 | 0x30 | 0x40),
        // ret k, ret a
        RET => matches!(rest, 0x00 | 0x10),
        // tax, txa
        _ => matches!(rest, 0x00 | 0x80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tc 6.1 was observed to do with a text, where this parser does the same.
    #[test]
    fn texts_are_taken_and_refused_as_tc_does() {
        let ret = SockFilter::new(6, 0, 0, 0);
        for text in [
            "1,6 0 0 0",
            "1,6 0 0 0,",
            "1, 6 0 0 0",
            "1,6  0  0 0 ",
            " 1,6 0 0 0",
            "1,+6 0 0 0",
            "1,6\t0 0 0",
        ] {
            assert_eq!(parse_bytecode(text), Ok(vec![ret]), "{text:?}");
        }
        assert_eq!(parse_bytecode("1,6 0 0 -1"), Ok(vec![SockFilter::new(6, 0, 0, u32::MAX)]));
        for text in [
            "",
            "0",
            "0,",
            "1",
            "x,6 0 0 0",
            "1x,6 0 0 0",
            "1 ,6 0 0 0",
            "-1,6 0 0 0",
            "1;6 0 0 0",
            "4097,6 0 0 0",
        ] {
            assert!(matches!(parse_bytecode(text), Err(BytecodeError::Count { .. })), "{text:?}");
        }
        // Parsed program length is less than encoded length parameter!
        for text in ["1,", "2,6 0 0 0"] {
            assert!(matches!(parse_bytecode(text), Err(BytecodeError::Less { .. })), "{text:?}");
        }
        // Real program length exceeds encoded length parameter!
        for text in ["1,6 0 0 0,,", "1,6 0 0 0,6 0 0 0"] {
            assert_eq!(parse_bytecode(text), Err(BytecodeError::More { expected: 1 }), "{text:?}");
        }
        // Error at instruction 0! and 1!
        for (text, at) in [
            ("1,6 0 0", 0),
            ("1,6 0 0 x", 0),
            ("1,6,0,0,0", 0),
            ("1,a", 0),
            ("2,6 0 0 0,6 0 0 x", 1),
        ] {
            let got = parse_bytecode(text);
            assert!(
                matches!(got, Err(BytecodeError::At { index, .. }) if index == at),
                "{text:?}: {got:?}"
            );
        }
    }

    /// tc cuts these off without a word: 0x10 to 0, 256 to 0, 65537 to 1.
    #[test]
    fn what_tc_would_cut_off_is_refused() {
        for text in [
            "1,65537 0 0 0",
            "1,6 256 0 0",
            "1,6 0 256 0",
            "1,6 0 0 4294967296",
            "1,6 0 0 0x10",
            "1,6 0 0 0 9",
        ] {
            assert!(
                matches!(parse_bytecode(text), Err(BytecodeError::At { index: 0, .. })),
                "{text:?}"
            );
        }
        assert!(matches!(parse_bytecode("65537,6 0 0 0"), Err(BytecodeError::Count { .. })));
    }

    #[test]
    fn a_file_as_tcpdump_writes_it() {
        // tcpdump -ddd ip
        let want = parse_bytecode("4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0").unwrap();
        assert_eq!(want.get(1), Some(&SockFilter::new(21, 0, 1, 2048)));
        for text in [
            "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n",
            "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,\n",
            "4\r\n40  0 0 12\r\n21 0 1 2048\r\n6 0 0 262144\r\n6 0 0 0",
        ] {
            assert_eq!(parse_bytecode_file(text).as_ref(), Ok(&want), "{text:?}");
        }
    }

    #[test]
    fn the_instruction_at_fault_is_named() {
        let check = |text: &str| match validate(&parse_bytecode(text).unwrap()) {
            Ok(()) => None,
            Err(e) => Some((e.index, e.reason)),
        };
        assert_eq!(check("4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0"), None);
        assert_eq!(check("2,40 0 0 12,4 0 0 1"), Some((1, Reason::NoReturn)));
        assert_eq!(check("2,14 0 0 0,6 0 0 0"), Some((0, Reason::UnknownCode))); // ret x
        assert_eq!(check("2,261 0 0 0,6 0 0 0"), Some((0, Reason::UnknownCode)));
        assert_eq!(check("3,40 0 0 12,21 0 1 2048,6 0 0 0"), Some((1, Reason::JumpOutside)));
        assert_eq!(check("2,5 0 0 4294967295,6 0 0 0"), Some((0, Reason::JumpOutside)));
        assert_eq!(check("2,52 0 0 0,6 0 0 0"), Some((0, Reason::DivisionByZero)));
        assert_eq!(check("2,148 0 0 0,6 0 0 0"), Some((0, Reason::DivisionByZero)));
        assert_eq!(check("2,100 0 0 32,6 0 0 0"), Some((0, Reason::WideShift)));
        assert_eq!(check("2,2 0 0 16,6 0 0 0"), Some((0, Reason::NoSuchCell)));
        assert_eq!(check("2,96 0 0 3,22 0 0 0"), Some((0, Reason::UnwrittenCell)));
        assert_eq!(check("3,2 0 0 3,96 0 0 3,22 0 0 0"), None);
        // The cell is written on one of two ways only.
        assert_eq!(check("4,21 1 0 7,2 0 0 3,96 0 0 3,22 0 0 0"), Some((2, Reason::UnwrittenCell)));
        assert_eq!(check("2,40 0 0 4294963264,22 0 0 0"), Some((0, Reason::UnknownExtension)));
        assert_eq!(check("2,40 0 0 4294963200,22 0 0 0"), None); // ldh #proto
        assert_eq!(validate(&[]), Err(InvalidProgram { index: 0, reason: Reason::Length }));
    }

    #[test]
    fn bytes_are_those_of_struct_sock_filter() {
        let insn = SockFilter::new(0x15, 1, 2, 0x0800);
        if cfg!(target_endian = "little") {
            assert_eq!(insn.to_bytes(), [0x15, 0, 1, 2, 0, 8, 0, 0]);
        }
        assert_eq!(SockFilter::from_bytes(insn.to_bytes()), insn);
    }
}
