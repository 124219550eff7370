//! Kinds of filters: words and output, a file each.

pub mod bpf;
mod bpf_source;
