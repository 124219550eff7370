//! The command `rtc`, as a library: takes tc's command lines and prints tc's output.
//!
//! Programs that want to change traffic control rather use [`tc_proto`] and [`tc_bpf_loader`]; this
//! crate is for those who want tc's command lines without starting a process, and for tests.
//!
//! ```no_run
//! use std::ffi::OsString;
//! let words: Vec<OsString> = ["rtc", "qdisc", "show"].map(OsString::from).into();
//! let mut system = rtc::env::System::default();
//! let status = rtc::run(&words, &mut system, &mut std::io::stdout(), &mut std::io::stderr());
//! ```
//!
//! # The way of a command line
//!
//! 1. [`options`] before the object are read first. They say what output looks like, and where
//!    commands come from.
//! 2. The object (`qdisc`, `filter`, …) reads the words that all kinds share: `dev`, `parent`, `pref`.
//! 3. The first word that is none of these is the kind, found in the tables of [`kinds`]. The rest is
//!    read by the kind's own parser, which gets an [`args::Args`] and nothing else: it is pure.
//! 4. What it returns is a [`kinds::Pending`], which may still name files. Resolving it against an
//!    [`env::Env`] gives a [`kinds::Resolved`], which holds open what its bytes refer to.
//! 5. The request is encoded and sent through the [`env::Env`]. What the kernel says is told in tc's
//!    words; an [`error::Error`] adds which word of the command line is to blame, and hints.
//!
//! A listing goes the other way: each message of a dump is handed to its kind, whose printer makes
//! text or JSON from the same statements on an [`out::Out`].
//!
//! # A kind
//!
//! A kind is a unit struct that implements a trait such as [`kinds::QdiscKind`], in a file
//! of the same path as its wire format in [`tc_proto`], and one row of a table. CONTRIBUTING.md tells
//! how to add one.
//!
//! # Another system
//!
//! [`env::System`] is the running kernel. Anything else that implements [`env::Env`] will do: the
//! fuzzing harness and the comparisons with recorded output of tc bring their own.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

pub mod action;
pub mod args;
mod cmd;
mod distribution;
pub mod ematch;
pub mod ematch_map;
pub mod env;
pub mod error;
pub mod filter;
mod inet;
pub mod kinds;
pub mod names;
mod netns;
pub mod options;
pub mod out;
pub mod qdisc;
mod stats;
mod sysfs;

use std::ffi::OsString;
use std::io::{self, Write};

use args::Word;
use cmd::{Session, Step};
use env::Env;
use error::Error;
use names::ClassNames;
use options::{Color, Options, Parsed};
use out::{Background, Out, Style};

/// Runs a command line, the program's name first, and returns its exit status.
///
/// With `-n` the calling thread moves to another network namespace and stays there.
pub fn run(words: &[OsString], env: &mut dyn Env, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let after_name = words.get(1..).unwrap_or_default();
    let (mut options, rest, skipped) = match options::parse(after_name) {
        Ok(Parsed::Run(options, rest, skipped)) => (options, rest, skipped),
        Ok(Parsed::Version) => return written(print(out, cmd::VERSION), err),
        Ok(Parsed::Help) => {
            _ = print(err, cmd::USAGE);
            return 0;
        }
        Err(e) => {
            _ = print(err, &e.report(words, 1));
            return e.status();
        }
    };
    // A batch never shows names of classes.
    if options.names && options.batch.is_none() {
        match ClassNames::load(options.conf.as_deref(), env) {
            Ok((names, complaints)) => {
                _ = print(err, &complaints);
                options.class_names = names;
            }
            Err(e) => {
                _ = print(err, &e.report(words, 1));
                return e.status();
            }
        }
    }
    let style = options.style(env);
    let mut session = Session { env, options: &options, style, out: Out::new(out, style), err };
    let result = run_in(&options, rest, &mut session);
    let finished = session.out.finish();
    match result {
        Ok(0) => written(finished, session.err),
        Ok(status) => status,
        Err(e) => {
            session.complain(&e.report(words, 1 + skipped));
            e.status()
        }
    }
}

fn run_in(options: &Options, rest: &[OsString], session: &mut Session<'_>) -> Result<u8, Error> {
    if let Some(netns) = &options.netns {
        session.env.enter_netns(netns)?;
    }
    if let Some(file) = &options.batch {
        return Ok(cmd::run_batch(file, session));
    }
    if rest.is_empty() {
        session.complain(cmd::USAGE);
        return Ok(0);
    }
    if let Step::Modify(modify) = cmd::start(&Word::all(rest), session)? {
        modify.run(session)?;
    }
    Ok(0)
}

fn print(to: &mut dyn Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes()).and_then(|()| to.flush())
}

/// The status of a command that did its work and could or could not write what it had to say.
fn written(result: io::Result<()>, err: &mut dyn Write) -> u8 {
    match result {
        Ok(()) => 0,
        // The reader has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(e) => {
            _ = print(err, &format!("cannot write the output: {e}\n"));
            1
        }
    }
}

impl Options {
    /// What the output looks like.
    fn style(&self, env: &dyn Env) -> Style {
        let color = match self.color {
            Color::Never => false,
            Color::Always => true,
            Color::Auto => env.shows_on_terminal(),
        };
        // See no-color.org.
        let no_color = env.var("NO_COLOR").is_some_and(|value| !value.is_empty());
        let background = || Background::of(&env.var("COLORFGBG").unwrap_or_default());
        Style {
            json: self.json,
            pretty: self.pretty,
            oneline: self.oneline,
            color: (color && !no_color).then(background),
        }
    }
}
