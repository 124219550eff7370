//! `police`: words and output, also in the old form. Wire format: [`tc_proto::action::police`].

use tc_proto::action::Control;
use tc_proto::action::police::{Police as Wire, PoliceRate};
use tc_proto::units::{
    Base, LinkLayer, Psched, Rate, RateSpec, Size, UnitError, parse_i32, parse_u16, parse_u32,
    parse_u64,
};
use tc_proto::wire::{Attrs, RawAttrs};
use tc_proto::{DecodeError, Kind, Options};

use super::{control, print};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Resolved, Show, Target};
use crate::out::Out;
use crate::qdisc::words::shown_size;

const USAGE: &str = "\
Usage: ... police [ rate RATE burst BYTES[/CELL] ] [ pkts_rate N pkts_burst PACKETS ]
          [ mtu BYTES[/CELL] ] [ peakrate RATE ] [ avrate RATE ] [ mpu BYTES ] [ overhead BYTES ]
          [ linklayer TYPE ] [ VERDICT | conform-exceed EXCEED[/CONFORM] ] [ index INDEX ]

EXCEED is the verdict for packets that exceed the rate, reclassify unless given; CONFORM the one
for all others. peakrate needs mtu and rate. TYPE is ethernet, atm or adsl.
";

/// What tc says last when a filter's policer is refused.
const ILLEGAL: &str = "Illegal \"police\"";
/// What 32 bits hold.
const WIDE: &str = "less than 2^32 bytes";
/// Verdicts that need no keyword, in the order in which abbreviations are tried.
const VERDICTS: [&str; 8] =
    ["reclassify", "drop", "shot", "continue", "pass", "ok", "pipe", "goto"];

/// The kind `police`.
#[derive(Debug)]
pub struct Police;

/// What the words say.
#[derive(Debug, Default)]
pub struct Words {
    index: u32,
    rate: Option<Rate>,
    burst: Option<(u64, Option<u8>)>,
    mtu: Option<(u32, Option<u8>)>,
    mpu: Option<u16>,
    peak: Option<Rate>,
    avrate: Option<u32>,
    overhead: u16,
    linklayer: Option<LinkLayer>,
    packets_per_s: Option<u64>,
    packet_burst: Option<u64>,
    exceed: Option<Control>,
    conform: Option<Control>,
}

impl ActionKind for Police {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "rate",
            "burst",
            "mtu",
            "mpu",
            "peakrate",
            "avrate",
            "overhead",
            "linklayer",
            "pkts_rate",
            "pkts_burst",
            "conform-exceed",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(Words::parse(args)?))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        print_wire(&Wire::decode(options)?, show, out);
        Ok(())
    }
}

/// Reads the words after `police` in a filter.
pub fn parse_old(args: &mut Args<'_>) -> Result<Words, Error> {
    if args.left() == 0 {
        return Err(Error::incomplete());
    }
    Words::parse(args).map_err(refuse_old)
}

fn refuse_old(e: Error) -> Error {
    if e.ends_batch() { e } else { e.line(ILLEGAL) }
}

/// Shows a policer of the old form, which a filter has as attributes.
pub fn print_old(
    attrs: Attrs<'_>,
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) -> Result<(), DecodeError> {
    let police = Wire::decode(attrs.rest())?;
    print_wire(&police, show, out);
    Ok(())
}

impl Words {
    fn parse(args: &mut Args<'_>) -> Result<Self, Error> {
        let mut words = Self::default();
        let mut any = false;
        while let Some(word) = args.word()? {
            if !words.word(word, args)? {
                args.back();
                break;
            }
            any = true;
        }
        if !any {
            let hint = "expected rate, pkts_rate, mtu, avrate or another word of police";
            return Err(Error::refused("").at(args.next()).hint(hint));
        }
        words.check()?;
        Ok(words)
    }

