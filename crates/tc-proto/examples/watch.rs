//! Tells what others change, until nothing was changed for a minute.
//!
//! `cargo run --features client --example watch`

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use tc_proto::client::{self, Monitor};
use tc_proto::msg::{AnyReply, Change};

/// One line about a change.
pub fn line(change: &Change) -> String {
    let (what, object) = match change {
        Change::New(object) => ("new", object),
        Change::Deleted(object) => ("deleted", object),
        _ => return "changes were lost: look at everything again".to_owned(),
    };
    match object {
        AnyReply::Qdisc(q) => {
            format!("{what} qdisc {} {} on device {}", q.kind(), q.handle(), q.ifindex())
        }
        AnyReply::Class(c) => {
            format!("{what} class {} {} on device {}", c.kind(), c.classid(), c.ifindex())
        }
        AnyReply::Filter(f) => {
            format!("{what} filter {} pref {} on device {}", f.kind(), f.prio(), f.ifindex())
        }
        AnyReply::Chain(c) => format!("{what} chain {} on device {}", c.chain(), c.ifindex()),
        AnyReply::Action(a) => {
            let kinds = a.actions().filter_map(|action| Some(action.options()?.kind.into_owned()));
            format!("{what} actions: {}", kinds.collect::<Vec<_>>().join(" "))
        }
        other => format!("{what} {other:?}"),
    }
}

/// Tells each change until none comes for as long as `patience`.
pub fn watch(
    monitor: &mut Monitor,
    patience: Duration,
    mut tell: impl FnMut(String) -> io::Result<()>,
) -> Result<(), client::Error> {
    for change in monitor.changes(patience) {
        if tell(line(&change?)).is_err() {
            break;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut monitor = Monitor::open(&[Monitor::TC])?;
    watch(&mut monitor, Duration::from_secs(60), |line| writeln!(io::stdout(), "{line}"))?;
    Ok(())
}
