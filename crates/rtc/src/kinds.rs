//! The tables of kinds: one row for each, nothing else in the command knows their names.
//!
//! A row is a unit struct in the directory of its class, at the path of its wire format in
//! [`tc_proto`]. The way of a change: [`QdiscKind::parse`] or [`FilterKind::parse`] makes a
//! [`Pending`] of the words, [`Pending::resolve`] a [`Resolved`] of that, and
//! [`Resolved::options`] the bytes. `cargo xtask tidy` checks that each row has its files.

use crate::args::Args;
use crate::env::Env;
use crate::error::Error;
use crate::options::Options;
use crate::out::Out;
use crate::{action, ematch, filter, qdisc};
use tc_proto::msg::TcMessage;
use tc_proto::{DecodeError, EncodeError};

/// The kinds of qdiscs, sorted by name.
pub const QDISCS: &[&dyn QdiscKind] = &[
    &qdisc::bfifo::Bfifo,
    &qdisc::clsact::Clsact,
    &qdisc::drr::Drr,
    &qdisc::fq_codel::FqCodel,
    &qdisc::htb::Htb,
    &qdisc::ingress::Ingress,
    &qdisc::mq::Mq,
    &qdisc::multiq::Multiq,
    &qdisc::netem::Netem,
    &qdisc::noqueue::Noqueue,
    &qdisc::pfifo::Pfifo,
    &qdisc::pfifo_fast::PfifoFast,
    &qdisc::pfifo_head_drop::PfifoHeadDrop,
    &qdisc::prio::Prio,
    &qdisc::sfq::Sfq,
    &qdisc::tbf::Tbf,
];

/// The kinds of filters, sorted by name.
pub const FILTERS: &[&dyn FilterKind] = &[
    &filter::basic::Basic,
    &filter::bpf::Bpf,
    &filter::flow::Flow,
    &filter::fw::Fw,
    &filter::matchall::Matchall,
    &filter::u32::U32,
];

/// The kinds of actions, sorted by name.
pub const ACTIONS: &[&dyn ActionKind] = &[
    &action::bpf::Bpf,
    &action::connmark::Connmark,
    &action::csum::Csum,
    &action::ct::Ct,
    &action::ctinfo::Ctinfo,
    &action::gact::Gact,
    &action::gate::Gate,
    &action::ife::Ife,
    &action::mirred::Mirred,
    &action::mpls::Mpls,
    &action::nat::Nat,
    &action::pedit::Pedit,
    &action::police::Police,
    &action::sample::Sample,
    &action::simple::Simple,
    &action::skbedit::Skbedit,
    &action::skbmod::Skbmod,
    &action::tunnel_key::TunnelKey,
    &action::vlan::Vlan,
];

/// The kinds of ematches, sorted by name.
pub const EMATCHES: &[&dyn EmatchKind] = &[
    &ematch::canid::Canid,
    &ematch::cmp::Cmp,
    &ematch::ipset::IpSet,
    &ematch::ipt::Ipt,
    &ematch::meta::Meta,
    &ematch::nbyte::Nbyte,
    &ematch::u32::U32,
];

/// What a listing needs beside the message.
pub struct Show<'a> {
    /// The options before the object.
    pub options: &'a Options,
    /// The system, for what a message only refers to.
    pub env: &'a mut dyn Env,
}

/// What a kind's parser returns: options that still name files, devices and times.
pub trait Pending {
    /// Looks up what the words name. The only step that touches the system.
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error>;
}

/// Options that can be sent. They hold open what they refer to by number.
pub trait Resolved {
    /// The options' bytes.
    fn options(&self) -> Result<tc_proto::Options<'_>, EncodeError>;

    /// What the user asked to be told, for standard error.
    fn notes(&self) -> &str {
        ""
    }

    /// Takes back what was pinned for them, as the kernel did not take them.
    fn undo(&self, _env: &mut dyn Env) {}
    /// What is to be said once the kernel has taken it: lines of our own, for standard error.
    fn advice(&self) -> String {
        String::new()
    }

