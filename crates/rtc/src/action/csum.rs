//! `csum`: words and output. Wire format: [`tc_proto::action::csum`].

use tc_proto::action::csum::Csum as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... csum TARGET [ and TARGET ] ... [ VERDICT ] [ index INDEX ]

TARGET is iph, icmp, igmp, tcp, udp, udplite or sctp: a checksum that is computed anew. Between them
stands and, or, +, or nothing; all mean the same.
";

/// In the order in which abbreviations are tried.
const TARGETS: &[(&str, u32)] = &[
    ("iph", Wire::IPV4),
    ("ip4h", Wire::IPV4),
    ("ipv4h", Wire::IPV4),
    ("icmp", Wire::ICMP),
    ("igmp", Wire::IGMP),
    ("tcp", Wire::TCP),
    ("udp", Wire::UDP),
    ("udplite", Wire::UDPLITE),
    ("sctp", Wire::SCTP),
];

/// The names in listings.
const SHOWN: &[(&str, u32)] = &[
    ("iph", Wire::IPV4),
    ("icmp", Wire::ICMP),
    ("igmp", Wire::IGMP),
    ("tcp", Wire::TCP),
    ("udp", Wire::UDP),
    ("udplite", Wire::UDPLITE),
    ("sctp", Wire::SCTP),
];

/// The kind `csum`.
#[derive(Debug)]
pub struct Csum;

impl ActionKind for Csum {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "iph", "ip4h", "ipv4h", "icmp", "igmp", "tcp", "udp", "udplite", "sctp", "and", "or",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut update = 0;
        let first = args.last().end;
        while let Some(word) = args.word()? {
            if let Some((_, bit)) = TARGETS.iter().find(|(name, _)| abbreviates(word, name)) {
                update |= bit;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else if abbreviates(word, Wire::NAME) {
                // tc passes over it, but not at the end.
                args.followed()?;
            } else if !matches!(word, "and" | "or" | "+") {
                args.back();
                break;
            }
        }
        // tc misses its number only where it is the first word.
        let whole = args.left() > 1 || args.last().end == first;
        let indexed = whole && args.peek().is_some_and(|word| abbreviates(word, "index"));
        if update == 0 && !indexed {
            let line = "Illegal csum construct, empty <UPDATE> list";
            return Err(Error::refused(line)
                .at(args.next())
                .hint("expected a protocol, such as tcp"));
        }
        let control = control::parse(args)?.unwrap_or(Control::PASS);
        let mut index = 0;
        if args.take_abbreviation("index") {
            let word = args.value()?;
            index = parse_u32(word, Base::Ten).map_err(|e| {
                let line = format!("Illegal \"index\" ({word}) <csum>");
                Error::refused(line).at(args.last()).hint(e.to_string())
            })?;
        }
        let head = ActionHead::new(index, control);
        Ok(Box::new(Plain(Wire { head, update, ..Wire::default() })))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let csum = Wire::decode(options)?;
        let mut targets = String::new();
        for (name, _) in SHOWN.iter().filter(|(_, bit)| csum.update & bit != 0) {
            if !targets.is_empty() {
                targets.push_str(", ");
            }
            targets.push_str(name);
        }
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        out.field("csum", targets.as_str(), format_args!("({targets}) "));
        control::print(csum.head.control, "control_action", "action ", "", out);
        out.newline();
        print::print_refs(&csum.head, csum.times, "\t", show, out);
        Ok(())
    }
}
