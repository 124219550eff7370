//! `tunnel_key`: gives a packet what a tunnel device writes into the outer header, or takes it away.
//!
//! Kernel: uapi/linux/tc_act/tc_tunnel_key.h, net/sched/act_tunnel_key.c; since 4.9, ports since
//! 4.10, TOS and TTL since 4.19, options of Geneve since 4.19, of VXLAN and ERSPAN since 5.5,
//! `nofrag` since 6.3. Payload: nest.

use std::net::IpAddr;

use super::head::address;
use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{Attr, AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_TUNNEL_KEY_TM: u16 = 1;
/// `struct tc_tunnel_key`.
pub const TCA_TUNNEL_KEY_PARMS: u16 = 2;
/// be32, the outer source address.
pub const TCA_TUNNEL_KEY_ENC_IPV4_SRC: u16 = 3;
/// be32, the outer destination address.
pub const TCA_TUNNEL_KEY_ENC_IPV4_DST: u16 = 4;
/// 16 bytes, the outer source address.
pub const TCA_TUNNEL_KEY_ENC_IPV6_SRC: u16 = 5;
/// 16 bytes, the outer destination address.
pub const TCA_TUNNEL_KEY_ENC_IPV6_DST: u16 = 6;
/// be32, the tunnel's number.
pub const TCA_TUNNEL_KEY_ENC_KEY_ID: u16 = 7;
const TCA_TUNNEL_KEY_PAD: u16 = 8;
/// be16, the outer destination port.
pub const TCA_TUNNEL_KEY_ENC_DST_PORT: u16 = 9;
/// u8, whether the outer header goes without a checksum.
pub const TCA_TUNNEL_KEY_NO_CSUM: u16 = 10;
/// Nest of `TCA_TUNNEL_KEY_ENC_OPTS_*`.
pub const TCA_TUNNEL_KEY_ENC_OPTS: u16 = 11;
/// u8, the outer TOS.
pub const TCA_TUNNEL_KEY_ENC_TOS: u16 = 12;
/// u8, the outer TTL.
pub const TCA_TUNNEL_KEY_ENC_TTL: u16 = 13;
/// Flag: the outer header forbids fragments.
pub const TCA_TUNNEL_KEY_NO_FRAG: u16 = 14;

/// Nest, an option of Geneve.
pub const TCA_TUNNEL_KEY_ENC_OPTS_GENEVE: u16 = 1;
/// Nest, the option of VXLAN.
pub const TCA_TUNNEL_KEY_ENC_OPTS_VXLAN: u16 = 2;
/// Nest, the options of ERSPAN.
pub const TCA_TUNNEL_KEY_ENC_OPTS_ERSPAN: u16 = 3;

const GENEVE_CLASS: u16 = 1;
const GENEVE_TYPE: u16 = 2;
const GENEVE_DATA: u16 = 3;
const VXLAN_GBP: u16 = 1;
const ERSPAN_VER: u16 = 1;
const ERSPAN_INDEX: u16 = 2;
const ERSPAN_DIR: u16 = 3;
const ERSPAN_HWID: u16 = 4;

/// Whether the tunnel's data are set or taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelKeyAction(pub i32);

impl TunnelKeyAction {
    /// Set them.
    #[doc(alias = "TCA_TUNNEL_KEY_ACT_SET")]
    pub const SET: Self = Self(1);
    /// Take them away.
    #[doc(alias = "TCA_TUNNEL_KEY_ACT_RELEASE")]
    pub const UNSET: Self = Self(2);
}

/// Options of a `tunnel_key` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TunnelKey {
    /// Index and verdict.
    #[doc(alias = "tc_tunnel_key")]
    pub head: ActionHead,
    /// What is done.
    pub action: TunnelKeyAction,
    /// The outer source address.
    pub src: Option<IpAddr>,
    /// The outer destination address.
    pub dst: Option<IpAddr>,
    /// The tunnel's number (VNI and so on).
    pub id: Option<u32>,
    /// The outer destination port.
    pub dst_port: Option<u16>,
    /// 1 for an outer header without checksum; 0 by default.
    pub no_csum: Option<u8>,
    /// Whether the outer header forbids fragments.
    pub no_frag: bool,
    /// The outer TOS.
    pub tos: Option<u8>,
    /// The outer TTL.
    pub ttl: Option<u8>,
    /// Options of the tunnel's protocol.
    pub options: Vec<TunnelOption>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

/// An option in the header of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelOption {
    /// An option of Geneve; the kernel wants all three.
    Geneve {
        /// Whose option it is.
        class: Option<u16>,
        /// Which of them.
        ty: Option<u8>,
        /// Its data, 4 to 128 bytes, a multiple of four.
        data: Option<Vec<u8>>,
    },
    /// The group policy of VXLAN.
    Vxlan {
        /// The group.
        gbp: Option<u32>,
    },
    /// The header of ERSPAN.
    Erspan {
        /// The version, 1 or 2.
        version: Option<u8>,
        /// Version 1: the index.
        index: Option<u32>,
        /// Version 2: the direction.
        direction: Option<u8>,
        /// Version 2: the hardware's number.
        hwid: Option<u8>,
    },
    /// The option of a protocol that this crate does not know, as its attribute.
    Other(RawAttrs),
}

