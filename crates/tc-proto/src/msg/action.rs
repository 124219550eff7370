//! Actions: as entries of a list inside a filter, and as objects of their own.
//!
//! Kernel: uapi/linux/rtnetlink.h `struct tcamsg`, `TCA_ROOT_*`; uapi/linux/pkt_cls.h `TCA_ACT_*`.

use std::borrow::Cow;

use super::{MessageType, Request, Stats, Verb, flags};
use crate::error::{DecodeError, EncodeError};
use crate::kind::{Action, Options};
use crate::wire::{Attr, AttrWriter, Attrs, NESTED, RawAttrs, Reader};

const TCA_ROOT_TAB: u16 = 1;
const TCA_ROOT_FLAGS: u16 = 2;
const TCA_ROOT_COUNT: u16 = 3;
const TCA_ROOT_TIME_DELTA: u16 = 4;
const TCA_ROOT_EXT_WARN_MSG: u16 = 5;

const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_ACT_INDEX: u16 = 3;
const TCA_ACT_STATS: u16 = 4;
/// In notifications of a flush the number of a cookie means a count (`TCA_FCNT`, the same as
/// `TCA_ACT_COOKIE`).
const TCA_ACT_FCNT: u16 = TCA_ACT_COOKIE;
const TCA_ACT_COOKIE: u16 = 6;
const TCA_ACT_FLAGS: u16 = 7;
const TCA_ACT_HW_STATS: u16 = 8;
const TCA_ACT_USED_HW_STATS: u16 = 9;
const TCA_ACT_IN_HW_COUNT: u16 = 10;

/// `struct nla_bitfield32`: flags, and which of them are meant.
#[doc(alias = "nla_bitfield32")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitfield32 {
    /// The values of the flags.
    pub value: u32,
    /// The flags that are meant; the others keep their values.
    pub selector: u32,
}

impl Bitfield32 {
    /// These flags, set.
    pub fn set(flags: u32) -> Self {
        Self { value: flags, selector: flags }
    }

    /// The eight bytes of the structure.
    pub fn encode(self) -> Vec<u8> {
        [self.value.to_ne_bytes(), self.selector.to_ne_bytes()].concat()
    }

    /// Reads the structure.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("nla_bitfield32", payload);
        Ok(Self { value: r.u32()?, selector: r.u32()? })
    }
}

/// `struct tcamsg`, 4 bytes.
#[doc(alias = "tcamsg")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionHeader {
    /// Address family; always 0.
    pub family: u8,
}

impl ActionHeader {
    /// Size in bytes.
    pub const LEN: usize = 4;

    fn encode(self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(&[self.family, 0, 0, 0]);
    }

    fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let [family, _, _, _] = Reader::new("tcamsg", body).array()?;
        Ok(Self { family })
    }
}

/// One action to be made, changed, looked up or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionSpec<'a> {
    /// Kind and options. The options' payload is absent when only kind and index count.
    pub options: Options<'a>,
    /// The index, for looking an action up or deleting it; otherwise the index is an option of
    /// the kind.
    pub index: Option<u32>,
    /// The index that is among the options, 0 for none: what is made with these options is looked up
    /// and deleted by it, where `index` says none.
    pub own_index: u32,
    /// 1 to 16 bytes of the user's own that the kernel keeps with the action. Since Linux 4.11.
    pub cookie: Option<Vec<u8>>,
    /// Which hardware counters are wanted: 1 immediate, 2 delayed; none set means disabled.
    /// Since Linux 5.7.
    pub hw_stats: Option<Bitfield32>,
    /// 1 no per-CPU counters, 2 skip_hw, 4 skip_sw. Since Linux 5.5.
    pub flags: Option<Bitfield32>,
}

impl<'a> ActionSpec<'a> {
    /// An action of which only kind and options are said.
    pub fn new(options: Options<'a>) -> Self {
        Self { options, index: None, own_index: 0, cookie: None, hw_stats: None, flags: None }
    }

