//! Extended acknowledgements: what the kernel says about an error or a success.
//!
//! Kernel: uapi/linux/netlink.h (`struct nlmsgerr`, `NLMSGERR_ATTR_*`, `NL_POLICY_TYPE_ATTR_*`),
//! Linux 4.12; `POLICY` since 5.10, `MISS_TYPE` and `MISS_NEST` since 6.1.

use std::fmt;

use super::NetlinkHeader;
use crate::error::{AttrPath, DecodeError};
use crate::wire::{ATTR_HEADER, Attr, Attrs, Reader, align};

/// `NLMSG_DONE`: the end of a dump.
const DONE: u16 = 3;
/// `NLM_F_CAPPED`: of the request only the header came back.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow.
const ACK_TLVS: u16 = 0x200;
/// Nests that [`attribute_path`] looks into at most; the kernel's own limit is lower.
const MAX_DEPTH: usize = 32;

/// The outcome of a request: the content of `NLMSG_ERROR` and `NLMSG_DONE`.
#[doc(alias = "nlmsgerr")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The error as a positive errno; 0 for success.
    pub errno: i32,
    /// The header of the request that is answered; `None` in `NLMSG_DONE`.
    pub request: Option<NetlinkHeader>,
    /// What the kernel has to say beyond the number. With `errno` 0 it is a warning.
    pub ext_ack: Option<ExtAck>,
}

impl Status {
    /// Reads the body of an `NLMSG_ERROR` or `NLMSG_DONE` message with this header.
    ///
    /// Extended attributes that lie about their place are left out; the number is what counts.
    pub fn decode(header: &NetlinkHeader, body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("nlmsgerr", body);
        let done = header.message_type == DONE;
        if done && body.is_empty() {
            return Ok(Self::default());
        }
        let errno = match r.i32()? {
            code @ i32::MIN..=0 => code.checked_neg(),
            // Dumps of old end with the length of what they wrote.
            _ if done => Some(0),
            _ => None,
        };
        let errno = errno.ok_or(DecodeError::Invalid { what: "error code" })?;
        let request = if done { None } else { Some(NetlinkHeader::decode(r.rest())?) };
        let echoed = match request {
            Some(_) if header.flags & CAPPED != 0 => NetlinkHeader::LEN,
            Some(request) => align(request.len as usize),
            None => 0,
        };
        let ext_ack = (header.flags & ACK_TLVS != 0)
            .then(|| r.rest().get(echoed..))
            .flatten()
            .filter(|attrs| !attrs.is_empty())
            .map(ExtAck::decode);
        Ok(Self { errno, request, ext_ack })
    }
}

/// What the kernel adds to an error or, as a warning, to an acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtAck {
    /// The kernel's sentence, e.g. `Specified qdisc kind is unknown`.
    #[doc(alias = "NLMSGERR_ATTR_MSG")]
    pub message: Option<String>,
    /// Where the offending attribute starts: bytes from the start of the request's header. See
    /// [`attribute_path`].
    #[doc(alias = "NLMSGERR_ATTR_OFFS")]
    pub offset: Option<u32>,
    /// Bytes that identify what was created, by agreement between the two sides.
    #[doc(alias = "NLMSGERR_ATTR_COOKIE")]
    pub cookie: Option<Vec<u8>>,
    /// What the attribute at `offset` should have been. Since Linux 5.10.
    #[doc(alias = "NLMSGERR_ATTR_POLICY")]
    pub policy: Option<Policy>,
    /// The type of a required attribute that was missing. Since Linux 6.1.
    #[doc(alias = "NLMSGERR_ATTR_MISS_TYPE")]
    pub missing_type: Option<u32>,
    /// Where the nest starts in which it was missing, counted as `offset`; `None` when it was
    /// missing at the level of the message. Since Linux 6.1.
    #[doc(alias = "NLMSGERR_ATTR_MISS_NEST")]
    pub missing_nest: Option<u32>,
    /// Attributes that are not known here, or not of the size they should have: type and payload.
    pub unknown: Vec<(u16, Vec<u8>)>,
}

impl ExtAck {
    /// Reads the attributes that follow a `struct nlmsgerr`.
    pub fn decode(attrs: &[u8]) -> Self {
        let mut ack = Self::default();
        for attr in Attrs::new(attrs) {
            if ack.set(&attr).is_err() {
                ack.unknown.push((attr.ty(), attr.payload().to_vec()));
            }
        }
        ack
    }

