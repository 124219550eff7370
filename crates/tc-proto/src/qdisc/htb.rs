//! `htb`: a tree of classes, each with a rate of its own, which borrow what others leave over.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_htb_glob`, `struct tc_htb_opt`, `struct tc_htb_xstats`,
//! `TCA_HTB_*`, net/sched/sch_htb.c; since 2.4.20. Payload: attributes.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::units::{Psched, Rate, RateSpec, Size};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// The type of the structure of [`HtbClass::rate`].
pub const TCA_HTB_PARMS: u16 = 1;
/// The type of [`Htb::init`].
pub const TCA_HTB_INIT: u16 = 2;
/// The type of [`HtbClass::ceil_table`].
pub const TCA_HTB_CTAB: u16 = 3;
/// The type of [`HtbClass::rate_table`].
pub const TCA_HTB_RTAB: u16 = 4;
/// The type of [`Htb::direct_qlen_pkts`].
pub const TCA_HTB_DIRECT_QLEN: u16 = 5;
/// The type of [`HtbClass::rate64`].
pub const TCA_HTB_RATE64: u16 = 6;
/// The type of [`HtbClass::ceil64`].
pub const TCA_HTB_CEIL64: u16 = 7;
/// The type of [`Htb::offload`].
pub const TCA_HTB_OFFLOAD: u16 = 9;

/// Options of a `htb` qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Htb {
    /// What holds for the whole tree. The kernel insists on it when the qdisc is made.
    pub init: Option<HtbInit>,
    /// The most packets in the queue of what belongs to no class; `None`: the device's transmit
    /// queue length. Since Linux 3.15.
    #[doc(alias = "TCA_HTB_DIRECT_QLEN")]
    pub direct_qlen_pkts: Option<u32>,
    /// Let the device do it. Since Linux 5.12.
    #[doc(alias = "TCA_HTB_OFFLOAD")]
    pub offload: bool,
    /// Attributes that this version does not know.
    pub unknown: RawAttrs,
}

/// `struct tc_htb_glob`.
#[doc(alias = "tc_htb_glob")]
#[doc(alias = "TCA_HTB_INIT")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HtbInit {
    /// Version of the protocol: 3. The kernel answers 3 << 16 and a number of its own.
    pub version: u32,
    /// Classes without a quantum get their rate in bytes/s divided by this.
    pub rate_to_quantum: u32,
    /// Minor number of the class for packets that no filter takes; 0: such packets are not queued.
    pub default_class: u32,
    /// Two bits of debugging for each of 16 parts; kernels since 2.6.20 ignore it.
    pub debug: u32,
    /// Packets that passed without a class; the kernel's answer.
    pub direct_pkts: u32,
}

/// What tc sends: protocol 3, a tenth of the rate as quantum, no default class.
impl Default for HtbInit {
    fn default() -> Self {
        Self { version: 3, rate_to_quantum: 10, default_class: 0, debug: 0, direct_pkts: 0 }
    }
}

impl HtbInit {
    fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let words =
            [self.version, self.rate_to_quantum, self.default_class, self.debug, self.direct_pkts];
        for (field, word) in bytes.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_htb_glob", payload);
        Ok(Self {
            version: r.u32()?,
            rate_to_quantum: r.u32()?,
            default_class: r.u32()?,
            debug: r.u32()?,
            direct_pkts: r.u32()?,
        })
    }
}

impl Kind for Htb {
    const NAME: &'static str = "htb";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(init) = self.init {
            w.bytes(TCA_HTB_INIT, &init.to_bytes());
        }
        if let Some(qlen) = self.direct_qlen_pkts {
            w.u32(TCA_HTB_DIRECT_QLEN, qlen);
        }
        if self.offload {
            w.flag(TCA_HTB_OFFLOAD);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut htb = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_HTB_INIT => {
                    let init = HtbInit::decode(attr.payload());
                    htb.init = Some(init.map_err(|e| e.inside(TCA_HTB_INIT))?);
                }
                TCA_HTB_DIRECT_QLEN => htb.direct_qlen_pkts = Some(attr.u32()?),
                TCA_HTB_OFFLOAD => htb.offload = true,
                _ => htb.unknown.push(attr),
            }
        }
        Ok(htb)
    }
}

impl Qdisc for Htb {}

