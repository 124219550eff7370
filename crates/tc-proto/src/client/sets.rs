//! Names and numbers of IP sets, of which ematches have the number.
//!
//! Kernel: uapi/linux/netfilter/ipset/ip_set.h, `IPSET_CMD_GET_BYNAME` and `IPSET_CMD_GET_BYINDEX`;
//! since 4.20.

use super::{Client, Error, transport};
use crate::error::{DecodeError, EncodeError};
use crate::msg::{MessageType, Request, flags};
use crate::wire::{AttrWriter, Attrs};

/// `NFNL_SUBSYS_IPSET`, in the upper byte of the message's type.
const SUBSYSTEM: u16 = 6 << 8;
const GET_BYNAME: u16 = 14;
const GET_BYINDEX: u16 = 15;
const ATTR_PROTOCOL: u16 = 1;
const ATTR_SETNAME: u16 = 2;
const ATTR_INDEX: u16 = 11;
/// `IPSET_PROTOCOL`
const PROTOCOL: u8 = 7;
/// `struct nfgenmsg`: any family, version 0.
const HEADER: [u8; 4] = [0; 4];

/// A socket that asks the kernel about IP sets. It needs the right to administer the network.
#[derive(Debug)]
pub struct IpSets(Client);

impl IpSets {
    /// Opens a socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        Ok(Self(Client::over(Box::new(transport::open_netfilter()?))))
    }

    /// The number of the set of this name.
    pub fn index(&mut self, name: &str) -> Result<u16, Error> {
        let attrs = self.ask(GET_BYNAME, |w| {
            w.str(ATTR_SETNAME, name);
        })?;
        let index = Attrs::new(&attrs).find(ATTR_INDEX);
        Ok(index.ok_or(DecodeError::Invalid { what: "number of a set" })?.be16()?)
    }

    /// The name of the set of this number.
    pub fn name(&mut self, index: u16) -> Result<String, Error> {
        let attrs = self.ask(GET_BYINDEX, |w| {
            w.be16(ATTR_INDEX | crate::wire::NET_BYTEORDER, index);
        })?;
        let name = Attrs::new(&attrs).find(ATTR_SETNAME);
        Ok(name.ok_or(DecodeError::Invalid { what: "name of a set" })?.string().into_owned())
    }

    /// The attributes of the answer.
    fn ask(
        &mut self,
        command: u16,
        what: impl FnOnce(&mut AttrWriter<'_>),
    ) -> Result<Vec<u8>, Error> {
        let body = |body: &mut Vec<u8>| -> Result<(), EncodeError> {
            body.extend_from_slice(&HEADER);
            let mut w = AttrWriter::new(body);
            w.u8(ATTR_PROTOCOL, PROTOCOL);
            what(&mut w);
            w.finish()
        };
        let request = Request::new(MessageType(SUBSYSTEM | command), flags::REQUEST, body)?;
        let answer = self.0.ask(&request)?;
        Ok(answer.body.get(HEADER.len()..).unwrap_or_default().to_vec())
    }
}
