//! Changing the instruction that a CO-RE relocation belongs to.

use super::Outcome;
use crate::insn::Insn;

/// The helper number of a call that no kernel has: what becomes of an instruction whose field or type the kernel lacks.
/// Other loaders use the same, and the verifier's "invalid func unknown#195896080" is known for it.
pub(crate) const POISON: i32 = 195_896_080;

/// Classes of instructions, `BPF_CLASS`.
mod class {
    pub(super) const LDX: u8 = 1;
    pub(super) const ST: u8 = 2;
    pub(super) const STX: u8 = 3;
    pub(super) const ALU: u8 = 4;
    pub(super) const ALU64: u8 = 7;
}

/// `BPF_SRC`: the second operand is a register.
const REGISTER: u8 = 8;
/// `BPF_SIZE`.
const SIZE: u8 = 0x18;

/// Puts the outcome into the instruction. `false`: nothing was found and the instruction is now one that no verifier
/// takes.
pub(super) fn patch(insns: &mut [Insn], at: usize, outcome: &Outcome) -> Result<bool, String> {
    let (first, second) = match insns.get_mut(at..) {
        Some([first, second, ..]) => (first, Some(second)),
        Some([first]) => (first, None),
        _ => return Err("it belongs to no instruction".to_owned()),
    };
    if first.code == Insn::LD_IMM64 {
        let Some(second) = second.filter(|s| s.code == 0) else {
            return Err("the second half of its 64-bit constant is missing".to_owned());
        };
        if first.src() != 0
            || first.off != 0
            || second.dst() != 0
            || second.src() != 0
            || second.off != 0
        {
            return Err("the constant it changes is an address".to_owned());
        }
        let Some(value) = outcome.value else {
            poison(first);
            poison(second);
            return Ok(false);
        };
        let now = u64::from(first.imm as u32) | u64::from(second.imm as u32) << 32;
        check(
            outcome,
            |want| now == want || now == i64::from(want as i32) as u64 && want >> 32 == 0,
            now,
        )?;
        first.imm = value as u32 as i32;
        second.imm = (value >> 32) as i32;
        return Ok(true);
    }
    let Some(value) = outcome.value else {
        poison(first);
        return Ok(false);
    };
    match first.code & 7 {
        class::ALU | class::ALU64 => {
            if first.code & REGISTER != 0 {
                return Err("the instruction has no constant to change".to_owned());
            }
            let now = first.imm;
            check(outcome, |want| now as u32 == want as u32, i64::from(now) as u64)?;
            first.imm = value as u32 as i32;
        }
        class::LDX | class::ST | class::STX => {
            let now = first.off;
            check(outcome, |want| i64::from(now) as u64 == want, i64::from(now) as u64)?;
            let Ok(offset) = i16::try_from(value) else {
                return Err(format!("offset {value} is too large for the instruction"));
            };
            if let Some(problem) = &outcome.mismatch {
                return Err(problem.clone());
            }
            if let Some((ours, theirs)) = outcome.sizes {
                if size(first.code) != ours {
                    return Err(format!(
                        "the instruction has {} bytes, the field {ours}",
                        size(first.code)
                    ));
                }
                let Some(code) = size_code(theirs) else {
                    return Err(format!("no instruction reads the {theirs} bytes of the field"));
                };
                first.code = first.code & !SIZE | code;
            }
            first.off = offset;
        }
        _ => {
            return Err(format!(
                "it cannot be applied to an instruction of code {:#04x}",
                first.code
            ));
        }
    }
    Ok(true)
}

fn check(outcome: &Outcome, fits: impl Fn(u64) -> bool, now: u64) -> Result<(), String> {
    match outcome.expected {
        Some(want) if !fits(want) => Err(format!(
            "the instruction has {now} where the object's type information says {want}"
        )),
        _ => Ok(()),
    }
}

fn poison(insn: &mut Insn) {
    *insn = Insn::new(Insn::CALL, 0, 0, 0, POISON);
}

fn size(code: u8) -> u32 {
    match code & SIZE {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}

fn size_code(size: u32) -> Option<u8> {
    Some(match size {
        1 => 0x10,
        2 => 0x08,
        4 => 0x00,
        8 => 0x18,
        _ => return None,
    })
}
