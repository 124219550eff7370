//! The object `bpf`: what is in an object, and classic BPF from one form into another.

use std::ffi::OsString;

use rtc::env::System;
use serde_json::{Value, json};

/// Status, standard output and standard error of a command line, split at `|`.
fn rtc(line: &str) -> (u8, String, String) {
    let words: Vec<OsString> = line.split('|').map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = rtc::run(&words, &mut System::default(), &mut out, &mut err);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status, text(out), text(err))
}

fn file(name: &str) -> String {
    format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What `elf_map36.c` says, and llvm-readelf of its sections.
#[test]
fn an_object_is_shown_as_its_source_has_it() {
    let object = file("tc-bpf-loader/testdata/elf_map36-g-el.o");
    let (status, out, err) = rtc(&format!("rtc|-j|-d|bpf|show|{object}"));
    assert_eq!((status, &*err), (0, ""));
    let [shown] = &serde_json::from_str::<Vec<Value>>(&out).unwrap()[..] else { panic!("{out}") };
    assert_eq!(shown["object"], "elf_map36-g-el.o");
    assert_eq!(shown["endian"], "little-endian");
    assert_eq!(
        shown["maps"],
        json!([
            {"map": "plain", "type": "hash", "key_size": 4, "value_size": 8, "max_entries": 16,
             "flags": 1, "legacy_size": 36},
            {"map": "shared", "type": "array", "key_size": 4, "value_size": 8, "max_entries": 2,
             "pinning": "global", "id": 7, "legacy_size": 36},
        ])
    );
    let programs = shown["programs"].as_array().unwrap();
    assert_eq!(programs.len(), 2);
    assert_eq!(programs[0]["program"], "look");
    assert_eq!(programs[0]["section"], "classifier");
    assert_eq!(programs[0]["type"], "sched_cls");
    assert_eq!(programs[0]["maps"], json!(["plain"]));
    assert_eq!(programs[1]["type"], "sched_act");
    // One reference each, to the map.
    assert_eq!(
        shown["relocations"],
        json!([
            {"section": "classifier", "insn": 4, "kind": "load", "symbol": "plain", "in": "maps"},
            {"section": "action", "insn": 4, "kind": "load", "symbol": "shared", "in": "maps"},
        ])
    );
    let section = |name: &str| {
        let all = shown["sections"].as_array().unwrap();
        all.iter().find(|section| section["section"] == name).cloned()
    };
    assert_eq!(section("maps").unwrap()["size"], 72);
    assert_eq!(section("classifier").unwrap()["code"], true);
    assert!(section(".symtab").is_some());

    let (status, out, _) = rtc(&format!("rtc|bpf|show|{object}"));
    assert_eq!(status, 0);
    assert!(
        out.contains("map plain type hash key 4b value 8b max_entries 16 flags 0x1 legacy 36b \n"),
        "{out}"
    );
    assert!(!out.contains(".symtab"), "{out}");
}

/// What `tables.c` says.
#[test]
fn tables_are_shown_with_their_programs() {
    let object = file("tc-bpf-loader/testdata/tables-g-el.o");
    let (status, out, err) = rtc(&format!("rtc|-j|bpf|show|{object}"));
    assert_eq!((status, &*err), (0, ""));
    let shown: Value = serde_json::from_str(&out).unwrap();
    let tables = shown[0]["tables"].as_array().unwrap();
    let linked = tables.iter().find(|table| table["table"] == "linked").unwrap();
    assert_eq!(
        *linked,
        json!({"table": "linked", "type": "tcp_congestion_ops", "section": ".struct_ops.link",
               "link": true, "operations": [
                   {"operation": "undo_cwnd", "program": "undo_linked"},
                   {"operation": "cong_avoid", "program": "grow_linked"},
                   {"operation": "ssthresh", "program": "half_linked"}]})
    );
    let (_, out, _) = rtc(&format!("rtc|bpf|show|{object}"));
    let line = "table unknown type no_such_ops section .struct_ops anything other \n";
    assert!(out.contains(line), "{out}");
    // An object without tables says nothing of them.
    let (_, out, _) = rtc(&format!("rtc|-j|bpf|show|{}", file("tc-bpf-loader/testdata/drop-el.o")));
    assert!(!out.contains("tables"), "{out}");
}

/// Before anything is asked of the kernel.
#[test]
fn a_table_is_to_be_named() {
    let object = file("tc-bpf-loader/testdata/tables-g-el.o");
    for (words, line, hint) in [
        ("", "Which table? Say \"table NAME\"\n", "has `held` (tcp_congestion_ops), "),
        ("|table|none", "There is no table \"none\"\n", "has `held` (tcp_congestion_ops), "),
        (
            "|table|linked",
            "Unable to register the table\n",
            "which rtc closes when it ends: say `pin PATH`",
        ),
    ] {
        let (status, out, err) = rtc(&format!("rtc|bpf|register|{object}{words}"));
        assert_eq!((status, &*out), (255, ""));
        assert!(err.starts_with(line) && err.contains(hint), "{err}");
    }
    let drop = file("tc-bpf-loader/testdata/drop-el.o");
    let (status, _, err) = rtc(&format!("rtc|bpf|register|{drop}"));
    assert_eq!(status, 255);
    assert!(err.starts_with("There is no table\n") && err.contains("has none"), "{err}");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let (status, out, err) = rtc("rtc|bpf|show|/nonexistent.o");
    assert_eq!((status, &*out), (1, ""));
    assert!(
        err.starts_with("Error opening object /nonexistent.o: No such file or directory\n"),
        "{err}"
    );
    let (status, _, err) = rtc(&format!("rtc|bpf|show|{}", file("rtc/Cargo.toml")));
    assert_eq!(status, 1);
    assert!(err.contains("hint: ") && err.contains("not a BPF object"), "{err}");
    assert_eq!(rtc("rtc|bpf|show").0, 255);
    assert_eq!(rtc("rtc|bpf|show|a|b").0, 255);
    let (status, _, err) = rtc("rtc|bpf|nope");
    assert_eq!((status, &*err), (255, "Command \"nope\" is unknown, try \"tc bpf help\".\n"));
}

/// tc knows no such object: what it refuses is refused still.
#[test]
fn the_object_has_one_name() {
    for word in ["b", "bp"] {
        let (status, _, err) = rtc(&format!("rtc|{word}"));
        assert_eq!(status, 255);
        assert_eq!(err, format!("Object \"{word}\" is unknown, try \"tc help\".\n"));
    }
}

/// tcpdump -ddd arp, -dd arp and -d arp, and what goes with `ldh [12]; jne #0x806, ...`.
#[test]
fn classic_programs_go_from_form_to_form() {
    let text = "ldh [12]; jne #0x806, drop; ret #262144; drop: ret #0";
    let ddd = "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n";
    let dd = "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000806 },\n\
              { 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n";
    let d = "(000) ldh      [12]\n(001) jeq      #0x806           jt 2\tjf 3\n\
             (002) ret      #262144\n(003) ret      #0\n";
    let bytecode = "4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0,\n";
    assert_eq!(rtc(&format!("rtc|bpf|asm|{text}")), (0, bytecode.into(), String::new()));
    assert_eq!(rtc(&format!("rtc|bpf|asm|{d}")), (0, bytecode.into(), String::new()));
    assert_eq!(rtc(&format!("rtc|bpf|asm|{text}|as|lines")).1, ddd);
    let c = "{ 0x28,  0,  0, 0x0000000c },\n{ 0x15,  0,  1, 0x00000806 },\n\
             { 0x06,  0,  0, 0x00040000 },\n{ 0x06,  0,  0, 0x00000000 },\n";
    assert_eq!(rtc(&format!("rtc|bpf|asm|{text}|as|c")).1, c);
    for form in [ddd, dd, bytecode.trim(), c] {
        assert_eq!(rtc(&format!("rtc|bpf|disasm|{form}|as|lines")), (0, ddd.into(), String::new()));
    }
    let shown = rtc(&format!("rtc|bpf|disasm|{ddd}")).1;
    assert_eq!(rtc(&format!("rtc|bpf|asm|{shown}|as|lines")).1, ddd);
    let json = rtc(&format!("rtc|-j|bpf|disasm|{ddd}")).1;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["length"], 4);
    assert_eq!(json[0]["insns"][1]["text"], "jeq #0x806, +0, +1");
    assert_eq!(json[0]["insns"][2]["k"], 262_144);
}

