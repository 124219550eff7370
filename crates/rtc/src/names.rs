//! Names of classes: `-nm`, and `-cf FILE`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind};
use std::path::Path;

use tc_proto::Handle;

use crate::env::Env;
use crate::error::Error;
use crate::out::Text;

/// Where names are looked for when they are not in the file of `-cf`: the first that exists.
const FILES: [&str; 2] = ["/etc/iproute2/tc_cls", "/usr/share/iproute2/tc_cls"];

fn read_all(file: &Path, env: &mut dyn Env) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    env.open(file)?.read_to_end(&mut text)?;
    Ok(text)
}

/// What classes are called, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassNames(BTreeMap<Handle, String>);

impl ClassNames {
    /// Reads the file of `-cf`, if any, and the system's, whose names win, as in tc. Returns the
    /// names and what is to be complained of.
    pub(crate) fn load(conf: Option<&OsStr>, env: &mut dyn Env) -> Result<(Self, String), Error> {
        let mut names = Self::default();
        let mut complaints = String::new();
        if let Some(file) = conf {
            let text = read_all(file.as_ref(), env).map_err(|e| {
                let file = file.to_string_lossy();
                Error::usage(format_args!("Can't open class names file: {file}"))
                    .hint(e.to_string())
            })?;
            names.read(&file.to_string_lossy(), &text, &mut complaints);
        }
        for file in FILES {
            match read_all(file.as_ref(), env) {
                Ok(text) => {
                    // tc then has no names at all.
                    if !names.read(file, &text, &mut complaints) {
                        names.0.clear();
                    }
                    break;
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => _ = writeln!(complaints, "{file}: {e}"),
            }
        }
        Ok((names, complaints))
    }

    /// Reads lines of class id and name; what follows the name, and lines from `#`, do not count. Ends
    /// at a line that is none, and says whether there was no such.
    fn read(&mut self, file: &str, text: &[u8], complaints: &mut String) -> bool {
        for line in String::from_utf8_lossy(text).lines() {
            let start = line.trim_ascii_start();
            if start.is_empty() || start.starts_with('#') {
                continue;
            }
            let Some((id, name)) = entry(start) else {
                _ = writeln!(complaints, "Database {file} is corrupted at {line}\n");
                return false;
            };
            self.0.insert(id, name.to_owned());
        }
        true
    }

    /// The class id as text: `1:10`, or with its name `gold#1:10`.
    pub fn show(&self, id: Handle) -> Named<'_> {
        let name = if self.0.is_empty() { None } else { self.0.get(&id).map(String::as_str) };
        Named { name, id }
    }
}

/// A line as tc scans it: `MAJOR:MINOR`, `0xID` or a decimal id, and behind it, be there a blank or
/// not, a name.
fn entry(line: &str) -> Option<(Handle, &str)> {
    let classid = || {
        let (major, rest) = number(line, 16)?;
        let (minor, rest) = number(rest.strip_prefix(':')?, 16)?;
        Some((major << 16 | minor & 0xffff, rest.split_ascii_whitespace().next()?))
    };
    let hexadecimal = || {
        let (id, rest) = number(line.strip_prefix("0x")?, 16)?;
        Some((id, rest.split_ascii_whitespace().next()?))
    };
    let decimal = || {
        let (id, rest) = number(line, 10)?;
        Some((id, rest.split_ascii_whitespace().next()?))
    };
    let (id, name) = classid().or_else(hexadecimal).or_else(decimal)?;
    Some((Handle(id), name))
}

/// The number at the front, of which the lowest 32 bits count, and what follows.
fn number(text: &str, radix: u32) -> Option<(u32, &str)> {
    let text = text.trim_ascii_start();
    let negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let hex = hex.filter(|rest| radix == 16 && rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let text = hex.unwrap_or(text);
    let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    let value = digits
        .chars()
        .filter_map(|c| c.to_digit(radix))
        .fold(0, |value: u32, digit| value.wrapping_mul(radix).wrapping_add(digit));
    Some((if negative { value.wrapping_neg() } else { value }, rest))
}

/// A class id that shows its name, if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    name: Option<&'a str>,
    id: Handle,
}

impl Text for Named<'_> {
    fn put(&self, buf: &mut Vec<u8>) {
        match self.name {
            Some(name) => (name, "#", self.id).put(buf),
            None => self.id.put(buf),
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{name}#{}", self.id),
            None => self.id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `tc -nm class show` with such a file as /etc/iproute2/tc_cls.
    #[test]
    fn names_stand_before_the_id() {
        let mut names = ClassNames::default();
        let mut complaints = String::new();
        let text = b"1:1 first\n# comment\n1:100\tleafy name\n0x10002 two\n\n65541five\n1: 20x a 20\n1:30\n";
        names.read("tc_cls", text, &mut complaints);
        let shown = [0x1_0001, 0x1_0002, 0x1_0005, 0x1_0020, 0x1_0100, 0x1_0101, 0x1_0030]
            .map(|id| names.show(Handle(id)).to_string());
        assert_eq!(
            shown,
            ["first#1:1", "two#1:2", "five#1:5", "x#1:20", "leafy#1:100", "1:101", "1:30"]
        );
        assert_eq!(complaints, "");
        for line in ["bad", "root x", ":10 x", "zz:1 x", "16"] {
            let mut names = ClassNames::default();
            complaints.clear();
            names.read("tc_cls", format!("1:2 two\n{line}\n1:3 x\n").as_bytes(), &mut complaints);
            assert_eq!(complaints, format!("Database tc_cls is corrupted at {line}\n\n"));
            assert_eq!(names.show(Handle(0x1_0002)).to_string(), "two#1:2");
            assert_eq!(names.show(Handle(0x1_0003)).to_string(), "1:3");
        }
    }

    #[test]
    fn the_file_of_cf_must_be_there() {
        let mut env = crate::env::System::default();
        let err = ClassNames::load(Some(OsStr::new("/nosuch")), &mut env).unwrap_err();
        assert_eq!(err.to_string(), "Can't open class names file: /nosuch\n");
        assert_eq!(err.status(), 255);
    }
}
