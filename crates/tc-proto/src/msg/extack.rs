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
