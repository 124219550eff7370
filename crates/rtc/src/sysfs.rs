//! What the kernel says in files: the clock of the packet scheduler, the speed of devices.

use std::ffi::OsStr;
use std::io::{self, Read};

use tc_proto::client::errno_text;
use tc_proto::units::Psched;

use crate::error::Error;

/// No such file is longer.
const MOST: u64 = 4096;

fn text(file: io::Result<Box<dyn Read>>) -> io::Result<String> {
    // Such files have no size, and would be read in small pieces.
    let mut text = String::with_capacity(256);
    file?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// The clock, from the content of `/proc/net/psched` and the environment's `HZ`.
pub(crate) fn psched(file: io::Result<Box<dyn Read>>, hz: Option<&OsStr>) -> Psched {
    // Without the file tc goes on, too.
    let psched = text(file).map_or_else(|_| Psched::default(), |text| Psched::parse(&text));
    match hz {
        Some(hz) => psched.with_hz(leading_number(&hz.to_string_lossy())),
        None => psched,
    }
}

/// The number at the front of a text; 0 when there is none, as C's `atoi` has it.
fn leading_number(text: &str) -> u32 {
    let digits = text.trim_start().split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The file that tells the speed of a device.
pub(crate) fn speed_file(dev: &str) -> String {
    format!("/sys/class/net/{dev}/speed")
}

/// The speed in Mbit/s that is in a file.
pub(crate) fn link_speed(path: &str, file: io::Result<Box<dyn Read>>) -> Result<u32, Error> {
    let unknown = || {
        let line = format!("property \"speed\" in file {path} is currently unknown");
        Err(Error::refused(line)
            .line(format_args!("Failed to parse {path}"))
            .hint("give a rate instead of a share of the device's speed"))
    };
    match text(file) {
        Ok(text) => match text.trim_end().parse::<i64>().map(u32::try_from) {
            Ok(Ok(mbit)) => Ok(mbit),
            Ok(Err(_)) => unknown(),
            Err(_) => Err(Error::refused(format_args!("Failed to parse {path}"))),
        },
        // A device that is down has no speed.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => unknown(),
        Err(e) => {
            let why = e.raw_os_error().map_or_else(|| e.to_string(), errno_text);
            Err(Error::refused(format_args!("fopen {path}: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [("1000", 1000), (" 250x", 250), ("", 0), ("x", 0), ("-5", 0)] {
            assert_eq!(leading_number(text), number, "{text:?}");
        }
    }

    // tc 7.3: `class add dev nosuch … htb rate 10%`, and with a device that is down.
    #[test]
    fn a_device_without_speed_is_named_with_its_file() {
        for (errno, line) in [
            (libc::ENOENT, "fopen F: No such file or directory\n"),
            (
                libc::EINVAL,
                "property \"speed\" in file F is currently unknown\nFailed to parse F\n",
            ),
        ] {
            let err = link_speed("F", Err(io::Error::from_raw_os_error(errno))).unwrap_err();
            assert_eq!(err.to_string(), line);
        }
        let file = |text: &'static str| Ok(Box::new(text.as_bytes()) as Box<dyn Read>);
        assert_eq!(link_speed("F", file("1000\n")), Ok(1000));
        assert!(link_speed("F", file("-1\n")).is_err());
    }
}
