//! `show`: what an object holds.

use std::path::Path;

use tc_bpf_loader::struct_ops::TableSpec;
use tc_bpf_loader::{
    MapOrigin, MapSpec, ObjectSpec, Pinning, ProgType, ProgramSpec, RelocKind, Relocation,
};

use super::{Session, Step, bad_object, end};
use crate::args::Args;
use crate::error::Error;
use crate::out::Out;

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let file = args.file()?;
    let place = args.last();
    end(args)?;
    let object = session.env.object(Path::new(file)).map_err(|e| bad_object(file, &e).at(place))?;
    let details = session.options.details > 0;
    session.out.document(|out| out.entry(|out| print(&object, details, out)));
    Ok(Step::Done)
}

fn print(object: &ObjectSpec, details: bool, out: &mut Out<'_>) {
    let name = Path::new(object.file()).file_name().unwrap_or_default().to_string_lossy();
    out.field("object", &*name, format_args!("object {name} "));
    let endian = object.endian().to_string();
    out.field("endian", &*endian, format_args!("{endian} "));
    out.field("license", object.license(), format_args!("license \"{}\" ", object.license()));
    if let Some(version) = object.version() {
        out.field("version", version, format_args!("version {version:#x} "));
    }
    match object.type_info() {
        None => {}
        Some(Ok(size)) => out.field("btf_size", size, format_args!("btf {size}b ")),
        Some(Err(e)) => {
            out.field("btf_unusable", &*e.to_string(), format_args!("btf [unusable: {e}] "));
        }
    }
    out.newline();
    out.array("programs", |out| {
        for program in object.programs() {
            out.entry(|out| print_program(&program, details, out));
        }
    });
    out.array("maps", |out| {
        for map in object.maps() {
            out.entry(|out| match map {
                Ok(map) => print_map(map, out),
                Err(e) => {
                    out.field("unusable", &*e.to_string(), format_args!("map [unusable: {e}]"));
                    out.newline();
                }
            });
        }
    });
    let tables: Vec<_> = object.tables().collect();
    if !tables.is_empty() {
        out.array("tables", |out| {
            for table in &tables {
                out.entry(|out| print_table(table, out));
            }
        });
    }
    out.array("sections", |out| {
        for section in object.section_table().filter(|s| details || matters(s.name)) {
            out.entry(|out| {
                let name = section.name;
                out.field("section", name, format_args!("section {name} "));
                out.field("size", section.size, format_args!("size {}b ", section.size));
                if section.is_code {
                    out.flag("code", "code ");
                }
                if section.relocations > 0 {
                    let count = section.relocations as u64;
                    out.field("relocations", count, format_args!("relocations {count} "));
                }
                out.newline();
            });
        }
    });
    if details {
        out.array("relocations", |out| {
            for relocation in object.relocations() {
                out.entry(|out| print_relocation(&relocation, out));
            }
        });
    }
}

/// Whether a section may be of interest to a loader: it is no debugging information, and no table of the format's.
fn matters(name: &str) -> bool {
    let tables = [".strtab", ".symtab", ".shstrtab", ".llvm_addrsig", ".eh_frame"];
    !tables.contains(&name) && !name.starts_with(".debug") && !name.starts_with(".rel")
}

fn print_program(program: &ProgramSpec<'_>, details: bool, out: &mut Out<'_>) {
    let (name, section) = (program.name(), program.section());
    out.field("program", name, format_args!("program {name} "));
    out.field("section", section, format_args!("section {section} "));
    if let Some(kind) = ProgType::from_section(section) {
        let kind = kind.to_string();
        out.field("type", &*kind, format_args!("type {kind} "));
    }
    let count = program.insn_count() as u64;
    out.field("insns", count, format_args!("insns {count} "));
    if program.is_static() {
        out.flag("static", "static ");
    }
    match program.link() {
        Ok(linked) => {
            if details {
                let count = linked.insns.len() as u64;
                out.field("linked_insns", count, format_args!("linked_insns {count} "));
            }
            if !linked.maps.is_empty() {
                out.array("maps", |out| {
                    out.text(format_args!("maps"));
                    for map in &linked.maps {
                        out.element(map.name.as_str(), format_args!(" {}", map.name));
                    }
                    out.text(format_args!(" "));
                });
            }
        }
        Err(e) => {
            out.field("unlinkable", &*e.to_string(), format_args!("[unlinkable: {e}] "));
        }
    }
    out.newline();
}

fn print_map(map: &MapSpec, out: &mut Out<'_>) {
    out.field("map", map.name.as_str(), format_args!("map {} ", map.name));
    let kind = map.map_type.to_string();
    out.field("type", &*kind, format_args!("type {kind} "));
    out.field("key_size", map.key_size, format_args!("key {}b ", map.key_size));
    out.field("value_size", map.value_size, format_args!("value {}b ", map.value_size));
    let entries = map.max_entries;
    out.field("max_entries", entries, format_args!("max_entries {entries} "));
    if map.flags != 0 {
        out.field("flags", map.flags, format_args!("flags {:#x} ", map.flags));
    }
    if let Some(node) = map.numa_node {
        out.field("numa_node", node, format_args!("numa_node {node} "));
    }
    if let Some(extra) = map.map_extra {
        out.field("map_extra", extra, format_args!("map_extra {extra} "));
    }
    let pinning = match map.pinning {
        Pinning::None => String::new(),
        Pinning::Object => "object".to_owned(),
        Pinning::Global => "global".to_owned(),
        Pinning::ByName => "by_name".to_owned(),
        Pinning::Custom(number) => number.to_string(),
        _ => "other".to_owned(),
    };
    if !pinning.is_empty() {
        out.field("pinning", &*pinning, format_args!("pinning {pinning} "));
    }
    for (key, number) in [("id", map.id), ("inner_id", map.inner_id), ("inner_idx", map.inner_idx)]
    {
        if number != 0 {
            out.field(key, number, format_args!("{key} {number} "));
        }
    }
    if let MapOrigin::Legacy { entry_size } = map.origin {
        out.field("legacy_size", entry_size, format_args!("legacy {entry_size}b "));
    }
    out.newline();
}

fn print_table(table: &TableSpec<'_>, out: &mut Out<'_>) {
    let (name, kind, section) = (table.name(), table.type_name(), table.section());
    out.field("table", name, format_args!("table {name} "));
    out.field("type", kind, format_args!("type {kind} "));
    out.field("section", section, format_args!("section {section} "));
    if table.by_link() {
        out.flag("link", "link ");
    }
    out.array("operations", |out| {
        for (member, program) in table.operations() {
            out.entry(|out| {
                let program = program.name();
                out.field("operation", member, format_args!("{member} "));
                out.field("program", program, format_args!("{program} "));
            });
        }
    });
    out.newline();
}

fn print_relocation(relocation: &Relocation<'_>, out: &mut Out<'_>) {
    let Relocation { section, insn, symbol, target, .. } = relocation;
    out.field("section", *section, format_args!("relocation section {section} "));
    out.field("insn", *insn, format_args!("insn {insn} "));
    let kind = match relocation.kind {
        RelocKind::Load => "load".to_owned(),
        RelocKind::Call => "call".to_owned(),
        RelocKind::Other(number) => number.to_string(),
        _ => "other".to_owned(),
    };
    out.field("kind", &*kind, format_args!("{kind} "));
    out.field("symbol", *symbol, format_args!("{symbol} "));
    match target {
        Some(target) => out.field("in", *target, format_args!("in {target} ")),
        None => out.flag("undefined", "undefined "),
    }
    out.newline();
}
