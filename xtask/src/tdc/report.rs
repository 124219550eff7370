//! What is told of the results.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::case::Case;
use super::say;

/// A line of one result.
pub(super) fn line(result: &Value) -> String {
    let get = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or("");
    let (verdict, why) = match outcome(result) {
        Outcome::Single(verdict) => (verdict, why(result, "ours")),
        Outcome::Both => ("both", String::new()),
        Outcome::TheirsAlone => ("ORIGINAL ALONE", why(result, "ours")),
        Outcome::OursAlone => ("ours alone", why(result, "theirs")),
        Outcome::Neither => {
            let (theirs, ours) = (why(result, "theirs"), why(result, "ours"));
            ("neither", if theirs == ours { ours } else { format!("{theirs}; with ours{ours}") })
        }
    };
    format!("{verdict:8}{} {} {}{why}", get("file"), get("id"), get("name"))
}

/// How a case went with one tc or two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome<'a> {
    Single(&'a str),
    Both,
    TheirsAlone,
    OursAlone,
    Neither,
}

fn outcome(result: &Value) -> Outcome<'_> {
    let verdict = |whose: &str| result.get(whose)?.get("verdict")?.as_str();
    let ours = verdict("ours").unwrap_or("");
    match verdict("theirs") {
        None => Outcome::Single(ours),
        Some(theirs) => match (theirs == "pass", ours == "pass") {
            (true, true) => Outcome::Both,
            (true, false) => Outcome::TheirsAlone,
            (false, true) => Outcome::OursAlone,
            (false, false) => Outcome::Neither,
        },
    }
}

fn why(result: &Value, whose: &str) -> String {
    let get = |key: &str| {
        result.get(whose).and_then(|r| r.get(key)).and_then(Value::as_str).unwrap_or("")
    };
    match (get("verdict"), get("why")) {
        (_, "") => String::new(),
        ("fail", why) => format!(": {why}"),
        (verdict, why) => format!(": {verdict}: {why}"),
    }
}

/// Writes the results and the sums; the exit status.
pub(super) fn report(
    cases: &[Case],
    mut results: Vec<Value>,
    compared: bool,
    out: Option<&Path>,
) -> Result<u8, String> {
    let key = |r: &Value| (r.get("file").map(Value::to_string), r.get("id").map(Value::to_string));
    results.sort_by_key(key);
    if let Some(out) = out {
        let text = serde_json::to_string_pretty(&results).map_err(|e| e.to_string())?;
        fs::write(out, text).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    let lost = cases.len() - results.len().min(cases.len());
    let failed = if compared { table(&results) } else { sums(&results, lost) };
    if lost > 0 {
        return Err(format!("{lost} cases left no verdict: a worker ended early"));
    }
    Ok(u8::from(failed))
}

/// The sums of the verdicts with one tc; whether any case failed.
fn sums(results: &[Value], lost: usize) -> bool {
    let count =
        |verdict: &str| results.iter().filter(|r| outcome(r) == Outcome::Single(verdict)).count();
    say(&format!(
        "\n{} passed, {} failed, {} skipped",
        count("pass"),
        count("fail") + lost,
        count("nosetup") + count("skip")
    ));
    count("fail") > 0
}

/// A line for each file of cases, and the cases that did not pass with both; whether there is a
/// case that passes with the original alone.
fn table(results: &[Value]) -> bool {
    const COLUMNS: [Outcome<'_>; 4] =
        [Outcome::Both, Outcome::TheirsAlone, Outcome::OursAlone, Outcome::Neither];
    let mut files: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut total = [0; 4];
    for result in results {
        let file = result.get("file").and_then(Value::as_str).unwrap_or("");
        let counts = files.entry(file.trim_end_matches(".json")).or_default();
        let this = outcome(result);
        for ((column, count), sum) in COLUMNS.iter().zip(counts).zip(&mut total) {
            if *column == this {
                *count += 1;
                *sum += 1;
            }
        }
    }
    let row = |name: &str, cells: [String; 4]| {
        let [both, theirs, ours, neither] = cells;
        say(&format!("{name:20}{both:>8}{theirs:>16}{ours:>12}{neither:>9}"));
    };
    for (title, wanted) in [
        ("with the original alone", Outcome::TheirsAlone),
        ("with ours alone", Outcome::OursAlone),
        ("with neither", Outcome::Neither),
    ] {
        let mut of_these = results.iter().filter(|r| outcome(r) == wanted).peekable();
        if of_these.peek().is_some() {
            say(&format!("\nThese pass {title}:"));
            of_these.for_each(|result| say(&line(result)));
        }
    }
    say("");
    row(
        "cases that pass with",
        ["both", "original alone", "ours alone", "neither"].map(String::from),
    );
    for (file, counts) in files {
        row(file, counts.map(|n| n.to_string()));
    }
    row("all", total.map(|n| n.to_string()));
    let [_, theirs_alone, ..] = total;
    theirs_alone > 0
}
