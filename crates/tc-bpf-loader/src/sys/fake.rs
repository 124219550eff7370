//! A kernel for tests: it records what is asked of it and refuses what it is told to refuse.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use super::{
    Attached, Attachment, Bpf, Errno, LinkInfo, LinkOps, Log, MapCreate, ModuleBtf, ProgInfo,
    ProgLoad,
};
use crate::btf::ext::{FuncInfo, LineInfo};
use crate::insn::Insn;
use crate::map::MapType;
use crate::prog::ProgType;

/// One request, as [`Fake`] saw it. `fd` is what it returned, `None` if it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// [`Bpf::map_create`].
    #[non_exhaustive]
    MapCreate {
        /// Descriptor returned.
        fd: Option<RawFd>,
        /// Name.
        name: String,
        /// Type.
        map_type: MapType,
        /// Bytes of a key.
        key_size: u32,
        /// Bytes of a value.
        value_size: u32,
        /// Most entries.
        max_entries: u32,
        /// Flags.
        flags: u32,
        /// Descriptor of the BTF, ids of key and value.
        btf: Option<(RawFd, u32, u32)>,
        /// Id of the value's type among the kernel's.
        kernel_type: u32,
        /// Descriptor of the module's types that this is of.
        kernel_types: Option<RawFd>,
    },
    /// [`Bpf::prog_load`].
    #[non_exhaustive]
    ProgLoad {
        /// Descriptor returned.
        fd: Option<RawFd>,
        /// Name.
        name: String,
        /// Type.
        prog_type: ProgType,
        /// Instructions.
        insns: Vec<Insn>,
        /// License.
        license: String,
        /// Level of the log, 0 for none.
        log_level: u32,
        /// Size of the log buffer in bytes.
        log_size: u32,
        /// Offload device.
        ifindex: u32,
        /// Attach type.
        expected_attach_type: u32,
        /// Descriptor of the BTF.
        btf: Option<RawFd>,
        /// Types of functions.
        func_info: Vec<FuncInfo>,
        /// Source lines.
        line_info: Vec<LineInfo>,
        /// `BPF_F_*`.
        flags: u32,
        /// Descriptors of modules' BTF.
        fd_array: Vec<RawFd>,
        /// BTF id of what the program is for.
        attach_btf_id: u32,
        /// The program or module that this is of.
        attach_to: Option<RawFd>,
    },
    /// [`Bpf::btf_load`].
    #[non_exhaustive]
    BtfLoad {
        /// Descriptor returned.
        fd: Option<RawFd>,
        /// The BTF.
        bytes: Vec<u8>,
    },
    /// [`Bpf::obj_get`].
    #[non_exhaustive]
    ObjGet {
        /// Descriptor returned.
        fd: Option<RawFd>,
        /// Path asked for.
        path: PathBuf,
    },
    /// [`LinkOps::link_create`].
    #[non_exhaustive]
    LinkCreate {
        /// Descriptor returned.
        fd: Option<RawFd>,
        /// What is attached.
        target: Option<RawFd>,
        /// The device.
        ifindex: u32,
        /// The kind of hook.
        attach_type: u32,
    },
}

/// A refusal to come.
#[derive(Clone, Debug)]
struct Refusal {
    errno: Errno,
    log: String,
    true_size: Option<u32>,
}

/// Stands in for the kernel in tests. Descriptors are of `/dev/null`.
///
/// ```
/// # use tc_bpf_loader::sys::{Bpf, Errno, Fake};
/// let mut fake = Fake::new();
/// fake.refuse_prog(Errno::EACCES, "R1 invalid mem access\n");
/// assert!(fake.requests().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Fake {
    requests: Vec<Request>,
    progs: VecDeque<Refusal>,
    maps: VecDeque<Errno>,
    btfs: VecDeque<Option<Refusal>>,
    gets: VecDeque<Errno>,
    attachments: VecDeque<Errno>,
    kind: Option<String>,
    info: Option<ProgInfo>,
    pub(super) world: super::fake_ops::World,
    files: BTreeMap<PathBuf, Vec<u8>>,
    modules: Vec<(String, Vec<u8>)>,
    calls: usize,
    failing: Option<(usize, Errno)>,
    locked_memory: bool,
    of_maps: Option<String>,
}

