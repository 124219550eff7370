//! Where the functions of an object are: from symbols if there are any, else one per code section.

use super::{Elf, Place, Section, Span, Symbol, SymbolKind};
use crate::error::Fault;

/// A stretch of a code section that is one function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    /// Symbol name, or the section's for a section without symbols.
    pub(crate) name: Span,
    pub(crate) section: u32,
    /// Bytes from the start of the section.
    pub(crate) offset: u64,
    /// Bytes, never zero, a multiple of eight.
    pub(crate) size: u64,
    /// Not visible outside of the object (`static`).
    pub(crate) is_static: bool,
    /// A second name for the function before it.
    pub(crate) is_alias: bool,
}

/// All functions, sorted by section and offset; functions never overlap, except for second names of the same one.
pub(crate) fn find(elf: &Elf) -> Result<Vec<Function>, Fault> {
    let mut candidates: Vec<(u32, &Symbol)> = elf
        .symbols
        .iter()
        .filter_map(|sym| match sym.place {
            Place::Section(s) if elf.section(s).is_some_and(|s| s.is_code) => {
                is_function(elf, sym).then_some((s, sym))
            }
            _ => None,
        })
        .collect();
    candidates
        .sort_by_key(|(s, sym)| (*s, sym.value, sym.kind != SymbolKind::Function, sym.is_local));
    let mut found = Vec::with_capacity(candidates.len());
    let mut rest = candidates.as_slice();
    for (index, section) in elf.sections().filter(|(_, s)| s.is_code) {
        let count = rest.partition_point(|(s, _)| *s <= index);
        let (here, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = after;
        check_size(elf, index, section)?;
        if here.is_empty() {
            found.push(Function {
                name: section.name,
                section: index,
                offset: 0,
                size: section.size,
                is_static: false,
                is_alias: false,
            });
        } else {
            in_section(elf, index, section, here, &mut found)?;
        }
    }
    Ok(found)
}

/// Adds the functions of one section, whose symbols are sorted by value.
fn in_section(
    elf: &Elf,
    index: u32,
    section: &Section,
    symbols: &[(u32, &Symbol)],
    found: &mut Vec<Function>,
) -> Result<(), Fault> {
    // End of the last function that says its size; an untyped symbol before that is a label within it.
    let mut covered = 0;
    let mut starts: Vec<&Symbol> = Vec::with_capacity(symbols.len());
    for (_, sym) in symbols {
        let label = sym.kind != SymbolKind::Function && sym.value < covered;
        if label && starts.last().is_none_or(|last| last.value != sym.value) {
            continue;
        }
        covered = covered.max(sym.value.saturating_add(sym.size));
        starts.push(sym);
    }
    let mut next = section.size;
    let mut from_last = Vec::with_capacity(starts.len());
    let mut above: Option<&Symbol> = None;
    for sym in starts.iter().rev() {
        let at = || {
            format!("function `{}` in section `{}`", elf.name(sym.name), elf.section_name(index))
        };
        if sym.value % 8 != 0 || sym.size % 8 != 0 {
            return Err(Fault::new(
                at(),
                format!("offset {} or size {} is no multiple of 8", sym.value, sym.size),
            ));
        }
        if sym.value >= section.size || sym.size > section.size - sym.value {
            return Err(Fault::new(
                at(),
                format!(
                    "{} bytes at offset {} do not fit in the section's {}",
                    sym.size, sym.value, section.size
                ),
            ));
        }
        if let Some(above) = above.filter(|a| a.value != sym.value) {
            next = above.value;
        }
        if sym.size > next - sym.value {
            return Err(Fault::new(at(), "it overlaps the function after it"));
        }
        let size = if sym.size == 0 { next - sym.value } else { sym.size };
        from_last.push((sym, size));
        above = Some(sym);
    }
    let mut last: Option<u64> = None;
    for (sym, size) in from_last.into_iter().rev() {
        found.push(Function {
            name: sym.name,
            section: index,
            offset: sym.value,
            size,
            is_static: sym.is_local,
            is_alias: last == Some(sym.value),
        });
        last = Some(sym.value);
    }
    Ok(())
}

fn check_size(elf: &Elf, index: u32, section: &Section) -> Result<(), Fault> {
    if section.size % 8 == 0 {
        return Ok(());
    }
    Err(Fault::new(
        format!("section `{}`", elf.section_name(index)),
        format!("its size {} is no multiple of 8, the size of an instruction", section.size),
    ))
}

/// clang before 8 left the type of function symbols open, and wrote its jump labels out as well.
fn is_function(elf: &Elf, sym: &Symbol) -> bool {
    let name = elf.name(sym.name);
    match sym.kind {
        SymbolKind::Function => !name.is_empty(),
        SymbolKind::Untyped => {
            !name.is_empty()
                && !(sym.is_local && (name.starts_with("LBB") || name.starts_with(".L")))
        }
        _ => false,
    }
}

impl Function {
    /// Stands for a function that is not there.
    pub(crate) const NONE: Function = Function {
        name: Span { start: 0, len: 0 },
        section: 0,
        offset: 0,
        size: 0,
        is_static: false,
        is_alias: false,
    };
}
