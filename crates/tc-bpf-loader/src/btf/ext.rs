//! `.BTF.ext`: which function and which source line an instruction belongs to, and CO-RE relocations.
//!
//! The layout is in the kernel's Documentation/bpf/btf.rst: a header, then per kind a record size and, per code
//! section, the records. Offsets in the file are bytes; here they stay so.

use std::collections::BTreeMap;

use super::{Btf, MAGIC};
use crate::Endian;
use crate::error::Fault;

/// A function starts here (`struct bpf_func_info`).
#[doc(alias = "bpf_func_info")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuncInfo {
    /// Instruction, counted from the program's start.
    pub insn_off: u32,
    /// BTF id of the function.
    pub type_id: u32,
}

/// A source line starts here (`struct bpf_line_info`).
#[doc(alias = "bpf_line_info")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// Instruction, counted from the program's start.
    pub insn_off: u32,
    /// BTF string: name of the source file.
    pub file_name_off: u32,
    /// BTF string: text of the source line.
    pub line_off: u32,
    /// Line number, shifted left by ten, and column.
    pub line_col: u32,
}

/// What an instruction needs to know of the running kernel's types (`struct bpf_core_relo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoreRelo {
    /// The type in the object that the access starts from.
    pub(crate) type_id: u32,
    /// String of the object: indices of members and elements, `0:1:2`.
    pub(crate) access_off: u32,
    /// `enum bpf_core_relo_kind`.
    pub(crate) kind: u32,
}

/// Records of one kind per section index, by ascending byte offset.
type Records<T> = BTreeMap<u32, Vec<(u32, T)>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct BtfExt {
    /// Byte offset and type id of the function.
    funcs: Records<u32>,
    lines: Records<LineInfo>,
    core: Records<CoreRelo>,
}

impl BtfExt {
    /// Reads the table; `sections` tells the index of a section by name. Records of unknown sections are dropped.
    pub(crate) fn parse(
        bytes: &[u8],
        endian: Endian,
        btf: &Btf,
        sections: &BTreeMap<&str, u32>,
    ) -> Result<BtfExt, Fault> {
        let fault = |problem: &str| Fault::new("section `.BTF.ext`", problem);
        let (Some(magic), Some(hdr_len)) = (endian.u16_at(bytes, 0), endian.u32_at(bytes, 4))
        else {
            return Err(fault("it is too short for a header"));
        };
        if magic != MAGIC || bytes.get(2) != Some(&1) {
            return Err(fault("it is not BTF version 1"));
        }
        let body = bytes.get(hdr_len as usize..).ok_or_else(|| fault("its header is cut off"))?;
        let part = |at: usize| {
            // The header of old compilers ends before the CO-RE fields.
            if at + 8 > hdr_len as usize {
                return Ok(&[] as &[u8]);
            }
            endian
                .u32_at(bytes, at)
                .zip(endian.u32_at(bytes, at + 4))
                .and_then(|(off, len)| body.get(off as usize..)?.get(..len as usize))
                .ok_or_else(|| fault("a table lies outside of it"))
        };
        let reader = Reader { endian, btf, sections };
        Ok(BtfExt {
            funcs: reader.records(part(8)?, 8, |e, r| e.u32_at(r, 4))?,
            lines: reader.records(part(16)?, 16, |e, r| {
                Some(LineInfo {
                    insn_off: 0,
                    file_name_off: e.u32_at(r, 4)?,
                    line_off: e.u32_at(r, 8)?,
                    line_col: e.u32_at(r, 12)?,
                })
            })?,
            core: reader.records(part(24)?, 16, |e, r| {
                Some(CoreRelo {
                    type_id: e.u32_at(r, 4)?,
                    access_off: e.u32_at(r, 8)?,
                    kind: e.u32_at(r, 12)?,
                })
            })?,
        })
    }

    /// Type id of the function that starts exactly at `offset`.
    pub(crate) fn func_at(&self, section: u32, offset: u64) -> Option<u32> {
        within(&self.funcs, section, offset, offset + 1).first().map(|(_, id)| *id)
    }

    /// Lines of a stretch of code, with offsets in bytes.
    pub(crate) fn lines(&self, section: u32, start: u64, end: u64) -> &[(u32, LineInfo)] {
        within(&self.lines, section, start, end)
    }

    /// CO-RE relocations of a stretch of code.
    pub(crate) fn core(&self, section: u32, start: u64, end: u64) -> &[(u32, CoreRelo)] {
        within(&self.core, section, start, end)
    }
}

fn within<T>(records: &Records<T>, section: u32, start: u64, end: u64) -> &[(u32, T)] {
    let records = records.get(&section).map_or(&[] as &[_], Vec::as_slice);
    let from = records.partition_point(|(at, _)| u64::from(*at) < start);
    let to = records.partition_point(|(at, _)| u64::from(*at) < end);
    records.get(from..to).unwrap_or_default()
}

struct Reader<'a> {
    endian: Endian,
    btf: &'a Btf,
    sections: &'a BTreeMap<&'a str, u32>,
}

impl Reader<'_> {
    /// Reads one table, whose records have at least `min` bytes.
    fn records<T>(
        &self,
        table: &[u8],
        min: usize,
        decode: impl Fn(Endian, &[u8]) -> Option<T>,
    ) -> Result<Records<T>, Fault> {
        let fault = |problem: String| Fault::new("section `.BTF.ext`", problem);
        if table.is_empty() {
            return Ok(BTreeMap::new());
        }
        let size = self.endian.u32_at(table, 0).unwrap_or(0) as usize;
        if size < min || size % 4 != 0 {
            return Err(fault(format!("its records have {size} bytes, not {min}")));
        }
        let mut found: Records<T> = BTreeMap::new();
        let mut rest = table.get(4..).unwrap_or_default();
        while !rest.is_empty() {
            let (Some(name), Some(count)) =
                (self.endian.u32_at(rest, 0), self.endian.u32_at(rest, 4))
            else {
                return Err(fault("a table is cut off".to_owned()));
            };
            let body = (count as usize)
                .checked_mul(size)
                .and_then(|len| rest.get(8..)?.split_at_checked(len));
            let Some((records, after)) = body else {
                return Err(fault(format!("it has no room for {count} records of {size} bytes")));
            };
            rest = after;
            let name = self.btf.str_at(name);
            let Some(section) = self.sections.get(name) else {
                continue;
            };
            if found.contains_key(section) {
                return Err(fault(format!("section `{name}` is listed twice")));
            }
            let mut list: Vec<(u32, T)> = records
                .chunks_exact(size)
                .filter_map(|r| Some((self.endian.u32_at(r, 0)?, decode(self.endian, r)?)))
                .collect();
            list.sort_by_key(|(at, _)| *at);
            found.insert(*section, list);
        }
        Ok(found)
    }
}
