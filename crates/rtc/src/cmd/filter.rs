//! The object `filter`.

use tc_proto::msg::{
    BasicStats, ChainRequest, FilterRequest, Hook, Info, Request, Stats, TcHeader, TcMessage, Verb,
    tca,
};
use tc_proto::units::{Base, Estimator, Protocol, parse_u16, parse_u32};
use tc_proto::{EncodeError, Handle};

use super::modify::{Change, refusal};
use super::qdisc::{estimator, target};
use super::show::{self, Listing, unencodable};
use super::{Asked, Modify, Session, Step, command, tcx, unparsable};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{self, Pending, Show, Target, cut_name};
use crate::out::{Out, Paint};

/// What tc says when a question does not say where to look.
pub(super) const NO_PLACE: &str = "Must specify netdevice \"dev\" or block index \"block\"";

/// What tc says after a refusal.
pub(super) const TALKING: &str = "We have an error talking to the kernel";

/// The usage, for standard error.
pub(super) const USAGE: &str = "\
Usage: tc filter { add | change | replace | del | get } { dev DEV | block INDEX }
          [ root | ingress | egress | parent CLASSID ] [ pref PRIO ] [ protocol PROTO ]
          [ chain INDEX ] [ handle FILTERID ] [ estimator INTERVAL TIME_CONSTANT ]
          [ KIND [ KIND_WORDS ] ]
       tc filter { show | list } { dev DEV | block INDEX }
          [ root | ingress | egress | parent CLASSID ] [ pref PRIO ] [ protocol PROTO ]
          [ chain INDEX ]

KIND is the name of a classifier; \"tc filter add KIND help\" tells its words. What a FILTERID
looks like depends on the kind.
";

/// The words before the kind, for completions.
pub(super) const WORDS: &[&str] = &[
    "dev",
    "block",
    "root",
    "ingress",
    "egress",
    "parent",
    "pref",
    "protocol",
    "chain",
    "handle",
    "estimator",
];

/// The words that all filter commands share.
#[derive(Default)]
pub(super) struct Words<'a> {
    pub(super) dev: Option<&'a str>,
    block: Option<u32>,
    parent: Option<Handle>,
    prio: Option<u32>,
    protocol: Option<Protocol>,
    chain: Option<u32>,
    pub(super) handle: Option<&'a str>,
    handle_number: u32,
    estimator: Option<Estimator>,
    pub(super) kind: Option<&'a str>,
    pub(super) options: Option<Box<dyn Pending>>,
}

/// What a command makes of a word.
enum Taken {
    Yes,
    No,
}

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    match command(args, "filter", &["link"])? {
        Asked::Change(verb) => modify(verb, args, session),
        Asked::Get => get(args, session),
        Asked::List => list(args, session),
        Asked::Help => Ok(help(session)),
    }
}

fn help(session: &mut Session<'_>) -> Step {
    session.complain(USAGE);
    Step::Done
}

fn modify(verb: Verb, args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let Some(mut words) = parse(args, Command::Modify)? else { return Ok(help(session)) };
    if words.kind == Some(tcx::NAME) {
        return tcx::modify(verb, &words.tcx_place(), args, session);
    }
    let target = target(words.dev, session)?;
    words.parse_kind_of_handle(args)?;
    let default = match verb {
        Verb::Add | Verb::Replace => Protocol::ALL,
        _ => Protocol::default(),
    };
    let request = words.request(&target, default);
    let options = words.options.map(|p| p.resolve(session.env, &target)).transpose()?;
    if let Some(options) = &options {
        session.complain(options.notes());
    }
    Ok(Step::Modify(Box::new(Modify {
        change: Change::Filter(verb, request),
        options,
        marks: args.take_marks(),
        target,
        echo: session.options.echo,
    })))
}

