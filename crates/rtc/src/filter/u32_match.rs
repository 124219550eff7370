//! The selectors of `u32`: words that are turned into keys, 32-bit words of the packet under masks.

use std::ops::Range;

use tc_proto::filter::u32::{Key, Mark};
use tc_proto::units::{Base, MacAddr, parse_i32, parse_u8, parse_u16, parse_u32};

use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::inet::{ipv4_prefix, ipv6_prefix, prefix_mask};

/// The most keys that the kernel takes.
const MAX_KEYS: usize = 128;

/// `offset_mask` of keys that are counted from the next header.
const NEXT_HEADER: i32 = -1;

/// Collects the keys of one rule.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub(super) keys: Vec<Key>,
    pub(super) mark: Option<Mark>,
}

/// A reader of one selector.
struct Selector<'m, 'a, 'w> {
    matches: &'m mut Matches,
    args: &'a mut Args<'w>,
    keyword: &'static str,
    word: Range<usize>,
}

/// Where a value is: bytes from the network header, or from the next one.
#[derive(Clone, Copy)]
struct Place {
    at: i32,
    offset_mask: i32,
}

impl Place {
    const fn header(at: i32) -> Self {
        Self { at, offset_mask: 0 }
    }

    const fn next_header(at: i32) -> Self {
        Self { at, offset_mask: NEXT_HEADER }
    }
}

/// A value and the bits of it that count.
#[derive(Clone, Copy)]
struct Masked {
    value: u32,
    mask: u32,
}

impl Matches {
    /// Reads the selector that follows `keyword`.
    pub(super) fn parse(
        &mut self,
        args: &mut Args<'_>,
        keyword: &'static str,
    ) -> Result<(), Error> {
        let word = args.last();
        Selector { matches: self, args, keyword, word }.parse()
    }

    /// Adds a 32-bit word, or what it says beyond the key that is there. `None` when it contradicts
    /// that key, is not aligned or is one too many.
    fn add(&mut self, Masked { value, mask }: Masked, place: Place) -> Option<()> {
        let value = value & mask;
        let same = |key: &&mut Key| key.at == place.at && key.offset_mask == place.offset_mask;
        if let Some(key) = self.keys.iter_mut().find(same) {
            if (key.value ^ value) & mask & key.mask != 0 {
                return None;
            }
            key.value |= value;
            key.mask |= mask;
            return Some(());
        }
        if place.at % 4 != 0 || self.keys.len() >= MAX_KEYS {
            return None;
        }
        self.keys.push(Key { mask, value, at: place.at, offset_mask: place.offset_mask });
        Some(())
    }

    /// Adds a value of `bits` bits at any place.
    fn add_part(&mut self, Masked { value, mask }: Masked, place: Place, bits: u32) -> Option<()> {
        let shift = match (bits, place.at & 3) {
            (32, _) => return self.add(Masked { value, mask }, place),
            (16, 0) => 16,
            (16, _) => 0,
            (_, byte) => 24 - 8 * byte as u32,
        };
        let wide = Masked { value: value << shift, mask: mask << shift };
        self.add(wide, Place { at: place.at & !3, ..place })
    }
}

