//! The object `qdisc`.

use tc_proto::Handle;
use tc_proto::msg::{QdiscRequest, TcMessage, Verb, tca};
use tc_proto::units::{Base, Estimator, SizeTable, TimeUs, parse_u32};

use super::modify::Change;
use super::show::{self, Listing};
use super::{Asked, Modify, Session, Step, command, ifindex, stab, unparsable};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{self, Pending, Show, Target, cut_name};
use crate::out::{Out, Paint};

/// The usage, for standard error.
pub(super) const USAGE: &str = "\
Usage: tc qdisc { add | change | replace | link | del } dev DEV
          [ handle HANDLE: ] [ root | ingress | clsact | parent CLASSID ]
          [ estimator INTERVAL TIME_CONSTANT ] [ stab STAB_WORDS ]
          [ ingress_block INDEX ] [ egress_block INDEX ] [ KIND [ KIND_WORDS ] ]
       tc qdisc { show | list } [ dev DEV ] [ root | ingress | clsact | parent CLASSID ]
          [ handle HANDLE: ] [ invisible ]

KIND is the name of a queueing discipline; \"tc qdisc add KIND help\" tells its words,
\"tc qdisc add stab help\" those of size tables.
";

/// The words before the kind, for completions.
pub(super) const WORDS: &[&str] = &[
    "dev",
    "handle",
    "root",
    "ingress",
    "clsact",
    "parent",
    "estimator",
    "stab",
    "ingress_block",
    "egress_block",
    "invisible",
];

/// What a `qdisc` command that changes something says.
#[derive(Default)]
struct Words<'a> {
    dev: Option<&'a str>,
    handle: Option<Handle>,
    parent: Option<Handle>,
    estimator: Option<Estimator>,
    stab: Option<SizeTable>,
    ingress_block: Option<u32>,
    egress_block: Option<u32>,
    kind: Option<&'a str>,
    options: Option<Box<dyn Pending>>,
    help: bool,
}

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    match command(args, "qdisc", &["get"])? {
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
    let request = QdiscRequest {
        ifindex: target.ifindex,
        handle: words.handle.unwrap_or_default(),
        parent: words.parent.unwrap_or_default(),
        options: words.kind.map(tc_proto::Options::bare),
        estimator: words.estimator,
        ingress_block: words.ingress_block,
        egress_block: words.egress_block,
        stab: words.stab,
    };
    if let Some(options) = &options {
        session.complain(options.notes());
    }
    Ok(Step::Modify(Box::new(Modify {
        change: Change::Qdisc(verb, request),
        options,
        marks: args.take_marks(),
        target,
        // tc asks for no echo here.
        echo: false,
    })))
}

/// Looks the device up, also by a long alternative name; no name is no device, which the kernel
/// then misses.
pub(super) fn target(dev: Option<&str>, session: &mut Session<'_>) -> Result<Target, Error> {
    let Some(dev) = dev.filter(|dev| !dev.is_empty()) else { return Ok(Target::default()) };
    let ifindex = ifindex(dev, session.env)?;
    Ok(Target { dev: Some(dev.to_owned()), ifindex })
}

