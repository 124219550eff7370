//! bpf(2) itself. The structures are the members of uapi `linux/bpf.h` `union bpf_attr`, as of 6.14, cut after the
//! last field used; older kernels take the longer ones as long as what they don't know is zero.

use std::ffi::CString;
use std::fs;
use std::io::Read as _;
use std::mem::{align_of, size_of};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::eperm::Limits;
use super::{Bpf, Errno, Log, MapCreate, ModuleBtf, ProgInfo, ProgLoad, last_errno};
use crate::btf::ext::{FuncInfo, LineInfo};
use crate::insn::Insn;
use crate::prog::ProgType;

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_BTF_LOAD: libc::c_long = 18;
const BPF_BTF_GET_FD_BY_ID: libc::c_long = 19;
const BPF_BTF_GET_NEXT_ID: libc::c_long = 23;
/// Added to a command: a fourth and fifth argument, [`CommonAttr`] and its size. Since Linux 7.0.
const BPF_COMMON_ATTRS: libc::c_long = 1 << 16;

/// Most modules whose types are read, and most bytes of one of them.
const MAX_MODULES: usize = 1024;
const MAX_MODULE_BTF: u32 = 64 << 20;
/// Bytes for what the kernel says of a map; it is a line.
const MAP_LOG: usize = 4096;

/// The running kernel. It has no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

#[repr(C)]
#[derive(Default)]
struct MapCreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
    map_ifindex: u32,
    btf_fd: u32,
    btf_key_type_id: u32,
    btf_value_type_id: u32,
    btf_vmlinux_value_type_id: u32,
    map_extra: u64,
    value_type_btf_obj_fd: u32,
    map_token_fd: u32,
}

/// `struct bpf_common_attr`, with what follows it up to its alignment.
#[repr(C)]
#[derive(Default)]
struct CommonAttr {
    log_buf: u64,
    log_size: u32,
    log_level: u32,
    log_true_size: u32,
    none: u32,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    core_relo_cnt: u32,
    fd_array: u64,
    core_relos: u64,
    core_relo_rec_size: u32,
    log_true_size: u32,
}

#[repr(C)]
#[derive(Default)]
struct BtfLoadAttr {
    btf: u64,
    btf_log_buf: u64,
    btf_size: u32,
    btf_log_size: u32,
    btf_log_level: u32,
    btf_log_true_size: u32,
}

#[repr(C)]
#[derive(Default)]
pub(super) struct ObjGetAttr {
    pub(super) pathname: u64,
    pub(super) bpf_fd: u32,
    pub(super) file_flags: u32,
}

#[repr(C)]
#[derive(Default)]
pub(super) struct InfoAttr {
    pub(super) bpf_fd: u32,
    pub(super) info_len: u32,
    pub(super) info: u64,
}

/// The start of `struct bpf_prog_info`; the rest is not asked for.
#[repr(C)]
#[derive(Default)]
struct ProgInfoStart {
    prog_type: u32,
    id: u32,
    tag: [u8; 8],
    jited_prog_len: u32,
    xlated_prog_len: u32,
    jited_prog_insns: u64,
    xlated_prog_insns: u64,
    load_time: u64,
    created_by_uid: u32,
    nr_map_ids: u32,
    map_ids: u64,
    name: [u8; 16],
    ifindex: u32,
    gpl_compatible: u32,
    netns_dev: u64,
    netns_ino: u64,
    nr_jited_ksyms: u32,
    nr_jited_func_lens: u32,
    jited_ksyms: u64,
    jited_func_lens: u64,
    btf_id: u32,
    func_info_rec_size: u32,
}

/// `struct bpf_btf_info`.
#[repr(C)]
#[derive(Default)]
struct BtfInfo {
    btf: u64,
    btf_size: u32,
    id: u32,
    name: u64,
    name_len: u32,
    kernel_btf: u32,
}

