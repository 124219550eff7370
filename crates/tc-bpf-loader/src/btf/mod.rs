//! BTF, the type information of an object: a bounded reader over uapi `linux/btf.h`.
//!
//! Types are found by id in constant time and decoded on demand; nothing is copied per type.

pub(crate) mod ext;
pub(crate) mod fixup;
pub(crate) mod sanitise;

use std::sync::Arc;

use crate::Endian;
use crate::error::Fault;

pub(crate) const MAGIC: u16 = 0xeb9f;
/// Longest chain of typedefs, qualifiers and arrays that is followed.
const MAX_DEPTH: usize = 32;

/// `BTF_KIND_*`.
pub(crate) mod kind {
    pub(crate) const INT: u32 = 1;
    pub(crate) const PTR: u32 = 2;
    pub(crate) const ARRAY: u32 = 3;
    pub(crate) const STRUCT: u32 = 4;
    pub(crate) const UNION: u32 = 5;
    pub(crate) const ENUM: u32 = 6;
    pub(crate) const FWD: u32 = 7;
    pub(crate) const TYPEDEF: u32 = 8;
    pub(crate) const VOLATILE: u32 = 9;
    pub(crate) const CONST: u32 = 10;
    pub(crate) const RESTRICT: u32 = 11;
    pub(crate) const FUNC: u32 = 12;
    pub(crate) const FUNC_PROTO: u32 = 13;
    pub(crate) const VAR: u32 = 14;
    pub(crate) const DATASEC: u32 = 15;
    pub(crate) const FLOAT: u32 = 16;
    pub(crate) const DECL_TAG: u32 = 17;
    pub(crate) const TYPE_TAG: u32 = 18;
    pub(crate) const ENUM64: u32 = 19;
}

/// A `.BTF` section, or the types of the kernel. Those of a module continue the kernel's: ids and names below a bound
/// are the base's.
#[derive(Clone, Debug)]
pub(crate) struct Btf {
    pub(crate) endian: Endian,
    base: Option<Arc<Btf>>,
    /// The type section and the string section.
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Offset of each type in `types`; type id 1 comes first.
    offsets: Vec<u32>,
}

/// One type: the twelve bytes that all kinds share, and what follows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type<'a> {
    pub(crate) id: u32,
    pub(crate) name_off: u32,
    pub(crate) kind: u32,
    pub(crate) vlen: u32,
    /// `kind_flag`, whose meaning depends on the kind.
    pub(crate) flag: bool,
    /// Size in bytes or id of another type, depending on the kind.
    pub(crate) size_or_id: u32,
    /// What follows, in the object's byte order.
    pub(crate) tail: &'a [u8],
}

/// A member of a struct or union.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) name_off: u32,
    pub(crate) type_id: u32,
    /// Offset in bits.
    pub(crate) bit_offset: u32,
    /// Bits of a bit-field that says its size itself; 0 for other members.
    pub(crate) bits: u32,
}

/// An enumerator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enumerator {
    pub(crate) name_off: u32,
    /// The value, sign-extended if the type is signed.
    pub(crate) value: u64,
}

/// What an integer is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int {
    pub(crate) is_signed: bool,
    /// Offset of its bits in the bytes, which only bit-fields of the old kind have.
    pub(crate) bit_offset: u32,
    pub(crate) bits: u32,
}

/// A variable of a data section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecVar {
    pub(crate) type_id: u32,
    pub(crate) offset: u32,
    pub(crate) size: u32,
}

/// Bytes that follow the common part of a type; `None` for an unknown kind.
fn tail_len(kind: u32, vlen: u32) -> Option<usize> {
    let vlen = vlen as usize;
    Some(match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * vlen,
        kind::ENUM | kind::FUNC_PROTO => 8 * vlen,
        1..=kind::ENUM64 => 0,
        _ => return None,
    })
}

impl Btf {
    pub(crate) fn parse(bytes: &[u8], endian: Endian) -> Result<Btf, Fault> {
        Self::parse_split(bytes, endian, None)
    }

