//! Kinds of qdiscs, a file each.

mod bfifo;
mod clsact;
mod htb;
mod ingress;
mod mq;
mod noqueue;
mod pfifo;
mod pfifo_fast;
mod pfifo_head_drop;

pub use bfifo::Bfifo;
pub use clsact::Clsact;
pub use htb::{Htb, HtbClass, HtbInit, HtbXstats};
pub use ingress::Ingress;
pub use mq::Mq;
pub use noqueue::Noqueue;
pub use pfifo::Pfifo;
pub use pfifo_fast::{Bands, PfifoFast};
pub use pfifo_head_drop::PfifoHeadDrop;
