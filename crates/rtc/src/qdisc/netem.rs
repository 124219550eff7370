//! `netem`: words and output. Wire format: [`tc_proto::qdisc::Netem`].

use std::ops::Range;

use tc_proto::msg::tca;
use tc_proto::qdisc::netem::{
    TCA_NETEM_CORR, TCA_NETEM_CORRUPT, TCA_NETEM_DELAY_DIST, TCA_NETEM_ECN, TCA_NETEM_JITTER64,
    TCA_NETEM_LATENCY64, TCA_NETEM_LOSS, TCA_NETEM_PRNG_SEED, TCA_NETEM_RATE, TCA_NETEM_RATE64,
    TCA_NETEM_REORDER, TCA_NETEM_SLOT, TCA_NETEM_SLOT_DIST,
};
use tc_proto::qdisc::{
    Netem as Wire, NetemChance, NetemCorrelation, NetemGemodel, NetemLoss, NetemRate, NetemSlot,
    NetemState, NetemXstats,
};
use tc_proto::units::{
    Base, Percent, Rate, Size, TimeNs, UnitError, parse_i32, parse_u32, parse_u64,
};
use tc_proto::{DecodeError, Kind};

use super::words::{RateArg, illegal, unknown, value};
use crate::args::{Args, abbreviates};
use crate::distribution;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{Pending, Plain, QdiscKind, Resolved, Show, Target};
use crate::out::{Json, Out};

/// The kind `netem`.
#[derive(Debug)]
pub struct Netem;

const USAGE: &str = "\
Usage: ... netem [ limit PACKETS ]
           [ delay TIME [ JITTER [ CORRELATION ] ] ] [ distribution NAME ]
           [ loss [ random ] PERCENT [ CORRELATION ] ]
           [ loss state P13 [ P31 [ P32 [ P23 [ P14 ] ] ] ] ]
           [ loss gemodel P [ R [ 1-H [ 1-K ] ] ] ] [ ecn ]
           [ corrupt PERCENT [ CORRELATION ] ] [ duplicate PERCENT [ CORRELATION ] ]
           [ reorder PERCENT [ CORRELATION ] [ gap N ] ]
           [ rate RATE [ PACKETOVERHEAD [ CELLSIZE [ CELLOVERHEAD ] ] ] ]
           [ slot MIN [ MAX ] [ packets N ] [ bytes BYTES ] ]
           [ slot distribution NAME DELAY JITTER [ packets N ] [ bytes BYTES ] ]
           [ seed N ]

limit         the most packets that wait (1000)
delay         how long packets wait, in ns without a unit; also latency
distribution  how delays are spread over the jitter: uniform when nothing is said, else normal,
              pareto, paretonormal, or NAME.dist of tc's directory or TC_LIB_DIR
loss          packets that are lost; also drop
ecn           mark them instead, if they can be marked
corrupt       packets that get a bit flipped
duplicate     packets that are doubled
reorder       packets that go out at once, ahead of those that wait; with gap, each Nth only
rate          speed of the link, also a share of the device's, as 10%; bytes that each packet and each
              cell of CELLSIZE bytes have more
slot          deliver what has gathered only at times between MIN and MAX apart
seed          what random numbers start from (something random)
";

impl QdiscKind for Netem {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "limit",
            "delay",
            "latency",
            "distribution",
            "loss",
            "drop",
            "random",
            "state",
            "gemodel",
            "ecn",
            "corrupt",
            "duplicate",
            "reorder",
            "gap",
            "rate",
            "slot",
            "packets",
            "bytes",
            "seed",
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
        print(&Wire::decode(options)?, show, out);
        Ok(())
    }

    fn print_xstats(
        &self,
        xstats: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        let stats = NetemXstats::decode(xstats);
        for (key, number) in [
            (" delayed", stats.delayed),
            ("dropped", stats.dropped),
            ("corrupted", stats.corrupted),
            ("duplicated", stats.duplicated),
            ("reordered", stats.reordered),
            ("ecn_marked", stats.ecn_marked),
        ] {
            out.field(key.trim_start(), number, format_args!(" {key} {number}"));
        }
        let errors = stats.allocation_errors;
        if errors != 0 {
            out.field("alloc_errors", errors, format_args!(" alloc_errors {errors}"));
        }
        Ok(true)
    }
}

