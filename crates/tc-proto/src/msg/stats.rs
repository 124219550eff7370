//! Counters that every qdisc, class and action has.
//!
//! Kernel: uapi/linux/gen_stats.h `TCA_STATS_*`, uapi/linux/pkt_sched.h `struct tc_stats`.

use crate::error::DecodeError;
use crate::wire::{Attrs, Reader};

const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_RATE_EST: u16 = 2;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_APP: u16 = 4;
const TCA_STATS_RATE_EST64: u16 = 5;
const TCA_STATS_BASIC_HW: u16 = 7;
const TCA_STATS_PKT64: u16 = 8;

/// Counters of one object. What the kernel did not send is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats<'a> {
    /// Bytes and packets.
    pub basic: Option<BasicStats>,
    /// The part of [`basic`](Self::basic) that the hardware handled. Since Linux 5.5.
    pub basic_hw: Option<BasicStats>,
    /// Queue length, drops and the like.
    pub queue: Option<QueueStats>,
    /// The measured rate, when an estimator runs.
    pub rate: Option<RateEstimate>,
    /// Counters particular to the kind: `struct tc_KIND_xstats`.
    pub kind: Option<&'a [u8]>,
}

/// `struct gnet_stats_basic`.
#[doc(alias = "gnet_stats_basic")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasicStats {
    /// Bytes seen.
    pub bytes: u64,
    /// Packets seen; wraps at 2³² on kernels before 5.5.
    pub packets: u64,
}

/// `struct gnet_stats_queue`.
#[doc(alias = "gnet_stats_queue")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Packets in the queue now.
    pub qlen: u32,
    /// Bytes in the queue now.
    pub backlog: u32,
    /// Packets dropped.
    pub drops: u32,
    /// Packets put back because the device was busy.
    pub requeues: u32,
    /// Times a limit was exceeded.
    pub overlimits: u32,
}

/// `struct gnet_stats_rate_est64`.
#[doc(alias = "gnet_stats_rate_est64")]
#[doc(alias = "gnet_stats_rate_est")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateEstimate {
    /// Bytes per second.
    pub bps: u64,
    /// Packets per second.
    pub pps: u64,
}

impl BasicStats {
    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("gnet_stats_basic", payload);
        Ok(Self { bytes: r.u64()?, packets: r.u32()?.into() })
    }
}

impl QueueStats {
    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("gnet_stats_queue", payload);
        Ok(Self {
            qlen: r.u32()?,
            backlog: r.u32()?,
            drops: r.u32()?,
            requeues: r.u32()?,
            overlimits: r.u32()?,
        })
    }
}

impl RateEstimate {
    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("gnet_stats_rate_est", payload);
        Ok(Self { bps: r.u32()?.into(), pps: r.u32()?.into() })
    }

    fn decode64(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("gnet_stats_rate_est64", payload);
        Ok(Self { bps: r.u64()?, pps: r.u64()? })
    }
}

impl<'a> Stats<'a> {
    /// Reads the content of `TCA_STATS2` or `TCA_ACT_STATS`.
    ///
    /// A part that is too short is left out. 64-bit forms win over 32-bit ones. A 64-bit packet
    /// counter belongs to the basic counters it follows.
    pub fn decode(attrs: Attrs<'a>) -> Self {
        let mut stats = Self::default();
        let mut last_basic = TCA_STATS_BASIC;
        let mut have_rate64 = false;
        for attr in attrs {
            let payload = attr.payload();
            match attr.ty() {
                TCA_STATS_BASIC => {
                    stats.basic = BasicStats::decode(payload).ok();
                    last_basic = TCA_STATS_BASIC;
                }
                TCA_STATS_BASIC_HW => {
                    stats.basic_hw = BasicStats::decode(payload).ok();
                    last_basic = TCA_STATS_BASIC_HW;
                }
                TCA_STATS_PKT64 => {
                    let target = if last_basic == TCA_STATS_BASIC {
                        &mut stats.basic
                    } else {
                        &mut stats.basic_hw
                    };
                    if let (Some(basic), Ok(packets)) = (target, attr.u64()) {
                        basic.packets = packets;
                    }
                }
                TCA_STATS_QUEUE => stats.queue = QueueStats::decode(payload).ok(),
                TCA_STATS_RATE_EST if !have_rate64 => {
                    stats.rate = RateEstimate::decode(payload).ok();
                }
                TCA_STATS_RATE_EST64 => {
                    if let Ok(rate) = RateEstimate::decode64(payload) {
                        stats.rate = Some(rate);
                        have_rate64 = true;
                    }
                }
                TCA_STATS_APP => stats.kind = Some(payload),
                _ => {}
            }
        }
        stats
    }

