//! `sfq`: words and output of the qdisc and its flows. Wire format: [`tc_proto::qdisc::Sfq`].

use tc_proto::qdisc::{Sfq as Wire, SfqParms, SfqV1, SfqXstats};
use tc_proto::units::{Base, Size, general, parse_i32, parse_u32};
use tc_proto::{DecodeError, EncodeError, Kind, Options};

use super::red::{BurstTooSmall, ewma_log, prob_log};
use super::words::{unknown, value};
use crate::args::Args;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{ClassKind, Pending, QdiscKind, Resolved, Show, Target};
use crate::out::Out;

/// The kind `sfq`.
#[derive(Debug)]
pub struct Sfq;

const USAGE: &str = "\
Usage: ... sfq [ limit PACKETS ] [ perturb SECS ] [ quantum BYTES ] [ divisor N ] [ flows N ]
           [ depth PACKETS ] [ headdrop ]
           [ redflowlimit BYTES [ min BYTES ] [ max BYTES ] [ avpkt BYTES ] [ burst PACKETS ]
             [ probability P ] [ ecn ] [ harddrop ] ]

limit         the most packets in all queues (127)
perturb       seconds between changes of the hash (0: it stays)
quantum       bytes that a flow sends in one turn (the device's MTU)
divisor       slots of the hash table, a power of two (1024)
flows         the most flows at a time (128)
depth         the most packets of a flow (127)
headdrop      drop the oldest packet of a flow, not the newest
redflowlimit  RED in each flow, which then has this many bytes at most
min, max      marking starts at min (max / 3) and reaches the probability at max (limit / 4)
avpkt, burst  the usual packet (1000); packets that may come at once ((2 min + max) / 3 avpkt)
probability   the greatest probability of a mark, up to 1 (0.02)
ecn, harddrop mark instead of dropping; drop all above max
";

impl QdiscKind for Sfq {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "limit",
            "perturb",
            "quantum",
            "divisor",
            "flows",
            "depth",
            "headdrop",
            "redflowlimit",
            "min",
            "max",
            "avpkt",
            "burst",
            "probability",
            "ecn",
            "harddrop",
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
        if let Some(parms) = Wire::decode(options)?.parms {
            print(&parms, show, out);
        }
        Ok(())
    }

    fn class(&self) -> Option<&dyn ClassKind> {
        Some(self)
    }
}

impl ClassKind for Sfq {
    fn print_xstats(
        &self,
        xstats: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        // A flow that is not active has none.
        if xstats.is_empty() {
            return Ok(false);
        }
        let allot = SfqXstats::decode(xstats)?.allot_bytes;
        out.field("allot", allot, format_args!("  allot {allot}"));
        Ok(true)
    }
}

/// The options, and a warning.
struct Words {
    wire: Wire,
    notes: String,
}

/// The words that say how RED works in a flow.
#[derive(Default)]
struct Red {
    said: bool,
    limit: u32,
    min: u32,
    max: u32,
    avpkt: u32,
    burst: u32,
    probability: Option<f64>,
    flags: u8,
}

fn parse(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut parms = SfqParms::default();
    let mut v1 = SfqV1::default();
    let mut red = Red::default();
    let mut any = false;
    let number =
        |args: &mut Args<'_>, keyword| value(args, keyword, "", |w| parse_u32(w, Base::Auto));
    while let Some(word) = args.word()? {
        any = true;
        red.said |= matches!(
            word,
            "redflowlimit" | "min" | "max" | "avpkt" | "burst" | "probability" | "ecn" | "harddrop"
        );
        match word {
            // tc, too, calls it by this name.
            "quantum" => parms.quantum_bytes = value(args, "limit", "", Size::parse_u32)?,
            "perturb" => {
                parms.perturb_secs = value(args, word, "", |w| parse_i32(w, Base::Auto))?;
            }
            "limit" => {
                parms.limit_pkts = number(args, word)?;
                if parms.limit_pkts < 2 {
                    let line = "Illegal \"limit\", must be > 1";
                    return Err(Error::refused(line).at(args.last()));
                }
            }
            "divisor" => parms.divisor = number(args, word)?,
            "flows" => parms.flows = number(args, word)?,
            "depth" => v1.depth_pkts = number(args, "flows")?,
            "headdrop" => v1.headdrop = 1,
            "redflowlimit" => red.limit = number(args, word)?,
            "min" => red.min = number(args, word)?,
            "max" => red.max = number(args, word)?,
            "avpkt" => red.avpkt = number(args, word)?,
            "burst" => red.burst = number(args, word)?,
            "probability" => red.probability = Some(probability(args)?),
            "ecn" => red.flags |= SfqV1::ECN,
            "harddrop" => red.flags |= SfqV1::HARDDROP,
            "help" => return Err(Error::refused(USAGE)),
            other => return Err(unknown(args, other, USAGE)),
        }
    }
    let mut notes = String::new();
    if red.limit != 0 {
        red.finish(&mut v1, &mut notes)?;
    } else if red.said {
        return Err(Error::refused("Required parameter (redflowlimit) is missing"));
    }
    parms.v1 = Some(v1);
    Ok(Words { wire: Wire { parms: Some(parms).filter(|_| any) }, notes })
}

