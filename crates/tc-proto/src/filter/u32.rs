//! `u32`: compares words of the packet under masks, in hash tables of rules that link to each other.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_U32_*`, `struct tc_u32_sel`, net/sched/cls_u32.c; since 2.2.
//! Payload: nest.

use std::fmt;

use bitflags::bitflags;

use super::OffloadFlags;
use crate::error::DecodeError;
use crate::kind::{Filter, Kind};
use crate::units::{Base, Handle, UnitError, parse_u32};
use crate::wire::{Attr, AttrWriter, Attrs, RawAttrs, Reader};

/// u32, the class.
pub const TCA_U32_CLASSID: u16 = 1;
/// u32, the hash table and bucket that the rule is in.
pub const TCA_U32_HASH: u16 = 2;
/// u32, the hash table that is looked at next.
pub const TCA_U32_LINK: u16 = 3;
/// u32, number of buckets of a hash table.
pub const TCA_U32_DIVISOR: u16 = 4;
/// `struct tc_u32_sel` and its keys.
pub const TCA_U32_SEL: u16 = 5;
/// Nest, a policer of the old form.
pub const TCA_U32_POLICE: u16 = 6;
/// Nest, a list of actions.
pub const TCA_U32_ACT: u16 = 7;
/// String, the device that packets come from.
pub const TCA_U32_INDEV: u16 = 8;
/// `struct tc_u32_pcnt`, counters.
pub const TCA_U32_PCNT: u16 = 9;
/// `struct tc_u32_mark`.
pub const TCA_U32_MARK: u16 = 10;
/// u32, [`OffloadFlags`].
pub const TCA_U32_FLAGS: u16 = 11;

/// Handle of a hash table (`800:`), one of its buckets (`800:7b:`) or a rule in it (`800:7b:1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct U32Handle(pub u32);

bitflags! {
    /// `TC_U32_*` in `struct tc_u32_sel`: what happens when all keys match.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SelectorFlags: u8 {
        /// The search ends here.
        #[doc(alias = "TC_U32_TERMINAL")]
        const TERMINAL = 1;
        /// The linked table starts reading [`Selector::offset`] bytes further on.
        #[doc(alias = "TC_U32_OFFSET")]
        const OFFSET = 2;
        /// It starts as far on as the packet itself says.
        #[doc(alias = "TC_U32_VAROFFSET")]
        const VAROFFSET = 4;
        /// The offset moves the start of the packet for good, not just `nexthdr+`.
        #[doc(alias = "TC_U32_EAT")]
        const EAT = 8;
        const _ = !0;
    }
}

/// `struct tc_u32_key`: a 32-bit word of the packet.
#[doc(alias = "tc_u32_key")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key {
    /// The bits that count, in the order of the packet.
    pub mask: u32,
    /// What they must be.
    pub value: u32,
    /// Where the word is, in bytes from the network header; a multiple of 4.
    pub at: i32,
    /// ANDed with the offset of the next header and added to `at`; −1 means `nexthdr+`.
    pub offset_mask: i32,
}

/// `struct tc_u32_sel`: what a rule looks at.
#[doc(alias = "tc_u32_sel")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// What happens on a match.
    pub flags: SelectorFlags,
    /// How far the value at `variable_at` is shifted right, in bits.
    pub shift: u8,
    /// The bits of the value at `variable_at` that count.
    pub offset_mask: u16,
    /// A fixed offset in bytes.
    pub offset: u16,
    /// Where the 16-bit value of a variable offset is, in bytes.
    pub variable_at: i16,
    /// Where the word is that chooses the bucket of the linked table, in bytes.
    pub hash_at: i16,
    /// The bits of that word that count.
    pub hash_mask: u32,
    /// All of them must match; 128 at most.
    pub keys: Vec<Key>,
}

/// `struct tc_u32_mark`: matches the packet's mark. Needs a kernel with `CONFIG_CLS_U32_MARK`.
#[doc(alias = "tc_u32_mark")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    /// What the mark must be.
    pub value: u32,
    /// The bits that count.
    pub mask: u32,
    /// Packets that matched; set by the kernel.
    pub hits: u32,
}

