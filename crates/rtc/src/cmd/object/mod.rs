//! The object `bpf`: BPF programs as files and texts, and tables of programs that the kernel uses. Only the latter asks
//! the kernel, and needs privilege.
//!
//! tc has no such object. Its name is not to be shortened, so that no word that tc refuses means it by chance.

mod code;
mod show;
mod table;

use std::ffi::OsStr;

use tc_bpf_loader::ObjectError;

use super::{Session, Step, unknown_command};
use crate::args::{Args, abbreviates};
use crate::error::{Error, io_text};

/// The object's name.
pub(super) const NAME: &str = "bpf";

/// Its commands, for completions.
pub(super) const COMMANDS: &[&str] = &["show", "asm", "disasm", "register", "unregister", "help"];

/// Its words, for completions.
pub(super) const WORDS: &[&str] = &[
    "file",
    "as",
    "bytecode",
    "lines",
    "c",
    "text",
    "table",
    "pin",
    "verbose",
    "btf",
    "log-file",
    "replace-pins",
    "id",
];

/// The usage, for standard error.
const USAGE: &str = "\
Usage: rtc bpf show FILE
       rtc bpf asm { TEXT | file FILE } [ as FORM ]
       rtc bpf disasm { BYTECODE | file FILE } [ as FORM ]
       rtc bpf register FILE [ table NAME ] [ pin PATH ] [ verbose ] [ btf FILE ]
                        [ log-file FILE ] [ replace-pins ]
       rtc bpf unregister { PATH | id ID }

show tells what an object holds: programs, maps, sections, and with -d references and functions'
sizes when linked. asm and disasm turn classic BPF from one form into another, and check it.

FORM := { bytecode | lines | c | text }
  bytecode   COUNT,CODE JT JF K,...  as filters take it; what asm prints if nothing is said
  lines      the same on lines, as \"tcpdump -ddd\" prints it
  c          initialisers of a C array, as \"tcpdump -dd\" prints them
  text       the assembler's language; what disasm prints if nothing is said

In TEXT of one line, semicolons stand between instructions; in a file they begin comments. asm
takes what \"tcpdump -d\" prints as well, disasm any form but text. FILE may be - for standard input.

register has the kernel use a table of programs of an object (struct_ops): a qdisc, congestion
control. One that a link holds (.struct_ops.link) needs a pin to go on. unregister ends that.
";

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let Some(word) = args.word()? else { return Ok(help(session)) };
    let known = ["show", "list", "lst", "asm", "disasm", "register", "unregister", "help"];
    match known.into_iter().find(|name| abbreviates(word, name)) {
        Some("show" | "list" | "lst") => show::run(args, session),
        Some("asm") => code::run(code::Source::Text, args, session),
        Some("disasm") => code::run(code::Source::Bytecode, args, session),
        Some("register") => table::register(args, session),
        Some("unregister") => table::unregister(args, session),
        Some(_) => Ok(help(session)),
        None => Err(unknown_command(word, NAME)),
    }
}

fn help(session: &mut Session<'_>) -> Step {
    session.complain(USAGE);
    Step::Done
}

/// An object that cannot be read.
fn bad_object(file: &OsStr, e: &ObjectError) -> Error {
    let shown = file.to_string_lossy();
    let error = match &e {
        ObjectError::Read { source, .. } => {
            let why = io_text(source);
            Error::new(1, format_args!("Error opening object {shown}: {why}"))
        }
        _ => Error::new(1, format_args!("Cannot read object {shown}")),
    };
    error.hint(e.to_string())
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
