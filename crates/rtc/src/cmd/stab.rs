//! Size tables: `stab WORDS`.

use tc_proto::units::{Base, LinkLayer, SizeSpec, SizeTable, StabParams, parse_i32, parse_u32};

use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::out::Out;

const USAGE: &str = "\
Usage: ... stab [ mtu BYTES ] [ mpu BYTES ] [ overhead BYTES ] [ tsize SLOTS ]
           [ linklayer { ethernet | atm | adsl } ] ...

Corrects the sizes of packets for what the link layer adds to them:
  mtu       largest size in the table (2047)
  mpu       smallest size that a packet counts for (0)
  overhead  bytes added to each packet; may be negative (0)
  tsize     slots of the table (512)
  linklayer cells of 48 payload and 5 header bytes for atm and adsl
";

/// Reads the words up to the first that is not one of size tables.
pub(super) fn parse(args: &mut Args<'_>) -> Result<SizeTable, Error> {
    let mut spec = StabParams::default();
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    while let Some(word) = args.word()? {
        let mut number = |name: &str, keyword: &str, before: u32| -> Result<u32, Error> {
            let value = once(keyword, before != 0, args)?;
            let wrong = |_| Error::wrong(&format!("invalid {name}"), keyword).at(args.last());
            parse_u32(value, Base::Ten).map_err(wrong)
        };
        if abbreviates(word, "help") {
            return Err(Error::invalid(USAGE));
        } else if abbreviates(word, "mtu") {
            spec.mtu = number("mtu", "mtu", spec.mtu)?;
        } else if abbreviates(word, "mpu") {
            spec.mpu = number("mpu", "mpu", spec.mpu)?;
        } else if abbreviates(word, "overhead") {
            let value = once("overhead", spec.overhead != 0, args)?;
            let wrong = |_| Error::wrong("invalid overhead", "overhead").at(args.last());
            spec.overhead = parse_i32(value, Base::Ten).map_err(wrong)?;
        } else if abbreviates(word, "tsize") {
            spec.tsize = number("table size", "tsize", spec.tsize)?;
        } else if abbreviates(word, "linklayer") {
            let value = once("linklayer", spec.linklayer != LinkLayer::UNSPEC, args)?;
            let wrong = |_| Error::wrong("invalid linklayer", "linklayer").at(args.last());
            spec.linklayer = LinkLayer::parse(value).map_err(wrong)?;
        } else {
            args.back();
            break;
        }
    }
    let corrects = spec.overhead != 0 || spec.mpu != 0 || spec.linklayer != LinkLayer::UNSPEC;
    if !corrects {
        let hint = "stab needs a linklayer, or an overhead or mpu that is not 0";
        return Err(Error::invalid("").at(args.last()).hint(hint));
    }
    SizeTable::compute(spec).map_err(|e| Error::invalid(e).at(args.last()))
}

/// Takes the value of a word that may come only once.
fn once<'a>(keyword: &str, twice: bool, args: &mut Args<'a>) -> Result<&'a str, Error> {
    let value = args.value()?;
    if twice {
        return Err(Error::duplicate(keyword, value).at(args.last()));
    }
    Ok(value)
}

/// Shows a table's parameters.
pub(super) fn print(base: &SizeSpec, out: &mut Out<'_>) {
    out.object("stab", |out| {
        out.text(format_args!(" "));
        let linklayer = base.link_layer();
        out.field("linklayer", linklayer.to_string(), format_args!("linklayer {linklayer} "));
        out.field("overhead", base.overhead, format_args!("overhead {} ", base.overhead));
        if base.mpu != 0 {
            out.field("mpu", base.mpu, format_args!("mpu {} ", base.mpu));
        }
        out.field("mtu", base.mtu, format_args!("mtu {} ", base.mtu));
        out.field("tsize", base.tsize, format_args!("tsize {} ", base.tsize));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Word;

    fn parsed(line: &str) -> Result<SizeTable, Error> {
        let words: Vec<_> = line.split_whitespace().map(Word::Text).collect();
        parse(&mut Args::new(&words))
    }

    #[test]
    fn what_corrects_nothing_is_refused_without_a_word_of_tc() {
        for line in ["pfifo", "mtu 1500", "tsize 512", "overhead 0 mpu 0 pfifo"] {
            let err = parsed(line).unwrap_err();
            assert_eq!((err.to_string().as_str(), err.status()), ("", 255), "{line}");
        }
        for line in ["overhead -4", "mpu 64 pfifo", "linklayer ethernet"] {
            assert!(parsed(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_word_may_come_again_after_the_value_that_is_none() {
        assert_eq!(parsed("overhead 0 overhead 4").unwrap().spec.overhead, 4);
        let err = parsed("overhead 4 overhead x").unwrap_err();
        assert!(err.to_string().contains("duplicate \"overhead\": \"x\""), "{err}");
    }
}
