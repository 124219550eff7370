//! `connmark`: words and output. Wire format: [`tc_proto::action::connmark`].

use tc_proto::action::connmark::Connmark as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u16};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... connmark [ zone ZONE ] [ VERDICT ] [ index INDEX ]

Gives a packet the mark of its connection, as connection tracking knows it in ZONE (0 to 65535).
";

/// The kind `connmark`.
#[derive(Debug)]
pub struct Connmark;

impl ActionKind for Connmark {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["zone", "index"]
    }

    fn needs_words(&self) -> bool {
        false
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut zone = 0;
        // tc passes over its name, however short.
        while args.take_abbreviation(Wire::NAME) {}
        if args.peek().is_some_and(|word| abbreviates(word, "help")) {
            return Err(Error::usage(USAGE));
        }
        if args.take_abbreviation("zone") {
            zone = parse_u16(args.value()?, Base::Ten).map_err(|e| {
                Error::refused("connmark: Illegal \"zone\"").at(args.last()).hint(e.to_string())
            })?;
        }
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let head = ActionHead::new(parse_index(args, "connmark: ")?, control);
        Ok(Box::new(Plain(Wire { head, zone, ..Wire::default() })))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let connmark = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        out.field("zone", connmark.zone, format_args!("zone {}", connmark.zone));
        control::print(connmark.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&connmark.head, connmark.times, "\t ", show, out);
        Ok(())
    }
}
