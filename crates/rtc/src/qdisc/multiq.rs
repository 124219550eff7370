//! `multiq`: words and output. Wire format: [`tc_proto::qdisc::Multiq`].

use tc_proto::qdisc::Multiq as Wire;
use tc_proto::{DecodeError, Kind};

use super::words::no_words;
use crate::args::Args;
use crate::error::Error;
use crate::kinds::{Pending, QdiscKind, Show};
use crate::out::Out;

/// The kind `multiq`.
#[derive(Debug)]
pub struct Multiq;

impl QdiscKind for Multiq {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        "Usage: ... multiq"
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(no_words(args, self.usage(), Wire::default()))
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let Some(bands) = Wire::decode(options)?.bands else { return Ok(()) };
        out.field("bands", bands.count, format_args!("bands {}", bands.count));
        out.field("max_bands", bands.max, format_args!("/{} ", bands.max));
        Ok(())
    }
}
