//! What a program refers to that the kernel has: looked up when a program that is loaded uses it, and put into its
//! instructions.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use super::kconfig::{self, Config, Shape};
use super::symbols;
use super::types::{Found, KernelTypes};
use crate::btf::{Btf, kind};
use crate::elf::Place;
use crate::insn::Insn;
use crate::map::MapType;
use crate::reloc::Linked;
use crate::reloc::core::{Poisoned, essential, types_fit};
use crate::reloc::externs::{Decl, declarations};
use crate::spec::ObjectSpec;
use crate::sys::{Bpf, MapCreate};

/// A weak function that is not there becomes a call of a number that no kernel has: this plus the function's number among
/// what the object refers to, as libbpf numbers it (values of the configuration, then the rest by name).
const MISSING_FUNCTION: i32 = 2_002_000_000;
/// `BPF_F_RDONLY_PROG`.
const RDONLY_PROG: u32 = 1 << 7;

/// What is known so far, for all programs of one load.
#[derive(Debug, Default)]
pub(super) struct Externs {
    /// The map with values of the configuration, and where in it each variable is.
    pub(super) kconfig: Option<(OwnedFd, BTreeMap<String, u32>)>,
    config: Option<Result<Config, String>>,
    /// Modules whose functions are called, by their number in the list of modules.
    modules: Vec<usize>,
}

/// A reference with what the object says about it.
struct Reference<'a> {
    at: usize,
    number: usize,
    name: &'a str,
    is_weak: bool,
    decl: Option<Decl>,
}

/// What to put into an instruction.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// A function or variable of the kernel's types; 0, or the module's number plus one.
    Btf {
        id: u32,
        owner: usize,
    },
    /// An address.
    Address(u64),
    /// Byte of the configuration.
    Kconfig(u32),
    Missing,
}

impl Externs {
    /// Resolves what the program refers to. Returns calls that must not be reached.
    pub(super) fn resolve(
        &mut self,
        spec: &ObjectSpec,
        linked: &mut Linked<'_>,
        types: &mut KernelTypes,
        kernel: &mut dyn Bpf,
    ) -> Result<Vec<Poisoned>, (usize, String)> {
        if linked.externs.is_empty() {
            return Ok(Vec::new());
        }
        let btf = spec.btf.as_ref().and_then(|b| b.as_ref().ok());
        let decls = btf.map(declarations).unwrap_or_default();
        let numbers = numbers(spec, &decls);
        let references: Vec<Reference<'_>> = linked
            .externs
            .iter()
            .filter_map(|r| {
                let symbol = spec.elf.symbol(r.symbol)?;
                let name = spec.elf.name(symbol.name);
                Some(Reference {
                    at: r.at,
                    number: numbers.get(name).copied().unwrap_or(0),
                    name,
                    is_weak: symbol.is_weak,
                    decl: decls.get(name).copied(),
                })
            })
            .collect();
        self.make_kconfig(btf, &decls, &references, kernel)?;
        let found = self.look_up(btf, &references, types, kernel)?;
        let mut poisoned = Vec::new();
        for reference in &references {
            let value = found.get(reference.name).copied().unwrap_or(Value::Missing);
            self.put(reference, value, linked, types, kernel, &mut poisoned)?;
        }
        Ok(poisoned)
    }

