//! Link-layer addresses: the six bytes of Ethernet.

use std::fmt;

use super::UnitError;
use super::number::{Base, Integer, parse_u32};

const UNIT: &str = "link-layer address";
const EXPECTED: &str = "up to six hexadecimal bytes with colons between them";

/// An Ethernet address, or a mask of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The mask under which every bit counts.
    pub const ONES: Self = Self([0xff; 6]);

    /// Reads `aa:bb:cc:dd:ee:ff`. Missing bytes at the end are 0.
    ///
    /// This is what `flower` and the `vlan` action take.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        let mut address = Self::default();
        let mut bytes = address.0.iter_mut();
        for part in word.split(':') {
            // A number, and nothing that C would skip in front of one.
            let byte = Integer::scan(part.as_bytes(), Base::Hex)
                .filter(|found| found.rest.is_empty())
                .filter(|_| part.starts_with(|c: char| c.is_ascii_hexdigit()))
                .and_then(|found| u8::try_from(found.unsigned().0).ok());
            match (byte, bytes.next()) {
                (Some(byte), Some(place)) => *place = byte,
                _ => return Err(UnitError::invalid(UNIT, word, EXPECTED)),
            }
        }
        Ok(address)
    }

    /// Reads an address and its mask: `ADDR`, `ADDR/MASK` or `ADDR/BITS` with BITS decimal, 0 to 48.
    /// Without mask every bit counts.
    ///
    /// Two words mean something here that tc gets wrong: `/0` is an empty mask and bytes missing
    /// from MASK are 0. What is above 48 is refused.
    pub fn parse_masked(word: &str) -> Result<(Self, Self), UnitError> {
        let Some((address, mask)) = word.split_once('/') else {
            return Ok((Self::parse(word)?, Self::ONES));
        };
        let address = Self::parse(address)?;
        let mask = match parse_u32(mask, Base::Ten) {
            Ok(bits) => Self::prefix(bits)
                .ok_or_else(|| UnitError::out_of_range("prefix length", mask, "0 to 48"))?,
            Err(_) => Self::parse(mask)?,
        };
        Ok((address, mask))
    }

    /// Reads six hexadecimal numbers with colons between them, of which each is cut to its lowest
    /// byte, and ignores what follows.
    ///
    /// This is what the `skbmod` action and u32's `match ether` take.
    pub fn parse_loose(word: &str) -> Result<Self, UnitError> {
        let invalid = || UnitError::invalid(UNIT, word, "six hexadecimal bytes with colons");
        let mut address = Self::default();
        let mut rest = word.as_bytes();
        for (i, place) in address.0.iter_mut().enumerate() {
            if i > 0 {
                rest = rest.strip_prefix(b":").ok_or_else(invalid)?;
            }
            let found = Integer::scan(rest, Base::Hex).ok_or_else(invalid)?;
            *place = found.unsigned().0 as u8;
            rest = found.rest;
        }
        Ok(address)
    }

    /// The mask whose first `bits` bits count, `None` above 48.
    pub fn prefix(bits: u32) -> Option<Self> {
        let ones = 48u32.checked_sub(bits).map(|zeros| !0u64 << zeros)?;
        let [_, _, mask @ ..] = ones.to_be_bytes();
        Some(Self(mask))
    }

    /// How many bits count, when they are the first ones.
    pub fn prefix_len(self) -> Option<u32> {
        let bits = self.0.iter().map(|byte| byte.count_ones()).sum();
        (Self::prefix(bits) == Some(self)).then_some(bits)
    }
}

