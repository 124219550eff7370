//! From a program to a descriptor: type information, maps, instructions, in that order.

mod error;
mod types;
mod verifier;

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub use error::{LoadError, MapRefused, ProgRefused, Unresolved};

use crate::btf::fixup;
use crate::error::ObjectError;
use crate::insn::{Endian, Insn};
use crate::map::{MapSpec, MapType, Pinning};
use crate::prog::ProgType;
use crate::reloc::Linked;
use crate::reloc::core::{self, Poisoned};
use crate::spec::ProgramSpec;
use crate::sys::{Bpf, Errno, Log, MapCreate, ProgBtf, ProgLoad};

use types::{CoreTargets, KernelTypes};

/// First size of the verifier's log buffer; most logs fit.
const LOG_SIZE: u32 = 1 << 20;
/// Largest log buffer that is offered. Kernels from 5.2 take up to 1 GiB, those from 6.4 keep the end of what
/// doesn't fit, which is the part that tells the reason.
const MAX_LOG_SIZE: u32 = 256 << 20;
/// How often a load is tried that a signal interrupts.
const ATTEMPTS: usize = 5;

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
    /// Where the types are that the program is adapted to (CO-RE): a file of BTF or of ELF with a section `.BTF`.
    /// `None`, the default: the running kernel's own.
    pub btf: Option<PathBuf>,
    /// When to ask for a log.
    pub log: LogMode,
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
            btf: None,
            log: LogMode::OnError,
        }
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
    /// The maps it uses, by their names in the object. The program keeps them alive; the descriptors are there to
    /// fill and read them.
    pub maps: Vec<(String, OwnedFd)>,
    /// The verifier's log; empty unless [`LogMode::Always`] was asked for.
    pub log: String,
    /// What was left out without harm, such as type information that the kernel refused.
    pub notes: Vec<String>,
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
    options: &'a LoadOptions,
}

impl ProgramSpec<'_> {
    /// Creates the maps that the program uses and loads it.
    ///
    /// # Errors
    /// [`LoadError::Object`] before anything is asked of the kernel, [`LoadError::Map`] and [`LoadError::Program`] for
    /// what the kernel refuses. On error nothing is left behind.
    pub fn load(&self, options: &LoadOptions, kernel: &mut dyn Bpf) -> Result<Loaded, LoadError> {
        let spec = self.object();
        if spec.endian() != Endian::HOST {
            let file = spec.file.clone();
            return Err(ObjectError::ForeignByteOrder { file, object: spec.endian() }.into());
        }
        let mut linked = self.link()?;
        for map in &linked.maps {
            self.refuse_map_features(map)?;
        }
        let mut types = KernelTypes::default();
        let poisoned = self.adapt(&mut linked, options, &mut types, kernel)?;
        let mut notes = Vec::new();
        let btf = self.load_btf(&linked, kernel, &mut notes);
        let mut maps = Vec::with_capacity(linked.maps.len());
        for map in &linked.maps {
            let fd =
                create_map(map, btf.as_ref(), options, kernel).map_err(|(errno, request)| {
                    LoadError::Map(Box::new(MapRefused::new(
                        errno,
                        spec.file(),
                        map,
                        request,
                        kernel,
                    )))
                })?;
            maps.push((map.name.clone(), fd));
        }
        for (at, slot) in &linked.map_refs {
            if let (Some(insn), Some((_, fd))) = (linked.insns.get_mut(*at), maps.get(*slot)) {
                insn.imm = fd.as_raw_fd();
            }
        }
        let job = Job {
            file: spec.file(),
            section: self.section(),
            program: self.name(),
            license: spec.license(),
            version: spec.version().unwrap_or(0),
            poisoned: &poisoned,
            options,
        };
        let source = |insn: usize| self.source_line(&linked, insn);
        let prog_btf = btf.as_ref().filter(|_| !linked.func_info.is_empty()).map(|fd| ProgBtf {
            fd: fd.as_fd(),
            func_info: &linked.func_info,
            line_info: &linked.line_info,
        });
        let (fd, log) = job.load(&linked.insns, prog_btf, kernel, &mut notes, &source)?;
        Ok(Loaded { fd, name: kernel_name(self.name()), maps, log, notes })
    }

    /// Adapts the program to the kernel's types.
    fn adapt(
        &self,
        linked: &mut Linked<'_>,
        options: &LoadOptions,
        types: &mut KernelTypes,
        kernel: &mut dyn Bpf,
    ) -> Result<Vec<Poisoned>, LoadError> {
        let Some(Ok(btf)) = self.object().btf.as_ref().filter(|_| !linked.core.is_empty()) else {
            return Ok(Vec::new());
        };
        let unresolved = |problem: String, hint: Option<&str>| {
            LoadError::Unresolved(Box::new(Unresolved {
                file: self.object().file.clone(),
                section: self.section().to_owned(),
                program: self.name().to_owned(),
                problem,
                hint: hint.map(str::to_owned),
            }))
        };
        let applied = if core::needs_kernel(&linked.core) {
            let mut targets = CoreTargets::new(options.btf.as_deref(), types, kernel)
                .map_err(|problem| {
                    let hint = "it is compiled to be adapted to the kernel's types (CO-RE); a kernel with \
                                CONFIG_DEBUG_INFO_BTF has them, or give a file with them (`btf FILE`)";
                    unresolved(problem, Some(hint).filter(|_| options.btf.is_none()))
                })?;
            core::apply(&linked.core, &mut linked.insns, btf, &mut targets)
        } else {
            core::apply(&linked.core, &mut linked.insns, btf, &mut core::NoTargets::new(btf))
        };
        applied.map_err(|(at, problem)| {
            let place = self.source_line(linked, at).map_or(String::new(), |l| format!(", at {l}"));
            unresolved(format!("{problem} (insn {at}{place})"), None)
        })
    }

    /// Refuses what the kernel would take but which would not do what the object means.
    fn refuse_map_features(&self, map: &MapSpec) -> Result<(), ObjectError> {
        let name = &map.name;
        let place = match map.pinning {
            Pinning::None => None,
            Pinning::Object => Some("for its object".to_owned()),
            Pinning::Global => Some("for all objects".to_owned()),
            Pinning::ByName => Some("by name".to_owned()),
            Pinning::Custom(n) => Some(format!("in place {n} of /etc/iproute2/bpf_pinning")),
        };
        let spec = self.object();
        let refuse = |what: String| Err(spec.unsupported(Some(self.name()), what));
        if let Some(place) = place {
            return refuse(format!(
                "map `{name}` asks to be pinned {place}, which this loader does not do"
            ));
        }
        if matches!(map.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) {
            return refuse(format!(
                "map `{name}` holds maps ({}), which this loader does not create",
                map.map_type
            ));
        }
        if map.map_type == MapType::PROG_ARRAY && map.id != 0 {
            let slot = spec.sections().find(|s| tail_call_id(s) == Some(map.id));
            if let Some(section) = slot {
                return refuse(format!(
                    "section `{section}` belongs into the program array `{name}` (id {}), which this loader does \
                     not fill",
                    map.id
                ));
            }
        }
        Ok(())
    }

    /// Loads the object's type information if the program or a map of it has a use for it. Never fails: programs run
    /// without it.
    fn load_btf(
        &self,
        linked: &Linked<'_>,
        kernel: &mut dyn Bpf,
        notes: &mut Vec<String>,
    ) -> Option<OwnedFd> {
        let spec = self.object();
        let btf = match spec.btf.as_ref()? {
            Ok(btf) => btf,
            Err(fault) => {
                notes.push(format!("type information not loaded: {}: {}", fault.at, fault.problem));
                return None;
            }
        };
        let wanted =
            linked.maps.iter().any(|m| m.key_type_id.is_some() || m.value_type_id.is_some());
        if linked.func_info.is_empty() && !wanted {
            return None;
        }
        let bytes = fixup::for_kernel(btf, &spec.elf);
        let errno = match kernel.btf_load(&bytes, None) {
            Ok(fd) => return Some(fd),
            Err(errno) => errno,
        };
        let mut log = Log::new(1, LOG_SIZE);
        if let Ok(fd) = kernel.btf_load(&bytes, Some(&mut log)) {
            return Some(fd);
        }
        let why = log.text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
        notes.push(format!(
            "type information not loaded, source lines are unavailable: {errno}: {why}"
        ));
        None
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

/// `N` of a section named `N/M`, iproute2's way to say where in which program array a program goes.
fn tail_call_id(section: &str) -> Option<u32> {
    let (id, slot) = section.split_once('/')?;
    slot.parse::<u32>().ok()?;
    id.parse().ok()
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
    let job =
        Job { file: "", section: "", program: name, license, version: 0, poisoned: &[], options };
    let mut notes = Vec::new();
    let (fd, log) = job.load(insns, None, kernel, &mut notes, &|_| None)?;
    Ok(Loaded { fd, name: kernel_name(name), maps: Vec::new(), log, notes })
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
            prog_type: self.options.prog_type,
            insns,
            license: self.license,
            name: &name,
            flags: self.options.flags,
            kern_version: self.version,
            ifindex: self.options.ifindex.unwrap_or(0),
            expected_attach_type: self.options.expected_attach_type,
            btf,
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
        result = kernel.prog_load(request, log.as_deref_mut());
        if !matches!(result, Err(Errno::EAGAIN)) {
            break;
        }
    }
    result
}

