//! The object `help`, and what completes command lines in a shell.

use super::{OBJECTS, Session, Step, class, filter, object, qdisc, tcx};
use crate::args::Args;
use crate::error::Error;
use crate::{kinds, options};

/// What `-V` says.
pub(crate) const VERSION: &str =
    concat!("tc utility, rtc-", env!("CARGO_PKG_VERSION"), ", compatible with iproute2-7.3.0\n");

/// The usage, for standard error.
pub(crate) const USAGE: &str = "\
Usage: tc [ OPTIONS ] OBJECT { COMMAND | help }
       tc [ -force ] -batch FILE
where  OBJECT  := { qdisc | class | filter | chain | actions | monitor | exec | bpf | help |
                   completions }
       OPTIONS := { -s[tatistics] | -d[etails] | -r[aw] | -p[retty] | -j[son] | -o[neline] |
                    -br[ief] | -i[ec] | -N[umeric] | -nm | -na[mes] | -cf FILE |
                    -col[or][={always|auto|never}] | -t[imestamp] | -ts[hort] | -echo |
                    -n[etns] NAME | -f[orce] | -b[atch] FILE | -V[ersion] | -h[elp] }
       COMMAND := see \"tc OBJECT help\"
";

#[expect(clippy::unnecessary_wraps, reason = "one of the functions of the table of objects")]
pub(super) fn run(_: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    session.complain(USAGE);
    Ok(Step::Done)
}

const SHELLS: &[(&str, &str)] = &[
    ("bash", include_str!("../../completions/rtc.bash")),
    ("fish", include_str!("../../completions/rtc.fish")),
    ("zsh", include_str!("../../completions/rtc.zsh")),
];

/// `completions SHELL` prints the shell's script; `completions words WORD...` what may come next.
pub(super) fn completions(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let word = args.word()?.unwrap_or_default();
    if word == "words" {
        let mut words = Vec::new();
        while let Some(word) = args.word()? {
            words.push(word);
        }
        for word in next_words(&words) {
            session.out.text(format_args!("{word}\n"));
        }
        return Ok(Step::Done);
    }
    let Some((_, script)) = SHELLS.iter().find(|(name, _)| *name == word) else {
        let names: Vec<_> = SHELLS.iter().map(|(name, _)| *name).collect();
        return Err(Error::invalid(format_args!(
            "Usage: rtc completions {{ {} }}",
            names.join(" | ")
        )));
    };
    session.out.text(format_args!("{script}"));
    Ok(Step::Done)
}

/// The words that may follow `words`; the last of these may be a beginning.
fn next_words(words: &[&str]) -> Vec<String> {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, rest)| (*last, rest));
    let mut found: Vec<String> = Vec::new();
    let mut add = |names: &mut dyn Iterator<Item = &str>| {
        found.extend(names.filter(|n| n.starts_with(last)).map(str::to_owned));
    };
    let mut before = before.iter().skip_while(|word| word.starts_with('-'));
    match (before.next(), before.next()) {
        (None, _) if last.starts_with('-') => {
            let dashed: Vec<_> = options::names().map(|name| format!("-{name}")).collect();
            add(&mut dashed.iter().map(String::as_str));
        }
        (None, _) => add(&mut OBJECTS.iter().map(|object| object.name)),
        (Some(object), None) => add(&mut commands(object).iter().copied()),
        (Some(object), Some(_)) => {
            let rest: Vec<&str> = before.copied().collect();
            let kind = rest.iter().rev().find_map(|word| words_of_kind(object, word));
            let expected = if *object == "filter" { words_of_expression(&rest) } else { None };
            match expected.or_else(|| kind.map(<[_]>::to_vec)) {
                Some(words) => add(&mut words.into_iter()),
                None => {
                    add(&mut common(object).iter().copied());
                    add(&mut kind_names(object).into_iter());
                }
            }
        }
    }
    found
}

fn commands(object: &str) -> &'static [&'static str] {
    match object {
        "qdisc" => &["add", "change", "replace", "link", "delete", "show", "help"],
        "class" => &["add", "change", "replace", "delete", "show", "help"],
        "filter" => &["add", "change", "replace", "delete", "get", "show", "help"],
        "chain" => &["add", "delete", "get", "show", "help"],
        "actions" => {
            &["add", "change", "replace", "get", "delete", "list", "show", "flush", "help"]
        }
        "monitor" => &["file", "help"],
        "completions" => &["bash", "fish", "zsh"],
        object::NAME => object::COMMANDS,
        _ => &[],
    }
}

fn common(object: &str) -> &'static [&'static str] {
    match object {
        "qdisc" => qdisc::WORDS,
        "class" => class::WORDS,
        "filter" | "chain" => filter::WORDS,
        "actions" => &["action"],
        object::NAME => object::WORDS,
        _ => &[],
    }
}

