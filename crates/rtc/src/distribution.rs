//! Distributions of delays: files of numbers, in the directories where tc has them.

use std::io::Read;
use std::path::PathBuf;

use tc_proto::units::leading_i64;

use crate::env::Env;
use crate::error::{Error, io_text};

/// The most numbers in a table; the kernel takes no more.
const MAX: usize = 16384;

/// The most bytes of a file that are read: many times what a table needs.
const MAX_BYTES: u64 = 4 << 20;

/// Where tables are when `TC_LIB_DIR` does not say: Debian's place first, whose tc is the one that
/// is followed.
const DIRS: [&str; 5] =
    [DEBIAN_DIR, "/usr/lib/tc/", "/usr/lib64/tc/", "/usr/share/tc/", "/lib/tc/"];

const DEBIAN_DIR: &str = if cfg!(target_arch = "aarch64") {
    "/usr/lib/aarch64-linux-gnu/tc/"
} else if cfg!(target_arch = "arm") {
    "/usr/lib/arm-linux-gnueabihf/tc/"
} else if cfg!(target_arch = "riscv64") {
    "/usr/lib/riscv64-linux-gnu/tc/"
} else {
    "/usr/lib/x86_64-linux-gnu/tc/"
};

/// Reads the table of this name: its quantiles, in parts of 8192 of the jitter.
pub(crate) fn load(name: &str, env: &mut dyn Env) -> Result<Vec<i16>, Error> {
    let set = env.var("TC_LIB_DIR").map(PathBuf::from);
    let dirs = match &set {
        Some(dir) => vec![dir.clone()],
        None => DIRS.map(PathBuf::from).to_vec(),
    };
    let mut first = None;
    for dir in dirs {
        let mut path = dir.into_os_string();
        path.push(format!("/{name}.dist"));
        let path = PathBuf::from(path);
        let mut text = Vec::new();
        let opened = env.open(&path);
        match opened.and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text)) {
            Ok(_) => {
                let shown = path.display();
                return match parse(&text) {
                    Some(table) if table.is_empty() => {
                        // tc says nothing at all.
                        Err(Error::refused("").hint(format!("{shown} holds no numbers")))
                    }
                    Some(table) => Ok(table),
                    None => Err(Error::refused(format_args!("{shown}: too much data"))
                        .hint(format!("the kernel takes {MAX} numbers"))),
                };
            }
            Err(e) => {
                first.get_or_insert((path, e));
            }
        }
    }
    let (path, why) =
        first.map_or_else(Default::default, |(path, e)| (path.display().to_string(), io_text(&e)));
    let line = format!("No distribution data for {name} ({path}: {why})");
    let hint = match (name, set) {
        ("uniform", _) => "delays are uniform without any distribution".to_owned(),
        (_, None) => {
            "tables come with tc (package iproute2); TC_LIB_DIR names another directory".to_owned()
        }
        (_, Some(_)) => "TC_LIB_DIR names this directory".to_owned(),
    };
    Err(Error::refused(line).hint(hint))
}

/// The numbers of a file, line by line up to what is none; of each its lowest 16 bits. `None`: more
/// than a table may have.
fn parse(text: &[u8]) -> Option<Vec<i16>> {
    if text.len() as u64 > MAX_BYTES {
        return None;
    }
    let mut table = Vec::new();
    for mut line in text.split(|b| *b == b'\n') {
        while let Some((number, rest)) = leading_i64(line) {
            if table.len() == MAX {
                return None;
            }
            table.push(number as i16);
            line = rest;
        }
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `delay 10ms 1ms distribution NAME` with such a file.
    #[test]
    fn numbers_up_to_what_is_none() {
        for (text, numbers) in [
            (&b"# one\n1 # two\n2 3#x\n#4\n #5\n 6\n"[..], &[1, 2, 3, 6][..]),
            (b"1 2 x 3\n4\n", &[1, 2, 4]),
            (b"0x10 010 1.5 7\n", &[16, 8, 1]),
            (
                b"32767 -32768 32768 -32769 65536 99999999999",
                &[32767, -32768, -32768, 32767, 0, -6145],
            ),
            (b"1 2\0 3\n4\n", &[1, 2, 4]),
            (b"1,2\t3\n1\t2", &[1, 1, 2]),
            (b"\n \n", &[]),
        ] {
            assert_eq!(parse(text).as_deref(), Some(numbers), "{text:?}");
        }
    }

    #[test]
    fn a_table_has_16384_numbers_at_most() {
        assert_eq!(parse("1 ".repeat(16384).as_bytes()).map(|table| table.len()), Some(16384));
        assert_eq!(parse("1\n".repeat(16385).as_bytes()), None);
        assert_eq!(parse(&vec![b'#'; 5 << 20]), None);
    }
}
