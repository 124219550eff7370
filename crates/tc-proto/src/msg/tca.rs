//! `TCA_*`: the attributes that qdiscs, classes, filters and chains have in common.
//!
//! Kernel: uapi/linux/rtnetlink.h.

/// `TCA_KIND`: string, the name of the kind.
#[doc(alias = "TCA_KIND")]
pub const KIND: u16 = 1;
/// `TCA_OPTIONS`: what the kind makes of it, mostly a nest.
#[doc(alias = "TCA_OPTIONS")]
pub const OPTIONS: u16 = 2;
/// `TCA_STATS`: `struct tc_stats`, the old counters.
#[doc(alias = "TCA_STATS")]
pub const STATS: u16 = 3;
/// `TCA_XSTATS`: the kind's own counters, in the old place.
#[doc(alias = "TCA_XSTATS")]
pub const XSTATS: u16 = 4;
/// `TCA_RATE`: `struct tc_estimator`.
#[doc(alias = "TCA_RATE")]
pub const RATE: u16 = 5;
/// `TCA_FCNT`: u32, no longer in use.
#[doc(alias = "TCA_FCNT")]
pub const FCNT: u16 = 6;
/// `TCA_STATS2`: nest of `TCA_STATS_*`.
#[doc(alias = "TCA_STATS2")]
pub const STATS2: u16 = 7;
/// `TCA_STAB`: nest of `TCA_STAB_*`, a size table. Since Linux 2.6.27.
#[doc(alias = "TCA_STAB")]
pub const STAB: u16 = 8;
/// `TCA_DUMP_INVISIBLE`: flag of list requests. Since Linux 4.12.
#[doc(alias = "TCA_DUMP_INVISIBLE")]
pub const DUMP_INVISIBLE: u16 = 10;
/// `TCA_CHAIN`: u32, number of the chain. Since Linux 4.13.
#[doc(alias = "TCA_CHAIN")]
pub const CHAIN: u16 = 11;
/// `TCA_HW_OFFLOAD`: u8, whether the hardware runs it. Since Linux 4.16.
#[doc(alias = "TCA_HW_OFFLOAD")]
pub const HW_OFFLOAD: u16 = 12;
/// `TCA_INGRESS_BLOCK`: u32, index of the shared block. Since Linux 4.16.
#[doc(alias = "TCA_INGRESS_BLOCK")]
pub const INGRESS_BLOCK: u16 = 13;
/// `TCA_EGRESS_BLOCK`: u32, index of the shared block. Since Linux 4.16.
#[doc(alias = "TCA_EGRESS_BLOCK")]
pub const EGRESS_BLOCK: u16 = 14;
/// `TCA_DUMP_FLAGS`: bitfield of list requests. Since Linux 5.8.
#[doc(alias = "TCA_DUMP_FLAGS")]
pub const DUMP_FLAGS: u16 = 15;
/// `TCA_EXT_WARN_MSG`: string, a warning in a notification. Since Linux 6.3.
#[doc(alias = "TCA_EXT_WARN_MSG")]
pub const EXT_WARN_MSG: u16 = 16;
