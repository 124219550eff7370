//! The object `class`.

use tc_proto::msg::{ClassRequest, TcMessage, Verb, tca};
use tc_proto::units::Estimator;
use tc_proto::{Handle, Options};

use super::modify::Change;
use super::qdisc::{estimator, target, wrong};
use super::show::{self, Listing};
use super::{Asked, Modify, Session, Step, command, tree};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{self, Pending, Show, cut_name};
use crate::out::{Hex, Out, Paint};

/// The usage, for standard error.
pub(super) const USAGE: &str = "\
Usage: tc class { add | change | replace | delete } dev DEV
          { root | parent CLASSID } [ classid CLASSID ]
          [ estimator INTERVAL TIME_CONSTANT ] [ KIND [ KIND_WORDS ] ]
       tc class { show | list } dev DEV [ qdisc HANDLE: ] [ classid CLASSID ]
          [ root | parent CLASSID ]

KIND is the name of the queueing discipline that the class belongs to; \"tc class add KIND help\"
tells its words.
";

/// The words before the kind, for completions.
pub(super) const WORDS: &[&str] = &["dev", "classid", "root", "parent", "estimator", "qdisc"];

/// What a `class` command that changes something says.
#[derive(Default)]
struct Words<'a> {
    dev: Option<&'a str>,
    classid: Option<Handle>,
    parent: Option<Handle>,
    estimator: Option<Estimator>,
    kind: Option<&'a str>,
    options: Option<Box<dyn Pending>>,
    help: bool,
}

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    match command(args, "class", &["link", "get"])? {
        Asked::Change(verb) => modify(verb, args, session),
        Asked::List => list(args, session),
        Asked::Help | Asked::Get => {
            session.complain(USAGE);
            Ok(Step::Done)
        }
    }
}

fn modify(verb: Verb, args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let mut words = Words::default();
    let parsed = words.parse(args);
    if words.help {
        session.complain(USAGE);
    }
    parsed?;
    let target = target(words.dev, session)?;
    let options = words.options.map(|p| p.resolve(session.env, &target)).transpose()?;
    let request = ClassRequest {
        ifindex: target.ifindex,
        classid: words.classid.unwrap_or_default(),
        parent: words.parent.unwrap_or_default(),
        options: words.kind.map(Options::bare),
        estimator: words.estimator,
    };
    if let Some(options) = &options {
        session.complain(options.notes());
    }
    Ok(Step::Modify(Box::new(Modify {
        change: Change::Class(verb, request),
        options,
        marks: args.take_marks(),
        target,
        // tc asks for no echo here.
        echo: false,
    })))
}

impl<'a> Words<'a> {
    fn parse(&mut self, args: &mut Args<'a>) -> Result<(), Error> {
        while let Some(word) = args.word()? {
            match word {
                "dev" => {
                    let dev = args.value()?;
                    if self.dev.replace(cut_name(dev)).is_some() {
                        return Err(Error::duplicate("dev", dev).at(args.last()));
                    }
                }
                "classid" => {
                    let value = args.value()?;
                    if self.classid.is_some_and(|id| id != Handle::UNSPEC) {
                        return Err(Error::duplicate("classid", value).at(args.last()));
                    }
                    let id = Handle::parse_classid(value);
                    self.classid = Some(id.map_err(|_| wrong(args, value, "invalid class ID"))?);
                }
                "handle" => {
                    let line = "Error: try \"classid\" instead of \"handle\"";
                    return Err(Error::invalid(line).at(args.last()));
                }
                "root" => {
                    if self.parent.replace(Handle::ROOT).is_some_and(|id| id != Handle::UNSPEC) {
                        let line = "Error: \"root\" is duplicate parent ID.";
                        return Err(Error::invalid(line).at(args.last()));
                    }
                }
                "parent" => {
                    let value = args.value()?;
                    if self.parent.is_some_and(|id| id != Handle::UNSPEC) {
                        return Err(Error::duplicate("parent", value).at(args.last()));
                    }
                    let parent = Handle::parse_classid(value);
                    self.parent =
                        Some(parent.map_err(|_| wrong(args, value, "invalid parent ID"))?);
                }
                _ if abbreviates(word, "estimator") => {
                    self.estimator = Some(estimator(args, self.estimator.is_some())?);
                    args.mark(&[tca::RATE]);
                }
                // tc shows its usage and goes on.
                _ if abbreviates(word, "help") => self.help = true,
                _ => kind(word, args, self)?,
            }
        }
        Ok(())
    }
}

/// The kind; what follows is its own.
fn kind<'a>(word: &'a str, args: &mut Args<'a>, words: &mut Words<'a>) -> Result<(), Error> {
    let name = cut_name(word);
    words.kind = Some(name);
    args.mark(&[tca::KIND]);
    args.mark(&[tca::OPTIONS]);
    let place = args.last();
    let class = kinds::qdisc(name).and_then(|kind| kind.class());
    match class.and_then(|class| class.parse(args)) {
        Some(options) => {
            words.options = Some(options?);
            Ok(())
        }
        None => {
            Err(Error::refused(format_args!("Error: Qdisc \"{name}\" is classless.")).at(place))
        }
    }
}

/// What a listing is narrowed down to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// The device; its name is not shown then.
    ifindex: i32,
    /// The qdisc that the classes belong to; its number is not shown then.
    qdisc: Option<Handle>,
    classid: Option<Handle>,
}

