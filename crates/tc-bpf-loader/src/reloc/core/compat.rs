//! When a type of the kernel may stand for a type of the object.

use std::collections::BTreeSet;

use crate::btf::{Btf, Type, kind};

/// Most pairs of types, and most members, that one comparison looks at.
const MAX_PAIRS: usize = 4096;
const MAX_MEMBERS: usize = 1 << 17;

/// A name without its flavour, the part from `___` on that tells variants of one type apart.
pub(crate) fn essential(name: &str) -> &str {
    match name.find("___") {
        Some(0) | None => name,
        Some(at) => name.get(..at).unwrap_or(name),
    }
}

fn name<'a>(btf: &'a Btf, ty: &Type<'_>) -> &'a str {
    essential(btf.str_at(ty.name_off))
}

/// Kinds as far as they may stand for each other.
pub(super) fn class(kind: u32) -> u32 {
    match kind {
        kind::ENUM64 => kind::ENUM,
        other => other,
    }
}

/// Whether a field of type `b` may be read in place of one of type `a`. Sizes may differ, and so may what is inside of
/// structs.
pub(super) fn fields_fit(local: &Btf, a: u32, target: &Btf, b: u32) -> bool {
    let (mut a, mut b) = (a, b);
    for _ in 0..32 {
        let (Some(ours), Some(theirs)) = (local.resolve(a), target.resolve(b)) else {
            return local.resolve(a).is_none() && target.resolve(b).is_none();
        };
        let composite = |t: &Type<'_>| matches!(t.kind, kind::STRUCT | kind::UNION);
        if composite(&ours) && composite(&theirs) {
            return true;
        }
        if class(ours.kind) != class(theirs.kind) {
            return false;
        }
        match ours.kind {
            kind::PTR | kind::FLOAT => return true,
            kind::INT => {
                let plain = |i: Option<crate::btf::Int>| i.is_some_and(|i| i.bit_offset == 0);
                return plain(local.int(&ours)) && plain(target.int(&theirs));
            }
            kind::FWD | kind::ENUM | kind::ENUM64 => {
                let names = (name(local, &ours), name(target, &theirs));
                return names.0.is_empty() || names.1.is_empty() || names.0 == names.1;
            }
            kind::ARRAY => match (local.array(&ours), target.array(&theirs)) {
                (Some((element, _)), Some((other, _))) => (a, b) = (element, other),
                _ => return false,
            },
            _ => return false,
        }
    }
    false
}

/// Whether two types are of the same make, for `bpf_core_type_exists` and `bpf_core_type_size`: kinds, and what
/// pointers, arrays and functions are about; names and members don't matter.
pub(crate) fn types_fit(local: &Btf, a: u32, target: &Btf, b: u32) -> bool {
    Pairs::new(local, target, false).fit(a, b)
}

/// Whether a type of the kernel has all that the object's has, for `bpf_core_type_matches`.
pub(super) fn types_match(local: &Btf, a: u32, target: &Btf, b: u32) -> bool {
    Pairs::new(local, target, true).fit(a, b)
}

/// Pairs of types to compare. Types refer to each other in circles: a pair that was seen fits unless another doesn't.
struct Pairs<'a> {
    local: &'a Btf,
    target: &'a Btf,
    /// Names and members count.
    strictly: bool,
    seen: BTreeSet<(u32, u32, bool)>,
    /// Pairs, and whether they are behind a pointer.
    open: Vec<(u32, u32, bool)>,
    members: usize,
}

impl<'a> Pairs<'a> {
    fn new(local: &'a Btf, target: &'a Btf, strictly: bool) -> Self {
        Pairs { local, target, strictly, seen: BTreeSet::new(), open: Vec::new(), members: 0 }
    }

    fn fit(mut self, a: u32, b: u32) -> bool {
        self.open.push((a, b, false));
        while let Some((a, b, behind)) = self.open.pop() {
            let (x, y) = (self.local.resolve(a), self.target.resolve(b));
            let (Some(x), Some(y)) = (x, y) else {
                // void
                if x.is_none() == y.is_none() {
                    continue;
                }
                return false;
            };
            if !self.seen.insert((x.id, y.id, behind)) {
                continue;
            }
            self.members += (x.vlen + y.vlen) as usize;
            let too_much = self.seen.len() > MAX_PAIRS || self.members > MAX_MEMBERS;
            if too_much || !self.pair(&x, &y, behind) {
                return false;
            }
        }
        true
    }

    fn pair(&mut self, x: &Type<'_>, y: &Type<'_>, behind: bool) -> bool {
        if self.strictly {
            if name(self.local, x) != name(self.target, y) {
                return false;
            }
            // Behind a pointer, a declaration is as good as the type.
            if behind && declares(x, y) {
                return true;
            }
        }
        if class(x.kind) != class(y.kind) {
            return false;
        }
        match x.kind {
            kind::PTR => {
                self.open.push((x.size_or_id, y.size_or_id, true));
                true
            }
            kind::FWD => !self.strictly || x.flag == y.flag,
            kind::INT => {
                let (Some(ours), Some(theirs)) = (self.local.int(x), self.target.int(y)) else {
                    return false;
                };
                if self.strictly {
                    return x.size_or_id == y.size_or_id && ours.is_signed == theirs.is_signed;
                }
                ours.bit_offset == 0 && theirs.bit_offset == 0
            }
            kind::ARRAY => match (self.local.array(x), self.target.array(y)) {
                (Some((element, count)), Some((other, others))) => {
                    self.open.push((element, other, false));
                    !self.strictly || count == others
                }
                _ => false,
            },
            kind::FUNC_PROTO => {
                if x.vlen != y.vlen {
                    return false;
                }
                self.open.push((x.size_or_id, y.size_or_id, false));
                let pairs = self.local.params(x).zip(self.target.params(y));
                self.open.extend(pairs.map(|(ours, theirs)| (ours, theirs, false)));
                true
            }
            kind::ENUM | kind::ENUM64 if self.strictly => {
                let names = |btf: &Btf, ty: &Type<'_>| -> BTreeSet<String> {
                    btf.enumerators(ty)
                        .map(|e| essential(btf.str_at(e.name_off)).to_owned())
                        .collect()
                };
                names(self.local, x).is_subset(&names(self.target, y))
            }
            kind::STRUCT | kind::UNION if self.strictly => {
                // What is behind a pointer is not looked into: its name is all that counts.
                behind || self.members(x, y)
            }
            _ => true,
        }
    }

    /// Every member of `x` must be in `y`, by name, with a type that matches.
    fn members(&mut self, x: &Type<'_>, y: &Type<'_>) -> bool {
        let (local, target) = (self.local, self.target);
        if target.members(y).count() < x.vlen as usize {
            return false;
        }
        let theirs: std::collections::BTreeMap<&str, u32> =
            target.members(y).map(|m| (essential(target.str_at(m.name_off)), m.type_id)).collect();
        for member in local.members(x) {
            let Some(id) = theirs.get(essential(local.str_at(member.name_off))) else {
                return false;
            };
            self.open.push((member.type_id, *id, false));
        }
        true
    }
}

/// Whether one of them is a declaration of the other.
fn declares(x: &Type<'_>, y: &Type<'_>) -> bool {
    let what = |t: &Type<'_>| match (t.kind, t.flag) {
        (kind::FWD, false) | (kind::STRUCT, _) => Some(false),
        (kind::FWD, true) | (kind::UNION, _) => Some(true),
        _ => None,
    };
    (x.kind == kind::FWD || y.kind == kind::FWD) && what(x).is_some() && what(x) == what(y)
}
