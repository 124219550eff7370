//! The counters of all classes of a device, as Prometheus reads them.
//!
//! `cargo run --features client --example exporter -- DEV`

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

use tc_proto::client::{self, Client};
use tc_proto::msg::ClassList;

/// One metric: its name, what it means, and its value for each class, in that order.
const METRICS: [(&str, &str); 5] = [
    ("tc_class_sent_bytes_total", "counter"),
    ("tc_class_sent_packets_total", "counter"),
    ("tc_class_dropped_packets_total", "counter"),
    ("tc_class_overlimits_total", "counter"),
    ("tc_class_backlog_bytes", "gauge"),
];

/// The text of one scrape.
pub fn scrape(client: &mut Client, device: &str) -> Result<String, client::Error> {
    let ifindex = client.link_index(device)?;
    // All of them, even when classes come and go meanwhile.
    let classes = client.list(&ClassList::on(ifindex))?;
    let mut text = String::new();
    for (n, (metric, sort)) in METRICS.into_iter().enumerate() {
        _ = writeln!(text, "# TYPE {metric} {sort}");
        for class in &classes {
            let stats = class.stats();
            let (basic, queue) = (stats.basic.unwrap_or_default(), stats.queue.unwrap_or_default());
            let values = [
                basic.bytes,
                basic.packets,
                queue.drops.into(),
                queue.overlimits.into(),
                queue.backlog.into(),
            ];
            let value = values.get(n).copied().unwrap_or_default();
            let (kind, id) = (class.kind(), class.classid());
            _ = writeln!(
                text,
                "{metric}{{device={device:?},kind={kind:?},class=\"{id}\"}} {value}"
            );
        }
    }
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = std::env::args().nth(1).ok_or("usage: exporter DEV")?;
    let text = scrape(&mut Client::open()?, &device)?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
