//! The packet scheduler's clock: messages tell the times of buffers in its ticks.
//!
//! Kernel: `/proc/net/psched`. On all kernels since 2.6.31 a tick is 64 ns.

use super::number::{Base, parse_u32};
use super::rate::Rate;
use super::size::Size;

/// The clock's rate, and the timer's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Psched {
    ticks_per_us: f64,
    hz: u32,
}

/// What tc takes when `/proc/net/psched` cannot be read: a tick is a microsecond, the timer has
/// 100 Hz. Times are wrong then on any current kernel.
impl Default for Psched {
    fn default() -> Self {
        Self { ticks_per_us: 1.0, hz: 100 }
    }
}

impl Psched {
    /// The clock of current kernels, with high resolution timers: 15.625 ticks a microsecond, and a
    /// timer as fast as can be.
    pub const CURRENT: Self = Self { ticks_per_us: 15.625, hz: 1_000_000_000 };

    /// Reads the text of `/proc/net/psched`, four hexadecimal numbers: nanoseconds a microsecond,
    /// nanoseconds a tick, the clock's resolution, the timer's frequency.
    ///
    /// Where the text makes no sense this is as [`default`](Self::default).
    pub fn parse(text: &str) -> Self {
        let mut numbers = text.split_ascii_whitespace().map(|word| parse_u32(word, Base::Hex).ok());
        let mut next = || numbers.next().flatten();
        let (Some(us), Some(tick), Some(resolution)) = (next(), next(), next()) else {
            return Self::default();
        };
        let hz = match next() {
            Some(hz) if resolution == 1_000_000 && hz != 0 => hz,
            _ => Self::default().hz,
        };
        // A resolution of a nanosecond means that the first number is to be ignored.
        let us = if resolution == 1_000_000_000 { tick } else { us };
        let ticks_per_us = f64::from(us) / f64::from(tick) * (f64::from(resolution) / 1e6);
        if ticks_per_us.is_finite() && ticks_per_us > 0.0 {
            Self { ticks_per_us, hz }
        } else {
            Self { hz, ..Self::default() }
        }
    }

    /// The same clock with a timer of `hz` Hz, as the environment variable `HZ` asks for; 0 is 100.
    #[must_use]
    pub fn with_hz(self, hz: u32) -> Self {
        Self { hz: if hz == 0 { Self::default().hz } else { hz }, ..self }
    }

    /// How many ticks are a microsecond.
    pub fn ticks_per_us(&self) -> f64 {
        self.ticks_per_us
    }

    /// The timer's frequency in Hz. `htb` computes default bursts from it: rate / HZ + MTU.
    pub fn hz(&self) -> u32 {
        self.hz
    }

    /// Ticks that `us` microseconds take, rounded up, at most `u32::MAX`.
    pub fn ticks_from_us(&self, us: f64) -> u32 {
        let ticks = us * self.ticks_per_us;
        // A cast saturates and makes 0 of NaN. `f64::ceil` would be a call, 512 times for a class of htb.
        let whole = ticks as u32;
        if f64::from(whole) < ticks { whole.saturating_add(1) } else { whole }
    }

    /// Microseconds that `ticks` are.
    pub fn us_from_ticks(&self, ticks: u32) -> f64 {
        f64::from(ticks) / self.ticks_per_us
    }

    /// Ticks that `size` bytes take at `rate`, rounded up as tc 7.x does.
    ///
    /// At most `u32::MAX`, also at rate 0; `htb`, `police` and `tbf` refuse such a burst. For packets
    /// at a rate of packets (`pkts_burst`) the same holds.
    pub fn xmit_time(&self, rate: Rate, size: u64) -> u32 {
        if rate.0 == 0 {
            return u32::MAX;
        }
        self.ticks_from_us(1e6 * (size as f64 / rate.0 as f64))
    }

