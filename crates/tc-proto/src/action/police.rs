//! `police`: limits the rate of packets; what exceeds it gets another verdict.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_POLICE_*`, `struct tc_police`, net/sched/act_police.c; since
//! 2.6.8, rates past 4 GiB/s since 5.3, rates of packets since 5.13. Payload: nest. Filters also take
//! the same nest without a kind, as a policer of the old form.

use super::{ActionTimes, Control};
use crate::error::DecodeError;
use crate::kind::{Action, Kind};
use crate::units::{Rate, RateSpec};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// `struct tc_police`.
pub const TCA_POLICE_TBF: u16 = 1;
/// Rate table, 256 u32.
pub const TCA_POLICE_RATE: u16 = 2;
/// The same for the peak rate.
pub const TCA_POLICE_PEAKRATE: u16 = 3;
/// u32, bytes per second.
pub const TCA_POLICE_AVRATE: u16 = 4;
/// u32, a verdict.
pub const TCA_POLICE_RESULT: u16 = 5;
/// `struct tcf_t`.
pub const TCA_POLICE_TM: u16 = 6;
const TCA_POLICE_PAD: u16 = 7;
/// u64, bytes per second.
pub const TCA_POLICE_RATE64: u16 = 8;
/// u64, bytes per second.
pub const TCA_POLICE_PEAKRATE64: u16 = 9;
/// u64, packets per second.
pub const TCA_POLICE_PKTRATE64: u16 = 10;
/// u64, ticks.
pub const TCA_POLICE_PKTBURST64: u16 = 11;

/// A rate and its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoliceRate {
    /// The rate; the 32-bit one in `spec` is cut to fit.
    pub rate: Rate,
    /// Cell size, overhead and link layer.
    pub spec: RateSpec,
    /// What sizes take, in ticks; the kernel insists on one but computes its own since 3.9. Not in
    /// dumps.
    pub table: Option<Box<[u8; RateSpec::TABLE_LEN]>>,
}

/// Options of a `police` action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Police {
    /// The action's number; 0 lets the kernel choose one.
    pub index: u32,
    /// What happens to packets that exceed the rate.
    pub exceed: Control,
    /// Not used; 0.
    pub limit: u32,
    /// How much may come at once, as the time that it takes at the rate, in ticks (see
    /// [`Psched`](crate::units::Psched)).
    pub burst_ticks: u32,
    /// The longest packet in bytes; 0 for 255 cells of the rate table. Longer ones exceed the rate.
    pub mtu_bytes: u32,
    /// The rate, if it is limited.
    pub rate: Option<PoliceRate>,
    /// The rate at which a burst may come.
    pub peak: Option<PoliceRate>,
    /// The average rate that the action's estimator may measure, in bytes per second.
    pub avrate: Option<u32>,
    /// What happens to packets that do not exceed the rate; absent means [`Control::PASS`].
    pub conform: Option<Control>,
    /// Packets per second. Since Linux 5.13.
    pub packets_per_s: Option<u64>,
    /// How many packets may come at once, as the time that they take at their rate, in ticks.
    pub packet_burst_ticks: Option<u64>,
    /// How many refer to the action. Set by the kernel.
    pub refcnt: i32,
    /// How many of them are filters. Set by the kernel.
    pub bindcnt: i32,
    /// Not used; 0.
    pub capab: u32,
    /// Set by the kernel: when the action was made and used.
    pub times: Option<ActionTimes>,
    /// Attributes that this crate does not know.
    pub unknown: RawAttrs,
}

