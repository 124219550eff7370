//! `sfq`: flows told apart by a hash take turns; with limits to each, or RED in each. Its flows are
//! listed as classes.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_sfq_qopt`, `struct tc_sfq_qopt_v1`, `struct
//! tc_sfqred_stats`, `struct tc_sfq_xstats`, net/sched/sch_sfq.c; since 2.2, the second form since
//! 3.3. Payload: a bare structure.

use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Reader};

/// Options of a `sfq` qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sfq {
    /// The structure; `None` leaves all to the kernel.
    pub parms: Option<SfqParms>,
}

/// `struct tc_sfq_qopt`. 0 leaves a value to the kernel, or as it is.
#[doc(alias = "tc_sfq_qopt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SfqParms {
    /// Bytes that a flow sends in one turn; the device's MTU when nothing is said.
    pub quantum_bytes: u32,
    /// Seconds between changes of the hash; 0: it stays.
    pub perturb_secs: i32,
    /// The most packets in all queues; 127 when nothing is said.
    pub limit_pkts: u32,
    /// Slots of the hash table, a power of two up to 65536; 1024 when nothing is said.
    pub divisor: u32,
    /// The most flows at a time, up to 65408; 128 when nothing is said.
    pub flows: u32,
    /// What the second form of the structure adds. Since Linux 3.3.
    pub v1: Option<SfqV1>,
}

/// What `struct tc_sfq_qopt_v1` adds.
#[doc(alias = "tc_sfq_qopt_v1")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SfqV1 {
    /// The most packets of a flow, up to 127.
    pub depth_pkts: u32,
    /// Drop the oldest packet of a flow instead of the newest: not 0.
    pub headdrop: u32,
    /// The hard limit of a flow for RED, in bytes; 0: no RED.
    pub red_limit_bytes: u32,
    /// The average queue at which marking starts, in bytes.
    pub min_bytes: u32,
    /// The average queue at which it reaches the greatest probability, in bytes.
    pub max_bytes: u32,
    /// Binary logarithm of the weight of the average, negated.
    pub ewma_log: u8,
    /// Binary logarithm of the probability over the distance from minimum to maximum, negated.
    pub prob_log: u8,
    /// Binary logarithm of the time between idle updates; 0 from tc.
    pub scell_log: u8,
    /// [`ECN`](Self::ECN) and the like.
    pub flags: u8,
    /// The greatest probability, in parts of 2³²; 0: what [`prob_log`](Self::prob_log) says.
    pub max_probability: u32,
    /// Counters of RED; the kernel's answer.
    pub stats: SfqRedStats,
}

impl SfqV1 {
    /// Mark packets that can be marked instead of dropping them.
    #[doc(alias = "TC_RED_ECN")]
    pub const ECN: u8 = 1;
    /// Drop all packets above the maximum, those that could be marked, too.
    #[doc(alias = "TC_RED_HARDDROP")]
    pub const HARDDROP: u8 = 2;
    /// Adapt the probability.
    #[doc(alias = "TC_RED_ADAPTATIVE")]
    pub const ADAPTIVE: u8 = 4;
    /// Do not drop what cannot be marked.
    #[doc(alias = "TC_RED_NODROP")]
    pub const NODROP: u8 = 8;
}

/// `struct tc_sfqred_stats`: packets that RED dropped or marked.
#[doc(alias = "tc_sfqred_stats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SfqRedStats {
    /// Dropped early.
    pub prob_drop: u32,
    /// Dropped above the maximum.
    pub forced_drop: u32,
    /// Marked early.
    pub prob_mark: u32,
    /// Marked above the maximum.
    pub forced_mark: u32,
    /// Marked early at the head of the queue.
    pub prob_mark_head: u32,
    /// Marked above the maximum at the head of the queue.
    pub forced_mark_head: u32,
}

impl Kind for Sfq {
    const NAME: &'static str = "sfq";

