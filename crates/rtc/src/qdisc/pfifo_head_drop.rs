//! `pfifo_head_drop`: words and output. Wire format: [`tc_proto::qdisc::PfifoHeadDrop`].

use tc_proto::qdisc::PfifoHeadDrop as Wire;
use tc_proto::{DecodeError, Kind};

use super::fifo;
use crate::args::Args;
use crate::error::Error;
use crate::kinds::{Pending, Plain, QdiscKind, Show};
use crate::out::Out;

/// The kind `pfifo_head_drop`.
#[derive(Debug)]
pub struct PfifoHeadDrop;

impl QdiscKind for PfifoHeadDrop {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        "Usage: ... pfifo_head_drop [ limit PACKETS ]"
    }

    fn words(&self) -> &'static [&'static str] {
        &["limit"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        let limit = fifo::parse_limit(args, self.name(), self.usage());
        Some(limit.map(|limit_pkts| Box::new(Plain(Wire { limit_pkts })) as _))
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        if let Some(limit) = Wire::decode(options)?.limit_pkts {
            out.field("limit", limit, format_args!("limit {limit}p"));
        }
        Ok(())
    }
}
