//! `prio`: words and output. Wire format: [`tc_proto::qdisc::Prio`].

use tc_proto::qdisc::{Bands, Prio as Wire};
use tc_proto::units::{Base, parse_i32, parse_u32};
use tc_proto::{DecodeError, EncodeError, Kind, Options};

use super::words::{unknown, value};
use crate::args::Args;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{Pending, QdiscKind, Resolved, Show, Target};
use crate::out::Out;

/// The kind `prio`.
#[derive(Debug)]
pub struct Prio;

const USAGE: &str = "\
Usage: ... prio [ bands N ] [ multiqueue ] [ priomap BAND... ]

bands       number of bands (3)
priomap     the band of packets of priority 0, 1, ..., up to 15; it comes last
multiqueue  ignored by the kernel; see multiq
";

impl QdiscKind for Prio {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["bands", "priomap", "multiqueue"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse(args).map(|words| Box::new(words) as _))
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let prio = Wire::decode(options)?;
        let Some(bands) = &prio.bands else { return Ok(()) };
        out.field("bands", bands.count, format_args!("bands {} priomap", bands.count));
        out.array("priomap", |out| {
            for band in bands.priomap {
                out.element(band, format_args!(" {band}"));
            }
        });
        let text = if prio.multiqueue { " multiqueue: on " } else { "" };
        out.field("multiqueue", prio.multiqueue, format_args!("{text}"));
        Ok(())
    }
}

/// The options, and the usage when a word stood where it makes little sense.
struct Words {
    wire: Wire,
    notes: String,
}

fn parse(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut notes = String::new();
    match read(args, &mut notes) {
        Ok(wire) => Ok(Words { wire, notes }),
        Err(e) if notes.is_empty() => Err(e),
        Err(e) => Err(e.after(notes.trim_end())),
    }
}

fn read(args: &mut Args<'_>, notes: &mut String) -> Result<Wire, Error> {
    let mut bands = Bands::DEFAULT;
    let mut multiqueue = false;
    // How many bands of the map are known; `None`: it has not begun.
    let mut mapped = None;
    while let Some(word) = args.word()? {
        match (word, &mut mapped) {
            ("bands", _) => {
                if mapped.is_some() {
                    notes.push_str(USAGE);
                }
                bands.count = value(args, "bands", "", |w| parse_i32(w, Base::Ten))?;
            }
            ("priomap", None) => mapped = Some(0),
            ("priomap", Some(_)) => {
                return Err(Error::refused("Error: duplicate priomap").at(args.last()));
            }
            ("multiqueue", _) => multiqueue = true,
            ("help", _) => return Err(Error::refused(USAGE)),
            (other, None) => return Err(unknown(args, other, USAGE)),
            (number, Some(at)) => {
                let band = parse_u32(number, Base::Ten).map_err(|e| {
                    let line = "Illegal \"priomap\" element";
                    Error::refused(line).at(args.last()).hint(e.to_string())
                })?;
                let Some(slot) = bands.priomap.get_mut(*at) else {
                    let line = "\"priomap\" index > TC_PRIO_MAX=15";
                    return Err(Error::refused(line).at(args.last()));
                };
                *slot = match u8::try_from(band) {
                    Ok(fits) if i64::from(band) < i64::from(bands.count) => fits,
                    _ => {
                        let line = "\"priomap\" element is out of bands";
                        return Err(Error::refused(line).at(args.last()).hint(format!(
                            "there are {} bands, 0 to {}",
                            bands.count,
                            bands.count.saturating_sub(1)
                        )));
                    }
                };
                *at += 1;
            }
        }
    }
    Ok(Wire { bands: Some(bands), multiqueue })
}

impl Pending for Words {
    fn resolve(self: Box<Self>, _: &mut dyn Env, _: &Target) -> Result<Box<dyn Resolved>, Error> {
        Ok(self)
    }
}

impl Resolved for Words {
    fn options(&self) -> Result<Options<'_>, EncodeError> {
        Options::of(&self.wire)
    }

    fn notes(&self) -> &str {
        &self.notes
    }
}
