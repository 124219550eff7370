//! Objects: typed requests in, typed replies out.

use super::dump::{Reading, now};
use super::transport::io_error;
use super::{Ack, Client, DATAGRAM, Dump, Error};
use crate::msg::{ExtAck, ListRequest, MessageType, ObjectRequest, Reply, Verb, flags};

/// How often a list is read anew that changed while it was read.
const RETRIES: usize = 16;
/// `RTNLGRP_LINK` and `RTNLGRP_TC`, a bit for each.
const WATCHED: u32 = 1 << 0 | 1 << 3;
/// Bytes of a buffer that is kept.
const KEPT: usize = 8 * DATAGRAM;

/// What was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct List<T> {
    /// The entries, in the kernel's order.
    pub entries: Vec<T>,
    /// What the kernel warns of.
    pub warning: Option<ExtAck>,
    /// Whether something changed while the list was read: entries may be missing or there twice.
    /// Only [`Client::list_once`] gives such lists.
    pub changed: bool,
}

impl<T> std::ops::Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.entries
    }
}

impl<T> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

impl Client {
    /// Creates an object; one that exists already is an error that
    /// [`is_exists`](Error::is_exists).
    ///
    /// ```no_run
    /// use tc_proto::{Handle, client::Client, msg::QdiscRequest, qdisc::Pfifo};
    ///
    /// let mut client = Client::open()?;
    /// let eth0 = client.link_index("eth0")?;
    /// // tc qdisc add dev eth0 root handle 1: pfifo limit 100
    /// let fifo = Pfifo { limit_pkts: Some(100) };
    /// client.add(&QdiscRequest::root(eth0).handle(Handle::new(1, 0)).with(&fifo)?)?;
    /// # Ok::<(), tc_proto::client::Error>(())
    /// ```
    pub fn add<'fd>(&mut self, object: &impl ObjectRequest<'fd>) -> Result<Ack, Error> {
        self.request(&object.encode(Verb::Add)?)
    }

    /// Changes an object; one that does not exist is an error that
    /// [`is_not_found`](Error::is_not_found).
    pub fn change<'fd>(&mut self, object: &impl ObjectRequest<'fd>) -> Result<Ack, Error> {
        self.request(&object.encode(Verb::Change)?)
    }

    /// Creates an object, or changes the one that exists. A qdisc is replaced by a new one when the
    /// kind differs.
    pub fn replace<'fd>(&mut self, object: &impl ObjectRequest<'fd>) -> Result<Ack, Error> {
        self.request(&object.encode(Verb::Replace)?)
    }

    /// Deletes an object; one that does not exist is an error that
    /// [`is_not_found`](Error::is_not_found).
    pub fn delete<'fd>(&mut self, object: &impl ObjectRequest<'fd>) -> Result<Ack, Error> {
        self.request(&object.encode(Verb::Delete)?)
    }

    /// Creates an object and tells what became of it: with the handle, the priority and the options
    /// that the kernel chose where the request left them open.
    ///
    /// ```no_run
    /// # let mut client = tc_proto::client::Client::open()?;
    /// # let eth0 = client.link_index("eth0")?;
    /// use tc_proto::filter::Matchall;
    /// use tc_proto::msg::{FilterRequest, Hook};
    /// use tc_proto::units::Protocol;
    ///
    /// let filter = FilterRequest::new(Hook::ingress(eth0)).protocol(Protocol::ALL);
    /// let made = client.create(&filter.with(&Matchall::default())?)?;
    /// println!("pref {} handle {}", made.prio(), made.handle());
    /// # Ok::<(), tc_proto::client::Error>(())
    /// ```
    #[doc(alias = "NLM_F_ECHO")]
    pub fn create<'fd, O: ObjectRequest<'fd>>(&mut self, object: &O) -> Result<O::Reply, Error> {
        let mut request = object.encode(Verb::Add)?;
        request.add_flags(flags::ECHO);
        let ack = self.request(&request)?;
        // The kernel echoes no chains.
        let Some(message) = ack.echoed.into_iter().next() else { return self.get(object) };
        Ok(Reply::from_message(MessageType(message.header.message_type), message.body)?)
    }

    /// The object as the kernel describes it; one that does not exist is an error that
    /// [`is_not_found`](Error::is_not_found).
    ///
    /// Of qdiscs and classes, the kernel gives the answer to all who listen for changes as well;
    /// [`find`](Self::find) does not.
    pub fn get<'fd, O: ObjectRequest<'fd>>(&mut self, object: &O) -> Result<O::Reply, Error> {
        let message = self.ask(&object.encode_get()?)?;
        Ok(Reply::from_message(MessageType(message.header.message_type), message.body)?)
    }

    /// The object, or `None` when it does not exist. Nobody hears of it.
    pub fn find<'fd, O: ObjectRequest<'fd>>(
        &mut self,
        object: &O,
    ) -> Result<Option<O::Reply>, Error> {
        if let Some(list) = object.quiet_list() {
            let listed = self.list_once(&list)?;
            let changed = listed.changed;
            let found = listed.into_iter().next();
            if found.is_some() || !changed {
                return Ok(found);
            }
            // It may be there all the same.
        }
        match self.get(object) {
            Ok(found) => Ok(Some(found)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lists objects, all of them. A device that does not exist has none: the kernel makes no difference.
    ///
    /// The kernel gives out a long list in parts, and does not say when it changed between two of
    /// them, by which entries that did not change at all may be missed. So this client listens for
    /// changes meanwhile, and a list that changed is read anew, up to 16 times. What still changes then is
    /// [`Error::Changing`]. Of actions it does not even say when those of a deleted filter go; so
    /// an abridged list is read before and after, and these must be the same.
    ///
    /// ```no_run
    /// # let mut client = tc_proto::client::Client::open()?;
    /// # let eth0 = client.link_index("eth0")?;
    /// use tc_proto::msg::ClassList;
    ///
    /// for class in &client.list(&ClassList::on(eth0))? {
    ///     let sent = class.stats().basic.unwrap_or_default();
    ///     println!("{} {}: {} bytes", class.kind(), class.classid(), sent.bytes);
    /// }
    /// # Ok::<(), tc_proto::client::Error>(())
    /// ```
    #[doc(alias = "NLM_F_DUMP")]
    pub fn list<L: ListRequest>(&mut self, list: &L) -> Result<List<L::Reply>, Error> {
        now(self.list_by(list, false, || std::future::ready(())))
    }

    /// Lists objects once, and says whether something changed meanwhile: for those who would rather
    /// have a list with gaps than none.
    pub fn list_once<L: ListRequest>(&mut self, list: &L) -> Result<List<L::Reply>, Error> {
        now(self.list_by(list, true, || std::future::ready(())))
    }

    /// Both of these, with pauses between the parts of a long list.
    pub(crate) async fn list_by<L: ListRequest, P: Future<Output = ()>>(
        &mut self,
        list: &L,
        once: bool,
        pause: impl Fn() -> P,
    ) -> Result<List<L::Reply>, Error> {
        let mut listening = Listening::start(self)?;
        let mut before = listening.census(list, &pause).await?;
        let mut failed = Error::Changing;
        for _ in 0..=RETRIES {
            let mut listed = match listening.read(list, &pause).await {
                // What others changed took the room of the answer.
                Err(Error::Lost) => {
                    failed = Error::Lost;
                    continue;
                }
                listed => listed?,
            };
            let after = listening.census(list, &pause).await?;
            listed.changed |= !after.agrees(&before);
            if once || !listed.changed {
                return Ok(listed);
            }
            before = after;
            failed = Error::Changing;
        }
        // It changes all the time, whichever way that shows.
        Err(if once { failed } else { Error::Changing })
    }
}

/// A client that hears on its socket what changes.
struct Listening<'c>(&'c mut Client);

impl<'c> Listening<'c> {
    fn start(client: &'c mut Client) -> Result<Self, Error> {
        client.clear();
        client.transport.listen(WATCHED, client.port).map_err(io_error("subscribe"))?;
        Ok(Self(client))
    }

    async fn census<L: ListRequest, P: Future<Output = ()>>(
        &mut self,
        list: &L,
        pause: impl Fn() -> P,
    ) -> Result<Census, Error> {
        let Some(census) = list.census() else { return Ok(Census::Needless) };
        match self.read(&census, pause).await {
            Ok(listed) => Ok(Census::of(&census, &listed)),
            Err(Error::Lost) => Ok(Census::Changed),
            Err(e) => Err(e),
        }
    }

    async fn read<L: ListRequest, P: Future<Output = ()>>(
        &mut self,
        list: &L,
        pause: impl Fn() -> P,
    ) -> Result<List<L::Reply>, Error> {
        let mut dump = Dump::within(std::mem::take(&mut self.0.buf));
        let is_about = |message_type, body: &[u8]| list.changed_by(message_type, body);
        let request = list.encode()?;
        self.0.dump_into(&mut dump, &request, &Reading { retries: 0, is_about, pause }).await?;
        let entries = entries(list, &dump)?;
        let changed = dump.changed() | dump.interrupted();
        let (bytes, warning) = dump.into_parts();
        if bytes.capacity() <= KEPT {
            self.0.buf = bytes;
        }
        Ok(List { entries, warning, changed })
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        // Should it fail, what is heard is passed over.
        let _ = self.0.transport.listen(0, self.0.port);
        self.0.stale = true;
    }
}

/// What there was before a list was read, or after it.
#[derive(PartialEq)]
pub(crate) enum Census {
    Needless,
    /// It changed while it was taken.
    Changed,
    Numbers(Vec<u32>),
}

impl Census {
    pub(crate) fn of<L: ListRequest>(census: &L, listed: &List<L::Reply>) -> Self {
        if listed.changed { Self::Changed } else { Self::Numbers(census.numbers(&listed.entries)) }
    }

    pub(crate) fn agrees(&self, before: &Self) -> bool {
        *self != Self::Changed && self == before
    }
}

/// The entries that were asked for.
fn entries<L: ListRequest>(list: &L, dump: &Dump) -> Result<Vec<L::Reply>, Error> {
    let mut entries = Vec::new();
    for (header, body) in dump.messages() {
        let entry = L::Reply::from_message(MessageType(header.message_type), body.to_vec())?;
        if list.matches(&entry) {
            entries.push(entry);
        }
    }
    Ok(entries)
}
