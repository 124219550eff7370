//! `ipt`: asks a match of the packet filter, an xtables module.
//!
//! Kernel: uapi/linux/tc_ematch/tc_em_ipt.h, net/sched/em_ipt.c; since 4.17. Payload: nest.

use crate::error::DecodeError;
use crate::kind::{Ematch, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs};

/// u32, the hook that the match takes itself to be at, `NF_INET_*`.
pub const TCA_EM_IPT_HOOK: u16 = 1;
/// String, the name of the match.
pub const TCA_EM_IPT_MATCH_NAME: u16 = 2;
/// u8, the revision of the match.
pub const TCA_EM_IPT_MATCH_REVISION: u16 = 3;
/// u8, the family of protocols, `NFPROTO_*`: 2 is IPv4, 10 is IPv6.
pub const TCA_EM_IPT_NFPROTO: u16 = 4;
/// What the match itself holds.
pub const TCA_EM_IPT_MATCH_DATA: u16 = 5;

/// A match of the packet filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipt {
    /// The hook that the match takes itself to be at.
    pub hook: Option<u32>,
    /// The name of the match.
    pub name: Option<String>,
    /// The revision of the match.
    pub revision: Option<u8>,
    /// The family of protocols.
    pub nfproto: Option<u8>,
    /// What the match itself holds.
    pub data: Option<Vec<u8>>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Ipt {
    const NAME: &'static str = "ipt";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(hook) = self.hook {
            w.u32(TCA_EM_IPT_HOOK, hook);
        }
        if let Some(name) = &self.name {
            w.str(TCA_EM_IPT_MATCH_NAME, name);
        }
        if let Some(revision) = self.revision {
            w.u8(TCA_EM_IPT_MATCH_REVISION, revision);
        }
        if let Some(nfproto) = self.nfproto {
            w.u8(TCA_EM_IPT_NFPROTO, nfproto);
        }
        if let Some(data) = &self.data {
            w.bytes(TCA_EM_IPT_MATCH_DATA, data);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut ipt = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_EM_IPT_HOOK => ipt.hook = Some(attr.u32()?),
                TCA_EM_IPT_MATCH_NAME => ipt.name = Some(attr.string().into_owned()),
                TCA_EM_IPT_MATCH_REVISION => ipt.revision = Some(attr.u8()?),
                TCA_EM_IPT_NFPROTO => ipt.nfproto = Some(attr.u8()?),
                TCA_EM_IPT_MATCH_DATA => ipt.data = Some(attr.payload().to_vec()),
                _ => ipt.unknown.push(attr),
            }
        }
        Ok(ipt)
    }
}

impl Ematch for Ipt {
    const NUMBER: u16 = 9;
}
