//! `canid`: words and output. Wire format: [`tc_proto::ematch::canid`].

use tc_proto::ematch::canid::{Canid as Wire, EXTENDED, EXTENDED_BITS, Rule, STANDARD_BITS};
use tc_proto::{DecodeError, Ematch, Kind};

use super::{Arg, Fault, Pending};
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: canid({ sff | eff } ID[:MASK]...)

Matches CAN frames with one of these identifiers: standard ones, of 11 bits, behind sff, extended
ones, of 29 bits, behind eff. ID and MASK are hexadecimal. For example: canid(sff 0x123 eff 0x124:ff)
";

/// The most identifiers that are taken.
const MAX_RULES: usize = 400;

/// The kind `canid`.
#[derive(Debug)]
pub struct Canid;

impl EmatchKind for Canid {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn number(&self) -> u16 {
        Wire::NUMBER
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["sff", "eff"]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        let mut canid = Wire::default();
        for (at, pair) in (0..).step_by(2).zip(args.chunks(2)) {
            let wrong = |text: &str, at: usize| Fault::at(text, at).showing_from(at);
            let (keyword, id) = (pair.first(), pair.get(1));
            let extended = keyword.and_then(|arg| arg.one_of(&[("sff", false), ("eff", true)]));
            let extended = extended.ok_or_else(|| wrong("canid: invalid key", at))?;
            let id = id.ok_or_else(|| Fault::unshown("canid: missing argument"))?;
            if canid.rules.len() >= MAX_RULES {
                return Err(wrong("canid: Too many arguments on input\n", at + 1));
            }
            let Some((id, mask)) = id_and_mask(&id.bytes) else {
                return Err(wrong("canid: Improperly formed CAN ID & mask\n", at + 1));
            };
            let (flag, bits) =
                if extended { (EXTENDED, EXTENDED_BITS) } else { (0, STANDARD_BITS) };
            let mask = mask.unwrap_or(bits) | EXTENDED;
            canid.rules.push(Rule { id: id | flag, mask });
        }
        Ok(Box::new(canid))
    }

    fn print(&self, data: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        let Wire { rules } = Wire::decode(data)?;
        out.array("ids", |out| {
            for (i, rule) in rules.into_iter().enumerate() {
                out.text(format_args!("{}", if i > 0 { " " } else { "" }));
                out.entry(|out| print_rule(rule, out));
            }
        });
        Ok(())
    }
}

fn print_rule(Rule { id, mask }: Rule, out: &mut Out<'_>) {
    let extended = id & EXTENDED != 0;
    let (format, bits) = if extended { ("eff", EXTENDED_BITS) } else { ("sff", STANDARD_BITS) };
    let shown = id & bits;
    out.field("format", format, format_args!("{format} "));
    out.field("id", format!("{shown:x}"), format_args!("0x{shown:X}"));
    if mask != bits | EXTENDED {
        let mask = mask & bits;
        out.field("mask", format!("{mask:x}"), format_args!(":0x{mask:X}"));
    }
}

/// `ID[:MASK]` as C's `sscanf` reads it.
fn id_and_mask(text: &[u8]) -> Option<(u32, Option<u32>)> {
    let (id, rest) = hex(text)?;
    let mask = rest.strip_prefix(b":").and_then(hex).map(|(mask, _)| mask);
    Some((id, mask))
}

/// A hexadecimal number at the front, cut to 32 bits, and what is behind it.
fn hex(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.trim_ascii_start();
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = match text {
        [b'0', b'x' | b'X', rest @ ..] => rest,
        _ => text,
    };
    let len = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = digits.split_at_checked(len).filter(|_| len > 0)?;
    let value = digits.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit.into())
    });
    let value = match value {
        Some(value) if negative => value.wrapping_neg(),
        Some(value) => value,
        None => u64::MAX,
    };
    Some((value as u32, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `canid(sff WORD)`.
    #[test]
    fn identifiers_are_read_as_sscanf_does() {
        for (word, expected) in [
            ("123", Some((0x123, None))),
            ("0X1:2:3", Some((1, Some(2)))),
            ("1x:2", Some((1, None))),
            ("1:", Some((1, None))),
            ("1:x", Some((1, None))),
            ("1 :2", Some((1, None))),
            (" 1: 2", Some((1, Some(2)))),
            ("-0x10:-2", Some((0xffff_fff0, Some(0xffff_fffe)))),
            ("4294967296", Some((0x9496_7296, None))),
            ("18446744073709551616", Some((u32::MAX, None))),
            ("", None),
            ("x", None),
            (":1", None),
            ("0x", None),
            ("0xg", None),
            ("-", None),
        ] {
            assert_eq!(id_and_mask(word.as_bytes()), expected, "{word:?}");
        }
    }
}
