//! `skbedit`: words and output. Wire format: [`tc_proto::action::skbedit`].

use tc_proto::action::skbedit::Skbedit as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, UnitError, parse_u16, parse_u32};
use tc_proto::{DecodeError, Handle, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... skbedit [ queue_mapping QUEUE ] [ priority CLASSID ] [ mark MARK[/MASK] ]
          [ ptype { host | broadcast | multicast | otherhost } ] [ inheritdsfield ]
          [ VERDICT ] [ index INDEX ]

At least one of the first five is needed. inheritdsfield takes the priority from the DS field of IP
packets; of the mark, the bits in MASK are changed.
";

/// `PACKET_*` of uapi/linux/if_packet.h.
const PACKET_TYPES: &[&str] = &["host", "broadcast", "multicast", "otherhost"];

/// The kind `skbedit`.
#[derive(Debug)]
pub struct Skbedit;

impl ActionKind for Skbedit {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["queue_mapping", "priority", "mark", "ptype", "inheritdsfield", "index"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let mut any = false;
        while let Some(word) = args.word()? {
            if !parse_word(word, &mut wire, args)? {
                args.back();
                break;
            }
            any = true;
        }
        let control = match any {
            true => control::parse(args)?,
            false => control::parse_quietly(args).map_err(|e| match e.ends_batch() {
                true => e,
                false => e.line(USAGE.trim_end()),
            })?,
        };
        let control = control.unwrap_or(Control::PIPE);
        if !any && !args.peek().is_some_and(|word| abbreviates(word, "index")) {
            return Err(Error::refused(USAGE).at(args.next()));
        }
        wire.head = ActionHead::new(parse_index(args, "skbedit: ")?, control);
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let skbedit = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        if let Some(queue) = skbedit.queue {
            out.field("queue_mapping", queue, format_args!("queue_mapping {queue}"));
        }
        if let Some(priority) = skbedit.priority {
            out.field("priority", priority.to_string(), format_args!(" priority {priority}"));
        }
        if let Some(mark) = skbedit.mark {
            out.field("mark", mark, format_args!(" mark {mark}"));
        }
        if let Some(mask) = skbedit.mask {
            out.field("mask", format!("{mask:x}"), format_args!("/{mask:#x}"));
        }
        if let Some(packet_type) = skbedit.packet_type {
            match PACKET_TYPES.get(usize::from(packet_type)) {
                Some(name) => out.field("ptype", *name, format_args!(" ptype {name}")),
                None => out.field("ptype", packet_type, format_args!(" ptype {packet_type}")),
            }
        }
        if skbedit.flags.unwrap_or(0) & Wire::INHERIT_DS_FIELD != 0 {
            out.flag("inheritdsfield", " inheritdsfield");
        }
        control::print(skbedit.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&skbedit.head, skbedit.times, "\t ", show, out);
        Ok(())
    }
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(word: &str, wire: &mut Wire, args: &mut Args<'_>) -> Result<bool, Error> {
    if abbreviates(word, "queue_mapping") {
        let queue = parse_u16(args.value()?, Base::Ten);
        wire.queue = Some(queue.map_err(|e| illegal("queue_mapping", &e, args))?);
    } else if abbreviates(word, "priority") {
        let priority = Handle::parse_classid(args.value()?);
        wire.priority = Some(priority.map_err(|e| illegal("priority", &e, args))?);
    } else if abbreviates(word, "mark") {
        let word = args.value()?;
        let (mark, mask) = match word.split_once('/') {
            Some((mark, mask)) => (mark, Some(mask)),
            None => (word, None),
        };
        let number = |word: &str, what: &str| {
            parse_u32(word, Base::Auto).map_err(|e| illegal(what, &e, args))
        };
        wire.mark = Some(number(mark, "mark")?);
        wire.mask = mask.map(|mask| number(mask, "mask")).transpose()?;
    } else if abbreviates(word, "ptype") {
        let word = args.value()?;
        let found = PACKET_TYPES.iter().zip(0..).find(|(name, _)| abbreviates(word, name));
        let (_, number) = found.ok_or_else(|| {
            Error::refused(format_args!("Illegal ptype ({word})"))
                .at(args.last())
                .hint("expected host, broadcast, multicast or otherhost")
        })?;
        wire.packet_type = Some(number);
    } else if abbreviates(word, "inheritdsfield") {
        wire.flags = Some(Wire::INHERIT_DS_FIELD);
    } else if abbreviates(word, "help") {
        return Err(Error::usage(USAGE));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn illegal(what: &str, e: &UnitError, args: &Args<'_>) -> Error {
    Error::refused(format_args!("Illegal {what}")).at(args.last()).hint(e.to_string())
}