    /// Takes a word and its value; `false` when it is none of ours.
    fn word(&mut self, word: &str, args: &mut Args<'_>) -> Result<bool, Error> {
        match word {
            "rate" => set(&mut self.rate, args, "rate", "rate", rate)?,
            "avrate" => set(&mut self.avrate, args, "avrate", "avrate", |word| {
                let rate = Rate::parse(word)?.0;
                let rate = u32::try_from(rate).map_err(|_| range("rate", word, WIDE))?;
                Ok((rate != 0).then_some(rate))
            })?,
            "mtu" | "minburst" => set(&mut self.mtu, args, "mtu/minburst", "mtu", |word| {
                let (size, cell) = Size::parse_with_cell(word)?;
                let size = u32::try_from(size.0).map_err(|_| range("size", word, WIDE))?;
                Ok((size != 0).then_some((size, cell)))
            })?,
            "mpu" => set(&mut self.mpu, args, "mpu", "mpu", |word| {
                let size = Size::parse_u32(word)?;
                let size = u16::try_from(size).map_err(|_| range("size", word, "0 to 65535"))?;
                Ok((size != 0).then_some(size))
            })?,
            "conform-exceed" => self.conform_exceed(args)?,
            "buffer" | "maxburst" => self.burst(args)?,
            _ if abbreviates(word, "index") => {
                self.index = value(args, "index", |word| parse_u32(word, Base::Ten))?;
            }
            _ if abbreviates(word, "burst") => self.burst(args)?,
            _ if abbreviates(word, "peakrate") => {
                set(&mut self.peak, args, "peakrate", "peakrate", rate)?;
            }
            _ if VERDICTS.iter().any(|name| abbreviates(word, name)) => {
                args.back();
                // What is wrong with a verdict is no end of a batch here.
                let verdict = control::parse_quietly(args)?;
                self.exceed = verdict.or(self.exceed);
            }
            _ if abbreviates(word, "overhead") => {
                self.overhead = value(args, "overhead", |word| parse_u16(word, Base::Ten))?;
            }
            _ if abbreviates(word, "linklayer") => {
                self.linklayer = Some(value(args, "linklayer", LinkLayer::parse)?);
            }
            _ if abbreviates(word, "pkts_rate") => {
                set(&mut self.packets_per_s, args, "pkts_rate", "pkts_rate", count)?;
            }
            _ if abbreviates(word, "pkts_burst") => {
                set(&mut self.packet_burst, args, "pkts_burst", "pkts_burst", count)?;
            }
            _ if abbreviates(word, "help") => return Err(Error::usage(USAGE)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn burst(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        let burst = |word: &str| {
            let (size, cell) = Size::parse_with_cell(word)?;
            Ok((size.0 != 0).then_some((size.0, cell)))
        };
        set(&mut self.burst, args, "buffer/burst", "buffer", burst)
    }

    /// Reads `EXCEED[/CONFORM]`. Where there is no slash, the verdict may be of several words.
    fn conform_exceed(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        let word = args.value()?;
        let number = |word: &str| parse_i32(word, Base::Ten).map(Control).ok();
        let at = args.last();
        let Some((exceed, conform)) = word.split_once('/') else {
            self.exceed = match number(word) {
                Some(number) => Some(number),
                None => {
                    args.back();
                    Some(control::parse_quietly(args)?.ok_or_else(|| {
                        Error::refused(format_args!("Bad action type {word}")).at(at)
                    })?)
                }
            };
            return Ok(());
        };
        let plain = |word: &str| {
            let hint = "expected two verdicts of one word each, as in drop/pass";
            control::plain(word)
                .or_else(|| number(word))
                .ok_or_else(|| Error::refused("").at(at.clone()).hint(hint))
        };
        self.exceed = Some(plain(exceed)?);
        self.conform = Some(plain(conform)?).filter(|conform| *conform != Control::PASS);
        Ok(())
    }

    /// Says what is missing, in tc's order.
    fn check(&self) -> Result<(), Error> {
        let rate = self.rate.is_some();
        let packets = self.packets_per_s.is_some();
        let limits = rate || packets || self.mtu.is_some() || self.avrate.is_some();
        let peak = self.peak.is_some();
        let line = if !limits && self.index == 0 {
            "'rate' or 'avrate' or 'mtu' or 'pkts_rate' MUST be specified."
        } else if rate && self.avrate.is_some() {
            return Err(Error::refused("").hint("give either rate or avrate"));
        } else if rate && self.burst.is_none() {
            "'burst' requires 'rate'."
        } else if packets && self.packet_burst.is_none() {
            "'pkts_burst' requires 'pkts_rate'."
        } else if rate && packets {
            "'rate' and 'pkts_rate' are not allowed in same action."
        } else if peak && !rate {
            "'peakrate' requires 'rate'."
        } else if peak && self.mtu.is_none() {
            "'mtu' is required, if 'peakrate' is requested."
        } else {
            return Ok(());
        };
        Err(Error::refused(line))
    }

    /// Computes times and tables.
    fn wire(&self, psched: &Psched) -> Result<Wire, Error> {
        let mtu = self.mtu.map_or(0, |(mtu, _)| mtu);
        let priced = |rate: Rate, cell_log: Option<u8>| {
            let spec = RateSpec::new(rate, mtu);
            let spec = RateSpec {
                cell_log: cell_log.unwrap_or(spec.cell_log),
                linklayer: self.linklayer.unwrap_or(LinkLayer::ETHERNET),
                overhead: self.overhead,
                mpu: self.mpu.unwrap_or(0),
                ..spec
            };
            let table = Some(Box::new(spec.rate_table(rate, psched)));
            PoliceRate { rate, spec, table }
        };
        let mut wire = Wire {
            index: self.index,
            exceed: self.exceed.unwrap_or(Control::RECLASSIFY),
            mtu_bytes: mtu,
            avrate: self.avrate,
            conform: self.conform,
            packets_per_s: self.packets_per_s,
            ..Wire::default()
        };
        if let (Some(rate), Some((burst, cell_log))) = (self.rate, self.burst) {
            wire.burst_ticks = psched.xmit_time(rate, burst);
            if wire.burst_ticks == u32::MAX {
                let hint = "the burst takes too long at this rate";
                return Err(Error::refused("POLICE: burst out of range").hint(hint));
            }
            wire.rate = Some(priced(rate, cell_log));
            let cell_log = self.mtu.and_then(|(_, cell_log)| cell_log);
            wire.peak = self.peak.map(|peak| priced(peak, cell_log));
        }
        if let (Some(rate), Some(burst)) = (self.packets_per_s, self.packet_burst) {
            wire.packet_burst_ticks = Some(psched.xmit_time(Rate(rate), burst).into());
        }
        Ok(wire)
    }

    /// The bytes of a policer of the old form.
    pub fn resolve_old(&self, env: &mut dyn Env) -> Result<RawAttrs, Error> {
        let wire = self.wire(&env.psched()).map_err(refuse_old)?;
        let options = Options::of(&wire).map_err(|e| Error::refused(e).line(ILLEGAL))?;
        Ok(RawAttrs::from_payload(options.bytes()))
    }
}

impl Pending for Words {
    fn resolve(self: Box<Self>, env: &mut dyn Env, _: &Target) -> Result<Box<dyn Resolved>, Error> {
        Ok(Box::new(Plain(self.wire(&env.psched())?)))
    }
}

/// Reads the value of a keyword that may be given once. `None` from `read`, a zero, counts as not
/// given.
fn set<T>(
    to: &mut Option<T>,
    args: &mut Args<'_>,
    name: &str,
    why: &str,
    read: impl FnOnce(&str) -> Result<Option<T>, UnitError>,
) -> Result<(), Error> {
    let word = args.value()?;
    if to.is_some() {
        return Err(Error::duplicate(name, word).at(args.last()));
    }
    *to = read(word).map_err(|e| wrong(word, why, &e, args))?;
    Ok(())
}

fn value<T>(
    args: &mut Args<'_>,
    why: &str,
    read: impl FnOnce(&str) -> Result<T, UnitError>,
) -> Result<T, Error> {
    let word = args.value()?;
    read(word).map_err(|e| wrong(word, why, &e, args))
}

fn wrong(word: &str, why: &str, e: &UnitError, args: &Args<'_>) -> Error {
    let shown = if matches!(why, "buffer" | "mtu") { shown_size(word) } else { word };
    Error::wrong(shown, why).at(args.last()).hint(e.to_string())
}

/// The error of a value that the message has no room for.
fn range(unit: &'static str, word: &str, range: &'static str) -> UnitError {
    UnitError::OutOfRange { unit, word: word.to_owned(), range }
}

fn rate(word: &str) -> Result<Option<Rate>, UnitError> {
    Rate::parse(word).map(|rate| (rate.0 != 0).then_some(rate))
}

fn count(word: &str) -> Result<Option<u64>, UnitError> {
    parse_u64(word, Base::Ten).map(|count| (count != 0).then_some(count))
}

fn print_wire(police: &Wire, show: &mut Show<'_>, out: &mut Out<'_>) {
    let psched = show.env.psched();
    let iec = show.options.iec;
    let index = police.index;
    out.text(format_args!(" "));
    out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
    out.field("index", index, format_args!("{index:#x} "));
    let rate = police.rate.as_ref().map_or(Rate(0), |rate| rate.rate);
    let burst = psched.xmit_size(rate, police.burst_ticks);
    out.text(format_args!("rate {} burst {burst} ", rate.display(iec)));
    if police.rate.is_some() {
        out.json("rate", rate.0);
        out.json("burst", burst.0);
    }
    let mtu = police.mtu_bytes;
    out.field("mtu", mtu, format_args!("mtu {} ", Size(mtu.into())));
    if show.options.raw {
        out.text(format_args!("[{:08x}] ", police.burst_ticks));
    }
    if let Some(peak) = &police.peak {
        let peak = peak.rate;
        out.field("peakrate", peak.0, format_args!("peakrate {} ", peak.display(iec)));
    }
    if let Some(avrate) = police.avrate.filter(|avrate| *avrate != 0) {
        let rate = Rate(avrate.into());
        out.field("avrate", avrate, format_args!("avrate {} ", rate.display(iec)));
    }
    if let Some(packets) = police.packets_per_s {
        out.field("pkts_rate", packets, format_args!("pkts_rate {packets} "));
        let ticks = police.packet_burst_ticks.unwrap_or_default();
        let burst = psched.xmit_size(Rate(packets), u32::try_from(ticks).unwrap_or(u32::MAX)).0;
        out.field("pkts_burst", burst, format_args!("pkts_burst {burst} "));
    }
    control::print(police.exceed, "control_action", "action ", "", out);
    if let Some(conform) = police.conform {
        control::print(conform, "conform_action", "/", "", out);
    }
    let spec = police.rate.as_ref().map(|rate| rate.spec).unwrap_or_default();
    out.field("overhead", spec.overhead, format_args!(" overhead {}b ", spec.overhead));
    if spec.linklayer == LinkLayer::ATM || show.options.details > 0 {
        let layer = spec.linklayer.to_string();
        out.field("linklayer", layer.as_str(), format_args!("linklayer {layer} "));
    }
    out.newline();
    let (refs, binds) = (police.refcnt, police.bindcnt);
    out.field("ref", refs, format_args!("\tref {refs} "));
    out.field("bind", binds, format_args!("bind {binds} "));
    print::print_times(police.times, show, out);
    out.newline();
}