impl Fake {
    /// A kernel that grants everything.
    #[must_use]
    pub fn new() -> Self {
        Fake::default()
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Refuses the next program load that is not yet spoken for. `log` is returned if a log was asked for.
    pub fn refuse_prog(&mut self, errno: Errno, log: &str) {
        self.progs.push_back(Refusal { errno, log: log.to_owned(), true_size: None });
    }

    /// As [`refuse_prog`](Self::refuse_prog), telling the size that the log would need, as kernels from 6.4 do.
    pub fn refuse_prog_sized(&mut self, errno: Errno, log: &str, true_size: u32) {
        self.progs.push_back(Refusal { errno, log: log.to_owned(), true_size: Some(true_size) });
    }

    /// Refuses the next map creation.
    pub fn refuse_map(&mut self, errno: Errno) {
        self.maps.push_back(errno);
    }

    /// Refuses the next BTF.
    pub fn refuse_btf(&mut self, errno: Errno, log: &str) {
        self.btfs.push_back(Some(Refusal { errno, log: log.to_owned(), true_size: None }));
    }

    /// Takes the next BTF, to refuse one after it.
    pub fn grant_btf(&mut self) {
        self.btfs.push_back(None);
    }

    /// Refuses the next path to be opened.
    pub fn refuse_get(&mut self, errno: Errno) {
        self.gets.push_back(errno);
    }

    /// Refuses the next attachment, or list of what is attached.
    pub fn refuse_attachment(&mut self, errno: Errno) {
        self.attachments.push_back(errno);
    }

    /// What the kernel says of maps that it refuses.
    pub fn explain_maps(&mut self, text: &str) {
        self.of_maps = Some(text.to_owned());
    }

    /// Refuses one request alone, whatever it is: the one before which `calls` others were made.
    pub fn refuse_call(&mut self, calls: usize, errno: Errno) {
        self.failing = Some((calls, errno));
    }

    /// How many requests were made so far, those that change nothing included.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Plays a kernel before 5.11, which counts maps and programs as locked memory, with too low a limit.
    pub fn limit_locked_memory(&mut self) {
        self.locked_memory = true;
    }

    /// Counts a request, and refuses it if that was asked for.
    pub(super) fn count(&mut self) -> Result<(), Errno> {
        self.calls += 1;
        match self.failing {
            Some((at, errno)) if at + 1 == self.calls => Err(errno),
            _ => Ok(()),
        }
    }

    /// As [`count`](Self::count), for what takes locked memory.
    fn charge(&mut self) -> Result<(), Errno> {
        self.count()?;
        if self.locked_memory { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// What all descriptors are from now on.
    pub fn describe(&mut self, kind: &str, info: ProgInfo) {
        self.kind = Some(kind.to_owned());
        self.info = Some(info);
    }

    /// Adds a file to the system: `/sys/kernel/btf/vmlinux` for the kernel's types. There is none at first.
    pub fn add_file(&mut self, path: &str, bytes: &[u8]) {
        self.files.insert(path.into(), bytes.to_vec());
    }

    /// Adds a module of the kernel with its type information, whose id is the number of modules so far plus one.
    pub fn add_module(&mut self, name: &str, btf: &[u8]) {
        self.modules.push((name.to_owned(), btf.to_vec()));
    }

    /// A program's description, for [`describe`](Self::describe).
    #[must_use]
    pub fn program(prog_type: ProgType, id: u32, name: &str) -> ProgInfo {
        ProgInfo {
            prog_type,
            id,
            tag: [0; 8],
            name: name.to_owned(),
            jited: false,
            load_time_ns: 0,
            created_by_uid: 0,
            btf_id: None,
        }
    }

    fn answer(refusal: Option<Refusal>, log: Option<&mut Log>) -> Result<OwnedFd, Errno> {
        if let (Some(r), Some(log)) = (&refusal, log) {
            log.text.clone_from(&r.log);
            log.true_size = r.true_size;
        }
        match refusal {
            Some(r) => Err(r.errno),
            None => descriptor(),
        }
    }
}

pub(super) fn descriptor() -> Result<OwnedFd, Errno> {
    File::open("/dev/null")
        .map(Into::into)
        .map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))
}

fn number(fd: &Result<OwnedFd, Errno>) -> Option<RawFd> {
    fd.as_ref().ok().map(AsRawFd::as_raw_fd)
}

/// What is not refused is granted, and nothing is attached.
impl LinkOps for Fake {
    fn prog_attach(&mut self, _: &Attachment<'_>) -> Result<(), Errno> {
        self.attachments.pop_front().map_or(Ok(()), Err)
    }

