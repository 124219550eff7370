//! What is asked of the kernel to attach programs: lists of programs at a hook, and links.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::Errno;

/// A program that goes to a hook of a device, or comes off it; or a table of operations that is to be registered.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attachment<'a> {
    /// Index of the device; 0 for a table.
    pub ifindex: u32,
    /// `BPF_TCX_INGRESS`, 46, or `BPF_TCX_EGRESS`, 47; `BPF_STRUCT_OPS`, 44, for a table.
    pub attach_type: u32,
    /// The program, or the map that is the table; none to take off whatever the flags mean.
    pub program: Option<BorrowedFd<'a>>,
    /// `BPF_F_BEFORE`, `BPF_F_AFTER`, `BPF_F_REPLACE`, `BPF_F_ID`, `BPF_F_LINK`.
    pub flags: u32,
    /// With `BPF_F_REPLACE`: the program to replace.
    pub replace: Option<BorrowedFd<'a>>,
    /// With `BPF_F_ID`: the program or link that the place is relative to.
    pub relative_id: u32,
    /// The revision that the list must have; 0 for any.
    pub revision: u64,
}

impl Attachment<'_> {
    /// Nothing yet, at this hook.
    #[must_use]
    pub fn at(ifindex: u32, attach_type: u32) -> Self {
        Attachment {
            ifindex,
            attach_type,
            program: None,
            flags: 0,
            replace: None,
            relative_id: 0,
            revision: 0,
        }
    }
}

/// The programs at a hook, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// Changes with every change of the list.
    pub revision: u64,
    /// Ids of the programs, and of the links that hold them, 0 for none.
    pub programs: Vec<(u32, u32)>,
}

/// What the kernel tells of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "bpf_link_info")]
pub struct LinkInfo {
    /// `BPF_LINK_TYPE_*`; 11 is TCX.
    pub link_type: u32,
    /// Number of the link in this kernel.
    pub id: u32,
    /// Number of its program.
    pub prog_id: u32,
    /// Of a TCX link, the device; 0 when it is gone or the link detached.
    pub ifindex: u32,
    /// Of a TCX link, the hook.
    pub attach_type: u32,
}

/// Programs at hooks. Since Linux 6.6, as far as devices are concerned.
pub trait LinkOps {
    /// Attaches a program, without a link that would hold it.
    #[doc(alias = "BPF_PROG_ATTACH")]
    fn prog_attach(&mut self, attachment: &Attachment<'_>) -> Result<(), Errno>;

    /// Takes a program off.
    #[doc(alias = "BPF_PROG_DETACH")]
    fn prog_detach(&mut self, attachment: &Attachment<'_>) -> Result<(), Errno>;

    /// Lists the programs at a hook.
    #[doc(alias = "BPF_PROG_QUERY")]
    fn prog_query(&mut self, ifindex: u32, attach_type: u32) -> Result<Attached, Errno>;

    /// Attaches a program by a link.
    #[doc(alias = "BPF_LINK_CREATE")]
    fn link_create(&mut self, attachment: &Attachment<'_>) -> Result<OwnedFd, Errno>;

    /// Exchanges the program of a link, at once for all packets; only if it is `old`, if given.
    #[doc(alias = "BPF_LINK_UPDATE")]
    fn link_update(
        &mut self,
        link: BorrowedFd<'_>,
        program: BorrowedFd<'_>,
        old: Option<BorrowedFd<'_>>,
    ) -> Result<(), Errno>;

    /// Detaches a link for good, whoever else holds it.
    #[doc(alias = "BPF_LINK_DETACH")]
    fn link_detach(&mut self, link: BorrowedFd<'_>) -> Result<(), Errno>;

    /// Opens the link of this id; needs `CAP_SYS_ADMIN`.
    #[doc(alias = "BPF_LINK_GET_FD_BY_ID")]
    fn link_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno>;

    /// Describes a link.
    #[doc(alias = "BPF_OBJ_GET_INFO_BY_FD")]
    fn link_info(&mut self, link: BorrowedFd<'_>) -> Result<LinkInfo, Errno>;
}
