//! Handles and class ids.
//!
//! Kernel: uapi/linux/pkt_sched.h, `TC_H_*`.

use std::fmt;

use super::UnitError;
use super::number::{Base, Integer};

/// The 32-bit name of a qdisc (`major:`) or class (`major:minor`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u32);

impl Handle {
    /// The top of a device, where its root qdisc hangs; written `root`.
    #[doc(alias = "TC_H_ROOT")]
    pub const ROOT: Self = Self(0xffff_ffff);

    /// No handle, or whatever the kernel likes; written `none`.
    #[doc(alias = "TC_H_UNSPEC")]
    pub const UNSPEC: Self = Self(0);

    /// Where the `ingress` qdisc hangs.
    #[doc(alias = "TC_H_INGRESS")]
    pub const INGRESS: Self = Self(0xffff_fff1);

    /// Where the `clsact` qdisc hangs; the same place as [`INGRESS`](Self::INGRESS). Since Linux 4.5.
    #[doc(alias = "TC_H_CLSACT")]
    pub const CLSACT: Self = Self::INGRESS;

    /// The parent of filters on packets that come in (`ingress`). Since Linux 4.5.
    #[doc(alias = "TC_H_MIN_INGRESS")]
    pub const MIN_INGRESS: Self = Self(0xffff_fff2);

    /// The parent of filters on packets that go out (`egress`). Since Linux 4.5.
    #[doc(alias = "TC_H_MIN_EGRESS")]
    pub const MIN_EGRESS: Self = Self(0xffff_fff3);

    /// The handle `major:minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self((major as u32) << 16 | minor as u32)
    }

    /// The number before the colon: which qdisc.
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The number behind the colon: which class of it, 0 for the qdisc itself.
    pub const fn minor(self) -> u16 {
        self.0 as u16
    }

    /// Reads a qdisc's handle: `none`, or a hexadecimal number up to `ffff`, as it is or with a
    /// colon. What follows the colon is ignored, as tc does.
    pub fn parse_qdisc_handle(word: &str) -> Result<Self, UnitError> {
        const UNIT: &str = "qdisc handle";
        if word == "none" {
            return Ok(Self::UNSPEC);
        }
        let found = Integer::scan(word.as_bytes(), Base::Hex)
            .filter(|found| matches!(found.rest, [] | [b':', ..]))
            .ok_or_else(|| UnitError::invalid(UNIT, word, "MAJOR: with MAJOR in hexadecimal"))?;
        let major =
            half(found).ok_or_else(|| UnitError::out_of_range(UNIT, word, "0: to ffff:"))?;
        Ok(Self::new(major, 0))
    }

    /// Reads a class id or a parent: `root`, `none`, `MAJOR:MINOR` in hexadecimal, either of them
    /// empty for 0, or all 32 bits as one hexadecimal number.
    pub fn parse_classid(word: &str) -> Result<Self, UnitError> {
        const UNIT: &str = "class id";
        let invalid =
            || UnitError::invalid(UNIT, word, "MAJOR:MINOR in hexadecimal, \"root\" or \"none\"");
        let range = || UnitError::out_of_range(UNIT, word, "0:0 to ffff:ffff");
        match word {
            "root" => return Ok(Self::ROOT),
            "none" => return Ok(Self::UNSPEC),
            _ => {}
        }
        let bytes = word.as_bytes();
        let (major, rest) = match Integer::scan(bytes, Base::Hex) {
            Some(found) => (found, found.rest),
            None => match bytes {
                [b':', minor @ ..] => return Ok(Self::new(0, minor_half(minor, invalid, range)?)),
                _ => return Err(invalid()),
            },
        };
        match rest {
            // tc cuts it to 32 bits.
            [] => Ok(Self(major.unsigned().0 as u32)),
            [b':', minor @ ..] => {
                let major = half(major).ok_or_else(range)?;
                Ok(Self::new(major, minor_half(minor, invalid, range)?))
            }
            _ => Err(invalid()),
        }
    }
}

/// The number behind a class id's colon, 0 when there is none.
fn minor_half(
    word: &[u8],
    invalid: impl FnOnce() -> UnitError,
    range: impl FnOnce() -> UnitError,
) -> Result<u16, UnitError> {
    if word.is_empty() {
        return Ok(0);
    }
    match Integer::scan(word, Base::Hex).filter(|found| found.rest.is_empty()) {
        Some(found) => half(found).ok_or_else(range),
        None => Err(invalid()),
    }
}

fn half(found: Integer<'_>) -> Option<u16> {
    u16::try_from(found.unsigned().0).ok()
}

