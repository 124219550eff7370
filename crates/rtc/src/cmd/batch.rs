//! `-batch FILE`: a command a line.
//!
//! Without `-force` a failing line stops the batch, so lines go one by one. With it, changes are
//! pipelined and their outcomes reported in the order of the lines; they are not held back while
//! the next line is not there yet.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tc_proto::client::{Ack, Error as ClientError};

use super::{Modify, Session, Step, start};
use crate::args::Word;
use crate::error::{Error, io_text};

/// The most words a line may have.
const MAX_WORDS: usize = 511;

/// More than most lines have.
const USUAL_WORDS: usize = 32;

/// Runs the commands in `file` (`-` is standard input) and returns the exit status.
pub(crate) fn run(file: &OsStr, session: &mut Session<'_>) -> u8 {
    if file == "-" {
        let input = session.env.stdin();
        return Batch::new(file, session).run(input);
    }
    match session.env.open(Path::new(file)) {
        Ok(input) => Batch::new(file, session).run(input),
        Err(e) => {
            let name = file.to_string_lossy();
            let why = io_text(&e);
            session.complain(&format!("Cannot open file \"{name}\" for reading: {why}\n"));
            1
        }
    }
}

/// A batch that is being run.
struct Batch<'s, 'a> {
    name: String,
    session: &'s mut Session<'a>,
    failed: bool,
    /// Changes that were queued and whose outcome is not known yet, with their lines.
    queued: VecDeque<Line>,
}

struct Line {
    number: u64,
    /// What was read, to be split again if it failed.
    text: Vec<u8>,
    modify: Box<Modify>,
}

/// Whether the batch goes on.
enum Next {
    GoOn,
    Stop(u8),
}

impl<'s, 'a> Batch<'s, 'a> {
    fn new(file: &OsStr, session: &'s mut Session<'a>) -> Self {
        let name = file.to_string_lossy().into_owned();
        Self { name, session, failed: false, queued: VecDeque::new() }
    }

    fn run(mut self, input: impl Read) -> u8 {
        let stopped = self.lines(BufReader::with_capacity(64 * 1024, input));
        self.settle();
        stopped.unwrap_or(u8::from(self.failed))
    }

    /// Runs the lines; the status with which the batch stops before its end.
    fn lines(&mut self, mut input: BufReader<impl Read>) -> Option<u8> {
        let mut reader = LineReader::default();
        loop {
            if !self.queued.is_empty() && !input.buffer().contains(&b'\n') {
                // Reading may have to wait.
                self.settle();
            }
            match reader.next(&mut input) {
                Ok(true) => {
                    let words = match split(&reader.line) {
                        Ok(words) => words,
                        Err(line) => {
                            self.settle();
                            self.session.complain(line);
                            return Some(1);
                        }
                    };
                    if words.is_empty() {
                        continue;
                    }
                    if let Next::Stop(status) = self.line(&words, &reader) {
                        return Some(status);
                    }
                }
                Ok(false) => return None,
                Err(ReadError::Continuation) => {
                    self.settle();
                    self.session.complain("Missing continuation line\n");
                    return None;
                }
                Err(ReadError::Io(e)) => {
                    self.settle();
                    let text = format!("Cannot read file \"{}\": {}\n", self.name, io_text(&e));
                    self.session.complain(&text);
                    return Some(1);
                }
            }
        }
    }

