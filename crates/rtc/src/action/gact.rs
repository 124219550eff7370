//! `gact`: words and output. Wire format: [`tc_proto::action::gact`].

use tc_proto::action::gact::{Gact as Wire, Random, RandomMethod};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u16};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

/// Also shown after a verdict that cannot be read, whatever the kind.
pub(super) const USAGE: &str = "\
Usage: ... [ gact ] VERDICT [ random { netrand | determ } VERDICT N ] [ index INDEX ]

VERDICT is one of pass (ok), drop (shot), pipe, continue, reclassify, trap, goto chain CHAIN and
jump COUNT, which skips COUNT actions of the list. With \"random\" one packet in N, at most 10000,
gets the second verdict.
";

/// The greatest N of `random` (`MAX_RAND`).
const MAX_RANDOM: u16 = 10_000;

const METHODS: &[(&str, RandomMethod)] =
    &[("netrand", RandomMethod::NETRAND), ("determ", RandomMethod::DETERM)];

/// The kind `gact`.
#[derive(Debug)]
pub struct Gact;

impl ActionKind for Gact {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "pass",
            "drop",
            "pipe",
            "continue",
            "reclassify",
            "trap",
            "goto",
            "jump",
            "random",
            "netrand",
            "determ",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        // `gact index 5` is a verdict of 0.
        let is_index = args.peek().is_some_and(|word| abbreviates(word, "index"));
        let control = if is_index { Control::PASS } else { control::require(args)? };
        let random =
            if args.take_abbreviation("random") { Some(parse_random(args)?) } else { None };
        let index = parse_index(args, "")?;
        if args.peek().is_some_and(|word| abbreviates(word, "help")) {
            return Err(Error::usage(USAGE));
        }
        Ok(Box::new(Plain(Wire {
            head: ActionHead::new(index, control),
            random,
            ..Wire::default()
        })))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let gact = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        control::print(gact.head.control, "control_action", "action ", "", out);
        out.newline();
        let random = gact.random.unwrap_or_default();
        let method = METHODS.iter().find(|(_, method)| *method == random.method);
        let method = method.map_or("none", |(name, _)| name);
        out.object("prob", |out| {
            out.field("random_type", method, format_args!("\t random type {method}"));
            control::print(random.control, "control_action", " ", "", out);
            out.field("val", random.one_in, format_args!(" val {}", random.one_in));
        });
        out.newline();
        print::print_refs(&gact.head, gact.times, "\t ", show, out);
        Ok(())
    }
}

/// Reads `METHOD VERDICT N`.
fn parse_random(args: &mut Args<'_>) -> Result<Random, Error> {
    let word = args.value()?;
    let found = METHODS.iter().find(|(name, _)| abbreviates(word, name));
    let (_, method) = found.ok_or_else(|| {
        Error::illegal("random type").at(args.last()).hint("expected netrand or determ")
    })?;
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    let control = control::require(args)?;
    let word = args.word()?.unwrap_or_default();
    let one_in = parse_u16(word, Base::Ten).map_err(|e| {
        Error::refused("Illegal probability val 0x1000").at(args.last()).hint(e.to_string())
    })?;
    if one_in > MAX_RANDOM {
        let line = format!("Illegal probability val  {one_in:#x}");
        return Err(Error::refused(line).at(args.last()).hint("at most 10000"));
    }
    Ok(Random { method: *method, one_in, control })
}
