//! Rates: bits a second in words and text, bytes a second in messages and JSON.

use std::fmt;

use super::UnitError;
use super::float::{scan_float, scan_scaled};

const UNIT: &str = "rate";
const EXPECTED: &str =
    "a number and bit, kbit, mbit, gbit, tbit (kibit, …) or bps, kbps, … for bytes";

/// A rate in bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

/// Bits a second in one of each unit. `bps` are bytes: tc's best known trap.
const SUFFIXES: [(&str, f64); 19] = [
    ("", 1.0),
    ("bit", 1.0),
    ("kibit", 1024.0),
    ("kbit", 1e3),
    ("mibit", 1_048_576.0),
    ("mbit", 1e6),
    ("gibit", 1_073_741_824.0),
    ("gbit", 1e9),
    ("tibit", 1_099_511_627_776.0),
    ("tbit", 1e12),
    ("bps", 8.0),
    ("kibps", 8192.0),
    ("kbps", 8e3),
    ("mibps", 8_388_608.0),
    ("mbps", 8e6),
    ("gibps", 8_589_934_592.0),
    ("gbps", 8e9),
    ("tibps", 8_796_093_022_208.0),
    ("tbps", 8e12),
];

impl Rate {
    /// Reads a number with a unit, in whatever case: `10mbit`, `1.5Gibit`, `100kbps` (bytes). Without
    /// unit it is in bit/s. Fractions of a byte are cut off, so `7bit` is 0.
    ///
    /// What does not fit 64 bits is an error; tc makes 0 of it.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        let bits =
            scan_scaled(word, &SUFFIXES).ok_or_else(|| UnitError::invalid(UNIT, word, EXPECTED))?;
        from_bits(bits).ok_or_else(|| UnitError::out_of_range(UNIT, word, "0 to 2^64-1 bytes/s"))
    }

    /// The rate in 32 bits, as [`RateSpec`](super::RateSpec) and older attributes hold it: the
    /// greatest value stands for all that do not fit, with the exact rate in an attribute beside it.
    pub fn clamped(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// Whether the rate needs an attribute of 64 bits beside one of 32.
    pub fn needs_64_bits(self) -> bool {
        u32::try_from(self.0).is_err()
    }

    /// The rate as text, `10Mbit`; with `iec` in powers of 1024, `10Mibit`.
    ///
    /// Digits are cut off only where tc cuts: while a thousand of the next unit are left, or while it
    /// divides evenly.
    pub fn display(self, iec: bool) -> RateText {
        RateText { rate: self, iec }
    }
}

fn from_bits(bits: f64) -> Option<Rate> {
    let bytes = bits / 8.0;
    (bytes >= 0.0 && bytes < 2f64.powi(64)).then_some(Rate(bytes as u64))
}

/// A rate that prints as tc prints it; see [`Rate::display`].
#[derive(Clone, Copy, Debug)]
pub struct RateText {
    rate: Rate,
    iec: bool,
}

impl RateText {
    /// The text in parts: a number, `K` to `T` or nothing, `i` or nothing; `bit` follows.
    pub fn parts(self) -> (u64, &'static str, &'static str) {
        let (kilo, infix) = if self.iec { (1024, "i") } else { (1000, "") };
        // Above 2^61 bytes/s the bits do not fit; tc shows what is left of them.
        let mut bits = self.rate.0.wrapping_mul(8);
        let mut unit = "";
        for next in ["K", "M", "G", "T"] {
            if bits < kilo || (bits % kilo != 0 && bits < kilo * 1000) {
                break;
            }
            bits /= kilo;
            unit = next;
        }
        (bits, unit, if unit.is_empty() { "" } else { infix })
    }
}

impl fmt::Display for RateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bits, unit, infix) = self.parts();
        write!(f, "{bits}{unit}{infix}bit")
    }
}

/// What stands where a rate is expected: a rate, or a share of the device's speed.
///
/// tc takes a share in `choke`, `fq`, `gred`, `hfsc`, `htb`, `netem`, `red` and `tbf`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateWord {
    /// A rate.
    Rate(Rate),
    /// A share.
    Share(SpeedShare),
}

impl RateWord {
    /// Reads a rate, or a share when there is a `%` in the word.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        if word.contains('%') {
            SpeedShare::parse(word).map(Self::Share)
        } else {
            Rate::parse(word).map(Self::Rate)
        }
    }
}

/// A share of a device's speed, 0 to 100 %.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct SpeedShare {
    fraction: f64,
}

