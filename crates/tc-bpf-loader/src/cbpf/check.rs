//! The checks that the kernel makes without saying which one failed: those of `bpf_check_classic`.

use std::error::Error;
use std::fmt;

use super::op::{
    ABS, AD_MAX, AD_OFF, ALU, B, DIV_K, H, IMM, IND, JA, JMP, LD, LDX, LEN, LSH_K, MEM, MOD_K, MSH,
    RET, RSH_K, ST, STX, W, X,
};
use super::{MAX_INSNS, SockFilter};

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
    /// A jump leads backwards.
    JumpBackward,
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
            Reason::JumpBackward => "the jump leads backwards",
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
            JA if insn.k > i32::MAX as u32 => Some(Reason::JumpBackward),
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

/// The instructions that no way leads to, in order. The kernel takes them; who wrote them hardly meant them.
///
/// Of a program that [`validate`] refuses the answer is of no use.
#[must_use]
pub fn unreachable(insns: &[SockFilter]) -> Vec<usize> {
    let reached = reached(insns);
    reached.iter().enumerate().filter(|(_, reached)| !**reached).map(|(index, _)| index).collect()
}

/// What a program may return.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Returns {
    /// The constants, with the instruction that returns each.
    pub constants: Vec<(usize, u32)>,
    /// Whether it may return what is in A.
    pub accumulator: bool,
}

/// What a program may return: the constants of all its returns that a way leads to.
#[must_use]
pub fn returns(insns: &[SockFilter]) -> Returns {
    let mut returns = Returns::default();
    let reached = reached(insns);
    for (index, (insn, _)) in insns.iter().zip(&reached).enumerate().filter(|(_, (_, r))| **r) {
        match insn.code {
            RET => returns.constants.push((index, insn.k)),
            code if code & 7 == RET => returns.accumulator = true,
            _ => {}
        }
    }
    returns
}

/// Of each instruction, whether a way leads to it. Jumps lead forward only, so one pass will do.
fn reached(insns: &[SockFilter]) -> Vec<bool> {
    let mut reached = vec![false; insns.len()];
    let reach = |index: usize, reached: &mut Vec<bool>| {
        if let Some(there) = reached.get_mut(index) {
            *there = true;
        }
    };
    reach(0, &mut reached);
    for (index, insn) in insns.iter().enumerate() {
        if reached.get(index) != Some(&true) {
            continue;
        }
        let after = index + 1;
        match insn.code {
            JA => reach(after.saturating_add(insn.k as usize), &mut reached),
            code if code & 7 == JMP => {
                reach(after + usize::from(insn.jt), &mut reached);
                reach(after + usize::from(insn.jf), &mut reached);
            }
            code if code & 7 == RET => {}
            _ => reach(after, &mut reached),
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::super::parse_bytecode;
    use super::*;

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
        assert_eq!(check("2,5 0 0 4294967295,6 0 0 0"), Some((0, Reason::JumpBackward)));
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
    fn what_no_way_leads_to_is_not_returned() {
        // ret #1; ret #2, and a jump over the second return.
        let insns = parse_bytecode("2,6 0 0 1,6 0 0 2").unwrap();
        assert_eq!(unreachable(&insns), [1]);
        assert_eq!(returns(&insns).constants, [(0, 1)]);
        let insns = parse_bytecode("4,5 0 0 1,6 0 0 7,21 0 0 5,22 0 0 0").unwrap();
        assert_eq!(unreachable(&insns), [1]);
        assert_eq!(returns(&insns), Returns { constants: Vec::new(), accumulator: true });
        // tcpdump -ddd arp
        let insns = parse_bytecode("4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0").unwrap();
        assert!(unreachable(&insns).is_empty());
        assert_eq!(returns(&insns).constants, [(2, 262_144), (3, 0)]);
    }
}
