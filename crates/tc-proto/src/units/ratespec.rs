//! `struct tc_ratespec` and the rate tables that go with it.
//!
//! Kernel: uapi/linux/pkt_sched.h. Kernels since 3.13 compute the times themselves and want the table
//! for its presence, and for guessing the link layer when none is named.

use super::linklayer::LinkLayer;
use super::psched::Psched;
use super::rate::Rate;
use crate::error::DecodeError;
use crate::wire::Reader;

/// A rate, and how a packet's length on the wire follows from its own: 12 bytes.
#[doc(alias = "tc_ratespec")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSpec {
    /// Binary logarithm of the bytes that one entry of the rate table stands for.
    pub cell_log: u8,
    /// The link layer.
    pub linklayer: LinkLayer,
    /// Bytes that are added to each packet.
    pub overhead: u16,
    /// Bytes that are added before a packet is looked up in the table; −1 with tables of tc.
    pub cell_align: i16,
    /// The least bytes that a packet takes.
    pub mpu: u16,
    /// The rate in bytes a second; `u32::MAX` with the rate in another attribute when it does not fit.
    pub rate: u32,
}

impl RateSpec {
    /// Size in bytes.
    pub const LEN: usize = 12;

    /// Size of a rate table in bytes: 256 times in ticks, 32 bits each.
    #[doc(alias = "TC_RTAB_SIZE")]
    pub const TABLE_LEN: usize = 1024;

    /// What tc sends for `rate` and packets of up to `mtu` bytes (0: 2047) over Ethernet, without
    /// overhead. Set other fields behind it:
    ///
    /// ```
    /// use tc_proto::units::{LinkLayer, Rate, RateSpec};
    /// let spec = RateSpec { linklayer: LinkLayer::ATM, ..RateSpec::new(Rate(125_000), 1500) };
    /// assert_eq!((spec.cell_log, spec.cell_align, spec.rate), (3, -1, 125_000));
    /// ```
    pub fn new(rate: Rate, mtu: u32) -> Self {
        Self {
            cell_log: Self::cell_log_for(mtu),
            linklayer: LinkLayer::ETHERNET,
            cell_align: -1,
            rate: rate.clamped(),
            ..Self::default()
        }
    }

    /// The `cell_log` with which 256 entries reach up to `mtu` bytes; 0 stands for 2047.
    pub fn cell_log_for(mtu: u32) -> u8 {
        cell_log_for(mtu, 255)
    }

    /// The rate table: for each of 256 packet lengths the ticks that it takes at `rate`.
    ///
    /// `htb` and `tbf` compute it from the rate in the structure, clamped to 32 bits; `police` from
    /// the rate of 64 bits.
    pub fn rate_table(&self, rate: Rate, psched: &Psched) -> [u8; Self::TABLE_LEN] {
        let mut table = [0; Self::TABLE_LEN];
        for (entry, count) in table.chunks_exact_mut(4).zip(1u32..) {
            // Lengths wrap in 32 bits, in tc too.
            let size = cells(count, self.cell_log);
            let size = self.linklayer.adjust(size, u32::from(self.mpu));
            let ticks = psched.xmit_time(rate, u64::from(size));
            entry.copy_from_slice(&ticks.to_ne_bytes());
        }
        table
    }

    /// The structure's bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [o0, o1] = self.overhead.to_ne_bytes();
        let [a0, a1] = self.cell_align.to_ne_bytes();
        let [m0, m1] = self.mpu.to_ne_bytes();
        let [r0, r1, r2, r3] = self.rate.to_ne_bytes();
        [self.cell_log, self.linklayer.0, o0, o1, a0, a1, m0, m1, r0, r1, r2, r3]
    }

    /// Reads the structure, which stands inside larger ones.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [cell_log, linklayer, o0, o1, a0, a1, m0, m1, r0, r1, r2, r3] = r.array()?;
        Ok(Self {
            cell_log,
            linklayer: LinkLayer(linklayer),
            overhead: u16::from_ne_bytes([o0, o1]),
            cell_align: i16::from_ne_bytes([a0, a1]),
            mpu: u16::from_ne_bytes([m0, m1]),
            rate: u32::from_ne_bytes([r0, r1, r2, r3]),
        })
    }
}

/// The smallest logarithm with which `mtu` (0: 2047) is in a cell numbered up to `last`.
pub(super) fn cell_log_for(mtu: u32, last: u32) -> u8 {
    let mtu = if mtu == 0 { 2047 } else { mtu };
    (0..31).find(|log| mtu >> log <= last).unwrap_or(31)
}

