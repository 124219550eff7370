//! Counters as qdiscs, classes and filters show them.

use tc_proto::msg::{BasicStats, Stats};
use tc_proto::units::{Rate, Size};

use crate::options::Options;
use crate::out::Out;

/// Shows counters in two lines, without the line break at the end; `prefix` starts each line.
pub(crate) fn print(stats: &Stats<'_>, prefix: &str, options: &Options, out: &mut Out<'_>) {
    if let Some(BasicStats { bytes, packets }) = stats.basic {
        out.text(prefix);
        out.field("bytes", bytes, ("Sent ", bytes, " bytes"));
        out.field("packets", packets, (" ", packets, " pkt"));
    }
    if let Some(queue) = stats.queue {
        out.field("drops", queue.drops, (" (dropped ", queue.drops, ", "));
        out.field("overlimits", queue.overlimits, ("overlimits ", queue.overlimits, " "));
        out.field("requeues", queue.requeues, ("requeues ", queue.requeues, ") "));
    }
    let hw = stats.basic_hw.filter(|hw| *hw != BasicStats::default());
    if let (Some(all), Some(hw)) = (stats.basic, hw) {
        let sw = BasicStats {
            bytes: all.bytes.saturating_sub(hw.bytes),
            packets: all.packets.saturating_sub(hw.packets),
        };
        for (name, keys, part) in [
            ("software", ("sw_bytes", "sw_packets"), sw),
            ("hardware", ("hw_bytes", "hw_packets"), hw),
        ] {
            out.newline();
            out.text(prefix);
            out.field(keys.0, part.bytes, format_args!("Sent {name} {} bytes", part.bytes));
            out.field(keys.1, part.packets, format_args!(" {} pkt", part.packets));
        }
    }
    if stats.rate.is_some() {
        // Not one of the line breaks that -oneline replaces, in tc neither.
        out.text(("\n", prefix));
    } else if stats.queue.is_some() {
        out.newline();
        out.text(prefix);
    }
    if let Some(rate) = stats.rate {
        let shown = Rate(rate.bps);
        out.field("rate", rate.bps, ("rate ", shown.display(options.iec), " "));
        out.field("pps", rate.pps, (rate.pps, "pps", prefix));
    }
    if let Some(queue) = stats.queue {
        let backlog = Size(queue.backlog.into());
        out.field("backlog", queue.backlog, ("backlog ", backlog));
        out.field("qlen", queue.qlen, (" ", queue.qlen, "p"));
        out.text((" requeues ", queue.requeues));
    }
}
