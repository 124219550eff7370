//! What is wrong with an expression of ematches, in tc's words and with its marks.

use std::fmt::Write as _;

use crate::error::Error;

use super::Arg;

/// What is wrong with an ematch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    text: String,
    shown: Shown,
}

/// What is shown below the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Nothing.
    Nothing,
    /// The word of the command line, and the usage.
    Word,
    /// That, and the arguments from one on, with a mark around another.
    Args { from: usize, mark: Option<usize> },
}

impl Fault {
    /// The text alone.
    pub fn bare(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: Shown::Nothing }
    }

    /// What concerns the whole ematch; its arguments are not shown.
    pub fn unshown(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: Shown::Word }
    }

    /// What is missing among the arguments.
    pub fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: Shown::Args { from: 0, mark: None } }
    }

    /// What is wrong with one of the arguments.
    pub fn at(text: impl Into<String>, arg: usize) -> Self {
        Self { text: text.into(), shown: Shown::Args { from: 0, mark: Some(arg) } }
    }

    /// The same, without the arguments before this one.
    #[must_use]
    pub fn showing_from(mut self, arg: usize) -> Self {
        if let Shown::Args { from, .. } = &mut self.shown {
            *from = arg;
        }
        self
    }

    /// As an error, for the ematch `kind(args)` of `place`.
    pub(super) fn error(&self, place: &Place, kind: &str, args: &[Arg], usage: &str) -> Error {
        let mut text = format!("{}\n", self.text);
        if self.shown != Shown::Nothing {
            text.push_str(&place.marked());
        }
        if let Shown::Args { from, mark } = self.shown {
            text.push_str("... ");
            text.push_str(kind);
            text.push('(');
            for (i, arg) in args.iter().enumerate().skip(from) {
                let arg = arg.text();
                text.push_str(if i > from { " " } else { "" });
                let (before, behind) = if mark == Some(i) { (">>", "<<") } else { ("", "") };
                _ = write!(text, "{before}{arg}{behind}");
            }
            text.push_str(")...\n");
        }
        if self.shown != Shown::Nothing {
            text.push_str(usage);
        }
        place.refuse(text)
    }
}

/// Where in the command line an expression is, and the word of it that is to blame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The words of the expression, to the one that its reader has come to.
    pub(super) words: Vec<String>,
    /// The one that is to blame; there may be none to show.
    pub(super) blamed: Option<usize>,
    /// The place of the first word among all words.
    pub(super) start: usize,
}

impl Place {
    /// The words up to the one that is to blame.
    pub(super) fn marked(&self) -> String {
        let mut text = String::from("... ");
        for (i, word) in self.words.iter().enumerate() {
            match self.blamed {
                Some(blamed) if i < blamed => _ = write!(text, "{word} "),
                Some(blamed) if i == blamed => _ = write!(text, ">>{word}<< "),
                _ => break,
            }
        }
        text.push_str("...\n");
        text
    }

    /// An error of the filter's: `text`, and the line that ends it.
    pub(super) fn refuse(&self, text: impl std::fmt::Display) -> Error {
        let at = self.start + self.blamed.unwrap_or(0);
        Error::refused(text).line("Illegal \"ematch\"").at(at..at + 1)
    }
}
