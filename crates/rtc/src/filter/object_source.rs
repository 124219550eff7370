//! Programs out of object files: loaded, with their maps pinned and handed on.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use tc_bpf_loader::struct_ops::{Table, TableSpec};
use tc_bpf_loader::sys::fds::MAX_FDS;
use tc_bpf_loader::{
    LoadError, LoadOptions, Loaded, LogMode, MapOrigin, MapSpec, ObjectError, ObjectSpec, Pinning,
    Places, ProgType, Select,
};

use super::bpf_source::{ReadyProgram, Role, annotation};
use crate::args::Args;
use crate::env::Env;
use crate::error::{Error, io_text};

/// Lines of the verifier's log that are shown without `verbose`.
const LOG_LINES: usize = 20;
/// Where a BPF file system is looked for, before all others that are mounted.
const KNOWN_MOUNTS: [&str; 2] = ["/sys/fs/bpf", "/bpf"];
/// What numbers of ways to pin mean, `NUMBER DIRECTORY` in each line.
const PIN_TABLES: [&str; 2] = ["/etc/iproute2/bpf_pinning", "/usr/share/iproute2/bpf_pinning"];
/// The environment's word for the socket that maps are sent to.
const SOCKET_VAR: &str = "TC_BPF_UDS";

/// What the words say about an object.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) file: OsString,
    pub(crate) section: Option<String>,
    pub(crate) program: Option<String>,
    pub(crate) export: Option<OsString>,
    pub(crate) verbose: bool,
    /// Types to adapt the program to, in place of the running kernel's.
    pub(crate) btf: Option<OsString>,
    /// Where to write the verifier's log.
    pub(crate) log_file: Option<OsString>,
    /// Replace pinned maps that differ from the object's.
    pub(crate) replace_pins: bool,
}

impl Wanted {
    /// Reads the words that come last: `[verbose] [btf FILE] [log-file FILE] [replace-pins]`, in any order but for what
    /// tc does not take: a second `verbose`.
    pub(crate) fn last_words(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        self.verbose = args.take_abbreviation("verbose");
        loop {
            if args.take("btf") {
                self.btf = Some(args.file()?.to_owned());
            } else if args.take("log-file") {
                self.log_file = Some(args.file()?.to_owned());
            } else if args.take("replace-pins") {
                self.replace_pins = true;
            } else if !self.verbose && args.take("verbose") {
                self.verbose = true;
            } else {
                return Ok(());
            }
        }
    }

    /// Writes the verifier's log where the words say. What went wrong is a line to be told.
    fn write_log(&self, log: &str, env: &mut dyn Env) -> Option<String> {
        let file = Path::new(self.log_file.as_ref()?);
        let failed = env.write(file, log.as_bytes()).err()?;
        Some(format!(
            "the verifier's log cannot be written to {}: {}",
            file.display(),
            io_text(&failed)
        ))
    }
}

/// A program of an object that is loaded.
pub(crate) struct FromObject {
    pub(crate) object: ObjectSpec,
    pub(crate) section: String,
    pub(crate) loaded: Loaded,
}

/// Loads the program for a filter or an action, and sends its maps where they are to go.
pub(crate) fn resolve(
    wanted: &Wanted,
    role: &Role,
    ifindex: Option<u32>,
    env: &mut dyn Env,
) -> Result<ReadyProgram, Error> {
    let FromObject { object, section, loaded } = load(wanted, role, ifindex, env)?;
    let socket = wanted.export.clone().or_else(|| env.var(SOCKET_VAR));
    if let Some(socket) = &socket {
        if let Err(e) = export(&object, Path::new(&wanted.file), Path::new(socket), &loaded, env) {
            loaded.made.undo(env.bpf());
            return Err(e);
        }
    }
    let mut log = said(&loaded.log, &loaded.notes, &object, wanted, env);
    // What the receiver of the maps keeps open keeps its contents.
    if socket.is_none() && !loaded.emptied_on_close.is_empty() {
        _ = writeln!(
            log,
            "  warning: the kernel empties {} when rtc exits, and tail calls do nothing then: have it pinned \
             (pinning), or handed on (export)",
            named(&loaded.emptied_on_close)
        );
    }
    let name = annotation(&wanted.file, &section);
    Ok(ReadyProgram::Extended { fd: loaded.fd, name, log, made: loaded.made })
}

/// What is to be told of a load that went well.
pub(crate) fn said(
    log: &str,
    notes: &[String],
    object: &ObjectSpec,
    wanted: &Wanted,
    env: &mut dyn Env,
) -> String {
    let unwritten = wanted.write_log(log, env);
    let mut text = if wanted.verbose { log.to_owned() } else { String::new() };
    if let Some(line) = unwritten {
        _ = writeln!(text, "  warning: {line}");
    }
    if wanted.verbose {
        text.push_str(&old_maps(object));
    }
    for note in notes.iter().filter(|_| wanted.verbose) {
        _ = writeln!(text, "note: {note}");
    }
    text
}

