//! What the structures of all kinds of actions begin and end with.
//!
//! Kernel: uapi/linux/pkt_cls.h `tc_gen`, `struct tcf_t`.

use super::Control;
use crate::error::DecodeError;
use crate::units::MacAddr;
use crate::wire::{Attr, AttrWriter, Reader};

/// `tc_gen`: the fields that the structure of every kind of action begins with, 20 bytes.
#[doc(alias = "tc_gen")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionHead {
    /// The action's number within its kind; 0 lets the kernel choose one.
    pub index: u32,
    /// Not used; 0.
    pub capab: u32,
    /// What happens to the packet afterwards.
    pub control: Control,
    /// How many refer to the action. Set by the kernel.
    pub refcnt: i32,
    /// How many of them are filters. Set by the kernel.
    pub bindcnt: i32,
}

impl ActionHead {
    /// Size in bytes.
    pub const LEN: usize = 20;

    /// An action of number `index`, 0 for any, with this verdict.
    pub fn new(index: u32, control: Control) -> Self {
        Self { index, control, ..Self::default() }
    }

    /// The bytes of the structure.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = [
            self.index,
            self.capab,
            self.control.0 as u32,
            self.refcnt as u32,
            self.bindcnt as u32,
        ];
        for (to, field) in bytes.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }

    /// Reads the fields.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: r.u32()?,
            capab: r.u32()?,
            control: Control(r.i32()?),
            refcnt: r.i32()?,
            bindcnt: r.i32()?,
        })
    }
}

/// `struct tcf_t`: since when an action exists and is used, in clock ticks of 1/100 s (`USER_HZ`).
#[doc(alias = "tcf_t")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionTimes {
    /// Time since it was made.
    pub installed: u64,
    /// Time since a packet last came by; since it was made, when none did.
    pub last_used: u64,
    /// Time until it expires; 0 for never.
    pub expires: u64,
    /// Time since a packet first came by; 0 when none did. Since Linux 4.8.
    pub first_used: u64,
}

impl ActionTimes {
    /// Writes the structure as the attribute `ty`, as the kernel does in its answers.
    pub fn encode(times: Option<Self>, ty: u16, w: &mut AttrWriter<'_>) {
        if let Some(Self { installed, last_used, expires, first_used }) = times {
            let fields = [installed, last_used, expires, first_used].map(u64::to_ne_bytes);
            w.bytes(ty, fields.as_flattened());
        }
    }

    /// Reads the structure; kernels before 4.8 leave out the last field.
    pub fn decode(attr: &Attr<'_>) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tcf_t", attr.payload());
        let mut read = || {
            Ok(Self {
                installed: r.u64()?,
                last_used: r.u64()?,
                expires: r.u64()?,
                first_used: if r.rest().is_empty() { 0 } else { r.u64()? },
            })
        };
        read().map_err(|e: DecodeError| e.inside(attr.ty()))
    }
}

/// The bytes of an address, which errors call `what`.
pub(super) fn address<const N: usize>(
    attr: &Attr<'_>,
    what: &'static str,
) -> Result<[u8; N], DecodeError> {
    Reader::new(what, attr.payload()).array().map_err(|e| e.inside(attr.ty()))
}

/// The payload as an Ethernet address.
pub(super) fn mac(attr: &Attr<'_>) -> Result<MacAddr, DecodeError> {
    address(attr, "MAC address").map(MacAddr)
}
