//! The maps and pins of the kernel that [`Fake`] plays: tables in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use super::fake::{Fake, descriptor};
use super::ops::{Batch, Cursor, MapInfo, MapOps, PinOps};
use super::{Errno, MapCreate};

/// A map of the fake kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeMap {
    /// What it was created as.
    pub info: MapInfo,
    /// Its contents.
    pub entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether user space may not change it any more.
    pub frozen: bool,
    /// Descriptor of the template that it was created with.
    pub inner: Option<RawFd>,
}

/// What a path is a pin of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pinned {
    Map(usize),
    Other,
}

/// What lives in the fake kernel.
#[derive(Debug, Default)]
pub(super) struct World {
    maps: Vec<FakeMap>,
    /// Descriptors of maps; numbers are used again, the newest meaning holds.
    fds: BTreeMap<RawFd, usize>,
    pins: BTreeMap<PathBuf, Pinned>,
    pub(super) dirs: BTreeSet<PathBuf>,
    links: BTreeSet<PathBuf>,
    mounts: Vec<PathBuf>,
    no_mount: bool,
    pub(super) refuse_pin: VecDeque<Errno>,
    pub(super) refuse_update: VecDeque<Errno>,
}

impl World {
    pub(super) fn add(&mut self, fd: RawFd, map: &MapCreate<'_>) {
        let id = self.maps.len() as u32 + 1;
        let info = MapInfo {
            map_type: map.map_type,
            id,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            flags: map.flags,
            name: map.name.to_owned(),
            ifindex: map.ifindex,
            btf_id: u32::from(map.btf.is_some()),
            map_extra: map.map_extra,
        };
        let inner = map.inner.map(|fd| fd.as_raw_fd());
        self.fds.insert(fd, self.maps.len());
        self.maps.push(FakeMap { info, entries: BTreeMap::new(), frozen: false, inner });
    }

    /// A program or something else took the number of a map that is closed.
    pub(super) fn forget(&mut self, fd: RawFd) {
        self.fds.remove(&fd);
    }

    pub(super) fn pinned(&self, path: &Path) -> Option<Pinned> {
        self.pins.get(path).copied()
    }

    pub(super) fn opened(&mut self, fd: RawFd, pinned: Option<Pinned>) {
        match pinned {
            Some(Pinned::Map(map)) => self.fds.insert(fd, map),
            _ => self.fds.remove(&fd),
        };
    }

    pub(super) fn is_map(&self, fd: RawFd) -> bool {
        self.fds.contains_key(&fd)
    }

    fn map(&mut self, fd: BorrowedFd<'_>) -> Result<&mut FakeMap, Errno> {
        let index = self.fds.get(&fd.as_raw_fd()).ok_or(Errno::EINVAL)?;
        self.maps.get_mut(*index).ok_or(Errno::EINVAL)
    }
}

impl Fake {
    /// All maps that were ever created, in order.
    pub fn maps(&self) -> &[FakeMap] {
        &self.world.maps
    }

    /// The map that a descriptor of this number means.
    pub fn map(&self, fd: RawFd) -> Option<&FakeMap> {
        self.world.maps.get(*self.world.fds.get(&fd)?)
    }

    /// Paths of all pins.
    pub fn pins(&self) -> Vec<&Path> {
        self.world.pins.keys().map(PathBuf::as_path).collect()
    }

    /// Directories and symbolic links that were made and not removed, and what is mounted.
    pub fn made(&self) -> Vec<&Path> {
        let World { dirs, links, mounts, .. } = &self.world;
        dirs.iter().chain(links).chain(mounts).map(PathBuf::as_path).collect()
    }

    /// Pins a map as somebody else might have, before the load.
    pub fn pin_map(&mut self, path: &Path, info: MapInfo) {
        self.world.pins.insert(path.to_owned(), Pinned::Map(self.world.maps.len()));
        self.world.maps.push(FakeMap { info, ..FakeMap::default() });
    }

    /// Mounts a BPF file system, as most systems have one at `/sys/fs/bpf`.
    pub fn mount(&mut self, path: &Path) {
        self.world.mounts.push(path.to_owned());
    }

    /// Forbids to mount anything.
    pub fn refuse_mounts(&mut self) {
        self.world.no_mount = true;
    }

    /// Refuses the next pin.
    pub fn refuse_pin(&mut self, errno: Errno) {
        self.world.refuse_pin.push_back(errno);
    }

    /// Refuses the next change of a map's contents.
    pub fn refuse_update(&mut self, errno: Errno) {
        self.world.refuse_update.push_back(errno);
    }
}

impl MapOps for Fake {
    fn map_info(&mut self, map: BorrowedFd<'_>) -> Result<MapInfo, Errno> {
        self.count()?;
        self.world.map(map).map(|m| m.info.clone())
    }

    fn map_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno> {
        self.count()?;
        let index = self.world.maps.iter().position(|m| m.info.id == id).ok_or(Errno::ENOENT)?;
        let fd = descriptor()?;
        self.world.opened(fd.as_raw_fd(), Some(Pinned::Map(index)));
        Ok(fd)
    }

    fn map_lookup(
        &mut self,
        map: BorrowedFd<'_>,
        key: &[u8],
        value: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        self.count()?;
        let found = self.world.map(map)?.entries.get(key).ok_or(Errno::ENOENT)?;
        if found.len() != value.len() {
            return Err(Errno::EINVAL);
        }
        value.copy_from_slice(found);
        Ok(())
    }

