//! `csum`: computes checksums anew, after other actions changed a packet.
//!
//! Kernel: uapi/linux/tc_act/tc_csum.h, net/sched/act_csum.c; since 2.6.37, SCTP since 4.9.
//! Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tc_csum`.
pub const TCA_CSUM_PARMS: u16 = 1;
/// `struct tcf_t`.
pub const TCA_CSUM_TM: u16 = 2;
const TCA_CSUM_PAD: u16 = 3;

/// Options of a `csum` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Csum {
    /// Index and verdict.
    #[doc(alias = "tc_csum")]
    pub head: ActionHead,
    /// Which checksums, `Csum::IPV4` and so on; bits without a name are kept.
    #[doc(alias = "TCA_CSUM_UPDATE_FLAG_IPV4HDR")]
    pub update: u32,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Csum {
    /// The header of IPv4.
    pub const IPV4: u32 = 1;
    /// ICMP, over IPv4 and IPv6.
    pub const ICMP: u32 = 2;
    /// IGMP.
    pub const IGMP: u32 = 4;
    /// TCP.
    pub const TCP: u32 = 8;
    /// UDP.
    pub const UDP: u32 = 16;
    /// UDP-Lite.
    pub const UDPLITE: u32 = 32;
    /// SCTP.
    pub const SCTP: u32 = 64;
}

impl Kind for Csum {
    const NAME: &'static str = "csum";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let head = self.head.to_bytes();
        w.bytes(TCA_CSUM_PARMS, &[&head[..], &self.update.to_ne_bytes()].concat());
        ActionTimes::encode(self.times, TCA_CSUM_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut csum = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_CSUM_PARMS => {
                    let mut r = Reader::new("tc_csum", attr.payload());
                    let mut read = || {
                        csum.head = ActionHead::read(&mut r)?;
                        csum.update = r.u32()?;
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_CSUM_TM => csum.times = Some(ActionTimes::decode(&attr)?),
                TCA_CSUM_PAD => {}
                _ => csum.unknown.push(attr),
            }
        }
        Ok(csum)
    }
}

impl Action for Csum {
    fn index(&self) -> u32 {
        self.head.index
    }
}
