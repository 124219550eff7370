//! Type information for kernels that do not know all kinds of types: what they lack is replaced by something of the same
//! size that they know, so that all ids stay.

use std::collections::BTreeMap;

use super::{Btf, MAGIC, kind};
use crate::insn::Endian;

const LINKAGE_GLOBAL: u32 = 1;
/// Bit 31 of the information word.
const FLAG: u32 = 1 << 31;
/// Longest name that is rewritten.
const MAX_NAME: usize = 127;

/// Something of type information that kernels know only since some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    /// Functions. Since Linux 5.0.
    Functions,
    /// Variables and the sections that they are in. Since Linux 5.2.
    Variables,
    /// Functions that say that they are not static. Since Linux 5.6.
    GlobalFunctions,
    /// Since Linux 5.13.
    Float,
    /// Since Linux 5.16.
    DeclTag,
    /// Since Linux 5.17.
    TypeTag,
    /// Since Linux 6.0, as are enums that say that they are signed.
    Enum64,
    /// Sections whose name begins with `?`. Since Linux 6.9.
    OptionalSections,
    /// Tags that are attributes.
    Attributes,
    /// Names with anything but letters, digits and `_`, which kernels never took for types.
    OddNames,
}

impl Feature {
    const ALL: [Feature; 10] = [
        Feature::Functions,
        Feature::Variables,
        Feature::GlobalFunctions,
        Feature::Float,
        Feature::DeclTag,
        Feature::TypeTag,
        Feature::Enum64,
        Feature::OptionalSections,
        Feature::Attributes,
        Feature::OddNames,
    ];

    /// Those that the types make use of.
    pub(crate) fn used(btf: &Btf) -> Vec<Feature> {
        let mut found = [false; Feature::ALL.len()];
        for ty in btf.iter() {
            let odd = |off: u32| !is_identifier(btf.str_at(off)) && !btf.str_at(off).is_empty();
            let odd_member = || match ty.kind {
                kind::STRUCT | kind::UNION => btf.members(&ty).any(|m| odd(m.name_off)),
                kind::ENUM | kind::ENUM64 => btf.enumerators(&ty).any(|e| odd(e.name_off)),
                _ => false,
            };
            for (feature, seen) in Feature::ALL.iter().zip(&mut found) {
                *seen = *seen
                    || match (feature, ty.kind) {
                        (Feature::Functions, kind::FUNC | kind::FUNC_PROTO)
                        | (Feature::Variables, kind::VAR | kind::DATASEC)
                        | (Feature::Float, kind::FLOAT)
                        | (Feature::DeclTag, kind::DECL_TAG)
                        | (Feature::TypeTag, kind::TYPE_TAG)
                        | (Feature::Enum64, kind::ENUM64) => true,
                        (Feature::Enum64, kind::ENUM)
                        | (Feature::Attributes, kind::DECL_TAG | kind::TYPE_TAG) => ty.flag,
                        (Feature::GlobalFunctions, kind::FUNC) => ty.vlen == LINKAGE_GLOBAL,
                        (Feature::OptionalSections, kind::DATASEC) => {
                            btf.str_at(ty.name_off).starts_with('?')
                        }
                        (Feature::OddNames, kind) if takes_any_name(kind) => false,
                        (Feature::OddNames, _) => odd(ty.name_off) || odd_member(),
                        _ => false,
                    };
            }
        }
        let used = Feature::ALL.into_iter().zip(found);
        used.filter_map(|(feature, seen)| seen.then_some(feature)).collect()
    }

