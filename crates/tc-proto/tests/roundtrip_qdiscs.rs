//! Options of qdiscs and classes encode and decode to themselves, with what is not known here.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use tc_proto::Kind;
use tc_proto::qdisc::{
    FqCodel, Htb, HtbClass, HtbInit, Netem, NetemChance, NetemCorrelation, NetemGemodel, NetemLoss,
    NetemParms, NetemRate, NetemSlot, NetemState, Tbf, TbfParms,
};
use tc_proto::units::{LinkLayer, Percent, RateSpec};
use tc_proto::wire::{AttrWriter, RawAttrs};

/// Numbers with the edges more often.
fn u32s() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()]
}

fn percents() -> impl Strategy<Value = Percent> {
    u32s().prop_map(Percent)
}

/// Attributes of any type above `known`.
fn unknown_attrs(known: u16) -> impl Strategy<Value = RawAttrs> {
    vec((known + 1..0x3fff, any::<bool>(), vec(any::<u8>(), 0..20)), 0..4).prop_map(|attrs| {
        let mut bytes = Vec::new();
        let mut w = AttrWriter::new(&mut bytes);
        for (ty, nested, payload) in attrs {
            w.bytes(if nested { ty | 0x8000 } else { ty }, &payload);
        }
        w.finish().unwrap();
        RawAttrs::from_payload(&bytes)
    })
}

fn survives<K: Kind + Debug + PartialEq>(kind: &K) {
    let mut bytes = Vec::new();
    let mut w = AttrWriter::new(&mut bytes);
    kind.encode(&mut w);
    w.finish().unwrap();
    assert_eq!(K::decode(&bytes).as_ref(), Ok(kind));
}

prop_compose! {
    fn rate_specs()(
        (cell_log, linklayer) in any::<(u8, u8)>(),
        (overhead, cell_align, mpu) in any::<(u16, i16, u16)>(),
        rate in u32s(),
    ) -> RateSpec {
        let linklayer = LinkLayer(linklayer);
        RateSpec { cell_log, linklayer, overhead, cell_align, mpu, rate }
    }
}

fn tables() -> impl Strategy<Value = Option<Box<[u8; RateSpec::TABLE_LEN]>>> {
    of(any::<u8>().prop_map(|byte| Box::new([byte; RateSpec::TABLE_LEN])))
}

fn chances() -> impl Strategy<Value = NetemChance> {
    (percents(), percents())
        .prop_map(|(probability, correlation)| NetemChance { probability, correlation })
}

fn loss_models() -> impl Strategy<Value = NetemLoss> {
    let state = (percents(), percents(), percents(), percents(), percents());
    let gemodel = (percents(), percents(), percents(), percents());
    prop_oneof![
        state.prop_map(|(p13, p31, p32, p14, p23)| NetemLoss::State(NetemState {
            p13,
            p31,
            p32,
            p14,
            p23
        })),
        gemodel.prop_map(|(p, r, h, k1)| NetemLoss::Gemodel(NetemGemodel { p, r, h, k1 })),
    ]
}

prop_compose! {
    fn netem_parms()(
        (latency_ticks, limit_pkts, gap_pkts, jitter_ticks) in (u32s(), u32s(), u32s(), u32s()),
        (loss, duplicate) in (percents(), percents()),
    ) -> NetemParms {
        NetemParms { latency_ticks, limit_pkts, loss, gap_pkts, duplicate, jitter_ticks }
    }
}

prop_compose! {
    fn netem_slots()(
        (min_delay_ns, max_delay_ns) in any::<(i64, i64)>(),
        (max_pkts, max_bytes) in any::<(i32, i32)>(),
        (distribution_delay_ns, distribution_jitter_ns) in any::<(i64, i64)>(),
    ) -> NetemSlot {
        NetemSlot {
            min_delay_ns,
            max_delay_ns,
            max_pkts,
            max_bytes,
            distribution_delay_ns,
            distribution_jitter_ns,
        }
    }
}

prop_compose! {
    fn netems()(
        parms in netem_parms(),
        (latency_ns, jitter_ns) in any::<(Option<i64>, Option<i64>)>(),
        correlation in of((percents(), percents(), percents())),
        (reorder, corrupt, ecn) in (of(chances()), of(chances()), of(u32s())),
        loss_model in of(loss_models()),
        rate in of(any::<(u32, i32, u32, i32)>()),
        (rate64, seed) in any::<(Option<u64>, Option<u64>)>(),
        slot in of(netem_slots()),
        delay_distribution in of(vec(any::<i16>(), 0..9)),
        slot_distribution in of(vec(any::<i16>(), 0..9)),
        unknown in unknown_attrs(14),
    ) -> Netem {
        let correlation = correlation
            .map(|(delay, loss, duplicate)| NetemCorrelation { delay, loss, duplicate });
        let rate = rate.map(|(rate, packet_overhead_bytes, cell_size_bytes, cell_overhead_bytes)| {
            NetemRate { rate, packet_overhead_bytes, cell_size_bytes, cell_overhead_bytes }
        });
        Netem {
            parms,
            latency_ns,
            jitter_ns,
            correlation,
            reorder,
            corrupt,
            ecn,
            loss_model,
            rate,
            rate64,
            slot,
            seed,
            delay_distribution,
            slot_distribution,
            unknown,
        }
    }
}

