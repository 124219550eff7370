//! The object `chain`: chains of filters, and templates that the filters of a chain must fit.

use tc_proto::msg::{ChainRequest, TcMessage, Verb};

use super::filter::{self, Command, NO_PLACE, Shown, TALKING, print_hook};
use super::modify::{Change, refusal};
use super::qdisc::target;
use super::show::{self, unencodable};
use super::{Asked, Modify, Session, Step, command};
use crate::args::Args;
use crate::error::Error;
use crate::kinds::{self, Show};
use crate::out::Out;

/// The usage, for standard error.
const USAGE: &str = "\
Usage: tc chain { add | delete | get } { dev DEV | block INDEX }
          [ root | ingress | egress | parent CLASSID ] [ chain INDEX ]
          [ protocol PROTO ] [ KIND [ KIND_WORDS ] ]
       tc chain { show | list } { dev DEV | block INDEX }
          [ root | ingress | egress | parent CLASSID ] [ chain INDEX ]

KIND and its words are a template: the chain takes only filters of this kind that look at the same
fields. Not every kind can be one.
";

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    match command(args, "chain", &["change", "replace", "link"])? {
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
    let Some(mut words) = filter::parse(args, Command::Modify)? else { return Ok(help(session)) };
    let target = target(words.dev, session)?;
    words.parse_kind_of_handle(args)?;
    let request = words.chain_request(&target);
    let options = words.options.map(|p| p.resolve(session.env, &target)).transpose()?;
    Ok(Step::Modify(Box::new(Modify {
        change: Change::Chain(verb, request),
        options,
        marks: args.take_marks(),
        target,
        echo: session.options.echo,
    })))
}

fn get(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let Some(words) = filter::parse(args, Command::Get)? else { return Ok(help(session)) };
    // A kind's name ends the common words, and that is all that is made of it.
    let garbage = args.peek();
    if !words.has_parent() {
        return Err(Error::invalid("Must specify filter parent"));
    }
    if !words.has_place() {
        return Err(Error::invalid(NO_PLACE));
    }
    let target = target(words.dev, session)?;
    if let Some(garbage) = garbage {
        return Err(filter::garbage(garbage));
    }
    let ChainRequest { hook, chain, .. } = words.chain_request(&target);
    let asked = ChainRequest { chain, ..ChainRequest::new(hook, 0) };
    let request = asked.get().map_err(unencodable)?;
    let found = session.env.get(&request).map_err(|e| refusal(&e).line(TALKING))?;
    let Ok(message) = TcMessage::decode(&found.body) else { return Ok(Step::Done) };
    let shown = words.shown(&target);
    let Session { env, options, out, .. } = session;
    let mut show = Show { options, env: *env };
    out.document(|out| out.entry(|out| print(&message, &shown, &[], &mut show, out)));
    Ok(Step::Done)
}

fn list(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let words = filter::parse_list(args, session, &[])?;
    let brief = session.options.brief;
    let request = |hook, _, chain| ChainRequest::list(hook, chain, brief);
    words.list(session, request, |message, shown, show, out| print(message, shown, &[], show, out))
}

/// Shows a chain; what is in `shown` is left out. `prefix` are flags such as `deleted`.
pub(super) fn print(
    message: &TcMessage<'_>,
    shown: &Shown,
    prefix: &[&str],
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    for flag in prefix {
        out.flag(flag, &format!("{flag} "));
    }
    out.text(format_args!("chain "));
    print_hook(&message.header, shown, show, out);
    let kind = message.kind();
    if let Some(kind) = &kind {
        out.field("kind", &**kind, format_args!("{kind} "));
    }
    if let Some(chain) = message.chain().filter(|chain| Some(*chain) != shown.chain) {
        out.field("chain", chain, format_args!("chain {chain} "));
    }
    if let Some(options) = message.options().filter(|options| options.payload.is_some()) {
        match kinds::filter(&options.kind) {
            Some(kind) => {
                show::or_unreadable(kind.print(message, options.bytes(), show, out), out);
            }
            None => show::unknown_kind("filter", &options, out),
        }
    }
    out.newline();
}
