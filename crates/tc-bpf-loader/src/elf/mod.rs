//! ELF as far as BPF objects need it: sections, symbols and relocations, every offset checked once, here.
//!
//! Names stay where they are in the file and are handed out on demand, so the memory used is a small multiple of the
//! file's size whatever the tables claim.

pub(crate) mod btf_maps;
pub(crate) mod functions;
pub(crate) mod image;
pub(crate) mod legacy_maps;

use image::Image;
use object::elf::{
    EM_BPF, EM_NONE, ET_REL, FileHeader64, Rel64, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS, SHT_REL,
    SHT_RELA, SHT_SYMTAB, STB_LOCAL, STB_WEAK, STT_FILE, STT_FUNC, STT_NOTYPE, STT_OBJECT,
    STT_SECTION, SectionHeader64, Sym64,
};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use object::{Endianness, ReadRef as _};

use crate::Endian;
use crate::error::{Fault, ObjectError};
use crate::struct_ops;

/// Longest section or symbol name that is believed. The kernel's own limit is 512 (`KSYM_NAME_LEN`).
const MAX_NAME: usize = 1024;
/// Largest file that is read; the largest real object known is below 10 MiB.
pub(crate) const MAX_FILE: usize = 64 << 20;

/// `R_BPF_64_64`: the constant of a two-instruction load.
pub(crate) const R_BPF_64_64: u32 = 1;
/// `R_BPF_64_32`: the target of a call.
pub(crate) const R_BPF_64_32: u32 = 10;

