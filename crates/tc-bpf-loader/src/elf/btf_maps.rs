//! Maps of a `.maps` section, which are defined by the type of a variable.
//!
//! A member `int (*max_entries)[N]` means the number N, `T *key` the type T, an anonymous enum in `map_extra` a
//! 64-bit number, and `T *values[]` what the map holds: maps like T, or programs.

use std::collections::BTreeMap;

use crate::btf::{Btf, Type, kind};
use crate::error::Fault;
use crate::map::{MapOrigin, MapSpec, MapType, Pinning};

pub(crate) const SECTION: &str = ".maps";

/// Types of the variables of `.maps` by name.
pub(crate) type Vars<'a> = BTreeMap<&'a str, u32>;

/// Finds the variables of `.maps`.
pub(crate) fn vars(btf: &Btf) -> Vars<'_> {
    let datasec = btf.data_section(SECTION);
    datasec
        .iter()
        .flat_map(|s| btf.section_vars(s))
        .filter_map(|var| btf.get(var.type_id).filter(|t| t.kind == kind::VAR))
        .map(|ty| (btf.str_at(ty.name_off), ty.size_or_id))
        .collect()
}

/// Reads the definition of one map of `.maps`.
pub(crate) fn read(
    name: &str,
    btf: Option<Result<&(&Btf, Vars<'_>), &Fault>>,
) -> Result<MapSpec, Fault> {
    let malformed =
        |problem: &str| Fault::new(format!("map `{name}` in section `{SECTION}`"), problem);
    match btf {
        None => Err(malformed("it is defined by BTF and the object has none; compile with -g")),
        Some(Err(fault)) => Err(fault.clone()),
        Some(Ok((btf, vars))) => match vars.get(name) {
            None => Err(malformed("BTF does not know it")),
            Some(type_id) => spec(btf, name, *type_id, true),
        },
    }
}

/// Reads a struct that defines a map; `outermost` ones may hold maps or programs.
fn spec(btf: &Btf, name: &str, type_id: u32, outermost: bool) -> Result<MapSpec, Fault> {
    let at = format!("map `{name}` in section `{SECTION}`");
    let malformed = |problem: String| Fault::new(at.clone(), problem);
    let Some(def) = btf.resolve(type_id).filter(|t| t.kind == kind::STRUCT) else {
        return Err(malformed("its type is no struct".to_owned()));
    };
    let mut spec = MapSpec::new(name, MapOrigin::Btf);
    let mut seen: Vec<&str> = Vec::new();
    // What bounds the work, as any number of maps may be of this type.
    if def.vlen > MAX_FIELDS {
        return Err(malformed(format!("{} fields are more than {MAX_FIELDS}", def.vlen)));
    }
    for member in btf.members(&def) {
        let field = btf.str_at(member.name_off);
        if seen.contains(&field) {
            return Err(malformed(format!("field `{field}` is given twice")));
        }
        seen.push(field);
        let number = || {
            number(btf, member.type_id).ok_or_else(|| {
                malformed(format!("field `{field}` is no number (`int (*{field})[N]`)"))
            })
        };
        let pointee = || {
            let id = pointee(btf, member.type_id)
                .ok_or_else(|| malformed(format!("field `{field}` is no pointer to a type")))?;
            let size = btf
                .size_of(id)
                .ok_or_else(|| malformed(format!("the type of field `{field}` has no size")))?;
            Ok((id, size))
        };
        match field {
            "type" => spec.map_type = MapType(number()?),
            "max_entries" => spec.max_entries = number()?,
            "map_flags" => spec.flags = number()?,
            "numa_node" => spec.numa_node = Some(number()?),
            "key_size" => sized(&mut spec.key_size, number()?).map_err(&malformed)?,
            "value_size" => sized(&mut spec.value_size, number()?).map_err(&malformed)?,
            "key" => {
                let (id, size) = pointee()?;
                sized(&mut spec.key_size, size).map_err(&malformed)?;
                spec.key_type_id = Some(id);
            }
            "value" => {
                let (id, size) = pointee()?;
                sized(&mut spec.value_size, size).map_err(&malformed)?;
                spec.value_type_id = Some(id);
            }
            "map_extra" => {
                spec.map_extra = Some(
                    wide_number(btf, member.type_id)
                        .ok_or_else(|| malformed("field `map_extra` is no number".to_owned()))?,
                );
            }
            "pinning" => {
                spec.pinning = match number()? {
                    0 => Pinning::None,
                    1 => Pinning::ByName,
                    // iproute2's numbers, where libbpf has none.
                    2 => Pinning::Global,
                    other => Pinning::Custom(other),
                };
            }
            "values" => {
                if !outermost {
                    return Err(malformed("a map in a map cannot hold maps itself".to_owned()));
                }
                let held = held(btf, member.type_id).ok_or_else(|| {
                    malformed("field `values` is no array of pointers".to_owned())
                })?;
                spec.values_at = Some(u64::from(member.bit_offset / 8));
                sized(&mut spec.value_size, 4).map_err(&malformed)?;
                if held.kind == kind::STRUCT {
                    let inner = self::spec(btf, &format!("{name}.inner"), held.id, false)?;
                    spec.inner = Some(Box::new(inner));
                }
            }
            // As iproute2 does, which asks libbpf to be lenient.
            _ => {}
        }
    }
    if spec.map_type.0 == 0 {
        return Err(malformed("it has no type".to_owned()));
    }
    if spec.map_type.holds_maps() && spec.key_size == 0 {
        spec.key_size = 4;
    }
    Ok(spec)
}

/// More fields than any definition has.
const MAX_FIELDS: u32 = 64;

/// What the pointers in an array `T *values[]` point to.
fn held(btf: &Btf, type_id: u32) -> Option<Type<'_>> {
    let array = btf.resolve(type_id)?;
    let (element, _) = btf.array(&array)?;
    btf.resolve(pointee(btf, element)?)
}

/// Sets a size that may be given twice, as a number and by a type.
fn sized(field: &mut u32, value: u32) -> Result<(), String> {
    if *field != 0 && *field != value {
        return Err(format!("its sizes {field} and {value} contradict each other"));
    }
    *field = value;
    Ok(())
}

fn pointee(btf: &Btf, type_id: u32) -> Option<u32> {
    let ty = btf.resolve(type_id)?;
    (ty.kind == kind::PTR).then_some(ty.size_or_id)
}

/// N of `int (*)[N]`.
fn number(btf: &Btf, type_id: u32) -> Option<u32> {
    let array = btf.resolve(pointee(btf, type_id)?)?;
    Some(btf.array(&array)?.1)
}

/// As `number`, or the only value of an anonymous enum.
fn wide_number(btf: &Btf, type_id: u32) -> Option<u64> {
    let ty: Type<'_> = btf.resolve(type_id)?;
    let word = |at: usize| btf.endian.u32_at(ty.tail, at).map(u64::from);
    match ty.kind {
        kind::ENUM => word(4),
        kind::ENUM64 => Some(word(4)? | word(8)? << 32),
        _ => number(btf, type_id).map(u64::from),
    }
}
