//! Tables of functions that programs implement (`struct_ops`): congestion control, queueing disciplines (since
//! Linux 6.16), and what else the kernel or a module of it lets programs be.
//!
//! A variable in a section `.struct_ops` or `.struct_ops.link` has the type of the kernel's table, cut down to what the
//! object knows of it, and its members name programs. [`ObjectSpec::tables`] lists such variables,
//! [`TableSpec::load`] makes one of them a [`Table`] in the kernel, and [`Table::register`] has the kernel use it.
//!
//! ```no_run
//! use std::path::Path;
//! use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType, sys::Kernel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let object = ObjectSpec::from_path(Path::new("fifo.o"))?;
//! let options = LoadOptions::new(ProgType::STRUCT_OPS);
//! for table in object.tables() {
//!     println!("{} is a {}", table.name(), table.type_name());
//!     let registered = table.load(&options, &mut Kernel)?.register(&mut Kernel)?;
//!     // A table in `.struct_ops.link` is in use as long as the link is open or pinned.
//!     registered.pin(&Path::new("/sys/fs/bpf").join(table.name()), &mut Kernel)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Members
//!
//! They are matched by name, so that the object's struct may lack members of the kernel's and have them in another order.
//! One that the kernel's struct lacks is an error if the object sets it, and nothing otherwise.

use std::collections::BTreeMap;
use std::fmt;

use crate::btf::{Btf, kind};
use crate::elf::functions::Function;
use crate::elf::{Elf, Place, SymbolKind};
pub use crate::load::{Registered, Table};
use crate::spec::{ObjectSpec, ProgramSpec};

/// Most variables of a section that are looked at, and most members of a table: more than any object or kernel has.
/// Nothing else bounds the work, as variables may overlap in a damaged object.
const MAX_TABLES: usize = 256;
pub(crate) const MAX_MEMBERS: usize = 256;

/// What a program is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Name of the table's type, as in `tcp_congestion_ops`.
    pub(crate) table: String,
    /// Name of the member.
    pub(crate) member: String,
}

impl Operation {
    /// From `TABLE:MEMBER`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (table, member) = text.split_once(':')?;
        Some(Operation { table: table.to_owned(), member: member.to_owned() })
    }
}

/// A table of an object.
#[derive(Clone, Copy)]
pub struct TableSpec<'a> {
    pub(crate) spec: &'a ObjectSpec,
    pub(crate) def: &'a TableDef,
}

impl ObjectSpec {
    /// The tables of operations that the object has programs for.
    pub fn tables(&self) -> impl Iterator<Item = TableSpec<'_>> {
        self.tables.iter().map(|def| TableSpec { spec: self, def })
    }
}

impl<'a> TableSpec<'a> {
    /// Name of the variable.
    pub fn name(&self) -> &'a str {
        self.text(self.def.name_off)
    }

    /// Name of the kernel's struct: `tcp_congestion_ops`, `Qdisc_ops`.
    pub fn type_name(&self) -> &'a str {
        let ty = self.btf().and_then(|btf| btf.get(self.def.type_id));
        ty.map_or("", |ty| essential(self.text(ty.name_off)))
    }

    /// Name of the section it is in.
    pub fn section(&self) -> &'a str {
        self.spec.elf.section_name(self.def.section)
    }

    /// Whether a link is to hold it, as the section says: it is in use as long as the link is open or pinned.
    pub fn by_link(&self) -> bool {
        self.section().trim_start_matches('?') == ".struct_ops.link"
    }

    /// The members that programs implement, and the programs, in the order of the struct.
    pub fn operations(&self) -> Vec<(&'a str, ProgramSpec<'a>)> {
        let Some(btf) = self.btf() else { return Vec::new() };
        let Some(table) = btf.get(self.def.type_id) else { return Vec::new() };
        let members = btf.members(&table).take(MAX_MEMBERS);
        members
            .filter_map(|m| {
                let at = u64::from(m.bit_offset / 8);
                let (_, function) = self.def.programs.iter().find(|(offset, _)| *offset == at)?;
                Some((btf.str_at(m.name_off), self.spec.program_at(*function)))
            })
            .collect()
    }

    fn btf(&self) -> Option<&'a Btf> {
        self.spec.btf.as_ref()?.as_ref().ok()
    }

    fn text(&self, offset: u32) -> &'a str {
        self.btf().map_or("", |btf| btf.str_at(offset))
    }
}

impl fmt::Debug for TableSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in `{}`", self.name(), self.type_name(), self.section())
    }
}

