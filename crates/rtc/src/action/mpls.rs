//! `mpls`: words and output. Wire format: [`tc_proto::action::mpls`].

use tc_proto::action::mpls::{Mpls as Wire, MplsAction};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, Protocol, parse_u8, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... mpls pop protocol PROTO [ VERDICT ] [ index INDEX ]
       ... mpls { push | mac_push } [ protocol PROTO ] label LABEL [ tc TC ] [ ttl TTL ]
          [ bos BOS ] [ VERDICT ] [ index INDEX ]
       ... mpls modify [ label LABEL ] [ tc TC ] [ ttl TTL ] [ bos BOS ] [ VERDICT ]
          [ index INDEX ]
       ... mpls dec_ttl [ VERDICT ] [ index INDEX ]

PROTO of pop is what is left, such as ip; of push, mpls_uc (the default) or mpls_mc. LABEL is at most
1048575, TC 7, TTL 1 to 255, BOS 0 or 1.
";

/// In the order in which abbreviations are tried.
const ACTIONS: &[(&str, MplsAction)] = &[
    ("pop", MplsAction::POP),
    ("push", MplsAction::PUSH),
    ("modify", MplsAction::MODIFY),
    ("mac_push", MplsAction::MAC_PUSH),
    ("dec_ttl", MplsAction::DEC_TTL),
];

const MAX_LABEL: u32 = 0xf_ffff;

/// The kind `mpls`.
#[derive(Debug)]
pub struct Mpls;

impl ActionKind for Mpls {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "pop", "push", "mac_push", "modify", "dec_ttl", "protocol", "label", "tc", "ttl",
            "bos", "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let mut action = None;
        while let Some(word) = args.word()? {
            if let Some(found) = ACTIONS.iter().find(|(name, _)| abbreviates(word, name)) {
                if let Some((before, _)) = action {
                    let line =
                        format!("Error: got \"{word}\" but action already set to \"{before}\"");
                    return Err(Error::refused(format_args!("{line}\n{USAGE}")).at(args.last()));
                }
                action = Some(*found);
                wire.action = found.1;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else if !parse_word(word, &mut wire, args)? {
                args.back();
                break;
            }
        }
        let mut verdict = Control::PASS;
        if action.is_some() {
            verdict = control::parse(args)?.unwrap_or(Control::PIPE);
        } else if !args.peek().is_some_and(|word| abbreviates(word, "index")) {
            return Err(Error::incomplete());
        }
        let mut index = 0;
        if args.take_abbreviation("index") {
            let word = args.value()?;
            let illegal = |_| Error::wrong(word, "illegal index").at(args.last());
            index = parse_u32(word, Base::Ten).map_err(illegal)?;
        }
        wire.head = ActionHead::new(index, verdict);
        let name = action.map_or("", |(name, _)| name);
        match (wire.action, wire.protocol) {
            (MplsAction::POP, None) => return Err(Error::required("protocol")),
            (MplsAction::PUSH | MplsAction::MAC_PUSH, Some(protocol))
                if !matches!(protocol, Protocol::MPLS_UC | Protocol::MPLS_MC) =>
            {
                let line =
                    format!("invalid {name} protocol \"0x{:04X}\" - use mpls_(uc|mc)", protocol.0);
                return Err(Error::refused(line));
            }
            (MplsAction::PUSH, _) if wire.label.is_none() => return Err(Error::required("label")),
            _ => {}
        }
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let mpls = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        let name = ACTIONS.iter().find(|(_, action)| *action == mpls.action);
        let name = name.map_or_else(|| mpls.action.0.to_string(), |(name, _)| (*name).into());
        out.field("mpls_action", name.as_str(), format_args!(" {name}"));
        if let Some(protocol) = mpls.protocol {
            let protocol = match show.options.numeric {
                true => protocol.numeric().to_string(),
                false => protocol.to_string(),
            };
            out.field("protocol", protocol.as_str(), format_args!(" protocol {protocol}"));
        }
        if let Some(label) = mpls.label {
            out.field("label", label, format_args!(" label {label}"));
        }
        let bytes = [("tc", mpls.traffic_class), ("bos", mpls.bottom_of_stack), ("ttl", mpls.ttl)];
        for (key, value) in bytes {
            if let Some(value) = value {
                out.field(key, value, format_args!(" {key} {value}"));
            }
        }
        control::print(mpls.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&mpls.head, mpls.times, "\t ", show, out);
        Ok(())
    }
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(word: &str, wire: &mut Wire, args: &mut Args<'_>) -> Result<bool, Error> {
    let changes =
        matches!(wire.action, MplsAction::PUSH | MplsAction::MAC_PUSH | MplsAction::MODIFY);
    let takes_protocol =
        matches!(wire.action, MplsAction::PUSH | MplsAction::MAC_PUSH | MplsAction::POP);
    let field = ["label", "tc", "ttl", "bos"].into_iter().find(|name| abbreviates(word, name));
    if let Some(field) = field {
        if !changes {
            let line = "only valid for push, mac_push and modify";
            return Err(Error::wrong(word, line).at(args.last()));
        }
        let value = args.value()?;
        let wrong = |why: &str| Error::wrong(value, why).at(args.last());
        let byte =
            |fits: fn(u8) -> bool| parse_u8(value, Base::Auto).ok().filter(|byte| fits(*byte));
        match field {
            "label" => {
                let label = parse_u32(value, Base::Auto).ok().filter(|l| *l <= MAX_LABEL);
                wire.label = Some(label.ok_or_else(|| wrong("label must be <=0xFFFFF"))?);
            }
            "tc" => {
                let class = byte(|class| class < 8).ok_or_else(|| wrong("tc field is 3 bits max"));
                wire.traffic_class = Some(class?);
            }
            "ttl" => {
                let ttl = byte(|ttl| ttl > 0).ok_or_else(|| wrong("ttl must be >0 and <=255"));
                wire.ttl = Some(ttl?);
            }
            _ => {
                let bos = byte(|bos| bos < 2).ok_or_else(|| wrong("bos must be 0 or 1"));
                wire.bottom_of_stack = Some(bos?);
            }
        }
        return Ok(true);
    }
    if abbreviates(word, "protocol") {
        if !takes_protocol {
            let line = "only valid for push, mac_push and pop";
            return Err(Error::wrong(word, line).at(args.last()));
        }
        let value = args.value()?;
        let invalid = |_| Error::wrong(value, "protocol is invalid").at(args.last());
        wire.protocol = Some(Protocol::parse(value).map_err(invalid)?);
        return Ok(true);
    }
    Ok(false)
}
