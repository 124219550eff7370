//! The oldest Rust: Debian trixie's, in a tree of its own that is never written to.
//!
//! It needs no rustup. The source and what cargo has downloaded are bound into the tree, in a mount
//! namespace that ends with the check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{End, cargo, metadata, say, target, text, top};
use crate::vm::{of_packages, rooted};

/// The suite whose Rust is the one that Cargo.toml promises.
const SUITE: &str = "trixie";
const PACKAGES: &str = "rustc,cargo,gcc,libc6-dev";
const CHECK: [&str; 6] =
    ["check", "--quiet", "--workspace", "--all-targets", "--all-features", "--locked"];

/// The script inside the mount namespace: tree, source, target, downloads.
const SCRIPT: &str = r#"
tree=$1 src=$2 target=$3 home=$4
shift 4
# Bound over itself: what is mounted below goes with the namespace.
mount --bind "$tree" "$tree"
mount -o remount,ro,bind "$tree"
mount -t tmpfs none "$tree/mnt"
mkdir "$tree/mnt/src" "$tree/mnt/target" "$tree/mnt/home"
mount --bind "$src" "$tree/mnt/src"
mount --bind "$target" "$tree/mnt/target"
mkdir "$tree/mnt/home/registry"
mount --bind "$home/registry" "$tree/mnt/home/registry"
mount -o remount,ro,bind "$tree/mnt/src"
mount -o remount,ro,bind "$tree/mnt/home/registry"
mount --bind /dev "$tree/dev"
mount -t tmpfs none "$tree/tmp"
exec chroot "$tree" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/mnt/home CARGO_HOME=/mnt/home \
	CARGO_TARGET_DIR=/mnt/target CARGO_NET_OFFLINE=true CARGO_PROFILE_DEV_DEBUG=0 \
	sh -ec 'cd /mnt/src; exec cargo "$@"' sh "$@"
"#;

pub(super) fn run(tree: Option<PathBuf>) -> Result<(String, End), String> {
    let dir = top();
    let known = metadata(&dir, &["--no-deps"])?;
    let packages = known.get("packages").and_then(|p| p.as_array());
    let promised =
        packages.into_iter().flatten().map(|p| text(p, "rust_version")).find(|v| !v.is_empty());
    let promised = promised.ok_or("Cargo.toml promises no version of Rust")?;
    let what = format!("Rust {promised}");
    let target = target(&known).join("msrv");
    fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
    if let Some(version) = version(&mut Command::new("rustc")) {
        if is_release(&version, promised) {
            return Ok((what, here(&dir, &target)?));
        }
    }
    let tree = match tree {
        Some(tree) => tree,
        None => match rooted(&[("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux")])
            .and_then(|()| of_packages("trixie-rust", SUITE, PACKAGES))
        {
            Ok(tree) => tree,
            Err(why) => return Ok((what, End::Skipped(why))),
        },
    };
    let found = version(Command::new("chroot").arg(&tree).arg("rustc"));
    match found {
        Some(found) if is_release(&found, promised) => {}
        Some(found) => return Err(format!("{} has {found}, not {promised}", tree.display())),
        None => return Ok((what, End::Skipped(format!("no rustc runs in {}", tree.display())))),
    }
    Ok((what, in_tree(&dir, &tree, &target)?))
}

/// `rustc 1.85.1 (4eb161250 2025-03-15)` is a release of 1.85.
fn is_release(version: &str, promised: &str) -> bool {
    let number = version.split(' ').nth(1).unwrap_or_default();
    number.strip_prefix(promised).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn version(rustc: &mut Command) -> Option<String> {
    let done = rustc.arg("--version").stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// The Rust that is installed is the one.
fn here(dir: &Path, target: &Path) -> Result<End, String> {
    let done = cargo().current_dir(dir).env("CARGO_TARGET_DIR", target).args(CHECK).status();
    Ok(ended(done.map_err(|e| format!("cargo: {e}"))?.success()))
}

fn in_tree(dir: &Path, tree: &Path, target: &Path) -> Result<End, String> {
    let fetched = cargo().current_dir(dir).args(["fetch", "--quiet", "--locked"]).status();
    if !fetched.map_err(|e| format!("cargo: {e}"))?.success() {
        return Ok(End::Skipped("crates.io cannot be reached".to_owned()));
    }
    let home = match (std::env::var_os("CARGO_HOME"), std::env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => Path::new(&home).join(".cargo"),
        (None, None) => return Err("neither CARGO_HOME nor HOME is set".to_owned()),
    };
    let dir = dir.canonicalize().map_err(|e| e.to_string())?;
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-ec", SCRIPT, "sh"])
        .args([tree, &dir, target, &home])
        .args(CHECK)
        .status()
        .map_err(|e| format!("unshare: {e}"))?;
    if !done.success() {
        say("Rust is older there than here: see \"Style\" in CONTRIBUTING.md")?;
    }
    Ok(ended(done.success()))
}

fn ended(passed: bool) -> End {
    if passed { End::Passed } else { End::Failed }
}

#[cfg(test)]
mod tests {
    use super::is_release;

    #[test]
    fn a_patch_release_is_the_same_rust() {
        assert!(is_release("rustc 1.85.1 (4eb161250 2025-03-15)", "1.85"));
        assert!(is_release("rustc 1.85.0", "1.85"));
        assert!(!is_release("rustc 1.95.0 (59807616e 2026-04-14)", "1.85"));
        assert!(!is_release("rustc 1.850.0", "1.85"));
        assert!(!is_release("", "1.85"));
    }
}
