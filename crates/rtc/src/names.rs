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
                    names.read(file, &text, &mut complaints);
                    break;
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => _ = writeln!(complaints, "{file}: {e}"),
            }
        }
        Ok((names, complaints))
    }

    /// Reads lines of class id and name; what follows the name, and lines from `#`, do not count.
    fn read(&mut self, file: &str, text: &[u8], complaints: &mut String) {
        for line in String::from_utf8_lossy(text).lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(id) = words.next().filter(|id| !id.starts_with('#')) else { continue };
            match (Handle::parse_classid(id), words.next()) {
                (Ok(id), Some(name)) => _ = self.0.insert(id, name.to_owned()),
                _ => _ = writeln!(complaints, "Database {file} is corrupted at {line}\n"),
            }
        }
    }

    /// The class id as text: `1:10`, or with its name `gold#1:10`.
    pub fn show(&self, id: Handle) -> Named<'_> {
        let name = if self.0.is_empty() { None } else { self.0.get(&id).map(String::as_str) };
        Named { name, id }
    }
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
        let text = b"1:1 first\n# comment\n1:100\tleafy name\n0x10002 two\n\nbad\n1:20 a 20\n";
        names.read("tc_cls", text, &mut complaints);
        let shown = [0x1_0001, 0x1_0002, 0x1_0020, 0x1_0100, 0x1_0101]
            .map(|id| names.show(Handle(id)).to_string());
        assert_eq!(shown, ["first#1:1", "two#1:2", "a#1:20", "leafy#1:100", "1:101"]);
        assert_eq!(complaints, "Database tc_cls is corrupted at bad\n\n");
    }

    #[test]
    fn the_file_of_cf_must_be_there() {
        let mut env = crate::env::System::default();
        let err = ClassNames::load(Some(OsStr::new("/nosuch")), &mut env).unwrap_err();
        assert_eq!(err.to_string(), "Can't open class names file: /nosuch\n");
        assert_eq!(err.status(), 255);
    }
}
