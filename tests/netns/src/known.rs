//! The file `known-differences`: where rtc's output may differ from that of the original, and why.
//!
//! Every entry belongs to one test and must be of use there, or the test fails: a difference that
//! went away takes its entry with it.

use std::cell::Cell;

/// Differences known for one test.
#[derive(Debug, Default)]
pub(crate) struct Known {
    entries: Vec<Entry>,
}

/// One difference.
#[derive(Debug, Default)]
struct Entry {
    test: String,
    /// `any`, `< 7.0` or `>= 6.15`: the versions of iproute2 that it is about.
    reference: String,
    /// What the original prints.
    tc: String,
    /// What rtc prints in its place.
    rtc: String,
    reason: String,
    /// Whether it applied to the reference met, and whether it was of use.
    applied: Cell<bool>,
    used: Cell<bool>,
}

impl Known {
    /// The entries for `test`.
    pub(crate) fn of(test: &str) -> Known {
        let mut known = Known::parse(include_str!("../known-differences"));
        known.entries.retain(|e| e.test == test);
        known
    }

    fn parse(text: &str) -> Known {
        let mut entries: Vec<Entry> = Vec::new();
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            if key == "test" {
                entries.push(Entry { reference: "any".to_owned(), ..Entry::default() });
            }
            let Some(entry) = entries.last_mut() else {
                panic!("known-differences: an entry begins with `test:`, not {line:?}")
            };
            let field = match key {
                "test" => &mut entry.test,
                "reference" => &mut entry.reference,
                "tc" => &mut entry.tc,
                "rtc" => &mut entry.rtc,
                "reason" => &mut entry.reason,
                _ => panic!("known-differences: what is {line:?}?"),
            };
            // Fragments may hold line ends and edge blanks: written as \n, in double quotes.
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            *field = value.replace("\\n", "\n");
        }
        for e in &entries {
            assert!(!e.reason.is_empty(), "known-differences: {:?} gives no reason", e.tc);
            assert!(!e.tc.is_empty(), "known-differences: an entry of {} says no `tc:`", e.test);
        }
        Known { entries }
    }

    /// What `printed`, by the original at `version`, is expected to look like from rtc.
    pub(crate) fn expected(&self, printed: &str, version: &str) -> String {
        let mut text = printed.to_owned();
        for e in self.entries.iter().filter(|e| applies(&e.reference, version)) {
            e.applied.set(true);
            if text.contains(&e.tc) {
                e.used.set(true);
                text = text.replace(&e.tc, &e.rtc);
            }
        }
        text
    }

    /// Fails when an entry that applied changed nothing.
    pub(crate) fn assert_all_used(&self) {
        for e in self.entries.iter().filter(|e| e.applied.get()) {
            assert!(
                e.used.get(),
                "known-differences: of no use in {} any more: {:?}",
                e.test,
                e.tc
            );
        }
    }
}

/// Whether `version` ("6.1.0") fits the condition ("any", "< 7.0", ">= 6.15").
fn applies(condition: &str, version: &str) -> bool {
    let number = |v: &str| -> Vec<u32> { v.split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    match condition.split_once(' ') {
        Some(("<", v)) => number(version) < number(v),
        Some((">=", v)) => number(version) >= number(v),
        _ if condition == "any" => true,
        _ => panic!("known-differences: a reference is `any`, `< N.N` or `>= N.N`: {condition:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(applies("< 6.15", "6.1.0"));
        assert!(!applies("< 6.15", "7.3.0"));
        assert!(applies(">= 6.15", "6.15.0"));
        assert!(applies("any", ""));
    }

    #[test]
    fn an_entry_replaces_and_counts_as_used() {
        let known = Known::parse("test: a\ntc: \" x \\n\"\nrtc: \" x\\n\"\nreason: odd blank\n");
        assert_eq!(known.expected("q x \n", "7.3.0"), "q x\n");
        known.assert_all_used();
    }

    #[test]
    #[should_panic(expected = "of no use")]
    fn an_unused_entry_fails() {
        let known = Known::parse("test: a\ntc: gone\nrtc: new\nreason: was odd\n");
        assert_eq!(known.expected("other", "7.3.0"), "other");
        known.assert_all_used();
    }

    #[test]
    fn the_file_itself_is_well_formed() {
        let _ = Known::parse(include_str!("../known-differences"));
    }
}