impl TunnelOption {
    fn encode(&self, w: &mut AttrWriter<'_>) {
        match self {
            Self::Geneve { class, ty, data } => {
                w.nest(TCA_TUNNEL_KEY_ENC_OPTS_GENEVE, |w| {
                    if let Some(class) = class {
                        w.be16(GENEVE_CLASS, *class);
                    }
                    if let Some(ty) = ty {
                        w.u8(GENEVE_TYPE, *ty);
                    }
                    if let Some(data) = data {
                        w.bytes(GENEVE_DATA, data);
                    }
                });
            }
            Self::Vxlan { gbp } => {
                w.nest_flagged(TCA_TUNNEL_KEY_ENC_OPTS_VXLAN, |w| {
                    if let Some(gbp) = gbp {
                        w.u32(VXLAN_GBP, *gbp);
                    }
                });
            }
            Self::Erspan { version, index, direction, hwid } => {
                w.nest_flagged(TCA_TUNNEL_KEY_ENC_OPTS_ERSPAN, |w| {
                    if let Some(version) = version {
                        w.u8(ERSPAN_VER, *version);
                    }
                    if let Some(index) = index {
                        w.be32(ERSPAN_INDEX, *index);
                    }
                    if let Some(direction) = direction {
                        w.u8(ERSPAN_DIR, *direction);
                    }
                    if let Some(hwid) = hwid {
                        w.u8(ERSPAN_HWID, *hwid);
                    }
                });
            }
            Self::Other(attr) => _ = w.copy(attr),
        }
    }

    /// Reads those of a nest.
    fn decode(attr: &Attr<'_>) -> Result<Vec<Self>, DecodeError> {
        let find = |ty| attr.nested().find(ty);
        let read = || {
            Ok(match attr.ty() {
                TCA_TUNNEL_KEY_ENC_OPTS_GENEVE => Self::decode_geneve(attr.nested())?,
                TCA_TUNNEL_KEY_ENC_OPTS_VXLAN => {
                    vec![Self::Vxlan { gbp: find(VXLAN_GBP).map(|a| a.u32()).transpose()? }]
                }
                TCA_TUNNEL_KEY_ENC_OPTS_ERSPAN => vec![Self::Erspan {
                    version: find(ERSPAN_VER).map(|a| a.u8()).transpose()?,
                    index: find(ERSPAN_INDEX).map(|a| a.be32()).transpose()?,
                    direction: find(ERSPAN_DIR).map(|a| a.u8()).transpose()?,
                    hwid: find(ERSPAN_HWID).map(|a| a.u8()).transpose()?,
                }],
                _ => {
                    let mut other = RawAttrs::default();
                    other.push(*attr);
                    vec![Self::Other(other)]
                }
            })
        };
        read().map_err(|e: DecodeError| e.inside(attr.ty()))
    }

    /// The kernel puts the options of Geneve into one nest: each begins where the class, the type
    /// or the data come again.
    fn decode_geneve(attrs: Attrs<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut options = Vec::new();
        let (mut class, mut ty, mut data) = (None, None, None);
        for attr in attrs {
            let again = match attr.ty() {
                GENEVE_CLASS => class.is_some(),
                GENEVE_TYPE => ty.is_some(),
                GENEVE_DATA => data.is_some(),
                _ => false,
            };
            if again {
                let (class, ty) = (class.take(), ty.take());
                options.push(Self::Geneve { class, ty, data: data.take() });
            }
            match attr.ty() {
                GENEVE_CLASS => class = Some(attr.be16()?),
                GENEVE_TYPE => ty = Some(attr.u8()?),
                GENEVE_DATA => data = Some(attr.payload().to_vec()),
                _ => {}
            }
        }
        options.push(Self::Geneve { class, ty, data });
        Ok(options)
    }

    fn is_geneve(&self) -> bool {
        matches!(self, Self::Geneve { .. })
    }
}

