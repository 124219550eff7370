//! The headers at the front of every message.

use crate::error::DecodeError;
use crate::units::Handle;
use crate::wire::{Reader, align};

/// `struct nlmsghdr`, 16 bytes.
#[doc(alias = "nlmsghdr")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetlinkHeader {
    /// Length of the message, header included, in bytes.
    pub len: u32,
    /// What the message is: `RTM_NEWQDISC`, `NLMSG_ERROR`, …
    pub message_type: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Sequence number of the request that the message belongs to; 0 for notifications.
    pub sequence: u32,
    /// Port id of the socket that the message belongs to.
    pub port: u32,
}

impl NetlinkHeader {
    /// Size in bytes.
    pub const LEN: usize = 16;

    /// Reads the header.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("nlmsghdr", bytes);
        Ok(Self {
            len: r.u32()?,
            message_type: r.u16()?,
            flags: r.u16()?,
            sequence: r.u32()?,
            port: r.u32()?,
        })
    }
}

/// Splits a datagram into its messages: header and body of each.
///
/// A header whose length is wrong is reported once and ends the iteration.
#[derive(Clone, Debug)]
pub struct NetlinkMessages<'a> {
    rest: &'a [u8],
}

impl<'a> NetlinkMessages<'a> {
    /// Reads `datagram`.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for NetlinkMessages<'a> {
    type Item = Result<(NetlinkHeader, &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let header = match NetlinkHeader::decode(bytes) {
            Ok(header) => header,
            Err(e) => return Some(Err(e)),
        };
        let claims = header.len as usize;
        let Some(body) = bytes.get(NetlinkHeader::LEN..claims) else {
            let what = "netlink message";
            return Some(Err(DecodeError::BadLength { what, claims, have: bytes.len() }));
        };
        self.rest = bytes.get(align(claims)..).unwrap_or_default();
        Some(Ok((header, body)))
    }
}

/// `struct tcmsg`, 20 bytes: which device, which object.
#[doc(alias = "tcmsg")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcHeader {
    /// Address family; always 0 (`AF_UNSPEC`) for tc.
    pub family: u8,
    /// Index of the device; [`BLOCK_IFINDEX`](Self::BLOCK_IFINDEX) when `parent` is a block.
    pub ifindex: i32,
    /// The object's own handle.
    pub handle: Handle,
    /// What the object hangs on; the index of a shared block when `ifindex` says so.
    pub parent: Handle,
    /// Filters: priority << 16 | protocol (network byte order). Qdiscs and classes: reference
    /// count in dumps.
    pub info: u32,
}

impl TcHeader {
    /// Size in bytes.
    pub const LEN: usize = 20;

    /// `TCM_IFINDEX_MAGIC_BLOCK`: `parent` is the index of a shared block. Since Linux 4.16.
    #[doc(alias = "TCM_IFINDEX_MAGIC_BLOCK")]
    pub const BLOCK_IFINDEX: i32 = -1;

    /// Appends the header to `buf`.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(&[self.family, 0, 0, 0]);
        buf.extend_from_slice(&self.ifindex.to_ne_bytes());
        buf.extend_from_slice(&self.handle.0.to_ne_bytes());
        buf.extend_from_slice(&self.parent.0.to_ne_bytes());
        buf.extend_from_slice(&self.info.to_ne_bytes());
    }

    /// Reads the header from the front of a message body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tcmsg", body);
        let [family, _, _, _] = r.array()?;
        Ok(Self {
            family,
            ifindex: r.i32()?,
            handle: Handle(r.u32()?),
            parent: Handle(r.u32()?),
            info: r.u32()?,
        })
    }
}
