//! Compares what rtc did with what tc did.

use std::fmt::{self, Write as _};

use crate::format::{Chunk, Message, Run, Text};
use crate::replay::Done;

/// Attribute types carry two flags: nested, and network byte order.
const TYPE: u16 = 0x3fff;

/// A part of a run in which rtc and tc differ.
#[derive(Debug)]
pub(crate) struct Difference {
    /// `status`, `request`, `stderr` or `stdout`.
    pub(crate) part: &'static str,
    /// Lines of tc's and of rtc's.
    lines: Vec<(char, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "-- {}", self.part)?;
        for lines in self.lines.chunk_by(|a, b| (a.0 == ' ') == (b.0 == ' ')) {
            match lines {
                [(' ', _), .., (' ', last)] if lines.len() > 3 => {
                    writeln!(f, "  ... {} lines\n  {last}", lines.len() - 1)?;
                }
                lines => lines.iter().try_for_each(|(sign, l)| writeln!(f, "{sign} {l}"))?,
            }
        }
        Ok(())
    }
}

/// How `done` differs from `run`; `amend` changes tc's texts where rtc's are known to differ.
pub(crate) fn differences(
    run: &Run,
    done: &Done,
    masks: &[Vec<u16>],
    amend: impl Fn(&str) -> String,
) -> Vec<Difference> {
    let text = |text: &Text| amend(&show_text(text)).lines().map(str::to_owned).collect();
    let stderr = Text::of(&without_own_lines(&done.stderr));
    let stdout = Text::of(&done.stdout);
    let all: [(_, Vec<String>, Vec<String>); 4] = [
        ("status", vec![run.status.to_string()], vec![done.status.to_string()]),
        ("request", show_messages(&run.request, masks), show_messages(&done.request, masks)),
        ("stderr", text(&run.stderr), show_text(&stderr).lines().map(str::to_owned).collect()),
        ("stdout", text(&run.stdout), show_text(&stdout).lines().map(str::to_owned).collect()),
    ];
    let differ = all.into_iter().filter(|(_, tc, rtc)| tc != rtc);
    differ.map(|(part, tc, rtc)| Difference { part, lines: diff(&tc, &rtc) }).collect()
}

/// Without the lines that rtc adds to tc's: a command line with a word underlined, hints and notes.
pub(crate) fn without_own_lines(stderr: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut lines = stderr.split_inclusive(|b| *b == b'\n').peekable();
    let indented = |line: &[u8]| line.starts_with(b"  ");
    let underlines = |line: &[u8]| {
        indented(line) && line.contains(&b'^') && line.iter().all(|b| b" ^\n".contains(b))
    };
    while let Some(line) = lines.next() {
        if line.starts_with(b"  note: ") {
            continue;
        }
        if line.starts_with(b"  hint: ") {
            while lines.next_if(|line| indented(line)).is_some() {}
        } else if !(indented(line) && lines.next_if(|next| underlines(next)).is_some()) {
            kept.extend(line);
        }
    }
    kept
}

/// A text as goldens show it, without the marks: `%` ends a line that no newline ended.
fn show_text(text: &Text) -> String {
    let line = |chunk: &Chunk| match chunk {
        Chunk::Usage => "(usage)\n".to_owned(),
        Chunk::Line(line, newline) => {
            let shown =
                String::from_utf8_lossy(line).replace('\x1b', "\\x1b").replace('\r', "\\x0d");
            shown + if *newline { "\n" } else { "%\n" }
        }
    };
    text.0.iter().map(line).collect()
}

/// Whether two messages say the same: attributes of different types may be in any order.
pub(crate) fn same_message(a: &Message, b: &Message, masks: &[Vec<u16>]) -> bool {
    show_message(a, masks) == show_message(b, masks)
}

fn show_messages(messages: &[Message], masks: &[Vec<u16>]) -> Vec<String> {
    messages.iter().flat_map(|message| show_message(message, masks)).collect()
}

/// A message in lines that are equal for messages that say the same.
fn show_message(message: &Message, masks: &[Vec<u16>]) -> Vec<String> {
    let mut lines = vec![format!("{} {:#05x}", message.name(), message.flags)];
    let at = message.fixed_len().unwrap_or(0).min(message.payload.len());
    let (fixed, attributes) = message.payload.split_at(at);
    lines.push(format!("  {}", hex(fixed)));
    lines.extend(
        show_attributes(attributes, &mut Vec::new(), masks)
            .unwrap_or_else(|| vec![format!("  {}", hex(attributes))]),
    );
    lines
}

