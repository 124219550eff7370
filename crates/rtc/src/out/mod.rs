//! Output: text or JSON from one statement per field, so that they cannot drift apart.

mod json;
mod text;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};

pub use json::Json;
use json::Writer as JsonWriter;
pub use text::{Hex, Text};

/// How much is kept before it is written.
const BUFFER: usize = 64 * 1024;

/// What an output looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// JSON instead of text.
    pub json: bool,
    /// JSON with line breaks and indentation.
    pub pretty: bool,
    /// A backslash in place of the line breaks inside an object.
    pub oneline: bool,
    /// Colours names, to be read on this background.
    pub color: Option<Background>,
}

/// What a terminal's text stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Bright colours are read best.
    Dark,
    /// Dim colours are read best.
    Light,
}

impl Background {
    /// Reads `COLORFGBG`, `FOREGROUND;BACKGROUND`. Colours 0 to 6 and 8 are dark; so is a terminal
    /// that does not tell.
    pub fn of(colorfgbg: &OsStr) -> Self {
        let colorfgbg = colorfgbg.to_string_lossy();
        match colorfgbg.rsplit_once(';') {
            None | Some((_, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "8")) => Self::Dark,
            Some(_) => Self::Light,
        }
    }
}

/// Where a command writes its result.
pub struct Out<'w> {
    sink: &'w mut dyn Write,
    buf: Vec<u8>,
    oneline: bool,
    color: Option<Background>,
    json: Option<JsonWriter>,
    error: Option<io::Error>,
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").field("json", &self.json).finish_non_exhaustive()
    }
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// The name of a device.
    Ifname,
}

impl<'w> Out<'w> {
    /// Writes to `sink` in this style.
    pub fn new(sink: &'w mut dyn Write, style: Style) -> Self {
        Self {
            sink,
            buf: Vec::new(),
            oneline: style.oneline,
            color: style.color,
            json: style.json.then(|| JsonWriter::new(style.pretty)),
            error: None,
        }
    }

    /// Writes in another style from here on.
    pub fn restyle(&mut self, style: Style) {
        self.oneline = style.oneline;
        self.color = style.color;
        self.json = style.json.then(|| JsonWriter::new(style.pretty));
    }

    /// Whether the sink takes no more.
    pub fn is_broken(&self) -> bool {
        self.error.is_some()
    }

    /// Whether JSON is written.
    pub fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// A field: `text` in a text, `key` and `value` in JSON.
    pub fn field<'j>(&mut self, key: &str, value: impl Into<Json<'j>>, text: impl Text) {
        match &mut self.json {
            Some(json) => json.member(&mut self.buf, key, value.into()),
            None => self.text(text),
        }
        self.spill();
    }

    /// A field whose text is painted.
    pub fn painted(&mut self, paint: Paint, key: &str, value: &str, text: impl Text) {
        let Paint::Ifname = paint;
        let start = match self.color.filter(|_| self.json.is_none()) {
            Some(Background::Dark) => "\x1b[1;36m",
            Some(Background::Light) => "\x1b[36m",
            None => return self.field(key, value, text),
        };
        self.text((start, text, "\x1b[0m"));
    }

    /// A flag: `text` in a text, `true` in JSON.
    pub fn flag(&mut self, key: &str, text: &str) {
        self.field(key, true, text);
    }

    /// Something that only a text shows.
    pub fn text(&mut self, text: impl Text) {
        if self.json.is_none() {
            text.put(&mut self.buf);
        }
    }

    /// A field that only JSON shows.
    pub fn json<'j>(&mut self, key: &str, value: impl Into<Json<'j>>) {
        if let Some(json) = &mut self.json {
            json.member(&mut self.buf, key, value.into());
        }
    }

    /// An element of a JSON array.
    pub fn element<'j>(&mut self, value: impl Into<Json<'j>>, text: impl Text) {
        match &mut self.json {
            Some(json) => json.element(&mut self.buf, value.into()),
            None => self.text(text),
        }
    }

    /// A JSON object under `key`; in a text, just its content.
    pub fn object<T>(&mut self, key: &str, content: impl FnOnce(&mut Self) -> T) -> T {
        self.nest(Some(key), '{', '}', content)
    }

    /// A JSON object as an element of an array; in a text, just its content.
    pub fn entry<T>(&mut self, content: impl FnOnce(&mut Self) -> T) -> T {
        self.nest(None, '{', '}', content)
    }

    /// A JSON array under `key`; in a text, just its content.
    pub fn array<T>(&mut self, key: &str, content: impl FnOnce(&mut Self) -> T) -> T {
        self.nest(Some(key), '[', ']', content)
    }

    /// A whole JSON document, which is an array; in a text, just its content.
    pub fn document<T>(&mut self, content: impl FnOnce(&mut Self) -> T) -> T {
        let result = self.nest(None, '[', ']', content);
        if let Some(json) = &mut self.json {
            json.end(&mut self.buf);
        }
        result
    }

    fn nest<T>(
        &mut self,
        key: Option<&str>,
        open: char,
        close: char,
        content: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if let Some(json) = &mut self.json {
            json.open(&mut self.buf, key, open);
        }
        let result = content(self);
        if let Some(json) = &mut self.json {
            json.close(&mut self.buf, close);
        }
        self.spill();
        result
    }

    /// A line break inside or after an object.
    pub fn newline(&mut self) {
        self.text(if self.oneline { "\\" } else { "\n" });
        self.spill();
    }

    fn spill(&mut self) {
        if self.buf.len() >= BUFFER {
            self.flush();
        }
    }

    /// Writes what is kept. The first failure is remembered; [`finish`](Self::finish) tells it.
    pub fn flush(&mut self) {
        if !self.buf.is_empty() {
            let result = self.sink.write_all(&self.buf).and_then(|()| self.sink.flush());
            self.error = self.error.take().or(result.err());
            self.buf.clear();
        }
    }

    /// Writes what is kept and says whether all of it could be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_is_what_stands_last() {
        for dark in ["", "0", "15", "15;0", "0;6", "0;8", "15;default;0"] {
            assert_eq!(Background::of(OsStr::new(dark)), Background::Dark, "{dark}");
        }
        for light in ["0;15", "0;7", "0;9", "0;00", "15;", "0;default"] {
            assert_eq!(Background::of(OsStr::new(light)), Background::Light, "{light}");
        }
    }
}
