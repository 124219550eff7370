//! Chains of filters, as far as notifications show them.

use tc_proto::msg::TcMessage;

use super::filter::{Shown, print_hook};
use super::show;
use crate::kinds::{self, Show};
use crate::out::Out;

/// Shows a chain. `prefix` are flags such as `deleted`.
pub(super) fn print(
    message: &TcMessage<'_>,
    prefix: &[&str],
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) {
    for flag in prefix {
        out.flag(flag, &format!("{flag} "));
    }
    out.text(format_args!("chain "));
    print_hook(&message.header, &Shown::default(), show, out);
    let kind = message.kind();
    if let Some(kind) = &kind {
        out.field("kind", &**kind, format_args!("{kind} "));
    }
    if let Some(chain) = message.chain() {
        out.field("chain", chain, format_args!("chain {chain} "));
    }
    if let Some(options) = message.options().filter(|options| options.payload.is_some()) {
        match kinds::filter(&options.kind) {
            Some(kind) => {
                show::or_unreadable(kind.print(message, options.bytes(), show, out), out);
            }
            None => show::unknown_kind("filter", &options, out),
        }
    }
    out.newline();
}