/// As tc prints handles and class ids: `root`, `none`, `1:`, `:1`, `1:1`.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.major(), self.minor()) {
            _ if *self == Self::ROOT => f.write_str("root"),
            (0, 0) => f.write_str("none"),
            (0, minor) => write!(f, ":{minor:x}"),
            (major, 0) => write!(f, "{major:x}:"),
            (major, minor) => write!(f, "{major:x}:{minor:x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root handle WORD pfifo_fast`.
    #[test]
    fn qdisc_handles() {
        for (word, handle) in [
            ("1", 0x1_0000),
            ("1:", 0x1_0000),
            ("10", 0x10_0000),
            ("ffff:", 0xffff_0000),
            ("0", 0),
            ("none", 0),
            ("0x1:", 0x1_0000),
            ("+1:", 0x1_0000),
            (" 1:", 0x1_0000),
            ("\t1:", 0x1_0000),
            ("1: ", 0x1_0000),
            ("1:1:1", 0x1_0000),
            ("1:fffff", 0x1_0000),
            ("1:junk", 0x1_0000),
            ("1::", 0x1_0000),
            ("00000001:", 0x1_0000),
            ("-ffffffffffffffff:", 0x1_0000),
            ("-fffffffffffff001:", 0xfff_0000),
        ] {
            assert_eq!(Handle::parse_qdisc_handle(word), Ok(Handle(handle)), "{word:?}");
        }
        for word in [
            "",
            ":",
            "10000",
            "10000:",
            "fffff:",
            "ffffffff:",
            "100000001:",
            "fffffffffffffffff:",
            "-1",
            "-1:",
            "-ffff:",
            "1 ",
            "1 :",
            "1x",
            "1x:",
            "0x",
            "0x:",
            "x:",
            "g:",
            "root",
            "None",
            "none:",
        ] {
            assert!(Handle::parse_qdisc_handle(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `class add dev lo parent 1: classid WORD drr`.
    #[test]
    fn class_ids() {
        for (word, handle) in [
            ("1:1", 0x1_0001),
            ("root", 0xffff_ffff),
            ("none", 0),
            ("1:", 0x1_0000),
            (":1", 1),
            (":", 0),
            ("1", 1),
            ("10001", 0x1_0001),
            ("ffffffff", 0xffff_ffff),
            ("100000000", 0),
            ("fffffffff", 0xffff_ffff),
            ("fffffffffffffffff", 0xffff_ffff),
            ("-1", 0xffff_ffff),
            ("-ffffffff", 1),
            ("-ffffffffffffffff", 1),
            ("ffff:fff1", 0xffff_fff1),
            (" 1:1", 0x1_0001),
            ("1: 1", 0x1_0001),
            ("0x1:0x2", 0x1_0002),
            ("0x10", 0x10),
            ("+1:1", 0x1_0001),
            ("1:+1", 0x1_0001),
            ("-fffffffffffff001:1", 0xfff_0001),
            ("1:-ffffffffffffffff", 0x1_0001),
        ] {
            assert_eq!(Handle::parse_classid(word), Ok(Handle(handle)), "{word:?}");
        }
        for word in [
            "",
            " ",
            "::",
            " :",
            " :1",
            "1:\t",
            "1:10000",
            "1:fffff",
            "10000:",
            "10000:1",
            "-1:",
            "-1:1",
            "1:-1",
            ":-1",
            "1 :1",
            "1:1 ",
            "1 ",
            "1:1:1",
            "1:1x",
            "1:x",
            "x:1",
            "1x",
            "0x",
            "0x:",
            "1:0x",
            "rootx",
            "Root",
            "none:",
            "ingress",
            "egress",
            "fffffffffffffffff:1",
            "1:fffffffffffffffff",
            "100000001:1",
        ] {
            assert!(Handle::parse_classid(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        let error = Handle::parse_classid("1:g").unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"1:g\" is no class id: expected MAJOR:MINOR in hexadecimal, \"root\" or \"none\""
        );
        let error = Handle::parse_qdisc_handle("10000:").unwrap_err();
        assert_eq!(error.to_string(), "qdisc handle \"10000:\" is out of range: 0: to ffff:");
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*", like in "[-+ 0-9a-fx:]{0,20}") {
            for word in [word, like] {
                let _ = (Handle::parse_qdisc_handle(&word), Handle::parse_classid(&word));
            }
        }

        #[test]
        fn what_is_printed_is_read(value: u32) {
            for value in [value, value & 0xffff, value & !0xffff] {
                let word = Handle(value).to_string();
                prop_assert_eq!(Handle::parse_classid(&word), Ok(Handle(value)));
            }
            let qdisc = Handle(value & !0xffff);
            prop_assert_eq!(Handle::parse_qdisc_handle(&qdisc.to_string()), Ok(qdisc));
        }
    }
}
