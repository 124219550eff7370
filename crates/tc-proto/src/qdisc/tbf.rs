//! `tbf`: a token bucket, which lets bytes through at a rate and a burst at once. One class.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_tbf_qopt`, `TCA_TBF_*`, net/sched/sch_tbf.c; since 2.2.
//! Payload: attributes.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::units::{Psched, Rate, RateSpec};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// The type of [`Tbf::parms`].
pub const TCA_TBF_PARMS: u16 = 1;
/// The type of [`Tbf::rate_table`].
pub const TCA_TBF_RTAB: u16 = 2;
/// The type of [`Tbf::peak_table`].
pub const TCA_TBF_PTAB: u16 = 3;
/// The type of [`Tbf::rate64`].
pub const TCA_TBF_RATE64: u16 = 4;
/// The type of [`Tbf::peakrate64`].
pub const TCA_TBF_PRATE64: u16 = 5;
/// The type of [`Tbf::burst_bytes`].
pub const TCA_TBF_BURST: u16 = 6;
/// The type of [`Tbf::peakburst_bytes`].
pub const TCA_TBF_PBURST: u16 = 7;

/// Options of a `tbf` qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tbf {
    /// The structure. The kernel insists on it.
    pub parms: Option<TbfParms>,
    /// The rate in bytes/s when 32 bits do not hold it. Since Linux 3.13.
    #[doc(alias = "TCA_TBF_RATE64")]
    pub rate64: Option<u64>,
    /// The peak rate in bytes/s when 32 bits do not hold it. Since Linux 3.13.
    #[doc(alias = "TCA_TBF_PRATE64")]
    pub peakrate64: Option<u64>,
    /// The burst in bytes, exactly. Since Linux 3.14; the kernel sends none.
    #[doc(alias = "TCA_TBF_BURST")]
    pub burst_bytes: Option<u32>,
    /// The burst at the peak rate in bytes, exactly. Since Linux 3.14; the kernel sends none.
    #[doc(alias = "TCA_TBF_PBURST")]
    pub peakburst_bytes: Option<u32>,
    /// The table of [`RateSpec::rate_table`] for the rate; the kernel reads it but sends none.
    #[doc(alias = "TCA_TBF_RTAB")]
    pub rate_table: Option<Box<[u8; RateSpec::TABLE_LEN]>>,
    /// The table for the peak rate.
    #[doc(alias = "TCA_TBF_PTAB")]
    pub peak_table: Option<Box<[u8; RateSpec::TABLE_LEN]>>,
    /// Attributes that this version does not know.
    pub unknown: RawAttrs,
}

/// `struct tc_tbf_qopt`.
#[doc(alias = "tc_tbf_qopt")]
#[doc(alias = "TCA_TBF_PARMS")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TbfParms {
    /// The rate, 32 bits of it.
    pub rate: RateSpec,
    /// The rate that a burst has, 32 bits of it; rate 0: no limit.
    pub peakrate: RateSpec,
    /// The most bytes that wait for tokens.
    pub limit_bytes: u32,
    /// The burst, in ticks of [`Psched`] at the rate.
    pub buffer_ticks: u32,
    /// The burst at the peak rate, in ticks at that rate.
    pub mtu_ticks: u32,
}

impl Tbf {
    /// The rate.
    pub fn rate(&self) -> Rate {
        Rate(self.rate64.unwrap_or(self.parms.map_or(0, |p| p.rate.rate).into()))
    }

    /// The peak rate; 0: there is none.
    pub fn peakrate(&self) -> Rate {
        Rate(self.peakrate64.unwrap_or(self.parms.map_or(0, |p| p.peakrate.rate).into()))
    }

    /// Sets the tables to what tc computes for the structure's rates.
    pub fn set_tables(&mut self, psched: &Psched) {
        let table = |spec: RateSpec| Box::new(spec.rate_table(Rate(spec.rate.into()), psched));
        self.rate_table = self.parms.map(|p| table(p.rate));
        self.peak_table = self.parms.map(|p| p.peakrate).filter(|p| p.rate != 0).map(table);
    }
}

