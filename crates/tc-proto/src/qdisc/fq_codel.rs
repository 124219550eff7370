//! `fq_codel`: a queue for each flow, each kept short by CoDel. Its flows are listed as classes.
//!
//! Kernel: uapi/linux/pkt_sched.h `TCA_FQ_CODEL_*`, `struct tc_fq_codel_xstats`,
//! net/sched/sch_fq_codel.c; since 3.5. Payload: attributes.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Attrs, RawAttrs, Reader};

/// The type of [`FqCodel::target_us`].
pub const TCA_FQ_CODEL_TARGET: u16 = 1;
/// The type of [`FqCodel::limit_pkts`].
pub const TCA_FQ_CODEL_LIMIT: u16 = 2;
/// The type of [`FqCodel::interval_us`].
pub const TCA_FQ_CODEL_INTERVAL: u16 = 3;
/// The type of [`FqCodel::ecn`].
pub const TCA_FQ_CODEL_ECN: u16 = 4;
/// The type of [`FqCodel::flows`].
pub const TCA_FQ_CODEL_FLOWS: u16 = 5;
/// The type of [`FqCodel::quantum_bytes`].
pub const TCA_FQ_CODEL_QUANTUM: u16 = 6;
/// The type of [`FqCodel::ce_threshold_us`].
pub const TCA_FQ_CODEL_CE_THRESHOLD: u16 = 7;
/// The type of [`FqCodel::drop_batch_pkts`].
pub const TCA_FQ_CODEL_DROP_BATCH_SIZE: u16 = 8;
/// The type of [`FqCodel::memory_limit_bytes`].
pub const TCA_FQ_CODEL_MEMORY_LIMIT: u16 = 9;
/// The type of [`FqCodel::ce_threshold_selector`].
pub const TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR: u16 = 10;
/// The type of [`FqCodel::ce_threshold_mask`].
pub const TCA_FQ_CODEL_CE_THRESHOLD_MASK: u16 = 11;

/// Options of a `fq_codel` qdisc. What is `None` is left to the kernel, or as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FqCodel {
    /// The most packets in all queues together; 10240 when nothing is said.
    #[doc(alias = "TCA_FQ_CODEL_LIMIT")]
    pub limit_pkts: Option<u32>,
    /// Number of queues, 1 to 65536, set once; 1024 when nothing is said.
    #[doc(alias = "TCA_FQ_CODEL_FLOWS")]
    pub flows: Option<u32>,
    /// Bytes that a flow sends in one turn; the device's MTU and link header when nothing is said.
    #[doc(alias = "TCA_FQ_CODEL_QUANTUM")]
    pub quantum_bytes: Option<u32>,
    /// The delay that is fine, in µs; 5000 when nothing is said.
    #[doc(alias = "TCA_FQ_CODEL_TARGET")]
    pub target_us: Option<u32>,
    /// For how long a delay may be above the target, in µs; 100000 when nothing is said.
    #[doc(alias = "TCA_FQ_CODEL_INTERVAL")]
    pub interval_us: Option<u32>,
    /// Mark packets that can be marked instead of dropping them: 0 or 1, 1 when nothing is said.
    #[doc(alias = "TCA_FQ_CODEL_ECN")]
    pub ecn: Option<u32>,
    /// The delay above which packets are marked at once, in µs; off when nothing is said. Since
    /// Linux 4.2.
    #[doc(alias = "TCA_FQ_CODEL_CE_THRESHOLD")]
    pub ce_threshold_us: Option<u32>,
    /// Only packets whose DS field is this under
    /// [`ce_threshold_mask`](Self::ce_threshold_mask) are marked at once. Since Linux 5.16.
    #[doc(alias = "TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR")]
    pub ce_threshold_selector: Option<u8>,
    /// The bits of the DS field that are looked at; 0: any packet. Since Linux 5.16.
    #[doc(alias = "TCA_FQ_CODEL_CE_THRESHOLD_MASK")]
    pub ce_threshold_mask: Option<u8>,
    /// The most bytes of memory in all queues together; 32 MiB when nothing is said. Since Linux
    /// 4.7.
    #[doc(alias = "TCA_FQ_CODEL_MEMORY_LIMIT")]
    pub memory_limit_bytes: Option<u32>,
    /// How many packets are dropped together when a limit is reached; 64 when nothing is said.
    /// Since Linux 4.7.
    #[doc(alias = "TCA_FQ_CODEL_DROP_BATCH_SIZE")]
    pub drop_batch_pkts: Option<u32>,
    /// Attributes that this version does not know.
    pub unknown: RawAttrs,
}

