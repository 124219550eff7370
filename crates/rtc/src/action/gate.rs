//! `gate`: words and output. Wire format: [`tc_proto::action::gate`].

use tc_proto::action::gate::{Gate as Wire, GateEntry};
use tc_proto::action::{ActionHead, Control};
use tc_proto::units::{Base, TimeNs, parse_i32, parse_i64, parse_u32, parse_u64};
use tc_proto::{DecodeError, Kind};

use super::{control, print};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{ActionKind, Pending, Plain, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... gate [ priority PRIO ] [ base-time TIME ] [ cycle-time TIME ] [ cycle-time-ext TIME ]
          [ clockid CLOCK ] [ flags FLAGS ]
          sched-entry { open | close } TIME [ IPV [ MAX_OCTETS ] ] ... [ index INDEX ] [ VERDICT ]

TIME is in nanoseconds, or has a unit. CLOCK is TAI (the default), REALTIME, MONOTONIC or BOOTTIME.
PRIO, IPV and MAX_OCTETS are -1 for any, which is the default.
";

/// `CLOCK_*` of uapi/linux/time.h.
const CLOCKS: &[(&str, i32)] = &[("REALTIME", 0), ("TAI", 11), ("BOOTTIME", 7), ("MONOTONIC", 1)];

/// The kind `gate`.
#[derive(Debug)]
pub struct Gate;

impl ActionKind for Gate {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "priority",
            "base-time",
            "cycle-time",
            "cycle-time-ext",
            "clockid",
            "flags",
            "sched-entry",
            "open",
            "close",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut wire = Wire::default();
        let mut entries = Vec::new();
        let mut index = 0;
        while let Some(word) = args.word()? {
            if abbreviates(word, "priority") {
                let priority = number(args, "priority", |w| parse_i32(w, Base::Auto).ok())?;
                wire.priority = Some(priority).filter(|priority| *priority != -1);
            } else if abbreviates(word, "base-time") {
                wire.base_time_ns = time(args, "base-time")?;
            } else if abbreviates(word, "cycle-time") {
                wire.cycle_time_ns = time(args, "cycle-time")?;
            } else if abbreviates(word, "cycle-time-ext") {
                wire.cycle_time_ext_ns = time(args, "cycle-time-ext")?;
            } else if abbreviates(word, "clockid") {
                wire.clock = Some(number(args, "clockid", clock)?);
            } else if abbreviates(word, "flags") {
                let flags = number(args, "flags", |w| parse_u32(w, Base::Auto).ok())?;
                wire.flags = Some(flags).filter(|flags| *flags != 0);
            } else if abbreviates(word, "sched-entry") {
                entries.push(entry(args)?);
            } else if abbreviates(word, "index") {
                index = number(args, "index", |w| parse_u32(w, Base::Ten).ok())?;
            } else if abbreviates(word, "help") {
                return Err(Error::usage(USAGE));
            } else {
                args.back();
                break;
            }
        }
        let next = args.next();
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        if entries.is_empty() && index == 0 {
            return Err(Error::refused("gate: must add at least one entry").at(next));
        }
        wire.head = ActionHead::new(index, control);
        wire.entries = Some(entries);
        Ok(Box::new(Plain(wire)))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let gate = Wire::decode(options)?;
        // Some ends of lines are such under -oneline, too.
        out.text("\n");
        let any = |number: i32| match number {
            -1 => "wildcard".to_owned(),
            _ => number.to_string(),
        };
        let priority = gate.priority.unwrap_or(-1);
        out.field("priority", priority, format_args!("\tpriority {:<8}", any(priority)));
        let clock = gate.clock.unwrap_or(0);
        let name = CLOCKS.iter().find(|(_, number)| *number == clock);
        let name = name.map_or("invalid", |(name, _)| name);
        out.field("clockid", name, format_args!("\tclockid {name}"));
        let flags = format!("{:x}", gate.flags.unwrap_or(0));
        let prefix = if flags == "0" { "" } else { "0x" };
        out.field("flags", format!("{prefix}{flags}"), format_args!("\tflags {prefix}{flags}"));
        out.text("\n");
        let times = [
            ("base_time", "base-time", gate.base_time_ns),
            ("cycle_time", "cycle-time", gate.cycle_time_ns),
            ("cycle_time_ext", "cycle-time-ext", gate.cycle_time_ext_ns),
        ];
        for (key, name, time) in times {
            let time = time.unwrap_or(0);
            out.field(key, time, format_args!("\t{name} {}", TimeNs(time)));
        }
        out.newline();
        if let Some(entries) = &gate.entries {
            out.text(format_args!("\tschedule:"));
            out.newline();
            out.array("schedule", |out| {
                for entry in entries {
                    out.entry(|out| print_entry(entry, &any, out));
                    out.newline();
                }
            });
        }
        control::print(gate.head.control, "control_action", "\t", "", out);
        out.text("\n");
        print::print_refs_open(&gate.head, gate.times, "\t ", show, out);
        out.text("\n");
        Ok(())
    }
}

