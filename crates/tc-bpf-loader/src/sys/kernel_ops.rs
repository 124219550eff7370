//! The running kernel's maps and pins.

use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::Errno;
use super::bpf::{ByIdAttr, InfoAttr, Kernel, ObjGetAttr, bpf, own};
use super::ops::{Batch, Cursor, MapInfo, MapOps, PinOps};
use crate::map::MapType;
use crate::prog::ProgType;

const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_MAP_GET_FD_BY_ID: libc::c_long = 14;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_MAP_FREEZE: libc::c_long = 22;
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
const BPF_MAP_UPDATE_BATCH: libc::c_long = 26;
const BPF_MAP_DELETE_BATCH: libc::c_long = 27;
const BPF_PROG_BIND_MAP: libc::c_long = 35;

/// `BPF_FS_MAGIC`.
const BPF_FS: i128 = 0xcafe_4a11;

/// For the commands on one element.
#[repr(C)]
#[derive(Default)]
struct ElemAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    /// Or the next key.
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct FdAttr {
    fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct BindAttr {
    prog_fd: u32,
    map_fd: u32,
    flags: u32,
}

/// The start of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfoStart {
    map_type: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    name: [u8; 16],
    ifindex: u32,
    btf_vmlinux_value_type_id: u32,
    netns_dev: u64,
    netns_ino: u64,
    btf_id: u32,
    btf_key_type_id: u32,
    btf_value_type_id: u32,
    btf_vmlinux_id: u32,
    map_extra: u64,
}

const _: () = {
    assert!(size_of::<ElemAttr>() == 32);
    assert!(size_of::<BatchAttr>() == 56);
    assert!(size_of::<FdAttr>() == 4);
    assert!(size_of::<BindAttr>() == 12);
    assert!(size_of::<MapInfoStart>() == 88);
};

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn errno(e: &io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(libc::EIO))
}

/// A key's address; maps without keys want none.
fn pointer(key: &[u8]) -> u64 {
    if key.is_empty() { 0 } else { key.as_ptr() as u64 }
}

/// What the kernel reads and writes for a map: a value takes eight bytes per CPU, and more, in some.
#[derive(Clone, Copy)]
struct Sizes {
    key: usize,
    value: usize,
}

impl Kernel {
    /// Sizes of a map's keys and values, so that no buffer is shorter than what the kernel copies.
    fn sizes(&mut self, map: BorrowedFd<'_>) -> Result<Sizes, Errno> {
        let info = self.map_info(map)?;
        let value = info.value_size as usize;
        let value = if info.map_type.is_per_cpu() {
            let cpus = super::Bpf::possible_cpus(self)? as usize;
            value.next_multiple_of(8).checked_mul(cpus).ok_or(Errno::EINVAL)?
        } else if info.map_type.holds_fds() {
            4
        } else {
            value
        };
        Ok(Sizes { key: info.key_size as usize, value })
    }

    fn check(
        &mut self,
        map: BorrowedFd<'_>,
        key: Option<usize>,
        value: Option<usize>,
        count: usize,
    ) -> Result<(), Errno> {
        let sizes = self.sizes(map)?;
        let fits = |have: Option<usize>, size: usize| {
            have.is_none_or(|have| size.checked_mul(count) == Some(have))
        };
        if fits(key, sizes.key) && fits(value, sizes.value) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl MapOps for Kernel {
    fn map_info(&mut self, map: BorrowedFd<'_>) -> Result<MapInfo, Errno> {
        let mut info = [MapInfoStart::default()];
        let mut attr = InfoAttr {
            bpf_fd: number(map),
            info_len: size_of::<MapInfoStart>() as u32,
            info: info.as_mut_ptr() as u64,
        };
        // SAFETY: `info` lives until after the call, has the length given and is ours to be written. Descriptors of
        // other things answer with structures that have no pointers in what is zero here.
        unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)? };
        let [info] = info;
        let name = info.name.split(|b| *b == 0).next().unwrap_or_default();
        Ok(MapInfo {
            map_type: MapType(info.map_type),
            id: info.id,
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            flags: info.map_flags,
            name: String::from_utf8_lossy(name).into_owned(),
            ifindex: info.ifindex,
            btf_id: info.btf_id,
            map_extra: info.map_extra,
        })
    }

    fn prog_array_owner(&mut self, map: BorrowedFd<'_>) -> Option<ProgType> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd())).ok()?;
        let owner = info.lines().find_map(|line| line.strip_prefix("owner_prog_type:"))?;
        owner.trim().parse().ok().map(ProgType)
    }

