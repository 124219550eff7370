//! tc's text of bytecode.

use std::error::Error;
use std::fmt;

use super::{MAX_INSNS, SockFilter};

/// Shows instructions as the text that [`parse_bytecode`] reads and tc prints.
///
/// ```
/// # use tc_bpf_loader::cbpf::{Bytecode, SockFilter};
/// let text = Bytecode(&[SockFilter::new(6, 0, 0, 4294967295)]).to_string();
/// assert_eq!(text, "1,6 0 0 4294967295");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bytecode<'a>(pub &'a [SockFilter]);

impl fmt::Display for Bytecode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())?;
        self.0.iter().try_for_each(|i| write!(f, ",{} {} {} {}", i.code, i.jt, i.jf, i.k))
    }
}

/// Shows instructions as initialisers of a C array of `struct sock_filter`, one a line.
///
/// ```
/// # use tc_bpf_loader::cbpf::{Initialisers, SockFilter};
/// let text = Initialisers(&[SockFilter::new(0x28, 0, 0, 12)]).to_string();
/// assert_eq!(text, "{ 0x28,  0,  0, 0x0000000c },\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Initialisers<'a>(pub &'a [SockFilter]);

impl fmt::Display for Initialisers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|i| {
            writeln!(f, "{{ {:#04x}, {:2}, {:2}, {:#010x} }},", i.code, i.jt, i.jf, i.k)
        })
    }
}

/// Why a text is no bytecode.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BytecodeError {
    /// The text does not start with a count from 1 to 4096 and a comma.
    Count {
        /// What is there instead, shortened.
        found: String,
    },
    /// Fewer instructions than the count says.
    Less {
        /// The count.
        expected: usize,
        /// Instructions there are.
        found: usize,
    },
    /// More text after as many instructions as the count says.
    More {
        /// The count.
        expected: usize,
    },
    /// An instruction is not four numbers in range.
    At {
        /// The instruction, from 0.
        index: usize,
        /// What is there instead, shortened.
        found: String,
    },
}

impl fmt::Display for BytecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BytecodeError::Count { found } => write!(
                f,
                "bytecode starts with the number of instructions, 1 to {MAX_INSNS}, and a comma, not with `{found}`"
            ),
            BytecodeError::Less { expected, found } => {
                write!(f, "bytecode of {expected} instructions ends after {found}")
            }
            BytecodeError::More { expected } => {
                write!(f, "bytecode of {expected} instructions goes on after them")
            }
            BytecodeError::At { index, found } => write!(
                f,
                "instruction {index} of the bytecode is `{found}`, not `code jt jf k` \
                 (at most 65535, 255, 255 and 4294967295)"
            ),
        }
    }
}

impl Error for BytecodeError {}

/// Reads bytecode as it stands on a command line.
///
/// As in tc: blanks may surround the count and separate the numbers in any amount, one comma may end the text, and a
/// constant may be negative, which means its two's complement. Unlike tc: numbers out of range and text after the
/// fourth number of an instruction are errors, rather than cut off.
///
/// # Errors
/// [`BytecodeError`].
pub fn parse_bytecode(text: &str) -> Result<Vec<SockFilter>, BytecodeError> {
    let (count, mut rest) = text.split_once(',').unwrap_or((text, ""));
    let expected: usize = match count.trim_start().parse() {
        Ok(n @ 1..=MAX_INSNS) if text.contains(',') => n,
        _ => return Err(BytecodeError::Count { found: shortened(count) }),
    };
    let mut found = Vec::with_capacity(expected);
    while found.len() < expected && !rest.is_empty() {
        let (one, after) = rest.split_once(',').unwrap_or((rest, ""));
        let insn = instruction(one)
            .ok_or_else(|| BytecodeError::At { index: found.len(), found: shortened(one) })?;
        found.push(insn);
        rest = after;
    }
    if found.len() < expected {
        return Err(BytecodeError::Less { expected, found: found.len() });
    }
    if !rest.is_empty() {
        return Err(BytecodeError::More { expected });
    }
    Ok(found)
}

/// Reads bytecode in any of its forms: that of [`parse_bytecode_file`], and initialisers of a C array as `tcpdump -dd`
/// and [`Initialisers`] write them, which have no count.
///
/// # Errors
/// [`BytecodeError`].
pub fn parse_any_bytecode(text: &str) -> Result<Vec<SockFilter>, BytecodeError> {
    if !text.trim_start().starts_with('{') {
        return parse_bytecode_file(text);
    }
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let index = found.len();
        let fail = || BytecodeError::At { index, found: shortened(rest) };
        let inner = rest.strip_prefix('{').ok_or_else(fail)?;
        let (fields, after) = inner.split_once('}').ok_or_else(fail)?;
        let mut fields = fields.split(',').map(str::trim);
        let mut field = || {
            let field = fields.next()?;
            match field.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => field.parse().ok(),
            }
        };
        let insn = (field(), field(), field(), field());
        let (Some(code), Some(jt), Some(jf), Some(k)) = insn else { return Err(fail()) };
        let (Ok(code), Ok(jt), Ok(jf)) = (code.try_into(), jt.try_into(), jf.try_into()) else {
            return Err(fail());
        };
        if fields.next().is_some_and(|more| !more.is_empty()) || found.len() >= MAX_INSNS {
            return Err(fail());
        }
        found.push(SockFilter { code, jt, jf, k });
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(found)
}

