//! `prio`: bands served in order of priority, each a class with a qdisc of its own.
//!
//! Kernel: uapi/linux/pkt_sched.h `struct tc_prio_qopt`, `TCA_PRIO_MQ`, net/sched/sch_prio.c; since
//! 2.2. Payload: the structure, then in requests a nest that is empty today.

use super::Bands;
use crate::error::DecodeError;
use crate::kind::{Kind, Qdisc};
use crate::wire::{AttrWriter, Attrs, Reader};

/// The nest behind the structure has the type of the attribute around it.
const TCA_OPTIONS: u16 = 2;
const TCA_PRIO_MQ: u16 = 1;

/// Options of a `prio` qdisc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prio {
    /// Number of bands, 2 to 16, and the band of each priority. The kernel insists on it.
    #[doc(alias = "tc_prio_qopt")]
    pub bands: Option<Bands>,
    /// A band for each queue of the device. Gone since Linux 2.6.27, ignored; see
    /// [`Multiq`](super::Multiq).
    #[doc(alias = "TCA_PRIO_MQ")]
    pub multiqueue: bool,
}

impl Bands {
    /// What tc sends when nothing is said: three bands, as `pfifo_fast` has them.
    #[doc(alias = "TC_PRIO_MAX")]
    pub const DEFAULT: Self =
        Self { count: 3, priomap: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] };
}

impl Kind for Prio {
    const NAME: &'static str = "prio";

    fn encode(&self, w: &mut AttrWriter<'_>) {
        if let Some(bands) = &self.bands {
            w.structure(&bands.count.to_ne_bytes()).structure(&bands.priomap);
            w.nest(TCA_OPTIONS, |w| {
                if self.multiqueue {
                    w.flag(TCA_PRIO_MQ);
                }
            });
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let mut r = Reader::new("tc_prio_qopt", payload);
        let bands = Bands { count: r.i32()?, priomap: r.array()? };
        let nest = Attrs::new(r.rest()).find(TCA_OPTIONS);
        let multiqueue = nest.is_some_and(|nest| nest.nested().find(TCA_PRIO_MQ).is_some());
        Ok(Self { bands: Some(bands), multiqueue })
    }
}

impl Qdisc for Prio {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    // tc 7.3: `qdisc add dev v0 root prio` and `… multiqueue`.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_structure_goes_before_a_nest() {
        let map = [3, 0, 0, 0, 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
        for (multiqueue, nest) in [(false, &[4, 0, 2, 0][..]), (true, &[8, 0, 2, 0, 4, 0, 1, 0])] {
            let prio = Prio { bands: Some(Bands::DEFAULT), multiqueue };
            let options = Options::of(&prio).unwrap();
            assert_eq!(options.bytes(), [&map[..], nest].concat());
            assert_eq!(options.decode::<Prio>(), Some(Ok(prio)));
        }
    }
}
