//! What the requests have in common, and what the lists have.
//!
//! The clients are written against these traits: the same request goes to either of them.

use super::{
    ActionReply, ActionRequest, ChainReply, ChainRequest, ClassReply, ClassRequest, FilterReply,
    FilterRequest, Hook, Info, MessageType, QdiscReply, QdiscRequest, Reply, Request, TcHeader,
    Verb, flags,
};
use crate::error::EncodeError;
use crate::kind::Options;
use crate::units::Handle;

/// A request about one object: what can be added, changed, replaced, deleted and asked for.
///
/// `'fd` is the lifetime of what the request refers to by number; see [`Request`].
pub trait ObjectRequest<'fd> {
    /// The object as the kernel describes it.
    type Reply: Reply;
    /// A list in which the object would stand.
    type List: ListRequest<Reply = Self::Reply>;

    /// The message that does `verb`.
    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError>;

    /// The message that asks for the object; it is answered with one [`Reply`](Self::Reply).
    ///
    /// Of qdiscs and classes, the kernel gives the answer to all who listen for changes as well.
    fn encode_get(&self) -> Result<Request<'fd>, EncodeError>;

    /// The list in which nothing but the object stands, if it exists: a way to look for it that
    /// nobody else hears of, where [`encode_get`](Self::encode_get) is none.
    fn quiet_list(&self) -> Option<Self::List>;

    /// Whether `found` has the handle and the kind that the request says, as far as it says any.
    fn describes(&self, found: &Self::Reply) -> bool;
}

/// A request that lists objects.
pub trait ListRequest {
    /// The entries of the list.
    type Reply: Reply;

    /// The message with `NLM_F_DUMP`.
    fn encode(&self) -> Result<Request<'static>, EncodeError>;

    /// Whether the entry is one that was asked for: kernels may list more.
    fn matches(&self, entry: &Self::Reply) -> bool;

    /// Whether this notification says that the list may have changed while it was read.
    fn changed_by(&self, message_type: MessageType, body: &[u8]) -> bool;

    /// A list of the same entries and more, whose [`numbers`](Self::numbers) stay the same while no
    /// entry goes: it is needed where the kernel does not tell of all that changes the list. Read
    /// before and after, it says whether there was something.
    fn census(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// What the entries of a [`census`](Self::census) are called.
    fn numbers(&self, entries: &[Self::Reply]) -> Vec<u32> {
        let _ = entries;
        Vec::new()
    }
}

/// Lists qdiscs.
///
/// ```
/// use tc_proto::msg::{ListRequest, QdiscList};
/// // tc qdisc show dev lo
/// let request = QdiscList::on(1).encode()?;
/// # Ok::<(), tc_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QdiscList {
    /// Only those of the device of this index; 0: of all devices.
    pub ifindex: i32,
    /// Only those at this place; [`Handle::UNSPEC`]: anywhere.
    pub parent: Handle,
    /// Only the one of this handle; [`Handle::UNSPEC`]: all.
    pub handle: Handle,
    /// Default qdiscs below another one as well. Since Linux 4.12.
    pub invisible: bool,
}

impl QdiscList {
    /// The qdiscs of all devices.
    pub fn all() -> Self {
        Self::default()
    }

    /// The qdiscs of one device.
    pub fn on(ifindex: i32) -> Self {
        Self { ifindex, ..Self::default() }
    }
}

impl ListRequest for QdiscList {
    type Reply = QdiscReply;

    fn encode(&self) -> Result<Request<'static>, EncodeError> {
        QdiscRequest::list(self.ifindex, self.parent, self.handle, self.invisible)
    }

    fn matches(&self, entry: &QdiscReply) -> bool {
        fits(self.ifindex, 0, entry.ifindex())
            && fits(self.parent, Handle::UNSPEC, entry.parent())
            && fits(self.handle, Handle::UNSPEC, entry.handle())
    }

    fn changed_by(&self, message_type: MessageType, body: &[u8]) -> bool {
        match Group::of(message_type) {
            Some(Group::Qdisc) => is_on(self.ifindex, body),
            // Qdiscs are listed by device: one that comes or goes moves those behind it.
            Some(Group::Link) => self.ifindex == 0 || is_on(self.ifindex, body),
            _ => false,
        }
    }
}

