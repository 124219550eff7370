//! Names and indexes of devices, one by one.
//!
//! Kernel: uapi/linux/if_link.h, uapi/linux/rtnetlink.h (`RTM_GETLINK`). Alternative names since
//! Linux 5.5. Nothing here lists all devices: a host may have thousands.

use super::window::{Expect, Window};
use super::{Client, Error, KernelError, Message};
use crate::error::DecodeError;
use crate::msg::{MessageType, Request, flags};
use crate::wire::{AttrWriter, Attrs, Reader};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_ALT_IFNAME: u16 = 53;
/// `RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS | RTEXT_FILTER_NAME_ONLY`, as tc asks.
const EXT_MASK: u32 = 0x109;
/// Size of `struct ifinfomsg`.
const IFINFO: usize = 16;
/// `IFNAMSIZ`: a device's own name is shorter than this.
const IFNAMSIZ: usize = 16;
/// `ALTIFNAMSIZ`: an alternative name is shorter than this.
const ALTIFNAMSIZ: usize = 128;
/// Devices asked for at once. A description has 1 to 2 KiB, so 16 of them fit the socket's buffer
/// many times over.
const AT_ONCE: usize = 16;

impl Client {
    /// The index of the device with this name or alternative name.
    ///
    /// One question; an unknown name is an error that [`is_not_found`](Error::is_not_found).
    #[doc(alias = "IFLA_ALT_IFNAME")]
    pub fn link_index(&mut self, name: &str) -> Result<i32, Error> {
        let request = link_by_name(name)?;
        // As if_nametoindex(3): half the system calls. It knows no name of 16 bytes or more, and its
        // error says less than the message's.
        if let Some(index) = self.transport.index(name) {
            return Ok(index);
        }
        Ok(decode(&self.ask(&request)?)?.0)
    }

    /// The names of the devices with these indexes, in their order; `None` where there is no such
    /// device.
    pub fn link_names(&mut self, indexes: &[i32]) -> Result<Vec<Option<String>>, Error> {
        let mut names = Vec::with_capacity(indexes.len());
        let mut window = Window::default();
        for indexes in indexes.chunks(AT_ONCE) {
            for index in indexes {
                window.push(&link_request(*index, None)?, Expect::Message);
            }
            self.exchange(&mut window);
            for (outcome, index) in window.outcomes().zip(indexes) {
                let answer = match outcome {
                    Ok(ack) => ack.echoed.into_iter().next().ok_or(Error::NoAnswer),
                    // Long descriptions (many virtual functions) are asked for one by one.
                    Err(Error::Lost | Error::NoAnswer | Error::Truncated { .. }) => {
                        self.ask(&link_request(*index, None)?)
                    }
                    Err(e) => Err(e),
                };
                names.push(match answer {
                    Ok(answer) => Some(decode(&answer)?.1),
                    Err(e) if e.is_not_found() => None,
                    Err(e) => return Err(e),
                });
            }
        }
        Ok(names)
    }
}

/// The request for the device with this name or alternative name.
pub(crate) fn link_by_name(name: &str) -> Result<Request<'static>, Error> {
    if name.is_empty() || name.len() >= ALTIFNAMSIZ {
        // Refused by the kernel as malformed, which is not what the caller wants to know.
        let error = KernelError::new(libc::ENODEV, RTM_GETLINK);
        return Err(Error::Kernel(Box::new(error)));
    }
    // The kernel looks a short name up among names and alternative names alike.
    let attr = if name.len() < IFNAMSIZ { IFLA_IFNAME } else { IFLA_ALT_IFNAME };
    link_request(0, Some((attr, name)))
}

/// A request for no device at all, which the kernel always refuses.
#[cfg(feature = "rtnetlink")]
pub(crate) fn no_link() -> Result<Request<'static>, Error> {
    link_request(0, None)
}

fn link_request(index: i32, name: Option<(u16, &str)>) -> Result<Request<'static>, Error> {
    let request = Request::new(MessageType(RTM_GETLINK), flags::REQUEST, |body| {
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&index.to_ne_bytes());
        body.extend_from_slice(&[0; 8]);
        let mut w = AttrWriter::new(body);
        w.u32(IFLA_EXT_MASK, EXT_MASK);
        if let Some((attr, name)) = name {
            w.str(attr, name);
        }
        w.finish()
    })?;
    Ok(request)
}

/// Index and name in an `RTM_NEWLINK` message.
pub(crate) fn decode(message: &Message) -> Result<(i32, String), Error> {
    if message.header.message_type != RTM_NEWLINK {
        return Err(DecodeError::Invalid { what: "type of the answer to RTM_GETLINK" }.into());
    }
    let mut r = Reader::new("ifinfomsg", &message.body);
    let [_, _, _, _] = r.array()?;
    let index = r.i32()?;
    let attrs = Attrs::new(message.body.get(IFINFO..).unwrap_or_default());
    let name = attrs.find(IFLA_IFNAME).ok_or(DecodeError::Invalid { what: "name of a device" })?;
    Ok((index, name.string().into_owned()))
}
