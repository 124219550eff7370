//! `gact`: the action that only passes a verdict, always or now and then.
//!
//! Kernel: uapi/linux/tc_act/tc_gact.h, net/sched/act_gact.c; since 2.6.8, the random verdict only
//! with `CONFIG_GACT_PROB`. Payload: nest.

use super::{ActionHead, ActionTimes, Control};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_GACT_TM: u16 = 1;
/// `struct tc_gact`.
pub const TCA_GACT_PARMS: u16 = 2;
/// `struct tc_gact_p`.
pub const TCA_GACT_PROB: u16 = 3;
const TCA_GACT_PAD: u16 = 4;

/// `struct tc_gact_p`: another verdict for some of the packets.
#[doc(alias = "tc_gact_p")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Random {
    /// How packets are chosen.
    pub method: RandomMethod,
    /// One in so many packets; at most 10000 (`MAX_RAND`), and 0 for none.
    pub one_in: u16,
    /// The verdict for them.
    pub control: Control,
}

/// `PGACT_*`: how packets are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RandomMethod(pub u16);

impl RandomMethod {
    /// None are.
    #[doc(alias = "PGACT_NONE")]
    pub const NONE: Self = Self(0);
    /// By a random number.
    #[doc(alias = "PGACT_NETRAND")]
    pub const NETRAND: Self = Self(1);
    /// By counting.
    #[doc(alias = "PGACT_DETERM")]
    pub const DETERM: Self = Self(2);
}

/// Options of a `gact` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gact {
    /// Index and verdict.
    #[doc(alias = "tc_gact")]
    pub head: ActionHead,
    /// Another verdict for some of the packets.
    pub random: Option<Random>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Gact {
    const NAME: &'static str = "gact";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_GACT_PARMS, &self.head.to_bytes());
        if let Some(Random { method, one_in, control }) = self.random {
            let [m0, m1] = method.0.to_ne_bytes();
            let [v0, v1] = one_in.to_ne_bytes();
            let [c0, c1, c2, c3] = control.0.to_ne_bytes();
            w.bytes(TCA_GACT_PROB, &[m0, m1, v0, v1, c0, c1, c2, c3]);
        }
        ActionTimes::encode(self.times, TCA_GACT_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut gact = Self::default();
        for attr in Attrs::new(payload) {
            let mut r = Reader::new("gact", attr.payload());
            match attr.ty() {
                TCA_GACT_TM => gact.times = Some(ActionTimes::decode(&attr)?),
                TCA_GACT_PARMS => {
                    gact.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_GACT_PROB => {
                    let mut read = || {
                        Ok(Random {
                            method: RandomMethod(r.u16()?),
                            one_in: r.u16()?,
                            control: Control(r.i32()?),
                        })
                    };
                    let random = read().map_err(|e: DecodeError| e.inside(attr.ty()))?;
                    gact.random = Some(random);
                }
                TCA_GACT_PAD => {}
                _ => gact.unknown.push(attr),
            }
        }
        Ok(gact)
    }
}

impl Action for Gact {
    fn index(&self) -> u32 {
        self.head.index
    }
}
