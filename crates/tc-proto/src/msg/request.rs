//! A request as bytes, ready to be sent.

use super::NetlinkHeader;
use crate::error::EncodeError;

/// A complete netlink message; the client fills in the sequence number when it sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A message of `message_type` with `flags`; `body` appends what follows the header.
    pub fn new(
        message_type: u16,
        flags: u16,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Self, EncodeError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&message_type.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        body(&mut bytes)?;
        let len = bytes.len();
        match (u32::try_from(len), bytes.first_chunk_mut::<4>()) {
            (Ok(len), Some(field)) => *field = len.to_ne_bytes(),
            _ => return Err(EncodeError::MessageTooLong { len }),
        }
        Ok(Self { bytes })
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
    pub fn message_type(&self) -> u16 {
        self.header().message_type
    }

    /// `NLM_F_*`.
    pub fn flags(&self) -> u16 {
        self.header().flags
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