    /// Reads type information that continues `base`.
    pub(crate) fn parse_split(
        bytes: &[u8],
        endian: Endian,
        base: Option<Arc<Btf>>,
    ) -> Result<Btf, Fault> {
        let fault = |problem: String| Fault::new("section `.BTF`", problem);
        let (Some(magic), Some([version, _]), Some(hdr_len)) =
            (endian.u16_at(bytes, 0), bytes.get(2..4), endian.u32_at(bytes, 4))
        else {
            return Err(fault(format!("{} bytes are too few for a header", bytes.len())));
        };
        if magic != MAGIC || *version != 1 {
            return Err(fault(format!("magic {magic:#x} version {version} is not BTF version 1")));
        }
        let part = |name: &str, at: usize| {
            let (off, len) = (endian.u32_at(bytes, at), endian.u32_at(bytes, at + 4));
            off.zip(len)
                .and_then(|(off, len)| {
                    let start = (hdr_len as usize).checked_add(off as usize)?;
                    bytes.get(start..start.checked_add(len as usize)?)
                })
                .ok_or_else(|| fault(format!("its {name} lie outside of it")))
        };
        let (types, strings) = (part("types", 8)?, part("strings", 16)?);
        let starts = base.is_some() || strings.first() == Some(&0);
        let ends = strings.last() == Some(&0) || base.is_some() && strings.is_empty();
        if !starts || !ends {
            return Err(fault("its strings do not start and end with NUL".to_owned()));
        }
        let mut btf = Btf {
            endian,
            base,
            types: types.to_vec(),
            strings: strings.to_vec(),
            offsets: Vec::with_capacity(types.len() / 40),
        };
        let mut offset = 0usize;
        while offset < btf.types.len() {
            let id = btf.offsets.len() + 1;
            let info = endian.u32_at(&btf.types, offset + 4);
            let end = info
                .and_then(|info| tail_len(info >> 24 & 0x1f, info & 0xffff))
                .and_then(|tail| offset.checked_add(12 + tail))
                .filter(|end| *end <= btf.types.len());
            let Some(end) = end else {
                return Err(fault(match info {
                    Some(info) if tail_len(info >> 24 & 0x1f, 0).is_none() => {
                        format!("type {id} is of unknown kind {}", info >> 24 & 0x1f)
                    }
                    _ => format!("type {id} is cut off"),
                }));
            };
            btf.offsets.push(offset as u32);
            offset = end;
        }
        Ok(btf)
    }

