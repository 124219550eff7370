//! An object as data: what it holds, before anything is asked of the kernel.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::Endian;
use crate::btf::Btf;
use crate::btf::ext::BtfExt;
use crate::elf::functions::{self, Function};
use crate::elf::image::Image;
use crate::elf::{self, Elf, Place, SymbolKind, btf_maps, legacy_maps};
use crate::error::{Fault, Listing, ObjectError};
use crate::map::MapSpec;
use crate::struct_ops::{self, Operation, TableDef};
use crate::{data, slots};

/// Most maps of one object; the kernel allows a program 64.
const MAX_MAPS: usize = 1024;
/// Longest license text the kernel reads, without the final NUL.
const MAX_LICENSE: usize = 127;

/// An object file, read and checked. The same bytes give the same value on every machine.
#[derive(Clone)]
pub struct ObjectSpec {
    pub(crate) file: String,
    pub(crate) elf: Elf,
    pub(crate) functions: Vec<Function>,
    pub(crate) tables: Vec<TableDef>,
    /// What programs are for that implement operations of a table, by the program's index.
    pub(crate) operations: BTreeMap<usize, Operation>,
    pub(crate) maps: Vec<MapEntry>,
    /// Type information, or why it is unusable.
    pub(crate) btf: Option<Result<Btf, Fault>>,
    pub(crate) btf_ext: Option<Result<BtfExt, Fault>>,
    /// Sections of global variables that were changed, by index in `maps`.
    pub(crate) contents: BTreeMap<usize, Vec<u8>>,
    license: String,
    version: Option<u32>,
}

/// A map definition, or what is wrong with it; that matters only to programs that refer to the map.
#[derive(Clone, Debug)]
pub(crate) struct MapEntry {
    pub(crate) name: String,
    pub(crate) section: u32,
    pub(crate) offset: u64,
    pub(crate) def: Result<MapSpec, Fault>,
}

/// Which program of an object is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select<'a> {
    /// Section that the program is in. A leading `?` counts neither here nor in the object.
    pub section: Option<&'a str>,
    /// Name of the function.
    pub program: Option<&'a str>,
    /// Section to look into if nothing is chosen: `classifier` for filters, `action` for actions.
    pub default_section: &'a str,
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select { section: None, program: None, default_section: "classifier" }
    }
}

impl ObjectSpec {
    /// Reads an object file.
    ///
    /// # Errors
    /// [`ObjectError::Read`] for what the system refuses and for anything but a regular file, else as
    /// [`parse`](Self::parse).
    pub fn from_path(path: &Path) -> Result<ObjectSpec, ObjectError> {
        let file = path.display().to_string();
        match read_file(path) {
            Ok(image) => Self::of_image(&file, image),
            Err(source) => Err(ObjectError::Read { file, source }),
        }
    }

