//! `pfifo_fast`: output; it takes no words. Wire format: [`tc_proto::qdisc::PfifoFast`].

use tc_proto::qdisc::PfifoFast as Wire;
use tc_proto::{DecodeError, Kind};

use crate::args::Args;
use crate::error::Error;
use crate::kinds::{Pending, QdiscKind, Show};
use crate::out::Out;

/// The kind `pfifo_fast`.
#[derive(Debug)]
pub struct PfifoFast;

impl QdiscKind for PfifoFast {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        args.peek().map(|_| {
            let line = "qdisc 'pfifo_fast' does not support option parsing";
            Err(Error::invalid(line))
        })
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let Some(bands) = Wire::decode(options)?.bands else { return Ok(()) };
        out.field("bands", bands.count, format_args!("bands {} priomap", bands.count));
        out.array("priomap", |out| {
            for band in bands.priomap {
                out.element(band, format_args!(" {band}"));
            }
        });
        out.json("multiqueue", false);
        Ok(())
    }
}
