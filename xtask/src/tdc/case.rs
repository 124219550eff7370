//! The cases, as the suite has them.

use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;
use serde_json::Value;

/// A case as the suite has it.
pub(super) struct Case {
    pub(super) file: String,
    pub(super) json: Value,
}

impl Case {
    pub(super) fn text(&self, key: &str) -> &str {
        self.json.get(key).and_then(Value::as_str).unwrap_or("")
    }

    /// A value that the suite writes now as a number, now as text.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        let value = self.json.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    pub(super) fn list(&self, key: &str) -> &[Value] {
        self.json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn title(&self) -> String {
        format!("{} {} {}", self.file, self.text("id"), self.text("name"))
    }
}

/// A step is a command, or a list of a command and the statuses that are right.
pub(super) fn step_of(step: &Value) -> (&str, Vec<i64>) {
    match step {
        Value::Array(items) => {
            let text = items.first().and_then(Value::as_str).unwrap_or("");
            (text, items.iter().skip(1).filter_map(Value::as_i64).collect())
        }
        other => (other.as_str().unwrap_or(""), vec![0]),
    }
}

/// All cases under the directory that fit the filter, in a fixed order.
pub(super) fn all(dir: &Path, filter: &Regex) -> Result<Vec<Case>, String> {
    let mut files = Vec::new();
    collect(dir, &mut files)?;
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let file = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| format!("{file}: {e}"))?;
        let Value::Array(items) = json else { continue };
        cases.extend(items.into_iter().map(|json| Case { file: file.clone(), json }));
    }
    cases.retain(|c| filter.is_match(&c.title()));
    Ok(cases)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|x| x == "json") {
            files.push(path);
        }
    }
    Ok(())
}
