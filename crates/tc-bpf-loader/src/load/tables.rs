//! Tables of operations (`struct_ops`): their programs loaded, the table made as the kernel's type wants it, registered.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::error::{LoadError, MapRefused, Unresolved};
use super::plan::Plan;
use super::types::KernelTypes;
use super::{LoadOptions, Made, charged, kernel_name};
use crate::btf::{Btf, Member, kind};
use crate::map::{MapOrigin, MapSpec, MapType};
use crate::prog::ProgType;
use crate::section::SectionType;
use crate::struct_ops::{MAX_MEMBERS, TableSpec};
use crate::sys::{Attachment, Bpf, Errno, MapCreate};

/// `BPF_F_LINK`: the table is registered by a link. Since Linux 6.4.
const LINK: u32 = 1 << 13;
/// `BPF_F_VTYPE_BTF_OBJ_FD`: the value's type is a module's. Since Linux 6.9.
const OF_MODULE: u32 = 1 << 15;
/// `BPF_STRUCT_OPS`, the kind of hook.
const ATTACH_TYPE: u32 = 44;
/// Most bytes of a table; the kernel's largest has some hundred members.
const MAX_VALUE: u32 = 1 << 20;

/// A table in the kernel, which does not use it yet: [`register`](Self::register) has it do so. When it is dropped, the
/// table and its programs are gone.
#[derive(Debug)]
#[non_exhaustive]
pub struct Table {
    /// The map that is the table.
    pub map: OwnedFd,
    /// Name of the variable in the object.
    pub name: String,
    /// The kernel's type: `tcp_congestion_ops`, `Qdisc_ops`.
    pub type_name: String,
    /// The programs, by the members that they implement.
    pub programs: Vec<(String, OwnedFd)>,
    /// The maps that the programs use and those that are pinned, by their names in the object.
    pub maps: Vec<(String, OwnedFd)>,
    /// The verifier's logs; empty unless [`LogMode::Always`](super::LogMode::Always) was asked for.
    pub log: String,
    /// What was left out without harm.
    pub notes: Vec<String>,
    /// What was pinned and made for that, to be [taken back](Made::undo) if what the table is for fails.
    pub made: Made,
    spec: MapSpec,
    file: String,
    value: Vec<u8>,
    by_link: bool,
}

/// A table that the kernel uses.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registered {
    /// The map that is the table.
    pub map: OwnedFd,
    /// The link that holds it, of a table in `.struct_ops.link`. **When its last descriptor is closed, the kernel takes
    /// the table out of use**, unless [`pin`](Registered::pin) keeps it. A table without one stays until it is
    /// [unregistered](Registered::unregister).
    pub link: Option<OwnedFd>,
    /// The maps that the programs use, by their names in the object.
    pub maps: Vec<(String, OwnedFd)>,
    /// What was pinned and made for that, to be [taken back](Made::undo) if what comes next fails.
    pub made: Made,
}

/// A table as the running kernel knows it.
#[derive(Debug)]
pub(super) struct KernelTable {
    pub(super) btf: Arc<Btf>,
    /// 0 for the kernel itself, else the module's number plus one.
    pub(super) owner: usize,
    /// The struct of the operations.
    pub(super) type_id: u32,
    /// Of the map's value, which has the struct as a member: id, bytes, and where the struct is in it.
    value: Option<(u32, u32, u32)>,
}

