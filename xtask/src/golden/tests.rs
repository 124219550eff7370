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
