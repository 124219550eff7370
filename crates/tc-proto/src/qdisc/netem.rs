//! `netem`: an emulated network, which delays, loses, damages, doubles and reorders packets. One
//! class.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_netem_qopt`, `TCA_NETEM_*`, net/sched/sch_netem.c; since
//! 2.6.8. Payload: a bare structure, then attributes.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::units::{Percent, Rate};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// The type of [`Netem::correlation`].
pub const TCA_NETEM_CORR: u16 = 1;
/// The type of [`Netem::delay_distribution`].
pub const TCA_NETEM_DELAY_DIST: u16 = 2;
/// The type of [`Netem::reorder`].
pub const TCA_NETEM_REORDER: u16 = 3;
/// The type of [`Netem::corrupt`].
pub const TCA_NETEM_CORRUPT: u16 = 4;
/// The type of [`Netem::loss_model`].
pub const TCA_NETEM_LOSS: u16 = 5;
/// The type of [`Netem::rate`].
pub const TCA_NETEM_RATE: u16 = 6;
/// The type of [`Netem::ecn`].
pub const TCA_NETEM_ECN: u16 = 7;
/// The type of [`Netem::rate64`].
pub const TCA_NETEM_RATE64: u16 = 8;
/// The type of [`Netem::latency_ns`].
pub const TCA_NETEM_LATENCY64: u16 = 10;
/// The type of [`Netem::jitter_ns`].
pub const TCA_NETEM_JITTER64: u16 = 11;
/// The type of [`Netem::slot`].
pub const TCA_NETEM_SLOT: u16 = 12;
/// The type of [`Netem::slot_distribution`].
pub const TCA_NETEM_SLOT_DIST: u16 = 13;
/// The type of [`Netem::seed`].
pub const TCA_NETEM_PRNG_SEED: u16 = 14;

const NETEM_LOSS_GI: u16 = 1;
const NETEM_LOSS_GE: u16 = 2;

/// Options of a `netem` qdisc. What is `None` is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netem {
    /// The structure, which is always there.
    pub parms: NetemParms,
    /// The delay in ns, instead of [`NetemParms::latency_ticks`]. Since Linux 4.16.
    #[doc(alias = "TCA_NETEM_LATENCY64")]
    pub latency_ns: Option<i64>,
    /// How far the delay may be off, in ns, instead of [`NetemParms::jitter_ticks`]. Since Linux
    /// 4.16.
    #[doc(alias = "TCA_NETEM_JITTER64")]
    pub jitter_ns: Option<i64>,
    /// How much a random number depends on the one before.
    pub correlation: Option<NetemCorrelation>,
    /// Packets that go out at once, ahead of those that are delayed.
    #[doc(alias = "TCA_NETEM_REORDER")]
    pub reorder: Option<NetemChance>,
    /// Packets that have a bit flipped.
    #[doc(alias = "TCA_NETEM_CORRUPT")]
    pub corrupt: Option<NetemChance>,
    /// Mark packets that can be marked instead of losing them: not 0. Since Linux 3.4.
    #[doc(alias = "TCA_NETEM_ECN")]
    pub ecn: Option<u32>,
    /// The model by which packets are lost, instead of [`NetemParms::loss`]. Since Linux 3.2.
    pub loss_model: Option<NetemLoss>,
    /// The speed of the emulated link. Since Linux 3.3.
    pub rate: Option<NetemRate>,
    /// Its rate in bytes/s when 32 bits do not hold it. Since Linux 3.14.
    #[doc(alias = "TCA_NETEM_RATE64")]
    pub rate64: Option<u64>,
    /// Times at which what has gathered is delivered. Since Linux 4.15.
    pub slot: Option<NetemSlot>,
    /// What the random numbers start from. Since Linux 6.6; the kernel answers the one in use.
    #[doc(alias = "TCA_NETEM_PRNG_SEED")]
    pub seed: Option<u64>,
    /// The distribution of delays: up to 16384 quantiles, in parts of 8192 of the jitter. The kernel
    /// sends none.
    #[doc(alias = "TCA_NETEM_DELAY_DIST")]
    pub delay_distribution: Option<Vec<i16>>,
    /// The same for the times between slots. Since Linux 4.16.
    #[doc(alias = "TCA_NETEM_SLOT_DIST")]
    pub slot_distribution: Option<Vec<i16>>,
    /// Attributes that this version does not know.
    pub unknown: RawAttrs,
}

