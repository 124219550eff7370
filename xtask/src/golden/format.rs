//! The format of one golden file: what the original tc sent, received and printed for one command line.
//!
//! No dependencies but `std`, so that the checks can include this file with `#[path]`. The format is described
//! in `tests/golden/README.md`.
use std::fmt::{self, Write as _};

/// Sections that hold a kernel's or a program's answer and may differ between the runs of a case.
const RUN_SECTIONS: [&str; 5] = ["status", "request", "reply", "stderr", "stdout"];

/// Message types that have a name in a golden file; all others are written as a number.
const TYPES: [(u16, &str); 17] = [
    (2, "ERROR"),
    (3, "DONE"),
    (36, "NEWQDISC"),
    (37, "DELQDISC"),
    (38, "GETQDISC"),
    (40, "NEWTCLASS"),
    (41, "DELTCLASS"),
    (42, "GETTCLASS"),
    (44, "NEWTFILTER"),
    (45, "DELTFILTER"),
    (46, "GETTFILTER"),
    (48, "NEWACTION"),
    (49, "DELACTION"),
    (50, "GETACTION"),
    (100, "NEWCHAIN"),
    (101, "DELCHAIN"),
    (102, "GETCHAIN"),
];

/// One recorded case: the state it ran in and one run per set of global options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Golden {
    /// Where and when it was recorded: version of tc, of the kernel, date.
    pub(crate) about: String,
    /// Interfaces that existed when the command ran: name and index.
    pub(crate) links: Vec<(String, u32)>,
    /// Shell lines that made the state. Empty: a new network namespace with `lo` down.
    pub(crate) setup: Vec<String>,
    /// Shell lines that ran while the command was running (`monitor` only).
    pub(crate) during: Vec<String>,
    /// Files in the work directory that the command line names.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// What the command read from its standard input. `None`: nothing, it was empty.
    pub(crate) stdin: Option<Vec<u8>>,
    /// Environment variables that the case sets: `NAME=VALUE`.
    pub(crate) env: Vec<String>,
    /// Attributes whose values differ from run to run, as paths from the message down.
    pub(crate) masks: Vec<Vec<u16>>,
    /// The words after `tc`.
    pub(crate) cmd: Vec<String>,
    /// The first run is of `cmd` alone, the others are of the same with [`Run::options`] before it.
    pub(crate) runs: Vec<Run>,
}

/// What one run of tc did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// Global options put before the case's words; empty in the first run.
    pub(crate) options: Vec<String>,
    /// Exit status; 128 + n when signal n ended it.
    pub(crate) status: i32,
    /// Messages sent, look-ups of links left out; sequence number and port are not kept.
    pub(crate) request: Vec<Message>,
    /// Messages received in answer to them.
    pub(crate) reply: Vec<Message>,
    /// The standard error stream.
    pub(crate) stderr: Text,
    /// The standard output stream.
    pub(crate) stdout: Text,
}

/// A netlink message without the header's length, sequence number and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `nlmsg_type`
    pub(crate) kind: u16,
    /// `nlmsg_flags`
    pub(crate) flags: u16,
    /// All bytes after `struct nlmsghdr`.
    pub(crate) payload: Vec<u8>,
}

/// A program's output, in which each usage text is only a mark.
///
/// A usage text starts at a line that begins with `Usage:` or `usage:` and ends before a line that is known to be a
/// message; its wording is each program's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<Chunk>);

/// A part of a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// A line's bytes without its end, and whether a newline ended it.
    Line(Vec<u8>, bool),
    /// A usage text stood here.
    Usage,
}

/// How messages begin that can follow a usage text.
const MESSAGES: [&[u8]; 12] = [
    b"Error",
    b"RTNETLINK",
    b"Illegal",
    b"bad action",
    b"Bad action",
    b"parse_action",
    b"Command ",
    b"We have",
    b"Unknown",
    b"What is",
    b"Cannot",
    b"Unable",
];

impl Text {
    /// Splits a program's output into lines and marks.
    pub(crate) fn of(output: &[u8]) -> Self {
        let mut chunks = Vec::new();
        let mut in_usage = false;
        for line in output.split_inclusive(|&b| b == b'\n') {
            let trimmed = line.trim_ascii_start();
            if trimmed.starts_with(b"Usage:") || trimmed.starts_with(b"usage:") {
                if !in_usage {
                    chunks.push(Chunk::Usage);
                }
                in_usage = true;
                continue;
            }
            if in_usage && !MESSAGES.iter().any(|m| line.starts_with(m)) {
                continue;
            }
            in_usage = false;
            chunks.push(match line.strip_suffix(b"\n") {
                Some(text) => Chunk::Line(text.to_vec(), true),
                None => Chunk::Line(line.to_vec(), false),
            });
        }
        Self(chunks)
    }

