//! The words of a command line, taken one by one.

use std::ffi::OsStr;
use std::ops::Range;

use crate::error::Error;

/// A word of a command line. Whether it is text is found out once, where the line is read.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    /// UTF-8, as nearly all words are.
    Text(&'a str),
    /// Other bytes, which can only name a file.
    Bytes(&'a OsStr),
}

impl<'a> Word<'a> {
    /// A word of any bytes.
    pub fn new(word: &'a OsStr) -> Self {
        word.to_str().map_or(Self::Bytes(word), Self::Text)
    }

    /// The words of a whole line.
    pub fn all(words: &'a [impl AsRef<OsStr>]) -> Vec<Self> {
        words.iter().map(|word| Self::new(word.as_ref())).collect()
    }

    /// The word as text, if it is some.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }

    /// The word, whatever its bytes.
    pub fn bytes(self) -> &'a OsStr {
        match self {
            Self::Text(text) => OsStr::new(text),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl AsRef<OsStr> for Word<'_> {
    fn as_ref(&self) -> &OsStr {
        self.bytes()
    }
}

/// A cursor over the words of one command, which remembers what attribute each word made.
///
/// Parsers take words and build typed requests; they touch nothing else.
#[derive(Debug)]
pub struct Args<'a> {
    words: &'a [Word<'a>],
    at: usize,
    marks: Marks,
}

/// Which words made which attribute of the request.
#[derive(Clone, Debug, Default)]
pub struct Marks(Vec<Mark>);

/// The most types of a path that are kept; a longer one stands for the nest around it.
const DEPTH: usize = 6;

/// A path, as long as `len`, and the word that made what is there.
#[derive(Clone, Copy, Debug)]
struct Mark {
    path: [u16; DEPTH],
    len: usize,
    word: usize,
}

impl Mark {
    fn path(&self) -> &[u16] {
        self.path.get(..self.len).unwrap_or_default()
    }
}

impl<'a> Args<'a> {
    /// Starts at the first of `words`.
    pub fn new(words: &'a [Word<'a>]) -> Self {
        Self { words, at: 0, marks: Marks::default() }
    }

    /// The next word, left where it is. A word that is not UTF-8 looks empty here; taking it is
    /// the error.
    pub fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|word| word.text().unwrap_or_default())
    }

    /// Takes the next word; `None` at the end.
    pub fn word(&mut self) -> Result<Option<&'a str>, Error> {
        let Some(word) = self.words.get(self.at) else { return Ok(None) };
        let text = word.text().ok_or_else(|| {
            let shown = word.bytes().to_string_lossy();
            Error::wrong(&shown, "not UTF-8").at(self.at..self.at + 1)
        })?;
        self.at += 1;
        Ok(Some(text))
    }

    /// Takes the next word, which must be there: the value of the word before it.
    pub fn value(&mut self) -> Result<&'a str, Error> {
        self.word()?.ok_or_else(Error::incomplete)
    }

    /// Makes sure that a word follows, and leaves it where it is.
    pub fn followed(&mut self) -> Result<(), Error> {
        self.value()?;
        self.back();
        Ok(())
    }

    /// Takes the next word, which must be there and may be any bytes: a file's name.
    pub fn file(&mut self) -> Result<&'a OsStr, Error> {
        let word = self.words.get(self.at).ok_or_else(Error::incomplete)?;
        self.at += 1;
        Ok(word.bytes())
    }

    /// Takes the next word if it is exactly `keyword`.
    pub fn take(&mut self, keyword: &str) -> bool {
        let found = self.peek() == Some(keyword);
        self.at += usize::from(found);
        found
    }

    /// Takes the next word if it abbreviates `keyword`.
    pub fn take_abbreviation(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| abbreviates(word, keyword));
        self.at += usize::from(found);
        found
    }

    /// Puts the last word back.
    pub fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// How many words are left.
    pub fn left(&self) -> usize {
        self.words.len() - self.at
    }

    /// The place of the last word taken.
    pub fn last(&self) -> Range<usize> {
        self.at.saturating_sub(1)..self.at
    }

    /// The place of the next word.
    pub fn next(&self) -> Range<usize> {
        self.at..self.at + 1
    }

    /// Says that the last word taken made the attribute at `path`.
    pub fn mark(&mut self, path: &[u16]) {
        let mut mark =
            Mark { path: [0; DEPTH], len: path.len().min(DEPTH), word: self.at.saturating_sub(1) };
        mark.path.iter_mut().zip(path).for_each(|(to, from)| *to = *from);
        if self.marks.0.capacity() == 0 {
            self.marks.0.reserve(16);
        }
        self.marks.0.push(mark);
    }

    /// The marks so far.
    pub fn take_marks(&mut self) -> Marks {
        std::mem::take(&mut self.marks)
    }
}

impl Marks {
    /// The word that made the attribute at `path`, or the innermost known nest around it.
    pub fn find(&self, path: &[u16]) -> Option<usize> {
        let fits = self.0.iter().filter(|mark| path.starts_with(mark.path()));
        fits.max_by_key(|mark| mark.len).map(|mark| mark.word)
    }
}

/// Whether `word` abbreviates `keyword`, as tc has it: any beginning of it, but not nothing.
pub fn abbreviates(word: &str, keyword: &str) -> bool {
    !word.is_empty() && keyword.starts_with(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mark_wins() {
        let words: Vec<_> = "bpf classid 1:1 name x".split(' ').map(Word::Text).collect();
        let mut args = Args::new(&words);
        args.word().unwrap();
        args.mark(&[1]);
        args.mark(&[2]);
        args.word().unwrap();
        args.value().unwrap();
        args.mark(&[2, 3]);
        let marks = args.take_marks();
        assert_eq!(marks.find(&[2, 3]), Some(2));
        assert_eq!(marks.find(&[2, 9]), Some(0));
        assert_eq!(marks.find(&[7]), None);
    }

    #[test]
    fn a_value_that_is_missing_is_tcs_error() {
        let err = Args::new(&[]).value().unwrap_err();
        assert_eq!(err.to_string(), "Command line is not complete. Try option \"help\"\n");
        assert_eq!(err.status(), 255);
    }

    #[test]
    fn abbreviations_are_never_empty() {
        assert!(abbreviates("s", "show"));
        assert!(!abbreviates("", "show"));
        assert!(!abbreviates("shows", "show"));
    }

    #[cfg(unix)]
    #[test]
    fn words_that_are_not_utf8_are_wrong_but_may_name_files() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(&[b'a', 0xff]);
        let words = [Word::new(name)];
        assert_eq!(Args::new(&words).file().unwrap(), name);
        assert_eq!(Args::new(&words).value().unwrap_err().status(), 255);
    }
}
