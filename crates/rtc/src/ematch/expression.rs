//! Expressions: ematches joined by `and` and `or`, turned around by `not`, in parentheses.

use tc_proto::ematch::{Entry, Relation, Tree};

use crate::args::Args;
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{self, EmatchKind};

use super::fault::Place;
use super::lexer::{Lexer, Token};
use super::{Arg, Pending};

const USAGE: &str = "\
Usage: EXPRESSION := TERM [ { and | or } EXPRESSION ]
       TERM := [ not ] { EMATCH(ARGUMENT...) | ( EXPRESSION ) }

The shell must not see the parentheses, so quote them. A word has to follow the expression, such as
classid or action. For example: 'meta(priority eq 6) and not cmp(u8 at 9 eq 17)'
";

/// An expression as it was read, with what only the system knows still to be looked up.
pub(crate) struct Expression {
    nodes: Vec<Node>,
    place: Place,
    end: End,
}

/// What follows an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A word.
    Word,
    /// Something in quotes that cannot be read, for the reason that tc tells.
    Bad(&'static str),
    /// Nothing.
    Nothing,
}

/// An ematch or a group, at its place in the list that is sent.
struct Node {
    inverted: bool,
    relation: Relation,
    what: What,
}

enum What {
    Group { first: u32 },
    Match { kind: &'static dyn EmatchKind, name: String, args: Vec<Arg>, pending: Box<dyn Pending> },
}

/// An ematch or a group, as the grammar finds it.
struct Term {
    inverted: bool,
    relation: Relation,
    what: Found,
}

enum Found {
    Group(usize),
    Match { kind: Arg, args: Vec<Arg> },
}

/// The lists of terms: the expression itself, and its groups.
struct Grammar<'l, 'a, 'w> {
    lexer: &'l mut Lexer<'a, 'w>,
    lists: Vec<Vec<Term>>,
    /// Lists that are not closed yet, and whether they are turned around.
    open: Vec<(usize, bool)>,
}

impl Expression {
    /// Reads the expression at the next words. The word that comes after it is left; so is the last
    /// one when there is none after it, as tc does.
    pub(crate) fn parse(args: &mut Args<'_>) -> Result<Self, Error> {
        let mut lexer = Lexer::new(args);
        let mut grammar = Grammar { lexer: &mut lexer, lists: vec![Vec::new()], open: Vec::new() };
        let end = grammar.parse()?;
        let lists = grammar.lists;
        let mut place = lexer.place();
        place.blamed = place.blamed.and_then(|blamed| blamed.checked_sub(1));
        lexer.leave();
        Ok(Self { nodes: flatten(lists, &place)?, place, end })
    }

    /// What to say of the word that is left, when it is none of the filter's.
    pub(crate) fn remark(&self, error: Error) -> Error {
        match self.end {
            End::Nothing => {
                error.hint("a word must follow the expression, such as classid or action")
            }
            End::Word | End::Bad(_) => error,
        }
    }

    /// The line that tc prints before it goes on to the word that is left.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        match self.end {
            End::Bad(line) => Some(line),
            End::Word | End::Nothing => None,
        }
    }

    /// Looks up what the ematches name.
    pub(crate) fn resolve(&self, env: &mut dyn Env) -> Result<Tree, Error> {
        let map = env.ematch_map();
        let mut tree = Tree::default();
        for node in &self.nodes {
            let entry = match &node.what {
                What::Group { first } => Entry::container(*first),
                What::Match { kind, name, args, pending } => {
                    let number = map.number(kind.name(), kind.number());
                    let number = number.map_err(|line| self.place.refuse(line))?;
                    let entry = pending.resolve(env);
                    let entry =
                        entry.map_err(|e| e.error(&self.place, name, args, kind.usage()))?;
                    Entry { kind: number, ..entry }
                }
            };
            tree.entries.push(entry.inverted(node.inverted).joined(node.relation));
        }
        Ok(tree)
    }
}