fn print_entry(entry: &GateEntry, any: &impl Fn(i32) -> String, out: &mut Out<'_>) {
    let index = entry.index.unwrap_or(0);
    out.field("number", index, format_args!("\t number {index:4}"));
    let state = if entry.open { "open" } else { "close" };
    out.field("gate_state", state, format_args!("\tgate-state {state} "));
    let interval = TimeNs(entry.interval_ns.into());
    out.field("interval", entry.interval_ns, format_args!("\tinterval {interval}"));
    let ipv = match entry.ipv {
        -1 => "wildcard".to_owned(),
        ipv => format!("{ipv:<10}"),
    };
    out.field("ipv", entry.ipv, format_args!("\t ipv {ipv}"));
    let unit = if entry.max_octets == -1 { "" } else { "b" };
    let octets = any(entry.max_octets);
    out.field("max_octets", entry.max_octets, format_args!("\t max-octets {octets}{unit}"));
}

/// Takes the next word, which must be what `parse` reads.
fn number<T>(
    args: &mut Args<'_>,
    what: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Error> {
    let word = args.value()?;
    parse(word).ok_or_else(|| Error::wrong(word, what).at(args.last()))
}

/// A time in nanoseconds, of which zero is not sent.
fn time(args: &mut Args<'_>, what: &str) -> Result<Option<i64>, Error> {
    let time = number(args, what, |word| {
        let signed = parse_i64(word, Base::Auto).ok();
        let unsigned = || parse_u64(word, Base::Auto).ok().map(|time| time as i64);
        signed.or_else(unsigned).or_else(|| TimeNs::parse(word).ok().map(|time| time.0))
    })?;
    Ok(Some(time).filter(|time| *time != 0))
}

/// With or without `CLOCK_`, in letters of any case.
fn clock(word: &str) -> Option<i32> {
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("CLOCK_").unwrap_or(&upper);
    CLOCKS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// `{ open | close } TIME [ IPV [ MAX_OCTETS ] ]`.
fn entry(args: &mut Args<'_>) -> Result<GateEntry, Error> {
    let expected = |what: &str, args: &Args<'_>| {
        Error::refused(USAGE).at(args.last()).hint(format!("expected {what}"))
    };
    let state = args.word()?.map(str::to_ascii_lowercase);
    let open = match state.as_deref() {
        Some("open") => true,
        Some("close") => false,
        _ => return Err(expected("open or close", args)),
    };
    let interval = args.word()?.and_then(|word| {
        let number = parse_u64(word, Base::Auto).ok();
        number.or_else(|| TimeNs::parse(word).ok().and_then(|time| u64::try_from(time.0).ok()))
    });
    let interval = interval.ok_or_else(|| expected("a time", args))?;
    let interval_ns = u32::try_from(interval).map_err(|_| {
        Error::refused("\"interval\" is too large").at(args.last()).hint("at most 4.29 s")
    })?;
    let mut entry = GateEntry { open, interval_ns, ..GateEntry::default() };
    let optional = |args: &mut Args<'_>| {
        let found = parse_i32(args.peek()?, Base::Auto).ok()?;
        args.word().ok()?;
        Some(found)
    };
    let ipv = optional(args);
    let max_octets = ipv.and_then(|_| optional(args));
    // What a closed gate lets through is not sent.
    if open {
        entry.ipv = ipv.unwrap_or(entry.ipv);
        entry.max_octets = max_octets.unwrap_or(entry.max_octets);
    }
    Ok(entry)
}