    /// Whether the program printed nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Message {
    /// The type's name or number.
    pub(crate) fn name(&self) -> String {
        TYPES
            .iter()
            .find(|(n, _)| *n == self.kind)
            .map_or_else(|| self.kind.to_string(), |(_, name)| (*name).to_owned())
    }

    /// Length of the fixed header that comes before the attributes. `None`: the message has no attributes.
    pub(crate) fn fixed_len(&self) -> Option<usize> {
        match self.kind {
            36..=46 | 100..=102 => Some(20),
            48..=50 => Some(4),
            _ => None,
        }
    }
}

/// A golden file that does not follow the format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormatError {
    /// Line, counted from 1.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) what: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Golden {
    /// Reads a golden file.
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut golden = Self { runs: vec![Run::default()], ..Self::default() };
        let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l)).peekable();
        while let Some((at, head)) = lines.next() {
            let fail = |what: &str| FormatError { line: at, what: what.to_owned() };
            let title = head.strip_prefix("-- ").ok_or_else(|| fail("expected `-- SECTION`"))?;
            let (name, rest) = title.split_once(' ').unwrap_or((title, ""));
            let mut body = Vec::new();
            while let Some(line) = lines.next_if(|(_, l)| !l.starts_with("-- ")) {
                body.push(line);
            }
            golden.section(name, rest, &body).map_err(|e| match e.line {
                0 => fail(&e.what),
                _ => e,
            })?;
        }
        Ok(golden)
    }

    fn section(
        &mut self,
        name: &str,
        rest: &str,
        body: &[(usize, &str)],
    ) -> Result<(), FormatError> {
        let words = || body.iter().map(|(_, l)| (*l).to_owned());
        match name {
            "about" => self.about = words().collect::<Vec<_>>().join("\n"),
            "links" => {
                for (at, line) in body {
                    for pair in line.split_whitespace() {
                        let link = pair
                            .split_once('=')
                            .and_then(|(n, i)| Some((n.to_owned(), i.parse().ok()?)));
                        self.links.push(link.ok_or_else(|| wrong(*at, "expected NAME=INDEX"))?);
                    }
                }
            }
            "setup" => self.setup = words().collect(),
            "during" => self.during = words().collect(),
            "env" => self.env = words().collect(),
            "file" => self.files.push((rest.to_owned(), bytes(body)?)),
            "stdin" => self.stdin = Some(bytes(body)?),
            "mask" => {
                for (at, line) in body {
                    self.masks.push(
                        path(line).ok_or_else(|| wrong(*at, "expected numbers joined by `.`"))?,
                    );
                }
            }
            "cmd" => {
                let line = words().collect::<Vec<_>>().join("\n");
                self.cmd = split_words(&line).ok_or_else(|| wrong(0, "quote without its end"))?;
            }
            _ if RUN_SECTIONS.contains(&name) => {
                let options = split_words(rest).ok_or_else(|| wrong(0, "quote without its end"))?;
                self.run_section(name, &options, body)?;
            }
            _ => return Err(wrong(0, "unknown section")),
        }
        Ok(())
    }

    fn run_section(
        &mut self,
        name: &str,
        options: &[String],
        body: &[(usize, &str)],
    ) -> Result<(), FormatError> {
        if !self.runs.iter().any(|r| r.options == options) {
            // What a further run does not say is as in the first, its output excepted.
            let first = self.runs.first().cloned().unwrap_or_default();
            let options = options.to_vec();
            self.runs.push(Run { options, stdout: Text::default(), ..first });
        }
        let Some(run) = self.runs.iter_mut().find(|r| r.options == options) else { return Ok(()) };
        match name {
            "status" => {
                let text: String = body.iter().map(|(_, l)| *l).collect();
                run.status = text.trim().parse().map_err(|_| wrong(0, "expected a number"))?;
            }
            "request" => run.request = messages(body)?,
            "reply" => run.reply = messages(body)?,
            "stderr" => run.stderr = text(body)?,
            _ => run.stdout = text(body)?,
        }
        Ok(())
    }
}

