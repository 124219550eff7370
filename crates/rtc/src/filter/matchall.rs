//! `matchall`: words and output. Wire format: [`tc_proto::filter::matchall`].

use tc_proto::filter::OffloadFlags;
use tc_proto::filter::matchall::{
    Matchall as Wire, TCA_MATCHALL_ACT, TCA_MATCHALL_CLASSID, TCA_MATCHALL_FLAGS,
};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::parse_loose_handle;
use tc_proto::wire::RawAttrs;
use tc_proto::{DecodeError, Kind};

use super::acts::{self, Acting, TakesActs};
use super::{add_flag, classid, not_nowhere, print_offload, what_is};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{FilterKind, FilterWords, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... matchall [ skip_hw | skip_sw ] [ classid CLASSID ] [ action ACTION_SPEC ]

Matches every packet. CLASSID is hexadecimal.
";

/// The kind `matchall`.
#[derive(Debug)]
pub struct Matchall;

impl FilterKind for Matchall {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["skip_hw", "skip_sw", "classid", "flowid", "action", "help"]
    }

    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error> {
        // tc takes what is no number for none.
        let handle = handle.map_or(Ok(0), |word| {
            parse_loose_handle(word).map_err(|e| {
                Error::refused(format_args!("Illegal handle \"{word}\", must be numeric."))
                    .hint(e.to_string())
            })
        })?;
        if args.left() == 0 {
            return Ok(FilterWords { handle, options: None });
        }
        let mut words = Acting::<Wire>::default();
        while let Some(word) = args.word()? {
            if word == "skip_hw" || word == "skip_sw" {
                let hw = word == "skip_hw";
                let flag = if hw { OffloadFlags::SKIP_HW } else { OffloadFlags::SKIP_SW };
                add_flag(&mut words.wire.offload, flag);
                args.mark(&[tca::OPTIONS, TCA_MATCHALL_FLAGS]);
                // They may not be the last word.
                args.followed()?;
            } else if abbreviates(word, "classid") || word == "flowid" {
                words.wire.classid = Some(classid(args)?);
                args.mark(&[tca::OPTIONS, TCA_MATCHALL_CLASSID]);
            } else if abbreviates(word, "action") {
                words.acts.action(args, "Illegal \"action\"", TCA_MATCHALL_ACT)?;
            } else if word == "help" {
                return Err(Error::refused(USAGE));
            } else {
                return Err(what_is(word, USAGE, args));
            }
        }
        not_nowhere(words.wire.offload)?;
        Ok(FilterWords { handle, options: Some(Box::new(words)) })
    }

    fn print(
        &self,
        message: &TcMessage<'_>,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let handle = message.header.handle.0;
        if handle != 0 {
            out.field("handle", handle, format_args!("handle {handle:#x} "));
        }
        let matchall = Wire::decode(options)?;
        if let Some(classid) = matchall.classid {
            out.field("flowid", classid.to_string(), format_args!("flowid {classid} "));
        }
        if let Some(offload) = matchall.offload {
            // Line breaks that -oneline does not replace.
            print_offload(offload, "\n  ", "", out);
        }
        if let Some(hits) = matchall.hits.filter(|_| show.options.stats > 0) {
            out.field("rule_hit", hits, format_args!(" (rule hit {hits})"));
        }
        acts::print(matchall.actions.as_ref(), show, out);
        Ok(())
    }
}

impl TakesActs for Wire {
    fn take(&mut self, actions: Option<RawAttrs>, _: Option<RawAttrs>) {
        self.actions = actions;
    }
}
