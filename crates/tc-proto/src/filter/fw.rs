//! `fw`: compares the packet's mark, which the firewall sets, with the filter's handle.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_FW_*`, net/sched/cls_fw.c; since 2.2. Payload: nest. Without
//! options the mark itself is the class.

use crate::error::DecodeError;
use crate::kind::{Filter, Kind};
use crate::units::Handle;
use crate::wire::{AttrWriter, Attrs, RawAttrs};

/// u32, the class.
pub const TCA_FW_CLASSID: u16 = 1;
/// Nest, a policer of the old form.
pub const TCA_FW_POLICE: u16 = 2;
/// String, the device that packets come from.
pub const TCA_FW_INDEV: u16 = 3;
/// Nest, a list of actions.
pub const TCA_FW_ACT: u16 = 4;
/// u32, the bits of the mark that count.
pub const TCA_FW_MASK: u16 = 5;

/// Options of a `fw` filter. The mark that it looks for is its handle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fw {
    /// The bits of the mark that count; all of them by default. The same for all filters of one
    /// preference.
    pub mask: Option<u32>,
    /// The class that matching packets go to.
    pub classid: Option<Handle>,
    /// A policer for matching packets, as attributes of the old form.
    pub police: Option<RawAttrs>,
    /// The device that packets come from; 15 bytes at most.
    pub indev: Option<String>,
    /// Actions for matching packets, as entries of [`ActionSpec`](crate::msg::ActionSpec).
    pub actions: Option<RawAttrs>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Fw {
    const NAME: &'static str = "fw";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(mask) = self.mask {
            w.u32(TCA_FW_MASK, mask);
        }
        if let Some(classid) = self.classid {
            w.u32(TCA_FW_CLASSID, classid.0);
        }
        if let Some(police) = &self.police {
            w.bytes(TCA_FW_POLICE, police.as_bytes());
        }
        if let Some(indev) = &self.indev {
            w.str(TCA_FW_INDEV, indev);
        }
        if let Some(actions) = &self.actions {
            w.bytes(TCA_FW_ACT, actions.as_bytes());
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut fw = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_FW_CLASSID => fw.classid = Some(Handle(attr.u32()?)),
                TCA_FW_POLICE => fw.police = Some(RawAttrs::from_payload(attr.payload())),
                TCA_FW_INDEV => fw.indev = Some(attr.string().into_owned()),
                TCA_FW_ACT => fw.actions = Some(RawAttrs::from_payload(attr.payload())),
                TCA_FW_MASK => fw.mask = Some(attr.u32()?),
                _ => fw.unknown.push(attr),
            }
        }
        Ok(fw)
    }
}

impl Filter for Fw {}
