//! `ife`: words and output. Wire format: [`tc_proto::action::ife`].

use tc_proto::action::ife::{Ife as Wire, IfeMetadata, Metadata};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, MacAddr, parse_u16, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index_of, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... ife encode [ { allow META | use META VALUE } ] ... [ dst MAC ] [ src MAC ] [ type TYPE ]
          [ VERDICT ] [ index INDEX ]
       ... ife decode [ VERDICT ] [ index INDEX ]

META is mark, prio or tcindex: what goes along with the packet, as the packet has it (allow) or as
VALUE (use). TYPE is the ethertype of the frame, 0xed3e by default.
";

/// The kind `ife`.
#[derive(Debug)]
pub struct Ife;

impl ActionKind for Ife {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "encode", "decode", "allow", "use", "mark", "prio", "tcindex", "dst", "src", "type",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let mut metadata = IfeMetadata::default();
        let mut direction = None;
        while let Some(word) = args.word()? {
            if abbreviates(word, Wire::NAME) {
                // tc passes over it, but not at the end.
                args.followed()?;
            } else if abbreviates(word, "encode") {
                direction = Some(Wire::ENCODE);
            } else if abbreviates(word, "decode") {
                direction = Some(0);
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else if !parse_word(word, &mut wire, &mut metadata, args)? {
                args.back();
                break;
            }
        }
        let next = args.next();
        let verdict = control::parse(args)?.unwrap_or(Control::PIPE);
        let index = parse_index_of(Base::Auto, args, "ife: ")?;
        if direction.is_none() && index == 0 {
            let lines = format!("IFE requires decode/encode specified\n{USAGE}");
            return Err(Error::usage(lines).at(next));
        }
        wire.head = ActionHead::new(index, verdict);
        wire.flags = direction.unwrap_or(0);
        if wire.flags == Wire::ENCODE {
            wire.metadata = Some(metadata);
        } else {
            // What is carried is written in the frame.
            wire = Wire { head: wire.head, flags: wire.flags, ..Wire::default() };
        }
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let ife = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        let mode = if ife.flags & Wire::ENCODE == 0 { "decode" } else { "encode" };
        out.field("mode", mode, format_args!("{mode} "));
        control::print(ife.head.control, "control_action", "action ", " ", out);
        if let Some(ethertype) = ife.ethertype {
            let (json, text) = match ethertype {
                0 => ("0".to_owned(), "0".to_owned()),
                _ => (format!("{ethertype:#x}"), format!("0X{ethertype:X}")),
            };
            out.field("type", json, format_args!("type {text} "));
        }
        out.newline();
        out.text(format_args!("\t"));
        if let Some(metadata) = &ife.metadata {
            print_metadata("mark", metadata.mark, out);
            print_metadata("tcindex", metadata.tcindex.map(widen), out);
            print_metadata("prio", metadata.priority, out);
        }
        for (key, address) in [("dst", ife.dst_mac), ("src", ife.src_mac)] {
            let Some(address) = address else { continue };
            out.field(key, address.to_string(), format_args!("{key} {address} "));
        }
        out.newline();
        print::print_refs(&ife.head, ife.times, "\t ", show, out);
        Ok(())
    }
}

fn widen(metadata: Metadata<u16>) -> Metadata<u32> {
    match metadata {
        Metadata::Allow => Metadata::Allow,
        Metadata::Use(value) => Metadata::Use(value.into()),
    }
}

fn print_metadata(key: &str, metadata: Option<Metadata<u32>>, out: &mut Out<'_>) {
    match metadata {
        Some(Metadata::Allow) => out.field(key, "allow", format_args!("allow {key} ")),
        Some(Metadata::Use(value)) => out.field(key, value, format_args!("use {key} {value} ")),
        None => {}
    }
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(
    word: &str,
    wire: &mut Wire,
    metadata: &mut IfeMetadata,
    args: &mut Args<'_>,
) -> Result<bool, Error> {
    if abbreviates(word, "allow") {
        let value = args.value()?;
        if abbreviates(value, "mark") {
            metadata.mark = metadata.mark.or(Some(Metadata::Allow));
        } else if abbreviates(value, "prio") {
            metadata.priority = metadata.priority.or(Some(Metadata::Allow));
        } else if abbreviates(value, "tcindex") {
            metadata.tcindex = metadata.tcindex.or(Some(Metadata::Allow));
        } else {
            return Err(Error::wrong(value, "Illegal meta define").at(args.last()));
        }
    } else if abbreviates(word, "use") {
        let value = args.value()?;
        if abbreviates(value, "mark") {
            metadata.mark = Some(Metadata::Use(number("mark", args)?));
        } else if abbreviates(value, "prio") {
            metadata.priority = Some(Metadata::Use(number("prio", args)?));
        } else if abbreviates(value, "tcindex") {
            let word = args.value()?;
            let invalid = |_| Error::wrong(word, "ife tcindex val is invalid").at(args.last());
            let tcindex = parse_u16(word, Base::Auto).map_err(invalid)?;
            metadata.tcindex = Some(Metadata::Use(tcindex));
        } else {
            return Err(Error::wrong(value, "Illegal meta use type").at(args.last()));
        }
    } else if abbreviates(word, "type") {
        let word = args.value()?;
        let invalid = |_| Error::wrong(word, "ife type is invalid").at(args.last());
        wire.ethertype = Some(parse_u16(word, Base::Auto).map_err(invalid)?);
    } else if abbreviates(word, "dst") {
        wire.dst_mac = Some(mac(args)?);
    } else if abbreviates(word, "src") {
        wire.src_mac = Some(mac(args)?);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn number(what: &str, args: &mut Args<'_>) -> Result<u32, Error> {
    let word = args.value()?;
    parse_u32(word, Base::Auto)
        .map_err(|_| Error::wrong(word, &format!("ife {what} val is invalid")).at(args.last()))
}

fn mac(args: &mut Args<'_>) -> Result<MacAddr, Error> {
    let word = args.value()?;
    MacAddr::parse_loose(word)
        .map_err(|_| Error::wrong(word, "Invalid mac address").at(args.last()))
}
