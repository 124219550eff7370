//! What can be wrong with a word that should be a number, a rate, a size, ….

use std::fmt;

/// A word that is not a value of the unit it should be in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitError {
    /// The word cannot be read at all.
    Invalid {
        /// The unit it should be in.
        unit: &'static str,
        /// The word.
        word: String,
        /// What a right word looks like.
        expected: &'static str,
    },
    /// The word can be read, and its value is one that the unit cannot hold.
    OutOfRange {
        /// The unit it should be in.
        unit: &'static str,
        /// The word.
        word: String,
        /// The values there are.
        range: &'static str,
    },
}

impl UnitError {
    pub(crate) fn invalid(unit: &'static str, word: &str, expected: &'static str) -> Self {
        Self::Invalid { unit, word: word.to_owned(), expected }
    }

    pub(crate) fn out_of_range(unit: &'static str, word: &str, range: &'static str) -> Self {
        Self::OutOfRange { unit, word: word.to_owned(), range }
    }

    /// The word that was wrong.
    pub fn word(&self) -> &str {
        match self {
            Self::Invalid { word, .. } | Self::OutOfRange { word, .. } => word,
        }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { unit, word, expected } => {
                write!(f, "\"{word}\" is no {unit}: expected {expected}")
            }
            Self::OutOfRange { unit, word, range } => {
                write!(f, "{unit} \"{word}\" is out of range: {range}")
            }
        }
    }
}

impl std::error::Error for UnitError {}