impl KernelTable {
    /// Finds a table by its struct's name. The value's type tells which module has it, if one has, as the struct alone
    /// may be declared elsewhere.
    pub(super) fn find(
        name: &str,
        types: &mut KernelTypes,
        kernel: &mut dyn Bpf,
    ) -> Result<Arc<KernelTable>, String> {
        if let Some(known) = types.tables.get(name) {
            return Ok(known.clone());
        }
        let full = format!("bpf_struct_ops_{name}");
        let of_value = |btf: &Btf| {
            let value = structure(btf, &full)?;
            let ty = btf.get(value)?;
            let data = btf.members(&ty).find(|m| btf.str_at(m.name_off) == "data")?;
            let table = btf.resolve(data.type_id).filter(|ty| ty.kind == kind::STRUCT)?;
            Some((table.id, Some((value, ty.size_or_id, data.bit_offset / 8))))
        };
        let of_name = |btf: &Btf| Some((structure(btf, name)?, None));
        let vmlinux = types.vmlinux(kernel)?;
        let found = of_value(&vmlinux).map(|found| (vmlinux.clone(), 0, found));
        let found = found
            .or_else(|| {
                let modules = (1..).zip(types.modules(kernel).1);
                modules.into_iter().find_map(|(n, btf)| Some((btf.clone(), n, of_value(btf)?)))
            })
            .or_else(|| Some((vmlinux.clone(), 0, of_name(&vmlinux)?)));
        let Some((btf, owner, (type_id, value))) = found else {
            return Err(format!("this kernel has no table `struct {name}`"));
        };
        let table = Arc::new(KernelTable { btf, owner, type_id, value });
        types.tables.insert(name.to_owned(), table.clone());
        Ok(table)
    }

    /// The members of the struct.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        let ty = self.btf.get(self.type_id);
        ty.into_iter().flat_map(|ty| self.btf.members(&ty))
    }
}

fn structure(btf: &Btf, name: &str) -> Option<u32> {
    let mut structs = btf.iter().filter(|ty| ty.kind == kind::STRUCT);
    structs.find(|ty| btf.str_at(ty.name_off) == name).map(|ty| ty.id)
}

/// A table's value but for its programs, and where in it these go, by index.
struct Layout {
    value: Vec<u8>,
    programs: Vec<(usize, usize)>,
}

