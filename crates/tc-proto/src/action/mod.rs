//! Kinds of actions, a file each, and what they have in common.
//!
//! Kernel: uapi/linux/pkt_cls.h `tc_gen`, `TC_ACT_*`.

mod control;
mod head;

pub mod bpf;
pub mod connmark;
pub mod csum;
pub mod ct;
pub mod ctinfo;
pub mod gact;
pub mod gate;
pub mod ife;
pub mod mirred;
pub mod mpls;
pub mod nat;
pub mod pedit;
pub mod police;
pub mod sample;
pub mod simple;
pub mod skbedit;
pub mod skbmod;
pub mod tunnel_key;
pub mod vlan;

pub use bpf::Bpf;
pub use connmark::Connmark;
pub use control::{Control, Verdict};
pub use csum::Csum;
pub use ct::Ct;
pub use ctinfo::Ctinfo;
pub use gact::Gact;
pub use gate::Gate;
pub use head::{ActionHead, ActionTimes};
pub use ife::Ife;
pub use mirred::Mirred;
pub use mpls::Mpls;
pub use nat::Nat;
pub use pedit::Pedit;
pub use police::Police;
pub use sample::Sample;
pub use simple::Simple;
pub use skbedit::Skbedit;
pub use skbmod::Skbmod;
pub use tunnel_key::TunnelKey;
pub use vlan::Vlan;

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;
    use crate::filter::bpf::{ClassicInsn, Program};
    use crate::kind::Kind;
    use crate::units::{Handle, MacAddr, Protocol, Rate, RateSpec};
    use crate::wire::AttrWriter;

    fn encoded<K: Kind>(kind: &K) -> String {
        let mut buf = Vec::new();
        let mut w = AttrWriter::new(&mut buf);
        kind.encode(&mut w);
        w.finish().unwrap();
        buf.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    fn decoded<K: Kind>(hex: &str) -> K {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        K::decode(&bytes).unwrap()
    }

    fn both_ways<K: Kind + PartialEq + std::fmt::Debug>(kind: &K, hex: &str) {
        assert_eq!(encoded(kind), hex);
        assert_eq!(decoded::<K>(hex), *kind);
    }

    // The requests of tc 7.3.

    #[test]
    fn gact_drop_random_netrand_ok_5_index_3() {
        let random =
            gact::Random { method: gact::RandomMethod::NETRAND, one_in: 5, control: Control::PASS };
        let head = ActionHead::new(3, Control::DROP);
        let gact = Gact { head, random: Some(random), ..Gact::default() };
        both_ways(
            &gact,
            "18000200030000000000000002000000000000000000\
             00000c0003000100050000000000",
        );
    }

    #[test]
    fn mirred_egress_mirror_blockid_5_drop() {
        let mirred = Mirred {
            head: ActionHead::new(0, Control::DROP),
            action: mirred::MirredAction::EGRESS_MIRROR,
            block: Some(5),
            ..Mirred::default()
        };
        both_ways(
            &mirred,
            "2000020000000000000000000200000000000000000000000200000000000000\
             0800040005000000",
        );
    }

    #[test]
    fn vlan_push_and_push_eth() {
        let push = Vlan {
            head: ActionHead::new(4, Control::PASS),
            action: vlan::VlanAction::PUSH,
            id: Some(100),
            protocol: Some(Protocol::SERVICE_VLAN),
            priority: Some(3),
            ..Vlan::default()
        };
        both_ways(
            &push,
            "1c0002000400000000000000000000000000000000000000020000000600030064000000\
             0600040088a800000500060003000000",
        );
        let push_eth = Vlan {
            head: ActionHead::new(0, Control::PIPE),
            action: vlan::VlanAction::PUSH_ETH,
            dst_mac: Some(MacAddr([0, 0x11, 0x22, 0x33, 0x44, 0x55])),
            src_mac: Some(MacAddr([0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb])),
            ..Vlan::default()
        };
        both_ways(
            &push_eth,
            "1c000200000000000000000003000000000000000000000005000000\
             0a00070000112233445500000a00080066778899aabb0000",
        );
    }

    #[test]
    fn skbedit_of_all_words() {
        let skbedit = Skbedit {
            head: ActionHead::new(0, Control::PIPE),
            queue: Some(3),
            priority: Some(Handle::new(1, 1)),
            mark: Some(4),
            packet_type: Some(0),
            ..Skbedit::default()
        };
        both_ways(
            &skbedit,
            "180002000000000000000000030000000000000000000000060004000300000008000300010001000800\
             0500040000000600070000000000",
        );
    }

    #[test]
    fn csum_iph_and_tcp() {
        let csum = Csum {
            head: ActionHead::new(5, Control::PIPE),
            update: Csum::IPV4 | Csum::TCP,
            ..Csum::default()
        };
        both_ways(&csum, "1c000100050000000000000003000000000000000000000009000000");
    }

    #[test]
    fn nat_egress_of_a_network() {
        let nat = Nat {
            old: [10, 0, 0, 5].into(),
            new: [20, 0, 0, 1].into(),
            mask: [255, 255, 255, 0].into(),
            flags: Nat::EGRESS,
            ..Nat::default()
        };
        let hex = format!("28000100{}0a00000514000001ffffff0001000000", "00".repeat(20));
        both_ways(&nat, &hex);
    }

    #[test]
    fn connmark_zone_65535() {
        let head = ActionHead::new(0, Control::PIPE);
        let connmark = Connmark { head, zone: 65535, ..Connmark::default() };
        both_ways(&connmark, "1c0001000000000000000000030000000000000000000000ffff0000");
    }

    #[test]
    fn skbmod_of_all_words() {
        let skbmod = Skbmod {
            head: ActionHead::new(0, Control::PIPE),
            flags: Skbmod::DMAC | Skbmod::SMAC | Skbmod::ETYPE,
            dst_mac: Some(MacAddr([0, 0x11, 0x22, 0x33, 0x44, 0x55])),
            src_mac: Some(MacAddr([0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb])),
            ethertype: Some(0x1234),
            ..Skbmod::default()
        };
        both_ways(
            &skbmod,
            "24000200000000000000000003000000000000000000000000000000070000000000000\
             00a000300001122334455000006000500341200000a00040066778899aabb0000",
        );
    }

    #[test]
    fn sample_with_trunc() {
        let sample = Sample {
            head: ActionHead::new(0, Control::PIPE),
            one_in: Some(100),
            group: Some(5),
            trunc_bytes: Some(128),
            ..Sample::default()
        };
        both_ways(
            &sample,
            "180002000000000000000000030000000000000000000000080003006400000008000500050000000800\
             040080000000",
        );
    }

    #[test]
    fn bpf_puts_its_structure_last() {
        let ret = ClassicInsn { code: 6, ..ClassicInsn::default() };
        let bpf = Bpf {
            head: ActionHead::new(3, Control::DROP),
            program: Some(Program::Classic(vec![ret])),
            ..Bpf::default()
        };
        let hex = "06000300010000000c0004000600000000000000\
                   180002000300000000000000020000000000000000000000";
        assert_eq!(encoded(&bpf), hex);
        let bpf = decoded::<Bpf<'_>>(hex);
        assert_eq!(bpf.program, Some(Program::Classic(vec![ret])));
        assert_eq!(bpf.head.control, Control::DROP);
    }

    #[test]
    fn police_avrate_and_packets() {
        let police = Police {
            exceed: Control::RECLASSIFY,
            avrate: Some(125_000),
            packets_per_s: Some(100),
            packet_burst_ticks: Some(100_000),
            ..Police::default()
        };
        let tbf = format!("3c0001000000000001000000{}", "00".repeat(48));
        both_ways(
            &police,
            &format!("{tbf}0800040048e801000c000a0064000000000000000c000b00a086010000000000"),
        );
    }

    #[test]
    fn a_rate_past_32_bits_is_sent_twice_and_the_wide_one_counts() {
        let rate = Rate(6_250_000_000);
        let spec = RateSpec::new(rate, 0);
        let rate = police::PoliceRate { rate, spec, table: None };
        let police = Police { rate: Some(rate), ..Police::default() };
        let hex = encoded(&police);
        assert!(hex.contains("03010000ffff0000ffffffff"), "{hex}");
        assert!(hex.ends_with("0c000800806e877401000000"));
        assert_eq!(decoded::<Police>(&hex), police);
    }

    #[test]
    fn simple_fills_up_with_zeros() {
        let simple = Simple {
            head: ActionHead::new(0, Control::PIPE),
            text: Some("hello".into()),
            ..Simple::default()
        };
        let text = format!("2400030068656c6c6f{}", "00".repeat(27));
        let head = "180002000000000000000000030000000000000000000000";
        both_ways(&simple, &format!("{head}{text}"));
    }

    #[test]
    fn verdicts_without_a_name_are_numbers() {
        // What tc 7.3 prints.
        for (number, text) in [
            (-1, "continue"),
            (4, "stolen"),
            (5, "5"),
            (8, "trap"),
            (0x1000_0003, "jump 3"),
            (0x2000_0005, "goto chain 5"),
            (0x3000_0001, "805306369"),
        ] {
            assert_eq!(Control(number).to_string(), text);
        }
    }
}
