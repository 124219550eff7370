//! What can be asked over a connection; the async twin of [`Client`](crate::client::Client).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::lock;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::builder::{ActionHandle, ChainHandle, ClassHandle, FilterHandle, QdiscHandle};
use super::channel::{Channel, Dumped};
use super::request::OwnedRequest;
use crate::client::ensure::same_program;
use crate::client::object::Census;
use crate::client::{Ack, Client, Ensured, Error, Event, List, Message, Monitor, link};
use crate::error::EncodeError;
use crate::kind::Options;
use crate::msg::{
    FilterRequest, ListRequest, MessageType, NetlinkHeader, ObjectRequest, QdiscRequest, Reply,
    Request, Verb, flags,
};

/// How often a list is read anew that changed while it was read.
const RETRIES: usize = 16;
/// How often a list is asked for that the kernel puts off because of another one.
const TURNS: usize = 10_000;
/// `EBUSY`.
const BUSY: i32 = 16;
/// `RTNLGRP_LINK`, `RTNLGRP_TC`.
const WATCHED: [u32; 2] = [1, 4];

/// Requests about traffic control over a connection, from
/// [`TcExt::tc`](super::TcExt::tc) or [`new_connection`](super::new_connection).
///
/// Cheap to clone. Its futures do nothing before they are polled. Dropping one whose request was
/// sent already takes nothing back, and leaves nothing behind that a later one could trip over: its
/// answer is read all the same, and descriptors that the request names are kept until then.
#[derive(Clone, Debug)]
pub struct TcHandle {
    pub(super) channel: Channel,
    lists: Lists,
}

type Watch = Arc<Mutex<Monitor>>;

/// How lists are read. The kernel reads out one list at a time for a socket.
#[derive(Clone, Debug)]
pub(super) enum Lists {
    /// On a socket of their own, which hears the changes as well. The kernel makes each part while it
    /// is asked for, so that there is nothing to wait for.
    By(Arc<lock::Mutex<Client>>),
    /// Over the connection.
    Over {
        turn: Arc<lock::Mutex<()>>,
        /// Hears what changes where the connection is; `None`: where the calling thread is.
        watch: Option<Watch>,
    },
}

impl Default for Lists {
    fn default() -> Self {
        Self::Over { turn: Arc::default(), watch: None }
    }
}

impl Lists {
    pub(super) fn by(client: Client) -> Self {
        Self::By(Arc::new(lock::Mutex::new(client)))
    }

    #[cfg(test)]
    pub(super) fn over_connection(watch: Monitor) -> Self {
        Self::Over { turn: Arc::default(), watch: Some(Arc::new(Mutex::new(watch))) }
    }
}

/// The right to read lists over the connection, and what hears changes meanwhile.
struct Turn {
    guard: Arc<lock::OwnedMutexGuard<()>>,
    watch: Watch,
}

impl Turn {
    /// Waits for the lists of others over this connection.
    async fn wait_for(turn: &Arc<lock::Mutex<()>>, watch: Option<&Watch>) -> Result<Self, Error> {
        let guard = Arc::new(Arc::clone(turn).lock_owned().await);
        let watch = match watch {
            Some(watch) => Arc::clone(watch),
            None => Arc::new(Mutex::new(Monitor::open(&WATCHED)?)),
        };
        // What it has heard before the list was asked for is old.
        heard(&watch, |_, _| false)?;
        Ok(Self { guard, watch })
    }
}

impl TcHandle {
    pub(super) fn new(channel: Channel, lists: Lists) -> Self {
        Self { channel, lists }
    }

    /// Qdiscs, in rtnetlink's style: `handle.tc().qdisc().add(ifindex).root()...execute()`.
    pub fn qdisc(&self) -> QdiscHandle {
        QdiscHandle(self.clone())
    }

    /// Classes, in rtnetlink's style.
    pub fn class(&self) -> ClassHandle {
        ClassHandle(self.clone())
    }

    /// Filters, in rtnetlink's style.
    pub fn filter(&self) -> FilterHandle {
        FilterHandle(self.clone())
    }

    /// Chains of filters, in rtnetlink's style.
    pub fn chain(&self) -> ChainHandle {
        ChainHandle(self.clone())
    }

    /// Actions, in rtnetlink's style.
    pub fn action(&self) -> ActionHandle {
        ActionHandle(self.clone())
    }

