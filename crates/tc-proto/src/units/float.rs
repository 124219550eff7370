//! C's `strtod` and `printf("%g")`, which all of tc's rates, sizes, times and percents go through.

use std::fmt::{self, Write};

use super::number::skip_space_and_sign;

/// Reads a number at the front of `word`, as `strtod` does: white space, a sign, decimal digits with
/// point and exponent or hexadecimal ones behind `0x`. Returns the number and the bytes behind it,
/// `None` when there is no number. Infinities and NaN, which C takes, are none here.
pub(super) fn scan_float(word: &str) -> Option<(f64, &[u8])> {
    let (negative, digits) = skip_space_and_sign(word.as_bytes());
    let (value, rest) = scan_hex(digits).or_else(|| scan_decimal(digits))?;
    Some((if negative { -value } else { value }, rest))
}

fn scan_decimal(word: &[u8]) -> Option<(f64, &[u8])> {
    let whole = digits(word, u8::is_ascii_digit);
    let mut len = whole;
    if word.get(len) == Some(&b'.') {
        let fraction = digits(word.get(len + 1..)?, u8::is_ascii_digit);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 {
        return None;
    }
    len += exponent(word.get(len..)?, b'e');
    let (number, rest) = word.split_at_checked(len)?;
    let value = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((value, rest))
}

fn scan_hex(word: &[u8]) -> Option<(f64, &[u8])> {
    let [b'0', b'x' | b'X', word @ ..] = word else { return None };
    let whole = digits(word, u8::is_ascii_hexdigit);
    let mut len = whole;
    let mut fraction = 0;
    if word.get(len) == Some(&b'.') {
        fraction = digits(word.get(len + 1..)?, u8::is_ascii_hexdigit);
        len += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    let (number, rest) = word.split_at_checked(len)?;
    let (power, rest) = rest.split_at_checked(exponent(rest, b'p'))?;

    // 100 bits are kept exactly, a bit below them says whether there was more.
    let mut mantissa = 0u128;
    let mut scale = -4 * i64::try_from(fraction).ok()?;
    for digit in number.iter().filter_map(|c| char::from(*c).to_digit(16)) {
        if mantissa >> 100 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
        } else {
            mantissa |= u128::from(digit != 0);
            scale += 4;
        }
    }
    let power = power.get(1..).and_then(|p| std::str::from_utf8(p).ok());
    let power = power.map_or(0, |p| p.parse::<i64>().unwrap_or(0));
    let scale = scale.saturating_add(power).clamp(-3000, 3000) as i32;
    // Two steps, because 2^-1074 times 2^100 is a number and 2^-1174 is none.
    let value = mantissa as f64 * 2f64.powi(scale / 2) * 2f64.powi(scale - scale / 2);
    Some((value, rest))
}

/// How many bytes at the front satisfy `is_digit`.
fn digits(word: &[u8], is_digit: impl Fn(&u8) -> bool) -> usize {
    word.iter().take_while(|c| is_digit(c)).count()
}

/// The length of an exponent, 0 when there is none.
fn exponent(word: &[u8], letter: u8) -> usize {
    let sign = match word {
        [c, b'+' | b'-', ..] if c.eq_ignore_ascii_case(&letter) => 1,
        [c, ..] if c.eq_ignore_ascii_case(&letter) => 0,
        _ => return 0,
    };
    match digits(word.get(1 + sign..).unwrap_or_default(), u8::is_ascii_digit) {
        0 => 0,
        len => 1 + sign + len,
    }
}

/// Reads a whole word of a number and a suffix; the suffix is looked up in `scale`, whatever its
/// case, and multiplies the number.
pub(super) fn scan_scaled(word: &str, scales: &[(&str, f64)]) -> Option<f64> {
    let (value, suffix) = scan_float(word)?;
    let (_, scale) =
        scales.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(suffix))?;
    Some(value * scale)
}

/// Prints `value` as C's `%g` does, with `precision` significant digits: trailing zeros are left
/// out, and numbers below 0.0001 or with more digits than that get an exponent.
///
/// tc prints percents with 6 digits (`%g`) and times with 3 (`%.3g`). A precision of 0 counts as 1,
/// one above 17 as 17.
///
/// ```
/// use tc_proto::units::general;
/// assert_eq!(general(33.333, 6).to_string(), "33.333");
/// assert_eq!(general(999.999, 3).to_string(), "1e+03");
/// ```
pub fn general(value: f64, precision: usize) -> General {
    General { value, precision: precision.clamp(1, 17) }
}

/// A number that prints as C's `%g`; see [`general`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct General {
    value: f64,
    precision: usize,
}

/// Room for the digits of a number in exponent form: `-d.` 16 digits `e-324`.
#[derive(Default)]
struct Digits {
    buf: [u8; 32],
    len: usize,
}

impl Write for Digits {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        let room = self.buf.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl fmt::Display for General {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.abs();
        if self.value.is_sign_negative() {
            f.write_char('-')?;
        }
        if !value.is_finite() {
            return f.write_str(if value.is_nan() { "nan" } else { "inf" });
        }
        let mut digits = Digits::default();
        write!(digits, "{value:.*e}", self.precision - 1)?;
        let text = digits.buf.get(..digits.len).and_then(|b| std::str::from_utf8(b).ok());
        let (mantissa, exponent) = text.and_then(|t| t.split_once('e')).ok_or(fmt::Error)?;
        let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
        let (first, others) = mantissa.split_at_checked(1).ok_or(fmt::Error)?;
        let others = others.trim_start_matches('.').trim_end_matches('0');

