//! `cargo xtask golden`: records what the original tc sends, receives and prints, and shows what changed.
//!
//! Needs root (or user namespaces), `strace`, util-linux `unshare`, `ip`, and for some cases `bpftool`.
mod cases;
mod format;
mod record;
mod strace;
#[cfg(test)]
mod tests;

use cases::Case;
use format::Golden;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const USAGE: &str = "\
Usage: cargo xtask golden [--bless] [--new] [--tc PATH] [--root DIR] [--dir DIR] [--keep] [FILTER...]
Runs the cases of tests/golden with the original tc and shows how they differ from the files.

  --bless      write the files instead
  --new        only cases that have no file
  --tc PATH    the original (default: tc, by PATH)
  --root DIR   a Debian tree that holds it: tc runs there, chrooted
  --dir DIR    where the cases are (default: tests/golden)
  --out DIR    write them there as well, as they come
  --keep       keep the scratch directory of each case and print its name
  FILTER       only cases whose name `<object>/<kind>/<case>` contains one of these words
";

#[derive(Default)]
struct Options {
    bless: bool,
    new: bool,
    keep: bool,
    tc: Option<PathBuf>,
    root: Option<PathBuf>,
    dir: Option<PathBuf>,
    out: Option<PathBuf>,
    filters: Vec<String>,
}

/// What became of the cases.
#[derive(Default)]
struct Tally {
    same: usize,
    changed: usize,
    skipped: usize,
    failed: usize,
}

/// Runs the sub-command; the result is the exit status.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    let Some(options) = parse(args)? else {
        return say(USAGE).map(|()| 0);
    };
    let dir = options.dir.clone().unwrap_or_else(|| PathBuf::from("tests/golden"));
    let dir = dir.canonicalize().map_err(|e| format!("{}: {e}", dir.display()))?;
    let recorder =
        record::Recorder::new(options.tc.as_deref(), options.root.as_deref(), &dir, options.keep)?;
    let mut lists = Vec::new();
    find(&dir, &mut |file| file.file_name().is_some_and(|n| n == "cases"), &mut lists)?;
    let mut tally = Tally::default();
    let mut known = Vec::new();
    for list in &lists {
        for case in cases::read(&dir, list)? {
            known.push(case.file.clone());
            let fits = options.filters.iter().any(|f| case.name.contains(f));
            let is_due = !(options.new && case.file.exists());
            if is_due && (fits || options.filters.is_empty()) {
                one(&recorder, &case, &options, &mut tally)?;
            }
        }
    }
    let mut files = Vec::new();
    find(&dir, &mut |file| file.extension().is_some_and(|x| x == "txt"), &mut files)?;
    for file in files.iter().filter(|f| !known.contains(f)) {
        say(&format!("{}: no list has this case\n", file.display()))?;
        tally.failed += 1;
    }
    let Tally { same, changed, skipped, failed } = tally;
    say(&format!("{same} as recorded, {changed} changed, {skipped} skipped, {failed} wrong\n"))?;
    Ok(u8::from(failed > 0 || (changed > 0 && !options.bless)))
}

fn parse(args: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().map(PathBuf::from).ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--bless" => options.bless = true,
            "--new" => options.new = true,
            "--out" => options.out = Some(value()?),
            "--keep" => options.keep = true,
            "--tc" => options.tc = Some(value()?),
            "--root" => options.root = Some(value()?),
            "--dir" => options.dir = Some(value()?),
            "--help" | "-h" => return Ok(None),
            other if other.starts_with('-') => {
                return Err(format!("unknown option {other}\n{USAGE}"));
            }
            filter => options.filters.push(filter.to_owned()),
        }
    }
    Ok(Some(options))
}

fn one(
    recorder: &record::Recorder,
    case: &Case,
    options: &Options,
    tally: &mut Tally,
) -> Result<(), String> {
    let new = match recorder.record(case) {
        Ok(new) => new,
        Err(record::Failure::Skip(why)) => {
            tally.skipped += 1;
            return say(&format!("{}: skipped: {why}\n", case.name));
        }
        Err(record::Failure::Wrong(why)) => {
            tally.failed += 1;
            return say(&format!("{}: {why}\n", case.name));
        }
    };
    let written = new.to_string();
    match Golden::parse(&written) {
        Ok(read) if read == new => {}
        Ok(_) => return Err(format!("{}: the file does not say what was recorded", case.name)),
        Err(e) => return Err(format!("{}: the file cannot be read back: {e}", case.name)),
    }
    let old = std::fs::read_to_string(&case.file).ok();
    let read = old.and_then(|old| Golden::parse(&old).ok());
    if read.is_some_and(|old| settled(old) == settled(new)) {
        tally.same += 1;
        return Ok(());
    }
    tally.changed += 1;
    if options.bless {
        let copy = options.out.iter().map(|dir| dir.join(format!("{}.txt", case.name)));
        for file in copy.chain([case.file.clone()]) {
            let dir = file.parent().map_or(Ok(()), std::fs::create_dir_all);
            dir.and_then(|()| std::fs::write(&file, &written))
                .map_err(|e| format!("{}: {e}", file.display()))?;
        }
        return say(&format!("{}: written\n", case.name));
    }
    say(&format!("{}: changed\n{}", case.name, diff(recorder, &case.file, &written)?))
}

/// What must not change from one recording to the next: all but the date, and those values in replies (clocks,
/// numbers of programs) that made no difference to what tc printed.
fn settled(mut golden: Golden) -> Golden {
    golden.about.clear();
    for reply in golden.runs.iter_mut().flat_map(|run| &mut run.reply) {
        reply.payload.fill(0);
    }
    golden
}

fn diff(recorder: &record::Recorder, file: &Path, new: &str) -> Result<String, String> {
    let old: &Path = if file.exists() { file } else { Path::new("/dev/null") };
    let scratch = recorder.scratch().join("new.txt");
    std::fs::write(&scratch, new).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let out = Command::new("diff").arg("-u").arg(old).arg(&scratch).output();
    let out = out.map_err(|e| format!("diff: {e}"))?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// All files below `dir` that `wanted` accepts, in the order of their names.
fn find(
    dir: &Path,
    wanted: &mut dyn FnMut(&Path) -> bool,
    found: &mut Vec<PathBuf>,
) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(fail)?;
    let mut paths =
        entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(fail)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            find(&path, wanted, found)?;
        } else if wanted(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn say(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| format!("standard output: {e}"))
}
