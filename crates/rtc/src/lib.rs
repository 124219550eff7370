//! The command `rtc`, as a library: takes tc's command lines and prints tc's output.
//!
//! ```no_run
//! use std::ffi::OsString;
//! let words: Vec<OsString> = ["rtc", "qdisc", "show"].map(OsString::from).into();
//! let mut system = rtc::env::System::default();
//! let status = rtc::run(&words, &mut system, &mut std::io::stdout(), &mut std::io::stderr());
//! ```
//!
//! The way of a command line: [`options`] before the object, the object and the words that all
//! kinds share, then the kind's own parser, found in the tables of [`kinds`]. All that is pure.
//! What it returns is resolved against the [`env`], encoded and sent.

mod actions;
pub mod args;
mod cmd;
pub mod env;
pub mod error;
pub mod filter;
pub mod kinds;
pub mod names;
mod netns;
pub mod options;
pub mod out;
pub mod qdisc;
mod stats;
mod sysfs;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use cmd::{Session, Step};
use env::Env;
use error::Error;
use names::ClassNames;
use options::{Color, Options, Parsed};
use out::{Out, Style};

/// Runs a command line, the program's name first, and returns its exit status.
///
/// With `-n` the calling thread moves to another network namespace and stays there.
pub fn run(words: &[OsString], env: &mut dyn Env, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let after_name = words.get(1..).unwrap_or_default();
    let (mut options, rest, skipped) = match options::parse(after_name) {
        Ok(Parsed::Run(options, rest, skipped)) => (options, rest, skipped),
        Ok(Parsed::Version) => return print(out, cmd::VERSION),
        Ok(Parsed::Help) => {
            print(err, cmd::USAGE);
            return 0;
        }
        Err(e) => {
            print(err, &e.report(words, 1));
            return e.status();
        }
    };
    // A batch never shows names of classes.
    if options.names && options.batch.is_none() {
        match ClassNames::load(options.conf.as_deref()) {
            Ok((names, complaints)) => {
                print(err, &complaints);
                options.class_names = names;
            }
            Err(e) => {
                print(err, &e.report(words, 1));
                return e.status();
            }
        }
    }
    let style = options.style();
    let mut session = Session { env, options: &options, out: Out::new(out, style), err };
    let result = run_in(&options, rest, &mut session);
    let written = session.out.finish();
    match result {
        Ok(0) => match written {
            Ok(()) => 0,
            // The reader has seen enough.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Err(e) => {
                session.complain(&format!("cannot write the output: {e}\n"));
                1
            }
        },
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
    if let Step::Modify(modify) = cmd::start(rest, session)? {
        modify.run(session)?;
    }
    Ok(0)
}

fn print(to: &mut dyn Write, text: &str) -> u8 {
    u8::from(to.write_all(text.as_bytes()).and_then(|()| to.flush()).is_err())
}

impl Options {
    /// What the output looks like.
    fn style(&self) -> Style {
        let color = match self.color {
            Color::Never => false,
            Color::Always => true,
            Color::Auto => std::io::stdout().is_terminal(),
        };
        // See no-color.org.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style {
            json: self.json,
            pretty: self.pretty,
            oneline: self.oneline,
            color: color && !no_color,
        }
    }
}