/// The attributes as a tree, siblings sorted by type. `None`: these bytes are no attributes.
fn show_attributes(
    mut bytes: &[u8],
    path: &mut Vec<u16>,
    masks: &[Vec<u16>],
) -> Option<Vec<String>> {
    let mut all: Vec<(u16, Vec<String>)> = Vec::new();
    while !bytes.is_empty() {
        let [l0, l1, t0, t1, ..] = *bytes else { return None };
        let (len, ty) = (usize::from(u16::from_le_bytes([l0, l1])), u16::from_le_bytes([t0, t1]));
        let payload = bytes.get(4..len)?;
        if bytes[len..].len() < 4 && bytes[len..].iter().any(|b| *b != 0) {
            return None;
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        path.push(ty & TYPE);
        let indent = "  ".repeat(path.len());
        let value = match masks.contains(path) {
            true => vec![format!("{indent}{ty:#x} masked, {} bytes", payload.len())],
            false => show_value(ty, payload, path, masks, &indent),
        };
        path.pop();
        all.push((ty & TYPE, value));
    }
    all.sort_by_key(|(ty, _)| *ty);
    Some(all.into_iter().flat_map(|(_, lines)| lines).collect())
}

/// A value that reads as attributes is taken for a nest; whether it is one makes no difference to
/// values that are equal.
fn show_value(
    ty: u16,
    payload: &[u8],
    path: &mut Vec<u16>,
    masks: &[Vec<u16>],
    indent: &str,
) -> Vec<String> {
    let nested = match payload.len() {
        8.. => show_attributes(payload, path, masks),
        _ => None,
    };
    match nested {
        Some(inner) => {
            let mut lines = vec![format!("{indent}{ty:#x}")];
            lines.extend(inner);
            lines
        }
        None => vec![format!("{indent}{ty:#x} {}", hex(payload))],
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        let gap = if i > 0 && i % 4 == 0 { " " } else { "" };
        _ = write!(text, "{gap}{byte:02x}");
    }
    text
}

/// Lines of both, those in common (the longest sequence) with a blank before them.
fn diff(tc: &[String], rtc: &[String]) -> Vec<(char, String)> {
    let mut common = vec![vec![0; rtc.len() + 1]; tc.len() + 1];
    for i in (0..tc.len()).rev() {
        for j in (0..rtc.len()).rev() {
            common[i][j] = match tc[i] == rtc[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < tc.len() || j < rtc.len() {
        if i < tc.len() && j < rtc.len() && tc[i] == rtc[j] {
            lines.push((' ', tc[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == rtc.len() || i < tc.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(('-', tc[i].clone()));
            i += 1;
        } else {
            lines.push(('+', rtc[j].clone()));
            j += 1;
        }
    }
    lines
}

#[test]
fn only_rtcs_own_lines_are_left_out() {
    let stderr = b"Error: No.\n  tc qdisc add\n     ^^^^^\n  hint: so\n  and so\n  note: x\nCommand failed b:1\n  other\n";
    assert_eq!(without_own_lines(stderr), b"Error: No.\nCommand failed b:1\n  other\n");
}

#[test]
fn siblings_come_in_any_order_but_nest_bits_and_values_count() {
    let message =
        |payload: &[u8]| Message { kind: 36, flags: 5, payload: [&[0; 20], payload].concat() };
    let a = message(&[6, 0, 1, 0, b'a', 0, 0, 0, 5, 0, 2, 0, 7, 0, 0, 0]);
    let b = message(&[5, 0, 2, 0, 7, 0, 0, 0, 6, 0, 1, 0, b'a', 0, 0, 0]);
    assert!(same_message(&a, &b, &[]));
    let nest_bit = message(&[6, 0, 1, 0, b'a', 0, 0, 0, 5, 0, 2, 0x80, 7, 0, 0, 0]);
    assert!(!same_message(&a, &nest_bit, &[]));
    let value = message(&[6, 0, 1, 0, b'a', 0, 0, 0, 5, 0, 2, 0, 8, 0, 0, 0]);
    assert!(!same_message(&a, &value, &[]));
    assert!(same_message(&a, &value, &[vec![2]]));
}