impl Kind for TunnelKey {
    const NAME: &'static str = "tunnel_key";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        match self.src {
            Some(IpAddr::V4(src)) => _ = w.bytes(TCA_TUNNEL_KEY_ENC_IPV4_SRC, &src.octets()),
            Some(IpAddr::V6(src)) => _ = w.bytes(TCA_TUNNEL_KEY_ENC_IPV6_SRC, &src.octets()),
            None => {}
        }
        match self.dst {
            Some(IpAddr::V4(dst)) => _ = w.bytes(TCA_TUNNEL_KEY_ENC_IPV4_DST, &dst.octets()),
            Some(IpAddr::V6(dst)) => _ = w.bytes(TCA_TUNNEL_KEY_ENC_IPV6_DST, &dst.octets()),
            None => {}
        }
        if let Some(id) = self.id {
            w.be32(TCA_TUNNEL_KEY_ENC_KEY_ID, id);
        }
        if let Some(port) = self.dst_port {
            w.be16(TCA_TUNNEL_KEY_ENC_DST_PORT, port);
        }
        if let Some(tos) = self.tos {
            w.u8(TCA_TUNNEL_KEY_ENC_TOS, tos);
        }
        if let Some(ttl) = self.ttl {
            w.u8(TCA_TUNNEL_KEY_ENC_TTL, ttl);
        }
        // As tc has it, only the nest of Geneve's options goes without the flag of nests.
        for options in self.options.chunk_by(|a, b| a.is_geneve() && b.is_geneve()) {
            let encode = |w: &mut AttrWriter<'_>| options.iter().for_each(|o| o.encode(w));
            if options.iter().all(TunnelOption::is_geneve) {
                w.nest(TCA_TUNNEL_KEY_ENC_OPTS, encode);
            } else {
                w.nest_flagged(TCA_TUNNEL_KEY_ENC_OPTS, encode);
            }
        }
        if let Some(no_csum) = self.no_csum {
            w.u8(TCA_TUNNEL_KEY_NO_CSUM, no_csum);
        }
        if self.no_frag {
            w.flag(TCA_TUNNEL_KEY_NO_FRAG);
        }
        let head = self.head.to_bytes();
        w.bytes(TCA_TUNNEL_KEY_PARMS, &[&head[..], &self.action.0.to_ne_bytes()].concat());
        ActionTimes::encode(self.times, TCA_TUNNEL_KEY_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut key = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_TUNNEL_KEY_TM => key.times = Some(ActionTimes::decode(&attr)?),
                TCA_TUNNEL_KEY_PARMS => {
                    let mut r = Reader::new("tc_tunnel_key", attr.payload());
                    let mut read = || {
                        key.head = ActionHead::read(&mut r)?;
                        key.action = TunnelKeyAction(r.i32()?);
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_TUNNEL_KEY_ENC_IPV4_SRC => {
                    key.src = Some(address::<4>(&attr, "address")?.into());
                }
                TCA_TUNNEL_KEY_ENC_IPV4_DST => {
                    key.dst = Some(address::<4>(&attr, "address")?.into());
                }
                TCA_TUNNEL_KEY_ENC_IPV6_SRC => {
                    key.src = Some(address::<16>(&attr, "address")?.into());
                }
                TCA_TUNNEL_KEY_ENC_IPV6_DST => {
                    key.dst = Some(address::<16>(&attr, "address")?.into());
                }
                TCA_TUNNEL_KEY_ENC_KEY_ID => key.id = Some(attr.be32()?),
                TCA_TUNNEL_KEY_ENC_DST_PORT => key.dst_port = Some(attr.be16()?),
                TCA_TUNNEL_KEY_NO_CSUM => key.no_csum = Some(attr.u8()?),
                TCA_TUNNEL_KEY_ENC_OPTS => {
                    for nest in attr.nested() {
                        let options = TunnelOption::decode(&nest);
                        key.options.extend(options.map_err(|e| e.inside(attr.ty()))?);
                    }
                }
                TCA_TUNNEL_KEY_ENC_TOS => key.tos = Some(attr.u8()?),
                TCA_TUNNEL_KEY_ENC_TTL => key.ttl = Some(attr.u8()?),
                TCA_TUNNEL_KEY_NO_FRAG => key.no_frag = true,
                TCA_TUNNEL_KEY_PAD => {}
                _ => key.unknown.push(attr),
            }
        }
        Ok(key)
    }
}

impl Action for TunnelKey {
    fn index(&self) -> u32 {
        self.head.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_puts_options_of_geneve_into_one_nest() {
        let option = |class, ty, byte| TunnelOption::Geneve {
            class: Some(class),
            ty: Some(ty),
            data: Some(vec![byte; 4]),
        };
        let both = vec![option(0x102, 0x80, 1), option(0x408, 0x42, 2)];
        let mut bytes = Vec::new();
        let mut w = AttrWriter::new(&mut bytes);
        w.nest(TCA_TUNNEL_KEY_ENC_OPTS, |w| {
            w.nest(TCA_TUNNEL_KEY_ENC_OPTS_GENEVE, |w| {
                for (class, ty, byte) in [(0x102, 0x80, 1), (0x408, 0x42, 2)] {
                    w.be16(GENEVE_CLASS, class).u8(GENEVE_TYPE, ty);
                    w.bytes(GENEVE_DATA, &[byte; 4]);
                }
            });
        });
        w.finish().unwrap();
        assert_eq!(TunnelKey::decode(&bytes).unwrap().options, both);
    }
}