    /// Descriptors of the modules that the program's calls name by number; the first one stands for no module.
    pub(super) fn fd_array<'t>(
        &self,
        types: &'t mut KernelTypes,
        kernel: &mut dyn Bpf,
    ) -> Vec<BorrowedFd<'t>> {
        if self.modules.is_empty() {
            return Vec::new();
        }
        let (modules, _) = types.modules(kernel);
        let fds: Vec<_> =
            self.modules.iter().filter_map(|n| Some(modules.get(*n)?.fd.as_fd())).collect();
        fds.first().copied().into_iter().chain(fds.iter().copied()).collect()
    }

    /// Finds everything but the configuration.
    fn look_up<'a>(
        &mut self,
        btf: Option<&Btf>,
        references: &[Reference<'a>],
        types: &mut KernelTypes,
        kernel: &mut dyn Bpf,
    ) -> Result<BTreeMap<&'a str, Value>, (usize, String)> {
        let mut values: BTreeMap<&str, Value> = BTreeMap::new();
        let mut typed: BTreeMap<(u32, &str), (&Reference<'a>, u32)> = BTreeMap::new();
        let mut untyped: BTreeMap<&str, &Reference<'a>> = BTreeMap::new();
        for reference in references {
            match reference.decl {
                Some(Decl::Kconfig(_)) => {
                    let places = self.kconfig.as_ref().map(|(_, places)| places);
                    if let Some(at) = places.and_then(|p| p.get(reference.name)) {
                        values.insert(reference.name, Value::Kconfig(*at));
                    }
                }
                Some(Decl::Variable(0)) => _ = untyped.insert(reference.name, reference),
                Some(Decl::Variable(id)) => {
                    typed.insert((kind::VAR, reference.name), (reference, id));
                }
                Some(Decl::Function(id)) => {
                    typed.insert((kind::FUNC, reference.name), (reference, id));
                }
                None if reference.is_weak => {}
                None => {
                    let problem = format!(
                        "`{}` is neither in the object nor declared as something of the kernel (`__ksym`, `__kconfig`)",
                        reference.name
                    );
                    return Err((reference.at, problem));
                }
            }
        }
        if let Some(btf) = btf.filter(|_| !typed.is_empty()) {
            let names: Vec<_> = typed.keys().map(|(kind, name)| (*kind, essential(name))).collect();
            let found = match types.find(&names, kernel) {
                Ok(found) => found,
                Err(_) if typed.values().all(|(r, _)| r.is_weak) => BTreeMap::new(),
                Err(problem) => {
                    let at = typed.values().next().map_or(0, |(r, _)| r.at);
                    return Err((at, problem));
                }
            };
            for ((kind, name), (reference, local)) in &typed {
                match found.get(&(*kind, essential(name))) {
                    Some(Found { id, type_id, owner, btf: theirs })
                        if types_fit(btf, *local, theirs, *type_id) =>
                    {
                        values.insert(name, Value::Btf { id: *id, owner: *owner });
                    }
                    None | Some(_) if reference.is_weak => {}
                    Some(_) => {
                        let what = if *kind == kind::FUNC { "function" } else { "variable" };
                        let problem = format!(
                            "the {what} `{name}` of this kernel is of another type than the object declares"
                        );
                        return Err((reference.at, problem));
                    }
                    None => {
                        let what = if *kind == kind::FUNC {
                            "function that programs may call (kfunc)"
                        } else {
                            "variable that programs may read"
                        };
                        return Err((reference.at, format!("this kernel has no {what} `{name}`")));
                    }
                }
            }
        }
        if !untyped.is_empty() {
            let names: Vec<_> = untyped.keys().copied().collect();
            let mut found = symbols::addresses(&names, kernel).unwrap_or_default();
            for (name, reference) in untyped {
                match found.remove(name) {
                    Some(Ok(address)) => _ = values.insert(name, Value::Address(address)),
                    _ if reference.is_weak => {}
                    Some(Err(problem)) => {
                        return Err((reference.at, format!("the symbol `{name}`: {problem}")));
                    }
                    None => {
                        return Err((reference.at, format!("this kernel has no symbol `{name}`")));
                    }
                }
            }
        }
        Ok(values)
    }

    fn put(
        &mut self,
        reference: &Reference<'_>,
        value: Value,
        linked: &mut Linked<'_>,
        types: &mut KernelTypes,
        kernel: &mut dyn Bpf,
        poisoned: &mut Vec<Poisoned>,
    ) -> Result<(), (usize, String)> {
        let at = reference.at;
        let is_call = linked.insns.get(at).is_some_and(|i| i.code == Insn::CALL);
        let Some([insn, rest @ ..]) = linked.insns.get_mut(at..) else { return Ok(()) };
        if is_call {
            match value {
                Value::Btf { id, owner } => {
                    insn.set_src(Insn::PSEUDO_KFUNC_CALL);
                    insn.imm = id as i32;
                    insn.off = self.number(owner) as i16;
                }
                Value::Missing => {
                    insn.set_src(0);
                    insn.imm = MISSING_FUNCTION.wrapping_add(reference.number as i32);
                    let what = format!("function `{}`", reference.name);
                    poisoned.push(Poisoned { at, what });
                }
                Value::Address(_) | Value::Kconfig(_) => {
                    return Err((
                        at,
                        format!("it calls `{}`, which is no function", reference.name),
                    ));
                }
            }
            return Ok(());
        }
        let Some(half) = rest.first_mut() else { return Ok(()) };
        let (src, low, high) = match value {
            Value::Btf { id, owner } => {
                let fd = types.owner(owner, kernel).map_or(0, |fd| fd.as_raw_fd());
                (Insn::PSEUDO_BTF_ID, id as i32, fd)
            }
            Value::Address(address) => (0, address as u32 as i32, (address >> 32) as i32),
            Value::Kconfig(offset) => {
                let fd = self.kconfig.as_ref().map_or(0, |(fd, _)| fd.as_raw_fd());
                (Insn::PSEUDO_MAP_VALUE, fd, offset as i32)
            }
            Value::Missing => (0, 0, 0),
        };
        insn.set_src(src);
        (insn.imm, half.imm) = (low, high);
        Ok(())
    }

    /// The number by which calls name a module: 0 is none.
    fn number(&mut self, owner: usize) -> usize {
        let Some(module) = owner.checked_sub(1) else { return 0 };
        let known = self.modules.iter().position(|m| *m == module);
        1 + known.unwrap_or_else(|| {
            self.modules.push(module);
            self.modules.len() - 1
        })
    }

    /// Creates the map with the values of the configuration, if the program asks for one and there is none yet.
    fn make_kconfig(
        &mut self,
        btf: Option<&Btf>,
        decls: &BTreeMap<&str, Decl>,
        references: &[Reference<'_>],
        kernel: &mut dyn Bpf,
    ) -> Result<(), (usize, String)> {
        let first = references.iter().find(|r| matches!(r.decl, Some(Decl::Kconfig(_))));
        let (Some(btf), Some(first)) = (btf, first) else { return Ok(()) };
        if self.kconfig.is_some() {
            return Ok(());
        }
        let by_name: BTreeMap<&str, &Reference<'_>> =
            references.iter().map(|r| (r.name, r)).collect();
        // All that the object declares, largest first, so that nothing needs to be padded.
        let mut variables: Vec<(&str, Shape)> = decls
            .iter()
            .filter_map(|(name, decl)| match decl {
                Decl::Kconfig(id) => Some((*name, Shape::of(btf, *id)?)),
                _ => None,
            })
            .collect();
        variables.sort_by_key(|(name, shape)| {
            (std::cmp::Reverse(shape.align()), std::cmp::Reverse(shape.size()), *name)
        });
        let mut bytes: Vec<u8> = Vec::new();
        let mut places = BTreeMap::new();
        for (name, shape) in variables {
            let reference = by_name.get(name);
            let at = reference.map_or(first.at, |r| r.at);
            let value = match self.value(name, shape, kernel) {
                Ok(Some(value)) => value,
                // What no program asks for need not be there.
                Ok(None) if reference.is_none_or(|r| r.is_weak) => Vec::new(),
                Err(_) if reference.is_none() => Vec::new(),
                Ok(None) => {
                    let problem = format!(
                        "its configuration does not set `{name}`; where it is declared `__weak`, that is 0"
                    );
                    return Err((at, problem));
                }
                Err(problem) => return Err((at, format!("`{name}`: {problem}"))),
            };
            places.insert(name.to_owned(), bytes.len() as u32);
            let end = bytes.len() + shape.size() as usize;
            if end > 1 << 20 {
                return Err((at, "the values of its configuration are too many".to_owned()));
            }
            bytes.extend(value);
            bytes.resize(end, 0);
        }
        if let Some(odd) = references
            .iter()
            .find(|r| matches!(r.decl, Some(Decl::Kconfig(_))) && !places.contains_key(r.name))
        {
            let problem = format!("no value of the configuration fits the type of `{}`", odd.name);
            return Err((odd.at, problem));
        }
        let request = MapCreate {
            map_type: MapType::ARRAY,
            key_size: 4,
            value_size: bytes.len() as u32,
            max_entries: 1,
            flags: RDONLY_PROG,
            name: ".kconfig",
            ..MapCreate::default()
        };
        let fd = kernel
            .map_create(&request)
            .and_then(|fd| {
                kernel.map_update(fd.as_fd(), &0u32.to_ne_bytes(), &bytes, 0)?;
                // So that the verifier knows the values.
                kernel.map_freeze(fd.as_fd())?;
                Ok(fd)
            })
            .map_err(|e| (first.at, format!("the map of its configuration's values: {e}")))?;
        self.kconfig = Some((fd, places));
        Ok(())
    }

    fn value(
        &mut self,
        name: &str,
        shape: Shape,
        kernel: &mut dyn Bpf,
    ) -> Result<Option<Vec<u8>>, String> {
        if name.starts_with("LINUX_") {
            return match kconfig::builtin(name, kernel) {
                Some(value) => shape.number(value?).map(Some),
                None => Ok(None),
            };
        }
        let config = self.config.get_or_insert_with(|| Config::read(kernel));
        let config = config.as_ref().map_err(Clone::clone)?;
        config.get(name).map(|text| shape.value(text)).transpose()
    }
}

/// The number of each function and variable of the kernel that the object refers to.
fn numbers<'a>(spec: &'a ObjectSpec, decls: &BTreeMap<&str, Decl>) -> BTreeMap<&'a str, usize> {
    let mut configured = 0;
    let mut names: Vec<&str> = Vec::new();
    for symbol in spec.elf.symbols.iter().filter(|s| s.place == Place::Undefined && !s.is_local) {
        let name = spec.elf.name(symbol.name);
        match decls.get(name) {
            Some(Decl::Kconfig(_)) => configured += 1,
            Some(_) => names.push(name),
            None => {}
        }
    }
    names.sort_unstable();
    names.into_iter().zip(configured..).collect()
}
