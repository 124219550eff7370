//! What a filter does with a packet that matches: the words `action` and `police`.

use std::fmt::Debug;

use tc_proto::msg::tca;
use tc_proto::wire::RawAttrs;
use tc_proto::{DecodeError, EncodeError, Kind, Options};

use crate::action::{self, Actions, List, police};
use crate::args::Args;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{Pending, Resolved, Show, Target};
use crate::out::Out;

/// The words `action …` and `police …` of a filter.
#[derive(Debug, Default)]
pub(super) struct Acts {
    actions: Option<List>,
    police: Option<police::Words>,
}

/// Actions that are at hand.
#[derive(Debug, Default)]
pub(super) struct ReadyActs {
    actions: Option<Actions>,
    police: Option<RawAttrs>,
    notes: String,
}

impl Acts {
    /// Reads what follows the word `action`, which makes the attribute `attr`. `refusal` is the line
    /// that ends the errors.
    pub(super) fn action(
        &mut self,
        args: &mut Args<'_>,
        refusal: &'static str,
        attr: u16,
    ) -> Result<(), Error> {
        args.mark(&[tca::OPTIONS, attr]);
        self.actions = Some(List::parse(args, refusal)?);
        Ok(())
    }

    /// Reads what follows the word `police`, which makes the attribute `attr`.
    pub(super) fn police(&mut self, args: &mut Args<'_>, attr: u16) -> Result<(), Error> {
        args.mark(&[tca::OPTIONS, attr]);
        self.police = Some(police::parse_old(args)?);
        Ok(())
    }

    /// Looks up what the words name.
    pub(super) fn resolve(self, env: &mut dyn Env, target: &Target) -> Result<ReadyActs, Error> {
        let actions = self.actions.map(|list| list.resolve(env, target)).transpose()?;
        let notes = actions.as_ref().map(Actions::notes).unwrap_or_default();
        let police = self.police.map(|police| police.resolve_old(env)).transpose();
        let mut ready = ReadyActs { actions, police: None, notes };
        match police {
            Ok(police) => ready.police = police,
            Err(e) => {
                ready.undo(env);
                return Err(e);
            }
        }
        Ok(ready)
    }
}

impl ReadyActs {
    /// The list of actions, as the filter sends it.
    pub(super) fn actions(&self) -> Result<Option<RawAttrs>, EncodeError> {
        self.actions.as_ref().map(Actions::attrs).transpose()
    }

    /// The policer of the old form.
    pub(super) fn police(&self) -> Option<RawAttrs> {
        self.police.clone()
    }

    /// What the user asked to be told.
    pub(super) fn notes(&self) -> &str {
        &self.notes
    }

    /// Takes back what was pinned for them.
    pub(super) fn undo(&self, env: &mut dyn Env) {
        if let Some(actions) = &self.actions {
            actions.undo(env);
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.actions.is_none() && self.police.is_none()
    }

    /// What is to be said once the kernel has taken them.
    pub(super) fn advice(&self) -> String {
        self.actions.as_ref().map(Actions::advice).unwrap_or_default()
    }

    /// What is wrong with one of them.
    pub(super) fn suspicion(&self) -> Option<String> {
        self.actions.as_ref()?.suspicion()
    }
}

/// Options that have a place for actions, and for a policer of the old form unless the kind takes
/// none.
pub(super) trait TakesActs: Kind + Clone + Debug + 'static {
    /// Puts them there.
    fn take(&mut self, actions: Option<RawAttrs>, police: Option<RawAttrs>);
}

/// Options of which only the actions are still to be looked up.
#[derive(Debug, Default)]
pub(super) struct Acting<W> {
    pub(super) wire: W,
    pub(super) acts: Acts,
}

/// Options whose actions are at hand.
#[derive(Debug)]
struct Ready<W> {
    wire: W,
    acts: ReadyActs,
}

impl<W: TakesActs> Pending for Acting<W> {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        Ok(Box::new(Ready { wire: self.wire, acts: self.acts.resolve(env, target)? }))
    }
}

impl<W: TakesActs> Resolved for Ready<W> {
    fn options(&self) -> Result<Options<'_>, EncodeError> {
        if self.acts.is_empty() {
            return Options::of(&self.wire);
        }
        let mut wire = self.wire.clone();
        wire.take(self.acts.actions()?, self.acts.police());
        Options::of(&wire)
    }

    fn notes(&self) -> &str {
        self.acts.notes()
    }

    fn undo(&self, env: &mut dyn Env) {
        self.acts.undo(env);
    }

    fn advice(&self) -> String {
        self.acts.advice()
    }

    fn suspicion(&self) -> Option<String> {
        self.acts.suspicion()
    }
}

/// Shows the list of actions, each after a line break.
pub(super) fn print(actions: Option<&RawAttrs>, show: &mut Show<'_>, out: &mut Out<'_>) {
    if let Some(actions) = actions {
        action::print(actions.attrs(), show, out);
    }
}

/// Shows a policer of the old form.
pub(super) fn print_police(
    police: &RawAttrs,
    show: &mut Show<'_>,
    out: &mut Out<'_>,
) -> Result<(), DecodeError> {
    police::print_old(police.attrs(), show, out)
}