impl Kind for Tbf {
    const NAME: &'static str = "tbf";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(parms) = &self.parms {
            w.nest(TCA_TBF_PARMS, |w| {
                w.raw(&parms.rate.to_bytes()).raw(&parms.peakrate.to_bytes());
                for word in [parms.limit_bytes, parms.buffer_ticks, parms.mtu_ticks] {
                    w.raw(&word.to_ne_bytes());
                }
            });
        }
        if let Some(burst) = self.burst_bytes {
            w.u32(TCA_TBF_BURST, burst);
        }
        if let Some(rate) = self.rate64 {
            w.u64(TCA_TBF_RATE64, rate);
        }
        if let Some(table) = &self.rate_table {
            w.bytes(TCA_TBF_RTAB, table.as_slice());
        }
        if let Some(rate) = self.peakrate64 {
            w.u64(TCA_TBF_PRATE64, rate);
        }
        if let Some(burst) = self.peakburst_bytes {
            w.u32(TCA_TBF_PBURST, burst);
        }
        if let Some(table) = &self.peak_table {
            w.bytes(TCA_TBF_PTAB, table.as_slice());
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut tbf = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_TBF_PARMS => {
                    let parms = TbfParms::decode(attr.payload());
                    tbf.parms = Some(parms.map_err(|e| e.inside(TCA_TBF_PARMS))?);
                }
                TCA_TBF_RATE64 => tbf.rate64 = Some(attr.u64()?),
                TCA_TBF_PRATE64 => tbf.peakrate64 = Some(attr.u64()?),
                TCA_TBF_BURST => tbf.burst_bytes = Some(attr.u32()?),
                TCA_TBF_PBURST => tbf.peakburst_bytes = Some(attr.u32()?),
                ty => match (ty, attr.payload().try_into()) {
                    (TCA_TBF_RTAB, Ok(table)) => tbf.rate_table = Some(Box::new(table)),
                    (TCA_TBF_PTAB, Ok(table)) => tbf.peak_table = Some(Box::new(table)),
                    _ => tbf.unknown.push(attr),
                },
            }
        }
        Ok(tbf)
    }
}

impl TbfParms {
    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_tbf_qopt", payload);
        Ok(Self {
            rate: RateSpec::read(&mut r)?,
            peakrate: RateSpec::read(&mut r)?,
            limit_bytes: r.u32()?,
            buffer_ticks: r.u32()?,
            mtu_ticks: r.u32()?,
        })
    }
}

impl Qdisc for Tbf {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    // tc 7.3: `qdisc add dev lo root tbf rate 1mbit burst 32kbit latency 400ms`; the options up to the
    // first entry of the table.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_options_are_sent_as_tc_sends_them() {
        let parms = TbfParms {
            rate: RateSpec::new(Rate(125_000), 0),
            limit_bytes: 54_096,
            buffer_ticks: 512_000,
            ..TbfParms::default()
        };
        let mut tbf = Tbf { parms: Some(parms), burst_bytes: Some(4096), ..Tbf::default() };
        tbf.set_tables(&Psched::CURRENT);
        let options = Options::of(&tbf).unwrap();
        #[rustfmt::skip]
        let start = [
            0x28, 0, 1, 0, // TCA_TBF_PARMS
            3, 1, 0, 0, 0xff, 0xff, 0, 0, 0x48, 0xe8, 1, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0x50, 0xd3, 0, 0, 0, 0xd0, 7, 0, 0, 0, 0, 0,
            8, 0, 6, 0, 0, 0x10, 0, 0, // TCA_TBF_BURST
            4, 4, 2, 0, // TCA_TBF_RTAB
            0xe8, 3, 0, 0,
        ];
        assert_eq!(options.bytes()[..start.len()], start);
        assert_eq!(options.decode::<Tbf>(), Some(Ok(tbf)));
    }
}