/// The words. What they say twice is what they say last.
#[derive(Default)]
struct Words {
    wire: Wire,
    correlation: NetemCorrelation,
    correlated: bool,
    rate: Option<RateArg>,
    delay_distribution: Option<Name>,
    slot_distribution: Option<Name>,
}

/// The name of a distribution, and which word it is.
type Name = (String, Range<usize>);

/// Whether the next word begins as a number does that may follow.
fn number_follows(args: &Args<'_>) -> bool {
    args.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The same where a number may be negative.
fn signed_follows(args: &Args<'_>) -> bool {
    number_follows(args) || args.peek().is_some_and(|word| word.starts_with('-'))
}

fn percent(args: &mut Args<'_>, keyword: &str) -> Result<Percent, Error> {
    value(args, keyword, "", Percent::parse)
}

fn time(args: &mut Args<'_>, keyword: &str) -> Result<i64, Error> {
    value(args, keyword, "", TimeNs::parse).map(|time| time.0)
}

/// Takes a value whose absence is as bad as a wrong one.
fn value_or_illegal<T>(
    args: &mut Args<'_>,
    keyword: &str,
    read: impl FnOnce(&str) -> Result<T, UnitError>,
) -> Result<T, Error> {
    match args.word()? {
        Some(word) => read(word).map_err(|e| illegal(args, keyword, "", &e)),
        None => Err(Error::illegal(keyword).hint("the command line ends here")),
    }
}

fn name(args: &mut Args<'_>) -> Result<Name, Error> {
    let name = args.value()?.to_owned();
    Ok((name, args.last()))
}

fn parse(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut words = Words::default();
    let wire = &mut words.wire;
    while let Some(word) = args.word()? {
        if abbreviates(word, "limit") {
            wire.parms.limit_pkts = value(args, "limit", "", Size::parse_u32)?;
        } else if abbreviates(word, "latency") || abbreviates(word, "delay") {
            wire.latency_ns = Some(time(args, "latency")?);
            mark(args, TCA_NETEM_LATENCY64);
            if number_follows(args) {
                wire.jitter_ns = Some(time(args, "latency")?);
                mark(args, TCA_NETEM_JITTER64);
                if number_follows(args) {
                    words.correlated = true;
                    words.correlation.delay = percent(args, "latency")?;
                    mark(args, TCA_NETEM_CORR);
                }
            }
        } else if abbreviates(word, "loss") || abbreviates(word, "drop") {
            if wire.parms.loss != Percent(0) || wire.loss_model.is_some() {
                return Err(Error::illegal("duplicate loss argument\n").at(args.last()));
            }
            if number_follows(args) || args.take("random") {
                wire.parms.loss = percent(args, "loss percent")?;
                if number_follows(args) {
                    words.correlated = true;
                    words.correlation.loss = percent(args, "loss correlation")?;
                    mark(args, TCA_NETEM_CORR);
                }
            } else {
                wire.loss_model = Some(loss_model(args)?);
                mark(args, TCA_NETEM_LOSS);
            }
        } else if abbreviates(word, "ecn") {
            mark(args, TCA_NETEM_ECN);
            wire.ecn = Some(1);
        } else if abbreviates(word, "reorder") {
            words.correlated |= chance(args, "reorder", &mut wire.reorder)?;
            mark(args, TCA_NETEM_REORDER);
        } else if abbreviates(word, "corrupt") {
            words.correlated |= chance(args, "corrupt", &mut wire.corrupt)?;
            mark(args, TCA_NETEM_CORRUPT);
        } else if abbreviates(word, "gap") {
            wire.parms.gap_pkts = value(args, "gap", "", |w| parse_u32(w, Base::Auto))?;
        } else if abbreviates(word, "duplicate") {
            wire.parms.duplicate = percent(args, "duplicate")?;
            if number_follows(args) {
                words.correlated = true;
                words.correlation.duplicate = percent(args, "duplicate")?;
                mark(args, TCA_NETEM_CORR);
            }
        } else if abbreviates(word, "distribution") {
            words.delay_distribution = Some(name(args)?);
            mark(args, TCA_NETEM_DELAY_DIST);
        } else if abbreviates(word, "rate") {
            words.rate = Some(RateArg::parse(args, "rate", "")?);
            mark(args, TCA_NETEM_RATE);
            mark(args, TCA_NETEM_RATE64);
            let rate = wire.rate.get_or_insert_default();
            overheads(args, rate)?;
        } else if word != "s" && abbreviates(word, "slot") {
            // The only one that comes behind another of its first letter.
            mark(args, TCA_NETEM_SLOT);
            let slot = wire.slot.get_or_insert_default();
            if let Some(name) = parse_slot(args, slot)? {
                words.slot_distribution = Some(name);
            }
        } else if abbreviates(word, "seed") {
            wire.seed = Some(value(args, "seed", "", |w| parse_u64(w, Base::Ten))?);
            mark(args, TCA_NETEM_PRNG_SEED);
        } else if word == "help" {
            return Err(Error::refused(USAGE));
        } else {
            return Err(unknown(args, word, USAGE));
        }
    }
    Ok(words)
}

fn mark(args: &mut Args<'_>, attribute: u16) {
    args.mark(&[tca::OPTIONS, attribute]);
}

/// Reads a probability, and maybe its correlation: whether there was one.
fn chance(
    args: &mut Args<'_>,
    keyword: &str,
    chance: &mut Option<NetemChance>,
) -> Result<bool, Error> {
    let chance = chance.get_or_insert_default();
    chance.probability = percent(args, keyword)?;
    let correlated = number_follows(args);
    if correlated {
        chance.correlation = percent(args, keyword)?;
    }
    Ok(correlated)
}

/// What is left of one: the probability that it does not happen.
fn rest(percent: Percent) -> Percent {
    Percent(u32::MAX - percent.0)
}

fn loss_model(args: &mut Args<'_>) -> Result<NetemLoss, Error> {
    let more = |args: &mut Args<'_>, keyword: &str, percent_of: &mut Percent| {
        let follows = number_follows(args);
        if follows {
            *percent_of = percent(args, keyword)?;
        }
        Ok::<bool, Error>(follows)
    };
    match args.value()? {
        "state" => {
            let p13 = percent(args, "loss p13")?;
            let mut s =
                NetemState { p13, p31: rest(p13), p23: Percent(u32::MAX), ..NetemState::default() };
            // Each stands only behind the one before.
            _ = more(args, "loss p31", &mut s.p31)?
                && more(args, "loss p32", &mut s.p32)?
                && more(args, "loss p23", &mut s.p23)?
                && more(args, "loss p14", &mut s.p14)?;
            Ok(NetemLoss::State(s))
        }
        "gemodel" => {
            let p = percent(args, "loss gemodel p")?;
            let mut g = NetemGemodel { p, r: rest(p), ..NetemGemodel::default() };
            let mut lost = Percent(u32::MAX);
            _ = more(args, "loss gemodel r", &mut g.r)?
                && more(args, "loss gemodel h", &mut lost)?
                && more(args, "loss gemodel k", &mut g.k1)?;
            g.h = rest(lost);
            Ok(NetemLoss::Gemodel(g))
        }
        word => {
            let line = format!("Unknown loss parameter: {word}");
            Err(Error::refused(line).at(args.last()).hint("PERCENT, random, state or gemodel"))
        }
    }
}

