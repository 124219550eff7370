//! `clsact`: words and output. Wire format: [`tc_proto::qdisc::Clsact`].

use tc_proto::Kind;
use tc_proto::qdisc::Clsact as Wire;

use crate::args::Args;
use crate::error::Error;
use crate::kinds::{Pending, Plain, QdiscKind};

/// The kind `clsact`.
#[derive(Debug)]
pub struct Clsact;

impl QdiscKind for Clsact {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        "Usage: ... clsact"
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(match args.word() {
            Ok(None) => Ok(Box::new(Plain(Wire::default()))),
            Ok(Some(other)) => {
                let line = format!("What is \"{other}\"?\n{}", self.usage());
                Err(Error::refused(line))
            }
            Err(e) => Err(e),
        })
    }
}
