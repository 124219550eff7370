//! What parsers of qdiscs have in common: values, and rates that may be a share of a speed.

use std::ops::Range;

use tc_proto::units::{Base, Rate, Size, SpeedShare, UnitError, parse_i32};

use crate::args::Args;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{Pending, Plain, Target};

/// A rate as written: a rate, or a share of a speed that is not known yet.
#[derive(Clone, Debug)]
pub(super) enum RateArg {
    /// A rate.
    Rate(Rate),
    /// A share, and which word it is.
    Share(String, Range<usize>),
}

impl RateArg {
    /// Takes the value of `keyword`.
    pub(super) fn parse(args: &mut Args<'_>, keyword: &str, usage: &str) -> Result<Self, Error> {
        Self::parse_or(args, |_| Error::illegal(keyword).line_if(usage))
    }

    /// Takes a value; `refuse` says what tc says of a word that is none.
    pub(super) fn parse_or(
        args: &mut Args<'_>,
        refuse: impl FnOnce(&str) -> Error,
    ) -> Result<Self, Error> {
        let word = args.value()?;
        if word.contains('%') {
            return Ok(Self::Share(word.to_owned(), args.last()));
        }
        let rate = Rate::parse(word);
        Ok(Self::Rate(rate.map_err(|e| refuse(word).at(args.last()).hint(e.to_string()))?))
    }

    /// Whether the rate is known to be none.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Self::Rate(Rate(0)))
    }

    /// The rate in bytes a second; `refuse` says what tc says of a word that is none.
    pub(super) fn resolve(
        self,
        env: &mut dyn Env,
        target: &Target,
        refuse: impl FnOnce(&str) -> String,
    ) -> Result<Rate, Error> {
        match self {
            Self::Rate(rate) => Ok(rate),
            Self::Share(word, place) => {
                share(&word, env, target).map_err(|e| e.line(refuse(&word).trim_end()).at(place))
            }
        }
    }
}

fn share(word: &str, env: &mut dyn Env, target: &Target) -> Result<Rate, Error> {
    let Some(dev) = &target.dev else {
        let line = "No device specified; specify device to rate limit by percentage";
        return Err(Error::refused(line));
    };
    let mbit = env.link_speed(dev)?;
    match SpeedShare::parse(word) {
        Ok(share) => Ok(share.of_speed(mbit)),
        Err(UnitError::OutOfRange { .. }) => Err(Error::refused(format_args!(
            "Invalid rate specified; should be between [0,100]% but is {word}"
        ))),
        Err(_) => {
            let line = "Specified rate value could not be read or is malformed";
            Err(Error::refused(line))
        }
    }
}

/// The last word taken is no value of `keyword`.
pub(super) fn illegal(args: &Args<'_>, keyword: &str, usage: &str, e: &UnitError) -> Error {
    Error::illegal(keyword).line_if(usage).at(args.last()).hint(e.to_string())
}

/// Takes the value of `keyword`. With an error comes the usage, if any.
pub(super) fn value<T>(
    args: &mut Args<'_>,
    keyword: &str,
    usage: &str,
    read: impl FnOnce(&str) -> Result<T, UnitError>,
) -> Result<T, Error> {
    let word = args.value()?;
    read(word).map_err(|e| illegal(args, keyword, usage, &e))
}

/// `SIZE/CELL` as tc shows it when it refuses it: it has cut the word at the slash, and joins it
/// again for a cell that is no power of two.
pub(crate) fn shown_size(word: &str) -> &str {
    match word.split_once('/') {
        Some((size, cell))
            if Size::parse(size).is_err() || parse_i32(cell, Base::Auto).is_err() =>
        {
            size
        }
        _ => word,
    }
}

/// The last word taken is none of the kind's.
pub(super) fn unknown(args: &Args<'_>, word: &str, usage: &str) -> Error {
    Error::refused(format_args!("What is \"{word}\"?")).line(usage.trim_end()).at(args.last())
}

/// Reads the words of a kind that has none.
pub(super) fn no_words<K: tc_proto::Kind + 'static>(
    args: &mut Args<'_>,
    usage: &str,
    wire: K,
) -> Result<Box<dyn Pending>, Error> {
    match args.word()? {
        None => Ok(Box::new(Plain(wire))),
        Some("help") => Err(Error::refused(usage)),
        Some(other) => Err(unknown(args, other, usage)),
    }
}
