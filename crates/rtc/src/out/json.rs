//! JSON laid out as tc lays it out: compact, or with `-p` indented.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::Write;

use tc_proto::units::general;

/// A JSON value without members.
#[derive(Clone, Debug)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number.
    Float(f64),
    /// A number of which six digits count, as C's `%g` writes it.
    General(f64),
    /// A string.
    Str(Cow<'a, str>),
    /// A string that is put together only when JSON is wanted.
    Text(fmt::Arguments<'a>),
}

macro_rules! from_int {
    ($($int:ty)*) => {$(
        impl From<$int> for Json<'_> {
            fn from(value: $int) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}
from_int!(u8 u16 u32 u64 i8 i16 i32 i64);

impl From<bool> for Json<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Json<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(value: &'a str) -> Self {
        Self::Str(value.into())
    }
}

impl<'a> From<fmt::Arguments<'a>> for Json<'a> {
    fn from(value: fmt::Arguments<'a>) -> Self {
        Self::Text(value)
    }
}

impl From<String> for Json<'_> {
    fn from(value: String) -> Self {
        Self::Str(value.into())
    }
}

/// Writes JSON into a buffer.
#[derive(Debug)]
pub(super) struct Writer {
    pretty: bool,
    depth: usize,
    comma: bool,
}

impl Writer {
    pub(super) fn new(pretty: bool) -> Self {
        Self { pretty, depth: 0, comma: false }
    }

    pub(super) fn member(&mut self, buf: &mut Vec<u8>, key: &str, value: Json<'_>) {
        self.key(buf, key);
        put(buf, value);
        self.comma = true;
    }

    pub(super) fn element(&mut self, buf: &mut Vec<u8>, value: Json<'_>) {
        self.separate(buf);
        put(buf, value);
    }

    pub(super) fn open(&mut self, buf: &mut Vec<u8>, key: Option<&str>, bracket: char) {
        match key {
            Some(key) => self.key(buf, key),
            None => self.separate(buf),
        }
        _ = write!(buf, "{bracket}");
        if self.pretty && bracket == '[' {
            buf.push(b' ');
        }
        self.depth += 1;
        self.comma = false;
    }

    pub(super) fn close(&mut self, buf: &mut Vec<u8>, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        if self.pretty && self.comma {
            match bracket {
                '}' => self.line(buf),
                _ => buf.push(b' '),
            }
        }
        _ = write!(buf, "{bracket}");
        self.comma = true;
    }

    pub(super) fn end(&mut self, buf: &mut Vec<u8>) {
        buf.push(b'\n');
        self.comma = false;
    }

    fn key(&mut self, buf: &mut Vec<u8>, key: &str) {
        self.separate(buf);
        if self.pretty {
            self.line(buf);
        }
        string(buf, key);
        buf.extend_from_slice(if self.pretty { b": " } else { b":" });
    }

    fn separate(&mut self, buf: &mut Vec<u8>) {
        if self.comma {
            buf.push(b',');
        }
        self.comma = true;
    }

    fn line(&self, buf: &mut Vec<u8>) {
        buf.push(b'\n');
        buf.resize(buf.len() + self.depth * 4, b' ');
    }
}

fn put(buf: &mut Vec<u8>, value: Json<'_>) {
    // Writing to a Vec cannot fail.
    _ = match value {
        Json::Bool(value) => write!(buf, "{value}"),
        Json::Int(value) => write!(buf, "{value}"),
        Json::Float(value) if value.is_finite() => write!(buf, "{value}"),
        Json::General(value) if value.is_finite() => write!(buf, "{}", general(value, 6)),
        Json::Null | Json::Float(_) | Json::General(_) => buf.write_all(b"null"),
        Json::Str(value) => {
            string(buf, &value);
            Ok(())
        }
        Json::Text(value) => {
            buf.push(b'"');
            _ = Escaped(buf).write_fmt(value);
            buf.push(b'"');
            Ok(())
        }
    };
}

fn string(buf: &mut Vec<u8>, text: &str) {
    buf.push(b'"');
    escape(buf, text);
    buf.push(b'"');
}

/// Takes text and puts it escaped into a buffer.
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

fn escape(buf: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        _ = match c {
            '"' => buf.write_all(b"\\\""),
            '\\' => buf.write_all(b"\\\\"),
            '\n' => buf.write_all(b"\\n"),
            '\r' => buf.write_all(b"\\r"),
            '\t' => buf.write_all(b"\\t"),
            '\u{8}' => buf.write_all(b"\\b"),
            '\u{c}' => buf.write_all(b"\\f"),
            c if c.is_control() => write!(buf, "\\u{:04x}", c as u32),
            c => write!(buf, "{c}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Out, Style};

    fn sample(pretty: bool) -> String {
        let mut sink = vec![];
        let style = Style { json: true, pretty, ..Style::default() };
        let mut out = Out::new(&mut sink, style);
        out.document(|out| {
            for kind in ["pfifo", "a\"b\n"] {
                out.entry(|out| {
                    out.field("kind", kind, format_args!(""));
                    out.object("options", |_| {});
                    out.object("more", |out| {
                        out.array("priomap", |out| {
                            for n in [1u8, 2, 2] {
                                out.element(n, format_args!(""));
                            }
                        });
                        out.array("insns", |out| {
                            out.entry(|out| out.json("code", 6u16));
                        });
                    });
                });
            }
        });
        drop(out);
        String::from_utf8(sink).unwrap()
    }

    #[test]
    fn compact() {
        let more = r#""more":{"priomap":[1,2,2],"insns":[{"code":6}]}"#;
        let expected = format!(
            r#"[{{"kind":"pfifo","options":{{}},{more}}},{{"kind":"a\"b\n","options":{{}},{more}}}]"#
        );
        assert_eq!(sample(false), expected + "\n");
        assert!(serde_json::from_str::<serde_json::Value>(&sample(false)).is_ok());
    }

    /// The layout of `tc -j -p` of iproute2 7.3.
    #[test]
    fn indented() {
        let entry = |kind: &str| {
            [
                format!("        \"kind\": \"{kind}\","),
                "        \"options\": {},".into(),
                "        \"more\": {".into(),
                "            \"priomap\": [ 1,2,2 ],".into(),
                "            \"insns\": [ {".into(),
                "                    \"code\": 6".into(),
                "                } ]".into(),
                "        }".into(),
            ]
            .join("\n")
        };
        let expected =
            format!("[ {{\n{}\n    }},{{\n{}\n    }} ]\n", entry("pfifo"), entry("a\\\"b\\n"));
        assert_eq!(sample(true), expected);
    }
}
