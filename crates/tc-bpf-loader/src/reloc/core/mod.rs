//! CO-RE relocations: instructions that depend on the layout of the running kernel's types.
//!
//! The object says "offset of member 2 of member 1 of type 17 of mine"; here that path is followed by name through the
//! types of the kernel that have the type's name, and the instruction is changed to what is found there. What is not
//! found, and is no question whether it exists, becomes an instruction that no verifier takes, so that a program may
//! step around it; Documentation/bpf/llvm_reloc.rst of the kernel has the kinds.

mod access;
mod compat;
mod patch;

use std::collections::BTreeMap;

use crate::btf::ext::CoreRelo;
use crate::btf::{Btf, kind as btf_kind};

use access::{Field, Path};
use compat::class;

pub(crate) use compat::{essential, types_fit};
pub(crate) use patch::POISON;

/// `enum bpf_core_relo_kind`.
mod kind {
    pub(super) const BYTE_OFFSET: u32 = 0;
    pub(super) const BYTE_SIZE: u32 = 1;
    pub(super) const FIELD_EXISTS: u32 = 2;
    pub(super) const SIGNED: u32 = 3;
    pub(super) const LEFT_SHIFT: u32 = 4;
    pub(super) const RIGHT_SHIFT: u32 = 5;
    pub(super) const TYPE_ID_LOCAL: u32 = 6;
    pub(super) const TYPE_ID_TARGET: u32 = 7;
    pub(super) const TYPE_EXISTS: u32 = 8;
    pub(super) const TYPE_SIZE: u32 = 9;
    pub(super) const ENUMVAL_EXISTS: u32 = 10;
    pub(super) const ENUMVAL: u32 = 11;
    pub(super) const TYPE_MATCHES: u32 = 12;
}

/// Most members of the kernel's types that the relocations of one program may look at.
const MAX_MEMBERS: usize = 1 << 26;

/// A relocation of a linked program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreRef {
    /// Instruction of the linked program.
    pub(crate) at: usize,
    pub(crate) relo: CoreRelo,
}

/// A relocation that found nothing, whose instruction no verifier takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poisoned {
    /// Instruction of the linked program.
    pub(crate) at: usize,
    /// What was not found: "byte offset of `sk_buff.no_such`".
    pub(crate) what: String,
}

/// The types to look for those of an object in.
pub(crate) trait Targets {
    /// The kernel's own, or those given instead.
    fn main(&self) -> &Btf;
    /// Those of modules, asked for when the kernel's own have nothing of the name.
    fn modules(&mut self) -> &[std::sync::Arc<Btf>];
}

/// For relocations that are about the object alone.
pub(crate) struct NoTargets<'a>(&'a Btf);

impl<'a> NoTargets<'a> {
    pub(crate) fn new(local: &'a Btf) -> Self {
        NoTargets(local)
    }
}

impl Targets for NoTargets<'_> {
    fn main(&self) -> &Btf {
        self.0
    }

    fn modules(&mut self) -> &[std::sync::Arc<Btf>] {
        &[]
    }
}

/// What a relocation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// What the instruction has now, if that is to be checked.
    expected: Option<u64>,
    /// What it shall have; `None`: nothing was found.
    value: Option<u64>,
    /// Bytes of the access in the object and in the kernel, where they differ.
    sizes: Option<(u32, u32)>,
    /// Why the sizes may not differ.
    mismatch: Option<String>,
}

/// Where a type of the kernel was found.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Main,
    Module(usize),
}

/// By name and class of kind, the types of the kernel.
type Candidates<'a> = BTreeMap<&'a str, BTreeMap<u32, Vec<(Owner, u32)>>>;

struct Resolver<'a> {
    local: &'a Btf,
    targets: &'a mut dyn Targets,
    candidates: Candidates<'a>,
    /// By type, access string and kind.
    outcomes: BTreeMap<(u32, u32, u32), Result<Outcome, String>>,
    budget: usize,
}

/// Applies relocations to instructions. An error is the instruction's index and what is wrong.
pub(crate) fn apply(
    refs: &[CoreRef],
    insns: &mut [crate::Insn],
    local: &Btf,
    targets: &mut dyn Targets,
) -> Result<Vec<Poisoned>, (usize, String)> {
    let mut resolver = Resolver {
        local,
        targets,
        candidates: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        budget: MAX_MEMBERS,
    };
    resolver.find_candidates(refs);
    let mut poisoned = Vec::new();
    for CoreRef { at, relo } in refs {
        let outcome = resolver
            .outcome(relo)
            .map_err(|problem| (*at, format!("{}: {problem}", describe(local, relo))))?;
        let found = patch::patch(insns, *at, &outcome)
            .map_err(|problem| (*at, format!("{}: {problem}", describe(local, relo))))?;
        if !found {
            poisoned.push(Poisoned { at: *at, what: describe(local, relo) });
        }
    }
    Ok(poisoned)
}