impl SpeedShare {
    /// Reads a decimal number and `%`. What follows the number is ignored, as tc does, when it
    /// begins with a character other than a digit, point or percent sign.
    ///
    /// [`UnitError::OutOfRange`] means a share above 100 %.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        const UNIT: &str = "share of the device's speed";
        let end = word.find(|c: char| !matches!(c, '0'..='9' | '.' | '%'));
        let share = end.and_then(|end| word.get(..end)).unwrap_or(word);
        let percent = match scan_float(share) {
            Some((percent, b"" | b"%")) => Some(percent),
            None if share == "%" => Some(0.0),
            _ => None,
        };
        let percent = percent
            .ok_or_else(|| UnitError::invalid(UNIT, word, "a number from 0 to 100 and %"))?;
        let fraction = percent / 100.0;
        if fraction > 1.0 {
            return Err(UnitError::out_of_range(UNIT, word, "0% to 100%"));
        }
        Ok(Self { fraction })
    }

    /// The share of a device whose speed is `mbit` Mbit/s, as `/sys/class/net/DEV/speed` says.
    ///
    /// Like tc, this rounds to a millionth of a bit before it cuts the fraction of a byte off.
    pub fn of_speed(self, mbit: u32) -> Rate {
        let bits = self.fraction * f64::from(mbit) * 1e6;
        let rounded = format!("{bits:.6}").parse().unwrap_or(bits);
        from_bits(rounded).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root cake bandwidth WORD`.
    #[test]
    fn words_tc_takes() {
        for (word, bytes) in [
            ("0", 0),
            ("-0", 0),
            ("7", 0),
            ("8", 1),
            ("15", 1),
            ("16", 2),
            ("1kbit", 125),
            ("1KBIT", 125),
            ("1kibit", 128),
            ("1mbit", 125_000),
            ("1mibit", 131_072),
            ("1gbit", 125_000_000),
            ("1Gibit", 134_217_728),
            ("1tbit", 125_000_000_000),
            ("1tibit", 137_438_953_472),
            ("1bps", 1),
            ("1kbps", 1000),
            ("1kibps", 1024),
            ("1mbps", 1_000_000),
            ("1mibps", 1_048_576),
            ("1gbps", 1_000_000_000),
            ("1Gibps", 1_073_741_824),
            ("1tbps", 1_000_000_000_000),
            ("1tibps", 1_099_511_627_776),
            ("1.5mbit", 187_500),
            ("0.9", 0),
            ("1e3", 125),
            ("1e3kbit", 125_000),
            ("0x10", 2),
            ("0x10kbit", 2000),
            ("0x1p3", 1),
            ("+5mbit", 625_000),
            (".5mbit", 62_500),
            ("5.mbit", 625_000),
            (" 1mbit", 125_000),
            ("1000000.9", 125_000),
            ("1e20", 12_500_000_000_000_000_000),
            ("1e19bps", 10_000_000_000_000_000_000),
            ("18446744073709551615", 2_305_843_009_213_693_952),
            ("999999999999.99mbit", 124_999_999_999_998_752),
            ("12345678901234567890", 1_543_209_862_654_320_896),
        ] {
            assert_eq!(Rate::parse(word), Ok(Rate(bytes)), "{word:?}");
            assert_eq!(RateWord::parse(word), Ok(RateWord::Rate(Rate(bytes))), "{word:?}");
        }
        for word in [
            "", "1k", "1m", "1b", "1kb", "1B", "1bits", "1kbits", "-1", "-1bit", ".", "1e",
            "1ebit", "bit", "1,5mbit", "10mbit1", "1 mbit", "1mbit ", "50%", "1bit%",
        ] {
            assert!(Rate::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3 takes these and sends 0 (the NaN: 2^63).
    #[test]
    fn rates_that_do_not_fit_are_refused() {
        for word in ["1e30", "147573952589676412928", "18446744073709551615bps", "2e19bps"] {
            let error = Rate::parse(word).unwrap_err();
            assert!(matches!(error, UnitError::OutOfRange { .. }), "{word:?}: {error}");
        }
        for word in ["inf", "nan", "infbit"] {
            assert!(Rate::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `qdisc add dev v0 root netem rate WORD`; v0 is a veth, its speed 10000 Mbit/s.
    #[test]
    fn shares_tc_takes() {
        for (word, bytes) in [
            ("50%", 625_000_000),
            ("0%", 0),
            ("100%", 1_250_000_000),
            ("100.0000000000000001%", 1_250_000_000),
            ("0.5%", 6_250_000),
            ("33.3%", 416_250_000),
            ("33.333333%", 416_666_662),
            ("0.059%", 737_500),
            ("63.486%", 793_574_999),
            ("75.82%", 947_750_000),
            ("2.00529%", 25_066_125),
            ("2.51122%", 31_390_250),
            ("0.00001%", 125),
            (".5%", 6_250_000),
            ("5.%", 62_500_000),
            ("00050%", 625_000_000),
            ("%", 0),
            // Only what is in front of the first odd character counts.
            ("1bit%", 12_500_000),
            ("1e1%", 12_500_000),
            ("1,5%", 12_500_000),
            ("0x10%", 0),
            ("5%x", 62_500_000),
            ("5 %", 62_500_000),
            ("5% ", 62_500_000),
            ("50%bit", 625_000_000),
        ] {
            let Ok(RateWord::Share(share)) = RateWord::parse(word) else { panic!("{word:?}") };
            assert_eq!(share.of_speed(10_000), Rate(bytes), "{word:?}");
        }
        for word in [
            "-1%", "-0%", "5%%", "%5", "nan%", "inf%", " 5%", ".%", "%%", "5.5.5%", "5%5", "5%5%",
            "",
        ] {
            let error = SpeedShare::parse(word).unwrap_err();
            assert!(matches!(error, UnitError::Invalid { .. }), "{word:?}: {error}");
        }
        for word in ["101%", "100.1%"] {
            let error = SpeedShare::parse(word).unwrap_err();
            assert!(matches!(error, UnitError::OutOfRange { .. }), "{word:?}: {error}");
        }
    }

    // tc 7.3: `tc [-iec] monitor file` over tbf qdiscs of these rates.
    #[test]
    fn rates_tc_prints() {
        for (bytes, si, iec) in [
            (0, "0bit", "0bit"),
            (1, "8bit", "8bit"),
            (124, "992bit", "992bit"),
            (125, "1Kbit", "1000bit"),
            (126, "1008bit", "1008bit"),
            (128, "1024bit", "1Kibit"),
            (1000, "8Kbit", "8000bit"),
            (1249, "9992bit", "9992bit"),
            (12_500, "100Kbit", "100000bit"),
            (125_000, "1Mbit", "1000000bit"),
            (125_001, "1Mbit", "1000008bit"),
            (127_152, "1017Kbit", "1017216bit"),
            (130_625, "1045Kbit", "1020Kibit"),
            (130_944, "1047Kbit", "1023Kibit"),
            (131_072, "1048Kbit", "1Mibit"),
            (187_500, "1500Kbit", "1464Kibit"),
            (1_250_125, "10001Kbit", "9766Kibit"),
            (12_345_678, "98765Kbit", "96450Kibit"),
            (124_999_875, "999999Kbit", "976561Kibit"),
            (125_000_000, "1Gbit", "976562Kibit"),
            (134_217_728, "1073Mbit", "1Gibit"),
            (1_250_000_000, "10Gbit", "9536Mibit"),
            (4_294_967_296, "34359Mbit", "32Gibit"),
            (131_991_250, "1055Mbit", "1007Mibit"),
            (136_302_421_750, "1090Gbit", "1015Gibit"),
            (123_456_789_012, "987654Mbit", "941900Mibit"),
            (137_438_953_472, "1099Gbit", "1Tibit"),
            (125_000_000_000_000, "1000Tbit", "931322Gibit"),
            ((1 << 61) - 1, "18446744Tbit", "16777215Tibit"),
            (1 << 61, "0bit", "0bit"),
            (u64::MAX, "18446744Tbit", "16777215Tibit"),
        ] {
            assert_eq!(Rate(bytes).display(false).to_string(), si);
            assert_eq!(Rate(bytes).display(true).to_string(), iec);
        }
    }

    #[test]
    fn thirty_two_bits() {
        assert_eq!((Rate(5).clamped(), Rate(5).needs_64_bits()), (5, false));
        assert_eq!((Rate(1 << 32).clamped(), Rate(1 << 32).needs_64_bits()), (u32::MAX, true));
        assert!(!Rate(u64::from(u32::MAX)).needs_64_bits());
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*", like in "[-+ 0-9.e%]{0,12}[a-z%]{0,6}", mbit: u32) {
            for word in [word, like] {
                if let Ok(RateWord::Share(share)) = RateWord::parse(&word) {
                    prop_assert!(share.of_speed(mbit).0 <= u64::from(mbit) * 125_000);
                }
                let _ = Rate::parse(&word);
            }
        }

        #[test]
        fn what_is_printed_is_read(bytes in 0u64..1 << 61, iec: bool) {
            let rate = Rate(bytes);
            let read = Rate::parse(&rate.display(iec).to_string()).unwrap();
            // At least three digits are left.
            prop_assert!(read <= rate || read.0 - rate.0 <= rate.0 >> 52);
            prop_assert!(rate.0.saturating_sub(read.0) as f64 <= rate.0 as f64 / 900.0);
            let again = Rate::parse(&read.display(iec).to_string()).unwrap();
            prop_assert!(again.0.abs_diff(read.0) <= 1);
        }
    }
}