impl Kind for FqCodel {
    const NAME: &'static str = "fq_codel";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut put = |ty, value: Option<u32>| {
            if let Some(value) = value {
                w.u32(ty, value);
            }
        };
        put(TCA_FQ_CODEL_LIMIT, self.limit_pkts);
        put(TCA_FQ_CODEL_FLOWS, self.flows);
        put(TCA_FQ_CODEL_QUANTUM, self.quantum_bytes);
        put(TCA_FQ_CODEL_INTERVAL, self.interval_us);
        put(TCA_FQ_CODEL_TARGET, self.target_us);
        put(TCA_FQ_CODEL_ECN, self.ecn);
        put(TCA_FQ_CODEL_CE_THRESHOLD, self.ce_threshold_us);
        put(TCA_FQ_CODEL_MEMORY_LIMIT, self.memory_limit_bytes);
        put(TCA_FQ_CODEL_DROP_BATCH_SIZE, self.drop_batch_pkts);
        if let Some(mask) = self.ce_threshold_mask {
            w.u8(TCA_FQ_CODEL_CE_THRESHOLD_MASK, mask);
        }
        if let Some(selector) = self.ce_threshold_selector {
            w.u8(TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR, selector);
        }
        w.copy(&self.unknown);
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut options = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_FQ_CODEL_LIMIT => options.limit_pkts = Some(attr.u32()?),
                TCA_FQ_CODEL_FLOWS => options.flows = Some(attr.u32()?),
                TCA_FQ_CODEL_QUANTUM => options.quantum_bytes = Some(attr.u32()?),
                TCA_FQ_CODEL_INTERVAL => options.interval_us = Some(attr.u32()?),
                TCA_FQ_CODEL_TARGET => options.target_us = Some(attr.u32()?),
                TCA_FQ_CODEL_ECN => options.ecn = Some(attr.u32()?),
                TCA_FQ_CODEL_CE_THRESHOLD => options.ce_threshold_us = Some(attr.u32()?),
                TCA_FQ_CODEL_MEMORY_LIMIT => options.memory_limit_bytes = Some(attr.u32()?),
                TCA_FQ_CODEL_DROP_BATCH_SIZE => options.drop_batch_pkts = Some(attr.u32()?),
                TCA_FQ_CODEL_CE_THRESHOLD_MASK => options.ce_threshold_mask = Some(attr.u8()?),
                TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR => {
                    options.ce_threshold_selector = Some(attr.u8()?);
                }
                _ => options.unknown.push(attr),
            }
        }
        Ok(options)
    }
}

impl Qdisc for FqCodel {}

/// `struct tc_fq_codel_xstats`: counters of the qdisc or of one flow. Fields that an older kernel
/// does not send are 0.
#[doc(alias = "tc_fq_codel_xstats")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FqCodelXstats {
    /// Of the qdisc.
    Qdisc(FqCodelQdiscXstats),
    /// Of a flow.
    Class(FqCodelClassXstats),
    /// Of something else; the number that says of what.
    Unknown(u32),
}

