//! Counters as qdiscs, classes and filters show them.

use tc_proto::msg::{BasicStats, Stats};
use tc_proto::units::{Rate, Size};

use crate::options::Options;
use crate::out::Out;

/// Shows counters in two lines, without the line break at the end; `prefix` starts each line.
pub(crate) fn print(stats: &Stats<'_>, prefix: &str, options: &Options, out: &mut Out<'_>) {
    if let Some(BasicStats { bytes, packets }) = stats.basic {
        out.text(format_args!("{prefix}"));
        out.field("bytes", bytes, format_args!("Sent {bytes} bytes"));
        out.field("packets", packets, format_args!(" {packets} pkt"));
    }
    if let Some(queue) = stats.queue {
        out.field("drops", queue.drops, format_args!(" (dropped {}, ", queue.drops));
        out.field("overlimits", queue.overlimits, format_args!("overlimits {} ", queue.overlimits));
        out.field("requeues", queue.requeues, format_args!("requeues {}) ", queue.requeues));
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
            out.text(format_args!("{prefix}"));
            out.field(keys.0, part.bytes, format_args!("Sent {name} {} bytes", part.bytes));
            out.field(keys.1, part.packets, format_args!(" {} pkt", part.packets));
        }
    }
    if stats.rate.is_some() {
        // Not one of the line breaks that -oneline replaces, in tc neither.
        out.text(format_args!("\n{prefix}"));
    } else if stats.queue.is_some() {
        out.newline();
        out.text(format_args!("{prefix}"));
    }
    if let Some(rate) = stats.rate {
        let shown = Rate(rate.bps);
        out.field("rate", rate.bps, format_args!("rate {} ", shown.display(options.iec)));
        out.field("pps", rate.pps, format_args!("{}pps{prefix}", rate.pps));
    }
    if let Some(queue) = stats.queue {
        let backlog = Size(queue.backlog.into());
        out.field("backlog", queue.backlog, format_args!("backlog {backlog}"));
        out.field("qlen", queue.qlen, format_args!(" {}p", queue.qlen));
        out.text(format_args!(" requeues {}", queue.requeues));
    }
}
