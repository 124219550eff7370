//! What host and guest share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory that both see, `/share` in the guest; removed at the end, or by the next run.
pub(super) struct Share {
    pub(super) dir: PathBuf,
}

impl Share {
    pub(super) fn new() -> Result<Share, String> {
        let tmp = std::env::temp_dir();
        for entry in fs::read_dir(&tmp).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|n| n.strip_prefix("rtc-vm-"));
            // Its owner was killed before it could remove it.
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let dir = tmp.join(format!("rtc-vm-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(Share { dir })
    }

    /// Copies a file into it; returns its path in the guest.
    pub(super) fn add(&self, name: &str, from: &Path) -> Result<String, String> {
        fs::copy(from, self.dir.join(name)).map_err(|e| format!("{}: {e}", from.display()))?;
        Ok(format!("/share/{name}"))
    }

    /// Copies a directory into it, as an archive: the guest opens single files of the host slowly.
    /// Returns the shell line that unpacks it into the guest's directory `to`.
    pub(super) fn add_dir(&self, name: &str, from: &Path, to: &str) -> Result<String, String> {
        let done = Command::new("tar")
            .args(["--create", "--dereference", "--file"])
            .arg(self.dir.join(format!("{name}.tar")))
            .arg("--directory")
            .arg(from)
            .arg(".")
            .status();
        if !done.is_ok_and(|s| s.success()) {
            return Err(format!("cannot copy {}", from.display()));
        }
        Ok(format!("mkdir -p {to} && tar -xf /share/{name}.tar -C {to} --no-same-owner"))
    }

    /// Copies the original tc of another Debian tree into it, with the libraries that it needs.
    /// Returns the shell line that puts it into the guest's file `/opt/original/tc`.
    pub(super) fn add_tc(&self, root: &Path) -> Result<String, String> {
        let said = Command::new("chroot")
            .arg(root)
            .args(["sh", "-c", "readlink -f \"$(command -v tc)\"; ldd \"$(command -v tc)\""])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .map_err(|e| format!("chroot: {e}"))?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let mut lines = said.lines();
        let tc = lines.next().ok_or_else(|| format!("{} has no tc", root.display()))?;
        let dir = self.dir.join("original");
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let copy = |name: &str, path: &str| {
            let from = root.join(path.trim_start_matches('/'));
            fs::copy(&from, dir.join(name)).map_err(|e| format!("{}: {e}", from.display()))
        };
        copy("program", tc)?;
        // `libelf.so.1 => /lib/.../libelf.so.1 (0x...)`, and `/lib64/ld-linux-x86-64.so.2 (0x...)`
        for line in lines {
            let path = line.split_ascii_whitespace().find(|word| word.starts_with('/'));
            let Some(path) = path else { continue };
            let name = path.rsplit('/').next().unwrap_or(path);
            copy(if name.starts_with("ld-") { "loader" } else { name }, path)?;
        }
        let run = "#!/bin/sh\nexec /opt/original/loader --library-path /opt/original \
                   --argv0 tc /opt/original/program \"$@\"\n";
        fs::write(dir.join("tc"), run).map_err(|e| e.to_string())?;
        let unpack = self.add_dir("original", &dir, "/opt/original")?;
        Ok(format!("{unpack} && chmod 755 /opt/original/*"))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
