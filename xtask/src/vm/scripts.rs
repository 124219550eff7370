//! What runs in the guest, as shell scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::share::Share;
use super::{build_tests, quote};

/// A script, and what to fetch when it has ended.
pub(super) struct Script {
    pub(super) text: String,
    pub(super) results: Results,
}

/// What a script leaves for the host.
pub(super) enum Results {
    Nothing,
    /// A file of the shared directory, to be copied there.
    File(&'static str, PathBuf),
    /// Goldens that were written, even when the guest did not come to its end.
    Goldens(PathBuf),
}

impl Results {
    /// Brings them to their places.
    pub(super) fn fetch(&self, share: &Share) -> Result<(), String> {
        match self {
            Results::Nothing => Ok(()),
            Results::File(name, to) => match fs::copy(share.dir.join(name), to) {
                Ok(_) => Ok(()),
                Err(e) => Err(format!("the guest left no results for {}: {e}", to.display())),
            },
            Results::Goldens(to) => {
                let mut cp = Command::new("cp");
                cp.arg("-r").arg(share.dir.join("written").join(".")).arg(to);
                match cp.status() {
                    Ok(status) if status.success() => Ok(()),
                    _ => Err("the guest left no goldens".to_owned()),
                }
            }
        }
    }
}

/// The test binaries, run one after the other; all run, the status tells whether all passed.
pub(super) fn netns(share: &Share, words: &[String]) -> Result<Script, String> {
    let mut parts = vec!["status=0".to_owned()];
    for exe in build_tests()? {
        let name =
            exe.file_name().and_then(|n| n.to_str()).ok_or("a test binary without a name")?;
        let path = share.add(name, &exe)?;
        let words: Vec<String> = words.iter().map(|w| quote(w)).collect();
        let words = words.join(" ");
        parts.push(format!("echo; echo {name}\n{path} {words} || status=1"));
    }
    parts.push("exit $status".to_owned());
    Ok(Script { text: parts.join("\n"), results: Results::Nothing })
}

/// Cases of the kernel's suite, with the guest's tc and ours. This very program runs them: it is
/// static, so it runs in the guest as well.
pub(super) fn tdc(share: &Share, words: &[String]) -> Result<Script, String> {
    let (suite, words) = words.split_first().ok_or("tdc needs the directory of the cases")?;
    let unpack = share.add_dir("cases", Path::new(suite), "/opt/cases")?;
    let xtask = share.add("xtask", &std::env::current_exe().map_err(|e| e.to_string())?)?;
    let mut passed_on = Vec::new();
    let mut results = Results::Nothing;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--out" {
            let to = words.next().ok_or("--out needs a file")?;
            results = Results::File("results.json", to.into());
        } else {
            passed_on.push(quote(word));
        }
    }
    let words = passed_on.join(" ");
    let text = format!(
        "{unpack}\ncp {xtask} /opt/xtask\n\
         /opt/xtask tdc /opt/cases --tc \"$RTC\" --beside \"$TC\" --out /share/results.json {words}"
    );
    Ok(Script { text, results })
}

/// Records goldens with the guest's tc, of what only its kernel has.
pub(super) fn golden(share: &Share, words: &[String]) -> Result<Script, String> {
    let goldens = Path::new("tests/golden");
    let unpack = share.add_dir("golden", goldens, "/opt/golden")?;
    let xtask = share.add("xtask", &std::env::current_exe().map_err(|e| e.to_string())?)?;
    let written = share.dir.join("written");
    fs::create_dir(&written).map_err(|e| format!("{}: {e}", written.display()))?;
    let words: Vec<String> = words.iter().map(|w| quote(w)).collect();
    let words = words.join(" ");
    let text = format!(
        "command -v strace >/dev/null || {{ echo the root has no strace: remove it, for it to be made anew; exit 1; }}\n\
         {unpack}\ncp {xtask} /opt/xtask\n\
         /opt/xtask golden --tc \"$TC\" --dir /opt/golden --out /share/written {words}"
    );
    Ok(Script { text, results: Results::Goldens(goldens.to_owned()) })
}