#[test]
fn a_bad_text_says_where() {
    let (status, out, err) = rtc("rtc|bpf|asm|ldh [12]; jne #0x806, dro; ret #0");
    assert_eq!((status, &*out), (1, ""));
    assert!(err.starts_with("Unable to assemble\n"), "{err}");
    assert!(err.contains("hint: line 1, column 11: there is no label `dro`\n"), "{err}");
    let (status, _, err) = rtc("rtc|bpf|asm|ld #1; div #0; ret a");
    assert_eq!(status, 1);
    assert!(err.contains("hint: line 1: `div #0`: it divides by the constant 0"), "{err}");
    // What cannot run can be looked at.
    let (status, out, err) = rtc("rtc|bpf|disasm|2,52 0 0 0,6 0 0 0");
    assert_eq!((status, &*out), (0, "\tdiv #0\n\tret #0\n"));
    assert!(err.contains("instruction 0, `div #0`: it divides"), "{err}");
    let (status, _, err) = rtc("rtc|bpf|disasm|2,6 0 0 0");
    assert_eq!(status, 1);
    assert!(err.starts_with("Unable to read bytecode\n") && err.contains("ends after 1"), "{err}");
    assert_eq!(rtc("rtc|bpf|asm|ret #0|as|elf").0, 255);
    assert_eq!(rtc("rtc|bpf|asm|ret #0|more").0, 255);
    let (status, _, err) = rtc("rtc|bpf|asm|file|/nonexistent");
    assert_eq!(status, 1);
    assert!(
        err.starts_with("Cannot open file \"/nonexistent\" for reading: No such file"),
        "{err}"
    );
}