/// `struct tc_u32_pcnt`: counters of kernels with `CONFIG_CLS_U32_PERF`.
#[doc(alias = "tc_u32_pcnt")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Packets that came to the rule.
    pub seen: u64,
    /// Packets that matched it whole.
    pub hits: u64,
    /// Packets that matched each key, in order.
    pub key_hits: Vec<u64>,
}

/// Options of a `u32` rule or hash table.
///
/// ```
/// use tc_proto::filter::u32::{Key, Selector, U32};
/// let https = Key { mask: 0xffff, value: 443, at: 20, offset_mask: 0 };
/// let selector = Selector { keys: vec![https], ..Selector::default() };
/// let rule = U32 { selector: Some(selector), ..U32::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct U32 {
    /// The class that matching packets go to.
    pub classid: Option<Handle>,
    /// The hash table and bucket that the rule is in; without it, the table that the kernel made.
    pub hash: Option<U32Handle>,
    /// The hash table that is searched when the rule matches; 0 ends an older link.
    pub link: Option<U32Handle>,
    /// Makes a hash table of this many buckets: a power of two, 256 at most.
    pub divisor: Option<u32>,
    /// What the rule looks at. A rule has one, a hash table has none.
    pub selector: Option<Selector>,
    /// A policer for matching packets, as attributes of the old form.
    pub police: Option<RawAttrs>,
    /// Actions for matching packets, as entries of [`ActionSpec`](crate::msg::ActionSpec).
    pub actions: Option<RawAttrs>,
    /// The device that packets come from; 15 bytes at most.
    pub indev: Option<String>,
    /// Set by the kernel.
    pub counters: Option<Counters>,
    /// The packet's mark.
    pub mark: Option<Mark>,
    /// Where the rule runs. Since Linux 4.6.
    pub offload: Option<OffloadFlags>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for U32 {
    const NAME: &'static str = "u32";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(classid) = self.classid {
            w.u32(TCA_U32_CLASSID, classid.0);
        }
        if let Some(divisor) = self.divisor {
            w.u32(TCA_U32_DIVISOR, divisor);
        }
        if let Some(link) = self.link {
            w.u32(TCA_U32_LINK, link.0);
        }
        if let Some(indev) = &self.indev {
            w.str(TCA_U32_INDEV, indev);
        }
        for (ty, attrs) in [(TCA_U32_ACT, &self.actions), (TCA_U32_POLICE, &self.police)] {
            if let Some(attrs) = attrs {
                w.bytes(ty, attrs.as_bytes());
            }
        }
        if let Some(mark) = self.mark {
            let fields = [mark.value, mark.mask, mark.hits];
            w.bytes(TCA_U32_MARK, &fields.map(u32::to_ne_bytes).concat());
        }
        if let Some(hash) = self.hash {
            w.u32(TCA_U32_HASH, hash.0);
        }
        if let Some(selector) = &self.selector {
            w.nest(TCA_U32_SEL, |w| selector.encode(w));
        }
        if let Some(offload) = self.offload {
            w.u32(TCA_U32_FLAGS, offload.bits());
        }
        if let Some(counters) = &self.counters {
            w.bytes(TCA_U32_PCNT, &counters.encode());
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut u32 = Self::default();
        for attr in Attrs::new(payload) {
            u32.take(attr)?;
        }
        Ok(u32)
    }
}

impl Filter for U32 {}

impl U32 {
    fn take(&mut self, attr: Attr<'_>) -> Result<(), DecodeError> {
        let inside = |e: DecodeError| e.inside(attr.ty());
        match attr.ty() {
            TCA_U32_CLASSID => self.classid = Some(Handle(attr.u32()?)),
            TCA_U32_HASH => self.hash = Some(U32Handle(attr.u32()?)),
            TCA_U32_LINK => self.link = Some(U32Handle(attr.u32()?)),
            TCA_U32_DIVISOR => self.divisor = Some(attr.u32()?),
            TCA_U32_SEL => {
                self.selector = Some(Selector::decode(attr.payload()).map_err(inside)?);
            }
            TCA_U32_POLICE => self.police = Some(RawAttrs::from_payload(attr.payload())),
            TCA_U32_ACT => self.actions = Some(RawAttrs::from_payload(attr.payload())),
            TCA_U32_INDEV => self.indev = Some(attr.string().into_owned()),
            TCA_U32_PCNT => {
                self.counters = Some(Counters::decode(attr.payload()).map_err(inside)?);
            }
            TCA_U32_MARK => self.mark = Some(Mark::decode(attr.payload()).map_err(inside)?),
            TCA_U32_FLAGS => self.offload = Some(OffloadFlags::from_bits_retain(attr.u32()?)),
            _ => self.unknown.push(attr),
        }
        Ok(())
    }
}

