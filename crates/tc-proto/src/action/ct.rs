//! `ct`: hands packets to connection tracking.
//!
//! Kernel: uapi/linux/tc_act/tc_ct.h, net/sched/act_ct.c; since 5.3, helpers since 6.3. Payload:
//! nest.

use std::net::IpAddr;

use super::head::address;
use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tc_ct`.
pub const TCA_CT_PARMS: u16 = 1;
/// `struct tcf_t`.
pub const TCA_CT_TM: u16 = 2;
/// u16, what is done.
pub const TCA_CT_ACTION: u16 = 3;
/// u16, the zone.
pub const TCA_CT_ZONE: u16 = 4;
/// u32, the connection's mark.
pub const TCA_CT_MARK: u16 = 5;
/// u32, which bits of it.
pub const TCA_CT_MARK_MASK: u16 = 6;
/// Up to 16 bytes, the connection's labels.
pub const TCA_CT_LABELS: u16 = 7;
/// Up to 16 bytes, which bits of them.
pub const TCA_CT_LABELS_MASK: u16 = 8;
/// be32, the first address.
pub const TCA_CT_NAT_IPV4_MIN: u16 = 9;
/// be32, the last address.
pub const TCA_CT_NAT_IPV4_MAX: u16 = 10;
/// 16 bytes, the first address.
pub const TCA_CT_NAT_IPV6_MIN: u16 = 11;
/// 16 bytes, the last address.
pub const TCA_CT_NAT_IPV6_MAX: u16 = 12;
/// be16, the first port.
pub const TCA_CT_NAT_PORT_MIN: u16 = 13;
/// be16, the last port.
pub const TCA_CT_NAT_PORT_MAX: u16 = 14;
const TCA_CT_PAD: u16 = 15;
/// String, the helper's name.
pub const TCA_CT_HELPER_NAME: u16 = 16;
/// u8, its family of addresses.
pub const TCA_CT_HELPER_FAMILY: u16 = 17;
/// u8, its protocol.
pub const TCA_CT_HELPER_PROTO: u16 = 18;

/// Options of a `ct` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ct {
    /// Index and verdict.
    #[doc(alias = "tc_ct")]
    pub head: ActionHead,
    /// What is done, `Ct::COMMIT` and so on; bits without a name are kept.
    pub action: Option<u16>,
    /// The zone of connection tracking, 0 by default.
    pub zone: Option<u16>,
    /// The mark that the connection gets.
    pub mark: Option<u32>,
    /// Which bits of the mark are changed.
    pub mark_mask: Option<u32>,
    /// The labels that the connection gets, at most 16 bytes.
    pub labels: Option<Vec<u8>>,
    /// Which bits of the labels are changed, at most 16 bytes.
    pub labels_mask: Option<Vec<u8>>,
    /// The range of addresses for translation: the first.
    pub nat_min: Option<IpAddr>,
    /// The last of them.
    pub nat_max: Option<IpAddr>,
    /// The range of ports for translation: the first.
    pub port_min: Option<u16>,
    /// The last of them.
    pub port_max: Option<u16>,
    /// The helper's name, at most 15 bytes. Since Linux 6.3.
    pub helper: Option<String>,
    /// The helper's family of addresses, `AF_INET` (2) or `AF_INET6` (10).
    pub helper_family: Option<u8>,
    /// The helper's protocol, `IPPROTO_*`.
    pub helper_protocol: Option<u8>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Ct {
    /// The connection is kept.
    #[doc(alias = "TCA_CT_ACT_COMMIT")]
    pub const COMMIT: u16 = 0x1;
    /// A connection of the other direction is replaced.
    #[doc(alias = "TCA_CT_ACT_FORCE")]
    pub const FORCE: u16 = 0x2;
    /// The packet is not tracked.
    #[doc(alias = "TCA_CT_ACT_CLEAR")]
    pub const CLEAR: u16 = 0x4;
    /// Addresses are translated.
    #[doc(alias = "TCA_CT_ACT_NAT")]
    pub const NAT: u16 = 0x8;
    /// It is the source's.
    #[doc(alias = "TCA_CT_ACT_NAT_SRC")]
    pub const NAT_SRC: u16 = 0x10;
    /// It is the destination's.
    #[doc(alias = "TCA_CT_ACT_NAT_DST")]
    pub const NAT_DST: u16 = 0x20;
}

impl Kind for Ct {
    const NAME: &'static str = "ct";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(zone) = self.zone {
            w.u16(TCA_CT_ZONE, zone);
        }
        if let Some(mark) = self.mark {
            w.u32(TCA_CT_MARK, mark);
        }
        if let Some(mask) = self.mark_mask {
            w.u32(TCA_CT_MARK_MASK, mask);
        }
        if let Some(labels) = &self.labels {
            w.bytes(TCA_CT_LABELS, labels);
        }
        if let Some(mask) = &self.labels_mask {
            w.bytes(TCA_CT_LABELS_MASK, mask);
        }
        let ends = [
            (self.nat_min, TCA_CT_NAT_IPV4_MIN, TCA_CT_NAT_IPV6_MIN),
            (self.nat_max, TCA_CT_NAT_IPV4_MAX, TCA_CT_NAT_IPV6_MAX),
        ];
        for (address, v4, v6) in ends {
            match address {
                Some(IpAddr::V4(address)) => _ = w.bytes(v4, &address.octets()),
                Some(IpAddr::V6(address)) => _ = w.bytes(v6, &address.octets()),
                None => {}
            }
        }
        let ports = [(TCA_CT_NAT_PORT_MIN, self.port_min), (TCA_CT_NAT_PORT_MAX, self.port_max)];
        for (ty, port) in ports {
            if let Some(port) = port {
                w.be16(ty, port);
            }
        }
        if let Some(helper) = &self.helper {
            w.str(TCA_CT_HELPER_NAME, helper);
        }
        if let Some(family) = self.helper_family {
            w.u8(TCA_CT_HELPER_FAMILY, family);
        }
        if let Some(protocol) = self.helper_protocol {
            w.u8(TCA_CT_HELPER_PROTO, protocol);
        }
        if let Some(action) = self.action {
            w.u16(TCA_CT_ACTION, action);
        }
        w.bytes(TCA_CT_PARMS, &self.head.to_bytes());
        ActionTimes::encode(self.times, TCA_CT_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut ct = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_CT_PARMS => {
                    let mut r = Reader::new("tc_ct", attr.payload());
                    ct.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_CT_TM => ct.times = Some(ActionTimes::decode(&attr)?),
                TCA_CT_ACTION => ct.action = Some(attr.u16()?),
                TCA_CT_ZONE => ct.zone = Some(attr.u16()?),
                TCA_CT_MARK => ct.mark = Some(attr.u32()?),
                TCA_CT_MARK_MASK => ct.mark_mask = Some(attr.u32()?),
                TCA_CT_LABELS => ct.labels = Some(attr.payload().to_vec()),
                TCA_CT_LABELS_MASK => ct.labels_mask = Some(attr.payload().to_vec()),
                TCA_CT_NAT_IPV4_MIN => ct.nat_min = Some(address::<4>(&attr, "address")?.into()),
                TCA_CT_NAT_IPV4_MAX => ct.nat_max = Some(address::<4>(&attr, "address")?.into()),
                TCA_CT_NAT_IPV6_MIN => ct.nat_min = Some(address::<16>(&attr, "address")?.into()),
                TCA_CT_NAT_IPV6_MAX => ct.nat_max = Some(address::<16>(&attr, "address")?.into()),
                TCA_CT_NAT_PORT_MIN => ct.port_min = Some(attr.be16()?),
                TCA_CT_NAT_PORT_MAX => ct.port_max = Some(attr.be16()?),
                TCA_CT_HELPER_NAME => ct.helper = Some(attr.string().into_owned()),
                TCA_CT_HELPER_FAMILY => ct.helper_family = Some(attr.u8()?),
                TCA_CT_HELPER_PROTO => ct.helper_protocol = Some(attr.u8()?),
                TCA_CT_PAD => {}
                _ => ct.unknown.push(attr),
            }
        }
        Ok(ct)
    }
}

impl Action for Ct {
    fn index(&self) -> u32 {
        self.head.index
    }
}
