//! Options that stand before the object.

use std::ffi::{OsStr, OsString};

use crate::args::abbreviates;
use crate::error::Error;
use crate::names::ClassNames;

/// What the options before the object say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// `-s`: counters; how often it was given.
    pub stats: u32,
    /// `-d`: details; how often it was given.
    pub details: u32,
    /// `-r`: raw numbers beside names.
    pub raw: bool,
    /// `-p`: indented JSON, decoded filters.
    pub pretty: bool,
    /// `-g`: classes as a tree.
    pub graph: bool,
    /// `-iec`: rates in powers of 1024.
    pub iec: bool,
    /// `-force`: a batch goes on after errors.
    pub force: bool,
    /// `-N`: numbers instead of names.
    pub numeric: bool,
    /// `-nm`: names of classes.
    pub names: bool,
    /// `-cf FILE`: the file with the names of classes.
    pub conf: Option<OsString>,
    /// The names of classes, once they are read.
    pub class_names: ClassNames,
    /// `-color`: when to colour.
    pub color: Color,
    /// `-t`: time stamps in `monitor`.
    pub timestamp: bool,
    /// `-ts`: short time stamps.
    pub timestamp_short: bool,
    /// `-j`: JSON.
    pub json: bool,
    /// `-o`: one line per object.
    pub oneline: bool,
    /// `-br`: abridged listings.
    pub brief: bool,
    /// `-echo`: show what was made.
    pub echo: bool,
    /// `-b FILE`: commands from a file.
    pub batch: Option<OsString>,
    /// `-n NETNS`: in another network namespace.
    pub netns: Option<OsString>,
}

/// `-color[=WHEN]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// No colours.
    #[default]
    Never,
    /// Colours on a terminal.
    Auto,
    /// Colours always.
    Always,
}

/// What the command line asks for, after its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Run the object's command: the words from the object on, and how many came before.
    Run(Options, &'a [OsString], usize),
    /// Show the version.
    Version,
    /// Show the usage.
    Help,
}

/// A way to set an option: its full name, and what it does with the value.
enum Set {
    Flag(fn(&mut Options)),
    Value(&'static str, fn(&mut Options, OsString)),
    ClassNames,
    Netns,
    Version,
    Help,
    Color,
    Echo,
}

/// In the order in which abbreviations are tried: the first that fits is meant.
const TABLE: &[(&str, Set)] = &[
    ("stats", Set::Flag(|o| o.stats += 1)),
    ("statistics", Set::Flag(|o| o.stats += 1)),
    ("details", Set::Flag(|o| o.details += 1)),
    ("raw", Set::Flag(|o| o.raw = true)),
    ("pretty", Set::Flag(|o| o.pretty = true)),
    ("graph", Set::Flag(|o| o.graph = true)),
    ("Version", Set::Version),
    ("iec", Set::Flag(|o| o.iec = true)),
    ("help", Set::Help),
    ("force", Set::Flag(|o| o.force = true)),
    ("batch", Set::Value("batch file", |o, file| o.batch = Some(file))),
    ("netns", Set::Netns),
    ("Numeric", Set::Flag(|o| o.numeric = true)),
    ("names", Set::Flag(|o| o.names = true)),
    ("nm", Set::Flag(|o| o.names = true)),
    ("cf", Set::ClassNames),
    ("conf", Set::ClassNames),
    ("color", Set::Color),
    ("timestamp", Set::Flag(|o| o.timestamp = true)),
    (
        "tshort",
        Set::Flag(|o| {
            o.timestamp = true;
            o.timestamp_short = true;
        }),
    ),
    ("json", Set::Flag(|o| o.json = true)),
    ("oneline", Set::Flag(|o| o.oneline = true)),
    ("brief", Set::Flag(|o| o.brief = true)),
    ("echo", Set::Echo),
];

/// The full names of all options, for completions.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// Splits the words after the program's name into options and the rest.
pub fn parse(words: &[OsString]) -> Result<Parsed<'_>, Error> {
    let mut options = Options::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(name) = word.to_str().and_then(|w| w.strip_prefix('-')) else { break };
        at += 1;
        let (abbreviation, value) =
            name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
        let found = TABLE.iter().find(|(keyword, set)| match set {
            Set::Echo => name == *keyword,
            Set::Color => abbreviates(abbreviation, keyword) && color(value).is_some(),
            // A lone dash abbreviates the first of all.
            _ => name.is_empty() || abbreviates(name, keyword),
        });
        let Some((_, set)) = found else { return Err(unknown(word)) };
        match set {
            Set::Flag(set) => set(&mut options),
            Set::Echo => options.echo = true,
            Set::Color => options.color = color(value).unwrap_or_default(),
            Set::Version => return Ok(Parsed::Version),
            Set::Help => return Ok(Parsed::Help),
            Set::Value(what, set) => {
                let file = words.get(at).ok_or_else(|| Error::required(what))?;
                set(&mut options, file.clone());
                at += 1;
            }
            Set::Netns => {
                let name = words.get(at).ok_or_else(no_netns)?;
                options.netns = Some(name.clone());
                at += 1;
            }
            // Without a file tc shows its usage and is content.
            Set::ClassNames => match words.get(at) {
                Some(file) => {
                    options.conf = Some(file.clone());
                    at += 1;
                }
                None => return Ok(Parsed::Help),
            },
        }
    }
    if options.json {
        options.color = Color::Never;
    }
    Ok(Parsed::Run(options, words.get(at..).unwrap_or_default(), at))
}

