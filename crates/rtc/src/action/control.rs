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

/// The verdict that a word alone is.
pub(super) fn plain(word: &str) -> Option<Control> {
    PLAIN.iter().find(|(name, _)| abbreviates(word, name)).map(|(_, control)| *control)
}

/// Reads a verdict; `None`, and nothing is taken, when the next word begins none. What is wrong
/// with its number is an error like a missing word.
pub(super) fn parse(args: &mut Args<'_>) -> Result<Option<Control>, Error> {
    read(args, |line| Error::usage(format_args!("{line}\n{}", gact::USAGE)))
}

/// The same with the errors of a kind's parser.
pub(super) fn parse_quietly(args: &mut Args<'_>) -> Result<Option<Control>, Error> {
    read(args, |line| Error::refused(line))
}

/// Reads a verdict that must be there.
pub(super) fn require(args: &mut Args<'_>) -> Result<Control, Error> {
    match parse(args)? {
        Some(control) => Ok(control),
        None => {
            let word = args.value()?;
            let lines = format!("Bad action type {word}\n{}", gact::USAGE);
            Err(Error::usage(lines).at(args.last()))
        }
    }
}

fn read(args: &mut Args<'_>, bad: impl Fn(&str) -> Error) -> Result<Option<Control>, Error> {
    let Some(word) = args.peek() else { return Ok(None) };
    if let Some(control) = plain(word) {
        args.word()?;
        return Ok(Some(control));
    }
    if args.take_abbreviation(GOTO) {
        if !abbreviates(args.value()?, "chain") {
            return Err(bad("\"chain index\" expected").at(args.last()));
        }
        let number = operand(args.value()?);
        let number = number.ok_or_else(|| bad("Illegal \"chain index\"").at(args.last()))?;
        return Ok(Some(Control::goto_chain(number)));
    }
    if args.take_abbreviation(JUMP) {
        let word = args.value()?;
        let line = format!("Invalid \"jump count\" ({word})");
        let number = operand(word).ok_or_else(|| bad(&line).at(args.last()))?;
        return Ok(Some(Control::jump(number)));
    }
    Ok(None)
}

fn operand(word: &str) -> Option<u32> {
    parse_u32(word, Base::Ten).ok().filter(|number| *number < 1 << 28)
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
