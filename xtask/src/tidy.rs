//! `cargo xtask tidy`: what always holds in this tree, checked on its text.
//!
//! Each check is a function from the tree to findings; ARCHITECTURE.md says why. The same checks run as a
//! plain test, so that nobody has to think of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

const USAGE: &str = "usage: cargo xtask tidy    checks what ARCHITECTURE.md says of the tree";

/// The most lines of a source file.
const MAX_LINES: usize = 800;
/// Directories of kinds.
const CLASSES: [&str; 4] = ["qdisc", "filter", "action", "ematch"];
/// Kinds that are also words of tc's grammar (places, the preference of filters), of Rust, or of
/// the kernel's statistics.
const PLACES: [&str; 6] = ["basic", "clsact", "cmp", "ingress", "prio", "u32"];
/// The published crates.
const CRATES: [&str; 3] = ["crates/tc-proto", "crates/tc-bpf-loader", "crates/rtc"];

/// Runs the checks; 1 when there are findings.
pub(crate) fn run(args: &[String]) -> Result<u8, String> {
    if !args.is_empty() {
        return Err(USAGE.to_owned());
    }
    let findings = check(&Tree::read(&root())?);
    for finding in &findings {
        writeln!(std::io::stdout(), "{finding}").map_err(|e| e.to_string())?;
    }
    Ok(u8::from(!findings.is_empty()))
}

pub(crate) fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text files of the tree, by their paths from its top.
#[derive(Default)]
struct Tree(BTreeMap<String, String>);

impl Tree {
    fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.add(root, "")?;
        Ok(tree)
    }

    fn add(&mut self, dir: &Path, prefix: &str) -> Result<(), String> {
        let said = |e: std::io::Error| format!("{}: {e}", dir.display());
        for entry in fs::read_dir(dir).map_err(said)? {
            let entry = entry.map_err(said)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type().map_err(said)?.is_dir() {
                if !matches!(name.as_str(), ".git" | "target" | "corpus" | "artifacts") {
                    self.add(&entry.path(), &format!("{path}/"))?;
                }
            } else {
                // What is no text counts as a file that is there.
                let bytes = fs::read(entry.path()).map_err(|e| format!("{path}: {e}"))?;
                self.0.insert(path, String::from_utf8(bytes).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    fn text(&self, path: &str) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }

    /// The files whose path begins and ends like this.
    fn files<'a>(
        &'a self,
        start: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.starts_with(start) && path.ends_with(end))
    }
}

fn check(tree: &Tree) -> Vec<String> {
    let checks: [fn(&Tree, &mut Vec<String>); 11] = [
        kinds_are_complete,
        kinds_are_named_in_tables_only,
        messages_do_no_io,
        only_env_touches_the_system,
        libraries_know_no_json,
        links_are_never_listed,
        unsafe_is_in_one_place,
        crates_take_lints_and_licences,
        sources_are_short_and_constants_documented,
        the_manual_has_every_option_and_object,
        pages_are_sound,
    ];
    let mut findings = Vec::new();
    for check in checks {
        check(tree, &mut findings);
    }
    findings
}

/// A kind as its row in the tables names it.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    class: &'a str,
    module: &'a str,
}

impl Row<'_> {
    fn wire(&self) -> String {
        format!("crates/tc-proto/src/{}/{}.rs", self.class, self.module)
    }

    fn command(&self) -> String {
        format!("crates/rtc/src/{}/{}.rs", self.class, self.module)
    }

    /// The manual page: one for all ematches, which nobody uses alone, and one for any other kind.
    fn page(&self, name: &str) -> String {
        match self.class {
            "ematch" => "man/rtc-ematch.8".to_owned(),
            _ => format!("man/rtc-{name}.8"),
        }
    }

    /// The name in `TCA_KIND`, as the wire file has it.
    fn name<'t>(&self, tree: &'t Tree) -> Option<&'t str> {
        tree.text(&self.wire()).split_once("const NAME: &'static str = \"")?.1.split('"').next()
    }
}

/// The rows of the tables: `&class::module::Type`.
fn rows(tree: &Tree) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (_, line) in code(tree.text("crates/rtc/src/kinds.rs")) {
        for path in line.split('&').skip(1) {
            let mut parts = path.split("::");
            if let (Some(class), Some(module), Some(_)) = (parts.next(), parts.next(), parts.next())
            {
                if CLASSES.contains(&class) {
                    rows.push(Row { class, module });
                }
            }
        }
    }
    rows
}

