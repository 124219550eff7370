//! Times: microseconds in 32 bits, and nanoseconds in 64 for newer options.

use std::fmt;

use super::UnitError;
use super::float::{general, scan_scaled};

const UNIT: &str = "time";

const MICROSECONDS: [(&str, f64); 10] = [
    ("", 1.0),
    ("us", 1.0),
    ("usec", 1.0),
    ("usecs", 1.0),
    ("ms", 1e3),
    ("msec", 1e3),
    ("msecs", 1e3),
    ("s", 1e6),
    ("sec", 1e6),
    ("secs", 1e6),
];

const NANOSECONDS: [(&str, f64); 13] = [
    ("", 1.0),
    ("ns", 1.0),
    ("nsec", 1.0),
    ("nsecs", 1.0),
    ("us", 1e3),
    ("usec", 1e3),
    ("usecs", 1e3),
    ("ms", 1e6),
    ("msec", 1e6),
    ("msecs", 1e6),
    ("s", 1e9),
    ("sec", 1e9),
    ("secs", 1e9),
];

/// A time in microseconds, up to 71 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeUs(pub u32);

impl TimeUs {
    /// Reads a number with a unit, in whatever case: `us`, `usec`, `usecs`, `ms`, …, `s`, `sec`,
    /// `secs`. Without unit it is in µs. Fractions of a µs are cut off.
    ///
    /// What does not fit 32 bits is an error; tc takes it modulo 2³².
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        let time = scan_scaled(word, &MICROSECONDS)
            .ok_or_else(|| UnitError::invalid(UNIT, word, "a number and us, ms or s"))?;
        if time >= 0.0 && time < 2f64.powi(32) {
            Ok(Self(time as u32))
        } else {
            Err(UnitError::out_of_range(UNIT, word, "0 to 4294967295 us (71 minutes)"))
        }
    }
}

/// As tc prints it: in s, ms or µs, the first two with three digits: `1.23s`, `100ms`, `999us`.
impl fmt::Display for TimeUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ 1_000_000.. => write!(f, "{}s", general(f64::from(us) / 1e6, 3)),
            us @ 1000.. => write!(f, "{}ms", general(f64::from(us) / 1e3, 3)),
            us => write!(f, "{us}us"),
        }
    }
}

/// A time in nanoseconds, up to 292 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeNs(pub i64);

impl TimeNs {
    /// Reads a number with a unit, those of [`TimeUs::parse`] and `ns`, `nsec`, `nsecs`. Without
    /// unit it is in **ns**. Fractions of a ns are cut off; negative times are out of range.
    ///
    /// What does not fit 63 bits is an error; tc makes the lowest number of it.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        let time = scan_scaled(word, &NANOSECONDS)
            .ok_or_else(|| UnitError::invalid(UNIT, word, "a number and ns, us, ms or s"))?;
        if time >= 0.0 && time < 2f64.powi(63) {
            Ok(Self(time as i64))
        } else {
            Err(UnitError::out_of_range(UNIT, word, "0 to 2^63-1 ns (292 years)"))
        }
    }
}