    /// An action of this kind, with these options.
    pub fn of<K: Action + 'a>(action: &K) -> Result<Self, EncodeError> {
        let options = Options::of(action)?;
        Ok(Self { own_index: action.index(), ..Self::new(options) })
    }

    /// The action of this kind and index, to get or delete it.
    pub fn by_index(kind: &'a str, index: u32) -> Self {
        let options = Options { kind: Cow::Borrowed(kind), payload: None, flagged: false };
        Self { index: Some(index), ..Self::new(options) }
    }

    /// The same action by kind and index, if they are known.
    fn named(&self) -> Self {
        match (self.index, self.own_index) {
            (None, index @ 1..) => {
                let options = Options::bare(self.options.kind.clone());
                Self { index: Some(index), ..Self::new(options) }
            }
            _ => self.clone(),
        }
    }

    /// Writes the entry, in tc's order.
    fn encode(&self, order: u16, w: &mut AttrWriter<'_>) {
        w.nest(order, |w| {
            w.str(TCA_ACT_KIND, &self.options.kind);
            if let Some(index) = self.index {
                w.u32(TCA_ACT_INDEX, index);
            }
            if let Some(payload) = &self.options.payload {
                w.bytes(TCA_ACT_OPTIONS | NESTED, payload);
            }
            if let Some(cookie) = &self.cookie {
                w.bytes(TCA_ACT_COOKIE, cookie);
            }
            if let Some(hw_stats) = self.hw_stats {
                w.bytes(TCA_ACT_HW_STATS, &hw_stats.encode());
            }
            if let Some(flags) = self.flags {
                w.bytes(TCA_ACT_FLAGS, &flags.encode());
            }
        });
    }

    /// A list of actions, numbered from 1, as a filter's options hold it.
    pub fn list(actions: &[Self]) -> Result<RawAttrs, EncodeError> {
        let mut buf = Vec::with_capacity(128);
        let mut w = AttrWriter::new(&mut buf);
        for (order, action) in (1..).zip(actions) {
            action.encode(order, &mut w);
        }
        w.finish()?;
        Ok(RawAttrs::from_payload(&buf))
    }

    /// Writes a list of actions as the attribute `ty`, numbered from 1.
    pub fn encode_list(actions: &[Self], ty: u16, w: &mut AttrWriter<'_>) {
        w.nest(ty, |w| {
            for (order, action) in (1..).zip(actions) {
                action.encode(order, w);
            }
        });
    }
}

/// One action as received.
#[derive(Clone, Copy, Debug)]
pub struct ActionView<'a> {
    /// Its place in the list it came in.
    pub order: u16,
    attrs: Attrs<'a>,
}

impl<'a> ActionView<'a> {
    /// The actions in a list such as `TCA_BPF_ACT`, in order.
    pub fn list(entries: Attrs<'a>) -> impl Iterator<Item = Self> {
        entries.map(Self::from)
    }

    /// All attributes, known or not.
    pub fn attrs(&self) -> Attrs<'a> {
        self.attrs
    }

    /// Kind and options; `None` when the entry names no kind.
    pub fn options(&self) -> Option<Options<'a>> {
        let attr = self.attrs.find(TCA_ACT_OPTIONS);
        Some(Options {
            kind: self.attrs.find(TCA_ACT_KIND)?.string(),
            payload: attr.map(|a| Cow::Borrowed(a.payload())),
            flagged: attr.is_some_and(|a| a.is_flagged_nested()),
        })
    }

    /// The index, in abridged listings; otherwise it is an option of the kind.
    pub fn index(&self) -> Option<u32> {
        self.attrs.find(TCA_ACT_INDEX)?.u32().ok()
    }

    /// The user's own bytes.
    pub fn cookie(&self) -> Option<&'a [u8]> {
        self.attrs.find(TCA_ACT_COOKIE).map(|a| a.payload())
    }

    /// Counters.
    pub fn stats(&self) -> Option<Stats<'a>> {
        self.attrs.find(TCA_ACT_STATS).map(|a| Stats::decode(a.nested()))
    }

    /// The flags that were asked for.
    pub fn flags(&self) -> Option<Bitfield32> {
        self.bitfield(TCA_ACT_FLAGS)
    }

    /// The hardware counters that were asked for.
    pub fn hw_stats(&self) -> Option<Bitfield32> {
        self.bitfield(TCA_ACT_HW_STATS)
    }

    /// The hardware counters in use.
    pub fn used_hw_stats(&self) -> Option<Bitfield32> {
        self.bitfield(TCA_ACT_USED_HW_STATS)
    }

    /// How many devices run it in hardware. Since Linux 5.17.
    pub fn in_hw_count(&self) -> Option<u32> {
        self.attrs.find(TCA_ACT_IN_HW_COUNT)?.u32().ok()
    }

    fn bitfield(&self, ty: u16) -> Option<Bitfield32> {
        Bitfield32::decode(self.attrs.find(ty)?.payload()).ok()
    }
}

impl<'a> From<Attr<'a>> for ActionView<'a> {
    fn from(entry: Attr<'a>) -> Self {
        Self { order: entry.ty(), attrs: entry.nested() }
    }
}

/// A message about actions, as received.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActionMessage<'a> {
    /// `struct tcamsg`.
    pub header: ActionHeader,
    attrs: Attrs<'a>,
}

