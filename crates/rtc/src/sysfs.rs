//! What the kernel says in files: the clock of the packet scheduler, the speed of devices.

use std::fs;
use std::path::PathBuf;

use tc_proto::client::errno_text;
use tc_proto::units::Psched;

use crate::error::Error;

/// The clock, from `/proc/net/psched`. As in tc, `PROC_NET_PSCHED` names another file, `PROC_ROOT`
/// another `/proc`, and `HZ` the frequency of the timer.
pub(crate) fn psched() -> Psched {
    let env = |name: &str| std::env::var_os(name);
    let path = match env("PROC_NET_PSCHED") {
        Some(file) => PathBuf::from(file),
        None => PathBuf::from(env("PROC_ROOT").unwrap_or("/proc".into())).join("net/psched"),
    };
    // Without the file tc goes on, too.
    let psched = fs::read_to_string(path).map_or_else(|_| Psched::default(), |t| Psched::parse(&t));
    match env("HZ").and_then(|hz| leading_number(&hz.to_string_lossy())) {
        Some(hz) => psched.with_hz(hz),
        None => psched,
    }
}

/// The number at the front of a text; 0 when there is none, as C's `atoi` has it.
fn leading_number(text: &str) -> Option<u32> {
    let digits = text.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    Some(digits.parse().unwrap_or(0))
}

/// The speed of a device in Mbit/s.
pub(crate) fn link_speed(dev: &str) -> Result<u32, Error> {
    let path = speed_file(dev);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // A device that is down has no speed.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return unknown_speed(dev),
        Err(e) => {
            let why = e.raw_os_error().map_or_else(|| e.to_string(), errno_text);
            return Err(Error::refused(format_args!("fopen {path}: {why}")));
        }
    };
    match text.trim_end().parse::<i64>().map(u32::try_from) {
        Ok(Ok(mbit)) => Ok(mbit),
        Ok(Err(_)) => unknown_speed(dev),
        Err(_) => Err(Error::refused(format_args!("Failed to parse {path}"))),
    }
}

/// The error of a device that does not tell its speed.
pub(crate) fn unknown_speed(dev: &str) -> Result<u32, Error> {
    let path = speed_file(dev);
    Err(Error::refused(format_args!("property \"speed\" in file {path} is currently unknown"))
        .line(format_args!("Failed to parse {path}"))
        .hint("give a rate instead of a share of the device's speed"))
}

fn speed_file(dev: &str) -> String {
    format!("/sys/class/net/{dev}/speed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [("1000", 1000), (" 250x", 250), ("", 0), ("x", 0), ("-5", 0)] {
            assert_eq!(leading_number(text), Some(number), "{text:?}");
        }
    }

    // tc 7.3: `class add dev nosuch … htb rate 10%`.
    #[test]
    fn a_device_without_speed_is_named_with_its_file() {
        let err = link_speed("no such device").unwrap_err();
        let line = "fopen /sys/class/net/no such device/speed: No such file or directory\n";
        assert_eq!(err.to_string(), line);
    }
}
