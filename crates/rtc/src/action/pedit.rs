//! `pedit`: words and output. Wire format: [`tc_proto::action::pedit`].

use std::net::Ipv6Addr;

use tc_proto::action::pedit::{Pedit as Wire, PeditCommand, PeditHeader, PeditKey};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, MacAddr, parse_i32, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::inet;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... pedit [ ex ] munge { RAW | FIELD } CHANGE [ munge ... ] [ VERDICT ] [ index INDEX ]

RAW:     offset N { u8 | u16 | u32 } [ at N MASK SHIFT ]
FIELD:   ip { src | dst | tos | dsfield | precedence | ihl | protocol | nofrag | firstfrag | ce |
         df | mf | ttl }, without ex also ip { sport | dport | icmp_type | icmp_code }, with ex
         eth { src | dst | type }, ip6 { src | dst | traffic_class | flow_lbl | payload_len |
         nexthdr | hoplimit }, tcp { sport | dport | flags }, udp { sport | dport }
CHANGE:  { clear | invert | preserve | set VALUE | add VALUE | decrement } [ retain MASK ]

add and decrement need ex; decrement is for ttl and hoplimit.
";

/// What tc says of a word that is not there.
const NOTHING: &str = "(null)";

/// The most keys that the kernel takes.
const MAX_KEYS: usize = 128;

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    /// Bits of one to four bytes: the size in bytes, which of them, and by how many bits a value
    /// is shifted.
    Bits { size: u32, mask: u32, shift: u32 },
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A MAC address.
    Mac,
}

/// A field: its name, its offset in bytes, what it holds, and whether it counts down.
type Field = (&'static str, i32, Holds, bool);

const fn bits(size: u32, mask: u32) -> Holds {
    Holds::Bits { size, mask, shift: 0 }
}

const BYTE: Holds = bits(1, 0xff);
const SHORT: Holds = bits(2, 0xffff);

const ETH: &[Field] =
    &[("type", 12, SHORT, false), ("dst", 0, Holds::Mac, false), ("src", 6, Holds::Mac, false)];

const IP: &[Field] = &[
    ("src", 12, Holds::Ipv4, false),
    ("dst", 16, Holds::Ipv4, false),
    ("tos", 1, BYTE, false),
    ("dsfield", 1, BYTE, false),
    ("precedence", 1, BYTE, false),
    ("ihl", 0, bits(1, 0x0f), false),
    ("protocol", 9, BYTE, false),
    ("ttl", 8, BYTE, true),
    ("nofrag", 6, bits(1, 0x3f), false),
    ("firstfrag", 6, bits(1, 0x1f), false),
    ("ce", 6, bits(1, 0x80), false),
    ("df", 6, bits(1, 0x40), false),
    ("mf", 6, bits(1, 0x20), false),
];

/// Behind an IPv4 header without options; tc has the code of ICMP at the place of its type.
const BEYOND_IP: &[Field] = &[
    ("sport", 20, SHORT, false),
    ("dport", 22, SHORT, false),
    ("icmp_type", 20, BYTE, false),
    ("icmp_code", 20, BYTE, false),
];

const IP6: &[Field] = &[
    ("src", 8, Holds::Ipv6, false),
    ("dst", 24, Holds::Ipv6, false),
    // tc leaves out the highest bit of the label.
    ("flow_lbl", 0, bits(4, 0x0007_ffff), false),
    ("payload_len", 4, SHORT, false),
    ("nexthdr", 6, BYTE, false),
    ("hoplimit", 7, BYTE, true),
    ("traffic_class", 0, Holds::Bits { size: 2, mask: 0x0ff0, shift: 4 }, false),
];

const TCP: &[Field] =
    &[("sport", 0, SHORT, false), ("dport", 2, SHORT, false), ("flags", 13, BYTE, false)];
const UDP: &[Field] = &[("sport", 0, SHORT, false), ("dport", 2, SHORT, false)];

/// The headers of the extended form, and their names in listings.
const HEADERS: &[(&str, PeditHeader, &str, &[Field])] = &[
    ("eth", PeditHeader::ETHERNET, "eth", ETH),
    ("ip", PeditHeader::IPV4, "ipv4", IP),
    ("ip6", PeditHeader::IPV6, "ipv6", IP6),
    ("tcp", PeditHeader::TCP, "tcp", TCP),
    ("udp", PeditHeader::UDP, "udp", UDP),
];

/// The kind `pedit`.
#[derive(Debug)]
pub struct Pedit;

impl ActionKind for Pedit {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "ex",
            "munge",
            "offset",
            "u8",
            "u16",
            "u32",
            "at",
            "ip",
            "ip6",
            "eth",
            "tcp",
            "udp",
            "clear",
            "invert",
            "set",
            "add",
            "decrement",
            "preserve",
            "retain",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        if args.take_abbreviation("ex") {
            wire.extended = true;
            args.followed()?;
        }
        while let Some(word) = args.word()? {
            if abbreviates(word, Wire::NAME) {
                // tc passes over it, but not at the end.
                if abbreviates(args.value()?, "ex") {
                    let lines = format!("'ex' must be before first 'munge'\n{USAGE}");
                    return Err(Error::refused(lines).at(args.last()));
                }
                args.back();
            } else if abbreviates(word, "munge") {
                munge(&mut wire, args)?;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else {
                args.back();
                break;
            }
        }
        let control = control::parse(args)?.unwrap_or(Control::PASS);
        wire.head = ActionHead::new(parse_index(args, "Pedit: ")?, control);
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let pedit = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!(" {} ", Wire::NAME));
        control::print(pedit.head.control, "control_action", "action ", "", out);
        let count = pedit.keys.len() as u64;
        out.field("nkeys", count, format_args!(" keys {count}"));
        // These ends of lines are such under -oneline, too.
        out.text("\n");
        print::print_refs_open(&pedit.head, pedit.times, " \t ", show, out);
        out.array("keys", |out| {
            for (number, key) in pedit.keys.iter().enumerate() {
                out.text(format_args!("\n\t key #{number} "));
                out.entry(|out| print_key(key, out));
            }
        });
        out.newline();
        Ok(())
    }
}