        let point = |f: &mut fmt::Formatter<'_>, fraction: &str| match fraction {
            "" => Ok(()),
            _ => write!(f, ".{fraction}"),
        };
        match usize::try_from(exponent) {
            Ok(whole) if whole < self.precision => {
                f.write_str(first)?;
                let (integer, fraction) = others.split_at_checked(whole).unwrap_or((others, ""));
                f.write_str(integer)?;
                for _ in integer.len()..whole {
                    f.write_char('0')?;
                }
                point(f, fraction)
            }
            Err(_) if exponent >= -4 => {
                f.write_str("0.")?;
                for _ in exponent..-1 {
                    f.write_char('0')?;
                }
                f.write_str(first)?;
                f.write_str(others)
            }
            _ => {
                f.write_str(first)?;
                point(f, others)?;
                let sign = if exponent < 0 { '-' } else { '+' };
                write!(f, "e{sign}{:02}", exponent.unsigned_abs())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // printf of coreutils 9.1: `printf '%.3g %g' VALUE`.
    #[test]
    fn as_printf() {
        for (value, three, six) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (1.005, "1", "1.005"),
            (1.125, "1.12", "1.125"),
            (1.375, "1.38", "1.375"),
            (12.25, "12.2", "12.25"),
            (122.5, "122", "122.5"),
            (123.5, "124", "123.5"),
            (999.4, "999", "999.4"),
            (999.5, "1e+03", "999.5"),
            (9995.0, "1e+04", "9995"),
            (99949.9, "9.99e+04", "99949.9"),
            (0.0001, "0.0001", "0.0001"),
            (1e-05, "1e-05", "1e-05"),
            (0.000_123_45, "0.000123", "0.00012345"),
            (123_456.5, "1.23e+05", "123456"),
            (999_999.5, "1e+06", "1e+06"),
            (1e21, "1e+21", "1e+21"),
            (1e100, "1e+100", "1e+100"),
            (1e-300, "1e-300", "1e-300"),
            (f64::MAX, "1.8e+308", "1.79769e+308"),
            (-1.5, "-1.5", "-1.5"),
            (0.5, "0.5", "0.5"),
            (100.0, "100", "100"),
            (33.333, "33.3", "33.333"),
            (1_048_576.0, "1.05e+06", "1.04858e+06"),
            (4_194_302.0, "4.19e+06", "4.1943e+06"),
            (0.000_289_609_286_331_676_3, "0.00029", "0.000289609"),
            (0.030_848_182_410_193_437, "0.0308", "0.0308482"),
            (818_550.107_957_698_4, "8.19e+05", "818550"),
            (3_401_223_621.911_955_4, "3.4e+09", "3.40122e+09"),
            (5.943_698_771_050_185e24, "5.94e+24", "5.9437e+24"),
            (7.968_919_758_215_943e-9, "7.97e-09", "7.96892e-09"),
            (f64::INFINITY, "inf", "inf"),
            (f64::NEG_INFINITY, "-inf", "-inf"),
            (f64::NAN, "nan", "nan"),
        ] {
            assert_eq!(general(value, 3).to_string(), three);
            assert_eq!(general(value, 6).to_string(), six);
        }
    }

    #[test]
    fn numbers_at_the_front() {
        let cases: [(&str, f64, &str); 22] = [
            ("1", 1.0, ""),
            ("1.5mbit", 1.5, "mbit"),
            (".5x", 0.5, "x"),
            ("5.mbit", 5.0, "mbit"),
            ("1e3kbit", 1000.0, "kbit"),
            ("1e3e4", 1000.0, "e4"),
            ("1ebit", 1.0, "ebit"),
            ("1e+bit", 1.0, "e+bit"),
            ("1E-2", 0.01, ""),
            ("0x10", 16.0, ""),
            ("0x10kbit", 16.0, "kbit"),
            ("0x10b", 267.0, ""),
            ("0x1.8", 1.5, ""),
            ("0x.8p1", 1.0, ""),
            ("0x1p3", 8.0, ""),
            ("0x1p", 1.0, "p"),
            ("0xg", 0.0, "xg"),
            ("0x", 0.0, "x"),
            ("\t +5", 5.0, ""),
            (" +5", 5.0, ""),
            ("-0", -0.0, ""),
            ("1 2", 1.0, " 2"),
        ];
        for (word, value, rest) in cases {
            let found = scan_float(word);
            assert_eq!(found, Some((value, rest.as_bytes())), "{word:?}");
        }
        for word in ["", " ", ".", "-", "+", "x", "e5", "inf", "nan", "- 5", ".e5", "٣", "\u{a0}5"]
        {
            assert_eq!(scan_float(word), None, "{word:?}");
        }
        for (word, value) in [
            ("0x1fffffffffffffffffffffffffffffffffp0", 2f64.powi(133)),
            ("0x1p-1074", 5e-324),
            ("0x1p99999", f64::INFINITY),
        ] {
            assert_eq!(scan_float(word), Some((value, &b""[..])), "{word}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(word in ".*", like in "[-+ 0-9a-fx.ep]{0,40}", bits: u64, p in 0usize..20) {
            for word in [word, like] {
                if let Some((_, rest)) = scan_float(&word) {
                    prop_assert!(word.as_bytes().ends_with(rest));
                }
            }
            let _ = general(f64::from_bits(bits), p).to_string();
        }

        #[test]
        fn seventeen_digits_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let word = general(value, 17).to_string();
                prop_assert_eq!(scan_float(&word), Some((value, &b""[..])));
            }
        }
    }
}
