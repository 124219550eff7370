//! Adding, replacing and deleting programs of a hook.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use tc_bpf_loader::tcx::{self, Anchor, Hook, Link, List, Options, Position, TcxError};
use tc_bpf_loader::{info, pin};

use super::words::{Entry, Place, Program, Task, Which, Words};
use super::{Session, described, failed};
use crate::error::Error;
use crate::filter::bpf_source::{self as source, ReadyProgram};

pub(super) fn run(
    words: Words,
    hook: Hook,
    dev: &str,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    let revision = words.revision;
    match words.task {
        Task::Add { program, place, pin } => attach(program, session, |fd, session| {
            let position = match place {
                Place::Fixed(position) => position,
                Place::Before(entry) => Position::Before(anchor(&entry, session)?),
                Place::After(entry) => Position::After(anchor(&entry, session)?),
            };
            add(hook, fd, &Options { position, revision }, pin.as_deref(), session)
        }),
        Task::Replace { program, of } => {
            attach(program, session, |fd, session| match chosen(of, hook, dev, session)? {
                None => {
                    let options = Options { revision, ..Options::default() };
                    add(hook, fd, &options, None, session)
                }
                Some(entry) => replace(hook, &entry, fd, revision, session),
            })
        }
        Task::Delete(Which::All) => delete_all(hook, revision, session),
        Task::Delete(which) => match chosen(which, hook, dev, session)? {
            None => Err(failed(&TcxError::Absent)),
            Some(entry) => delete(hook, &entry, revision, session),
        },
    }
}

