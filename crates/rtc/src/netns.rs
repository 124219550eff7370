//! `-n NETNS`: moves the process into a named network namespace.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount,
    open_tree,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::{Error, io_text};

/// Where `ip netns add` keeps the namespaces.
const NETNS_DIR: &str = "/run/netns";
/// Files that replace those in /etc, by namespace.
const NETNS_ETC: &str = "/etc/netns";
/// Where the BPF file system is mounted.
const BPFFS: &str = "/sys/fs/bpf";

/// Moves the calling thread into the network namespace `name`, and into a mount namespace of its
/// own in which /sys and /etc are those of that network namespace, as `ip netns exec` does. A BPF
/// file system stays mounted.
pub(crate) fn enter(name: &OsStr) -> Result<(), Error> {
    let shown = name.to_string_lossy();
    let file = File::open(Path::new(NETNS_DIR).join(name)).map_err(|e| {
        Error::usage(format_args!("Cannot open network namespace \"{shown}\": {}", io_text(&e)))
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|e| {
        let e = e.into();
        Error::usage(format_args!(
            "setting the network namespace \"{shown}\" failed: {}",
            io_text(&e)
        ))
    })?;
    own_mounts()
        .map_err(|(what, e)| Error::usage(format_args!("{what} failed: {}", io_text(&e))))?;
    bind_etc(&Path::new(NETNS_ETC).join(name));
    Ok(())
}

fn own_mounts() -> Result<(), (&'static str, io::Error)> {
    #[expect(
        deprecated,
        reason = "CLONE_NEWNS takes nothing from under the thread that the safe form could break"
    )]
    rustix::thread::unshare(UnshareFlags::NEWNS).map_err(|e| ("unshare", e.into()))?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave).map_err(|e| ("\"mount --make-rslave /\"", e.into()))?;

    // The new sysfs would hide the BPF file system; a copy of its mount goes on top again. Without
    // one, or on kernels before 5.2, pinned programs are just out of reach.
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let bpffs = open_tree(CWD, BPFFS, clone).ok();
    _ = rustix::mount::unmount("/sys", UnmountFlags::DETACH);
    rustix::mount::mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None)
        .map_err(|e| ("mount of /sys", e.into()))?;
    if let Some(bpffs) = bpffs {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        _ = move_mount(bpffs.as_fd(), "", CWD, BPFFS, flags);
    }
    Ok(())
}

/// Binds each file of the namespace's own /etc over its twin. Those that cannot be are left, as
/// tc leaves them.
fn bind_etc(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        _ = rustix::mount::mount_bind(entry.path(), Path::new("/etc").join(entry.file_name()));
    }
}
