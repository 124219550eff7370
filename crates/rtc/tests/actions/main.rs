//! How the options of actions are shown: byte for byte as tc 7.3 shows them.

#![cfg(target_endian = "little")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that cannot go on fails"
)]

use std::ffi::OsString;

use rtc::env::System;
use rtc::kinds::{self, Show};
use rtc::options::{self, Options, Parsed};
use rtc::out::{Out, Style};

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn options(words: &str) -> Options {
    let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
    match options::parse(&words).unwrap() {
        Parsed::Run(options, ..) => options,
        _ => panic!("{words:?}"),
    }
}

/// What rtc shows, in the form of the file's last column.
fn shown(kind: &str, words: &str, payload: &[u8]) -> String {
    let options = options(words);
    let style = Style { json: options.json, ..Style::default() };
    let mut text = Vec::new();
    let mut out = Out::new(&mut text, style);
    let mut show = Show { options: &options, env: &mut System::default() };
    let kind = kinds::action(kind).unwrap();
    out.entry(|out| kind.print(payload, &mut show, out)).unwrap();
    out.finish().unwrap();
    drop(out);
    let text = String::from_utf8(text).unwrap();
    match text.strip_prefix('{').and_then(|text| text.trim_end().strip_suffix('}')) {
        Some(members) if options.json => members.to_owned(),
        _ => text.replace('\n', "\\n").replace('\t', "\\t"),
    }
}

#[test]
fn options_look_as_in_tc() {
    let mut count = 0;
    for line in include_str!("printed").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.splitn(4, " | ").collect();
        let [kind, words, hex, text] = fields[..] else { panic!("{line}") };
        assert_eq!(shown(kind, words, &bytes(hex)), text, "{kind} {words} {hex}");
        count += 1;
    }
    assert!(count > 80, "{count}");
}

#[test]
fn damaged_options_are_errors_or_shown_but_never_a_panic() {
    for line in include_str!("printed").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.splitn(4, " | ").collect();
        let payload = bytes(fields[2]);
        let options = options(fields[1]);
        let kind = kinds::action(fields[0]).unwrap();
        for end in 0..payload.len() {
            let mut sink = Vec::new();
            let mut out = Out::new(&mut sink, Style::default());
            let mut show = Show { options: &options, env: &mut System::default() };
            _ = kind.print(&payload[..end], &mut show, &mut out);
        }
    }
}
