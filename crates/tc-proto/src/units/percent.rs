//! Percents: probabilities as 32-bit fractions.

use std::fmt;

use super::UnitError;
use super::float::{general, scan_float};

/// A probability: 0 is never, `u32::MAX` is always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub u32);

impl Percent {
    /// Reads a number of percent, 0 to 100, with or without `%`: both `0.3%` and `0.3` are 0.3 %.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        const UNIT: &str = "percentage";
        let Some((percent, b"" | b"%")) = scan_float(word) else {
            return Err(UnitError::invalid(UNIT, word, "a number from 0 to 100, then maybe %"));
        };
        if !(0.0..=100.0).contains(&percent) {
            return Err(UnitError::out_of_range(UNIT, word, "0 to 100 %"));
        }
        Ok(Self((percent / 100.0 * f64::from(u32::MAX)).round_ties_even() as u32))
    }

    /// The probability from 0 to 1, as tc's JSON has it.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(u32::MAX)
    }
}

/// As tc prints it, with six digits: `0.3%`, `33.333%`.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", general(100.0 * self.fraction(), 6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root netem loss WORD`.
    #[test]
    fn words_tc_takes() {
        for (word, value) in [
            ("0", 0),
            ("1", 42_949_673),
            ("1%", 42_949_673),
            ("100%", u32::MAX),
            ("100", u32::MAX),
            ("0.3", 12_884_902),
            ("0.3%", 12_884_902),
            ("1e1%", 429_496_730),
            ("0x10%", 687_194_767),
            ("1e-9%", 0),
            ("1e-7", 4),
            ("33.333", 1_431_641_448),
            ("99.9999999999", u32::MAX),
            ("25.5", 1_095_216_660),
            ("5.", 214_748_365),
        ] {
            assert_eq!(Percent::parse(word), Ok(Percent(value)), "{word:?}");
        }
        for word in [
            "", "%", "x", "100.1%", "101%", "50%%", "50%x", "-1", "inf", "nan", "5,5", "1/2",
            "1e2.", "5 %", "5% ",
        ] {
            assert!(Percent::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `tc monitor file` over netem qdiscs with these losses.
    #[test]
    fn percents_tc_prints() {
        for (value, text) in [
            (1, "2.32831e-08%"),
            (43, "1.00117e-06%"),
            (4294, "9.99775e-05%"),
            (429_496, "0.00999998%"),
            (12_884_902, "0.3%"),
            (42_949_673, "1%"),
            (123_456_789, "2.87445%"),
            (1_431_641_448, "33.333%"),
            (1 << 31, "50%"),
            (4_294_924_345, "99.999%"),
            (4_294_967_253, "100%"),
            (u32::MAX, "100%"),
        ] {
            assert_eq!(Percent(value).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*", like in "[-+ 0-9.ex]{0,12}%?") {
            let _ = (Percent::parse(&word), Percent::parse(&like));
        }

        #[test]
        fn what_is_printed_is_read(value: u32, shift in 0u32..32) {
            let percent = Percent(value >> shift);
            let read = Percent::parse(&percent.to_string()).unwrap();
            prop_assert!(read.0.abs_diff(percent.0) <= percent.0 / 100_000 + 1);
        }
    }
}