/// As tc prints it: `aa:bb:cc:dd:ee:ff`.
impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, others @ ..] = self.0;
        write!(f, "{first:02x}")?;
        others.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADDR: MacAddr = MacAddr([0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
    const COUNT: MacAddr = MacAddr([1, 2, 3, 4, 5, 6]);

    // tc 7.3: `filter add dev lo flower dst_mac WORD`.
    #[test]
    fn words_flower_takes() {
        for (word, bytes) in [
            ("aa:bb:cc:dd:ee:ff", ADDR.0),
            ("AA:BB:CC:DD:EE:FF", ADDR.0),
            ("1:2:3:4:5:6", COUNT.0),
            ("001:2:3:4:5:6", COUNT.0),
            ("0x1:2:3:4:5:6", COUNT.0),
            ("aa:bb:cc:dd:ee", [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0]),
            ("ff", [0xff, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(MacAddr::parse(word), Ok(MacAddr(bytes)), "{word:?}");
        }
        for word in [
            "",
            ":",
            ":::",
            "aa:bb:cc:dd:ee:ff:00",
            "a:b:c:d:e:f:",
            "aabbccddeeff",
            "aa-bb-cc-dd-ee-ff",
            "aabb.ccdd.eeff",
            "100:0:0:0:0:0",
            ":0:0:0:0:0",
            "1:2:3:4::6",
            "1:2:3:4:5:x",
            "1:2:3:4:5:6x",
            "1.2.3.4.5.6",
            "-1:0:0:0:0:0",
            "+1:0:0:0:0:0",
            " 1:2:3:4:5:6",
            "1: 2:3:4:5:6",
            "1:2:3:4:5:6 ",
            "0x:0:0:0:0:0",
        ] {
            assert!(MacAddr::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `filter add dev lo flower dst_mac aa:bb:cc:dd:ee:ff/MASK`.
    #[test]
    fn masks_flower_takes() {
        for (mask, bytes) in [
            ("ff:0:0:0:0:0", [0xff, 0, 0, 0, 0, 0]),
            ("40", [0xff, 0xff, 0xff, 0xff, 0xff, 0]),
            ("48", [0xff; 6]),
            ("47", [0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
            ("3", [0xe0, 0, 0, 0, 0, 0]),
            ("1", [0x80, 0, 0, 0, 0, 0]),
            ("010", [0xff, 0xc0, 0, 0, 0, 0]),
            (" 8", [0xff, 0, 0, 0, 0, 0]),
            ("+8", [0xff, 0, 0, 0, 0, 0]),
            // tc: 0000ffffffff, aabbccddeeff, ffffccddeeff.
            ("0", [0; 6]),
            ("aa", [0xaa, 0, 0, 0, 0, 0]),
            ("ff:ff", [0xff, 0xff, 0, 0, 0, 0]),
        ] {
            let word = format!("{ADDR}/{mask}");
            assert_eq!(MacAddr::parse_masked(&word), Ok((ADDR, MacAddr(bytes))), "{word:?}");
        }
        assert_eq!(MacAddr::parse_masked("1:2:3:4:5:6"), Ok((COUNT, MacAddr::ONES)));
        // tc makes 7fffffffffff of /49.
        for word in ["1:2:3:4:5:6/", "1:2:3:4:5:6/-1", "1:2:3:4:5:6/3x", "1:2/8/8", "/8", "1:2/49"]
        {
            assert!(MacAddr::parse_masked(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `actions add action skbmod set dmac WORD`.
    #[test]
    fn words_skbmod_takes() {
        for (word, bytes) in [
            ("aa:bb:cc:dd:ee:ff", ADDR.0),
            ("aa:bb:cc:dd:ee:ff:00", ADDR.0),
            ("1:2:3:4:5:6x", COUNT.0),
            ("1:2:3:4:5:6 ", COUNT.0),
            (" 1:2:3:4:5:6", COUNT.0),
            ("1: 2:3:4:5:6", COUNT.0),
            ("0x1:2:3:4:5:6", COUNT.0),
            ("a:b:c:d:e:f:", [10, 11, 12, 13, 14, 15]),
            ("100:0:0:0:0:0", [0; 6]),
            ("-1:0:0:0:0:0", [0xff, 0, 0, 0, 0, 0]),
            ("+1:0:0:0:0:0", [1, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(MacAddr::parse_loose(word), Ok(MacAddr(bytes)), "{word:?}");
        }
        for word in [
            "",
            "1",
            ":",
            "aa:bb:cc:dd:ee",
            "aabbccddeeff",
            "aa-bb-cc-dd-ee-ff",
            "1.2.3.4.5.6",
            ":0:0:0:0:0",
            "1:2:3:4:5:",
            "1:2:3:4:5:x",
            "1:2:3:4::6",
        ] {
            assert!(MacAddr::parse_loose(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn prefixes() {
        assert_eq!(MacAddr::prefix(48), Some(MacAddr::ONES));
        assert_eq!(MacAddr::prefix(49), None);
        assert_eq!(MacAddr([0xff, 0, 0, 0, 0, 1]).prefix_len(), None);
        assert!((0..=48).all(|bits| MacAddr::prefix(bits).unwrap().prefix_len() == Some(bits)));
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*", like in "[-+ 0-9a-fx:]{0,24}(/[0-9a-f:]{0,9})?") {
            for word in [word, like] {
                let _ = (MacAddr::parse_masked(&word), MacAddr::parse_loose(&word));
            }
        }

        #[test]
        fn what_is_printed_is_read(bytes: [u8; 6], mask: [u8; 6]) {
            let (address, mask) = (MacAddr(bytes), MacAddr(mask));
            prop_assert_eq!(MacAddr::parse(&address.to_string()), Ok(address));
            prop_assert_eq!(MacAddr::parse_loose(&address.to_string()), Ok(address));
            prop_assert_eq!(MacAddr::parse_masked(&format!("{address}/{mask}")), Ok((address, mask)));
        }
    }
}
