//! `ife`: carries what the kernel notes about a packet to another host, inside an Ethernet frame
//! (ForCES inter-FE, RFC 8013).
//!
//! Kernel: uapi/linux/tc_act/tc_ife.h, net/sched/act_ife.c; since 4.6. Payload: nest.

use super::head::mac;
use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::units::MacAddr;
use crate::wire::{Attr, AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tc_ife`.
pub const TCA_IFE_PARMS: u16 = 1;
/// `struct tcf_t`.
pub const TCA_IFE_TM: u16 = 2;
/// Six bytes, the destination address of the frame.
pub const TCA_IFE_DMAC: u16 = 3;
/// Six bytes, its source address.
pub const TCA_IFE_SMAC: u16 = 4;
/// u16, its ethertype, in the machine's byte order.
pub const TCA_IFE_TYPE: u16 = 5;
/// Nest of `IFE_META_*`, what is carried.
pub const TCA_IFE_METALST: u16 = 6;
const TCA_IFE_PAD: u16 = 7;

/// u32, the firewall mark.
pub const IFE_META_SKBMARK: u16 = 1;
/// u32, the priority.
pub const IFE_META_PRIO: u16 = 3;
/// u16, the index of traffic control.
pub const IFE_META_TCINDEX: u16 = 5;

/// Whether something that the kernel notes is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metadata<T> {
    /// As the packet has it.
    Allow,
    /// This value, whatever the packet has.
    Use(T),
}

/// Options of an `ife` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ife {
    /// Index and verdict.
    #[doc(alias = "tc_ife")]
    pub head: ActionHead,
    /// `Ife::ENCODE`, or 0 to decode; bits without a name are kept.
    pub flags: u16,
    /// The destination address of the frame; the packet's by default.
    pub dst_mac: Option<MacAddr>,
    /// The source address of the frame; the packet's by default.
    pub src_mac: Option<MacAddr>,
    /// The ethertype of the frame, 0xed3e by default.
    pub ethertype: Option<u16>,
    /// What is carried.
    pub metadata: Option<IfeMetadata>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

/// What an `ife` action carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfeMetadata {
    /// The firewall mark.
    pub mark: Option<Metadata<u32>>,
    /// The priority.
    pub priority: Option<Metadata<u32>>,
    /// The index of traffic control.
    pub tcindex: Option<Metadata<u16>>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Ife {
    /// The flag of an action that puts packets into frames; without it, it takes them out.
    #[doc(alias = "IFE_ENCODE")]
    pub const ENCODE: u16 = 1;
    /// The ethertype that is used by default.
    #[doc(alias = "ETH_P_IFE")]
    pub const ETHERTYPE: u16 = 0xed3e;
}

impl<T> Metadata<T> {
    fn decode(attr: &Attr<'_>, value: Result<T, DecodeError>) -> Result<Self, DecodeError> {
        if attr.payload().is_empty() { Ok(Self::Allow) } else { value.map(Self::Use) }
    }
}

impl IfeMetadata {
    fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut wide = |ty, value| match value {
            Some(Metadata::Use(value)) => _ = w.u32(ty, value),
            Some(Metadata::Allow) => _ = w.flag(ty),
            None => {}
        };
        wide(IFE_META_SKBMARK, self.mark);
        wide(IFE_META_PRIO, self.priority);
        match self.tcindex {
            Some(Metadata::Use(value)) => _ = w.u16(IFE_META_TCINDEX, value),
            Some(Metadata::Allow) => _ = w.flag(IFE_META_TCINDEX),
            None => {}
        }
        w.copy(&self.unknown);
    }

    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut metadata = Self::default();
        for attr in attrs {
            match attr.ty() {
                IFE_META_SKBMARK => metadata.mark = Some(Metadata::decode(&attr, attr.u32())?),
                IFE_META_PRIO => metadata.priority = Some(Metadata::decode(&attr, attr.u32())?),
                IFE_META_TCINDEX => {
                    metadata.tcindex = Some(Metadata::decode(&attr, attr.u16())?);
                }
                _ => metadata.unknown.push(attr),
            }
        }
        Ok(metadata)
    }
}

impl Kind for Ife {
    const NAME: &'static str = "ife";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        // The structure ends with two bytes of padding.
        let head = self.head.to_bytes();
        w.bytes(TCA_IFE_PARMS, &[&head[..], &self.flags.to_ne_bytes(), &[0; 2]].concat());
        if let Some(MacAddr(address)) = self.dst_mac {
            w.bytes(TCA_IFE_DMAC, &address);
        }
        if let Some(ethertype) = self.ethertype {
            w.u16(TCA_IFE_TYPE, ethertype);
        }
        if let Some(MacAddr(address)) = self.src_mac {
            w.bytes(TCA_IFE_SMAC, &address);
        }
        if let Some(metadata) = &self.metadata {
            w.nest(TCA_IFE_METALST, |w| metadata.encode(w));
        }
        ActionTimes::encode(self.times, TCA_IFE_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut ife = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_IFE_PARMS => {
                    let mut r = Reader::new("tc_ife", attr.payload());
                    let mut read = || {
                        ife.head = ActionHead::read(&mut r)?;
                        ife.flags = r.u16()?;
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_IFE_TM => ife.times = Some(ActionTimes::decode(&attr)?),
                TCA_IFE_DMAC => ife.dst_mac = Some(mac(&attr)?),
                TCA_IFE_SMAC => ife.src_mac = Some(mac(&attr)?),
                TCA_IFE_TYPE => ife.ethertype = Some(attr.u16()?),
                TCA_IFE_METALST => {
                    let metadata = IfeMetadata::decode(attr.nested());
                    ife.metadata = Some(metadata.map_err(|e| e.inside(attr.ty()))?);
                }
                TCA_IFE_PAD => {}
                _ => ife.unknown.push(attr),
            }
        }
        Ok(ife)
    }
}

impl Action for Ife {
    fn index(&self) -> u32 {
        self.head.index
    }
}
