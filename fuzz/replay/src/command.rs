//! The command: word lists, batches and listings, in a system made of bytes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use rtc::options::{self, Parsed};

use crate::world::World;

/// What a command printed, and its exit status.
struct Outcome {
    status: u8,
    out: Vec<u8>,
    err: Vec<u8>,
}

fn run(words: &[OsString], world: &mut World<'_>) -> Outcome {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = rtc::run(words, world, &mut out, &mut err);
    assert!(matches!(status, 0 | 1 | 2 | 255), "status {status}");
    assert!(status == 0 || !err.is_empty(), "status {status} without a reason: {words:?}");
    let parsed = options::parse(words.get(1..).unwrap_or_default());
    if matches!(parsed, Ok(Parsed::Run(options, ..)) if options.json && !world.monitored()) {
        check_json(words, &out);
    }
    Outcome { status, out, err }
}

/// Whether `out` is JSON documents one behind the other, in which no object has a key twice.
fn check_json(words: &[OsString], out: &[u8]) {
    let keys = |text: &[u8]| text.windows(2).filter(|pair| pair == b"\":").count();
    let mut read = 0;
    for document in serde_json::Deserializer::from_slice(out).into_iter::<serde_json::Value>() {
        let text = String::from_utf8_lossy(out);
        assert!(document.is_ok(), "{words:?}: {:?}: {text}", document.err());
        read += document.ok().map_or(0, |value| keys(value.to_string().as_bytes()));
    }
    let text = String::from_utf8_lossy(out);
    assert!(read == keys(out), "{words:?}: a key is there twice: {text}");
}

/// The bytes before the first NUL, and those after it.
fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    (data.get(..end).unwrap_or_default(), data.get(end + 1..).unwrap_or_default())
}

/// A command line, a word a line; behind a NUL, what the kernel answers and what files hold.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn words(data: &[u8]) {
    let (line, given) = split(data);
    let words = line.split(|b| *b == b'\n').map(|word| OsStr::from_bytes(word).to_owned());
    let words: Vec<_> = [OsString::from("rtc")].into_iter().chain(words).collect();
    let outcome = run(&words, &mut World::new(given, given));
    assert!(outcome.err.len() < 1 << 24, "{} bytes of errors", outcome.err.len());
    let again = run(&words, &mut World::new(given, given));
    assert!(
        (outcome.status, &outcome.out, &outcome.err) == (again.status, &again.out, &again.err),
        "the same words do something else the second time"
    );
}

/// A batch; behind a NUL, what the kernel answers and what files hold.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn batch(data: &[u8]) {
    let (text, given) = split(data);
    for options in ["-batch\n-", "-force\n-batch\n-", "-s\n-d\n-j\n-echo\n-force\n-batch\n-"] {
        let words: Vec<_> = ["rtc"].into_iter().chain(options.split('\n')).collect();
        let words: Vec<_> = words.into_iter().map(OsString::from).collect();
        run(&words, &mut World::new(given, text));
    }
}

/// Options that change what a listing looks like; bit 0 of a choice is the first.
pub const SHOWN: &[&str] = &[
    "-s", "-d", "-r", "-p", "-iec", "-N", "-o", "-j", "-color", "-s", "-br", "-t", "-ts", "-nm",
    "-g", "-echo",
];

/// A dump, shown with the options that the first two bytes choose.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn show(data: &[u8]) {
    if let Some((chosen, dump)) = data.split_first_chunk() {
        show_with(u16::from_le_bytes(*chosen), dump);
    }
}

/// A dump, shown with the options of [`SHOWN`] that are chosen: as qdiscs, as filters, as a single
/// filter and as notifications.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn show_with(chosen: u16, dump: &[u8]) {
    const COMMANDS: &[&str] = &[
        "qdisc show",
        "qdisc show dev lo root",
        "filter show dev lo",
        "filter show block 1 pref 7 protocol ip chain 0",
        "filter get dev lo ingress pref 7 protocol ip handle 1 bpf",
        "monitor file saved",
    ];
    let options = SHOWN.iter().enumerate().filter(|(n, _)| chosen & 1 << n != 0);
    let options: Vec<_> = options.map(|(_, option)| *option).collect();
    for command in COMMANDS {
        let words = ["rtc"].into_iter().chain(options.iter().copied()).chain(command.split(' '));
        let words: Vec<_> = words.map(OsString::from).collect();
        let Outcome { out, .. } = run(&words, &mut World::new(dump, &[]));
        assert!(std::str::from_utf8(&out).is_ok(), "{command}: output that is not UTF-8");
    }
}