    fn map_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno> {
        let mut attr = ByIdAttr { id, ..ByIdAttr::default() };
        // SAFETY: the structure has no pointers; the descriptor returned is ours.
        unsafe { own(bpf(BPF_MAP_GET_FD_BY_ID, &mut attr)?) }
    }

    fn map_lookup(
        &mut self,
        map: BorrowedFd<'_>,
        key: &[u8],
        value: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.check(map, Some(key.len()), Some(value.len()), 1)?;
        let mut attr = ElemAttr {
            map_fd: number(map),
            pad: 0,
            key: pointer(key),
            value: value.as_mut_ptr() as u64,
            flags,
        };
        // SAFETY: key and value have the sizes of the map, checked above, and the value is ours to be written.
        unsafe { bpf(BPF_MAP_LOOKUP_ELEM, &mut attr).map(drop) }
    }

    fn map_update(
        &mut self,
        map: BorrowedFd<'_>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.check(map, Some(key.len()), Some(value.len()), 1)?;
        let mut attr = ElemAttr {
            map_fd: number(map),
            pad: 0,
            key: pointer(key),
            value: value.as_ptr() as u64,
            flags,
        };
        // SAFETY: key and value have the sizes of the map, checked above; the kernel reads them.
        unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attr).map(drop) }
    }

    fn map_delete(&mut self, map: BorrowedFd<'_>, key: &[u8]) -> Result<(), Errno> {
        self.check(map, Some(key.len()), None, 1)?;
        let mut attr = ElemAttr { map_fd: number(map), key: pointer(key), ..ElemAttr::default() };
        // SAFETY: the key has the size of the map's, checked above; the kernel reads it.
        unsafe { bpf(BPF_MAP_DELETE_ELEM, &mut attr).map(drop) }
    }

    fn map_next_key(
        &mut self,
        map: BorrowedFd<'_>,
        key: Option<&[u8]>,
        next: &mut [u8],
    ) -> Result<(), Errno> {
        self.check(map, Some(next.len()), None, 1)?;
        if key.is_some_and(|key| key.len() != next.len()) {
            return Err(Errno::EINVAL);
        }
        let mut attr = ElemAttr {
            map_fd: number(map),
            pad: 0,
            key: key.map_or(0, |key| key.as_ptr() as u64),
            value: next.as_mut_ptr() as u64,
            flags: 0,
        };
        // SAFETY: both keys have the size of the map's, checked above, and the next one is ours to be written.
        unsafe { bpf(BPF_MAP_GET_NEXT_KEY, &mut attr).map(drop) }
    }

    fn map_lookup_batch(
        &mut self,
        map: BorrowedFd<'_>,
        at: &mut Cursor,
        keys: &mut [u8],
        values: &mut [u8],
        count: u32,
    ) -> Result<Batch, Errno> {
        self.check(map, Some(keys.len()), Some(values.len()), count as usize)?;
        let needed = self.sizes(map)?.key.max(8);
        let before = at.bytes.clone();
        if before.len() < needed {
            return Err(Errno::EINVAL);
        }
        let mut attr = BatchAttr {
            in_batch: if at.started { before.as_ptr() as u64 } else { 0 },
            out_batch: at.bytes.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count,
            map_fd: number(map),
            ..BatchAttr::default()
        };
        // SAFETY: keys and values have room for `count` of the map's, and the two cursors for a key or the kernel's
        // four bytes, all checked above; what is written is ours.
        let result = unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &mut attr) };
        match result {
            Ok(_) => {
                at.started = true;
                Ok(Batch { count: attr.count, end: false })
            }
            Err(Errno::ENOENT) => Ok(Batch { count: attr.count, end: true }),
            Err(e) => Err(e),
        }
    }

    fn map_update_batch(
        &mut self,
        map: BorrowedFd<'_>,
        keys: &[u8],
        values: &[u8],
        count: u32,
        flags: u64,
    ) -> Result<(), (Errno, u32)> {
        self.check(map, Some(keys.len()), Some(values.len()), count as usize)
            .map_err(|e| (e, 0))?;
        let mut attr = BatchAttr {
            keys: keys.as_ptr() as u64,
            values: values.as_ptr() as u64,
            count,
            map_fd: number(map),
            elem_flags: flags,
            ..BatchAttr::default()
        };
        // SAFETY: keys and values are `count` of the map's sizes, checked above; the kernel reads them.
        unsafe { bpf(BPF_MAP_UPDATE_BATCH, &mut attr) }.map(drop).map_err(|e| (e, done(&attr, e)))
    }

    fn map_delete_batch(
        &mut self,
        map: BorrowedFd<'_>,
        keys: &[u8],
        count: u32,
    ) -> Result<(), (Errno, u32)> {
        self.check(map, Some(keys.len()), None, count as usize).map_err(|e| (e, 0))?;
        let mut attr = BatchAttr {
            keys: keys.as_ptr() as u64,
            count,
            map_fd: number(map),
            ..BatchAttr::default()
        };
        // SAFETY: keys are `count` of the map's size, checked above; the kernel reads them.
        unsafe { bpf(BPF_MAP_DELETE_BATCH, &mut attr) }.map(drop).map_err(|e| (e, done(&attr, e)))
    }

    fn map_freeze(&mut self, map: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut attr = FdAttr { fd: number(map) };
        // SAFETY: the structure has no pointers.
        unsafe { bpf(BPF_MAP_FREEZE, &mut attr).map(drop) }
    }

    fn prog_bind_map(&mut self, prog: BorrowedFd<'_>, map: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut attr = BindAttr { prog_fd: number(prog), map_fd: number(map), flags: 0 };
        // SAFETY: the structure has no pointers.
        unsafe { bpf(BPF_PROG_BIND_MAP, &mut attr).map(drop) }
    }
}

