//! A request as bytes, ready to be sent.

use std::marker::PhantomData;

use super::{MessageType, NetlinkHeader};
use crate::error::EncodeError;

/// A complete netlink message; the client fills in the sequence number when it sends it.
///
/// `'fd` is the lifetime of what the message refers to by number: a message that names a file
/// descriptor cannot be sent after the descriptor is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'fd> {
    bytes: Vec<u8>,
    fds: PhantomData<&'fd ()>,
}

impl Request<'_> {
    /// A message of `message_type` with `flags`; `body` appends what follows the header.
    pub fn new(
        message_type: MessageType,
        flags: u16,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Self, EncodeError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&message_type.0.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        body(&mut bytes)?;
        let len = bytes.len();
        match (u32::try_from(len), bytes.first_chunk_mut::<4>()) {
            (Ok(len), Some(field)) => *field = len.to_ne_bytes(),
            _ => return Err(EncodeError::MessageTooLong { len }),
        }
        Ok(Self { bytes, fds: PhantomData })
    }

    /// The same, for who keeps open what it refers to.
    #[cfg(feature = "rtnetlink")]
    pub(crate) fn detached(self) -> Request<'static> {
        Request { bytes: self.bytes, fds: PhantomData }
    }

    /// The message, header included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The message, header included, for those who want to patch or append to it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What follows the netlink header.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(NetlinkHeader::LEN..).unwrap_or_default()
    }

    /// What the message is, e.g. `RTM_NEWQDISC`.
    pub fn message_type(&self) -> MessageType {
        MessageType(self.header().message_type)
    }

    /// `NLM_F_*`.
    pub fn flags(&self) -> u16 {
        self.header().flags
    }

    /// Adds `NLM_F_*` flags, such as `ECHO`.
    pub fn add_flags(&mut self, flags: u16) {
        let flags = self.flags() | flags;
        if let Some(field) = self.bytes.get_mut(6..8) {
            field.copy_from_slice(&flags.to_ne_bytes());
        }
    }

    /// Sets the number by which the reply will be recognised.
    pub fn set_sequence(&mut self, sequence: u32) {
        if let Some(field) = self.bytes.get_mut(8..12) {
            field.copy_from_slice(&sequence.to_ne_bytes());
        }
    }

    fn header(&self) -> NetlinkHeader {
        NetlinkHeader::decode(&self.bytes).unwrap_or_default()
    }
}
