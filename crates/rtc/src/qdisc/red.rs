//! What RED is told: logarithms in place of the burst and of the probability.
//!
//! The average queue moves by a part W = 2^-log towards each new length. W follows from the burst
//! that is to pass without a mark: Floyd and Jacobson, "Random Early Detection Gateways", 1993.

/// A burst that is too small for RED to mark anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BurstTooSmall {
    /// The least burst, in packets.
    pub(super) least_pkts: u32,
}

/// The negated logarithm of the average's weight. `None`: no weight does.
pub(super) fn ewma_log(
    min_bytes: u32,
    burst_pkts: u32,
    avpkt_bytes: u32,
) -> Result<Option<u8>, BurstTooSmall> {
    let burst = f64::from(burst_pkts);
    let above = burst + 1.0 - f64::from(min_bytes) / f64::from(avpkt_bytes);
    if above < 1.0 {
        let least_pkts = min_bytes.checked_div(avpkt_bytes).unwrap_or(0).saturating_add(1);
        return Err(BurstTooSmall { least_pkts });
    }
    Ok((1..32u8).find(|log| {
        let weight = 0.5f64.powi((*log).into());
        above <= (1.0 - (1.0 - weight).powf(burst)) / weight
    }))
}

/// The negated logarithm of `probability` over the bytes from `min` to `max`, which is greater.
pub(super) fn prob_log(min_bytes: u32, max_bytes: u32, probability: f64) -> Option<u8> {
    let step = probability / f64::from(max_bytes.saturating_sub(min_bytes));
    (0..32u8).find(|log| step * 2f64.powi((*log).into()) > 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3: `sfq redflowlimit 100000 min MIN max 60000 burst BURST avpkt AVPKT`.
    #[test]
    fn weights() {
        for (min, burst, avpkt, log) in [
            (8000, 25, 1000, Ok(Some(6))),
            (8000, 20, 1000, Ok(Some(5))),
            (8000, 12, 2000, Ok(Some(5))),
            (8333, 13, 1000, Ok(Some(3))),
            (1000, 9, 1000, Ok(Some(30))),
            (8333, 1000, 1000, Ok(Some(17))),
            (8333, 10_000, 1000, Ok(Some(23))),
            (0, 0, 1000, Ok(None)),
            (8000, 1, 1000, Err(BurstTooSmall { least_pkts: 9 })),
            (59_999, 59, 1000, Err(BurstTooSmall { least_pkts: 60 })),
        ] {
            assert_eq!(ewma_log(min, burst, avpkt), log, "{min} {burst} {avpkt}");
        }
    }

    // tc 7.3: `sfq redflowlimit 100000 probability P`.
    #[test]
    fn probabilities() {
        for (min, max, probability, log) in [
            (8333, 25_000, 0.02, Some(20)),
            (8000, 60_000, 0.2, Some(18)),
            (8333, 25_000, 1.0, Some(15)),
            (8333, 25_000, 0.5, Some(16)),
            (8333, 25_000, 0.0, None),
            (8333, 25_000, -0.5, None),
        ] {
            assert_eq!(prob_log(min, max, probability), log, "{min} {max} {probability}");
        }
    }
}
