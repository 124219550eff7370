//! The words of a command line as one text, cut into the tokens of an expression.

use crate::args::Args;
use crate::error::Error;

use super::Arg;
use super::fault::Place;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `and`, in any case.
    And,
    /// `or`, in any case.
    Or,
    /// `not`, in any case.
    Not,
    /// Any other word, or what stands in quotes.
    Word(Arg),
    /// What stands in quotes and cannot be read; the text says why.
    Bad(&'static str),
    /// There are no more words.
    End,
}

/// Reads tokens. A word of the command line ends a token, except between quotes.
#[derive(Debug)]
pub(super) struct Lexer<'a, 'w> {
    args: &'a mut Args<'w>,
    /// What is left of the word that it has come to.
    rest: &'w str,
    words: Vec<&'w str>,
    start: usize,
}

impl<'a, 'w> Lexer<'a, 'w> {
    /// Starts at the next word.
    pub(super) fn new(args: &'a mut Args<'w>) -> Self {
        let start = args.next().start;
        Self { args, rest: "", words: Vec::new(), start }
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Token, Error> {
        loop {
            self.rest = self.rest.trim_start_matches(is_blank);
            if !self.rest.is_empty() {
                break;
            }
            if !self.pull()? {
                return Ok(Token::End);
            }
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            return Ok(Token::Open);
        }
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
            return Ok(Token::Close);
        }
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted();
        }
        let end = self.rest.find(|c| is_blank(c) || matches!(c, '(' | ')'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Ok(match word.to_ascii_lowercase().as_str() {
            "and" => Token::And,
            "or" => Token::Or,
            "not" => Token::Not,
            _ => Token::Word(Arg { bytes: word.as_bytes().to_vec(), quoted: false }),
        })
    }

    /// Leaves the word that it has come to for whoever reads on: tc reads it once more, even the
    /// last one.
    pub(super) fn leave(&mut self) {
        if !self.words.is_empty() {
            self.args.back();
        }
    }

    /// Where it has come to.
    pub(super) fn place(&self) -> Place {
        Place {
            words: self.words.iter().map(|word| (*word).to_owned()).collect(),
            blamed: self.words.len().checked_sub(1),
            start: self.start,
        }
    }

    fn pull(&mut self) -> Result<bool, Error> {
        let Some(word) = self.args.word()? else { return Ok(false) };
        self.words.push(word);
        self.rest = word;
        Ok(true)
    }

    /// The next character between quotes; a blank where a word ends.
    fn char(&mut self) -> Result<Option<char>, Error> {
        let mut chars = self.rest.chars();
        if let Some(c) = chars.next() {
            self.rest = chars.as_str();
            return Ok(Some(c));
        }
        Ok(self.pull()?.then_some(' '))
    }

    /// The digits at the front of what is left, at most `most` of them.
    fn digits(&mut self, radix: u32, most: usize) -> &'w str {
        let end = self.rest.char_indices().take(most).find(|(_, c)| !c.is_digit(radix));
        let end = end.map_or(self.rest.len().min(most), |(end, _)| end);
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        digits
    }

    fn quoted(&mut self) -> Result<Token, Error> {
        let mut bytes = Vec::new();
        loop {
            match self.char()? {
                None => return Ok(Token::End),
                Some('"') => return Ok(Token::Word(Arg { bytes, quoted: true })),
                Some('\\') => match self.escape()? {
                    Ok(Some(c)) => push(&mut bytes, c),
                    Ok(None) => return Ok(Token::End),
                    Err(why) => return Ok(Token::Bad(why)),
                },
                Some(c) => push(&mut bytes, Char::Text(c)),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Result<Option<Char>, &'static str>, Error> {
        const NOT_OCTAL: &str = "error: invalid octale escape sequence";
        const TOO_LARGE: &str = "error: octal escape sequence out of range";
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = self.digits(10, usize::MAX);
            let octal = digits.len() <= 3 && !digits.contains(['8', '9']);
            return Ok(match u16::from_str_radix(digits, 8).ok().filter(|_| octal) {
                None => Err(NOT_OCTAL),
                Some(code) => match u8::try_from(code) {
                    Ok(byte) => Ok(Some(Char::Byte(byte))),
                    Err(_) => Err(TOO_LARGE),
                },
            });
        }
        let Some(c) = self.char()? else { return Ok(Ok(None)) };
        Ok(Ok(Some(match c {
            'a' => Char::Byte(7),
            'b' => Char::Byte(8),
            'f' => Char::Byte(12),
            'n' => Char::Byte(b'\n'),
            'r' => Char::Byte(b'\r'),
            't' => Char::Byte(b'\t'),
            'v' => Char::Byte(11),
            'x' => match u8::from_str_radix(self.digits(16, 2), 16) {
                Ok(byte) => Char::Byte(byte),
                Err(_) => Char::Text('x'),
            },
            c => Char::Text(c),
        })))
    }
}

/// A piece of what stands in quotes.
#[derive(Clone, Copy)]
enum Char {
    Text(char),
    Byte(u8),
}

fn push(bytes: &mut Vec<u8>, c: Char) {
    match c {
        Char::Byte(byte) => bytes.push(byte),
        Char::Text(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