    /// Reads `struct tc_stats`, the content of `TCA_STATS`, which kernels still send beside the
    /// newer form.
    #[doc(alias = "tc_stats")]
    pub(super) fn decode_old(payload: &'a [u8]) -> Self {
        // u64 bytes; u32 packets, drops, overlimits, bps, pps, qlen, backlog
        let mut bytes = [0; 36];
        for (to, from) in bytes.iter_mut().zip(payload) {
            *to = *from;
        }
        let mut r = Reader::new("tc_stats", &bytes);
        let mut read = || -> Result<Self, DecodeError> {
            let basic = BasicStats { bytes: r.u64()?, packets: r.u32()?.into() };
            let (drops, overlimits) = (r.u32()?, r.u32()?);
            let rate = RateEstimate { bps: r.u32()?.into(), pps: r.u32()?.into() };
            let (qlen, backlog) = (r.u32()?, r.u32()?);
            Ok(Self {
                basic: Some(basic),
                queue: Some(QueueStats { qlen, backlog, drops, requeues: 0, overlimits }),
                rate: (rate != RateEstimate::default()).then_some(rate),
                ..Self::default()
            })
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::AttrWriter;

    fn stats(write: impl FnOnce(&mut AttrWriter<'_>)) -> Vec<u8> {
        let mut buf = vec![];
        let mut w = AttrWriter::new(&mut buf);
        write(&mut w);
        w.finish().unwrap();
        buf
    }

    fn basic(bytes: u64, packets: u32) -> Vec<u8> {
        [&bytes.to_ne_bytes()[..], &packets.to_ne_bytes(), &[0; 4]].concat()
    }

    #[test]
    fn packets_past_32_bits_go_to_the_counters_they_follow() {
        let buf = stats(|w| {
            w.bytes(TCA_STATS_BASIC, &basic(100, 1)).u64(TCA_STATS_PKT64, 1 << 32);
            w.bytes(TCA_STATS_BASIC_HW, &basic(50, 7));
        });
        let stats = Stats::decode(Attrs::new(&buf));
        assert_eq!(stats.basic, Some(BasicStats { bytes: 100, packets: 1 << 32 }));
        assert_eq!(stats.basic_hw, Some(BasicStats { bytes: 50, packets: 7 }));
    }

    #[test]
    fn the_64_bit_rate_wins_in_either_order() {
        for swapped in [false, true] {
            let buf = stats(|w| {
                let new = [5_000_000_000u64.to_ne_bytes(), 9u64.to_ne_bytes()].concat();
                let old = [u32::MAX.to_ne_bytes(), 9u32.to_ne_bytes()].concat();
                let parts = [(TCA_STATS_RATE_EST, old), (TCA_STATS_RATE_EST64, new)];
                let (a, b) = if swapped { (1, 0) } else { (0, 1) };
                w.bytes(parts[a].0, &parts[a].1).bytes(parts[b].0, &parts[b].1);
            });
            let rate = Stats::decode(Attrs::new(&buf)).rate;
            assert_eq!(rate, Some(RateEstimate { bps: 5_000_000_000, pps: 9 }));
        }
    }

    #[test]
    fn a_short_part_is_left_out_and_the_rest_shown() {
        let buf = stats(|w| {
            w.bytes(TCA_STATS_BASIC, &[1, 2, 3]).bytes(TCA_STATS_QUEUE, &[1; 20]);
        });
        let stats = Stats::decode(Attrs::new(&buf));
        assert_eq!(stats.basic, None);
        assert_eq!(stats.queue.unwrap().qlen, 0x0101_0101);
    }
}
