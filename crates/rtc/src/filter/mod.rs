//! Kinds of filters, a file each; wire formats are in [`tc_proto::filter`].

mod acts;
pub mod basic;
pub mod bpf;

pub(crate) mod bpf_source;
pub(crate) mod classic;
pub mod flow;
pub mod fw;
pub mod matchall;
pub(crate) mod object_source;
pub mod u32;
mod u32_decode;
mod u32_match;

use tc_proto::Handle;
use tc_proto::filter::OffloadFlags;

use crate::args::Args;
use crate::ematch::Expression;
use crate::error::Error;
use crate::kinds::cut;
use crate::out::Out;

/// Reads the class id that follows its keyword.
fn classid(args: &mut Args<'_>) -> Result<Handle, Error> {
    Handle::parse_classid(args.value()?)
        .map_err(|e| Error::illegal("classid").at(args.last()).hint(e.to_string()))
}

/// Takes the name of a device, cut to what the kernel takes with its NUL.
fn indev(args: &mut Args<'_>) -> Result<String, Error> {
    let word = args.word()?.ok_or_else(|| Error::refused("Illegal indev").at(args.last()))?;
    Ok(cut(word, 16).to_owned())
}

/// Refuses to run a filter neither in hardware nor in software.
fn not_nowhere(offload: Option<OffloadFlags>) -> Result<(), Error> {
    let nowhere = OffloadFlags::SKIP_HW | OffloadFlags::SKIP_SW;
    match offload {
        Some(offload) if offload.contains(nowhere) => {
            Err(Error::refused("skip_hw and skip_sw are mutually exclusive"))
        }
        _ => Ok(()),
    }
}

/// Adds to the flags of a filter.
fn add_flag(offload: &mut Option<OffloadFlags>, flag: OffloadFlags) {
    *offload = Some(offload.unwrap_or(OffloadFlags::empty()) | flag);
}

/// A word that the kind does not have.
fn what_is(word: &str, usage: &str, args: &Args<'_>) -> Error {
    Error::refused(format_args!("What is \"{word}\"?\n{usage}")).at(args.last())
}

/// Reads an expression of ematches.
fn expression(args: &mut Args<'_>, usage: &str) -> Result<Expression, Error> {
    args.followed()?;
    let expression = Expression::parse(args)?;
    match expression.warning() {
        Some(line) => {
            let word = args.value()?;
            Err(what_is(word, usage, args).after(line))
        }
        None => Ok(expression),
    }
}

/// A word that a filter with an expression does not have.
fn stray(word: &str, expression: Option<&Expression>, usage: &str, args: &Args<'_>) -> Error {
    let error = what_is(word, usage, args);
    match expression {
        Some(expression) => expression.remark(error),
        None => error,
    }
}

/// Shows where a filter runs: each flag that is set, with what comes before and behind it.
fn print_offload(offload: OffloadFlags, before: &str, behind: &str, out: &mut Out<'_>) {
    let placed = if offload.contains(OffloadFlags::IN_HW) {
        ("in_hw", OffloadFlags::IN_HW)
    } else {
        ("not_in_hw", OffloadFlags::NOT_IN_HW)
    };
    for (key, flag) in
        [("skip_hw", OffloadFlags::SKIP_HW), ("skip_sw", OffloadFlags::SKIP_SW), placed]
    {
        if offload.contains(flag) {
            out.flag(key, &format!("{before}{key}{behind}"));
        }
    }
}
