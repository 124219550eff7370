//! `cargo xtask api`: the public interface of each library, in a file, so that changes to it show in
//! review.
//!
//! The source is read, not compiled, so that any Rust gives the same. What is `pub` there is public:
//! the lint `unreachable_pub` sees to that. What a macro makes shows as the macro.

mod items;
mod tokens;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const USAGE: &str = "\
usage: cargo xtask api [--bless]    compares the libraries' interfaces with public-api.txt

--bless   writes the files; look at what `git diff` shows, and at CHANGELOG.md";

/// The libraries whose interface is recorded.
const CRATES: [&str; 3] = ["tc-proto", "tc-bpf-loader", "rtc"];
const HEADER: &str = "# What is public, as `cargo xtask api --bless` reads it from the source. Not written by hand.\n";

/// Runs the task; 1 when an interface is not as recorded.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    let bless = match args {
        [] => false,
        [word] if word == "--bless" => true,
        _ => return Err(USAGE.to_owned()),
    };
    let mut out = std::io::stdout();
    let mut differs = false;
    for name in CRATES {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name);
        let found = interface(&dir.join("src"))?;
        let path = dir.join("public-api.txt");
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if bless {
            fs::write(&path, &found).map_err(|e| format!("{}: {e}", path.display()))?;
            continue;
        }
        for line in difference(&recorded, &found) {
            differs = true;
            writeln!(out, "{name}: {line}").map_err(|e| e.to_string())?;
        }
    }
    if differs {
        let line =
            "The interface is not as recorded: if it shall change, `cargo xtask api --bless`.";
        writeln!(out, "{line}").map_err(|e| e.to_string())?;
    }
    Ok(u8::from(differs))
}

/// All of a library's interface, a line for each item.
fn interface(src: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    sources(src, &mut files)?;
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let module = module(src, &file);
        lines.extend(items::of(&module, &tokens::of(&text)));
    }
    let known = items::names(&lines);
    lines.retain(|line| line.is_public(&known));
    let mut lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    lines.sort();
    lines.dedup();
    let mut text = HEADER.to_owned();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

/// The sources, without tests and without programs.
fn sources(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let said = |e: std::io::Error| format!("{}: {e}", dir.display());
    for entry in fs::read_dir(dir).map_err(said)? {
        let path = entry.map_err(said)?.path();
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
        if matches!(name, "tests" | "main") || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The path of the module that a file is: `msg::object`.
fn module(src: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(src).unwrap_or(file).with_extension("");
    let parts: Vec<_> = inside.iter().filter_map(|p| p.to_str()).collect();
    let parts: Vec<_> = parts.into_iter().filter(|p| !matches!(*p, "lib" | "mod")).collect();
    parts.join("::")
}

/// What is in one of two texts only, line by line.
fn difference<'a>(old: &'a str, new: &'a str) -> Vec<String> {
    let (olds, news): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let gone = olds.iter().filter(|line| !news.contains(line)).map(|line| format!("-{line}"));
    let came = news.iter().filter(|line| !olds.contains(line)).map(|line| format!("+{line}"));
    gone.chain(came).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_from_both_sides() {
        assert_eq!(difference("a\nb\n", "b\nc\n"), ["-a", "+c"]);
        assert!(difference("a\n", "a\n").is_empty());
    }

    #[test]
    fn files_are_modules() {
        let module = |file: &str| module(Path::new("src"), Path::new(file));
        assert_eq!(module("src/lib.rs"), "");
        assert_eq!(module("src/msg/mod.rs"), "msg");
        assert_eq!(module("src/msg/object.rs"), "msg::object");
    }
}