/// Lists the classes of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassList {
    /// Index of the device.
    pub ifindex: i32,
    /// Only those of the qdisc of this handle, or below this class; [`Handle::UNSPEC`]: all.
    pub parent: Handle,
    /// Only the one of this id; [`Handle::UNSPEC`]: all. The kernel lists the others as well.
    pub classid: Handle,
}

impl ClassList {
    /// All classes of a device.
    pub fn on(ifindex: i32) -> Self {
        Self { ifindex, parent: Handle::UNSPEC, classid: Handle::UNSPEC }
    }
}

impl ListRequest for ClassList {
    type Reply = ClassReply;

    fn encode(&self) -> Result<Request<'static>, EncodeError> {
        ClassRequest::list(self.ifindex, self.parent)
    }

    fn matches(&self, entry: &ClassReply) -> bool {
        fits(self.ifindex, 0, entry.ifindex())
            && fits(self.classid, Handle::UNSPEC, entry.classid())
    }

    fn changed_by(&self, message_type: MessageType, body: &[u8]) -> bool {
        let group = Group::of(message_type);
        matches!(group, Some(Group::Qdisc | Group::Class | Group::Link))
            && is_on(self.ifindex, body)
    }
}

/// Lists filters.
///
/// ```
/// use tc_proto::msg::{FilterList, Hook, Info, ListRequest};
/// // tc filter show dev lo ingress pref 5
/// let list = FilterList { info: Info { prio: 5, ..Info::default() }, ..FilterList::at(Hook::ingress(1)) };
/// # list.encode()?;
/// # Ok::<(), tc_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterList {
    /// Where they hang.
    pub hook: Hook,
    /// Only those of this priority and of this protocol; 0: of any.
    pub info: Info,
    /// Only those of this chain; `None`: of all chains.
    pub chain: Option<u32>,
    /// An abridged list, which few kinds of filters can give. Since Linux 5.8.
    pub terse: bool,
    /// Also the entries with [`FilterReply::is_head`], which say only that there are filters of a
    /// kind, a priority and a protocol.
    pub heads: bool,
}

impl FilterList {
    /// All filters at `hook`.
    pub fn at(hook: Hook) -> Self {
        Self { hook, info: Info::default(), chain: None, terse: false, heads: false }
    }
}

impl ListRequest for FilterList {
    type Reply = FilterReply;

    fn encode(&self) -> Result<Request<'static>, EncodeError> {
        FilterRequest::list(self.hook, self.info, self.chain, self.terse)
    }

    fn matches(&self, entry: &FilterReply) -> bool {
        (self.heads || !entry.is_head())
            && fits(self.info.prio, 0, entry.prio())
            && fits(self.info.protocol.0, 0, entry.protocol().0)
            && self.chain.is_none_or(|chain| chain == entry.chain())
    }

    fn changed_by(&self, message_type: MessageType, body: &[u8]) -> bool {
        let group = Group::of(message_type);
        matches!(
            group,
            Some(Group::Qdisc | Group::Class | Group::Filter | Group::Chain | Group::Link)
        ) && touches(self.hook, body)
    }
}

/// Lists chains of filters. Since Linux 4.19.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainList {
    /// Where they hang.
    pub hook: Hook,
    /// Only the chain of this number; `None`: all.
    pub chain: Option<u32>,
}

impl ChainList {
    /// All chains at `hook`.
    pub fn at(hook: Hook) -> Self {
        Self { hook, chain: None }
    }
}

impl ListRequest for ChainList {
    type Reply = ChainReply;

    fn encode(&self) -> Result<Request<'static>, EncodeError> {
        ChainRequest::list(self.hook, self.chain, false)
    }

    fn matches(&self, entry: &ChainReply) -> bool {
        self.chain.is_none_or(|chain| chain == entry.chain())
    }

    fn changed_by(&self, message_type: MessageType, body: &[u8]) -> bool {
        FilterList::at(self.hook).changed_by(message_type, body)
    }
}