impl Words<'_> {
    fn hook(&self, ifindex: i32) -> Hook {
        match self.block {
            Some(block) => Hook::Block(block),
            None => Hook::Device { ifindex, parent: self.parent.unwrap_or_default() },
        }
    }

    /// What the words say to commands about programs at a device's hooks.
    fn tcx_place(&self) -> tcx::Place<'_> {
        let numbers = [self.block, self.prio, self.chain];
        tcx::Place {
            dev: self.dev,
            parent: self.parent.unwrap_or_default(),
            narrowed: numbers.iter().any(Option::is_some)
                || self.protocol.is_some()
                || self.handle.is_some()
                || self.estimator.is_some(),
        }
    }

    /// The request about the chain that the words name.
    pub(super) fn chain_request<'o>(&self, target: &Target) -> ChainRequest<'o> {
        let FilterRequest { hook, info, handle, chain, options, estimator } =
            self.request(target, Protocol::default());
        ChainRequest { hook, info, chain, template: options, handle, estimator }
    }

    /// What the answer to a question about just this does not repeat.
    pub(super) fn shown(&self, target: &Target) -> Shown {
        Shown { ifindex: target.ifindex, block: self.block, ..Shown::default() }
    }

    /// Whether the words name a parent, as every question must.
    pub(super) fn has_parent(&self) -> bool {
        self.parent.unwrap_or_default() != Handle::UNSPEC
    }

    /// Whether the words say where to look.
    pub(super) fn has_place(&self) -> bool {
        self.dev.is_some() || self.block.is_some()
    }

    fn request<'o>(&self, target: &Target, protocol: Protocol) -> FilterRequest<'o> {
        FilterRequest {
            info: Info {
                prio: self.prio.unwrap_or_default() as u16,
                protocol: self.protocol.unwrap_or(protocol),
            },
            handle: self.handle_number,
            chain: self.chain,
            // An empty word is the end of the common words, but no kind.
            options: self.kind.filter(|kind| !kind.is_empty()).map(tc_proto::Options::bare),
            estimator: self.estimator,
            ..FilterRequest::new(self.hook(target.ifindex))
        }
    }
}

/// Which commands read a filter's words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Modify,
    Get,
}

/// Reads a command that names one filter, up to its kind; `None` when it asks for help.
pub(super) fn parse<'a>(args: &mut Args<'a>, command: Command) -> Result<Option<Words<'a>>, Error> {
    let mut words = Words::default();
    while let Some(word) = args.word()? {
        match word {
            "handle" => {
                let value = args.value()?;
                if words.handle.replace(value).is_some() {
                    return Err(Error::duplicate("handle", value).at(args.last()));
                }
                continue;
            }
            // `p`, `pr` and the like mean the priority.
            _ if abbreviates(word, "priority") || abbreviates(word, "preference") => {
                let value = args.value()?;
                if words.prio.is_some() {
                    return Err(Error::duplicate("priority", value).at(args.last()));
                }
                let prio = parse_u16(value, Base::Auto);
                let prio = prio.map_err(|_| wrong(args, value, "invalid priority value"))?;
                words.prio = (prio != 0).then_some(prio.into());
                continue;
            }
            _ => {}
        }
        match words.common(word, args, "Invalid parent ID")? {
            Taken::Yes => {}
            Taken::No if command == Command::Modify && abbreviates(word, "estimator") => {
                words.estimator = Some(estimator(args, words.estimator.is_some())?);
                args.mark(&[tca::RATE]);
            }
            Taken::No if abbreviates(word, "help") => return Ok(None),
            Taken::No if command == Command::Get && word.is_empty() => {
                return Err(wrong(args, word, "invalid filter name"));
            }
            Taken::No => {
                words.kind = Some(cut_name(word));
                break;
            }
        }
    }
    Ok(Some(words))
}

fn exclusive(args: &Args<'_>) -> Error {
    Error::invalid("Error: \"dev\" and \"block\" are mutually exclusive").at(args.last())
}

fn wrong(args: &Args<'_>, word: &str, why: &str) -> Error {
    Error::wrong(word, why).at(args.last())
}

