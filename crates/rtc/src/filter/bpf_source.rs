//! Where a `bpf` filter's program comes from: files, pins and objects, turned into something that
//! the kernel takes.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::path::Path;

use tc_bpf_loader::cbpf::{self, SockFilter};
use tc_bpf_loader::{LoadError, LoadOptions, LogMode, ObjectError, ProgType, Select};
use tc_bpf_loader::{info, pin};
use tc_proto::client::errno_text;
use tc_proto::filter::bpf::ClassicInsn;

use super::bpf::{ReadyProgram, Source, bad_bytecode};
use crate::env::Env;
use crate::error::{Error, io_text};

/// The section that is meant when none is named.
const DEFAULT_SECTION: &str = "classifier";
/// The longest name that the kernel takes (`CLS_BPF_NAME_LEN` is one more).
const MAX_NAME: usize = 255;
/// Lines of the verifier's log that are shown without `verbose`.
const LOG_LINES: usize = 20;
/// What tc says last when it has no program.
const NOT_LOADED: &str = "Unable to load program";
const NOT_PARSED: &str = "Unable to parse bpf command line";

/// Reads, opens or loads the program; for the device `ifindex` when it shall run there only.
pub(super) fn resolve(
    source: Source,
    ifindex: Option<u32>,
    env: &mut dyn Env,
) -> Result<ReadyProgram, Error> {
    match source {
        Source::Bytecode(insns) => Ok(classic(&insns)),
        Source::BytecodeFile(file) => {
            let mut text = Vec::new();
            env.open(Path::new(&file))
                .and_then(|mut input| input.read_to_end(&mut text))
                .map_err(|e| unreadable(&file, &e))?;
            let insns = cbpf::parse_bytecode_file(&String::from_utf8_lossy(&text));
            Ok(classic(&insns.map_err(|e| bad_bytecode(&e))?))
        }
        Source::Pinned(file) => {
            let fd = pin::get(Path::new(&file), env.bpf()).map_err(|e| not_pinned(&file, &e))?;
            info::check_program(fd.as_fd(), ProgType::SCHED_CLS, env.bpf()).map_err(|e| {
                Error::refused(NOT_PARSED).hint(format!("{}: {e}", file.to_string_lossy()))
            })?;
            let name = annotation(&file, "*fsobj");
            Ok(ReadyProgram::Extended { fd, name, log: String::new() })
        }
        Source::Object { file, section, program, verbose } => {
            let select = Select {
                section: section.as_deref(),
                program: program.as_deref(),
                default_section: DEFAULT_SECTION,
            };
            load(&file, &select, verbose, ifindex, env)
        }
    }
}

fn classic(insns: &[SockFilter]) -> ReadyProgram {
    let insns = insns.iter().map(|i| ClassicInsn { code: i.code, jt: i.jt, jf: i.jf, k: i.k });
    ReadyProgram::Classic(insns.collect())
}

fn unreadable(file: &OsStr, e: &std::io::Error) -> Error {
    let why = io_text(e);
    let hint = format!("{}: {why}", file.to_string_lossy());
    // tc opens a directory without complaint and then finds nothing in it.
    let error = match e.kind() {
        std::io::ErrorKind::IsADirectory => Error::refused(NOT_PARSED),
        _ => Error::refused(format_args!("Cannot fopen: {why}\n{NOT_PARSED}")),
    };
    error.hint(hint)
}

fn not_pinned(file: &OsStr, e: &pin::PinError) -> Error {
    let pin::PinError::Open { errno, hint, .. } = e else {
        return Error::refused(NOT_PARSED).hint(e.to_string());
    };
    let (shown, why) = (file.to_string_lossy(), errno_text(errno.0));
    let line = format_args!("Couldn't retrieve pinned program '{shown}': {why}\n{NOT_PARSED}");
    hint.iter().fold(Error::refused(line), Error::hint)
}

/// What listings call the program: `FILE:[PLACE]`, without the file's directory.
fn annotation(file: &OsStr, place: &str) -> String {
    let base = Path::new(file).file_name().unwrap_or(file).to_string_lossy();
    let mut name = format!("{base}:[{place}]").replace('\0', "?");
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

fn load(
    file: &OsStr,
    select: &Select<'_>,
    verbose: bool,
    ifindex: Option<u32>,
    env: &mut dyn Env,
) -> Result<ReadyProgram, Error> {
    let object = env.object(Path::new(file)).map_err(|e| bad_object(file, select, &e))?;
    let program = object.select(select).map_err(|e| bad_object(file, select, &e))?;
    let mut options = LoadOptions::new(ProgType::SCHED_CLS);
    options.ifindex = ifindex;
    if verbose {
        options.log = LogMode::Always(1);
    }
    let name = annotation(file, program.section());
    let loaded = program.load(&options, env.bpf()).map_err(|e| match &e {
        LoadError::Object(e) => bad_object(file, select, e),
        e => refused(e, verbose),
    })?;
    let mut log = loaded.log;
    for note in loaded.notes.iter().filter(|_| verbose) {
        _ = writeln!(log, "note: {note}");
    }
    Ok(ReadyProgram::Extended { fd: loaded.fd, name, log })
}

/// An object that cannot be used.
fn bad_object(file: &OsStr, select: &Select<'_>, e: &ObjectError) -> Error {
    let said = match e {
        ObjectError::Read { source, .. } => {
            let (shown, why) = (file.to_string_lossy(), io_text(source));
            format!("Error opening object {shown}: {why}\nCannot initialize ELF context!\n")
        }
        ObjectError::NotObject { .. } | ObjectError::WrongMachine { .. } => {
            "Cannot initialize ELF context!\n".into()
        }
        ObjectError::NoProgram { .. } => match (select.program, select.section) {
            (Some(program), _) => format!("object file doesn't contain prog {program}\n"),
            (None, section) => {
                format!("object file doesn't contain sec {}\n", section.unwrap_or(DEFAULT_SECTION))
            }
        },
        _ => String::new(),
    };
    Error::refused(format_args!("{said}{NOT_LOADED}")).hint(e.to_string())
}

/// A program or map that the kernel refused.
fn refused(e: &LoadError, verbose: bool) -> Error {
    let lines: Vec<_> = e.log().trim_end().lines().collect();
    let skipped = if verbose { 0 } else { lines.len().saturating_sub(LOG_LINES) };
    let mut said = String::new();
    if skipped > 0 {
        said = format!("({skipped} lines of the verifier's log left out; `verbose` shows them)\n");
    }
    for line in lines.iter().skip(skipped) {
        said.push_str(line);
        said.push('\n');
    }
    let error = Error::refused(format_args!("{said}{NOT_LOADED}")).hint(e.to_string());
    e.hint().into_iter().fold(error, Error::hint)
}
