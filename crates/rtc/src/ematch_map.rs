//! The numbers that files of the system give to the kinds of ematches.
//!
//! The kernel's numbers are fixed and known here, so nothing needs these files. tc does, so that a
//! system may have them, and what they say counts.

use std::io::Read;

use tc_proto::units::parse_leading;

/// The files, in the order in which they are looked at.
const FILES: [&str; 2] = ["/etc/iproute2/ematch_map", "/usr/share/iproute2/ematch_map"];

/// The most bytes of a file that are read.
const MAX_SIZE: u64 = 1 << 16;

/// What the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmatchMap(Vec<File>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    rows: Vec<(u16, String)>,
    /// The line that ends it because it makes no sense, as tc tells of it.
    corrupted: Option<String>,
}

impl EmatchMap {
    /// Reads the files that there are.
    pub fn read(open: &mut dyn FnMut(&str) -> std::io::Result<Box<dyn Read>>) -> Self {
        let file = |name: &&str| {
            let mut text = Vec::new();
            open(name).ok()?.take(MAX_SIZE).read_to_end(&mut text).ok()?;
            Some(File::parse(name, &String::from_utf8_lossy(&text)))
        };
        Self(FILES.iter().filter_map(file).collect())
    }

    /// The number of the kind `name`, which is `usual` in the kernel. An error when the file makes
    /// no sense, in tc's words.
    pub fn number(&self, name: &str, usual: u16) -> Result<u16, String> {
        for file in &self.0 {
            if let Some((number, _)) = file.rows.iter().find(|(_, row)| row == name) {
                return Ok(*number);
            }
            if let Some(line) = &file.corrupted {
                return Err(line.clone());
            }
        }
        Ok(usual)
    }

    /// The name of the kind of this number, if the files have it.
    pub fn name(&self, number: u16) -> Option<&str> {
        let rows = self.0.iter().flat_map(|file| &file.rows);
        rows.into_iter().find(|(row, _)| *row == number).map(|(_, name)| name.as_str())
    }
}

impl File {
    fn parse(name: &str, text: &str) -> Self {
        let mut file = Self { rows: Vec::new(), corrupted: None };
        for line in text.split_inclusive('\n') {
            let mut words = line.split_ascii_whitespace();
            let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            match (parse_leading(first.as_bytes()), words.next()) {
                (Some(number), Some(kind)) => file.rows.push((number as u16, kind.to_owned())),
                _ => {
                    file.corrupted = Some(format!("ematch map {name} corrupted at {line}\n"));
                    break;
                }
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(etc: Option<&'static str>, share: &'static str) -> EmatchMap {
        EmatchMap::read(&mut |name| {
            let text = if name.starts_with("/etc") { etc } else { Some(share) };
            let text = text.ok_or(std::io::ErrorKind::NotFound)?;
            Ok(Box::new(text.as_bytes()))
        })
    }

    // tc 7.3 with these files.
    #[test]
    fn the_first_file_that_has_the_kind_counts() {
        let share = "# lookup table\n1\tcmp\n2\tnbyte\n010 canid # c\n-1 u32\n";
        for (etc, name, number) in [
            (None, "cmp", 1),
            (Some(""), "cmp", 1),
            (Some("2 cmp\n\n1 nbyte"), "cmp", 2),
            (Some("2 cmp\n\n1 nbyte"), "nbyte", 1),
            (Some("2 cmp\ngarbage\n"), "cmp", 2),
            (Some("0x3 u32\n99999 nbyte\n"), "nbyte", 34463),
            (None, "canid", 8),
            (None, "u32", 65535),
            (None, "meta", 4),
        ] {
            assert_eq!(map(etc, share).number(name, 4), Ok(number), "{etc:?} {name}");
        }
        let line = "ematch map /etc/iproute2/ematch_map corrupted at garbage\n\n";
        assert_eq!(map(Some("garbage\n1 cmp\n"), share).number("cmp", 1), Err(line.into()));
        assert_eq!(map(Some("2 cmp\n"), share).name(2), Some("cmp"));
        assert_eq!(map(Some("9 cmp\n"), share).name(2), Some("nbyte"));
        assert_eq!(map(None, share).name(5), None);
    }
}
