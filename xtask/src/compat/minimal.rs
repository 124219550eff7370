//! The oldest versions that the crates' requirements allow.
//!
//! Only the direct dependencies are set back, in a copy of the tree: what they need in turn is
//! theirs to say. Cargo has this as `-Z direct-minimal-versions`, which stable Rust refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::{
    End, cannot_reach, cargo, check, copy_of_tree, metadata, published, say, target, text, top,
};

pub(super) fn run() -> Result<End, String> {
    let known = metadata(&top(), &["--no-deps"])?;
    let dir = target(&known).join("minimal");
    copy_of_tree(&dir)?;
    let src = dir.join("src");
    let oldest = oldest(&metadata(&src, &["--locked"])?)?;
    if let Some(end) = set_back(&src, oldest)? {
        return Ok(end);
    }
    let mut words = vec!["--locked", "--lib", "--bins", "--all-features"];
    let crates = published(&known);
    for package in &crates {
        words.extend(["--package", text(package, "name")]);
    }
    check(&src, &dir.join("target"), &words)
}

/// Sets the versions back; gives how the check ended when that is not possible.
fn set_back(src: &Path, mut oldest: BTreeMap<String, String>) -> Result<Option<End>, String> {
    // One may need a newer version of another until it is set back itself.
    loop {
        let (before, mut why) = (oldest.len(), String::new());
        let mut left = BTreeMap::new();
        for (spec, version) in oldest {
            let done = cargo()
                .current_dir(src)
                .args(["update", "--quiet", "--package", &spec, "--precise", &version])
                .stdin(Stdio::null())
                .output()
                .map_err(|e| format!("cargo: {e}"))?;
            if !done.status.success() {
                why.push_str(&String::from_utf8_lossy(&done.stderr));
                left.insert(spec, version);
            }
        }
        if left.is_empty() {
            return Ok(None);
        }
        if cannot_reach(&why) {
            return Ok(Some(End::Skipped("crates.io cannot be reached".to_owned())));
        }
        if left.len() == before {
            let left: Vec<String> = left.iter().map(|(spec, v)| format!("{spec} to {v}")).collect();
            say(&why)?;
            say(&format!("cannot set back {}: raise it in Cargo.toml", left.join(", ")))?;
            return Ok(Some(End::Failed));
        }
        oldest = left;
    }
}

/// The packages that the crates name, as `name@locked`, and the oldest version of each.
fn oldest(metadata: &Value) -> Result<BTreeMap<String, String>, String> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let mut oldest = BTreeMap::<String, String>::new();
    for package in published(metadata) {
        for dependency in
            package.get("dependencies").and_then(Value::as_array).into_iter().flatten()
        {
            if !dependency.get("kind").is_some_and(Value::is_null)
                || dependency.get("path").is_some_and(Value::is_string)
            {
                continue;
            }
            let (name, wants) = (text(dependency, "name"), text(dependency, "req"));
            let version = lower_bound(wants)
                .ok_or_else(|| format!("{name}: cannot tell the oldest version of {wants:?}"))?;
            let locked: Vec<&str> = packages
                .into_iter()
                .flatten()
                .filter(|p| text(p, "name") == name)
                .map(|p| text(p, "version"))
                .filter(|locked| compatible(locked, &version))
                .collect();
            let [locked] = locked[..] else {
                return Err(format!("{name} {wants}: the lock file has {locked:?}"));
            };
            let spec = format!("{name}@{locked}");
            // The highest of the lower bounds is the oldest that satisfies all crates.
            let before = oldest.entry(spec).or_insert_with(|| version.clone());
            if numbers(before) < numbers(&version) {
                *before = version;
            }
        }
    }
    // Those that are there already cannot be set back; cargo would say so.
    oldest.retain(|spec, version| spec.split_once('@').is_none_or(|(_, locked)| locked != version));
    Ok(oldest)
}

/// `^1.2` allows 1.2.0 and newer.
fn lower_bound(requirement: &str) -> Option<String> {
    let bound = requirement.trim_start_matches(['^', '>', '=', '~', ' ']);
    let parts: Vec<&str> = bound.split('.').collect();
    let plain =
        parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (plain && parts.len() <= 3).then(|| {
        let mut parts = parts;
        parts.resize(3, "0");
        parts.join(".")
    })
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// Whether semver takes one for the other's successor.
fn compatible(a: &str, b: &str) -> bool {
    let leading = |version: &str| -> Vec<u64> {
        let numbers = numbers(version);
        let significant = numbers.iter().position(|n| *n != 0).unwrap_or(numbers.len());
        numbers.into_iter().take(significant + 1).collect()
    };
    leading(a) == leading(b)
}

#[cfg(test)]
mod tests {
    use super::{compatible, lower_bound, oldest};

    #[test]
    fn requirements_have_an_oldest_version() {
        assert_eq!(lower_bound("^1").as_deref(), Some("1.0.0"));
        assert_eq!(lower_bound("^0.2.170").as_deref(), Some("0.2.170"));
        assert_eq!(lower_bound(">=1.2").as_deref(), Some("1.2.0"));
        assert_eq!(lower_bound(">=1, <3"), None);
        assert_eq!(lower_bound("*"), None);
    }

    #[test]
    fn the_first_number_that_is_not_zero_counts() {
        assert!(compatible("1.2.3", "1.9.0") && compatible("0.4.1", "0.4.9"));
        assert!(!compatible("0.4.1", "0.5.0") && !compatible("1.0.0", "2.0.0"));
        assert!(!compatible("0.0.1", "0.0.2"));
    }

    #[test]
    fn crates_of_ours_and_of_tests_are_left_alone() {
        let dependency = |name: &str, req: &str, kind: Option<&str>, path: Option<&str>| serde_json::json!({"name": name, "req": req, "kind": kind, "path": path});
        let ours = |name: &str, dependencies: Vec<serde_json::Value>| {
            serde_json::json!({"name": name, "version": "0.1.0", "source": null,
                "manifest_path": format!("/x/crates/{name}/Cargo.toml"), "dependencies": dependencies})
        };
        let theirs = |name: &str, version: &str| {
            serde_json::json!({"name": name, "version": version, "source": "registry",
                "manifest_path": "/y", "dependencies": []})
        };
        let metadata = serde_json::json!({"packages": [
            ours("a", vec![
                dependency("libc", "^0.2.170", None, None),
                dependency("syn", "^2", None, None),
                dependency("proptest", "^1", Some("dev"), None),
            ]),
            ours("b", vec![
                dependency("a", "^0.1.0", None, Some("/x/crates/a")),
                dependency("libc", "^0.2.171", None, None),
                dependency("same", "^1.0", None, None),
            ]),
            theirs("libc", "0.2.191"), theirs("syn", "2.0.1"), theirs("syn", "3.0.10"),
            theirs("same", "1.0.0"),
        ]});
        let oldest: Vec<(String, String)> = oldest(&metadata).unwrap().into_iter().collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(oldest, [pair("libc@0.2.191", "0.2.171"), pair("syn@2.0.1", "2.0.0")]);
    }
}