/// Lists the actions of a kind, those inside filters as well.
///
/// An entry of the list is a message with as many actions as fit:
///
/// ```no_run
/// # fn main() -> Result<(), tc_proto::client::Error> {
/// # #[cfg(feature = "client")] {
/// # let mut client = tc_proto::client::Client::open()?;
/// use tc_proto::msg::ActionList;
/// let list = client.list(&ActionList::of("gact"))?;
/// for action in list.iter().flat_map(|message| message.actions()) {
///     println!("{:?}", action.options());
/// }
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionList {
    /// The kind.
    pub kind: String,
    /// An abridged list. Since Linux 5.10.
    pub terse: bool,
    /// Only those used within this many milliseconds.
    pub since_ms: Option<u32>,
}

impl ActionList {
    /// All actions of a kind.
    pub fn of(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), terse: false, since_ms: None }
    }
}

impl ListRequest for ActionList {
    type Reply = ActionReply;

    fn encode(&self) -> Result<Request<'static>, EncodeError> {
        ActionRequest::list(&self.kind, self.terse, self.since_ms)
    }

    fn matches(&self, _: &ActionReply) -> bool {
        true
    }

    fn changed_by(&self, message_type: MessageType, _: &[u8]) -> bool {
        // Filters take their actions along, and qdiscs and devices their filters.
        Group::of(message_type).is_some()
    }

    fn census(&self) -> Option<Self> {
        // The actions of a filter go some time after it, and nobody hears of that.
        Some(Self { kind: self.kind.clone(), terse: true, since_ms: None })
    }

    fn numbers(&self, entries: &[ActionReply]) -> Vec<u32> {
        let actions = entries.iter().flat_map(ActionReply::actions);
        // Kernels before 5.10 know no abridged lists: there it is their number that counts.
        actions.map(|action| action.index().unwrap_or_default()).collect()
    }
}

impl<'fd> ObjectRequest<'fd> for QdiscRequest<'fd> {
    type Reply = QdiscReply;
    type List = QdiscList;

    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError> {
        self.encode(verb)
    }

    fn encode_get(&self) -> Result<Request<'fd>, EncodeError> {
        self.get()
    }

    fn quiet_list(&self) -> Option<QdiscList> {
        let QdiscRequest { ifindex, parent, .. } = *self;
        let handle = if parent == Handle::UNSPEC { self.handle } else { Handle::UNSPEC };
        Some(QdiscList { ifindex, parent, handle, invisible: true })
    }

    fn describes(&self, found: &QdiscReply) -> bool {
        fits(self.handle, Handle::UNSPEC, found.handle())
            && is_of(self.options.as_ref(), &found.kind())
    }
}

impl<'fd> ObjectRequest<'fd> for ClassRequest<'fd> {
    type Reply = ClassReply;
    type List = ClassList;

    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError> {
        self.encode(verb)
    }

    fn encode_get(&self) -> Result<Request<'fd>, EncodeError> {
        self.get()
    }

    fn quiet_list(&self) -> Option<ClassList> {
        Some(ClassList { classid: self.classid, ..ClassList::on(self.ifindex) })
    }

    fn describes(&self, found: &ClassReply) -> bool {
        is_of(self.options.as_ref(), &found.kind())
    }
}

impl<'fd> ObjectRequest<'fd> for FilterRequest<'fd> {
    type Reply = FilterReply;
    type List = FilterList;

    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError> {
        self.encode(verb)
    }

    fn encode_get(&self) -> Result<Request<'fd>, EncodeError> {
        self.get()
    }

    fn quiet_list(&self) -> Option<FilterList> {
        None
    }

    fn describes(&self, found: &FilterReply) -> bool {
        fits(self.handle, 0, found.handle()) && is_of(self.options.as_ref(), &found.kind())
    }
}

impl<'fd> ObjectRequest<'fd> for ChainRequest<'fd> {
    type Reply = ChainReply;
    type List = ChainList;

    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError> {
        self.encode(verb)
    }

    fn encode_get(&self) -> Result<Request<'fd>, EncodeError> {
        self.get()
    }

    fn quiet_list(&self) -> Option<ChainList> {
        None
    }

    fn describes(&self, found: &ChainReply) -> bool {
        is_of(self.template.as_ref(), &found.kind())
    }
}

