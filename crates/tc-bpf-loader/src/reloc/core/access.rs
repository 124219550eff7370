//! What a relocation refers to: a path through a type of the object, and the same path through a type of the kernel.

use std::fmt::Write as _;

use crate::Endian;
use crate::btf::{Btf, Member, Type, kind};

use super::compat::{essential, fields_fit};

/// Longest path through a type, and deepest nesting of anonymous members that is looked through.
const MAX_STEPS: usize = 64;

/// One step of a path as far as the kernel's types may differ in it: a named member, or an array's element. Anonymous
/// structs and unions are no steps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(u32),
}

/// A place within a type.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Bits from the start of the root type.
    bit_offset: u64,
    /// Type of what is there.
    pub(super) type_id: u32,
    /// The member, if the last step is one: bit-fields have a size of their own.
    member: Option<Member>,
}

/// A path through a type of the object.
#[derive(Clone, Debug)]
pub(super) struct Path {
    steps: Vec<Step>,
    /// The index before the first step, as in `p[1].x`.
    index: u32,
    pub(super) place: Place,
}

/// What instructions want to know of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) byte_offset: u64,
    pub(super) byte_size: u32,
    pub(super) is_signed: bool,
    pub(super) left_shift: u64,
    pub(super) right_shift: u64,
    pub(super) is_bits: bool,
    pub(super) bit_offset: u64,
    pub(super) type_id: u32,
}

/// Reads an access string such as `0:1:2`.
pub(super) fn indices(text: &str) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for part in text.split(':') {
        if found.len() > MAX_STEPS || part.starts_with('+') {
            return None;
        }
        found.push(part.parse().ok()?);
    }
    Some(found)
}

impl Path {
    /// Follows the indices through a type of the object.
    pub(super) fn parse(btf: &Btf, root: u32, indices: &[u32]) -> Result<Path, String> {
        let (index, rest) = indices.split_first().ok_or("it has no access path")?;
        let size = if *index == 0 { 0 } else { sized(btf, root)? };
        let mut path = Path {
            steps: Vec::new(),
            index: *index,
            place: Place {
                bit_offset: u64::from(*index) * u64::from(size) * 8,
                type_id: root,
                member: None,
            },
        };
        for index in rest {
            let ty = btf.resolve(path.place.type_id).ok_or("its path leads into no type")?;
            match ty.kind {
                kind::STRUCT | kind::UNION => {
                    let member = btf.member(&ty, *index).ok_or_else(|| {
                        format!("`{}` has no member {index}", btf.str_at(ty.name_off))
                    })?;
                    let name = btf.str_at(member.name_off);
                    if !name.is_empty() {
                        path.steps.push(Step::Member(name.to_owned()));
                    }
                    path.place.bit_offset += u64::from(member.bit_offset);
                    path.place.type_id = member.type_id;
                    path.place.member = Some(member);
                }
                kind::ARRAY => {
                    let flexible = is_flexible(btf, &path.place);
                    path.place.element(btf, &ty, *index, flexible)?;
                    path.steps.push(Step::Element(*index));
                }
                _ => return Err("its path leads into a type without members".to_owned()),
            }
        }
        Ok(path)
    }

    /// Follows the names through a type of the kernel. `None`: it has no such field, or one of another nature.
    /// Each member looked at is taken off the budget.
    pub(super) fn follow(
        &self,
        local: &Btf,
        target: &Btf,
        root: u32,
        budget: &mut usize,
    ) -> Option<Place> {
        let size = if self.index == 0 { 0 } else { sized(target, root).ok()? };
        let mut place = Place {
            bit_offset: u64::from(self.index) * u64::from(size) * 8,
            type_id: root,
            member: None,
        };
        for step in &self.steps {
            let ty = target.resolve(place.type_id)?;
            match step {
                Step::Element(index) => {
                    if ty.kind != kind::ARRAY {
                        return None;
                    }
                    let flexible = is_flexible(target, &place);
                    place.element(target, &ty, *index, flexible).ok()?;
                }
                Step::Member(name) => {
                    let (bits, member) = find(target, &ty, name, MAX_STEPS, budget)?;
                    place.bit_offset += bits;
                    place.type_id = member.type_id;
                    place.member = Some(member);
                }
            }
        }
        fields_fit(local, self.place.type_id, target, place.type_id).then_some(place)
    }

    /// The path as a C programmer writes it.
    pub(super) fn describe(&self, root: &str) -> String {
        let mut text = root.to_owned();
        if self.index != 0 {
            _ = write!(text, "[{}]", self.index);
        }
        for step in &self.steps {
            match step {
                Step::Member(name) => _ = write!(text, ".{name}"),
                Step::Element(index) => _ = write!(text, "[{index}]"),
            }
        }
        text
    }
}

