//! Ethernet protocols, by the names tc has for them.
//!
//! Kernel: uapi/linux/if_ether.h, `ETH_P_*`. The names are those of tc 7.3, collected by having it
//! print a filter for each of the 65,536 values.

use std::fmt;

use super::UnitError;
use super::number::{Base, parse_u16};

/// The protocol of a packet, `ETH_P_*`, in host byte order.
///
/// On the wire it is big-endian; see [`to_wire`](Self::to_wire) for the bits in `tcm_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

/// Every name that tc prints. `cfm` came with tc 6.2 or later.
const NAMES: [(u16, &str); 54] = [
    (0x0001, "802_3"),
    (0x0002, "ax25"),
    (0x0003, "all"),
    (0x0004, "802_2"),
    (0x0005, "snap"),
    (0x0006, "ddcmp"),
    (0x0007, "wan_ppp"),
    (0x0008, "ppp_mp"),
    (0x0009, "localtalk"),
    (0x000c, "can"),
    (0x0010, "ppptalk"),
    (0x0011, "tr_802_2"),
    (0x0015, "mobitex"),
    (0x0016, "control"),
    (0x0017, "irda"),
    (0x0018, "econet"),
    (0x0060, "loop"),
    (0x0200, "pup"),
    (0x0201, "pupat"),
    (0x0800, "ip"),
    (0x0805, "x25"),
    (0x0806, "arp"),
    (0x08ff, "bpq"),
    (0x0a00, "ieeepup"),
    (0x0a01, "ieeepupat"),
    (0x6000, "dec"),
    (0x6001, "dna_dl"),
    (0x6002, "dna_rc"),
    (0x6003, "dna_rt"),
    (0x6004, "lat"),
    (0x6005, "diag"),
    (0x6006, "cust"),
    (0x6007, "sca"),
    (0x6558, "teb"),
    (0x8035, "rarp"),
    (0x809b, "atalk"),
    (0x80f3, "aarp"),
    (0x8100, "802.1Q"),
    (0x8137, "ipx"),
    (0x86dd, "ipv6"),
    (0x8847, "mpls_uc"),
    (0x8848, "mpls_mc"),
    (0x884c, "atmmpoa"),
    (0x8863, "ppp_disc"),
    (0x8864, "ppp_ses"),
    (0x8884, "atmfate"),
    (0x8892, "profinet"),
    (0x88a2, "aoe"),
    (0x88a4, "ethercat"),
    (0x88a8, "802.1ad"),
    (0x88ca, "tipc"),
    (0x88cc, "LLDP"),
    (0x8902, "cfm"),
    // Read, never printed: the table is searched from the front.
    (0x0800, "ipv4"),
];

impl Protocol {
    /// Every packet; what a filter gets when it names no protocol.
    #[doc(alias = "ETH_P_ALL")]
    pub const ALL: Self = Self(0x0003);
    /// IPv4, `ip`.
    #[doc(alias = "ETH_P_IP")]
    pub const IP: Self = Self(0x0800);
    /// ARP, `arp`.
    #[doc(alias = "ETH_P_ARP")]
    pub const ARP: Self = Self(0x0806);
    /// RARP, `rarp`.
    #[doc(alias = "ETH_P_RARP")]
    pub const RARP: Self = Self(0x8035);
    /// A VLAN tag, `802.1Q`.
    #[doc(alias = "ETH_P_8021Q")]
    pub const VLAN: Self = Self(0x8100);
    /// IPv6, `ipv6`.
    #[doc(alias = "ETH_P_IPV6")]
    pub const IPV6: Self = Self(0x86dd);
    /// MPLS unicast, `mpls_uc`.
    #[doc(alias = "ETH_P_MPLS_UC")]
    pub const MPLS_UC: Self = Self(0x8847);
    /// MPLS multicast, `mpls_mc`.
    #[doc(alias = "ETH_P_MPLS_MC")]
    pub const MPLS_MC: Self = Self(0x8848);
    /// A PPPoE session, `ppp_ses`.
    #[doc(alias = "ETH_P_PPP_SES")]
    pub const PPP_SES: Self = Self(0x8864);
    /// A service VLAN tag, `802.1ad`.
    #[doc(alias = "ETH_P_8021AD")]
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// Connectivity fault management, `cfm`.
    #[doc(alias = "ETH_P_CFM")]
    pub const CFM: Self = Self(0x8902);

