//! The maps that programs need: created or found pinned, with what the object puts into them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use super::error::{LoadError, MapRefused, PinRefused};
use super::places::{Made, Places};
use super::{charged, kernel_name};
use crate::data::{MMAPABLE, RDONLY_PROG};
use crate::map::{MapOrigin, MapSpec, MapType, Pinning, Slot, SlotTarget};
use crate::reloc::Linked;
use crate::spec::ObjectSpec;
use crate::sys::{Bpf, Errno, MapCreate};

/// What to do about a pinned map that differs.
const DIFFERS: &str =
    "remove the pin, rename the map, or say `replace-pins`: who uses the pinned map keeps it";

/// Creates the maps of one load. What it pins or makes on the way is noted in `made`.
pub(super) struct Maker<'a> {
    pub(super) spec: &'a ObjectSpec,
    pub(super) btf: Option<BorrowedFd<'a>>,
    pub(super) ifindex: u32,
    pub(super) places: &'a Places,
    pub(super) made: &'a mut Made,
    pub(super) notes: &'a mut Vec<String>,
    pub(super) kernel: &'a mut dyn Bpf,
    /// By index in the object's maps.
    pub(super) fds: BTreeMap<usize, OwnedFd>,
    /// Whether pinned maps that differ from the object's are to be replaced; if so those that are, where they are pinned
    /// and by index.
    pub(super) replaces: bool,
    pub(super) replaced: Vec<(PathBuf, OwnedFd, usize)>,
}

/// What is pinned where a map is to be pinned.
enum Pinned {
    Nothing,
    Fitting(OwnedFd),
    /// A map, and how it differs.
    Other(OwnedFd, Vec<String>),
}

impl<'a> Maker<'a> {
    /// Creates the map of that index, or opens it where it is pinned.
    pub(super) fn need(&mut self, index: usize) -> Result<(), LoadError> {
        if self.fds.contains_key(&index) {
            return Ok(());
        }
        let spec = self.spec;
        let Some(entry) = spec.maps.get(index) else { return Ok(()) };
        let map = spec.map_def(entry)?;
        let map = self.sized(map)?;
        let path = self.path(&map)?;
        let mut other = None;
        if let Some(path) = &path {
            match self.pinned(&map, path)? {
                Pinned::Nothing => {}
                Pinned::Fitting(fd) => {
                    self.fds.insert(index, fd);
                    return Ok(());
                }
                Pinned::Other(fd, _) if self.replaces => other = Some(fd),
                Pinned::Other(_, differs) => return Err(self.differs(&map, path, differs)),
            }
        }
        let template = self.template(&map)?;
        let name = match map.origin {
            MapOrigin::Data => spec.data_map_name(&map.name),
            _ => map.name.clone(),
        };
        let mut fd = self.create(&map, &name, template.as_ref().map(OwnedFd::as_fd))?;
        if map.origin == MapOrigin::Data {
            self.fill(&map, index, &fd)?;
        }
        if let (Some(path), Some(other)) = (&path, other) {
            // Once all has gone well.
            self.replaced.push((path.clone(), other, index));
        } else if let Some(path) = path {
            self.made.directory_of(&path, self.places, self.kernel).map_err(|(errno, at)| {
                self.pin_refused(&map, &path, errno, &format!("{} cannot be had", at.display()))
            })?;
            match self.kernel.obj_pin(fd.as_fd(), &path) {
                Ok(()) => self.made.pin(path),
                // Somebody else was faster.
                Err(Errno::EEXIST) => match self.pinned(&map, &path)? {
                    Pinned::Fitting(theirs) => fd = theirs,
                    Pinned::Nothing => {
                        return Err(self.pin_refused(&map, &path, Errno::EEXIST, ""));
                    }
                    Pinned::Other(_, differs) => return Err(self.differs(&map, &path, differs)),
                },
                Err(errno) => return Err(self.pin_refused(&map, &path, errno, "")),
            }
        }
        self.fds.insert(index, fd);
        Ok(())
    }

    /// The definition with the number of entries that the kernel wants.
    fn sized(&mut self, map: &MapSpec) -> Result<MapSpec, LoadError> {
        let mut map = map.clone();
        if map.map_type == MapType::PERF_EVENT_ARRAY && map.max_entries == 0 {
            map.max_entries = self.kernel.possible_cpus().map_err(|errno| {
                let what = "the number of CPUs, from /sys/devices/system/cpu/possible".to_owned();
                self.refused(errno, &map, what)
            })?;
        }
        if matches!(map.map_type, MapType::RINGBUF | MapType::USER_RINGBUF) && map.max_entries > 0 {
            let page = self.kernel.page_size();
            let entries = map.max_entries.max(page).checked_next_power_of_two();
            map.max_entries = entries.unwrap_or(map.max_entries);
        }
        if let Some(inner) = map.inner.take() {
            map.inner = Some(Box::new(self.sized(&inner)?));
        }
        Ok(map)
    }