impl<'a> Words<'a> {
    /// The words that changes and lists share.
    fn common(
        &mut self,
        word: &str,
        args: &mut Args<'a>,
        bad_parent: &str,
    ) -> Result<Taken, Error> {
        let clsact = [
            ("root", Handle::ROOT),
            ("ingress", Handle::MIN_INGRESS),
            ("egress", Handle::MIN_EGRESS),
        ];
        if word == "dev" {
            let value = args.value()?;
            if self.dev.is_some() {
                return Err(Error::duplicate("dev", value).at(args.last()));
            }
            self.dev = Some(value);
        } else if let Some((_, parent)) = clsact.iter().find(|(name, _)| *name == word) {
            if self.parent.replace(*parent).is_some() {
                let line = format!("Error: \"{word}\" is duplicate parent ID");
                return Err(Error::invalid(line).at(args.last()));
            }
        } else if word == "parent" {
            let value = args.value()?;
            if self.parent.is_some() {
                return Err(Error::duplicate("parent", value).at(args.last()));
            }
            let parent = Handle::parse_classid(value);
            self.parent = Some(parent.map_err(|_| wrong(args, value, bad_parent))?);
        } else if abbreviates(word, "block") {
            let value = args.value()?;
            if self.block.is_some() {
                return Err(Error::duplicate("block", value).at(args.last()));
            }
            if self.dev.is_some() {
                return Err(exclusive(args));
            }
            match parse_u32(value, Base::Auto) {
                Ok(block) if block != 0 => self.block = Some(block),
                _ => return Err(wrong(args, value, "invalid block index value")),
            }
        } else if abbreviates(word, "protocol") {
            let value = args.value()?;
            if self.protocol.is_some() {
                return Err(Error::duplicate("protocol", value).at(args.last()));
            }
            let protocol = Protocol::parse(value);
            self.protocol = Some(protocol.map_err(|_| wrong(args, value, "invalid protocol"))?);
        } else if abbreviates(word, "chain") {
            let value = args.value()?;
            if self.chain.is_some() {
                return Err(Error::duplicate("chain", value).at(args.last()));
            }
            let chain = parse_u32(value, Base::Auto);
            self.chain = Some(chain.map_err(|_| wrong(args, value, "invalid chain index value"))?);
            args.mark(&[tca::CHAIN]);
        } else {
            return Ok(Taken::No);
        }
        if self.dev.is_some() && self.block.is_some() {
            return Err(exclusive(args));
        }
        Ok(Taken::Yes)
    }