/// Whether any relocation needs to know the kernel's types.
pub(crate) fn needs_kernel(refs: &[CoreRef]) -> bool {
    refs.iter().any(|r| r.relo.kind != kind::TYPE_ID_LOCAL)
}

/// A relocation in words: "byte offset of `sk_buff.mark`".
pub(crate) fn describe(local: &Btf, relo: &CoreRelo) -> String {
    let what = match relo.kind {
        kind::BYTE_OFFSET => "offset",
        kind::BYTE_SIZE | kind::TYPE_SIZE => "size",
        kind::FIELD_EXISTS | kind::TYPE_EXISTS | kind::ENUMVAL_EXISTS => "existence",
        kind::SIGNED => "signedness",
        kind::LEFT_SHIFT => "left shift",
        kind::RIGHT_SHIFT => "right shift",
        kind::TYPE_ID_LOCAL | kind::TYPE_ID_TARGET => "type id",
        kind::ENUMVAL => "value",
        kind::TYPE_MATCHES => "match",
        other => return format!("CO-RE relocation of unknown kind {other}"),
    };
    let prefix = match local.get(skip_qualifiers(local, relo.type_id)).map(|t| t.kind) {
        Some(btf_kind::STRUCT) => "struct ",
        Some(btf_kind::UNION) => "union ",
        Some(btf_kind::ENUM | btf_kind::ENUM64) => "enum ",
        _ => "",
    };
    let root = root_name(local, relo);
    let indices = access::indices(local.str_at(relo.access_off)).unwrap_or_default();
    let place = match relo.kind {
        kind::BYTE_OFFSET..=kind::RIGHT_SHIFT => Path::parse(local, relo.type_id, &indices)
            .map_or_else(|_| root.to_owned(), |p| p.describe(root)),
        kind::ENUMVAL | kind::ENUMVAL_EXISTS => {
            let value = local
                .resolve(relo.type_id)
                .and_then(|ty| access::enumerator(local, &ty, *indices.first()?))
                .map_or("", |(name, _)| name);
            format!("{root}.{value}")
        }
        _ => root.to_owned(),
    };
    format!("{what} of `{prefix}{place}`")
}

fn skip_qualifiers(btf: &Btf, mut id: u32) -> u32 {
    for _ in 0..32 {
        match btf.get(id) {
            Some(ty)
                if matches!(
                    ty.kind,
                    btf_kind::CONST | btf_kind::VOLATILE | btf_kind::RESTRICT | btf_kind::TYPE_TAG
                ) =>
            {
                id = ty.size_or_id;
            }
            _ => break,
        }
    }
    id
}

fn root_name<'a>(local: &'a Btf, relo: &CoreRelo) -> &'a str {
    essential(local.name(skip_qualifiers(local, relo.type_id)))
}

impl<'a> Resolver<'a> {
    fn key(&self, relo: &CoreRelo) -> Option<(&'a str, u32)> {
        let ty = self.local.get(skip_qualifiers(self.local, relo.type_id))?;
        let name = essential(self.local.str_at(ty.name_off));
        (!name.is_empty()).then(|| (name, class(ty.kind)))
    }

    /// Looks for all types that the relocations name, in one pass.
    fn find_candidates(&mut self, refs: &[CoreRef]) {
        for CoreRef { relo, .. } in refs.iter().filter(|r| r.relo.kind != kind::TYPE_ID_LOCAL) {
            if let Some((name, class)) = self.key(relo) {
                self.candidates.entry(name).or_default().entry(class).or_default();
            }
        }
        if self.candidates.is_empty() {
            return;
        }
        search(self.targets.main(), Owner::Main, &mut self.candidates);
        // Names that the kernel has are not looked for in modules.
        let mut rest: Candidates<'_> = BTreeMap::new();
        for (name, classes) in &self.candidates {
            for class in classes.iter().filter(|(_, list)| list.is_empty()).map(|(c, _)| *c) {
                rest.entry(name).or_default().insert(class, Vec::new());
            }
        }
        if rest.is_empty() {
            return;
        }
        for (n, module) in self.targets.modules().iter().enumerate() {
            search(module, Owner::Module(n), &mut rest);
        }
        for (name, classes) in rest {
            self.candidates.entry(name).or_default().extend(classes);
        }
    }