impl Grammar<'_, '_, '_> {
    fn parse(&mut self) -> Result<End, Error> {
        let mut list = 0;
        let mut token = self.lexer.next()?;
        if token == Token::End {
            // An expression without a single word is none at all, and no error.
            return Ok(End::Nothing);
        }
        loop {
            let inverted = token == Token::Not;
            if inverted {
                token = self.lexer.next()?;
            }
            match token {
                Token::Open => {
                    self.open.push((list, inverted));
                    list = self.lists.len();
                    self.lists.push(Vec::new());
                    token = self.lexer.next()?;
                    continue;
                }
                Token::Word(kind) => {
                    let what = Found::Match { kind, args: self.args()? };
                    self.add(list, Term { inverted, relation: Relation::End, what });
                }
                token => return Err(self.wrong(&token)),
            }
            loop {
                token = self.lexer.next()?;
                match (&token, self.open.pop()) {
                    (Token::And | Token::Or, open) => {
                        self.open.extend(open);
                        self.join(list, &token);
                        token = self.lexer.next()?;
                        break;
                    }
                    (Token::Close, Some((outer, inverted))) => {
                        let what = Found::Group(list);
                        list = outer;
                        self.add(list, Term { inverted, relation: Relation::End, what });
                    }
                    (Token::Bad(line), None) => return Ok(End::Bad(line)),
                    (Token::End, None) => return Ok(End::Nothing),
                    (_, None) => return Ok(End::Word),
                    (token, Some(_)) => return Err(self.wrong(token)),
                }
            }
        }
    }

    /// `(ARGUMENT...)`
    fn args(&mut self) -> Result<Vec<Arg>, Error> {
        match self.lexer.next()? {
            Token::Open => {}
            token => return Err(self.wrong(&token)),
        }
        let mut args = Vec::new();
        loop {
            match self.lexer.next()? {
                Token::Word(arg) => args.push(arg),
                Token::Close if !args.is_empty() => return Ok(args),
                token => return Err(self.wrong(&token)),
            }
        }
    }

    fn add(&mut self, list: usize, term: Term) {
        if let Some(list) = self.lists.get_mut(list) {
            list.push(term);
        }
    }

    fn join(&mut self, list: usize, token: &Token) {
        if let Some(term) = self.lists.get_mut(list).and_then(|list| list.last_mut()) {
            term.relation = if *token == Token::And { Relation::And } else { Relation::Or };
        }
    }

    fn wrong(&self, token: &Token) -> Error {
        let place = self.lexer.place();
        let mut text = match token {
            Token::Bad(line) => format!("{line}\n"),
            _ => String::new(),
        };
        text.push_str("Parse error: syntax error\n");
        text.push_str(&place.marked());
        text.push_str(USAGE);
        place.refuse(text)
    }
}

/// Puts the lists one behind the other: each group's list comes behind the one it is in, together
/// with the groups inside of it. Reads the arguments in that order.
fn flatten(lists: Vec<Vec<Term>>, place: &Place) -> Result<Vec<Node>, Error> {
    let mut lists: Vec<Option<Vec<Term>>> = lists.into_iter().map(Some).collect();
    let mut nodes: Vec<Node> = Vec::new();
    // Lists that come next, the last one first, and the group that each belongs to.
    let mut next = vec![(0, None)];
    while let Some((list, group)) = next.pop() {
        let start = nodes.len();
        if let Some(Node { what: What::Group { first }, .. }) =
            group.and_then(|group: usize| nodes.get_mut(group))
        {
            *first = start as u32;
        }
        let terms = lists.get_mut(list).and_then(Option::take).unwrap_or_default();
        let mut groups = Vec::new();
        for Term { inverted, relation, what } in terms {
            let what = match what {
                Found::Group(list) => {
                    groups.push((list, Some(nodes.len())));
                    What::Group { first: 0 }
                }
                Found::Match { kind, args } => read(&kind, args, place)?,
            };
            nodes.push(Node { inverted, relation, what });
        }
        next.extend(groups.into_iter().rev());
    }
    Ok(nodes)
}

fn read(name: &Arg, args: Vec<Arg>, place: &Place) -> Result<What, Error> {
    let name = name.text().into_owned();
    let Some(kind) = kinds::ematch(&name) else {
        let known: Vec<_> = kinds::EMATCHES.iter().map(|kind| kind.name()).collect();
        let known = format!("the ematches are {}", known.join(", "));
        return Err(place.refuse(format_args!("Unknown ematch \"{name}\"")).hint(known));
    };
    match kind.parse(&args) {
        Ok(pending) => Ok(What::Match { kind, name, args, pending }),
        Err(fault) => Err(fault.error(place, &name, &args, kind.usage())),
    }
}
