//! Ematches, a file for each kind, and the expressions of them that filters take; wire formats are
//! in [`tc_proto::ematch`].

pub mod canid;
pub mod cmp;
mod expression;
mod fault;
pub mod ipset;
pub mod ipt;
mod lexer;
pub mod meta;
pub mod nbyte;
mod print;
pub mod u32;

use std::borrow::Cow;

use tc_proto::ematch::{Entry, Layer, Operand};
use tc_proto::units::parse_leading;

use crate::env::Env;

pub use fault::Fault;

pub(crate) use expression::Expression;
pub(crate) use print::print;

/// One of the arguments of an ematch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arg {
    /// Its bytes; what stands in quotes may be any.
    pub bytes: Vec<u8>,
    /// Whether it stands in quotes.
    pub quoted: bool,
}

impl Arg {
    /// As text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The number at its front, of any base. Words without one are none, and neither is the
    /// greatest number that there is, which `-1` means.
    pub fn number(&self) -> Option<u64> {
        parse_leading(&self.bytes).filter(|number| *number != u64::MAX)
    }

    fn is(&self, keyword: &str) -> bool {
        self.bytes == keyword.as_bytes()
    }

    /// What the word says, if it is one of these.
    fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        words.iter().find(|(word, _)| self.is(word)).map(|(_, meaning)| *meaning)
    }
}

/// What an ematch's parser returns: an ematch that may still name what only the system knows.
pub trait Pending {
    /// Looks up what the arguments name.
    fn resolve(&self, env: &mut dyn Env) -> Result<Entry, Fault>;
}

impl<K: tc_proto::Ematch> Pending for K {
    fn resolve(&self, _: &mut dyn Env) -> Result<Entry, Fault> {
        Entry::of(self).map_err(|e| Fault::bare(e.to_string()))
    }
}

/// How numbers can be compared.
const OPERANDS: [(&str, Operand); 3] =
    [("eq", Operand::EQ), ("gt", Operand::GT), ("lt", Operand::LT)];

/// The word for a comparison, if there is one.
fn operand_word(operand: Operand) -> Option<&'static str> {
    OPERANDS.iter().find(|(_, known)| *known == operand).map(|(word, _)| *word)
}

/// Reads the layer behind its keyword, of which the first letter decides; `kind` is the ematch's.
/// `at` is the place of the value.
fn layer(kind: &str, args: &[Arg], at: usize) -> Result<Layer, Fault> {
    let arg = value(kind, args, at)?;
    match (arg.bytes.first(), arg.number()) {
        (Some(b'l'), _) | (_, Some(0)) => Ok(Layer::LINK),
        (Some(b'n'), _) | (_, Some(1)) => Ok(Layer::NETWORK),
        (Some(b't'), _) | (_, Some(2)) => Ok(Layer::TRANSPORT),
        (_, Some(_)) => Err(Fault::at(format!("{kind}: illegal layer, must be in 0..2"), at)),
        (_, None) => Err(Fault::at(format!("{kind}: invalid layer"), at)),
    }
}

/// The bytes in hexadecimal, two digits each.
fn hex(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The argument at `at`, which must be there: the value of the one before it.
fn value<'a>(kind: &str, args: &'a [Arg], at: usize) -> Result<&'a Arg, Fault> {
    let missing = || Fault::at(format!("{kind}: missing argument"), at.saturating_sub(1));
    args.get(at).ok_or_else(missing)
}

/// The number at `at`, cut to 32 bits; `what` says what it is not when it is none.
fn number(kind: &str, args: &[Arg], at: usize, what: &str) -> Result<u32, Fault> {
    let number = value(kind, args, at)?.number();
    number.map(|n| n as u32).ok_or_else(|| Fault::at(format!("{kind}: {what}"), at))
}
