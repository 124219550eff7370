//! `basic`: words and output. Wire format: [`tc_proto::filter::basic`].

use tc_proto::filter::basic::{
    Basic as Wire, TCA_BASIC_ACT, TCA_BASIC_CLASSID, TCA_BASIC_EMATCHES, TCA_BASIC_POLICE,
};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::parse_loose_handle;
use tc_proto::wire::RawAttrs;
use tc_proto::{DecodeError, Kind};

use super::acts::{self, Acting, TakesActs};
use super::{classid, expression, stray};
use crate::args::{Args, abbreviates};
use crate::ematch::{self, Expression};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{FilterKind, FilterWords, Pending, Resolved, Show, Target};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... basic [ match EXPRESSION ] [ classid CLASSID ] [ action ACTION_SPEC ]

Matches packets with ematches, see rtc-ematch(8), or all packets. CLASSID is hexadecimal. A word has
to follow EXPRESSION.
";

/// The kind `basic`.
#[derive(Debug)]
pub struct Basic;

/// What the words after the kind say.
#[derive(Default)]
struct Words {
    acting: Acting<Wire>,
    expression: Option<Expression>,
}

impl FilterKind for Basic {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["match", "classid", "flowid", "action", "police", "help"]
    }

    fn expression_word(&self) -> Option<&'static str> {
        Some("match")
    }

    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error> {
        let handle = handle.map_or(Ok(0), |word| {
            parse_loose_handle(word).map_err(|e| {
                Error::refused(format_args!("Illegal handle \"{word}\", must be numeric."))
                    .hint(e.to_string())
            })
        })?;
        if args.left() == 0 {
            return Ok(FilterWords { handle, options: None });
        }
        let mut words = Words::default();
        while let Some(word) = args.word()? {
            words.take(word, args)?;
        }
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
            out.field("handle", format!("{handle:x}"), format_args!("handle {handle:#x} "));
        }
        let basic = Wire::decode(options)?;
        if let Some(classid) = basic.classid {
            out.field("flowid", classid.to_string(), format_args!("flowid {classid} "));
        }
        if let Some(tree) = &basic.ematches {
            ematch::print(tree, show, out)?;
        }
        if let Some(police) = &basic.police {
            out.newline();
            acts::print_police(police, show, out)?;
        }
        acts::print(basic.actions.as_ref(), show, out);
        Ok(())
    }
}

impl Words {
    fn take(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), Error> {
        let acts = &mut self.acting.acts;
        if abbreviates(word, "match") {
            args.mark(&[tca::OPTIONS, TCA_BASIC_EMATCHES]);
            self.expression = Some(expression(args, USAGE)?);
        } else if abbreviates(word, "action") {
            acts.action(args, "Illegal \"action\"", TCA_BASIC_ACT)?;
        } else if abbreviates(word, "classid") || word == "flowid" {
            self.acting.wire.classid = Some(classid(args)?);
            args.mark(&[tca::OPTIONS, TCA_BASIC_CLASSID]);
        } else if abbreviates(word, "police") {
            acts.police(args, TCA_BASIC_POLICE)?;
        } else if word == "help" {
            return Err(Error::refused(USAGE));
        } else {
            return Err(stray(word, self.expression.as_ref(), USAGE, args));
        }
        Ok(())
    }
}

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let Words { mut acting, expression } = *self;
        acting.wire.ematches = expression.map(|found| found.resolve(env)).transpose()?;
        Box::new(acting).resolve(env, target)
    }
}

impl TakesActs for Wire {
    fn take(&mut self, actions: Option<RawAttrs>, police: Option<RawAttrs>) {
        self.actions = actions;
        self.police = police;
    }
}