fn print_key(key: &PeditKey, out: &mut Out<'_>) {
    let header = HEADERS.iter().find(|(_, header, ..)| *header == key.header);
    let (json, text) = match header {
        Some((_, _, name, _)) => (*name, format!("{name}+")),
        None if key.header == PeditHeader::NETWORK => ("network", String::new()),
        None => ("unknown", "unknown+".to_owned()),
    };
    out.field("htype", json, format_args!(" at {text}"));
    out.field("offset", key.offset, format_args!("{}", key.offset));
    let (json, text) = match key.command {
        PeditCommand::ADD => ("add", "add"),
        _ => ("set", "val"),
    };
    out.field("cmd", json, format_args!(": {text} "));
    out.field("val", format!("{:x}", key.value), format_args!("{:08x}", key.value));
    out.field("mask", format!("{:x}", key.mask), format_args!(" mask {:08x}", key.mask));
}

/// Something is wrong with a change; `word` is where tc sees it.
fn construct(word: Option<&str>) -> Error {
    let word = word.unwrap_or(NOTHING);
    Error::refused(format_args!("Bad pedit construct ({word})\n{USAGE}"))
}

/// Reads what follows `munge`.
fn munge(wire: &mut Wire, args: &mut Args<'_>) -> Result<(), Error> {
    let layer = args.value()?;
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    let before = wire.keys.len();
    if abbreviates(layer, "offset") {
        raw(wire, args)?;
    } else {
        let bad = |line: Option<String>, args: &Args<'_>| {
            let line = line.map_or(String::new(), |line| line + "\n");
            let lines = format!("{line}bad pedit parsing\nBad pedit construct ({layer})\n{USAGE}");
            Error::refused(lines).at(args.last())
        };
        let known = layer == "icmp" || HEADERS.iter().any(|(name, ..)| *name == layer);
        if !known {
            let next = args.value()?;
            let line = format!("Unknown action  hence option \"{next}\" is unparsable");
            return Err(bad(Some(line), args));
        }
        let field = args.value()?;
        let found = find(layer, field, wire.extended).ok_or_else(|| bad(None, args))?;
        let (header, offset, holds, counts) = found;
        let changed = change(holds, offset, counts, wire.extended, args);
        match changed {
            Ok((keys, command)) => wire.keys.extend(keys.into_iter().map(|key| {
                let header = if wire.extended { header } else { PeditHeader::NETWORK };
                PeditKey { header, command, ..key }
            })),
            Err(Problem::Incomplete) => return Err(Error::incomplete()),
            Err(Problem::Said(line) | Problem::Packed(line)) => return Err(bad(Some(line), args)),
            Err(Problem::Bad | Problem::End) => return Err(bad(None, args)),
        }
    }
    if wire.keys.len() > MAX_KEYS {
        wire.keys.truncate(before);
        let line = format!("at most {MAX_KEYS} words of the packet can be changed");
        return Err(construct(None).hint(line));
    }
    Ok(())
}

