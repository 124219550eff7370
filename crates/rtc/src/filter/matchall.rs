//! `matchall`: words and output. Wire format: [`tc_proto::filter::matchall`].

use tc_proto::filter::OffloadFlags;
use tc_proto::filter::matchall::{
    Matchall as Wire, TCA_MATCHALL_ACT, TCA_MATCHALL_CLASSID, TCA_MATCHALL_FLAGS,
};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::parse_loose_handle;
use tc_proto::{DecodeError, EncodeError, Kind, Options};

use super::acts::{self, Acts, ReadyActs};
use super::{add_flag, classid, not_nowhere, print_offload, what_is};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{FilterKind, FilterWords, Pending, Resolved, Show, Target};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... matchall [ skip_hw | skip_sw ] [ classid CLASSID ] [ action ACTION_SPEC ]

Matches every packet. CLASSID is hexadecimal.
";

/// The kind `matchall`.
#[derive(Debug)]
pub struct Matchall;

/// What the words after the kind say.
#[derive(Debug, Default)]
struct Words {
    wire: Wire,
    acts: Acts,
}

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
        let handle = handle.and_then(|word| parse_loose_handle(word).ok()).unwrap_or_default();
        if args.left() == 0 {
            return Ok(FilterWords { handle, options: None });
        }
        let mut words = Words::default();
        while let Some(word) = args.word()? {
            if word == "skip_hw" || word == "skip_sw" {
                let hw = word == "skip_hw";
                let flag = if hw { OffloadFlags::SKIP_HW } else { OffloadFlags::SKIP_SW };
                add_flag(&mut words.wire.offload, flag);
                args.mark(&[tca::OPTIONS, TCA_MATCHALL_FLAGS]);
                // They may not be the last word.
                args.value()?;
                args.back();
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

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        Ok(Box::new(Ready { wire: self.wire, acts: self.acts.resolve(env, target)? }))
    }
}

/// A filter whose actions are at hand.
#[derive(Debug)]
struct Ready {
    wire: Wire,
    acts: ReadyActs,
}

impl Resolved for Ready {
    fn options(&self) -> Result<Options<'_>, EncodeError> {
        Options::of(&Wire { actions: self.acts.actions()?, ..self.wire.clone() })
    }

    fn notes(&self) -> &str {
        self.acts.notes()
    }
}
