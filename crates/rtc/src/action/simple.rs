//! `simple`: words and output. Wire format: [`tc_proto::action::simple`].

use tc_proto::action::simple::Simple as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::{DecodeError, Kind};

use super::{control, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;
use tc_proto::units::{Base, parse_u32};

const USAGE: &str = "\
Usage: ... simple [ sdata TEXT ] [ VERDICT ] [ index INDEX ]

The kernel prints TEXT, at most 31 bytes, to its log for every packet.
";

/// The kind `simple`.
#[derive(Debug)]
pub struct Simple;

impl ActionKind for Simple {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["sdata", "index"]
    }

    fn print_name(&self, out: &mut Out<'_>) {
        // tc says nothing at all.
        out.json("kind", Wire::NAME);
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut text = None;
        loop {
            if args.take_abbreviation(Wire::NAME) {
                // tc passes over it, but not at the end.
                if args.left() == 0 {
                    return Err(Error::incomplete());
                }
            } else if args.take_abbreviation("sdata") {
                text = Some(parse_text(args)?);
            } else {
                break;
            }
        }
        if args.peek().is_some_and(|word| abbreviates(word, "help")) {
            return Err(Error::usage(USAGE));
        }
        let next = args.next();
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let mut index = 0;
        if text.is_none() && !args.peek().is_some_and(|word| abbreviates(word, "index")) {
            return Err(Error::refused(USAGE).at(next));
        }
        if args.take_abbreviation("index") {
            let word = args.value()?;
            index = parse_u32(word, Base::Ten).map_err(|e| {
                Error::refused(format_args!("simple: Illegal \"index\" ({word})"))
                    .at(args.last())
                    .hint(e.to_string())
            })?;
        }
        Ok(Box::new(Plain(Wire { head: ActionHead::new(index, control), text, ..Wire::default() })))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let simple = Wire::decode(options)?;
        let text = simple.text.unwrap_or_default();
        out.json("kind", Wire::NAME);
        out.field("simple", text.as_str(), format_args!("Simple <{text}>"));
        out.newline();
        print::print_refs(&simple.head, simple.times, "\t ", show, out);
        Ok(())
    }
}

fn parse_text(args: &mut Args<'_>) -> Result<String, Error> {
    let word = args.value()?;
    if word.len() > Wire::MAX_TEXT {
        let line = format!("simple: Illegal string len {} <{word}>", word.len());
        return Err(Error::refused(line).at(args.last()).hint("at most 31 bytes"));
    }
    Ok(word.to_owned())
}
