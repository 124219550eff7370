//! The types of the running kernel, read when something asks for them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::tables::KernelTable;
use crate::btf::{Btf, kind};
use crate::insn::Endian;
use crate::reloc::core::Targets;
use crate::sys::{Bpf, Errno};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// Most bytes of bare type information that are read, and of a kernel with its symbols.
const MAX_BTF: u64 = 64 << 20;
const MAX_VMLINUX: u64 = 2 << 30;

/// A module of the kernel: the descriptor that stands for its types.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) fd: OwnedFd,
}

/// A function or variable of the kernel.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: u32,
    /// Its type or prototype.
    pub(super) type_id: u32,
    /// 0 for the kernel itself, else the module's number plus one.
    pub(super) owner: usize,
    pub(super) btf: Arc<Btf>,
}

/// What is known of the kernel's types so far.
#[derive(Debug, Default)]
pub(super) struct KernelTypes {
    vmlinux: Option<Result<Arc<Btf>, String>>,
    modules: Option<(Vec<Module>, Vec<Arc<Btf>>)>,
    /// Tables of operations that were looked for, by name: all programs of one ask.
    pub(super) tables: BTreeMap<String, Arc<KernelTable>>,
}

impl KernelTypes {
    /// The same, for somebody else to hold on to.
    pub(super) fn share(&self) -> KernelTypes {
        KernelTypes { vmlinux: self.vmlinux.clone(), modules: None, tables: self.tables.clone() }
    }

    /// The types of the kernel itself.
    pub(super) fn vmlinux(&mut self, kernel: &mut dyn Bpf) -> Result<Arc<Btf>, String> {
        self.vmlinux.get_or_insert_with(|| find_vmlinux(kernel)).clone()
    }

    /// The types of its modules; none if they cannot be read.
    pub(super) fn modules(&mut self, kernel: &mut dyn Bpf) -> (&[Module], &[Arc<Btf>]) {
        if self.modules.is_none() {
            let found = self.vmlinux(kernel).map_or_else(
                |_| Default::default(),
                |base| {
                    kernel
                        .module_btfs()
                        .unwrap_or_default()
                        .into_iter()
                        .filter_map(|module| {
                            let btf =
                                Btf::parse_split(&module.bytes, Endian::HOST, Some(base.clone()))
                                    .ok()?;
                            Some((Module { fd: module.fd }, Arc::new(btf)))
                        })
                        .unzip()
                },
            );
            self.modules = Some(found);
        }
        self.modules.as_ref().map_or((&[], &[]), |(m, b)| (m, b))
    }

    /// The types of an owner as a descriptor: of the module whose number plus one it is, `None` for 0, the kernel itself.
    pub(super) fn owner(&mut self, owner: usize, kernel: &mut dyn Bpf) -> Option<BorrowedFd<'_>> {
        let module = owner.checked_sub(1)?;
        self.modules(kernel).0.get(module).map(|module| module.fd.as_fd())
    }
}