impl TableSpec<'_> {
    /// Loads the table's programs, with the maps that they use, and creates the table. The kernel does not use it until
    /// it is [registered](Table::register).
    ///
    /// Of `options`, type, target and attach type of programs do not matter: the table says them.
    ///
    /// # Errors
    /// As [`ProgramSpec::load`](crate::ProgramSpec::load), and [`LoadError::Unresolved`] if this kernel has no such
    /// table, or it has none of the members that the object sets. On error nothing is left behind.
    pub fn load(&self, options: &LoadOptions, kernel: &mut dyn Bpf) -> Result<Table, LoadError> {
        let load = |kernel: &mut dyn Bpf, made: &mut Made| self.load_noting(options, kernel, made);
        Made::noted(kernel, load).map(|(table, made)| Table { made, ..table })
    }

    fn load_noting(
        &self,
        options: &LoadOptions,
        kernel: &mut dyn Bpf,
        made: &mut Made,
    ) -> Result<Table, LoadError> {
        let spec = self.spec;
        let operations = self.operations();
        let programs: Vec<_> = operations.iter().map(|(_, program)| *program).collect();
        let mut plan = Plan::of(spec, &programs)?;
        let mut types = KernelTypes::default();
        let unresolved = |problem: String| self.unresolved(problem);
        let table = KernelTable::find(self.type_name(), &mut types, kernel).map_err(unresolved)?;
        let layout = self.layout(&table).map_err(unresolved)?;
        let mut each = BTreeMap::new();
        for (member, program) in &operations {
            let flags = SectionType::of(program.section()).map_or(0, |section| section.flags);
            let own = LoadOptions {
                prog_type: ProgType::STRUCT_OPS,
                flags: options.flags | flags,
                target: Some(format!("{}:{member}", self.type_name())),
                attach_to: None,
                ..options.clone()
            };
            if each.insert(program.index(), own).is_some() {
                let name = program.name();
                return Err(self.unresolved(format!(
                    "`{name}` implements several operations, and a program is for one"
                )));
            }
        }
        let mut parts = plan.load(spec, options, Some(&each), &mut types, kernel, made)?;
        let Some(btf) = parts.btf.take() else {
            let why = parts.notes.last().map_or("it has none", String::as_str);
            return Err(self.unresolved(format!("a table needs type information: {why}")));
        };
        let mut value = layout.value;
        for (at, index) in layout.programs {
            let fd = parts.programs.get(&index).map_or(0, |(fd, _)| fd.as_raw_fd());
            if let Some(room) = value.get_mut(at..at + 8) {
                room.copy_from_slice(&u64::from(fd.unsigned_abs()).to_ne_bytes());
            }
        }
        let module = types.owner(table.owner, kernel);
        let mut map = MapSpec::new(self.name(), MapOrigin::Btf);
        map.map_type = MapType::STRUCT_OPS;
        (map.key_size, map.value_size, map.max_entries) = (4, value.len() as u32, 1);
        map.flags =
            if self.by_link() { LINK } else { 0 } | if module.is_some() { OF_MODULE } else { 0 };
        let name = kernel_name(self.name());
        let request = MapCreate {
            map_type: map.map_type,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            flags: map.flags,
            name: &name,
            btf: Some((btf.as_fd(), 0, 0)),
            kernel_type: table.value.map_or(0, |(id, ..)| id),
            kernel_types: module,
            ..MapCreate::default()
        };
        let fd = charged(kernel, |kernel| kernel.map_create(&request)).map_err(|errno| {
            let definition = format!("{map}, a table `struct {}`", self.type_name());
            let mut refused = MapRefused::new(errno, spec.file(), &map, definition, kernel);
            if matches!(errno, Errno::EINVAL | Errno::E2BIG) {
                let said =
                    kernel.explain_map(&request).map(|said| format!("the kernel says: {said}"));
                let old = match (module.is_some(), self.by_link()) {
                    (true, _) => Some("tables of modules need Linux 6.9".to_owned()),
                    (false, true) => Some(
                        "tables in `.struct_ops.link` need Linux 6.4; those in `.struct_ops` do not"
                            .to_owned(),
                    ),
                    (false, false) => None,
                };
                refused.hint = said.or(old).or(refused.hint);
            }
            LoadError::Map(Box::new(refused))
        })?;
        let mut log = String::new();
        let mut loaded = Vec::with_capacity(operations.len());
        for (member, program) in &operations {
            if let Some((fd, text)) = parts.programs.remove(&program.index()) {
                log.push_str(&text);
                loaded.push(((*member).to_owned(), fd));
            }
        }
        Ok(Table {
            map: fd,
            name: self.name().to_owned(),
            type_name: self.type_name().to_owned(),
            programs: loaded,
            maps: parts.maps,
            log,
            notes: parts.notes,
            made: Made::default(),
            spec: map,
            file: spec.file().to_owned(),
            value,
            by_link: self.by_link(),
        })
    }

    /// Puts what the variable has where the kernel has it: members are matched by name.
    fn layout(&self, table: &KernelTable) -> Result<Layout, String> {
        let type_name = self.type_name();
        let Some((_, size, data)) = table.value.filter(|(_, size, _)| *size <= MAX_VALUE) else {
            return Err(format!("programs cannot be the operations of `struct {type_name}`"));
        };
        let (def, spec) = (self.def, self.spec);
        let (Some(Ok(own)), to) = (&spec.btf, &table.btf) else {
            return Err("its types are not known".to_owned());
        };
        let start = usize::try_from(def.start).unwrap_or(usize::MAX);
        let bytes = spec.elf.section_bytes(def.section).get(start..).unwrap_or_default();
        let bytes = bytes.get(..def.size as usize).unwrap_or_default();
        let mut layout = Layout { value: vec![0; size as usize], programs: Vec::new() };
        let members: BTreeMap<&str, Member> =
            table.members().map(|m| (to.str_at(m.name_off), m)).collect();
        let Some(ty) = own.get(def.type_id) else {
            return Err("its types are not known".to_owned());
        };
        for member in own.members(&ty).take(MAX_MEMBERS) {
            let name = own.str_at(member.name_off);
            let from = member.bit_offset as usize / 8;
            let length = own.size_of(member.type_id).unwrap_or(0) as usize;
            let part = from.checked_add(length).and_then(|end| bytes.get(from..end));
            let part = part.unwrap_or_default();
            let program = def.programs.iter().find(|(at, _)| *at == from as u64);
            if def
                .others
                .iter()
                .any(|at| (from..from.saturating_add(length)).contains(&(*at as usize)))
            {
                return Err(format!("member `{name}` refers to something that is no program"));
            }
            if program.is_none() && part.iter().all(|b| *b == 0) {
                // The kernel's may lack it.
                continue;
            }
            let Some(theirs) = members.get(name).filter(|_| !name.is_empty()) else {
                return Err(format!(
                    "the table `struct {type_name}` of this kernel has no member `{name}`, which the object sets"
                ));
            };
            let pointee = |btf: &Btf, member: &Member| {
                let ty = btf.resolve(member.type_id).filter(|ty| ty.kind == kind::PTR)?;
                btf.resolve(ty.size_or_id).map(|ty| ty.kind)
            };
            let to_at = (data + theirs.bit_offset / 8) as usize;
            if let Some((_, index)) = program {
                if pointee(to, theirs) != Some(kind::FUNC_PROTO) {
                    return Err(format!(
                        "member `{name}` of `struct {type_name}` is no function in this kernel"
                    ));
                }
                layout.programs.push((to_at, *index));
                continue;
            }
            let same = own.resolve(member.type_id).map(|ty| ty.kind)
                == to.resolve(theirs.type_id).map(|ty| ty.kind);
            let whole = member.bits == 0 && theirs.bits == 0 && member.bit_offset % 8 == 0;
            if !same || !whole || to.size_of(theirs.type_id) != own.size_of(member.type_id) {
                return Err(format!(
                    "member `{name}` of `struct {type_name}` has another type in this kernel than in the object"
                ));
            }
            if let Some(room) = layout.value.get_mut(to_at..to_at.saturating_add(length)) {
                room.copy_from_slice(part);
            }
        }
        Ok(layout)
    }

    fn unresolved(&self, problem: String) -> LoadError {
        LoadError::Unresolved(Box::new(Unresolved {
            file: self.spec.file().to_owned(),
            section: self.section().to_owned(),
            program: self.name().to_owned(),
            problem,
            hint: None,
        }))
    }
}