    /// Bytes that go out at `rate` in `ticks`: the burst that tc prints.
    pub fn xmit_size(&self, rate: Rate, ticks: u32) -> Size {
        Size((rate.0 as f64 * self.us_from_ticks(ticks) / 1e6) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3 with such a /proc/net/psched: `qdisc add dev lo root tbf rate 125000bps burst 12500
    // limit 10k` (100,000 us) and `class add … htb rate 8000000bps` (rate / HZ).
    #[test]
    fn what_proc_says() {
        for (text, ticks, hz) in [
            ("000003e8 00000040 000f4240 3b9aca00\n", 1_562_500, 1_000_000_000),
            ("000003e8 00000040 000f4240 00000064\n", 1_562_500, 100),
            ("000003e8 00000040 3b9aca00 000003e8", 100_000_000, 100),
            ("00000040 00000040 000f4240 000003e8", 100_000, 1000),
            ("000003e8 00000040 000f4240", 1_562_500, 100),
            ("000003e8 00000040 000f4240 00000000", 1_562_500, 100),
            ("3e8 40 f4240 3b9aca00 ffff", 1_562_500, 1_000_000_000),
            ("000003e8 00000040", 100_000, 100),
            ("", 100_000, 100),
            ("garbage", 100_000, 100),
        ] {
            let psched = Psched::parse(text);
            assert_eq!(psched.xmit_time(Rate(125_000), 12_500), ticks, "{text:?}");
            assert_eq!(psched.hz(), hz, "{text:?}");
        }
        assert_eq!(Psched::parse("000003e8 00000040 000f4240 3b9aca00"), Psched::CURRENT);
        // tc: infinitely many ticks and none.
        for text in ["000003e8 00000000 000f4240 0", "00000000 00000040 000f4240 0", "1 1 0 0"] {
            assert_eq!(Psched::parse(text), Psched::default());
        }
    }

    // tc 7.3: `HZ=100 tc class add …`, `HZ=0 …`.
    #[test]
    fn hz_from_elsewhere() {
        assert_eq!(Psched::CURRENT.with_hz(1000).hz(), 1000);
        assert_eq!(Psched::CURRENT.with_hz(0).hz(), 100);
    }

    // tc 7.3: `htb rate 10mbit burst 15k`, `… burst 8`; `police pkts_rate 1000 pkts_burst 50`; `htb
    // rate 100gbit` (bursts of 1600 bytes at the full rate).
    #[test]
    fn times() {
        let psched = Psched::CURRENT;
        assert_eq!(psched.xmit_time(Rate(1_250_000), 15 << 10), 192_000);
        assert_eq!(psched.xmit_time(Rate(1_250_000), 8), 100);
        assert_eq!(psched.xmit_time(Rate(1000), 50), 781_250);
        assert_eq!(psched.xmit_time(Rate(12_500_000_000), 1612), 3);
        assert_eq!(psched.xmit_time(Rate(1), u64::MAX), u32::MAX);
        assert_eq!(psched.xmit_time(Rate(0), 0), u32::MAX);
    }

    // tc 7.3: `tc -d monitor file` over tbf qdiscs with this rate and buffer.
    #[test]
    fn sizes() {
        for (rate, ticks, bytes) in [
            (125_000, 1000, 8),
            (125_000, u32::MAX, 34_359_738),
            (125_000, 100, 0),
            (179_293_789_029, 3_289_859, 37_750_482_270),
            (26_391_728_809, 4_170_792_414, 7_044_763_027_771),
            (16_273_026_363, 14_666_069, 15_274_324_958),
        ] {
            assert_eq!(Psched::CURRENT.xmit_size(Rate(rate), ticks), Size(bytes));
        }
    }

    #[test]
    fn parts_of_a_tick_are_a_tick() {
        let ticks = |us| Psched::default().ticks_from_us(us);
        for (us, expected) in [
            (0.0, 0),
            (f64::MIN_POSITIVE, 1),
            (1.0, 1),
            (1.000_001, 2),
            (-0.5, 0),
            (-7.0, 0),
            (4_294_967_294.5, u32::MAX),
            (4_294_967_295.5, u32::MAX),
            (f64::INFINITY, u32::MAX),
            (f64::NAN, 0),
        ] {
            assert_eq!(ticks(us), expected, "{us}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", like in "([0-9a-f]{0,9} ?){0,6}", rate: u64, size: u64) {
            for text in [text, like] {
                let psched = Psched::parse(&text);
                let ticks = psched.xmit_time(Rate(rate), size);
                let _ = psched.xmit_size(Rate(rate), ticks);
            }
        }

        #[test]
        fn a_burst_comes_back(rate in 1000u64..1 << 32, size in 1u64..1 << 20) {
            let ticks = Psched::CURRENT.xmit_time(Rate(rate), size);
            let read = Psched::CURRENT.xmit_size(Rate(rate), ticks).0;
            // What passes in one tick is lost in rounding.
            prop_assert!(ticks == u32::MAX || read.abs_diff(size) <= rate / 15_000_000 + 1);
        }
    }
}
