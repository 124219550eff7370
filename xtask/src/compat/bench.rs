//! What measures the libraries (`cargo xtask bench api`) builds: it is no part of the workspace, so
//! nothing else would tell.

use std::process::Stdio;

use super::{End, cannot_reach, cargo, check, metadata, say, target, top};

pub(super) fn run() -> Result<End, String> {
    let dir = top().join("bench");
    let target = target(&metadata(&top(), &["--no-deps"])?);
    let fetched = cargo()
        .current_dir(&dir)
        .args(["fetch", "--quiet", "--locked"])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !fetched.status.success() {
        let why = String::from_utf8_lossy(&fetched.stderr);
        if cannot_reach(&why) {
            return Ok(End::Skipped("crates.io cannot be reached".to_owned()));
        }
        say(&why)?;
        return Ok(End::Failed);
    }
    check(&dir, &target, &["--locked"])
}