    /// The type of that id; `None` for 0 (`void`) and ids that do not exist.
    pub(crate) fn get(&self, id: u32) -> Option<Type<'_>> {
        let index = match &self.base {
            Some(base) if id <= base.last_id() => return base.get(id),
            Some(base) => (id - base.last_id()) as usize - 1,
            None => (id as usize).checked_sub(1)?,
        };
        let offset = *self.offsets.get(index)? as usize;
        let word = |n: usize| self.endian.u32_at(&self.types, offset + n);
        let info = word(4)?;
        let (kind, vlen) = (info >> 24 & 0x1f, info & 0xffff);
        let start = offset + 12;
        Some(Type {
            id,
            name_off: word(0)?,
            kind,
            vlen,
            flag: info >> 31 != 0,
            size_or_id: word(8)?,
            tail: self.types.get(start..start + tail_len(kind, vlen)?)?,
        })
    }

    /// The types in order, without those of the base.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Type<'_>> {
        let before = self.base.as_ref().map_or(0, |b| b.last_id());
        (before + 1..=self.last_id()).filter_map(|id| self.get(id))
    }

    /// The highest id.
    pub(crate) fn last_id(&self) -> u32 {
        let before = self.base.as_ref().map_or(0, |b| b.last_id());
        before.saturating_add(self.offsets.len() as u32)
    }

    /// Bytes of names, with those of the base.
    pub(crate) fn strings_len(&self) -> u32 {
        let before = self.base.as_ref().map_or(0, |b| b.strings_len());
        before.saturating_add(self.strings.len() as u32)
    }

    /// The name at that offset; `""` where there is none. The kernel takes names of up to 512 bytes; the bound keeps
    /// a hostile string table from costing quadratic time.
    pub(crate) fn str_at(&self, offset: u32) -> &str {
        self.bounded(offset, 512)
    }

    /// The text of a source line, which may be longer than a name.
    pub(crate) fn text_at(&self, offset: u32) -> &str {
        self.bounded(offset, 4096)
    }

    fn bounded(&self, offset: u32, most: usize) -> &str {
        let offset = match &self.base {
            Some(base) if offset < base.strings_len() => return base.bounded(offset, most),
            Some(base) => offset - base.strings_len(),
            None => offset,
        };
        let bytes = self.strings.get(offset as usize..).unwrap_or_default();
        let bytes = bytes.get(..bytes.len().min(most)).unwrap_or_default();
        let len = bytes.iter().position(|b| *b == 0).unwrap_or(0);
        bytes.get(..len).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }

    /// Name of a type; `""` for anonymous ones and `void`.
    pub(crate) fn name(&self, id: u32) -> &str {
        self.get(id).map_or("", |t| self.str_at(t.name_off))
    }

    /// Follows typedefs and qualifiers.
    pub(crate) fn resolve(&self, id: u32) -> Option<Type<'_>> {
        let mut ty = self.get(id)?;
        for _ in 0..MAX_DEPTH {
            match ty.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    ty = self.get(ty.size_or_id)?;
                }
                _ => return Some(ty),
            }
        }
        None
    }

    /// Element type and count of an array.
    pub(crate) fn array(&self, ty: &Type<'_>) -> Option<(u32, u32)> {
        if ty.kind != kind::ARRAY {
            return None;
        }
        Some((self.endian.u32_at(ty.tail, 0)?, self.endian.u32_at(ty.tail, 8)?))
    }

    /// Size in memory of BPF, where pointers have eight bytes; `None` if it has none or it overflows.
    pub(crate) fn size_of(&self, id: u32) -> Option<u32> {
        let (mut id, mut times) = (id, 1u32);
        for _ in 0..MAX_DEPTH {
            let ty = self.resolve(id)?;
            match ty.kind {
                kind::PTR => return times.checked_mul(8),
                kind::INT
                | kind::STRUCT
                | kind::UNION
                | kind::ENUM
                | kind::ENUM64
                | kind::FLOAT => {
                    return times.checked_mul(ty.size_or_id);
                }
                kind::ARRAY => {
                    let (element, count) = self.array(&ty)?;
                    times = times.checked_mul(count)?;
                    id = element;
                }
                _ => return None,
            }
        }
        None
    }

    /// Members of a struct or union, of other kinds: none.
    pub(crate) fn members<'a>(&self, ty: &Type<'a>) -> impl Iterator<Item = Member> + use<'a> {
        let (endian, ty) = (self.endian, *ty);
        (0..ty.vlen).map_while(move |index| member(endian, &ty, index))
    }

    /// One member of a struct or union.
    pub(crate) fn member(&self, ty: &Type<'_>, index: u32) -> Option<Member> {
        member(self.endian, ty, index)
    }

    /// Enumerators of an enum of 32 or 64 bits.
    pub(crate) fn enumerators<'a>(
        &self,
        ty: &Type<'a>,
    ) -> impl Iterator<Item = Enumerator> + use<'a> {
        let (endian, ty) = (self.endian, *ty);
        (0..ty.vlen).map_while(move |index| enumerator(endian, &ty, index))
    }

    /// One enumerator of an enum.
    pub(crate) fn enumerator(&self, ty: &Type<'_>, index: u32) -> Option<Enumerator> {
        enumerator(self.endian, ty, index)
    }

    /// Types of a function's parameters.
    pub(crate) fn params<'a>(&self, ty: &Type<'a>) -> impl Iterator<Item = u32> + use<'a> {
        let endian = self.endian;
        let tail = if ty.kind == kind::FUNC_PROTO { ty.tail } else { &[] };
        tail.chunks_exact(8).filter_map(move |p| endian.u32_at(p, 4))
    }

    /// What an integer is made of.
    pub(crate) fn int(&self, ty: &Type<'_>) -> Option<Int> {
        let word = self.endian.u32_at(ty.tail, 0).filter(|_| ty.kind == kind::INT)?;
        Some(Int {
            is_signed: word >> 24 & 1 != 0,
            bit_offset: word >> 16 & 0xff,
            bits: word & 0xff,
        })
    }

    /// Variables of a data section.
    pub(crate) fn section_vars<'a>(&self, ty: &Type<'a>) -> impl Iterator<Item = SecVar> + use<'a> {
        let endian = self.endian;
        let tail = if ty.kind == kind::DATASEC { ty.tail } else { &[] };
        tail.chunks_exact(12).filter_map(move |v| {
            Some(SecVar {
                type_id: endian.u32_at(v, 0)?,
                offset: endian.u32_at(v, 4)?,
                size: endian.u32_at(v, 8)?,
            })
        })
    }

    /// The data section of that name.
    pub(crate) fn data_section(&self, name: &str) -> Option<Type<'_>> {
        self.iter().find(|t| t.kind == kind::DATASEC && self.str_at(t.name_off) == name)
    }
}

