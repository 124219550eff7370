//! The border to the kernel: what this crate asks of bpf(2), as a trait, so that tests need no kernel.
//!
//! [`Kernel`] is the real thing, [`Fake`] the one for tests. Only this module has unsafe code.

#[expect(unsafe_code, reason = "the bpf system call takes pointers in a structure")]
mod bpf;
mod eperm;
mod fake;
mod fake_ops;
#[expect(unsafe_code, reason = "control messages are raw memory")]
pub mod fds;
#[expect(unsafe_code, reason = "the bpf system call takes pointers in a structure")]
mod kernel_links;
#[expect(unsafe_code, reason = "the bpf system call takes pointers in a structure")]
mod kernel_ops;
mod links;
mod ops;
#[expect(unsafe_code, reason = "options of sockets take pointers")]
pub(crate) mod socket;

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

pub use bpf::Kernel;
pub use fake::{Fake, Request};
pub use fake_ops::FakeMap;
pub use links::{Attached, Attachment, LinkInfo, LinkOps};
pub use ops::{Batch, Cursor, MapInfo, MapOps, PinOps};

use crate::btf::ext::{FuncInfo, LineInfo};
use crate::insn::Insn;
use crate::map::MapType;
use crate::prog::ProgType;

/// What the loader asks of the kernel. Descriptors are never 0, 1 or 2: in bpf(2), descriptor 0 often means "none".
pub trait Bpf: MapOps + PinOps + LinkOps {
    /// Creates a map.
    #[doc(alias = "BPF_MAP_CREATE")]
    fn map_create(&mut self, map: &MapCreate<'_>) -> Result<OwnedFd, Errno>;

    /// What the kernel says is wrong with a map that it refused; `None` if it does not tell. Since Linux 7.0.
    #[doc(alias = "BPF_COMMON_ATTRS")]
    fn explain_map(&mut self, map: &MapCreate<'_>) -> Option<String>;

    /// Loads a program, once. The verifier's log goes to `log`, also on failure.
    #[doc(alias = "BPF_PROG_LOAD")]
    fn prog_load(&mut self, prog: &ProgLoad<'_>, log: Option<&mut Log>) -> Result<OwnedFd, Errno>;

    /// Loads type information, in the host's byte order.
    #[doc(alias = "BPF_BTF_LOAD")]
    fn btf_load(&mut self, btf: &[u8], log: Option<&mut Log>) -> Result<OwnedFd, Errno>;

    /// Opens what is pinned at a path of a BPF file system.
    #[doc(alias = "BPF_OBJ_GET")]
    fn obj_get(&mut self, path: &Path) -> Result<OwnedFd, Errno>;

    /// Tells what a descriptor is: `bpf-prog`, `bpf-map`, `bpf_link` ... as the kernel names it in `/proc/self/fd`.
    fn fd_kind(&mut self, fd: BorrowedFd<'_>) -> Result<String, Errno>;

    /// Opens the program of this id. Since Linux 4.13; needs `CAP_SYS_ADMIN`.
    #[doc(alias = "BPF_PROG_GET_FD_BY_ID")]
    fn prog_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno>;

    /// Describes a program.
    #[doc(alias = "BPF_OBJ_GET_INFO_BY_FD")]
    fn prog_info(&mut self, fd: BorrowedFd<'_>) -> Result<ProgInfo, Errno>;

    /// Reads a file of the running system of at most `max` bytes: `/sys/kernel/btf/vmlinux`, `/proc/kallsyms`.
    /// `EFBIG` if it has more.
    fn read_file(&mut self, path: &Path, max: u64) -> Result<Vec<u8>, Errno>;

    /// The type information of the kernel's modules. Since Linux 5.11; needs `CAP_SYS_ADMIN`.
    #[doc(alias = "BPF_BTF_GET_NEXT_ID")]
    fn module_btfs(&mut self) -> Result<Vec<ModuleBtf>, Errno>;

    /// The type information of that id, of a program for example. Needs `CAP_SYS_ADMIN`.
    #[doc(alias = "BPF_BTF_GET_FD_BY_ID")]
    fn btf_bytes(&mut self, id: u32) -> Result<Vec<u8>, Errno>;

    /// Number of CPUs that may ever be online, the size of per-CPU arrays.
    fn possible_cpus(&mut self) -> Result<u32, Errno>;

    /// Bytes of a page of memory.
    fn page_size(&mut self) -> u32;

    /// Lifts the limit on locked memory, as far as the caller may, if the kernel counts maps and programs as such: those
    /// before Linux 5.11 do, and say `EPERM`. Returns whether it was lifted.
    #[doc(alias = "RLIMIT_MEMLOCK")]
    fn raise_memory_limit(&mut self) -> bool;

    /// Why the caller may not use bpf(2), in one phrase, if that can be found out.
    fn explain_eperm(&mut self) -> Option<String>;
}

fn last_errno() -> Errno {
    Errno(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// A system error number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// Not permitted.
    pub const EPERM: Errno = Errno(libc::EPERM);
    /// No such file.
    pub const ENOENT: Errno = Errno(libc::ENOENT);
    /// Too big: more instructions, or a longer request, than the kernel takes.
    pub const E2BIG: Errno = Errno(libc::E2BIG);
    /// Try again.
    pub const EAGAIN: Errno = Errno(libc::EAGAIN);
    /// It is there already.
    pub const EEXIST: Errno = Errno(libc::EEXIST);
    /// Out of memory.
    pub const ENOMEM: Errno = Errno(libc::ENOMEM);
    /// Access denied; of a program load: the verifier's refusal.
    pub const EACCES: Errno = Errno(libc::EACCES);
    /// Bad address; of a program load: a bug in the verifier.
    pub const EFAULT: Errno = Errno(libc::EFAULT);
    /// File too large.
    pub const EFBIG: Errno = Errno(libc::EFBIG);
    /// Invalid argument.
    pub const EINVAL: Errno = Errno(libc::EINVAL);
    /// No space: the log did not fit.
    pub const ENOSPC: Errno = Errno(libc::ENOSPC);
    /// No bpf(2) in this kernel.
    pub const ENOSYS: Errno = Errno(libc::ENOSYS);
    /// The kernel's internal "not supported", without a text in libc.
    pub const ENOTSUPP: Errno = Errno(524);

    /// As the standard library's error.
    pub fn to_io(self) -> io::Error {
        io::Error::from_raw_os_error(self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Errno::ENOTSUPP {
            return f.write_str("Operation not supported (errno 524)");
        }
        let text = self.to_io().to_string();
        let plain = text.split(" (os error").next().unwrap_or(&text);
        write!(f, "{plain} (errno {})", self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({self})")
    }
}

impl std::error::Error for Errno {}

/// Type information of a module of the kernel, which continues that of the kernel itself.
#[derive(Debug)]
pub struct ModuleBtf {
    /// Name of the module.
    pub name: String,
    /// What stands for it in requests.
    pub fd: OwnedFd,
    /// The types.
    pub bytes: Vec<u8>,
}

/// A map to create.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MapCreate<'a> {
    /// Type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// NUMA node, read by the kernel with the flag `BPF_F_NUMA_NODE` only.
    pub numa_node: u32,
    /// At most 15 of `A-Z a-z 0-9 _ .`; what is longer is cut.
    pub name: &'a str,
    /// Device that the map is offloaded to, 0 for none.
    pub ifindex: u32,
    /// Extra number of some types.
    pub map_extra: u64,
    /// Type information, and the ids of key and value in it.
    pub btf: Option<(BorrowedFd<'a>, u32, u32)>,
    /// A map like those that this one is to hold. Since Linux 4.12.
    pub inner: Option<BorrowedFd<'a>>,
    /// Of a table of operations, the type of its value: its id in the kernel's own types, or in those of the module
    /// below; 0 for other maps. Since Linux 5.6.
    #[doc(alias = "btf_vmlinux_value_type_id")]
    pub kernel_type: u32,
    /// The types of the module that defines that type; the flag `BPF_F_VTYPE_BTF_OBJ_FD` goes with it. Since Linux 6.9.
    #[doc(alias = "value_type_btf_obj_fd")]
    pub kernel_types: Option<BorrowedFd<'a>>,
}

/// A program to load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProgLoad<'a> {
    /// Type.
    pub prog_type: ProgType,
    /// Instructions.
    pub insns: &'a [Insn],
    /// License; empty is not the GPL.
    pub license: &'a str,
    /// At most 15 of `A-Z a-z 0-9 _ .`; what is longer is cut.
    pub name: &'a str,
    /// `BPF_F_*` of program load.
    pub flags: u32,
    /// Kernel version, ignored since 5.0.
    pub kern_version: u32,
    /// Device that the program is offloaded to, 0 for none.
    pub ifindex: u32,
    /// Attach type that the program is checked for, 0 for most types.
    pub expected_attach_type: u32,
    /// Type information.
    pub btf: Option<ProgBtf<'a>>,
    /// BTF of modules whose functions are called, by the number that calls have; the first one is not used.
    pub fd_array: &'a [BorrowedFd<'a>],
    /// BTF id of the function, hook or type that the program is for, 0 for none.
    pub attach_btf_id: u32,
    /// The program that this one is for, or the BTF of the module that `attach_btf_id` is of.
    pub attach_to: Option<BorrowedFd<'a>>,
}

impl<'a> ProgLoad<'a> {
    /// A program with nothing but type, instructions and license.
    #[must_use]
    pub fn new(prog_type: ProgType, insns: &'a [Insn], license: &'a str) -> Self {
        ProgLoad {
            prog_type,
            insns,
            license,
            name: "",
            flags: 0,
            kern_version: 0,
            ifindex: 0,
            expected_attach_type: 0,
            btf: None,
            fd_array: &[],
            attach_btf_id: 0,
            attach_to: None,
        }
    }
}

/// Type information of a program.
#[derive(Clone, Copy, Debug)]
pub struct ProgBtf<'a> {
    /// The loaded BTF.
    pub fd: BorrowedFd<'a>,
    /// Types of the functions.
    pub func_info: &'a [FuncInfo],
    /// Source lines.
    pub line_info: &'a [LineInfo],
}

/// A buffer for the kernel's log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Level: 1 what failed, 2 every instruction, 4 statistics; bits.
    pub level: u32,
    /// Size of the buffer in bytes.
    pub size: u32,
    /// The text that the kernel wrote.
    pub text: String,
    /// Bytes that the whole text needs, with its NUL; `None` on kernels before 6.4.
    pub true_size: Option<u32>,
}

impl Log {
    /// An empty buffer.
    #[must_use]
    pub fn new(level: u32, size: u32) -> Self {
        Log { level, size, text: String::new(), true_size: None }
    }
}

/// What the kernel tells about a loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "bpf_prog_info")]
pub struct ProgInfo {
    /// Type.
    pub prog_type: ProgType,
    /// Number of the program in this kernel.
    pub id: u32,
    /// Hash of the instructions.
    pub tag: [u8; 8],
    /// Name, at most 15 bytes; empty if it has none.
    pub name: String,
    /// Whether it was translated to machine code.
    pub jited: bool,
    /// When it was loaded, in nanoseconds since boot.
    pub load_time_ns: u64,
    /// The user who loaded it.
    pub created_by_uid: u32,
    /// Number of its type information in this kernel, if it has some. Since Linux 5.0.
    pub btf_id: Option<u32>,
}
