//! `ct`: words and output. Wire format: [`tc_proto::action::ct`].

use std::fmt::Write as _;
use std::net::IpAddr;

use tc_proto::action::ct::Ct as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u8, parse_u16, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, hex, hex_bytes, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::inet;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... ct clear
       ... ct commit [ force ] [ zone ZONE ] [ mark MARK[/MASK] ] [ label LABEL[/MASK] ]
          [ nat { src | dst } addr ADDRESS[-ADDRESS] [ port PORT[-PORT] ] ]
          [ helper { ipv4 | ipv6 }-PROTO-NAME ] [ index INDEX ] [ VERDICT ]
       ... ct [ zone ZONE ] [ nat ] [ index INDEX ] [ VERDICT ]

LABEL and its MASK are up to 32 hexadecimal digits.
";

/// The digits of 16 bytes.
const MAX_LABEL: usize = 32;
/// `NF_CT_HELPER_NAME_LEN`, with the zero at the end.
const HELPER_LEN: usize = 16;

const FAMILIES: &[(&str, u8)] = &[("ipv4", 2), ("ipv6", 10)];
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("sctp", 132),
    ("udplite", 136),
];

/// The kind `ct`.
#[derive(Debug)]
pub struct Ct;

impl ActionKind for Ct {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "clear", "commit", "force", "zone", "mark", "label", "nat", "src", "dst", "addr",
            "port", "helper", "index",
        ]
    }

    fn needs_words(&self) -> bool {
        false
    }

    fn print_name(&self, out: &mut Out<'_>) {
        out.field("kind", Wire::NAME, format_args!("{}", Wire::NAME));
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let mut action = 0;
        let mut index = 0;
        while let Some(word) = args.word()? {
            let flags = [("clear", Wire::CLEAR), ("commit", Wire::COMMIT), ("force", Wire::FORCE)];
            if let Some((_, flag)) = flags.iter().find(|(name, _)| abbreviates(word, name)) {
                action |= flag;
            } else if abbreviates(word, "nat") {
                action |= Wire::NAT | nat(&mut wire, args)?;
            } else if abbreviates(word, "index") {
                index = value("index", args, |w| parse_u32(w, Base::Ten).ok())?;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else if !parse_word(word, &mut wire, args)? {
                args.back();
                break;
            }
        }
        let next = args.next();
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let has = |flag| action & flag != 0;
        if has(Wire::CLEAR) && action != Wire::CLEAR {
            return Err(Error::refused("ct: clear can only be used alone").at(next));
        }
        let named = Wire::NAT_SRC | Wire::NAT_DST;
        if has(Wire::COMMIT) && has(Wire::NAT) && !has(named) {
            return Err(Error::refused("ct: commit and nat must set src or dst").at(next));
        }
        if has(named) && !has(Wire::COMMIT) {
            return Err(Error::refused("ct: nat src/dst must be used with commit").at(next));
        }
        wire.action = Some(action);
        wire.head = ActionHead::new(index, control);
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let ct = Wire::decode(options)?;
        let action = ct.action.unwrap_or(0);
        let has = |flag| action & flag != 0;
        out.field("kind", Wire::NAME, format_args!("{}", Wire::NAME));
        let verb = match (has(Wire::COMMIT), has(Wire::FORCE), has(Wire::CLEAR)) {
            (true, true, _) => Some("commit force"),
            (true, false, _) => Some("commit"),
            (false, _, true) => Some("clear"),
            _ => None,
        };
        if let Some(verb) = verb {
            out.field("action", verb, format_args!(" {verb}"));
        }
        if let Some(mark) = ct.mark {
            out.field("mark", mark, format_args!(" mark {mark}"));
            if let Some(mask) = ct.mark_mask.filter(|mask| *mask != u32::MAX) {
                out.field("mark_mask", format!("{mask:x}"), format_args!("/{mask:#x}"));
            }
        }
        if let Some(zone) = ct.zone {
            out.field("zone", zone, format_args!(" zone {zone}"));
        }
        if let Some(labels) = &ct.labels {
            let mut text = hex(labels);
            if let Some(mask) = ct.labels_mask.as_ref().filter(|m| m.iter().any(|b| *b != 0xff)) {
                _ = write!(text, "/{}", hex(mask));
            }
            out.field("label", text.as_str(), format_args!(" label {text}"));
        }
        if has(Wire::NAT) {
            let text = nat_text(&ct, action);
            let blank = if text.is_empty() { "" } else { " " };
            out.field("nat", text.as_str(), format_args!(" nat{blank}{text}"));
        }
        if let Some(helper) = &ct.helper {
            let (family, protocol) = (ct.helper_family, ct.helper_protocol);
            let family = FAMILIES.iter().find(|(_, number)| Some(*number) == family);
            let family = family.map_or("ipv4", |(name, _)| *name);
            let known = PROTOCOLS.iter().find(|(_, number)| Some(*number) == protocol);
            let protocol =
                known.map_or_else(|| protocol.unwrap_or(0).to_string(), |(n, _)| (*n).into());
            let text = format!("{family}-{protocol}-{helper}");
            out.field("helper", text.as_str(), format_args!(" helper {text}"));
        }
        control::print(ct.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&ct.head, ct.times, "\t ", show, out);
        Ok(())
    }
}