fn overheads(args: &mut Args<'_>, rate: &mut NetemRate) -> Result<(), Error> {
    let signed = |args: &mut Args<'_>| value(args, "rate", "", |w| parse_i32(w, Base::Auto));
    if signed_follows(args) {
        rate.packet_overhead_bytes = signed(args)?;
        if number_follows(args) {
            rate.cell_size_bytes = value(args, "rate", "", |w| parse_u32(w, Base::Auto))?;
        }
        if signed_follows(args) {
            rate.cell_overhead_bytes = signed(args)?;
        }
    }
    Ok(())
}

/// Reads what stands behind `slot`; the name of a distribution, if there is one.
fn parse_slot(args: &mut Args<'_>, slot: &mut NetemSlot) -> Result<Option<Name>, Error> {
    let mut distribution = None;
    if number_follows(args) {
        slot.min_delay_ns = time(args, "slot min_delay")?;
        slot.max_delay_ns = slot.min_delay_ns;
        if number_follows(args) {
            slot.max_delay_ns = time(args, "slot max_delay")?;
            if slot.max_delay_ns < slot.min_delay_ns {
                let error = Error::illegal("slot max_delay").at(args.last());
                return Err(error.hint("it is shorter than the shortest"));
            }
        }
    } else if args.take("distribution") {
        distribution = Some(name(args)?);
        mark(args, TCA_NETEM_SLOT_DIST);
        slot.distribution_delay_ns = time(args, "slot delay")?;
        slot.distribution_jitter_ns = time(args, "slot jitter")?;
        if slot.distribution_jitter_ns <= 0 {
            return Err(Error::refused("Non-positive jitter").at(args.last()));
        }
    } else {
        let word = args.value()?;
        let line = format!("Unknown slot parameter: {word}");
        return Err(Error::refused(line).at(args.last()).hint("a time, or distribution"));
    }
    if args.take_abbreviation("packets") {
        slot.max_pkts = value_or_illegal(args, "slot packets", |w| parse_i32(w, Base::Auto))?;
    }
    if args.take_abbreviation("bytes") {
        // The kernel's field has a sign; tc reads a size without one.
        slot.max_bytes = value_or_illegal(args, "slot bytes", Size::parse_u32)? as i32;
    }
    Ok(distribution)
}

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let Self { mut wire, correlation, correlated, rate, delay_distribution, .. } = *self;
        let mut table = |name: Option<Name>| {
            let load =
                |(name, place): Name| distribution::load(&name, env).map_err(|e| e.at(place));
            name.map(load).transpose()
        };
        wire.delay_distribution = table(delay_distribution)?;
        wire.slot_distribution = table(self.slot_distribution)?;
        if let Some(rate) = rate {
            let rate = rate.resolve(env, target, |_| "Illegal \"rate\"".to_owned())?;
            wire.rate.get_or_insert_default().rate = rate.clamped();
            wire.rate64 = rate.needs_64_bits().then_some(rate.0);
        }
        wire.correlation = correlated.then_some(correlation);
        let refuse = |line: &str| Err(Error::refused(line).line_if(USAGE));
        let nothing = |ns: Option<i64>| ns.unwrap_or(0) == 0;
        if wire.reorder.is_some_and(|reorder| reorder.probability != Percent(0)) {
            if nothing(wire.latency_ns) {
                return refuse("reordering not possible without specifying some delay");
            }
            if wire.parms.gap_pkts == 0 {
                wire.parms.gap_pkts = 1;
            }
        } else if wire.parms.gap_pkts > 0 {
            return refuse("gap specified without reorder probability");
        }
        if wire.ecn.is_some() && wire.parms.loss == Percent(0) && wire.loss_model.is_none() {
            return refuse("ecn requested without loss model");
        }
        let steady = nothing(wire.latency_ns) || nothing(wire.jitter_ns);
        if wire.delay_distribution.is_some() && steady {
            return refuse("distribution specified but no latency and jitter values");
        }
        Ok(Box::new(Plain(wire)))
    }
}