    fn prog_detach(&mut self, _: &Attachment<'_>) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }

    fn prog_query(&mut self, _: u32, _: u32) -> Result<Attached, Errno> {
        let list = Attached { revision: 1, programs: Vec::new() };
        self.attachments.pop_front().map_or(Ok(list), Err)
    }

    fn link_create(&mut self, attachment: &Attachment<'_>) -> Result<OwnedFd, Errno> {
        let refusal = self.count().err().or_else(|| self.attachments.pop_front());
        let fd = refusal.map_or_else(descriptor, Err);
        self.requests.push(Request::LinkCreate {
            fd: number(&fd),
            target: attachment.program.map(|fd| fd.as_raw_fd()),
            ifindex: attachment.ifindex,
            attach_type: attachment.attach_type,
        });
        fd
    }

    fn link_update(
        &mut self,
        _: BorrowedFd<'_>,
        _: BorrowedFd<'_>,
        _: Option<BorrowedFd<'_>>,
    ) -> Result<(), Errno> {
        Ok(())
    }

    fn link_detach(&mut self, _: BorrowedFd<'_>) -> Result<(), Errno> {
        Ok(())
    }

    fn link_by_id(&mut self, _: u32) -> Result<OwnedFd, Errno> {
        Err(Errno::ENOENT)
    }

    fn link_info(&mut self, _: BorrowedFd<'_>) -> Result<LinkInfo, Errno> {
        Ok(LinkInfo::default())
    }
}

impl Bpf for Fake {
    fn map_create(&mut self, map: &MapCreate<'_>) -> Result<OwnedFd, Errno> {
        let refusal = self.charge().err().or_else(|| self.maps.pop_front());
        let fd = refusal.map_or_else(descriptor, Err);
        if let Some(fd) = number(&fd) {
            self.world.add(fd, map);
        }
        self.requests.push(Request::MapCreate {
            fd: number(&fd),
            name: map.name.to_owned(),
            map_type: map.map_type,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            flags: map.flags,
            btf: map.btf.map(|(fd, k, v)| (fd.as_raw_fd(), k, v)),
            kernel_type: map.kernel_type,
            kernel_types: map.kernel_types.map(|fd| fd.as_raw_fd()),
        });
        fd
    }

    fn explain_map(&mut self, _: &MapCreate<'_>) -> Option<String> {
        self.of_maps.clone()
    }