impl Table {
    /// Has the kernel use the table from now on, in place of whatever it looks up by the name in it.
    ///
    /// A table of the section `.struct_ops.link` is held by the [link](Registered::link) that this returns, any other by
    /// the kernel itself.
    ///
    /// # Errors
    /// [`LoadError::Map`]. On error the table is gone.
    #[doc(alias = "BPF_LINK_CREATE")]
    pub fn register(self, kernel: &mut dyn Bpf) -> Result<Registered, LoadError> {
        let result = kernel.map_update(self.map.as_fd(), &[0; 4], &self.value, 0);
        let result = result.and_then(|()| {
            if !self.by_link {
                return Ok(None);
            }
            let mut attachment = Attachment::at(0, ATTACH_TYPE);
            attachment.program = Some(self.map.as_fd());
            kernel.link_create(&attachment).map(Some)
        });
        match result {
            Ok(link) => Ok(Registered { map: self.map, link, maps: self.maps, made: self.made }),
            Err(errno) => {
                let definition = format!("registering it as `struct {}`", self.type_name);
                let mut refused =
                    MapRefused::new(errno, &self.file, &self.spec, definition, kernel);
                refused.hint = match errno {
                    Errno::EEXIST => Some(
                        "a table of that name is registered already: unregister it, or name this one otherwise"
                            .to_owned(),
                    ),
                    Errno::EINVAL => Some(format!(
                        "`struct {}` may need operations that the object does not have, or not take the values that it \
                         sets",
                        self.type_name
                    )),
                    _ => refused.hint,
                };
                self.made.undo(kernel);
                Err(LoadError::Map(Box::new(refused)))
            }
        }
    }
}

impl Registered {
    /// Keeps the table in use when this is dropped, until the pin is removed or it is unregistered; the directory must be
    /// in a BPF file system.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&self, path: &Path, kernel: &mut dyn Bpf) -> Result<(), Errno> {
        kernel.obj_pin(self.link.as_ref().unwrap_or(&self.map).as_fd(), path)
    }

    /// Takes the table out of use. What uses it at the moment, such as a connection, may go on until it ends.
    pub fn unregister(self, kernel: &mut dyn Bpf) -> Result<(), Errno> {
        match &self.link {
            None => kernel.map_delete(self.map.as_fd(), &[0; 4]),
            // Before Linux 6.11, and for some tables, closing it is the way.
            Some(link) => match kernel.link_detach(link.as_fd()) {
                Err(errno) if errno.0 != libc::EOPNOTSUPP => Err(errno),
                _ => Ok(()),
            },
        }
    }
}