/// Options of a class of `htb`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HtbClass {
    /// The rate that the class has for itself, 32 bits of it.
    pub rate: RateSpec,
    /// The rate that it reaches by borrowing, 32 bits of it.
    pub ceil: RateSpec,
    /// Burst at the rate, in ticks of [`Psched`].
    pub buffer_ticks: u32,
    /// Burst at the ceiling, in ticks.
    pub cbuffer_ticks: u32,
    /// Bytes that a leaf sends in one turn; 0: the rate divided by
    /// [`rate_to_quantum`](HtbInit::rate_to_quantum).
    pub quantum_bytes: u32,
    /// Height above the leaves, 0 to 7; the kernel's answer.
    pub level: u32,
    /// Priority of a leaf, 0 to 7; lower is served first.
    pub prio: u32,
    /// The rate in bytes/s when 32 bits do not hold it. Since Linux 3.13.
    #[doc(alias = "TCA_HTB_RATE64")]
    pub rate64: Option<u64>,
    /// The ceiling in bytes/s when 32 bits do not hold it. Since Linux 3.13.
    #[doc(alias = "TCA_HTB_CEIL64")]
    pub ceil64: Option<u64>,
    /// The table of [`RateSpec::rate_table`] for the rate; the kernel reads it but sends none.
    #[doc(alias = "TCA_HTB_RTAB")]
    pub rate_table: Option<Box<[u8; RateSpec::TABLE_LEN]>>,
    /// The table for the ceiling.
    #[doc(alias = "TCA_HTB_CTAB")]
    pub ceil_table: Option<Box<[u8; RateSpec::TABLE_LEN]>>,
    /// The device does it; the kernel's answer. Since Linux 5.12.
    #[doc(alias = "TCA_HTB_OFFLOAD")]
    pub offload: bool,
    /// Attributes that this version does not know.
    pub unknown: RawAttrs,
}

impl HtbClass {
    /// A class of these rates, each with a burst of one full Ethernet frame, as tc makes it of
    /// `rate RATE ceil CEIL`.
    ///
    /// ```
    /// use tc_proto::{qdisc::HtbClass, units::Rate};
    /// let class = HtbClass::with_rates(Rate(1_250_000), Rate(12_500_000)); // bytes/s
    /// assert_eq!(class.ceil(), Rate(12_500_000));
    /// ```
    pub fn with_rates(rate: Rate, ceil: Rate) -> Self {
        const FRAME: u32 = 1600;
        let psched = Psched::CURRENT;
        let mut class = Self::default();
        class.set_rate(RateSpec::new(rate, FRAME), rate, Size(FRAME.into()), &psched);
        class.set_ceil(RateSpec::new(ceil, FRAME), ceil, Size(FRAME.into()), &psched);
        class
    }

    /// Sets rate and burst: the structure's rate, the one of 64 bits if needed, ticks and table.
    /// `spec` says cell, overhead, smallest packet and link layer.
    pub fn set_rate(&mut self, spec: RateSpec, rate: Rate, burst: Size, psched: &Psched) {
        self.rate = RateSpec { rate: rate.clamped(), ..spec };
        self.rate64 = rate.needs_64_bits().then_some(rate.0);
        self.buffer_ticks = psched.xmit_time(rate, burst.0);
        self.rate_table = Some(Box::new(table(&self.rate, psched)));
    }

    /// Sets ceiling and its burst, as [`set_rate`](Self::set_rate) does.
    pub fn set_ceil(&mut self, spec: RateSpec, ceil: Rate, burst: Size, psched: &Psched) {
        self.ceil = RateSpec { rate: ceil.clamped(), ..spec };
        self.ceil64 = ceil.needs_64_bits().then_some(ceil.0);
        self.cbuffer_ticks = psched.xmit_time(ceil, burst.0);
        self.ceil_table = Some(Box::new(table(&self.ceil, psched)));
    }

    /// The rate.
    pub fn rate(&self) -> Rate {
        Rate(self.rate64.unwrap_or(self.rate.rate.into()))
    }

    /// The ceiling.
    pub fn ceil(&self) -> Rate {
        Rate(self.ceil64.unwrap_or(self.ceil.rate.into()))
    }
}

/// The rate table, which tc computes from the rate of 32 bits.
fn table(spec: &RateSpec, psched: &Psched) -> [u8; RateSpec::TABLE_LEN] {
    spec.rate_table(Rate(spec.rate.into()), psched)
}

