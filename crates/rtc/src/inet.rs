//! Addresses of IPv4 and IPv6 as tc reads them, with and without a length of prefix.

use std::net::{Ipv4Addr, Ipv6Addr};

use tc_proto::units::{Base, parse_u8, parse_u32};

/// The mask whose first `bits` bits are set, 32 at most.
pub(crate) fn prefix_mask(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits).unwrap_or(0)
}

/// Whether the word stands for all addresses.
pub(crate) fn is_any(word: &str) -> bool {
    matches!(word, "any" | "all" | "default")
}

/// `ADDRESS[/BITS|/NETMASK]`, the address and its mask; bytes missing from the address are 0.
pub(crate) fn ipv4_prefix(word: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if is_any(word) {
        return Some((Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
    }
    let (address, mask) = match word.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (word, None),
    };
    let mask = match mask {
        None => u32::MAX,
        Some(bits) => match parse_u32(bits, Base::Auto) {
            Ok(bits) => prefix_mask(Some(bits).filter(|bits| *bits <= 32)?),
            Err(_) => {
                let mask = ipv4_address(bits)?.to_bits();
                Some(mask).filter(|mask| (!mask).wrapping_add(1) & !mask == 0)?
            }
        },
    };
    Some((ipv4_address(address)?, Ipv4Addr::from_bits(mask)))
}

/// `ADDRESS`; bytes that are missing from it are 0.
pub(crate) fn ipv4_address(word: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut places = bytes.iter_mut();
    for part in word.split('.') {
        let digits = part.starts_with(|c: char| c.is_ascii_digit());
        *places.next()? = parse_u8(part, Base::Auto).ok().filter(|_| digits)?;
    }
    Some(bytes.into())
}

/// `ADDRESS[/BITS]`.
pub(crate) fn ipv6_prefix(word: &str) -> Option<(Ipv6Addr, u32)> {
    if is_any(word) {
        return Some((Ipv6Addr::UNSPECIFIED, 0));
    }
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, parse_u32(bits, Base::Auto).ok()?),
        None => (word, 128),
    };
    Some((address.parse().ok()?, Some(bits).filter(|bits| *bits <= 128)?))
}