/// Says that maps are defined in the old way, which tc with libbpf refuses.
fn old_maps(object: &ObjectSpec) -> String {
    let sizes: Vec<u32> = object
        .maps()
        .flatten()
        .filter_map(|map| match map.origin {
            MapOrigin::Legacy { entry_size } => Some(entry_size),
            _ => None,
        })
        .collect();
    match sizes.first() {
        None => String::new(),
        Some(size) => format!(
            "note: object uses pre-BTF map definitions ({} map{}, {size}-byte entries)\n",
            sizes.len(),
            if sizes.len() == 1 { "" } else { "s" }
        ),
    }
}

fn named(arrays: &[String]) -> String {
    let names: Vec<_> = arrays.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [one] => format!("the program array {one}"),
        more => format!("the program arrays {}", more.join(", ")),
    }
}

/// Loads the program.
pub(crate) fn load(
    wanted: &Wanted,
    role: &Role,
    ifindex: Option<u32>,
    env: &mut dyn Env,
) -> Result<FromObject, Error> {
    let Wanted { file, section, program, .. } = wanted;
    let select = Select {
        section: section.as_deref(),
        program: program.as_deref(),
        default_section: role.default_section,
    };
    let object = env.object(Path::new(file)).map_err(|e| bad_object(file, &select, role, &e))?;
    let program = object.select(&select).map_err(|e| bad_object(file, &select, role, &e))?;
    let mut options = options(&object, role.program_type, wanted, env);
    options.ifindex = ifindex;
    let loaded = program.load(&options, env.bpf()).map_err(|e| match &e {
        LoadError::Object(e) => bad_object(file, &select, role, e),
        e => refused(e, role.not_loaded, wanted, env),
    })?;
    let section = program.section().to_owned();
    Ok(FromObject { object, section, loaded })
}

/// Loads the programs of a table of operations and makes the table.
pub(crate) fn load_table(
    table: &TableSpec<'_>,
    object: &ObjectSpec,
    wanted: &Wanted,
    not_loaded: &str,
    env: &mut dyn Env,
) -> Result<Table, Error> {
    let options = options(object, ProgType::STRUCT_OPS, wanted, env);
    table.load(&options, env.bpf()).map_err(|e| refused(&e, not_loaded, wanted, env))
}

/// What the words and the system say about loading.
fn options(
    object: &ObjectSpec,
    prog_type: ProgType,
    wanted: &Wanted,
    env: &mut dyn Env,
) -> LoadOptions {
    let mut options = LoadOptions::new(prog_type);
    options.btf = wanted.btf.as_ref().map(PathBuf::from);
    options.replace_pins = wanted.replace_pins;
    if wanted.verbose || wanted.log_file.is_some() {
        options.log = LogMode::Always(1);
    }
    let pinnings: Vec<_> = object.maps().flatten().map(|map| map.pinning).collect();
    if pinnings.iter().any(|pinning| *pinning != Pinning::None) {
        options.places = places(&pinnings, env);
    }
    options
}

/// Where maps are pinned on this system.
fn places(pinnings: &[Pinning], env: &mut dyn Env) -> Places {
    let mount = mount_point(env);
    let mut places = Places::of_iproute2(&mount);
    if pinnings.iter().any(|pinning| matches!(pinning, Pinning::Custom(_))) {
        let table = PIN_TABLES.iter().find_map(|table| read(Path::new(table), env));
        for line in table.unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let number = words.next().and_then(|n| match n.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => n.parse().ok(),
            });
            if let (Some(number), Some(directory)) = (number, words.next()) {
                let directory = mount.join(directory.trim_start_matches('/'));
                places.custom.insert(number, directory);
            }
        }
    }
    places
}

/// Where the BPF file system is: as the environment says, in a usual place, or where one is mounted.
pub(crate) fn mount_point(env: &mut dyn Env) -> PathBuf {
    if let Some(path) = env.var("TC_BPF_MNT") {
        return path.into();
    }
    for known in KNOWN_MOUNTS.map(Path::new) {
        if env.bpf().is_bpf_fs(known) == Ok(true) {
            return known.to_owned();
        }
    }
    let mounts = read(Path::new("/proc/mounts"), env).unwrap_or_default();
    let found = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (place, kind) = (words.nth(1)?, words.next()?);
        (kind == "bpf").then(|| PathBuf::from(place))
    });
    found.unwrap_or_else(|| PathBuf::from("/sys/fs/bpf"))
}