    /// Reads an object from memory; `name` is what messages call it.
    ///
    /// Only damage is an error here. Features that this loader lacks are, once a program that needs them is chosen.
    ///
    /// # Errors
    /// [`ObjectError::NotObject`], [`ObjectError::WrongMachine`], [`ObjectError::Malformed`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<ObjectSpec, ObjectError> {
        Self::of_image(name, bytes.into())
    }

    fn of_image(name: &str, image: Image) -> Result<ObjectSpec, ObjectError> {
        let elf = Elf::parse(name, image)?;
        let functions = functions::find(&elf).map_err(|fault| fault.in_file(name))?;
        let indices: BTreeMap<&str, u32> =
            elf.sections().skip(1).map(|(i, s)| (elf.name(s.name), i)).collect();
        let btf =
            indices.get(".BTF").map(|index| Btf::parse(elf.section_bytes(*index), elf.endian));
        let btf_ext = match (&btf, indices.get(".BTF.ext")) {
            (Some(Ok(btf)), Some(index)) => {
                Some(BtfExt::parse(elf.section_bytes(*index), elf.endian, btf, &indices))
            }
            _ => None,
        };
        let license = match indices.get("license") {
            Some(index) => {
                license(elf.section_bytes(*index)).map_err(|fault| fault.in_file(name))?
            }
            None => String::new(),
        };
        let version = indices
            .get("version")
            .and_then(|index| elf.endian.u32_at(elf.section_bytes(*index), 0));
        let mut maps = maps(&elf, btf.as_ref()).map_err(|fault| fault.in_file(name))?;
        data::add_sections(&elf, btf.as_ref(), &mut maps);
        slots::find(&elf, &functions, &mut maps);
        let (tables, operations) = match &btf {
            Some(Ok(btf)) => {
                let tables = struct_ops::find(&elf, &functions, btf);
                let operations = struct_ops::operations(&tables, btf);
                (tables, operations)
            }
            _ => Default::default(),
        };
        Ok(ObjectSpec {
            tables,
            operations,
            file: name.to_owned(),
            functions,
            maps,
            btf,
            btf_ext,
            contents: BTreeMap::new(),
            license,
            version,
            elf,
        })
    }

    /// Name of the object, as messages call it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Byte order of the object.
    pub fn endian(&self) -> Endian {
        self.elf.endian
    }

    /// License that the object declares; empty if it declares none, which is not the GPL.
    pub fn license(&self) -> &str {
        &self.license
    }

    /// Kernel version that the object declares in a section `version`. The kernel ignores it since 5.0.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// The programs: functions in named sections. Functions in `.text` are helpers of others and left out, unless
    /// there is nothing else; [`select`](Self::select) finds them by name all the same.
    pub fn programs(&self) -> impl Iterator<Item = ProgramSpec<'_>> {
        let only_text = self.functions.iter().all(|f| self.in_text(f));
        self.all().filter(move |p| only_text || !self.in_text(p.function()))
    }

    /// The maps that the object defines and its sections of global variables, or what is wrong with a definition. Maps
    /// that the chosen program does not refer to are never created, unless they are to be pinned, so that a bad one
    /// among them does no harm.
    pub fn maps(&self) -> impl Iterator<Item = Result<&MapSpec, ObjectError>> {
        self.maps.iter().map(|m| self.map_def(m))
    }

    /// Names of all sections, in file order; the nameless first one is left out.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.elf.sections().skip(1).map(|(_, s)| self.elf.name(s.name))
    }

    /// Finds the one program that is meant.
    ///
    /// By section: there must be exactly one program in it, unless the name is given too. Nothing chosen: the program
    /// in the default section, else the only program of the object.
    ///
    /// # Errors
    /// [`ObjectError::NoProgram`] and [`ObjectError::Ambiguous`], both with a list of what there is.
    pub fn select(&self, wanted: &Select<'_>) -> Result<ProgramSpec<'_>, ObjectError> {
        let in_section = |p: &ProgramSpec<'_>, s: &str| plain(p.section()) == plain(s);
        let (described, mut fitting): (_, Vec<_>) = match (wanted.section, wanted.program) {
            (None, None) => {
                let default: Vec<_> =
                    self.programs().filter(|p| in_section(p, wanted.default_section)).collect();
                if default.is_empty() {
                    let all: Vec<_> = self.programs().collect();
                    let several = all.iter().filter(|p| !p.function().is_alias).count() > 1;
                    if several || all.is_empty() {
                        return Err(
                            self.no_program(format!("section `{}`", wanted.default_section))
                        );
                    }
                    (None, all)
                } else {
                    (None, default)
                }
            }
            (Some(section), None) => (
                Some(format!("section `{section}`")),
                self.all().filter(|p| in_section(p, section)).collect(),
            ),
            (section, Some(name)) => (
                Some(match section {
                    None => format!("function `{name}`"),
                    Some(section) => format!("function `{name}` of section `{section}`"),
                }),
                self.all()
                    .filter(|p| p.name() == name && section.is_none_or(|s| in_section(p, s)))
                    .collect(),
            ),
        };
        // Second names of one function are no second program.
        let count = fitting.len();
        fitting.retain(|p| count == 1 || wanted.program.is_some() || !p.function().is_alias);
        match (fitting.as_slice(), described) {
            ([], described) => Err(self.no_program(described.unwrap_or_default())),
            ([program], _) => Ok(*program),
            (_, wanted) => Err(ObjectError::Ambiguous {
                file: self.file.clone(),
                wanted,
                available: listing(fitting.into_iter()),
            }),
        }
    }

    fn no_program(&self, wanted: String) -> ObjectError {
        ObjectError::NoProgram {
            file: self.file.clone(),
            wanted,
            available: listing(self.programs()),
        }
    }

    fn all(&self) -> impl Iterator<Item = ProgramSpec<'_>> {
        (0..self.functions.len()).map(|index| ProgramSpec { spec: self, index })
    }

    pub(crate) fn program_at(&self, index: usize) -> ProgramSpec<'_> {
        ProgramSpec { spec: self, index }
    }

    fn in_text(&self, f: &Function) -> bool {
        self.elf.section_name(f.section) == ".text"
    }

    /// The definition of a map, or what is wrong with it.
    pub(crate) fn map_def<'a>(&self, map: &'a MapEntry) -> Result<&'a MapSpec, ObjectError> {
        map.def.as_ref().map_err(|fault| fault.clone().in_file(&self.file))
    }

    pub(crate) fn unsupported(&self, program: Option<&str>, what: String) -> ObjectError {
        ObjectError::Unsupported {
            file: self.file.clone(),
            program: program.map(str::to_owned),
            what,
        }
    }
}

