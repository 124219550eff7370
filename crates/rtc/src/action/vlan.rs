//! `vlan`: words and output. Wire format: [`tc_proto::action::vlan`].

use tc_proto::action::vlan::{Vlan as Wire, VlanAction};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, MacAddr, Protocol, parse_u8, parse_u16};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: vlan pop [ VERDICT ] [ index INDEX ]
       vlan { push | modify } [ protocol PROTO ] id ID [ priority PRIO ] [ VERDICT ]
          [ index INDEX ]
       vlan pop_eth [ VERDICT ] [ index INDEX ]
       vlan push_eth dst_mac MAC src_mac MAC [ VERDICT ] [ index INDEX ]

PROTO is 802.1Q, which it is by default, or 802.1ad.
";

/// In the order in which abbreviations are tried.
const ACTIONS: &[(&str, VlanAction)] = &[
    ("pop", VlanAction::POP),
    ("push", VlanAction::PUSH),
    ("modify", VlanAction::MODIFY),
    ("pop_eth", VlanAction::POP_ETH),
    ("push_eth", VlanAction::PUSH_ETH),
];

/// The kind `vlan`.
#[derive(Debug)]
pub struct Vlan;

impl ActionKind for Vlan {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "pop", "push", "modify", "pop_eth", "push_eth", "id", "protocol", "priority",
            "dst_mac", "src_mac", "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let mut action = None;
        while let Some(word) = args.word()? {
            if let Some(found) = ACTIONS.iter().find(|(name, _)| abbreviates(word, name)) {
                if action.is_some() {
                    let line = format!("unexpected \"{word}\" - action already specified");
                    return Err(refused(&line).at(args.last()));
                }
                action = Some(found);
                wire.action = found.1;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else if !parse_word(word, &mut wire, args)? {
                args.back();
                break;
            }
        }
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        wire.head = ActionHead::new(parse_index(args, "vlan: ")?, control);
        let missing = match wire.action {
            VlanAction::PUSH | VlanAction::MODIFY if wire.id.is_none() => "id",
            VlanAction::PUSH_ETH if wire.dst_mac.is_none() => "dst_mac",
            VlanAction::PUSH_ETH if wire.src_mac.is_none() => "src_mac",
            _ => return Ok(Box::new(Plain(wire))),
        };
        let name = action.map_or("", |(name, _)| name);
        Err(refused(&format!("{missing} needs to be set for {name}")))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let vlan = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        let name = ACTIONS.iter().find(|(_, action)| *action == vlan.action);
        let name = name.map_or_else(|| vlan.action.0.to_string(), |(name, _)| (*name).into());
        out.field("vlan_action", name.as_str(), format_args!(" {name}"));
        if let Some(id) = vlan.id {
            out.field("id", id, format_args!(" id {id}"));
        }
        if let Some(protocol) = vlan.protocol {
            let protocol = match show.options.numeric {
                true => protocol.numeric().to_string(),
                false => protocol.to_string(),
            };
            out.field("protocol", protocol.as_str(), format_args!(" protocol {protocol}"));
        }
        if let Some(priority) = vlan.priority {
            out.field("priority", priority, format_args!(" priority {priority}"));
        }
        for (key, mac) in [("dst_mac", vlan.dst_mac), ("src_mac", vlan.src_mac)] {
            if let Some(mac) = mac {
                out.field(key, mac.to_string(), format_args!(" {key} {mac}"));
            }
        }
        control::print(vlan.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&vlan.head, vlan.times, "\t ", show, out);
        Ok(())
    }
}

/// A refusal that shows the usage, as tc does.
fn refused(line: &str) -> Error {
    Error::refused(format_args!("{line}\n{USAGE}"))
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(word: &str, wire: &mut Wire, args: &mut Args<'_>) -> Result<bool, Error> {
    let tag = matches!(wire.action, VlanAction::PUSH | VlanAction::MODIFY);
    let eth = wire.action == VlanAction::PUSH_ETH;
    let only = |of: &str, args: &Args<'_>| {
        Err(Error::wrong(word, &format!("only valid for {of}")).at(args.last()))
    };
    if abbreviates(word, "id") {
        if !tag {
            return only("push/modify", args);
        }
        let value = args.value()?;
        let id = parse_u16(value, Base::Auto).map_err(|_| wrong(value, "id is invalid", args))?;
        wire.id = Some(id);
    } else if abbreviates(word, "protocol") {
        if !tag {
            return only("push/modify", args);
        }
        let value = args.value()?;
        let protocol =
            Protocol::parse(value).map_err(|_| wrong(value, "protocol is invalid", args))?;
        if ![Protocol::VLAN, Protocol::SERVICE_VLAN].contains(&protocol) {
            return Err(refused("protocol not supported").at(args.last()));
        }
        wire.protocol = Some(protocol);
    } else if abbreviates(word, "priority") {
        if !tag {
            return only("push/modify", args);
        }
        let value = args.value()?;
        let priority = parse_u8(value, Base::Auto).ok().filter(|priority| *priority < 8);
        wire.priority = Some(priority.ok_or_else(|| wrong(value, "prio is invalid", args))?);
    } else if abbreviates(word, "dst_mac") {
        if !eth {
            return only("push_eth", args);
        }
        wire.dst_mac = Some(parse_mac(args, "dst_mac is invalid")?);
    } else if abbreviates(word, "src_mac") {
        if !eth {
            return only("push_eth", args);
        }
        wire.src_mac = Some(parse_mac(args, "src_mac is invalid")?);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn wrong(word: &str, why: &str, args: &Args<'_>) -> Error {
    Error::wrong(word, why).at(args.last())
}

fn parse_mac(args: &mut Args<'_>, why: &str) -> Result<MacAddr, Error> {
    let word = args.value()?;
    MacAddr::parse(word).map_err(|e| {
        let line =
            format!("\"{word}\" is invalid lladdr.\nError: argument \"{word}\" is wrong: {why}");
        Error::usage(line).at(args.last()).hint(e.to_string())
    })
}
