//! Verdicts as words and in listings.

use tc_proto::action::{Control, Verdict};
use tc_proto::units::{Base, parse_u32};

use super::gact;
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::out::Out;

/// In the order in which abbreviations are tried.
const PLAIN: &[(&str, Control)] = &[
    ("continue", Control::CONTINUE),
    ("drop", Control::DROP),
    ("shot", Control::DROP),
    ("pass", Control::PASS),
    ("ok", Control::PASS),
    ("reclassify", Control::RECLASSIFY),
    ("pipe", Control::PIPE),
    ("trap", Control::TRAP),
];
const GOTO: &str = "goto";
const JUMP: &str = "jump";

/// The words, for completions.
pub(crate) const WORDS: [&str; 10] =
    ["continue", "drop", "shot", "pass", "ok", "reclassify", "pipe", GOTO, JUMP, "trap"];

/// Whether a verdict begins with this word.
pub(super) fn is_control(word: &str) -> bool {
    WORDS.iter().any(|name| abbreviates(word, name))
}

/// Reads a verdict; `None`, and nothing is taken, when the next word begins none.
pub(super) fn parse(args: &mut Args<'_>) -> Result<Option<Control>, Error> {
    let Some(word) = args.peek() else { return Ok(None) };
    if let Some((_, control)) = PLAIN.iter().find(|(name, _)| abbreviates(word, name)) {
        args.word()?;
        return Ok(Some(*control));
    }
    if args.take_abbreviation(GOTO) {
        let chain = args.value()?;
        if !abbreviates(chain, "chain") {
            return Err(bad("\"chain index\" expected", args));
        }
        let number = operand(args)?.ok_or_else(|| bad("Illegal \"chain index\"", args))?;
        return Ok(Some(Control::goto_chain(number)));
    }
    if args.take_abbreviation(JUMP) {
        let number = operand(args)?.ok_or_else(|| {
            let word = args.last_word();
            bad(&format!("Invalid \"jump count\" ({word})"), args)
        })?;
        return Ok(Some(Control::jump(number)));
    }
    Ok(None)
}

/// Reads a verdict that must be there.
pub(super) fn require(args: &mut Args<'_>) -> Result<Control, Error> {
    match parse(args)? {
        Some(control) => Ok(control),
        None => {
            let word = args.value()?;
            Err(bad(&format!("Bad action type {word}"), args))
        }
    }
}

fn operand(args: &mut Args<'_>) -> Result<Option<u32>, Error> {
    let number = parse_u32(args.value()?, Base::Ten).ok();
    Ok(number.filter(|number| *number < 1 << 28))
}

fn bad(line: &str, args: &Args<'_>) -> Error {
    Error::usage(format_args!("{line}\n{}", gact::USAGE)).at(args.last())
}

/// Shows a verdict between `before` and `after`.
pub(super) fn print(control: Control, key: &str, before: &str, after: &str, out: &mut Out<'_>) {
    out.text(format_args!("{before}{control}{after}"));
    if !out.is_json() {
        return;
    }
    out.object(key, |out| match control.verdict() {
        Verdict::Plain(name) => out.json("type", name),
        Verdict::GotoChain(chain) => {
            out.json("type", "goto");
            out.json("chain", chain);
        }
        Verdict::Jump(count) => {
            out.json("type", "jump");
            out.json("jump", count);
        }
        _ => out.json("type", control.to_string()),
    });
}