    /// The smallest types that have it; a kernel that takes them knows the feature. `None`: no kernel does.
    pub(crate) fn probe(self) -> Option<Vec<u8>> {
        const INT: [u32; 4] = [1, kind::INT << 24, 4, 1 << 24 | 32];
        // Names: 1 `x`, 3 `?.data`, 10 `.data`
        let words: Vec<u32> = match self {
            // x(int x), static or global
            Feature::Functions | Feature::GlobalFunctions => {
                let global = u32::from(self == Feature::GlobalFunctions);
                let proto = [0, kind::FUNC_PROTO << 24 | 1, 0, 1, 1];
                [&INT[..], &proto, &[1, kind::FUNC << 24 | global, 2]].concat()
            }
            Feature::Variables | Feature::OptionalSections => {
                let name = if self == Feature::Variables { 10 } else { 3 };
                let var = [1, kind::VAR << 24, 1, 0];
                let section = [name, kind::DATASEC << 24 | 1, 4, 2, 0, 4];
                [&INT[..], &var, &section].concat()
            }
            Feature::Float => vec![1, kind::FLOAT << 24, 4],
            Feature::DeclTag | Feature::Attributes => {
                let flag = if self == Feature::Attributes { FLAG } else { 0 };
                let var = [1, kind::VAR << 24, 1, 0];
                [&INT[..], &var, &[1, flag | kind::DECL_TAG << 24, 2, u32::MAX]].concat()
            }
            Feature::TypeTag => {
                [&INT[..], &[1, kind::TYPE_TAG << 24, 1], &[0, kind::PTR << 24, 2]].concat()
            }
            Feature::Enum64 => vec![1, kind::ENUM64 << 24, 8],
            Feature::OddNames => return None,
        };
        let types: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        Some(assemble(Endian::HOST, &types, b"\0x\0?.data\0.data\0"))
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Kinds whose names need not be identifiers: `unsigned int`, `.data`, the text of a tag.
fn takes_any_name(kind: u32) -> bool {
    matches!(kind, kind::INT | kind::FLOAT | kind::DECL_TAG | kind::TYPE_TAG | kind::DATASEC)
}

/// The types without what the kernel lacks.
pub(crate) fn without(btf: &Btf, lacking: &[Feature]) -> Vec<u8> {
    let lacks = |feature| lacking.contains(&feature);
    let mut names = Names { btf, strings: btf.strings.clone(), known: BTreeMap::new() };
    let mut types = Vec::with_capacity(btf.types.len());
    let mut put = |words: &[u32]| types.extend(words.iter().flat_map(|w| btf.endian.put_u32(*w)));
    for ty in btf.iter() {
        let flag = if ty.flag { FLAG } else { 0 };
        let info = flag | ty.kind << 24 | ty.vlen;
        let tail = ty.tail.chunks_exact(4).filter_map(|w| btf.endian.u32_at(w, 0));
        let odd = lacks(Feature::OddNames) && !takes_any_name(ty.kind);
        let name = if odd { names.plain(ty.name_off) } else { ty.name_off };
        match ty.kind {
            kind::VAR if lacks(Feature::Variables) => put(&[name, kind::INT << 24, 1, 8]),
            kind::DATASEC if lacks(Feature::Variables) => {
                // Members: the variables, which have become integers of a byte.
                put(&[0, kind::STRUCT << 24 | ty.vlen, ty.size_or_id]);
                for var in btf.section_vars(&ty) {
                    put(&[0, var.type_id, var.offset.saturating_mul(8)]);
                }
            }
            kind::DATASEC if lacks(Feature::OptionalSections) => {
                put(&[names.unquestioned(ty.name_off), info, ty.size_or_id]);
                tail.for_each(|w| put(&[w]));
            }
            // A name of a type must be one.
            kind::FUNC if lacks(Feature::Functions) && btf.str_at(name).is_empty() => {
                put(&[0, kind::PTR << 24, ty.size_or_id]);
            }
            kind::FUNC if lacks(Feature::Functions) => {
                put(&[name, kind::TYPEDEF << 24, ty.size_or_id]);
            }
            kind::FUNC_PROTO if lacks(Feature::Functions) => put(&[0, kind::ENUM << 24, 4]),
            kind::FUNC if lacks(Feature::GlobalFunctions) => {
                put(&[name, kind::FUNC << 24, ty.size_or_id]);
            }
            kind::FLOAT if lacks(Feature::Float) => put(&[name, kind::STRUCT << 24, ty.size_or_id]),
            kind::DECL_TAG if lacks(Feature::DeclTag) || ty.flag && lacks(Feature::Attributes) => {
                put(&[0, kind::INT << 24, 1, 8]);
            }
            kind::TYPE_TAG if lacks(Feature::TypeTag) || ty.flag && lacks(Feature::Attributes) => {
                put(&[0, kind::CONST << 24, ty.size_or_id]);
            }
            kind::ENUM64 if lacks(Feature::Enum64) => put(&[name, kind::UNION << 24, 8]),
            kind::ENUM if lacks(Feature::Enum64) => {
                put(&[name, info & !FLAG, ty.size_or_id]);
                tail.for_each(|w| put(&[w]));
            }
            kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FUNC_PROTO if odd => {
                // The first word of each member, enumerator and parameter is its name.
                put(&[name, info, ty.size_or_id]);
                let width = if matches!(ty.kind, kind::ENUM | kind::FUNC_PROTO) { 2 } else { 3 };
                for (n, word) in tail.enumerate() {
                    put(&[if n % width == 0 { names.plain(word) } else { word }]);
                }
            }
            _ => {
                put(&[name, info, ty.size_or_id]);
                tail.for_each(|w| put(&[w]));
            }
        }
    }
    assemble(btf.endian, &types, &names.strings)
}

/// A whole from its parts.
fn assemble(endian: Endian, types: &[u8], strings: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + types.len() + strings.len());
    out.extend(match endian {
        Endian::Little => MAGIC.to_le_bytes(),
        Endian::Big => MAGIC.to_be_bytes(),
    });
    out.extend([1, 0]);
    for n in [24, 0, types.len(), types.len(), strings.len()] {
        out.extend(endian.put_u32(n as u32));
    }
    out.extend(types);
    out.extend(strings);
    out
}

/// Names that are rewritten go behind all others: a source line may be the same string.
struct Names<'a> {
    btf: &'a Btf,
    strings: Vec<u8>,
    known: BTreeMap<u32, u32>,
}

impl Names<'_> {
    /// The name with `_` for what no C identifier has.
    fn plain(&mut self, offset: u32) -> u32 {
        let name = self.btf.str_at(offset);
        if name.is_empty() || is_identifier(name) {
            return offset;
        }
        let mut new: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
            .take(MAX_NAME)
            .collect();
        if new.starts_with(|c: char| c.is_ascii_digit()) {
            new.insert(0, '_');
        }
        self.add(offset, &new)
    }

    /// The name of a section with `_` for the `?` before it.
    fn unquestioned(&mut self, offset: u32) -> u32 {
        let name = self.btf.str_at(offset);
        match name.strip_prefix('?') {
            Some(rest) => self.add(offset, &format!("_{rest}")),
            None => offset,
        }
    }

    fn add(&mut self, old: u32, new: &str) -> u32 {
        if let Some(known) = self.known.get(&old) {
            return *known;
        }
        // Overlapping names of a damaged object could grow without end; no name is as good as a wrong one.
        if self.strings.len() > self.btf.strings.len().saturating_mul(2) + 4096 {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(new.as_bytes());
        self.strings.push(0);
        self.known.insert(old, at);
        at
    }
}
