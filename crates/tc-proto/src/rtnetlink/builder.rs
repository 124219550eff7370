//! Requests in rtnetlink's style: consuming builders that end with `execute()`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use futures_util::Stream;

use super::handle::TcHandle;
use super::request::OwnedRequest;
use crate::client::{Ack, Error};
use crate::error::EncodeError;
use crate::kind::{Filter, Kind, Options, Qdisc};
use crate::msg::{
    ActionList, ActionReply, ActionRequest, ActionSpec, ChainList, ChainReply, ChainRequest,
    ClassList, ClassReply, ClassRequest, FilterList, FilterReply, FilterRequest, Hook,
    ObjectRequest, QdiscList, QdiscReply, QdiscRequest, Verb,
};
use crate::units::{Handle, Protocol};

/// A change of an object, not sent yet.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `execute` is awaited"]
pub struct Change<O> {
    tc: TcHandle,
    verb: Verb,
    object: O,
    fds: Vec<Arc<OwnedFd>>,
    failed: Option<EncodeError>,
}

impl<O: ObjectRequest<'static>> Change<O> {
    fn new(tc: TcHandle, verb: Verb, object: O) -> Self {
        Self { tc, verb, object, fds: Vec::new(), failed: None }
    }

    /// The request as it stands, for what has no method here.
    pub fn object_mut(&mut self) -> &mut O {
        &mut self.object
    }

    /// Sends the request and waits for its acknowledgement.
    pub async fn execute(self) -> Result<Ack, Error> {
        if let Some(e) = self.failed {
            return Err(e.into());
        }
        let request = self.object.encode(self.verb)?;
        self.tc.request(OwnedRequest { request, fds: self.fds }).await
    }

    /// Sets what a kind gives, or remembers that it cannot be written.
    fn with(mut self, options: Result<Options<'static>, EncodeError>, set: Set<O>) -> Self {
        match options {
            Ok(options) => set(&mut self.object, options),
            Err(e) => self.failed = Some(e),
        }
        self
    }
}

type Set<O> = fn(&mut O, Options<'static>);

/// Qdiscs.
#[derive(Clone, Debug)]
pub struct QdiscHandle(pub(super) TcHandle);

impl QdiscHandle {
    fn start(&self, verb: Verb, ifindex: i32) -> Change<QdiscRequest<'static>> {
        let qdisc = QdiscRequest { ifindex, ..QdiscRequest::default() };
        Change::new(self.0.clone(), verb, qdisc)
    }

    /// Creates a qdisc.
    pub fn add(&self, ifindex: i32) -> Change<QdiscRequest<'static>> {
        self.start(Verb::Add, ifindex)
    }

    /// Changes a qdisc that exists.
    pub fn change(&self, ifindex: i32) -> Change<QdiscRequest<'static>> {
        self.start(Verb::Change, ifindex)
    }

    /// Creates a qdisc, or changes or replaces the one that exists.
    pub fn replace(&self, ifindex: i32) -> Change<QdiscRequest<'static>> {
        self.start(Verb::Replace, ifindex)
    }

    /// Puts a qdisc that exists in the place of another one.
    pub fn link(&self, ifindex: i32) -> Change<QdiscRequest<'static>> {
        self.start(Verb::Link, ifindex)
    }

    /// Deletes a qdisc.
    pub fn del(&self, ifindex: i32) -> Change<QdiscRequest<'static>> {
        self.start(Verb::Delete, ifindex)
    }

    /// Lists the qdiscs of a device; 0 means all devices.
    pub fn get(
        &self,
        ifindex: i32,
    ) -> impl Stream<Item = Result<QdiscReply, Error>> + Send + use<> {
        self.0.entries(QdiscList::on(ifindex))
    }
}

impl Change<QdiscRequest<'static>> {
    /// At the root of the device.
    pub fn root(self) -> Self {
        self.parent(Handle::ROOT)
    }

    /// Where filters for what arrives go: the place of `ingress` and `clsact`.
    pub fn ingress(self) -> Self {
        self.parent(Handle::INGRESS)
    }

    /// Below a class.
    pub fn parent(mut self, parent: Handle) -> Self {
        self.object.parent = parent;
        self
    }

    /// Its own handle: `handle(1, 0)` is `1:`.
    pub fn handle(mut self, major: u16, minor: u16) -> Self {
        self.object.handle = Handle::new(major, minor);
        self
    }

    /// Kind and options.
    #[expect(clippy::needless_pass_by_value, reason = "written where it is passed")]
    pub fn kind<K: Qdisc + 'static>(self, kind: K) -> Self {
        self.with(Options::of(&kind), |o, options| o.options = Some(options))
    }
}

