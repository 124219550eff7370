//! The object `actions`.

use tc_proto::client::Error as ClientError;
use tc_proto::msg::{
    ActionMessage, ActionRequest, ActionSpec, MessageType, NetlinkHeader, Request, Verb, flags,
};
use tc_proto::units::{Base, parse_u32};
use tc_proto::{EncodeError, Options};

use super::filter::TALKING;
use super::modify::{Change, refusal};
use super::show::{terminated, unencodable};
use super::{Modify, Session, Step, unknown_command};
use crate::action::{self, Actions, List};
use crate::args::{Args, Marks, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{self, Show, Target};
use crate::out::Out;

/// The status of every failure that is not one of a listing.
const FAILED: u8 = 255;

/// The usage, for standard error.
const USAGE: &str = "\
Usage: tc actions { add | change | replace } action KIND WORDS [ TAIL ] [ action ... ]
       tc actions { get | delete } action KIND index INDEX [ action ... ]
       tc actions { list | show } action KIND [ since MSEC ]
       tc actions flush action KIND
TAIL := [ cookie HEX ] [ hw_stats { immediate | delayed | disabled } ] [ no_percpu ]
          [ skip_hw | skip_sw ]

\"tc actions add action KIND help\" tells the words of a kind. A verdict alone, such as drop, is
an action too.
";

/// What is asked of the kernel beside lists.
pub(super) enum Command {
    /// Adds or changes actions.
    Make(Verb, Actions),
    /// Deletes actions.
    Delete(Indexes),
    /// Deletes the actions of a kind. The kernel gets what a list would say, too.
    Flush { kind: String, terse: bool, since_ms: Option<u32> },
}

impl Command {
    /// The message. It borrows from the actions what they keep open.
    pub(super) fn request(&self) -> Result<Request<'_>, EncodeError> {
        match self {
            Self::Make(verb, actions) => ActionRequest { actions: actions.specs()? }.encode(*verb),
            Self::Delete(Indexes { actions, .. }) => {
                ActionRequest { actions: actions.clone() }.encode(Verb::Delete)
            }
            Self::Flush { kind, terse, since_ms } => ActionRequest::flush(kind, *terse, *since_ms),
        }
    }

    /// The kinds of the actions, each once.
    pub(super) fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<_> = match self {
            Self::Make(_, actions) => actions.kinds().map(str::to_owned).collect(),
            Self::Delete(Indexes { actions, .. }) => {
                actions.iter().map(|a| a.options.kind.to_string()).collect()
            }
            Self::Flush { kind, .. } => vec![kind.clone()],
        };
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// Takes back what was pinned for it.
    pub(super) fn undo(&self, env: &mut dyn Env) {
        if let Self::Make(_, actions) = self {
            actions.undo(env);
        }
    }

    /// What is to be said once the kernel has taken them.
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Make(_, actions) => actions.advice(),
            _ => String::new(),
        }
    }

    /// What is wrong with the actions, if that is known.
    pub(super) fn suspicion(&self) -> Option<String> {
        match self {
            Self::Make(_, actions) => actions.suspicion(),
            _ => None,
        }
    }

    /// What tc says after the kernel's refusal, and the status.
    pub(super) fn refused(&self, e: &ClientError) -> Error {
        match self {
            Self::Make(..) => refusal(e).line(TALKING).with_status(FAILED),
            Self::Delete(asked) => asked.unread(refusal(e).line(TALKING)),
            Self::Flush { .. } => refusal(e).line("We have an error flushing").with_status(1),
        }
    }
}

/// The actions that `get` and `delete` name.
pub(super) struct Indexes {
    actions: Vec<ActionSpec<'static>>,
    /// The word in the place of `action`.
    first_word: String,
}

impl Indexes {
    /// After a failure, tc takes the next word for a command.
    fn unread(&self, e: Error) -> Error {
        let line = format!("Command \"{}\" is unknown, try \"tc actions help\".", self.first_word);
        e.line(line).with_status(FAILED)
    }
}

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let mut last = None;
    while let Some(word) = args.word()? {
        // Several commands may share a line; the last one is the caller's.
        if let Some(modify) = last.take() {
            Modify::run(&modify, session)?;
        }
        let made = [("add", Verb::Add), ("change", Verb::Change), ("replace", Verb::Replace)];
        if let Some((_, verb)) = made.into_iter().find(|(name, _)| abbreviates(word, name)) {
            last = Some(make(verb, args, session)?);
        } else if abbreviates(word, "get") {
            get(args, session)?;
        } else if abbreviates(word, "delete") {
            last = Some(modify(Command::Delete(parse_indexes(args)?), session));
        } else if ["list", "show", "lst"].iter().any(|name| abbreviates(word, name)) {
            return list(args, session);
        } else if abbreviates(word, "flush") {
            return flush(args, session);
        } else if abbreviates(word, "help") {
            return Err(Error::usage(USAGE));
        } else {
            return Err(unknown_command(word, "actions"));
        }
    }
    Ok(last.map_or(Step::Done, |modify| Step::Modify(Box::new(modify))))
}

fn modify(command: Command, session: &Session<'_>) -> Modify {
    Modify {
        change: Change::Actions(command),
        options: None,
        marks: Marks::default(),
        target: Target::default(),
        echo: session.options.echo,
    }
}