/// Reads bytecode as it stands in a file, where newlines may stand for commas and empty lines for nothing; the last
/// comma ends the text.
///
/// # Errors
/// [`BytecodeError`].
pub fn parse_bytecode_file(text: &str) -> Result<Vec<SockFilter>, BytecodeError> {
    let lines = text.trim().lines().map(str::trim).filter(|line| !line.is_empty());
    let mut joined = String::with_capacity(text.len());
    for line in lines {
        joined.push_str(line);
        if !line.ends_with(',') {
            joined.push(',');
        }
    }
    parse_bytecode(&joined)
}

fn instruction(text: &str) -> Option<SockFilter> {
    let mut words = text.split_ascii_whitespace();
    let code = words.next()?.parse().ok()?;
    let jt = words.next()?.parse().ok()?;
    let jf = words.next()?.parse().ok()?;
    let k = words.next()?;
    let k = if k.starts_with('-') { k.parse::<i32>().ok()? as u32 } else { k.parse().ok()? };
    words.next().is_none().then_some(SockFilter { code, jt, jf, k })
}

/// At most 32 characters of what the user wrote.
fn shortened(text: &str) -> String {
    let mut short: String = text.trim().chars().take(32).collect();
    if short.len() < text.trim().len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tc 6.1 was observed to do with a text, where this parser does the same.
    #[test]
    fn texts_are_taken_and_refused_as_tc_does() {
        let ret = SockFilter::new(6, 0, 0, 0);
        for text in [
            "1,6 0 0 0",
            "1,6 0 0 0,",
            "1, 6 0 0 0",
            "1,6  0  0 0 ",
            " 1,6 0 0 0",
            "1,+6 0 0 0",
            "1,6\t0 0 0",
        ] {
            assert_eq!(parse_bytecode(text), Ok(vec![ret]), "{text:?}");
        }
        assert_eq!(parse_bytecode("1,6 0 0 -1"), Ok(vec![SockFilter::new(6, 0, 0, u32::MAX)]));
        for text in [
            "",
            "0",
            "0,",
            "1",
            "x,6 0 0 0",
            "1x,6 0 0 0",
            "1 ,6 0 0 0",
            "-1,6 0 0 0",
            "1;6 0 0 0",
            "4097,6 0 0 0",
        ] {
            assert!(matches!(parse_bytecode(text), Err(BytecodeError::Count { .. })), "{text:?}");
        }
        // Parsed program length is less than encoded length parameter!
        for text in ["1,", "2,6 0 0 0"] {
            assert!(matches!(parse_bytecode(text), Err(BytecodeError::Less { .. })), "{text:?}");
        }
        // Real program length exceeds encoded length parameter!
        for text in ["1,6 0 0 0,,", "1,6 0 0 0,6 0 0 0"] {
            assert_eq!(parse_bytecode(text), Err(BytecodeError::More { expected: 1 }), "{text:?}");
        }
        // Error at instruction 0! and 1!
        for (text, at) in [
            ("1,6 0 0", 0),
            ("1,6 0 0 x", 0),
            ("1,6,0,0,0", 0),
            ("1,a", 0),
            ("2,6 0 0 0,6 0 0 x", 1),
        ] {
            let got = parse_bytecode(text);
            assert!(
                matches!(got, Err(BytecodeError::At { index, .. }) if index == at),
                "{text:?}: {got:?}"
            );
        }
    }

    /// tc cuts these off without a word: 0x10 to 0, 256 to 0, 65537 to 1.
    #[test]
    fn what_tc_would_cut_off_is_refused() {
        for text in [
            "1,65537 0 0 0",
            "1,6 256 0 0",
            "1,6 0 256 0",
            "1,6 0 0 4294967296",
            "1,6 0 0 0x10",
            "1,6 0 0 0 9",
        ] {
            assert!(
                matches!(parse_bytecode(text), Err(BytecodeError::At { index: 0, .. })),
                "{text:?}"
            );
        }
        assert!(matches!(parse_bytecode("65537,6 0 0 0"), Err(BytecodeError::Count { .. })));
    }

    #[test]
    fn a_file_as_tcpdump_writes_it() {
        // tcpdump -ddd ip
        let want = parse_bytecode("4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0").unwrap();
        assert_eq!(want.get(1), Some(&SockFilter::new(21, 0, 1, 2048)));
        for text in [
            "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n",
            "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,\n",
            "4\n\n40 0 0 12\n21 0 1 2048\n \n6 0 0 262144\n6 0 0 0\n\n",
            "4\r\n40  0 0 12\r\n21 0 1 2048\r\n6 0 0 262144\r\n6 0 0 0",
        ] {
            assert_eq!(parse_bytecode_file(text).as_ref(), Ok(&want), "{text:?}");
        }
    }

    #[test]
    fn initialisers_as_tcpdump_writes_them() {
        // tcpdump -dd arp
        let dd = "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000806 },\n\
                  { 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n";
        let want = parse_bytecode("4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0").unwrap();
        assert_eq!(parse_any_bytecode(dd).as_ref(), Ok(&want));
        assert_eq!(parse_any_bytecode(&Initialisers(&want).to_string()).as_ref(), Ok(&want));
        assert_eq!(parse_any_bytecode(&Bytecode(&want).to_string()).as_ref(), Ok(&want));
        for text in [
            "{ 0x28, 0, 0 },",
            "{ 0x28, 0, 0, 1, 2 },",
            "{ 0x28, 0, 0, 0x1g },",
            "{ 65536, 0, 0, 0 }",
            "{ 0, 0, 256, 0 }",
            "{",
            "{ 6, 0, 0, 0 } x",
        ] {
            assert!(matches!(parse_any_bytecode(text), Err(BytecodeError::At { .. })), "{text:?}");
        }
    }
}
