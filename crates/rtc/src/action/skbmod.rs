//! `skbmod`: words and output. Wire format: [`tc_proto::action::skbmod`].

use tc_proto::action::skbmod::Skbmod as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, MacAddr, parse_u16};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... skbmod { set | swap mac | ecn } [ dmac MAC ] [ smac MAC ] [ etype ETYPE ] [ VERDICT ]
          [ index INDEX ]

set is followed by what is replaced in the Ethernet header; ETYPE is a number. ecn marks congestion.
";

/// The kind `skbmod`.
#[derive(Debug)]
pub struct Skbmod;

impl ActionKind for Skbmod {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["set", "swap", "mac", "ecn", "dmac", "smac", "etype", "index"]
    }

    fn print_name(&self, out: &mut Out<'_>) {
        // tc says nothing at all.
        out.json("kind", Wire::NAME);
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        while let Some(word) = args.word()? {
            if !parse_word(word, &mut wire, args)? {
                args.back();
                break;
            }
        }
        let next = args.next();
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let index = parse_index(args, "skbmod: ")?;
        if wire.flags == 0 && index == 0 {
            let lines = format!("skbmod requires at least one option\n{USAGE}");
            return Err(Error::usage(lines).at(next));
        }
        wire.head = ActionHead::new(index, control);
        // Zero is no ethertype to set; tc leaves it out.
        wire.ethertype = wire.ethertype.filter(|ethertype| *ethertype != 0);
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let skbmod = Wire::decode(options)?;
        out.text(format_args!("{} ", Wire::NAME));
        control::print(skbmod.head.control, "control_action", "", " ", out);
        if let Some(ethertype) = skbmod.ethertype {
            out.json("etype", format!("{ethertype:#x}"));
            out.text(format_args!("set etype 0x{ethertype:X} "));
            out.newline();
            out.text(format_args!("\t "));
        }
        for (key, address) in [("dmac", skbmod.dst_mac), ("smac", skbmod.src_mac)] {
            if let Some(address) = address {
                out.field(key, address.to_string(), format_args!("set {key} {address} "));
            }
        }
        if skbmod.flags & Wire::SWAP_MAC != 0 {
            out.flag("swapmac", "swap mac ");
        }
        if skbmod.flags & Wire::ECN != 0 {
            out.flag("ecn", "ecn ");
        }
        out.newline();
        print::print_refs_open(&skbmod.head, skbmod.times, "\t ", show, out);
        // A line break that -oneline does not replace.
        out.text(format_args!("\n"));
        Ok(())
    }
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(word: &str, wire: &mut Wire, args: &mut Args<'_>) -> Result<bool, Error> {
    if abbreviates(word, "mac") {
        wire.flags |= Wire::SWAP_MAC;
    } else if ["swap", "set", Wire::NAME].iter().any(|name| abbreviates(word, name)) {
        // Words that say nothing, behind which tc wants another one.
        if args.left() == 0 {
            return Err(Error::incomplete());
        }
    } else if abbreviates(word, "etype") {
        let word = args.value()?;
        let ethertype = parse_u16(word, Base::Auto);
        let invalid = |_| Error::wrong(word, "ethertype is invalid").at(args.last());
        wire.ethertype = Some(ethertype.map_err(invalid)?);
        wire.flags |= Wire::ETYPE;
    } else if abbreviates(word, "dmac") {
        wire.dst_mac = Some(mac("dst mac", args)?);
        wire.flags |= Wire::DMAC;
    } else if abbreviates(word, "smac") {
        wire.src_mac = Some(mac("smac", args)?);
        wire.flags |= Wire::SMAC;
    } else if abbreviates(word, "ecn") {
        wire.flags |= Wire::ECN;
    } else if abbreviates(word, "help") {
        return Err(Error::usage(USAGE));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn mac(what: &str, args: &mut Args<'_>) -> Result<MacAddr, Error> {
    let word = args.value()?;
    MacAddr::parse_loose(word).map_err(|e| {
        Error::refused(format_args!("Invalid {what} address {word}"))
            .at(args.last())
            .hint(e.to_string())
    })
}
