//! `flow`: chooses a class from what belongs to a packet, such as addresses, by arithmetic or by a
//! hash.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_FLOW_*`, net/sched/cls_flow.c; since 2.6.25, `rxhash` since
//! 2.6.37. Payload: nest.

use crate::ematch::Tree;
use crate::error::DecodeError;
use crate::kind::{Filter, Kind};
use crate::units::Handle;
use crate::wire::{AttrWriter, Attrs, RawAttrs};

/// u32, a bit for each key.
pub const TCA_FLOW_KEYS: u16 = 1;
/// u32, `FLOW_MODE_*`.
pub const TCA_FLOW_MODE: u16 = 2;
/// u32, the class of the lowest number.
pub const TCA_FLOW_BASECLASS: u16 = 3;
/// u32, bits to the right.
pub const TCA_FLOW_RSHIFT: u16 = 4;
/// u32, what is added.
pub const TCA_FLOW_ADDEND: u16 = 5;
/// u32, which bits of the key are kept.
pub const TCA_FLOW_MASK: u16 = 6;
/// u32, which bits are turned over.
pub const TCA_FLOW_XOR: u16 = 7;
/// u32, how many classes there are.
pub const TCA_FLOW_DIVISOR: u16 = 8;
/// Nest, a list of actions.
pub const TCA_FLOW_ACT: u16 = 9;
/// Nest, a policer of the old form.
pub const TCA_FLOW_POLICE: u16 = 10;
/// Nest, the ematches.
pub const TCA_FLOW_EMATCHES: u16 = 11;
/// u32, seconds.
pub const TCA_FLOW_PERTURB: u16 = 12;

/// The names of the keys, by their bits from 0.
#[doc(alias = "FLOW_KEY_SRC")]
pub const KEYS: [&str; 18] = [
    "src",
    "dst",
    "proto",
    "proto-src",
    "proto-dst",
    "iif",
    "priority",
    "mark",
    "nfct",
    "nfct-src",
    "nfct-dst",
    "nfct-proto-src",
    "nfct-proto-dst",
    "rt-classid",
    "sk-uid",
    "sk-gid",
    "vlan-tag",
    "rxhash",
];

/// How keys become a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowMode(pub u32);

impl FlowMode {
    /// One key, by arithmetic.
    #[doc(alias = "FLOW_MODE_MAP")]
    pub const MAP: Self = Self(0);
    /// Any number of keys, by a hash.
    #[doc(alias = "FLOW_MODE_HASH")]
    pub const HASH: Self = Self(1);
}

/// Options of a `flow` filter.
///
/// Mode `map` makes the number `(((key & mask) ^ xor) >> rshift) + addend`, mode `hash` a hash of
/// all keys; the class is `baseclass` plus that number modulo `divisor`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// A bit for each key, in the order of [`KEYS`].
    pub keys: Option<u32>,
    /// How they become a class.
    pub mode: Option<FlowMode>,
    /// The class of number 0.
    pub baseclass: Option<Handle>,
    /// By how many bits a number is shifted to the right.
    pub rshift: Option<u32>,
    /// What is added to it.
    pub addend: Option<u32>,
    /// Which bits of the key are kept.
    pub mask: Option<u32>,
    /// Which bits are turned over.
    pub xor: Option<u32>,
    /// How many classes there are; 0 and absent for any number.
    pub divisor: Option<u32>,
    /// After how many seconds the hash changes; 0 for never, the default.
    pub perturb_s: Option<u32>,
    /// What packets have to fulfil beside.
    pub ematches: Option<Tree>,
    /// Actions for matching packets, as entries of [`ActionSpec`](crate::msg::ActionSpec).
    pub actions: Option<RawAttrs>,
    /// A policer for matching packets, as attributes of the old form.
    pub police: Option<RawAttrs>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Flow {
    const NAME: &'static str = "flow";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let numbers = [
            (TCA_FLOW_KEYS, self.keys),
            (TCA_FLOW_RSHIFT, self.rshift),
            (TCA_FLOW_ADDEND, self.addend),
            (TCA_FLOW_BASECLASS, self.baseclass.map(|class| class.0)),
            (TCA_FLOW_DIVISOR, self.divisor),
            (TCA_FLOW_PERTURB, self.perturb_s),
        ];
        for (ty, number) in numbers {
            if let Some(number) = number {
                w.u32(ty, number);
            }
        }
        if let Some(tree) = &self.ematches {
            w.nest(TCA_FLOW_EMATCHES, |w| tree.encode(w));
        }
        if let Some(actions) = &self.actions {
            w.bytes(TCA_FLOW_ACT, actions.as_bytes());
        }
        if let Some(police) = &self.police {
            w.bytes(TCA_FLOW_POLICE, police.as_bytes());
        }
        let last = [
            (TCA_FLOW_MODE, self.mode.map(|mode| mode.0)),
            (TCA_FLOW_MASK, self.mask),
            (TCA_FLOW_XOR, self.xor),
        ];
        for (ty, number) in last {
            if let Some(number) = number {
                w.u32(ty, number);
            }
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut flow = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_FLOW_KEYS => flow.keys = Some(attr.u32()?),
                TCA_FLOW_MODE => flow.mode = Some(FlowMode(attr.u32()?)),
                TCA_FLOW_BASECLASS => flow.baseclass = Some(Handle(attr.u32()?)),
                TCA_FLOW_RSHIFT => flow.rshift = Some(attr.u32()?),
                TCA_FLOW_ADDEND => flow.addend = Some(attr.u32()?),
                TCA_FLOW_MASK => flow.mask = Some(attr.u32()?),
                TCA_FLOW_XOR => flow.xor = Some(attr.u32()?),
                TCA_FLOW_DIVISOR => flow.divisor = Some(attr.u32()?),
                TCA_FLOW_PERTURB => flow.perturb_s = Some(attr.u32()?),
                TCA_FLOW_EMATCHES => {
                    let tree = Tree::decode(attr.payload());
                    flow.ematches = Some(tree.map_err(|e| e.inside(TCA_FLOW_EMATCHES))?);
                }
                TCA_FLOW_ACT => flow.actions = Some(RawAttrs::from_payload(attr.payload())),
                TCA_FLOW_POLICE => flow.police = Some(RawAttrs::from_payload(attr.payload())),
                _ => flow.unknown.push(attr),
            }
        }
        Ok(flow)
    }
}

impl Filter for Flow {}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    // The request of tc 7.3: map key dst and 0xff rshift 2.
    #[test]
    fn a_key_with_mask_and_shift() {
        let flow = Flow {
            keys: Some(2),
            mode: Some(FlowMode::MAP),
            rshift: Some(2),
            mask: Some(0xff),
            xor: Some(0),
            ..Flow::default()
        };
        let mut bytes = Vec::new();
        flow.encode(&mut AttrWriter::new(&mut bytes));
        let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let expected = "0800010002000000080004000200000008000200000000000800060\
                        0ff0000000800070000000000";
        assert_eq!(hex, expected);
        assert_eq!(Flow::decode(&bytes), Ok(flow));
    }
}
