//! `pedit`: changes any bytes of a packet.
//!
//! Kernel: uapi/linux/tc_act/tc_pedit.h, net/sched/act_pedit.c; since 2.6.12, the extended form,
//! with headers and `add`, since 4.11. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_PEDIT_TM: u16 = 1;
/// `struct tc_pedit_sel` and its keys.
pub const TCA_PEDIT_PARMS: u16 = 2;
const TCA_PEDIT_PAD: u16 = 3;
/// The same in the extended form.
pub const TCA_PEDIT_PARMS_EX: u16 = 4;
/// Nest of `TCA_PEDIT_KEY_EX`, one for each key.
pub const TCA_PEDIT_KEYS_EX: u16 = 5;
/// Nest of `TCA_PEDIT_KEY_EX_*`.
pub const TCA_PEDIT_KEY_EX: u16 = 6;

/// u16, the header.
pub const TCA_PEDIT_KEY_EX_HTYPE: u16 = 1;
/// u16, the command.
pub const TCA_PEDIT_KEY_EX_CMD: u16 = 2;

/// From which header an offset counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeditHeader(pub u16);

impl PeditHeader {
    /// The network header, whatever it is.
    #[doc(alias = "TCA_PEDIT_KEY_EX_HDR_TYPE_NETWORK")]
    pub const NETWORK: Self = Self(0);
    /// Ethernet.
    #[doc(alias = "TCA_PEDIT_KEY_EX_HDR_TYPE_ETH")]
    pub const ETHERNET: Self = Self(1);
    /// IPv4.
    #[doc(alias = "TCA_PEDIT_KEY_EX_HDR_TYPE_IP4")]
    pub const IPV4: Self = Self(2);
    /// IPv6.
    #[doc(alias = "TCA_PEDIT_KEY_EX_HDR_TYPE_IP6")]
    pub const IPV6: Self = Self(3);
    /// TCP.
    #[doc(alias = "TCA_PEDIT_KEY_EX_HDR_TYPE_TCP")]
    pub const TCP: Self = Self(4);
    /// UDP.
    #[doc(alias = "TCA_PEDIT_KEY_EX_HDR_TYPE_UDP")]
    pub const UDP: Self = Self(5);
}

/// What is done with the value of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeditCommand(pub u16);

impl PeditCommand {
    /// The word becomes `(word & mask) ^ value`.
    #[doc(alias = "TCA_PEDIT_KEY_EX_CMD_SET")]
    pub const SET: Self = Self(0);
    /// The value is added to the bits that are not in `mask`.
    #[doc(alias = "TCA_PEDIT_KEY_EX_CMD_ADD")]
    pub const ADD: Self = Self(1);
}

/// A change of 32 bits of a packet.
#[doc(alias = "tc_pedit_key")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeditKey {
    /// The bits that stay; the packet's first byte is the highest.
    pub mask: u32,
    /// The bits that are turned over, or added; the packet's first byte is the highest.
    pub value: u32,
    /// Where the bits are, in bytes from the header, a multiple of four.
    pub offset: i32,
    /// Where a byte is that is added to the offset, if `offset_mask` is not 0.
    pub at: u32,
    /// Which bits of that byte count.
    pub offset_mask: u32,
    /// By how many bits it is shifted to the right.
    pub shift: u32,
    /// From which header the offset counts; the extended form only.
    pub header: PeditHeader,
    /// What is done; the extended form only.
    pub command: PeditCommand,
}

impl PeditKey {
    const LEN: usize = 24;

    fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = [
            self.mask.to_be_bytes(),
            self.value.to_be_bytes(),
            self.offset.to_ne_bytes(),
            self.at.to_ne_bytes(),
            self.offset_mask.to_ne_bytes(),
            self.shift.to_ne_bytes(),
        ];
        for (to, field) in bytes.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&field);
        }
        bytes
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            mask: r.be32()?,
            value: r.be32()?,
            offset: r.i32()?,
            at: r.u32()?,
            offset_mask: r.u32()?,
            shift: r.u32()?,
            ..Self::default()
        })
    }
}

/// Options of a `pedit` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pedit {
    /// Index and verdict.
    #[doc(alias = "tc_pedit_sel")]
    pub head: ActionHead,
    /// Flags; none are defined.
    pub flags: u8,
    /// Whether keys have headers and commands.
    pub extended: bool,
    /// The changes, at most 128.
    pub keys: Vec<PeditKey>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Pedit {
    const NAME: &'static str = "pedit";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut bytes = self.head.to_bytes().to_vec();
        bytes.extend([self.keys.len() as u8, self.flags, 0, 0]);
        bytes.extend(self.keys.iter().flat_map(|key| key.to_bytes()));
        if self.extended {
            w.bytes(TCA_PEDIT_PARMS_EX, &bytes);
            w.nest_flagged(TCA_PEDIT_KEYS_EX, |w| {
                for key in &self.keys {
                    w.nest_flagged(TCA_PEDIT_KEY_EX, |w| {
                        w.u16(TCA_PEDIT_KEY_EX_HTYPE, key.header.0);
                        w.u16(TCA_PEDIT_KEY_EX_CMD, key.command.0);
                    });
                }
            });
        } else {
            w.bytes(TCA_PEDIT_PARMS, &bytes);
        }
        ActionTimes::encode(self.times, TCA_PEDIT_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut pedit = Self::default();
        let mut extensions = Vec::new();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_PEDIT_TM => pedit.times = Some(ActionTimes::decode(&attr)?),
                TCA_PEDIT_PARMS | TCA_PEDIT_PARMS_EX => {
                    let mut r = Reader::new("tc_pedit_sel", attr.payload());
                    let mut read = || {
                        pedit.head = ActionHead::read(&mut r)?;
                        let count = r.u8()?;
                        pedit.flags = r.u8()?;
                        r.u16()?;
                        pedit.keys.clear();
                        for _ in 0..count {
                            pedit.keys.push(PeditKey::read(&mut r)?);
                        }
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                    pedit.extended = attr.ty() == TCA_PEDIT_PARMS_EX;
                }
                TCA_PEDIT_KEYS_EX => {
                    for key in attr.nested() {
                        let read = |ty| key.nested().find(ty).map(|found| found.u16()).transpose();
                        let header = read(TCA_PEDIT_KEY_EX_HTYPE);
                        let both = header.and_then(|h| Ok((h, read(TCA_PEDIT_KEY_EX_CMD)?)));
                        extensions.push(both.map_err(|e| e.inside(attr.ty()))?);
                    }
                }
                TCA_PEDIT_PAD => {}
                _ => pedit.unknown.push(attr),
            }
        }
        if pedit.extended {
            for (key, (header, command)) in pedit.keys.iter_mut().zip(extensions) {
                key.header = PeditHeader(header.unwrap_or(0));
                key.command = PeditCommand(command.unwrap_or(0));
            }
        }
        Ok(pedit)
    }
}

impl Action for Pedit {
    fn index(&self) -> u32 {
        self.head.index
    }
}
