//! Kinds of qdiscs: words and output, a file each.

pub mod bfifo;
pub mod clsact;
mod fifo;
pub mod htb;
pub mod ingress;
pub mod mq;
pub mod noqueue;
pub mod pfifo;
pub mod pfifo_fast;
pub mod pfifo_head_drop;
mod rate;
