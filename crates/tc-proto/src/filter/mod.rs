//! Kinds of filters (classifiers), a file each.

pub mod bpf;

pub use bpf::Bpf;
