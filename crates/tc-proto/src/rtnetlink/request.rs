//! Requests that own what they refer to by number.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::error::EncodeError;
use crate::msg::{Request, flags};

/// A request that may wait to be sent for as long as the connection likes.
///
/// A message names a descriptor, such as that of a BPF program, by its number. Were the descriptor
/// closed while the message waits, the number might be another's by the time it is sent. So here the
/// descriptors go along, and are kept until the kernel has answered, even when nobody waits for the
/// answer any more.
///
/// ```
/// use std::os::fd::OwnedFd;
/// use tc_proto::filter::bpf::{Bpf, BpfFlags, Program};
/// use tc_proto::msg::{FilterRequest, Hook, Verb};
/// use tc_proto::rtnetlink::OwnedRequest;
///
/// fn attach(program: OwnedFd, ifindex: i32) -> Result<OwnedRequest, tc_proto::EncodeError> {
///     OwnedRequest::keeping(program, |program| {
///         let bpf = Bpf {
///             program: Some(Program::Extended(program)),
///             flags: Some(BpfFlags::DIRECT_ACTION),
///             ..Bpf::default()
///         };
///         FilterRequest::new(Hook::ingress(ifindex)).prio(1).with(&bpf)?.encode(Verb::Add)
///     })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OwnedRequest {
    pub(super) request: Request<'static>,
    pub(super) fds: Vec<Arc<OwnedFd>>,
}

impl OwnedRequest {
    /// A request that names one descriptor.
    pub fn keeping<F>(fd: impl Into<Arc<OwnedFd>>, encode: F) -> Result<Self, EncodeError>
    where
        F: for<'fd> FnOnce(BorrowedFd<'fd>) -> Result<Request<'fd>, EncodeError>,
    {
        let fd = fd.into();
        let request = encode(fd.as_fd())?.detached();
        Ok(Self { request, fds: vec![fd] })
    }

    /// A request that names several descriptors.
    pub fn keeping_all<F>(fds: Vec<Arc<OwnedFd>>, encode: F) -> Result<Self, EncodeError>
    where
        F: for<'fd> FnOnce(&[BorrowedFd<'fd>]) -> Result<Request<'fd>, EncodeError>,
    {
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
        let request = encode(&borrowed)?.detached();
        Ok(Self { request, fds })
    }

    /// Whether the kernel answers with an acknowledgement and nothing else.
    pub(super) fn wants_ack_only(&self) -> bool {
        self.request.flags() & (flags::ACK | flags::ECHO) == flags::ACK
    }
}

/// A request that names no descriptors.
impl From<Request<'static>> for OwnedRequest {
    fn from(request: Request<'static>) -> Self {
        Self { request, fds: Vec::new() }
    }
}