    /// Whether what it finds decides about the packet, which may be dropped then, rather than about its class.
    fn decides(&self) -> bool {
        false
    }

    /// What is wrong with it, if that is known, should the kernel call it invalid without saying more.
    fn suspicion(&self) -> Option<String> {
        None
    }
}

/// What the options are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The device's name, when there is one.
    pub dev: Option<String>,
    /// The device's index.
    pub ifindex: i32,
}

/// A kind whose options need nothing from the system.
#[derive(Debug)]
pub struct Plain<K>(pub K);

impl<K: tc_proto::Kind + 'static> Pending for Plain<K> {
    fn resolve(self: Box<Self>, _: &mut dyn Env, _: &Target) -> Result<Box<dyn Resolved>, Error> {
        Ok(self)
    }
}

impl<K: tc_proto::Kind> Resolved for Plain<K> {
    fn options(&self) -> Result<tc_proto::Options<'_>, EncodeError> {
        tc_proto::Options::of(&self.0)
    }
}

/// What the command knows of a kind of qdisc.
///
/// Only the name must be given: a kind without more is listed without options, and added without
/// words.
pub trait QdiscKind: Sync {
    /// The name in `TCA_KIND`.
    fn name(&self) -> &'static str;

    /// The usage, for standard error.
    fn usage(&self) -> &'static str {
        ""
    }

    /// The words that its parser takes, for completions.
    fn words(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads the words after the kind, to the last one. `None`: the kind takes no words at all.
    ///
    /// Touches nothing but the words. Each word that makes an attribute is marked, with
    /// [`Args::mark`], so that an error of the kernel can point at it.
    fn parse(&self, _: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        None
    }

    /// Shows the options, from the payload of `TCA_OPTIONS`; empty when there is none.
    ///
    /// An error is shown in place of the options that are left; the listing goes on.
    fn print(&self, _: &[u8], _: &mut Show<'_>, _: &mut Out<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Shows the counters that only this kind has. `false`: there are none.
    fn print_xstats(
        &self,
        _: &[u8],
        _: &mut Show<'_>,
        _: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        Ok(false)
    }

    /// Its classes, when it has any that can be told apart or have words or counters of their own.
    fn class(&self) -> Option<&dyn ClassKind> {
        None
    }
}

/// What the command knows of the classes of a kind of qdisc.
pub trait ClassKind: Sync {
    /// The words that their parser takes, for completions.
    fn words(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads the words after the kind. `None`: classes cannot be made with `tc class`.
    fn parse(&self, _: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        None
    }

    /// Shows the options.
    fn print(&self, _: &[u8], _: &mut Show<'_>, _: &mut Out<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Shows the counters that only classes of this kind have. `false`: there are none.
    fn print_xstats(
        &self,
        _: &[u8],
        _: &mut Show<'_>,
        _: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        Ok(false)
    }
}

/// What a kind of filter makes of its words.
#[derive(Default)]
pub struct FilterWords {
    /// The handle; 0 lets the kernel choose one.
    pub handle: u32,
    /// The options; `None` sends none.
    pub options: Option<Box<dyn Pending>>,
}

/// What the command knows of a kind of filter.
pub trait FilterKind: Sync {
    /// The name in `TCA_KIND`.
    fn name(&self) -> &'static str;

    /// The usage, for standard error.
    fn usage(&self) -> &'static str;

    /// The words that its parser takes, for completions.
    fn words(&self) -> &'static [&'static str];

    /// The word that an expression of ematches follows, if the kind takes any; for completions.
    fn expression_word(&self) -> Option<&'static str> {
        None
    }

    /// Reads the handle, which means something else in each kind, and the words after the kind, to
    /// the last one.
    ///
    /// Touches nothing but the words, and marks them as [`QdiscKind::parse`] does.
    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error>;

    /// What the filter is, in a few words, when the kind's name says too little.
    fn describe(&self, _: &[u8]) -> Option<String> {
        None
    }

    /// Shows handle and options.
    fn print(
        &self,
        message: &TcMessage<'_>,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError>;
}

/// What the command knows of a kind of action.
pub trait ActionKind: Sync {
    /// The name in `TCA_ACT_KIND`.
    fn name(&self) -> &'static str;

    /// The usage, for standard error.
    fn usage(&self) -> &'static str;

    /// The words that its parser takes, for completions.
    fn words(&self) -> &'static [&'static str];

    /// Whether its name alone is an incomplete command; else its parser is asked without words too.
    fn needs_words(&self) -> bool {
        true
    }

    /// Shows the name alone, where the kernel leaves out the options.
    fn print_name(&self, out: &mut Out<'_>) {
        let name = self.name();
        out.field("kind", name, format_args!("{name} "));
    }

    /// Reads the words after the kind, and leaves those that are not its own: they belong to the
    /// list.
    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error>;

    /// Shows the options, from the kind's name to the line break after the last of them.
    fn print(&self, _: &[u8], _: &mut Show<'_>, _: &mut Out<'_>) -> Result<(), DecodeError>;
}

/// What the command knows of a kind of ematch.
pub trait EmatchKind: Sync {
    /// The name, which messages do not have.
    fn name(&self) -> &'static str;

    /// The number that messages have, `TCF_EM_*`.
    fn number(&self) -> u16;

    /// The usage, for standard error.
    fn usage(&self) -> &'static str;

    /// The words that its parser takes, for completions.
    fn words(&self) -> &'static [&'static str];

    /// Reads the arguments between the parentheses, at least one, to the last one.
    fn parse(&self, args: &[ematch::Arg]) -> Result<Box<dyn ematch::Pending>, ematch::Fault>;

    /// Shows what stands between the parentheses.
    fn print(&self, _: &[u8], _: &mut Show<'_>, _: &mut Out<'_>) -> Result<(), DecodeError>;
}