fn kind_names(object: &str) -> Vec<&'static str> {
    match object {
        "qdisc" => kinds::QDISCS.iter().map(|kind| kind.name()).collect(),
        "class" => {
            kinds::QDISCS.iter().filter(|k| k.class().is_some()).map(|kind| kind.name()).collect()
        }
        "filter" => kinds::FILTERS.iter().map(|kind| kind.name()).chain([tcx::NAME]).collect(),
        "chain" => kinds::FILTERS.iter().map(|kind| kind.name()).collect(),
        "actions" => kinds::ACTIONS.iter().map(|kind| kind.name()).collect(),
        _ => Vec::new(),
    }
}

fn words_of_kind(object: &str, word: &str) -> Option<&'static [&'static str]> {
    match object {
        "qdisc" => kinds::qdisc(word).map(kinds::QdiscKind::words),
        "class" => kinds::qdisc(word).and_then(|k| k.class()).map(kinds::ClassKind::words),
        "filter" if word == tcx::NAME => Some(tcx::WORDS),
        "filter" | "chain" => kinds::filter(word).map(kinds::FilterKind::words),
        "actions" => kinds::action(word).map(kinds::ActionKind::words),
        _ => None,
    }
}

/// What stands between two ematches.
const JOINING: [&str; 2] = ["and", "or"];

/// What may come next in an expression of ematches; `None` where no expression is.
fn words_of_expression(words: &[&str]) -> Option<Vec<&'static str>> {
    let filter = |word: &&str| kinds::filter(word).filter(|kind| kind.expression_word().is_some());
    let at = words.iter().rposition(|word| filter(word).is_some())?;
    let kind = filter(words.get(at)?)?;
    let words = words.get(at + 1..)?;
    let start = words.iter().rposition(|word| Some(*word) == kind.expression_word())?;
    let expression = words.get(start + 1..)?;
    // Words that join ematches go on with the expression, even where the kind has them too.
    let mut others = expression.iter().filter(|word| !JOINING.contains(word));
    if others.any(|word| kind.words().contains(word)) {
        return None;
    }
    let text = expression.join(" ").replace(['\'', '"'], " ");
    let open = text.rsplit_once('(').filter(|(_, inside)| !inside.contains(')'));
    if let Some((before, _)) = open {
        let name = before.trim_end().rsplit([' ', '(']).next().unwrap_or_default();
        if let Some(ematch) = kinds::ematch(name) {
            return Some(ematch.words().to_vec());
        }
    }
    if open.is_none() && text.trim_end().ends_with(')') {
        let others = kind.words().iter().filter(|word| !JOINING.contains(word));
        return Some(JOINING.iter().chain(others).copied().collect());
    }
    Some(kinds::EMATCHES.iter().map(|kind| kind.name()).chain(["not"]).collect())
}

#[cfg(test)]
mod tests {
    use super::next_words;

    #[test]
    fn each_place_offers_its_words() {
        assert_eq!(next_words(&["q"]), ["qdisc"]);
        assert_eq!(next_words(&["-s", "-tim"]), ["-timestamp"]);
        assert_eq!(next_words(&["qdisc", "re"]), ["replace"]);
        assert_eq!(next_words(&["qdisc", "add", "dev", "eth0", "root", "bf"]), ["bfifo"]);
        assert_eq!(next_words(&["qdisc", "add", "root", "bfifo", ""]), ["limit"]);
        assert!(next_words(&["filter", "add", "bpf", "direct"]).contains(&"direct-action".into()));
        assert_eq!(next_words(&["bpf", "dis"]), ["disasm"]);
        assert!(next_words(&["nonsense", "x", ""]).is_empty());
    }

    #[test]
    fn expressions_offer_ematches_and_their_words() {
        let next = |words: &str| {
            let words: Vec<&str> = ["filter", "add"].into_iter().chain(words.split(' ')).collect();
            next_words(&words)
        };
        assert_eq!(next("basic ma"), ["match"]);
        assert_eq!(next("basic match c"), ["canid", "cmp"]);
        assert_eq!(next("basic match not me"), ["meta"]);
        assert_eq!(next("basic match ( n"), ["nbyte", "not"]);
        assert_eq!(next("basic match meta(priority e"), ["eq"]);
        assert_eq!(next("basic match 'meta(priority eq 6)' and c"), ["canid", "cmp"]);
        assert_eq!(next("basic match 'meta(priority eq 6)' a"), ["and", "action"]);
        assert_eq!(next("basic match 'meta(priority eq 6)' action ma"), ["match"]);
        assert_eq!(next("flow map key src match c"), ["canid", "cmp"]);
        assert_eq!(next("flow map key src match 'meta(priority eq 6)' and c"), ["canid", "cmp"]);
        assert_eq!(
            next("flow map key src match 'meta(priority eq 6)' a"),
            ["and", "addend", "action"]
        );
        assert_eq!(next("flow map key src and 5 b"), ["baseclass"]);
        assert_eq!(next("u32 match c"), ["classid"]);
    }
}