/// The lines of a source that are neither comment nor test, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text.get(..tests).unwrap_or_default().lines().enumerate();
    lines.filter_map(|(i, line)| {
        let code = line.split(" //").next().unwrap_or_default();
        (!code.trim_start().starts_with("//")).then_some((i + 1, code))
    })
}

/// The words of a text, as names are written in code.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The string literals of a piece of code that has no escapes in them.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    code.split('"').skip(1).step_by(2)
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let rest = text.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or(rest, |(inner, _)| inner)
}

fn kinds_are_complete(tree: &Tree, findings: &mut Vec<String>) {
    let rows = rows(tree);
    if rows.is_empty() {
        findings.push("crates/rtc/src/kinds.rs: no row of a table was found".to_owned());
    }
    for row in &rows {
        let Some(name) = row.name(tree) else {
            findings.push(format!("{}: missing, or without `const NAME`", row.wire()));
            continue;
        };
        let page = row.page(name);
        let goldens = format!("tests/golden/{}/{name}/cases", row.class);
        for file in [&row.command(), &page, &goldens] {
            if !tree.has(file) {
                findings.push(format!("{file}: missing; {} is in a table of kinds.rs", row.module));
            }
        }
        for list in ["README.md", "man/rtc.8"] {
            if !words(tree.text(list)).any(|word| word == name) {
                findings.push(format!("{list}: does not name the kind {name}"));
            }
        }
        let text = tree.text(&page).replace("\\-", "-");
        let mut known = text.split(|c: char| !c.is_alphanumeric() && !"_-+".contains(c));
        for word in literals(between(tree.text(&row.command()), "fn words(", "\n    }")) {
            if !known.clone().any(|w| w == word) {
                findings.push(format!("{page}: lacks the word {word:?} of the kind"));
            }
        }
        if known.next().is_none() && tree.has(&page) {
            findings.push(format!("{page}: empty"));
        }
    }
    for class in CLASSES {
        for (krate, mark) in [("tc-proto", "const NAME: &'static str"), ("rtc", "Kind for ")] {
            let dir = format!("crates/{krate}/src/{class}/");
            for (path, text) in tree.files(&dir, ".rs") {
                let listed = rows.iter().any(|row| path == row.wire() || path == row.command());
                if text.contains(mark) && !listed {
                    findings.push(format!("{path}: a kind without a row in kinds.rs"));
                }
            }
        }
    }
}

fn kinds_are_named_in_tables_only(tree: &Tree, findings: &mut Vec<String>) {
    let names: Vec<_> = rows(tree).iter().filter_map(|row| row.name(tree)).collect();
    // What speaks of bpf(2) and of its file system speaks of no kind, nor does the list of objects; `exec bpf` is tc's
    // grammar.
    // A wish about a program compares what only that kind says.
    let exempt = [
        "crates/rtc/src/kinds.rs",
        "crates/rtc/src/env.rs",
        "crates/rtc/src/netns.rs",
        "crates/rtc/src/cmd/exec.rs",
        "crates/rtc/src/cmd/help.rs",
        "crates/tc-proto/src/client/ensure.rs",
    ];
    for (path, text) in
        tree.files("crates/rtc/src/", ".rs").chain(tree.files("crates/tc-proto/src/", ".rs"))
    {
        let of_a_kind = CLASSES.iter().any(|class| path.contains(&format!("/src/{class}/")));
        let of_programs = ["object/", "tcx/"].map(|dir| format!("crates/rtc/src/cmd/{dir}"));
        let of_programs = of_programs.iter().any(|dir| path.starts_with(dir));
        if of_a_kind || of_programs || path.contains("/tests/") || exempt.contains(&path) {
            continue;
        }
        for (number, line) in code(text) {
            for word in words(line).filter(|w| names.contains(w) && !PLACES.contains(w)) {
                findings.push(format!("{path}:{number}: names the kind {word}"));
            }
        }
    }
}

const IO: [&str; 11] = [
    "std::fs",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "std::io",
    "std::env",
    "std::process",
    "SystemTime",
    "libc::",
    "netlink_sys",
    "rustix",
];

fn forbid(path: &str, text: &str, what: &[&str], why: &str, findings: &mut Vec<String>) {
    for (number, line) in code(text) {
        for name in what.iter().filter(|name| line.contains(**name)) {
            findings.push(format!("{path}:{number}: {name} {why}"));
        }
    }
}