/// `struct tc_netem_qopt`.
#[doc(alias = "tc_netem_qopt")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetemParms {
    /// The delay, in ticks of [`Psched`](crate::units::Psched).
    pub latency_ticks: u32,
    /// The most packets that wait.
    pub limit_pkts: u32,
    /// Packets that are lost, each independent of the others but for the correlation.
    pub loss: Percent,
    /// Of so many packets one goes out at once; 0: none does.
    pub gap_pkts: u32,
    /// Packets that are doubled.
    pub duplicate: Percent,
    /// How far the delay may be off, in ticks.
    pub jitter_ticks: u32,
}

/// What tc sends: nothing happens to packets, of which up to 1000 wait.
impl Default for NetemParms {
    fn default() -> Self {
        Self {
            latency_ticks: 0,
            limit_pkts: 1000,
            loss: Percent(0),
            gap_pkts: 0,
            duplicate: Percent(0),
            jitter_ticks: 0,
        }
    }
}

/// `struct tc_netem_corr`: correlations of the random numbers for delay, loss and duplication.
#[doc(alias = "tc_netem_corr")]
#[doc(alias = "TCA_NETEM_CORR")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemCorrelation {
    /// Of delays.
    pub delay: Percent,
    /// Of losses.
    pub loss: Percent,
    /// Of duplicates.
    pub duplicate: Percent,
}

/// `struct tc_netem_reorder`, `struct tc_netem_corrupt`: a probability and its correlation.
#[doc(alias = "tc_netem_reorder")]
#[doc(alias = "tc_netem_corrupt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemChance {
    /// Packets that it happens to.
    pub probability: Percent,
    /// How much it depends on the packet before.
    pub correlation: Percent,
}

/// A model of loss with states that follow one another.
#[doc(alias = "TCA_NETEM_LOSS")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetemLoss {
    /// `loss state`: four states.
    #[doc(alias = "NETEM_LOSS_GI")]
    State(NetemState),
    /// `loss gemodel`: Gilbert and Elliott's good and bad state.
    #[doc(alias = "NETEM_LOSS_GE")]
    Gemodel(NetemGemodel),
}

/// `struct tc_netem_gimodel`: probabilities of going from one state to another. In 1 packets arrive,
/// in 2 they arrive within a burst of losses, in 3 they are lost in a burst, in 4 alone.
#[doc(alias = "tc_netem_gimodel")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say from where to where")]
pub struct NetemState {
    pub p13: Percent,
    pub p31: Percent,
    pub p32: Percent,
    pub p14: Percent,
    pub p23: Percent,
}

/// `struct tc_netem_gemodel`.
#[doc(alias = "tc_netem_gemodel")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemGemodel {
    /// Probability of going from the good state to the bad one.
    pub p: Percent,
    /// Probability of going back.
    pub r: Percent,
    /// Packets that arrive in the bad state.
    pub h: Percent,
    /// Packets that are lost in the good state.
    pub k1: Percent,
}

/// `struct tc_netem_rate`.
#[doc(alias = "tc_netem_rate")]
#[doc(alias = "TCA_NETEM_RATE")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemRate {
    /// The rate in bytes/s, 32 bits of it.
    pub rate: u32,
    /// Bytes added to each packet, or taken off.
    pub packet_overhead_bytes: i32,
    /// Payload of a cell in bytes; 0: packets are not sent in cells.
    pub cell_size_bytes: u32,
    /// Bytes added to each cell, or taken off.
    pub cell_overhead_bytes: i32,
}

/// `struct tc_netem_slot`.
#[doc(alias = "tc_netem_slot")]
#[doc(alias = "TCA_NETEM_SLOT")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemSlot {
    /// The shortest time between slots, in ns.
    pub min_delay_ns: i64,
    /// The longest, in ns.
    pub max_delay_ns: i64,
    /// The most packets in a slot; 0: any number.
    pub max_pkts: i32,
    /// The most bytes in a slot; 0: any number.
    pub max_bytes: i32,
    /// The mean time between slots when it has a distribution, in ns.
    pub distribution_delay_ns: i64,
    /// How far it may be off, in ns.
    pub distribution_jitter_ns: i64,
}

impl Netem {
    /// The rate of the emulated link; 0: no limit.
    pub fn rate(&self) -> Rate {
        Rate(self.rate64.unwrap_or(self.rate.map_or(0, |r| r.rate).into()))
    }
}

