//! Hints: what is behind a refusal of the kernel, and what to do.

use tc_proto::Handle;
use tc_proto::client::Error as ClientError;
use tc_proto::msg::{ChainRequest, FilterRequest, Hook, QdiscRequest, TcMessage, Verb};

use super::modify::{Change, Modify};
use crate::env::Env;
use crate::kinds;

/// What is known of the cause of `e`, if anything.
pub(super) fn find(modify: &Modify, e: &ClientError, env: &mut dyn Env) -> Option<String> {
    if e.is_permission() {
        return Some(
            "changes need CAP_NET_ADMIN in the user namespace that owns this network namespace; \
             run as root, or in the container as a privileged user"
                .into(),
        );
    }
    let kernel = e.kernel()?;
    let said = kernel.message().unwrap_or_default();
    if said.contains("Failed to load TC action module") {
        return Some(no_action(&modify.change));
    }
    if let Change::Actions(_) = modify.change {
        return None;
    }
    let dev = modify.target.dev.as_deref();
    let Some(dev) = dev else {
        let block = matches!(
            &modify.change,
            Change::Filter(_, FilterRequest { hook: Hook::Block(_), .. })
                | Change::Chain(_, ChainRequest { hook: Hook::Block(_), .. })
        );
        return (!block && e.is_not_found()).then(|| "name a device: dev DEV".into());
    };
    if kernel.errno == libc::ENODEV {
        return Some(format!("{dev} was there a moment ago and is gone now"));
    }
    match &modify.change {
        Change::Qdisc(verb, request) => qdisc(*verb, request, said, e, dev, env),
        Change::Filter(verb, request) => filter(*verb, request, said, e, dev, env),
        Change::Chain(verb, request) if !said.contains("hain") => {
            // What is wrong around a chain is wrong around a filter in it.
            let chain = request.chain;
            let options = request.template.clone();
            let inside = FilterRequest { chain, options, ..FilterRequest::new(request.hook) };
            filter(*verb, &inside, said, e, dev, env)
        }
        Change::Chain(..) | Change::Actions(_) => None,
    }
}

fn qdisc(
    verb: Verb,
    request: &QdiscRequest<'_>,
    said: &str,
    e: &ClientError,
    dev: &str,
    env: &mut dyn Env,
) -> Option<String> {
    let kind = request.options.as_ref().map(|o| &*o.kind);
    if said.contains("qdisc kind is unknown") {
        return Some(match kind {
            Some(kind) => no_module("qdisc", kind, "sch", "SCH"),
            None => "say which kind of qdisc: rtc qdisc add dev DEV root KIND".into(),
        });
    }
    if e.is_exists() || said.contains("Exclusivity flag") {
        let there = qdisc_at(request.ifindex, request.parent, env)?;
        return Some(format!("{dev} has {there} already; use `replace`, or delete it first"));
    }
    if said.contains("must match existing qdisc") {
        let there = qdisc_at(request.ifindex, request.parent, env)?;
        return Some(format!("{dev} has {there}"));
    }
    let deletes_nothing = said.contains("handle of zero") || said.contains("Failed to find qdisc");
    if verb == Verb::Delete && (deletes_nothing || e.is_not_found()) {
        return Some(match qdisc_at(request.ifindex, request.parent, env) {
            Some(there) => format!(
                "{dev} has {there}; a qdisc that the kernel put there by itself cannot be deleted"
            ),
            None => format!("{dev} has no such qdisc: rtc qdisc show dev {dev}"),
        });
    }
    None
}

fn filter(
    verb: Verb,
    request: &FilterRequest<'_>,
    said: &str,
    e: &ClientError,
    dev: &str,
    env: &mut dyn Env,
) -> Option<String> {
    let Hook::Device { ifindex, parent } = request.hook else { return None };
    let clsact = parent == Handle::MIN_INGRESS || parent == Handle::MIN_EGRESS;
    if clsact && qdisc_at(ifindex, Handle::INGRESS, env).is_none() {
        return Some(format!(
            "{dev} has no clsact or ingress qdisc: rtc qdisc add dev {dev} clsact"
        ));
    }
    if said.contains("Parent Qdisc doesn't exist") {
        let major = Handle::new(parent.major(), 0);
        return Some(format!("{dev} has no qdisc {major}: rtc qdisc show dev {dev}"));
    }
    if said.contains("not classful") && parent == Handle::UNSPEC {
        return Some(
            "without ingress, egress or parent a filter goes to the root qdisc, which here takes none"
                .into(),
        );
    }
    if said.contains("TC classifier not found") {
        let kind = &request.options.as_ref()?.kind;
        return Some(no_module("filter", kind, "cls", "CLS"));
    }
    if verb == Verb::Add && (e.is_exists() || said.contains("already exists")) {
        let taken = filter_at(request, env)?;
        let prio = request.info.prio;
        let handle = request.handle;
        return Some(format!(
            "pref {prio} handle {handle:#x} is {taken}; use `replace`, or another pref or handle"
        ));
    }
    None
}

/// A kernel without one of the kinds of actions that it was asked for.
fn no_action(change: &Change) -> String {
    match change {
        Change::Actions(command) => match &*command.kinds() {
            [kind] => no_module("action", kind, "act", "ACT"),
            kinds => format!("this kernel lacks one of the actions {}", kinds.join(", ")),
        },
        _ => "this kernel lacks one of the actions, or cannot load its module".into(),
    }
}

fn no_module(object: &str, kind: &str, prefix: &str, config: &str) -> String {
    let upper = kind.to_uppercase();
    format!(
        "this kernel has no {object} {kind}: it lacks CONFIG_NET_{config}_{upper} or cannot load the module {prefix}_{kind}"
    )
}

/// The qdisc at a place, in words.
fn qdisc_at(ifindex: i32, parent: Handle, env: &mut dyn Env) -> Option<String> {
    let request = QdiscRequest::list(ifindex, parent, Handle::UNSPEC, false).ok()?;
    let (dump, _) = env.dump(&request);
    dump.messages()
        .filter_map(|(_, body)| TcMessage::decode(body).ok())
        .find(|m| m.header.ifindex == ifindex && m.header.parent == parent)
        .map(|m| format!("qdisc {} {:x}:", m.kind().unwrap_or_default(), m.header.handle.major()))
}

/// The filter that has the pref and handle that `request` wants, in words.
fn filter_at(request: &FilterRequest<'_>, env: &mut dyn Env) -> Option<String> {
    let bare = FilterRequest { options: None, ..request.clone() };
    let list = FilterRequest::list(bare.hook, bare.info, bare.chain, false).ok()?;
    let (dump, _) = env.dump(&list);
    let message =
        dump.messages().filter_map(|(_, body)| TcMessage::decode(body).ok()).find(|m| {
            m.header.handle.0 == request.handle && m.options().is_some_and(|o| o.payload.is_some())
        })?;
    let options = message.options()?;
    let described = kinds::filter(&options.kind).and_then(|kind| kind.describe(options.bytes()));
    Some(described.unwrap_or_else(|| format!("a {} filter", options.kind)))
}