/// `struct tc_fq_codel_qd_stats`.
#[doc(alias = "tc_fq_codel_qd_stats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FqCodelQdiscXstats {
    /// The largest packet so far, in bytes.
    pub maxpacket_bytes: u32,
    /// Packets dropped because a limit was reached.
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// Times that a flow was new.
    pub new_flow_count: u32,
    /// Flows that are new.
    pub new_flows_len: u32,
    /// Flows that are not new any more.
    pub old_flows_len: u32,
    /// Packets marked because of the threshold. Since Linux 4.2.
    pub ce_mark: u32,
    /// Memory in use, in bytes. Since Linux 4.7.
    pub memory_usage_bytes: u32,
    /// Packets dropped because of the memory limit. Since Linux 4.7.
    pub drop_overmemory: u32,
}

/// `struct tc_fq_codel_cl_stats`.
#[doc(alias = "tc_fq_codel_cl_stats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FqCodelClassXstats {
    /// Bytes that are left of the quantum in this turn.
    pub deficit_bytes: i32,
    /// The delay of the last packet, in µs.
    pub ldelay_us: u32,
    /// Packets dropped since dropping started.
    pub count: u32,
    /// The same when it last started.
    pub lastcount: u32,
    /// Whether packets are being dropped: not 0.
    pub dropping: u32,
    /// In how many µs the next is dropped; negative: since when it should have been.
    pub drop_next_us: i32,
}

impl FqCodelXstats {
    /// Reads the structure, however much there is of it.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("tc_fq_codel_xstats", payload);
        let ty = r.u32()?;
        let mut next = || r.u32().unwrap_or(0);
        Ok(match ty {
            0 => Self::Qdisc(FqCodelQdiscXstats {
                maxpacket_bytes: next(),
                drop_overlimit: next(),
                ecn_mark: next(),
                new_flow_count: next(),
                new_flows_len: next(),
                old_flows_len: next(),
                ce_mark: next(),
                memory_usage_bytes: next(),
                drop_overmemory: next(),
            }),
            1 => Self::Class(FqCodelClassXstats {
                deficit_bytes: next() as i32,
                ldelay_us: next(),
                count: next(),
                lastcount: next(),
                dropping: next(),
                drop_next_us: next() as i32,
            }),
            other => Self::Unknown(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    // tc 7.3: `qdisc add dev v0 root fq_codel limit 1000 target 5ms`, `… ce_threshold_selector
    // 0x1/0x3`, `… fq_codel`.
    #[test]
    #[cfg(target_endian = "little")]
    fn only_what_was_said_is_sent() {
        let some = FqCodel { limit_pkts: Some(1000), target_us: Some(5000), ..FqCodel::default() };
        let selector = FqCodel {
            ce_threshold_selector: Some(1),
            ce_threshold_mask: Some(3),
            ..FqCodel::default()
        };
        for (options, bytes) in [
            (some, &[8, 0, 2, 0, 0xe8, 3, 0, 0, 8, 0, 1, 0, 0x88, 0x13, 0, 0][..]),
            (selector, &[5, 0, 11, 0, 3, 0, 0, 0, 5, 0, 10, 0, 1, 0, 0, 0]),
            (FqCodel::default(), &[]),
        ] {
            assert_eq!(Options::of(&options).unwrap().bytes(), bytes);
            assert_eq!(FqCodel::decode(bytes), Ok(options));
        }
    }

    #[test]
    fn counters_of_older_kernels_are_shorter() {
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<_>>();
        let stats = FqCodelQdiscXstats {
            maxpacket_bytes: 1514,
            drop_overlimit: 2,
            ecn_mark: 3,
            new_flow_count: 4,
            new_flows_len: 5,
            old_flows_len: 6,
            ..FqCodelQdiscXstats::default()
        };
        let read = FqCodelXstats::decode(&words(&[0, 1514, 2, 3, 4, 5, 6]));
        assert_eq!(read, Ok(FqCodelXstats::Qdisc(stats)));
        assert_eq!(FqCodelXstats::decode(&words(&[7])), Ok(FqCodelXstats::Unknown(7)));
        assert!(FqCodelXstats::decode(&[0]).is_err());
    }
}