    /// Reads the handle, and the words after the kind, as the kind does.
    pub(super) fn parse_kind(&mut self, args: &mut Args<'a>) -> Result<(), Error> {
        let Some(name) = self.kind else { return Ok(()) };
        args.mark(&[tca::KIND]);
        args.mark(&[tca::OPTIONS]);
        if let Some(kind) = kinds::filter(name) {
            let parsed = kind.parse(self.handle, args)?;
            self.handle_number = parsed.handle;
            self.options = parsed.options;
            return Ok(());
        }
        match (args.word()?, self.handle) {
            (Some(other), _) => {
                let known = kinds::FILTERS.iter().map(|kind| kind.name());
                Err(unparsable("filter", name, other, known))
            }
            (None, Some(handle)) => {
                let unparsable =
                    |_| Error::refused(format_args!("Unparsable filter ID \"{handle}\""));
                self.handle_number = parse_u32(handle, Base::Hex).map_err(unparsable)?;
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// The same, and a handle needs a kind.
    pub(super) fn parse_kind_of_handle(&mut self, args: &mut Args<'a>) -> Result<(), Error> {
        self.parse_kind(args)?;
        if self.handle.is_some() && self.kind.is_none() {
            return Err(Error::invalid("Must specify filter type when using \"handle\""));
        }
        Ok(())
    }
}

fn get(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let Some(mut words) = parse(args, Command::Get)? else { return Ok(help(session)) };
    let missing = [
        (words.protocol.is_none(), "Must specify filter protocol"),
        (words.prio.is_none(), "Must specify filter priority"),
        (!words.has_parent(), "Must specify filter parent"),
        (words.kind.is_none(), "Must specify filter type"),
        (!words.has_place(), NO_PLACE),
    ];
    if let Some((_, line)) = missing.into_iter().find(|(missing, _)| *missing) {
        return Err(Error::invalid(line));
    }
    let target = target(words.dev, session)?;
    let word_after_kind = args.peek();
    words.parse_kind(args)?;
    if words.handle.is_none() {
        return Err(Error::invalid("Must specify filter \"handle\""));
    }
    if let Some(word) = word_after_kind {
        return Err(garbage(word));
    }
    let mut request = words.request(&target, Protocol::default());
    let shown = words.shown(&target);
    // Only kinds that send options without any words have some here.
    let options = words.options.map(|p| p.resolve(session.env, &target)).transpose()?;
    if let Some(options) = &options {
        request.options = Some(options.options().map_err(unencodable)?);
    }
    let request = request.get().map_err(unencodable)?;
    let found = session.env.get(&request).map_err(|e| refusal(&e).line(TALKING))?;
    let Ok(message) = TcMessage::decode(&found.body) else { return Ok(Step::Done) };
    let Session { env, options, out, .. } = session;
    let mut show = Show { options, env: *env };
    out.document(|out| out.entry(|out| print(&message, &shown, &[], &mut show, out)));
    Ok(Step::Done)
}

/// `word` stands behind all that a question says.
pub(super) fn garbage(word: &str) -> Error {
    Error::invalid(format_args!(
        "Garbage instead of arguments \"{word} ...\". Try \"tc filter help\"."
    ))
}

/// What a listing is narrowed down to, and its entries therefore do not repeat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    ifindex: i32,
    block: Option<u32>,
    parent: Handle,
    /// As the user wrote it: a number too large for any filter hides none.
    prio: Option<u32>,
    protocol: Protocol,
    pub(super) chain: Option<u32>,
}

fn list(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let words = parse_list(args, session, &[tcx::NAME])?;
    if words.kind.is_some() {
        return tcx::show(&words.tcx_place(), args, session);
    }
    let brief = session.options.brief;
    let request = |hook, info, chain| FilterRequest::list(hook, info, chain, brief);
    let step = words.list(session, request, |message, shown, show, out| {
        print(message, shown, &[], show, out);
    })?;
    let ifindex = target(words.dev, session)?.ifindex;
    tcx::mention(words.dev, ifindex, words.parent.unwrap_or_default(), session);
    Ok(step)
}

/// Reads the words that narrow down a list of filters or chains, up to one of the `others`, which
/// list something else.
pub(super) fn parse_list<'a>(
    args: &mut Args<'a>,
    session: &mut Session<'_>,
    others: &[&'static str],
) -> Result<Words<'a>, Error> {
    let mut words = Words::default();
    while let Some(word) = args.word()? {
        match word {
            _ if others.contains(&word) => {
                words.kind = Some(word);
                break;
            }
            "dev" if words.block.is_some() => {
                args.value()?;
                return Err(together("dev", "block"));
            }
            _ if abbreviates(word, "block") && words.dev.is_some() => {
                args.value()?;
                return Err(together("block", "dev"));
            }
            // The kernel lists all handles; tc takes the word and ignores it.
            "handle" => {
                let value = args.value()?;
                if words.handle.replace(value).is_some() {
                    return Err(Error::duplicate("handle", value).at(args.last()));
                }
            }
            _ if abbreviates(word, "priority") || abbreviates(word, "preference") => {
                let value = args.value()?;
                if words.prio.is_some() {
                    return Err(Error::duplicate("priority", value).at(args.last()));
                }
                let prio = parse_u32(value, Base::Auto);
                words.prio = Some(prio.map_err(|_| wrong(args, value, "invalid preference"))?);
            }
            _ => match words.common(word, args, "invalid parent ID")? {
                Taken::Yes => {}
                // tc shows its usage and goes on.
                Taken::No if abbreviates(word, "help") => session.complain(USAGE),
                Taken::No => {
                    let line = format!(" What is \"{word}\"? Try \"tc filter help\"");
                    return Err(Error::invalid(line));
                }
            },
        }
    }
    Ok(words)
}

impl Words<'_> {
    /// Lists what the words narrow a list down to.
    pub(super) fn list<'r>(
        &self,
        session: &mut Session<'_>,
        request: impl FnOnce(Hook, Info, Option<u32>) -> Result<Request<'r>, EncodeError>,
        mut print: impl FnMut(&TcMessage<'_>, &Shown, &mut Show<'_>, &mut Out<'_>),
    ) -> Result<Step, Error> {
        let ifindex = target(self.dev, session)?.ifindex;
        let info = Info {
            prio: self.prio.unwrap_or_default() as u16,
            protocol: self.protocol.unwrap_or_default(),
        };
        let listing = Listing {
            request: request(self.hook(ifindex), info, self.chain).map_err(unencodable)?,
            named: !self.has_place(),
            block: self.block,
        };
        let shown = Shown {
            ifindex,
            block: self.block,
            parent: self.parent.unwrap_or_default(),
            prio: self.prio,
            protocol: info.protocol,
            chain: self.chain,
        };
        listing.run(session, |_| true, |message, show, out| print(message, &shown, show, out))?;
        Ok(Step::Done)
    }
}

