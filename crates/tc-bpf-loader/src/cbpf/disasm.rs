//! The disassembler: instructions to text.

use std::collections::BTreeSet;
use std::fmt;

use super::SockFilter;
use super::op::{
    A, ABS, ARITHMETIC, B, H, IMM, IND, JA, JMP, JUMPS, LD, LDX, LEN, MEM, MSH, NEG, RET, ST, STX,
    TAX, TXA, W, X, extension,
};

/// Shows instructions as text that [`assemble`](super::assemble) turns into the same instructions, whatever they are.
///
/// Each instruction stands on a line of its own, behind the label of its place when a jump leads there. What the
/// language cannot say stands as `.insn CODE JT JF K`.
///
/// ```
/// use tc_bpf_loader::cbpf::{Disassembly, parse_bytecode};
///
/// let arp = parse_bytecode("4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0")?;
/// assert_eq!(
///     Disassembly(&arp).to_string(),
///     "\tldh [12]\n\tjne #0x806, l3\n\tret #262144\nl3:\tret #0\n"
/// );
/// # Ok::<(), tc_bpf_loader::cbpf::BytecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Disassembly<'a>(pub &'a [SockFilter]);

impl fmt::Display for Disassembly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let mut labels = BTreeSet::new();
        for (index, insn) in self.0.iter().enumerate() {
            if let Some(Text { jump: Some(jump), .. }) = text(*insn) {
                if jump.fits(index, count) {
                    labels.extend(jump.targets(index));
                }
            }
        }
        for (index, insn) in self.0.iter().enumerate() {
            if labels.contains(&index) {
                write!(f, "l{index}:")?;
            }
            f.write_str("\t")?;
            match text(*insn) {
                Some(Text { words, jump: None }) => writeln!(f, "{words}")?,
                Some(Text { words, jump: Some(jump) }) if jump.fits(index, count) => {
                    f.write_str(jump.name)?;
                    let mut gap = " ";
                    if !words.is_empty() {
                        write!(f, " {words}")?;
                        gap = ", ";
                    }
                    for target in jump.targets(index) {
                        write!(f, "{gap}l{target}")?;
                        gap = ", ";
                    }
                    f.write_str("\n")?;
                }
                _ => {
                    writeln!(f, ".insn {:#x} {} {} {:#x}", insn.code, insn.jt, insn.jf, insn.k)?;
                }
            }
        }
        Ok(())
    }
}

/// One instruction, with jumps relative to the next one: `jeq #0x806, +0, +1`.
impl fmt::Display for SockFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match text(*self) {
            Some(Text { words, jump: None }) => f.write_str(&words),
            Some(Text { words, jump: Some(_) }) if self.code == JA => {
                write!(f, "ja {words}{:+}", self.k as i32)
            }
            Some(Text { words, .. }) => {
                let name = JUMPS.iter().find(|(_, code, _)| *code == self.code & !X);
                let name = name.map_or("", |(name, ..)| *name);
                write!(f, "{name} {words}, +{}, +{}", self.jt, self.jf)
            }
            None => write!(f, ".insn {:#x} {} {} {:#x}", self.code, self.jt, self.jf, self.k),
        }
    }
}

/// What an instruction is in the language.
struct Text {
    /// The whole instruction; of a jump, its operand.
    words: String,
    jump: Option<Jump>,
}

/// Where a jump leads, counted from the next instruction.
struct Jump {
    name: &'static str,
    first: usize,
    second: Option<usize>,
}

impl Jump {
    fn targets(&self, index: usize) -> impl Iterator<Item = usize> {
        let there = move |offset: usize| index.saturating_add(1).saturating_add(offset);
        [Some(self.first), self.second].into_iter().flatten().map(there)
    }

    /// Whether it leads to instructions.
    fn fits(&self, index: usize, count: usize) -> bool {
        self.targets(index).all(|target| target < count)
    }
}

/// The text of an instruction; `None` if the language has none that means just this.
fn text(insn: SockFilter) -> Option<Text> {
    let SockFilter { code, jt, jf, k } = insn;
    if code & 7 == JMP {
        return jump(insn);
    }
    if (jt, jf) != (0, 0) {
        return None;
    }
    let without_k = |words: &str| (k == 0).then(|| words.to_owned());
    let size = match code & 0x18 {
        W => "ld",
        H => "ldh",
        B => "ldb",
        _ => "",
    };
    let words = match code {
        _ if code & !0x18 == LD | ABS && !size.is_empty() => match extension(k) {
            Some(name) => format!("{size} {name}"),
            None => format!("{size} [{}]", number(k)),
        },
        _ if code & !0x18 == LD | IND && !size.is_empty() => match k as i32 {
            k @ i32::MIN..0 => format!("{size} [x - {}]", k.unsigned_abs()),
            k => format!("{size} [x + {k}]"),
        },
        _ if code == LD | IMM => format!("ld #{}", number(k)),
        _ if code == LD | MEM => format!("ld M[{}]", number(k)),
        _ if code == LD | LEN => without_k("ld len")?,
        _ if code == LDX | IMM => format!("ldx #{}", number(k)),
        _ if code == LDX | MEM => format!("ldx M[{}]", number(k)),
        _ if code == LDX | LEN => without_k("ldx len")?,
        _ if code == LDX | B | MSH => format!("ldxb 4*([{}]&0xf)", number(k)),
        ST => format!("st M[{}]", number(k)),
        STX => format!("stx M[{}]", number(k)),
        NEG => without_k("neg")?,
        TAX => without_k("tax")?,
        TXA => without_k("txa")?,
        RET => format!("ret #{}", k as i32),
        _ if code == RET | A => without_k("ret a")?,
        _ if code == RET | X => without_k("ret x")?,
        _ => {
            let (name, _) = ARITHMETIC.iter().find(|(_, known)| *known == code & !X)?;
            match code & X {
                0 if matches!(*name, "and" | "or" | "xor") => format!("{name} #{k:#x}"),
                0 => format!("{name} #{}", number(k)),
                _ => without_k(&format!("{name} x"))?,
            }
        }
    };
    Some(Text { words, jump: None })
}

fn jump(insn: SockFilter) -> Option<Text> {
    let SockFilter { code, jt, jf, k } = insn;
    if code == JA {
        let jump = Jump { name: "ja", first: k as usize, second: None };
        return ((jt, jf) == (0, 0)).then(|| Text { words: String::new(), jump: Some(jump) });
    }
    let named = |inverted| {
        let mut of = JUMPS.iter().filter(|(_, known, _)| *known == code & !X);
        of.find(|(_, _, not)| *not == inverted).map(|(name, ..)| *name)
    };
    let name = named(false)?;
    let words = match code & X {
        0 => format!("#{k:#x}"),
        _ if k == 0 => "x".to_owned(),
        _ => return None,
    };
    let (holds, fails) = (usize::from(jt), usize::from(jf));
    let jump = match (holds, fails, named(true)) {
        (0, 1.., Some(inverted)) => Jump { name: inverted, first: fails, second: None },
        (1.., 0, _) => Jump { name, first: holds, second: None },
        _ => Jump { name, first: holds, second: Some(fails) },
    };
    Some(Text { words, jump: Some(jump) })
}

/// Small numbers in decimal, those of more than 31 bits, which are rather addresses or masks, in hexadecimal.
fn number(k: u32) -> String {
    if k > i32::MAX as u32 { format!("{k:#x}") } else { k.to_string() }
}