/// Creates a map, with type information if the kernel takes it. On failure also what was asked for.
fn create_map(
    map: &MapSpec,
    btf: Option<&OwnedFd>,
    options: &LoadOptions,
    kernel: &mut dyn Bpf,
) -> Result<OwnedFd, (Errno, String)> {
    let name = kernel_name(&map.name);
    let mut max_entries = map.max_entries;
    if map.map_type == MapType::PERF_EVENT_ARRAY && max_entries == 0 {
        max_entries = kernel.possible_cpus().map_err(|e| {
            (e, "the number of CPUs, from /sys/devices/system/cpu/possible".to_owned())
        })?;
    }
    if matches!(map.map_type, MapType::RINGBUF | MapType::USER_RINGBUF) && max_entries > 0 {
        max_entries =
            max_entries.max(kernel.page_size()).checked_next_power_of_two().unwrap_or(max_entries);
    }
    let btf: Option<(BorrowedFd<'_>, u32, u32)> = btf
        .filter(|_| map.map_type.takes_btf() && map.value_type_id.is_some())
        .map(|fd| (fd.as_fd(), map.key_type_id.unwrap_or(0), map.value_type_id.unwrap_or(0)));
    let mut request = MapCreate {
        map_type: map.map_type,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries,
        flags: map.flags,
        numa_node: map.numa_node.unwrap_or(0),
        name: &name,
        ifindex: options.ifindex.unwrap_or(0),
        map_extra: map.map_extra.unwrap_or(0),
        btf,
    };
    let mut result = kernel.map_create(&request);
    if request.btf.is_some() && matches!(result, Err(Errno::EINVAL | Errno::ENOTSUPP)) {
        request.btf = None;
        result = kernel.map_create(&request);
    }
    result.map_err(|errno| (errno, map.to_string()))
}

/// A name as the kernel takes it: 15 letters, digits, `_` or `.`.
fn kernel_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' })
        .take(15)
        .collect()
}
