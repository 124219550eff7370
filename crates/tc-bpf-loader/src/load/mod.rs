//! From a program to a descriptor: type information, maps, instructions, in that order.

mod attach;
mod btf;
mod error;
mod externs;
mod hints;
mod inflate;
mod kconfig;
mod maps;
mod places;
mod plan;
mod symbols;
mod tables;
mod types;
mod verifier;

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

pub use error::{LoadError, MapRefused, PinRefused, ProgRefused, Unresolved};
pub use places::{Made, Places};
pub use tables::{Registered, Table};

use crate::btf::fixup;
use crate::insn::Insn;
use crate::prog::ProgType;
use crate::reloc::Linked;
use crate::reloc::core::{self, Poisoned};
use crate::section::SectionType;
use crate::spec::{ObjectSpec, ProgramSpec};
use crate::sys::{Bpf, Errno, Log, ProgBtf, ProgLoad};
use maps::Maker;
use plan::Plan;

use externs::Externs;
use types::{CoreTargets, KernelTypes};

/// First size of the verifier's log buffer; most logs fit.
const LOG_SIZE: u32 = 1 << 20;
/// Largest log buffer that is offered. Kernels from 5.2 take up to 1 GiB, those from 6.4 keep the end of what
/// doesn't fit, which is the part that tells the reason.
const MAX_LOG_SIZE: u32 = 256 << 20;
/// How often a load is tried that a signal interrupts.
const ATTEMPTS: usize = 5;

/// What to do when the kernel's types cannot be read.
const NO_TYPES: &str = "it is compiled to be adapted to the kernel's types (CO-RE); a kernel with \
    CONFIG_DEBUG_INFO_BTF has them, or give a file with them (`btf FILE`)";

/// When to ask the verifier for its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogMode {
    /// Only when a load fails: the load is repeated with a log at level 1. A good program loads several times faster
    /// without one.
    #[default]
    OnError,
    /// At once and at that level (bits: 1 what is checked, 2 every instruction's state, 4 statistics); kept on success.
    Always(u32),
}

/// How to load a program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Type to load it as, whatever its section is called.
    pub prog_type: ProgType,
    /// `enum bpf_attach_type`; 0, the default, for tc's filters and actions.
    pub expected_attach_type: u32,
    /// Device whose hardware is to run the program; `None`, the default, for the kernel.
    pub ifindex: Option<u32>,
    /// `BPF_F_*` flags of program load, default 0.
    pub flags: u32,
    /// The function, hook or tracepoint of the kernel that a program of type tracing or LSM is for, or the function of
    /// another program that one of type ext replaces; `TABLE:MEMBER` for one of type struct_ops, whose object says it
    /// as well. Default `None`.
    pub target: Option<String>,
    /// The program that `target` is a function of; `None`, the default: it is the kernel's.
    pub attach_to: Option<Arc<OwnedFd>>,
    /// Where the types are that the program is adapted to (CO-RE): a file of BTF or of ELF with a section `.BTF`.
    /// `None`, the default: the running kernel's own.
    pub btf: Option<PathBuf>,
    /// When to ask for a log.
    pub log: LogMode,
    /// Where maps are pinned that ask for it.
    pub places: Places,
    /// Whether a pinned map that is not as the object wants it is replaced by a new one, once the program is loaded.
    /// Contents are not copied, and programs that use the old map keep it. Default: that is an error.
    pub replace_pins: bool,
}

impl LoadOptions {
    /// The defaults for programs of that type.
    #[must_use]
    pub fn new(prog_type: ProgType) -> Self {
        LoadOptions {
            prog_type,
            expected_attach_type: 0,
            ifindex: None,
            flags: 0,
            target: None,
            attach_to: None,
            btf: None,
            log: LogMode::OnError,
            places: Places::default(),
            replace_pins: false,
        }
    }
}