/// `src addr FIRST-LAST port FIRST-LAST`, of which parts may be missing.
fn nat_text(ct: &Wire, action: u16) -> String {
    let mut text = String::new();
    let side = match action {
        _ if action & Wire::NAT_SRC != 0 => "src",
        _ if action & Wire::NAT_DST != 0 => "dst",
        _ => return text,
    };
    text.push_str(side);
    if let Some(first) = ct.nat_min {
        _ = write!(text, " addr {first}");
        if let Some(last) = ct.nat_max.filter(|last| *last != first) {
            _ = write!(text, "-{last}");
        }
    }
    if let Some(first) = ct.port_min {
        _ = write!(text, " port {first}");
        if let Some(last) = ct.port_max.filter(|last| *last != first) {
            _ = write!(text, "-{last}");
        }
    }
    text
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(word: &str, wire: &mut Wire, args: &mut Args<'_>) -> Result<bool, Error> {
    if abbreviates(word, "zone") {
        wire.zone = Some(value("zone", args, |w| parse_u16(w, Base::Auto).ok())?);
    } else if abbreviates(word, "mark") {
        let (mark, mask) = value("mark", args, |word| {
            let number = |word: &str| parse_u32(word, Base::Auto).ok();
            match word.split_once('/') {
                Some((mark, mask)) => Some((number(mark)?, number(mask)?)),
                None => Some((number(word)?, u32::MAX)),
            }
        })?;
        (wire.mark, wire.mark_mask) = (Some(mark), Some(mask));
    } else if abbreviates(word, "label") {
        let word = args.value()?;
        let (labels, mask) = match word.split_once('/') {
            Some((labels, mask)) => (labels, Some(mask)),
            None => (word, None),
        };
        wire.labels = Some(label(labels, "labels", args)?);
        wire.labels_mask = Some(match mask {
            Some(mask) => label(mask, "labels mask", args)?,
            None => vec![0xff; MAX_LABEL / 2],
        });
    } else if abbreviates(word, "helper") {
        let (family, protocol, name) = value("helper", args, helper)?;
        wire.helper_family = Some(family);
        wire.helper_protocol = Some(protocol);
        wire.helper = Some(name);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Takes the next word, which must be what `parse` reads.
fn value<T>(
    what: &str,
    args: &mut Args<'_>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Error> {
    let word = args.value()?;
    let illegal = || Error::refused(format_args!("ct: Illegal \"{what}\"")).at(args.last());
    parse(word).ok_or_else(illegal)
}

/// Pairs of digits; a single one at the end is left out.
fn label(word: &str, what: &str, args: &Args<'_>) -> Result<Vec<u8>, Error> {
    let wrong = |why: &str| Error::wrong(word, why).at(args.last());
    if word.len() > MAX_LABEL {
        return Err(wrong(&format!("{} Max allowed size {MAX_LABEL}", word.len())));
    }
    let digits = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex_bytes(word)
        .filter(|_| digits)
        .ok_or_else(|| wrong(&format!("ct: {what} must be a hex string")).line(""))
}

/// `FAMILY-PROTOCOL-NAME`; what follows another dash is left out.
fn helper(word: &str) -> Option<(u8, u8, String)> {
    let mut parts = word.split('-');
    let (family, protocol, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, family) = FAMILIES.iter().find(|(known, _)| *known == family)?;
    let known = PROTOCOLS.iter().find(|(known, _)| *known == protocol);
    let protocol = match known {
        Some((_, number)) => *number,
        None => parse_u8(protocol, Base::Auto).ok()?,
    };
    let fits = !name.is_empty() && name.len() < HELPER_LEN;
    fits.then(|| (*family, protocol, name.to_owned()))
}

/// Reads what follows `nat`: `[ { src | dst } addr FIRST[-LAST] [ port FIRST[-LAST] ] ]`. As tc has
/// it, something must follow.
fn nat(wire: &mut Wire, args: &mut Args<'_>) -> Result<u16, Error> {
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    let side = if args.take_abbreviation("src") {
        Wire::NAT_SRC
    } else if args.take_abbreviation("dst") {
        Wire::NAT_DST
    } else {
        return Ok(0);
    };
    if !abbreviates(args.value()?, "addr") {
        return Err(Error::usage(USAGE).at(args.last()).hint("expected addr"));
    }
    let word = args.value()?;
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let expected = |what: &str, word: &str| {
        let line = format!("Error: {what} address is expected rather than \"{word}\".");
        Error::usage(line).with_status(1).at(args.last())
    };
    let v4 = |word: &str| inet::ipv4_address(word).map(IpAddr::V4);
    let v6 = |word: &str| word.parse().ok().map(IpAddr::V6);
    let first = v4(first).or_else(|| v6(first)).ok_or_else(|| expected("any valid", first))?;
    let last = match first {
        IpAddr::V4(_) => v4(last).ok_or_else(|| expected("inet", last))?,
        IpAddr::V6(_) => v6(last).ok_or_else(|| expected("inet6", last))?,
    };
    (wire.nat_min, wire.nat_max) = (Some(first), Some(last));
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    if args.take_abbreviation("port") {
        let word = args.value()?;
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let port = |word: &str| {
            let illegal = |_| Error::refused("ct: Illegal nat port range").at(args.last());
            parse_u16(word, Base::Ten).map_err(illegal)
        };
        (wire.port_min, wire.port_max) = (Some(port(first)?), Some(port(last)?));
    }
    Ok(side)
}
