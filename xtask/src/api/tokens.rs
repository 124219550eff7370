//! Rust source as tokens, without comments.

/// A token as it is written. Strings and numbers are one token each.
pub(super) type Token = String;

/// The tokens of a source file.
pub(super) fn of(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let len = length(rest, first);
        let (token, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        if !first.is_whitespace() && !is_comment(token) {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

fn is_comment(token: &str) -> bool {
    token.starts_with("//") || token.starts_with("/*")
}

/// How long the token at the start of `rest` is.
fn length(rest: &str, first: char) -> usize {
    if first.is_whitespace() {
        return rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |at| at + 2);
    }
    if let Some(len) = string(rest) {
        return len;
    }
    if first == '\'' {
        return quote(rest);
    }
    if first.is_alphanumeric() || first == '_' {
        return rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    }
    ["->", "=>", "::", "..=", "..."]
        .into_iter()
        .find(|p| rest.starts_with(p))
        .map_or(first.len_utf8(), str::len)
}

/// A string of any sort: `"…"`, `b"…"`, `c"…"`, `r#"…"#`.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|p| {
        rest.strip_prefix(p).is_some_and(|r| {
            let hashes = r.trim_start_matches('#');
            hashes.starts_with('"') && (p.ends_with('r') || hashes.len() == r.len())
        })
    })?;
    let body = rest.strip_prefix(prefix)?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let start = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let at = rest.get(start..)?.find(&end)?;
        return Some(start + at + end.len());
    }
    let mut escaped = false;
    for (at, c) in rest.get(start..)?.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(start + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A character, or a lifetime.
fn quote(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => {
            // Past the escaped character, to the closing quote.
            rest.char_indices()
                .skip(3)
                .find(|(_, c)| *c == '\'')
                .map_or(rest.len(), |(at, _)| at + 1)
        }
        (_, Some((at, '\''))) => at + 1,
        _ => rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| !c.is_alphanumeric() && *c != '_')
            .map_or(rest.len(), |(at, _)| at),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn strings_characters_and_lifetimes_are_told_apart() {
        let source = r##"fn a<'b>(c: &'b str) -> char { '{' } // }
            const D: &str = "}\"{"; /* { */ x = r#"a"}"# ; '\'' ; b"{" ; '\u{7f}'"##;
        let found = of(source).join(" ");
        assert_eq!(
            found,
            r##"fn a < 'b > ( c : & 'b str ) -> char { '{' } const D : & str = "}\"{" ; x = r#"a"}"# ; '\'' ; b"{" ; '\u{7f}'"##
        );
    }
}