    fn set(&mut self, attr: &Attr<'_>) -> Result<(), DecodeError> {
        match attr.ty() {
            1 => self.message = Some(attr.string().into_owned()),
            2 => self.offset = Some(attr.u32()?),
            3 => self.cookie = Some(attr.payload().to_vec()),
            4 => self.policy = Some(Policy::decode(attr.nested())),
            5 => self.missing_type = Some(attr.u32()?),
            6 => self.missing_nest = Some(attr.u32()?),
            _ => return Err(DecodeError::Invalid { what: "attribute type" }),
        }
        Ok(())
    }

    /// Which attribute of `request` (header included) the kernel objects to, or lacks something
    /// in.
    pub fn attribute(&self, request: &[u8]) -> Option<AttrPath> {
        let offset = self.offset.or(self.missing_nest)?;
        attribute_path(request, usize::try_from(offset).ok()?)
    }
}

/// The rules for an attribute that the kernel refused. Since Linux 5.10.
///
/// Displayed as what it asks for: `a string of at most 15 bytes`.
#[doc(alias = "NL_POLICY_TYPE_ATTR_TYPE")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// What it holds: `NL_ATTR_TYPE_*`.
    #[doc(alias = "netlink_attribute_type")]
    pub ty: Option<u32>,
    /// The smallest value of a signed integer.
    pub min_signed: Option<i64>,
    /// The largest value of a signed integer.
    pub max_signed: Option<i64>,
    /// The smallest value of an unsigned integer.
    pub min_unsigned: Option<u64>,
    /// The largest value of an unsigned integer.
    pub max_unsigned: Option<u64>,
    /// The shortest payload in bytes.
    pub min_len: Option<u32>,
    /// The longest payload in bytes.
    pub max_len: Option<u32>,
    /// Index of the policy of what is inside a nest.
    pub nested_index: Option<u32>,
    /// Highest attribute type inside a nest.
    pub nested_max_type: Option<u32>,
    /// Valid bits of a `struct nla_bitfield32`.
    pub bitfield32_mask: Option<u32>,
    /// Valid bits of an unsigned integer.
    pub mask: Option<u64>,
    /// Rules that are not known here, or not of the size they should have: type and payload.
    pub unknown: Vec<(u16, Vec<u8>)>,
}

impl Policy {
    fn decode(attrs: Attrs<'_>) -> Self {
        let mut policy = Self::default();
        for attr in attrs {
            if policy.set(&attr).is_err() {
                policy.unknown.push((attr.ty(), attr.payload().to_vec()));
            }
        }
        policy
    }

    fn set(&mut self, attr: &Attr<'_>) -> Result<(), DecodeError> {
        match attr.ty() {
            1 => self.ty = Some(attr.u32()?),
            2 => self.min_signed = Some(attr.i64()?),
            3 => self.max_signed = Some(attr.i64()?),
            4 => self.min_unsigned = Some(attr.u64()?),
            5 => self.max_unsigned = Some(attr.u64()?),
            6 => self.min_len = Some(attr.u32()?),
            7 => self.max_len = Some(attr.u32()?),
            8 => self.nested_index = Some(attr.u32()?),
            9 => self.nested_max_type = Some(attr.u32()?),
            10 => self.bitfield32_mask = Some(attr.u32()?),
            // Padding in front of 64-bit values.
            11 => {}
            12 => self.mask = Some(attr.u64()?),
            _ => return Err(DecodeError::Invalid { what: "attribute type" }),
        }
        Ok(())
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            Some(0) => f.write_str("an attribute that is not accepted")?,
            Some(1) => f.write_str("a flag without a value")?,
            Some(2) => f.write_str("a u8")?,
            Some(3) => f.write_str("a u16")?,
            Some(4) => f.write_str("a u32")?,
            Some(5) => f.write_str("a u64")?,
            Some(6) => f.write_str("an s8")?,
            Some(7) => f.write_str("an s16")?,
            Some(8) => f.write_str("an s32")?,
            Some(9) => f.write_str("an s64")?,
            Some(10) => f.write_str("binary data")?,
            Some(11) => f.write_str("a string")?,
            Some(12) => f.write_str("a NUL-terminated string")?,
            Some(13) => f.write_str("a nest")?,
            Some(14) => f.write_str("an array of nests")?,
            Some(15) => f.write_str("a bitfield32")?,
            Some(other) => write!(f, "an attribute of type {other}")?,
            None => f.write_str("an attribute")?,
        }
        match (self.min_unsigned, self.max_unsigned) {
            (Some(min), Some(max)) => write!(f, " from {min} to {max}")?,
            (Some(min), None) => write!(f, " of {min} or more")?,
            (None, Some(max)) => write!(f, " of {max} or less")?,
            (None, None) => {}
        }
        match (self.min_signed, self.max_signed) {
            (Some(min), Some(max)) => write!(f, " from {min} to {max}")?,
            (Some(min), None) => write!(f, " of {min} or more")?,
            (None, Some(max)) => write!(f, " of {max} or less")?,
            (None, None) => {}
        }
        match (self.min_len, self.max_len) {
            (Some(min), Some(max)) if min == max => write!(f, " of exactly {min} bytes")?,
            (Some(min), Some(max)) => write!(f, " of {min} to {max} bytes")?,
            (Some(min), None) => write!(f, " of at least {min} bytes")?,
            (None, Some(max)) => write!(f, " of at most {max} bytes")?,
            (None, None) => {}
        }
        if let Some(mask) = self.mask.or(self.bitfield32_mask.map(u64::from)) {
            write!(f, " with no bits outside {mask:#x}")?;
        }
        Ok(())
    }
}

