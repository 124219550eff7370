//! `skbedit`: changes what the kernel notes about a packet beside its bytes.
//!
//! Kernel: uapi/linux/tc_act/tc_skbedit.h, net/sched/act_skbedit.c; since 2.6.28, types of packets
//! since 4.8, masks since 4.20, the DS field since 5.1. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::units::Handle;
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_SKBEDIT_TM: u16 = 1;
/// `struct tc_skbedit`.
pub const TCA_SKBEDIT_PARMS: u16 = 2;
/// u32, the priority.
pub const TCA_SKBEDIT_PRIORITY: u16 = 3;
/// u16, the queue.
pub const TCA_SKBEDIT_QUEUE_MAPPING: u16 = 4;
/// u32, the mark.
pub const TCA_SKBEDIT_MARK: u16 = 5;
const TCA_SKBEDIT_PAD: u16 = 6;
/// u16, the type of the packet.
pub const TCA_SKBEDIT_PTYPE: u16 = 7;
/// u32, which bits of the mark are changed.
pub const TCA_SKBEDIT_MASK: u16 = 8;
/// u64, flags.
pub const TCA_SKBEDIT_FLAGS: u16 = 9;

/// Options of a `skbedit` action. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skbedit {
    /// Index and verdict.
    #[doc(alias = "tc_skbedit")]
    pub head: ActionHead,
    /// The priority, by which classful qdiscs choose a class.
    pub priority: Option<Handle>,
    /// The device's transmit queue, from 0.
    pub queue: Option<u16>,
    /// The firewall mark.
    pub mark: Option<u32>,
    /// Which bits of the mark are changed; all when absent.
    pub mask: Option<u32>,
    /// `PACKET_*` of uapi/linux/if_packet.h: 0 host, 1 broadcast, 2 multicast, 3 otherhost.
    pub packet_type: Option<u16>,
    /// `SKBEDIT_F_*`.
    pub flags: Option<u64>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Skbedit {
    /// The flag that takes the priority from the DS field of IP packets.
    #[doc(alias = "SKBEDIT_F_INHERITDSFIELD")]
    pub const INHERIT_DS_FIELD: u64 = 0x20;
}

impl Kind for Skbedit {
    const NAME: &'static str = "skbedit";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_SKBEDIT_PARMS, &self.head.to_bytes());
        if let Some(queue) = self.queue {
            w.u16(TCA_SKBEDIT_QUEUE_MAPPING, queue);
        }
        if let Some(priority) = self.priority {
            w.u32(TCA_SKBEDIT_PRIORITY, priority.0);
        }
        if let Some(mark) = self.mark {
            w.u32(TCA_SKBEDIT_MARK, mark);
        }
        if let Some(mask) = self.mask {
            w.u32(TCA_SKBEDIT_MASK, mask);
        }
        if let Some(packet_type) = self.packet_type {
            w.u16(TCA_SKBEDIT_PTYPE, packet_type);
        }
        if let Some(flags) = self.flags {
            w.u64(TCA_SKBEDIT_FLAGS, flags);
        }
        ActionTimes::encode(self.times, TCA_SKBEDIT_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut skbedit = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_SKBEDIT_TM => skbedit.times = Some(ActionTimes::decode(&attr)?),
                TCA_SKBEDIT_PARMS => {
                    let mut r = Reader::new("tc_skbedit", attr.payload());
                    skbedit.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_SKBEDIT_PRIORITY => skbedit.priority = Some(Handle(attr.u32()?)),
                TCA_SKBEDIT_QUEUE_MAPPING => skbedit.queue = Some(attr.u16()?),
                TCA_SKBEDIT_MARK => skbedit.mark = Some(attr.u32()?),
                TCA_SKBEDIT_MASK => skbedit.mask = Some(attr.u32()?),
                TCA_SKBEDIT_PTYPE => skbedit.packet_type = Some(attr.u16()?),
                TCA_SKBEDIT_FLAGS => skbedit.flags = Some(attr.u64()?),
                TCA_SKBEDIT_PAD => {}
                _ => skbedit.unknown.push(attr),
            }
        }
        Ok(skbedit)
    }
}

impl Action for Skbedit {
    fn index(&self) -> u32 {
        self.head.index
    }
}
