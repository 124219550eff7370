//! `vlan`: pushes, pops and changes VLAN tags, or the whole Ethernet header.
//!
//! Kernel: uapi/linux/tc_act/tc_vlan.h, net/sched/act_vlan.c; since 3.19, changes since 4.9,
//! Ethernet headers since 5.11. Payload: nest.

use super::head::mac;
use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::units::{MacAddr, Protocol};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_VLAN_TM: u16 = 1;
/// `struct tc_vlan`.
pub const TCA_VLAN_PARMS: u16 = 2;
/// u16, the VLAN's number.
pub const TCA_VLAN_PUSH_VLAN_ID: u16 = 3;
/// be16, the tag's protocol.
pub const TCA_VLAN_PUSH_VLAN_PROTOCOL: u16 = 4;
const TCA_VLAN_PAD: u16 = 5;
/// u8, the priority.
pub const TCA_VLAN_PUSH_VLAN_PRIORITY: u16 = 6;
/// Six bytes.
pub const TCA_VLAN_PUSH_ETH_DST: u16 = 7;
/// Six bytes.
pub const TCA_VLAN_PUSH_ETH_SRC: u16 = 8;

/// `TCA_VLAN_ACT_*`: what is done to a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VlanAction(pub i32);

impl VlanAction {
    /// The outer tag is taken off.
    #[doc(alias = "TCA_VLAN_ACT_POP")]
    pub const POP: Self = Self(1);
    /// A tag is put on.
    #[doc(alias = "TCA_VLAN_ACT_PUSH")]
    pub const PUSH: Self = Self(2);
    /// The outer tag is changed. Since Linux 4.9.
    #[doc(alias = "TCA_VLAN_ACT_MODIFY")]
    pub const MODIFY: Self = Self(3);
    /// The Ethernet header is taken off. Since Linux 5.11.
    #[doc(alias = "TCA_VLAN_ACT_POP_ETH")]
    pub const POP_ETH: Self = Self(4);
    /// An Ethernet header is put on. Since Linux 5.11.
    #[doc(alias = "TCA_VLAN_ACT_PUSH_ETH")]
    pub const PUSH_ETH: Self = Self(5);
}

/// Options of a `vlan` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlan {
    /// Index and verdict.
    #[doc(alias = "tc_vlan")]
    pub head: ActionHead,
    /// What is done.
    pub action: VlanAction,
    /// The VLAN's number, 0 to 4095.
    pub id: Option<u16>,
    /// The tag's protocol, `802.1Q` or `802.1ad`; the kernel takes the former when absent.
    pub protocol: Option<Protocol>,
    /// The priority in the tag, 0 to 7.
    pub priority: Option<u8>,
    /// Destination in the Ethernet header. Since Linux 5.11.
    pub dst_mac: Option<MacAddr>,
    /// Source in the Ethernet header. Since Linux 5.11.
    pub src_mac: Option<MacAddr>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Vlan {
    const NAME: &'static str = "vlan";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let action = self.action.0.to_ne_bytes();
        w.bytes(TCA_VLAN_PARMS, &[&self.head.to_bytes()[..], &action].concat());
        if let Some(id) = self.id {
            w.u16(TCA_VLAN_PUSH_VLAN_ID, id);
        }
        if let Some(protocol) = self.protocol {
            w.be16(TCA_VLAN_PUSH_VLAN_PROTOCOL, protocol.0);
        }
        if let Some(priority) = self.priority {
            w.u8(TCA_VLAN_PUSH_VLAN_PRIORITY, priority);
        }
        if let Some(mac) = self.dst_mac {
            w.bytes(TCA_VLAN_PUSH_ETH_DST, &mac.0);
        }
        if let Some(mac) = self.src_mac {
            w.bytes(TCA_VLAN_PUSH_ETH_SRC, &mac.0);
        }
        ActionTimes::encode(self.times, TCA_VLAN_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut vlan = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_VLAN_TM => vlan.times = Some(ActionTimes::decode(&attr)?),
                TCA_VLAN_PARMS => {
                    let mut r = Reader::new("tc_vlan", attr.payload());
                    let mut read = || {
                        vlan.head = ActionHead::read(&mut r)?;
                        vlan.action = VlanAction(r.i32()?);
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_VLAN_PUSH_VLAN_ID => vlan.id = Some(attr.u16()?),
                TCA_VLAN_PUSH_VLAN_PROTOCOL => vlan.protocol = Some(Protocol(attr.be16()?)),
                TCA_VLAN_PUSH_VLAN_PRIORITY => vlan.priority = Some(attr.u8()?),
                TCA_VLAN_PUSH_ETH_DST => vlan.dst_mac = Some(mac(&attr)?),
                TCA_VLAN_PUSH_ETH_SRC => vlan.src_mac = Some(mac(&attr)?),
                TCA_VLAN_PAD => {}
                _ => vlan.unknown.push(attr),
            }
        }
        Ok(vlan)
    }
}

impl Action for Vlan {
    fn index(&self) -> u32 {
        self.head.index
    }
}
