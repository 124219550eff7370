//! `noqueue`: output; it takes no words. Wire format: [`tc_proto::qdisc::Noqueue`].

use tc_proto::Kind;
use tc_proto::qdisc::Noqueue as Wire;

use crate::kinds::QdiscKind;

/// The kind `noqueue`.
#[derive(Debug)]
pub struct Noqueue;

impl QdiscKind for Noqueue {
    fn name(&self) -> &'static str {
        Wire::NAME
    }
}
