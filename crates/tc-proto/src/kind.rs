//! What a kind is: a named set of options that knows its bytes.

use std::borrow::Cow;

use crate::error::{DecodeError, EncodeError};
use crate::wire::AttrWriter;

/// The options of one kind of qdisc, class, filter, action or ematch.
///
/// A type that implements this stands in a file of its own, named as the kind, beside the kernel's
/// uapi header that describes the bytes.
pub trait Kind: Sized {
    /// The name in `TCA_KIND`.
    const NAME: &'static str;

    /// Whether the kernel insists on `NLA_F_NESTED` on the options (`ets`, `fq_pie`, `dualpi2`).
    const FLAGGED_NEST: bool = false;

    /// Whether the options attribute is sent at all. Some kinds leave it out when nothing is set.
    fn has_options(&self) -> bool {
        true
    }

    /// Writes the payload of the options attribute.
    fn encode(&self, w: &mut AttrWriter<'_>);

    /// Reads the payload of the options attribute; an absent one is read as empty.
    fn decode(payload: &[u8]) -> Result<Self, DecodeError>;
}

/// A kind of queueing discipline.
pub trait Qdisc: Kind {}

/// A kind of filter (classifier).
pub trait Filter: Kind {}

/// A kind of action.
pub trait Action: Kind {}

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
    /// The bytes of a kind's options. They borrow from `kind`, so that what they refer to by
    /// number, such as a BPF program's descriptor, stays open until they are sent.
    pub fn of<K: Kind>(kind: &'a K) -> Result<Self, EncodeError> {
        Self::encoded(kind)
    }

    /// The same for a value that goes away at once: the caller sees to it that what it refers to
    /// outlives the options.
    pub fn encoded<K: Kind>(kind: &K) -> Result<Self, EncodeError> {
        let payload = if kind.has_options() {
            let mut buf = Vec::new();
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