impl Place {
    fn element(
        &mut self,
        btf: &Btf,
        ty: &Type<'_>,
        index: u32,
        flexible: bool,
    ) -> Result<(), String> {
        let (element, count) = btf.array(ty).ok_or("its path leads into no array")?;
        if index >= count && !flexible {
            return Err(format!("element {index} is not in an array of {count}"));
        }
        self.bit_offset += u64::from(index) * u64::from(sized(btf, element)?) * 8;
        self.type_id = element;
        self.member = None;
        Ok(())
    }

    /// Where the bytes are that hold the field, and how to get the field out of them.
    pub(super) fn field(&self, btf: &Btf) -> Result<Field, String> {
        let ty = btf.resolve(self.type_id).ok_or("the field has no type")?;
        let int = btf.int(&ty);
        let own_bits = self.member.map_or(0, |m| m.bits);
        // The old form of a bit-field: an integer type of fewer bits than its bytes hold.
        let (bits, bit_offset) = match int {
            Some(int)
                if own_bits == 0 && int.bits > 0 && int.bits != ty.size_or_id.saturating_mul(8) =>
            {
                (int.bits, self.bit_offset + u64::from(int.bit_offset))
            }
            _ => (own_bits, self.bit_offset),
        };
        let is_bits = bits != 0;
        let size = btf.size_of(self.type_id).ok_or("the field has no size")?;
        let (mut byte_size, mut byte_offset) = (size, bit_offset / 8);
        let mut field_bits = u64::from(size) * 8;
        if is_bits {
            field_bits = u64::from(bits);
            if !matches!(byte_size, 1 | 2 | 4 | 8) {
                return Err(format!("a bit-field in {byte_size} bytes cannot be"));
            }
            // The aligned load that covers all of it, however large it must be.
            loop {
                byte_offset = bit_offset / 8 / u64::from(byte_size) * u64::from(byte_size);
                if bit_offset + field_bits <= (byte_offset + u64::from(byte_size)) * 8 {
                    break;
                }
                if byte_size >= 8 {
                    return Err("the bit-field does not fit into one load".to_owned());
                }
                byte_size *= 2;
            }
        }
        let is_signed =
            int.is_some_and(|i| i.is_signed) || matches!(ty.kind, kind::ENUM | kind::ENUM64);
        let start = bit_offset - byte_offset * 8;
        let left_shift = match btf.endian {
            Endian::Little => 64u64.saturating_sub(start + field_bits),
            Endian::Big => 8u64.saturating_sub(u64::from(byte_size)) * 8 + start,
        };
        Ok(Field {
            byte_offset,
            byte_size,
            is_signed,
            left_shift,
            right_shift: 64u64.saturating_sub(field_bits),
            is_bits,
            bit_offset,
            type_id: self.type_id,
        })
    }
}

fn sized(btf: &Btf, id: u32) -> Result<u32, String> {
    btf.size_of(id).ok_or_else(|| "a type on its path has no size".to_owned())
}

/// Whether a place is an array without a length, at the end of a struct.
fn is_flexible(btf: &Btf, place: &Place) -> bool {
    place.member.is_some()
        && btf.resolve(place.type_id).is_some_and(|ty| btf.array(&ty).is_some_and(|(_, n)| n <= 1))
}

/// A member by its name, also within anonymous members; with its offset in bits.
fn find(
    btf: &Btf,
    ty: &Type<'_>,
    name: &str,
    depth: usize,
    budget: &mut usize,
) -> Option<(u64, Member)> {
    if depth == 0 || !matches!(ty.kind, kind::STRUCT | kind::UNION) {
        return None;
    }
    for member in btf.members(ty) {
        *budget = budget.checked_sub(1)?;
        let found = btf.str_at(member.name_off);
        if found == name {
            return Some((u64::from(member.bit_offset), member));
        }
        if found.is_empty() {
            if let Some(inner) = btf.resolve(member.type_id) {
                if let Some((bits, inner)) = find(btf, &inner, name, depth - 1, budget) {
                    return Some((u64::from(member.bit_offset) + bits, inner));
                }
            }
        }
    }
    None
}

/// The value of the enumerator at `index`, and its name without flavour.
pub(super) fn enumerator<'a>(btf: &'a Btf, ty: &Type<'_>, index: u32) -> Option<(&'a str, u64)> {
    let found = btf.enumerator(ty, index)?;
    Some((essential(btf.str_at(found.name_off)), found.value))
}
