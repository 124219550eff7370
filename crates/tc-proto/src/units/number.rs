//! Integers as tc reads them.
//!
//! tc leaves them to C's `strtoul` family and checks the end of the word and the range afterwards.
//! So a word may begin with white space and a sign, and a negative number is first taken modulo
//! 2⁶⁴: `-1` is too big for all but [`parse_u64`], `-18446744073709551615` is 1 everywhere.

use super::UnitError;

/// How digits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Base 0 of C: `0x` is hexadecimal, `0b` binary (tc 7.x), a leading `0` octal, else decimal.
    Auto,
    /// Decimal; `010` is ten and `0x10` no number.
    Ten,
    /// Hexadecimal, with or without `0x`.
    Hex,
}

impl Base {
    fn expected(self) -> &'static str {
        match self {
            Self::Auto => "a number, decimal, 0xHEX or 0OCTAL",
            Self::Ten => "a decimal number",
            Self::Hex => "a hexadecimal number",
        }
    }
}

/// What C's conversion found at the front of a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integer<'a> {
    /// The digits' value; the greatest there is when it does not fit.
    magnitude: u64,
    overflow: bool,
    negative: bool,
    /// The bytes behind the digits.
    pub(super) rest: &'a [u8],
}

impl<'a> Integer<'a> {
    /// Reads digits at the front; `None` when there are none.
    pub(super) fn scan(word: &'a [u8], base: Base) -> Option<Self> {
        let (negative, word) = skip_space_and_sign(word);
        let (radix, word) = match (base, word) {
            (Base::Auto | Base::Hex, [b'0', b'x' | b'X', d, ..]) if d.is_ascii_hexdigit() => {
                (16, word.get(2..).unwrap_or_default())
            }
            (Base::Auto, [b'0', b'b' | b'B', b'0' | b'1', ..]) => {
                (2, word.get(2..).unwrap_or_default())
            }
            (Base::Auto, [b'0', ..]) => (8, word),
            (Base::Auto | Base::Ten, _) => (10, word),
            (Base::Hex, _) => (16, word),
        };
        let mut found = Self { magnitude: 0, overflow: false, negative, rest: word };
        let mut any = false;
        while let Some((digit, rest)) = split_digit(found.rest, radix) {
            any = true;
            found.rest = rest;
            let next =
                found.magnitude.checked_mul(radix.into()).and_then(|m| m.checked_add(digit.into()));
            found.overflow |= next.is_none();
            found.magnitude = next.unwrap_or(u64::MAX);
        }
        any.then_some(found)
    }

    /// The value as C's `strtoul` returns it, and whether it fits there.
    pub(super) fn unsigned(self) -> (u64, bool) {
        match (self.overflow, self.negative) {
            (true, _) => (u64::MAX, false),
            (false, true) => (self.magnitude.wrapping_neg(), true),
            (false, false) => (self.magnitude, true),
        }
    }

    /// The value as C's `strtol` returns it, and whether it fits there.
    fn signed(self) -> (i64, bool) {
        let value = match (self.overflow, self.negative) {
            (true, _) => None,
            (false, true) => 0i64.checked_sub_unsigned(self.magnitude),
            (false, false) => i64::try_from(self.magnitude).ok(),
        };
        match value {
            Some(value) => (value, true),
            None if self.negative => (i64::MIN, false),
            None => (i64::MAX, false),
        }
    }
}

fn split_digit(word: &[u8], radix: u32) -> Option<(u32, &[u8])> {
    let (first, rest) = word.split_first()?;
    char::from(*first).to_digit(radix).map(|digit| (digit, rest))
}

/// Skips what C's conversions skip in front of the digits; says whether there was a minus sign.
pub(super) fn skip_space_and_sign(mut word: &[u8]) -> (bool, &[u8]) {
    while let [b' ' | b'\t'..=b'\r', rest @ ..] = word {
        word = rest;
    }
    match word {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, word),
    }
}

/// The number at the front of a text, as C's `strtol` reads it in base 0, and the text behind it.
///
/// What does not fit is the least or the greatest number.
pub fn leading_i64(text: &[u8]) -> Option<(i64, &[u8])> {
    Integer::scan(text, Base::Auto).map(|found| (found.signed().0, found.rest))
}

/// Reads a whole word.
fn whole(word: &str, base: Base) -> Result<Integer<'_>, UnitError> {
    Integer::scan(word.as_bytes(), base)
        .filter(|found| found.rest.is_empty())
        .ok_or_else(|| UnitError::invalid("number", word, base.expected()))
}

/// Reads a `u8`, 0..=255.
pub fn parse_u8(word: &str, base: Base) -> Result<u8, UnitError> {
    let (value, fits) = whole(word, base)?.unsigned();
    let value = u8::try_from(value).ok().filter(|_| fits);
    value.ok_or_else(|| UnitError::out_of_range("number", word, "0 to 255"))
}