fn wrong(line: usize, what: &str) -> FormatError {
    FormatError { line, what: what.to_owned() }
}

/// An attribute path such as `2.6`.
pub(crate) fn path(text: &str) -> Option<Vec<u16>> {
    text.trim().split('.').map(|n| n.parse().ok()).collect()
}

fn messages(body: &[(usize, &str)]) -> Result<Vec<Message>, FormatError> {
    let mut all: Vec<Message> = Vec::new();
    for &(at, line) in body {
        if line == "(none)" {
            continue;
        }
        if !line.starts_with(' ') {
            let (name, flags) =
                line.split_once(' ').ok_or_else(|| wrong(at, "expected TYPE FLAGS"))?;
            let known = TYPES.iter().find(|(_, n)| *n == name).map(|(n, _)| *n);
            let kind = known
                .or_else(|| name.parse().ok())
                .ok_or_else(|| wrong(at, "unknown message type"))?;
            let flags = flags.strip_prefix("0x").and_then(|h| u16::from_str_radix(h, 16).ok());
            let flags = flags.ok_or_else(|| wrong(at, "expected flags such as 0x605"))?;
            all.push(Message { kind, flags, payload: Vec::new() });
            continue;
        }
        let message = all.last_mut().ok_or_else(|| wrong(at, "bytes before the first message"))?;
        let digits: Vec<u8> = line.bytes().filter(|b| *b != b' ').collect();
        for pair in digits.chunks(2) {
            let byte = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2);
            let byte = byte.and_then(|p| u8::from_str_radix(p, 16).ok());
            message.payload.push(byte.ok_or_else(|| wrong(at, "expected pairs of hex digits"))?);
        }
    }
    Ok(all)
}

fn text(body: &[(usize, &str)]) -> Result<Text, FormatError> {
    let chunk = |&(at, line): &(usize, &str)| {
        if line == "(usage)" {
            return Ok(Chunk::Usage);
        }
        let (bytes, newline) =
            line_from(line).ok_or_else(|| wrong(at, "expected `|TEXT$` or `|TEXT%`"))?;
        Ok(Chunk::Line(bytes, newline))
    };
    Ok(Text(body.iter().map(chunk).collect::<Result<_, _>>()?))
}

fn bytes(body: &[(usize, &str)]) -> Result<Vec<u8>, FormatError> {
    let mut all = Vec::new();
    for &(at, line) in body {
        let (bytes, newline) =
            line_from(line).ok_or_else(|| wrong(at, "expected `|TEXT$` or `|TEXT%`"))?;
        all.extend(bytes);
        if newline {
            all.push(b'\n');
        }
    }
    Ok(all)
}

/// Reads `|TEXT$` (a newline ended the line) or `|TEXT%` (it did not).
pub(crate) fn line_from(line: &str) -> Option<(Vec<u8>, bool)> {
    let inner = line.strip_prefix('|')?;
    let (inner, newline) = match inner.strip_suffix('$') {
        Some(inner) => (inner, true),
        None => (inner.strip_suffix('%')?, false),
    };
    let mut out = Vec::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match chars.next()? {
            '\\' => out.push(b'\\'),
            't' => out.push(b'\t'),
            'x' => {
                let hex: String = [chars.next()?, chars.next()?].iter().collect();
                out.push(u8::from_str_radix(&hex, 16).ok()?);
            }
            _ => return None,
        }
    }
    Some((out, newline))
}

/// Splits words as a shell does: blanks separate, `'…'` and `"…"` keep what is between them; no escapes.
/// `None`: a quote has no end.
pub(crate) fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_with(String::new);
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        inside => word.push(inside),
                    }
                }
            }
            _ if c.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// The inverse of [`split_words`].