/// A name, as its place in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) name: Span,
    /// Size in memory; bytes exist in the file only if `has_bytes`.
    pub(crate) size: u64,
    offset: u64,
    has_bytes: bool,
    /// Holds instructions.
    pub(crate) is_code: bool,
    /// Relocations with addends apply to it, which no BPF compiler writes.
    pub(crate) has_rela: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SymbolKind {
    Untyped,
    Object,
    Function,
    Section,
    File,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Undefined,
    Section(u32),
    /// Absolute, common or an extended index.
    Special(u16),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub(crate) name: Span,
    pub(crate) value: u64,
    pub(crate) size: u64,
    pub(crate) kind: SymbolKind,
    pub(crate) is_local: bool,
    /// Need not be defined anywhere.
    pub(crate) is_weak: bool,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reloc {
    /// Section that is patched.
    pub(crate) section: u32,
    /// Byte offset in that section.
    pub(crate) offset: u64,
    pub(crate) kind: u32,
    pub(crate) symbol: u32,
}

/// The tables of one object.
#[derive(Clone)]
pub(crate) struct Elf {
    image: Image,
    pub(crate) endian: Endian,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
    /// Relocations of code sections and of `.maps`, sorted by section and offset.
    relocs: Vec<Reloc>,
    is_gcc: bool,
}

impl Elf {
    pub(crate) fn parse(file: &str, image: Image) -> Result<Elf, ObjectError> {
        let bytes = image.bytes();
        let not_object = |found: String| ObjectError::NotObject { file: file.to_owned(), found };
        if bytes.len() > MAX_FILE {
            return Err(not_object(format!("it is larger than {} MiB", MAX_FILE >> 20)));
        }
        let Ok(header) = FileHeader64::<Endianness>::parse(bytes) else {
            return Err(not_object(describe(bytes)));
        };
        let Ok(e) = header.endian() else {
            return Err(not_object(describe(bytes)));
        };
        let machine = header.e_machine(e);
        // clang before 3.7 knew no number for BPF and wrote none.
        if machine != EM_BPF && machine != EM_NONE {
            return Err(ObjectError::WrongMachine { file: file.to_owned(), machine: machine.0 });
        }
        if header.e_type(e) != ET_REL {
            return Err(not_object(
                "it is linked already; give the compiler's output (clang -c)".to_owned(),
            ));
        }
        let mut elf = Elf {
            image: Image::default(),
            endian: if header.is_big_endian() { Endian::Big } else { Endian::Little },
            sections: Vec::new(),
            symbols: Vec::new(),
            relocs: Vec::new(),
            is_gcc: false,
        };
        elf.read_tables(header, e, bytes).map_err(|fault| fault.in_file(file))?;
        elf.image = image;
        let comment = elf.sections().find(|(_, s)| elf.name(s.name) == ".comment");
        elf.is_gcc = comment.is_some_and(|(i, _)| {
            elf.section_bytes(i).split(|b| *b == 0).any(|text| text.starts_with(b"GCC:"))
        });
        Ok(elf)
    }

    fn read_tables(
        &mut self,
        header: &FileHeader64<Endianness>,
        e: Endianness,
        data: &[u8],
    ) -> Result<(), Fault> {
        let headers = header.section_headers(e, data).map_err(|_| {
            Fault::new(
                "section header table",
                format!(
                    "{} entries of {} bytes at offset {} do not fit in the file's {} bytes",
                    header.e_shnum(e),
                    header.e_shentsize(e),
                    header.e_shoff(e),
                    data.len()
                ),
            )
        })?;
        self.read_sections(header, headers, e, data)?;
        let mut symtabs = (0..).zip(headers).filter(|(_, h)| h.sh_type(e) == SHT_SYMTAB);
        let symtab = symtabs.next();
        if symtabs.next().is_some() {
            return Err(Fault::new("section headers", "there is more than one symbol table"));
        }
        if let Some((_, h)) = symtab {
            self.read_symbols(h, headers, e, data)?;
        }
        for (index, h) in (0..).zip(headers).filter(|(_, h)| h.sh_type(e) == SHT_REL) {
            self.read_relocs(index, h, symtab.map(|(i, _)| i), e, data)?;
        }
        self.relocs.sort_by_key(|r| (r.section, r.offset));
        Ok(())
    }

    fn read_sections(
        &mut self,
        header: &FileHeader64<Endianness>,
        headers: &[SectionHeader64<Endianness>],
        e: Endianness,
        data: &[u8],
    ) -> Result<(), Fault> {
        let names = match header.section_strings_index(e, data) {
            Ok(index) if index.0 != 0 => {
                let strings = headers.get(index.0).ok_or_else(|| {
                    Fault::new(
                        "ELF header",
                        format!("section names are said to be in section {}", index.0),
                    )
                })?;
                file_range(strings, e, data.len()).ok_or_else(|| {
                    Fault::new("section name table", "it lies outside of the file")
                })?
            }
            Ok(_) => 0..0,
            Err(_) => {
                return Err(Fault::new("ELF header", "no valid index of the section name table"));
            }
        };
        self.sections.reserve_exact(headers.len());
        let mut extents = Vec::with_capacity(headers.len());
        for (index, h) in headers.iter().enumerate() {
            let at = || format!("section {index}");
            let name = if index == 0 || names.is_empty() {
                Span::default()
            } else {
                find_name(data, &names, h.sh_name(e))
                    .map_err(|why| Fault::new(at(), format!("its name {why}")))?
            };
            let (kind, size, offset) = (h.sh_type(e), h.sh_size(e), h.sh_offset(e));
            // Section 0 is all zero except for extended counts, which are no bytes in the file.
            let has_bytes = index != 0 && kind.0 != 0 && kind != SHT_NOBITS;
            if has_bytes {
                let Some(range) = file_range(h, e, data.len()) else {
                    return Err(Fault::new(
                        format!("section {index} `{}`", text(data, name)),
                        format!(
                            "{size} bytes at offset {offset} do not fit in the file's {} bytes",
                            data.len()
                        ),
                    ));
                };
                if !range.is_empty() {
                    extents.push((range.start, range.end, index));
                }
            }
            self.sections.push(Section {
                name,
                size,
                offset: if has_bytes { offset } else { 0 },
                has_bytes,
                is_code: kind == SHT_PROGBITS && h.sh_flags(e).contains(SHF_EXECINSTR) && size > 0,
                has_rela: false,
            });
        }
        for h in headers.iter().filter(|h| h.sh_type(e) == SHT_RELA) {
            if let Some(target) = self.sections.get_mut(h.sh_info(e) as usize) {
                target.has_rela = true;
            }
        }
        extents.sort_unstable();
        for (a, b) in extents.iter().zip(extents.iter().skip(1)) {
            if a.1 > b.0 {
                let name =
                    |i: usize| self.sections.get(i).map_or("", |s| text(data, s.name)).to_owned();
                return Err(Fault::new(
                    format!("section {} `{}`", b.2, name(b.2)),
                    format!("it overlaps section {} `{}`", a.2, name(a.2)),
                ));
            }
        }
        Ok(())
    }

    fn read_symbols(
        &mut self,
        h: &SectionHeader64<Endianness>,
        headers: &[SectionHeader64<Endianness>],
        e: Endianness,
        data: &[u8],
    ) -> Result<(), Fault> {
        let table = entries::<Sym64<Endianness>>("symbol table", h, e, data)?;
        let strings = headers
            .get(h.sh_link(e) as usize)
            .and_then(|s| file_range(s, e, data.len()))
            .ok_or_else(|| {
                Fault::new(
                    "symbol table",
                    format!("its names are said to be in section {}", h.sh_link(e)),
                )
            })?;
        self.symbols.reserve_exact(table.len());
        for (index, sym) in table.iter().enumerate() {
            let name = match sym.st_name(e) {
                0 => Span::default(),
                offset => find_name(data, &strings, offset).map_err(|why| {
                    Fault::new(format!("symbol {index}"), format!("its name {why}"))
                })?,
            };
            let place = match sym.st_shndx(e).0 {
                0 => Place::Undefined,
                n @ 0xff00.. => Place::Special(n),
                n if usize::from(n) < headers.len() => Place::Section(u32::from(n)),
                n => {
                    return Err(Fault::new(
                        format!("symbol {index} `{}`", text(data, name)),
                        format!("it is said to be in section {n} of {}", headers.len()),
                    ));
                }
            };
            self.symbols.push(Symbol {
                name,
                value: sym.st_value(e),
                size: sym.st_size(e),
                kind: match sym.st_type() {
                    STT_NOTYPE => SymbolKind::Untyped,
                    STT_OBJECT => SymbolKind::Object,
                    STT_FUNC => SymbolKind::Function,
                    STT_SECTION => SymbolKind::Section,
                    STT_FILE => SymbolKind::File,
                    _ => SymbolKind::Other,
                },
                is_local: sym.st_bind() == STB_LOCAL,
                is_weak: sym.st_bind() == STB_WEAK,
                place,
            });
        }
        Ok(())
    }

    fn read_relocs(
        &mut self,
        index: usize,
        h: &SectionHeader64<Endianness>,
        symtab: Option<usize>,
        e: Endianness,
        data: &[u8],
    ) -> Result<(), Fault> {
        let target = h.sh_info(e);
        // Relocations of debug information and of unwind tables are nobody's business here; those of `.maps` say what
        // is in maps, those of `.struct_ops` what programs are for.
        let of_interest = |s: &Section| {
            let name = text(data, s.name);
            s.is_code || name == btf_maps::SECTION || struct_ops::is_section(name)
        };
        if !self.sections.get(target as usize).is_some_and(of_interest) {
            return Ok(());
        }
        let at = format!("relocation section {index}");
        if symtab != Some(h.sh_link(e) as usize) {
            return Err(Fault::new(
                at,
                format!("its symbols are said to be in section {}", h.sh_link(e)),
            ));
        }
        let table = entries::<Rel64<Endianness>>(&at, h, e, data)?;
        self.relocs.reserve_exact(table.len());
        for rel in table {
            let symbol = rel.r_sym(e);
            if symbol as usize >= self.symbols.len() {
                return Err(Fault::new(at, format!("there is no symbol {symbol}")));
            }
            let offset = rel.r_offset.get(e);
            self.relocs.push(Reloc { section: target, offset, kind: rel.r_type(e).0, symbol });
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.image.bytes()
    }

    /// A name; `""` for things without one.
    pub(crate) fn name(&self, span: Span) -> &str {
        text(self.bytes(), span)
    }

    pub(crate) fn section(&self, index: u32) -> Option<&Section> {
        self.sections.get(index as usize)
    }

    pub(crate) fn section_name(&self, index: u32) -> &str {
        self.section(index).map_or("", |s| self.name(s.name))
    }

    /// The section's bytes in the file; none for `.bss` and its like.
    pub(crate) fn section_bytes(&self, index: u32) -> &[u8] {
        self.section(index)
            .filter(|s| s.has_bytes)
            .and_then(|s| {
                let start = usize::try_from(s.offset).ok()?;
                let end = start.checked_add(usize::try_from(s.size).ok()?)?;
                self.bytes().get(start..end)
            })
            .unwrap_or_default()
    }

    /// Whether gcc made it.
    pub(crate) fn is_gcc(&self) -> bool {
        self.is_gcc
    }

    /// Sections with their indices.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (u32, &Section)> {
        (0u32..).zip(&self.sections)
    }

    pub(crate) fn symbol(&self, index: u32) -> Option<&Symbol> {
        self.symbols.get(index as usize)
    }

    /// Relocations of a stretch of a code section or of `.maps`, ascending.
    pub(crate) fn relocs_in(&self, section: u32, start: u64, end: u64) -> &[Reloc] {
        let from = self.relocs.partition_point(|r| (r.section, r.offset) < (section, start));
        let to = self.relocs.partition_point(|r| (r.section, r.offset) < (section, end));
        self.relocs.get(from..to).unwrap_or_default()
    }
}

fn file_range(
    h: &SectionHeader64<Endianness>,
    e: Endianness,
    len: usize,
) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(h.sh_offset(e)).ok()?;
    let end = start.checked_add(usize::try_from(h.sh_size(e)).ok()?)?;
    (end <= len).then_some(start..end)
}