impl<'a> Words<'a> {
    fn parse(&mut self, args: &mut Args<'a>) -> Result<(), Error> {
        while let Some(word) = args.word()? {
            match word {
                "dev" => {
                    let dev = args.value()?;
                    match self.dev {
                        Some(_) => return Err(Error::duplicate("dev", dev).at(args.last())),
                        None => self.dev = Some(dev),
                    }
                }
                "handle" => {
                    if self.handle.is_some() {
                        return Err(Error::duplicate("handle", word).at(args.last()));
                    }
                    let value = args.value()?;
                    let handle = Handle::parse_qdisc_handle(value);
                    self.handle = Some(handle.map_err(|_| wrong(args, value, "invalid qdisc ID"))?);
                }
                "root" => {
                    if self.parent.is_some() {
                        let line = "Error: \"root\" is duplicate parent ID";
                        return Err(Error::invalid(line).at(args.last()));
                    }
                    self.parent = Some(Handle::ROOT);
                }
                "clsact" | "ingress" => {
                    if self.parent.is_some() {
                        let line = format!("Error: \"{word}\" is a duplicate parent ID");
                        return Err(Error::invalid(line).at(args.last()));
                    }
                    self.parent = Some(Handle::INGRESS);
                    self.handle = Some(Handle::new(0xffff, 0));
                    self.kind(word, args)?;
                }
                "parent" => {
                    let value = args.value()?;
                    if self.parent.is_some() {
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
                _ if abbreviates(word, "stab") => {
                    args.mark(&[tca::STAB]);
                    self.stab = Some(stab::parse(args)?);
                }
                _ if abbreviates(word, "ingress_block") => {
                    self.ingress_block = Some(block(args, "invalid ingress block index value")?);
                    args.mark(&[tca::INGRESS_BLOCK]);
                }
                _ if abbreviates(word, "egress_block") => {
                    self.egress_block = Some(block(args, "invalid egress block index value")?);
                    args.mark(&[tca::EGRESS_BLOCK]);
                }
                // tc shows its usage and goes on.
                _ if abbreviates(word, "help") => self.help = true,
                _ => self.kind(word, args)?,
            }
        }
        Ok(())
    }

    /// The kind; what follows is its own.
    fn kind(&mut self, word: &'a str, args: &mut Args<'a>) -> Result<(), Error> {
        let name = cut_name(word);
        // An empty word is the end of the common words, but no kind.
        self.kind = Some(name).filter(|name| !name.is_empty());
        args.mark(&[tca::KIND]);
        args.mark(&[tca::OPTIONS]);
        match kinds::qdisc(name).and_then(|kind| kind.parse(args)) {
            Some(options) => self.options = Some(options?),
            None => {
                if let Some(other) = args.word()? {
                    let known = kinds::QDISCS.iter().map(|kind| kind.name());
                    return Err(unparsable("qdisc", name, other, known));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn wrong(args: &Args<'_>, word: &str, why: &str) -> Error {
    Error::wrong(word, why).at(args.last())
}

fn block(args: &mut Args<'_>, why: &str) -> Result<u32, Error> {
    let value = args.value()?;
    match parse_u32(value, Base::Auto) {
        Ok(index) if index != 0 => Ok(index),
        _ => Err(wrong(args, value, why)),
    }
}

/// `estimator INTERVAL TIME_CONSTANT`
pub(super) fn estimator(args: &mut Args<'_>, twice: bool) -> Result<Estimator, Error> {
    let interval = args.value()?;
    if twice {
        return Err(Error::duplicate("estimator", interval).at(args.last()));
    }
    let bad = |args: &Args<'_>, what: &str| Error::wrong(what, "estimator").at(args.last());
    let Ok(interval) = TimeUs::parse(interval) else {
        return Err(bad(args, "invalid estimator interval"));
    };
    let constant = args.value()?;
    let Ok(constant) = TimeUs::parse(constant) else {
        return Err(bad(args, "invalid estimator time constant"));
    };
    Estimator::new(interval, constant).map_err(|e| {
        let line = "Error: estimator parameters are out of range.";
        Error::invalid(line).at(args.last()).hint(e.to_string())
    })
}

/// What a listing is narrowed down to.
#[derive(Default)]
struct Narrow {
    dev: Option<String>,
    ifindex: i32,
    parent: Option<Handle>,
    handle: Option<Handle>,
    invisible: bool,
}

impl Narrow {
    /// Takes a word that says which qdisc; there may be only one.
    fn place(&mut self, word: &str, args: &Args<'_>) -> Result<&mut Self, Error> {
        match (self.parent, self.handle) {
            (Some(_), _) => Err(wrong(args, word, "parent is already specified")),
            (None, Some(_)) => Err(wrong(args, word, "handle is already specified")),
            (None, None) => Ok(self),
        }
    }
}

fn list(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let mut narrow = Narrow::default();
    while let Some(word) = args.word()? {
        match word {
            "dev" => narrow.dev = Some(args.value()?.to_owned()),
            "root" => narrow.place(word, args)?.parent = Some(Handle::ROOT),
            "ingress" | "clsact" => narrow.place(word, args)?.parent = Some(Handle::INGRESS),
            _ if abbreviates(word, "parent") => {
                narrow.place(word, args)?;
                let value = args.value()?;
                let parent = Handle::parse_classid(value);
                let parent = parent.map_err(|_| wrong(args, value, "invalid parent ID"))?;
                narrow.parent = Some(parent).filter(|parent| *parent != Handle::UNSPEC);
            }
            _ if abbreviates(word, "handle") => {
                narrow.place(word, args)?;
                let value = args.value()?;
                let handle = Handle::parse_qdisc_handle(value);
                let handle = handle.map_err(|_| wrong(args, value, "invalid handle ID"))?;
                narrow.handle = Some(handle).filter(|handle| *handle != Handle::UNSPEC);
            }
            "invisible" => narrow.invisible = true,
            _ if abbreviates(word, "help") => session.complain(USAGE),
            _ => {
                let line = format!("What is \"{word}\"? Try \"tc qdisc help\".");
                return Err(Error::invalid(line));
            }
        }
    }
    narrow.ifindex = target(narrow.dev.as_deref(), session)?.ifindex;
    let parent = narrow.parent.unwrap_or_default();
    let handle = narrow.handle.unwrap_or_default();
    let request = QdiscRequest::list(narrow.ifindex, parent, handle, narrow.invisible);
    let fits = |message: &TcMessage<'_>| {
        let header = &message.header;
        (narrow.ifindex == 0 || header.ifindex == narrow.ifindex)
            && narrow.parent.is_none_or(|parent| header.parent == parent)
            && narrow.handle.is_none_or(|handle| header.handle == handle)
    };
    let listing = Listing {
        request: request.map_err(show::unencodable)?,
        named: narrow.dev.is_none(),
        block: None,
    };
    listing.run(session, fits, |message, show, out| {
        print(message, narrow.ifindex, &[], show, out);
    })?;
    Ok(Step::Done)
}

/// Shows a qdisc; `dev` is left out when it is `ifindex`. `prefix` are flags such as `deleted`.
pub(super) fn print(
    message: &TcMessage<'_>,
    ifindex: i32,
    prefix: &[&str],
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    let header = &message.header;
    let kind = message.kind().unwrap_or_default();
    for flag in prefix {
        out.flag(flag, &format!("{flag} "));
    }
    out.text(format_args!("qdisc "));
    out.field("kind", &*kind, format_args!("{kind} "));
    let major = header.handle.major();
    out.field("handle", format_args!("{major:x}:"), format_args!("{major:x}:"));
    if show.options.raw {
        out.text(format_args!("[{:08x}]", header.handle.0));
    }
    out.text(format_args!(" "));
    if ifindex == 0 {
        let dev = show.env.ifname(header.ifindex);
        out.text(format_args!("dev "));
        out.painted(Paint::Ifname, "dev", &dev, format_args!("{dev} "));
    }
    if header.parent == Handle::ROOT {
        out.flag("root", "root ");
    } else if header.parent != Handle::UNSPEC {
        let parent = show.options.class_names.show(header.parent);
        out.field("parent", format_args!("{parent}"), format_args!("parent {parent} "));
    }
    if header.info != 1 {
        out.field("refcnt", header.info, format_args!("refcnt {} ", header.info));
    }
    if message.hw_offload().is_some_and(|on| on != 0) {
        out.flag("offloaded", "offloaded ");
    }
    if let Some(block) = message.ingress_block() {
        out.field("ingress_block", block, format_args!("ingress_block {block} "));
    }
    if let Some(block) = message.egress_block() {
        out.field("egress_block", block, format_args!("egress_block {block} "));
    }
    let options = message.options();
    out.object("options", |out| {
        if let Some(options) = &options {
            match kinds::qdisc(&kind) {
                Some(kind) => show::or_unreadable(kind.print(options.bytes(), show, out), out),
                None => show::unknown_kind("qdisc", options, out),
            }
        }
    });
    out.newline();
    if show.options.details > 0 {
        if let Some(table) = message.stab() {
            stab::print(&table.spec, out);
            out.newline();
        }
    }
    if show.options.stats > 0 {
        if let Some(stats) = message.stats() {
            crate::stats::print(&stats, " ", show.options, out);
            out.newline();
        }
        if let (Some(kind), Some(xstats)) = (kinds::qdisc(&kind), message.xstats()) {
            match kind.print_xstats(xstats, show, out) {
                Ok(true) => out.newline(),
                Ok(false) => {}
                Err(e) => show::or_unreadable(Err(e), out),
            }
        }
    }
}
