//! The object `bpf`: BPF programs as files and texts. Nothing of it asks the kernel, so that no privilege is needed.
//!
//! tc has no such object. Its name is not to be shortened, so that no word that tc refuses means it by chance.

mod code;
mod show;

use super::{Session, Step, unknown_command};
use crate::args::{Args, abbreviates};
use crate::error::Error;

/// The object's name.
pub(super) const NAME: &str = "bpf";

/// Its commands, for completions.
pub(super) const COMMANDS: &[&str] = &["show", "asm", "disasm", "help"];

/// Its words, for completions.
pub(super) const WORDS: &[&str] = &["file", "as", "bytecode", "lines", "c", "text"];

/// The usage, for standard error.
const USAGE: &str = "\
Usage: rtc bpf show FILE
       rtc bpf asm { TEXT | file FILE } [ as FORM ]
       rtc bpf disasm { BYTECODE | file FILE } [ as FORM ]

show tells what an object holds: programs, maps, sections, and with -d references and functions'
sizes when linked. asm and disasm turn classic BPF from one form into another, and check it.

FORM := { bytecode | lines | c | text }
  bytecode   COUNT,CODE JT JF K,...  as filters take it; what asm prints if nothing is said
  lines      the same on lines, as \"tcpdump -ddd\" prints it
  c          initialisers of a C array, as \"tcpdump -dd\" prints them
  text       the assembler's language; what disasm prints if nothing is said

In TEXT of one line, semicolons stand between instructions; in a file they begin comments. asm
takes what \"tcpdump -d\" prints as well, disasm any form but text. FILE may be - for standard input.
";

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let Some(word) = args.word()? else { return Ok(help(session)) };
    let known = ["show", "list", "lst", "asm", "disasm", "help"];
    match known.into_iter().find(|name| abbreviates(word, name)) {
        Some("show" | "list" | "lst") => show::run(args, session),
        Some("asm") => code::run(code::Source::Text, args, session),
        Some("disasm") => code::run(code::Source::Bytecode, args, session),
        Some(_) => Ok(help(session)),
        None => Err(unknown_command(word, NAME)),
    }
}

fn help(session: &mut Session<'_>) -> Step {
    session.complain(USAGE);
    Step::Done
}

/// No word may follow.
fn end(args: &mut Args<'_>) -> Result<(), Error> {
    match args.word()? {
        None => Ok(()),
        Some(word) => {
            let line = format!("What is \"{word}\"? Try \"tc {NAME} help\".");
            Err(Error::invalid(line).at(args.last()))
        }
    }
}