impl Selector {
    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.raw(&[self.flags.bits(), self.shift, self.keys.len() as u8, 0])
            .raw(&self.offset_mask.to_be_bytes())
            .raw(&self.offset.to_ne_bytes())
            .raw(&self.variable_at.to_ne_bytes())
            .raw(&self.hash_at.to_ne_bytes())
            .raw(&self.hash_mask.to_be_bytes());
        for key in &self.keys {
            w.raw(&key.to_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_u32_sel", bytes);
        let [flags, shift, count, _] = r.array()?;
        let mut selector = Self {
            flags: SelectorFlags::from_bits_retain(flags),
            shift,
            offset_mask: r.be16()?,
            offset: r.u16()?,
            variable_at: r.u16()? as i16,
            hash_at: r.u16()? as i16,
            hash_mask: r.be32()?,
            keys: Vec::new(),
        };
        for _ in 0..count {
            selector.keys.push(Key::read(&mut r)?);
        }
        Ok(selector)
    }
}

impl Key {
    /// The 16 bytes of the structure.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let fields =
            [self.mask.to_be(), self.value.to_be(), self.at as u32, self.offset_mask as u32];
        for (place, field) in bytes.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }

    /// Reads the structure.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { mask: r.be32()?, value: r.be32()?, at: r.i32()?, offset_mask: r.i32()? })
    }
}

impl Mark {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_u32_mark", bytes);
        Ok(Self { value: r.u32()?, mask: r.u32()?, hits: r.u32()? })
    }
}

impl Counters {
    fn encode(&self) -> Vec<u8> {
        let counts = [self.seen, self.hits].into_iter().chain(self.key_hits.iter().copied());
        counts.flat_map(u64::to_ne_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_u32_pcnt", bytes);
        let mut counters = Self { seen: r.u64()?, hits: r.u64()?, key_hits: Vec::new() };
        while !r.rest().is_empty() {
            counters.key_hits.push(r.u64()?);
        }
        Ok(counters)
    }
}

impl U32Handle {
    /// Which hash table: 12 bits.
    #[doc(alias = "TC_U32_USERHTID")]
    pub const fn table(self) -> u32 {
        self.0 >> 20
    }

    /// Which of its buckets: 8 bits.
    #[doc(alias = "TC_U32_HASH")]
    pub const fn bucket(self) -> u32 {
        self.0 >> 12 & 0xff
    }

    /// Which rule: 12 bits; 0 for the table or bucket itself.
    #[doc(alias = "TC_U32_NODE")]
    pub const fn node(self) -> u32 {
        self.0 & 0xfff
    }

    /// Reads `TABLE:BUCKET:NODE` in hexadecimal, of which each may be empty and the second colon
    /// missing, or all 32 bits with `0x` in front.
    ///
    /// As in tc, any character ends the first two numbers, and what follows the third is ignored.
    pub fn parse(word: &str) -> Result<Self, UnitError> {
        const UNIT: &str = "u32 handle";
        let invalid =
            || UnitError::invalid(UNIT, word, "TABLE:BUCKET:NODE in hexadecimal, or 0xNUMBER");
        if !word.contains(':') {
            let whole = word.strip_prefix("0x").ok_or_else(invalid)?;
            return parse_u32(whole, Base::Hex).map(Self).map_err(|_| invalid());
        }
        let mut handle = 0;
        let mut rest = word;
        for (limit, shift) in [(0xfff, 20), (0xff, 12), (0xfff, 0)] {
            if rest.is_empty() {
                break;
            }
            if shift == 0 || !rest.starts_with(':') {
                let (number, behind) = hex_prefix(rest).ok_or_else(invalid)?;
                if number > limit {
                    return Err(UnitError::out_of_range(UNIT, word, "0:0:0 to fff:ff:fff"));
                }
                handle |= number << shift;
                rest = behind;
            }
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
        Ok(Self(handle))
    }
}

/// The hexadecimal number at the front of `text`, cut to 32 bits from above, and what follows it.
fn hex_prefix(text: &str) -> Option<(u32, &str)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let prefixed =
        text.strip_prefix("0x").filter(|t| t.starts_with(|c: char| c.is_ascii_hexdigit()));
    let digits = prefixed.unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end)?;
    // What does not fit is too big for every part.
    let number = u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
    (!digits.is_empty()).then_some((number, rest))
}

