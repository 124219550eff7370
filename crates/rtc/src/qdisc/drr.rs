//! `drr`: words and output of the qdisc and its classes. Wire format: [`tc_proto::qdisc::Drr`].

use tc_proto::qdisc::{Drr as Wire, DrrClass, DrrXstats};
use tc_proto::units::Size;
use tc_proto::{DecodeError, Kind};

use super::words::{no_words, unknown, value};
use crate::args::Args;
use crate::error::Error;
use crate::kinds::{ClassKind, Pending, Plain, QdiscKind, Show};
use crate::out::Out;

/// The kind `drr`.
#[derive(Debug)]
pub struct Drr;

const USAGE: &str = "\
Usage: ... qdisc add ... drr
       ... class add ... drr [ quantum BYTES ]

quantum   what the class sends in one turn (the device's MTU)
";

impl QdiscKind for Drr {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(no_words(args, USAGE, Wire::default()))
    }

    fn class(&self) -> Option<&dyn ClassKind> {
        Some(self)
    }
}

impl ClassKind for Drr {
    fn words(&self) -> &'static [&'static str] {
        &["quantum"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse(args).map(|class| Box::new(Plain(class)) as _))
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        if let Some(quantum) = DrrClass::decode(options)?.quantum_bytes {
            out.field("quantum", quantum, format_args!("quantum {} ", Size(quantum.into())));
        }
        Ok(())
    }

    fn print_xstats(
        &self,
        xstats: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        let deficit = DrrXstats::decode(xstats)?.deficit_bytes;
        out.field("deficit", deficit, format_args!(" deficit {} ", Size(deficit.into())));
        Ok(true)
    }
}

fn parse(args: &mut Args<'_>) -> Result<DrrClass, Error> {
    let mut class = DrrClass::default();
    while let Some(word) = args.word()? {
        match word {
            "quantum" => {
                class.quantum_bytes = Some(value(args, "quantum", "", Size::parse_u32)?);
            }
            "help" => return Err(Error::refused(USAGE)),
            other => return Err(unknown(args, other, USAGE)),
        }
    }
    Ok(class)
}