impl Kind for HtbClass {
    const NAME: &'static str = "htb";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(rate) = self.rate64 {
            w.u64(TCA_HTB_RATE64, rate);
        }
        if let Some(ceil) = self.ceil64 {
            w.u64(TCA_HTB_CEIL64, ceil);
        }
        w.nest(TCA_HTB_PARMS, |w| {
            w.raw(&self.rate.to_bytes()).raw(&self.ceil.to_bytes());
            for word in
                [self.buffer_ticks, self.cbuffer_ticks, self.quantum_bytes, self.level, self.prio]
            {
                w.raw(&word.to_ne_bytes());
            }
        });
        for (ty, table) in [(TCA_HTB_RTAB, &self.rate_table), (TCA_HTB_CTAB, &self.ceil_table)] {
            if let Some(table) = table {
                w.bytes(ty, table.as_slice());
            }
        }
        if self.offload {
            w.flag(TCA_HTB_OFFLOAD);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut class = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_HTB_PARMS => {
                    let mut r = Reader::new("tc_htb_opt", attr.payload());
                    class.read_parms(&mut r).map_err(|e| e.inside(TCA_HTB_PARMS))?;
                }
                TCA_HTB_RATE64 => class.rate64 = Some(attr.u64()?),
                TCA_HTB_CEIL64 => class.ceil64 = Some(attr.u64()?),
                TCA_HTB_OFFLOAD => class.offload = true,
                ty => match (ty, attr.payload().try_into()) {
                    (TCA_HTB_RTAB, Ok(table)) => class.rate_table = Some(Box::new(table)),
                    (TCA_HTB_CTAB, Ok(table)) => class.ceil_table = Some(Box::new(table)),
                    _ => class.unknown.push(attr),
                },
            }
        }
        Ok(class)
    }
}

impl HtbClass {
    fn read_parms(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.rate = RateSpec::read(r)?;
        self.ceil = RateSpec::read(r)?;
        self.buffer_ticks = r.u32()?;
        self.cbuffer_ticks = r.u32()?;
        self.quantum_bytes = r.u32()?;
        self.level = r.u32()?;
        self.prio = r.u32()?;
        Ok(())
    }
}

/// `struct tc_htb_xstats`: counters of a class.
#[doc(alias = "tc_htb_xstats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HtbXstats {
    /// Packets sent at the class's own rate.
    pub lends: u32,
    /// Packets sent at borrowed rate.
    pub borrows: u32,
    /// Not counted since Linux 3.13.
    pub giants: u32,
    /// What is left of the burst, in ticks; negative: it is in debt.
    pub tokens: i32,
    /// What is left of the burst at the ceiling.
    pub ctokens: i32,
}

impl HtbXstats {
    /// Reads the structure.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_htb_xstats", payload);
        Ok(Self {
            lends: r.u32()?,
            borrows: r.u32()?,
            giants: r.u32()?,
            tokens: r.i32()?,
            ctokens: r.i32()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    // tc 7.3: `class add dev v0 parent 1: classid 1:1 htb rate 10mbit burst 15k`; the options up to
    // the first entries of the table.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_class_is_sent_as_tc_sends_it() {
        let psched = Psched::CURRENT;
        let rate = Rate(1_250_000);
        let spec = RateSpec::new(rate, 1600);
        let mut class = HtbClass::default();
        class.set_rate(spec, rate, Size(15 << 10), &psched);
        class.set_ceil(spec, rate, Size(1600), &psched);
        let options = Options::of(&class).unwrap();
        let bytes = options.bytes();
        #[rustfmt::skip]
        let start = [
            0x30, 0, 1, 0, // TCA_HTB_PARMS
            3, 1, 0, 0, 0xff, 0xff, 0, 0, 0xd0, 0x12, 0x13, 0,
            3, 1, 0, 0, 0xff, 0xff, 0, 0, 0xd0, 0x12, 0x13, 0,
            0, 0xee, 2, 0, 0x20, 0x4e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            4, 4, 4, 0, // TCA_HTB_RTAB
            0x64, 0, 0, 0, 0xc8, 0, 0, 0, 0x2c, 1, 0, 0,
        ];
        assert_eq!(bytes[..start.len()], start);
        assert_eq!(bytes.len(), 0x30 + 2 * 1028);
        assert_eq!(options.decode::<HtbClass>(), Some(Ok(class)));
    }

    // tc 7.3: `… htb rate 100gbit ceil 400gbit`.
    #[test]
    fn rates_past_32_bits_have_attributes_of_their_own() {
        let psched = Psched::CURRENT;
        let (rate, ceil) = (Rate(12_500_000_000), Rate(50_000_000_000));
        let mut class = HtbClass::default();
        class.set_rate(RateSpec::new(rate, 1600), rate, Size(1612), &psched);
        class.set_ceil(RateSpec::new(ceil, 1600), ceil, Size(1650), &psched);
        assert_eq!((class.rate.rate, class.ceil.rate), (u32::MAX, u32::MAX));
        assert_eq!((class.buffer_ticks, class.cbuffer_ticks), (3, 1));
        let options = Options::of(&class).unwrap();
        let types: Vec<_> = Attrs::new(options.bytes()).map(|attr| attr.ty()).collect();
        assert_eq!(types, [6, 7, 1, 4, 3]);
        let read = HtbClass::decode(options.bytes()).unwrap();
        assert_eq!((read.rate(), read.ceil()), (rate, ceil));
    }

    #[test]
    fn a_short_structure_is_an_error_with_its_place() {
        let err = HtbClass::decode(&[8, 0, 1, 0, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(err.path().to_string(), "1");
    }
}