/// Appends words of 32 bits.
fn words<const N: usize>(w: &mut AttrWriter<'_>, words: [u32; N]) {
    for word in words {
        w.raw(&word.to_ne_bytes());
    }
}

impl Kind for Netem {
    const NAME: &'static str = "netem";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let p = &self.parms;
        words(
            w,
            [p.latency_ticks, p.limit_pkts, p.loss.0, p.gap_pkts, p.duplicate.0, p.jitter_ticks],
        );
        if let Some(ns) = self.latency_ns {
            w.i64(TCA_NETEM_LATENCY64, ns);
        }
        if let Some(ns) = self.jitter_ns {
            w.i64(TCA_NETEM_JITTER64, ns);
        }
        if let Some(c) = self.correlation {
            w.nest(TCA_NETEM_CORR, |w| words(w, [c.delay.0, c.loss.0, c.duplicate.0]));
        }
        let mut chance = |ty, chance: Option<NetemChance>| {
            if let Some(c) = chance {
                w.nest(ty, |w| words(w, [c.probability.0, c.correlation.0]));
            }
        };
        chance(TCA_NETEM_REORDER, self.reorder);
        chance(TCA_NETEM_CORRUPT, self.corrupt);
        if let Some(ecn) = self.ecn {
            w.u32(TCA_NETEM_ECN, ecn);
        }
        if let Some(slot) = &self.slot {
            w.nest(TCA_NETEM_SLOT, |w| slot.encode(w));
        }
        if let Some(model) = &self.loss_model {
            w.nest_flagged(TCA_NETEM_LOSS, |w| model.encode(w));
        }
        if let Some(rate) = self.rate64 {
            w.u64(TCA_NETEM_RATE64, rate);
        }
        if let Some(r) = self.rate {
            let (packet, cell) = (r.packet_overhead_bytes as u32, r.cell_overhead_bytes as u32);
            w.nest(TCA_NETEM_RATE, |w| words(w, [r.rate, packet, r.cell_size_bytes, cell]));
        }
        if let Some(seed) = self.seed {
            w.u64(TCA_NETEM_PRNG_SEED, seed);
        }
        let mut table = |ty, table: &Option<Vec<i16>>| {
            if let Some(table) = table {
                w.nest(ty, |w| table.iter().for_each(|n| _ = w.raw(&n.to_ne_bytes())));
            }
        };
        table(TCA_NETEM_DELAY_DIST, &self.delay_distribution);
        table(TCA_NETEM_SLOT_DIST, &self.slot_distribution);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_netem_qopt", payload);
        let parms = NetemParms {
            latency_ticks: r.u32()?,
            limit_pkts: r.u32()?,
            loss: Percent(r.u32()?),
            gap_pkts: r.u32()?,
            duplicate: Percent(r.u32()?),
            jitter_ticks: r.u32()?,
        };
        let mut netem = Self { parms, ..Self::default() };
        for attr in Attrs::new(r.rest()) {
            let reader = |what| Reader::new(what, attr.payload());
            let table = || {
                let halves = attr.payload().chunks_exact(2);
                halves.map(|n| n.try_into().map_or(0, i16::from_ne_bytes)).collect()
            };
            let inside = |e: DecodeError| e.inside(attr.ty());
            match attr.ty() {
                TCA_NETEM_LATENCY64 => netem.latency_ns = Some(attr.i64()?),
                TCA_NETEM_JITTER64 => netem.jitter_ns = Some(attr.i64()?),
                TCA_NETEM_CORR => {
                    let correlation = NetemCorrelation::read(reader("tc_netem_corr"));
                    netem.correlation = Some(correlation.map_err(inside)?);
                }
                TCA_NETEM_REORDER => {
                    let chance = NetemChance::read(reader("tc_netem_reorder"));
                    netem.reorder = Some(chance.map_err(inside)?);
                }
                TCA_NETEM_CORRUPT => {
                    let chance = NetemChance::read(reader("tc_netem_corrupt"));
                    netem.corrupt = Some(chance.map_err(inside)?);
                }
                TCA_NETEM_ECN => netem.ecn = Some(attr.u32()?),
                TCA_NETEM_LOSS => match NetemLoss::read(attr.nested()).map_err(inside)? {
                    Some(model) => netem.loss_model = Some(model),
                    None => netem.unknown.push(attr),
                },
                TCA_NETEM_RATE => {
                    let rate = NetemRate::read(reader("tc_netem_rate"));
                    netem.rate = Some(rate.map_err(inside)?);
                }
                TCA_NETEM_RATE64 => netem.rate64 = Some(attr.u64()?),
                TCA_NETEM_SLOT => {
                    let slot = NetemSlot::read(reader("tc_netem_slot"));
                    netem.slot = Some(slot.map_err(inside)?);
                }
                TCA_NETEM_PRNG_SEED => netem.seed = Some(attr.u64()?),
                TCA_NETEM_DELAY_DIST => netem.delay_distribution = Some(table()),
                TCA_NETEM_SLOT_DIST => netem.slot_distribution = Some(table()),
                _ => netem.unknown.push(attr),
            }
        }
        Ok(netem)
    }
}