impl Kind for Police {
    const NAME: &'static str = "police";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let spec = |rate: &Option<PoliceRate>| match rate {
            Some(rate) => rate.spec.to_bytes(),
            None => [0; RateSpec::LEN],
        };
        let mut tbf = Vec::new();
        for field in
            [self.index, self.exceed.0 as u32, self.limit, self.burst_ticks, self.mtu_bytes]
        {
            tbf.extend_from_slice(&field.to_ne_bytes());
        }
        tbf.extend_from_slice(&spec(&self.rate));
        tbf.extend_from_slice(&spec(&self.peak));
        for field in [self.refcnt as u32, self.bindcnt as u32, self.capab] {
            tbf.extend_from_slice(&field.to_ne_bytes());
        }
        w.bytes(TCA_POLICE_TBF, &tbf);
        for (rate, table, wide) in [
            (&self.rate, TCA_POLICE_RATE, TCA_POLICE_RATE64),
            (&self.peak, TCA_POLICE_PEAKRATE, TCA_POLICE_PEAKRATE64),
        ] {
            let Some(rate) = rate else { continue };
            if let Some(bytes) = &rate.table {
                w.bytes(table, &bytes[..]);
            }
            // Where both say something, the wide one counts.
            if rate.rate.needs_64_bits() || rate.rate.0 != u64::from(rate.spec.rate) {
                w.u64(wide, rate.rate.0);
            }
        }
        if let Some(avrate) = self.avrate {
            w.u32(TCA_POLICE_AVRATE, avrate);
        }
        if let Some(conform) = self.conform {
            w.i32(TCA_POLICE_RESULT, conform.0);
        }
        if let Some(rate) = self.packets_per_s {
            w.u64(TCA_POLICE_PKTRATE64, rate);
        }
        if let Some(burst) = self.packet_burst_ticks {
            w.u64(TCA_POLICE_PKTBURST64, burst);
        }
        ActionTimes::encode(self.times, TCA_POLICE_TM, w);
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut police = Self::default();
        let (mut wide, mut wide_peak) = (None, None);
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_POLICE_TBF => {
                    let mut r = Reader::new("tc_police", attr.payload());
                    police.read(&mut r).map_err(|e| e.inside(attr.ty()))?;
                }
                TCA_POLICE_AVRATE => police.avrate = Some(attr.u32()?),
                TCA_POLICE_RESULT => police.conform = Some(Control(attr.i32()?)),
                TCA_POLICE_TM => police.times = Some(ActionTimes::decode(&attr)?),
                TCA_POLICE_RATE64 => wide = Some(attr.u64()?),
                TCA_POLICE_PEAKRATE64 => wide_peak = Some(attr.u64()?),
                TCA_POLICE_PKTRATE64 => police.packets_per_s = Some(attr.u64()?),
                TCA_POLICE_PKTBURST64 => police.packet_burst_ticks = Some(attr.u64()?),
                TCA_POLICE_RATE | TCA_POLICE_PEAKRATE | TCA_POLICE_PAD => {}
                _ => police.unknown.push(attr),
            }
        }
        for (rate, wide) in [(&mut police.rate, wide), (&mut police.peak, wide_peak)] {
            if let Some(bytes) = wide {
                let none = PoliceRate { rate: Rate(0), spec: RateSpec::default(), table: None };
                rate.get_or_insert(none).rate = Rate(bytes);
            }
        }
        Ok(police)
    }
}

impl Police {
    /// Reads `struct tc_police`. A rate of 0 is none.
    #[doc(alias = "tc_police")]
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.index = r.u32()?;
        self.exceed = Control(r.i32()?);
        self.limit = r.u32()?;
        self.burst_ticks = r.u32()?;
        self.mtu_bytes = r.u32()?;
        let mut rate = || {
            let spec = RateSpec::read(r)?;
            let some = spec != RateSpec::default();
            Ok(some.then(|| PoliceRate { rate: Rate(spec.rate.into()), spec, table: None }))
        };
        self.rate = rate()?;
        self.peak = rate()?;
        self.refcnt = r.i32()?;
        self.bindcnt = r.i32()?;
        self.capab = r.u32()?;
        Ok(())
    }
}

impl Action for Police {
    fn index(&self) -> u32 {
        self.index
    }
}