/// Classes.
#[derive(Clone, Debug)]
pub struct ClassHandle(pub(super) TcHandle);

impl ClassHandle {
    fn start(&self, verb: Verb, ifindex: i32, id: Handle) -> Change<ClassRequest<'static>> {
        Change::new(self.0.clone(), verb, ClassRequest::new(ifindex, id))
    }

    /// Creates a class, below the qdisc that its id names unless [`parent`](Change::parent) is
    /// another one.
    pub fn add(&self, ifindex: i32, classid: Handle) -> Change<ClassRequest<'static>> {
        self.start(Verb::Add, ifindex, classid)
    }

    /// Changes a class that exists.
    pub fn change(&self, ifindex: i32, classid: Handle) -> Change<ClassRequest<'static>> {
        self.start(Verb::Change, ifindex, classid)
    }

    /// Creates a class, or changes the one that exists.
    pub fn replace(&self, ifindex: i32, classid: Handle) -> Change<ClassRequest<'static>> {
        self.start(Verb::Replace, ifindex, classid)
    }

    /// Deletes a class.
    pub fn del(&self, ifindex: i32, classid: Handle) -> Change<ClassRequest<'static>> {
        self.start(Verb::Delete, ifindex, classid)
    }

    /// Lists the classes of a device.
    pub fn get(
        &self,
        ifindex: i32,
    ) -> impl Stream<Item = Result<ClassReply, Error>> + Send + use<> {
        self.0.entries(ClassList::on(ifindex))
    }
}

impl Change<ClassRequest<'static>> {
    /// Below this qdisc or class.
    pub fn parent(mut self, parent: Handle) -> Self {
        self.object.parent = parent;
        self
    }

    /// Kind and options.
    #[expect(clippy::needless_pass_by_value, reason = "written where it is passed")]
    pub fn kind<K: Kind + 'static>(self, kind: K) -> Self {
        self.with(Options::of(&kind), |o, options| o.options = Some(options))
    }
}

/// Filters.
#[derive(Clone, Debug)]
pub struct FilterHandle(pub(super) TcHandle);

impl FilterHandle {
    fn start(&self, verb: Verb, hook: Hook) -> Change<FilterRequest<'static>> {
        Change::new(self.0.clone(), verb, FilterRequest::new(hook))
    }

    /// Creates a filter.
    pub fn add(&self, hook: Hook) -> Change<FilterRequest<'static>> {
        self.start(Verb::Add, hook)
    }

    /// Changes a filter that exists.
    pub fn change(&self, hook: Hook) -> Change<FilterRequest<'static>> {
        self.start(Verb::Change, hook)
    }

    /// Creates a filter, or replaces the one that exists.
    pub fn replace(&self, hook: Hook) -> Change<FilterRequest<'static>> {
        self.start(Verb::Replace, hook)
    }

    /// Deletes a filter. Without [`handle`](Change::handle), all of the priority and the protocol;
    /// without those, all at `hook`.
    pub fn del(&self, hook: Hook) -> Change<FilterRequest<'static>> {
        self.start(Verb::Delete, hook)
    }

    /// Lists the filters at `hook`.
    pub fn get(&self, hook: Hook) -> impl Stream<Item = Result<FilterReply, Error>> + Send + use<> {
        self.0.entries(FilterList::at(hook))
    }
}