/// The entries of a table whose entry size must be the format's.
fn entries<'a, T: object::Pod>(
    at: &str,
    h: &SectionHeader64<Endianness>,
    e: Endianness,
    data: &'a [u8],
) -> Result<&'a [T], Fault> {
    let want = size_of::<T>() as u64;
    let (entsize, size) = (h.sh_entsize(e), h.sh_size(e));
    if entsize != want {
        return Err(Fault::new(at, format!("its entry size is {entsize}, not {want}")));
    }
    if size % want != 0 {
        return Err(Fault::new(at, format!("its size {size} is no multiple of {want}")));
    }
    let offset = h.sh_offset(e);
    data.read_slice_at(offset, usize::try_from(size / want).unwrap_or(usize::MAX))
        .map_err(|()| Fault::new(at, format!("offset {offset} is not aligned to 8 bytes")))
}

/// Finds the NUL-terminated string at `offset` of the string table `table`.
fn find_name(data: &[u8], table: &std::ops::Range<usize>, offset: u32) -> Result<Span, String> {
    let start = table.start.saturating_add(offset as usize);
    if start >= table.end {
        return Err(format!("is at offset {offset} of a string table of {} bytes", table.len()));
    }
    let end = table.end.min(start.saturating_add(MAX_NAME + 1));
    let bytes = data.get(start..end).unwrap_or_default();
    let Some(len) = bytes.iter().position(|b| *b == 0) else {
        return Err(if end == table.end {
            "is not terminated".to_owned()
        } else {
            format!("is longer than {MAX_NAME} bytes")
        });
    };
    // Names end up in messages: nothing there may steer a terminal.
    match std::str::from_utf8(bytes.get(..len).unwrap_or_default()) {
        Err(_) => return Err("is not UTF-8".to_owned()),
        Ok(name) if name.chars().any(char::is_control) => {
            return Err("has control characters".to_owned());
        }
        Ok(_) => {}
    }
    Ok(Span { start: start as u32, len: len as u32 })
}