fn member(endian: Endian, ty: &Type<'_>, index: u32) -> Option<Member> {
    if !matches!(ty.kind, kind::STRUCT | kind::UNION) {
        return None;
    }
    let at = (index as usize).checked_mul(12)?;
    let offset = endian.u32_at(ty.tail, at + 8)?;
    let (bit_offset, bits) = if ty.flag { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
    Some(Member {
        name_off: endian.u32_at(ty.tail, at)?,
        type_id: endian.u32_at(ty.tail, at + 4)?,
        bit_offset,
        bits,
    })
}

fn enumerator(endian: Endian, ty: &Type<'_>, index: u32) -> Option<Enumerator> {
    let width = match ty.kind {
        kind::ENUM => 8,
        kind::ENUM64 => 12,
        _ => return None,
    };
    let at = (index as usize).checked_mul(width)?;
    let low = endian.u32_at(ty.tail, at + 4)?;
    let value = match width {
        12 => u64::from(low) | u64::from(endian.u32_at(ty.tail, at + 8)?) << 32,
        _ if ty.flag => i64::from(low as i32) as u64,
        _ => u64::from(low),
    };
    Some(Enumerator { name_off: endian.u32_at(ty.tail, at)?, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for n in [24, 0, types.len() * 4, types.len() * 4, strings.len()] {
            out.extend((n as u32).to_le_bytes());
        }
        out.extend(types.iter().flat_map(|w| w.to_le_bytes()));
        out.extend(strings);
        out
    }

    #[test]
    fn sizes_follow_typedefs_and_arrays() {
        // 1: int, 2: typedef of 1, 3: array of 5 of 2, 4: pointer to 3, 5: array of 2^31 of 3
        let types = [
            1,
            1 << 24,
            4,
            32, //
            0,
            8 << 24,
            1, //
            0,
            3 << 24,
            0,
            2,
            1,
            5, //
            0,
            2 << 24,
            3, //
            0,
            3 << 24,
            0,
            3,
            1,
            1 << 31,
        ];
        let btf = Btf::parse(&blob(&types, b"\0int\0"), Endian::Little).unwrap();
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 0].map(|id| btf.size_of(id)),
            [Some(4), Some(4), Some(20), Some(8), None, None, None]
        );
        assert_eq!(btf.name(1), "int");
    }

    #[test]
    fn a_typedef_of_itself_ends() {
        let btf = Btf::parse(&blob(&[0, 8 << 24, 1], b"\0"), Endian::Little).unwrap();
        assert!(btf.resolve(1).is_none());
        assert_eq!(btf.size_of(1), None);
    }

    #[test]
    fn lies_are_named() {
        let problem = |bytes: &[u8]| Btf::parse(bytes, Endian::Little).unwrap_err().problem;
        assert_eq!(problem(b"\x9f\xeb\x01"), "3 bytes are too few for a header");
        assert_eq!(problem(&blob(&[0, 31 << 24, 0], b"\0")), "type 1 is of unknown kind 31");
        assert_eq!(problem(&blob(&[0, 4 << 24 | 9, 0], b"\0")), "type 1 is cut off");
        assert_eq!(problem(&blob(&[], b"")), "its strings do not start and end with NUL");
        let mut long = blob(&[], b"\0");
        long[20] = 9;
        assert_eq!(problem(&long), "its strings lie outside of it");
    }
}
