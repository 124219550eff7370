//! `u32`: words and output. Wire format: [`tc_proto::ematch::u32`].

use tc_proto::ematch::u32::U32 as Wire;
use tc_proto::filter::u32::Key;
use tc_proto::units::parse_leading;
use tc_proto::{DecodeError, Ematch, Kind};

use super::{Arg, Fault, Pending};
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: u32({ u8 | u16 | u32 } VALUE MASK at [nexthdr+]OFFSET)

Compares the number at OFFSET bytes from the network header, or from the one behind it, with VALUE
under MASK. For example: u32(u16 0x1122 0xffff at nexthdr+4)
";

/// `offset_mask` of what is counted from the next header.
const NEXT_HEADER: i32 = -1;

/// The kind `u32`.
#[derive(Debug)]
pub struct U32;

impl EmatchKind for U32 {
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
        &["u8", "u16", "u32", "at", "nexthdr+"]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        let bits = args.first().and_then(|arg| arg.one_of(&[("u8", 8), ("u16", 16), ("u32", 32)]));
        let bits = bits.ok_or_else(|| Fault::at("u32: invalid alignment", 0))?;
        let number = |at: usize, what: &str| {
            let arg = args.get(at).ok_or_else(|| Fault::whole(format!("u32: missing {what}")))?;
            let invalid = || Fault::at(format!("u32: invalid {what}, must be numeric"), at);
            arg.number().map(|number| number as u32).ok_or_else(invalid)
        };
        let (value, mask) = (number(1, "key")?, number(2, "mask")?);
        match args.get(3) {
            None => return Err(Fault::whole("u32: missing \"at\"")),
            Some(arg) if !arg.is("at") => return Err(Fault::at("u32: missing \"at\"", 3)),
            Some(_) => {}
        }
        let (offset, offset_mask, last) = offset(args)?;
        if args.len() > last + 1 {
            return Err(Fault::at("u32: unexpected trailer", last + 1));
        }
        key(bits, value, mask, offset, offset_mask)
            .map(|key| -> Box<dyn Pending> { Box::new(Wire { key }) })
            .map_err(|text| Fault::at(text, last))
    }

    fn print(&self, data: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        let Key { mask, value, at, offset_mask } = Wire::decode(data)?.key;
        let from = if offset_mask == 0 { "" } else { "nexthdr+" };
        out.field("value", format!("{value:x}"), format_args!("{value:08x}"));
        out.field("mask", format!("{mask:x}"), format_args!("/{mask:08x} "));
        out.field("offmask", from, format_args!("at {from}"));
        out.field("off", at, format_args!("{at}"));
        Ok(())
    }
}

/// The offset, its mask, and which argument it is.
fn offset(args: &[Arg]) -> Result<(i32, i32, usize), Fault> {
    let missing = || Fault::whole("u32: missing offset");
    let arg = args.get(4).ok_or_else(missing)?;
    match arg.bytes.strip_prefix(b"nexthdr+") {
        Some([]) => {
            let number = args.get(5).ok_or_else(missing)?.number();
            let number = number.ok_or_else(|| Fault::at("u32: invalid offset", 5))?;
            Ok((number as i32, NEXT_HEADER, 5))
        }
        // What is no number is 0 here.
        Some(number) => Ok((parse_leading(number).unwrap_or(0) as i32, NEXT_HEADER, 4)),
        None => match arg.number() {
            Some(number) => Ok((number as i32, 0, 4)),
            None => Err(Fault::at("u32: invalid offset", 4)),
        },
    }
}

/// The key that compares so many bits; an error in tc's words.
fn key(bits: u32, value: u32, mask: u32, at: i32, offset_mask: i32) -> Result<Key, &'static str> {
    let fits = |number: u32| bits == 32 || number >> bits == 0;
    let shift = match bits {
        32 if at % 4 != 0 => return Err("u32: invalid offset alignment, must be aligned to 4."),
        16 if !fits(value) => return Err("Illegal key (>0xFFFF)"),
        16 if !fits(mask) => return Err("Illegal mask (>0xFFFF)"),
        16 if at % 4 == 0 => 16,
        16 | 32 => 0,
        _ if !fits(value) => return Err("Illegal key (>0xFF)"),
        _ if !fits(mask) => return Err("Illegal mask (>0xFF)"),
        _ => 24 - 8 * (at & 3),
    };
    Ok(Key { mask: mask << shift, value: (value & mask) << shift, at: at & !3, offset_mask })
}
