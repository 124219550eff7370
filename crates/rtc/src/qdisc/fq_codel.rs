//! `fq_codel`: words and output of the qdisc and its flows. Wire format:
//! [`tc_proto::qdisc::FqCodel`].

use tc_proto::msg::tca;
use tc_proto::qdisc::fq_codel::{
    TCA_FQ_CODEL_CE_THRESHOLD, TCA_FQ_CODEL_CE_THRESHOLD_MASK, TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR,
    TCA_FQ_CODEL_DROP_BATCH_SIZE, TCA_FQ_CODEL_ECN, TCA_FQ_CODEL_FLOWS, TCA_FQ_CODEL_INTERVAL,
    TCA_FQ_CODEL_LIMIT, TCA_FQ_CODEL_MEMORY_LIMIT, TCA_FQ_CODEL_QUANTUM, TCA_FQ_CODEL_TARGET,
};
use tc_proto::qdisc::{FqCodel as Wire, FqCodelClassXstats, FqCodelQdiscXstats, FqCodelXstats};
use tc_proto::units::{Base, Size, TimeUs, parse_u8, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::words::{unknown, value};
use crate::args::Args;
use crate::error::Error;
use crate::kinds::{ClassKind, Pending, Plain, QdiscKind, Show};
use crate::out::Out;

/// The kind `fq_codel`.
#[derive(Debug)]
pub struct FqCodel;

const USAGE: &str = "\
Usage: ... fq_codel [ limit PACKETS ] [ flows N ] [ memory_limit BYTES ] [ target TIME ]
           [ interval TIME ] [ quantum BYTES ] [ [no]ecn ] [ ce_threshold TIME ]
           [ ce_threshold_selector VALUE/MASK ] [ drop_batch PACKETS ]

limit         the most packets in all queues (10240)
flows         number of queues, fixed once the qdisc is there (1024)
memory_limit  the most memory in all queues (32Mb)
target        the delay that is fine (5ms)
interval      for how long a delay may be above the target (100ms)
quantum       bytes that a flow sends in one turn (the device's MTU and header)
ecn           mark packets that can be marked instead of dropping them (ecn)
ce_threshold  the delay above which packets are marked at once (off)
ce_threshold_selector  only those whose DS field is VALUE under MASK
drop_batch    how many packets are dropped together at a limit (64)
";

impl QdiscKind for FqCodel {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "limit",
            "flows",
            "memory_limit",
            "target",
            "interval",
            "quantum",
            "ecn",
            "noecn",
            "ce_threshold",
            "ce_threshold_selector",
            "drop_batch",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse(args).map(|wire| Box::new(Plain(wire)) as _))
    }

    fn print(
        &self,
        options: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        print(&Wire::decode(options)?, out);
        Ok(())
    }

    fn print_xstats(
        &self,
        xstats: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        match FqCodelXstats::decode(xstats)? {
            FqCodelXstats::Qdisc(stats) => print_qdisc_xstats(&stats, out),
            FqCodelXstats::Class(stats) => print_class_xstats(&stats, out),
            _ => {}
        }
        Ok(true)
    }

    fn class(&self) -> Option<&dyn ClassKind> {
        Some(self)
    }
}

impl ClassKind for FqCodel {
    fn print_xstats(
        &self,
        xstats: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        QdiscKind::print_xstats(self, xstats, show, out)
    }
}

fn parse(args: &mut Args<'_>) -> Result<Wire, Error> {
    let mut wire = Wire::default();
    // 0 leaves most of them to the kernel, like not saying anything.
    let some = |number: u32| Some(number).filter(|number| *number != 0);
    let number =
        |args: &mut Args<'_>, word: &str| value(args, word, "", |w| parse_u32(w, Base::Auto));
    let time = |args: &mut Args<'_>, word: &str| value(args, word, "", TimeUs::parse).map(|t| t.0);
    while let Some(word) = args.word()? {
        let attribute = match word {
            "limit" => {
                wire.limit_pkts = some(number(args, word)?);
                TCA_FQ_CODEL_LIMIT
            }
            "flows" => {
                wire.flows = some(number(args, word)?);
                TCA_FQ_CODEL_FLOWS
            }
            "quantum" => {
                wire.quantum_bytes = some(number(args, word)?);
                TCA_FQ_CODEL_QUANTUM
            }
            "target" => {
                wire.target_us = some(time(args, word)?);
                TCA_FQ_CODEL_TARGET
            }
            "interval" => {
                wire.interval_us = some(time(args, word)?);
                TCA_FQ_CODEL_INTERVAL
            }
            "ce_threshold" => {
                wire.ce_threshold_us = Some(time(args, word)?);
                TCA_FQ_CODEL_CE_THRESHOLD
            }
            "ce_threshold_selector" => {
                let (selector, mask) = selector(args)?;
                wire.ce_threshold_selector = Some(selector);
                wire.ce_threshold_mask = Some(mask);
                args.mark(&[tca::OPTIONS, TCA_FQ_CODEL_CE_THRESHOLD_MASK]);
                TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR
            }
            "memory_limit" => {
                wire.memory_limit_bytes = Some(value(args, word, "", Size::parse_u32)?);
                TCA_FQ_CODEL_MEMORY_LIMIT
            }
            "drop_batch" => {
                wire.drop_batch_pkts = some(number(args, word)?);
                TCA_FQ_CODEL_DROP_BATCH_SIZE
            }
            "ecn" | "noecn" => {
                wire.ecn = Some(u32::from(word == "ecn"));
                TCA_FQ_CODEL_ECN
            }
            "help" => return Err(Error::refused(USAGE)),
            other => return Err(unknown(args, other, USAGE)),
        };
        args.mark(&[tca::OPTIONS, attribute]);
    }
    Ok(wire)
}

