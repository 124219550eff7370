//! The items among the tokens that others can see.

use std::collections::BTreeSet;

use super::tokens::Token;

/// A line of the record.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    /// The name that it gives to a type.
    name: Option<String>,
    /// The type whose it is, when that decides whether it is public.
    owner: Option<String>,
}

impl Line {
    /// Implementations are public as far as their type is.
    pub(super) fn is_public(&self, known: &BTreeSet<String>) -> bool {
        self.owner.as_ref().is_none_or(|owner| known.contains(owner))
    }
}

/// The names of the types and traits that are public.
pub(super) fn names(lines: &[Line]) -> BTreeSet<String> {
    lines.iter().filter_map(|line| line.name.clone()).collect()
}

/// The public items of a module.
pub(super) fn of(module: &str, tokens: &[Token]) -> Vec<Line> {
    let mut found = Vec::new();
    Items { rest: tokens }.module(module, &mut found);
    found
}

struct Items<'a> {
    rest: &'a [Token],
}

/// What stands before an item.
#[derive(Default)]
struct Before {
    /// Attributes that others notice.
    attributes: Vec<String>,
    test: bool,
    public: bool,
}

impl<'a> Items<'a> {
    fn peek(&self) -> &'a str {
        self.rest.first().map_or("", String::as_str)
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.rest = self.rest.get(1..).unwrap_or_default();
        token
    }

    /// The tokens of a group whose opening bracket comes next, without the brackets.
    fn group(&mut self) -> &'a [Token] {
        self.next();
        let whole = self.rest;
        let mut depth = 1_u32;
        let mut len = 0;
        while depth > 0 && !self.rest.is_empty() {
            match self.next() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            len += 1;
        }
        whole.get(..len - usize::from(depth == 0)).unwrap_or_default()
    }

    /// The tokens up to one of these outside of brackets, which is left.
    fn until(&mut self, ends: &[&str]) -> Vec<&'a str> {
        let mut found = Vec::new();
        while !self.rest.is_empty() && !ends.contains(&self.peek()) {
            if matches!(self.peek(), "(" | "[" | "{") {
                let open = self.peek();
                found.push(open);
                found.extend(self.group().iter().map(String::as_str));
                found.push(match open {
                    "(" => ")",
                    "[" => "]",
                    _ => "}",
                });
            } else {
                found.push(self.next());
            }
        }
        found
    }

    fn before(&mut self) -> Before {
        let mut before = Before::default();
        loop {
            match self.peek() {
                "#" => {
                    self.next();
                    if self.peek() == "!" {
                        self.next();
                    }
                    let attribute = self.group();
                    let words: Vec<&str> = attribute.iter().map(String::as_str).collect();
                    match words[..] {
                        ["cfg", "(", "test", ..] | ["test"] => before.test = true,
                        ["derive" | "non_exhaustive" | "cfg" | "must_use" | "deprecated", ..] => {
                            before.attributes.push(format!("#[{}]", joined(&words)));
                        }
                        _ => {}
                    }
                }
                "pub" => {
                    self.next();
                    before.public = self.peek() != "(";
                    if !before.public {
                        self.group();
                    }
                }
                _ => return before,
            }
        }
    }

    fn module(&mut self, path: &str, found: &mut Vec<Line>) {
        while !self.rest.is_empty() {
            let before = self.before();
            self.item(path, &before, found);
        }
    }

    fn item(&mut self, path: &str, before: &Before, found: &mut Vec<Line>) {
        let start: Vec<&str> = self.rest.iter().take(3).map(String::as_str).collect();
        let shown = before.public && !before.test;
        match start[..] {
            ["use" | "static" | "type", ..] => {
                let words = self.until(&[";"]);
                self.next();
                push(shown, path, before, &words, found);
            }
            ["const", name, ..] if name != "fn" && name != "unsafe" => {
                let words = self.until(&["=", ";"]);
                let value = self.until(&[";"]);
                self.next();
                // The value of a number counts, that of a table is long.
                let all = if value.len() <= 4 { [words, value].concat() } else { words };
                push(shown, path, before, &all, found);
            }
            ["struct" | "union", name, ..] => {
                let words = self.until(&["{", ";"]);
                push_type(shown, path, before, &words, name, found);
                if self.peek() == "{" {
                    let fields = Items { rest: self.group() };
                    fields.fields(&join(path, name), shown, found);
                } else {
                    self.next();
                }
            }
            ["enum", name, ..] => {
                let words = self.until(&["{"]);
                push_type(shown, path, before, &words, name, found);
                Items { rest: self.group() }.variants(&join(path, name), shown, found);
            }
            ["trait", name, ..] | ["unsafe", "trait", name] => {
                let words = self.until(&["{"]);
                push_type(shown, path, before, &words, name, found);
                Items { rest: self.group() }.members(&join(path, name), None, shown, found);
            }
            ["impl", ..] | ["unsafe", "impl", ..] => self.implementation(path, before, found),
            ["mod", name, ..] => {
                let words = self.until(&["{", ";"]);
                push(shown, path, before, &words, found);
                if self.peek() == "{" {
                    let inside = self.group();
                    if !before.test {
                        Items { rest: inside }.module(&join(path, name), found);
                    }
                } else {
                    self.next();
                }
            }
            ["macro_rules", "!", name] => {
                self.until(&["{"]);
                let body: Vec<&str> = self.group().iter().map(String::as_str).collect();
                if body.contains(&"pub") {
                    let text =
                        format!("{}: macro {name} {{ {} }}", shown_path(path), joined(&body));
                    found.push(Line { text, name: None, owner: None });
                }
            }
            [name, "!", "(" | "{" | "["] => {
                let words = self.until(&["{", ";"]);
                if self.peek() == "{" {
                    self.group();
                } else {
                    self.next();
                }
                let words = if words.len() > 2 { words } else { vec![name, "!"] };
                found.push(Line {
                    text: format!("{}: {}", shown_path(path), joined(&words)),
                    name: None,
                    owner: None,
                });
            }
            // A function, with whatever stands before the word.
            _ => {
                let words = self.until(&["{", ";"]);
                push(shown && words.contains(&"fn"), path, before, &words, found);
                if self.peek() == "{" {
                    self.group();
                } else {
                    self.next();
                }
            }
        }
    }

    fn implementation(&mut self, path: &str, before: &Before, found: &mut Vec<Line>) {
        let words = self.until(&["{"]);
        let body = Items { rest: self.group() };
        if before.test {
            return;
        }
        let head = words.split(|w| *w == "where").next().unwrap_or_default();
        let of_trait = head.iter().rposition(|w| *w == "for");
        // `for<'a>` in a bound is none.
        let of_trait = of_trait.filter(|at| head.get(at + 1) != Some(&"<"));
        let subject = of_trait.and_then(|at| head.get(at + 1..)).unwrap_or(head);
        let owner = type_name(subject);
        if of_trait.is_some() {
            let text = format!("{}: {}", shown_path(path), joined(&words));
            found.push(Line { text, name: None, owner });
        } else {
            let owner = owner.unwrap_or_default();
            body.members(&join(path, &owner), Some(&owner), false, found);
        }
    }

    /// Members of a trait or of an implementation.
    fn members(mut self, path: &str, owner: Option<&str>, all: bool, found: &mut Vec<Line>) {
        while !self.rest.is_empty() {
            let mut before = self.before();
            before.public |= all;
            let at = found.len();
            self.item(path, &before, found);
            for line in found.iter_mut().skip(at) {
                line.owner = owner.map(str::to_owned);
            }
        }
    }

    fn fields(mut self, path: &str, all: bool, found: &mut Vec<Line>) {
        while !self.rest.is_empty() {
            let before = self.before();
            let words = self.until(&[","]);
            self.next();
            push(before.public && all && !before.test, path, &before, &words, found);
        }
    }

    fn variants(mut self, path: &str, all: bool, found: &mut Vec<Line>) {
        while !self.rest.is_empty() {
            let before = self.before();
            let mut name = self.until(&["{", ","]);
            if self.peek() == "{" {
                let fields: Vec<Token> = undocumented(self.group());
                name.push("{");
                let text = joined(&fields.iter().map(String::as_str).collect::<Vec<_>>());
                let text = format!("{} {text} }}", joined(&name));
                self.until(&[","]);
                if all {
                    let text = format!("{}: {text}", shown_path(path));
                    found.push(Line { text, name: None, owner: None });
                }
            } else {
                push(all, path, &before, &name, found);
            }
            self.next();
        }
    }
}

