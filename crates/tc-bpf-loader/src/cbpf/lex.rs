//! The words of assembler text.

use super::asm::{AsmError, Problem};

/// One word of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name: of an instruction, a label, a register.
    Name(&'a str),
    /// Digits, as written.
    Number(&'a str),
    /// One of `[ ] ( ) + - * & # % : , .`
    Sign(char),
}

/// A token and where it is, both from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) token: Token<'a>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What a semicolon means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Semicolon {
    /// It begins a comment, to the end of the line.
    Comment,
    /// It stands between instructions.
    Separator,
}

/// A comment that a semicolon began behind something, and its line.
pub(super) type Comment<'a> = (usize, &'a str);

/// Cuts text into words. Comments, and blanks of all sorts, only separate them. Returns the comments as well.
pub(super) fn tokens(
    text: &str,
    semicolon: Semicolon,
) -> Result<(Vec<Placed<'_>>, Vec<Comment<'_>>), AsmError> {
    let (mut found, mut comments) = (Vec::new(), Vec::new());
    let (mut rest, mut line, mut line_start) = (text, 1, text.len());
    while let Some(first) = rest.chars().next() {
        let column = line_start - rest.len() + 1;
        let mut len = first.len_utf8();
        let run = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let token = match first {
            '\n' => {
                line += 1;
                line_start = rest.len() - 1;
                None
            }
            _ if first.is_whitespace() => None,
            '/' if rest.starts_with("/*") => {
                let inner = rest.get(2..).unwrap_or_default();
                let end = inner
                    .find("*/")
                    .ok_or_else(|| AsmError::new(line, column, Problem::Unterminated))?;
                len = end + 4;
                let comment = rest.get(..len).unwrap_or_default();
                if let Some(last) = comment.rfind('\n') {
                    line += comment.matches('\n').count();
                    line_start = rest.len() - last - 1;
                }
                None
            }
            ';' if semicolon == Semicolon::Separator => None,
            '#' if column == 1 && semicolon == Semicolon::Comment => {
                len = run(|c| c != '\n');
                None
            }
            ';' => {
                len = run(|c| c != '\n');
                // A comment on a line of its own is one for sure.
                if found.last().is_some_and(|last: &Placed<'_>| last.line == line) {
                    comments.push((line, rest.get(1..len).unwrap_or_default()));
                }
                None
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                len = run(|c| c.is_ascii_alphanumeric() || c == '_');
                Some(Token::Name(rest.get(..len).unwrap_or_default()))
            }
            '0'..='9' => {
                len = run(|c| c.is_ascii_alphanumeric());
                Some(Token::Number(rest.get(..len).unwrap_or_default()))
            }
            '[' | ']' | '(' | ')' | '+' | '-' | '*' | '&' | '#' | '%' | ':' | ',' | '.' => {
                Some(Token::Sign(first))
            }
            other => return Err(AsmError::new(line, column, Problem::Character(other))),
        };
        found.extend(token.map(|token| Placed { token, line, column }));
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok((found, comments))
}

/// The value of digits: decimal, `0x`, `0b`, or octal with a 0 in front.
pub(super) fn value(digits: &str) -> Option<u64> {
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (digits.get(2..)?, 16),
        [b'0', b'b' | b'B', ..] => (digits.get(2..)?, 2),
        [b'0', _, ..] => (digits, 8),
        _ => (digits, 10),
    };
    u64::from_str_radix(digits, radix).ok()
}