fn probability(args: &mut Args<'_>) -> Result<f64, Error> {
    let word = args.value()?;
    let refuse = |why: &str| Error::illegal("probability").at(args.last()).hint(why);
    match word.parse::<f64>() {
        Ok(p) if p <= 1.0 => Ok(p),
        Ok(_) => Err(refuse("a probability is 1 at most; it is no percentage")),
        Err(_) => Err(refuse("a probability is a number up to 1, such as 0.02")),
    }
}

impl Red {
    /// Fills in what was not said and computes what the kernel wants.
    fn finish(self, v1: &mut SfqV1, notes: &mut String) -> Result<(), Error> {
        let or = |said: u32, otherwise: u32| if said == 0 { otherwise } else { said };
        let max = or(self.max, self.limit / 4);
        let min = or(self.min, max / 3);
        let avpkt = or(self.avpkt, 1000);
        let default = (2 * u64::from(min) + u64::from(max)) / (3 * u64::from(avpkt));
        let burst = or(self.burst, u32::try_from(default).unwrap_or(u32::MAX));
        if max > self.limit {
            return Err(Error::refused("\"max\" is larger than \"limit\""));
        }
        if max <= min {
            return Err(Error::refused("\"min\" is not smaller than \"max\""));
        }
        let no_weight = "SFQ: failed to calculate EWMA constant.";
        let log = ewma_log(min, burst, avpkt).map_err(|BurstTooSmall { least_pkts }| {
            Error::refused(format_args!(
                "tc_red_eval_ewma() burst {burst} is too small ? Try burst {least_pkts}"
            ))
            .line(no_weight)
        })?;
        let log = log.ok_or_else(|| Error::refused(no_weight))?;
        if log >= 10 {
            *notes = format!("SFQ: WARNING. Burst {burst} seems to be too large.\n");
        }
        let probability = self.probability.unwrap_or(0.02);
        *v1 = SfqV1 {
            red_limit_bytes: self.limit,
            min_bytes: min,
            max_bytes: max,
            ewma_log: log,
            prob_log: prob_log(min, max, probability)
                .ok_or_else(|| Error::refused("SFQ: failed to calculate probability."))?,
            flags: self.flags,
            // 1 is one too many for 32 bits: 0, with which the kernel goes by the logarithm.
            max_probability: (probability * 2f64.powi(32)) as u64 as u32,
            ..*v1
        };
        Ok(())
    }
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

fn print(parms: &SfqParms, show: &Show<'_>, out: &mut Out<'_>) {
    let SfqParms { limit_pkts, quantum_bytes, flows, divisor, perturb_secs, v1 } = *parms;
    out.field("limit", limit_pkts, format_args!("limit {limit_pkts}p "));
    let quantum = Size(quantum_bytes.into());
    out.field("quantum", quantum_bytes, format_args!("quantum {quantum} "));
    if let Some(v1) = &v1 {
        out.field("depth", v1.depth_pkts, format_args!("depth {} ", v1.depth_pkts));
        if v1.headdrop != 0 {
            out.flag("headdrop", "headdrop ");
        }
    }
    if show.options.details > 0 {
        out.field("flows", flows, format_args!("flows {flows} "));
    }
    out.field("divisor", divisor, format_args!("divisor {divisor} "));
    if perturb_secs != 0 {
        out.field("perturb", perturb_secs, format_args!("perturb {perturb_secs}sec "));
    }
    // The kernel never tells the limit of RED.
    if let Some(v1) = v1.filter(|v1| v1.min_bytes != 0) {
        print_red(&v1, show, out);
    }
}

fn print_red(v1: &SfqV1, show: &Show<'_>, out: &mut Out<'_>) {
    out.field("ewma", v1.ewma_log, format_args!("ewma {} ", v1.ewma_log));
    let (min, max) = (v1.min_bytes, v1.max_bytes);
    out.field("min", min, format_args!("min {} ", Size(min.into())));
    out.field("max", max, format_args!("max {} ", Size(max.into())));
    // With six digits in JSON, too.
    let shown = general(f64::from(v1.max_probability) / 2f64.powi(32), 6);
    if out.is_json() {
        out.json("probability", shown.to_string().parse::<f64>().unwrap_or_default());
    }
    out.text(format_args!("probability {shown} "));
    for (flag, name) in [
        (SfqV1::ECN, "ecn"),
        (SfqV1::HARDDROP, "harddrop"),
        (SfqV1::ADAPTIVE, "adaptive"),
        (SfqV1::NODROP, "nodrop"),
    ] {
        let on = v1.flags & flag != 0;
        let (text, space) = if on { (name, " ") } else { ("", "") };
        out.field(name, on, format_args!("{text}{space}"));
    }
    if show.options.stats > 0 {
        let stats = &v1.stats;
        let mut counts = |line: [(&str, u32); 3]| {
            out.newline();
            out.text(format_args!(" "));
            for (name, count) in line {
                out.field(name, count, format_args!(" {name} {count}"));
            }
        };
        counts([
            ("prob_mark", stats.prob_mark),
            ("prob_mark_head", stats.prob_mark_head),
            ("prob_drop", stats.prob_drop),
        ]);
        counts([
            ("forced_mark", stats.forced_mark),
            ("forced_mark_head", stats.forced_mark_head),
            ("forced_drop", stats.forced_drop),
        ]);
    }
}
