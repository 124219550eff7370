//! gzip, as `/proc/config.gz` has it: RFC 1952 around RFC 1951, reading only.

/// Longest code of an alphabet.
const MAX_BITS: usize = 15;

const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The order in which the lengths of the code for lengths are stored.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Unpacks a gzip file of at most `max` bytes; `None` if it is damaged or has more.
pub(super) fn gunzip(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    let [0x1f, 0x8b, 8, flags, ..] = bytes else { return None };
    let mut rest = bytes.get(10..)?;
    if flags & 4 != 0 {
        let [low, high, ..] = rest else { return None };
        rest = rest.get(2 + usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    // Name and comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(rest.iter().position(|b| *b == 0)? + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    inflate(rest, max)
}

fn inflate(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, held: 0, count: 0 };
    let mut out = Vec::new();
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out, max)?,
            1 => {
                let mut lengths = [8u8; 288];
                lengths.get_mut(144..256)?.fill(9);
                lengths.get_mut(256..280)?.fill(7);
                block(&mut bits, &Code::new(&lengths)?, &Code::new(&[5; 30])?, &mut out, max)?;
            }
            2 => {
                let (literals, distances) = codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut out, max)?;
            }
            _ => return None,
        }
        if last {
            return Some(out);
        }
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>, max: usize) -> Option<()> {
    // The rest of the byte is skipped; whole bytes that are held already are given back.
    bits.take(bits.count % 8)?;
    let len = bits.take(16)?;
    if bits.take(16)? != len ^ 0xffff {
        return None;
    }
    for _ in 0..len {
        if out.len() >= max {
            return None;
        }
        out.push(bits.take(8)? as u8);
    }
    Some(())
}

/// Reads the two codes of a block that brings its own.
fn codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let count = bits.take(4)? as usize + 4;
    let mut lengths = [0u8; 19];
    for at in ORDER.iter().take(count) {
        *lengths.get_mut(*at)? = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let (value, times) = match code.read(bits)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times as usize));
    }
    if lengths.len() != literals + distances {
        return None;
    }
    let (literals, distances) = lengths.split_at_checked(literals)?;
    Some((Code::new(literals)?, Code::new(distances)?))
}

fn block(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    out: &mut Vec<u8>,
    max: usize,
) -> Option<()> {
    loop {
        let symbol = literals.read(bits)?;
        match symbol {
            0..=255 => {
                if out.len() >= max {
                    return None;
                }
                out.push(symbol as u8);
            }
            256 => return Some(()),
            _ => {
                let (base, extra) = *LENGTHS.get(usize::from(symbol) - 257)?;
                let length = usize::from(base) + bits.take(u32::from(extra))? as usize;
                let symbol = u32::from(distances.read(bits)?);
                let distance = match symbol {
                    0..=3 => symbol + 1,
                    4..=29 => {
                        let extra = symbol / 2 - 1;
                        (2 + symbol % 2) * (1 << extra) + 1 + bits.take(extra)?
                    }
                    _ => return None,
                };
                if out.len() + length > max {
                    return None;
                }
                let start = out.len().checked_sub(distance as usize)?;
                for at in start..start + length {
                    out.push(*out.get(at)?);
                }
            }
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// The next bits, at most 16, the first one lowest.
    fn take(&mut self, n: u32) -> Option<u32> {
        while self.count < n {
            let (first, rest) = self.bytes.split_first()?;
            self.held |= u64::from(*first) << self.count;
            self.count += 8;
            self.bytes = rest;
        }
        let value = self.held & ((1 << n) - 1);
        self.held >>= n;
        self.count -= n;
        Some(value as u32)
    }
}

/// A prefix code: how many codes of each length there are, and their symbols in order.
struct Code {
    counts: [u16; MAX_BITS + 1],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Option<Code> {
        let mut counts = [0u16; MAX_BITS + 1];
        for length in lengths {
            *counts.get_mut(usize::from(*length))? += 1;
        }
        let mut symbols: Vec<(u8, u16)> =
            lengths.iter().zip(0u16..).filter(|(l, _)| **l > 0).map(|(l, s)| (*l, s)).collect();
        symbols.sort_unstable();
        counts[0] = 0;
        Some(Code { counts, symbols: symbols.into_iter().map(|(_, s)| s).collect() })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (mut code, mut first, mut index) = (0i32, 0i32, 0i32);
        for count in self.counts.iter().skip(1) {
            let count = i32::from(*count);
            code |= bits.take(1)? as i32;
            if code - first < count {
                return self.symbols.get((index + code - first) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::gunzip;

    /// `printf 'CONFIG_BPF=y\n' | gzip -9n`: a block with the fixed code.
    const FIXED: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x73, 0xf6, 0xf7, 0x73, 0xf3,
        0x74, 0x8f, 0x77, 0x0a, 0x70, 0xb3, 0xad, 0xe4, 0x02, 0x00, 0xb1, 0x0f, 0xcd, 0x28, 0x0d,
        0x00, 0x00, 0x00,
    ];

    #[test]
    fn what_gzip_wrote_is_read() {
        assert_eq!(gunzip(FIXED, 100).as_deref(), Some(&b"CONFIG_BPF=y\n"[..]));
        assert_eq!(gunzip(FIXED, 12), None, "more than asked for");
    }

    /// Of this kernel's configuration, which has blocks with codes of their own.
    #[test]
    fn the_configuration_of_this_kernel_is_read() {
        let Ok(packed) = std::fs::read("/proc/config.gz") else {
            println!("skipped: this kernel has no /proc/config.gz");
            return;
        };
        let text = gunzip(&packed, 16 << 20).unwrap();
        // The last word of a gzip file is the number of bytes it unpacks to.
        let size = u32::from_le_bytes(packed[packed.len() - 4..].try_into().unwrap());
        assert_eq!(text.len() as u32, size);
        assert!(String::from_utf8(text).unwrap().contains("\nCONFIG_BPF=y\n"));
    }

    #[test]
    fn damage_is_no_trouble() {
        for end in 0..FIXED.len() - 8 {
            assert_eq!(gunzip(&FIXED[..end], 100), None, "{end}");
        }
        for at in 0..FIXED.len() {
            for bit in 0..8 {
                let mut bytes = FIXED.to_vec();
                bytes[at] ^= 1 << bit;
                assert!(gunzip(&bytes, 1000).is_none_or(|out| out.len() <= 1000));
            }
        }
    }
}
