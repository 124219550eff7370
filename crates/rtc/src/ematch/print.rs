//! Shows a tree of ematches.

use std::rc::Rc;

use tc_proto::DecodeError;
use tc_proto::ematch::{Entry, Relation, Tree};

use crate::ematch_map::EmatchMap;
use crate::kinds::{self, Show};
use crate::out::Out;

/// How deep groups stand inside each other at most, as in the kernel.
const MAX_DEPTH: usize = 32;
/// How many ematches are shown of a tree at most: groups that share members make more of them than
/// there are.
const MAX_SHOWN: usize = 1 << 14;

/// What is left to be shown.
struct Printer<'t> {
    tree: &'t Tree,
    map: Rc<EmatchMap>,
    left: usize,
}

/// Shows the tree, if there is anything in it.
pub(crate) fn print(
    tree: &Tree,
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) -> Result<(), DecodeError> {
    if tree.entries.is_empty() {
        return Ok(());
    }
    // -oneline replaces none of these line breaks.
    out.text(format_args!("\n  "));
    let map = show.env.ematch_map();
    let mut printer = Printer { tree, map, left: MAX_SHOWN };
    out.array("ematches", |out| printer.list(0, 1, show, out))
}

impl Printer<'_> {
    /// Shows the list that begins at an entry.
    fn list(
        &mut self,
        first: usize,
        depth: usize,
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Invalid { what: "depth of ematches" });
        }
        for entry in self.tree.entries.iter().skip(first) {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                return Err(DecodeError::Invalid { what: "ematches" });
            }
            out.entry(|out| self.entry(entry, depth, show, out))?;
            if matches!(entry.relation(), Relation::End | Relation::Invalid) {
                break;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &Entry,
        depth: usize,
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let indent = "  ".repeat(depth);
        if entry.is_inverted() {
            out.flag("not", "NOT ");
        }
        let is_group = match entry.first_member() {
            Some(first) => {
                let first = first? as usize;
                out.text(format_args!("(\n  {indent}"));
                out.array("group", |out| self.list(first, depth + 1, show, out))?;
                out.text(format_args!("{indent}) "));
                true
            }
            None => {
                self.single(entry, show, out)?;
                out.text(format_args!("\n"));
                false
            }
        };
        let (word, shown) = match entry.relation() {
            Relation::End => return Ok(()),
            Relation::And => ("and", "AND "),
            Relation::Or => ("or", "OR "),
            Relation::Invalid => ("", ""),
        };
        out.text(format_args!("{}", if is_group { "" } else { &indent }));
        if !word.is_empty() {
            out.field("relation", word, format_args!("{shown}"));
        }
        Ok(())
    }

    fn single(
        &self,
        entry: &Entry,
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let usual = || kinds::EMATCHES.iter().find(|kind| kind.number() == entry.kind).copied();
        let kind = match self.map.name(entry.kind) {
            Some(name) => kinds::ematch(name),
            None => usual(),
        };
        let Some(kind) = kind else {
            let number = entry.kind;
            out.field("kind", number, format_args!("[unknown ematch {number}]"));
            out.json("data", super::hex(&entry.data).concat());
            return Ok(());
        };
        out.field("kind", kind.name(), format_args!("{}(", kind.name()));
        kind.print(&entry.data, show, out)?;
        out.text(format_args!(")"));
        Ok(())
    }
}