fn messages_do_no_io(tree: &Tree, findings: &mut Vec<String>) {
    for (path, text) in tree.files("crates/tc-proto/src/", ".rs") {
        let clients = ["crates/tc-proto/src/client/", "crates/tc-proto/src/rtnetlink/"];
        if !clients.iter().any(|client| path.starts_with(client)) {
            forbid(path, text, &IO, "is I/O, which only the clients do", findings);
        }
    }
    if !tree.text("crates/tc-proto/Cargo.toml").contains("\ndefault = []\n") {
        findings.push("crates/tc-proto/Cargo.toml: has default features".to_owned());
    }
}

fn only_env_touches_the_system(tree: &Tree, findings: &mut Vec<String>) {
    for (path, text) in tree.files("crates/rtc/src/", ".rs") {
        let rest = path.trim_start_matches("crates/rtc/src/");
        let of_a_kind = rest.split_once('/').is_some_and(|(class, _)| CLASSES.contains(&class));
        let parses = of_a_kind && !rest.ends_with("_source.rs");
        if parses || matches!(rest, "args.rs" | "options.rs") {
            forbid(path, text, &IO, "is I/O, which parsers do not do", findings);
        } else if !matches!(rest, "env.rs" | "netns.rs" | "main.rs") {
            // Traits and errors of `std::io` touch nothing by themselves.
            let system = [
                "std::fs",
                "UdpSocket",
                "TcpStream",
                "std::env",
                "std::process",
                "rustix",
                "File::open",
            ];
            forbid(path, text, &system, "is the system, which only `Env` touches", findings);
        }
    }
}

fn libraries_know_no_json(tree: &Tree, findings: &mut Vec<String>) {
    for (path, text) in CRATES.iter().take(2).flat_map(|krate| tree.files(krate, ".rs")) {
        for (number, line) in code(text) {
            if line.to_ascii_lowercase().contains("json") {
                findings.push(format!("{path}:{number}: knows of JSON, which only rtc does"));
            }
        }
    }
}

fn links_are_never_listed(tree: &Tree, findings: &mut Vec<String>) {
    const LOOKUP: &str = "crates/tc-proto/src/client/link.rs";
    for (path, text) in tree.files("crates/", ".rs").filter(|(path, _)| !path.contains("/tests/")) {
        let forbidden: &[&str] = if path == LOOKUP { &["DUMP"] } else { &["GETLINK", "GET_LINK"] };
        forbid(path, text, forbidden, "may list all devices", findings);
    }
}

fn unsafe_is_in_one_place(tree: &Tree, findings: &mut Vec<String>) {
    let what = ["{", "fn ", "impl ", "extern "].map(|then| ["unsafe ", then].concat());
    let what = what.each_ref().map(String::as_str);
    for (path, text) in tree.files("", ".rs") {
        if !path.starts_with("crates/tc-bpf-loader/src/sys/") {
            forbid(path, text, &what, "is for tc-bpf-loader::sys", findings);
        }
    }
}

fn crates_take_lints_and_licences(tree: &Tree, findings: &mut Vec<String>) {
    for (path, text) in tree.files("", "Cargo.toml") {
        // The fuzzer and the comparison with other crates stand outside the workspace.
        if matches!(path, "Cargo.toml" | "fuzz/Cargo.toml" | "bench/Cargo.toml") {
            continue;
        }
        for line in ["[lints]\nworkspace = true", "license.workspace = true"] {
            if !text.contains(line) {
                findings.push(format!("{path}: lacks {line:?}"));
            }
        }
    }
    for dir in CRATES.iter().map(|krate| format!("{krate}/")).chain([String::new()]) {
        for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
            if tree.text(&format!("{dir}{file}")).is_empty() {
                findings.push(format!("{dir}{file}: missing"));
            }
        }
    }
}

fn sources_are_short_and_constants_documented(tree: &Tree, findings: &mut Vec<String>) {
    for (path, text) in tree.files("", ".rs") {
        let count = text.lines().count();
        if count > MAX_LINES {
            findings.push(format!("{path}: {count} lines; {MAX_LINES} are the most"));
        }
        let mut documented = false;
        for (i, line) in text.lines().map(str::trim_start).enumerate() {
            if line.starts_with("pub const TCA_") && !documented {
                findings.push(format!("{path}:{}: {line} has no documentation", i + 1));
            }
            documented = line.starts_with("///") || (documented && line.starts_with("#["));
        }
    }
}