    /// Where the map is to be pinned.
    fn path(&mut self, map: &MapSpec) -> Result<Option<PathBuf>, LoadError> {
        let path = match map.pinning {
            Pinning::None => None,
            Pinning::ByName => Some(self.places.by_name.join(&map.name)),
            Pinning::Global => Some(self.places.global.join(&map.name)),
            Pinning::Object => Some(self.places.object(self.spec).join(&map.name)),
            Pinning::Custom(number) => match self.places.custom.get(&number) {
                Some(directory) => Some(directory.join(&map.name)),
                None => {
                    let what = format!(
                        "map `{}` asks to be pinned in place {number}, which is none of 0 (nowhere), 1, 2 and what \
                         bpf_pinning of iproute2's configuration names",
                        map.name
                    );
                    return Err(self.spec.unsupported(None, what).into());
                }
            },
        };
        // What a symbol is called must not lead out of the directory.
        if path.is_some() && (map.name.contains('/') || matches!(map.name.as_str(), "." | "..")) {
            let what = format!("map `{}` cannot be pinned under such a name", map.name);
            return Err(self.spec.unsupported(None, what).into());
        }
        Ok(path)
    }

    /// Puts the maps that replace pinned ones in their place.
    pub(super) fn put_pins(&mut self) -> Result<(), LoadError> {
        let spec = self.spec;
        for (path, old, index) in std::mem::take(&mut self.replaced) {
            let (Some(fd), Some(entry)) = (self.fds.get(&index), spec.maps.get(index)) else {
                continue;
            };
            let map = spec.map_def(entry)?;
            let place = path.clone();
            if let Err(errno) = self.made.replace(path, old, fd.as_fd(), self.kernel) {
                return Err(self.pin_refused(
                    map,
                    &place,
                    errno,
                    "what is there cannot be replaced",
                ));
            }
            let note =
                format!("map `{}` replaces what was pinned at {}", map.name, place.display());
            self.notes.push(note);
        }
        Ok(())
    }

    fn differs(&self, map: &MapSpec, path: &Path, differs: Vec<String>) -> LoadError {
        LoadError::Pin(Box::new(PinRefused {
            file: self.spec.file().to_owned(),
            map: map.name.clone(),
            path: path.to_owned(),
            differs,
            errno: None,
            why: String::new(),
            hint: Some(DIFFERS.to_owned()),
        }))
    }

