//! Size tables (`stab`): what a packet counts for, whatever its length.
//!
//! Kernel: uapi/linux/pkt_sched.h, `struct tc_sizespec`, `TCA_STAB_*`; since Linux 2.6.27.

use super::UnitError;
use super::linklayer::LinkLayer;
use super::ratespec::{cell_log_for, cells};
use crate::error::DecodeError;
use crate::wire::{AttrWriter, Attrs, Reader};

const TCA_STAB_BASE: u16 = 1;
const TCA_STAB_DATA: u16 = 2;

/// How a size table is read: 24 bytes.
#[doc(alias = "tc_sizespec")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeSpec {
    /// Binary logarithm of the bytes that one entry of the table stands for.
    pub cell_log: u8,
    /// Binary logarithm of what an entry is multiplied with.
    pub size_log: u8,
    /// Bytes that are added before a packet is looked up; −1 with tables of tc.
    pub cell_align: i16,
    /// Bytes that are added to each packet.
    pub overhead: i32,
    /// The link layer; 32 bits wide here.
    pub linklayer: u32,
    /// The least bytes that a packet counts for.
    pub mpu: u32,
    /// The longest packet in bytes that the table was made for.
    pub mtu: u32,
    /// Entries in the table.
    pub tsize: u32,
}

impl SizeSpec {
    /// Size in bytes.
    pub const LEN: usize = 24;

    /// The link layer in the units' own type.
    pub fn link_layer(&self) -> LinkLayer {
        LinkLayer(self.linklayer as u8)
    }

    /// The structure's bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [a0, a1] = self.cell_align.to_ne_bytes();
        let mut bytes = [0; Self::LEN];
        let fields = [
            [self.cell_log, self.size_log, a0, a1],
            self.overhead.to_ne_bytes(),
            self.linklayer.to_ne_bytes(),
            self.mpu.to_ne_bytes(),
            self.mtu.to_ne_bytes(),
            self.tsize.to_ne_bytes(),
        ];
        for (place, field) in bytes.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field);
        }
        bytes
    }

    /// Reads the structure.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            cell_log: r.u8()?,
            size_log: r.u8()?,
            cell_align: r.u16()? as i16,
            overhead: r.u32()? as i32,
            linklayer: r.u32()?,
            mpu: r.u32()?,
            mtu: r.u32()?,
            tsize: r.u32()?,
        })
    }
}

/// What the words behind `stab` say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StabParams {
    /// Bytes that are added to each packet.
    pub overhead: i32,
    /// The link layer; [`LinkLayer::UNSPEC`] when none is named.
    pub linklayer: LinkLayer,
    /// The least bytes that a packet counts for.
    pub mpu: u32,
    /// The longest packet in bytes; 0 stands for 2047.
    pub mtu: u32,
    /// Entries in the table; 0 stands for 512.
    pub tsize: u32,
}

/// A size table: the payload of `TCA_STAB`.
#[doc(alias = "TCA_STAB")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeTable {
    /// How the table is read.
    pub spec: SizeSpec,
    /// The entries: what a packet of so many cells counts for, shifted right by `size_log`. `None`
    /// when there is only an overhead, and in dumps, where the kernel leaves them out.
    pub data: Option<Vec<u16>>,
}

impl SizeTable {
    /// The most entries that fit an attribute.
    pub const MAX_ENTRIES: u32 = 32_748;

    /// Computes the table as tc does. Without an MPU and with cells of ATM there is nothing to compute:
    /// then only the overhead and the link layer are sent.
    ///
    /// More than [`MAX_ENTRIES`](Self::MAX_ENTRIES) are an error; tc sends a broken message or
    /// crashes.
    pub fn compute(params: StabParams) -> Result<Self, UnitError> {
        let StabParams { overhead, linklayer, mpu, mtu, tsize } = params;
        let linklayer_field = u32::from(linklayer.0);
        if mpu == 0 && linklayer != LinkLayer::ATM {
            let spec = SizeSpec { overhead, linklayer: linklayer_field, ..SizeSpec::default() };
            return Ok(Self { spec, data: None });
        }
        let mtu = if mtu == 0 { 2047 } else { mtu };
        let tsize = if tsize == 0 { 512 } else { tsize };
        if tsize > Self::MAX_ENTRIES {
            return Err(UnitError::out_of_range("tsize", &tsize.to_string(), "1 to 32748 entries"));
        }
        let cell_log = cell_log_for(mtu, tsize - 1);
        let sizes = || (1..=tsize).map(|count| linklayer.adjust(cells(count, cell_log), mpu));
        let greatest = sizes().max().unwrap_or(0);
        let size_log = (u32::BITS - greatest.leading_zeros()).saturating_sub(u16::BITS) as u8;
        let spec = SizeSpec {
            cell_log,
            size_log,
            cell_align: -1,
            overhead,
            linklayer: linklayer_field,
            mpu,
            mtu,
            tsize,
        };
        let data = sizes().map(|size| (size >> size_log) as u16).collect();
        Ok(Self { spec, data: Some(data) })
    }

