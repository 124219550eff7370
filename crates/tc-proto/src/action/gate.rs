//! `gate`: lets packets pass at certain times of a cycle (IEEE 802.1Qci).
//!
//! Kernel: uapi/linux/tc_act/tc_gate.h, net/sched/act_gate.c; since 5.8. Payload: nest.

use super::{ActionHead, ActionTimes};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tcf_t`.
pub const TCA_GATE_TM: u16 = 1;
/// `struct tc_gate`.
pub const TCA_GATE_PARMS: u16 = 2;
const TCA_GATE_PAD: u16 = 3;
/// i32, the internal priority.
pub const TCA_GATE_PRIORITY: u16 = 4;
/// Nest of `TCA_GATE_ONE_ENTRY`.
pub const TCA_GATE_ENTRY_LIST: u16 = 5;
/// u64, nanoseconds of the clock.
pub const TCA_GATE_BASE_TIME: u16 = 6;
/// u64, nanoseconds.
pub const TCA_GATE_CYCLE_TIME: u16 = 7;
/// u64, nanoseconds.
pub const TCA_GATE_CYCLE_TIME_EXT: u16 = 8;
/// u32, flags.
pub const TCA_GATE_FLAGS: u16 = 9;
/// i32, `CLOCK_*`.
pub const TCA_GATE_CLOCKID: u16 = 10;

/// Nest of `TCA_GATE_ENTRY_*`.
pub const TCA_GATE_ONE_ENTRY: u16 = 1;

/// u32, the place in the list. Set by the kernel.
pub const TCA_GATE_ENTRY_INDEX: u16 = 1;
/// Flag, open.
pub const TCA_GATE_ENTRY_GATE: u16 = 2;
/// u32, nanoseconds.
pub const TCA_GATE_ENTRY_INTERVAL: u16 = 3;
/// i32, the internal priority.
pub const TCA_GATE_ENTRY_IPV: u16 = 4;
/// i32, bytes.
pub const TCA_GATE_ENTRY_MAX_OCTETS: u16 = 5;

/// Options of a `gate` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Index and verdict.
    #[doc(alias = "tc_gate")]
    pub head: ActionHead,
    /// The internal priority of packets that pass; -1 and absent for any.
    pub priority: Option<i32>,
    /// When the first cycle begins, in nanoseconds of the clock; 0 by default.
    pub base_time_ns: Option<i64>,
    /// How long a cycle takes; the sum of the entries by default.
    pub cycle_time_ns: Option<i64>,
    /// By how much the last cycle before a change may be longer; 0 by default.
    pub cycle_time_ext_ns: Option<i64>,
    /// Flags; none are defined.
    pub flags: Option<u32>,
    /// `CLOCK_*` of uapi/linux/time.h: 0 realtime, 1 monotonic, 7 boottime, 11 TAI, the default.
    pub clock: Option<i32>,
    /// The entries of a cycle; absent, an existing action keeps its own.
    pub entries: Option<Vec<GateEntry>>,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

/// A part of the cycle of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateEntry {
    /// The place in the list, from 0. Set by the kernel.
    pub index: Option<u32>,
    /// Whether packets pass.
    pub open: bool,
    /// How long, in nanoseconds.
    pub interval_ns: u32,
    /// The internal priority of packets that pass; -1 for any.
    pub ipv: i32,
    /// How many bytes may pass; -1 for any number.
    pub max_octets: i32,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Default for GateEntry {
    fn default() -> Self {
        Self {
            index: None,
            open: false,
            interval_ns: 0,
            ipv: -1,
            max_octets: -1,
            unknown: RawAttrs::default(),
        }
    }
}

impl GateEntry {
    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(index) = self.index {
            w.u32(TCA_GATE_ENTRY_INDEX, index);
        }
        if self.open {
            w.flag(TCA_GATE_ENTRY_GATE);
        }
        w.u32(TCA_GATE_ENTRY_INTERVAL, self.interval_ns);
        w.i32(TCA_GATE_ENTRY_IPV, self.ipv);
        w.i32(TCA_GATE_ENTRY_MAX_OCTETS, self.max_octets);
        w.copy(&self.unknown);
    }

    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut entry = Self::default();
        for attr in attrs {
            match attr.ty() {
                TCA_GATE_ENTRY_INDEX => entry.index = Some(attr.u32()?),
                TCA_GATE_ENTRY_GATE => entry.open = true,
                TCA_GATE_ENTRY_INTERVAL => entry.interval_ns = attr.u32()?,
                TCA_GATE_ENTRY_IPV => entry.ipv = attr.i32()?,
                TCA_GATE_ENTRY_MAX_OCTETS => entry.max_octets = attr.i32()?,
                _ => entry.unknown.push(attr),
            }
        }
        Ok(entry)
    }
}

impl Kind for Gate {
    const NAME: &'static str = "gate";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_GATE_PARMS, &self.head.to_bytes());
        if let Some(priority) = self.priority {
            w.i32(TCA_GATE_PRIORITY, priority);
        }
        let times = [
            (TCA_GATE_BASE_TIME, self.base_time_ns),
            (TCA_GATE_CYCLE_TIME, self.cycle_time_ns),
            (TCA_GATE_CYCLE_TIME_EXT, self.cycle_time_ext_ns),
        ];
        for (ty, time) in times {
            if let Some(time) = time {
                w.i64(ty, time);
            }
        }
        if let Some(clock) = self.clock {
            w.i32(TCA_GATE_CLOCKID, clock);
        }
        if let Some(flags) = self.flags {
            w.u32(TCA_GATE_FLAGS, flags);
        }
        if let Some(entries) = &self.entries {
            w.nest_flagged(TCA_GATE_ENTRY_LIST, |w| {
                for entry in entries {
                    w.nest_flagged(TCA_GATE_ONE_ENTRY, |w| entry.encode(w));
                }
            });
        }
        ActionTimes::encode(self.times, TCA_GATE_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut gate = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_GATE_TM => gate.times = Some(ActionTimes::decode(&attr)?),
                TCA_GATE_PARMS => {
                    let mut r = Reader::new("tc_gate", attr.payload());
                    gate.head = ActionHead::read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_GATE_PRIORITY => gate.priority = Some(attr.i32()?),
                TCA_GATE_BASE_TIME => gate.base_time_ns = Some(attr.i64()?),
                TCA_GATE_CYCLE_TIME => gate.cycle_time_ns = Some(attr.i64()?),
                TCA_GATE_CYCLE_TIME_EXT => gate.cycle_time_ext_ns = Some(attr.i64()?),
                TCA_GATE_FLAGS => gate.flags = Some(attr.u32()?),
                TCA_GATE_CLOCKID => gate.clock = Some(attr.i32()?),
                TCA_GATE_ENTRY_LIST => {
                    let entries = attr.nested().filter(|entry| entry.ty() == TCA_GATE_ONE_ENTRY);
                    let entries = entries.map(|entry| GateEntry::decode(entry.nested()));
                    let entries = entries.collect::<Result<_, _>>();
                    gate.entries = Some(entries.map_err(|e| e.inside(attr.ty()))?);
                }
                TCA_GATE_PAD => {}
                _ => gate.unknown.push(attr),
            }
        }
        Ok(gate)
    }
}

impl Action for Gate {
    fn index(&self) -> u32 {
        self.head.index
    }
}