impl KernelTypes {
    /// Finds functions, variables and names of types by kind and name; what the kernel lacks, in its modules.
    pub(super) fn find<'n>(
        &mut self,
        names: &[(u32, &'n str)],
        kernel: &mut dyn Bpf,
    ) -> Result<BTreeMap<(u32, &'n str), Found>, String> {
        let mut found = BTreeMap::new();
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        let vmlinux = self.vmlinux(kernel)?;
        search(&vmlinux, 0, &names, &mut found);
        if found.len() < names.len() {
            for (n, module) in self.modules(kernel).1.iter().enumerate() {
                search(module, n + 1, &names, &mut found);
            }
        }
        Ok(found)
    }
}

fn search<'n>(
    btf: &Arc<Btf>,
    owner: usize,
    names: &[(u32, &'n str)],
    found: &mut BTreeMap<(u32, &'n str), Found>,
) {
    for ty in btf.iter().filter(|t| matches!(t.kind, kind::FUNC | kind::VAR | kind::TYPEDEF)) {
        let name = btf.str_at(ty.name_off);
        let at = names.binary_search_by(|(k, n)| (*k, *n).cmp(&(ty.kind, name)));
        if let Some(wanted) = at.ok().and_then(|at| names.get(at)) {
            found.entry(*wanted).or_insert_with(|| Found {
                id: ty.id,
                type_id: ty.size_or_id,
                owner,
                btf: btf.clone(),
            });
        }
    }
}

/// The types that CO-RE relocations look at: the kernel's, or those of a file.
pub(super) struct CoreTargets<'a> {
    main: Arc<Btf>,
    /// Modules belong to the running kernel only.
    modules: Option<(&'a mut KernelTypes, &'a mut dyn Bpf)>,
}

impl<'a> CoreTargets<'a> {
    pub(super) fn new(
        file: Option<&Path>,
        types: &'a mut KernelTypes,
        kernel: &'a mut dyn Bpf,
    ) -> Result<Self, String> {
        match file {
            Some(path) => Ok(CoreTargets { main: read(path, kernel)?, modules: None }),
            None => {
                Ok(CoreTargets { main: types.vmlinux(kernel)?, modules: Some((types, kernel)) })
            }
        }
    }
}

impl Targets for CoreTargets<'_> {
    fn main(&self) -> &Btf {
        &self.main
    }

    fn modules(&mut self) -> &[Arc<Btf>] {
        match &mut self.modules {
            Some((types, kernel)) => types.modules(*kernel).1,
            None => &[],
        }
    }
}

fn find_vmlinux(kernel: &mut dyn Bpf) -> Result<Arc<Btf>, String> {
    let errno = match kernel.read_file(Path::new(VMLINUX), MAX_BTF) {
        Ok(bytes) => return parse(&bytes, VMLINUX),
        Err(errno) => errno,
    };
    // Kernels before 5.4 have no such file; that of the kernel with its symbols may lie about.
    let release =
        kernel.read_file(Path::new("/proc/sys/kernel/osrelease"), 4096).unwrap_or_default();
    let release = String::from_utf8_lossy(&release);
    let release = release.trim();
    if errno == Errno::ENOENT && !release.is_empty() && !release.contains('/') {
        let places = [
            format!("/boot/vmlinux-{release}"),
            format!("/lib/modules/{release}/vmlinux-{release}"),
            format!("/lib/modules/{release}/build/vmlinux"),
            format!("/usr/lib/modules/{release}/kernel/vmlinux"),
            format!("/usr/lib/debug/boot/vmlinux-{release}"),
            format!("/usr/lib/debug/boot/vmlinux-{release}.debug"),
            format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
        ];
        for place in places.map(PathBuf::from) {
            if let Ok(types) = read(&place, kernel) {
                return Ok(types);
            }
        }
    }
    Err(format!("the types of the running kernel cannot be read from {VMLINUX}: {errno}"))
}

/// Reads the types from a file: bare BTF, or an ELF file with a section `.BTF`.
fn read(path: &Path, kernel: &mut dyn Bpf) -> Result<Arc<Btf>, String> {
    let name = path.display().to_string();
    let bytes =
        kernel.read_file(path, MAX_VMLINUX).map_err(|e| format!("cannot read {name}: {e}"))?;
    parse(&bytes, &name)
}

fn parse(bytes: &[u8], name: &str) -> Result<Arc<Btf>, String> {
    let bytes = match bytes.get(..4) {
        Some(b"\x7fELF") => {
            section(bytes).ok_or_else(|| format!("{name} has no type information (.BTF)"))?
        }
        _ => bytes,
    };
    if bytes.len() as u64 > MAX_BTF {
        return Err(format!("{name} has more than {} MiB of type information", MAX_BTF >> 20));
    }
    let endian = match bytes.get(..2) {
        Some([0x9f, 0xeb]) => Endian::Little,
        Some([0xeb, 0x9f]) => Endian::Big,
        _ => return Err(format!("{name} holds no type information (BTF)")),
    };
    if is_split(bytes, endian) {
        return Err(format!(
            "{name} holds the types of a module, which continue those of a kernel: give the kernel's"
        ));
    }
    Btf::parse(bytes, endian)
        .map(Arc::new)
        .map_err(|fault| format!("{name}: {}: {}", fault.at, fault.problem))
}

/// Whether type information continues other one: only what stands alone begins its strings with the empty one.
fn is_split(bytes: &[u8], endian: Endian) -> bool {
    let word = |at: usize| endian.u32_at(bytes, at).and_then(|w| usize::try_from(w).ok());
    // Length of the header, and where the strings are behind it.
    let strings = word(4).zip(word(16)).and_then(|(header, at)| header.checked_add(at));
    strings.and_then(|at| bytes.get(at)).is_some_and(|first| *first != 0)
}

fn section(bytes: &[u8]) -> Option<&[u8]> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let (_, section) = sections.section_by_name(endian, b".BTF")?;
    section.data(endian, bytes).ok()
}
