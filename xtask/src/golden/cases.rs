//! The lists of cases: `tests/golden/<object>/<kind>/cases`. Their format is in `tests/golden/README.md`.
use super::format::{line_from, path, split_words};
use std::path::{Path, PathBuf};

/// What a list says about one case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// `<object>/<kind>/<case>`, the golden file's path without `.txt`.
    pub(crate) name: String,
    /// The golden file.
    pub(crate) file: PathBuf,
    /// The words after `tc`.
    pub(crate) cmd: Vec<String>,
    /// Shell lines that must succeed, or else the case cannot be recorded on this machine.
    pub(crate) needs: Vec<String>,
    /// Shell lines that make the state.
    pub(crate) setup: Vec<String>,
    /// Shell lines to run while the command runs.
    pub(crate) during: Vec<String>,
    /// Global options of further runs.
    pub(crate) also: Vec<Vec<String>>,
    /// `NAME=VALUE`
    pub(crate) env: Vec<String>,
    /// Files for the work directory, given in the list itself.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Files for the work directory, by their path below `tests/golden`.
    pub(crate) copies: Vec<PathBuf>,
    /// Standard input of the command.
    pub(crate) stdin: Option<Vec<u8>>,
    /// Attributes that are not compared.
    pub(crate) masks: Vec<Vec<u16>>,
}

/// Reads the list `file`; `root` is `tests/golden`.
pub(crate) fn read(root: &Path, file: &Path) -> Result<Vec<Case>, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let dir = file.parent().unwrap_or(root);
    let mut group = Case::default();
    let mut cases: Vec<Case> = Vec::new();
    let mut in_case = false;
    for (at, line) in text.lines().enumerate() {
        let fail = |what: &str| format!("{}:{}: {what}", file.display(), at + 1);
        let words = line.trim();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let (key, rest) = words.split_once(' ').unwrap_or((words, ""));
        match key {
            "group" => (group, in_case) = (Case::default(), false),
            "case" => {
                let (name, cmd) =
                    rest.split_once('=').ok_or_else(|| fail("expected case NAME = WORDS"))?;
                let mut case = group.clone();
                let name = name.trim();
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    return Err(fail("a name has letters, digits and - only"));
                }
                case.file = dir.join(format!("{name}.txt"));
                if cases.iter().any(|other| other.file == case.file) {
                    return Err(fail("a second case of this name"));
                }
                let below = case.file.strip_prefix(root).unwrap_or(&case.file).with_extension("");
                case.name = below.display().to_string();
                case.cmd = split_words(cmd).ok_or_else(|| fail("quote without its end"))?;
                cases.push(case);
                in_case = true;
            }
            _ => {
                let case = if in_case { cases.last_mut() } else { Some(&mut group) };
                if let Some(case) = case {
                    case.directive(key, rest, words).map_err(|what| fail(&what))?;
                }
            }
        }
    }
    Ok(cases)
}

impl Case {
    fn directive(&mut self, key: &str, rest: &str, line: &str) -> Result<(), String> {
        match key {
            "needs" => self.needs.push(rest.to_owned()),
            "setup" => self.setup.push(rest.to_owned()),
            "during" => self.during.push(rest.to_owned()),
            "also" => {
                for options in rest.split(',') {
                    self.also.push(split_words(options).ok_or("quote without its end")?);
                }
            }
            "env" => self.env.push(rest.to_owned()),
            "file" => self.files.push((rest.to_owned(), Vec::new())),
            "copy" => self.copies.push(PathBuf::from(rest)),
            "stdin" => self.stdin = Some(Vec::new()),
            "mask" => self.masks.push(path(rest).ok_or("expected numbers joined by `.`")?),
            _ if line.starts_with('|') => {
                let (bytes, newline) = line_from(line).ok_or("expected `|TEXT$` or `|TEXT%`")?;
                let content = match (&mut self.stdin, self.files.last_mut()) {
                    (Some(stdin), _) => stdin,
                    (None, Some((_, content))) => content,
                    (None, None) => return Err("a line of no file".to_owned()),
                };
                content.extend(bytes);
                if newline {
                    content.push(b'\n');
                }
            }
            _ => return Err(format!("unknown word {key:?}")),
        }
        Ok(())
    }
}
