//! The guest's root: a Debian tree per suite, made once and kept in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the tests use in the guest.
const PACKAGES: &str = "linux-image-amd64,iproute2,kmod,procps,iputils-ping,iputils-arping,bpftool,\
                        ethtool,netcat-openbsd,tcpdump,ipset,perl-base,strace";

/// The tree of this suite; makes it when it is not there, in about a minute and 0.9 GB.
pub(super) fn of_suite(suite: &str) -> Result<PathBuf, String> {
    of_packages(suite, suite, PACKAGES)
}

/// The tree called `name`, of these packages of a suite; makes it when it is not there.
pub(crate) fn of_packages(name: &str, suite: &str, packages: &str) -> Result<PathBuf, String> {
    let cache = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => return Err("neither XDG_CACHE_HOME nor HOME is set".to_owned()),
    };
    let dir = cache.join("rtc-vm").join(name);
    if dir.exists() {
        return Ok(dir);
    }
    super::need(&[("mmdebstrap", "mmdebstrap")])?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    if !Path::new(keys).exists() {
        return Err("missing here: debian-archive-keyring".to_owned());
    }
    fs::create_dir_all(cache.join("rtc-vm")).map_err(|e| e.to_string())?;
    // Made beside its place and moved there when whole, so half a tree is never taken for one.
    let unfinished = dir.with_file_name(format!("{name}.{}", std::process::id()));
    let source = format!("deb [signed-by={keys}] {} {suite} main", mirror());
    let status = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\""])
        .arg(format!("--include={packages}"))
        .arg(suite)
        .arg(&unfinished)
        .arg(source)
        .status()
        .map_err(|e| format!("mmdebstrap: {e}"))?;
    if !status.success() {
        let _ = fs::remove_dir_all(&unfinished);
        return Err(format!("mmdebstrap could not make a tree of {suite} ({status})"));
    }
    match fs::rename(&unfinished, &dir) {
        // Another process was quicker: its tree is as good.
        Err(_) if dir.exists() => {
            let _ = fs::remove_dir_all(&unfinished);
            Ok(dir)
        }
        Err(e) => Err(format!("{}: {e}", dir.display())),
        Ok(()) => Ok(dir),
    }
}

/// The mirror that this machine's own apt uses, if it is Debian's; else the well-known one.
fn mirror() -> String {
    let known = "http://deb.debian.org/debian".to_owned();
    let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") else { return known };
    for entry in entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "sources"))
    {
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let uri = text.lines().find_map(|l| l.strip_prefix("URIs:"));
        if let Some(uri) = uri.and_then(|u| u.split_ascii_whitespace().next()) {
            if uri.trim_end_matches('/').ends_with("debian") {
                return uri.to_owned();
            }
        }
    }
    known
}
