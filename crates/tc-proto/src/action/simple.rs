//! `simple`: prints a text to the kernel's log for every packet.
//!
//! Kernel: uapi/linux/tc_act/tc_defact.h, net/sched/act_simple.c; since 2.6.17. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_DEF_TM: u16 = 1;
/// `struct tc_defact`.
pub const TCA_DEF_PARMS: u16 = 2;
/// String.
pub const TCA_DEF_DATA: u16 = 3;
const TCA_DEF_PAD: u16 = 4;

/// Options of a `simple` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// Index and verdict.
    #[doc(alias = "tc_defact")]
    pub head: ActionHead,
    /// The text, at most [`Self::MAX_TEXT`] bytes.
    pub text: Option<String>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Simple {
    /// The longest text in bytes.
    #[doc(alias = "SIMP_MAX_DATA")]
    pub const MAX_TEXT: usize = 31;
}

impl Kind for Simple {
    const NAME: &'static str = "simple";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_DEF_PARMS, &self.head.to_bytes());
        if let Some(text) = &self.text {
            // tc sends a buffer of 32 bytes.
            let mut data = text.clone().into_bytes();
            data.resize(data.len().max(Self::MAX_TEXT) + 1, 0);
            w.bytes(TCA_DEF_DATA, &data);
        }
        ActionTimes::encode(self.times, TCA_DEF_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut simple = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_DEF_TM => simple.times = Some(ActionTimes::decode(&attr)?),
                TCA_DEF_PARMS => {
                    let mut r = Reader::new("tc_defact", attr.payload());
                    simple.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_DEF_DATA => simple.text = Some(attr.string().into_owned()),
                TCA_DEF_PAD => {}
                _ => simple.unknown.push(attr),
            }
        }
        Ok(simple)
    }
}

impl Action for Simple {
    fn index(&self) -> u32 {
        self.head.index
    }
}
