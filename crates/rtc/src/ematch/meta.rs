//! `meta`: words and output. Wire format: [`tc_proto::ematch::meta`].

use std::fmt::Write as _;

use tc_proto::ematch::meta::{Meta as Wire, Side};
use tc_proto::{DecodeError, Ematch, Kind};

use super::nbyte::{is_printable, printable};
use super::{Arg, Fault, OPERANDS, Pending, hex, number, operand_word};
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: meta(OBJECT { eq | lt | gt } OBJECT)
       OBJECT := { ID [ shift BITS ] [ mask MASK ] | NUMBER | \"TEXT\" }
       meta(list)

Compares what the kernel knows of a packet besides its bytes. The second form shows all IDs. For
example: meta(priority eq 6)
";

/// The kind `meta`.
#[derive(Debug)]
pub struct Meta;

/// A property of packets.
struct Property {
    name: &'static str,
    /// `TCF_META_ID_*`
    id: u16,
    /// Whether it is known as text, too.
    text: bool,
    about: &'static str,
}

const fn row(name: &'static str, id: u16, about: &'static str) -> Property {
    Property { name, id, text: false, about }
}

const fn named(name: &'static str, id: u16, about: &'static str) -> Property {
    Property { name, id, text: true, about }
}

/// All properties, in groups.
const PROPERTIES: [(&str, &[Property]); 7] = [
    (
        "Generic",
        &[
            row("random", 1, "Random value (32 bit)"),
            row("loadavg_1", 2, "Load average in last minute"),
            row("loadavg_5", 3, "Load average in last 5 minutes"),
            row("loadavg_15", 4, "Load average in last 15 minutes"),
        ],
    ),
    ("Interfaces", &[named("dev", 5, "Device the packet is on")]),
    (
        "Packet attributes",
        &[
            row("priority", 6, "Priority of packet"),
            row("protocol", 7, "Link layer protocol"),
            row("pkt_type", 8, "Packet type (uni|multi|broad|...)cast"),
            row("pkt_len", 9, "Length of packet"),
            row("data_len", 10, "Length of data in packet"),
            row("mac_len", 11, "Length of link layer header"),
        ],
    ),
    ("Netfilter", &[row("nf_mark", 12, "Netfilter mark"), row("fwmark", 12, "Alias for nf_mark")]),
    ("Traffic Control", &[row("tc_index", 13, "TC Index")]),
    (
        "Routing",
        &[
            row("rt_classid", 14, "Routing ClassID (cls_route)"),
            row("rt_iif", 15, "Incoming interface index"),
            row("vlan", 46, "Vlan tag"),
        ],
    ),
    (
        "Sockets",
        &[
            row("sk_family", 16, "Address family"),
            row("sk_state", 17, "State"),
            row("sk_reuse", 18, "Reuse Flag"),
            named("sk_bind_if", 19, "Bound interface"),
            row("sk_refcnt", 20, "Reference counter"),
            row("sk_shutdown", 21, "Shutdown mask"),
            row("sk_proto", 22, "Protocol"),
            row("sk_type", 23, "Type"),
            row("sk_rcvbuf", 24, "Receive buffer size"),
            row("sk_rmem", 25, "RMEM"),
            row("sk_wmem", 26, "WMEM"),
            row("sk_omem", 27, "OMEM"),
            row("sk_wmem_queue", 28, "WMEM queue"),
            row("sk_snd_queue", 30, "Send queue length"),
            row("sk_rcv_queue", 29, "Receive queue length"),
            row("sk_err_queue", 31, "Error queue length"),
            row("sk_fwd_alloc", 32, "Forward allocations"),
            row("sk_sndbuf", 33, "Send buffer size"),
        ],
    ),
];

fn properties() -> impl Iterator<Item = &'static Property> {
    PROPERTIES.iter().flat_map(|(_, rows)| *rows)
}

/// What `meta(list)` shows.
fn list() -> String {
    let line = "-".repeat(56);
    let mut text = format!("{line}\n  ID               Type       Description\n{line}");
    for (group, rows) in PROPERTIES {
        _ = writeln!(text, "\n{group}:");
        for Property { name, text: is_text, about, .. } in rows {
            let ty = if *is_text { "INT,VAR" } else { "INT" };
            _ = writeln!(text, "  {name:<16} {ty:<10} {about}");
        }
    }
    text.push_str(&line);
    text
}

