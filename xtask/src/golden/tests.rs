//! Tests of the golden file format.
use super::format::*;

fn run(options: &[&str], stdout: &[u8]) -> Run {
    Run {
        options: options.iter().map(|o| (*o).to_owned()).collect(),
        status: 2,
        request: vec![Message { kind: 36, flags: 0x605, payload: (0..=44).collect() }],
        stdout: Text::of(stdout),
        ..Run::default()
    }
}

#[test]
fn every_part_survives_writing_and_reading() {
    let mut first = run(&[], b"tab\t trailing blank \nback\\slash \x1b[0m \xff $\nno end");
    first.stderr = Text::of(b"What is \"x\"?\nUsage: ... words\n  more words\nError: after\n");
    let mut echo = run(&["-j", "-s"], b"");
    echo.request = Vec::new();
    echo.status = 0;
    echo.stderr = first.stderr.clone();
    let golden = Golden {
        about: "tc, kernel, date".to_owned(),
        links: vec![("lo".to_owned(), 1), ("v0".to_owned(), 3)],
        setup: vec!["ip link set lo up".to_owned()],
        during: vec!["tc qdisc add dev lo clsact".to_owned()],
        files: vec![("b".to_owned(), b"# comment \nqdisc \\\nshow\n\nlast".to_vec())],
        stdin: Some(Vec::new()),
        env: vec!["NO_COLOR=1".to_owned()],
        masks: vec![vec![2, 6]],
        cmd: ["filter", "", "it's", "a b", "\""].map(str::to_owned).to_vec(),
        runs: vec![first, echo],
    };
    let text = golden.to_string();
    assert_eq!(Golden::parse(&text), Ok(golden), "{text}");
    assert!(!text.lines().any(|line| line.ends_with([' ', '\t'])), "an editor would change {text}");
}

#[test]
fn a_usage_text_is_only_a_mark() {
    let text =
        Text::of(b"What is \"x\"?\nUsage: ... foo [ limit N ]\n\n  bar\nIllegal \"action\"\n");
    let line = |l: &str| Chunk::Line(l.as_bytes().to_vec(), true);
    assert_eq!(text.0, [line("What is \"x\"?"), Chunk::Usage, line("Illegal \"action\"")]);
}

#[test]
fn words_split_as_in_a_shell() {
    let words = split_words("a  'b c' d\"e f\"'g' ''").unwrap();
    assert_eq!(words, ["a", "b c", "de fg", ""]);
    assert_eq!(split_words("a 'b"), None);
}

#[test]
fn errors_name_the_line() {
    let error = Golden::parse("-- about\nx\n-- request\nNEWQDISC 0x605\n  0g\n").unwrap_err();
    assert_eq!(error.line, 5);
    assert_eq!(Golden::parse("-- nonsense\n").unwrap_err().line, 1);
    assert_eq!(Golden::parse("text\n").unwrap_err().line, 1);
}

#[test]
fn every_file_is_in_a_list_and_reads_back() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut lists = Vec::new();
    super::find(&root, &mut |f| f.file_name().is_some_and(|n| n == "cases"), &mut lists).unwrap();
    let mut files = Vec::new();
    super::find(&root, &mut |f| f.extension().is_some_and(|x| x == "txt"), &mut files).unwrap();
    let cases: Vec<_> = lists.iter().flat_map(|l| super::cases::read(&root, l).unwrap()).collect();
    for file in &files {
        let case = cases.iter().find(|c| c.file == *file);
        let case = case.unwrap_or_else(|| panic!("{}: no list has it", file.display()));
        let text = std::fs::read_to_string(file).unwrap();
        let golden = Golden::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_eq!(golden.cmd, case.cmd, "{}: recorded with other words", file.display());
        assert_eq!(golden.to_string(), text, "{}", file.display());
    }
    assert!(files.len() > 200, "{} goldens found", files.len());
}
