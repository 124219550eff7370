//! What can be wrong with an object file, found without asking the kernel.

use std::error::Error;
use std::fmt;
use std::io;

/// Why an object could not be read, or a program in it not be prepared. Nothing here depends on the running kernel.
#[derive(Debug)]
#[non_exhaustive]
pub enum ObjectError {
    /// The file could not be read.
    #[non_exhaustive]
    Read {
        /// Path as given.
        file: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The bytes are no 64-bit ELF relocatable object at all.
    #[non_exhaustive]
    NotObject {
        /// Name of the object.
        file: String,
        /// What the bytes are instead, as far as that can be told, and what to do about it.
        found: String,
    },
    /// An ELF object, but for another processor.
    #[non_exhaustive]
    WrongMachine {
        /// Name of the object.
        file: String,
        /// ELF `e_machine`; BPF is 247.
        machine: u16,
    },
    /// The object contradicts itself or points outside of the file.
    #[non_exhaustive]
    Malformed {
        /// Name of the object.
        file: String,
        /// The part that is wrong: "section `maps`", "symbol `drop`".
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No program where one was looked for.
    #[non_exhaustive]
    NoProgram {
        /// Name of the object.
        file: String,
        /// What was looked for: "section `classifier`", "function `drop`".
        wanted: String,
        /// What there is instead.
        available: Listing,
    },
    /// More than one program fits.
    #[non_exhaustive]
    Ambiguous {
        /// Name of the object.
        file: String,
        /// What was looked for; `None` when nothing was chosen.
        wanted: Option<String>,
        /// What fits.
        available: Listing,
    },
    /// The object uses a feature that this loader lacks, in a place that matters to the chosen program.
    #[non_exhaustive]
    Unsupported {
        /// Name of the object.
        file: String,
        /// Function name of the program; `None` if no program was chosen yet.
        program: Option<String>,
        /// The feature and where it is used.
        what: String,
    },
    /// The object's byte order is not the machine's: it can be looked at, not loaded.
    #[non_exhaustive]
    ForeignByteOrder {
        /// Name of the object.
        file: String,
        /// Byte order of the object.
        object: crate::Endian,
    },
}

/// Programs of an object, for error messages: per section the functions in it. At most 64 functions are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Section name and the functions in that section, in file order.
    pub sections: Vec<(String, Vec<String>)>,
    /// How many more functions there are.
    pub omitted: usize,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sections.is_empty() {
            return f.write_str("no program at all");
        }
        for (i, (section, functions)) in self.sections.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "section `{section}`: ")?;
            for (j, function) in functions.iter().enumerate() {
                if j > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{function}()")?;
            }
        }
        if self.omitted > 0 {
            write!(f, " and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl ObjectError {
    /// Name of the object, as it was given to the reader.
    pub fn file(&self) -> &str {
        match self {
            ObjectError::Read { file, .. }
            | ObjectError::NotObject { file, .. }
            | ObjectError::WrongMachine { file, .. }
            | ObjectError::Malformed { file, .. }
            | ObjectError::NoProgram { file, .. }
            | ObjectError::Ambiguous { file, .. }
            | ObjectError::Unsupported { file, .. }
            | ObjectError::ForeignByteOrder { file, .. } => file,
        }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::Read { file, source } => write!(f, "cannot read {file}: {source}"),
            ObjectError::NotObject { file, found } => {
                write!(f, "{file} is not a BPF object: {found}")
            }
            ObjectError::WrongMachine { file, machine } => write!(
                f,
                "{file} is an object for {}, not for BPF: compile it with `clang -target bpf`",
                machine_name(*machine)
            ),
            ObjectError::Malformed { file, at, problem } => {
                write!(f, "{file} is damaged: {at}: {problem}")
            }
            ObjectError::NoProgram { file, wanted, available } => {
                write!(f, "no program in {wanted}; {file} has: {available}")
            }
            ObjectError::Ambiguous { file, wanted: Some(wanted), available } => {
                write!(f, "{wanted} of {file} names several programs, choose one: {available}")
            }
            ObjectError::Ambiguous { file, wanted: None, available } => {
                write!(f, "{file} has several programs, choose one by section or name: {available}")
            }
            ObjectError::Unsupported { file, program: Some(program), what } => {
                write!(f, "program `{program}` of {file} cannot be loaded: {what}")
            }
            ObjectError::Unsupported { file, program: None, what } => write!(f, "{file}: {what}"),
            ObjectError::ForeignByteOrder { file, object } => write!(
                f,
                "{file} is {object} and this machine is {}: compile it with `clang -target bpf`",
                crate::Endian::HOST
            ),
        }
    }
}

impl Error for ObjectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ObjectError::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What is wrong and where; becomes [`ObjectError::Malformed`] once the file's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: String,
    pub(crate) problem: String,
}

impl Fault {
    pub(crate) fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Fault { at: at.into(), problem: problem.into() }
    }

    pub(crate) fn in_file(self, file: &str) -> ObjectError {
        ObjectError::Malformed { file: file.to_owned(), at: self.at, problem: self.problem }
    }
}

/// Name of an ELF machine that users meet when they compile for the host by mistake.
fn machine_name(machine: u16) -> String {
    match machine {
        3 => "x86 (32 bit)".to_owned(),
        8 => "MIPS".to_owned(),
        20 => "PowerPC".to_owned(),
        21 => "PowerPC 64".to_owned(),
        22 => "S/390".to_owned(),
        40 => "ARM (32 bit)".to_owned(),
        62 => "x86-64".to_owned(),
        183 => "AArch64".to_owned(),
        243 => "RISC-V".to_owned(),
        258 => "LoongArch".to_owned(),
        263 => "Solana's BPF dialect".to_owned(),
        other => format!("ELF machine {other}"),
    }
}
