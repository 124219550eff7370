//! What a kind is: a named set of options that knows its bytes.

use std::borrow::Cow;

use crate::error::{DecodeError, EncodeError};
use crate::wire::AttrWriter;

/// Bytes that most options fit into without growing.
const ROOM: usize = 128;

/// The options of one kind of qdisc, class, filter, action or ematch.
///
/// In this crate, a type that implements it stands in a file of its own, named as the kind, whose
/// header names the kernel's uapi header that describes the bytes. Kinds that this crate does not
/// have can be implemented anywhere; see the [front page](crate#another-kind).
///
/// `encode` and `decode` are each other's reverse: what was decoded encodes to the attributes that
/// were there, unknown ones included, in whatever order. A value that nobody set is not encoded.
pub trait Kind: Sized {
    /// The name in `TCA_KIND`, at most 15 bytes.
    #[doc(alias = "TCA_KIND")]
    const NAME: &'static str;

    /// Whether the kernel insists on `NLA_F_NESTED` on the options (`ets`, `fq_pie`, `dualpi2`).
    const FLAGGED_NEST: bool = false;

    /// Whether the options attribute is sent at all. Some kinds leave it out when nothing is set.
    fn has_options(&self) -> bool {
        true
    }

    /// Writes the payload of the options attribute: a nest's attributes, or a bare structure.
    ///
    /// Errors, such as an attribute that is too long, are remembered by the writer.
    #[doc(alias = "TCA_OPTIONS")]
    fn encode(&self, w: &mut AttrWriter<'_>);

    /// Reads the payload of the options attribute; an absent one is read as empty.
    ///
    /// Fails on what no kernel sends, such as a structure that ends too early; the message around
    /// the options is not lost by that.
    fn decode(payload: &[u8]) -> Result<Self, DecodeError>;
}

/// A kind of queueing discipline.
pub trait Qdisc: Kind {}

/// A kind of filter (classifier).
pub trait Filter: Kind {}

/// A kind of action.
pub trait Action: Kind {
    /// The action's number, by which it is looked up and deleted; 0 when the kernel is to choose one.
    fn index(&self) -> u32 {
        0
    }
}

/// A kind of ematch, of which the messages have the number instead of the name.
pub trait Ematch: Kind {
    /// The number in `struct tcf_ematch_hdr`, `TCF_EM_*`.
    #[doc(alias = "tcf_ematch_hdr")]
    const NUMBER: u16;
}

/// A kind's name and its options as bytes, decoded when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The name in `TCA_KIND`.
    pub kind: Cow<'a, str>,
    /// The payload of `TCA_OPTIONS`; `None` when the attribute is absent.
    pub payload: Option<Cow<'a, [u8]>>,
    /// Whether the attribute has `NLA_F_NESTED`.
    pub flagged: bool,
}

impl<'a> Options<'a> {
    /// The bytes of a kind's options. They live no longer than what the kind refers to by number,
    /// such as a BPF program's descriptor.
    pub fn of<K: Kind + 'a>(kind: &K) -> Result<Self, EncodeError> {
        let payload = if kind.has_options() {
            let mut buf = Vec::with_capacity(ROOM);
            let mut w = AttrWriter::new(&mut buf);
            kind.encode(&mut w);
            w.finish()?;
            Some(Cow::Owned(buf))
        } else {
            None
        };
        Ok(Self { kind: Cow::Borrowed(K::NAME), payload, flagged: K::FLAGGED_NEST })
    }
}

impl Options<'static> {
    /// A kind named at run time, sent without options.
    pub fn bare(kind: impl Into<String>) -> Self {
        Self { kind: Cow::Owned(kind.into()), payload: None, flagged: false }
    }
}

impl Options<'_> {
    /// The options as those of kind `K`, or `None` when they are of another kind.
    pub fn decode<K: Kind>(&self) -> Option<Result<K, DecodeError>> {
        (self.kind == K::NAME).then(|| K::decode(self.bytes()))
    }

    /// The payload, empty when the attribute is absent.
    pub fn bytes(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// The same, owning its bytes.
    pub fn into_owned(self) -> Options<'static> {
        Options {
            kind: Cow::Owned(self.kind.into_owned()),
            payload: self.payload.map(|p| Cow::Owned(p.into_owned())),
            flagged: self.flagged,
        }
    }
}
