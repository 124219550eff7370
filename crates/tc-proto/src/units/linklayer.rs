//! Link layers: how a packet's length on the wire follows from its own.
//!
//! Kernel: uapi/linux/pkt_sched.h, `enum tc_link_layer`.

use std::fmt;

use super::UnitError;

/// A link layer, as in `struct tc_ratespec` and `struct tc_sizespec`.
#[doc(alias = "tc_link_layer")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkLayer(pub u8);

impl LinkLayer {
    /// Not said; the kernel looks at the rate table. Written `unspec`.
    #[doc(alias = "TC_LINKLAYER_UNAWARE")]
    pub const UNSPEC: Self = Self(0);
    /// Packets take the bytes they have; written `ethernet`.
    #[doc(alias = "TC_LINKLAYER_ETHERNET")]
    pub const ETHERNET: Self = Self(1);
    /// Packets travel in cells of 53 bytes with 48 of payload; written `atm` or `adsl`.
    #[doc(alias = "TC_LINKLAYER_ATM")]
    pub const ATM: Self = Self(2);

    /// The bits of the field that hold the link layer.
    const MASK: u8 = 0x0f;

    /// Reads `ethernet`, `atm` or `adsl`, or their beginning.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        [("ethernet", Self::ETHERNET), ("atm", Self::ATM), ("adsl", Self::ATM)]
            .into_iter()
            .find(|(name, _)| !word.is_empty() && name.starts_with(word))
            .map(|(_, layer)| layer)
            .ok_or_else(|| UnitError::invalid("link layer", word, "ethernet, atm or adsl"))
    }

    /// Bytes on the wire of a packet of `size` bytes, where `mpu` is the least there are. Computed
    /// modulo 2³², as tc does.
    pub(super) fn adjust(self, size: u32, mpu: u32) -> u32 {
        let size = size.max(mpu);
        if self.0 & Self::MASK == Self::ATM.0 { size.div_ceil(48).wrapping_mul(53) } else { size }
    }
}

/// `unspec`, `ethernet`, `atm`, or `unknown` for values that tc does not know.
impl fmt::Display for LinkLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match Self(self.0 & Self::MASK) {
            Self::UNSPEC => "unspec",
            Self::ETHERNET => "ethernet",
            Self::ATM => "atm",
            _ => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `qdisc add dev lo root tbf rate 1mbit burst 10k limit 10k linklayer WORD`.
    #[test]
    fn words_tc_takes() {
        for (word, layer) in [
            ("ethernet", 1),
            ("eth", 1),
            ("e", 1),
            ("etherne", 1),
            ("atm", 2),
            ("adsl", 2),
            ("a", 2),
            ("ad", 2),
        ] {
            assert_eq!(LinkLayer::parse(word), Ok(LinkLayer(layer)), "{word:?}");
        }
        for word in ["", "Ethernet", "ATM", "atmx", "1", "2", "ppp"] {
            assert!(LinkLayer::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `tc -d monitor file` over tbf qdiscs with these link layers.
    #[test]
    fn names_tc_prints() {
        let names = [0, 1, 2, 3, 4, 18, 255].map(|layer| LinkLayer(layer).to_string());
        assert_eq!(names, ["unspec", "ethernet", "atm", "unknown", "unknown", "atm", "unknown"]);
    }

    proptest! {
        #[test]
        fn nothing_panics(word in ".*", layer: u8, size: u32, mpu: u32) {
            let _ = (LinkLayer::parse(&word), LinkLayer(layer).adjust(size, mpu));
        }
    }
}
