//! Where maps are pinned, and what was made there.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::sha1;
use crate::spec::ObjectSpec;
use crate::sys::{Bpf, Errno};

/// Directories for the ways of pinning. All of them are in one BPF file system, which is mounted, and in which they are
/// made, when a map is to be pinned there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Places {
    /// Where the BPF file system is or belongs.
    pub mount: PathBuf,
    /// For [`Pinning::ByName`](crate::Pinning::ByName).
    pub by_name: PathBuf,
    /// For [`Pinning::Global`](crate::Pinning::Global).
    pub global: PathBuf,
    /// For [`Pinning::Object`](crate::Pinning::Object); in there each object has a directory, called after the SHA-1 of
    /// its file.
    pub objects: PathBuf,
    /// For [`Pinning::Custom`](crate::Pinning::Custom), by number.
    pub custom: BTreeMap<u32, PathBuf>,
    /// Symbolic links that belong there, once something is pinned: where they lead, and where they are.
    pub links: Vec<(PathBuf, PathBuf)>,
}

impl Default for Places {
    /// libbpf's place for maps pinned by name, `/sys/fs/bpf`, and iproute2's for the others: `/sys/fs/bpf/tc`.
    fn default() -> Self {
        let mount = PathBuf::from("/sys/fs/bpf");
        Places { by_name: mount.clone(), ..Places::of_iproute2(&mount) }
    }
}

impl Places {
    /// iproute2's directories under a mount point: `tc/globals` for what all objects share and for what is pinned by
    /// name, and one in `tc` for each object. `xdp` and `ip` lead to `tc`.
    #[must_use]
    pub fn of_iproute2(mount: &Path) -> Self {
        let tc = mount.join("tc");
        Places {
            mount: mount.to_owned(),
            by_name: tc.join("globals"),
            global: tc.join("globals"),
            custom: BTreeMap::new(),
            links: ["xdp", "ip"].map(|name| (tc.join(""), mount.join(name))).to_vec(),
            objects: tc,
        }
    }

    /// The directory of an object's own maps.
    pub fn object(&self, object: &ObjectSpec) -> PathBuf {
        self.objects.join(sha1::hex(object.elf.bytes()))
    }
}

/// What a load made that outlives it: pins, directories, links, a mount. On failure it is taken back.
#[derive(Debug, Default)]
pub struct Made(Vec<Item>);

#[derive(Debug)]
enum Item {
    Pin(PathBuf),
    /// A pin in place of another, and the map that this one was of.
    Replaced(PathBuf, OwnedFd),
    Link(PathBuf),
    Dir(PathBuf),
    Mount(PathBuf),
}

impl Made {
    /// The pins that were made; what was found pinned already is not among them.
    pub fn pins(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|item| match item {
            Item::Pin(path) | Item::Replaced(path, _) => Some(path.as_path()),
            _ => None,
        })
    }

    /// What `load` does, and what it notes meanwhile; takes that back if it fails.
    pub(super) fn noted<T, E>(
        kernel: &mut dyn Bpf,
        load: impl FnOnce(&mut dyn Bpf, &mut Made) -> Result<T, E>,
    ) -> Result<(T, Made), E> {
        let mut made = Made::default();
        match load(kernel, &mut made) {
            Ok(loaded) => Ok((loaded, made)),
            Err(e) => {
                made.undo(kernel);
                Err(e)
            }
        }
    }

    /// Takes it all back, the latest first. What others use by now stays.
    pub fn undo(&self, kernel: &mut dyn Bpf) {
        for item in self.0.iter().rev() {
            // What cannot be removed is somebody else's by now.
            _ = match item {
                Item::Pin(path) | Item::Link(path) => kernel.unlink(path),
                Item::Replaced(path, old) => put(old.as_fd(), path, kernel),
                Item::Dir(path) => kernel.remove_dir(path),
                Item::Mount(path) => kernel.unmount(path),
            };
        }
    }

    pub(super) fn pin(&mut self, path: PathBuf) {
        self.0.push(Item::Pin(path));
    }

    /// Pins a map in place of `old`, which is pinned there.
    pub(super) fn replace(
        &mut self,
        path: PathBuf,
        old: OwnedFd,
        new: BorrowedFd<'_>,
        kernel: &mut dyn Bpf,
    ) -> Result<(), Errno> {
        put(new, &path, kernel)?;
        self.0.push(Item::Replaced(path, old));
        Ok(())
    }

    /// Makes the directory that a pin goes to, on a BPF file system; on failure says which is the trouble.
    pub(super) fn directory_of(
        &mut self,
        pin: &Path,
        places: &Places,
        kernel: &mut dyn Bpf,
    ) -> Result<(), (Errno, PathBuf)> {
        let directory = pin.parent().unwrap_or(pin);
        match kernel.is_bpf_fs(directory) {
            Ok(true) => return Ok(()),
            Ok(false) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err((errno, directory.to_owned())),
        }
        let mount = &places.mount;
        match kernel.is_bpf_fs(mount) {
            Ok(true) => {}
            other => {
                if other == Err(Errno::ENOENT) {
                    self.make_dir(mount, kernel)?;
                }
                kernel.mount_bpf(mount).map_err(|errno| (errno, mount.clone()))?;
                self.0.push(Item::Mount(mount.clone()));
            }
        }
        // Links first: once the directory is there, nobody looks for what is missing beside it.
        for (target, path) in &places.links {
            if kernel.make_link(target, path).is_ok() {
                self.0.push(Item::Link(path.clone()));
            }
        }
        // From the mount point down.
        let mut missing: Vec<&Path> =
            directory.ancestors().take_while(|p| *p != mount.as_path()).collect();
        if !directory.starts_with(mount) {
            missing.clear();
        }
        for path in missing.into_iter().rev() {
            self.make_dir(path, kernel)?;
        }
        match kernel.is_bpf_fs(directory) {
            Ok(true) => Ok(()),
            Ok(false) => Err((Errno(libc::EPERM), directory.to_owned())),
            Err(errno) => Err((errno, directory.to_owned())),
        }
    }

    fn make_dir(&mut self, path: &Path, kernel: &mut dyn Bpf) -> Result<(), (Errno, PathBuf)> {
        match kernel.make_dir(path) {
            Ok(()) => {
                self.0.push(Item::Dir(path.to_owned()));
                Ok(())
            }
            Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err((errno, path.to_owned())),
        }
    }
}

/// Pins a map in place of whatever is pinned there, at once for all who look.
fn put(map: BorrowedFd<'_>, path: &Path, kernel: &mut dyn Bpf) -> Result<(), Errno> {
    // Dots are not allowed in such names.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("_replacing");
    let beside = path.with_file_name(name);
    match kernel.obj_pin(map, &beside) {
        // Of somebody who was killed at it.
        Err(Errno::EEXIST) => {
            kernel.unlink(&beside)?;
            kernel.obj_pin(map, &beside)?;
        }
        result => result?,
    }
    kernel.rename(&beside, path).inspect_err(|_| _ = kernel.unlink(&beside))
}
