//! Actions in listings of filters, in listings of their own, and in notifications.

use tc_proto::action::{ActionHead, ActionTimes};
use tc_proto::msg::{ActionView, Bitfield32};
use tc_proto::wire::Attrs;

use super::list::{HW_STATS, NO_PERCPU_STATS, SKIP_HW, SKIP_SW};
use crate::kinds::{self, Show};
use crate::out::Out;

/// Clock ticks a second in `struct tcf_t` (`USER_HZ`).
const USER_HZ: u64 = 100;

/// Shows the actions of a filter. Each begins with a line break, so that the one at the end of the
/// filter leaves a blank line.
pub fn print(entries: Attrs<'_>, show: &mut Show<'_>, out: &mut Out<'_>) {
    print_all(entries, true, show, out);
}

/// Shows actions that stand for themselves: what hardware does with them as well.
pub(crate) fn print_objects(entries: Attrs<'_>, show: &mut Show<'_>, out: &mut Out<'_>) {
    print_all(entries, false, show, out);
}

fn print_all(entries: Attrs<'_>, in_filter: bool, show: &mut Show<'_>, out: &mut Out<'_>) {
    out.array("actions", |out| {
        for action in ActionView::list(entries) {
            out.newline();
            out.entry(|out| print_one(&action, in_filter, show, out));
        }
    });
}

fn print_one(action: &ActionView<'_>, in_filter: bool, show: &mut Show<'_>, out: &mut Out<'_>) {
    let order = action.order;
    out.field("order", order, format_args!("\taction order {order}: "));
    let Some(options) = action.options() else {
        out.text(format_args!("[no kind] "));
        return out.newline();
    };
    let name = &*options.kind;
    match (&options.payload, kinds::action(name)) {
        (None, kind) => {
            match kind {
                Some(kind) => kind.print_name(out),
                None => out.field("kind", name, format_args!("{name} ")),
            }
            if let Some(index) = action.index() {
                out.field("index", index, format_args!("\t index {index}"));
            }
            out.newline();
        }
        (Some(payload), Some(kind)) => {
            if let Err(e) = kind.print(payload, show, out) {
                out.field("unreadable", e.to_string(), format_args!("[unreadable: {e}] "));
                out.newline();
            }
        }
        (Some(payload), None) => {
            out.field("kind", name, format_args!("{name} "));
            let len = payload.len();
            out.field("optlen", len as u64, format_args!("[Unknown action, optlen={len}] "));
            out.newline();
        }
    }
    if show.options.stats > 0 {
        if let Some(stats) = action.stats() {
            out.text(format_args!("\tAction statistics:"));
            out.newline();
            out.object("stats", |out| crate::stats::print(&stats, "\t", show.options, out));
            out.newline();
        }
    }
    if let Some(cookie) = action.cookie() {
        let hex = super::hex(cookie);
        out.field("cookie", hex.as_str(), format_args!("\tcookie {hex}"));
        out.newline();
    }
    print_flags(action, in_filter, out);
    print_hw_stats("hw_stats", action.hw_stats(), out);
    print_hw_stats("used_hw_stats", action.used_hw_stats(), out);
}

/// Shows the flags in one line, and whether hardware runs the action.
fn print_flags(action: &ActionView<'_>, in_filter: bool, out: &mut Out<'_>) {
    let flags = action.flags().unwrap_or_default();
    let has = |flag| flags.value & flags.selector & flag != 0;
    let mut any = false;
    let mut flag = |key: &str, text: &str, out: &mut Out<'_>| {
        out.flag(key, text);
        any = true;
    };
    if has(NO_PERCPU_STATS) {
        flag("no_percpu", "\tno_percpu", out);
    }
    if !in_filter {
        if has(SKIP_HW) {
            flag("skip_hw", "\tskip_hw", out);
        }
        if has(SKIP_SW) {
            flag("skip_sw", "\tskip_sw", out);
        }
        match action.in_hw_count().filter(|_| !has(SKIP_HW)) {
            Some(0) => flag("not_in_hw", "\tnot_in_hw", out),
            Some(count) => {
                flag("in_hw", "\tin_hw", out);
                out.field("in_hw_count", count, format_args!(" in_hw_count {count}"));
            }
            None => {}
        }
    }
    if any {
        out.newline();
    }
}

fn print_hw_stats(key: &str, kinds: Option<Bitfield32>, out: &mut Out<'_>) {
    let Some(kinds) = kinds else { return };
    out.text(format_args!("\t{key}"));
    out.array(key, |out| {
        for (name, bit) in HW_STATS {
            let wanted = if *bit == 0 { kinds.value == 0 } else { kinds.value & bit != 0 };
            if wanted {
                out.element(*name, format_args!(" {name}"));
            }
        }
    });
    out.newline();
}

/// Shows number and uses of an action, in the line that `indent` begins.
pub(super) fn print_refs(
    head: &ActionHead,
    times: Option<ActionTimes>,
    indent: &str,
    show: &Show<'_>,
    out: &mut Out<'_>,
) {
    print_refs_open(head, times, indent, show, out);
    out.newline();
}

/// The same without the end of the line.
pub(super) fn print_refs_open(
    head: &ActionHead,
    times: Option<ActionTimes>,
    indent: &str,
    show: &Show<'_>,
    out: &mut Out<'_>,
) {
    let ActionHead { index, refcnt, bindcnt, .. } = *head;
    out.field("index", index, format_args!("{indent}index {index}"));
    out.field("ref", refcnt, format_args!(" ref {refcnt}"));
    out.field("bind", bindcnt, format_args!(" bind {bindcnt}"));
    print_times(times, show, out);
}

/// Shows, with `-s`, since when an action is there and used.
pub(super) fn print_times(times: Option<ActionTimes>, show: &Show<'_>, out: &mut Out<'_>) {
    let Some(times) = times.filter(|_| show.options.stats > 0) else { return };
    let always =
        [("installed", "installed", times.installed), ("last_used", "used", times.last_used)];
    let set =
        [("first_used", "firstused", times.first_used), ("expires", "expires", times.expires)];
    for (key, text, ticks) in always.into_iter().chain(set.into_iter().filter(|(.., t)| *t != 0)) {
        let seconds = ticks / USER_HZ;
        out.field(key, seconds, format_args!(" {text} {seconds} sec"));
    }
}
