//! `mpls`: pushes, pops and changes labels of MPLS.
//!
//! Kernel: uapi/linux/tc_act/tc_mpls.h, net/sched/act_mpls.c; since 5.3, `mac_push` since 5.5.
//! Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::units::Protocol;
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_MPLS_TM: u16 = 1;
/// `struct tc_mpls`.
pub const TCA_MPLS_PARMS: u16 = 2;
const TCA_MPLS_PAD: u16 = 3;
/// be16, the ethertype of the pushed header, or of what is left after popping.
pub const TCA_MPLS_PROTO: u16 = 4;
/// u32, the label.
pub const TCA_MPLS_LABEL: u16 = 5;
/// u8, the traffic class.
pub const TCA_MPLS_TC: u16 = 6;
/// u8, the time to live.
pub const TCA_MPLS_TTL: u16 = 7;
/// u8, whether this is the bottom of the stack.
pub const TCA_MPLS_BOS: u16 = 8;

/// What is done to the stack of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MplsAction(pub i32);

impl MplsAction {
    /// Remove the outermost label.
    #[doc(alias = "TCA_MPLS_ACT_POP")]
    pub const POP: Self = Self(1);
    /// Add a label before the network header.
    #[doc(alias = "TCA_MPLS_ACT_PUSH")]
    pub const PUSH: Self = Self(2);
    /// Change fields of the outermost label.
    #[doc(alias = "TCA_MPLS_ACT_MODIFY")]
    pub const MODIFY: Self = Self(3);
    /// Count its time to live down.
    #[doc(alias = "TCA_MPLS_ACT_DEC_TTL")]
    pub const DEC_TTL: Self = Self(4);
    /// Add a label before the Ethernet header. Since Linux 5.5.
    #[doc(alias = "TCA_MPLS_ACT_MAC_PUSH")]
    pub const MAC_PUSH: Self = Self(5);
}

/// Options of an `mpls` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mpls {
    /// Index and verdict.
    #[doc(alias = "tc_mpls")]
    pub head: ActionHead,
    /// What is done.
    pub action: MplsAction,
    /// The ethertype of the pushed header, or of what is left after popping.
    pub protocol: Option<Protocol>,
    /// The label, 20 bits.
    pub label: Option<u32>,
    /// The traffic class, 3 bits.
    pub traffic_class: Option<u8>,
    /// The time to live, 1 or more; 255 by default.
    pub ttl: Option<u8>,
    /// Whether this is the bottom of the stack, 0 or 1; the kernel finds out by default.
    pub bottom_of_stack: Option<u8>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Mpls {
    const NAME: &'static str = "mpls";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let head = self.head.to_bytes();
        w.bytes(TCA_MPLS_PARMS, &[&head[..], &self.action.0.to_ne_bytes()].concat());
        if let Some(label) = self.label {
            w.u32(TCA_MPLS_LABEL, label);
        }
        if let Some(Protocol(protocol)) = self.protocol {
            w.be16(TCA_MPLS_PROTO, protocol);
        }
        let bytes = [
            (TCA_MPLS_TC, self.traffic_class),
            (TCA_MPLS_TTL, self.ttl),
            (TCA_MPLS_BOS, self.bottom_of_stack),
        ];
        for (ty, value) in bytes {
            if let Some(value) = value {
                w.u8(ty, value);
            }
        }
        ActionTimes::encode(self.times, TCA_MPLS_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut mpls = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_MPLS_TM => mpls.times = Some(ActionTimes::decode(&attr)?),
                TCA_MPLS_PARMS => {
                    let mut r = Reader::new("tc_mpls", attr.payload());
                    let mut read = || {
                        mpls.head = ActionHead::read(&mut r)?;
                        mpls.action = MplsAction(r.i32()?);
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_MPLS_PROTO => mpls.protocol = Some(Protocol(attr.be16()?)),
                TCA_MPLS_LABEL => mpls.label = Some(attr.u32()?),
                TCA_MPLS_TC => mpls.traffic_class = Some(attr.u8()?),
                TCA_MPLS_TTL => mpls.ttl = Some(attr.u8()?),
                TCA_MPLS_BOS => mpls.bottom_of_stack = Some(attr.u8()?),
                TCA_MPLS_PAD => {}
                _ => mpls.unknown.push(attr),
            }
        }
        Ok(mpls)
    }
}

impl Action for Mpls {
    fn index(&self) -> u32 {
        self.head.index
    }
}
