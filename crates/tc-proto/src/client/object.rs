//! Objects: typed requests in, typed replies out.

use super::transport::{Received, Transport, receive};
use super::{Ack, Client, DATAGRAM, Dump, Error, message};
use crate::msg::{
    ExtAck, ListRequest, MessageType, NetlinkMessages, ObjectRequest, Reply, Verb, flags,
};

/// How often a list is read anew that changed while it was read.
const RETRIES: usize = 16;
/// `RTNLGRP_LINK`, `RTNLGRP_TC`.
const WATCHED: [u32; 2] = [1, 4];

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

    /// Lists objects, all of them.
    ///
    /// The kernel gives out a long list in parts, and does not say when it changed between two of
    /// them, by which entries that did not change at all may be missed. So the changes are watched
    /// meanwhile, and a list that changed is read anew, up to 16 times. What still changes then is
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
        let mut watch = self.watch()?;
        let mut before = self.census(list, watch.as_mut())?;
        for _ in 0..=RETRIES {
            let listed = self.list_counted(list, &mut before, watch.as_mut())?;
            if !listed.changed {
                return Ok(listed);
            }
        }
        Err(Error::Changing)
    }

    /// Lists objects once, and says whether something changed meanwhile: for those who would rather
    /// have a list with gaps than none.
    pub fn list_once<L: ListRequest>(&mut self, list: &L) -> Result<List<L::Reply>, Error> {
        let mut watch = self.watch()?;
        let mut before = self.census(list, watch.as_mut())?;
        self.list_counted(list, &mut before, watch.as_mut())
    }

    /// Opens a socket that hears what changes where this client works.
    fn watch(&mut self) -> Result<Box<dyn Transport>, Error> {
        self.transport.watch(self.netns.as_ref(), &WATCHED)
    }

    fn list_counted<L: ListRequest>(
        &mut self,
        list: &L,
        before: &mut Census,
        watch: &mut dyn Transport,
    ) -> Result<List<L::Reply>, Error> {
        let mut listed = self.list_watched(list, watch)?;
        let after = self.census(list, watch)?;
        listed.changed |= !after.agrees(before);
        *before = after;
        Ok(listed)
    }

    fn census<L: ListRequest>(
        &mut self,
        list: &L,
        watch: &mut dyn Transport,
    ) -> Result<Census, Error> {
        Ok(match list.census() {
            Some(census) => Census::of(&census, &self.list_watched(&census, watch)?),
            None => Census::Needless,
        })
    }

    fn list_watched<L: ListRequest>(
        &mut self,
        list: &L,
        watch: &mut dyn Transport,
    ) -> Result<List<L::Reply>, Error> {
        let dump = self.dump(&list.encode()?)?;
        let changed = self.heard(list, watch)? | dump.interrupted();
        let mut listed = List { entries: entries(list, &dump)?, warning: None, changed };
        listed.warning = dump.into_warning();
        Ok(listed)
    }

    /// Reads all that `watch` has heard; says whether something of it changes the list.
    fn heard<L: ListRequest>(
        &mut self,
        list: &L,
        watch: &mut dyn Transport,
    ) -> Result<bool, Error> {
        let mut changed = false;
        loop {
            self.reserve(DATAGRAM);
            match receive(watch, &mut self.buf, false)? {
                Received::Nothing => return Ok(changed),
                Received::Lost | Received::Cut(_) => changed = true,
                Received::Datagram => {
                    changed |= NetlinkMessages::new(&self.buf).any(|message| match message {
                        Ok((header, body)) => {
                            header.message_type == message::OVERRUN
                                || list.changed_by(MessageType(header.message_type), body)
                        }
                        Err(_) => true,
                    });
                }
            }
        }
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