fn list(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let mut shown = Shown::default();
    let mut dev = None;
    let mut parent = None;
    while let Some(word) = args.word()? {
        match word {
            "dev" => {
                let value = args.value()?;
                if dev.replace(cut_name(value)).is_some() {
                    return Err(Error::duplicate("dev", value).at(args.last()));
                }
            }
            "qdisc" => {
                let value = args.value()?;
                if shown.qdisc.is_some() {
                    return Err(Error::duplicate("qdisc", value).at(args.last()));
                }
                let qdisc = Handle::parse_qdisc_handle(value);
                let qdisc = qdisc.map_err(|_| wrong(args, value, "invalid qdisc ID"))?;
                shown.qdisc = Some(qdisc).filter(|id| *id != Handle::UNSPEC);
            }
            "classid" => {
                let value = args.value()?;
                if shown.classid.is_some() {
                    return Err(Error::duplicate("classid", value).at(args.last()));
                }
                let id = Handle::parse_classid(value);
                let id = id.map_err(|_| wrong(args, value, "invalid class ID"))?;
                shown.classid = Some(id).filter(|id| *id != Handle::UNSPEC);
            }
            "root" => {
                if parent.replace(Handle::ROOT).is_some_and(|id| id != Handle::UNSPEC) {
                    let line = "Error: \"root\" is duplicate parent ID";
                    return Err(Error::invalid(line).at(args.last()));
                }
            }
            "parent" => {
                if parent.is_some_and(|id| id != Handle::UNSPEC) {
                    return Err(Error::duplicate("parent", word).at(args.last()));
                }
                let value = args.value()?;
                let id = Handle::parse_classid(value);
                parent = Some(id.map_err(|_| wrong(args, value, "invalid parent ID"))?);
            }
            _ if abbreviates(word, "help") => session.complain(USAGE),
            _ => {
                let line = format!("What is \"{word}\"? Try \"tc class help\".");
                return Err(Error::invalid(line));
            }
        }
    }
    shown.ifindex = target(dev, session)?.ifindex;
    let request = ClassRequest::list(shown.ifindex, parent.unwrap_or_default());
    let listing =
        Listing { request: request.map_err(show::unencodable)?, named: dev.is_none(), block: None };
    let of_dev = |m: &TcMessage<'_>| shown.ifindex == 0 || m.header.ifindex == shown.ifindex;
    // A tree is a drawing; JSON stays JSON.
    if session.options.graph && !session.options.json {
        listing.run_whole(session, of_dev, tree::print)?;
    } else {
        let fits = |message: &TcMessage<'_>| {
            let handle = message.header.handle;
            of_dev(message)
                && shown.qdisc.is_none_or(|qdisc| handle.major() == qdisc.major())
                && shown.classid.is_none_or(|id| handle == id)
        };
        listing.run(session, fits, |message, show, out| print(message, &shown, &[], show, out))?;
    }
    Ok(Step::Done)
}

/// Shows a class. `prefix` are flags such as `deleted`.
pub(super) fn print(
    message: &TcMessage<'_>,
    shown: &Shown,
    prefix: &[&str],
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    let header = &message.header;
    let options = message.options();
    let kind = options.as_ref().map_or("", |options| &options.kind);
    for flag in prefix {
        out.flag(flag, &format!("{flag} "));
    }
    out.field("class", kind, ("class ", kind, " "));
    let names = &show.options.class_names;
    let id = |id: Handle| names.show(if shown.qdisc.is_some() { minor(id) } else { id });
    let handle = id(header.handle);
    out.field("handle", format_args!("{handle}"), (handle, " "));
    if shown.ifindex == 0 {
        let dev = show.env.ifname(header.ifindex);
        out.text("dev ");
        out.painted(Paint::Ifname, "dev", &dev, (&dev, " "));
    }
    if header.parent == Handle::ROOT {
        out.flag("root", "root ");
    } else {
        let parent = id(header.parent);
        out.field("parent", format_args!("{parent}"), ("parent ", parent, " "));
    }
    if header.info != 0 {
        let leaf = header.info >> 16;
        out.field("leaf", format_args!("0x{leaf:x}"), ("leaf ", Hex(leaf), ": "));
    }
    if let Some(options) = &options {
        print_options(options, show, out);
    }
    out.newline();
    if show.options.stats > 0 {
        out.object("stats", |out| print_stats(message, kind, show, out));
    }
}

/// The class id without the qdisc's number.
fn minor(id: Handle) -> Handle {
    Handle::new(0, id.minor())
}

/// Shows the options of a class, however much is known of its kind.
pub(super) fn print_options(options: &Options<'_>, show: &mut Show<'_>, out: &mut Out<'_>) {
    match kinds::qdisc(&options.kind).and_then(|kind| kind.class()) {
        Some(class) => {
            if let Some(payload) = &options.payload {
                show::or_unreadable(class.print(payload, show, out), out);
            }
        }
        None => show::unknown_kind("class", options, out),
    }
}

fn print_stats(message: &TcMessage<'_>, kind: &str, show: &mut Show<'_>, out: &mut Out<'_>) {
    if let Some(stats) = message.stats() {
        crate::stats::print(&stats, " ", show.options, out);
        // Not one of the line breaks that -oneline replaces, in tc neither.
        out.text("\n");
    }
    let class = kinds::qdisc(kind).and_then(|kind| kind.class());
    if let (Some(class), Some(xstats)) = (class, message.xstats()) {
        match class.print_xstats(xstats, show, out) {
            Ok(true) => out.text(format_args!("\n")),
            Ok(false) => {}
            Err(e) => show::or_unreadable(Err(e), out),
        }
    }
}