    fn prog_load(&mut self, prog: &ProgLoad<'_>, log: Option<&mut Log>) -> Result<OwnedFd, Errno> {
        let (log_level, log_size) = log.as_ref().map_or((0, 0), |l| (l.level, l.size));
        let fd = match self.charge() {
            Ok(()) => Self::answer(self.progs.pop_front(), log),
            Err(errno) => Err(errno),
        };
        if let Some(fd) = number(&fd) {
            self.world.forget(fd);
        }
        self.requests.push(Request::ProgLoad {
            fd: number(&fd),
            name: prog.name.to_owned(),
            prog_type: prog.prog_type,
            insns: prog.insns.to_vec(),
            license: prog.license.to_owned(),
            log_level,
            log_size,
            ifindex: prog.ifindex,
            expected_attach_type: prog.expected_attach_type,
            btf: prog.btf.map(|b| b.fd.as_raw_fd()),
            func_info: prog.btf.map(|b| b.func_info.to_vec()).unwrap_or_default(),
            line_info: prog.btf.map(|b| b.line_info.to_vec()).unwrap_or_default(),
            flags: prog.flags,
            fd_array: prog.fd_array.iter().map(AsRawFd::as_raw_fd).collect(),
            attach_btf_id: prog.attach_btf_id,
            attach_to: prog.attach_to.map(|fd| fd.as_raw_fd()),
        });
        fd
    }

    fn btf_load(&mut self, btf: &[u8], log: Option<&mut Log>) -> Result<OwnedFd, Errno> {
        let fd = match self.count() {
            Ok(()) => Self::answer(self.btfs.pop_front().flatten(), log),
            Err(errno) => Err(errno),
        };
        self.requests.push(Request::BtfLoad { fd: number(&fd), bytes: btf.to_vec() });
        fd
    }

    fn obj_get(&mut self, path: &Path) -> Result<OwnedFd, Errno> {
        let pinned = self.world.pinned(path);
        let refusal = self.count().err().or_else(|| self.gets.pop_front());
        let fd = match (refusal, pinned) {
            (Some(errno), _) => Err(errno),
            // Something of the described kind may be anywhere.
            (None, None) if self.kind.is_none() => Err(Errno::ENOENT),
            _ => descriptor(),
        };
        if let Some(fd) = number(&fd) {
            self.world.opened(fd, pinned);
        }
        self.requests.push(Request::ObjGet { fd: number(&fd), path: path.to_owned() });
        fd
    }

    fn fd_kind(&mut self, fd: BorrowedFd<'_>) -> Result<String, Errno> {
        self.count()?;
        if self.world.is_map(fd.as_raw_fd()) {
            return Ok("bpf-map".to_owned());
        }
        Ok(self.kind.clone().unwrap_or_else(|| "bpf-prog".to_owned()))
    }

    fn prog_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno> {
        if self.info.as_ref().is_some_and(|info| info.id == id) {
            descriptor()
        } else {
            Err(Errno::ENOENT)
        }
    }

    fn prog_info(&mut self, _fd: BorrowedFd<'_>) -> Result<ProgInfo, Errno> {
        self.info.clone().ok_or(Errno::EINVAL)
    }

    fn read_file(&mut self, path: &Path, max: u64) -> Result<Vec<u8>, Errno> {
        self.count()?;
        let bytes = self.files.get(path).ok_or(Errno::ENOENT)?;
        if bytes.len() as u64 > max { Err(Errno::EFBIG) } else { Ok(bytes.clone()) }
    }

    fn module_btfs(&mut self) -> Result<Vec<ModuleBtf>, Errno> {
        self.count()?;
        self.modules
            .iter()
            .map(|(name, bytes)| {
                Ok(ModuleBtf { name: name.clone(), fd: descriptor()?, bytes: bytes.clone() })
            })
            .collect()
    }

    fn btf_bytes(&mut self, id: u32) -> Result<Vec<u8>, Errno> {
        let of_module = (id as usize).checked_sub(1).and_then(|n| self.modules.get(n));
        of_module.map(|(_, bytes)| bytes.clone()).ok_or(Errno::ENOENT)
    }

    fn possible_cpus(&mut self) -> Result<u32, Errno> {
        self.count()?;
        Ok(4)
    }

    fn page_size(&mut self) -> u32 {
        4096
    }

    fn raise_memory_limit(&mut self) -> bool {
        std::mem::take(&mut self.locked_memory)
    }

    fn explain_eperm(&mut self) -> Option<String> {
        Some("the fake forbids it".to_owned())
    }
}