    fn outcome(&mut self, relo: &CoreRelo) -> Result<Outcome, String> {
        let key = (relo.type_id, relo.access_off, relo.kind);
        if let Some(known) = self.outcomes.get(&key) {
            return known.clone();
        }
        let outcome = self.resolve(relo);
        self.outcomes.insert(key, outcome.clone());
        outcome
    }

    fn resolve(&mut self, relo: &CoreRelo) -> Result<Outcome, String> {
        let local = self.local;
        let root = skip_qualifiers(local, relo.type_id);
        let ty = local.get(root).ok_or("the object has no such type")?;
        if relo.kind == kind::TYPE_ID_LOCAL {
            let id = Some(u64::from(relo.type_id));
            return Ok(Outcome { expected: None, value: id, sizes: None, mismatch: None });
        }
        let key = self.key(relo).ok_or("the object's type has no name")?;
        let indices =
            access::indices(local.str_at(relo.access_off)).ok_or("its access string is damaged")?;
        let query = match relo.kind {
            kind::BYTE_OFFSET..=kind::RIGHT_SHIFT => {
                let path = Path::parse(local, root, &indices)?;
                Query::Field(path)
            }
            kind::ENUMVAL | kind::ENUMVAL_EXISTS => {
                let index = *indices.first().ok_or("its access string is damaged")?;
                let ty = local.resolve(root).unwrap_or(ty);
                let (name, value) = access::enumerator(local, &ty, index)
                    .ok_or_else(|| format!("the object's enum has no enumerator {index}"))?;
                Query::Enumerator(name, value)
            }
            kind::TYPE_ID_TARGET | kind::TYPE_EXISTS | kind::TYPE_SIZE | kind::TYPE_MATCHES => {
                Query::Type
            }
            other => return Err(format!("kind {other} is unknown")),
        };
        let expected = self.expected(relo, root, &query)?;
        let mut found: Option<Found> = None;
        let candidates = self
            .candidates
            .get(key.0)
            .and_then(|classes| classes.get(&key.1))
            .cloned()
            .unwrap_or_default();
        for (owner, id) in candidates {
            let Some(next) = self.ask(relo, root, &query, owner, id)? else {
                continue;
            };
            match &found {
                Some(first) if !first.agrees(&next) => {
                    return Err(format!(
                        "the kernel has several types `{}`, which do not agree (types {} and {id})",
                        key.0, first.id
                    ));
                }
                Some(_) => {}
                None => found = Some(next),
            }
        }
        let exists = matches!(
            relo.kind,
            kind::FIELD_EXISTS | kind::TYPE_EXISTS | kind::TYPE_MATCHES | kind::ENUMVAL_EXISTS
        );
        let mut outcome = Outcome {
            expected,
            value: found.as_ref().map(|f| f.value),
            sizes: None,
            mismatch: None,
        };
        if exists {
            outcome.value = Some(u64::from(found.is_some()));
        } else if matches!(relo.kind, kind::TYPE_SIZE | kind::TYPE_ID_TARGET) {
            // A type that is not there has no bytes and no number; programs ask for these to find out.
            outcome.value = Some(found.map_or(0, |f| f.value));
        } else if let (kind::BYTE_OFFSET, Query::Field(path), Some(found)) =
            (relo.kind, &query, &found)
        {
            self.compare_sizes(path, found, &mut outcome)?;
        }
        Ok(outcome)
    }

    /// What the compiler wrote into the instruction.
    fn expected(
        &self,
        relo: &CoreRelo,
        root: u32,
        query: &Query<'_>,
    ) -> Result<Option<u64>, String> {
        Ok(match query {
            Query::Field(path) => {
                if relo.kind == kind::FIELD_EXISTS {
                    return Ok(Some(1));
                }
                let field = path.place.field(self.local)?;
                // Of a bit-field, compilers load other bytes than needed.
                let checked = match relo.kind {
                    kind::BYTE_OFFSET | kind::BYTE_SIZE => !field.is_bits,
                    kind::LEFT_SHIFT | kind::SIGNED => false,
                    _ => true,
                };
                checked.then(|| field.get(relo.kind))
            }
            Query::Enumerator(_, value) if relo.kind == kind::ENUMVAL => Some(*value),
            Query::Type if relo.kind == kind::TYPE_SIZE => {
                Some(u64::from(self.local.size_of(root).ok_or("its type has no size")?))
            }
            // clang writes 1 for a type that exists, gcc the same; of a target's id nothing is known.
            Query::Type if relo.kind == kind::TYPE_ID_TARGET => None,
            Query::Enumerator(..) | Query::Type => Some(1),
        })
    }