/// `BPF_*_GET_FD_BY_ID` and `BPF_*_GET_NEXT_ID`.
#[repr(C)]
#[derive(Default)]
pub(super) struct ByIdAttr {
    pub(super) id: u32,
    pub(super) next_id: u32,
    pub(super) open_flags: u32,
}

// No padding: every byte that the kernel reads is written.
const _: () = {
    assert!(size_of::<MapCreateAttr>() == 80);
    assert!(size_of::<Insn>() == Insn::SIZE && align_of::<Insn>() == 4);
    assert!(size_of::<CommonAttr>() == 24);
    assert!(size_of::<ProgLoadAttr>() == 144);
    assert!(size_of::<BtfLoadAttr>() == 32);
    assert!(size_of::<ObjGetAttr>() == 16);
    assert!(size_of::<InfoAttr>() == 16);
    assert!(size_of::<ProgInfoStart>() == 136);
    assert!(size_of::<ByIdAttr>() == 12);
    assert!(size_of::<BtfInfo>() == 32);
};

/// Calls bpf(2) and returns its result, which is a descriptor for most commands.
///
/// # Safety
/// `attr` must be the structure of that command, and the pointers in it must point to as many bytes as the lengths
/// beside them say: readable, and writable where the kernel answers.
pub(super) unsafe fn bpf<T>(command: libc::c_long, attr: &mut T) -> Result<RawFd, Errno> {
    // SAFETY: attr is valid for its size; what it points to is the caller's promise.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(last_errno()) } else { Ok(result as RawFd) }
}

/// Takes over a descriptor that the kernel just returned, and moves it away from the standard streams' numbers.
///
/// # Safety
/// Nobody else owns `fd`.
pub(super) unsafe fn own(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller's promise; the kernel returned it, so it is open.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    // Duplicates to 3 or above (F_DUPFD_CLOEXEC with 3).
    fd.try_clone().map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EMFILE)))
}

fn address<T>(items: &[T]) -> u64 {
    items.as_ptr() as u64
}

/// A name in the kernel's 16 bytes.
fn name_bytes(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    out
}

/// The memory behind a [`Log`] during a call.
fn log_buffer(log: Option<&Log>) -> Vec<u8> {
    vec![0; log.map_or(0, |l| l.size as usize)]
}

fn take_log(log: Option<&mut Log>, buffer: &[u8], true_size: u32) {
    if let Some(log) = log {
        let text = buffer.split(|b| *b == 0).next().unwrap_or_default();
        log.text = String::from_utf8_lossy(text).into_owned();
        log.true_size = (true_size != 0).then_some(true_size);
    }
}

/// A BTF of the running kernel.
struct BtfDetails {
    name: String,
    is_kernel: bool,
    bytes: Vec<u8>,
}

/// Describes a BTF; without its bytes for that of the kernel itself, which `/sys` has.
fn btf_details(fd: BorrowedFd<'_>) -> Result<BtfDetails, Errno> {
    let mut name = [0u8; 64];
    let mut bytes = Vec::new();
    // First its size and name, then its bytes.
    loop {
        let mut info = [BtfInfo {
            btf: if bytes.is_empty() { 0 } else { bytes.as_mut_ptr() as u64 },
            btf_size: bytes.len() as u32,
            name: name.as_mut_ptr() as u64,
            name_len: name.len() as u32,
            ..BtfInfo::default()
        }];
        let mut attr = InfoAttr {
            bpf_fd: fd.as_raw_fd() as u32,
            info_len: size_of::<BtfInfo>() as u32,
            info: info.as_mut_ptr() as u64,
        };
        // SAFETY: `info` and the buffers it points to live until after the call, have the lengths given and are ours
        // to be written.
        unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)? };
        let [info] = info;
        let text = name.split(|b| *b == 0).next().unwrap_or_default();
        let is_kernel = info.kernel_btf != 0;
        let enough = bytes.len() >= info.btf_size as usize;
        if enough || info.btf_size > MAX_MODULE_BTF || (is_kernel && text == b"vmlinux") {
            let name = String::from_utf8_lossy(text).into_owned();
            return Ok(BtfDetails { name, is_kernel, bytes });
        }
        bytes = vec![0; info.btf_size as usize];
    }
}

