//! Kinds of qdiscs: words and output, a file each.

pub mod bfifo;
pub mod clsact;
pub mod drr;
mod fifo;
pub mod fq_codel;
pub mod htb;
pub mod ingress;
pub mod mq;
pub mod multiq;
pub mod netem;
pub mod noqueue;
pub mod pfifo;
pub mod pfifo_fast;
pub mod pfifo_head_drop;
pub mod prio;
mod red;
pub mod sfq;
pub mod tbf;
pub(crate) mod words;
