//! Actions, as far as filters and notifications show them.

use tc_proto::msg::ActionView;
use tc_proto::wire::Attrs;

use crate::out::Out;

/// Shows which actions a filter has, each by its kind.
pub(crate) fn print(entries: Attrs<'_>, out: &mut Out<'_>) {
    out.array("actions", |out| {
        for action in ActionView::list(entries) {
            let Some(options) = action.options() else { continue };
            let (order, kind) = (action.order, &*options.kind);
            out.newline();
            out.entry(|out| {
                out.field("order", order, format_args!("\taction order {order}: "));
                out.field("kind", kind, format_args!("{kind} "));
                let len = options.bytes().len() as u64;
                out.field("optlen", len, format_args!("[Unknown action, optlen={len}] "));
            });
        }
    });
}
