//! What an object puts into its maps: programs into program arrays, maps into maps.
//!
//! In `.maps`, relocations of the field `values` say it. In a `maps` section of iproute2's layout it is said by numbers:
//! a section `ID/SLOT` is a program for the array of that id, `inner_id` is the id of the map that tells what the maps
//! in a map are like, and that one's `inner_idx` the slot that it goes to itself.

use std::collections::BTreeMap;

use crate::elf::functions::Function;
use crate::elf::{Elf, Place, SymbolKind, btf_maps};
use crate::error::Fault;
use crate::map::{MapOrigin, MapSpec, MapType, Slot, SlotTarget};
use crate::spec::MapEntry;

/// Most slots that an object may fill; a program array of that size is larger than any in use.
const MAX_SLOTS: usize = 1 << 16;

/// Fills in the slots and the templates of all maps.
pub(crate) fn find(elf: &Elf, functions: &[Function], maps: &mut [MapEntry]) {
    from_values(elf, functions, maps);
    from_numbers(elf, functions, maps);
    for map in maps.iter_mut() {
        let Ok(def) = &mut map.def else { continue };
        // The last one of several for one slot holds, as when they are put there in order.
        let mut by_index: BTreeMap<u32, Slot> = BTreeMap::new();
        by_index.extend(def.slots.drain(..).map(|slot| (slot.index, slot)));
        def.slots = by_index.into_values().collect();
    }
}

/// The relocations of `.maps`.
fn from_values(elf: &Elf, functions: &[Function], maps: &mut [MapEntry]) {
    for at in 0..maps.len() {
        let Some((section, start)) = maps.get(at).map(|m| (m.section, m.offset)) else { continue };
        if elf.section_name(section) != btf_maps::SECTION {
            continue;
        }
        let end = maps.get(at + 1).filter(|m| m.section == section).map_or(u64::MAX, |m| m.offset);
        let relocs = elf.relocs_in(section, start, end);
        let Some(MapEntry { name, def: Ok(def), .. }) = maps.get(at) else { continue };
        let values_at = def.values_at;
        let mut found = Vec::with_capacity(relocs.len().min(MAX_SLOTS));
        let mut problem = None;
        for reloc in relocs.iter().take(MAX_SLOTS) {
            // Pointers elsewhere in the variable are no contents.
            let Some(within) = values_at.and_then(|v| (reloc.offset - start).checked_sub(v)) else {
                continue;
            };
            match declared(elf, functions, maps, section, reloc.offset, within, reloc.symbol) {
                Ok(slot) => found.push(slot),
                Err(why) => problem = Some(why),
            }
        }
        let problem = problem.map(|why| Fault::new(format!("contents of map `{name}`"), why));
        if let Some(map) = maps.get_mut(at) {
            match (problem, &mut map.def) {
                (Some(fault), def) => *def = Err(fault),
                (None, Ok(def)) => def.slots = found,
                (None, Err(_)) => {}
            }
        }
    }
}

fn declared(
    elf: &Elf,
    functions: &[Function],
    maps: &[MapEntry],
    section: u32,
    offset: u64,
    within: u64,
    symbol: u32,
) -> Result<Slot, String> {
    let index = u32::try_from(within / 8).ok().filter(|_| within % 8 == 0);
    let index = index.ok_or_else(|| format!("byte {within} of `values` is no slot"))?;
    let symbol = elf.symbol(symbol).ok_or("its symbol does not exist")?;
    let Place::Section(target) = symbol.place else {
        return Err(format!(
            "slot {index} refers to `{}`, which is not in the object",
            elf.name(symbol.name)
        ));
    };
    // What is there already is added to the symbol, which is the section for static things.
    let addend = if symbol.kind == SymbolKind::Section {
        usize::try_from(offset)
            .ok()
            .and_then(|at| elf.endian.u64_at(elf.section_bytes(section), at))
            .unwrap_or(0)
    } else {
        0
    };
    let to = symbol.value.wrapping_add(addend);
    let place = (target, to);
    let at = functions.partition_point(|f| (f.section, f.offset) < place);
    if let Some(f) = functions.get(at).filter(|f| (f.section, f.offset) == place) {
        let target = SlotTarget::Program(elf.name(f.name).to_owned());
        return Ok(Slot { index, target, at });
    }
    let at = maps.partition_point(|m| (m.section, m.offset) < place);
    if let Some(m) = maps.get(at).filter(|m| (m.section, m.offset) == place) {
        return Ok(Slot { index, target: SlotTarget::Map(m.name.clone()), at });
    }
    Err(format!("slot {index} refers to something that is neither a map nor a function"))
}

