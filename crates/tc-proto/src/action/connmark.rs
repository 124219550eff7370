//! `connmark`: gives a packet the mark of its connection.
//!
//! Kernel: uapi/linux/tc_act/tc_connmark.h, net/sched/act_connmark.c; since 4.0. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tc_connmark`.
pub const TCA_CONNMARK_PARMS: u16 = 1;
/// `struct tcf_t`.
pub const TCA_CONNMARK_TM: u16 = 2;
const TCA_CONNMARK_PAD: u16 = 3;

/// Options of a `connmark` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connmark {
    /// Index and verdict.
    #[doc(alias = "tc_connmark")]
    pub head: ActionHead,
    /// The zone of connection tracking, 0 by default.
    pub zone: u16,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Connmark {
    const NAME: &'static str = "connmark";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let head = self.head.to_bytes();
        // The structure ends with two bytes of padding.
        w.bytes(TCA_CONNMARK_PARMS, &[&head[..], &self.zone.to_ne_bytes(), &[0; 2]].concat());
        ActionTimes::encode(self.times, TCA_CONNMARK_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut connmark = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_CONNMARK_PARMS => {
                    let mut r = Reader::new("tc_connmark", attr.payload());
                    let mut read = || {
                        connmark.head = ActionHead::read(&mut r)?;
                        connmark.zone = r.u16()?;
                        Ok(())
                    };
                    read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                }
                TCA_CONNMARK_TM => connmark.times = Some(ActionTimes::decode(&attr)?),
                TCA_CONNMARK_PAD => {}
                _ => connmark.unknown.push(attr),
            }
        }
        Ok(connmark)
    }
}

impl Action for Connmark {
    fn index(&self) -> u32 {
        self.head.index
    }
}