/// The kind of qdisc of this name.
pub fn qdisc(name: &str) -> Option<&'static dyn QdiscKind> {
    find(QDISCS, name, QdiscKind::name)
}

/// The kind of filter of this name.
pub fn filter(name: &str) -> Option<&'static dyn FilterKind> {
    find(FILTERS, name, FilterKind::name)
}

/// The kind of action of this name.
pub fn action(name: &str) -> Option<&'static dyn ActionKind> {
    find(ACTIONS, name, ActionKind::name)
}

/// The kind of ematch of this name.
pub fn ematch(name: &str) -> Option<&'static dyn EmatchKind> {
    find(EMATCHES, name, EmatchKind::name)
}

fn find<T: ?Sized>(
    table: &'static [&'static T],
    name: &str,
    name_of: impl Fn(&T) -> &'static str,
) -> Option<&'static T> {
    // Byte by byte: most comparisons end at the first, which costs less than calling memcmp.
    let at = table.binary_search_by(|kind| name_of(kind).bytes().cmp(name.bytes())).ok()?;
    table.get(at).copied()
}

/// The name of a kind or device as the kernel takes it: 15 bytes at most.
pub fn cut_name(word: &str) -> &str {
    cut(word, 15)
}

/// A text cut to so many bytes, between characters.
pub(crate) fn cut(word: &str, most: usize) -> &str {
    let mut end = word.len().min(most);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_so_that_every_row_is_found() {
        for kind in QDISCS {
            assert_eq!(qdisc(kind.name()).map(QdiscKind::name), Some(kind.name()));
        }
        for kind in FILTERS {
            assert_eq!(filter(kind.name()).map(FilterKind::name), Some(kind.name()));
        }
        for kind in ACTIONS {
            assert_eq!(action(kind.name()).map(ActionKind::name), Some(kind.name()));
        }
        for kind in EMATCHES {
            assert_eq!(ematch(kind.name()).map(EmatchKind::name), Some(kind.name()));
        }
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(cut_name("verylongkindnameindeed"), "verylongkindnam");
        assert_eq!(cut_name("aaaaaaaaaaaaaaé"), "aaaaaaaaaaaaaa");
    }
}