impl EmatchKind for Meta {
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
        &[
            "random",
            "loadavg_1",
            "loadavg_5",
            "loadavg_15",
            "dev",
            "priority",
            "protocol",
            "pkt_type",
            "pkt_len",
            "data_len",
            "mac_len",
            "nf_mark",
            "fwmark",
            "tc_index",
            "rt_classid",
            "rt_iif",
            "vlan",
            "sk_family",
            "sk_state",
            "sk_reuse",
            "sk_bind_if",
            "sk_refcnt",
            "sk_shutdown",
            "sk_proto",
            "sk_type",
            "sk_rcvbuf",
            "sk_rmem",
            "sk_wmem",
            "sk_omem",
            "sk_wmem_queue",
            "sk_snd_queue",
            "sk_rcv_queue",
            "sk_err_queue",
            "sk_fwd_alloc",
            "sk_sndbuf",
            "shift",
            "mask",
            "eq",
            "gt",
            "lt",
            "list",
        ]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        if args.first().is_some_and(|arg| arg.is("list")) {
            return Err(Fault::bare(list()));
        }
        let (mut left, at) = side(args, 0, Side::INT)?;
        let Some(operand) = args.get(at) else {
            return Err(Fault::at("meta: missing operand", 0));
        };
        let operand = operand.one_of(&OPERANDS);
        left.operand = operand.ok_or_else(|| Fault::at("meta: invalid operand", at))?;
        if args.len() <= at + 1 {
            return Err(Fault::at("meta: missing rvalue", 0));
        }
        let (right, at) = side(args, at + 1, left.ty())?;
        if args.len() > at {
            return Err(Fault::at("meta: unexpected trailer", at));
        }
        Ok(Box::new(Wire { left, right, ..Wire::default() }))
    }

    fn print(&self, data: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        let meta = Wire::decode(data)?;
        out.object("left", |out| print_side(&meta.left, out))?;
        if let Some(word) = operand_word(meta.left.operand) {
            out.field("op", word, format_args!(" {word} "));
        }
        out.object("right", |out| print_side(&meta.right, out))
    }
}

/// Reads one side, at `at`, and returns where it ends. A property is of the type `ty`.
fn side(args: &[Arg], mut at: usize, ty: u8) -> Result<(Side, usize), Fault> {
    let Some(arg) = args.get(at) else {
        return Err(Fault::at("meta: unknown meta id\n", at));
    };
    if arg.quoted {
        return Ok((Side::text(&arg.bytes), at + 1));
    }
    if let Some(number) = arg.number() {
        return Ok((Side::number(number as u32), at + 1));
    }
    let property = properties().find(|property| arg.is(property.name));
    let property = property.ok_or_else(|| Fault::at("meta: unknown meta id\n", at))?;
    let mut side = Side::property(property.id, ty);
    let mut mask = 0;
    at += 1;
    while let Some(arg) = args.get(at) {
        if arg.is("shift") {
            side.shift = number("meta", args, at + 1, "invalid shift, must be numeric")? as u8;
        } else if arg.is("mask") {
            mask = number("meta", args, at + 1, "invalid mask, must be numeric")?;
        } else {
            break;
        }
        at += 2;
    }
    if ty == Side::INT {
        side.data = Some(mask.to_ne_bytes().to_vec());
    }
    Ok((side, at))
}

fn print_side(side: &Side, out: &mut Out<'_>) -> Result<(), DecodeError> {
    let id = side.id();
    if id == Side::VALUE {
        return print_value(side, out);
    }
    match properties().find(|property| property.id == id) {
        Some(property) => out.field("id", property.name, format_args!("{}", property.name)),
        None => out.field("id", id, format_args!("[unknown meta id {id}]")),
    }
    if side.shift != 0 {
        out.field("shift", side.shift, format_args!(" shift {}", side.shift));
    }
    if let (Side::INT, Some(mask)) = (side.ty(), side.word()) {
        let mask = mask?;
        if mask != 0 {
            out.field("mask", format!("{mask:x}"), format_args!(" mask {mask:#010x}"));
        }
    }
    Ok(())
}

fn print_value(side: &Side, out: &mut Out<'_>) -> Result<(), DecodeError> {
    const MISSING: DecodeError = DecodeError::Invalid { what: "meta without a value" };
    match side.ty() {
        Side::INT => {
            let value = side.word().ok_or(MISSING)??;
            out.field("value", value, format_args!("{}", value as i32));
        }
        Side::VAR => {
            let bytes = side.data.as_deref().ok_or(MISSING)?;
            let text = printable(bytes);
            if bytes.iter().all(|byte| is_printable(*byte)) {
                out.field("value", text.as_str(), format_args!("{text}"));
                return Ok(());
            }
            let hex = hex(bytes);
            out.field("value", hex.concat(), format_args!("{} \"{text}\"", hex.join(" ")));
            out.json("text", text.as_str());
        }
        ty => out.json("type", ty),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tc_proto::ematch::Operand;

    #[test]
    fn completions_offer_every_property() {
        for property in properties() {
            assert!(Meta.words().contains(&property.name), "{}", property.name);
        }
    }

    #[test]
    fn operands_have_their_words() {
        assert_eq!(operand_word(Operand::LT), Some("lt"));
        assert_eq!(operand_word(Operand(3)), None);
    }
}
