//! A message about a qdisc, class, filter or chain, and the attributes they share.

use std::borrow::Cow;

use super::{Stats, TcHeader, tca};
use crate::error::DecodeError;
use crate::kind::Options;
use crate::units::{Estimator, SizeTable};
use crate::wire::{Attr, AttrWriter, Attrs, NESTED};

/// A message about a qdisc, class, filter or chain, as received.
///
/// Attributes are looked at when asked for; those that this crate does not know stay in
/// [`attrs`](Self::attrs). A message that lost an attribute on the way still shows the rest.
#[derive(Clone, Copy, Debug)]
pub struct TcMessage<'a> {
    /// `struct tcmsg`.
    pub header: TcHeader,
    attrs: Attrs<'a>,
    /// Where in `attrs` the last attribute of each type begins, and one more; 0: there is none.
    places: [u32; tca::EXT_WARN_MSG as usize + 1],
}

impl<'a> TcMessage<'a> {
    /// Reads the body of a message, which is what follows the netlink header.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self::with_header(TcHeader::decode(body)?, body))
    }

    /// Reads `body`, whose header was read before.
    pub(super) fn with_header(header: TcHeader, body: &'a [u8]) -> Self {
        let attrs = Attrs::new(body.get(TcHeader::LEN..).unwrap_or_default());
        let mut places = [0; tca::EXT_WARN_MSG as usize + 1];
        let mut rest = attrs;
        let mut at = 0;
        while let Some(attr) = rest.next() {
            if let Some(place) = places.get_mut(usize::from(attr.ty())) {
                *place = at as u32 + 1;
            }
            at = attrs.rest().len() - rest.rest().len();
        }
        Self { header, attrs, places }
    }

    /// All attributes, known or not, in the order of the message.
    pub fn attrs(&self) -> Attrs<'a> {
        self.attrs
    }

    fn get(&self, ty: u16) -> Option<Attr<'a>> {
        let at = self.places.get(usize::from(ty))?.checked_sub(1)?;
        Attrs::new(self.attrs.rest().get(at as usize..)?).next()
    }

    fn u32(&self, ty: u16) -> Option<u32> {
        self.get(ty).and_then(|a| a.u32().ok())
    }

    /// The name of the kind: `htb`, `bpf`, …
    #[doc(alias = "TCA_KIND")]
    pub fn kind(&self) -> Option<Cow<'a, str>> {
        self.get(tca::KIND).map(|a| a.string())
    }

    /// Kind and options; `None` when the message names no kind.
    #[doc(alias = "TCA_OPTIONS")]
    pub fn options(&self) -> Option<Options<'a>> {
        let attr = self.get(tca::OPTIONS);
        Some(Options {
            kind: self.kind()?,
            payload: attr.map(|a| Cow::Borrowed(a.payload())),
            flagged: attr.is_some_and(|a| a.is_flagged_nested()),
        })
    }

    /// Counters of the object.
    #[doc(alias = "TCA_STATS2")]
    #[doc(alias = "TCA_STATS")]
    pub fn stats(&self) -> Option<Stats<'a>> {
        match (self.get(tca::STATS2), self.get(tca::STATS)) {
            (Some(stats2), _) => Some(Stats::decode(stats2.nested())),
            (None, Some(old)) => Some(Stats::decode_old(old.payload())),
            (None, None) => None,
        }
    }

    /// Counters particular to the kind, as `struct tc_KIND_xstats`.
    #[doc(alias = "TCA_XSTATS")]
    #[doc(alias = "TCA_STATS_APP")]
    pub fn xstats(&self) -> Option<&'a [u8]> {
        let in_stats = self.get(tca::STATS2).and_then(|a| Stats::decode(a.nested()).kind);
        in_stats.or_else(|| self.get(tca::XSTATS).map(|a| a.payload()))
    }

    /// Number of the filter chain. Since Linux 4.13.
    #[doc(alias = "TCA_CHAIN")]
    pub fn chain(&self) -> Option<u32> {
        self.u32(tca::CHAIN)
    }

    /// Whether the qdisc runs in hardware. Since Linux 4.16.
    #[doc(alias = "TCA_HW_OFFLOAD")]
    pub fn hw_offload(&self) -> Option<u8> {
        self.get(tca::HW_OFFLOAD).and_then(|a| a.u8().ok())
    }

    /// Index of the shared block of ingress filters. Since Linux 4.16.
    #[doc(alias = "TCA_INGRESS_BLOCK")]
    pub fn ingress_block(&self) -> Option<u32> {
        self.u32(tca::INGRESS_BLOCK)
    }

    /// Index of the shared block of egress filters. Since Linux 4.16.
    #[doc(alias = "TCA_EGRESS_BLOCK")]
    pub fn egress_block(&self) -> Option<u32> {
        self.u32(tca::EGRESS_BLOCK)
    }

    /// Files counter that old kernels sent; nobody reads it today.
    #[doc(alias = "TCA_FCNT")]
    pub fn fcnt(&self) -> Option<u32> {
        self.u32(tca::FCNT)
    }

    /// The rate estimator that was set with the object.
    #[doc(alias = "TCA_RATE")]
    pub fn estimator(&self) -> Option<Estimator> {
        self.get(tca::RATE).and_then(|a| Estimator::decode(a.payload()).ok())
    }

    /// The size table. The kernel sends its parameters only.
    #[doc(alias = "TCA_STAB")]
    pub fn stab(&self) -> Option<SizeTable> {
        self.get(tca::STAB).and_then(|a| SizeTable::decode(a.payload()).ok())
    }

    /// A warning that the kernel put into the notification. Since Linux 6.3.
    #[doc(alias = "TCA_EXT_WARN_MSG")]
    pub fn warning(&self) -> Option<Cow<'a, str>> {
        self.get(tca::EXT_WARN_MSG).map(|a| a.string())
    }
}

/// Writes what requests have in common.
pub(super) trait CommonAttrs {
    fn options(&mut self, options: Option<&Options<'_>>) -> &mut Self;
    fn kind(&mut self, options: Option<&Options<'_>>) -> &mut Self;
    fn estimator(&mut self, estimator: Option<Estimator>) -> &mut Self;
    fn opt_u32(&mut self, ty: u16, value: Option<u32>) -> &mut Self;
    fn stab(&mut self, stab: Option<&SizeTable>) -> &mut Self;
}

impl CommonAttrs for AttrWriter<'_> {
    fn kind(&mut self, options: Option<&Options<'_>>) -> &mut Self {
        if let Some(options) = options {
            self.str(tca::KIND, &options.kind);
        }
        self
    }

    fn options(&mut self, options: Option<&Options<'_>>) -> &mut Self {
        match options {
            Some(Options { payload: Some(payload), flagged, .. }) => {
                let flag = if *flagged { NESTED } else { 0 };
                self.bytes(tca::OPTIONS | flag, payload)
            }
            _ => self,
        }
    }

    fn estimator(&mut self, estimator: Option<Estimator>) -> &mut Self {
        match estimator {
            Some(e) => self.bytes(tca::RATE, &e.to_bytes()),
            None => self,
        }
    }

    fn opt_u32(&mut self, ty: u16, value: Option<u32>) -> &mut Self {
        match value {
            Some(value) => self.u32(ty, value),
            None => self,
        }
    }

    fn stab(&mut self, stab: Option<&SizeTable>) -> &mut Self {
        match stab {
            Some(stab) => self.nest(tca::STAB, |w| stab.encode(w)),
            None => self,
        }
    }
}