impl LoadOptions {
    /// As the name of the program's section says by convention; `None` for names that say nothing.
    ///
    /// ```
    /// use tc_bpf_loader::{LoadOptions, ProgType};
    ///
    /// let options = LoadOptions::for_section("xdp.frags").unwrap();
    /// assert_eq!(options.prog_type, ProgType::XDP);
    /// ```
    pub fn for_section(section: &str) -> Option<Self> {
        let section = SectionType::of(section)?;
        Some(LoadOptions {
            expected_attach_type: section.expected_attach_type,
            flags: section.flags,
            target: section.target.map(str::to_owned),
            ..LoadOptions::new(section.prog_type)
        })
    }
}

/// A program in the kernel. It lives until the descriptor is closed and nothing is attached to it any more.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The program.
    pub fd: OwnedFd,
    /// The name it was given, at most 15 bytes.
    pub name: String,
    /// The maps it uses and those that are pinned, by their names in the object. The program keeps them alive; the
    /// descriptors are there to fill and read them.
    pub maps: Vec<(String, OwnedFd)>,
    /// The verifier's log; empty unless [`LogMode::Always`] was asked for.
    pub log: String,
    /// What was left out without harm, such as type information that the kernel refused.
    pub notes: Vec<String>,
    /// Program arrays that the object fills and that nothing pins: the kernel empties such an array once the last
    /// descriptor of it is closed, whatever programs use it, and tail calls then do nothing.
    pub emptied_on_close: Vec<String>,
    /// What was pinned and made for that, to be [taken back](Made::undo) if what the program is for fails.
    pub made: Made,
}

/// What all loads have in common, from an object or not.
struct Job<'a> {
    file: &'a str,
    section: &'a str,
    program: &'a str,
    license: &'a str,
    version: u32,
    /// Instructions that must not be reached, as the kernel lacks what they need.
    poisoned: &'a [Poisoned],
    /// BTF of modules, by the number that calls have.
    fd_array: &'a [BorrowedFd<'a>],
    target: attach::Target<'a>,
    options: &'a LoadOptions,
}