    /// Sends a request and waits for its acknowledgement.
    ///
    /// After [`Error::NoAnswer`] and [`Error::Lost`] it is not known whether the request took
    /// effect.
    pub async fn request(&self, request: impl Into<OwnedRequest>) -> Result<Ack, Error> {
        self.channel.transact(request.into()).await
    }

    /// Sends a request that is answered with one message, such as `RTM_GETTFILTER` without
    /// `NLM_F_DUMP`.
    pub async fn ask(&self, request: impl Into<OwnedRequest>) -> Result<Message, Error> {
        let ack = self.request(request).await?;
        ack.echoed.into_iter().next().ok_or(Error::NoAnswer)
    }

    /// Sends requests in their order and gives the outcome of each. What fails does not keep the
    /// later ones from being done.
    ///
    /// On a connection of [`new_connection`](super::new_connection) up to 128 go at once, on that of
    /// rtnetlink one by one.
    pub async fn batch(
        &self,
        requests: impl IntoIterator<Item = OwnedRequest>,
    ) -> Vec<Result<Ack, Error>> {
        self.channel.batch(requests.into_iter().collect()).await
    }

    /// Creates an object; one that exists already is an error that
    /// [`is_exists`](Error::is_exists).
    pub async fn add(&self, object: &impl ObjectRequest<'static>) -> Result<Ack, Error> {
        let request = object.encode(Verb::Add)?;
        self.request(request).await
    }

    /// Changes an object; one that does not exist is an error that
    /// [`is_not_found`](Error::is_not_found).
    pub async fn change(&self, object: &impl ObjectRequest<'static>) -> Result<Ack, Error> {
        let request = object.encode(Verb::Change)?;
        self.request(request).await
    }

    /// Creates an object, or changes the one that exists. A qdisc is replaced by a new one when the
    /// kind differs.
    pub async fn replace(&self, object: &impl ObjectRequest<'static>) -> Result<Ack, Error> {
        let request = object.encode(Verb::Replace)?;
        self.request(request).await
    }

    /// Deletes an object; one that does not exist is an error that
    /// [`is_not_found`](Error::is_not_found).
    pub async fn delete(&self, object: &impl ObjectRequest<'static>) -> Result<Ack, Error> {
        let request = object.encode(Verb::Delete)?;
        self.request(request).await
    }