    fn map_update(
        &mut self,
        map: BorrowedFd<'_>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.count()?;
        if let Some(errno) = self.world.refuse_update.pop_front() {
            return Err(errno);
        }
        let map = self.world.map(map)?;
        if map.frozen {
            return Err(Errno::EPERM);
        }
        if key.len() != map.info.key_size as usize {
            return Err(Errno::EINVAL);
        }
        match flags {
            1 if map.entries.contains_key(key) => return Err(Errno::EEXIST),
            2 if !map.entries.contains_key(key) => return Err(Errno::ENOENT),
            _ => {}
        }
        let full = map.entries.len() >= map.info.max_entries as usize;
        if full && !map.entries.contains_key(key) {
            return Err(Errno::E2BIG);
        }
        map.entries.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn map_delete(&mut self, map: BorrowedFd<'_>, key: &[u8]) -> Result<(), Errno> {
        self.count()?;
        self.world.map(map)?.entries.remove(key).map(drop).ok_or(Errno::ENOENT)
    }

    fn map_next_key(
        &mut self,
        map: BorrowedFd<'_>,
        key: Option<&[u8]>,
        next: &mut [u8],
    ) -> Result<(), Errno> {
        self.count()?;
        let map = self.world.map(map)?;
        // A key that is gone starts over, as in the kernel's hash tables.
        let mut keys = map.entries.keys();
        let found = match key.filter(|key| map.entries.contains_key(*key)) {
            None => keys.next(),
            Some(key) => keys.find(|k| k.as_slice() > key),
        };
        let found = found.ok_or(Errno::ENOENT)?;
        if found.len() != next.len() {
            return Err(Errno::EINVAL);
        }
        next.copy_from_slice(found);
        Ok(())
    }

    fn map_lookup_batch(
        &mut self,
        _map: BorrowedFd<'_>,
        _at: &mut Cursor,
        _keys: &mut [u8],
        _values: &mut [u8],
        _count: u32,
    ) -> Result<Batch, Errno> {
        self.count()?;
        // As a kernel before 5.6.
        Err(Errno::EINVAL)
    }

    fn map_update_batch(
        &mut self,
        _map: BorrowedFd<'_>,
        _keys: &[u8],
        _values: &[u8],
        _count: u32,
        _flags: u64,
    ) -> Result<(), (Errno, u32)> {
        Err((Errno::EINVAL, 0))
    }

    fn map_delete_batch(
        &mut self,
        _map: BorrowedFd<'_>,
        _keys: &[u8],
        _count: u32,
    ) -> Result<(), (Errno, u32)> {
        Err((Errno::EINVAL, 0))
    }

    fn map_freeze(&mut self, map: BorrowedFd<'_>) -> Result<(), Errno> {
        self.count()?;
        self.world.map(map).map(|m| m.frozen = true)
    }

    fn prog_bind_map(&mut self, _prog: BorrowedFd<'_>, map: BorrowedFd<'_>) -> Result<(), Errno> {
        self.count()?;
        self.world.map(map).map(drop)
    }
}

impl PinOps for Fake {
    fn obj_pin(&mut self, fd: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
        self.count()?;
        if let Some(errno) = self.world.refuse_pin.pop_front() {
            return Err(errno);
        }
        if self.world.pins.contains_key(path) {
            return Err(Errno::EEXIST);
        }
        let parent = path.parent().unwrap_or(path);
        if !self.is_bpf_fs(parent)? {
            return Err(Errno::EPERM);
        }
        let map = self.world.fds.get(&fd.as_raw_fd()).copied();
        self.world.pins.insert(path.to_owned(), map.map_or(Pinned::Other, Pinned::Map));
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        self.count()?;
        let pin = self.world.pins.remove(from).ok_or(Errno::ENOENT)?;
        self.world.pins.insert(to.to_owned(), pin);
        Ok(())
    }

    fn unlink(&mut self, path: &Path) -> Result<(), Errno> {
        self.count()?;
        let removed = self.world.pins.remove(path).is_some() || self.world.links.remove(path);
        if removed { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn is_bpf_fs(&mut self, path: &Path) -> Result<bool, Errno> {
        self.count()?;
        let World { mounts, dirs, .. } = &self.world;
        let mounted = mounts.iter().any(|m| path.starts_with(m));
        let exists = dirs.contains(path) || mounts.iter().any(|m| m == path);
        match (mounted, exists) {
            (true, true) => Ok(true),
            (true, false) => Err(Errno::ENOENT),
            // Directories of other file systems are there.
            (false, _) => Ok(false),
        }
    }

    fn make_dir(&mut self, path: &Path) -> Result<(), Errno> {
        self.count()?;
        if self.world.mounts.iter().any(|m| m == path) || !self.world.dirs.insert(path.to_owned()) {
            return Err(Errno::EEXIST);
        }
        Ok(())
    }

    fn remove_dir(&mut self, path: &Path) -> Result<(), Errno> {
        self.count()?;
        let used = |p: &PathBuf| p != path && p.starts_with(path);
        if self.world.pins.keys().any(used) || self.world.dirs.iter().any(used) {
            return Err(Errno(libc::ENOTEMPTY));
        }
        if self.world.dirs.remove(path) { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn make_link(&mut self, _target: &Path, path: &Path) -> Result<(), Errno> {
        self.count()?;
        if self.world.links.insert(path.to_owned()) { Ok(()) } else { Err(Errno::EEXIST) }
    }

    fn mount_bpf(&mut self, path: &Path) -> Result<(), Errno> {
        self.count()?;
        if self.world.no_mount {
            return Err(Errno::EPERM);
        }
        self.world.mounts.push(path.to_owned());
        Ok(())
    }

    fn unmount(&mut self, path: &Path) -> Result<(), Errno> {
        self.count()?;
        let at = self.world.mounts.iter().rposition(|m| m == path).ok_or(Errno::EINVAL)?;
        self.world.mounts.remove(at);
        Ok(())
    }
}