impl ProgramSpec<'_> {
    /// Creates the maps that the program uses, and programs for their slots, and loads it.
    ///
    /// Maps that are to be pinned are looked for first, and used if they are as the object wants them; one that is not is
    /// an error, or [replaced](LoadOptions::replace_pins). What the object
    /// does not refer to is not created, unless it is to be pinned.
    ///
    /// # Errors
    /// [`LoadError::Object`] before anything is asked of the kernel, [`LoadError::Map`], [`LoadError::Pin`] and
    /// [`LoadError::Program`] for what the kernel refuses. On error nothing is left behind.
    pub fn load(&self, options: &LoadOptions, kernel: &mut dyn Bpf) -> Result<Loaded, LoadError> {
        let load = |kernel: &mut dyn Bpf, made: &mut Made| self.load_noting(options, kernel, made);
        Made::noted(kernel, load).map(|(loaded, made)| Loaded { made, ..loaded })
    }

    fn load_noting(
        &self,
        options: &LoadOptions,
        kernel: &mut dyn Bpf,
        made: &mut Made,
    ) -> Result<Loaded, LoadError> {
        let spec = self.object();
        let mut plan = Plan::of(spec, &[*self])?;
        let mut types = KernelTypes::default();
        let mut parts = plan.load(spec, options, None, &mut types, kernel, made)?;
        let Some((fd, log)) = parts.programs.remove(&self.index()) else {
            // Cannot be: it is in the plan.
            return Err(spec.unsupported(Some(self.name()), "it is not there".to_owned()).into());
        };
        Ok(Loaded {
            fd,
            name: kernel_name(self.name()),
            maps: parts.maps,
            log,
            notes: parts.notes,
            emptied_on_close: parts.emptied_on_close,
            made: Made::default(),
        })
    }

    /// Loads one program whose maps are at hand.
    fn load_linked(
        &self,
        linked: &Linked<'_>,
        poisoned: &[Poisoned],
        btf: Option<&OwnedFd>,
        known: (&mut KernelTypes, &Externs, &LoadOptions),
        kernel: &mut dyn Bpf,
        notes: &mut Vec<String>,
    ) -> Result<(OwnedFd, String), LoadError> {
        let spec = self.object();
        let (types, externs, options) = known;
        let mut targets = types.share();
        let target =
            attach::target(options, spec.operations.get(&self.index()), &mut targets, kernel)
                .map_err(|problem| self.unresolved(problem, None))?;
        let fd_array = externs.fd_array(types, kernel);
        let job = Job {
            file: spec.file(),
            section: self.section(),
            program: self.name(),
            license: spec.license(),
            version: spec.version().unwrap_or(0),
            poisoned,
            fd_array: &fd_array,
            target,
            options,
        };
        let source = |insn: usize| self.source_line(linked, insn);
        let prog_btf = btf.filter(|_| !linked.func_info.is_empty()).map(|fd| ProgBtf {
            fd: fd.as_fd(),
            func_info: &linked.func_info,
            line_info: &linked.line_info,
        });
        job.load(&linked.insns, prog_btf, kernel, notes, &source)
    }

    /// Adapts the program to the kernel's types and gives it what it refers to there.
    fn adapt(
        &self,
        linked: &mut Linked<'_>,
        options: &LoadOptions,
        types: &mut KernelTypes,
        externs: &mut Externs,
        kernel: &mut dyn Bpf,
    ) -> Result<Vec<Poisoned>, LoadError> {
        let mut poisoned = Vec::new();
        if let Some(Ok(btf)) = self.object().btf.as_ref().filter(|_| !linked.core.is_empty()) {
            let applied = if core::needs_kernel(&linked.core) {
                let mut targets =
                    CoreTargets::new(options.btf.as_deref(), types, kernel).map_err(|problem| {
                        self.unresolved(problem, options.btf.is_none().then_some(NO_TYPES))
                    })?;
                core::apply(&linked.core, &mut linked.insns, btf, &mut targets)
            } else {
                core::apply(&linked.core, &mut linked.insns, btf, &mut core::NoTargets::new(btf))
            };
            poisoned = applied.map_err(|e| self.unresolved_at(linked, &e))?;
        }
        let missing = externs
            .resolve(self.object(), linked, types, kernel)
            .map_err(|e| self.unresolved_at(linked, &e))?;
        poisoned.extend(missing);
        Ok(poisoned)
    }

    fn unresolved(&self, problem: String, hint: Option<&str>) -> LoadError {
        LoadError::Unresolved(Box::new(Unresolved {
            file: self.object().file.clone(),
            section: self.section().to_owned(),
            program: self.name().to_owned(),
            problem,
            hint: hint.map(str::to_owned),
        }))
    }

    /// With the instruction that has the problem.
    fn unresolved_at(&self, linked: &Linked<'_>, (at, problem): &(usize, String)) -> LoadError {
        let line = self.source_line(linked, *at).map_or(String::new(), |l| format!(", at {l}"));
        self.unresolved(format!("{problem}{line} (insn {at})"), None)
    }

    /// File, line number and text of the source line that an instruction came from.
    fn source_line(&self, linked: &Linked<'_>, insn: usize) -> Option<String> {
        let Some(Ok(btf)) = &self.object().btf else {
            return None;
        };
        let after = linked.line_info.partition_point(|l| l.insn_off as usize <= insn);
        let line = linked.line_info.get(after.checked_sub(1)?)?;
        let path = btf.str_at(line.file_name_off);
        let file = path.rsplit('/').next().unwrap_or(path);
        let text = btf.text_at(line.line_off).replace(char::is_control, " ");
        Some(format!("{file}:{} `{}`", line.line_col >> 10, text.trim()))
    }
}

/// What the loads of a plan have made.
struct Parts {
    /// Programs and the verifier's logs, by index.
    programs: BTreeMap<usize, (OwnedFd, String)>,
    maps: Vec<(String, OwnedFd)>,
    notes: Vec<String>,
    emptied_on_close: Vec<String>,
    btf: Option<OwnedFd>,
}

/// How the programs of a table are loaded, by index.
type Operations<'a> = Option<&'a BTreeMap<usize, LoadOptions>>;

