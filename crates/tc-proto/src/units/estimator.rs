//! Rate estimators: how often the kernel measures, and how fast it forgets.
//!
//! Kernel: uapi/linux/gen_stats.h, `struct gnet_estimator`, in `TCA_RATE`.

use super::UnitError;
use super::time::TimeUs;
use crate::error::DecodeError;
use crate::wire::Reader;

/// What `estimator INTERVAL TIMECONST` asks for: 2 bytes.
#[doc(alias = "gnet_estimator")]
#[doc(alias = "TCA_RATE")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimator {
    /// Binary logarithm of the measuring interval in seconds, −2 (250 ms) to 3 (8 s).
    pub interval: i8,
    /// Binary logarithm of the weight of what was before, 1 to 29.
    pub ewma_log: u8,
}

impl Estimator {
    /// Size in bytes.
    pub const LEN: usize = 2;

    /// Rounds the interval up to one that the kernel has and finds the weight with which, at the
    /// interval as given, a measurement fades within the time constant.
    ///
    /// The interval is more than 0 and at most 8 s, the time constant at least 1.45 times as long.
    pub fn new(interval: TimeUs, time_constant: TimeUs) -> Result<Self, UnitError> {
        let out_of_range = || {
            UnitError::out_of_range(
                "estimator",
                &format!("{interval} {time_constant}"),
                "INTERVAL up to 8s, TIMECONST at least 1.45 times as long",
            )
        };
        let log = (-2i8..).zip([250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000]);
        let mut log = log.filter(|(_, us)| interval.0 <= *us).map(|(log, _)| log);
        let log = log.next().ok_or_else(out_of_range)?;
        // Weight 1 - 2^-n fades to 1/e within -1 / ln(1 - 2^-n) intervals.
        let fades = |n: &i32| {
            let intervals = -1.0 / (1.0 - 2f64.powi(-n)).ln();
            f64::from(interval.0) * intervals <= f64::from(time_constant.0)
        };
        match (1..=30).take_while(fades).last() {
            Some(n @ ..30) => Ok(Self { interval: log, ewma_log: n as u8 }),
            _ => Err(out_of_range()),
        }
    }

    /// Reads the two words behind `estimator`, both times as of [`TimeUs::parse`].
    pub fn parse(interval: &str, time_constant: &str) -> Result<Self, UnitError> {
        Self::new(TimeUs::parse(interval)?, TimeUs::parse(time_constant)?)
    }

    /// The structure's bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        [self.interval as u8, self.ewma_log]
    }

    /// Reads the payload of `TCA_RATE`.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("gnet_estimator", payload);
        Ok(Self { interval: r.u8()? as i8, ewma_log: r.u8()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root estimator INTERVAL TIMECONST pfifo_fast`, TCA_RATE.
    #[test]
    fn words_tc_takes() {
        for (interval, time_constant, bytes) in [
            ("1s", "8s", [0, 3]),
            ("2s", "8s", [1, 2]),
            ("4s", "8s", [2, 1]),
            ("3s", "8s", [2, 1]),
            ("5s", "8s", [3, 1]),
            ("0.5s", "1s", [0xff, 1]),
            ("0.25s", "1s", [0xfe, 2]),
            ("250000", "8s", [0xfe, 5]),
            ("100ms", "1s", [0xfe, 3]),
            ("10ms", "1s", [0xfe, 6]),
            ("0.3s", "1s", [0xff, 1]),
            ("250001", "4s", [0xff, 4]),
            ("1s", "1.5s", [0, 1]),
            ("1s", "3s", [0, 1]),
            ("2s", "7s", [1, 2]),
            ("2s", "15s", [1, 3]),
            ("2s", "30s", [1, 3]),
            ("2s", "63s", [1, 5]),
            ("250ms", "4294s", [0xfe, 14]),
            ("8s", "100s", [3, 3]),
            ("1", "2", [0xfe, 1]),
            ("100", "145", [0xfe, 1]),
            ("10000", "14427", [0xfe, 1]),
            ("10000", "34760", [0xfe, 1]),
            ("10000", "34761", [0xfe, 2]),
            ("1", "536s", [0xfe, 28]),
            ("1", "537s", [0xfe, 29]),
            ("1", "1073s", [0xfe, 29]),
        ] {
            let estimator = Estimator::parse(interval, time_constant).unwrap();
            assert_eq!(estimator.to_bytes(), bytes, "{interval} {time_constant}");
            assert_eq!(Estimator::decode(&bytes), Ok(estimator));
        }
        for (interval, time_constant) in [
            ("8s", "8s"),
            ("8000001", "100s"),
            ("16s", "8s"),
            ("0", "0"),
            ("0", "1s"),
            ("1s", "1s"),
            ("1s", "0"),
            ("100", "144"),
            ("10000", "14426"),
            ("1", "1074s"),
            ("1", "4294s"),
            ("1s", "x"),
            ("x", "1s"),
            ("-1s", "1s"),
            ("inf", "1s"),
        ] {
            assert!(
                Estimator::parse(interval, time_constant).is_err(),
                "{interval} {time_constant}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(interval: u32, time_constant: u32, bytes: Vec<u8>) {
            if let Ok(e) = Estimator::new(TimeUs(interval), TimeUs(time_constant)) {
                prop_assert!((-2..=3).contains(&e.interval) && (1..30).contains(&e.ewma_log));
            }
            let _ = Estimator::decode(&bytes);
        }
    }
}