fn btf_by_id(id: u32) -> Result<OwnedFd, Errno> {
    let mut attr = ByIdAttr { id, ..ByIdAttr::default() };
    // SAFETY: the structure has no pointers; the descriptor returned is ours.
    unsafe { bpf(BPF_BTF_GET_FD_BY_ID, &mut attr).and_then(|fd| own(fd)) }
}

fn map_attr(map: &MapCreate<'_>) -> MapCreateAttr {
    let (btf_fd, key, value) =
        map.btf.map_or((0, 0, 0), |(fd, k, v)| (fd.as_raw_fd() as u32, k, v));
    MapCreateAttr {
        map_type: map.map_type.0,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        map_flags: map.flags,
        numa_node: map.numa_node,
        map_name: name_bytes(map.name),
        map_ifindex: map.ifindex,
        btf_fd,
        btf_key_type_id: key,
        btf_value_type_id: value,
        map_extra: map.map_extra,
        inner_map_fd: map.inner.map_or(0, |fd| fd.as_raw_fd() as u32),
        btf_vmlinux_value_type_id: map.kernel_type,
        value_type_btf_obj_fd: map.kernel_types.map_or(0, |fd| fd.as_raw_fd() as u32),
        ..MapCreateAttr::default()
    }
}

impl Bpf for Kernel {
    fn map_create(&mut self, map: &MapCreate<'_>) -> Result<OwnedFd, Errno> {
        let mut attr = map_attr(map);
        // SAFETY: the structure of this command has no pointers; the descriptor returned is ours.
        unsafe { own(bpf(BPF_MAP_CREATE, &mut attr)?) }
    }

