//! Maps of a `maps` section: iproute2's `struct bpf_elf_map` and the kernel samples' `struct bpf_map_def`.
//!
//! Both begin with type, key size, value size, max entries and flags, all u32. An entry's size is the section's size
//! over the number of maps in it: 16 bytes (no flags) to 36 (all of `bpf_elf_map`); what an entry lacks is zero, what
//! it has more must be zero. A struct `____btf_map_NAME` beside a map tells the types of its keys and values.

use std::collections::BTreeMap;

use super::Elf;
use crate::btf::{Btf, kind};
use crate::error::Fault;
use crate::map::{MapOrigin, MapSpec, MapType, Pinning};
use crate::spec::{MapEntry, MapSymbol};

/// Bytes of an entry with the four fields that every map needs.
const MIN_ENTRY: u64 = 16;
/// How the struct's name begins that tells the types of a map.
const ANNOTATION: &str = "____btf_map_";

/// Whether maps of the old kind are defined in a section of this name.
pub(crate) fn is_section(name: &str) -> bool {
    name == "maps" || name.starts_with("maps/") || name.ends_with("/maps")
}

/// Adds the maps of one `maps` section, of which `symbols` tells offsets and names, ascending.
pub(crate) fn read(
    elf: &Elf,
    section: u32,
    symbols: &[MapSymbol<'_>],
    types: &Types<'_>,
    found: &mut Vec<MapEntry>,
) {
    let mut symbols = symbols.to_vec();
    symbols.dedup_by_key(|s| s.offset);
    let bytes = elf.section_bytes(section);
    let count = symbols.len() as u64;
    for MapSymbol { offset, name, .. } in symbols {
        let def = entry_size(bytes.len() as u64, count)
            .and_then(|size| entry(elf, bytes, offset, size).map(|words| (size, words)))
            .and_then(|(size, words)| spec(name, size, &words, types.kernel_layout))
            .map(|spec| types.annotate(spec))
            .map_err(|problem| {
                let at = format!("map `{name}` in section `{}`", elf.section_name(section));
                Fault::new(at, problem)
            });
        found.push(MapEntry { name: name.to_owned(), section, offset, def });
    }
}

fn entry_size(section: u64, maps: u64) -> Result<u64, String> {
    let size = section.checked_div(maps).unwrap_or(0);
    if section % maps.max(1) != 0 || size % 4 != 0 {
        return Err(format!("{section} bytes do not divide into {maps} maps of whole u32 fields"));
    }
    if size < MIN_ENTRY {
        return Err(format!("an entry of {size} bytes is too small, the least is {MIN_ENTRY}"));
    }
    Ok(size)
}

/// The first nine fields of an entry, whose other fields must be zero.
fn entry(elf: &Elf, bytes: &[u8], offset: u64, size: u64) -> Result<[u32; 9], String> {
    if offset % size != 0 {
        return Err(format!("offset {offset} is no multiple of the entry size {size}"));
    }
    let raw = usize::try_from(offset)
        .ok()
        .and_then(|start| bytes.get(start..)?.get(..size as usize))
        .ok_or_else(|| format!("offset {offset} lies outside of the section"))?;
    let mut words = raw.chunks_exact(4).filter_map(|w| elf.endian.u32_at(w, 0));
    let mut fields = [0; 9];
    for (field, word) in fields.iter_mut().zip(&mut words) {
        *field = word;
    }
    if words.any(|w| w != 0) {
        return Err(format!(
            "an entry has {size} bytes and something in those after the first 36, which no known layout has"
        ));
    }
    Ok(fields)
}

fn spec(name: &str, size: u64, words: &[u32; 9], kernel_layout: bool) -> Result<MapSpec, String> {
    let [map_type, key_size, value_size, max_entries, flags, f5, f6, f7, f8] = *words;
    let mut spec = MapSpec::new(name, MapOrigin::Legacy { entry_size: size as u32 });
    spec.map_type = MapType(map_type);
    spec.key_size = key_size;
    spec.value_size = value_size;
    spec.max_entries = max_entries;
    spec.flags = flags;
    if kernel_layout {
        // struct bpf_map_def of the kernel's samples: inner_map_idx, numa_node.
        if f7 != 0 || f8 != 0 {
            return Err(format!(
                "`struct bpf_map_def` ends after 28 bytes, an entry of {size} has more"
            ));
        }
        let is_outer = matches!(spec.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
        spec.inner_map_idx = is_outer.then_some(f5);
        // BPF_F_NUMA_NODE
        spec.numa_node = (flags & 4 != 0).then_some(f6);
    } else {
        spec.id = f5;
        spec.pinning = match f6 {
            0 => Pinning::None,
            1 => Pinning::Object,
            2 => Pinning::Global,
            other => Pinning::Custom(other),
        };
        spec.inner_id = f7;
        spec.inner_idx = f8;
    }
    Ok(spec)
}

/// What an object's types tell of such maps.
#[derive(Debug, Default)]
pub(crate) struct Types<'a> {
    /// Whether there is a `struct bpf_map_def` with a member `inner_map_idx`.
    kernel_layout: bool,
    /// Type and size of keys and values by the map's name, from a `struct ____btf_map_NAME` with these two members.
    annotations: BTreeMap<&'a str, [(u32, u32); 2]>,
}

impl<'a> Types<'a> {
    pub(crate) fn of(btf: &'a Btf) -> Self {
        let mut types = Types::default();
        for ty in btf.iter().filter(|ty| ty.kind == kind::STRUCT) {
            let name = btf.str_at(ty.name_off);
            if name == "bpf_map_def" {
                types.kernel_layout = types.kernel_layout
                    || btf.members(&ty).any(|m| btf.str_at(m.name_off) == "inner_map_idx");
            } else if let Some(map) = name.strip_prefix(ANNOTATION) {
                let mut members = btf.members(&ty).filter_map(|m| {
                    Some((btf.str_at(m.name_off), (m.type_id, btf.size_of(m.type_id)?)))
                });
                if let (Some(("key", key)), Some(("value", value)), None) =
                    (members.next(), members.next(), members.next())
                {
                    types.annotations.insert(map, [key, value]);
                }
            }
        }
        types
    }

    /// Gives a map the types that are told of it, if they have the sizes that the map has.
    fn annotate(&self, mut map: MapSpec) -> MapSpec {
        if let Some([key, value]) = self.annotations.get(map.name.as_str()) {
            if (key.1, value.1) == (map.key_size, map.value_size) {
                (map.key_type_id, map.value_type_id) = (Some(key.0), Some(value.0));
            }
        }
        map
    }
}
