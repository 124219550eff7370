//! Global variables: the sections they are in, which the kernel gets as maps of one value, and what is in them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use crate::btf::{Btf, kind};
use crate::elf::{Elf, Place, SymbolKind};
use crate::error::Fault;
use crate::map::{MapOrigin, MapSpec, MapType};
use crate::spec::{MapEntry, ObjectSpec};

/// Largest section without bytes in the file (`.bss`) of which a variable can be set.
const MAX_CHANGED: u64 = 64 << 20;
/// `BPF_F_RDONLY_PROG`: programs cannot write to it.
pub(crate) const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_MMAPABLE`. Since Linux 5.5.
pub(crate) const MMAPABLE: u32 = 1 << 10;

/// Whether global variables are in a section of this name.
pub(crate) fn is_section(name: &str) -> bool {
    [".data", ".rodata", ".bss"].iter().any(|base| {
        name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Adds a map for each section of global variables, and keeps the maps sorted.
pub(crate) fn add_sections(elf: &Elf, btf: Option<&Result<Btf, Fault>>, maps: &mut Vec<MapEntry>) {
    let sections: Vec<_> = elf
        .sections()
        .filter(|(_, s)| !s.is_code && s.size > 0 && is_section(elf.name(s.name)))
        .collect();
    if sections.is_empty() {
        return;
    }
    // Their type is that of the whole section.
    let mut types: BTreeMap<&str, u32> = BTreeMap::new();
    if let Some(Ok(btf)) = btf {
        let datasecs = btf.iter().filter(|t| t.kind == kind::DATASEC);
        types.extend(datasecs.map(|t| (btf.str_at(t.name_off), t.id)));
    }
    for (section, header) in sections {
        let name = elf.name(header.name);
        let def = match u32::try_from(header.size) {
            Ok(size) => {
                let mut spec = MapSpec::new(name, MapOrigin::Data);
                spec.map_type = MapType::ARRAY;
                spec.key_size = 4;
                spec.value_size = size;
                spec.max_entries = 1;
                spec.flags = if spec.is_read_only_data() { RDONLY_PROG } else { 0 };
                spec.value_type_id = types.get(name).copied();
                Ok(spec)
            }
            Err(_) => {
                let problem = format!("{} bytes are more than a map can hold", header.size);
                Err(Fault::new(format!("section `{name}`"), problem))
            }
        };
        maps.push(MapEntry { name: name.to_owned(), section, offset: 0, def });
    }
    maps.sort_by_key(|m| (m.section, m.offset));
}

/// A global variable of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Name; that of a static variable of a function has the function's before it in some compilers.
    pub name: String,
    /// Section it is in: `.data`, `.rodata`, `.bss` or one whose name begins so.
    pub section: String,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Whether only this object's functions know it.
    pub is_static: bool,
    map: usize,
}

impl Variable {
    /// Whether programs can change it.
    pub fn is_writable(&self) -> bool {
        !self.section.starts_with(".rodata")
    }
}

/// Why a variable could not be read or set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VarError {
    /// The object has no variable of that name.
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
        /// Names that it has, at most 64.
        known: Vec<String>,
    },
    /// Several static variables have that name.
    #[non_exhaustive]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// The value has another size than the variable.
    #[non_exhaustive]
    Size {
        /// The name.
        name: String,
        /// Bytes of the variable.
        size: u64,
        /// Bytes given.
        given: usize,
    },
    /// The section is too large to be changed, or lies outside of the file.
    #[non_exhaustive]
    Section {
        /// Name of the section.
        section: String,
        /// Bytes of it.
        size: u64,
    },
}

impl fmt::Display for VarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VarError::Unknown { name, known } if known.is_empty() => {
                write!(f, "there is no variable `{name}`, nor any other")
            }
            VarError::Unknown { name, known } => {
                write!(f, "there is no variable `{name}`; there is {}", known.join(", "))
            }
            VarError::Ambiguous { name } => write!(f, "several variables are called `{name}`"),
            VarError::Size { name, size, given } => {
                write!(f, "variable `{name}` has {size} bytes, not {given}")
            }
            VarError::Section { section, size } => {
                write!(f, "section `{section}` of {size} bytes cannot be changed")
            }
        }
    }
}

impl Error for VarError {}

impl ObjectSpec {
    /// The global variables, in no particular order.
    pub fn variables(&self) -> impl Iterator<Item = Variable> {
        self.elf.symbols.iter().filter(|s| s.kind == SymbolKind::Object && s.size > 0).filter_map(
            |s| {
                let Place::Section(section) = s.place else { return None };
                let name = self.elf.name(s.name);
                let map = self.maps.partition_point(|m| m.section < section);
                let def = self.maps.get(map).filter(|m| m.section == section)?.def.as_ref().ok()?;
                let fits = s.value.checked_add(s.size)? <= u64::from(def.value_size);
                (fits && def.origin == MapOrigin::Data && !name.is_empty()).then(|| Variable {
                    name: name.to_owned(),
                    section: def.name.clone(),
                    offset: s.value,
                    size: s.size,
                    is_static: s.is_local,
                    map,
                })
            },
        )
    }

    /// The variable of that name. One that is not static goes before static ones.
    ///
    /// # Errors
    /// [`VarError::Unknown`], [`VarError::Ambiguous`].
    pub fn variable(&self, name: &str) -> Result<Variable, VarError> {
        let mut found: Vec<_> = self.variables().filter(|v| v.name == name).collect();
        if found.iter().any(|v| !v.is_static) {
            found.retain(|v| !v.is_static);
        }
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(VarError::Ambiguous { name: name.to_owned() }),
            (None, _) => {
                let known = self.variables().take(64).map(|v| v.name).collect();
                Err(VarError::Unknown { name: name.to_owned(), known })
            }
        }
    }

    /// The bytes that a variable starts with, in the object's byte order.
    ///
    /// # Errors
    /// As [`variable`](Self::variable), and [`VarError::Section`].
    pub fn get_variable(&self, name: &str) -> Result<Vec<u8>, VarError> {
        let var = self.variable(name)?;
        let (start, end) = (var.offset as usize, (var.offset + var.size) as usize);
        let bytes = self.contents_of(var.map);
        if bytes.is_empty() && var.size <= MAX_CHANGED {
            return Ok(vec![0; var.size as usize]);
        }
        let part = bytes.get(start..end).map(<[u8]>::to_vec);
        part.ok_or(VarError::Section { section: var.section, size: var.size })
    }

    /// Has a variable start with other bytes, in the object's byte order. This is how constants are set before a
    /// program is loaded; the verifier knows them and leaves out what they make unreachable.
    ///
    /// ```no_run
    /// # use tc_bpf_loader::{ObjectSpec, VarError};
    /// # fn set(object: &mut ObjectSpec) -> Result<(), VarError> {
    /// object.set_variable("port", &8080u16.to_ne_bytes())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`variable`](Self::variable), [`VarError::Size`] and [`VarError::Section`].
    pub fn set_variable(&mut self, name: &str, value: &[u8]) -> Result<(), VarError> {
        let var = self.variable(name)?;
        if var.size != value.len() as u64 {
            return Err(VarError::Size { name: var.name, size: var.size, given: value.len() });
        }
        let size =
            self.maps.get(var.map).and_then(|m| m.def.as_ref().ok()).map_or(0, |d| d.value_size);
        let mut bytes = match self.contents.remove(&var.map) {
            Some(changed) => changed,
            None => self.contents_of(var.map).to_vec(),
        };
        let refused = || VarError::Section { section: var.section.clone(), size: u64::from(size) };
        if bytes.is_empty() {
            if u64::from(size) > MAX_CHANGED {
                return Err(refused());
            }
            bytes = vec![0; size as usize];
        }
        let place = bytes.get_mut(var.offset as usize..(var.offset + var.size) as usize);
        place.ok_or_else(refused)?.copy_from_slice(value);
        self.contents.insert(var.map, bytes);
        Ok(())
    }

    /// What a section of variables starts with; nothing for one that is all zero.
    pub(crate) fn contents_of(&self, map: usize) -> &[u8] {
        match (self.contents.get(&map), self.maps.get(map)) {
            (Some(changed), _) => changed,
            (None, Some(entry)) => self.elf.section_bytes(entry.section),
            (None, None) => &[],
        }
    }

    /// The name that the kernel gets for a section of variables: the start of the object's, then the section's. Sections
    /// of names other than the three usual ones are called as they are.
    pub(crate) fn data_map_name(&self, section: &str) -> String {
        if !matches!(section, ".data" | ".rodata" | ".bss") {
            return section.to_owned();
        }
        let base = self.file.rsplit('/').next().unwrap_or_default();
        let stem = base.split('.').next().unwrap_or_default();
        stem.chars().take(8).chain(section.chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::is_section;

    #[test]
    fn sections_of_variables() {
        for name in [".data", ".data.x", ".rodata", ".rodata.str1.1", ".rodata.cst16", ".bss"] {
            assert!(is_section(name), "{name}");
        }
        for name in ["data", ".database", ".maps", ".rodatax", "", ".kconfig"] {
            assert!(!is_section(name), "{name}");
        }
    }
}
