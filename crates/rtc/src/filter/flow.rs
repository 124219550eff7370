//! `flow`: words and output. Wire format: [`tc_proto::filter::flow`].

use tc_proto::filter::flow::{
    Flow as Wire, FlowMode, KEYS, TCA_FLOW_ACT, TCA_FLOW_BASECLASS, TCA_FLOW_DIVISOR,
    TCA_FLOW_EMATCHES, TCA_FLOW_KEYS, TCA_FLOW_PERTURB, TCA_FLOW_POLICE,
};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::{Base, Handle, parse_u32};
use tc_proto::wire::RawAttrs;
use tc_proto::{DecodeError, Kind};

use super::acts::{self, Acting, TakesActs};
use super::{expression, stray};
use crate::args::{Args, abbreviates};
use crate::ematch::{self, Expression};
use crate::env::Env;
use crate::error::Error;
use crate::inet;
use crate::kinds::{FilterKind, FilterWords, Pending, Resolved, Show, Target};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... flow map key KEY [ OPS ] [ OPTIONS ]
       ... flow hash keys KEY[,KEY...] [ OPTIONS ]

OPS:     [ and NUM | or NUM | xor NUM | rshift NUM | addend NUM ] ...
OPTIONS: [ divisor NUM ] [ baseclass CLASSID ] [ perturb SECONDS ] [ match EXPRESSION ]
         [ action ACTION_SPEC ]
KEY:     src dst proto proto-src proto-dst iif priority mark nfct nfct-src nfct-dst nfct-proto-src
         nfct-proto-dst rt-classid sk-uid sk-gid vlan-tag rxhash

The class is CLASSID plus the number that the keys make.
";

/// The kind `flow`.
#[derive(Debug)]
pub struct Flow;

/// What the words after the kind say.
#[derive(Default)]
struct Words {
    acting: Acting<Wire>,
    expression: Option<Expression>,
}

impl FilterKind for Flow {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "map",
            "hash",
            "keys",
            "and",
            "or",
            "xor",
            "rshift",
            "addend",
            "divisor",
            "baseclass",
            "perturb",
            "match",
            "action",
            "police",
            "help",
        ]
    }

    fn expression_word(&self) -> Option<&'static str> {
        Some("match")
    }

    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error> {
        let handle = handle.map_or(Ok(0), |word| {
            parse_u32(word, Base::Auto)
                .map_err(|e| Error::refused("Illegal \"handle\"").hint(e.to_string()))
        })?;
        let mut words = Words::default();
        words.acting.wire.mode = Some(FlowMode::MAP);
        while let Some(word) = args.word()? {
            words.take(word, args)?;
        }
        let wire = &words.acting.wire;
        let many = wire.keys.is_some_and(|keys| keys.count_ones() > 1);
        if many && wire.mode == Some(FlowMode::MAP) {
            let line = "Invalid mode \"map\" for multiple keys";
            return Err(Error::refused(line).hint("hash takes several"));
        }
        Ok(FilterWords { handle, options: Some(Box::new(words)) })
    }

    fn print(
        &self,
        message: &TcMessage<'_>,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let handle = message.header.handle.0;
        out.field("handle", format!("{handle:#x}"), format_args!("handle {handle:#x} "));
        let flow = Wire::decode(options)?;
        if let Some(mode) = flow.mode {
            let name = match mode {
                FlowMode::MAP => "map".to_owned(),
                FlowMode::HASH => "hash".to_owned(),
                FlowMode(number) => number.to_string(),
            };
            out.field("mode", name.as_str(), format_args!("{name} "));
        }
        if let Some(keys) = flow.keys {
            out.text(format_args!("keys "));
            out.array("keys", |out| {
                let names = KEYS.iter().zip(0..).filter(|(_, bit)| keys >> bit & 1 != 0);
                for ((name, _), i) in names.zip(0..) {
                    let comma = if i > 0 { "," } else { "" };
                    out.element(*name, format_args!("{comma}{name}"));
                }
            });
            out.text(format_args!(" "));
        }
        print_bits(flow.mask.unwrap_or(u32::MAX), flow.xor.unwrap_or(0), out);
        if let Some(rshift) = flow.rshift {
            out.field("rshift", rshift, format_args!("rshift {rshift} "));
        }
        if let Some(addend) = flow.addend {
            out.field("addend", hex(addend), format_args!("addend {} ", hex(addend)));
        }
        if let Some(divisor) = flow.divisor {
            out.field("divisor", divisor, format_args!("divisor {divisor} "));
        }
        if let Some(class) = flow.baseclass {
            out.field("baseclass", class.to_string(), format_args!("baseclass {class} "));
        }
        if let Some(seconds) = flow.perturb_s {
            out.field("perturb", seconds, format_args!("perturb {seconds}sec "));
        }
        if let Some(tree) = &flow.ematches {
            ematch::print(tree, show, out)?;
        }
        if let Some(police) = &flow.police {
            acts::print_police(police, show, out)?;
        }
        if flow.actions.is_some() {
            out.newline();
        }
        acts::print(flow.actions.as_ref(), show, out);
        Ok(())
    }
}

/// Shows what is done with the bits of the key. Bits that the mask clears and `xor` sets again
/// come from `or`.
fn print_bits(mask: u32, xor: u32, out: &mut Out<'_>) {
    if mask != u32::MAX {
        out.field("and", hex(mask), format_args!("and 0x{mask:08x} "));
    }
    for (key, bits) in [("or", xor & !mask), ("xor", xor & mask)] {
        if bits != 0 {
            out.field(key, hex(bits), format_args!("{key} 0x{bits:08x} "));
        }
    }
}