fn read(file: &Path, env: &mut dyn Env) -> Option<String> {
    let mut bytes = Vec::new();
    env.open(file).ok()?.take(1 << 20).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sends the maps of a loaded program over a Unix socket, as `exec bpf import` receives them: a version, how many they
/// are, the object's name, device and inode, and a definition for each.
fn export(
    object: &ObjectSpec,
    file: &Path,
    socket: &Path,
    loaded: &Loaded,
    env: &mut dyn Env,
) -> Result<(), Error> {
    let shown = socket.display();
    let failed =
        |what: &str, why: &str| Error::refused(format_args!("Cannot {what} {shown}: {why}"));
    let maps: Vec<(&MapSpec, BorrowedFd<'_>)> = loaded
        .maps
        .iter()
        .filter_map(|(name, fd)| {
            let def = object.maps().flatten().find(|map| map.name == *name)?;
            (def.origin != MapOrigin::Data).then(|| (def, fd.as_fd()))
        })
        .collect();
    if maps.len() > MAX_FDS {
        return Err(failed("send fds to", &format!("{} maps are more than {MAX_FDS}", maps.len())));
    }
    let (device, inode) = env.file_id(file).unwrap_or_default();
    let mut message = Vec::with_capacity(HEADER + ENTRY * maps.len());
    message.extend(VERSION.to_ne_bytes());
    message.extend((maps.len() as u16).to_ne_bytes());
    let name = file.as_os_str().as_encoded_bytes();
    let name = name.get(..name.len().min(NAME - 1)).unwrap_or_default();
    message.extend(name);
    message.resize(HEADER - 16, 0);
    message.extend(device.to_ne_bytes());
    message.extend(inode.to_ne_bytes());
    let mut ids: Vec<u32> = maps.iter().map(|(map, _)| map.id).collect();
    number(&mut ids);
    for ((map, _), id) in maps.iter().zip(ids) {
        let pinning = match map.pinning {
            Pinning::None => 0,
            Pinning::Object => 1,
            Pinning::Custom(number) => number,
            _ => 2,
        };
        let words = [
            map.map_type.0,
            map.key_size,
            map.value_size,
            map.max_entries,
            map.flags,
            id,
            pinning,
            map.inner_id,
            map.inner_idx,
        ];
        message.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }
    let fds: Vec<_> = maps.iter().map(|(_, fd)| *fd).collect();
    env.send_fds(socket, &message, &fds).map_err(|(step, e)| failed(step, &io_text(&e)))
}

/// Version of the message, and sizes of its parts.
const VERSION: u16 = 1;
const NAME: usize = 64;
const HEADER: usize = 88;
const ENTRY: usize = 36;

/// Gives maps without a number of their own the lowest that are free: the receiver tells them apart by that.
fn number(ids: &mut [u32]) {
    let mut next = 0;
    for at in 0..ids.len() {
        let earlier = ids.get(..at).unwrap_or_default();
        let id = ids.get(at).copied().unwrap_or_default();
        if id != 0 && !earlier.contains(&id) {
            continue;
        }
        while ids.contains(&next) && (next != 0 || earlier.contains(&0)) {
            next += 1;
        }
        if let Some(id) = ids.get_mut(at) {
            *id = next;
        }
        next += 1;
    }
}

/// What `exec bpf import` reads from a message: the number of each map.
pub(crate) fn imported(message: &[u8], fds: &[OwnedFd]) -> Option<Vec<u32>> {
    let half = |at: usize| Some(u16::from_ne_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let count = usize::from(half(2)?);
    if half(0)? != VERSION || count == 0 || fds.len() != count {
        return None;
    }
    let entries = message.get(HEADER..HEADER + count * ENTRY)?;
    let ids = entries
        .chunks_exact(ENTRY)
        .filter_map(|entry| Some(u32::from_ne_bytes(entry.get(20..24)?.try_into().ok()?)));
    Some(ids.collect())
}

/// The longest message that can be imported.
pub(crate) const MAX_MESSAGE: usize = HEADER + ENTRY * MAX_FDS;

/// An object that cannot be used.
fn bad_object(file: &OsStr, select: &Select<'_>, role: &Role, e: &ObjectError) -> Error {
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
                format!(
                    "object file doesn't contain sec {}\n",
                    section.unwrap_or(role.default_section)
                )
            }
        },
        _ => String::new(),
    };
    Error::refused(format_args!("{said}{}", role.not_loaded)).hint(e.to_string())
}

/// A program or map that the kernel refused.
pub(crate) fn refused(
    e: &LoadError,
    not_loaded: &str,
    wanted: &Wanted,
    env: &mut dyn Env,
) -> Error {
    let lines: Vec<_> = e.log().trim_end().lines().collect();
    let skipped = if wanted.verbose { 0 } else { lines.len().saturating_sub(LOG_LINES) };
    let unwritten = if lines.is_empty() { None } else { wanted.write_log(e.log(), env) };
    let mut said = String::new();
    if skipped > 0 {
        let whole = match &wanted.log_file {
            Some(file) if unwritten.is_none() => {
                format!("all of it is in {}", file.to_string_lossy())
            }
            _ => "`verbose` shows them, `log-file FILE` writes all to a file".to_owned(),
        };
        said = format!("({skipped} lines of the verifier's log left out; {whole})\n");
    }
    for line in lines.iter().skip(skipped) {
        said.push_str(line);
        said.push('\n');
    }
    let error = Error::refused(format_args!("{said}{not_loaded}")).hint(e.to_string());
    e.hint().map(str::to_owned).into_iter().chain(unwritten).fold(error, Error::hint)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn maps_without_a_number_get_a_free_one() {
        for (mut given, wanted) in [
            (vec![0, 0, 0], vec![0, 1, 2]),
            (vec![1, 0, 2, 0], vec![1, 0, 2, 3]),
            (vec![0, 7, 7], vec![0, 7, 1]),
        ] {
            number(&mut given);
            assert_eq!(given, wanted);
        }
    }
}