impl NetemCorrelation {
    fn read(mut r: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { delay: Percent(r.u32()?), loss: Percent(r.u32()?), duplicate: Percent(r.u32()?) })
    }
}

impl NetemChance {
    fn read(mut r: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { probability: Percent(r.u32()?), correlation: Percent(r.u32()?) })
    }
}

impl NetemLoss {
    fn encode(&self, w: &mut AttrWriter<'_>) {
        match self {
            Self::State(s) => {
                let all = [s.p13.0, s.p31.0, s.p32.0, s.p14.0, s.p23.0];
                w.nest(NETEM_LOSS_GI, |w| words(w, all));
            }
            Self::Gemodel(g) => {
                w.nest(NETEM_LOSS_GE, |w| words(w, [g.p.0, g.r.0, g.h.0, g.k1.0]));
            }
        }
    }

    /// `None`: this version does not know the model.
    fn read(mut attrs: Attrs<'_>) -> Result<Option<Self>, DecodeError> {
        let Some(attr) = attrs.next().filter(|_| attrs.rest().is_empty()) else {
            return Ok(None);
        };
        let percents = |r: &mut Reader<'_>| r.u32().map(Percent);
        let model = match attr.ty() {
            NETEM_LOSS_GI => {
                let mut r = Reader::new("tc_netem_gimodel", attr.payload());
                let mut next = || percents(&mut r).map_err(|e| e.inside(NETEM_LOSS_GI));
                Self::State(NetemState {
                    p13: next()?,
                    p31: next()?,
                    p32: next()?,
                    p14: next()?,
                    p23: next()?,
                })
            }
            NETEM_LOSS_GE => {
                let mut r = Reader::new("tc_netem_gemodel", attr.payload());
                let mut next = || percents(&mut r).map_err(|e| e.inside(NETEM_LOSS_GE));
                Self::Gemodel(NetemGemodel { p: next()?, r: next()?, h: next()?, k1: next()? })
            }
            _ => return Ok(None),
        };
        Ok(Some(model))
    }
}

impl NetemRate {
    fn read(mut r: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            rate: r.u32()?,
            packet_overhead_bytes: r.u32()? as i32,
            cell_size_bytes: r.u32()?,
            cell_overhead_bytes: r.u32()? as i32,
        })
    }
}

impl NetemSlot {
    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.raw(&self.min_delay_ns.to_ne_bytes()).raw(&self.max_delay_ns.to_ne_bytes());
        w.raw(&self.max_pkts.to_ne_bytes()).raw(&self.max_bytes.to_ne_bytes());
        w.raw(&self.distribution_delay_ns.to_ne_bytes());
        w.raw(&self.distribution_jitter_ns.to_ne_bytes());
    }

    /// What Linux 4.15 does not send is 0.
    fn read(mut r: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            min_delay_ns: r.u64()? as i64,
            max_delay_ns: r.u64()? as i64,
            max_pkts: r.u32()? as i32,
            max_bytes: r.u32()? as i32,
            distribution_delay_ns: r.u64().unwrap_or(0) as i64,
            distribution_jitter_ns: r.u64().unwrap_or(0) as i64,
        })
    }
}

impl Qdisc for Netem {}

/// `struct tc_netem_xstats`: packets that something was done to. Since Linux 7.2.
#[doc(alias = "tc_netem_xstats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemXstats {
    /// Delayed.
    pub delayed: u64,
    /// Lost.
    pub dropped: u64,
    /// Changed in a bit.
    pub corrupted: u64,
    /// Doubled.
    pub duplicated: u64,
    /// Sent ahead of others.
    pub reordered: u64,
    /// Marked instead of lost.
    pub ecn_marked: u64,
    /// Lost for want of memory for a copy.
    pub allocation_errors: u64,
}