fn find(layer: &str, field: &str, extended: bool) -> Option<(PeditHeader, i32, Holds, bool)> {
    let (_, header, _, fields) = HEADERS.iter().find(|(name, ..)| *name == layer)?;
    let beyond = if extended || layer != "ip" { &[] } else { BEYOND_IP };
    if !extended && layer != "ip" {
        return None;
    }
    let all = fields.iter().chain(beyond);
    let (_, offset, holds, counts) = all.copied().find(|(name, ..)| *name == field)?;
    Some((*header, offset, holds, counts))
}

/// Reads `N { u8 | u16 | u32 } [ at N MASK SHIFT ] CHANGE`.
fn raw(wire: &mut Wire, args: &mut Args<'_>) -> Result<(), Error> {
    let word = args.value()?;
    let bad = || construct(Some(word)).at(args.last());
    let offset = parse_i32(word, Base::Auto).map_err(|_| bad())?;
    let sizes = [("u32", 4, u32::MAX), ("u16", 2, 0xffff), ("u8", 1, 0xff)];
    let size = args.word()?.and_then(|word| sizes.iter().find(|(name, ..)| *name == word));
    let Some((_, size, mask)) = size else {
        return Err(construct(Some(word)).at(args.last()).hint("expected u8, u16 or u32"));
    };
    let mut variable = (0, 0, 0);
    if args.take("at") {
        let mut number = |base| {
            let number = args.word().ok()??;
            parse_u32(number, base).ok()
        };
        let read = (number(Base::Auto), number(Base::Hex), number(Base::Auto));
        let (Some(at), Some(mask), Some(shift)) = read else {
            return Err(construct(Some(word))
                .at(args.last())
                .hint("expected at OFFSET MASK SHIFT"));
        };
        variable = (at, mask, shift);
    }
    let verb = args.peek();
    let changed = change(bits(*size, *mask), offset, false, wire.extended, args);
    let (line, seen) = match changed {
        Ok((keys, command)) => {
            let (at, offset_mask, shift) = variable;
            let key = |key| PeditKey { at, offset_mask, shift, command, ..key };
            wire.keys.extend(keys.into_iter().map(key));
            return Ok(());
        }
        Err(Problem::Incomplete | Problem::End) => return Err(Error::incomplete()),
        Err(Problem::Packed(line)) => (line + "\n", args.peek()),
        Err(Problem::Said(line)) => (line + "\n", verb),
        Err(Problem::Bad) => (String::new(), verb),
    };
    let seen = seen.unwrap_or(NOTHING);
    let lines = format!("{line}Bad pedit construct ({seen})\n{USAGE}");
    Err(Error::refused(lines).at(args.last()))
}

/// Why a change cannot be read.
enum Problem {
    /// The command line ends before the change.
    End,
    /// It ends within it.
    Incomplete,
    /// tc says no more than that.
    Bad,
    /// tc says this.
    Said(String),
    /// tc says this, when all words of the change are read.
    Packed(String),
}

/// What becomes of the bits of a field.
enum Change<T> {
    Set(T),
    Invert,
    Preserve,
}

/// Reads a change of a field.
fn change(
    holds: Holds,
    offset: i32,
    counts: bool,
    extended: bool,
    args: &mut Args<'_>,
) -> Result<(Vec<PeditKey>, PeditCommand), Problem> {
    const VERBS: [&str; 6] = ["clear", "invert", "preserve", "set", "add", "decrement"];
    let word = args.word().map_err(|_| Problem::Bad)?.ok_or(Problem::End)?;
    let verb = VERBS.into_iter().find(|name| abbreviates(word, name)).ok_or(Problem::Bad)?;
    let command = match verb {
        "decrement" if !counts => {
            let line = "decrement command is not supported for this field";
            return Err(Problem::Said(line.to_owned()));
        }
        "add" | "decrement" if !extended => {
            let line = "Non extended mode. only 'set' command is supported";
            return Err(Problem::Said(line.to_owned()));
        }
        "add" | "decrement" => PeditCommand::ADD,
        _ => PeditCommand::SET,
    };
    let takes_value = matches!(verb, "set" | "add");
    let value = if takes_value { Some(next(args)?) } else { None };
    let keys = match holds {
        Holds::Bits { size, mask, shift } => {
            let number = match value {
                Some(word) => parse_u32(word, Base::Auto).map_err(|_| Problem::Bad)?,
                None if verb == "decrement" => mask,
                None => 0,
            };
            let change = of_verb(verb, number << shift & mask);
            let retain = retain(args)?.unwrap_or(u32::MAX) << shift & mask;
            vec![pack(size, offset, number, retain, &change)?]
        }
        Holds::Ipv4 => {
            let address = value.map(|word| inet::ipv4_prefix(word).ok_or(Problem::Bad));
            let number = address.transpose()?.map_or(0, |(address, _)| address.to_bits());
            let retain = retain(args)?.unwrap_or(u32::MAX);
            vec![pack(4, offset, number, retain, &of_verb(verb, number))?]
        }
        Holds::Ipv6 | Holds::Mac if command == PeditCommand::ADD => return Err(Problem::Bad),
        Holds::Ipv6 => {
            let address = value.map(|word| inet::ipv6_prefix(word).ok_or(Problem::Bad));
            let address = address.transpose()?.map_or(Ipv6Addr::UNSPECIFIED, |(found, _)| found);
            long(&address.octets(), offset, verb, args)?
        }
        Holds::Mac => {
            let address = value.map(mac).transpose()?.unwrap_or_default();
            long(&address.0, offset, verb, args)?
        }
    };
    Ok((keys, command))
}

