//! `nbyte`: words and output. Wire format: [`tc_proto::ematch::nbyte`].

use tc_proto::ematch::Layer;
use tc_proto::ematch::nbyte::{MAX_NEEDLE, Nbyte as Wire};
use tc_proto::{DecodeError, Ematch, Kind};

use super::{Arg, Fault, Pending, hex, layer, number};
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: nbyte(NEEDLE at OFFSET [ layer { link | network | transport | 0..2 } ])

Compares the bytes at OFFSET from the layer's header, the network's by default, with NEEDLE: a word,
or in double quotes any bytes, with escapes as in C. For example: nbyte(\"\\0\\x35\" at 2 layer 2)
";

/// The kind `nbyte`.
#[derive(Debug)]
pub struct Nbyte;

impl EmatchKind for Nbyte {
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
        &["at", "layer", "link", "network", "transport"]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        let needle = args.first().map(|arg| arg.bytes.clone()).unwrap_or_default();
        if needle.is_empty() {
            return Err(Fault::at("nbyte: needle length is 0", 0));
        }
        if needle.len() > MAX_NEEDLE {
            return Err(Fault::at(format!("nbyte: needle is longer than {MAX_NEEDLE}"), 0));
        }
        let mut nbyte = Wire { needle, layer: Layer::NETWORK, offset: 0 };
        let mut offset = false;
        let mut at = 1;
        while let Some(arg) = args.get(at) {
            if arg.is("at") {
                let number = number("nbyte", args, at + 1, "invalid offset, must be numeric")?;
                nbyte.offset = number as u16;
                offset = true;
            } else if arg.is("layer") {
                nbyte.layer = layer("nbyte", args, at + 1)?;
            } else {
                return Err(Fault::at("nbyte: unknown parameter", at));
            }
            at += 2;
        }
        if !offset {
            return Err(Fault::whole("nbyte: offset required"));
        }
        Ok(Box::new(nbyte))
    }

    fn print(&self, data: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        let Wire { offset, layer: Layer(layer), needle } = Wire::decode(data)?;
        let hex = hex(&needle);
        for byte in &hex {
            out.text(format_args!("{byte} "));
        }
        let text = printable(&needle);
        out.field("needle", hex.concat(), format_args!("\"{text}\" "));
        out.json("text", text.as_str());
        out.field("at", offset, format_args!("at {offset} "));
        out.field("layer", layer, format_args!("layer {layer}"));
        Ok(())
    }
}

/// The bytes as text, with a dot for each that cannot be printed.
pub(super) fn printable(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if is_printable(*byte) { char::from(*byte) } else { '.' };
    bytes.iter().map(shown).collect()
}

/// Whether the byte is printed as it is.
pub(super) fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}
