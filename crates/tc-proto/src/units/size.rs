//! Sizes in bytes, by powers of 1024.

use std::fmt;

use super::UnitError;
use super::float::{general, scan_scaled};
use super::number::{Base, parse_i32};

const UNIT: &str = "size";
const EXPECTED: &str = "a number and b, k, kb, m, mb, g, gb (bytes) or kbit, mbit, gbit";

const SUFFIXES: [(&str, f64); 11] = [
    ("", 1.0),
    ("b", 1.0),
    ("k", 1024.0),
    ("kb", 1024.0),
    ("m", 1_048_576.0),
    ("mb", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("gb", 1_073_741_824.0),
    ("kbit", 128.0),
    ("mbit", 131_072.0),
    ("gbit", 134_217_728.0),
];

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// Reads a size that has to fit 32 bits, as most do: `1500`, `32k`, `1.5mb`, `32kbit`. Without
    /// unit it is in bytes. Fractions of a byte are cut off.
    pub fn parse_u32(word: &str) -> Result<u32, UnitError> {
        let size = Self::parse(word)?;
        u32::try_from(size.0)
            .map_err(|_| UnitError::out_of_range(UNIT, word, "0 to 4294967295 bytes"))
    }

    /// Reads a size of up to 64 bits: the bursts of `htb`, `police` and `tbf`.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        let bytes =
            scan_scaled(word, &SUFFIXES).ok_or_else(|| UnitError::invalid(UNIT, word, EXPECTED))?;
        if bytes >= 0.0 && bytes < 2f64.powi(64) {
            Ok(Self(bytes as u64))
        } else {
            Err(UnitError::out_of_range(UNIT, word, "0 to 2^64-1 bytes"))
        }
    }

    /// Reads `SIZE` or `SIZE/CELL`: a size and, when given, the cell's binary logarithm.
    ///
    /// CELL is the width in bytes of one entry of the rate table, a power of two up to 2³⁰. A CELL
    /// that is no integer is [`UnitError::Invalid`], one that is no such power
    /// [`UnitError::OutOfRange`].
    pub fn parse_with_cell(word: &str) -> Result<(Self, Option<u8>), UnitError> {
        const UNIT: &str = "cell size";
        let Some((size, cell)) = word.split_once('/') else {
            return Ok((Self::parse(word)?, None));
        };
        let bytes = parse_i32(cell, Base::Auto)
            .map_err(|_| UnitError::invalid(UNIT, word, "SIZE/CELL with CELL a power of two"))?;
        if bytes.count_ones() != 1 || bytes < 0 {
            return Err(UnitError::out_of_range(UNIT, word, "a power of two from 1 to 2^30"));
        }
        Ok((Self::parse(size)?, Some(bytes.trailing_zeros() as u8)))
    }
}

impl Size {
    /// The text in parts, a number and its unit; `None` when the number has more than six digits,
    /// which only [`Display`](fmt::Display) writes.
    pub fn parts(self) -> Option<(u64, &'static str)> {
        let (count, name) = self.count();
        (name == "b" || count < 1_000_000).then_some((count, name))
    }

    fn count(self) -> (u64, &'static str) {
        let bytes = self.0;
        for (unit, name, tolerance) in
            [(1u64 << 30, "Gb", 1024), (1 << 20, "Mb", 1024), (1 << 10, "Kb", 16)]
        {
            if bytes < unit {
                continue;
            }
            let over = bytes % unit;
            if over.min(unit - over) < tolerance {
                return (bytes / unit + u64::from(over >= unit / 2), name);
            }
        }
        (bytes, "b")
    }
}

