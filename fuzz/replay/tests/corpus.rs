//! Replays the corpus of every target, and from each entry a fixed number of mutations that are
//! the same in every run.

use std::fs;
use std::path::{Path, PathBuf};

use rtc_fuzz::{KINDS, SHOWN, TARGETS, show_with};

/// Mutations of each entry.
const MUTATIONS: u32 = 150;
/// The longest entry that may be in the corpus.
const MAX_LEN: usize = 16 * 1024;
/// The most entries of one target.
const MAX_ENTRIES: usize = 100;

/// xorshift64*: few lines, good enough to choose mutations.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`, 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// The files of a directory, sorted.
fn files(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir);
    let mut paths: Vec<_> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|file| file.path()).collect();
    paths.sort();
    paths
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = files(&format!("corpus/{target}"));
    paths.into_iter().filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes))).collect()
}

/// Damages `bytes` in one to four places.
fn mutate(mut bytes: Vec<u8>, other: &[u8], random: &mut Random) -> Vec<u8> {
    const LENGTHS: [u16; 10] = [0, 1, 3, 4, 5, 8, 16, 0x7fff, 0x8000, 0xffff];
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << random.below(8)),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = random.next() as u8),
            2 => bytes.truncate(at),
            // A length field, which is where netlink and ELF keep most of their lies.
            3 => {
                let length = LENGTHS.get(random.below(LENGTHS.len())).copied().unwrap_or_default();
                if let Some(field) = bytes.get_mut(at & !1..(at & !1) + 2) {
                    field.copy_from_slice(&length.to_ne_bytes());
                }
            }
            4 => {
                let word = random.next() as u32;
                if let Some(field) = bytes.get_mut(at & !3..(at & !3) + 4) {
                    field.copy_from_slice(&word.to_ne_bytes());
                }
            }
            // The end of another entry in place of this one's.
            5 => {
                bytes.truncate(at);
                bytes.extend(other.iter().skip(random.below(other.len())));
            }
            // A part of it twice.
            _ => {
                let len = random.below(64);
                let part: Vec<_> = bytes.iter().skip(at).take(len).copied().collect();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn replay(target: &str, run: fn(&[u8])) {
    let entries = corpus(target);
    assert!(!entries.is_empty(), "{target} has no corpus");
    assert!(entries.len() <= MAX_ENTRIES, "{target} has {} entries", entries.len());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (path, bytes) in &entries {
        assert!(bytes.len() <= MAX_LEN, "{} is too long", path.display());
        guarded(path, "as it is", bytes, run);
        for n in 0..MUTATIONS {
            let other = entries.get(random.below(entries.len())).map(|(_, other)| &**other);
            let mutant = mutate(bytes.clone(), other.unwrap_or_default(), &mut random);
            guarded(path, &format!("mutation {n}"), &mutant, run);
        }
    }
}

/// Says which bytes are to blame when `run` panics.
fn guarded(path: &Path, what: &str, bytes: &[u8], run: impl FnOnce(&[u8])) {
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(bytes)));
    assert!(ended.is_ok(), "{}, {what}: {}", path.display(), bytes.escape_ascii());
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), rtc_fuzz::$target);
            }
        )*

        #[test]
        fn every_target_is_replayed_and_built() {
            let replayed = [$(stringify!($target)),*];
            let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(replayed[..], known);
            for (dir, end) in [("fuzz_targets", ".rs"), ("corpus", "")] {
                let found: Vec<_> = files(dir);
                let found: Vec<_> =
                    found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
                let expected: Vec<_> = known.iter().map(|name| format!("{name}{end}")).collect();
                assert_eq!(found, expected);
            }
        }
    };
}

replays!(asm batch cbpf message object options show types units words);

#[test]
fn dumps_are_shown_with_all_options() {
    // The first nine change what is printed, and how.
    const ALL: u16 = 1 << 9;
    assert_eq!(SHOWN.iter().position(|option| *option == "-color"), Some(8));
    for (n, (path, bytes)) in corpus("show").into_iter().enumerate() {
        let dump = bytes.get(2..).unwrap_or_default();
        // Each entry with another part of the choices; seven entries have had them all.
        for chosen in (n as u16 % 7..ALL).step_by(7) {
            guarded(&path, &format!("options {chosen:#x}"), dump, |dump| show_with(chosen, dump));
        }
    }
}

#[test]
fn every_kind_of_the_command_is_among_the_options() {
    let known: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
    assert!(known.is_sorted());
    let qdiscs = rtc::kinds::QDISCS.iter().map(|kind| kind.name());
    let filters = rtc::kinds::FILTERS.iter().map(|kind| kind.name());
    let actions = rtc::kinds::ACTIONS.iter().map(|kind| kind.name());
    let ematches = rtc::kinds::EMATCHES.iter().map(|kind| kind.name());
    for name in qdiscs.chain(filters).chain(actions).chain(ematches) {
        assert!(known.contains(&name), "{name} is not fuzzed");
    }
}