/// The tokens without attributes.
fn undocumented(tokens: &[Token]) -> Vec<Token> {
    let mut items = Items { rest: tokens };
    let mut kept = Vec::new();
    while !items.rest.is_empty() {
        if items.peek() == "#" {
            items.next();
            items.group();
        } else {
            kept.push(items.next().to_owned());
        }
    }
    kept
}

fn push(shown: bool, path: &str, before: &Before, words: &[&str], found: &mut Vec<Line>) {
    if shown {
        let words = joined(words);
        let item: Vec<&str> =
            before.attributes.iter().map(String::as_str).chain([words.as_str()]).collect();
        let text = format!("{}: {}", shown_path(path), item.join(" "));
        found.push(Line { text, name: None, owner: None });
    }
}

fn push_type(
    shown: bool,
    path: &str,
    before: &Before,
    words: &[&str],
    name: &str,
    found: &mut Vec<Line>,
) {
    push(shown, path, before, words, found);
    if let Some(line) = found.last_mut().filter(|_| shown) {
        line.name = Some(name.to_owned());
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

fn shown_path(path: &str) -> &str {
    if path.is_empty() { "(top)" } else { path }
}

/// `impl<'a> a::B<'a>` is about `B`; references and slices are about what is in them.
fn type_name(words: &[&str]) -> Option<String> {
    let mut depth = 0_u32;
    let mut name = None;
    for word in words {
        match *word {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            "impl" | "unsafe" | "mut" | "dyn" => {}
            word if depth == 0 && word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                name = Some(word.to_owned());
            }
            _ => {}
        }
    }
    name
}

/// Words as one would write them.
fn joined(words: &[&str]) -> String {
    let mut text = String::new();
    let mut last = "";
    for word in words {
        let closes = |c: char| c.is_alphanumeric() || "_)>".contains(c);
        let opened = matches!(*word, "(" | "<" | "[")
            && last.ends_with(closes)
            && !last.starts_with('\'')
            && !matches!(last, "->" | "mut" | "dyn" | "const");
        let tight = opened
            || last.is_empty()
            || matches!(*word, "," | ";" | ")" | "]" | ">" | ":" | "." | "::" | "?" | "!")
            || matches!(last, "(" | "[" | "<" | "&" | "::" | "." | "#" | "!" | "*" | "$");
        if !tight {
            text.push(' ');
        }
        text.push_str(word);
        last = word;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn interface(source: &str) -> Vec<String> {
        let mut lines = of("m", &tokens::of(source));
        let known = names(&lines);
        lines.retain(|line| line.is_public(&known));
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn what_is_public_shows_with_its_signature() {
        let source = r#"
            //! Words.
            use std::fmt;
            pub use a::{B, C};
            pub mod inner;
            mod hidden { pub fn seen() {} fn not() {} }
            /// A struct.
            #[derive(Clone, Debug)]
            #[non_exhaustive]
            pub struct S<'a> { /// One.
                pub one: &'a [u8], two: u8, pub(crate) three: u8 }
            struct Private { pub field: u8 }
            pub struct T(pub u32);
            pub enum E { /// A.
                A, #[allow(x)] B { #[doc = "y"] c: u8 }, C(u8) = 3, }
            pub const N: usize = 16;
            const M: usize = 17;
            pub trait Tr: Sized { type X; const Y: u8; fn f(&self) -> Self::X; fn g() { body(); } }
            impl<'a> S<'a> { pub fn new(x: impl Fn(u8) -> u8) -> Self { Self {} } fn own(&self) {} }
            impl fmt::Debug for S<'_> { fn fmt(&self) {} }
            impl fmt::Debug for Private { fn fmt(&self) {} }
            impl Private { pub fn hidden() {} }
            impl From<T> for Vec<S<'_>> where T: Copy { }
            pub(crate) fn not_this() {}
            pub async unsafe fn this<T>(t: T) where T: Copy { }
            #[cfg(feature = "f")] pub fn gated() {}
            #[cfg(test)] mod tests { pub fn t() {} }
            macro_rules! make { ($a:ident) => { pub fn $a() {} } }
            make!(x);
        "#;
        assert_eq!(
            interface(source),
            [
                "m: use a::{ B, C }",
                "m: mod inner",
                "m::hidden: fn seen()",
                "m: #[derive(Clone, Debug)] #[non_exhaustive] struct S<'a>",
                "m::S: one: &'a [u8]",
                "m: struct T(pub u32)",
                "m: enum E",
                "m::E: A",
                "m::E: B { c: u8 }",
                "m::E: C(u8) = 3",
                "m: const N: usize = 16",
                "m: trait Tr: Sized",
                "m::Tr: type X",
                "m::Tr: const Y: u8",
                "m::Tr: fn f(&self) -> Self::X",
                "m::Tr: fn g()",
                "m::S: fn new(x: impl Fn(u8) -> u8) -> Self",
                "m: impl fmt::Debug for S<'_>",
                "m: async unsafe fn this<T>(t: T) where T: Copy",
                "m: #[cfg(feature = \"f\")] fn gated()",
                "m: macro make { ($a: ident) => { pub fn $a() { } } }",
                "m: make!(x)",
            ]
        );
    }
}