proptest! {
    #[test]
    fn netem_survives(netem in netems()) {
        survives(&netem);
    }

    #[test]
    fn fq_codel_survives(
        numbers in any::<[Option<u32>; 9]>(),
        (ce_threshold_selector, ce_threshold_mask) in any::<(Option<u8>, Option<u8>)>(),
        unknown in unknown_attrs(11),
    ) {
        let [limit_pkts, flows, quantum_bytes, target_us, interval_us, ecn, ce_threshold_us, more @ ..] =
            numbers;
        let [memory_limit_bytes, drop_batch_pkts] = more;
        survives(&FqCodel {
            limit_pkts,
            flows,
            quantum_bytes,
            target_us,
            interval_us,
            ecn,
            ce_threshold_us,
            ce_threshold_selector,
            ce_threshold_mask,
            memory_limit_bytes,
            drop_batch_pkts,
            unknown,
        });
    }

    #[test]
    fn tbf_survives(
        parms in of((rate_specs(), rate_specs(), u32s(), u32s(), u32s())),
        (rate64, peakrate64) in any::<(Option<u64>, Option<u64>)>(),
        (burst_bytes, peakburst_bytes) in any::<(Option<u32>, Option<u32>)>(),
        (rate_table, peak_table) in (tables(), tables()),
        unknown in unknown_attrs(8),
    ) {
        let parms = parms.map(|(rate, peakrate, limit_bytes, buffer_ticks, mtu_ticks)| {
            TbfParms { rate, peakrate, limit_bytes, buffer_ticks, mtu_ticks }
        });
        survives(&Tbf {
            parms,
            rate64,
            peakrate64,
            burst_bytes,
            peakburst_bytes,
            rate_table,
            peak_table,
            unknown,
        });
    }

    #[test]
    fn htb_survives(
        init in of(any::<[u32; 5]>()),
        direct_qlen_pkts in of(u32s()),
        offload in any::<bool>(),
        unknown in unknown_attrs(9),
    ) {
        let init = init.map(|[version, rate_to_quantum, default_class, debug, direct_pkts]| {
            HtbInit { version, rate_to_quantum, default_class, debug, direct_pkts }
        });
        survives(&Htb { init, direct_qlen_pkts, offload, unknown });
    }

    #[test]
    fn classes_of_htb_survive(
        (rate, ceil) in (rate_specs(), rate_specs()),
        numbers in any::<[u32; 5]>(),
        (rate64, ceil64) in any::<(Option<u64>, Option<u64>)>(),
        (rate_table, ceil_table) in (tables(), tables()),
        offload in any::<bool>(),
        unknown in unknown_attrs(9),
    ) {
        let [buffer_ticks, cbuffer_ticks, quantum_bytes, level, prio] = numbers;
        survives(&HtbClass {
            rate,
            ceil,
            buffer_ticks,
            cbuffer_ticks,
            quantum_bytes,
            level,
            prio,
            rate64,
            ceil64,
            rate_table,
            ceil_table,
            offload,
            unknown,
        });
    }
}

/// A table of another length than tc's is kept as it is.
#[test]
fn odd_tables_survive() {
    let mut bytes = Vec::new();
    AttrWriter::new(&mut bytes).bytes(2, &[7; 12]).bytes(4, &[7; 12]);
    let tbf = Tbf::decode(&bytes[..16]).unwrap();
    assert_eq!(tbf.unknown.as_bytes(), &bytes[..16]);
    survives(&tbf);
    let class = HtbClass::decode(&bytes[16..]).unwrap();
    assert_eq!(class.unknown.as_bytes(), &bytes[16..]);
    survives(&class);
}

/// A model of loss that is newer than this.
#[test]
fn an_unknown_model_survives() {
    let mut bytes = vec![0; 24];
    AttrWriter::new(&mut bytes).nest_flagged(5, |w| {
        w.u32(3, 7);
    });
    let netem = Netem::decode(&bytes).unwrap();
    assert_eq!((netem.loss_model, netem.unknown.as_bytes()), (None, &bytes[24..]));
    survives(&netem);
}