impl Change<FilterRequest<'static>> {
    /// The priority, called pref as well: lower runs first.
    pub fn prio(mut self, prio: u16) -> Self {
        self.object.info.prio = prio;
        self
    }

    /// The protocol of the packets that the filter sees.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.object.info.protocol = protocol;
        self
    }

    /// The number of the chain.
    pub fn chain(mut self, chain: u32) -> Self {
        self.object.chain = Some(chain);
        self
    }

    /// The filter's own handle.
    pub fn handle(mut self, handle: u32) -> Self {
        self.object.handle = handle;
        self
    }

    /// Kind and options.
    #[expect(clippy::needless_pass_by_value, reason = "written where it is passed")]
    pub fn kind<K: Filter + 'static>(self, kind: K) -> Self {
        self.with(Options::of(&kind), |o, options| o.options = Some(options))
    }

    /// Kind and options that name a descriptor, which is kept open until the kernel has answered.
    ///
    /// ```no_run
    /// use std::os::fd::OwnedFd;
    /// use tc_proto::Options;
    /// use tc_proto::client::Error;
    /// use tc_proto::filter::Bpf;
    /// use tc_proto::msg::Hook;
    /// use tc_proto::rtnetlink::TcHandle;
    ///
    /// async fn attach(tc: &TcHandle, ifindex: i32, program: OwnedFd) -> Result<(), Error> {
    ///     let attach = tc.filter().add(Hook::ingress(ifindex)).prio(1).keeping(program, |program| {
    ///         Options::of(&Bpf::direct_action(program, "firewall"))
    ///     });
    ///     attach.execute().await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn keeping<F>(mut self, fd: impl Into<Arc<OwnedFd>>, options: F) -> Self
    where
        F: for<'fd> FnOnce(BorrowedFd<'fd>) -> Result<Options<'fd>, EncodeError>,
    {
        let fd = fd.into();
        // The number in there is that of a descriptor which stays open: it is kept here.
        let options = options(fd.as_fd()).map(Options::into_owned);
        self.fds.push(fd);
        self.with(options, |o, options| o.options = Some(options))
    }
}

/// Chains of filters.
#[derive(Clone, Debug)]
pub struct ChainHandle(pub(super) TcHandle);

impl ChainHandle {
    /// Creates a chain.
    pub fn add(&self, hook: Hook, chain: u32) -> Change<ChainRequest<'static>> {
        Change::new(self.0.clone(), Verb::Add, ChainRequest::new(hook, chain))
    }

    /// Deletes a chain and all its filters.
    pub fn del(&self, hook: Hook, chain: u32) -> Change<ChainRequest<'static>> {
        Change::new(self.0.clone(), Verb::Delete, ChainRequest::new(hook, chain))
    }

    /// Lists the chains at `hook`.
    pub fn get(&self, hook: Hook) -> impl Stream<Item = Result<ChainReply, Error>> + Send + use<> {
        self.0.entries(ChainList::at(hook))
    }
}

impl Change<ChainRequest<'static>> {
    /// The template that every filter of the chain must fit.
    #[expect(clippy::needless_pass_by_value, reason = "written where it is passed")]
    pub fn template<K: Filter + 'static>(self, kind: K) -> Self {
        self.with(Options::of(&kind), |o, options| o.template = Some(options))
    }
}

/// Actions that stand for themselves.
#[derive(Clone, Debug)]
pub struct ActionHandle(pub(super) TcHandle);

impl ActionHandle {
    fn start(&self, verb: Verb, action: ActionSpec<'static>) -> Change<ActionRequest<'static>> {
        Change::new(self.0.clone(), verb, ActionRequest::new(action))
    }

    /// Creates an action.
    pub fn add(&self, action: ActionSpec<'static>) -> Change<ActionRequest<'static>> {
        self.start(Verb::Add, action)
    }

    /// Creates an action, or changes the one of its index.
    pub fn replace(&self, action: ActionSpec<'static>) -> Change<ActionRequest<'static>> {
        self.start(Verb::Replace, action)
    }

    /// Deletes the action of a kind and an index.
    pub fn del(&self, kind: &'static str, index: u32) -> Change<ActionRequest<'static>> {
        self.start(Verb::Delete, ActionSpec::by_index(kind, index))
    }

    /// Lists the actions of a kind, in messages of several.
    pub fn get(&self, kind: &str) -> impl Stream<Item = Result<ActionReply, Error>> + Send + use<> {
        self.0.entries(ActionList::of(kind))
    }
}

impl Change<ActionRequest<'static>> {
    /// One more action in the same request, 32 at most.
    pub fn and(mut self, action: ActionSpec<'static>) -> Self {
        self.object.actions.push(action);
        self
    }
}
