//! `tunnel_key`: words and output. Wire format: [`tc_proto::action::tunnel_key`].

use std::net::IpAddr;

use tc_proto::action::tunnel_key::{TunnelKey as Wire, TunnelKeyAction, TunnelOption};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, parse_u8, parse_u16, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::{control, hex_bytes, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::inet;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... tunnel_key unset [ VERDICT ] [ index INDEX ]
       ... tunnel_key set src_ip ADDRESS dst_ip ADDRESS [ id ID ] [ dst_port PORT ] [ tos TOS ]
          [ ttl TTL ] [ csum | nocsum ] [ nofrag ] [ geneve_opts CLASS:TYPE:DATA[,...] ]
          [ vxlan_opts GBP ] [ erspan_opts VERSION:INDEX:DIR:HWID ] [ VERDICT ] [ index INDEX ]

CLASS, TYPE and DATA are hexadecimal; DATA is 4 bytes or a multiple. INDEX of erspan_opts is for
version 1, DIR and HWID are for version 2.
";

/// The kind `tunnel_key`.
#[derive(Debug)]
pub struct TunnelKey;

impl ActionKind for TunnelKey {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "unset",
            "set",
            "src_ip",
            "dst_ip",
            "id",
            "dst_port",
            "tos",
            "ttl",
            "csum",
            "nocsum",
            "nofrag",
            "geneve_opts",
            "vxlan_opts",
            "erspan_opts",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire { no_csum: Some(0), ..Wire::default() };
        while let Some(word) = args.word()? {
            let actions = [("unset", TunnelKeyAction::UNSET), ("set", TunnelKeyAction::SET)];
            if let Some((_, action)) = actions.iter().find(|(name, _)| abbreviates(word, name)) {
                if wire.action != TunnelKeyAction::default() {
                    let line = format!("unexpected \"{word}\" - action already specified");
                    return Err(refused(&line).at(args.last()));
                }
                wire.action = *action;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else if !parse_word(word, &mut wire, args)? {
                args.back();
                break;
            }
        }
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let index = parse_index(args, "tunnel_key: ")?;
        wire.head = ActionHead::new(index, control);
        let complete = wire.src.is_some() && wire.dst.is_some();
        if wire.action == TunnelKeyAction::SET && !complete {
            return Err(refused("set needs tunnel_key parameters").hint("src_ip and dst_ip"));
        }
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let key = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        match key.action {
            TunnelKeyAction::SET => print_set(&key, out),
            TunnelKeyAction::UNSET => out.field("mode", "unset", format_args!(" unset")),
            _ => {}
        }
        control::print(key.head.control, "control_action", " ", "", out);
        out.newline();
        print::print_refs(&key.head, key.times, "\t ", show, out);
        Ok(())
    }
}

fn print_set(key: &Wire, out: &mut Out<'_>) {
    out.field("mode", "set", format_args!(" set"));
    for (name, address) in [("src_ip", key.src), ("dst_ip", key.dst)] {
        let Some(address) = address else { continue };
        out.newline();
        out.field(name, address.to_string(), format_args!("\t{name} {address}"));
    }
    let numbers = [("key_id", key.id), ("dst_port", key.dst_port.map(u32::from))];
    for (name, number) in numbers {
        let Some(number) = number else { continue };
        out.newline();
        out.field(name, number, format_args!("\t{name} {number}"));
    }
    print_options("geneve_opts", &key.options, out);
    print_options("vxlan_opts", &key.options, out);
    print_options("erspan_opts", &key.options, out);
    if let Some(no_csum) = key.no_csum {
        let flag = if no_csum == 0 { "csum" } else { "nocsum" };
        out.newline();
        out.field("flag", flag, format_args!("\t{flag}"));
    }
    if key.no_frag {
        out.text(format_args!("\tnofrag"));
    }
    out.json("nofrag", key.no_frag);
    if let Some(tos) = key.tos {
        out.newline();
        out.field("tos", tos, format_args!("\ttos {tos:#x}"));
    }
    if let Some(ttl) = key.ttl {
        out.newline();
        out.field("ttl", ttl, format_args!("\tttl {ttl}"));
    }
}

/// Shows the options that the word `name` makes.
fn print_options(name: &str, options: &[TunnelOption], out: &mut Out<'_>) {
    let of_name = |option: &&TunnelOption| match option {
        TunnelOption::Geneve { .. } => name == "geneve_opts",
        TunnelOption::Vxlan { .. } => name == "vxlan_opts",
        TunnelOption::Erspan { .. } => name == "erspan_opts",
        _ => false,
    };
    let mut options = options.iter().filter(of_name).peekable();
    if options.peek().is_none() {
        return;
    }
    out.newline();
    out.text(format_args!("\t{name} "));
    out.array(name, |out| {
        for (option, i) in options.zip(0..) {
            if i > 0 {
                out.text(format_args!(","));
            }
            out.entry(|out| print_option(option, out));
        }
    });
}

fn print_option(option: &TunnelOption, out: &mut Out<'_>) {
    match option {
        TunnelOption::Geneve { class, ty, data } => {
            let (class, ty) = (class.unwrap_or(0), ty.unwrap_or(0));
            out.field("class", class, format_args!("{class:04x}"));
            out.field("type", ty, format_args!(":{ty:02x}:"));
            out.array("data", |out| {
                for byte in data.iter().flatten() {
                    out.element(*byte, format_args!("{byte:02x}"));
                }
            });
        }
        TunnelOption::Vxlan { gbp } => {
            let gbp = gbp.unwrap_or(0);
            out.field("gbp", gbp, format_args!("{gbp}"));
        }
        TunnelOption::Erspan { version, index, direction, hwid } => {
            let version = version.unwrap_or(0);
            out.field("ver", version, format_args!("{version}"));
            let index = index.unwrap_or(0);
            out.field("index", index, format_args!(":{index}"));
            for (name, value) in [("dir", direction), ("hwid", hwid)] {
                let value = value.unwrap_or(0);
                out.field(name, value, format_args!(":{value}"));
            }
        }
        _ => {}
    }
}

/// A refusal that shows the usage, as tc does.
fn refused(line: &str) -> Error {
    Error::refused(format_args!("{line}\n{USAGE}"))
}

/// Takes a word and its value; `false` when it is none of ours.
fn parse_word(word: &str, wire: &mut Wire, args: &mut Args<'_>) -> Result<bool, Error> {
    if abbreviates(word, "src_ip") {
        wire.src = Some(address(args)?);
    } else if abbreviates(word, "dst_ip") {
        wire.dst = Some(address(args)?);
    } else if abbreviates(word, "id") {
        wire.id = Some(value("id", args, |w| parse_u32(w, Base::Ten).ok())?);
    } else if abbreviates(word, "dst_port") {
        wire.dst_port = Some(value("dst port", args, |w| parse_u16(w, Base::Ten).ok())?);
    } else if abbreviates(word, "geneve_opts") {
        wire.options.extend(value("geneve_opts", args, geneve)?);
    } else if abbreviates(word, "vxlan_opts") {
        wire.options.push(value("vxlan_opts", args, vxlan)?);
    } else if abbreviates(word, "erspan_opts") {
        wire.options.push(value("erspan_opts", args, erspan)?);
    } else if abbreviates(word, "tos") {
        wire.tos = Some(value("tos", args, |w| parse_u8(w, Base::Auto).ok())?);
    } else if abbreviates(word, "ttl") {
        wire.ttl = Some(value("ttl", args, |w| parse_u8(w, Base::Auto).ok())?);
    } else if abbreviates(word, "csum") {
        wire.no_csum = Some(0);
    } else if abbreviates(word, "nocsum") {
        wire.no_csum = Some(1);
    } else if word == "nofrag" {
        wire.no_frag = true;
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
    parse(word).ok_or_else(|| Error::refused(format_args!("Illegal \"{what}\"")).at(args.last()))
}

fn address(args: &mut Args<'_>) -> Result<IpAddr, Error> {
    let word = args.value()?;
    let v6 = || word.parse().ok().map(IpAddr::V6);
    inet::ipv4_address(word).map(IpAddr::V4).or_else(v6).ok_or_else(|| {
        let line = format!("Error: any valid address is expected rather than \"{word}\".");
        Error::usage(line).with_status(1).at(args.last())
    })
}

/// `CLASS:TYPE:DATA[,...]`, of which the end may be missing.
fn geneve(word: &str) -> Option<Vec<TunnelOption>> {
    word.split(',').filter(|part| !part.is_empty()).map(geneve_option).collect()
}

fn geneve_option(word: &str) -> Option<TunnelOption> {
    let mut parts = parts(word);
    let class = match parts.next() {
        Some(class) => Some(parse_u16(class, Base::Hex).ok()?),
        None => None,
    };
    let ty = match parts.next() {
        Some(ty) => Some(parse_u8(ty, Base::Hex).ok()?),
        None => None,
    };
    let data = match parts.next() {
        Some(data) => Some(hex_bytes(data)?),
        None => None,
    };
    parts.next().is_none().then_some(TunnelOption::Geneve { class, ty, data })
}

/// What stands between colons; as in tc, several of them are one.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split(':').filter(|part| !part.is_empty())
}

fn vxlan(word: &str) -> Option<TunnelOption> {
    Some(TunnelOption::Vxlan { gbp: Some(parse_u32(word, Base::Auto).ok()?) })
}

/// `VERSION[:INDEX[:DIR[:HWID]]]`.
fn erspan(word: &str) -> Option<TunnelOption> {
    let mut parts = parts(word);
    let byte = |word: Option<&str>| match word {
        Some(word) => parse_u8(word, Base::Auto).ok().map(Some),
        None => Some(None),
    };
    let version = byte(parts.next())?;
    let index = match parts.next() {
        Some(word) => Some(parse_u32(word, Base::Auto).ok()?),
        None => None,
    };
    let direction = byte(parts.next())?;
    let hwid = byte(parts.next())?;
    let end = parts.next().is_none();
    end.then_some(TunnelOption::Erspan { version, index, direction, hwid })
}
