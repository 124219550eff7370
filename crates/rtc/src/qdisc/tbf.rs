//! `tbf`: words and output. Wire format: [`tc_proto::qdisc::Tbf`].

use tc_proto::msg::tca;
use tc_proto::qdisc::tbf::{
    TCA_TBF_BURST, TCA_TBF_PARMS, TCA_TBF_PBURST, TCA_TBF_PRATE64, TCA_TBF_RATE64,
};
use tc_proto::qdisc::{Tbf as Wire, TbfParms};
use tc_proto::units::{
    Base, LinkLayer, Psched, Rate, RateSpec, Size, TimeNs, TimeUs, UnitError, parse_u16,
};
use tc_proto::{DecodeError, Kind};

use super::words::{RateArg, shown_size};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{Pending, Plain, QdiscKind, Resolved, Show, Target};
use crate::out::Out;

/// The kind `tbf`.
#[derive(Debug)]
pub struct Tbf;

const USAGE: &str = "\
Usage: ... tbf rate RATE burst BYTES[/CELL] { limit BYTES | latency TIME }
           [ peakrate RATE mtu BYTES[/CELL] ] [ mpu BYTES ] [ overhead BYTES ]
           [ linklayer { ethernet | atm | adsl } ]

rate       what passes; also a share of the device's speed, as 10%
burst      what passes at once; also buffer, maxburst
limit      the most that waits for its turn
latency    the longest that something waits, instead of limit
peakrate   the rate of a burst (no limit)
mtu        what passes at once at that rate, a packet at least; also minburst
mpu        the smallest size that a packet counts for (0)
overhead   bytes added to each packet (0)
linklayer  cells of 48 payload and 5 header bytes for atm and adsl
";

impl QdiscKind for Tbf {
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
            "limit",
            "latency",
            "peakrate",
            "mtu",
            "mpu",
            "overhead",
            "linklayer",
            "buffer",
            "maxburst",
            "minburst",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse(args).map(|words| Box::new(words) as _))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let tbf = Wire::decode(options)?;
        if let Some(parms) = &tbf.parms {
            print(&tbf, parms, show, out);
        }
        Ok(())
    }
}

/// The words. 0 is as if nothing was said.
#[derive(Default)]
struct Words {
    rate: Option<RateArg>,
    peakrate: Option<RateArg>,
    limit: u32,
    latency: u32,
    burst: Size,
    burst_cell: Option<u8>,
    mtu: u32,
    mtu_cell: Option<u8>,
    mpu: u16,
    overhead: u16,
    linklayer: Option<LinkLayer>,
}

fn illegal(keyword: &str, word: &str) -> String {
    format!("tbf: illegal value for \"{keyword}\": \"{word}\"")
}

/// Takes the value of `keyword`.
fn value<T>(
    args: &mut Args<'_>,
    keyword: &str,
    read: impl FnOnce(&str) -> Result<T, UnitError>,
) -> Result<T, Error> {
    let word = args.value()?;
    read(word)
        .map_err(|e| Error::refused(illegal(keyword, word)).at(args.last()).hint(e.to_string()))
}

/// The same for `SIZE/CELL`.
fn sized<T>(
    args: &mut Args<'_>,
    keyword: &str,
    read: impl FnOnce(&str) -> Result<T, UnitError>,
) -> Result<T, Error> {
    let word = args.value()?;
    let line = || illegal(keyword, shown_size(word));
    read(word).map_err(|e| Error::refused(line()).at(args.last()).hint(e.to_string()))
}

