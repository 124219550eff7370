//! The list of known differences, `tests/golden/known-differences`.

use std::cell::Cell;

use crate::Case;
use crate::compare::Difference;
use crate::format::join_words;

/// The list; which entries were of use is remembered.
#[derive(Debug, Default)]
pub(crate) struct Known(Vec<Entry>);

#[derive(Debug, Default)]
struct Entry {
    cases: Vec<String>,
    options: Option<String>,
    parts: Vec<String>,
    /// What tc prints and rtc prints instead. Without it, anything goes in `parts`.
    tc: Option<String>,
    rtc: String,
    reason: String,
    used: Cell<bool>,
}

impl Known {
    pub(crate) fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            let words = || value.split(' ').map(str::to_owned).collect();
            if key == "case" {
                entries.push(Entry { cases: words(), ..Entry::default() });
                continue;
            }
            let Some(entry) = entries.last_mut() else {
                panic!("known-differences: an entry begins with `case:`, not {line:?}")
            };
            match key {
                "options" => entry.options = Some(value.to_owned()),
                "in" => entry.parts = words(),
                "tc" => entry.tc = Some(unquote(value)),
                "rtc" => entry.rtc = unquote(value),
                "reason" => value.clone_into(&mut entry.reason),
                _ => panic!("known-differences: what is {line:?}?"),
            }
        }
        for entry in &entries {
            assert!(!entry.reason.is_empty(), "known-differences: no reason for {:?}", entry.cases);
        }
        Self(entries)
    }

    /// tc's text with the fragments that are known to differ replaced by rtc's.
    pub(crate) fn amend(&self, case: &Case, run: usize, text: &str) -> String {
        let options = join_words(&case.golden.runs[run].options);
        let mut text = text.to_owned();
        for entry in self.0.iter().filter(|e| e.is_for(&case.name)) {
            let wanted = entry.options.as_ref().is_none_or(|o| *o == options);
            if let Some(tc) = entry.tc.as_ref().filter(|tc| wanted && text.contains(&***tc)) {
                text = text.replace(tc, &entry.rtc);
                entry.used.set(true);
            }
        }
        text
    }

    /// The reason for a difference, if it is known.
    pub(crate) fn excuse(&self, case: &Case, difference: &Difference) -> Option<&str> {
        let covers = |e: &&Entry| {
            let part = e.parts.is_empty() || e.parts.iter().any(|part| part == difference.part);
            e.tc.is_none() && part && e.is_for(&case.name)
        };
        let entry = self.0.iter().find(covers)?;
        entry.used.set(true);
        Some(&entry.reason)
    }

    /// The entries that no case needed.
    pub(crate) fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.0.iter().filter(|e| !e.used.get());
        unused.map(|e| format!("case: {}: {}", e.cases.join(" "), e.reason))
    }
}

impl Entry {
    fn is_for(&self, case: &str) -> bool {
        self.cases.iter().any(|pattern| fits(pattern, case))
    }
}

/// Fragments may have edge blanks and line ends: in double quotes, `\n` for a line end.
fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    inner.replace("\\n", "\n")
}

/// Whether `name` fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).any(|i| name.get(i..).is_some_and(|tail| fits(rest, tail)))
        }),
    }
}

#[test]
fn patterns_match_whole_names() {
    assert!(fits("class/*", "class/common/show"));
    assert!(fits("*/names-*", "cli/options/names-cf"));
    assert!(!fits("class/*", "qdisc/class/x"));
    assert!(!fits("a*c", "abcd"));
}