    /// Reads a name, in whatever case, or a number of base [`Base::Auto`] up to 65535.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        if let Some((value, _)) = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)) {
            return Ok(Self(*value));
        }
        parse_u16(word, Base::Auto)
            .map(Self)
            .map_err(|_| UnitError::invalid("protocol", word, "a name like ip or a 16-bit number"))
    }

    /// The name tc prints, if there is one.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(value, _)| *value == self.0).map(|(_, name)| *name)
    }

    /// The protocol as the low half of a filter's `tcm_info` holds it: in network byte order.
    pub const fn to_wire(self) -> u16 {
        self.0.to_be()
    }

    /// The protocol in the low half of a filter's `tcm_info`.
    pub const fn from_wire(value: u16) -> Self {
        Self(u16::from_be(value))
    }

    /// Prints the number even where there is a name: `[2048]`, as `tc -N` does.
    pub fn numeric(self) -> impl fmt::Display + fmt::Debug + Copy {
        Numeric(self)
    }
}

/// The name, else the number in brackets and decimal: `ip`, `[4660]`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.numeric().fmt(f),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Numeric(Protocol);

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // tc 7.3: `filter add dev lo protocol WORD matchall`.
    #[test]
    fn words_tc_takes() {
        for (word, value) in [
            ("all", 0x0003),
            ("ALL", 0x0003),
            ("ip", 0x0800),
            ("ipv4", 0x0800),
            ("IPV6", 0x86dd),
            ("Arp", 0x0806),
            ("802.1q", 0x8100),
            ("802.1AD", 0x88a8),
            ("lldp", 0x88cc),
            ("802_3", 0x0001),
            ("CFM", 0x8902),
            ("0x800", 0x0800),
            ("2048", 0x0800),
            ("0", 0),
            ("010", 8),
            ("0b11", 3),
            ("+5", 5),
            (" 8", 8),
            ("65535", 0xffff),
            ("-18446744073709551615", 1),
        ] {
            assert_eq!(Protocol::parse(word), Ok(Protocol(value)), "{word:?}");
        }
        for word in [
            "",
            "ip4",
            "ip6",
            "vlan",
            "mpls",
            "qinq",
            "pppoe",
            "802_1q",
            "8021q",
            "any",
            "none",
            "ipv",
            "802.1",
            "[2048]",
            "65536",
            "-1",
            "0800",
            "ffff",
            "0x10000",
            "5x",
            "1e3",
            " ip",
            "ip ",
            "8 ",
            "18446744073709551616",
            "1588x",
        ] {
            assert!(Protocol::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `tc [-N] monitor file` over one filter for each value.
    #[test]
    fn names_tc_prints() {
        assert_eq!(Protocol::IP.to_string(), "ip");
        assert_eq!(Protocol::VLAN.to_string(), "802.1Q");
        assert_eq!(Protocol(0x88cc).to_string(), "LLDP");
        assert_eq!(Protocol(0x1234).to_string(), "[4660]");
        assert_eq!(Protocol(0).to_string(), "[0]");
        assert_eq!(Protocol::ALL.numeric().to_string(), "[3]");
        let named = (0..=u16::MAX).filter(|p| Protocol(*p).name().is_some()).count();
        assert_eq!(named, 53);
    }

    #[test]
    fn the_wire_is_big_endian() {
        assert_eq!(Protocol::IP.to_wire().to_ne_bytes(), [0x08, 0x00]);
        assert_eq!(Protocol::from_wire(Protocol::IP.to_wire()), Protocol::IP);
    }

    proptest! {
        #[test]
        fn names_are_read_again(word in ".*", value: u16) {
            let _ = Protocol::parse(&word);
            if let Some(name) = Protocol(value).name() {
                prop_assert_eq!(Protocol::parse(name), Ok(Protocol(value)));
            }
        }
    }

    #[test]
    fn every_name_is_read_again() {
        for (value, name) in NAMES {
            assert_eq!(Protocol::parse(name), Ok(Protocol(value)));
        }
    }
}