impl<'fd> ObjectRequest<'fd> for ActionRequest<'fd> {
    type Reply = ActionReply;
    type List = ActionList;

    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError> {
        self.encode(verb)
    }

    fn encode_get(&self) -> Result<Request<'fd>, EncodeError> {
        self.get()
    }

    fn quiet_list(&self) -> Option<ActionList> {
        None
    }

    fn describes(&self, found: &ActionReply) -> bool {
        self.actions.len() == found.actions().count()
    }
}

impl<'fd, T: ObjectRequest<'fd>> ObjectRequest<'fd> for &T {
    type Reply = T::Reply;
    type List = T::List;

    fn encode(&self, verb: Verb) -> Result<Request<'fd>, EncodeError> {
        (**self).encode(verb)
    }

    fn encode_get(&self) -> Result<Request<'fd>, EncodeError> {
        (**self).encode_get()
    }

    fn quiet_list(&self) -> Option<T::List> {
        (**self).quiet_list()
    }

    fn describes(&self, found: &T::Reply) -> bool {
        (**self).describes(found)
    }
}

fn fits<T: PartialEq + Copy>(wanted: T, any: T, found: T) -> bool {
    wanted == any || wanted == found
}

fn is_of(options: Option<&Options<'_>>, kind: &str) -> bool {
    options.is_none_or(|options| options.kind == kind)
}

/// What a notification is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Link,
    Qdisc,
    Class,
    Filter,
    Chain,
    Action,
}

const NEW_LINK: MessageType = MessageType(16);
const DEL_LINK: MessageType = MessageType(17);

impl Group {
    fn of(message_type: MessageType) -> Option<Self> {
        Some(match message_type {
            NEW_LINK | DEL_LINK => Self::Link,
            MessageType::NEW_QDISC | MessageType::DEL_QDISC => Self::Qdisc,
            MessageType::NEW_CLASS | MessageType::DEL_CLASS => Self::Class,
            MessageType::NEW_FILTER | MessageType::DEL_FILTER => Self::Filter,
            MessageType::NEW_CHAIN | MessageType::DEL_CHAIN => Self::Chain,
            MessageType::NEW_ACTION | MessageType::DEL_ACTION => Self::Action,
            _ => return None,
        })
    }
}

/// Whether a notification is about this device. The index stands at the same place in `struct
/// ifinfomsg` and `struct tcmsg`.
fn is_on(ifindex: i32, body: &[u8]) -> bool {
    ifindex == 0 || TcHeader::decode(body).is_ok_and(|header| header.ifindex == ifindex)
}

/// Whether a notification may be about what hangs at `hook`. A shared block may hang at any device.
fn touches(hook: Hook, body: &[u8]) -> bool {
    match (hook, TcHeader::decode(body)) {
        (Hook::Device { ifindex, .. }, Ok(header)) => {
            header.ifindex == ifindex || header.ifindex == TcHeader::BLOCK_IFINDEX
        }
        (Hook::Block(_), _) | (_, Err(_)) => true,
    }
}

/// The flags of a request for one object. About qdiscs and classes the kernel answers only those with
/// `NLM_F_ECHO`.
pub(super) const GET: u16 = flags::REQUEST | flags::ECHO;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(ifindex: i32) -> Vec<u8> {
        let mut body = Vec::new();
        TcHeader { ifindex, ..TcHeader::default() }.encode(&mut body);
        body
    }

    #[test]
    fn what_touches_a_list_is_of_its_kind_and_device() {
        let list = ClassList::on(2);
        assert!(list.changed_by(MessageType::DEL_CLASS, &body(2)));
        assert!(list.changed_by(MessageType::DEL_QDISC, &body(2)));
        assert!(!list.changed_by(MessageType::DEL_CLASS, &body(3)));
        assert!(!list.changed_by(MessageType::NEW_FILTER, &body(2)));
        assert!(QdiscList::all().changed_by(DEL_LINK, &body(7)));
        assert!(!QdiscList::on(2).changed_by(DEL_LINK, &body(7)));
        let filters = FilterList::at(Hook::ingress(2));
        assert!(filters.changed_by(MessageType::NEW_FILTER, &body(-1)), "a shared block");
        assert!(filters.changed_by(MessageType::DEL_QDISC, &body(2)));
        assert!(!filters.changed_by(MessageType::NEW_CLASS, &body(4)));
        assert!(ActionList::of("gact").changed_by(MessageType::DEL_FILTER, &body(4)));
    }
}
