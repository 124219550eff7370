//! The objects of a command line and the words that all kinds have in common.

mod actions;
mod batch;
mod chain;
mod class;
mod exec;
mod filter;
mod help;
mod hint;
mod modify;
mod monitor;
mod object;
mod qdisc;
mod show;
mod stab;
mod tcx;
mod tree;

use tc_proto::client::Error as ClientError;
use tc_proto::msg::Verb;

use crate::args::{Args, Word, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::cut_name;
use crate::options::Options;
use crate::out::{Out, Style};

pub(crate) use batch::run as run_batch;
pub(crate) use help::{USAGE, VERSION};
pub(crate) use modify::Modify;

/// What a command works with.
pub(crate) struct Session<'a> {
    pub(crate) env: &'a mut dyn Env,
    pub(crate) options: &'a Options,
    pub(crate) style: Style,
    pub(crate) out: Out<'a>,
    pub(crate) err: &'a mut dyn std::io::Write,
}

impl Session<'_> {
    /// Writes to standard error, after what was written to standard output so far.
    pub(crate) fn complain(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.out.flush();
        // Where standard error is closed there is nobody to tell.
        _ = self.err.write_all(text.as_bytes());
    }
}

/// What a command line turns out to be.
pub(crate) enum Step {
    /// A command that has done its work.
    Done,
    /// A change that is still to be sent.
    Modify(Box<Modify>),
}

/// An object: its name and what runs its commands.
struct Object {
    name: &'static str,
    run: fn(&mut Args<'_>, &mut Session<'_>) -> Result<Step, Error>,
}

/// In the order in which abbreviations are tried: the first that fits is meant.
const OBJECTS: &[Object] = &[
    Object { name: "qdisc", run: qdisc::run },
    Object { name: "class", run: class::run },
    Object { name: "filter", run: filter::run },
    Object { name: "chain", run: chain::run },
    Object { name: "actions", run: actions::run },
    Object { name: "monitor", run: monitor::run },
    Object { name: "exec", run: exec::run },
    Object { name: "help", run: help::run },
    // Not an object of tc; a word that is a beginning of none of those above.
    Object { name: "completions", run: help::completions },
    Object { name: object::NAME, run: object::run },
];

/// Starts the command of `words`, the words from the object on.
pub(crate) fn start(words: &[Word<'_>], session: &mut Session<'_>) -> Result<Step, Error> {
    let mut args = Args::new(words);
    let word = args.word()?.unwrap_or_default();
    let whole = |name: &str| name != object::NAME || word == name;
    let Some(object) = OBJECTS.iter().find(|o| abbreviates(word, o.name) && whole(o.name)) else {
        return Err(unknown_object(word));
    };
    (object.run)(&mut args, session)
}

fn unknown_object(word: &str) -> Error {
    let line = format!("Object \"{word}\" is unknown, try \"tc help\".");
    Error::invalid(line)
}

/// The index of the device of this name; 0, which is none, for an empty name.
pub(crate) fn ifindex(dev: &str, env: &mut dyn Env) -> Result<i32, Error> {
    if dev.is_empty() {
        return Ok(0);
    }
    match env.ifindex(dev) {
        Err(ClientError::Kernel(_)) => numbered_device(dev).ok_or_else(|| no_device(dev)),
        found => found.map_err(|e| modify::unreachable_kernel(&e).with_status(1)),
    }
}

fn no_device(dev: &str) -> Error {
    // tc cuts the name before it looks.
    let cut = cut_name(dev);
    let error = Error::new(1, format_args!("Cannot find device \"{cut}\""));
    if cut == dev {
        error
    } else {
        error.hint(format!("there is no device or alternative name {dev}"))
    }
}

/// The index in `if7`, as listings show a device that is gone or in another network namespace.
fn numbered_device(name: &str) -> Option<i32> {
    name.strip_prefix("if")?.parse().ok().filter(|index| *index > 0)
}

/// What the word after an object asks for.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    Change(Verb),
    Get,
    List,
    Help,
}

/// In the order in which abbreviations are tried: the first that the object has and that fits is
/// meant.
const COMMANDS: &[(&str, Asked)] = &[
    ("add", Asked::Change(Verb::Add)),
    ("change", Asked::Change(Verb::Change)),
    ("replace", Asked::Change(Verb::Replace)),
    ("link", Asked::Change(Verb::Link)),
    ("delete", Asked::Change(Verb::Delete)),
    ("get", Asked::Get),
    ("list", Asked::List),
    ("show", Asked::List),
    ("lst", Asked::List),
    ("help", Asked::Help),
];

/// Takes the command of `object`, which has all but those that it `lacks`; no word asks for the
/// list.
fn command(args: &mut Args<'_>, object: &str, lacks: &[&str]) -> Result<Asked, Error> {
    let Some(word) = args.word()? else { return Ok(Asked::List) };
    let mut has = COMMANDS.iter().filter(|(name, _)| !lacks.contains(name));
    let found = has.find(|(name, _)| abbreviates(word, name));
    found.map(|(_, asked)| *asked).ok_or_else(|| unknown_command(word, object))
}

/// A word after a kind that is not in the tables.
fn unparsable(
    object: &str,
    kind: &str,
    word: &str,
    known: impl Iterator<Item = &'static str>,
) -> Error {
    let known = known.collect::<Vec<_>>().join(", ");
    Error::refused(format_args!(
        "Unknown {object} \"{kind}\", hence option \"{word}\" is unparsable"
    ))
    .hint(format!("this version of rtc knows the words of {known}"))
}

/// A word that is no command of the object.
fn unknown_command(word: &str, object: &str) -> Error {
    let line = format!("Command \"{word}\" is unknown, try \"tc {object} help\".");
    Error::invalid(line)
}

#[cfg(test)]
mod tests {
    use super::numbered_device;

    #[test]
    fn a_device_may_be_named_by_its_number() {
        assert_eq!(numbered_device("if7"), Some(7));
        for name in ["if0", "if", "if-1", "if7x", "eth7", "7"] {
            assert_eq!(numbered_device(name), None, "{name}");
        }
    }
}