/// The attribute of `request` (header included) that contains the byte at `offset`.
///
/// Nests are entered whether or not they have `NLA_F_NESTED`, as long as their payload is made of
/// sound attributes to its end; inside anything else, such as options that start with a structure,
/// the answer is the enclosing attribute. `None` when the offset is in the headers, past the end,
/// or when the headers of this type of message are not known.
pub fn attribute_path(request: &[u8], offset: usize) -> Option<AttrPath> {
    let header = NetlinkHeader::decode(request).ok()?;
    let mut start = NetlinkHeader::LEN + fixed_header_len(header.message_type)?;
    let mut region = request.get(start..)?;
    let mut path = Vec::new();
    while path.len() < MAX_DEPTH {
        let Some((at, attr)) = attribute_at(region, offset.checked_sub(start)?) else { break };
        path.push(attr.ty());
        let payload_at = start + at + ATTR_HEADER;
        if offset < payload_at || !is_sound_nest(attr.payload()) {
            break;
        }
        start = payload_at;
        region = attr.payload();
    }
    (!path.is_empty()).then_some(AttrPath(path))
}

/// The attribute in `region` that covers `offset`, padding included, and where it starts.
fn attribute_at(region: &[u8], offset: usize) -> Option<(usize, Attr<'_>)> {
    let mut attrs = Attrs::new(region);
    loop {
        let at = region.len() - attrs.rest().len();
        let attr = attrs.next()?;
        if (at..region.len() - attrs.rest().len()).contains(&offset) {
            return Some((at, attr));
        }
    }
}

fn is_sound_nest(payload: &[u8]) -> bool {
    let mut attrs = Attrs::new(payload);
    attrs.by_ref().for_each(drop);
    attrs.rest().is_empty()
}