/// Reads a `u16`, 0..=65535. Preferences (`pref`, `prio`) are such words, of base [`Base::Auto`].
pub fn parse_u16(word: &str, base: Base) -> Result<u16, UnitError> {
    let (value, fits) = whole(word, base)?.unsigned();
    let value = u16::try_from(value).ok().filter(|_| fits);
    value.ok_or_else(|| UnitError::out_of_range("number", word, "0 to 65535"))
}

/// Reads a `u32`, 0..=4294967295.
pub fn parse_u32(word: &str, base: Base) -> Result<u32, UnitError> {
    let (value, fits) = whole(word, base)?.unsigned();
    let value = u32::try_from(value).ok().filter(|_| fits);
    value.ok_or_else(|| UnitError::out_of_range("number", word, "0 to 4294967295"))
}

/// Reads a `u64`, 0..=18446744073709551615. Negative words wrap around: `-1` is the greatest.
pub fn parse_u64(word: &str, base: Base) -> Result<u64, UnitError> {
    let (value, fits) = whole(word, base)?.unsigned();
    let error = || UnitError::out_of_range("number", word, "0 to 18446744073709551615");
    fits.then_some(value).ok_or_else(error)
}

/// Reads an `i32`.
pub fn parse_i32(word: &str, base: Base) -> Result<i32, UnitError> {
    let (value, _) = whole(word, base)?.signed();
    i32::try_from(value)
        .map_err(|_| UnitError::out_of_range("number", word, "-2147483648 to 2147483647"))
}

/// Reads an `i64`.
pub fn parse_i64(word: &str, base: Base) -> Result<i64, UnitError> {
    const RANGE: &str = "-9223372036854775808 to 9223372036854775807";
    let (value, fits) = whole(word, base)?.signed();
    fits.then_some(value).ok_or_else(|| UnitError::out_of_range("number", word, RANGE))
}

/// Reads a filter's handle the way `basic`, `cgroup` and `matchall` do: whatever number is at the
/// front of the word, in base [`Base::Auto`], cut to 32 bits.
///
/// Words without digits are 0 and what follows the digits is ignored; only a number that C's
/// `long` cannot hold is an error. The other kinds (`bpf`, `flow`, `flower`) use [`parse_u32`].
pub fn parse_loose_handle(word: &str) -> Result<u32, UnitError> {
    let Some(found) = Integer::scan(word.as_bytes(), Base::Auto) else { return Ok(0) };
    match found.signed() {
        (i64::MIN | i64::MAX, _) => {
            Err(UnitError::out_of_range("handle", word, "a number of up to 32 bits"))
        }
        (value, _) => Ok(value as u32),
    }
}