/// A probability as tc's JSON has it.
fn fraction(percent: Percent) -> Json<'static> {
    Json::General(percent.fraction())
}

/// A time as tc's JSON has it, in seconds.
fn seconds(ns: i64) -> Json<'static> {
    Json::General(ns as f64 / 1e9)
}

fn print(netem: &Wire, show: &mut Show<'_>, out: &mut Out<'_>) {
    let parms = &netem.parms;
    out.field("limit", parms.limit_pkts, format_args!("limit {}", parms.limit_pkts));
    let correlation = netem.correlation.unwrap_or_default();
    // Before Linux 4.16 there are only ticks.
    let psched = show.env.psched();
    let ns = |ns: Option<i64>, ticks: u32| {
        ns.unwrap_or_else(|| (psched.us_from_ticks(ticks) * 1e3).round() as i64)
    };
    let latency = ns(netem.latency_ns, parms.latency_ticks);
    let jitter = ns(netem.jitter_ns, parms.jitter_ticks);
    if latency != 0 {
        out.object("delay", |out| {
            out.field("delay", seconds(latency), format_args!(" delay {}", TimeNs(latency)));
            out.json("jitter", seconds(jitter));
            if jitter != 0 {
                out.text(format_args!("  {}", TimeNs(jitter)));
            }
            print_correlation(correlation.delay, jitter != 0, out);
        });
    }
    if parms.loss != Percent(0) {
        print_chance(["loss-random", "loss"], parms.loss, correlation.loss, out);
    }
    if let Some(model) = &netem.loss_model {
        print_loss_model(model, out);
    }
    if parms.duplicate != Percent(0) {
        print_chance(["duplicate"; 2], parms.duplicate, correlation.duplicate, out);
    }
    for (name, chance) in [("reorder", netem.reorder), ("corrupt", netem.corrupt)] {
        if let Some(c) = chance.filter(|chance| chance.probability != Percent(0)) {
            print_chance([name; 2], c.probability, c.correlation, out);
        }
    }
    print_rate(netem, show, out);
    if let Some(slot) = &netem.slot {
        out.object("slot", |out| print_slot(slot, out));
    }
    if let Some(seed) = netem.seed {
        out.field("seed", seed, format_args!(" seed {seed}"));
    }
    out.json("ecn", netem.ecn.is_some());
    if netem.ecn.is_some() {
        out.text(format_args!(" ecn "));
    }
    out.json("gap", parms.gap_pkts);
    if parms.gap_pkts != 0 {
        out.text(format_args!(" gap {}", parms.gap_pkts));
    }
}

