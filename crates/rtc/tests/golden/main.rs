//! Holds rtc against the goldens: what the original tc 7.3 sent, printed and exited with, and what
//! the kernel answered (`tests/golden/README.md`).
//!
//! No kernel, no root: the recorded replies answer. Differences must be in
//! `tests/golden/known-differences`, with a reason.
//!
//! `GOLDEN=qdisc/pfifo cargo test -p rtc --test golden` checks the cases whose path contains that.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a check that cannot go on fails"
)]

mod compare;
#[path = "../../../../xtask/src/golden/format.rs"]
mod format;
mod known;
mod replay;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use format::Golden;
use known::Known;

/// A golden and its name, such as `qdisc/pfifo/limit`.
struct Case {
    name: String,
    golden: Golden,
}

#[test]
fn rtc_does_what_tc_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let root = root.canonicalize().unwrap();
    let known = Known::parse(&std::fs::read_to_string(root.join("known-differences")).unwrap());
    let filter = std::env::var("GOLDEN").unwrap_or_default();
    let cases = cases(&root);
    assert!(cases.len() > 200, "{} goldens found", cases.len());

    let (mut passed, mut excused, mut report) = (0, BTreeMap::new(), String::new());
    for case in cases.iter().filter(|case| case.name.contains(&filter)) {
        for (run, differences) in
            check(&root, &case.golden, |text, run| known.amend(case, run, text))
        {
            let options = format::join_words(&case.golden.runs[run].options);
            match differences.iter().map(|d| known.excuse(case, d)).collect::<Option<Vec<_>>>() {
                Some(reasons) => match reasons.first() {
                    Some(reason) => *excused.entry(*reason).or_insert(0) += 1,
                    None => passed += 1,
                },
                None => {
                    let words = format::join_words(&case.golden.cmd);
                    _ = writeln!(report, "=== {}: tc {options} {words}", case.name);
                    for difference in &differences {
                        _ = writeln!(report, "{difference}");
                    }
                }
            }
        }
    }
    println!("{passed} runs as tc's; known to differ:");
    for (reason, count) in excused {
        println!("{count:5} {reason}");
    }
    if filter.is_empty() {
        for entry in known.unused() {
            _ = writeln!(report, "known-differences: of no use any more: {entry}");
        }
    }
    assert!(report.is_empty(), "- tc, + rtc\n{report}");
}

/// Runs all runs of a case and compares.
fn check(
    root: &Path,
    golden: &Golden,
    amend: impl Fn(&str, usize) -> String,
) -> Vec<(usize, Vec<compare::Difference>)> {
    let work = replay::WorkDir::new(root, golden);
    let runs = golden.runs.iter().enumerate();
    runs.map(|(i, run)| {
        let done = replay::run(golden, run, &work);
        (i, compare::differences(run, &done, &golden.masks, |text| amend(text, i)))
    })
    .collect()
}

fn cases(root: &Path) -> Vec<Case> {
    let mut files = Vec::new();
    find(root, &mut files);
    files.sort();
    let case = |file: &PathBuf| {
        let name = file.strip_prefix(root).unwrap().with_extension("");
        let text = std::fs::read_to_string(file).unwrap();
        let golden = Golden::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Case { name: name.to_str().unwrap().to_owned(), golden }
    };
    files.iter().map(case).collect()
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
}