impl NetemXstats {
    /// Reads the structure, however much there is of it.
    pub fn decode(payload: &[u8]) -> Self {
        let mut bytes = [0; 7 * 8];
        bytes.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
        let mut r = Reader::new("tc_netem_xstats", &bytes);
        let mut next = || r.u64().unwrap_or(0);
        Self {
            delayed: next(),
            dropped: next(),
            corrupted: next(),
            duplicated: next(),
            reordered: next(),
            ecn_marked: next(),
            allocation_errors: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    // tc 7.3: `qdisc add dev v0 root netem delay 100ms 10ms 25% loss gemodel 1% ecn rate 40gbit -14
    // slot 1ms seed 5`.
    #[test]
    #[cfg(target_endian = "little")]
    fn attributes_follow_the_structure() {
        let percent = |percent: &str| Percent::parse(percent).unwrap();
        let netem = Netem {
            latency_ns: Some(100_000_000),
            jitter_ns: Some(10_000_000),
            correlation: Some(NetemCorrelation { delay: percent("25"), ..Default::default() }),
            ecn: Some(1),
            loss_model: Some(NetemLoss::Gemodel(NetemGemodel {
                p: percent("1"),
                r: percent("99"),
                ..NetemGemodel::default()
            })),
            rate: Some(NetemRate {
                rate: u32::MAX,
                packet_overhead_bytes: -14,
                ..NetemRate::default()
            }),
            rate64: Some(5_000_000_000),
            slot: Some(NetemSlot {
                min_delay_ns: 1_000_000,
                max_delay_ns: 1_000_000,
                ..NetemSlot::default()
            }),
            seed: Some(5),
            ..Netem::default()
        };
        #[rustfmt::skip]
        let bytes = [
            0, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            12, 0, 10, 0, 0, 0xe1, 0xf5, 5, 0, 0, 0, 0, // TCA_NETEM_LATENCY64
            12, 0, 11, 0, 0x80, 0x96, 0x98, 0, 0, 0, 0, 0, // TCA_NETEM_JITTER64
            16, 0, 1, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, // TCA_NETEM_CORR
            8, 0, 7, 0, 1, 0, 0, 0, // TCA_NETEM_ECN
            0x2c, 0, 12, 0, // TCA_NETEM_SLOT
            0x40, 0x42, 15, 0, 0, 0, 0, 0, 0x40, 0x42, 15, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            24, 0, 5, 0x80, 20, 0, 2, 0, // TCA_NETEM_LOSS
            0x29, 0x5c, 0x8f, 2, 0xd6, 0xa3, 0x70, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0,
            12, 0, 8, 0, 0, 0xf2, 5, 0x2a, 1, 0, 0, 0, // TCA_NETEM_RATE64
            20, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 0xf2, 0xff, 0xff, 0xff, // TCA_NETEM_RATE
            0, 0, 0, 0, 0, 0, 0, 0,
            12, 0, 14, 0, 5, 0, 0, 0, 0, 0, 0, 0, // TCA_NETEM_PRNG_SEED
        ];
        assert_eq!(Options::of(&netem).unwrap().bytes(), bytes);
        assert_eq!(netem.rate(), Rate(5_000_000_000));
        assert_eq!(Netem::decode(&bytes), Ok(netem));
        assert!(Netem::decode(&bytes[..20]).is_err());
    }

    #[test]
    fn slots_of_linux_4_15_have_no_distribution() {
        let mut bytes = vec![0; 24];
        let slot: Vec<u8> = [1, 0, 2, 0, 5, 6].iter().flat_map(|n: &u32| n.to_ne_bytes()).collect();
        AttrWriter::new(&mut bytes).bytes(TCA_NETEM_SLOT, &slot);
        let slot = Netem::decode(&bytes).unwrap().slot.unwrap();
        assert_eq!((slot.max_pkts, slot.max_bytes, slot.distribution_jitter_ns), (5, 6, 0));
    }

    // tc 7.3: `-s qdisc show` of such counters.
    #[test]
    #[cfg(target_endian = "little")]
    fn counters_may_be_shorter() {
        let ten = NetemXstats { delayed: 10, ..NetemXstats::default() };
        assert_eq!(NetemXstats::decode(&[10]), ten);
        assert_eq!(NetemXstats::decode(&10u64.to_ne_bytes()), ten);
        assert_eq!(NetemXstats::decode(&[0; 80]), NetemXstats::default());
    }
}