/// `VALUE/MASK`
fn selector(args: &mut Args<'_>) -> Result<(u8, u8), Error> {
    const WORD: &str = "\"ce_threshold_selector\"";
    let word = args.value()?;
    let refuse = |what: &str| Error::refused(format_args!("{what} {WORD}")).at(args.last());
    let (value, mask) = word.split_once('/').ok_or_else(|| refuse("Missing mask for"))?;
    let mask = parse_u8(mask, Base::Auto).map_err(|_| refuse("Illegal mask for"))?;
    let value = parse_u8(value, Base::Auto).map_err(|_| refuse("Illegal"))?;
    Ok((value, mask))
}

fn print(wire: &Wire, out: &mut Out<'_>) {
    if let Some(limit) = wire.limit_pkts {
        out.field("limit", limit, format_args!("limit {limit}p "));
    }
    if let Some(flows) = wire.flows {
        out.field("flows", flows, format_args!("flows {flows} "));
    }
    if let Some(quantum) = wire.quantum_bytes {
        out.field("quantum", quantum, format_args!("quantum {quantum} "));
    }
    let time = |out: &mut Out<'_>, key: &str, us: Option<u32>| {
        if let Some(us) = us {
            out.field(key, us, format_args!("{key} {} ", TimeUs(us)));
        }
    };
    time(out, "target", wire.target_us);
    time(out, "ce_threshold", wire.ce_threshold_us);
    let selector = wire.ce_threshold_selector.unwrap_or(0);
    let mask = wire.ce_threshold_mask.unwrap_or(0);
    if selector != 0 || mask != 0 {
        // As printf's %#x.
        let hex = |value: u8| if value == 0 { "0".to_owned() } else { format!("{value:#x}") };
        let (value, of) = (hex(selector), hex(mask));
        out.field("ce_threshold_selector", selector, format_args!("ce_threshold_selector {value}"));
        out.field("ce_threshold_mask", mask, format_args!("/{of} "));
    }
    time(out, "interval", wire.interval_us);
    if let Some(limit) = wire.memory_limit_bytes {
        out.field("memory_limit", limit, format_args!("memory_limit {} ", Size(limit.into())));
    }
    if wire.ecn.is_some_and(|ecn| ecn != 0) {
        out.flag("ecn", "ecn ");
    }
    if let Some(batch) = wire.drop_batch_pkts {
        out.field("drop_batch", batch, format_args!("drop_batch {batch} "));
    }
}

fn print_qdisc_xstats(stats: &FqCodelQdiscXstats, out: &mut Out<'_>) {
    for (key, value) in [
        ("maxpacket", stats.maxpacket_bytes),
        ("drop_overlimit", stats.drop_overlimit),
        ("new_flow_count", stats.new_flow_count),
        ("ecn_mark", stats.ecn_mark),
    ] {
        let space = if key == "maxpacket" { "  " } else { " " };
        out.field(key, value, format_args!("{space}{key} {value}"));
    }
    for (key, value) in [
        ("ce_mark", stats.ce_mark),
        ("memory_used", stats.memory_usage_bytes),
        ("drop_overmemory", stats.drop_overmemory),
    ] {
        if value != 0 {
            out.field(key, value, format_args!(" {key} {value}"));
        }
    }
    out.newline();
    let (new, old) = (stats.new_flows_len, stats.old_flows_len);
    out.field("new_flows_len", new, format_args!("  new_flows_len {new}"));
    out.field("old_flows_len", old, format_args!(" old_flows_len {old}"));
}

fn print_class_xstats(stats: &FqCodelClassXstats, out: &mut Out<'_>) {
    let deficit = stats.deficit_bytes;
    out.field("deficit", deficit, format_args!("  deficit {deficit}"));
    out.field("count", stats.count, format_args!(" count {}", stats.count));
    out.field("lastcount", stats.lastcount, format_args!(" lastcount {}", stats.lastcount));
    let ldelay = stats.ldelay_us;
    out.field("ldelay", ldelay, format_args!(" ldelay {}", TimeUs(ldelay)));
    if stats.dropping != 0 {
        out.flag("dropping", " dropping");
        let next = stats.drop_next_us;
        let sign = if next < 0 { "-" } else { "" };
        out.field(
            "drop_next",
            next,
            format_args!(" drop_next {sign}{}", TimeUs(next.unsigned_abs())),
        );
    }
}
