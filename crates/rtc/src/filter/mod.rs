//! Kinds of filters: words and output, a file each.

pub mod bpf;
pub(crate) mod bpf_source;