/// Whether such variables are in a section of this name.
pub(crate) fn is_section(name: &str) -> bool {
    matches!(name.strip_prefix('?').unwrap_or(name), ".struct_ops" | ".struct_ops.link")
}

/// A variable in such a section.
#[derive(Clone, Debug)]
pub(crate) struct TableDef {
    /// Place of its name in the object's types.
    pub(crate) name_off: u32,
    pub(crate) section: u32,
    /// Where in the section it begins, and its bytes.
    pub(crate) start: u64,
    pub(crate) size: u32,
    /// Its struct, in the object's types.
    pub(crate) type_id: u32,
    /// Where in the variable a program goes, and the index of the function.
    pub(crate) programs: Vec<(u64, usize)>,
    /// Where in the variable something else is referred to.
    pub(crate) others: Vec<u64>,
}

/// Finds the tables of an object.
pub(crate) fn find(elf: &Elf, functions: &[Function], btf: &Btf) -> Vec<TableDef> {
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for (section, header) in elf.sections() {
        let name = elf.name(header.name);
        if !is_section(name) || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let Some(datasec) = btf.data_section(name) else { continue };
        // In an object, places are those of symbols.
        let places: BTreeMap<&str, u64> = elf
            .symbols
            .iter()
            .filter(|s| matches!(s.place, Place::Section(s) if s == section))
            .filter(|s| matches!(s.kind, SymbolKind::Object | SymbolKind::Untyped))
            .map(|s| (elf.name(s.name), s.value))
            .collect();
        for var in btf.section_vars(&datasec).take(MAX_TABLES) {
            let Some(variable) = btf.get(var.type_id).filter(|ty| ty.kind == kind::VAR) else {
                continue;
            };
            let Some(start) = places.get(btf.str_at(variable.name_off)).copied() else { continue };
            let table = btf.resolve(variable.size_or_id).filter(|ty| ty.kind == kind::STRUCT);
            let Some(table) = table else { continue };
            let mut def = TableDef {
                name_off: variable.name_off,
                section,
                start,
                size: table.size_or_id,
                type_id: table.id,
                programs: Vec::new(),
                others: Vec::new(),
            };
            let relocs = elf.relocs_in(section, start, start.saturating_add(def.size.into()));
            for reloc in relocs.iter().take(MAX_MEMBERS) {
                let at = reloc.offset - start;
                match function(elf, functions, section, reloc.offset, reloc.symbol) {
                    Some(function) => def.programs.push((at, function)),
                    None => def.others.push(at),
                }
            }
            found.push(def);
        }
    }
    found
}

/// What programs are for, by the index of the function. The first operation that a program is for counts.
pub(crate) fn operations(tables: &[TableDef], btf: &Btf) -> BTreeMap<usize, Operation> {
    let mut found = BTreeMap::new();
    for def in tables.iter().filter(|def| !def.programs.is_empty()) {
        let Some(table) = btf.get(def.type_id) else { continue };
        let members: BTreeMap<u64, &str> = btf
            .members(&table)
            .take(MAX_MEMBERS)
            .map(|m| (u64::from(m.bit_offset / 8), btf.str_at(m.name_off)))
            .collect();
        for (at, function) in &def.programs {
            if let Some(member) = members.get(at) {
                found.entry(*function).or_insert_with(|| Operation {
                    table: essential(btf.str_at(table.name_off)).to_owned(),
                    member: (*member).to_owned(),
                });
            }
        }
    }
    found
}

/// A name without the flavour that tells several definitions of a type apart.
pub(crate) fn essential(name: &str) -> &str {
    name.split_once("___").map_or(name, |(name, _)| name)
}

/// The index of the function that a relocation refers to.
fn function(
    elf: &Elf,
    functions: &[Function],
    section: u32,
    offset: u64,
    symbol: u32,
) -> Option<usize> {
    let symbol = elf.symbol(symbol)?;
    let Place::Section(target) = symbol.place else { return None };
    // What is there already is added to the symbol, which is the section for static things.
    let addend = if symbol.kind == SymbolKind::Section {
        elf.endian.u64_at(elf.section_bytes(section), usize::try_from(offset).ok()?)?
    } else {
        0
    };
    let place = (target, symbol.value.wrapping_add(addend));
    let at = functions.partition_point(|f| (f.section, f.offset) < place);
    functions.get(at).filter(|f| (f.section, f.offset) == place).map(|_| at)
}