/// Reads the number at the front of `text`, as C's `strtoul` does in base [`Base::Auto`], whatever
/// follows; `None` when there is none. One that is too large is the greatest there is.
pub fn parse_leading(text: &[u8]) -> Option<u64> {
    Integer::scan(text, Base::Auto).map(|found| found.unsigned().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `filter add dev lo chain WORD matchall` (base 0).
    #[test]
    fn base_auto_is_what_chain_reads() {
        for (word, value) in [
            ("0", 0),
            ("0x10", 16),
            ("0X1f", 31),
            ("010", 8),
            ("0b11", 3),
            ("+5", 5),
            (" 7", 7),
            ("\t\n\u{b}\u{c}\r7", 7),
            ("-0", 0),
            ("00", 0),
            ("4294967295", u32::MAX),
            ("0xffffffff", u32::MAX),
            ("-18446744073709551615", 1),
            ("-18446744073709551361", 255),
        ] {
            assert_eq!(parse_u32(word, Base::Auto), Ok(value), "{word:?}");
        }
        for word in [
            "", " ", "x", "5x", "7 ", "0x", "0xg", "0b", "0b2", "08", "1e3", "5.0", "ff", "- 5",
            "+", "-", "+-5", "\u{a0}5", "٣",
        ] {
            let error = parse_u32(word, Base::Auto).unwrap_err();
            assert!(matches!(error, UnitError::Invalid { .. }), "{word:?}: {error}");
            assert_eq!(error.word(), word);
        }
        for word in [
            "-1",
            "-5",
            "-0x1",
            "4294967296",
            "0x100000000",
            "-4294967295",
            "18446744073709551615",
            "18446744073709551616",
            "-18446744073709551616",
            "99999999999999999999",
        ] {
            let error = parse_u32(word, Base::Auto).unwrap_err();
            assert!(matches!(error, UnitError::OutOfRange { .. }), "{word:?}: {error}");
        }
    }

    // tc 7.3: `qdisc add dev lo root htb r2q WORD`.
    #[test]
    fn base_ten_is_what_r2q_reads() {
        for (word, value) in [("010", 10), ("08", 8), ("+5", 5), (" 5", 5), ("00", 0), ("-0", 0)] {
            assert_eq!(parse_u32(word, Base::Ten), Ok(value), "{word:?}");
        }
        for word in ["0x10", "0b1", "ff", "5 ", "1e3", "0x", "-1", "4294967296"] {
            assert!(parse_u32(word, Base::Ten).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `qdisc add dev lo root htb default WORD`.
    #[test]
    fn base_hex_is_what_default_reads() {
        for (word, value) in
            [("10", 16), ("0x10", 16), ("010", 16), ("1e3", 483), ("0b1", 177), ("256", 598)]
        {
            assert_eq!(parse_u32(word, Base::Hex), Ok(value), "{word:?}");
        }
        for word in ["0x", "0xg", "5.0", "4294967295", "0x100000000", "- 5"] {
            assert!(parse_u32(word, Base::Hex).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `flower ip_ttl` (u8), `flower vlan_id` (u16), `netem seed` (u64).
    #[test]
    fn each_width_has_its_limits() {
        assert_eq!(parse_u8("255", Base::Auto), Ok(255));
        assert_eq!(parse_u8("-18446744073709551361", Base::Ten), Ok(255));
        assert!(parse_u8("256", Base::Auto).is_err());
        assert!(parse_u8("-1", Base::Auto).is_err());
        assert_eq!(parse_u16("65535", Base::Ten), Ok(65535));
        assert!(parse_u16("65536", Base::Ten).is_err());
        assert_eq!(parse_u64("18446744073709551615", Base::Ten), Ok(u64::MAX));
        assert_eq!(parse_u64("-1", Base::Ten), Ok(u64::MAX));
        assert_eq!(parse_u64("-9223372036854775809", Base::Ten), Ok(0x7fff_ffff_ffff_ffff));
        assert!(parse_u64("18446744073709551616", Base::Ten).is_err());
        assert!(parse_u64("-18446744073709551616", Base::Ten).is_err());
    }

    // tc 7.3: `etf clockid TAI delta` (i32), `taprio base-time` (i64).
    #[test]
    fn signed_numbers() {
        assert_eq!(parse_i32("-2147483648", Base::Auto), Ok(i32::MIN));
        assert_eq!(parse_i32("-1", Base::Auto), Ok(-1));
        assert_eq!(parse_i32("0b11", Base::Auto), Ok(3));
        assert!(parse_i32("2147483648", Base::Auto).is_err());
        assert!(parse_i32("-18446744073709551615", Base::Auto).is_err());
        assert_eq!(parse_i64("-9223372036854775808", Base::Ten), Ok(i64::MIN));
        assert_eq!(parse_i64("9223372036854775807", Base::Ten), Ok(i64::MAX));
        assert!(parse_i64("9223372036854775808", Base::Ten).is_err());
        assert!(parse_i64("-18446744073709551615", Base::Ten).is_err());
        assert!(parse_i64("0x10", Base::Ten).is_err());
    }

    // tc 7.3: `filter add dev lo handle WORD matchall`.
    #[test]
    fn loose_handles_take_what_is_at_the_front() {
        for (word, value) in [
            ("5x", 5),
            ("5 ", 5),
            ("", 0),
            ("x", 0),
            ("0x", 0),
            ("08", 0),
            ("1e3", 1),
            ("- 5", 0),
            ("-1", u32::MAX),
            ("-4294967295", 1),
            ("4294967296", 0),
        ] {
            assert_eq!(parse_loose_handle(word), Ok(value), "{word:?}");
        }
        for word in ["9223372036854775807", "-9223372036854775808", "18446744073709551615"] {
            assert!(parse_loose_handle(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `basic match 'u32(u32 WORD 0xffffffff at 0)'`.
    #[test]
    fn numbers_at_the_front_are_numbers() {
        for (text, value) in [
            ("1x", 1),
            (" 1 ", 1),
            ("+1", 1),
            ("010", 8),
            ("0x", 0),
            ("0b11", 3),
            ("-2", u64::MAX - 1),
            ("-1", u64::MAX),
            ("18446744073709551616", u64::MAX),
        ] {
            assert_eq!(parse_leading(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in ["", "x", "ff", "-"] {
            assert_eq!(parse_leading(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*") {
            for base in [Base::Auto, Base::Ten, Base::Hex] {
                let _ = (parse_u8(&word, base), parse_u16(&word, base), parse_u32(&word, base));
                let _ = (parse_u64(&word, base), parse_i32(&word, base), parse_i64(&word, base));
            }
            let _ = parse_loose_handle(&word);
        }

        #[test]
        fn numbers_come_back(value: u64, signed: i64) {
            prop_assert_eq!(parse_u64(&value.to_string(), Base::Ten), Ok(value));
            prop_assert_eq!(parse_u64(&format!("{value:x}"), Base::Hex), Ok(value));
            prop_assert_eq!(parse_u64(&format!("{value:#o}").replace('o', ""), Base::Auto), Ok(value));
            prop_assert_eq!(parse_i64(&signed.to_string(), Base::Ten), Ok(signed));
        }
    }
}
