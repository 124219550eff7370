//! Kinds of qdiscs, a file each.

mod bfifo;
mod clsact;
mod drr;
pub mod fq_codel;
pub mod htb;
mod ingress;
mod mq;
mod multiq;
pub mod netem;
mod noqueue;
mod pfifo;
mod pfifo_fast;
mod pfifo_head_drop;
mod prio;
mod sfq;
pub mod tbf;

pub use bfifo::Bfifo;
pub use clsact::Clsact;
pub use drr::{Drr, DrrClass, DrrXstats};
pub use fq_codel::{FqCodel, FqCodelClassXstats, FqCodelQdiscXstats, FqCodelXstats};
pub use htb::{Htb, HtbClass, HtbInit, HtbXstats};
pub use ingress::Ingress;
pub use mq::Mq;
pub use multiq::{Multiq, MultiqBands};
pub use netem::{
    Netem, NetemChance, NetemCorrelation, NetemGemodel, NetemLoss, NetemParms, NetemRate,
    NetemSlot, NetemState, NetemXstats,
};
pub use noqueue::Noqueue;
pub use pfifo::Pfifo;
pub use pfifo_fast::{Bands, PfifoFast};
pub use pfifo_head_drop::PfifoHeadDrop;
pub use prio::Prio;
pub use sfq::{Sfq, SfqParms, SfqRedStats, SfqV1, SfqXstats};
pub use tbf::{Tbf, TbfParms};