fn parse(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut words = Words::default();
    let set = |rate: &Option<RateArg>| rate.as_ref().is_some_and(|rate| !rate.is_zero());
    while let Some(word) = args.word()? {
        let place = args.last();
        let twice = |twice: bool, what: &str, args: &Args<'_>| {
            if args.left() == 0 {
                return Err(Error::incomplete());
            }
            if !twice {
                return Ok(());
            }
            let line = format!("tbf: duplicate \"{what}\" specification");
            Err(Error::refused(line).at(place.clone()))
        };
        let both = |both: bool, line: &str| {
            if both { Err(Error::refused(line).at(place.clone())) } else { Ok(()) }
        };
        if abbreviates(word, "limit") {
            twice(words.limit != 0, "limit", args)?;
            both(
                words.latency != 0,
                "tbf: specifying both \"latency\" and \"limit\" is not allowed",
            )?;
            words.limit = value(args, "limit", Size::parse_u32)?;
        } else if abbreviates(word, "latency") {
            twice(words.latency != 0, "latency", args)?;
            both(
                words.limit != 0,
                "tbf: specifying both \"limit\" and \"/latency\" is not allowed",
            )?;
            words.latency = value(args, "latency", TimeUs::parse)?.0;
        } else if abbreviates(word, "burst") || matches!(word, "buffer" | "maxburst") {
            twice(words.burst != Size(0), "buffer/burst/maxburst", args)?;
            (words.burst, words.burst_cell) = sized(args, word, Size::parse_with_cell)?;
            args.mark(&[tca::OPTIONS, TCA_TBF_BURST]);
        } else if matches!(word, "mtu" | "minburst") {
            twice(words.mtu != 0, "mtu/minburst", args)?;
            (words.mtu, words.mtu_cell) = sized(args, word, |w| {
                let (_, cell) = Size::parse_with_cell(w)?;
                Size::parse_u32(w.split_once('/').map_or(w, |(size, _)| size)).map(|m| (m, cell))
            })?;
            args.mark(&[tca::OPTIONS, TCA_TBF_PBURST]);
        } else if word == "mpu" {
            words.mpu = value(args, word, |w| {
                // A field of 16 bits, of which tc would send the lowest.
                Size::parse_u32(w).and_then(|mpu| match u16::try_from(mpu) {
                    Ok(mpu) => Ok(mpu),
                    Err(_) => parse_u16(&mpu.to_string(), Base::Ten),
                })
            })?;
        } else if word == "rate" {
            twice(set(&words.rate), "rate", args)?;
            words.rate =
                Some(RateArg::parse_or(args, |word| Error::refused(illegal("rate", word)))?);
            args.mark(&[tca::OPTIONS, TCA_TBF_PARMS]);
            args.mark(&[tca::OPTIONS, TCA_TBF_RATE64]);
        } else if abbreviates(word, "peakrate") {
            twice(set(&words.peakrate), "peakrate", args)?;
            words.peakrate =
                Some(RateArg::parse_or(args, |word| Error::refused(illegal("peakrate", word)))?);
            args.mark(&[tca::OPTIONS, TCA_TBF_PRATE64]);
        } else if abbreviates(word, "overhead") {
            words.overhead = value(args, "overhead", |w| parse_u16(w, Base::Ten))?;
        } else if abbreviates(word, "linklayer") {
            words.linklayer = Some(value(args, "linklayer", LinkLayer::parse)?);
        } else if word == "help" {
            return Err(Error::refused(USAGE));
        } else {
            let line = format!("tbf: unknown parameter \"{word}\"");
            return Err(Error::refused(line).line_if(USAGE).at(args.last()));
        }
    }
    missing(set(&words.rate), set(&words.peakrate), &words)?;
    Ok(words)
}

/// The error when a word is missing that the others need.
fn missing(rate: bool, peakrate: bool, words: &Words) -> Result<(), Error> {
    let lines = [
        (!rate, "tbf: the \"rate\" parameter is mandatory."),
        (words.burst == Size(0), "tbf: the \"burst\" parameter is mandatory."),
        (
            peakrate && words.mtu == 0,
            "tbf: when \"peakrate\" is specified, \"mtu\" must also be specified.",
        ),
        (
            words.limit == 0 && words.latency == 0,
            "tbf: either \"limit\" or \"latency\" is required.",
        ),
    ];
    let mut lines = lines.iter().filter(|(missing, _)| *missing).map(|(_, line)| line);
    match lines.next() {
        None => Ok(()),
        Some(first) => {
            let error = lines.fold(Error::refused(first), Error::line);
            Err(error.line_if(USAGE))
        }
    }
}

impl Pending for Words {
    fn resolve(
        mut self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let (rate, peakrate) = (self.rate.take(), self.peakrate.take());
        let mut resolve = |rate: Option<RateArg>, keyword| match rate {
            Some(rate) => rate.resolve(env, target, |word| illegal(keyword, word)),
            None => Ok(Rate(0)),
        };
        let rate = resolve(rate, "rate")?;
        let peakrate = resolve(peakrate, "peakrate")?;
        missing(rate != Rate(0), peakrate != Rate(0), &self)?;
        let psched = env.psched();
        // tc has the ticks at the rates of 32 bits; the kernel takes the bursts in bytes.
        let clamped = |rate: Rate| Rate(rate.clamped().into());
        let buffer_ticks = psched.xmit_time(clamped(rate), self.burst.0);
        if buffer_ticks == u32::MAX {
            let seconds = psched.us_from_ticks(u32::MAX) / 1e6;
            return Err(Error::refused("tbf: burst out of range").hint(format!(
                "{} take more than {seconds:.0} s at {}",
                self.burst,
                rate.display(false)
            )));
        }
        let spec = |rate, cell: Option<u8>| {
            let spec = RateSpec::new(rate, self.mtu);
            RateSpec {
                cell_log: cell.unwrap_or(spec.cell_log),
                linklayer: self.linklayer.unwrap_or(spec.linklayer),
                overhead: self.overhead,
                mpu: self.mpu,
                ..spec
            }
        };
        let mut parms = TbfParms {
            rate: spec(rate, self.burst_cell),
            limit_bytes: self.limit_bytes(rate, peakrate)?,
            buffer_ticks,
            ..TbfParms::default()
        };
        if peakrate != Rate(0) {
            parms.peakrate = spec(peakrate, self.mtu_cell);
            parms.mtu_ticks = psched.xmit_time(clamped(peakrate), self.mtu.into());
        }
        let mut tbf = Wire {
            parms: Some(parms),
            rate64: rate.needs_64_bits().then_some(rate.0),
            peakrate64: peakrate.needs_64_bits().then_some(peakrate.0),
            burst_bytes: u32::try_from(self.burst.0).ok(),
            peakburst_bytes: (peakrate != Rate(0)).then_some(self.mtu),
            ..Wire::default()
        };
        tbf.set_tables(&psched);
        Ok(Box::new(Plain(tbf)))
    }
}

