//! SHA-1 (RFC 3174), which names the directory of an object's own pins. Nothing here relies on it being secure.

/// The hash in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut blocks = bytes.chunks_exact(64);
    for block in &mut blocks {
        absorb(&mut state, block);
    }
    let mut tail = blocks.remainder().to_vec();
    tail.push(0x80);
    while tail.len() % 64 != 56 {
        tail.push(0);
    }
    tail.extend((bytes.len() as u64 * 8).to_be_bytes());
    tail.chunks_exact(64).for_each(|block| absorb(&mut state, block));
    let [first, second, third, fourth, fifth] = state;
    format!("{first:08x}{second:08x}{third:08x}{fourth:08x}{fifth:08x}")
}

fn absorb(state: &mut [u32; 5], block: &[u8]) {
    let mut words: Vec<u32> = block
        .chunks_exact(4)
        .map(|w| w.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
        .collect();
    for t in 16..80 {
        let back = |n: usize| words.get(t - n).copied().unwrap_or(0);
        words.push((back(3) ^ back(8) ^ back(14) ^ back(16)).rotate_left(1));
    }
    let mut now = *state;
    for (round, word) in words.iter().enumerate() {
        let [first, b, c, d, last] = now;
        let (mixed, constant) = match round {
            0..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6u32),
        };
        let sum = [mixed, last, constant, *word]
            .into_iter()
            .fold(first.rotate_left(5), u32::wrapping_add);
        now = [sum, first, b.rotate_left(30), c, d];
    }
    for (old, new) in state.iter_mut().zip(now) {
        *old = old.wrapping_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::hex;

    /// From RFC 3174, and of nothing.
    #[test]
    fn known_hashes() {
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        );
        assert_eq!(
            hex(&b"0123456701234567".repeat(40)),
            "dea356a2cddd90c7a7ecedc5ebb563934f460452"
        );
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