    /// Creates an object and tells what became of it: with the handle, the priority and the options
    /// that the kernel chose where the request left them open.
    #[doc(alias = "NLM_F_ECHO")]
    pub async fn create<O: ObjectRequest<'static>>(&self, object: &O) -> Result<O::Reply, Error> {
        let mut request = object.encode(Verb::Add)?;
        request.add_flags(flags::ECHO);
        let ack = self.request(request).await?;
        match ack.echoed.into_iter().next() {
            Some(message) => reply(message),
            // The kernel echoes no chains.
            None => self.get(object).await,
        }
    }

    /// The object as the kernel describes it; one that does not exist is an error that
    /// [`is_not_found`](Error::is_not_found).
    pub async fn get<O: ObjectRequest<'static>>(&self, object: &O) -> Result<O::Reply, Error> {
        let request = object.encode_get()?;
        reply(self.ask(request).await?)
    }

    /// The object, or `None` when it does not exist.
    pub async fn find<O: ObjectRequest<'static>>(
        &self,
        object: &O,
    ) -> Result<Option<O::Reply>, Error> {
        self.find_by(object.quiet_list(), object.encode_get()?).await
    }

    async fn find_by<L: ListRequest>(
        &self,
        quiet: Option<L>,
        get: Request<'static>,
    ) -> Result<Option<L::Reply>, Error> {
        if let Some(list) = quiet {
            let listed = self.list_once(&list).await?;
            let changed = listed.changed;
            let found = listed.into_iter().next();
            if found.is_some() || !changed {
                return Ok(found);
            }
            // It may be there all the same.
        }
        match self.ask(get).await.and_then(reply) {
            Ok(found) => Ok(Some(found)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lists objects, all of them: a list that changed while it was read is read anew, as
    /// [`Client::list`](crate::client::Client::list) says.
    ///
    /// Over rtnetlink's connection it is not all that it should be: entries that
    /// netlink-packet-route cannot parse are missing, and an error of the kernel in the middle looks
    /// like the end.
    #[doc(alias = "NLM_F_DUMP")]
    pub async fn list<L: ListRequest>(&self, list: &L) -> Result<List<L::Reply>, Error> {
        self.list_by(list, false).await
    }

    /// Lists objects once, and says whether something changed meanwhile.
    pub async fn list_once<L: ListRequest>(&self, list: &L) -> Result<List<L::Reply>, Error> {
        self.list_by(list, true).await
    }

    async fn list_by<L: ListRequest>(&self, list: &L, once: bool) -> Result<List<L::Reply>, Error> {
        let (turn, watch) = match &self.lists {
            Lists::By(client) => {
                return client.lock().await.list_by(list, once, others_first).await;
            }
            Lists::Over { turn, watch } => (turn, watch),
        };
        let turn = Turn::wait_for(turn, watch.as_ref()).await?;
        let mut before = self.census(list, &turn).await?;
        for _ in 0..=RETRIES {
            let listed = self.read_counted(list, &mut before, &turn).await?;
            if once || !listed.changed {
                return Ok(listed);
            }
        }
        Err(Error::Changing)
    }

    async fn read_counted<L: ListRequest>(
        &self,
        list: &L,
        before: &mut Census,
        turn: &Turn,
    ) -> Result<List<L::Reply>, Error> {
        let mut listed = self.read(list, turn).await?;
        let after = self.census(list, turn).await?;
        listed.changed |= !after.agrees(before);
        *before = after;
        Ok(listed)
    }

    async fn census<L: ListRequest>(&self, list: &L, turn: &Turn) -> Result<Census, Error> {
        Ok(match list.census() {
            Some(census) => Census::of(&census, &self.read(&census, turn).await?),
            None => Census::Needless,
        })
    }

    async fn read<L: ListRequest>(&self, list: &L, turn: &Turn) -> Result<List<L::Reply>, Error> {
        let dumped = self.dump(&list.encode()?, &turn.guard).await?;
        let by = |header: &NetlinkHeader, body: &[u8]| {
            list.changed_by(MessageType(header.message_type), body)
        };
        let changed = heard(&turn.watch, by)? | dumped.interrupted;
        let mut entries = Vec::with_capacity(dumped.messages.len());
        for message in dumped.messages {
            let entry: L::Reply = reply(message)?;
            if list.matches(&entry) {
                entries.push(entry);
            }
        }
        Ok(List { entries, warning: dumped.warning, changed })
    }

    /// The same as [`list`](Self::list), as a stream. The list is complete before its first entry
    /// comes out.
    pub fn entries<L>(&self, list: L) -> impl Stream<Item = Result<L::Reply, Error>> + Send + use<L>
    where
        L: ListRequest + Send + Sync + 'static,
        L::Reply: Send,
    {
        let handle = self.clone();
        let listed = async move { handle.list(&list).await };
        stream::once(listed).map_ok(|list| stream::iter(list).map(Ok)).try_flatten()
    }

    async fn dump(
        &self,
        request: &Request<'static>,
        turn: &Arc<lock::OwnedMutexGuard<()>>,
    ) -> Result<Dumped, Error> {
        for _ in 0..TURNS {
            match self.channel.dump(request, Box::new(Arc::clone(turn))).await {
                // Somebody else reads a list over the same connection.
                Err(e) if e.kernel().is_some_and(|e| e.errno == BUSY) => others_first().await,
                done => return done,
            }
        }
        self.channel.dump(request, Box::new(Arc::clone(turn))).await
    }

    /// The index of the device with this name or alternative name; an unknown name is an error that
    /// [`is_not_found`](Error::is_not_found).
    pub async fn link_index(&self, name: &str) -> Result<i32, Error> {
        let request = link::link_by_name(name)?;
        Ok(link::decode(&self.ask(request).await?)?.0)
    }

    /// Sees to it that the device has a `clsact` qdisc, where filters for ingress and egress go.
    ///
    /// An `ingress` qdisc in its place is [`Error::Conflict`]: replacing it would take its filters
    /// away.
    pub async fn ensure_clsact(&self, ifindex: i32) -> Result<Ensured, Error> {
        let clsact = QdiscRequest::clsact(ifindex);
        match self.add(&clsact).await {
            Ok(ack) => Ok(Ensured::by(ack)),
            Err(e) if e.is_exists() => match self.find(&clsact).await? {
                Some(found) if found.kind() == "clsact" => Ok(Ensured::unchanged()),
                Some(found) => {
                    let (wanted, found) = ("clsact".to_owned(), found.kind().into_owned());
                    Err(Error::Conflict { wanted, found })
                }
                // It was deleted since.
                None => self.add(&clsact).await.map(Ensured::by),
            },
            Err(e) => Err(e),
        }
    }

    /// Sees to it that a BPF program is attached, as
    /// [`Client::ensure_bpf_filter`](crate::client::Client::ensure_bpf_filter) does. The program is
    /// kept open until the kernel has answered; `filter` makes the request with it.
    ///
    /// ```no_run
    /// use std::os::fd::OwnedFd;
    /// use tc_proto::client::Error;
    /// use tc_proto::filter::bpf::{Bpf, BpfFlags, Program};
    /// use tc_proto::msg::{FilterRequest, Hook};
    /// use tc_proto::rtnetlink::TcHandle;
    /// use tc_proto::units::Protocol;
    ///
    /// async fn attach(tc: &TcHandle, program: OwnedFd, tag: [u8; 8]) -> Result<(), Error> {
    ///     let eth0 = tc.link_index("eth0").await?;
    ///     tc.ensure_clsact(eth0).await?;
    ///     let filter = FilterRequest::new(Hook::ingress(eth0)).prio(1).handle(1);
    ///     let filter = filter.protocol(Protocol::ALL);
    ///     tc.ensure_bpf_filter(program, tag, move |program| {
    ///         filter.with(&Bpf {
    ///             program: Some(Program::Extended(program)),
    ///             name: Some("firewall".to_owned()),
    ///             flags: Some(BpfFlags::DIRECT_ACTION),
    ///             ..Bpf::default()
    ///         })
    ///     })
    ///     .await?;
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "TCA_BPF_TAG")]
    pub async fn ensure_bpf_filter<F>(
        &self,
        program: impl Into<Arc<OwnedFd>>,
        tag: [u8; 8],
        filter: F,
    ) -> Result<Ensured, Error>
    where
        F: for<'fd> FnOnce(BorrowedFd<'fd>) -> Result<FilterRequest<'fd>, EncodeError>,
    {
        let program = program.into();
        let (request, same, bare) = {
            let filter = filter(program.as_fd())?;
            let bare = FilterRequest {
                hook: filter.hook,
                info: filter.info,
                handle: filter.handle,
                chain: filter.chain,
                options: filter.options.as_ref().map(|o| Options::bare(o.kind.as_ref())),
                estimator: None,
            };
            (filter.encode(Verb::Replace)?.detached(), same_program(&filter, tag)?, bare)
        };
        match self.find(&bare).await? {
            Some(found) if bare.describes(&found) && same(&found) => Ok(Ensured::unchanged()),
            _ => {
                let request = OwnedRequest { request, fds: vec![program] };
                self.request(request).await.map(Ensured::by)
            }
        }
    }

    /// Sees to it that an object is there, with the kind and the handle of the request, and `is_so`;
    /// otherwise it is made or replaced.
    pub async fn ensure<O: ObjectRequest<'static>>(
        &self,
        object: &O,
        is_so: impl FnOnce(&O::Reply) -> bool,
    ) -> Result<Ensured, Error> {
        match self.find(object).await? {
            Some(found) if object.describes(&found) && is_so(&found) => Ok(Ensured::unchanged()),
            _ => self.replace(object).await.map(Ensured::by),
        }
    }

    /// Sees to it that an object is not there.
    pub async fn ensure_absent(
        &self,
        object: &impl ObjectRequest<'static>,
    ) -> Result<Ensured, Error> {
        match self.delete(object).await {
            Ok(ack) => Ok(Ensured::by(ack)),
            Err(e) if e.is_not_found() => Ok(Ensured::unchanged()),
            Err(e) => Err(e),
        }
    }
}

fn reply<R: Reply>(message: Message) -> Result<R, Error> {
    Ok(R::from_message(MessageType(message.header.message_type), message.body)?)
}

/// Reads all that `watch` has heard; says whether something of it changes the list.
fn heard(watch: &Watch, changes: impl Fn(&NetlinkHeader, &[u8]) -> bool) -> Result<bool, Error> {
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    let mut changed = false;
    loop {
        match watch.next_timeout(Duration::ZERO) {
            Ok(None) => return Ok(changed),
            Ok(Some(Event::Message(header, body))) => changed |= changes(&header, body),
            // Something was not heard.
            Ok(Some(_)) | Err(Error::Decode(_)) => changed = true,
            Err(e) => return Err(e),
        }
    }
}

/// Lets other tasks run.
async fn others_first() {
    let mut waited = false;
    futures_util::future::poll_fn(|context| {
        if waited {
            return std::task::Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