impl Words {
    /// The limit, or what the latency comes to.
    fn limit_bytes(&self, rate: Rate, peakrate: Rate) -> Result<u32, Error> {
        if self.limit != 0 {
            return Ok(self.limit);
        }
        let bytes = |rate: Rate, burst: f64| rate.0 as f64 * f64::from(self.latency) / 1e6 + burst;
        let mut limit = bytes(rate, self.burst.0 as f64);
        if peakrate != Rate(0) {
            limit = limit.min(bytes(peakrate, self.mtu.into()));
        }
        if limit < 2f64.powi(32) {
            return Ok(limit as u32);
        }
        let text = TimeUs(self.latency).to_string();
        Err(Error::refused(illegal("latency", &text))
            .hint("in that time more than 4294967295 bytes pass, the most that can wait"))
    }
}

fn print(tbf: &Wire, parms: &TbfParms, show: &mut Show<'_>, out: &mut Out<'_>) {
    let psched = show.env.psched();
    let options = show.options;
    let details = options.details > 0;
    let (rate, peakrate) = (tbf.rate(), tbf.peakrate());
    out.field("rate", rate.0, format_args!("rate {} ", rate.display(options.iec)));
    let burst = |keys: [&str; 4], spec: &RateSpec, rate: Rate, ticks: u32, out: &mut Out<'_>| {
        let [key, mpu, text, raw] = keys;
        let size = psched.xmit_size(rate, ticks);
        if details {
            let cell = 1u32.checked_shl(spec.cell_log.into()).unwrap_or(0);
            out.field(key, format_args!("{size}/{cell}"), format_args!("{text} {size}/{cell} "));
            out.field(mpu, spec.mpu, format_args!("mpu {} ", Size(spec.mpu.into())));
        } else {
            out.field(key, size.0, format_args!("{text} {size} "));
        }
        if options.raw {
            out.field(raw, format_args!("{ticks:x}"), format_args!("[{ticks:08x}] "));
        }
    };
    burst(["burst", "mpu", "burst", "burst_raw"], &parms.rate, rate, parms.buffer_ticks, out);
    if peakrate != Rate(0) {
        let shown = peakrate.display(options.iec);
        out.field("peakrate", peakrate.0, format_args!("peakrate {shown} "));
        if parms.mtu_ticks != 0 || parms.peakrate.mpu != 0 {
            let name = if details { "mtu" } else { "minburst" };
            let keys = [name, "peakrate_mpu", name, "mtu_raw"];
            burst(keys, &parms.peakrate, peakrate, parms.mtu_ticks, out);
        }
    }
    let latency = latency_us(parms, rate, peakrate, &psched);
    if latency >= 0.0 {
        match u32::try_from(latency as u64) {
            Ok(us) => out.field("lat", us, format_args!("lat {} ", TimeUs(us))),
            Err(_) => {
                let time = TimeNs((latency * 1e3) as i64);
                out.field("lat", latency as u64, format_args!("lat {time} "));
            }
        }
    }
    if options.raw || latency < 0.0 {
        let limit = parms.limit_bytes;
        out.field("limit", limit, format_args!("limit {} ", Size(limit.into())));
    }
    let overhead = parms.rate.overhead;
    if overhead != 0 {
        out.field("overhead", overhead, format_args!("overhead {overhead} "));
    }
    let linklayer = parms.rate.linklayer;
    if details || linklayer.0 > LinkLayer::ETHERNET.0 {
        out.field("linklayer", format_args!("{linklayer}"), format_args!("linklayer {linklayer} "));
    }
}

/// How long the last of `limit` bytes waits. Negative: the burst is larger than the limit.
fn latency_us(parms: &TbfParms, rate: Rate, peakrate: Rate, psched: &Psched) -> f64 {
    let limit = f64::from(parms.limit_bytes);
    let wait = |rate: Rate, ticks| 1e6 * (limit / rate.0 as f64) - psched.us_from_ticks(ticks);
    let latency = wait(rate, parms.buffer_ticks);
    if peakrate == Rate(0) { latency } else { latency.max(wait(peakrate, parms.mtu_ticks)) }
}
