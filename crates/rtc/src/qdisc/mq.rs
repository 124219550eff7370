//! `mq`: output; it takes no words. Wire format: [`tc_proto::qdisc::Mq`].

use tc_proto::Kind;
use tc_proto::qdisc::Mq as Wire;

use crate::kinds::QdiscKind;

/// The kind `mq`.
#[derive(Debug)]
pub struct Mq;

impl QdiscKind for Mq {
    fn name(&self) -> &'static str {
        Wire::NAME
    }
}
