//! `ctinfo`: words and output. Wire format: [`tc_proto::action::ctinfo`].

use tc_proto::action::ctinfo::Ctinfo as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u16, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... ctinfo [ dscp MASK [ STATEMASK ] ] [ cpmark [ MASK ] ] [ zone ZONE ]
          [ VERDICT ] [ index INDEX ]

dscp: six neighbouring bits of the connection's mark are the DSCP of the packet, if a bit of
STATEMASK is set. cpmark: the bits of the connection's mark in MASK become the packet's mark.
";

/// The kind `ctinfo`.
#[derive(Debug)]
pub struct Ctinfo;

impl ActionKind for Ctinfo {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["dscp", "cpmark", "zone", "index"]
    }

    fn needs_words(&self) -> bool {
        false
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        // tc always sends the zone.
        let mut wire = Wire { zone: Some(0), ..Wire::default() };
        // tc passes over its name, however short.
        while args.take_abbreviation(Wire::NAME) {}
        if args.peek().is_some_and(|word| abbreviates(word, "help")) {
            return Err(Error::usage(USAGE));
        }
        if args.take_abbreviation("dscp") {
            parse_dscp(&mut wire, args)?;
        }
        let dscp = args.last();
        if args.take_abbreviation("cpmark") {
            let mask = optional_number(args)?.unwrap_or(u32::MAX);
            wire.mark_mask = Some(mask).filter(|mask| *mask != 0);
        }
        if args.take_abbreviation("zone") {
            let zone = parse_u16(args.value()?, Base::Ten).map_err(|e| {
                Error::refused("ctinfo: Illegal \"zone\"").at(args.last()).hint(e.to_string())
            })?;
            wire.zone = Some(zone);
        }
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        wire.head = ActionHead::new(parse_index(args, "ctinfo: ")?, control);
        check_dscp(&wire).map_err(|e| e.at(dscp))?;
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let ctinfo = Wire::decode(options)?;
        let zone = ctinfo.zone.unwrap_or(0);
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        out.field("zone", zone, format_args!("zone {zone}"));
        control::print(ctinfo.head.control, "control_action", " ", "", out);
        out.newline();
        let ActionHead { index, refcnt, bindcnt, .. } = ctinfo.head;
        out.field("index", index, format_args!("\t index {index}"));
        out.field("ref", refcnt, format_args!(" ref {refcnt}"));
        out.field("bind", bindcnt, format_args!(" bind {bindcnt}"));
        for (key, text, mask) in [
            ("dscpmask", " dscp", ctinfo.dscp_mask),
            ("dscpstatemask", "", ctinfo.dscp_state_mask),
            ("cpmark", " cpmark", ctinfo.mark_mask),
        ] {
            match mask {
                Some(0) => out.field(key, "0", format_args!("{text} 0000000000")),
                Some(mask) => {
                    out.field(key, format!("{mask:#x}"), format_args!("{text} {mask:#010x}"));
                }
                None => {}
            }
        }
        print::print_times(ctinfo.times, show, out);
        if show.options.stats > 0 {
            for (key, text, count) in [
                ("dscpset", " DSCP set", ctinfo.dscp_set),
                ("dscperror", " error", ctinfo.dscp_errors),
                ("cpmarkset", " CPMARK set", ctinfo.mark_set),
            ] {
                if let Some(count) = count {
                    out.field(key, count, format_args!("{text} {count}"));
                }
            }
        }
        out.newline();
        Ok(())
    }
}

/// `MASK [STATEMASK]`. Zeros are sent as nothing.
fn parse_dscp(wire: &mut Wire, args: &mut Args<'_>) -> Result<(), Error> {
    let mask = parse_u32(args.value()?, Base::Auto).map_err(|e| {
        Error::refused("ctinfo: Illegal dscp \"mask\"").at(args.last()).hint(e.to_string())
    })?;
    let state = optional_number(args)?.unwrap_or(0);
    wire.dscp_mask = Some(mask).filter(|mask| *mask != 0);
    wire.dscp_state_mask = Some(state).filter(|state| *state != 0);
    Ok(())
}

/// Refuses masks that no packet could be right for; the kernel takes them.
fn check_dscp(wire: &Wire) -> Result<(), Error> {
    let mask = wire.dscp_mask.unwrap_or(0);
    if mask & wire.dscp_state_mask.unwrap_or(0) != 0 {
        return Err(Error::refused("ctinfo: dscp mask & statemask must NOT overlap"));
    }
    if mask != 0 && mask >> mask.trailing_zeros() != 0x3f {
        return Err(Error::refused("ctinfo: dscp mask must be 6 contiguous bits long"));
    }
    Ok(())
}

/// The next word if it is a number.
fn optional_number(args: &mut Args<'_>) -> Result<Option<u32>, Error> {
    let number = args.peek().and_then(|word| parse_u32(word, Base::Auto).ok());
    if number.is_some() {
        args.word()?;
    }
    Ok(number)
}
