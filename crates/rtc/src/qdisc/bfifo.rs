//! `bfifo`: words and output. Wire format: [`tc_proto::qdisc::Bfifo`].

use tc_proto::qdisc::Bfifo as Wire;
use tc_proto::units::Size;
use tc_proto::{DecodeError, Kind};

use super::fifo;
use crate::args::Args;
use crate::error::Error;
use crate::kinds::{Pending, Plain, QdiscKind, Show};
use crate::out::Out;

/// The kind `bfifo`.
#[derive(Debug)]
pub struct Bfifo;

impl QdiscKind for Bfifo {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        "Usage: ... bfifo [ limit BYTES ]"
    }

    fn words(&self) -> &'static [&'static str] {
        &["limit"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        let limit = fifo::parse_limit(args, self.name(), self.usage());
        Some(limit.map(|limit_bytes| Box::new(Plain(Wire { limit_bytes })) as _))
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        if let Some(limit) = Wire::decode(options)?.limit_bytes {
            out.field("limit", limit, format_args!("limit {}", Size(limit.into())));
        }
        Ok(())
    }
}