/// As tc prints it: `800:`, `800:7b:`, `800::1`, `none`.
impl fmt::Display for U32Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        if self.table() != 0 {
            write!(f, "{:x}", self.table())?;
        }
        f.write_str(":")?;
        if self.bucket() != 0 {
            write!(f, "{:x}", self.bucket())?;
        }
        if self.node() != 0 || self.bucket() != 0 {
            f.write_str(":")?;
        }
        if self.node() != 0 {
            write!(f, "{:x}", self.node())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `filter add dev lo ingress pref 1 handle WORD u32 match u32 0 0`.
    #[test]
    fn handles() {
        for (word, handle) in [
            ("800::5", 0x8000_0005),
            ("2:7b:800", 0x0027_b800),
            ("1:", 0x0010_0000),
            ("::5", 5),
            ("::", 0),
            ("800:5", 0x8000_5000),
            ("0x80000005", 0x8000_0005),
            ("0x800:0x1:0x5", 0x8000_1005),
            ("+800::5", 0x8000_0005),
            ("800:1:5:6", 0x8000_1005),
            ("800:1:5x", 0x8000_1005),
            ("800x:1:5", 0x8000_0001),
            ("8x00:1:5", 0x0080_0001),
            ("800:1x", 0x8000_1000),
        ] {
            assert_eq!(U32Handle::parse(word), Ok(U32Handle(handle)), "{word:?}");
        }
        for word in [
            "",
            "5",
            "none",
            "root",
            "1000:",
            "800:100:",
            "800::1000",
            "800::zz",
            "zz:",
            "80x1::5",
            "x:1:5",
            "800:1x:5",
            "800:x",
            "-1::5",
            "0X80000005",
            "0x180000005",
            "0x800x",
            "1::fffffffff",
        ] {
            assert!(U32Handle::parse(word).is_err(), "{word:?}");
        }
    }

    // tc 7.3: `filter show`.
    #[test]
    fn handles_as_printed() {
        for (handle, text) in [
            (0x8000_0000, "800:"),
            (0x8000_0800, "800::800"),
            (0x0027_b005, "2:7b:5"),
            (0x0020_6800, "2:6:800"),
        ] {
            assert_eq!(U32Handle(handle).to_string(), text);
        }
    }

    // The options of tc 7.3's `u32 match ip protocol 6 ff offset plus 4 at 2 mask 0xf0 shift 2 eat
    // link 1: hashkey mask ff at 12`.
    #[test]
    fn a_selector_keeps_its_byte_orders() {
        let bytes = [
            0x24, 0, 5, 0, 0x0e, 2, 1, 0, 0, 0xf0, 4, 0, 2, 0, 12, 0, 0, 0, 0, 0xff, 0, 0xff, 0, 0,
            0, 6, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
        ];
        let u32 = U32::decode(&bytes).unwrap();
        let key = Key { mask: 0xff_0000, value: 0x6_0000, at: 8, offset_mask: 0 };
        let selector = Selector {
            flags: SelectorFlags::OFFSET | SelectorFlags::VAROFFSET | SelectorFlags::EAT,
            shift: 2,
            offset_mask: 0xf0,
            offset: 4,
            variable_at: 2,
            hash_at: 12,
            hash_mask: 0xff,
            keys: vec![key],
        };
        assert_eq!(u32.selector, Some(selector));
        let mut buf = vec![];
        u32.encode(&mut AttrWriter::new(&mut buf));
        assert_eq!(buf, bytes);
    }

    #[test]
    fn a_selector_that_promises_too_many_keys_is_refused() {
        let bytes = [20, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(U32::decode(&bytes).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, sel: Vec<u8>) {
            let _ = U32::decode(&bytes);
            let mut attr = vec![];
            AttrWriter::new(&mut attr).bytes(TCA_U32_SEL, &sel).bytes(TCA_U32_PCNT, &sel);
            let _ = U32::decode(&attr);
        }
    }
}
