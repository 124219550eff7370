//! Why a command failed: the lines that tc prints, and what we add to them.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// A command that failed.
///
/// Shown as the lines that tc would print; then, indented by two spaces, lines of our own: the
/// command line with the offending word underlined, and hints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Error {
    status: u8,
    ends_batch: bool,
    lines: String,
    blame: Option<Range<usize>>,
    hints: Vec<String>,
}

impl Error {
    /// The status of a failure that tc calls a usage error.
    const USAGE: u8 = 255;

    /// `lines` as tc prints them, each without its newline; nothing at all when empty.
    pub fn new(status: u8, lines: impl fmt::Display) -> Self {
        let mut text = lines.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Self { status, lines: text, ..Self::default() }
    }

    /// Words that contradict each other or that the command does not have.
    pub fn invalid(lines: impl fmt::Display) -> Self {
        Self::new(Self::USAGE, lines)
    }

    /// A word or its absence that no command can do anything with. Such an error ends even a batch
    /// with `-force`.
    pub fn usage(lines: impl fmt::Display) -> Self {
        Self { ends_batch: true, ..Self::new(Self::USAGE, lines) }
    }

    /// The kind's parser refused a word.
    pub fn refused(lines: impl fmt::Display) -> Self {
        Self::new(1, lines)
    }

    /// The command line ends where a word is needed.
    pub fn incomplete() -> Self {
        Self::usage("Command line is not complete. Try option \"help\"")
    }

    /// The value of an argument is wrong.
    pub fn wrong(word: &str, why: &str) -> Self {
        Self::usage(format_args!("Error: argument \"{word}\" is wrong: {why}"))
    }

    /// An argument is missing.
    pub fn required(argument: &str) -> Self {
        Self::usage(format_args!("Error: argument \"{argument}\" is required"))
    }

    /// An argument is given twice.
    pub fn duplicate(argument: &str, second: &str) -> Self {
        Self::usage(format_args!(
            "Error: duplicate \"{argument}\": \"{second}\" is the second value."
        ))
    }

    /// The value of a keyword is refused by the kind.
    pub fn illegal(keyword: &str) -> Self {
        Self::refused(format_args!("Illegal \"{keyword}\""))
    }

    /// Says which words are to blame.
    #[must_use]
    pub fn at(mut self, words: Range<usize>) -> Self {
        self.blame = Some(words);
        self
    }

    /// Adds a hint: what the cause is, or what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds another of tc's lines.
    #[must_use]
    pub fn line(mut self, line: impl fmt::Display) -> Self {
        _ = writeln!(self.lines, "{line}");
        self
    }

    /// Puts another of tc's lines in front.
    #[must_use]
    pub(crate) fn after(mut self, line: &str) -> Self {
        self.lines = format!("{line}\n{}", self.lines);
        self
    }

    /// Adds more of tc's lines, if there are any.
    #[must_use]
    pub(crate) fn line_if(self, lines: &str) -> Self {
        if lines.is_empty() { self } else { self.line(lines.trim_end()) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Whether the error ends a batch at once, even with `-force`.
    pub fn ends_batch(&self) -> bool {
        self.ends_batch
    }

    /// tc's lines, then ours; `words` is the command line that the error speaks of, whose first
    /// `skipped` words its parser did not see.
    pub fn report(&self, words: &[impl AsRef<std::ffi::OsStr>], skipped: usize) -> String {
        let mut text = self.lines.clone();
        if let Some(blame) = &self.blame {
            underline(&mut text, words, &(blame.start + skipped..blame.end + skipped));
        }
        for hint in &self.hints {
            _ = writeln!(text, "  hint: {}", hint.replace('\n', "\n  "));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

impl std::error::Error for Error {}

/// What a failed system call says, in the C library's words.
pub(crate) fn io_text(e: &std::io::Error) -> String {
    e.raw_os_error().map_or_else(|| e.to_string(), tc_proto::client::errno_text)
}

/// The longest command line that is shown whole; of longer ones, what surrounds the word.
const SHOWN: usize = 160;

fn underline(text: &mut String, words: &[impl AsRef<std::ffi::OsStr>], blame: &Range<usize>) {
    let shown = |word: &dyn AsRef<std::ffi::OsStr>| {
        let word = word.as_ref().to_string_lossy();
        let clean: String = word.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        match clean.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
            None if clean.is_empty() || clean.contains(' ') => format!("'{clean}'"),
            None => clean,
        }
    };
    let mut line = String::new();
    let mut marks = String::new();
    for (i, word) in words.iter().enumerate() {
        let word = shown(word);
        let far = line.chars().count() + word.chars().count() > SHOWN && i != blame.start;
        if far && i < blame.start {
            line = String::from("…");
            marks = String::from(" ");
        } else if far {
            line.push_str(" …");
            break;
        }
        let mark = if blame.contains(&i) { '^' } else { ' ' };
        for (to, gap) in [(&mut line, ' '), (&mut marks, ' ')] {
            if !to.is_empty() {
                to.push(gap);
            }
        }
        marks.extend(word.chars().map(|_| mark));
        line.push_str(&word);
    }
    if marks.contains('^') {
        _ = writeln!(text, "  {line}\n  {}", marks.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_lines_follow_tcs_and_are_indented() {
        let words: Vec<_> = "rtc filter add dev eth0 bpf".split(' ').collect();
        let err = Error::new(2, "Error: No.").at(4..5).hint("do this");
        assert_eq!(
            err.report(&words, 0),
            "Error: No.\n  rtc filter add dev eth0 bpf\n                     ^^^^\n  hint: do this\n"
        );
    }

    #[test]
    fn a_huge_word_is_cut() {
        let huge = "x".repeat(1 << 20);
        let words = ["rtc", "qdisc", &huge];
        let report = Error::new(2, "Error: No.").at(2..3).report(&words, 0);
        assert!(report.len() < 2000, "{}", report.len());
        assert!(report.contains("^^^"));
    }

    #[test]
    fn no_lines_means_silence() {
        assert_eq!(Error::new(255, "").report(&["rtc"], 0), "");
    }
}