/// How many elements of a failed batch were handled; a kernel that does not know the command leaves the number alone.
fn done(attr: &BatchAttr, e: Errno) -> u32 {
    if e == Errno::EINVAL || e == Errno::ENOTSUPP { 0 } else { attr.count }
}

fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::ENOENT)
}

impl PinOps for Kernel {
    fn obj_pin(&mut self, fd: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
        let path = c_path(path)?;
        let mut attr =
            ObjGetAttr { pathname: path.as_ptr() as u64, bpf_fd: number(fd), file_flags: 0 };
        // SAFETY: the path is NUL-terminated and lives until after the call.
        unsafe { bpf(BPF_OBJ_PIN, &mut attr).map(drop) }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        fs::rename(from, to).map_err(|e| errno(&e))
    }

    fn unlink(&mut self, path: &Path) -> Result<(), Errno> {
        fs::remove_file(path).map_err(|e| errno(&e))
    }

    fn is_bpf_fs(&mut self, path: &Path) -> Result<bool, Errno> {
        let path = c_path(path)?;
        let mut stat = MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: the path is NUL-terminated, and the structure ours to be written.
        if unsafe { libc::statfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
            return Err(errno(&io::Error::last_os_error()));
        }
        // SAFETY: the call succeeded, and all zero is a valid value of it anyway.
        let stat = unsafe { stat.assume_init() };
        // The field's type depends on the machine.
        Ok(i128::from(stat.f_type) & 0xffff_ffff == BPF_FS)
    }

    fn make_dir(&mut self, path: &Path) -> Result<(), Errno> {
        fs::DirBuilder::new().mode(0o700).create(path).map_err(|e| errno(&e))
    }

    fn remove_dir(&mut self, path: &Path) -> Result<(), Errno> {
        fs::remove_dir(path).map_err(|e| errno(&e))
    }

    fn make_link(&mut self, target: &Path, path: &Path) -> Result<(), Errno> {
        std::os::unix::fs::symlink(target, path).map_err(|e| errno(&e))
    }

    fn mount_bpf(&mut self, path: &Path) -> Result<(), Errno> {
        let path = c_path(path)?;
        // SAFETY: all five are NUL-terminated texts that live until after the call.
        let result = unsafe {
            libc::mount(
                c"bpf".as_ptr(),
                path.as_ptr(),
                c"bpf".as_ptr(),
                0,
                c"mode=0700".as_ptr().cast(),
            )
        };
        if result == 0 { Ok(()) } else { Err(errno(&io::Error::last_os_error())) }
    }

    fn unmount(&mut self, path: &Path) -> Result<(), Errno> {
        let path = c_path(path)?;
        // SAFETY: the path is NUL-terminated and lives until after the call.
        let result = unsafe { libc::umount2(path.as_ptr(), 0) };
        if result == 0 { Ok(()) } else { Err(errno(&io::Error::last_os_error())) }
    }
}
