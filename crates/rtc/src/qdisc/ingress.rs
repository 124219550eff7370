//! `ingress`: words and output. Wire format: [`tc_proto::qdisc::Ingress`].

use tc_proto::qdisc::Ingress as Wire;
use tc_proto::{DecodeError, Kind};

use crate::args::Args;
use crate::error::Error;
use crate::kinds::{Pending, Plain, QdiscKind, Show};
use crate::out::Out;

/// The kind `ingress`.
#[derive(Debug)]
pub struct Ingress;

impl QdiscKind for Ingress {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        "Usage: ... ingress"
    }

    fn words(&self) -> &'static [&'static str] {
        &["handle"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse(args, self.usage()))
    }

    fn print(&self, _: &[u8], _: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
        out.text(format_args!("---------------- "));
        Ok(())
    }
}

/// Takes a handle for the sake of old scripts: the qdisc's handle is always `ffff:`.
fn parse(args: &mut Args<'_>, usage: &str) -> Result<Box<dyn Pending>, Error> {
    while let Some(word) = args.word()? {
        if word != "handle" {
            return Err(Error::refused(format_args!("What is \"{word}\"?\n{usage}")));
        }
        args.value()?;
    }
    Ok(Box::new(Plain(Wire::default())))
}
