//! `sample`: words and output. Wire format: [`tc_proto::action::sample`].

use tc_proto::action::sample::Sample as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... sample rate N group GROUP [ trunc BYTES ] [ VERDICT ] [ index INDEX ]

Hands one packet in N to the listeners of psample's GROUP, or its first BYTES.
";

/// The kind `sample`.
#[derive(Debug)]
pub struct Sample;

impl ActionKind for Sample {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["rate", "group", "trunc", "index"]
    }

    fn needs_words(&self) -> bool {
        false
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        if args.left() == 0 {
            return Err(Error::required("sample count"));
        }
        let mut wire = Wire::default();
        while let Some(word) = args.word()? {
            if abbreviates(word, "rate") {
                wire.one_in = Some(number("rate", args)?);
            } else if abbreviates(word, "group") {
                wire.group = Some(number("group num", args)?);
            } else if abbreviates(word, "trunc") {
                wire.trunc_bytes = Some(number("truncation size", args)?);
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else {
                args.back();
                break;
            }
        }
        let next = args.next();
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let index = parse_index(args, "sample: ")?;
        wire.head = ActionHead::new(index, control);
        // An action of this number may be there already.
        let missing = match &wire {
            _ if index != 0 => None,
            Wire { group: None, .. } => Some("group"),
            Wire { one_in: None, .. } => Some("rate"),
            _ => None,
        };
        match missing {
            Some(word) => {
                Err(Error::usage(format_args!("param \"{word}\" not set\n{USAGE}")).at(next))
            }
            None => Ok(Box::new(Plain(wire))),
        }
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let sample = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        if let Some(one_in) = sample.one_in {
            out.field("rate", one_in, format_args!("rate 1/{one_in} "));
        }
        if let Some(group) = sample.group {
            out.field("group", group, format_args!("group {group}"));
        }
        if let Some(bytes) = sample.trunc_bytes {
            out.field("trunc_size", bytes, format_args!(" trunc_size {bytes}"));
        }
        control::print(sample.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&sample.head, sample.times, "\t ", show, out);
        Ok(())
    }
}

fn number(what: &str, args: &mut Args<'_>) -> Result<u32, Error> {
    let word = args.value()?;
    parse_u32(word, Base::Ten).map_err(|e| {
        Error::usage(format_args!("Illegal {what} {word}\n{USAGE}"))
            .at(args.last())
            .hint(e.to_string())
    })
}