fn print_correlation(correlation: Percent, shown: bool, out: &mut Out<'_>) {
    out.json("correlation", fraction(correlation));
    if shown && correlation != Percent(0) {
        out.text(format_args!(" {correlation}"));
    }
}

fn print_chance(
    [object, key]: [&str; 2],
    probability: Percent,
    correlation: Percent,
    out: &mut Out<'_>,
) {
    out.object(object, |out| {
        out.field(key, fraction(probability), format_args!(" {key} {probability}"));
        print_correlation(correlation, true, out);
    });
}

fn print_loss_model(model: &NetemLoss, out: &mut Out<'_>) {
    let percent = |out: &mut Out<'_>, key: &str, percent: Percent| {
        out.field(key, fraction(percent), format_args!(" {key} {percent}"));
    };
    match model {
        NetemLoss::State(s) => out.object("loss-state", |out| {
            out.text(format_args!(" loss state"));
            percent(out, "p13", s.p13);
            percent(out, "p31", s.p31);
            percent(out, "p32", s.p32);
            percent(out, "p23", s.p23);
            percent(out, "p14", s.p14);
        }),
        NetemLoss::Gemodel(g) => out.object("loss-gemodel", |out| {
            out.text(format_args!(" loss gemodel"));
            percent(out, "p", g.p);
            percent(out, "r", g.r);
            percent(out, "1-h", rest(g.h));
            percent(out, "1-k", g.k1);
        }),
        _ => {}
    }
}

fn print_rate(netem: &Wire, show: &Show<'_>, out: &mut Out<'_>) {
    let rate = netem.rate();
    if rate == Rate(0) {
        return;
    }
    let more = netem.rate.unwrap_or_default();
    out.object("rate", |out| {
        let shown = rate.display(show.options.iec);
        out.field("rate", rate.0, format_args!(" rate {shown}"));
        let mut number = |key: &str, number: i64| {
            out.json(key, number);
            if number != 0 {
                out.text(format_args!(" {key} {number}"));
            }
        };
        number("packetoverhead", more.packet_overhead_bytes.into());
        number("cellsize", more.cell_size_bytes.into());
        number("celloverhead", more.cell_overhead_bytes.into());
    });
}

fn print_slot(slot: &NetemSlot, out: &mut Out<'_>) {
    let mut time = |key: &str, before: &str, ns: i64| {
        out.field(key, seconds(ns), format_args!("{before}{}", TimeNs(ns)));
    };
    if slot.distribution_jitter_ns == 0 {
        time("min-delay", " slot ", slot.min_delay_ns);
        time("max-delay", " ", slot.max_delay_ns);
    } else {
        time("distribution", " slot distribution ", slot.distribution_delay_ns);
        time("jitter", " ", slot.distribution_jitter_ns);
    }
    for (key, number) in [("packets", slot.max_pkts), ("bytes", slot.max_bytes)] {
        out.json(key, number);
        if number != 0 {
            out.text(format_args!(" {key} {number}"));
        }
    }
}
