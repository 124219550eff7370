//! The words behind `tcx`.

use std::ffi::OsString;

use tc_bpf_loader::tcx::{Anchor, Position};
use tc_proto::msg::Verb;
use tc_proto::units::{Base, parse_u32};

use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::filter::bpf_source::{self as source, Source};

/// A program at a hook, as the words name it.
#[derive(Debug)]
pub(super) enum Entry {
    Id(Anchor),
    Pinned(OsString),
}

/// Which entry is meant.
#[derive(Debug)]
pub(super) enum Which {
    /// None was named.
    Only,
    All,
    One(Entry),
}

/// Where a program comes from.
#[derive(Debug)]
pub(super) enum Program {
    Source(Source),
    Id(u32),
}

/// Where it goes; an entry is still to be looked up.
#[derive(Debug)]
pub(super) enum Place {
    Fixed(Position),
    Before(Entry),
    After(Entry),
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) task: Task,
    pub(super) revision: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Task {
    Add { program: Program, place: Place, pin: Option<OsString> },
    Replace { program: Program, of: Which },
    Delete(Which),
}

/// Reads the words; `None` asks for help.
pub(super) fn parse(verb: Verb, args: &mut Args<'_>) -> Result<Option<Words>, Error> {
    if verb == Verb::Change {
        let hint = "TCX programs can be added, replaced and deleted";
        return Err(Error::invalid("Nothing of a TCX program can be changed").hint(hint));
    }
    let delete = verb == Verb::Delete;
    let (mut program, mut place, mut pin, mut which, mut revision) = (None, None, None, None, None);
    while let Some(word) = args.word()? {
        match word {
            "help" => return Ok(None),
            "expect-revision" => {
                let value = args.value()?;
                let number = value.parse::<u64>().ok().filter(|n| *n > 0);
                let number = number.ok_or_else(|| wrong(args, value, "invalid revision"))?;
                once(&mut revision, number, word, args)?;
            }
            "all" if delete => once(&mut which, Which::All, word, args)?,
            "prog" | "link" | "pinned" if delete => {
                let entry = entry_of(word, args)?;
                once(&mut which, Which::One(entry), word, args)?;
            }
            "of" if verb == Verb::Replace => {
                let entry = Which::One(entry(args)?);
                once(&mut which, entry, word, args)?;
            }
            "first" | "last" if verb == Verb::Add => {
                let at = if word == "first" { Position::First } else { Position::Last };
                once(&mut place, Place::Fixed(at), word, args)?;
            }
            "before" if verb == Verb::Add => {
                let at = Place::Before(entry(args)?);
                once(&mut place, at, word, args)?;
            }
            "after" if verb == Verb::Add => {
                let at = Place::After(entry(args)?);
                once(&mut place, at, word, args)?;
            }
            "pin" if verb == Verb::Add => {
                let path = args.file()?.to_owned();
                once(&mut pin, path, word, args)?;
            }
            "id" if !delete => {
                let id = number(args)?;
                once(&mut program, Program::Id(id), word, args)?;
            }
            _ if !delete && program.is_none() && names_a_file(word) => {
                let from = source::parse(word, &source::FILTER, args)?;
                program = Some(Program::Source(from));
            }
            _ => {
                let line = format!("What is \"{word}\"?");
                return Err(Error::refused(line).at(args.last()).hint("tc filter add tcx help"));
            }
        }
    }
    let which = which.unwrap_or(Which::Only);
    if delete {
        return Ok(Some(Words { task: Task::Delete(which), revision }));
    }
    let Some(program) = program else {
        let hint = "say `object-file FILE`, `object-pinned FILE` or `id ID`";
        return Err(Error::incomplete().hint(hint));
    };
    let task = match verb {
        Verb::Replace => Task::Replace { program, of: which },
        _ => {
            let place = place.unwrap_or(Place::Fixed(Position::Last));
            Task::Add { program, place, pin }
        }
    };
    Ok(Some(Words { task, revision }))
}

/// Whether a word names an extended program; classic ones cannot be attached here.
fn names_a_file(word: &str) -> bool {
    let objects = abbreviates(word, "object-file") || abbreviates(word, "object-pinned");
    objects || matches!(word, "obj" | "pinned" | "fd")
}

fn once<T>(slot: &mut Option<T>, value: T, word: &str, args: &Args<'_>) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => {
            let line = format!("\"{word}\" contradicts a word before it");
            Err(Error::invalid(line).at(args.last()))
        }
    }
}

fn wrong(args: &Args<'_>, word: &str, why: &str) -> Error {
    Error::wrong(word, why).at(args.last())
}

/// `prog ID`, `link ID` or `pinned PATH`.
fn entry(args: &mut Args<'_>) -> Result<Entry, Error> {
    let word = args.value()?;
    entry_of(word, args)
}

fn entry_of(word: &str, args: &mut Args<'_>) -> Result<Entry, Error> {
    Ok(match word {
        "prog" => Entry::Id(Anchor::Program(number(args)?)),
        "link" => Entry::Id(Anchor::Link(number(args)?)),
        "pinned" => Entry::Pinned(args.file()?.to_owned()),
        other => {
            let hint = "say `prog ID`, `link ID` or `pinned PATH`";
            return Err(wrong(args, other, "no program of a hook").hint(hint));
        }
    })
}

fn number(args: &mut Args<'_>) -> Result<u32, Error> {
    let value = args.value()?;
    let number = parse_u32(value, Base::Auto).ok().filter(|id| *id > 0);
    number.ok_or_else(|| wrong(args, value, "invalid id"))
}
