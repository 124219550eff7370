//! Listings: a dump, narrowed down, each entry shown.

use tc_proto::client::{Error as ClientError, KernelError};
use tc_proto::msg::{QdiscRequest, Request, TcMessage};
use tc_proto::{DecodeError, EncodeError, Handle, Options};

use super::Session;
use super::modify::{refusal, unreachable_kernel};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::Show;
use crate::out::Out;

/// A list of objects.
pub(super) struct Listing<'a> {
    /// The request for it.
    pub(super) request: Request<'a>,
    /// Whether the entries show names of devices.
    pub(super) named: bool,
    /// The shared block that is listed. The kernel takes one that is not there for an empty one.
    pub(super) block: Option<u32>,
}

const INTERRUPTED: &str = "Dump was interrupted and may be inconsistent.\n";

impl Listing<'_> {
    /// Asks for the list and shows what fits as a whole.
    pub(super) fn run_whole(
        &self,
        session: &mut Session<'_>,
        fits: impl Fn(&TcMessage<'_>) -> bool,
        print: impl FnOnce(&[TcMessage<'_>], &mut Show<'_>, &mut Out<'_>),
    ) -> Result<(), Error> {
        let (dump, ended) = session.env.dump(&self.request);
        let messages = dump.messages().filter_map(|(_, body)| TcMessage::decode(body).ok());
        let wanted: Vec<_> = messages.filter(|message| fits(message)).collect();
        let Session { env, options, out, .. } = session;
        print(&wanted, &mut Show { options, env: *env }, out);
        if dump.interrupted() {
            session.complain(INTERRUPTED);
        }
        ended.map_err(|e| terminated(&e))
    }

    /// Asks for the list and shows the entries that fit.
    pub(super) fn run(
        &self,
        session: &mut Session<'_>,
        fits: impl Fn(&TcMessage<'_>) -> bool,
        mut print: impl FnMut(&TcMessage<'_>, &mut Show<'_>, &mut Out<'_>),
    ) -> Result<(), Error> {
        let (dump, ended) = session.env.dump(&self.request);
        let messages = dump.messages().filter_map(|(_, body)| TcMessage::decode(body).ok());
        let wanted = || messages.clone().filter(|message| fits(message));
        if let (Some(block), Ok(()), None) = (self.block, &ended, wanted().next()) {
            find_block(block, session.env)?;
        }
        if self.named {
            let mut indexes: Vec<_> = wanted().map(|m| m.header.ifindex).collect();
            indexes.sort_unstable();
            indexes.dedup();
            // Without names the entries show indexes.
            _ = session.env.learn_ifnames(&indexes);
        }
        let Session { env, options, out, .. } = session;
        let mut show = Show { options, env: *env };
        out.document(|out| {
            for message in wanted() {
                out.entry(|out| print(&message, &mut show, out));
            }
        });
        if dump.interrupted() {
            session.complain(INTERRUPTED);
        }
        ended.map_err(|e| terminated(&e))
    }
}

/// Looks for a qdisc that has the block.
fn find_block(block: u32, env: &mut dyn Env) -> Result<(), Error> {
    let list = QdiscRequest::list(0, Handle::UNSPEC, Handle::UNSPEC, false);
    let (dump, ended) = env.dump(&list.map_err(unencodable)?);
    let found = dump
        .messages()
        .filter_map(|(_, body)| TcMessage::decode(body).ok())
        .any(|qdisc| [qdisc.ingress_block(), qdisc.egress_block()].contains(&Some(block)));
    match ended {
        Ok(()) if !found => Err(Error::new(1, format_args!("Cannot find block \"{block}\""))),
        _ => Ok(()),
    }
}

/// A listing that the kernel broke off.
pub(super) fn terminated(e: &ClientError) -> Error {
    let unexplained = |kernel: &KernelError| kernel.ext_ack.is_none();
    match e {
        // An entry that fits no message of a dump.
        ClientError::Kernel(kernel) if kernel.errno == libc::EMSGSIZE && unexplained(kernel) => {
            Error::new(1, "Error: Buffer too small for object.").line("Dump terminated")
        }
        ClientError::Kernel(_) => refusal(e).line("Dump terminated").with_status(1),
        other => unreachable_kernel(other).with_status(1),
    }
}

/// A request that cannot be written.
pub(super) fn unencodable(e: EncodeError) -> Error {
    unreachable_kernel(&ClientError::Encode(e))
}

/// Shows that options cannot be read; the listing goes on.
pub(super) fn or_unreadable(result: Result<(), DecodeError>, out: &mut Out<'_>) {
    if let Err(e) = result {
        out.field("unreadable", e.to_string(), format_args!("[unreadable: {e}] "));
    }
}

/// Shows what is known of a kind that the command does not know.
pub(super) fn unknown_kind(object: &str, options: &Options<'_>, out: &mut Out<'_>) {
    if let Some(payload) = &options.payload {
        let len = payload.len();
        out.field("optlen", len as u64, format_args!("[Unknown {object}, optlen={len}] "));
    }
}