/// Loads or opens the program and has `how` attach it; takes back what was pinned for one that is not
/// attached.
fn attach(
    program: Program,
    session: &mut Session<'_>,
    how: impl FnOnce(&OwnedFd, &mut Session<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let from = match program {
        Program::Id(id) => {
            let fd = session.env.bpf().prog_by_id(id).map_err(|e| {
                Error::new(1, format_args!("Cannot open program {id}: {}", e.to_io()))
            })?;
            return how(&fd, session);
        }
        Program::Source(from) => from,
    };
    let ready = source::resolve(from, &source::FILTER, None, &mut *session.env)?;
    let ReadyProgram::Extended { fd, log, .. } = &ready else {
        return Err(Error::refused("A classic program cannot be attached here"));
    };
    // What the verifier said.
    session.complain(log);
    how(fd, session).inspect_err(|_| ready.undo(&mut *session.env))
}

/// Opens the link that is pinned there.
fn pinned_link(path: &OsStr, session: &mut Session<'_>) -> Result<Link, Error> {
    let kernel = session.env.bpf();
    let fd = pin::get(Path::new(path), kernel).map_err(|e| Error::new(1, e))?;
    Link::from_fd(fd, kernel)
        .map_err(|e| Error::new(1, format_args!("{}: {e}", path.to_string_lossy())))
}

/// The id of the program or link that the words name.
fn anchor(entry: &Entry, session: &mut Session<'_>) -> Result<Anchor, Error> {
    let path = match entry {
        Entry::Id(anchor) => return Ok(*anchor),
        Entry::Pinned(path) => path,
    };
    let kernel = session.env.bpf();
    let fd = pin::get(Path::new(path), kernel).map_err(|e| Error::new(1, e))?;
    if let Ok(program) = info::program(fd.as_fd(), kernel) {
        return Ok(Anchor::Program(program.id));
    }
    let link = Link::from_fd(fd, kernel);
    let id = link.and_then(|link| link.info(kernel)).map(|info| info.id);
    let id = id.map_err(|e| Error::new(1, format_args!("{}: {e}", path.to_string_lossy())))?;
    Ok(Anchor::Link(id))
}

fn list(hook: Hook, session: &mut Session<'_>) -> Result<List, Error> {
    tcx::query(hook, session.env.bpf()).map_err(|e| failed(&e))
}

/// The entry that is meant; without a word for it the only one there is, `None` if there is none.
fn chosen(
    which: Which,
    hook: Hook,
    dev: &str,
    session: &mut Session<'_>,
) -> Result<Option<Entry>, Error> {
    if let Which::One(entry) = which {
        return Ok(Some(entry));
    }
    let list = list(hook, session)?;
    match list.entries[..] {
        [] => Ok(None),
        [only] => Ok(Some(Entry::Id(match only.link_id {
            Some(link) => Anchor::Link(link),
            None => Anchor::Program(only.prog_id),
        }))),
        _ => {
            let hint = format!("{dev} {} has {}", hook.direction, described(&list, session));
            let line = "Which program? Say \"prog ID\", \"link ID\" or \"pinned PATH\"";
            Err(Error::invalid(line).hint(hint))
        }
    }
}

fn add(
    hook: Hook,
    program: &OwnedFd,
    options: &Options,
    pin: Option<&OsStr>,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    let kernel = session.env.bpf();
    let Some(path) = pin else {
        return tcx::attach(hook, program, options, kernel).map_err(|e| failed(&e));
    };
    let link = tcx::attach_link(hook, program, options, kernel).map_err(|e| failed(&e))?;
    // Where pinning fails, the link goes, and the program with it.
    link.pin(Path::new(path), kernel).map_err(|e| {
        failed(&e)
            .hint(format!("{} must be in a BPF file system, and free", path.to_string_lossy()))
    })
}

/// The link that an entry means, or else its program's id.
fn link_or_program(entry: &Entry, session: &mut Session<'_>) -> Result<Result<Link, u32>, Error> {
    match entry {
        Entry::Id(Anchor::Program(id)) => Ok(Err(*id)),
        Entry::Id(Anchor::Link(id)) => {
            Ok(Ok(Link::by_id(*id, session.env.bpf()).map_err(|e| failed(&e))?))
        }
        Entry::Pinned(path) => match anchor(entry, session)? {
            Anchor::Program(id) => Ok(Err(id)),
            Anchor::Link(_) => Ok(Ok(pinned_link(path, session)?)),
        },
    }
}

/// Opens a program of the hook that no link holds.
fn program_of(hook: Hook, id: u32, session: &mut Session<'_>) -> Result<OwnedFd, Error> {
    let held = list(hook, session)?.entries;
    let Some(entry) = held.iter().find(|entry| entry.prog_id == id) else {
        return Err(failed(&TcxError::Absent));
    };
    if let Some(link) = entry.link_id {
        return Err(failed(&TcxError::Held).hint(format!("say `link {link}`")));
    }
    session
        .env
        .bpf()
        .prog_by_id(id)
        .map_err(|e| Error::new(1, format_args!("Cannot open program {id}: {}", e.to_io())))
}

fn replace(
    hook: Hook,
    entry: &Entry,
    program: &OwnedFd,
    revision: Option<u64>,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    match link_or_program(entry, session)? {
        Ok(link) => {
            at_revision(hook, revision, session)?;
            let kernel = session.env.bpf();
            is_at(hook, &link, kernel)?;
            link.update(program, None, kernel).map_err(|e| failed(&e))
        }
        Err(id) => {
            let old = program_of(hook, id, session)?;
            let kernel = session.env.bpf();
            tcx::replace(hook, program, &old, revision, kernel).map_err(|e| failed(&e))
        }
    }
}

/// The kernel checks no revision for links: what can be done is to look before.
fn at_revision(hook: Hook, revision: Option<u64>, session: &mut Session<'_>) -> Result<(), Error> {
    let Some(wanted) = revision else { return Ok(()) };
    let now = list(hook, session)?.revision;
    if now == wanted {
        return Ok(());
    }
    let line = format!("TCX: the list of programs has changed; its revision is now {now}");
    Err(Error::new(2, line))
}

/// A link named by its id or pin may be of another hook.
fn is_at(hook: Hook, link: &Link, kernel: &mut dyn tc_bpf_loader::sys::Bpf) -> Result<(), Error> {
    let info = link.info(kernel).map_err(|e| failed(&e))?;
    let found = tcx::query(hook, kernel).map_err(|e| failed(&e))?;
    match found.entries.iter().any(|entry| entry.link_id == Some(info.id)) {
        true => Ok(()),
        false => Err(failed(&TcxError::Absent)),
    }
}

fn delete(
    hook: Hook,
    entry: &Entry,
    revision: Option<u64>,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    match link_or_program(entry, session)? {
        Ok(link) => {
            at_revision(hook, revision, session)?;
            let kernel = session.env.bpf();
            is_at(hook, &link, kernel)?;
            link.detach(kernel).map_err(|e| failed(&e))?;
            if let Entry::Pinned(path) = entry {
                // What it held is gone; a pin that cannot be removed holds nothing.
                let unpinned = kernel.unlink(Path::new(path));
                return unpinned.map_err(|e| {
                    let why = e.to_io();
                    Error::new(1, format_args!("Cannot remove {}: {why}", path.to_string_lossy()))
                });
            }
            Ok(())
        }
        Err(id) => {
            let program = program_of(hook, id, session)?;
            let kernel = session.env.bpf();
            tcx::detach(hook, &program, revision, kernel).map_err(|e| failed(&e))
        }
    }
}

fn delete_all(hook: Hook, revision: Option<u64>, session: &mut Session<'_>) -> Result<(), Error> {
    at_revision(hook, revision, session)?;
    for entry in list(hook, session)?.entries {
        let entry = Entry::Id(match entry.link_id {
            Some(link) => Anchor::Link(link),
            None => Anchor::Program(entry.prog_id),
        });
        delete(hook, &entry, None, session)?;
    }
    Ok(())
}