impl<'a> ActionMessage<'a> {
    /// Reads the body of a message, which is what follows the netlink header.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let header = ActionHeader::decode(body)?;
        Ok(Self { header, attrs: Attrs::new(body.get(ActionHeader::LEN..).unwrap_or_default()) })
    }

    /// All attributes, known or not.
    pub fn attrs(&self) -> Attrs<'a> {
        self.attrs
    }

    /// The entries of the actions, for [`ActionView::list`].
    pub fn actions(&self) -> Attrs<'a> {
        self.attrs.find(TCA_ROOT_TAB).map(|a| a.nested()).unwrap_or_default()
    }

    /// How many actions the message holds, in lists.
    pub fn count(&self) -> Option<u32> {
        self.attrs.find(TCA_ROOT_COUNT)?.u32().ok()
    }

    /// Of which kind the actions were flushed, and how many; in notifications of that.
    pub fn flushed(&self) -> Option<(Cow<'a, str>, u32)> {
        let entry = self.actions().find(0)?.nested();
        Some((entry.find(TCA_ACT_KIND)?.string(), entry.find(TCA_ACT_FCNT)?.u32().ok()?))
    }

    /// A warning that the kernel put into the notification. Since Linux 6.3.
    pub fn warning(&self) -> Option<Cow<'a, str>> {
        self.attrs.find(TCA_ROOT_EXT_WARN_MSG).map(|a| a.string())
    }
}

/// A request about actions that stand for themselves. They are looked up and deleted by kind and index:
/// that of [`ActionSpec::by_index`], or the one that their options have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionRequest<'a> {
    /// The actions, 1 to 32.
    pub actions: Vec<ActionSpec<'a>>,
}

impl<'a> ActionRequest<'a> {
    /// A request about one action.
    pub fn new(action: ActionSpec<'a>) -> Self {
        Self { actions: vec![action] }
    }

    /// The message that does `verb`. [`Verb::Link`] is not for actions and works as a change.
    pub fn encode(&self, verb: Verb) -> Result<Request<'a>, EncodeError> {
        let message_type = verb.pick(MessageType::NEW_ACTION, MessageType::DEL_ACTION);
        let flags = match verb {
            Verb::Change | Verb::Replace | Verb::Link => Verb::Replace.flags() | flags::REPLACE,
            Verb::Add | Verb::Delete => verb.flags(),
        };
        self.message(message_type, flags)
    }

    /// The message that asks for the actions by kind and index.
    pub fn get(&self) -> Result<Request<'a>, EncodeError> {
        self.message(MessageType::GET_ACTION, flags::REQUEST)
    }

    fn message(&self, message_type: MessageType, flags: u16) -> Result<Request<'a>, EncodeError> {
        let named: Vec<_>;
        let actions = match message_type {
            MessageType::NEW_ACTION => &self.actions,
            _ => {
                named = self.actions.iter().map(ActionSpec::named).collect();
                &named
            }
        };
        Request::new(message_type, flags, |buf| {
            ActionHeader::default().encode(buf);
            let mut w = AttrWriter::new(buf);
            ActionSpec::encode_list(actions, TCA_ROOT_TAB, &mut w);
            w.finish()
        })
    }

    /// The message that lists the actions of a kind: `terse` abridged, `since_ms` only those used
    /// within that many milliseconds.
    pub fn list(
        kind: &str,
        terse: bool,
        since_ms: Option<u32>,
    ) -> Result<Request<'a>, EncodeError> {
        let flags = flags::REQUEST | flags::DUMP;
        Self::whole_kind(MessageType::GET_ACTION, flags, kind, terse, since_ms)
    }

    /// The message that deletes all actions of a kind that no filter uses. `terse` and `since_ms` are
    /// sent as for a list.
    pub fn flush(
        kind: &str,
        terse: bool,
        since_ms: Option<u32>,
    ) -> Result<Request<'a>, EncodeError> {
        let flags = flags::REQUEST | flags::ACK | flags::ROOT;
        Self::whole_kind(MessageType::DEL_ACTION, flags, kind, terse, since_ms)
    }

    fn whole_kind(
        message_type: MessageType,
        flags: u16,
        kind: &str,
        terse: bool,
        since_ms: Option<u32>,
    ) -> Result<Request<'a>, EncodeError> {
        Request::new(message_type, flags, |buf| {
            ActionHeader::default().encode(buf);
            let mut w = AttrWriter::new(buf);
            let action = ActionSpec::new(Options::bare(kind));
            ActionSpec::encode_list(&[action], TCA_ROOT_TAB, &mut w);
            w.bytes(TCA_ROOT_FLAGS, &Bitfield32::set(if terse { 3 } else { 1 }).encode());
            if let Some(ms) = since_ms {
                w.u32(TCA_ROOT_TIME_DELTA, ms);
            }
            w.finish()
        })
    }
}
