//! `register` and `unregister`: tables of operations (`struct_ops`), such as a qdisc or congestion control of programs.

use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::path::Path;

use tc_bpf_loader::struct_ops::{Table, TableSpec};
use tc_bpf_loader::{Errno, MapType, ObjectSpec, pin};

use super::{Session, Step, bad_object, end};
use crate::args::Args;
use crate::error::{Error, io_text};
use crate::filter::object_source::{self, Wanted};

/// The line that comes before the reasons.
const FAILED: &str = "Unable to register the table";
/// `BPF_LINK_TYPE_STRUCT_OPS`.
const LINK_TYPE: u32 = 9;

pub(super) fn register(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let mut wanted = Wanted { file: args.file()?.to_owned(), ..Wanted::default() };
    let place = args.last();
    let name = if args.take("table") { Some(args.value()?) } else { None };
    let name_place = args.last();
    let pin = if args.take("pin") { Some(args.file()?.to_owned()) } else { None };
    wanted.last_words(args)?;
    end(args)?;
    let file = Path::new(&wanted.file);
    let object =
        session.env.object(file).map_err(|e| bad_object(&wanted.file, &e).at(place.clone()))?;
    let place = if name.is_some() { name_place } else { place };
    let table = chosen(&object, name).map_err(|e| e.at(place))?;
    if table.by_link() && pin.is_none() {
        let hint = format!(
            "`{}` is in use as long as a link is open (section `{}`), which rtc closes when it ends: say `pin PATH`",
            table.name(),
            table.section()
        );
        return Err(Error::invalid(FAILED).hint(hint));
    }
    let table = object_source::load_table(&table, &object, &wanted, FAILED, &mut *session.env)?;
    let said = object_source::said(&table.log, &table.notes, &object, &wanted, &mut *session.env);
    session.complain(&said);
    put(table, &wanted, pin.as_deref(), session)?;
    Ok(Step::Done)
}

/// The table of that name, or the only one.
fn chosen<'a>(object: &'a ObjectSpec, name: Option<&str>) -> Result<TableSpec<'a>, Error> {
    let fitting: Vec<_> =
        object.tables().filter(|table| name.is_none_or(|name| table.name() == name)).collect();
    if let [only] = fitting[..] {
        return Ok(only);
    }
    let names: Vec<_> = object
        .tables()
        .take(64)
        .map(|table| format!("`{}` ({})", table.name(), table.type_name()))
        .collect();
    let hint = match names.is_empty() {
        true => format!("{} has none: no variable in `.struct_ops`", object.file()),
        false => format!("{} has {}", object.file(), names.join(", ")),
    };
    let line = match name {
        Some(name) => format!("There is no table \"{name}\""),
        None if names.is_empty() => "There is no table".to_owned(),
        None => "Which table? Say \"table NAME\"".to_owned(),
    };
    Err(Error::invalid(line).hint(hint))
}

/// Has the kernel use it, and tells what can undo that.
fn put(
    table: Table,
    wanted: &Wanted,
    pin: Option<&OsStr>,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    let (name, type_name) = (table.name.clone(), table.type_name.clone());
    let registered = table
        .register(session.env.bpf())
        .map_err(|e| object_source::refused(&e, FAILED, wanted, &mut *session.env))?;
    let kernel = session.env.bpf();
    let map = kernel.map_info(registered.map.as_fd()).map(|info| info.id);
    if let Some(path) = pin {
        if let Err(e) = registered.pin(Path::new(path), kernel) {
            registered.made.undo(kernel);
            _ = registered.unregister(kernel);
            let shown = path.to_string_lossy();
            let line = format!("Cannot pin to {shown}: {}", io_text(&e.to_io()));
            let hint = format!("{shown} must be in a BPF file system, and free");
            return Err(Error::new(1, line).hint(hint));
        }
    }
    session.out.document(|out| {
        out.entry(|out| {
            out.field("table", &*name, format_args!("table {name} "));
            out.field("type", &*type_name, format_args!("type {type_name} "));
            if let Ok(id) = map {
                out.field("id", id, format_args!("id {id} "));
            }
            if let Some(path) = pin {
                let shown = path.to_string_lossy();
                out.field("pinned", &*shown, format_args!("pinned {shown} "));
            }
            out.newline();
        });
    });
    Ok(())
}

pub(super) fn unregister(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    if args.take("id") {
        let word = args.value()?;
        let place = args.last();
        let id: u32 =
            word.parse().map_err(|_| Error::wrong(word, "invalid id").at(place.clone()))?;
        end(args)?;
        let kernel = session.env.bpf();
        let failed = |e: Errno| {
            Error::new(1, format_args!("Cannot unregister table {id}: {}", io_text(&e.to_io())))
        };
        let map = kernel.map_by_id(id).map_err(|e| failed(e).at(place.clone()))?;
        let info = kernel.map_info(map.as_fd()).map_err(failed)?;
        if info.map_type != MapType::STRUCT_OPS {
            let hint = format!("map {id} is a {}, no table", info.map_type);
            return Err(Error::new(1, format_args!("Cannot unregister {id}")).hint(hint).at(place));
        }
        return match kernel.map_delete(map.as_fd(), &[0; 4]) {
            Ok(()) => Ok(Step::Done),
            Err(e) if e.0 == libc::EOPNOTSUPP => {
                Err(failed(e).hint("a link holds it: unregister what the link is pinned as"))
            }
            Err(e) => Err(failed(e)),
        };
    }
    let path = args.file()?.to_owned();
    let place = args.last();
    end(args)?;
    unpin(&path, session).map_err(|e| e.at(place))?;
    Ok(Step::Done)
}

/// Takes what is pinned there out of use, and removes the pin.
fn unpin(path: &OsStr, session: &mut Session<'_>) -> Result<(), Error> {
    let shown = path.to_string_lossy();
    let path = Path::new(path);
    let kernel = session.env.bpf();
    let fd = pin::get(path, kernel).map_err(|e| Error::new(1, e))?;
    let failed = |e: Errno| {
        Error::new(
            1,
            format_args!("Cannot unregister what is pinned at {shown}: {}", io_text(&e.to_io())),
        )
    };
    let kind = kernel.fd_kind(fd.as_fd()).map_err(failed)?;
    let done = match kind.trim_matches(['[', ']']) {
        "bpf_link" | "bpf-link" => {
            let link_type = kernel.link_info(fd.as_fd()).map_err(failed)?.link_type;
            if link_type != LINK_TYPE {
                return Err(Error::new(1, format_args!("{shown} is a link of another kind")));
            }
            match kernel.link_detach(fd.as_fd()) {
                // Older kernels: it goes with the pin and this descriptor.
                Err(e) if e.0 == libc::EOPNOTSUPP => Ok(()),
                result => result,
            }
        }
        "bpf-map" => {
            let map_type = kernel.map_info(fd.as_fd()).map_err(failed)?.map_type;
            if map_type != MapType::STRUCT_OPS {
                return Err(Error::new(1, format_args!("{shown} is a map of type {map_type}")));
            }
            kernel.map_delete(fd.as_fd(), &[0; 4])
        }
        other => return Err(Error::new(1, format_args!("{shown} is no table, but a {other}"))),
    };
    match done {
        // Unregistered already, by its id for example.
        Ok(()) | Err(Errno::ENOENT) => kernel.unlink(path).map_err(failed),
        Err(e) => Err(failed(e)),
    }
}
