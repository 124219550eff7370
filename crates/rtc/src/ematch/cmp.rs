//! `cmp`: words and output. Wire format: [`tc_proto::ematch::cmp`].

use tc_proto::ematch::cmp::{Align, Cmp as Wire};
use tc_proto::ematch::{Layer, Operand};
use tc_proto::{DecodeError, Ematch, Kind};

use super::{Arg, Fault, OPERANDS, Pending, layer, number, operand_word};
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: cmp({ u8 | u16 | u32 } at OFFSET [ layer { link | network | transport | 0..2 } ]
           [ mask MASK ] [ trans ] { eq | gt | lt } VALUE)

Compares the number at OFFSET bytes from the layer's header, the network's by default. With trans
the packet has it in this machine's byte order. For example: cmp(u16 at 2 layer transport eq 53)
";

/// The kind `cmp`.
#[derive(Debug)]
pub struct Cmp;

const ALIGNS: [(&str, Align); 3] = [("u8", Align::U8), ("u16", Align::U16), ("u32", Align::U32)];

impl EmatchKind for Cmp {
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
            "u8",
            "u16",
            "u32",
            "at",
            "layer",
            "link",
            "network",
            "transport",
            "mask",
            "trans",
            "eq",
            "gt",
            "lt",
        ]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        let align = args.first().and_then(|arg| arg.one_of(&ALIGNS));
        let align = align.ok_or_else(|| Fault::at("cmp: invalid alignment", 0))?;
        let mut cmp = Wire { align, layer: Layer::NETWORK, ..Wire::default() };
        let (mut offset, mut compared) = (false, false);
        let mut at = 1;
        while let Some(arg) = args.get(at) {
            if arg.is("trans") {
                cmp.transform();
                at += 1;
                continue;
            }
            if arg.is("at") {
                cmp.offset = number("cmp", args, at + 1, "invalid offset, must be numeric")? as u16;
                offset = true;
            } else if arg.is("layer") {
                cmp.layer = layer("cmp", args, at + 1)?;
            } else if arg.is("mask") {
                cmp.mask = number("cmp", args, at + 1, "invalid mask")?;
            } else if let Some(operand) = arg.one_of(&OPERANDS) {
                cmp.operand = operand;
                cmp.value = number("cmp", args, at + 1, "invalid value")?;
                compared = true;
            } else {
                // tc says so in the name of another kind.
                return Err(Fault::at("nbyte: unknown parameter", at));
            }
            at += 2;
        }
        if !offset || !compared {
            return Err(Fault::whole("cmp: offset and value required"));
        }
        Ok(Box::new(cmp))
    }

    fn print(&self, data: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        let cmp = Wire::decode(data)?;
        let (layer, mask, value) = (cmp.layer.0, cmp.mask, cmp.value);
        if let Some((align, _)) = ALIGNS.iter().find(|(_, align)| *align == cmp.align) {
            out.field("align", *align, format_args!("{align} "));
        }
        out.field("at", cmp.offset, format_args!("at {} ", cmp.offset));
        out.field("layer", layer, format_args!("layer {layer} "));
        if mask != 0 {
            out.field("mask", format!("{mask:x}"), format_args!("mask {mask:#x} "));
        }
        if cmp.is_transformed() {
            out.flag("trans", "trans ");
        }
        print_operand(cmp.operand, out);
        out.field("value", value, format_args!("{}", value as i32));
        Ok(())
    }
}

fn print_operand(operand: Operand, out: &mut Out<'_>) {
    if let Some(word) = operand_word(operand) {
        out.field("op", word, format_args!("{word} "));
    }
}