impl Plan<'_> {
    /// Creates the maps and loads the programs. Type information is loaded if it is of use to them, or to the table that
    /// they are for.
    fn load(
        &mut self,
        spec: &ObjectSpec,
        base: &LoadOptions,
        operations: Operations<'_>,
        types: &mut KernelTypes,
        kernel: &mut dyn Bpf,
        made: &mut Made,
    ) -> Result<Parts, LoadError> {
        let mut externs = Externs::default();
        let mut poisoned = Vec::with_capacity(self.programs.len());
        for (program, linked) in &mut self.programs {
            poisoned.push(program.adapt(linked, base, types, &mut externs, kernel)?);
        }
        let mut notes = Vec::new();
        let wants_btf = operations.is_some() || self.wants_btf();
        let btf = if wants_btf { load_btf(spec, kernel, &mut notes) } else { None };
        let mut maker = Maker {
            spec,
            btf: btf.as_ref().map(OwnedFd::as_fd),
            ifindex: base.ifindex.unwrap_or(0),
            places: &base.places,
            made,
            notes: &mut notes,
            kernel,
            fds: BTreeMap::new(),
            replaces: base.replace_pins,
            replaced: Vec::new(),
        };
        for index in &self.maps {
            maker.need(*index)?;
        }
        maker.put_maps(&self.maps)?;
        // The programs of slots, then the one that is meant, which comes before them in the plan.
        let mut programs = BTreeMap::new();
        for ((program, linked), poisoned) in self.programs.iter_mut().zip(&poisoned).rev() {
            let own = operations.and_then(|each| each.get(&program.index()));
            maker.put_descriptors(linked);
            let kernel = &mut *maker.kernel;
            let btf = btf.as_ref();
            let known = (&mut *types, &externs, own.unwrap_or(base));
            let loaded = program.load_linked(linked, poisoned, btf, known, kernel, maker.notes)?;
            programs.insert(program.index(), loaded);
        }
        let emptied_on_close = maker.put_programs(&self.maps, &programs)?;
        maker.put_pins()?;
        let mut fds = maker.fds;
        let named = |index: usize| {
            let name = spec.maps.get(index).map(|m| m.name.clone()).unwrap_or_default();
            Some((name, fds.remove(&index)?))
        };
        let mut maps: Vec<_> = self.maps.iter().copied().filter_map(named).collect();
        maps.extend(externs.kconfig.map(|(fd, _)| (".kconfig".to_owned(), fd)));
        Ok(Parts { programs, maps, notes, emptied_on_close, btf })
    }
}

/// Loads the object's type information. Never fails: programs run without it.
fn load_btf(spec: &ObjectSpec, kernel: &mut dyn Bpf, notes: &mut Vec<String>) -> Option<OwnedFd> {
    let types = match spec.btf.as_ref()? {
        Ok(types) => types,
        Err(fault) => {
            notes.push(format!("type information not loaded: {}: {}", fault.at, fault.problem));
            return None;
        }
    };
    let bytes = fixup::for_kernel(types, &spec.elf);
    btf::load(&bytes, kernel, notes)
}

/// Loads instructions that come from no object. `name` and `license` may be empty.
///
/// Map descriptors are already in the instructions, see [`Insn::ld_map_fd`].
///
/// ```no_run
/// # use tc_bpf_loader::{Insn, LoadError, LoadOptions, ProgType, load_insns, sys::Kernel};
/// // r0 = TC_ACT_SHOT; exit
/// let drop = [Insn::new(0xb7, 0, 0, 0, 2), Insn::new(Insn::EXIT, 0, 0, 0, 0)];
/// let loaded = load_insns(&drop, "drop", "", &LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)?;
/// # Ok::<(), LoadError>(())
/// ```
///
/// # Errors
/// [`LoadError::Program`].
pub fn load_insns(
    insns: &[Insn],
    name: &str,
    license: &str,
    options: &LoadOptions,
    kernel: &mut dyn Bpf,
) -> Result<Loaded, LoadError> {
    let job = Job {
        file: "",
        section: "",
        program: name,
        license,
        version: 0,
        poisoned: &[],
        fd_array: &[],
        target: attach::Target::default(),
        options,
    };
    let mut notes = Vec::new();
    let (fd, log) = job.load(insns, None, kernel, &mut notes, &|_| None)?;
    Ok(Loaded {
        fd,
        name: kernel_name(name),
        maps: Vec::new(),
        log,
        notes,
        emptied_on_close: Vec::new(),
        made: Made::default(),
    })
}