/// Bytes in `count` cells, modulo 2³².
pub(super) fn cells(count: u32, cell_log: u8) -> u32 {
    count.checked_shl(cell_log.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(table: &[u8]) -> Vec<u32> {
        table.chunks_exact(4).map(|e| u32::from_ne_bytes(e.try_into().unwrap())).collect()
    }

    fn checksum(entries: &[u32]) -> u32 {
        entries.iter().fold(0u32, |sum, e| sum.wrapping_mul(31).wrapping_add(*e))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    // tc 7.3: `qdisc add dev lo root tbf rate RATE burst 1 limit 10k WORDS…`. Columns: rate in bytes/s,
    // mtu, linklayer, mpu, overhead; the structure's bytes; entries 0, 1, 2, 127 and 255 of the table
    // and a checksum over it: s = 31 s + entry modulo 2^32.
    const TBF: &str = "
        125000 0 ethernet 0 0 03010000ffff000048e80100 1000 2000 3000 128000 256000 f3d983de
        1250000 1500 ethernet 0 0 03010000ffff0000d0121300 100 200 300 12800 25600 b9f67d3f
        125000000 9000 ethernet 0 0 06010000ffff000040597307 8 16 24 1024 2048 9ab56660
        1250000 1500 ethernet 64 0 03010000ffff4000d0121300 800 800 800 12800 25600 b99ca9af
        1000000 0 atm 0 0 03020000ffff000040420f00 829 829 829 18219 35610 3bd07580
        250000 1500 adsl 100 40 03022800ffff640090d00300 9938 9938 9938 72875 142438 1d21f3e0
        7000 255 ethernet 0 0 00010000ffff0000581b0000 2233 4465 6697 285715 571429 de4e0152
        5000000000 65536 ethernet 0 0 09010000ffff0000ffffffff 2 4 6 239 477 c1714e8f
        12345 4294967295 atm 0 0 18020000ffff000039300000 4294967295 4294967295 4294967295 4294967295 0 1211a10
        1 100 ethernet 0 0 00010000ffff000001000000 15625000 31250000 46875000 2000000000 4000000000 2c101400
    ";

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_of_tbf() {
        for line in TBF.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [rate, mtu, layer, mpu, overhead, bytes, at @ .., sum] = &words[..] else {
                panic!()
            };
            let spec = RateSpec {
                linklayer: LinkLayer::parse(layer).unwrap(),
                overhead: overhead.parse().unwrap(),
                mpu: mpu.parse().unwrap(),
                ..RateSpec::new(Rate(rate.parse().unwrap()), mtu.parse().unwrap())
            };
            assert_eq!(hex(&spec.to_bytes()), *bytes, "{line}");
            let table = entries(&spec.rate_table(Rate(spec.rate.into()), &Psched::CURRENT));
            assert_eq!([0, 1, 2, 127, 255].map(|i: usize| table[i].to_string()), at, "{line}");
            assert_eq!(format!("{:x}", checksum(&table)), *sum, "{line}");
        }
    }

    // tc 7.3: `class add dev lo parent 1: classid 1:1 htb rate 10mbit ceil 40gbit burst 15k mtu 1500`,
    // TCA_HTB_CTAB.
    #[test]
    fn table_of_htb() {
        let spec = RateSpec::new(Rate(5_000_000_000), 1500);
        let table = entries(&spec.rate_table(Rate(spec.rate.into()), &Psched::CURRENT));
        assert_eq!([0, 1, 2, 127, 255].map(|i: usize| table[i]), [1, 1, 1, 4, 8]);
        assert_eq!(checksum(&table), 0x905d_aba3);
    }

    // tc 7.3: `actions add action police rate 100gbit burst 1m mtu 9000`: the full rate counts.
    #[test]
    fn table_of_police() {
        let rate = Rate(12_500_000_000);
        let table = entries(&RateSpec::new(rate, 9000).rate_table(rate, &Psched::CURRENT));
        assert_eq!(table[..14], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
    }

    // tc 7.3: `qdisc add dev lo root tbf rate 1mbit burst 10k/CELL limit 10k`: entries 3 and 255.
    #[test]
    fn lengths_wrap_in_large_cells() {
        for (cell_log, third, last) in [
            (0, 500, 32000),
            (10, 512_000, 32_768_000),
            (23, 4_194_304_000, u32::MAX),
            (24, u32::MAX, 0),
            (30, 0, 0),
        ] {
            let spec = RateSpec { cell_log, ..RateSpec::new(Rate(125_000), 0) };
            let table = entries(&spec.rate_table(Rate(125_000), &Psched::CURRENT));
            assert_eq!((table[3], table[255]), (third, last), "{cell_log}");
        }
    }

    // tc 7.3: `tbf … mtu MTU`.
    #[test]
    fn cells_reach_up_to_the_mtu() {
        for (mtu, log) in [
            (0, 3),
            (1, 0),
            (255, 0),
            (256, 1),
            (1500, 3),
            (1600, 3),
            (2047, 3),
            (2048, 4),
            (9000, 6),
            (65535, 8),
            (65536, 9),
            (u32::MAX, 24),
        ] {
            assert_eq!(RateSpec::cell_log_for(mtu), log, "{mtu}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes: [u8; 12], rate: u64) {
            let spec = RateSpec::read(&mut Reader::new("tc_ratespec", &bytes)).unwrap();
            prop_assert_eq!(spec.to_bytes(), bytes);
            let _ = spec.rate_table(Rate(rate), &Psched::CURRENT);
        }
    }
}