fn together(second: &str, first: &str) -> Error {
    Error::invalid(format_args!(
        "Error: \"{second}\" cannot be used in the same time as \"{first}\""
    ))
}

/// Shows a filter; what is in `shown` is left out. `prefix` are flags such as `deleted`.
pub(super) fn print(
    message: &TcMessage<'_>,
    shown: &Shown,
    prefix: &[&str],
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    let header = &message.header;
    for flag in prefix {
        out.flag(flag, &format!("{flag} "));
    }
    out.text(format_args!("filter "));
    print_hook(header, shown, show, out);
    let info = Info::from_wire(header.info);
    if header.info != 0 {
        if info.protocol.0 != 0 && info.protocol != shown.protocol {
            let protocol = match show.options.numeric {
                true => info.protocol.numeric().to_string(),
                false => info.protocol.to_string(),
            };
            out.field("protocol", &*protocol, format_args!("protocol {protocol} "));
        }
        if info.prio != 0 && Some(info.prio.into()) != shown.prio {
            out.field("pref", info.prio, format_args!("pref {} ", info.prio));
        }
    }
    let kind = message.kind().unwrap_or_default();
    out.field("kind", &*kind, format_args!("{kind} "));
    if let Some(chain) = message.chain().filter(|chain| Some(*chain) != shown.chain) {
        out.field("chain", chain, format_args!("chain {chain} "));
    }
    if let Some(options) = message.options().filter(|options| options.payload.is_some()) {
        out.object("options", |out| match kinds::filter(&kind) {
            Some(kind) => {
                show::or_unreadable(kind.print(message, options.bytes(), show, out), out);
            }
            None => {
                let handle = header.handle.0;
                out.field("handle", format!("{handle:#x}"), format_args!("handle {handle:#x} "));
                show::unknown_kind("filter", &options, out);
            }
        });
    }
    out.newline();
    if show.options.stats > 0 {
        if let Some(stats) = message.stats() {
            if message.attrs().find(tca::STATS2).is_some() {
                crate::stats::print(&stats, " ", show.options, out);
            } else {
                print_old_stats(&stats, out);
            }
            out.newline();
        }
    }
}

/// Shows counters in the old form, which the kernel sends for policers in filters.
fn print_old_stats(stats: &Stats<'_>, out: &mut Out<'_>) {
    if let Some(BasicStats { bytes, packets }) = stats.basic {
        out.field("bytes", bytes, format_args!(" Sent {bytes} bytes"));
        out.field("packets", packets, format_args!(" {packets} pkts"));
    }
    if let Some(queue) = stats.queue {
        out.field("dropped", queue.drops, format_args!(" (dropped {}, ", queue.drops));
        out.field(
            "overlimits",
            queue.overlimits,
            format_args!("overlimits {}) ", queue.overlimits),
        );
    }
}

/// Where the filter hangs.
pub(super) fn print_hook(header: &TcHeader, shown: &Shown, show: &mut Show<'_>, out: &mut Out<'_>) {
    if header.ifindex == TcHeader::BLOCK_IFINDEX {
        let block = header.parent.0;
        if shown.block != Some(block) {
            out.field("block", block, format_args!("block {block} "));
        }
        return;
    }
    if shown.ifindex == 0 || header.ifindex != shown.ifindex {
        let dev = show.env.ifname(header.ifindex);
        out.text(format_args!("dev "));
        out.painted(Paint::Ifname, "dev", &dev, format_args!("{dev} "));
    }
    if shown.parent == Handle::UNSPEC || header.parent != shown.parent {
        match header.parent {
            Handle::ROOT => out.flag("root", "root "),
            Handle::MIN_INGRESS => out.flag("ingress", "ingress "),
            Handle::MIN_EGRESS => out.flag("egress", "egress "),
            parent => out.field("parent", parent.to_string(), format_args!("parent {parent} ")),
        }
    }
}