/// tc looks for a network namespace without a name.
fn no_netns() -> Error {
    Error::usage("Cannot open network namespace \"(null)\": No such file or directory")
        .hint("-n takes the name of a network namespace")
}

fn unknown(word: &OsStr) -> Error {
    let word = word.to_string_lossy();
    Error::usage(format_args!("Option \"{word}\" is unknown, try \"tc -help\"."))
}

fn color(value: Option<&str>) -> Option<Color> {
    match value {
        None | Some("" | "always") => Some(Color::Always),
        Some("auto") => Some(Color::Auto),
        Some("never") => Some(Color::Never),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> (Options, String) {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        match parse(&words) {
            Ok(Parsed::Run(options, rest, _)) => {
                let rest: Vec<_> = rest.iter().map(|w| w.to_str().unwrap()).collect();
                (options, rest.join(" "))
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn short_forms_mean_what_they_mean_in_tc() {
        type Check = fn(&Options) -> bool;
        let cases: &[(&str, Check)] = &[
            ("-s", |o| o.stats == 1),
            ("-", |o| o.stats == 1),
            ("-s -stat", |o| o.stats == 2),
            ("-d", |o| o.details == 1),
            ("-r", |o| o.raw),
            ("-p", |o| o.pretty),
            ("-g", |o| o.graph),
            ("-i", |o| o.iec),
            ("-f", |o| o.force),
            ("-b -", |o| o.batch.as_deref() == Some(OsStr::new("-"))),
            ("-br", |o| o.brief && o.batch.is_none()),
            ("-n x", |o| o.netns.as_deref() == Some(OsStr::new("x"))),
            ("-net x", |o| o.netns.is_some()),
            ("-N", |o| o.numeric),
            ("-na", |o| o.names),
            ("-nm", |o| o.names),
            ("-t", |o| o.timestamp && !o.timestamp_short),
            ("-ts", |o| o.timestamp && o.timestamp_short),
            ("-j", |o| o.json),
            ("-o", |o| o.oneline),
            ("-echo", |o| o.echo),
            ("-col", |o| o.color == Color::Always),
            ("-c=auto", |o| o.color == Color::Auto),
            ("-color=never", |o| o.color == Color::Never),
            ("-color -j", |o| o.color == Color::Never),
        ];
        for (line, check) in cases {
            let (options, rest) = run(&format!("{line} qdisc"));
            assert!(check(&options), "{line}: {options:?}");
            assert_eq!(rest, "qdisc", "{line}");
        }
    }

    #[test]
    fn a_lone_c_swallows_the_next_word_as_a_file() {
        let (options, rest) = run("-c class show");
        assert_eq!(options.conf.unwrap(), "class");
        assert_eq!(rest, "show");
    }

    #[test]
    fn unknown_options_are_usage_errors() {
        for word in ["-x", "-e", "--json", "-statx", "-color=blue"] {
            let words = [OsString::from(word)];
            let err = parse(&words).unwrap_err();
            assert_eq!(err.status(), 255);
            assert_eq!(
                err.to_string(),
                format!("Option \"{word}\" is unknown, try \"tc -help\".\n")
            );
        }
    }
}