fn of_verb<T>(verb: &str, value: T) -> Change<T> {
    match verb {
        "invert" => Change::Invert,
        "preserve" => Change::Preserve,
        _ => Change::Set(value),
    }
}

/// The next word, which must be there.
fn next<'a>(args: &mut Args<'a>) -> Result<&'a str, Problem> {
    args.word().map_err(|_| Problem::Bad)?.ok_or(Problem::Incomplete)
}

/// Reads `retain MASK` if it is next.
fn retain(args: &mut Args<'_>) -> Result<Option<u32>, Problem> {
    if !args.take_abbreviation("retain") {
        return Ok(None);
    }
    parse_u32(next(args)?, Base::Auto).map(Some).map_err(|_| Problem::Bad)
}

fn mac(word: &str) -> Result<MacAddr, Problem> {
    let six = MacAddr::parse(word).ok().filter(|_| word.split(':').count() == 6);
    six.ok_or_else(|| {
        // tc reads an address of any length, and then looks at the length.
        let is_address = word.split(':').all(|part| u8::from_str_radix(part, 16).is_ok());
        match is_address {
            true => Problem::Bad,
            false => Problem::Said(format!("\"{word}\" is invalid lladdr.")),
        }
    })
}

/// The key for a field of up to four bytes; `bits` are those of it that may change.
fn pack(
    size: u32,
    offset: i32,
    number: u32,
    bits: u32,
    change: &Change<u32>,
) -> Result<PeditKey, Problem> {
    let place = offset.rem_euclid(4) as u32;
    let packed = |line: String| Err(Problem::Packed(line));
    match size {
        1 if number > 0xff => {
            return packed(format!("pack_key8 bad value (val {number:x} mask 0"));
        }
        2 if place > 2 => return packed(format!("pack_key16 bad index value {place}")),
        2 if number > 0xffff => return packed("pack_key16 bad value".to_owned()),
        4 if place != 0 => {
            let line = "pack_key32: 32 bit offsets must begin in 32bit boundaries";
            return packed(line.to_owned());
        }
        _ => {}
    }
    let shift = (4 - size - place) * 8;
    let bits = bits << shift;
    let (mask, value) = match change {
        Change::Set(value) => (!bits, value << shift & bits),
        Change::Invert => (u32::MAX, bits),
        Change::Preserve => (u32::MAX, 0),
    };
    Ok(PeditKey { mask, value, offset: offset - place as i32, ..PeditKey::default() })
}

/// The keys for a field of more than four bytes.
fn long(
    bytes: &[u8],
    offset: i32,
    verb: &str,
    args: &mut Args<'_>,
) -> Result<Vec<PeditKey>, Problem> {
    if retain(args)?.is_some() {
        let line = "retain is not supported for fields longer the 32 bits";
        return Err(Problem::Said(line.to_owned()));
    }
    let before = offset.rem_euclid(4) as usize;
    let field = || std::iter::repeat_n(None, before).chain(bytes.iter().map(Some));
    let mut keys = Vec::new();
    for start in (0..before + bytes.len()).step_by(4) {
        let (mut bits, mut value) = (0, 0);
        for place in 0..4 {
            let byte = field().nth(start + place).flatten();
            bits = bits << 8 | if byte.is_some() { 0xff } else { 0 };
            value = value << 8 | byte.map_or(0, |byte| u32::from(*byte));
        }
        let offset = offset - before as i32 + start as i32;
        keys.push(pack(4, offset, value, bits, &of_verb(verb, value))?);
    }
    Ok(keys)
}
