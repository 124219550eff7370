//! Classes, as far as notifications show them.

use tc_proto::Handle;
use tc_proto::msg::TcMessage;

use super::show;
use crate::kinds::Show;
use crate::out::{Out, Paint};

/// Shows a class. `prefix` are flags such as `deleted`.
pub(super) fn print(
    message: &TcMessage<'_>,
    prefix: &[&str],
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    let header = &message.header;
    let kind = message.kind().unwrap_or_default();
    let handle = header.handle;
    for flag in prefix {
        out.flag(flag, &format!("{flag} "));
    }
    out.field("class", &*kind, format_args!("class {kind} "));
    out.field("handle", handle.to_string(), format_args!("{handle} "));
    let dev = show.env.ifname(header.ifindex);
    out.text(format_args!("dev "));
    out.painted(Paint::Ifname, "dev", &dev, format_args!("{dev} "));
    match header.parent {
        Handle::ROOT => out.flag("root", "root "),
        parent => out.field("parent", parent.to_string(), format_args!("parent {parent} ")),
    }
    if header.info != 0 {
        let leaf = header.info >> 16;
        out.field("leaf", format!("{leaf:x}:"), format_args!("leaf {leaf:x}: "));
    }
    if let Some(options) = message.options() {
        show::unknown_kind("class", &options, out);
    }
    out.newline();
    if show.options.stats > 0 {
        if let Some(stats) = message.stats() {
            crate::stats::print(&stats, " ", show.options, out);
            out.newline();
        }
    }
}