fn make(verb: Verb, args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Modify, Error> {
    const REFUSAL: &str = "Illegal \"action\"";
    if args.left() == 0 {
        return Err(Error::new(FAILED, REFUSAL).hint("which action? tc actions help"));
    }
    let list = List::parse(args, REFUSAL);
    let actions = list.and_then(|list| list.resolve(session.env, &Target::default()));
    let actions = actions.map_err(|e| if e.ends_batch() { e } else { e.with_status(FAILED) })?;
    session.complain(&actions.notes());
    Ok(modify(Command::Make(verb, actions), session))
}

/// Reads `action KIND index N`, repeated. tc never looks at the word in the place of `action`.
fn parse_indexes(args: &mut Args<'_>) -> Result<Indexes, Error> {
    let failed = |line: &str| Error::new(FAILED, line);
    let mut actions = Vec::new();
    let first_word = args.word()?.unwrap_or_default().to_owned();
    while let Some(kind) = args.word()? {
        if kind == "action" && !actions.is_empty() {
            continue;
        }
        if kinds::action(kind).is_none() {
            let error = failed(&format!("Error: non existent action: {kind}"));
            return Err(error.at(args.last()));
        }
        if !args.take_abbreviation("index") {
            return Err(failed(&format!("Error: no index specified action: {kind}")));
        }
        let index = parse_u32(args.value()?, Base::Ten)
            .map_err(|e| failed("Illegal \"index\"").at(args.last()).hint(e.to_string()))?;
        let spec = ActionSpec::new(Options::bare(kind));
        actions.push(ActionSpec { index: Some(index), ..spec });
    }
    Ok(Indexes { actions, first_word })
}

fn get(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<(), Error> {
    let asked = parse_indexes(args)?;
    let request = ActionRequest { actions: asked.actions.clone() }.get().map_err(unencodable)?;
    let found = session.env.get(&request);
    let found = found.map_err(|e| asked.unread(refusal(&e).line(TALKING)))?;
    let Session { env, options, out, .. } = session;
    let mut show = Show { options, env: *env };
    out.document(|out| print_list(&found.body, &mut show, out));
    Ok(())
}

/// Reads `action KIND`; without it the command's usage is the error. tc never looks at the word in the
/// place of `action`.
fn parse_kind<'a>(args: &mut Args<'a>) -> Result<&'a str, Error> {
    args.word()?;
    args.word()?.ok_or_else(|| Error::invalid(USAGE))
}

/// Tells that there is no such kind, which is no failure.
fn bad_kind(kind: &str, session: &mut Session<'_>) -> Step {
    session.complain(&format!("bad action {kind}\n"));
    Step::Done
}

fn list(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let kind = parse_kind(args)?;
    if kinds::action(kind).is_none() {
        return Ok(bad_kind(kind, session));
    }
    let since_ms = parse_since(args)?;
    let request = ActionRequest::list(kind, session.options.brief, since_ms);
    let (dump, ended) = session.env.dump(&request.map_err(unencodable)?);
    let Session { env, options, out, .. } = session;
    let mut show = Show { options, env: *env };
    out.document(|out| {
        for (_, body) in dump.messages() {
            print_list(body, &mut show, out);
        }
    });
    if dump.interrupted() {
        session.complain("Dump was interrupted and may be inconsistent.\n");
    }
    ended.map_err(|e| terminated(&e))?;
    Ok(Step::Done)
}

fn flush(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let kind = parse_kind(args)?;
    if kinds::action(kind).is_none() {
        return Ok(bad_kind(kind, session));
    }
    let since_ms = parse_since(args)?;
    let terse = session.options.brief;
    let flush = Command::Flush { kind: kind.to_owned(), terse, since_ms };
    Ok(Step::Modify(Box::new(modify(flush, session))))
}

/// Reads `since MSEC`, if it is there.
fn parse_since(args: &mut Args<'_>) -> Result<Option<u32>, Error> {
    if !args.take("since") {
        return Ok(None);
    }
    let word = args.value()?;
    let since_ms = parse_u32(word, Base::Auto);
    let wrong = |_| Error::wrong(word, "dump time \"since\" is invalid").at(args.last());
    since_ms.map(Some).map_err(wrong)
}

/// Shows the actions of one message of a list.
fn print_list(body: &[u8], show: &mut Show<'_>, out: &mut Out<'_>) {
    let Ok(message) = ActionMessage::decode(body) else { return };
    print_count(&message, out);
    out.newline();
    out.entry(|out| {
        action::print_objects(message.actions(), show, out);
        print_warning(&message, out);
    });
}

fn print_count(message: &ActionMessage<'_>, out: &mut Out<'_>) {
    let count = message.count().unwrap_or_default();
    out.entry(|out| out.field("total acts", count, format_args!("total acts {count}")));
}

fn print_warning(message: &ActionMessage<'_>, out: &mut Out<'_>) {
    if let Some(warning) = message.warning() {
        out.field("warn", &*warning, format_args!("{warning}"));
        out.newline();
    }
}

/// Shows a notification.
pub(super) fn print_event(
    header: NetlinkHeader,
    message: &ActionMessage<'_>,
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    print_count(message, out);
    out.newline();
    let deleted = header.message_type == MessageType::DEL_ACTION.0;
    let has = |flag| header.flags & flag != 0;
    let event = match deleted {
        true if has(flags::ROOT) => "Flushed table ",
        true => "Deleted action ",
        false if has(flags::REPLACE) => "Replaced action ",
        false if has(flags::CREATE) => "Added action ",
        false => "",
    };
    out.entry(|out| {
        out.field("event", event.trim_end(), format_args!("{event}"));
        match message.flushed() {
            Some((kind, count)) if deleted => {
                out.field("kind", &*kind, format_args!(" {kind} "));
                out.field("flushed", count, format_args!("({count} entries)"));
                out.newline();
            }
            _ => action::print_objects(message.actions(), show, out),
        }
        print_warning(message, out);
    });
}
