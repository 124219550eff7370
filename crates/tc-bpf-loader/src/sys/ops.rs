//! What is asked of the kernel beyond creating and loading: maps' contents, and the file system of pins.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use super::Errno;
use crate::map::MapType;
use crate::prog::ProgType;

/// What the kernel tells about a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "bpf_map_info")]
pub struct MapInfo {
    /// Type.
    pub map_type: MapType,
    /// Number of the map in this kernel.
    pub id: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// `BPF_F_*` of its creation.
    pub flags: u32,
    /// Name, at most 15 bytes; empty if it has none.
    pub name: String,
    /// Device that the map is offloaded to, 0 for none.
    pub ifindex: u32,
    /// Number of its type information in this kernel, 0 for none.
    pub btf_id: u32,
    /// Extra number of some types; 0 before Linux 5.16.
    pub map_extra: u64,
}

/// How many entries a batch took or gave, and whether it came to the end of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Entries handled.
    pub count: u32,
    /// There are no more.
    pub end: bool,
}

/// The contents of maps. Keys and values have the sizes of the map, except that a value of a per-CPU map is one of a
/// multiple of eight bytes for each possible CPU.
pub trait MapOps {
    /// Describes a map.
    #[doc(alias = "BPF_OBJ_GET_INFO_BY_FD")]
    fn map_info(&mut self, map: BorrowedFd<'_>) -> Result<MapInfo, Errno>;

    /// The type of the programs in a program array, once there is one or a program uses it.
    fn prog_array_owner(&mut self, _map: BorrowedFd<'_>) -> Option<ProgType> {
        None
    }

    /// Opens the map of this id. Since Linux 4.13; needs `CAP_SYS_ADMIN`.
    #[doc(alias = "BPF_MAP_GET_FD_BY_ID")]
    fn map_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno>;

    /// Reads the value of a key into `value`; `ENOENT` if there is none.
    #[doc(alias = "BPF_MAP_LOOKUP_ELEM")]
    fn map_lookup(
        &mut self,
        map: BorrowedFd<'_>,
        key: &[u8],
        value: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno>;

    /// Sets a value.
    #[doc(alias = "BPF_MAP_UPDATE_ELEM")]
    fn map_update(
        &mut self,
        map: BorrowedFd<'_>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno>;

    /// Removes a key.
    #[doc(alias = "BPF_MAP_DELETE_ELEM")]
    fn map_delete(&mut self, map: BorrowedFd<'_>, key: &[u8]) -> Result<(), Errno>;

    /// The key after `key`, or the first; `ENOENT` after the last.
    #[doc(alias = "BPF_MAP_GET_NEXT_KEY")]
    fn map_next_key(
        &mut self,
        map: BorrowedFd<'_>,
        key: Option<&[u8]>,
        next: &mut [u8],
    ) -> Result<(), Errno>;

    /// Reads many entries at once, as many as `keys` and `values` have room for: `count`. `at` is where to go on, and
    /// is set to that for the next call; empty, and with room for a key, for the first. Since Linux 5.6.
    #[doc(alias = "BPF_MAP_LOOKUP_BATCH")]
    fn map_lookup_batch(
        &mut self,
        map: BorrowedFd<'_>,
        at: &mut Cursor,
        keys: &mut [u8],
        values: &mut [u8],
        count: u32,
    ) -> Result<Batch, Errno>;

    /// Sets many entries at once. Since Linux 5.6. On failure the number of those that were set.
    #[doc(alias = "BPF_MAP_UPDATE_BATCH")]
    fn map_update_batch(
        &mut self,
        map: BorrowedFd<'_>,
        keys: &[u8],
        values: &[u8],
        count: u32,
        flags: u64,
    ) -> Result<(), (Errno, u32)>;

    /// Removes many keys at once. Since Linux 5.6. On failure the number of those that were removed.
    #[doc(alias = "BPF_MAP_DELETE_BATCH")]
    fn map_delete_batch(
        &mut self,
        map: BorrowedFd<'_>,
        keys: &[u8],
        count: u32,
    ) -> Result<(), (Errno, u32)>;

    /// Forbids all changes from user space. Since Linux 5.2.
    #[doc(alias = "BPF_MAP_FREEZE")]
    fn map_freeze(&mut self, map: BorrowedFd<'_>) -> Result<(), Errno>;

    /// Has a program keep a map that its instructions do not refer to. Since Linux 5.10.
    #[doc(alias = "BPF_PROG_BIND_MAP")]
    fn prog_bind_map(&mut self, prog: BorrowedFd<'_>, map: BorrowedFd<'_>) -> Result<(), Errno>;
}

/// Where [`MapOps::map_lookup_batch`] goes on: bytes of the kernel's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) bytes: Vec<u8>,
    pub(crate) started: bool,
}

impl Cursor {
    /// The start of a map with keys of that size.
    #[must_use]
    pub fn start(key_size: usize) -> Self {
        // Hash tables keep a number of four bytes there whatever the size of a key.
        Cursor { bytes: vec![0; key_size.max(8)], started: false }
    }
}

/// The BPF file system: pins, and the directories that they are in.
pub trait PinOps {
    /// Pins a program, map or link; `EEXIST` if something is there already.
    #[doc(alias = "BPF_OBJ_PIN")]
    fn obj_pin(&mut self, fd: BorrowedFd<'_>, path: &Path) -> Result<(), Errno>;

    /// Gives a pin another name in its directory, in place of what has that name.
    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno>;

    /// Removes a pin or a symbolic link.
    fn unlink(&mut self, path: &Path) -> Result<(), Errno>;

    /// Whether a directory is of a BPF file system; `ENOENT` if it is not there.
    fn is_bpf_fs(&mut self, path: &Path) -> Result<bool, Errno>;

    /// Makes a directory for its owner alone; `EEXIST` if there is one.
    fn make_dir(&mut self, path: &Path) -> Result<(), Errno>;

    /// Removes an empty directory.
    fn remove_dir(&mut self, path: &Path) -> Result<(), Errno>;

    /// Makes a symbolic link.
    fn make_link(&mut self, target: &Path, path: &Path) -> Result<(), Errno>;

    /// Mounts a BPF file system.
    fn mount_bpf(&mut self, path: &Path) -> Result<(), Errno>;

    /// Unmounts it again.
    fn unmount(&mut self, path: &Path) -> Result<(), Errno>;
}