/// As tc prints it: in s, ms or µs with three digits, else in ns: `1.23s`, `100ms`, `1.5us`, `999ns`.
impl fmt::Display for TimeNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        match ns {
            1_000_000_000.. => write!(f, "{}s", general(ns as f64 / 1e9, 3)),
            1_000_000.. => write!(f, "{}ms", general(ns as f64 / 1e6, 3)),
            1000.. => write!(f, "{}us", general(ns as f64 / 1e3, 3)),
            _ => write!(f, "{ns}ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root fq_codel interval WORD`, `… netem delay WORD`.
    #[test]
    fn words_tc_takes() {
        for (word, us, ns) in [
            ("0", Some(0), Some(0)),
            ("-0", Some(0), Some(0)),
            ("1", Some(1), Some(1)),
            ("1us", Some(1), Some(1000)),
            ("1usec", Some(1), Some(1000)),
            ("1usecs", Some(1), Some(1000)),
            ("1US", Some(1), Some(1000)),
            ("1ms", Some(1000), Some(1_000_000)),
            ("1msec", Some(1000), Some(1_000_000)),
            ("1Msecs", Some(1000), Some(1_000_000)),
            ("1s", Some(1_000_000), Some(1_000_000_000)),
            ("1sec", Some(1_000_000), Some(1_000_000_000)),
            ("1secs", Some(1_000_000), Some(1_000_000_000)),
            ("1ns", None, Some(1)),
            ("1nsec", None, Some(1)),
            ("1500nsecs", None, Some(1500)),
            ("1.9", Some(1), Some(1)),
            ("1.5ms", Some(1500), Some(1_500_000)),
            ("1.9999us", Some(1), Some(1999)),
            ("0.5us", Some(0), Some(500)),
            ("1.0000001s", Some(1_000_000), Some(1_000_000_100)),
            ("4294.967295s", Some(u32::MAX), Some(4_294_967_295_000)),
            ("4294967295", Some(u32::MAX), Some(4_294_967_295)),
            ("1e3us", Some(1000), Some(1_000_000)),
            ("0x10", Some(16), Some(16)),
            (" 1ms", Some(1000), Some(1_000_000)),
            ("9223372036s", None, Some(9_223_372_036_000_000_000)),
            // tc takes these modulo 2^32 in the first case, as -2^63 in the second.
            ("4294.967296s", None, Some(4_294_967_296_000)),
            ("4294967296", None, Some(4_294_967_296)),
            ("1e18", None, Some(1_000_000_000_000_000_000)),
            ("9223372036854775807", None, None),
            ("9223372037s", None, None),
            ("1e30", None, None),
            ("inf", None, None),
            ("nanus", None, None),
            // Refused by tc.
            ("", None, None),
            ("1m", None, None),
            ("1min", None, None),
            ("1u", None, None),
            ("-1", None, None),
            ("-1ms", None, None),
            ("s", None, None),
            ("1 ms", None, None),
            ("1ms ", None, None),
            ("10us10", None, None),
        ] {
            assert_eq!(TimeUs::parse(word).ok(), us.map(TimeUs), "{word:?}");
            assert_eq!(TimeNs::parse(word).ok(), ns.map(TimeNs), "{word:?}");
        }
    }

    // tc 7.3: `tc monitor file` over fq_codel qdiscs with these intervals.
    #[test]
    fn microseconds_tc_prints() {
        for (us, text) in [
            (0, "0us"),
            (999, "999us"),
            (1000, "1ms"),
            (1001, "1ms"),
            (1234, "1.23ms"),
            (1235, "1.24ms"),
            (9995, "9.99ms"),
            (9999, "10ms"),
            (10049, "10ms"),
            (10050, "10.1ms"),
            (12345, "12.3ms"),
            (99949, "99.9ms"),
            (99950, "100ms"),
            (999_499, "999ms"),
            (999_500, "1e+03ms"),
            (999_999, "1e+03ms"),
            (1_000_000, "1s"),
            (1_005_000, "1s"),
            (1_015_000, "1.01s"),
            (1_025_000, "1.02s"),
            (1_035_000, "1.03s"),
            (9_995_000, "9.99s"),
            (60_000_000, "60s"),
            (999_500_000, "1e+03s"),
            (u32::MAX, "4.29e+03s"),
        ] {
            assert_eq!(TimeUs(us).to_string(), text);
        }
    }

    // tc 7.3: `tc monitor file` over netem qdiscs with these latencies.
    #[test]
    fn nanoseconds_tc_prints() {
        for (ns, text) in [
            (1, "1ns"),
            (-1, "-1ns"),
            (999, "999ns"),
            (1000, "1us"),
            (1234, "1.23us"),
            (9995, "9.99us"),
            (999_500, "1e+03us"),
            (1_000_000, "1ms"),
            (1_234_567, "1.23ms"),
            (999_999_999, "1e+03ms"),
            (1_234_567_890, "1.23s"),
            (1_000_000_000_000, "1e+03s"),
            (i64::MAX, "9.22e+09s"),
            (i64::MIN, "-9223372036854775808ns"),
            (-1_500_000, "-1500000ns"),
        ] {
            assert_eq!(TimeNs(ns).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*", like in "[-+ 0-9.e]{0,12}[a-z]{0,5}") {
            for word in [word, like] {
                let _ = (TimeUs::parse(&word), TimeNs::parse(&word));
            }
        }

        #[test]
        fn what_is_printed_is_read(us: u32, ns in 0..i64::MAX, shift in 0u32..63) {
            let us = us >> (shift / 2);
            if let Ok(read) = TimeUs::parse(&TimeUs(us).to_string()) {
                // Three digits: half a unit in the last of them.
                prop_assert!(read.0.abs_diff(us) <= us / 200 + 1);
            } else {
                prop_assert!(us > u32::MAX / 200 * 199);
            }
            let ns = ns >> shift;
            if let Ok(read) = TimeNs::parse(&TimeNs(ns).to_string()) {
                prop_assert!(read.0.abs_diff(ns) <= ns as u64 / 200 + 1);
            } else {
                prop_assert!(ns > i64::MAX / 200 * 199);
            }
        }
    }
}
