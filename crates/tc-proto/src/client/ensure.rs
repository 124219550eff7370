//! Wishes: what is to be there or not, safe to repeat.
//!
//! Each looks first and asks the kernel for a change only when one is needed, so that nothing is
//! notified when nothing changes.

use super::{Ack, Client, Error};
use crate::Options;
use crate::filter::bpf::{Bpf, BpfFlags};
use crate::msg::{ExtAck, FilterReply, FilterRequest, ObjectRequest, QdiscRequest};

/// What it took to fulfil a wish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ensured {
    /// Whether something had to be changed.
    pub changed: bool,
    /// What the kernel warned of when it changed it.
    pub warning: Option<ExtAck>,
}

impl Ensured {
    pub(crate) fn unchanged() -> Self {
        Self::default()
    }

    pub(crate) fn by(ack: Ack) -> Self {
        Self { changed: true, warning: ack.warning }
    }
}

impl Client {
    /// Sees to it that the device has a `clsact` qdisc, where filters for ingress and egress go.
    ///
    /// An `ingress` qdisc in its place is [`Error::Conflict`]: replacing it would take its filters
    /// away.
    pub fn ensure_clsact(&mut self, ifindex: i32) -> Result<Ensured, Error> {
        let clsact = QdiscRequest::clsact(ifindex);
        match self.add(&clsact) {
            Ok(ack) => Ok(Ensured::by(ack)),
            Err(e) if e.is_exists() => match self.find(&clsact)? {
                Some(found) if found.kind() == "clsact" => Ok(Ensured::unchanged()),
                Some(found) => {
                    let (wanted, found) = ("clsact".to_owned(), found.kind().into_owned());
                    Err(Error::Conflict { wanted, found })
                }
                // It was deleted since.
                None => self.add(&clsact).map(Ensured::by),
            },
            Err(e) => Err(e),
        }
    }

    /// Sees to it that the BPF program of `filter` is attached at its hook, priority, protocol,
    /// chain and handle; these three numbers must not be 0.
    ///
    /// What is attached there is replaced, in one step and with no packet unseen, unless it is a
    /// BPF filter with the same `tag`, name, class and flags. The tag is a hash of the program's
    /// instructions, which the kernel knows of loaded programs and of attached ones; programs that
    /// differ in nothing but their maps have the same.
    ///
    /// ```no_run
    /// use std::os::fd::BorrowedFd;
    /// use tc_proto::client::{Client, Error};
    /// use tc_proto::filter::Bpf;
    /// use tc_proto::msg::{FilterRequest, Hook};
    /// use tc_proto::units::Protocol;
    ///
    /// fn attach(client: &mut Client, program: BorrowedFd<'_>, tag: [u8; 8]) -> Result<(), Error> {
    ///     let eth0 = client.link_index("eth0")?;
    ///     client.ensure_clsact(eth0)?;
    ///     let bpf = Bpf::direct_action(program, "firewall");
    ///     let filter = FilterRequest::new(Hook::ingress(eth0)).prio(1).handle(1);
    ///     client.ensure_bpf_filter(&filter.protocol(Protocol::ALL).with(&bpf)?, tag)?;
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "TCA_BPF_TAG")]
    pub fn ensure_bpf_filter(
        &mut self,
        filter: &FilterRequest<'_>,
        tag: [u8; 8],
    ) -> Result<Ensured, Error> {
        let same = same_program(filter, tag)?;
        self.ensure(filter, same)
    }

    /// Sees to it that an object is there, with the kind and the handle of the request, and `is_so`;
    /// otherwise it is made or replaced.
    ///
    /// ```no_run
    /// # let mut client = tc_proto::client::Client::open()?;
    /// # let eth0 = client.link_index("eth0")?;
    /// use tc_proto::{Handle, msg::QdiscRequest, qdisc::FqCodel};
    ///
    /// let wanted = FqCodel { limit_pkts: Some(1000), ..FqCodel::default() };
    /// let qdisc = QdiscRequest::root(eth0).handle(Handle::new(1, 0)).with(&wanted)?;
    /// let ensured = client.ensure(&qdisc, |found| match found.decode::<FqCodel>() {
    ///     Some(Ok(found)) => found.limit_pkts == wanted.limit_pkts,
    ///     _ => false,
    /// })?;
    /// # Ok::<(), tc_proto::client::Error>(())
    /// ```
    pub fn ensure<'fd, O: ObjectRequest<'fd>>(
        &mut self,
        object: &O,
        is_so: impl FnOnce(&O::Reply) -> bool,
    ) -> Result<Ensured, Error> {
        match self.find(object)? {
            Some(found) if object.describes(&found) && is_so(&found) => Ok(Ensured::unchanged()),
            _ => self.replace(object).map(Ensured::by),
        }
    }

    /// Sees to it that an object is not there.
    pub fn ensure_absent<'fd>(
        &mut self,
        object: &impl ObjectRequest<'fd>,
    ) -> Result<Ensured, Error> {
        match self.delete(object) {
            Ok(ack) => Ok(Ensured::by(ack)),
            Err(e) if e.is_not_found() => Ok(Ensured::unchanged()),
            Err(e) => Err(e),
        }
    }
}

/// Whether what is found is the BPF filter that is wanted.
pub(crate) fn same_program(
    filter: &FilterRequest<'_>,
    tag: [u8; 8],
) -> Result<impl Fn(&FilterReply) -> bool + Send + use<>, Error> {
    let wanted = filter.options.as_ref().and_then(Options::decode::<Bpf<'static>>).transpose()?;
    let flags = |bpf: &Bpf<'_>| bpf.flags.unwrap_or(BpfFlags::empty());
    Ok(move |found: &FilterReply| {
        let Some(Ok(found)) = found.decode::<Bpf<'_>>() else { return false };
        wanted.as_ref().is_some_and(|wanted| {
            found.tag == Some(tag)
                && found.name == wanted.name
                && found.classid.unwrap_or_default() == wanted.classid.unwrap_or_default()
                && flags(&found) == flags(wanted)
        })
    })
}
