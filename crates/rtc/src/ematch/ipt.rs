//! `ipt`: words and output. Wire format: [`tc_proto::ematch::ipt`].
//!
//! What a match of the packet filter holds is known to iptables' own plug-ins only. Distributions
//! build tc so that it does not find them; so matches can be shown, but not made.

use std::borrow::Cow;

use tc_proto::ematch::ipt::Ipt as Wire;
use tc_proto::{DecodeError, Ematch, Kind};

use super::{Arg, Fault, Pending, hex};
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ipt([ -6 ] -m MATCH OPTIONS...)

Asks a match of iptables. Only plug-ins of iptables know the options of its matches; without them no
such ematch can be made.
";

/// `NFPROTO_IPV6`.
const IPV6: u8 = 10;

/// The kind `ipt`.
#[derive(Debug)]
pub struct Ipt;

impl EmatchKind for Ipt {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn number(&self) -> u16 {
        Wire::NUMBER
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["-6", "-m"]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        Err(Fault::bare(refusal(args)))
    }

    fn print(&self, data: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        let ipt = Wire::decode(data)?;
        if ipt.nfproto == Some(IPV6) {
            out.flag("ipv6", "-6 ");
        }
        if let Some(name) = &ipt.name {
            out.field("match", name.as_str(), format_args!("-m {name}"));
        }
        if let Some(revision) = ipt.revision {
            out.field("revision", revision, format_args!(" revision {revision}"));
        }
        if let Some(hook) = ipt.hook {
            out.field("hook", hook, format_args!(" hook {hook}"));
        }
        if let Some(data) = &ipt.data {
            let hex = hex(data).concat();
            out.field("data", hex.as_str(), format_args!(" data {hex}"));
        }
        Ok(())
    }
}

/// What tc says of these arguments, which it reads with C's `getopt`: up to the first option that
/// it does not know, or the name of a match, which it does not find.
fn refusal(args: &[Arg]) -> String {
    const NO_NAME: &str = "failed to find match (null)\n";
    const NO_MATCH: &str = " failed to parse parameters (ipt)";
    let mut args = args.iter().map(Arg::text);
    while let Some(arg) = args.next() {
        if arg == "--" {
            return NO_MATCH.to_owned();
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let is = |option| crate::args::abbreviates(name, option);
            return match value {
                value if is("match") => match value.or_else(|| args.next().map(Cow::into_owned)) {
                    Some(name) => not_found(&name),
                    None => format!("ipt: option '--match' requires an argument\n{NO_NAME}"),
                },
                None if is("ipv6") => continue,
                Some(_) if is("ipv6") => {
                    format!("ipt: option '--ipv6' doesn't allow an argument\n{NO_NAME}")
                }
                _ if name.is_empty() => {
                    let both = "possibilities: '--match' '--ipv6'";
                    format!("ipt: option '{arg}' is ambiguous; {both}\n{NO_NAME}")
                }
                _ => format!("ipt: unrecognized option '{arg}'\n{NO_NAME}"),
            };
        }
        let Some(letters) = arg.strip_prefix('-') else { continue };
        for (at, letter) in letters.char_indices() {
            match letter {
                '6' => {}
                'm' => {
                    let rest = letters.get(at + 1..).unwrap_or_default();
                    let name = match rest {
                        "" => args.next().map(Cow::into_owned),
                        rest => Some(rest.to_owned()),
                    };
                    return match name {
                        Some(name) => not_found(&name),
                        None => format!("ipt: option requires an argument -- 'm'\n{NO_NAME}"),
                    };
                }
                letter => return format!("ipt: invalid option -- '{letter}'\n{NO_NAME}"),
            }
        }
    }
    NO_MATCH.to_owned()
}

fn not_found(name: &str) -> String {
    format!(" failed to find match {name}\n")
}