/// As tc 7.x prints sizes: `Gb` and `Mb` within 1024 bytes of a multiple, `Kb` within 16 bytes of
/// one, else bytes: `32Mb`, `15Kb`, `1514b`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            (bytes, "b") => write!(f, "{bytes}b"),
            (count, name) => write!(f, "{}{name}", general(count as f64, 6)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root bfifo limit WORD`.
    #[test]
    fn words_tc_takes() {
        for (word, bytes) in [
            ("0", 0),
            ("-0", 0),
            ("1b", 1),
            ("1B", 1),
            ("1k", 1024),
            ("1Kb", 1024),
            ("1m", 1 << 20),
            ("1mb", 1 << 20),
            ("1g", 1 << 30),
            ("1gb", 1 << 30),
            ("4294967295", u32::MAX),
            ("3.9999999999g", u32::MAX),
            ("1kbit", 128),
            ("1mbit", 131_072),
            ("1gbit", 134_217_728),
            ("1.5k", 1536),
            ("1.9", 1),
            ("0.1k", 102),
            ("1e3", 1000),
            ("1e3k", 1_024_000),
            ("0x10", 16),
            ("0x10k", 16384),
            (" 1k", 1024),
        ] {
            assert_eq!(Size::parse_u32(word), Ok(bytes), "{word:?}");
        }
        for word in [
            "",
            "4g",
            "4294967296",
            "1bit",
            "8bit",
            "1kib",
            "1ki",
            "1kibit",
            "1t",
            "-1",
            "inf",
            "nan",
            "1e10",
            "1e30",
            "1bps",
            "k",
            "b",
            "1k/8",
            "1kbits",
            "32gbit",
            "1kbyte",
            "1bb",
            "1 k",
            "1k ",
        ] {
            assert!(Size::parse_u32(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `qdisc add dev lo root tbf rate 100tbit burst WORD limit 10k`: 4g goes through, these
    // are illegal.
    #[test]
    fn sizes_of_64_bits() {
        assert_eq!(Size::parse("4g"), Ok(Size(1 << 32)));
        assert_eq!(Size::parse("9e18"), Ok(Size(9_000_000_000_000_000_000)));
        for word in ["1e30", "inf", "nan", "20000000000g", "18446744073709551615", "-1"] {
            assert!(Size::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `qdisc add dev lo root tbf rate 1mbit burst WORD limit 10k`.
    #[test]
    fn sizes_with_cells() {
        for (word, cell_log) in [
            ("10k", None),
            ("10k/1", Some(0)),
            ("10k/8", Some(3)),
            ("10k/0x8", Some(3)),
            ("10k/010", Some(3)),
            ("10k/ 8", Some(3)),
            ("10k/65536", Some(16)),
            ("10k/1073741824", Some(30)),
        ] {
            assert_eq!(Size::parse_with_cell(word), Ok((Size(10240), cell_log)), "{word:?}");
        }
        for word in [
            "10k/",
            "10k/3",
            "10k/0",
            "10k/-8",
            "10k/2147483648",
            "10k/-2147483648",
            "10k/4294967296",
            "10k/8x",
            "/8",
            "10k/1k",
            "10k//8",
            "10k/8/8",
            "10k/08",
            "10k /8",
        ] {
            assert!(Size::parse_with_cell(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `tc monitor file` over fq_codel qdiscs with these memory limits (tbf bursts beyond
    // 32 bits).
    #[test]
    fn sizes_tc_prints() {
        for (bytes, text) in [
            (0, "0b"),
            (1000, "1000b"),
            (1009, "1009b"),
            (1023, "1023b"),
            (1024, "1Kb"),
            (1039, "1Kb"),
            (1040, "1040b"),
            (1514, "1514b"),
            (1536, "1536b"),
            (2032, "2032b"),
            (2047, "2Kb"),
            (2048, "2Kb"),
            (10240, "10Kb"),
            (15000, "15000b"),
            (123_456, "123456b"),
            (400_000, "400000b"),
            (999_424, "976Kb"),
            (1_047_551, "1023Kb"),
            (1_047_552, "1023Kb"),
            (1_048_064, "1048064b"),
            (1_048_559, "1048559b"),
            (1_048_560, "1048560b"),
            (1_048_576, "1Mb"),
            (1_049_599, "1Mb"),
            (1_049_600, "1025Kb"),
            (1_049_601, "1025Kb"),
            (1_572_864, "1536Kb"),
            (33_554_432, "32Mb"),
            (1_073_740_800, "1.04858e+06Kb"),
            (1_073_740_801, "1024Mb"),
            (1_073_741_824, "1Gb"),
            (1_073_742_848, "1.04858e+06Kb"),
            (1_264_196_608, "1.23457e+06Kb"),
            (3_221_225_472, "3Gb"),
            (4_294_966_271, "4.1943e+06Kb"),
            (4_294_966_272, "4.1943e+06Kb"),
            (4_294_967_279, "4Gb"),
            (37_750_482_270, "37750482270b"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*", like in "[-+ 0-9.e]{0,12}[a-z]{0,4}(/[-0-9x]{0,12})?") {
            for word in [word, like] {
                let _ = (Size::parse(&word), Size::parse_u32(&word), Size::parse_with_cell(&word));
            }
        }

        #[test]
        fn what_is_printed_is_read(bytes: u64, shift in 0u32..64) {
            let size = Size(bytes >> shift);
            let text = size.to_string();
            if let Ok(read) = Size::parse(&text) {
                // Exact in bytes, 16 or 1024 bytes off in larger units, six digits past a million.
                let off = if text.contains("e+") { size.0 / 100_000 } else { 1024 };
                prop_assert!(read.0.abs_diff(size.0) <= off.max(size.0 >> 52), "{size:?} {text}");
            } else {
                prop_assert!(size.0 > u64::MAX - 2048, "{size:?} {text}");
            }
        }
    }
}