impl fmt::Debug for ObjectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSpec")
            .field("file", &self.file)
            .field("endian", &self.elf.endian)
            .field("license", &self.license)
            .field("programs", &self.programs().collect::<Vec<_>>())
            .field("maps", &self.maps.iter().map(|m| &m.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// One program of an object: a function, or a whole section of an object without symbols.
#[derive(Clone, Copy)]
pub struct ProgramSpec<'a> {
    pub(crate) spec: &'a ObjectSpec,
    index: usize,
}

impl<'a> ProgramSpec<'a> {
    /// Name of the function.
    pub fn name(&self) -> &'a str {
        self.spec.elf.name(self.function().name)
    }

    /// Name of the section it is in, as the object spells it.
    pub fn section(&self) -> &'a str {
        self.spec.elf.section_name(self.function().section)
    }

    /// Number of instructions, without those of functions that it calls.
    pub fn insn_count(&self) -> usize {
        (self.function().size / 8) as usize
    }

    /// Whether the function is `static`.
    pub fn is_static(&self) -> bool {
        self.function().is_static
    }

    /// The object it is part of.
    pub fn object(&self) -> &'a ObjectSpec {
        self.spec
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn function(&self) -> &'a Function {
        const NONE: Function = Function::NONE;
        self.spec.functions.get(self.index).unwrap_or(&NONE)
    }
}

impl fmt::Debug for ProgramSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}() in `{}`, {} instructions", self.name(), self.section(), self.insn_count())
    }
}

/// `SEC("?tc")` says that loaders shouldn't load the program unasked.
fn plain(section: &str) -> &str {
    section.strip_prefix('?').unwrap_or(section)
}

fn listing<'a>(programs: impl Iterator<Item = ProgramSpec<'a>>) -> Listing {
    let mut list = Listing::default();
    for (n, program) in programs.enumerate() {
        if n >= 64 {
            list.omitted += 1;
            continue;
        }
        match list.sections.last_mut() {
            Some((section, names)) if section == program.section() => {
                names.push(program.name().to_owned());
            }
            _ => {
                list.sections.push((program.section().to_owned(), vec![program.name().to_owned()]));
            }
        }
    }
    list
}

/// Reads a regular file; a pipe or a device could block for ever or never end.
fn read_file(path: &Path) -> std::io::Result<Image> {
    let not_regular = || std::io::Error::other("it is not a regular file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(not_regular());
    }
    let most = elf::MAX_FILE as u64 + 1;
    Image::read(file.take(most), meta.len().min(most) as usize)
}

fn license(bytes: &[u8]) -> Result<String, Fault> {
    let fault = |problem: String| Fault::new("section `license`", problem);
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    if text.len() > MAX_LICENSE {
        return Err(fault(format!("the text is longer than {MAX_LICENSE} bytes")));
    }
    match std::str::from_utf8(text) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(fault("the text is not UTF-8".to_owned())),
    }
}

/// A symbol of a section of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MapSymbol<'a> {
    section: u32,
    pub(crate) offset: u64,
    pub(crate) name: &'a str,
}

/// All maps, sorted by section and offset.
fn maps(elf: &Elf, btf: Option<&Result<Btf, Fault>>) -> Result<Vec<MapEntry>, Fault> {
    let mut symbols: Vec<MapSymbol<'_>> = elf
        .symbols
        .iter()
        .filter(|s| matches!(s.kind, SymbolKind::Object | SymbolKind::Untyped))
        .filter_map(|s| match s.place {
            Place::Section(section) => {
                Some(MapSymbol { section, offset: s.value, name: elf.name(s.name) })
            }
            _ => None,
        })
        .filter(|s| !s.name.is_empty() && is_map_section(elf.section_name(s.section)))
        .filter(|s| elf.section(s.section).is_some_and(|s| !s.is_code))
        .collect();
    if symbols.len() > MAX_MAPS {
        let problem = format!("{} maps are more than {MAX_MAPS}", symbols.len());
        return Err(Fault::new("symbol table", problem));
    }
    if symbols.is_empty() {
        return Ok(Vec::new());
    }
    symbols.sort_unstable();
    let btf = btf.map(|b| b.as_ref().map(|btf| (btf, btf_maps::vars(btf))));
    let types = match &btf {
        Some(Ok((btf, _))) => legacy_maps::Types::of(btf),
        _ => legacy_maps::Types::default(),
    };
    let mut found = Vec::with_capacity(symbols.len());
    for group in symbols.chunk_by(|a, b| a.section == b.section) {
        let section = group.first().map_or(0, |s| s.section);
        if elf.section_name(section) != btf_maps::SECTION {
            legacy_maps::read(elf, section, group, &types, &mut found);
            continue;
        }
        found.extend(group.iter().map(|s| MapEntry {
            name: s.name.to_owned(),
            section,
            offset: s.offset,
            def: btf_maps::read(s.name, btf.as_ref().map(|b| b.as_ref().map_err(|f| *f))),
        }));
    }
    Ok(found)
}

pub(crate) fn is_map_section(name: &str) -> bool {
    legacy_maps::is_section(name) || name == btf_maps::SECTION
}