pub(crate) fn join_words(words: &[String]) -> String {
    let plain = |w: &str| {
        !w.is_empty() && !w.contains(|c: char| c.is_ascii_whitespace() || "'\"".contains(c))
    };
    let quoted = words.iter().map(|w| match w.as_str() {
        w if plain(w) => w.to_owned(),
        w if w.contains('\'') => {
            w.split('\'').map(|part| format!("'{part}'")).collect::<Vec<_>>().join("\"'\"")
        }
        w => format!("'{w}'"),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Golden {
    /// Writes the golden file; [`Golden::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "-- about\n{}", self.about)?;
        if !self.links.is_empty() {
            let links: Vec<String> = self.links.iter().map(|(n, i)| format!("{n}={i}")).collect();
            writeln!(f, "-- links\n{}", links.join(" "))?;
        }
        for (name, lines) in [("setup", &self.setup), ("during", &self.during), ("env", &self.env)]
        {
            if !lines.is_empty() {
                writeln!(f, "-- {name}\n{}", lines.join("\n"))?;
            }
        }
        for (name, content) in &self.files {
            writeln!(f, "-- file {name}")?;
            write_lines(f, content)?;
        }
        if let Some(stdin) = &self.stdin {
            writeln!(f, "-- stdin")?;
            write_lines(f, stdin)?;
        }
        if !self.masks.is_empty() {
            writeln!(f, "-- mask")?;
            for mask in &self.masks {
                let parts: Vec<String> = mask.iter().map(u16::to_string).collect();
                writeln!(f, "{}", parts.join("."))?;
            }
        }
        writeln!(f, "-- cmd\n{}", join_words(&self.cmd))?;
        let first = self.runs.first();
        for run in &self.runs {
            run.write(f, first.filter(|first| !std::ptr::eq(*first, run)))?;
        }
        Ok(())
    }
}

impl Run {
    /// Writes the run's sections; those equal to the `first` run's are left out, its output excepted.
    fn write(&self, f: &mut fmt::Formatter<'_>, first: Option<&Self>) -> fmt::Result {
        let title = |name: &str| match self.options.as_slice() {
            [] => format!("-- {name}\n"),
            options => format!("-- {name} {}\n", join_words(options)),
        };
        if first.is_none_or(|r| r.status != self.status) {
            writeln!(f, "{}{}", title("status"), self.status)?;
        }
        for (name, messages, same) in [
            ("request", &self.request, first.map(|r| &r.request)),
            ("reply", &self.reply, first.map(|r| &r.reply)),
        ] {
            if same.map_or(!messages.is_empty(), |m| m != messages) {
                f.write_str(&title(name))?;
                if messages.is_empty() {
                    writeln!(f, "(none)")?;
                }
                messages.iter().try_for_each(|m| m.write(f))?;
            }
        }
        if first.map_or(!self.stderr.is_empty(), |r| r.stderr != self.stderr) {
            f.write_str(&title("stderr"))?;
            self.stderr.write(f)?;
        }
        // Always there in a further run: it is what the run was made for, and it makes the run known.
        if first.is_some() || !self.stdout.is_empty() {
            f.write_str(&title("stdout"))?;
            self.stdout.write(f)?;
        }
        Ok(())
    }
}

impl Message {
    /// One line for the fixed header, then one per attribute; long attributes go on for several lines.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {:#05x}", self.name(), self.flags)?;
        let (fixed, mut rest) = match self.fixed_len() {
            Some(len) => self.payload.split_at(len.min(self.payload.len())),
            None => (&*self.payload, &[][..]),
        };
        write_hex(f, fixed)?;
        while let [low, high, ..] = *rest {
            let len = usize::from(u16::from_le_bytes([low, high])).max(4).next_multiple_of(4);
            let (attribute, after) = rest.split_at(len.min(rest.len()));
            write_hex(f, attribute)?;
            rest = after;
        }
        write_hex(f, rest)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (i, line) in bytes.chunks(32).enumerate() {
        f.write_str(if i == 0 { "  " } else { "    " })?;
        for (i, word) in line.chunks(4).enumerate() {
            f.write_str(if i == 0 { "" } else { " " })?;
            word.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        }
        f.write_char('\n')?;
    }
    Ok(())
}

impl Text {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|chunk| match chunk {
            Chunk::Usage => f.write_str("(usage)\n"),
            Chunk::Line(bytes, newline) => write_line(f, bytes, *newline),
        })
    }
}

fn write_lines(f: &mut fmt::Formatter<'_>, content: &[u8]) -> fmt::Result {
    content.split_inclusive(|&b| b == b'\n').try_for_each(|line| match line.strip_suffix(b"\n") {
        Some(line) => write_line(f, line, true),
        None => write_line(f, line, false),
    })
}

fn write_line(f: &mut fmt::Formatter<'_>, line: &[u8], newline: bool) -> fmt::Result {
    f.write_char('|')?;
    for part in line.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\t' => f.write_str("\\t")?,
                _ if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        part.invalid().iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
    }
    f.write_str(if newline { "$\n" } else { "%\n" })
}
