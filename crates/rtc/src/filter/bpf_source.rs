//! Where the program of a `bpf` filter or action comes from: the words for it, and files, pins and
//! objects turned into something that the kernel takes.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use tc_bpf_loader::cbpf::{self, Assembly, BytecodeError, SockFilter};
use tc_bpf_loader::{Made, ProgType, info, pin};
use tc_proto::client::errno_text;
use tc_proto::filter::bpf::ClassicInsn;

use super::classic;
use super::object_source::{self, Wanted};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::{Error, io_text};
use crate::kinds::cut;

/// The longest name that the kernel takes (`CLS_BPF_NAME_LEN` is one more).
const MAX_NAME: usize = 255;

/// Where the program comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Bytecode(Vec<SockFilter>),
    BytecodeFile(OsString),
    Asm(Assembly),
    AsmFile(OsString),
    Object(Wanted),
    Pinned(OsString),
}

/// A program that is at hand.
#[derive(Debug)]
pub(crate) enum ReadyProgram {
    /// With what is to be said of its text.
    Classic(Vec<ClassicInsn>, String),
    Extended {
        fd: OwnedFd,
        name: String,
        log: String,
        made: Made,
    },
}

impl ReadyProgram {
    /// Takes back what was pinned for it.
    pub(crate) fn undo(&self, env: &mut dyn Env) {
        if let ReadyProgram::Extended { made, .. } = self {
            made.undo(env.bpf());
        }
    }
}

/// What a program is for.
#[derive(Debug)]
pub(crate) struct Role {
    /// The section that is meant when none is named.
    pub(crate) default_section: &'static str,
    pub(crate) program_type: ProgType,
    /// What tc says last when the words or the files that they name cannot be read.
    pub(crate) not_parsed: &'static str,
    /// What tc says last when the kernel or the loader refuses the program.
    pub(crate) not_loaded: &'static str,
}

/// A program that classifies.
pub(crate) const FILTER: Role = Role {
    default_section: "classifier",
    program_type: ProgType::SCHED_CLS,
    not_parsed: "Unable to parse bpf command line",
    not_loaded: "Unable to load program",
};

/// A program that is an action; what tc says last is said of all actions.
pub(crate) const ACTION: Role = Role {
    default_section: "action",
    program_type: ProgType::SCHED_ACT,
    not_parsed: "",
    not_loaded: "",
};

/// Reads the words that name the program.
pub(crate) fn parse(word: &str, role: &Role, args: &mut Args<'_>) -> Result<Source, Error> {
    // An old word that says nothing.
    let word = if abbreviates(word, "run") { args.value()? } else { word };
    let found = if abbreviates(word, "bytecode") || word == "bc" {
        let insns = cbpf::parse_bytecode(args.value()?);
        Source::Bytecode(insns.map_err(|e| bad_bytecode(&e, role).at(args.last()))?)
    } else if abbreviates(word, "bytecode-file") || word == "bcf" {
        Source::BytecodeFile(args.file()?.to_owned())
    } else if word == "asm" {
        let assembled = classic::assemble(args.value()?, cbpf::assemble);
        Source::Asm(assembled.map_err(|e| not_assembled(e, role).at(args.last()))?)
    } else if word == "asm-file" {
        Source::AsmFile(args.file()?.to_owned())
    } else if abbreviates(word, "object-file") || word == "obj" {
        parse_object(args)?
    } else if ["object-pinned", "pinned", "fd"].iter().any(|name| abbreviates(word, name)) {
        Source::Pinned(args.file()?.to_owned())
    } else {
        let line = format!("What mode is \"{word}\"?\n{}", role.not_parsed);
        return Err(Error::refused(line).at(args.last()));
    };
    Ok(found)
}

/// `FILE [section NAME] [program NAME] [export SOCKET] [verbose] [btf FILE] [log-file FILE] [replace-pins]`,
/// in this order.
fn parse_object(args: &mut Args<'_>) -> Result<Source, Error> {
    let mut wanted = Wanted { file: args.file()?.to_owned(), ..Wanted::default() };
    if args.take_abbreviation("section") {
        wanted.section = Some(args.value()?.into());
    }
    if args.take("program") {
        wanted.program = Some(args.value()?.into());
    }
    if args.take_abbreviation("export") {
        wanted.export = Some(args.file()?.to_owned());
    }
    wanted.last_words(args)?;
    Ok(Source::Object(wanted))
}

