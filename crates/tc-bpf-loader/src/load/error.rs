//! Why a program is not in the kernel.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use super::verifier::Summary;
use super::{Job, hints};
use crate::error::ObjectError;
use crate::map::MapSpec;
use crate::prog::ProgType;
use crate::reloc::core::POISON;
use crate::struct_ops;
use crate::sys::{Bpf, Errno};

/// Why a program could not be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The object does not allow it; the kernel was not asked.
    Object(ObjectError),
    /// The program needs something of the running kernel that is not there or not known.
    Unresolved(Box<Unresolved>),
    /// The kernel refused a map.
    Map(Box<MapRefused>),
    /// A map cannot be pinned where it is to be, or something else is there.
    Pin(Box<PinRefused>),
    /// The kernel refused the program.
    Program(Box<ProgRefused>),
}

/// A map that cannot be pinned, or not be had from where it is pinned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PinRefused {
    /// Name of the object.
    pub file: String,
    /// Name of the map in the object.
    pub map: String,
    /// Where it is to be pinned.
    pub path: PathBuf,
    /// How the map that is pinned there differs: "max_entries 1, object wants 2". Empty if it isn't that.
    pub differs: Vec<String>,
    /// The kernel's error, if it was one.
    pub errno: Option<Errno>,
    /// What was tried; may be empty.
    pub why: String,
    /// What to do about it, if known.
    pub hint: Option<String>,
}

/// A program, or a table of operations, that needs something of the running kernel that is not there or not known: a
/// type, a function, a value of its configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unresolved {
    /// Name of the object.
    pub file: String,
    /// Section of the program or table.
    pub section: String,
    /// Name of the program or table.
    pub program: String,
    /// What is needed and what is wrong with it.
    pub problem: String,
    /// What to do about it, if known.
    pub hint: Option<String>,
}

/// A map that the kernel refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MapRefused {
    /// The kernel's error.
    pub errno: Errno,
    /// Name of the object.
    pub file: String,
    /// Name of the map in the object.
    pub map: String,
    /// What was asked for: type, sizes, entries, flags.
    pub definition: String,
    /// What to do about it, if known.
    pub hint: Option<String>,
}

/// A program that the kernel refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProgRefused {
    /// The kernel's error.
    pub errno: Errno,
    /// Name of the object; empty for bare instructions.
    pub file: String,
    /// Section of the program; empty for bare instructions.
    pub section: String,
    /// Name of the program.
    pub program: String,
    /// The type it was loaded as.
    pub prog_type: ProgType,
    /// Number of instructions, called functions included.
    pub insn_count: usize,
    /// The verifier's reason: what is wrong with the last instruction, and after a colon why, if the log tells both.
    pub reason: Option<String>,
    /// The instruction that the verifier stopped at.
    pub insn: Option<usize>,
    /// Where that is in the source: "bad.c:3 `return d[20];`".
    pub source_line: Option<String>,
    /// What to do about it, if known.
    pub hint: Option<String>,
    /// The verifier's whole log.
    pub log: String,
}

impl MapRefused {
    pub(super) fn new(
        errno: Errno,
        file: &str,
        map: &MapSpec,
        definition: String,
        kernel: &mut dyn Bpf,
    ) -> Self {
        let hint = match errno {
            Errno::EPERM => kernel.explain_eperm(),
            Errno::EINVAL => Some(
                "this kernel may not know the type, or sizes, entries or flags don't suit it"
                    .to_owned(),
            ),
            Errno::E2BIG => {
                Some("the key or the value is larger than the kernel allows".to_owned())
            }
            Errno::ENOMEM => Some("there is not enough memory for that many entries".to_owned()),
            _ => None,
        };
        MapRefused { errno, file: file.to_owned(), map: map.name.clone(), definition, hint }
    }
}