    /// Opens the map that is pinned there, and compares it with what the object wants.
    fn pinned(&mut self, map: &MapSpec, path: &Path) -> Result<Pinned, LoadError> {
        let fd = match self.kernel.obj_get(path) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(Pinned::Nothing),
            // No BPF file system is there yet.
            Err(Errno::EPERM | Errno::EACCES)
                if path.parent().is_some_and(|p| self.kernel.is_bpf_fs(p) != Ok(true)) =>
            {
                return Ok(Pinned::Nothing);
            }
            Err(errno) => return Err(self.pin_refused(map, path, errno, "it cannot be opened")),
        };
        let kind = self.kernel.fd_kind(fd.as_fd());
        if let Some(kind) = kind.ok().filter(|kind| kind != "bpf-map") {
            let why = format!("something else is pinned there: {kind}");
            return Err(self.pin_refused(map, path, Errno::EEXIST, &why));
        }
        let info = match self.kernel.map_info(fd.as_fd()) {
            Ok(info) => info,
            // Before Linux 4.13 the kernel does not tell.
            Err(Errno::EINVAL) => return Ok(Pinned::Fitting(fd)),
            Err(errno) => return Err(self.pin_refused(map, path, errno, "")),
        };
        // The kernel itself adds flags to some types.
        let own = match map.map_type {
            MapType::DEVMAP | MapType::DEVMAP_HASH => RDONLY_PROG,
            _ => 0,
        };
        let value_size = match map.map_type {
            t if t.holds_maps() || t == MapType::PROG_ARRAY => 4,
            _ => map.value_size,
        };
        let fields = [
            ("type", info.map_type.0, map.map_type.0),
            ("key_size", info.key_size, map.key_size),
            ("value_size", info.value_size, value_size),
            ("max_entries", info.max_entries, map.max_entries),
            ("map_flags", info.flags & !own, map.flags & !own),
        ];
        let mut differs: Vec<String> = Vec::new();
        for (field, has, wants) in fields.into_iter().filter(|(_, a, b)| a != b) {
            let number = |n: u32| match field {
                "type" => MapType(n).to_string(),
                "map_flags" => format!("{n:#x}"),
                _ => n.to_string(),
            };
            differs.push(format!("{field} {}, object wants {}", number(has), number(wants)));
        }
        if info.map_extra != map.map_extra.unwrap_or(0) && info.map_extra != 0 {
            let wants = map.map_extra.unwrap_or(0);
            differs.push(format!("map_extra {}, object wants {wants}", info.map_extra));
        }
        Ok(if differs.is_empty() { Pinned::Fitting(fd) } else { Pinned::Other(fd, differs) })
    }

    /// A map like those that this one is to hold.
    fn template(&mut self, map: &MapSpec) -> Result<Option<OwnedFd>, LoadError> {
        if !map.map_type.holds_maps() {
            return Ok(None);
        }
        if let Some(inner) = &map.inner {
            return self.create(inner, &inner.name, None).map(Some);
        }
        let malformed = |why: String| {
            let at = format!("map `{}`", map.name);
            crate::error::Fault::new(at, why).in_file(self.spec.file())
        };
        let Some(template) = map.template else {
            return Err(malformed(match map.inner_id {
                0 => "it holds maps, and nothing says what they are like".to_owned(),
                id => format!("no map has the id {id}, which those in it are to be like"),
            })
            .into());
        };
        let def = match self.spec.maps.get(template) {
            Some(entry) => self.spec.map_def(entry)?,
            None => {
                return Err(
                    malformed("it is to hold maps like one that is not there".to_owned()).into()
                );
            }
        };
        if def.map_type.holds_maps() {
            let why = format!("it is to hold `{}`, which holds maps itself", def.name);
            return Err(malformed(why).into());
        }
        let def = self.sized(def)?;
        self.create(&def, &def.name, None).map(Some)
    }

    /// Creates a map, with type information and with what newer kernels know, if this one takes it.
    fn create(
        &mut self,
        map: &MapSpec,
        name: &str,
        inner: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd, LoadError> {
        let name = kernel_name(name);
        let ids = (map.key_type_id.unwrap_or(0), map.value_type_id.unwrap_or(0));
        let known = map.value_type_id.is_some();
        let is_data = map.origin == MapOrigin::Data;
        let holds = map.map_type.holds_maps() || map.map_type == MapType::PROG_ARRAY;
        let mut request = MapCreate {
            map_type: map.map_type,
            key_size: map.key_size,
            value_size: if holds { 4 } else { map.value_size },
            max_entries: map.max_entries,
            flags: map.flags | if is_data { MMAPABLE } else { 0 },
            numa_node: map.numa_node.unwrap_or(0),
            name: &name,
            ifindex: self.ifindex,
            map_extra: map.map_extra.unwrap_or(0),
            btf: self
                .btf
                .filter(|_| map.map_type.takes_btf() && known)
                .map(|fd| (fd, ids.0, ids.1)),
            inner,
            ..MapCreate::default()
        };
        let mut result = charged(self.kernel, |kernel| kernel.map_create(&request));
        let first = match result {
            Ok(fd) => return Ok(fd),
            Err(errno) => errno,
        };
        // From the newest feature to the oldest, until the kernel knows all that is left.
        for step in 0..4 {
            let Err(errno @ (Errno::EINVAL | Errno::ENOTSUPP | Errno::E2BIG)) = result else {
                break;
            };
            match step {
                // Type information; a kernel that is too old for it calls the request too big.
                0 if request.btf.is_some() => request.btf = None,
                _ if errno == Errno::E2BIG => break,
                // Since Linux 5.5; nobody here maps it.
                1 if is_data => request.flags &= !MMAPABLE,
                // Since Linux 5.2.
                2 if map.is_read_only_data() => request.flags &= !RDONLY_PROG,
                // Names since Linux 4.15.
                3 if !request.name.is_empty() => request.name = "",
                _ => continue,
            }
            result = self.kernel.map_create(&request);
        }
        let last = match result {
            Ok(fd) => return Ok(fd),
            Err(errno) => errno,
        };
        let said = match last {
            Errno::EPERM | Errno::ENOMEM | Errno::ENOSYS => None,
            _ => self.kernel.explain_map(&request),
        };
        let mut error = self.refused(first, map, map.to_string());
        if let (LoadError::Map(refused), Some(said)) = (&mut error, said) {
            refused.hint = Some(format!("the kernel says: {said}"));
        }
        Err(error)
    }

    /// Gives a section of variables its bytes, and protects constants from changes.
    fn fill(&mut self, map: &MapSpec, index: usize, fd: &OwnedFd) -> Result<(), LoadError> {
        let bytes = self.spec.contents_of(index);
        if !bytes.is_empty() {
            self.kernel.map_update(fd.as_fd(), &[0; 4], bytes, 0).map_err(|errno| {
                self.refused(errno, map, format!("setting its {} bytes", bytes.len()))
            })?;
        }
        if map.is_read_only_data() {
            // Before Linux 5.2 there are no such maps at all.
            if let Err(errno) = self.kernel.map_freeze(fd.as_fd()) {
                self.notes.push(format!("section `{}` is not frozen: {errno}", map.name));
            }
        }
        Ok(())
    }

    /// Puts maps into the slots of those that hold maps.
    pub(super) fn put_maps(&mut self, maps: &[usize]) -> Result<(), LoadError> {
        for (map, index) in self.holders(maps, MapType::holds_maps) {
            for Slot { index: slot, at, target } in &map.slots {
                let SlotTarget::Map(name) = target else {
                    let what = format!(
                        "map `{}` holds maps, and the object puts a program into slot {slot} of it",
                        map.name
                    );
                    return Err(self.spec.unsupported(None, what).into());
                };
                self.put(map, index, *slot, name, self.fds.get(at).map(OwnedFd::as_raw_fd))?;
            }
        }
        Ok(())
    }

    /// Puts programs into the slots of program arrays. Returns the names of those that nothing keeps filled.
    pub(super) fn put_programs(
        &mut self,
        maps: &[usize],
        programs: &BTreeMap<usize, (OwnedFd, String)>,
    ) -> Result<Vec<String>, LoadError> {
        let mut emptied = Vec::new();
        for (map, index) in self.holders(maps, |t| t == MapType::PROG_ARRAY) {
            for Slot { index: slot, at, target } in &map.slots {
                let SlotTarget::Program(name) = target else {
                    let what = format!(
                        "map `{}` holds programs, and the object puts a map into slot {slot} of it",
                        map.name
                    );
                    return Err(self.spec.unsupported(None, what).into());
                };
                self.put(map, index, *slot, name, programs.get(at).map(|(fd, _)| fd.as_raw_fd()))?;
            }
            if map.pinning == Pinning::None {
                emptied.push(map.name.clone());
            }
        }
        Ok(emptied)
    }

    /// Those of the maps that the object puts something into, of some types.
    fn holders(&self, maps: &[usize], which: fn(MapType) -> bool) -> Vec<(&'a MapSpec, usize)> {
        let spec: &'a ObjectSpec = self.spec;
        maps.iter()
            .filter_map(|index| Some((spec.maps.get(*index)?.def.as_ref().ok()?, *index)))
            .filter(|(map, _)| which(map.map_type) && !map.slots.is_empty())
            .collect()
    }

    /// Fills in the descriptors of the maps that a program refers to.
    pub(super) fn put_descriptors(&self, linked: &mut Linked<'_>) {
        for (at, slot) in &linked.map_refs {
            let fd = linked.map_indices.get(*slot).and_then(|index| self.fds.get(index));
            if let (Some(insn), Some(fd)) = (linked.insns.get_mut(*at), fd) {
                insn.imm = fd.as_raw_fd();
            }
        }
    }

    /// Puts a map or program into a slot.
    fn put(
        &mut self,
        map: &MapSpec,
        index: usize,
        slot: u32,
        target: &str,
        what: Option<RawFd>,
    ) -> Result<(), LoadError> {
        let (Some(fd), Some(what)) = (self.fds.get(&index), what) else { return Ok(()) };
        let result =
            self.kernel.map_update(fd.as_fd(), &slot.to_ne_bytes(), &what.to_ne_bytes(), 0);
        let Err(errno) = result else { return Ok(()) };
        let owner = self.kernel.prog_array_owner(fd.as_fd());
        let request = format!("putting `{target}` into slot {slot} of {map}");
        let mut error = self.refused(errno, map, request);
        if let (LoadError::Map(refused), Some(owner), Errno::EINVAL) = (&mut error, owner, errno) {
            refused.hint = Some(format!("the array holds {owner} programs, and only such"));
        }
        Err(error)
    }

    fn refused(&mut self, errno: Errno, map: &MapSpec, request: String) -> LoadError {
        let file = self.spec.file();
        LoadError::Map(Box::new(MapRefused::new(errno, file, map, request, self.kernel)))
    }

    fn pin_refused(&mut self, map: &MapSpec, path: &Path, errno: Errno, why: &str) -> LoadError {
        let mount = self.places.mount.display();
        let hint = match self.kernel.is_bpf_fs(&self.places.mount) {
            Ok(true) if errno == Errno::EPERM => self.kernel.explain_eperm(),
            Ok(true) => None,
            _ => Some(format!(
                "{mount} is no BPF file system and none can be mounted there: mount -t bpf bpf {mount}"
            )),
        };
        LoadError::Pin(Box::new(PinRefused {
            file: self.spec.file().to_owned(),
            map: map.name.clone(),
            path: path.to_owned(),
            differs: Vec::new(),
            errno: Some(errno),
            why: why.to_owned(),
            hint,
        }))
    }
}
