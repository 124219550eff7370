//! `filter ... ingress|egress tcx ...`: programs at a device's TCX hooks, which run before its filters.
//!
//! tc has none of it. The word stands where a kind stands; what follows is read here, since nothing of it is a message.

mod change;
mod words;

use tc_bpf_loader::info;
use tc_bpf_loader::tcx::{self, Direction, Hook, List, TcxError};
use tc_proto::Handle;
use tc_proto::msg::Verb;

use super::qdisc::target;
use super::{Session, Step};
use crate::args::Args;
use crate::error::Error;
use crate::filter::bpf::print_program;
use crate::filter::classic::note;
use crate::kinds::Show;
use crate::out::Paint;

/// The word in the place of a kind.
pub(super) const NAME: &str = "tcx";

/// The words behind it, for completions.
pub(super) const WORDS: &[&str] = &[
    "object-file",
    "section",
    "program",
    "verbose",
    "object-pinned",
    "id",
    "first",
    "last",
    "before",
    "after",
    "prog",
    "link",
    "pinned",
    "pin",
    "of",
    "all",
    "expect-revision",
];

/// The usage, for standard error.
const USAGE: &str = "\
Usage: rtc filter add dev DEV { ingress | egress } tcx PROGRAM [ PLACE ] [ pin PATH ]
          [ expect-revision N ]
       rtc filter replace dev DEV { ingress | egress } tcx PROGRAM [ of ENTRY ]
          [ expect-revision N ]
       rtc filter delete dev DEV { ingress | egress } tcx [ ENTRY | all ] [ expect-revision N ]
       rtc filter show dev DEV { ingress | egress } tcx

PROGRAM := { object-file FILE [ section NAME ] [ program NAME ] [ verbose ] |
             object-pinned FILE | id ID }
PLACE   := { first | last | before ENTRY | after ENTRY }
ENTRY   := { prog ID | link ID | pinned PATH }

The programs of a hook run in order, before all filters. With pin, a link holds the program, and
the pin holds the link; without, the program stays until it is deleted. Linux 6.6 or newer.
";

/// Where a command works: what the common words must say.
pub(super) struct Place<'a> {
    pub(super) dev: Option<&'a str>,
    pub(super) parent: Handle,
    /// Whether there are words that only filters have.
    pub(super) narrowed: bool,
}

impl Place<'_> {
    /// The hook and the device's name.
    fn hook(&self, session: &mut Session<'_>) -> Result<(Hook, String), Error> {
        let Some(dev) = self.dev else {
            return Err(refused("Must specify netdevice \"dev\"", "TCX programs hang at devices"));
        };
        let direction = match self.parent {
            Handle::MIN_INGRESS => Direction::Ingress,
            Handle::MIN_EGRESS => Direction::Egress,
            _ => {
                let hint = format!("say `dev {dev} ingress {NAME}` or `dev {dev} egress {NAME}`");
                return Err(refused("Must specify \"ingress\" or \"egress\"", &hint));
            }
        };
        if self.narrowed {
            let hint =
                "TCX programs have an order, but no pref, protocol, chain, handle or estimator";
            return Err(refused("Illegal words before \"tcx\"", hint));
        }
        let ifindex = target(Some(dev), session)?.ifindex;
        Ok((Hook { ifindex: ifindex as u32, direction }, dev.to_owned()))
    }
}

fn refused(line: &str, hint: &str) -> Error {
    Error::new(255, line).hint(hint)
}

/// What the kernel's or the library's refusal is called here.
fn failed(e: &TcxError) -> Error {
    Error::new(2, format_args!("TCX: {e}"))
}

/// Runs `add`, `replace` or `delete`.
pub(super) fn modify(
    verb: Verb,
    place: &Place<'_>,
    args: &mut Args<'_>,
    session: &mut Session<'_>,
) -> Result<Step, Error> {
    let Some(words) = words::parse(verb, args)? else {
        session.complain(USAGE);
        return Ok(Step::Done);
    };
    let (hook, dev) = place.hook(session)?;
    change::run(words, hook, &dev, session)?;
    Ok(Step::Done)
}

/// Shows the programs of a hook.
pub(super) fn show(
    place: &Place<'_>,
    args: &mut Args<'_>,
    session: &mut Session<'_>,
) -> Result<Step, Error> {
    match args.word()? {
        None => {}
        Some("help") => {
            session.complain(USAGE);
            return Ok(Step::Done);
        }
        Some(word) => {
            let line = format!(" What is \"{word}\"? Try \"tc filter help\"");
            return Err(Error::invalid(line).at(args.last()));
        }
    }
    let (hook, dev) = place.hook(session)?;
    let list = tcx::query(hook, session.env.bpf()).map_err(|e| failed(&e))?;
    let Session { env, options, out, .. } = session;
    let mut show = Show { options, env: *env };
    let direction = hook.direction.to_string();
    out.document(|out| {
        out.entry(|out| {
            out.text(format_args!("tcx dev "));
            out.painted(Paint::Ifname, "dev", &dev, format_args!("{dev} "));
            out.field("hook", &*direction, format_args!("{direction} "));
            out.field("revision", list.revision, format_args!("revision {} ", list.revision));
            out.newline();
            out.array("programs", |out| {
                for (at, entry) in list.entries.iter().enumerate() {
                    out.entry(|out| {
                        out.field("position", at as u64, format_args!("tcx position {at} "));
                        if let Some(link) = entry.link_id {
                            out.field("link", link, format_args!("link {link} "));
                        }
                        print_program(entry.prog_id, None, &mut show, out);
                        out.newline();
                    });
                }
            });
        });
    });
    Ok(Step::Done)
}

/// Says which programs run before the filters of a hook that was listed, if there are any.
pub(super) fn mention(dev: Option<&str>, ifindex: i32, parent: Handle, session: &mut Session<'_>) {
    let (direction, Some(dev)) = (
        match parent {
            Handle::MIN_INGRESS => Direction::Ingress,
            Handle::MIN_EGRESS => Direction::Egress,
            _ => return,
        },
        dev,
    ) else {
        return;
    };
    let Ok(ifindex) = u32::try_from(ifindex) else { return };
    // Older kernels have no such programs, and who may not look is not told.
    let Ok(list) = tcx::query(Hook { ifindex, direction }, session.env.bpf()) else { return };
    if list.entries.is_empty() {
        return;
    }
    let names = described(&list, session);
    let (count, runs) = match list.entries.len() {
        1 => ("a TCX program".to_owned(), "runs"),
        n => (format!("{n} TCX programs"), "run"),
    };
    let text = format!(
        "{count} {runs} before these filters: {names}; see `filter show dev {dev} {direction} {NAME}`"
    );
    session.complain(&note(&text));
}

/// The programs of a list in a few words.
fn described(list: &List, session: &mut Session<'_>) -> String {
    let named = list.entries.iter().map(|entry| {
        let id = entry.prog_id;
        match info::program_by_id(id, session.env.bpf()) {
            Ok(info) if !info.name.is_empty() => format!("{} (id {id})", info.name),
            _ => format!("id {id}"),
        }
    });
    named.collect::<Vec<_>>().join(", ")
}
