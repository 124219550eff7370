//! `nat`: words and output. Wire format: [`tc_proto::action::nat`].

use tc_proto::action::nat::Nat as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::inet::ipv4_prefix;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... nat { ingress | egress } OLD[/BITS] NEW [ VERDICT ] [ index INDEX ]

Replaces IPv4 addresses that begin as OLD does: ingress the destination, egress the source. Of an
address, the first BITS become those of NEW.
";

/// The kind `nat`.
#[derive(Debug)]
pub struct Nat;

impl ActionKind for Nat {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["ingress", "egress", "index"]
    }

    fn print_name(&self, out: &mut Out<'_>) {
        out.field("type", Wire::NAME, format_args!(" {} ", Wire::NAME));
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let word = args.value()?;
        let flags = [("egress", Wire::EGRESS), ("ingress", 0)];
        if let Some((_, flags)) = flags.iter().find(|(name, _)| abbreviates(word, name)) {
            wire.flags = *flags;
            if args.left() == 0 {
                return Err(Error::incomplete());
            }
            let construct = |args: &Args<'_>| illegal(word).at(args.last());
            (wire.old, wire.mask) = ipv4_prefix(args.value()?).ok_or_else(|| construct(args))?;
            (wire.new, _) = ipv4_prefix(args.value()?).ok_or_else(|| construct(args))?;
            if args.peek().is_some_and(|word| abbreviates(word, "help")) {
                return Err(Error::usage(USAGE));
            }
        } else if abbreviates(word, "index") {
            args.back();
        } else {
            return Err(illegal(word).at(args.last()));
        }
        let control = control::parse(args)?.unwrap_or(Control::PASS);
        wire.head = ActionHead::new(parse_index(args, "Nat: ")?, control);
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let nat = Wire::decode(options)?;
        // The key is tc's.
        out.field("type", Wire::NAME, format_args!(" {} ", Wire::NAME));
        let direction = if nat.flags & Wire::EGRESS == 0 { "ingress" } else { "egress" };
        out.field("direction", direction, format_args!("{direction}"));
        let old = format!("{}/{}", nat.old, nat.mask.to_bits().leading_ones());
        out.field("old_addr", old.as_str(), format_args!(" {old}"));
        out.field("new_addr", nat.new.to_string(), format_args!(" {}", nat.new));
        control::print(nat.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&nat.head, nat.times, "\t ", show, out);
        Ok(())
    }
}

fn illegal(word: &str) -> Error {
    Error::refused(format_args!("Illegal nat construct ({word})\n{USAGE}"))
}