    fn has_options(&self) -> bool {
        self.parms.is_some()
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        let Some(parms) = &self.parms else { return };
        let mut put = |word: u32| _ = w.raw(&word.to_ne_bytes());
        put(parms.quantum_bytes);
        put(parms.perturb_secs as u32);
        put(parms.limit_pkts);
        put(parms.divisor);
        put(parms.flows);
        if let Some(v1) = &parms.v1 {
            put(v1.depth_pkts);
            put(v1.headdrop);
            put(v1.red_limit_bytes);
            put(v1.min_bytes);
            put(v1.max_bytes);
            put(u32::from_ne_bytes([v1.ewma_log, v1.prob_log, v1.scell_log, v1.flags]));
            put(v1.max_probability);
            put(v1.stats.prob_drop);
            put(v1.stats.forced_drop);
            put(v1.stats.prob_mark);
            put(v1.stats.forced_mark);
            put(v1.stats.prob_mark_head);
            put(v1.stats.forced_mark_head);
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let mut r = Reader::new("tc_sfq_qopt", payload);
        let mut parms = SfqParms {
            quantum_bytes: r.u32()?,
            perturb_secs: r.i32()?,
            limit_pkts: r.u32()?,
            divisor: r.u32()?,
            flows: r.u32()?,
            v1: None,
        };
        // Kernels without the second form send nothing more.
        parms.v1 = SfqV1::read(&mut r).ok();
        Ok(Self { parms: Some(parms) })
    }
}

impl SfqV1 {
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (depth_pkts, headdrop, red_limit_bytes) = (r.u32()?, r.u32()?, r.u32()?);
        let (min_bytes, max_bytes) = (r.u32()?, r.u32()?);
        let [ewma_log, prob_log, scell_log, flags] = r.array()?;
        Ok(Self {
            depth_pkts,
            headdrop,
            red_limit_bytes,
            min_bytes,
            max_bytes,
            ewma_log,
            prob_log,
            scell_log,
            flags,
            max_probability: r.u32()?,
            stats: SfqRedStats {
                prob_drop: r.u32()?,
                forced_drop: r.u32()?,
                prob_mark: r.u32()?,
                forced_mark: r.u32()?,
                prob_mark_head: r.u32()?,
                forced_mark_head: r.u32()?,
            },
        })
    }
}

impl Qdisc for Sfq {}

/// `struct tc_sfq_xstats`: counters of a flow.
#[doc(alias = "tc_sfq_xstats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SfqXstats {
    /// Bytes that are left of the quantum in this turn.
    pub allot_bytes: i32,
}

impl SfqXstats {
    /// Reads the structure.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { allot_bytes: Reader::new("tc_sfq_xstats", payload).i32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    // tc 7.3: `qdisc add dev v0 root sfq limit 3000 flows 512 divisor 16384 redflowlimit 100000 min 8000
    // max 60000 burst 20 avpkt 1000 probability 0.20 ecn headdrop`.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_second_form_is_sent_as_tc_sends_it() {
        let v1 = SfqV1 {
            headdrop: 1,
            red_limit_bytes: 100_000,
            min_bytes: 8000,
            max_bytes: 60_000,
            ewma_log: 5,
            prob_log: 18,
            flags: SfqV1::ECN,
            max_probability: 0x3333_3333,
            ..SfqV1::default()
        };
        let parms = SfqParms {
            limit_pkts: 3000,
            divisor: 16384,
            flows: 512,
            v1: Some(v1),
            ..SfqParms::default()
        };
        let sfq = Sfq { parms: Some(parms) };
        let options = Options::of(&sfq).unwrap();
        #[rustfmt::skip]
        let start = [
            0, 0, 0, 0, 0, 0, 0, 0, 0xb8, 0x0b, 0, 0, 0, 0x40, 0, 0, 0, 2, 0, 0,
            0, 0, 0, 0, 1, 0, 0, 0, 0xa0, 0x86, 1, 0, 0x40, 0x1f, 0, 0, 0x60, 0xea, 0, 0,
            5, 0x12, 0, 1, 0x33, 0x33, 0x33, 0x33,
        ];
        assert_eq!(options.bytes()[..start.len()], start);
        assert_eq!(options.bytes()[start.len()..], [0; 24]);
        assert_eq!(options.decode::<Sfq>(), Some(Ok(sfq)));
    }

    #[test]
    fn the_first_form_is_shorter() {
        let sfq = Sfq::decode(&[0xff; 20]).unwrap();
        assert_eq!(sfq.parms.map(|p| (p.perturb_secs, p.v1)), Some((-1, None)));
        assert!(Sfq::decode(&[0; 19]).is_err());
    }
}