impl Job<'_> {
    fn load(
        &self,
        insns: &[Insn],
        btf: Option<ProgBtf<'_>>,
        kernel: &mut dyn Bpf,
        notes: &mut Vec<String>,
        source: &dyn Fn(usize) -> Option<String>,
    ) -> Result<(OwnedFd, String), LoadError> {
        let name = kernel_name(self.program);
        let mut request = ProgLoad {
            name: &name,
            flags: self.options.flags,
            kern_version: self.version,
            ifindex: self.options.ifindex.unwrap_or(0),
            expected_attach_type: self
                .target
                .operation
                .unwrap_or(self.options.expected_attach_type),
            btf,
            fd_array: self.fd_array,
            attach_btf_id: self.target.btf_id,
            attach_to: self.target.of,
            ..ProgLoad::new(self.options.prog_type, insns, self.license)
        };
        let mut log = match self.options.log {
            LogMode::OnError => None,
            LogMode::Always(level) => Some(Log::new(level.max(1), LOG_SIZE)),
        };
        let mut result = attempt(&request, log.as_mut(), kernel);
        // The kernel may dislike what the object tells about its functions and lines, rather than the program.
        if matches!(result, Err(Errno::EINVAL)) && request.btf.is_some() {
            request.btf = None;
            if let Ok(fd) = attempt(&request, log.as_mut(), kernel) {
                notes.push(
                    "the kernel refused the program's function and line information".to_owned(),
                );
                return Ok((fd, log.map_or_else(String::new, |l| l.text)));
            }
            request.btf = btf;
        }
        // Nothing was verified yet when these occur, so there is no log to be had.
        let no_log = matches!(result, Err(Errno::EPERM | Errno::ENOSYS | Errno::ENOMEM));
        if result.is_err() && log.is_none() && !no_log {
            result = attempt(&request, Some(log.insert(Log::new(1, LOG_SIZE))), kernel);
        }
        while let (Err(Errno::ENOSPC), Some(last)) = (&result, &log) {
            let size = grown(last);
            if size <= last.size {
                // No log is large enough: that must not decide about the program.
                result = attempt(&request, None, kernel);
                break;
            }
            result = attempt(&request, Some(log.insert(Log::new(last.level, size))), kernel);
        }
        let log = log.map_or_else(String::new, |l| l.text);
        match result {
            Ok(fd) if self.options.log == LogMode::OnError => Ok((fd, String::new())),
            Ok(fd) => Ok((fd, log)),
            Err(errno) => {
                let summary = verifier::summary(&log, source);
                let refused = ProgRefused::new(errno, self, &log, insns.len(), summary, kernel);
                Err(LoadError::Program(Box::new(refused)))
            }
        }
    }
}

/// The size to try after a log did not fit.
fn grown(log: &Log) -> u32 {
    log.true_size
        .filter(|size| *size > log.size)
        .unwrap_or_else(|| log.size.saturating_mul(2))
        .min(MAX_LOG_SIZE)
}

fn attempt(
    request: &ProgLoad<'_>,
    mut log: Option<&mut Log>,
    kernel: &mut dyn Bpf,
) -> Result<OwnedFd, Errno> {
    let mut result = Err(Errno::EAGAIN);
    for _ in 0..ATTEMPTS {
        result = charged(kernel, |kernel| kernel.prog_load(request, log.as_deref_mut()));
        if !matches!(result, Err(Errno::EAGAIN)) {
            break;
        }
    }
    result
}

/// Asks again with more memory allowed to be locked, which old kernels count maps and programs as.
fn charged(
    kernel: &mut dyn Bpf,
    mut ask: impl FnMut(&mut dyn Bpf) -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    match ask(kernel) {
        Err(Errno::EPERM) if kernel.raise_memory_limit() => ask(kernel),
        result => result,
    }
}

/// A name as the kernel takes it: 15 letters, digits, `_` or `.`.
fn kernel_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' })
        .take(15)
        .collect()
}
