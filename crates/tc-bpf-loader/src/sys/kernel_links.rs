//! [`LinkOps`] of the running kernel. The structures are members of uapi `linux/bpf.h` `union bpf_attr`.

use std::mem::size_of;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use super::bpf::{bpf, own};
use super::{Attached, Attachment, Errno, Kernel, LinkInfo, LinkOps};

const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_DETACH: libc::c_long = 9;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_LINK_GET_FD_BY_ID: libc::c_long = 30;
const BPF_LINK_DETACH: libc::c_long = 34;

const BPF_F_REPLACE: u32 = 1 << 2;
const BPF_LINK_TYPE_TCX: u32 = 11;
/// Most programs at one hook (`BPF_MPROG_MAX`).
const MAX_PROGRAMS: usize = 64;

#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_ifindex: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
    relative_id: u32,
    expected_revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    reserved: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreateAttr {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
    relative_id: u32,
    reserved: u32,
    expected_revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct LinkUpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

/// A structure of one descriptor or id.
#[repr(C)]
#[derive(Default)]
struct OneAttr {
    value: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkInfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// The start of `struct bpf_link_info`, with the member for TCX.
#[repr(C)]
#[derive(Default)]
struct LinkInfoStart {
    link_type: u32,
    id: u32,
    prog_id: u32,
    reserved: u32,
    ifindex: u32,
    attach_type: u32,
}

// No padding: every byte that the kernel reads is written.
const _: () = {
    assert!(size_of::<AttachAttr>() == 32);
    assert!(size_of::<QueryAttr>() == 64);
    assert!(size_of::<LinkCreateAttr>() == 32);
    assert!(size_of::<LinkUpdateAttr>() == 16);
    assert!(size_of::<LinkInfoAttr>() == 16);
    assert!(size_of::<LinkInfoStart>() == 24);
};

fn number(fd: Option<BorrowedFd<'_>>) -> u32 {
    fd.map_or(0, |fd| fd.as_raw_fd() as u32)
}

fn attach_attr(attachment: &Attachment<'_>) -> AttachAttr {
    AttachAttr {
        target_ifindex: attachment.ifindex,
        attach_bpf_fd: number(attachment.program),
        attach_type: attachment.attach_type,
        attach_flags: attachment.flags,
        replace_bpf_fd: number(attachment.replace),
        relative_id: attachment.relative_id,
        expected_revision: attachment.revision,
    }
}

impl LinkOps for Kernel {
    fn prog_attach(&mut self, attachment: &Attachment<'_>) -> Result<(), Errno> {
        let mut attr = attach_attr(attachment);
        // SAFETY: the structure of this command, which has no pointers.
        unsafe { bpf(BPF_PROG_ATTACH, &mut attr) }.map(drop)
    }

    fn prog_detach(&mut self, attachment: &Attachment<'_>) -> Result<(), Errno> {
        let mut attr = attach_attr(attachment);
        // SAFETY: the structure of this command, which has no pointers.
        unsafe { bpf(BPF_PROG_DETACH, &mut attr) }.map(drop)
    }

    fn prog_query(&mut self, ifindex: u32, attach_type: u32) -> Result<Attached, Errno> {
        let mut programs = [0u32; MAX_PROGRAMS];
        let mut links = [0u32; MAX_PROGRAMS];
        let mut attr = QueryAttr {
            target_ifindex: ifindex,
            attach_type,
            prog_ids: programs.as_mut_ptr() as u64,
            link_ids: links.as_mut_ptr() as u64,
            count: MAX_PROGRAMS as u32,
            ..QueryAttr::default()
        };
        // SAFETY: both arrays live until after the call, have room for `count` numbers and are ours to be written.
        unsafe { bpf(BPF_PROG_QUERY, &mut attr)? };
        let both = programs.into_iter().zip(links).take(attr.count as usize);
        Ok(Attached { revision: attr.revision, programs: both.collect() })
    }

    fn link_create(&mut self, attachment: &Attachment<'_>) -> Result<OwnedFd, Errno> {
        let mut attr = LinkCreateAttr {
            prog_fd: number(attachment.program),
            target_ifindex: attachment.ifindex,
            attach_type: attachment.attach_type,
            flags: attachment.flags,
            relative_id: attachment.relative_id,
            reserved: 0,
            expected_revision: attachment.revision,
        };
        // SAFETY: the structure of this command, which has no pointers; the descriptor returned is ours.
        unsafe { own(bpf(BPF_LINK_CREATE, &mut attr)?) }
    }

    fn link_update(
        &mut self,
        link: BorrowedFd<'_>,
        program: BorrowedFd<'_>,
        old: Option<BorrowedFd<'_>>,
    ) -> Result<(), Errno> {
        let mut attr = LinkUpdateAttr {
            link_fd: number(Some(link)),
            new_prog_fd: number(Some(program)),
            flags: if old.is_some() { BPF_F_REPLACE } else { 0 },
            old_prog_fd: number(old),
        };
        // SAFETY: the structure of this command, which has no pointers.
        unsafe { bpf(BPF_LINK_UPDATE, &mut attr) }.map(drop)
    }

    fn link_detach(&mut self, link: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut attr = OneAttr { value: number(Some(link)) };
        // SAFETY: the structure of this command, which has no pointers.
        unsafe { bpf(BPF_LINK_DETACH, &mut attr) }.map(drop)
    }

    fn link_by_id(&mut self, id: u32) -> Result<OwnedFd, Errno> {
        let mut attr = OneAttr { value: id };
        // SAFETY: the structure of this command, which has no pointers; the descriptor returned is ours.
        unsafe { own(bpf(BPF_LINK_GET_FD_BY_ID, &mut attr)?) }
    }

    fn link_info(&mut self, link: BorrowedFd<'_>) -> Result<LinkInfo, Errno> {
        let mut info = [LinkInfoStart::default()];
        let mut attr = LinkInfoAttr {
            bpf_fd: number(Some(link)),
            info_len: size_of::<LinkInfoStart>() as u32,
            info: info.as_mut_ptr() as u64,
        };
        // SAFETY: `info` lives until after the call, has the length given and is ours to be written. Its pointers, if
        // the link is of another type, are zero: the kernel writes nothing behind them.
        unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)? };
        let [info] = info;
        let tcx = info.link_type == BPF_LINK_TYPE_TCX;
        Ok(LinkInfo {
            link_type: info.link_type,
            id: info.id,
            prog_id: info.prog_id,
            ifindex: if tcx { info.ifindex } else { 0 },
            attach_type: if tcx { info.attach_type } else { 0 },
        })
    }
}