    fn ask(
        &mut self,
        relo: &CoreRelo,
        root: u32,
        query: &Query<'_>,
        owner: Owner,
        id: u32,
    ) -> Result<Option<Found>, String> {
        let local = self.local;
        let target = match owner {
            Owner::Main => self.targets.main(),
            Owner::Module(n) => match self.targets.modules().get(n) {
                Some(module) => module,
                None => return Ok(None),
            },
        };
        let found = |value| Found { owner, id, value, field: None };
        Ok(match query {
            Query::Field(path) => {
                let place = path.follow(local, target, id, &mut self.budget);
                if self.budget == 0 {
                    return Err("the program looks at too many members".to_owned());
                }
                match place {
                    None => None,
                    Some(_) if relo.kind == kind::FIELD_EXISTS => Some(found(1)),
                    Some(place) => {
                        let field = place.field(target)?;
                        Some(Found { field: Some(field), ..found(field.get(relo.kind)) })
                    }
                }
            }
            Query::Enumerator(name, _) => target.resolve(id).and_then(|ty| {
                self.budget = self.budget.saturating_sub(ty.vlen as usize);
                target
                    .enumerators(&ty)
                    .find(|e| essential(target.str_at(e.name_off)) == *name)
                    .map(|e| found(e.value))
            }),
            Query::Type => {
                let fits = if relo.kind == kind::TYPE_MATCHES {
                    self.budget = self.budget.saturating_sub(1 << 10);
                    compat::types_match(local, root, target, id)
                } else {
                    types_fit(local, root, target, id)
                };
                match relo.kind {
                    _ if !fits => None,
                    kind::TYPE_SIZE => {
                        let size = target.size_of(id).ok_or("the kernel's type has no size")?;
                        Some(found(u64::from(size)))
                    }
                    kind::TYPE_ID_TARGET => Some(found(u64::from(id))),
                    _ => Some(found(1)),
                }
            }
        })
    }

    /// A load or store must have the size of the kernel's field.
    fn compare_sizes(
        &mut self,
        path: &Path,
        found: &Found,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let Some(theirs) = &found.field else {
            return Ok(());
        };
        let ours = path.place.field(self.local)?;
        if ours.byte_size == theirs.byte_size {
            return Ok(());
        }
        outcome.sizes = Some((ours.byte_size, theirs.byte_size));
        let local = self.local;
        let target = match found.owner {
            Owner::Main => self.targets.main(),
            Owner::Module(n) => self.targets.modules().get(n).map_or(local, |m| m),
        };
        let (a, b) = (local.resolve(path.place.type_id), target.resolve(theirs.type_id));
        let kinds = (a.map(|t| t.kind), b.map(|t| t.kind));
        // Pointers of a 32-bit kernel are zero-extended; an unsigned integer may be read in any size, as loads
        // extend with zeros.
        let extends = match kinds {
            (Some(btf_kind::PTR), Some(btf_kind::PTR)) => true,
            (Some(btf_kind::INT), Some(btf_kind::INT)) => !ours.is_signed && !theirs.is_signed,
            _ => false,
        };
        if !extends {
            outcome.mismatch = Some(format!(
                "the field has {} bytes in the object and {} in the kernel, and is no unsigned number",
                ours.byte_size, theirs.byte_size
            ));
        }
        Ok(())
    }
}

fn search(btf: &Btf, owner: Owner, candidates: &mut Candidates<'_>) {
    for ty in btf.iter().filter(|t| t.name_off != 0) {
        let name = essential(btf.str_at(ty.name_off));
        if let Some(list) = candidates.get_mut(name).and_then(|c| c.get_mut(&class(ty.kind))) {
            list.push((owner, ty.id));
        }
    }
}

/// What is asked of each type of the kernel.
enum Query<'a> {
    Field(Path),
    Enumerator(&'a str, u64),
    Type,
}

/// What one type of the kernel answers.
#[derive(Clone, Debug)]
struct Found {
    owner: Owner,
    id: u32,
    value: u64,
    field: Option<Field>,
}

impl Found {
    /// Types of one name must give the same answer.
    fn agrees(&self, other: &Found) -> bool {
        let offset = |f: &Found| f.field.map(|f| f.bit_offset);
        self.value == other.value && offset(self) == offset(other)
    }
}

impl Field {
    fn get(&self, kind: u32) -> u64 {
        match kind {
            kind::BYTE_OFFSET => self.byte_offset,
            kind::BYTE_SIZE => u64::from(self.byte_size),
            kind::SIGNED => u64::from(self.is_signed),
            kind::LEFT_SHIFT => self.left_shift,
            kind::RIGHT_SHIFT => self.right_shift,
            _ => 1,
        }
    }
}