    /// Writes the payload of `TCA_STAB`.
    pub fn encode(&self, w: &mut AttrWriter<'_>) {
        w.bytes(TCA_STAB_BASE, &self.spec.to_bytes());
        if let Some(data) = &self.data {
            let bytes: Vec<u8> = data.iter().flat_map(|entry| entry.to_ne_bytes()).collect();
            w.bytes(TCA_STAB_DATA, &bytes);
        }
    }

    /// Reads the payload of `TCA_STAB`.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut table = Self::default();
        for attr in Attrs::new(payload) {
            match attr.ty() {
                TCA_STAB_BASE => {
                    table.spec = SizeSpec::read(&mut Reader::new("tc_sizespec", attr.payload()))
                        .map_err(|e| e.inside(TCA_STAB_BASE))?;
                }
                TCA_STAB_DATA => {
                    let entries = attr.payload().chunks_exact(2);
                    let entries =
                        entries.filter_map(|e| Some(u16::from_ne_bytes(e.try_into().ok()?)));
                    table.data = Some(entries.collect());
                }
                _ => {}
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ATM: StabParams =
        StabParams { overhead: 0, linklayer: LinkLayer::ATM, mpu: 0, mtu: 0, tsize: 0 };
    const NONE: StabParams = StabParams { linklayer: LinkLayer::UNSPEC, ..ATM };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn params(words: &str) -> StabParams {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut params = NONE;
        for pair in words.chunks(2) {
            match pair {
                ["linklayer", name] => params.linklayer = LinkLayer::parse(name).unwrap(),
                ["overhead", bytes] => params.overhead = bytes.parse().unwrap(),
                ["mpu", bytes] => params.mpu = bytes.parse().unwrap(),
                ["mtu", bytes] => params.mtu = bytes.parse().unwrap(),
                ["tsize", entries] => params.tsize = entries.parse().unwrap(),
                _ => panic!("{pair:?}"),
            }
        }
        params
    }

    // tc 7.3: `qdisc add dev lo root stab WORDS… pfifo_fast`. Columns: the words, the structure's bytes,
    // the first entries, the last and a checksum over all: s = 31 s + entry modulo 2^32.
    const TABLES: &str = "
        linklayer atm | 0200ffff000000000200000000000000ff07000000020000 | 53 53 53 | 2279 9d8691c0
        mtu 9000 linklayer atm overhead -20 | 0500ffffecffffff02000000000000002823000000020000 | 53 106 106 | 18126 28687927
        tsize 128 mtu 1500 linklayer adsl mpu 64 | 0400ffff000000000200000040000000dc05000080000000 | 106 106 106 | 2279 4b3bcbc4
        mpu 64 | 0200ffff000000000000000040000000ff07000000020000 | 64 64 64 | 2048 72f63fe0
        mtu 65536 linklayer atm | 0802ffff0000000002000000000000000000010000020000 | 79 145 212 | 36185 83a57dc6
        mtu 4294967295 linklayer atm | 1710ffff000000000200000000000000ffffffff00020000 | 141 282 424 | 0 c223fbeb
        mpu 4294967295 linklayer atm | 020dffff0000000002000000ffffffffff07000000020000 | 54613 54613 54613 | 54613 74bea000
        mpu 100000 linklayer atm | 0201ffff0000000002000000a0860100ff07000000020000 | 55226 55226 55226 | 55226 5f5f4000
        tsize 1 linklayer atm | 0b00ffff000000000200000000000000ff07000001000000 | 2279 | 2279 8e7
        tsize 3 linklayer atm | 0a00ffff000000000200000000000000ff07000003000000 | 1166 2279 3392 | 3392 123a47
        tsize 16384 linklayer atm | 0000ffff000000000200000000000000ff07000000400000 | 53 53 53 | 18126 a0eb4700
        tsize 30000 linklayer atm | 0000ffff000000000200000000000000ff07000030750000 | 53 53 53 | 33125 f0b95700
        mtu 2147483648 tsize 7 mpu 9 | 1d10ffff0000000000000000090000000000008007000000 | 8192 16384 24576 | 57344 83008000
        tsize 100 mtu 1000 linklayer ethernet mpu 64 | 0400ffff000000000100000040000000e803000064000000 | 64 64 64 | 1600 b2b5f300
        mtu 1 mpu 1 | 0000ffff0000000000000000010000000100000000020000 | 1 2 3 | 512 68c22100
        tsize 512 mpu 65536 | 0201ffff000000000000000000000100ff07000000020000 | 32768 32768 32768 | 32768 10000000
    ";

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_of_tc() {
        for line in TABLES.lines().filter(|line| !line.trim().is_empty()) {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let [words, bytes, first, end] = columns[..] else { panic!("{line}") };
            let table = SizeTable::compute(params(words)).unwrap();
            assert_eq!(hex(&table.spec.to_bytes()), bytes, "{line}");
            let data = table.data.unwrap();
            assert_eq!(data.len(), table.spec.tsize as usize, "{line}");
            let first: Vec<u16> = first.split(' ').map(|word| word.parse().unwrap()).collect();
            assert_eq!(data[..first.len()], first, "{line}");
            let sum =
                data.iter().fold(0u32, |sum, e| sum.wrapping_mul(31).wrapping_add(u32::from(*e)));
            assert_eq!(format!("{} {sum:x}", data[data.len() - 1]), end, "{line}");
        }
    }

    // tc 7.3: `stab overhead 20`, `stab linklayer ethernet overhead -4 mtu 1500`: no table, no MTU.
    #[test]
    #[cfg(target_endian = "little")]
    fn an_overhead_needs_no_table() {
        for (words, spec) in [
            ("overhead 20", "000000001400000000000000000000000000000000000000"),
            (
                "linklayer ethernet overhead -4 mtu 1500",
                "00000000fcffffff01000000000000000000000000000000",
            ),
            (
                "tsize 4294967295 linklayer ethernet",
                "000000000000000001000000000000000000000000000000",
            ),
        ] {
            let table = SizeTable::compute(params(words)).unwrap();
            assert_eq!((hex(&table.spec.to_bytes()).as_str(), &table.data), (spec, &None));
        }
    }

    // tc 7.3 crashes at `stab tsize 4294967294 linklayer atm`, and sends an attribute that claims 28
    // bytes at `stab tsize 32766 linklayer atm`.
    #[test]
    fn tables_that_fit_no_attribute_are_refused() {
        for tsize in [SizeTable::MAX_ENTRIES + 1, 65535, u32::MAX - 1, u32::MAX] {
            assert!(SizeTable::compute(StabParams { tsize, ..ATM }).is_err());
        }
        let params = StabParams { tsize: SizeTable::MAX_ENTRIES, ..ATM };
        let table = SizeTable::compute(params).unwrap();
        let mut buf = Vec::new();
        let mut w = AttrWriter::new(&mut buf);
        w.nest(8, |w| table.encode(w));
        assert_eq!(w.finish(), Ok(()));
        assert_eq!(SizeTable::decode(&buf[4..]), Ok(table));
    }

    #[test]
    fn what_the_kernel_dumps_has_no_entries() {
        let table = SizeTable { data: None, ..SizeTable::compute(ATM).unwrap() };
        let mut buf = Vec::new();
        table.encode(&mut AttrWriter::new(&mut buf));
        assert_eq!(buf.len(), 4 + SizeSpec::LEN);
        assert_eq!(SizeTable::decode(&buf), Ok(table));
        assert!(SizeTable::decode(&[8, 0, 1, 0, 0, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(
            overhead: i32, layer: u8, mpu: u32, mtu: u32, tsize in 0u32..2000, bytes: Vec<u8>,
        ) {
            let linklayer = LinkLayer(layer % 4);
            let table = SizeTable::compute(StabParams { overhead, linklayer, mpu, mtu, tsize }).unwrap();
            let mut buf = Vec::new();
            table.encode(&mut AttrWriter::new(&mut buf));
            prop_assert_eq!(SizeTable::decode(&buf), Ok(table));
            let _ = SizeTable::decode(&bytes);
        }
    }
}
