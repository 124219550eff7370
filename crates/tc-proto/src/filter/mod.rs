//! Kinds of filters (classifiers), a file each.

pub mod basic;
pub mod bpf;
pub mod fw;
pub mod matchall;
mod offload;
pub mod u32;

pub use basic::Basic;
pub use bpf::Bpf;
pub use fw::Fw;
pub use matchall::Matchall;
pub use offload::OffloadFlags;
pub use u32::U32;