impl Selector<'_, '_, '_> {
    fn illegal(&self) -> Error {
        Error::illegal(self.keyword).at(self.word.start..self.args.last().end)
    }

    fn ok<T>(&self, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.illegal())
    }

    fn parse(mut self) -> Result<(), Error> {
        let what = self.args.value()?;
        let Some(kind) = ["u32", "u16", "u8", "ip", "ip6", "udp", "tcp", "icmp", "mark", "ether"]
            .into_iter()
            .find(|kind| abbreviates(what, kind))
        else {
            return Err(self.illegal());
        };
        // The word behind must be there; those behind that one are missed by the selector.
        self.args.followed()?;
        match kind {
            "u32" => self.number(32, Place::header(0)),
            "u16" => self.number(16, Place::header(0)),
            "u8" => self.number(8, Place::header(0)),
            "mark" => self.mark(),
            _ => {
                let field = self.args.value()?;
                if self.args.left() == 0 {
                    return Err(self.illegal());
                }
                match kind {
                    "ip" => self.ip(field),
                    "ip6" => self.ip6(field),
                    "icmp" => match field {
                        "type" => self.number(8, Place::next_header(0)),
                        "code" => self.number(8, Place::next_header(1)),
                        _ => Err(self.illegal()),
                    },
                    "ether" => self.ether(field),
                    _ => match field {
                        "src" => self.number(16, Place::next_header(0)),
                        "dst" => self.number(16, Place::next_header(2)),
                        _ => Err(self.illegal()),
                    },
                }
            }
        }
    }

    /// `VALUE MASK [at PLACE]`.
    fn number(&mut self, bits: u32, place: Place) -> Result<(), Error> {
        let value = self.masked(bits)?;
        let place = self.at(place)?;
        let added = self.matches.add_part(value, place, bits);
        self.ok(added)
    }

    fn masked(&mut self, bits: u32) -> Result<Masked, Error> {
        let parse = |word: &str, base| match bits {
            8 => parse_u8(word, base).map(u32::from),
            16 => parse_u16(word, base).map(u32::from),
            _ => parse_u32(word, base),
        };
        let value = self.args.word()?.and_then(|word| parse(word, Base::Auto).ok());
        let value = self.ok(value)?;
        let mask = self.args.word()?.and_then(|word| parse(word, Base::Hex).ok());
        Ok(Masked { value, mask: self.ok(mask)? })
    }

    /// `[at [nexthdr+]N]`.
    fn at(&mut self, default: Place) -> Result<Place, Error> {
        if !self.args.take("at") {
            return Ok(default);
        }
        let word = self.args.value()?;
        let (number, offset_mask) = match word.strip_prefix("nexthdr+") {
            Some(number) if !number.is_empty() => (number, NEXT_HEADER),
            _ if abbreviates(word, "nexthdr+") => (self.args.value()?, NEXT_HEADER),
            _ => (word, default.offset_mask),
        };
        let at = self.ok(parse_i32(number, Base::Auto).ok())?;
        Ok(Place { at, offset_mask })
    }

    fn ip(&mut self, field: &str) -> Result<(), Error> {
        let fragment = |value, mask| Masked { value, mask };
        let fragment = match field {
            "src" => return self.ip_address(12),
            "dst" => return self.ip_address(16),
            "tos" => return self.number(8, Place::header(1)),
            "ihl" => return self.number(8, Place::header(0)),
            "protocol" => return self.number(8, Place::header(9)),
            "sport" => return self.number(16, Place::header(20)),
            "dport" => return self.number(16, Place::header(22)),
            "icmp_type" => return self.number(8, Place::header(20)),
            "icmp_code" => return self.number(8, Place::header(21)),
            "nofrag" => fragment(0, 0x3fff),
            "firstfrag" => fragment(0x2000, 0x3fff),
            "df" => fragment(0x4000, 0x4000),
            "mf" => fragment(0x2000, 0x2000),
            _ if abbreviates(field, "dsfield") || abbreviates(field, "precedence") => {
                return self.number(8, Place::header(1));
            }
            _ => return Err(self.illegal()),
        };
        let added = self.matches.add_part(fragment, Place::header(6), 16);
        self.ok(added)
    }

    fn ip_address(&mut self, at: i32) -> Result<(), Error> {
        let address = self.args.word()?.and_then(ipv4_prefix);
        let (address, mask) = self.ok(address)?;
        let place = self.at(Place::header(at))?;
        let masked = Masked { value: address.to_bits(), mask: mask.to_bits() };
        let added = self.matches.add(masked, place);
        self.ok(added)
    }

    fn ip6(&mut self, field: &str) -> Result<(), Error> {
        match field {
            "src" => self.ip6_address(8),
            "dst" => self.ip6_address(24),
            "priority" => {
                let Masked { value, mask } = self.masked(8)?;
                let wide = Masked { value: value << 20, mask: mask << 20 };
                let added = self.matches.add(wide, Place::header(0));
                self.ok(added)
            }
            "protocol" => self.number(8, Place::header(6)),
            "flowlabel" => self.number(32, Place::header(0)),
            "sport" => self.number(16, Place::header(40)),
            "dport" => self.number(16, Place::header(42)),
            "icmp_type" => self.number(8, Place::header(40)),
            // tc sets the lowest bit of the mask, which changes nothing.
            "icmp_code" => self.number(8, Place { at: 41, offset_mask: 1 }),
            _ => Err(self.illegal()),
        }
    }

    fn ip6_address(&mut self, at: i32) -> Result<(), Error> {
        let address = self.args.word()?.and_then(ipv6_prefix);
        let (address, prefix) = self.ok(address)?;
        let mut place = self.at(Place::header(at))?;
        let bits = address.to_bits();
        for word in 0..4 {
            let mask = prefix_mask(prefix.saturating_sub(32 * word).min(32));
            if mask == 0 {
                break;
            }
            let value = (bits >> (96 - 32 * word)) as u32;
            let added = self.matches.add(Masked { value, mask }, place);
            self.ok(added)?;
            place.at = place.at.wrapping_add(4);
        }
        Ok(())
    }

    fn ether(&mut self, field: &str) -> Result<(), Error> {
        let default = match field {
            "src" => -8,
            "dst" => -14,
            _ => {
                let line = format!("Unknown match: ether {field}");
                return Err(Error::refused(line)
                    .line(format_args!("Illegal \"{}\"", self.keyword))
                    .at(self.args.last()));
            }
        };
        let word = self.args.value()?;
        let MacAddr(address) = MacAddr::parse_loose(word).map_err(|_| {
            Error::refused(format_args!("parse_ether_addr: improperly formed address '{word}'"))
                .line(format_args!("Illegal \"{}\"", self.keyword))
                .at(self.args.last())
        })?;
        let place = self.at(Place::header(default))?;
        for (byte, offset) in address.into_iter().zip(0..) {
            let at = place.at.wrapping_add(offset);
            let value = Masked { value: byte.into(), mask: 0xff };
            let added = self.matches.add_part(value, Place { at, ..place }, 8);
            self.ok(added)?;
        }
        Ok(())
    }

    /// `VALUE MASK`, both of any base, with something behind.
    fn mark(&mut self) -> Result<(), Error> {
        let value = self.args.value()?;
        if self.args.left() == 0 {
            return Err(Error::required("mark"));
        }
        let bad = |what: &str, args: &Args<'_>| {
            Error::refused(format_args!("Illegal \"mark\" {what}"))
                .line(format_args!("Illegal \"{}\"", self.keyword))
                .at(args.last())
        };
        let value = parse_u32(value, Base::Auto).map_err(|_| bad("value", self.args))?;
        let mask = self.args.value()?;
        let mask = parse_u32(mask, Base::Auto).map_err(|_| bad("mask", self.args))?;
        self.args.followed()?;
        self.matches.mark = Some(Mark { value, mask, hits: 0 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Word;

    fn parse(line: &str) -> Result<Vec<(u32, u32, i32, i32)>, Error> {
        let words: Vec<_> = line.split(' ').map(Word::Text).collect();
        let mut args = Args::new(&words);
        let mut matches = Matches::default();
        while args.left() > 0 {
            matches.parse(&mut args, "match")?;
        }
        Ok(matches.keys.iter().map(|k| (k.mask, k.value, k.at, k.offset_mask)).collect())
    }

    // The keys of tc 7.3.
    #[test]
    fn selectors() {
        for (line, keys) in [
            ("u16 0x0800 0xffff at -2", vec![(0xffff, 0x800, -4, 0)]),
            ("u8 0x45 0xff at -13", vec![(0xff, 0x45, -16, 0)]),
            ("u8 6 0xff at 9 u8 64 ff at 8", vec![(0xffff_0000, 0x4006_0000, 8, 0)]),
            ("tcp dst 22 ffff at 4", vec![(0xffff_0000, 0x16_0000, 4, -1)]),
            ("ip dst 192.168.1.2/8", vec![(0xff00_0000, 0xc000_0000, 16, 0)]),
            ("ip src 10.0.0.3/255.255", vec![(0xffff_0000, 0x0a00_0000, 12, 0)]),
            (
                "ip6 dst 2001:db8:ffff::/33",
                vec![(u32::MAX, 0x2001_0db8, 24, 0), (0x8000_0000, 0x8000_0000, 28, 0)],
            ),
            ("ip6 priority 0xb8 0xfc", vec![(0x0fc0_0000, 0x0b80_0000, 0, 0)]),
            (
                "ether src 1:2:3:4:5:6 at 3",
                vec![
                    (0xff, 1, 0, 0),
                    (u32::MAX, 0x0203_0405, 4, 0),
                    (0xff00_0000, 0x0600_0000, 8, 0),
                ],
            ),
        ] {
            assert_eq!(parse(line), Ok(keys), "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "u8 6 0xff at 9 u8 7 ff at 9",
            "u32 1 1 at 2",
            "ip dst 10.0.0.0/33",
            "ip src 192.168.1.2/255.255.0.255",
            "ip src 10.0.0.1.2",
            "ip src 10.",
            "ip mf",
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), "Illegal \"match\"\n", "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_words_panic(line in "(u32|u8|ip src|ip6 dst|ether src|tcp dst|mark)( [-+0-9a-fx.:/]{0,12}| at| nexthdr\\+-?[0-9]{0,10}){0,6}") {
            let _ = parse(&line);
        }
    }

    #[test]
    fn the_129th_key_is_one_too_many() {
        let keys = |n: i32| {
            let words: Vec<_> = (0..n).map(|i| format!("u32 0 0 at {}", 4 * i)).collect();
            parse(&words.join(" "))
        };
        assert_eq!(keys(128).unwrap().len(), 128);
        assert!(keys(129).is_err());
    }
}