/// Size of the structure between the netlink header and the attributes.
fn fixed_header_len(message_type: u16) -> Option<usize> {
    // Message types come in groups of four: new, del, get, set.
    match message_type & !3 {
        // RTM_NEWLINK, RTM_NEWLINKPROP: struct ifinfomsg
        16 | 108 => Some(16),
        // RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, RTM_NEWCHAIN: struct tcmsg
        36 | 40 | 44 | 100 => Some(20),
        // RTM_NEWACTION: struct tcamsg
        48 => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes written in hex, blanks ignored. What follows was captured on Linux 6.18, x86-64.
    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
    }

    fn status(text: &str) -> Status {
        let bytes = hex(text);
        let header = NetlinkHeader::decode(&bytes).unwrap();
        assert_eq!(header.len as usize, bytes.len());
        Status::decode(&header, &bytes[16..]).unwrap()
    }

    /// `tc qdisc add dev lo root nosuchkind`, without `NETLINK_CAP_ACK`.
    const WHOLE_REQUEST: &str = "6c000000 0200 0002 536a036b ce320000 feffffff \
        34000000 2400 0506 536a036b 00000000 00000000 01000000 00000000 ffffffff 00000000 \
        0f000100 6e6f737563686b696e640000 \
        24000100 53706563696669656420716469736320 6b696e6420697320756e6b6e6f776e00";

    #[test]
    fn the_explanation_follows_the_whole_request_or_its_header() {
        let whole = status(WHOLE_REQUEST);
        assert_eq!(whole.errno, 2);
        assert_eq!(whole.request.unwrap().message_type, 36);
        let message = whole.ext_ack.unwrap().message.unwrap();
        assert_eq!(message, "Specified qdisc kind is unknown");
        // The same with NETLINK_CAP_ACK and another name.
        let capped = status(
            "48000000 0200 0003 0a000000 e1350000 feffffff 30000000 2400 0506 0a000000 00000000 \
             24000100 53706563696669656420716469736320 6b696e6420697320756e6b6e6f776e00",
        );
        assert_eq!(capped.ext_ack.unwrap().message.unwrap(), message);
    }

    #[test]
    fn success_is_errno_0_with_or_without_a_warning() {
        // qdisc add pfifo: success is capped even without NETLINK_CAP_ACK.
        let plain = status(
            "24000000 0200 0001 536a036b d3320000 00000000 38000000 2400 0506 536a036b 00000000",
        );
        assert_eq!((plain.errno, plain.ext_ack), (0, None));
        assert_eq!(plain.request.unwrap().len, 56);
        // class add htb
        let warned = status(
            "68000000 0200 0003 0d000000 e1350000 00000000 60000000 2800 0506 0d000000 00000000 \
             43000100 7363685f6874623a207175616e74756d206f6620636c617373203130303031206973 \
             20736d616c6c2e20436f6e736964657220723271206368616e67652e 0000",
        );
        assert_eq!(warned.errno, 0);
        assert_eq!(
            warned.ext_ack.unwrap().message.unwrap(),
            "sch_htb: quantum of class 10001 is small. Consider r2q change."
        );
    }

    #[test]
    fn the_end_of_a_dump_has_no_request_in_it() {
        assert_eq!(status("14000000 0300 0200 526a036b ce320000 00000000"), Status::default());
        // RTM_GETTFILTER with a TCA_CHAIN that is too short.
        let failed = status(
            "68000000 0300 0202 1f000000 e1350000 deffffff \
             27000100 417474726962757465206661696c656420706f6c6963792076616c69646174696f6e 0000 \
             08000200 24000000 24000480 0c000400 0000000000000000 0c000500 ffffffff00000000 \
             08000100 04000000",
        );
        assert_eq!((failed.errno, failed.request), (34, None));
        let ext_ack = failed.ext_ack.unwrap();
        assert_eq!(ext_ack.offset, Some(36));
        let policy = ext_ack.policy.unwrap();
        assert_eq!((policy.min_unsigned, policy.max_unsigned), (Some(0), Some(4_294_967_295)));
        assert_eq!(policy.to_string(), "a u32 from 0 to 4294967295");
    }

    #[test]
    fn policies_say_what_they_want() {
        // RTM_GETLINK with an IFLA_IFNAME of 24 letters.
        let long_name = status(
            "68000000 0200 0003 05000000 e1350000 deffffff 48000000 1200 0100 05000000 00000000 \
             27000100 417474726962757465206661696c656420706f6c6963792076616c69646174696f6e 0000 \
             08000200 28000000 14000480 08000700 0f000000 08000100 0b000000",
        );
        let ext_ack = long_name.ext_ack.unwrap();
        assert_eq!(ext_ack.offset, Some(40));
        assert_eq!(ext_ack.policy.unwrap().to_string(), "a string of at most 15 bytes");
        // RTM_NEWACTION with TCA_ACT_HW_STATS of bits that do not exist.
        let bad_bits = ExtAck::decode(&hex("14000480 08000a00 03000000 08000100 0f000000"));
        let policy = bad_bits.policy.unwrap();
        assert_eq!(policy.bitfield32_mask, Some(3));
        assert_eq!(policy.to_string(), "a bitfield32 with no bits outside 0x3");
    }

    #[test]
    fn every_known_attribute_has_its_field_and_the_others_survive() {
        let attrs = hex("07000300 01020300 08000500 09000000 08000600 24000000 \
             05000900 aa000000 06000200 01000000 \
             3c000480 08000800 02000000 08000900 07000000 08000600 01000000 \
             0c000c00 0f00000000000000 0c000200 ffffffffffffffff 04000b00 04000d00");
        let ack = ExtAck::decode(&attrs);
        assert_eq!(ack.cookie.as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!((ack.missing_type, ack.missing_nest), (Some(9), Some(36)));
        // The second one has the wrong size for an offset.
        assert_eq!(ack.offset, None);
        assert_eq!(ack.unknown, [(9, vec![0xaa]), (2, vec![1, 0])]);
        let policy = ack.policy.unwrap();
        assert_eq!((policy.nested_index, policy.nested_max_type), (Some(2), Some(7)));
        assert_eq!((policy.min_len, policy.mask), (Some(1), Some(15)));
        assert_eq!(policy.min_signed, Some(-1));
        assert_eq!(policy.unknown, [(13, vec![])]);
    }

    #[test]
    fn lies_are_errors_or_left_out() {
        let bytes = hex(WHOLE_REQUEST);
        let header = NetlinkHeader::decode(&bytes).unwrap();
        for len in 0..20 {
            assert!(Status::decode(&header, &bytes[16..16 + len]).is_err(), "{len}");
        }
        let mut body = bytes[16..].to_vec();
        // The request claims to be longer than what came back.
        body[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let status = Status::decode(&header, &body).unwrap();
        assert_eq!((status.errno, status.ext_ack), (2, None));
        for code in [1, i32::MAX, i32::MIN] {
            body[..4].copy_from_slice(&code.to_ne_bytes());
            assert!(Status::decode(&header, &body).is_err());
        }
    }

    /// `u32` filter with a `mirred` action whose `TCA_MIRRED_PARMS` is too short; the kernel
    /// objects to offset 80.
    const NESTED: &str = "6c000000 2c00 0506 3e000000 00000000 \
        00000000 01000000 00000000 f2ffffff 08000100 \
        08000100 75333200 \
        40000200 08000100 01000000 \
        20000700 1c000100 0b000100 6d69727265640000 0c000280 05000200 31000000 \
        14000500 01000000000000000000000000000000";

    fn path(request: &str, offset: usize) -> Option<String> {
        attribute_path(&hex(request), offset).map(|path| path.to_string())
    }

    #[test]
    fn offsets_lead_to_attributes_through_nests_of_both_sorts() {
        assert_eq!(path(NESTED, 80).as_deref(), Some("2.7.1.2.2"));
        assert_eq!(path(NESTED, 76).as_deref(), Some("2.7.1.2"));
        assert_eq!(path(NESTED, 36).as_deref(), Some("1"));
        // Inside a value, and in its padding: the attribute itself.
        assert_eq!(path(NESTED, 40).as_deref(), Some("1"));
        assert_eq!(path(NESTED, 87).as_deref(), Some("2.7.1.2.2"));
        assert_eq!(path(NESTED, 100).as_deref(), Some("2.5"));
    }

    #[test]
    fn headers_and_what_lies_beyond_have_no_path() {
        for offset in [0, 15, 16, 35, 108, 109, usize::MAX] {
            assert_eq!(path(NESTED, offset), None, "{offset}");
        }
        // RTM_NEWADDR has a header that is not known here.
        assert_eq!(path("18000000 1400 0500 00000000 00000000 0800010000000000", 16), None);
        assert_eq!(path("0c", 0), None);
    }

    #[test]
    fn the_header_depends_on_the_type() {
        // RTM_NEWACTION, the kernel objects to offset 36.
        let action = "30000000 3000 0506 44000000 00000000 00000000 \
            1c000100 18000100 08000100 62706600 0c000700 00040000 00040000";
        assert_eq!(path(action, 36).as_deref(), Some("1.1.7"));
        // RTM_GETLINK, the kernel objects to offset 40.
        let link = "38000000 1200 0100 01000000 00000000 00000000000000000000000000000000 \
            08001d00 09010000 0d000300 73686f7274616c7400000000";
        assert_eq!(path(link, 40).as_deref(), Some("3"));
    }

    #[test]
    fn attributes_behind_a_structure_end_at_the_enclosing_one() {
        // netem: struct tc_netem_qopt, then TCA_NETEM_LOSS{NETEM_LOSS_GI}.
        let netem = "58000000 2400 0506 19000000 00000000 \
            00000000 01000000 00000100 ffffffff 00000000 \
            0a000100 6e6574656d000000 \
            28000200 000000000000000000000000000000000000000000000000 \
            0c000500 07000100 31323300";
        assert_eq!(path(netem, 76).as_deref(), Some("2"));
    }

    #[test]
    fn nests_without_end_do_not_take_for_ever() {
        let mut request = hex("00000100 2400 0500 00000000 00000000");
        request.extend([0; 20]);
        for len in (4..=65_532_u16).rev().step_by(4) {
            request.extend(len.to_ne_bytes());
            request.extend([1, 0]);
        }
        let path = attribute_path(&request, request.len() - 4).unwrap();
        assert_eq!(path.0, [1; MAX_DEPTH]);
    }
}
