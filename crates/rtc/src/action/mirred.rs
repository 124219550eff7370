//! `mirred`: words and output. Wire format: [`tc_proto::action::mirred`].

use tc_proto::action::mirred::{Mirred as Wire, MirredAction};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::cmd;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Resolved, Show, Target};
use crate::out::{Out, Paint};

const USAGE: &str = "\
Usage: mirred { egress | ingress } { mirror | redirect } [ index INDEX ] TARGET [ VERDICT ]
TARGET := { dev DEVICE | blockid BLOCK }
";

/// Direction, what is done, the wire's name for both, and the verdict unless another is given.
const ACTIONS: &[(&str, &str, MirredAction, Control)] = &[
    ("egress", "redirect", MirredAction::EGRESS_REDIRECT, Control::STOLEN),
    ("egress", "mirror", MirredAction::EGRESS_MIRROR, Control::PIPE),
    ("ingress", "redirect", MirredAction::INGRESS_REDIRECT, Control::STOLEN),
    ("ingress", "mirror", MirredAction::INGRESS_MIRROR, Control::PIPE),
];

/// The kind `mirred`.
#[derive(Debug)]
pub struct Mirred;

/// An action whose device is still a name.
struct Words {
    wire: Wire,
    dev: Option<String>,
}

impl ActionKind for Mirred {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["egress", "ingress", "mirror", "redirect", "dev", "blockid", "index"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let word = args.value()?;
        if let Some(egress) = direction(word) {
            return parse_direction(egress, args);
        }
        if abbreviates(word, "help") {
            return Err(Error::usage(USAGE));
        }
        if abbreviates(word, "index") {
            args.back();
            let head = ActionHead::new(parse_index(args, "")?, Control::PASS);
            return Ok(Box::new(Plain(Wire { head, ..Wire::default() })));
        }
        let line = format!("mirred option not supported {word}");
        Err(Error::refused(line).at(args.last()).hint("expected egress or ingress"))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let mirred = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        match ACTIONS.iter().find(|(_, _, action, _)| *action == mirred.action) {
            Some((direction, action, ..)) => {
                out.json("mirred_action", *action);
                out.json("direction", *direction);
                out.text(format_args!("({} {}", capital(direction), capital(action)));
            }
            None => {
                out.json("mirred_action", "unknown");
                out.json("direction", "unknown");
                out.text(format_args!("(unknown"));
            }
        }
        if let Some(block) = mirred.block {
            out.field("to_blockid", block, format_args!(" to blockid {block})"));
        } else {
            let dev = match mirred.ifindex {
                0 => "*".to_owned(),
                index => show.env.ifname(index as i32),
            };
            out.text(format_args!(" to device "));
            out.painted(Paint::Ifname, "to_dev", &dev, format_args!("{dev}"));
            out.text(format_args!(")"));
        }
        control::print(mirred.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&mirred.head, mirred.times, "\t", show, out);
        Ok(())
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// `egress` is true, `ingress` false.
fn direction(word: &str) -> Option<bool> {
    [("egress", true), ("ingress", false)]
        .into_iter()
        .find_map(|(name, egress)| abbreviates(word, name).then_some(egress))
}

/// Reads `{ mirror | redirect } [index INDEX] TARGET [VERDICT] [index INDEX]`.
fn parse_direction(egress: bool, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
    let mut found = None;
    let mut index = None;
    let mut dev = None;
    let mut block = None;
    while dev.is_none() && block.is_none() {
        let Some(word) = args.word()? else { return Err(Error::incomplete()) };
        if direction(word).is_some_and(|other| other != egress) {
            let both = if egress { "ingress and egress" } else { "egress and ingress" };
            let line = format!("Can't have both {both}");
            return Err(Error::refused(line).at(args.last()));
        }
        let action = ["redirect", "mirror"].into_iter().find(|name| abbreviates(word, name));
        match action {
            // Not ours any more; the kernel misses the target.
            Some(_) if found == action => {
                args.back();
                break;
            }
            Some(_) if found.is_some() => {
                return Err(Error::refused("Can't have both mirror and redir").at(args.last()));
            }
            Some(_) => {
                found = action;
                if args.left() == 0 {
                    return Err(Error::incomplete());
                }
            }
            None if abbreviates(word, "index") => {
                args.back();
                index = Some(parse_index(args, "")?);
            }
            None if found.is_none() && args.left() > 0 && abbreviates(word, "action") => break,
            // tc passes over words here that it does not know.
            None if found.is_none() => {}
            None if word == "blockid" => block = Some(parse_block(args)?),
            None if abbreviates(word, "dev") => dev = Some(args.value()?.to_owned()),
            // Without a target; the kernel says so.
            None => {
                args.back();
                break;
            }
        }
    }
    if block.is_some() && args.peek().is_some_and(|word| abbreviates(word, "dev")) {
        let line = "blockid and device are mutually exclusive.";
        return Err(Error::refused(line).at(args.next()));
    }
    let direction = if egress { "egress" } else { "ingress" };
    let row = ACTIONS.iter().find(|(d, a, ..)| *d == direction && Some(*a) == found);
    let (action, default) = row.map_or_else(Default::default, |(_, _, a, c)| (*a, *c));
    // A verdict after a redirection is an action of its own.
    let verdict = if found == Some("mirror") { control::parse(args)? } else { None };
    let control = verdict.unwrap_or(default);
    if index.is_some() && args.peek().is_some_and(|word| abbreviates(word, "index")) {
        return Err(Error::refused("mirred: Illegal double index").at(args.next()));
    }
    let index = match index {
        Some(index) => index,
        None => parse_index(args, "mirred: ")?,
    };
    let head = ActionHead::new(index, control);
    Ok(Box::new(Words { wire: Wire { head, action, block, ..Wire::default() }, dev }))
}

fn parse_block(args: &mut Args<'_>) -> Result<u32, Error> {
    let block = parse_u32(args.value()?, Base::Auto).ok().filter(|block| *block != 0);
    block.ok_or_else(|| Error::refused("invalid block ID").at(args.last()))
}

impl Pending for Words {
    fn resolve(
        mut self: Box<Self>,
        env: &mut dyn Env,
        _: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        if let Some(dev) = &self.dev {
            self.wire.ifindex = cmd::ifindex(dev, env)? as u32;
        }
        Ok(Box::new(Plain(self.wire)))
    }
}
