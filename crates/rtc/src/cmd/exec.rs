//! `exec`: maps received from a socket, the trace of programs, and programs put into pinned program arrays.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use tc_bpf_loader::sys::MapInfo;
use tc_bpf_loader::{Made, MapType, ProgType, info, pin};
use tc_proto::client::errno_text;
use tc_proto::units::{Base, parse_u32};

use super::{Session, Step};
use crate::args::{Args, abbreviates};
use crate::error::{Error, io_text};
use crate::filter::bpf_source::{ACTION, FILTER, Role};
use crate::filter::object_source::{self, MAX_MESSAGE, Wanted};

const USAGE: &str = "\
Usage: tc exec KIND ...
KIND is bpf; see \"tc exec bpf help\".
";

const BPF_USAGE: &str = "\
Usage: ... bpf import SOCKET [ run COMMAND ... ]
           waits at a Unix socket for the maps that a filter or an action sends (its word
           \"export\"), and runs the command, /bin/sh by default, with them: BPF_NUM_MAPS says
           how many they are, BPF_MAPn which descriptor the map of the number n has
       ... bpf debug
           copies to standard error what programs print (bpf_trace_printk)
       ... bpf graft MAP [ key KEY ] SOURCE
           puts a program into a slot of a pinned program array; the section ID/KEY of an
           object tells the key as well

SOURCE is one of:
  object-file FILE [ type { cls | act } ] [ section NAME ] [ verbose ]
  object-pinned FILE
";

/// What tc says of a key that it cannot find out.
const NO_KEY: &str = "Couldn't infer map key from section name! Please provide 'key' argument!";
/// Where the kernel's trace is, before it is looked for among what is mounted.
const TRACES: [&str; 4] =
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing", "/tracing", "/trace"];

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let Some(kind) = args.word()? else {
        return Err(Error::invalid("No command given, try \"tc exec help\"."));
    };
    if abbreviates(kind, "help") {
        session.complain(USAGE);
        return Ok(Step::Done);
    }
    if kind != "bpf" {
        // tc says nothing at all, and that all is well.
        session.complain(&format!("  hint: nothing is done: there is no exec {kind}, just bpf\n"));
        return Ok(Step::Done);
    }
    let Some(word) = args.word()? else { return Ok(Step::Done) };
    if abbreviates(word, "import") {
        import(args, session)?;
    } else if abbreviates(word, "debug") || word == "dbg" {
        debug(session)?;
    } else if abbreviates(word, "graft") {
        graft(args, session)?;
    } else {
        return Err(Error::invalid(BPF_USAGE));
    }
    Ok(Step::Done)
}

fn import(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<(), Error> {
    const FAILED: &str = "bpf: Could not receive fds!";
    let socket = PathBuf::from(args.file()?);
    let mut command = vec![OsString::from("/bin/sh")];
    if let Some(word) = args.word()? {
        if word != "run" {
            return Err(Error::invalid(BPF_USAGE));
        }
        command = vec![args.file()?.to_owned()];
        while args.left() > 0 {
            command.push(args.file()?.to_owned());
        }
    }
    let shown = socket.display();
    let received = session.env.receive_fds(&socket, MAX_MESSAGE);
    let (message, fds) = received.map_err(|(step, e)| {
        let place = if step == "recv fds from" { format!(" {shown}") } else { String::new() };
        Error::invalid(format_args!("Cannot {step}{place}: {}\n{FAILED}", io_text(&e)))
    })?;
    let Some(ids) = object_source::imported(&message, &fds) else {
        return Err(Error::invalid(format_args!("Cannot recv fds from {shown}\n{FAILED}"))
            .hint("the message is not what tc exports"));
    };
    let mut vars = vec![("BPF_NUM_MAPS".to_owned(), ids.len().to_string())];
    vars.extend(
        ids.iter().zip(&fds).map(|(id, fd)| (format!("BPF_MAP{id}"), fd.as_raw_fd().to_string())),
    );
    session.out.flush();
    let e = session.env.exec(&command, &vars, &fds);
    let shown = command.first().map(|c| c.to_string_lossy().into_owned()).unwrap_or_default();
    Err(Error::invalid(format_args!("cannot run {shown}: {}", io_text(&e))))
}

fn debug(session: &mut Session<'_>) -> Result<(), Error> {
    let mut mounted = String::new();
    if let Ok(file) = session.env.open(Path::new("/proc/mounts")) {
        _ = file.take(1 << 20).read_to_string(&mut mounted);
    }
    let others = mounted.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (place, kind) = (words.nth(1)?, words.next()?);
        (kind == "tracefs").then_some(place)
    });
    let mut pipe = TRACES
        .into_iter()
        .chain(others)
        .find_map(|place| session.env.open(&Path::new(place).join("trace_pipe")).ok());
    let Some(pipe) = &mut pipe else {
        let lines = "tracefs not mounted?\nNo trace pipe, tracefs not mounted?";
        return Err(Error::invalid(lines).hint("mount -t tracefs tracefs /sys/kernel/tracing"));
    };
    session.complain("Running! Hang up with ^C!\n\n");
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let text = buffer.get(..length).unwrap_or_default();
                if session.err.write_all(text).is_err() {
                    return Ok(());
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => {
                return Err(Error::invalid(format_args!("cannot read the trace: {}", io_text(&e))));
            }
        }
    }
}

