//! `fw`: words and output. Wire format: [`tc_proto::filter::fw`].

use tc_proto::filter::fw::{Fw as Wire, TCA_FW_ACT, TCA_FW_CLASSID, TCA_FW_INDEV, TCA_FW_POLICE};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::{Base, parse_u32};
use tc_proto::wire::RawAttrs;
use tc_proto::{DecodeError, Kind};

use super::acts::{self, Acting, TakesActs};
use super::{classid, indev, what_is};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{FilterKind, FilterWords, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... [ handle MARK[/MASK] ] fw [ classid CLASSID ] [ indev DEV ] [ action ACTION_SPEC ]

Matches packets whose firewall mark, under MASK, is MARK. Without any word the mark itself is the
class. CLASSID is hexadecimal; MARK and MASK are decimal, 0xHEX or 0OCTAL.
";

/// The kind `fw`.
#[derive(Debug)]
pub struct Fw;

impl FilterKind for Fw {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["classid", "flowid", "indev", "police", "action", "help"]
    }

    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error> {
        let (mark, mask) = handle.map_or(Ok((0, None)), parse_handle)?;
        if args.left() == 0 {
            return Ok(FilterWords { handle: mark, options: None });
        }
        let mut words = Acting { wire: Wire { mask, ..Wire::default() }, ..Acting::default() };
        while let Some(word) = args.word()? {
            if abbreviates(word, "classid") || abbreviates(word, "flowid") {
                words.wire.classid = Some(classid(args)?);
                args.mark(&[tca::OPTIONS, TCA_FW_CLASSID]);
            } else if abbreviates(word, "police") {
                words.acts.police(args, TCA_FW_POLICE)?;
            } else if abbreviates(word, "action") {
                words.acts.action(args, "Illegal fw \"action\"", TCA_FW_ACT)?;
            } else if word == "indev" {
                words.wire.indev = Some(indev(args)?);
                args.mark(&[tca::OPTIONS, TCA_FW_INDEV]);
            } else if word == "help" {
                return Err(Error::refused(USAGE));
            } else {
                return Err(what_is(word, USAGE, args));
            }
        }
        Ok(FilterWords { handle: mark, options: Some(Box::new(words)) })
    }

    fn print(
        &self,
        message: &TcMessage<'_>,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let fw = Wire::decode(options)?;
        let mark = message.header.handle.0;
        if mark != 0 || fw.mask.is_some() {
            print_mark(mark, fw.mask, out);
        }
        if let Some(classid) = fw.classid {
            out.field("classid", classid.to_string(), format_args!("classid {classid} "));
        }
        if let Some(police) = &fw.police {
            acts::print_police(police, show, out)?;
        }
        if let Some(indev) = &fw.indev {
            out.field("indev", indev.as_str(), format_args!("input dev {indev} "));
        }
        if fw.actions.is_some() {
            out.newline();
        }
        acts::print(fw.actions.as_ref(), show, out);
        Ok(())
    }
}

/// `MARK[/MASK]`.
fn parse_handle(word: &str) -> Result<(u32, Option<u32>), Error> {
    let (mark, mask) = match word.split_once('/') {
        Some((mark, mask)) => (mark, Some(mask)),
        None => (word, None),
    };
    let mark = parse_u32(mark, Base::Auto)
        .map_err(|e| Error::refused("Illegal \"handle\"").hint(e.to_string()))?;
    let mask = mask.map(|mask| parse_u32(mask, Base::Auto)).transpose();
    let mask = mask.map_err(|e| Error::refused("Illegal \"handle\" mask").hint(e.to_string()))?;
    Ok((mark, mask))
}

fn print_mark(mark: u32, mask: Option<u32>, out: &mut Out<'_>) {
    out.text(format_args!("handle "));
    out.object("fw", |out| {
        out.field("mark", format!("{mark:#x}"), format_args!("{mark:#x}"));
        let mask = mask.unwrap_or(u32::MAX);
        if mask == u32::MAX {
            out.json("mask", format!("{mask:#x}"));
        } else {
            out.field("mask", format!("{mask:#x}"), format_args!("/{mask:#x}"));
        }
    });
    out.text(format_args!(" "));
}

impl TakesActs for Wire {
    fn take(&mut self, actions: Option<RawAttrs>, police: Option<RawAttrs>) {
        self.actions = actions;
        self.police = police;
    }
}
