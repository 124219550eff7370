//! Classes drawn as a tree: `-graph`.

use std::collections::HashMap;

use tc_proto::Handle;
use tc_proto::msg::TcMessage;

use super::class;
use crate::kinds::Show;
use crate::out::Out;

/// Deeper classes are left out. `htb`, the deepest, has eight levels.
const DEPTH: usize = 256;

/// The classes below each class, in the kernel's order.
struct Tree<'a, 'm> {
    messages: &'a [TcMessage<'m>],
    below: HashMap<Handle, Vec<usize>>,
}

/// Draws all classes of a device. The last of the top comes first, as in tc.
pub(super) fn print(messages: &[TcMessage<'_>], show: &mut Show<'_>, out: &mut Out<'_>) {
    let mut below: HashMap<Handle, Vec<usize>> = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        below.entry(message.header.parent).or_default().push(at);
    }
    let mut top = below.remove(&Handle::ROOT).unwrap_or_default();
    top.reverse();
    let tree = Tree { messages, below };
    tree.draw(&top, &mut String::new(), 0, show, out);
}

impl Tree<'_, '_> {
    /// Draws classes that have the same parent; each line starts with `margin`. Returns how many
    /// classes on the way down along the last ones have others below.
    fn draw(
        &self,
        level: &[usize],
        margin: &mut String,
        depth: usize,
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> usize {
        let end = margin.len();
        let mut chain = 0;
        let mut left = level.len();
        for message in level.iter().filter_map(|at| self.messages.get(*at)) {
            left -= 1;
            let options = message.options();
            let kind = options.as_ref().map_or("", |options| &options.kind);
            let id = show.options.class_names.show(message.header.handle);
            out.text(format_args!("{margin}+---({id}) {kind} "));
            // The next fields follow the id's width.
            let width = id.to_string().len();
            if let Some(options) = &options {
                class::print_options(options, show, out);
            }
            out.text(format_args!("\n"));
            margin.push_str(if left > 0 { "|    " } else { "     " });
            let below = match self.below.get(&message.header.handle) {
                Some(below) if depth < DEPTH => below.as_slice(),
                _ => &[],
            };
            if show.options.stats > 0 {
                stats(message, margin, width, below.is_empty(), left == 0, show, out);
            }
            chain = match below {
                [] => 0,
                _ => 1 + self.draw(below, margin, depth + 1, show, out),
            };
            margin.truncate(end);
        }
        if !level.is_empty() {
            let more = "|    ".repeat(chain.saturating_sub(1));
            let step = if chain > 0 { "     " } else { "" };
            out.text(format_args!("{margin}{step}{more}\n"));
        }
        chain
    }
}

/// Shows the counters of a class, in line with its id.
fn stats(
    message: &TcMessage<'_>,
    margin: &str,
    width: usize,
    leaf: bool,
    last: bool,
    show: &Show<'_>,
    out: &mut Out<'_>,
) {
    let bar = if leaf { ' ' } else { '|' };
    if let Some(stats) = message.stats() {
        let prefix = format!("{margin}{bar}{:1$}", "", width + 1);
        crate::stats::print(&stats, &prefix, show.options, out);
        out.text(format_args!("\n"));
    }
    if !(leaf && last) {
        out.text(format_args!("{margin}{bar}\n"));
    }
}
