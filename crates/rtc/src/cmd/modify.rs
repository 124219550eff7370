//! Changes: a request ready to be sent, and what its outcome means to the user.

use std::fmt::Write as _;

use tc_proto::client::{Ack, Error as ClientError, KernelError, errno_text};
use tc_proto::msg::{
    ChainRequest, ClassRequest, ExtAck, FilterRequest, Hook, QdiscRequest, Request, Verb, flags,
};
use tc_proto::{EncodeError, Handle, Options};

use super::{Session, actions, filter, hint, monitor};
use crate::args::Marks;
use crate::error::Error;
use crate::kinds::{Resolved, Target};

/// A request that is ready to be sent, with what explains its failure.
pub(crate) struct Modify {
    pub(super) change: Change,
    pub(super) options: Option<Box<dyn Resolved>>,
    pub(super) marks: Marks,
    pub(super) target: Target,
    pub(super) echo: bool,
}

/// What is changed.
pub(super) enum Change {
    Qdisc(Verb, QdiscRequest<'static>),
    Class(Verb, ClassRequest<'static>),
    Filter(Verb, FilterRequest<'static>),
    Chain(Verb, ChainRequest<'static>),
    Actions(actions::Command),
}

/// Whether it makes a filter whose place nobody named.
fn at_the_root_unasked(change: &Change) -> bool {
    let Change::Filter(Verb::Add | Verb::Replace, request) = change else { return false };
    matches!(request.hook, Hook::Device { parent: Handle::UNSPEC, .. })
}

impl Modify {
    /// The message. It borrows from the options what they keep open.
    pub(crate) fn request(&self) -> Result<Request<'_>, EncodeError> {
        let resolved = self.options.as_deref().map(Resolved::options).transpose()?;
        // What is not resolved is a bare kind.
        let or = |bare: &Option<Options<'static>>| resolved.or_else(|| bare.clone());
        let mut request = match &self.change {
            Change::Qdisc(verb, qdisc) => {
                QdiscRequest { options: or(&qdisc.options), stab: qdisc.stab.clone(), ..*qdisc }
                    .encode(*verb)?
            }
            Change::Class(verb, class) => {
                ClassRequest { options: or(&class.options), ..*class }.encode(*verb)?
            }
            Change::Filter(verb, filter) => {
                FilterRequest { options: or(&filter.options), ..*filter }.encode(*verb)?
            }
            Change::Chain(verb, chain) => {
                ChainRequest { template: or(&chain.template), ..*chain }.encode(*verb)?
            }
            Change::Actions(command) => command.request()?,
        };
        if self.echo {
            request.add_flags(flags::ECHO);
        }
        Ok(request)
    }

    /// Sends the request, waits for the outcome and tells it.
    pub(crate) fn run(&self, session: &mut Session<'_>) -> Result<(), Error> {
        let outcome = match self.request() {
            Ok(request) => session.env.request(&request),
            Err(e) => Err(ClientError::Encode(e)),
        };
        self.finish(outcome, session)
    }

    /// Tells the outcome: warnings, what was made, or why it failed.
    pub(crate) fn finish(
        &self,
        outcome: Result<Ack, ClientError>,
        session: &mut Session<'_>,
    ) -> Result<(), Error> {
        let ack = outcome.map_err(|e| {
            self.undo(session);
            self.explain(&e, session)
        })?;
        session.complain(&self.advice());
        if let Some(warning) = ack.warning.as_ref().and_then(|w| sentence("Warning", w)) {
            session.complain(&warning);
        }
        if self.echo && !ack.echoed.is_empty() {
            let Session { env, options, out, .. } = session;
            out.document(|out| {
                for message in &ack.echoed {
                    monitor::show(message.header, &message.body, *env, options, out);
                }
            });
        }
        Ok(())
    }

    /// Takes back what was pinned for a command that failed.
    fn undo(&self, session: &mut Session<'_>) {
        if let Some(options) = &self.options {
            options.undo(session.env);
        }
        if let Change::Actions(command) = &self.change {
            command.undo(session.env);
        }
    }

    fn explain(&self, e: &ClientError, session: &mut Session<'_>) -> Error {
        if let (Some(libc::ENODEV), Some(dev)) = (e.errno(), &self.target.dev) {
            // A device of this name may come again with another index.
            session.env.forget_ifindex(dev);
        }
        let mut error = match &self.change {
            Change::Qdisc(..) | Change::Class(..) => refusal(e),
            Change::Filter(..) | Change::Chain(..) => refusal(e).line(filter::TALKING),
            Change::Actions(command) => command.refused(e),
        };
        if let Some(word) = e.kernel().and_then(|k| self.blame(k)) {
            error = error.at(word..word + 1);
        }
        if e.errno() == Some(libc::EINVAL) {
            error = self.suspicion().into_iter().fold(error, Error::hint);
        }
        match hint::find(self, e, &mut *session.env) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// What is to be said of what was sent, now that the kernel has taken it.
    fn advice(&self) -> String {
        match &self.change {
            Change::Actions(command) => command.advice(),
            change => {
                let Some(options) = &self.options else { return String::new() };
                let mut said = options.advice();
                if options.decides() && at_the_root_unasked(change) {
                    let dev = self.target.dev.as_deref().unwrap_or("the device");
                    _ = writeln!(
                        said,
                        "  warning: without ingress, egress or parent the filter is at the root qdisc, where it decides \
                         about what {dev} sends"
                    );
                }
                said
            }
        }
    }

    /// What is wrong with what was sent, when the kernel says no more than that it is invalid.
    fn suspicion(&self) -> Option<String> {
        match &self.change {
            Change::Actions(command) => command.suspicion(),
            _ => self.options.as_ref()?.suspicion(),
        }
    }

    /// The word that made the attribute that the kernel complains of.
    fn blame(&self, kernel: &KernelError) -> Option<usize> {
        self.marks.find(&kernel.attribute.as_ref()?.0)
    }
}

/// The lines that tc prints when the kernel refuses.
pub(super) fn refusal(e: &ClientError) -> Error {
    match e {
        ClientError::Kernel(kernel) => {
            let said = kernel.ext_ack.as_ref().and_then(|e| sentence("Error", e));
            let lines =
                said.unwrap_or_else(|| format!("RTNETLINK answers: {}", errno_text(kernel.errno)));
            Error::new(2, lines)
        }
        other => unreachable_kernel(other),
    }
}

/// Failures between the kernel and us.
pub(super) fn unreachable_kernel(e: &ClientError) -> Error {
    match e {
        ClientError::Io { op: "socket" | "bind" | "connect", source } => {
            Error::new(1, format_args!("Cannot open netlink socket: {source}"))
                .line("Cannot open rtnetlink")
        }
        other => Error::new(2, format_args!("RTNETLINK: {other}")),
    }
}

/// `Error: TEXT.` or `Warning: TEXT.`, in tc's words.
fn sentence(what: &str, ext_ack: &ExtAck) -> Option<String> {
    let mut text = String::new();
    if let Some(message) = ext_ack.message.as_deref().filter(|m| !m.is_empty()) {
        let dot = if message.ends_with('.') { "" } else { "." };
        text = format!("{what}: {message}{dot}\n");
    }
    if let Some(missing) = ext_ack.missing_type {
        _ = writeln!(text, "Missing required attribute type {missing}");
    }
    (!text.is_empty()).then_some(text)
}