/// iproute2's numbers, and the kernel samples' `inner_map_idx`.
fn from_numbers(elf: &Elf, functions: &[Function], maps: &mut [MapEntry]) {
    let is_legacy = |m: &MapSpec| matches!(m.origin, MapOrigin::Legacy { .. });
    // The first of an id is meant.
    let mut ids: BTreeMap<u32, usize> = BTreeMap::new();
    for (at, map) in maps.iter().enumerate() {
        if let Ok(def) = &map.def {
            if is_legacy(def) && def.id != 0 {
                ids.entry(def.id).or_insert(at);
            }
        }
    }
    let mut programs: BTreeMap<u32, Vec<Slot>> = BTreeMap::new();
    for (at, f) in functions.iter().enumerate().take(MAX_SLOTS).filter(|(_, f)| !f.is_alias) {
        if let Some((id, index)) = tail_call(elf.section_name(f.section)) {
            let target = SlotTarget::Program(elf.name(f.name).to_owned());
            programs.entry(id).or_default().push(Slot { index, target, at });
        }
    }
    // Maps that say which slot they go to, by their own id.
    let mut inner: BTreeMap<u32, Vec<Slot>> = BTreeMap::new();
    for (at, map) in maps.iter().enumerate() {
        if let Ok(def) = &map.def {
            let goes_somewhere = is_legacy(def) && def.id != 0 && (def.inner_idx as i32) >= 0;
            if goes_somewhere && !def.map_type.holds_maps() {
                let target = SlotTarget::Map(def.name.clone());
                inner.entry(def.id).or_default().push(Slot { index: def.inner_idx, target, at });
            }
        }
    }
    let firsts: BTreeMap<u32, usize> =
        maps.iter().enumerate().rev().map(|(at, m)| (m.section, at)).collect();
    for map in maps.iter_mut() {
        let section = map.section;
        let Ok(def) = &mut map.def else { continue };
        if !is_legacy(def) {
            continue;
        }
        if def.map_type == MapType::PROG_ARRAY && def.id != 0 {
            def.slots = programs.remove(&def.id).unwrap_or_default();
        } else if def.map_type.holds_maps() {
            // An entry of 28 bytes has no inner_id: without BTF to tell, this is the kernel samples' layout.
            let samples = def.origin == MapOrigin::Legacy { entry_size: 28 };
            def.template = match def.inner_map_idx.or(samples.then_some(def.id)) {
                Some(index) => {
                    let first = firsts.get(&section).copied().unwrap_or_default();
                    first.checked_add(index as usize)
                }
                None => ids.get(&def.inner_id).copied(),
            };
            if def.inner_id != 0 {
                def.slots = inner.get(&def.inner_id).cloned().unwrap_or_default();
            }
        }
    }
}

/// Id and slot of a section `ID/SLOT`; both as C reads `%i`: decimal, `0x` hexadecimal or `0` octal.
pub(crate) fn tail_call(section: &str) -> Option<(u32, u32)> {
    let (id, slot) = section.split_once('/')?;
    Some((number(id)?, number(slot)?))
}

/// The slot of a program array that a section `ID/SLOT` names, iproute2's way to say where a program goes.
pub fn slot(section: &str) -> Option<u32> {
    tail_call(section).map(|(_, slot)| slot)
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::tail_call;

    #[test]
    fn sections_of_tail_calls() {
        assert_eq!(tail_call("42/7"), Some((42, 7)));
        assert_eq!(tail_call("0x2a/010"), Some((42, 8)));
        assert_eq!(tail_call("0/0"), Some((0, 0)));
        for other in ["tc/1", "1/x", "1/", "/1", "1/+2", "1/2/3", "xdp", "4294967296/0", "1/08"] {
            assert_eq!(tail_call(other), None, "{other}");
        }
    }
}