/// Classic bytecode that cannot be read.
fn bad_bytecode(e: &BytecodeError, role: &Role) -> Error {
    let said = match e {
        BytecodeError::Less { .. } => {
            "Parsed program length is less than encoded length parameter!\n".into()
        }
        BytecodeError::More { .. } => {
            "Real program length exceeds encoded length parameter!\n".into()
        }
        BytecodeError::At { index, .. } => format!("Error at instruction {index}!\n"),
        _ => String::new(),
    };
    Error::refused(format_args!("{said}{}", role.not_parsed)).hint(e.to_string())
}

/// Reads, opens or loads the program; for the device `ifindex` when it shall run there only.
pub(crate) fn resolve(
    source: Source,
    role: &Role,
    ifindex: Option<u32>,
    env: &mut dyn Env,
) -> Result<ReadyProgram, Error> {
    match source {
        Source::Bytecode(insns) => Ok(classic(&insns, &[])),
        Source::BytecodeFile(file) => {
            let insns = cbpf::parse_bytecode_file(&read(&file, role, env)?);
            Ok(classic(&insns.map_err(|e| bad_bytecode(&e, role))?, &[]))
        }
        Source::Asm(assembly) => Ok(classic(&assembly.insns, &assembly.notes)),
        Source::AsmFile(file) => {
            let text = read(&file, role, env)?;
            let shown = file.to_string_lossy();
            let assembly = classic::assemble(&text, cbpf::assemble_file)
                .map_err(|e| not_assembled(format!("{shown}: {e}"), role))?;
            Ok(classic(&assembly.insns, &assembly.notes))
        }
        Source::Pinned(file) => {
            let fd =
                pin::get(Path::new(&file), env.bpf()).map_err(|e| not_pinned(&file, &e, role))?;
            info::check_program(fd.as_fd(), role.program_type, env.bpf()).map_err(|e| {
                Error::refused(role.not_parsed).hint(format!("{}: {e}", file.to_string_lossy()))
            })?;
            let name = annotation(&file, "*fsobj");
            Ok(ReadyProgram::Extended { fd, name, log: String::new(), made: Made::default() })
        }
        Source::Object(wanted) => object_source::resolve(&wanted, role, ifindex, env),
    }
}

fn classic(insns: &[SockFilter], notes: &[String]) -> ReadyProgram {
    let insns = insns.iter().map(|i| ClassicInsn { code: i.code, jt: i.jt, jf: i.jf, k: i.k });
    let notes = notes.iter().map(|note| classic::note(note)).collect();
    ReadyProgram::Classic(insns.collect(), notes)
}

/// Assembler text that is no program.
fn not_assembled(why: String, role: &Role) -> Error {
    Error::refused(role.not_parsed).hint(why)
}

fn read(file: &OsStr, role: &Role, env: &mut dyn Env) -> Result<String, Error> {
    let mut text = Vec::new();
    let read = env.open(Path::new(file)).and_then(|mut input| input.read_to_end(&mut text));
    read.map_err(|e| unreadable(file, &e, role))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn unreadable(file: &OsStr, e: &std::io::Error, role: &Role) -> Error {
    let why = io_text(e);
    let hint = format!("{}: {why}", file.to_string_lossy());
    // tc opens a directory without complaint and then finds nothing in it.
    let error = match e.kind() {
        std::io::ErrorKind::IsADirectory => Error::refused(role.not_parsed),
        _ => Error::refused(format_args!("Cannot fopen: {why}\n{}", role.not_parsed)),
    };
    error.hint(hint)
}

fn not_pinned(file: &OsStr, e: &pin::PinError, role: &Role) -> Error {
    let pin::PinError::Open { errno, hint, .. } = e else {
        return Error::refused(role.not_parsed).hint(e.to_string());
    };
    let (shown, why) = (file.to_string_lossy(), errno_text(errno.0));
    let line = format!("Couldn't retrieve pinned program '{shown}': {why}\n{}", role.not_parsed);
    hint.iter().fold(Error::refused(line), Error::hint)
}

/// What listings call the program: `FILE:[PLACE]`, without the file's directory.
pub(crate) fn annotation(file: &OsStr, place: &str) -> String {
    let base = Path::new(file).file_name().unwrap_or(file).to_string_lossy();
    cut(&format!("{base}:[{place}]").replace('\0', "?"), MAX_NAME).to_owned()
}