    fn line(&mut self, words: &[Word<'_>], reader: &LineReader) -> Next {
        let number = reader.number;
        // What a line shows and says must follow what earlier lines say.
        let changes = words.get(1).and_then(|w| w.text()).is_some_and(|w| {
            !w.is_empty() && {
                ["add", "change", "replace", "delete"].iter().any(|verb| verb.starts_with(w))
            }
        });
        if !changes {
            self.settle();
        }
        match start(words, self.session) {
            Ok(Step::Done) => Next::GoOn,
            Ok(Step::Modify(modify)) if self.session.options.force => {
                self.queue(Line { number, text: reader.line.clone(), modify });
                Next::GoOn
            }
            Ok(Step::Modify(modify)) => match modify.run(self.session) {
                Ok(()) => Next::GoOn,
                Err(e) => self.fail(&e, words, number),
            },
            Err(e) => {
                self.settle();
                self.fail(&e, words, number)
            }
        }
    }

    fn fail(&mut self, e: &Error, words: &[Word<'_>], number: u64) -> Next {
        self.session.complain(&e.report(words, 0));
        if e.ends_batch() {
            return Next::Stop(e.status());
        }
        self.failed = true;
        self.session.complain(&format!("Command failed {}:{number}\n", self.name));
        if self.session.options.force { Next::GoOn } else { Next::Stop(1) }
    }

    fn queue(&mut self, line: Line) {
        let mut outcomes = Vec::new();
        let request = line.modify.request().map_err(ClientError::Encode);
        let queued = request.and_then(|request| {
            self.session.env.queue(&request, &mut |_, outcome| outcomes.push(outcome))
        });
        match queued {
            Ok(()) => {
                self.queued.push_back(line);
                self.report(outcomes);
            }
            Err(e) => {
                self.report(outcomes);
                self.settle();
                self.outcome(&line, Err(e));
            }
        }
    }

    /// Waits for the outcomes of everything queued and reports them.
    fn settle(&mut self) {
        let mut outcomes = Vec::new();
        if let Err(e) = self.session.env.settle(&mut |_, outcome| outcomes.push(outcome)) {
            self.session.complain(&format!("RTNETLINK: {e}\n"));
            self.failed = true;
        }
        self.report(outcomes);
    }

    fn report(&mut self, outcomes: Vec<Result<Ack, ClientError>>) {
        for outcome in outcomes {
            if let Some(line) = self.queued.pop_front() {
                self.outcome(&line, outcome);
            }
        }
    }

    fn outcome(&mut self, line: &Line, outcome: Result<Ack, ClientError>) {
        if let Err(e) = line.modify.finish(outcome, self.session) {
            // It was split before.
            let words = split(&line.text).unwrap_or_default();
            self.fail(&e, &words, line.number);
        }
    }
}

/// Why no further line can be read.
enum ReadError {
    Continuation,
    Io(io::Error),
}

/// Reads lines, joining those that end in a backslash and dropping comments.
#[derive(Default)]
struct LineReader {
    line: Vec<u8>,
    /// Lines read so far, as they stand in the file.
    number: u64,
}

impl LineReader {
    /// Reads into [`line`](Self::line); `false` at the end.
    fn next(&mut self, input: &mut impl BufRead) -> Result<bool, ReadError> {
        self.line.clear();
        let mut continued = false;
        loop {
            let start = self.line.len();
            let read = input.read_until(b'\n', &mut self.line).map_err(ReadError::Io)?;
            if read == 0 {
                return if continued { Err(ReadError::Continuation) } else { Ok(false) };
            }
            self.number += 1;
            let added = self.line.get(start..).unwrap_or_default();
            // Most lines have none, which this finds out faster.
            if added.contains(&b'#') {
                let text = added.split(|b| *b == b'#').next().unwrap_or_default().len();
                self.line.truncate(start + text);
                return Ok(true);
            }
            if !self.line.ends_with(b"\\\n") {
                return Ok(true);
            }
            self.line.truncate(self.line.len() - 2);
            continued = true;
        }
    }
}

/// Splits a line into words: at white space, except inside quotes that start a word.
fn split(line: &[u8]) -> Result<Vec<Word<'_>>, &'static str> {
    let is_blank = |b: &u8| *b <= b' ' && matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    // Whether it is text is asked once and not of every word.
    let text = std::str::from_utf8(line).ok();
    let word = |place: Range<usize>| match text {
        Some(text) => Word::Text(text.get(place).unwrap_or_default()),
        None => Word::new(OsStr::from_bytes(line.get(place).unwrap_or_default())),
    };
    let mut words = Vec::with_capacity(USUAL_WORDS);
    let mut bytes = line.iter().enumerate();
    while let Some((start, first)) = bytes.find(|(_, b)| !is_blank(b)) {
        if words.len() == MAX_WORDS {
            return Err("Too many arguments to command\n");
        }
        words.push(if matches!(first, b'"' | b'\'') {
            let end = bytes.find(|(_, b)| *b == first);
            let (end, _) = end.ok_or("Unterminated quoted string\n")?;
            word(start + 1..end)
        } else {
            let end = bytes.find(|(_, b)| is_blank(b));
            word(start..end.map_or(line.len(), |(end, _)| end))
        });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, &'static str> {
        let words = split(line.as_bytes())?;
        Ok(words.into_iter().map(|w| w.text().unwrap().to_owned()).collect())
    }

    fn lines(text: &str) -> (Vec<(String, u64)>, bool) {
        let mut reader = LineReader::default();
        let mut input = text.as_bytes();
        let mut seen = vec![];
        loop {
            match reader.next(&mut input) {
                Ok(true) => {
                    let line = String::from_utf8(reader.line.clone()).unwrap();
                    seen.push((line, reader.number));
                }
                Ok(false) => return (seen, true),
                Err(_) => return (seen, false),
            }
        }
    }

    #[test]
    fn quotes_count_only_at_the_start_of_a_word() {
        assert_eq!(words("a 'b c' \"d'e\" f'g\r\n").unwrap(), ["a", "b c", "d'e", "f'g"]);
        assert_eq!(words("'' x''").unwrap(), ["", "x''"]);
        assert_eq!(words("'a'b c").unwrap(), ["a", "b", "c"]);
        assert_eq!(words("a 'b").unwrap_err(), "Unterminated quoted string\n");
    }

    #[test]
    fn a_word_that_is_no_text_leaves_the_others_text() {
        let words = split(b"a \"b c\" d\xff\xc3\xbc \xc3\xbc").unwrap();
        let texts: Vec<_> = words.iter().map(|w| w.text()).collect();
        assert_eq!(texts, [Some("a"), Some("b c"), None, Some("ü")]);
        assert_eq!(words[2].bytes().as_bytes(), b"d\xff\xc3\xbc");
    }

    #[test]
    fn lines_join_and_keep_the_number_of_the_last() {
        let (seen, whole) = lines("a \\\nb\n#c\nd # e \\\nf");
        let expected = [("a b\n", 2), ("", 3), ("d ", 4), ("f", 5)].map(|(l, n)| (l.to_owned(), n));
        assert_eq!(seen, expected);
        assert!(whole);
    }

    #[test]
    fn a_continuation_into_nothing_is_missed() {
        assert_eq!(lines("a\nb \\\n"), (vec![("a\n".into(), 1)], false));
        // Without its line break the backslash is a word.
        assert_eq!(lines("b \\"), (vec![("b \\".into(), 1)], true));
    }

    #[test]
    fn five_hundred_and_eleven_words_are_the_most() {
        assert_eq!(words(&"x ".repeat(511)).unwrap().len(), 511);
        assert_eq!(words(&"x ".repeat(512)).unwrap_err(), "Too many arguments to command\n");
    }
}