fn the_manual_has_every_option_and_object(tree: &Tree, findings: &mut Vec<String>) {
    let page = tree.text("man/rtc.8");
    let has = |name: &str| words(page).any(|word| word == name);
    let options = between(tree.text("crates/rtc/src/options.rs"), "const TABLE", "\n];");
    let options: Vec<_> = literals(options).filter(|name| !name.contains(' ')).collect();
    let objects = between(tree.text("crates/rtc/src/cmd/mod.rs"), "const OBJECTS", "\n];");
    let objects: Vec<_> = literals(objects).collect();
    for (what, names) in [("option", options), ("object", objects)] {
        if names.is_empty() {
            findings.push(format!("no table of {what}s was found"));
        }
        for name in names.into_iter().filter(|name| !has(name)) {
            findings.push(format!("man/rtc.8: lacks the {what} {name:?}"));
        }
    }
}

fn pages_are_sound(tree: &Tree, findings: &mut Vec<String>) {
    for (path, text) in tree.files("", ".md") {
        let mut fenced = false;
        for (i, line) in text.lines().enumerate() {
            let mut say = |what: String| findings.push(format!("{path}:{}: {what}", i + 1));
            if line.contains('\t') {
                say("a tab".to_owned());
            }
            for dir in ["work", "tmp", "home"].map(|dir| format!("/{dir}/")) {
                if line.contains(&dir) {
                    say(format!("a path of some machine, {dir}"));
                }
            }
            fenced ^= line.starts_with("```");
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for target in targets.filter(|_| !fenced) {
                if !resolves(tree, path, target) {
                    say(format!("the link to {target} leads nowhere"));
                }
            }
        }
    }
    let compiled: String =
        CRATES.iter().map(|krate| tree.text(&format!("{krate}/README.md"))).collect();
    for example in tree.text("README.md").split("\n```rust").skip(1) {
        let example = example.split("\n```").next().unwrap_or_default();
        if !compiled.contains(example) {
            let first = example.lines().nth(1).unwrap_or_default();
            findings.push(format!("README.md: the example `{first}` is in no crate's README, where it would be compiled"));
        }
    }
}