/// A program that is to be put into an array.
struct Graft {
    fd: OwnedFd,
    prog_type: ProgType,
    /// The slot that the section names.
    key: Option<u32>,
    /// What the program needs to go on working.
    _maps: Vec<(String, OwnedFd)>,
    made: Made,
    log: String,
}

fn graft(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<(), Error> {
    let path = PathBuf::from(args.file()?);
    let mut key = None;
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    if args.take("key") {
        let word = args.value()?;
        let number = parse_u32(word, Base::Auto);
        key = Some(number.map_err(|e| {
            Error::illegal("key").with_status(255).at(args.last()).hint(e.to_string())
        })?);
    }
    let word = args.value()?;
    let program = if abbreviates(word, "object-file") || word == "obj" {
        from_object(args, key.is_some(), session)?
    } else if abbreviates(word, "object-pinned") || matches!(word, "pinned" | "fd") {
        from_pin(args, session)?
    } else {
        return Err(Error::invalid(format_args!("What mode is \"{word}\"?")).at(args.last()));
    };
    let result = match key.or(program.key) {
        None => Err(Error::new(EINVAL, NO_KEY)),
        Some(key) => {
            session.complain(&program.log);
            put(&path, key, &program, session)
        }
    };
    if result.is_err() {
        program.made.undo(session.env.bpf());
    }
    result
}

/// The status that tc returns for `EINVAL`, of which it takes the negative.
const EINVAL: u8 = 234;
/// The same for `ENOENT`.
const ENOENT: u8 = 254;

fn from_object(
    args: &mut Args<'_>,
    has_key: bool,
    session: &mut Session<'_>,
) -> Result<Graft, Error> {
    let mut wanted = Wanted { file: args.file()?.to_owned(), ..Wanted::default() };
    let mut role: &Role = &FILTER;
    if args.take("type") {
        role = match args.value()? {
            "cls" => &FILTER,
            "act" => &ACTION,
            other => {
                let error = Error::invalid(format_args!("What type is \"{other}\"?"));
                return Err(error.at(args.last()));
            }
        };
    }
    if args.take_abbreviation("section") {
        wanted.section = Some(args.value()?.into());
    }
    if args.take("program") {
        wanted.program = Some(args.value()?.into());
    }
    wanted.last_words(args)?;
    let inferred = wanted.section.as_deref().and_then(tc_bpf_loader::tail_call_slot);
    if !has_key && wanted.program.is_none() && inferred.is_none() {
        return Err(Error::new(EINVAL, NO_KEY));
    }
    let role = Role { not_loaded: "", ..*role };
    let found = object_source::load(&wanted, &role, None, session.env).map_err(|e| {
        let unreadable = session.env.open(Path::new(&wanted.file)).is_err();
        e.with_status(if unreadable { 255 } else { ENOENT })
    })?;
    let object_source::FromObject { section, loaded, .. } = found;
    Ok(Graft {
        fd: loaded.fd,
        prog_type: role.program_type,
        key: tc_bpf_loader::tail_call_slot(&section),
        _maps: loaded.maps,
        made: loaded.made,
        log: loaded.log,
    })
}

fn from_pin(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Graft, Error> {
    let file = args.file()?;
    let shown = file.to_string_lossy();
    let failed = |why: String| {
        Error::invalid(format_args!("Couldn't retrieve pinned program '{shown}': {why}"))
    };
    let fd = pin::get(Path::new(file), session.env.bpf()).map_err(|e| match &e {
        pin::PinError::Open { errno, .. } => failed(errno_text(errno.0)),
        other => failed(other.to_string()),
    })?;
    let info = info::program(fd.as_fd(), session.env.bpf())
        .map_err(|e| failed(errno_text(libc_einval())).hint(e.to_string()))?;
    Ok(Graft {
        fd,
        prog_type: info.prog_type,
        key: None,
        _maps: Vec::new(),
        made: Made::default(),
        log: String::new(),
    })
}

fn libc_einval() -> i32 {
    tc_bpf_loader::Errno::EINVAL.0
}

/// Puts the program into the array that is pinned at `path`.
fn put(path: &Path, key: u32, program: &Graft, session: &mut Session<'_>) -> Result<(), Error> {
    let shown = path.display();
    let bpf = session.env.bpf();
    let map = pin::get(path, bpf).map_err(|e| {
        let why = match &e {
            pin::PinError::Open { errno, .. } => errno_text(errno.0),
            other => other.to_string(),
        };
        Error::invalid(format_args!("Couldn't retrieve pinned map '{shown}': {why}"))
    })?;
    let is_map = bpf.fd_kind(map.as_fd()).is_ok_and(|kind| kind == "bpf-map");
    let info = bpf.map_info(map.as_fd()).unwrap_or_default();
    if !is_map || info.map_type != MapType::PROG_ARRAY || info.key_size != 4 || info.value_size != 4
    {
        let lines = differences(&info);
        return Err(Error::new(
            EINVAL,
            format_args!(
                "Map specification differs from pinned file!\n{lines}\nMap '{shown}' self-check failed!"
            ),
        )
        .hint("a program goes into a program array only"));
    }
    let failed =
        |errno: i32| Error::invalid(format_args!("Map update failed: {}", errno_text(errno)));
    if let Some(owner) = bpf.prog_array_owner(map.as_fd()).filter(|t| *t != program.prog_type) {
        let (own, wanted) = (program.prog_type, owner);
        return Err(Error::invalid(format_args!(
            "Program array map owner types differ: {} (obj) != {} (pin)\nMap update failed: {}",
            own.0,
            wanted.0,
            errno_text(libc_einval())
        ))
        .hint(format!("the array holds {wanted} programs, this one is a {own} program")));
    }
    let value = number_of(program.fd.as_fd());
    bpf.map_update(map.as_fd(), &key.to_ne_bytes(), &value, 0).map_err(|errno| {
        let error = failed(errno.0);
        if key >= info.max_entries {
            error.hint(format!("the array has {} slots, from 0", info.max_entries))
        } else {
            error
        }
    })
}

fn number_of(fd: BorrowedFd<'_>) -> [u8; 4] {
    fd.as_raw_fd().to_ne_bytes()
}

/// How a map differs from a program array, as tc shows it.
fn differences(info: &MapInfo) -> String {
    let fields = [
        ("Type:        ", MapType::PROG_ARRAY.0, info.map_type.0),
        ("Size key:    ", 4, info.key_size),
        ("Size value:  ", 4, info.value_size),
        ("Max elems:   ", 0, info.max_entries),
        ("Flags:       ", 0, info.flags),
    ];
    let mut lines = String::new();
    for (label, wants, has) in fields.into_iter().filter(|(_, wants, has)| wants != has) {
        let number = |n: u32| {
            if label.starts_with("Flags") { format!("{n:#x}") } else { n.to_string() }
        };
        _ = writeln!(lines, " - {label} {} (obj) != {} (pin)", number(wants), number(has));
    }
    lines
}