impl ProgRefused {
    pub(super) fn new(
        errno: Errno,
        job: &Job<'_>,
        log: &str,
        insn_count: usize,
        summary: Summary,
        kernel: &mut dyn Bpf,
    ) -> Self {
        let poisoned = poisoned(job, &summary);
        let hint = match errno {
            Errno::EPERM => kernel.explain_eperm(),
            Errno::E2BIG => hints::find(log).map(str::to_owned).or_else(|| {
                Some(format!(
                    "{insn_count} instructions, or the states to check, are more than the kernel allows"
                ))
            }),
            Errno::EINVAL if log.is_empty() => {
                Some("this kernel may not know the program type or the attach type".to_owned())
            }
            Errno::EFAULT => Some("this is a bug of the kernel's verifier".to_owned()),
            Errno::ENOSYS => {
                Some("this kernel is built without BPF (CONFIG_BPF_SYSCALL)".to_owned())
            }
            _ if poisoned.is_some() => Some(
                "a program for several kernels asks before it uses such a thing: bpf_core_field_exists(), \
                 bpf_core_type_exists(), bpf_core_enum_value_exists(), bpf_ksym_exists()"
                    .to_owned(),
            ),
            _ => hints::find(log).map(str::to_owned),
        };
        ProgRefused {
            errno,
            file: job.file.to_owned(),
            section: job.section.to_owned(),
            program: job.program.to_owned(),
            prog_type: job.options.prog_type,
            insn_count,
            reason: poisoned.or(summary.message),
            insn: summary.insn,
            source_line: summary.source,
            hint,
            log: log.to_owned(),
        }
    }

    /// The reason and the place in one line, without the program's name.
    pub fn summary(&self) -> String {
        let mut text = self.reason.clone().unwrap_or_else(|| self.errno.to_string());
        if let Some(line) = &self.source_line {
            text.push_str(", at ");
            text.push_str(line);
        }
        if let Some(insn) = self.insn {
            text.push_str(" (insn ");
            text.push_str(&insn.to_string());
            text.push(')');
        }
        text
    }
}

/// What the program lacks, if the verifier stopped at an instruction that stands for something the kernel lacks.
fn poisoned(job: &Job<'_>, summary: &Summary) -> Option<String> {
    // invalid func unknown#195896080
    let (_, number) = summary.message.as_ref()?.split_once('#')?;
    if !number.starts_with(&POISON.to_string()) && !number.starts_with("2002") {
        return None;
    }
    let found = job.poisoned.iter().find(|p| Some(p.at) == summary.insn)?;
    Some(format!("it uses the {}, which this kernel does not have", found.what))
}

impl LoadError {
    /// The kernel's error number, if it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            LoadError::Object(_) | LoadError::Unresolved(_) => None,
            LoadError::Map(e) => Some(e.errno),
            LoadError::Pin(e) => e.errno,
            LoadError::Program(e) => Some(e.errno),
        }
    }

    /// The verifier's whole log; empty if there is none.
    pub fn log(&self) -> &str {
        match self {
            LoadError::Program(e) => &e.log,
            _ => "",
        }
    }

    /// What to do about it, if known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            LoadError::Object(_) => None,
            LoadError::Unresolved(e) => e.hint.as_deref(),
            LoadError::Map(e) => e.hint.as_deref(),
            LoadError::Pin(e) => e.hint.as_deref(),
            LoadError::Program(e) => e.hint.as_deref(),
        }
    }
}

impl fmt::Display for PinRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PinRefused { file, map, path, differs, errno, why, .. } = self;
        if !differs.is_empty() {
            let differs = differs.join("; ");
            return write!(f, "map `{map}` is already pinned at {} with {differs}", path.display());
        }
        write!(f, "map `{map}` of {file} asks to be pinned at {}", path.display())?;
        match (why.as_str(), errno) {
            ("", Some(errno)) => write!(f, ": {errno}"),
            (why, Some(errno)) => write!(f, ", but {why}: {errno}"),
            (why, None) => write!(f, ", but {why}"),
        }
    }
}

impl From<ObjectError> for LoadError {
    fn from(e: ObjectError) -> Self {
        LoadError::Object(e)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Object(e) => e.fmt(f),
            LoadError::Unresolved(e) => {
                let Unresolved { file, section, program, problem, .. } = &**e;
                let what = if struct_ops::is_section(section) { "table" } else { "program" };
                write!(
                    f,
                    "{what} `{program}` (section `{section}`, {file}) does not fit this kernel: {problem}"
                )
            }
            LoadError::Map(e) => {
                let MapRefused { errno, file, map, definition, .. } = &**e;
                write!(f, "kernel refused map `{map}` of {file} ({definition}): {errno}")
            }
            LoadError::Pin(e) => e.fmt(f),
            LoadError::Program(e) => {
                write!(f, "kernel rejected program `{}`", e.program)?;
                if !e.file.is_empty() {
                    write!(f, " (section `{}`, {})", e.section, e.file)?;
                }
                write!(f, ": {}", e.summary())
            }
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Displays as it does.
            LoadError::Object(e) => e.source(),
            LoadError::Unresolved(_) => None,
            LoadError::Map(e) => Some(&e.errno),
            LoadError::Pin(e) => e.errno.as_ref().map(|e| e as _),
            LoadError::Program(e) => Some(&e.errno),
        }
    }
}