fn text(data: &[u8], span: Span) -> &str {
    let start = span.start as usize;
    data.get(start..start.saturating_add(span.len as usize))
        .and_then(|b| std::str::from_utf8(b).ok())
        .unwrap_or_default()
}

/// Says what bytes that are no ELF64 object look like.
fn describe(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    let what = match start {
        [] => "the file is empty",
        [0x7f, b'E', b'L', b'F', 1, ..] => {
            "it is a 32-bit ELF file; compile it with `clang -target bpf`"
        }
        [0x7f, b'E', b'L', b'F', 2, ..] if bytes.len() < 64 => "the ELF header is cut off",
        [0x7f, b'E', b'L', b'F', ..] => {
            "its ELF header has an unknown class, byte order or version"
        }
        [b'B', b'C', 0xc0, 0xde, ..] => {
            "it is LLVM bitcode; drop `-emit-llvm` or finish with `llc -march=bpf -filetype=obj`"
        }
        [b'!', b'<', b'a', b'r', ..] => "it is an archive; give one of the objects in it",
        [0x1f, 0x8b, ..] => "it is compressed with gzip",
        _ if start.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..)) => {
            "it is text; C source must be compiled first, with `clang -O2 -g -target bpf -c`"
        }
        _ => "it does not start with an ELF header",
    };
    what.to_owned()
}