/// As C's `%#x`, which leaves zero alone.
fn hex(number: u32) -> String {
    if number == 0 { "0".to_owned() } else { format!("{number:#x}") }
}

impl Words {
    fn take(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), Error> {
        let Acting { wire, acts } = &mut self.acting;
        if abbreviates(word, "map") {
            wire.mode = Some(FlowMode::MAP);
        } else if abbreviates(word, "hash") {
            wire.mode = Some(FlowMode::HASH);
        } else if abbreviates(word, "keys") {
            wire.keys = Some(keys(args)?);
            args.mark(&[tca::OPTIONS, TCA_FLOW_KEYS]);
        } else if abbreviates(word, "and") {
            let number = number(args, "mask")?;
            self.and_xor(number, 0);
        } else if abbreviates(word, "or") {
            let number = number(args, "or")?;
            self.and_xor(!number, number);
        } else if abbreviates(word, "xor") {
            let number = number(args, "xor")?;
            self.and_xor(u32::MAX, number);
        } else if abbreviates(word, "rshift") {
            wire.rshift = Some(number(args, "rshift")?);
        } else if abbreviates(word, "addend") {
            wire.addend = Some(addend(wire.keys.unwrap_or(0), args)?);
        } else if abbreviates(word, "divisor") {
            wire.divisor = Some(number(args, "divisor")?);
            args.mark(&[tca::OPTIONS, TCA_FLOW_DIVISOR]);
        } else if abbreviates(word, "baseclass") {
            let class =
                Handle::parse_classid(args.value()?).ok().filter(|class| class.minor() != 0);
            let illegal = || Error::refused("Illegal \"baseclass\"").at(args.last());
            wire.baseclass = Some(class.ok_or_else(illegal)?);
            args.mark(&[tca::OPTIONS, TCA_FLOW_BASECLASS]);
        } else if abbreviates(word, "perturb") {
            wire.perturb_s = Some(number(args, "perturb")?);
            args.mark(&[tca::OPTIONS, TCA_FLOW_PERTURB]);
        } else if abbreviates(word, "police") {
            acts.police(args, TCA_FLOW_POLICE)?;
        } else if abbreviates(word, "action") {
            acts.action(args, "Illegal \"action\"", TCA_FLOW_ACT)?;
        } else if abbreviates(word, "match") {
            args.mark(&[tca::OPTIONS, TCA_FLOW_EMATCHES]);
            self.expression = Some(expression(args, USAGE)?);
        } else if abbreviates(word, "help") {
            return Err(Error::refused(USAGE));
        } else {
            return Err(stray(word, self.expression.as_ref(), USAGE, args));
        }
        Ok(())
    }

    /// Adds a step to what is done with the bits of a number.
    fn and_xor(&mut self, and: u32, xor: u32) {
        let wire = &mut self.acting.wire;
        wire.mask = Some(wire.mask.unwrap_or(u32::MAX) & and);
        wire.xor = Some(wire.xor.unwrap_or(0) & and ^ xor);
    }
}

/// `KEY[,KEY...]`.
fn keys(args: &mut Args<'_>) -> Result<u32, Error> {
    let mut keys = 0;
    for word in args.value()?.split(',') {
        let bit = KEYS.iter().zip(0..).find(|(name, _)| **name == word);
        let (_, bit) = bit.ok_or_else(|| {
            Error::refused(format_args!("Unknown flow key \"{word}\""))
                .at(args.last())
                .hint(format!("the keys are {}", KEYS.join(", ")))
        })?;
        keys |= 1 << bit;
    }
    Ok(keys)
}

fn number(args: &mut Args<'_>, what: &str) -> Result<u32, Error> {
    parse_u32(args.value()?, Base::Auto).map_err(|e| {
        Error::refused(format_args!("Illegal \"{what}\"")).at(args.last()).hint(e.to_string())
    })
}

/// The keys (`src`, `dst`, `proto-src`) to which tc lets an address be added.
const KEYS_OF_ADDRESSES: u32 = 0b1011;

/// A number, or an address where one of the `keys` is one, with or without `-`.
fn addend(keys: u32, args: &mut Args<'_>) -> Result<u32, Error> {
    let word = args.value()?;
    let (negative, rest) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let number = match parse_u32(rest, Base::Auto) {
        Ok(number) => number,
        Err(e) if keys & KEYS_OF_ADDRESSES == 0 || inet::is_any(rest) => {
            return Err(Error::refused("Illegal \"addend\"").at(args.last()).hint(e.to_string()));
        }
        Err(_) => address(rest).ok_or_else(|| {
            let line = format!("Error: any valid address is expected rather than \"{rest}\".");
            Error::usage(line).with_status(1).at(args.last())
        })?,
    };
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// An address as the kernel compares it: of IPv6, the last four bytes.
fn address(word: &str) -> Option<u32> {
    if word.contains(':') {
        let [.., a, b, c, d] = inet::ipv6_prefix(word).filter(|_| !word.contains('/'))?.0.octets();
        return Some(u32::from_be_bytes([a, b, c, d]));
    }
    Some(inet::ipv4_address(word)?.to_bits())
}

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let Words { mut acting, expression } = *self;
        acting.wire.ematches = expression.map(|found| found.resolve(env)).transpose()?;
        Box::new(acting).resolve(env, target)
    }
}

impl TakesActs for Wire {
    fn take(&mut self, actions: Option<RawAttrs>, police: Option<RawAttrs>) {
        self.actions = actions;
        self.police = police;
    }
}