    fn explain_map(&mut self, map: &MapCreate<'_>) -> Option<String> {
        let mut attr = map_attr(map);
        let mut log = vec![0u8; MAP_LOG];
        let mut common = CommonAttr {
            log_buf: log.as_mut_ptr() as u64,
            log_size: log.len() as u32,
            log_level: 1,
            ..CommonAttr::default()
        };
        // SAFETY: both structures have the sizes given, the buffer has that in the second, and all are ours to be
        // written until after the call. A kernel that does not know the command looks at none of them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_MAP_CREATE | BPF_COMMON_ATTRS,
                &raw mut attr,
                size_of::<MapCreateAttr>(),
                &raw mut common,
                size_of::<CommonAttr>(),
            )
        };
        if result >= 0 {
            // It was refused a moment ago.
            // SAFETY: nobody else knows the descriptor.
            drop(unsafe { own(result as RawFd) });
            return None;
        }
        let text = log.split(|b| *b == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    fn prog_load(
        &mut self,
        prog: &ProgLoad<'_>,
        mut log: Option<&mut Log>,
    ) -> Result<OwnedFd, Errno> {
        let license = CString::new(prog.license).map_err(|_| Errno::EINVAL)?;
        let mut buffer = log_buffer(log.as_deref());
        let funcs: Vec<[u32; 2]> = prog
            .btf
            .iter()
            .flat_map(|b| b.func_info)
            .map(|f: &FuncInfo| [f.insn_off, f.type_id])
            .collect();
        let lines: Vec<[u32; 4]> = prog
            .btf
            .iter()
            .flat_map(|b| b.line_info)
            .map(|l: &LineInfo| [l.insn_off, l.file_name_off, l.line_off, l.line_col])
            .collect();
        let fds: Vec<RawFd> = prog.fd_array.iter().map(BorrowedFd::as_raw_fd).collect();
        let mut attr = ProgLoadAttr {
            prog_type: prog.prog_type.0,
            insn_cnt: prog.insns.len() as u32,
            insns: address(prog.insns),
            license: address(license.as_bytes_with_nul()),
            log_level: log.as_ref().map_or(0, |l| l.level),
            log_size: buffer.len() as u32,
            log_buf: if buffer.is_empty() { 0 } else { buffer.as_mut_ptr() as u64 },
            kern_version: prog.kern_version,
            prog_flags: prog.flags,
            prog_name: name_bytes(prog.name),
            prog_ifindex: prog.ifindex,
            expected_attach_type: prog.expected_attach_type,
            prog_btf_fd: prog.btf.map_or(0, |b| b.fd.as_raw_fd() as u32),
            attach_btf_id: prog.attach_btf_id,
            attach_prog_fd: prog.attach_to.map_or(0, |fd| fd.as_raw_fd() as u32),
            fd_array: if fds.is_empty() { 0 } else { address(&fds) },
            ..ProgLoadAttr::default()
        };
        if !funcs.is_empty() {
            attr.func_info_rec_size = size_of::<[u32; 2]>() as u32;
            attr.func_info = address(&funcs);
            attr.func_info_cnt = funcs.len() as u32;
        }
        if !lines.is_empty() {
            attr.line_info_rec_size = size_of::<[u32; 4]>() as u32;
            attr.line_info = address(&lines);
            attr.line_info_cnt = lines.len() as u32;
        }
        // SAFETY: instructions are `struct bpf_insn` in memory; they, the vectors and the license live until after the call, their lengths stand beside their addresses,
        // and the log buffer is ours to be written; the descriptor returned is ours.
        let result = unsafe { bpf(BPF_PROG_LOAD, &mut attr).and_then(|fd| own(fd)) };
        take_log(log.take(), &buffer, attr.log_true_size);
        result
    }

    fn btf_load(&mut self, btf: &[u8], mut log: Option<&mut Log>) -> Result<OwnedFd, Errno> {
        let mut buffer = log_buffer(log.as_deref());
        let mut attr = BtfLoadAttr {
            btf: address(btf),
            btf_log_buf: if buffer.is_empty() { 0 } else { buffer.as_mut_ptr() as u64 },
            btf_size: btf.len() as u32,
            btf_log_size: buffer.len() as u32,
            btf_log_level: log.as_ref().map_or(0, |l| l.level),
            btf_log_true_size: 0,
        };
        // SAFETY: both buffers live until after the call with the lengths given, and the log buffer is ours to be
        // written; the descriptor returned is ours.
        let result = unsafe { bpf(BPF_BTF_LOAD, &mut attr).and_then(|fd| own(fd)) };
        take_log(log.take(), &buffer, attr.btf_log_true_size);
        result
    }

    fn obj_get(&mut self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::ENOENT)?;
        let mut attr =
            ObjGetAttr { pathname: address(path.as_bytes_with_nul()), ..ObjGetAttr::default() };
        // SAFETY: the path is NUL-terminated and lives until after the call; the descriptor returned is ours.
        unsafe { own(bpf(BPF_OBJ_GET, &mut attr)?) }
    }

    fn fd_kind(&mut self, fd: BorrowedFd<'_>) -> Result<String, Errno> {
        let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
            .map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))?;
        let text = link.to_string_lossy();
        Ok(text.strip_prefix("anon_inode:").unwrap_or(&text).to_owned())
    }

    fn prog_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno> {
        let mut attr = ByIdAttr { id, ..ByIdAttr::default() };
        // SAFETY: the structure has no pointers.
        let fd = unsafe { bpf(BPF_PROG_GET_FD_BY_ID, &mut attr)? };
        // SAFETY: nobody else knows the descriptor.
        unsafe { own(fd) }
    }

    fn prog_info(&mut self, fd: BorrowedFd<'_>) -> Result<ProgInfo, Errno> {
        let mut info = [ProgInfoStart::default()];
        let mut attr = InfoAttr {
            bpf_fd: fd.as_raw_fd() as u32,
            info_len: size_of::<ProgInfoStart>() as u32,
            info: info.as_mut_ptr() as u64,
        };
        // SAFETY: `info` lives until after the call, has the length given and is ours to be written; it asks for no
        // further buffers, its own pointers being zero.
        unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)? };
        let [info] = info;
        let name = info.name.split(|b| *b == 0).next().unwrap_or_default();
        Ok(ProgInfo {
            prog_type: ProgType(info.prog_type),
            id: info.id,
            tag: info.tag,
            name: String::from_utf8_lossy(name).into_owned(),
            jited: info.jited_prog_len != 0,
            load_time_ns: info.load_time,
            created_by_uid: info.created_by_uid,
            btf_id: (info.btf_id != 0).then_some(info.btf_id),
        })
    }

    fn read_file(&mut self, path: &Path, max: u64) -> Result<Vec<u8>, Errno> {
        let errno = |e: std::io::Error| Errno(e.raw_os_error().unwrap_or(libc::EIO));
        let file = fs::File::open(path).map_err(errno)?;
        let meta = file.metadata().map_err(errno)?;
        if !meta.is_file() {
            return Err(Errno::EINVAL);
        }
        let mut bytes = Vec::with_capacity(meta.len().min(max) as usize + 1);
        file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(errno)?;
        if bytes.len() as u64 > max { Err(Errno::EFBIG) } else { Ok(bytes) }
    }

    fn module_btfs(&mut self) -> Result<Vec<ModuleBtf>, Errno> {
        let mut found = Vec::new();
        let mut last = 0;
        for _ in 0..MAX_MODULES {
            let mut attr = ByIdAttr { id: last, ..ByIdAttr::default() };
            // SAFETY: the structure has no pointers.
            match unsafe { bpf(BPF_BTF_GET_NEXT_ID, &mut attr) } {
                Ok(_) => {}
                Err(Errno::ENOENT) => break,
                Err(errno) => return Err(errno),
            }
            last = attr.next_id;
            let fd = match btf_by_id(last) {
                Ok(fd) => fd,
                // Gone in between.
                Err(Errno::ENOENT) => continue,
                Err(errno) => return Err(errno),
            };
            let details = btf_details(fd.as_fd())?;
            if details.is_kernel && !details.bytes.is_empty() {
                found.push(ModuleBtf { name: details.name, fd, bytes: details.bytes });
            }
        }
        Ok(found)
    }

    fn btf_bytes(&mut self, id: u32) -> Result<Vec<u8>, Errno> {
        Ok(btf_details(btf_by_id(id)?.as_fd())?.bytes)
    }

    fn possible_cpus(&mut self) -> Result<u32, Errno> {
        let text = fs::read_to_string("/sys/devices/system/cpu/possible")
            .map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))?;
        cpu_count(&text).ok_or(Errno::EINVAL)
    }

    fn page_size(&mut self) -> u32 {
        // SAFETY: sysconf reads no memory of ours.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        u32::try_from(size).unwrap_or(4096)
    }

    fn raise_memory_limit(&mut self) -> bool {
        if !Limits::of_this_process().counts_locked_memory() {
            return false;
        }
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure is ours to be written.
        if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } != 0
            || limit.rlim_cur == libc::RLIM_INFINITY
        {
            return false;
        }
        let none = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        let most = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        // SAFETY: the structures live until after the calls.
        unsafe {
            libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none) == 0
                || limit.rlim_cur < limit.rlim_max
                    && libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const most) == 0
        }
    }

    fn explain_eperm(&mut self) -> Option<String> {
        Limits::of_this_process().explain()
    }
}

/// CPUs in a list such as `0-3,5`: the highest number plus one.
fn cpu_count(list: &str) -> Option<u32> {
    let last = list.trim().rsplit([',', '-']).next()?;
    last.parse::<u32>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_cpus_are_counted_from_the_last() {
        assert_eq!(cpu_count("0-3\n"), Some(4));
        assert_eq!(cpu_count("0\n"), Some(1));
        assert_eq!(cpu_count("0,2-7"), Some(8));
        assert_eq!(cpu_count("\n"), None);
    }

    #[test]
    fn names_keep_their_final_nul() {
        assert_eq!(&name_bytes("abcdefghijklmnopq"), b"abcdefghijklmno\0");
    }
}