/// Whether a link in the page at `path` leads somewhere.
fn resolves(tree: &Tree, path: &str, target: &str) -> bool {
    if target.starts_with("https://") {
        return true;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let mut parts: Vec<&str> = path.split('/').collect();
    if !file.is_empty() {
        parts.pop();
        for part in file.split('/') {
            match part {
                "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
    }
    let file = parts.join("/");
    let dir = format!("{}/", file.trim_end_matches('/'));
    let found = tree.has(&file) || tree.files(&dir, "").next().is_some();
    found && (anchor.is_empty() || headings(tree.text(&file)).any(|heading| heading == anchor))
}

/// The anchors of a page's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn findings(check: fn(&Tree, &mut Vec<String>), files: &[(&str, &str)]) -> String {
        let mut findings = Vec::new();
        check(&tree(files), &mut findings);
        findings.join("\n")
    }

    #[test]
    fn the_tree_is_tidy() {
        let found = check(&Tree::read(&root()).unwrap());
        assert!(found.is_empty(), "cargo xtask tidy:\n{}", found.join("\n"));
    }

    const TABLE: (&str, &str) = (
        "crates/rtc/src/kinds.rs",
        "pub const QDISCS: &[&dyn K] = &[\n    &qdisc::xyz::Xyz,\n];\n",
    );
    const WIRE: (&str, &str) =
        ("crates/tc-proto/src/qdisc/xyz.rs", "    const NAME: &'static str = \"x_yz\";\n");
    const COMMAND: (&str, &str) = (
        "crates/rtc/src/qdisc/xyz.rs",
        "impl QdiscKind for Xyz {\n    fn words(&self) -> W {\n        &[\"limit\", \"fast-path\"]\n    }\n}\n",
    );

    #[test]
    fn a_kind_needs_its_files_and_its_words() {
        let found =
            findings(kinds_are_complete, &[TABLE, WIRE, COMMAND, ("man/rtc-x_yz.8", ".Cm limit")]);
        let expected = [
            "tests/golden/qdisc/x_yz/cases: missing; xyz is in a table of kinds.rs",
            "README.md: does not name the kind x_yz",
            "man/rtc.8: does not name the kind x_yz",
            "man/rtc-x_yz.8: lacks the word \"fast-path\" of the kind",
        ];
        assert_eq!(found, expected.join("\n"));
        let found = findings(kinds_are_complete, &[TABLE]);
        assert!(found.contains("crates/tc-proto/src/qdisc/xyz.rs: missing"), "{found}");
        let found = findings(kinds_are_complete, &[("crates/rtc/src/kinds.rs", ""), WIRE, COMMAND]);
        assert_eq!(found.matches("without a row").count(), 2, "{found}");
    }

    #[test]
    fn ematches_share_a_page() {
        let files = [
            ("crates/rtc/src/kinds.rs", "    &ematch::xyz::Xyz,\n"),
            ("crates/tc-proto/src/ematch/xyz.rs", WIRE.1),
            ("crates/rtc/src/ematch/xyz.rs", COMMAND.1),
            ("tests/golden/ematch/x_yz/cases", ""),
            ("README.md", "x_yz"),
            ("man/rtc.8", "x_yz"),
            ("man/rtc-ematch.8", "limit"),
        ];
        let found = findings(kinds_are_complete, &files);
        assert_eq!(found, "man/rtc-ematch.8: lacks the word \"fast-path\" of the kind");
    }

    #[test]
    fn a_kind_may_be_named_in_comments_and_tests_only() {
        let text = "// x_yz\nlet a = \"x_yz\"; // x_yz\n#[cfg(test)]\nmod tests {\n \"x_yz\"\n}\n";
        let found = findings(
            kinds_are_named_in_tables_only,
            &[TABLE, WIRE, ("crates/rtc/src/cmd/qdisc.rs", text)],
        );
        assert_eq!(found, "crates/rtc/src/cmd/qdisc.rs:2: names the kind x_yz");
    }

    #[test]
    fn io_and_json_are_found_where_they_do_not_belong() {
        let io = "use std::fs::File;\n";
        let found = findings(
            messages_do_no_io,
            &[("crates/tc-proto/src/msg/a.rs", io), ("crates/tc-proto/src/client/a.rs", io)],
        );
        assert!(found.starts_with("crates/tc-proto/src/msg/a.rs:1: std::fs is I/O"), "{found}");
        assert!(!found.contains("client/a.rs"), "{found}");
        let found = findings(
            only_env_touches_the_system,
            &[
                ("crates/rtc/src/filter/a.rs", io),
                ("crates/rtc/src/filter/a_source.rs", io),
                ("crates/rtc/src/netns.rs", io),
                ("crates/rtc/src/cmd/a.rs", io),
            ],
        );
        assert!(found.contains("filter/a.rs:1") && found.contains("cmd/a.rs:1"), "{found}");
        assert!(!found.contains("netns.rs"), "{found}");
        let json = [("crates/tc-bpf-loader/src/a.rs", "fn to_json() {}\n/// JSON\n")];
        assert_eq!(findings(libraries_know_no_json, &json).lines().count(), 1);
        let dump = [("crates/tc-proto/src/client/link.rs", "GETLINK\nflags::DUMP")];
        assert_eq!(findings(links_are_never_listed, &dump).lines().count(), 1);
    }

    #[test]
    fn sources_have_an_end_and_constants_a_meaning() {
        let long = "//\n".repeat(MAX_LINES + 1);
        let text =
            "/// A.\n#[doc(alias = \"a\")]\npub const TCA_A: u16 = 1;\npub const TCA_B: u16 = 2;\n";
        let found = findings(
            sources_are_short_and_constants_documented,
            &[("a.rs", &long), ("b.rs", text)],
        );
        assert!(found.starts_with("a.rs: 801 lines"), "{found}");
        assert!(found.contains("b.rs:4:") && !found.contains("b.rs:3:"), "{found}");
    }

    #[test]
    fn links_lead_somewhere() {
        let page = "# Wide & far\n[a](b.md) [b](../c/d.md#wide--far) [c](#wide--far) [e](e)\n";
        let found = findings(pages_are_sound, &[("c/d.md", page), ("c/b.md", ""), ("c/e/f", "")]);
        assert_eq!(found, "");
        let bad = format!("[a](gone.md) [b](#gone)\n\t/{}/x\n", "tmp");
        let found = findings(pages_are_sound, &[("a.md", &bad)]);
        assert_eq!(found.lines().count(), 4, "{found}");
        let found = findings(pages_are_sound, &[("README.md", "\n```rust\nfn a() {}\n```\n")]);
        assert!(found.contains("`fn a() {}` is in no crate's README"), "{found}");
    }
}
