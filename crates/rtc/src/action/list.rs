//! Lists of actions: `action KIND WORDS [TAIL] action KIND WORDS [TAIL]…`.

use tc_proto::EncodeError;
use tc_proto::msg::{ActionSpec, Bitfield32};
use tc_proto::wire::RawAttrs;

use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{self, ActionKind, Pending, Resolved, Target};

/// The longest cookie in hexadecimal digits (`TC_COOKIE_MAX_SIZE` bytes).
const MAX_COOKIE: usize = 32;

/// What begins the next command after a list.
const NEXT_COMMANDS: &[&str] = &["add", "change", "replace", "delete", "get"];

/// `TCA_ACT_HW_STATS_*`.
pub(super) const HW_STATS: &[(&str, u32)] = &[("immediate", 1), ("delayed", 2), ("disabled", 0)];

pub(super) const NO_PERCPU_STATS: u32 = 1;
pub(super) const SKIP_HW: u32 = 2;
pub(super) const SKIP_SW: u32 = 4;

/// Actions as the words say them; devices and programs are still names.
pub struct List {
    entries: Vec<Entry>,
    refusal: &'static str,
}

struct Entry {
    kind: &'static str,
    place: Place,
    options: Box<dyn Pending>,
    tail: Tail,
}

/// Where in the command line an action stands, as tc tells it.
struct Place {
    word: String,
    /// Words from the kind on.
    left: usize,
}

/// What follows the words of any kind.
#[derive(Default)]
struct Tail {
    cookie: Option<Vec<u8>>,
    hw_stats: Option<Bitfield32>,
    flags: u32,
}

struct Ready {
    kind: &'static str,
    options: Box<dyn Resolved>,
    tail: Tail,
}

/// Actions that can be sent. They hold open what they refer to by number.
pub struct Actions {
    entries: Vec<Ready>,
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = self.entries.iter().map(|entry| &entry.place.word);
        f.debug_list().entries(kinds).finish()
    }
}

impl std::fmt::Debug for Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actions").field("count", &self.entries.len()).finish()
    }
}

/// Whether another command of the object `actions` begins with this word.
fn is_command(word: &str) -> bool {
    NEXT_COMMANDS.iter().any(|name| abbreviates(word, name))
}

impl List {
    /// Reads the words after `action` up to the end or to `flowid` or `classid`, which are left to
    /// the filter. `refusal` is the last line of most errors: `Illegal "action"`.
    pub fn parse(args: &mut Args<'_>, refusal: &'static str) -> Result<Self, Error> {
        if args.left() == 0 {
            return Err(Error::incomplete());
        }
        let mut list = Self { entries: Vec::new(), refusal };
        let mut cookie = None;
        while let Some(word) = args.peek() {
            match word {
                "flowid" | "classid" => break,
                // Commands of the object `actions`, which takes several in a line.
                _ if is_command(word) => break,
                "action" => {
                    args.word()?;
                    let next = args.peek().unwrap_or("(null)");
                    let ends = matches!(next, "flowid" | "classid");
                    if args.left() == 0 || ends || (!list.is_empty() && is_command(next)) {
                        let left = args.left();
                        let line = format!("parse_action: bad value ({left}:{next})!");
                        let error = Error::refused("bad action empty 1").line(line);
                        return Err(error.line(refusal).at(args.next()));
                    }
                    continue;
                }
                "help" => return Err(Error::refused(refusal)),
                _ => {}
            }
            let place = Place { word: word.to_owned(), left: args.left() };
            let (kind, named) = find_kind(word).map_err(|e| e.at(args.next()))?;
            if named {
                args.word()?;
            }
            if args.left() == 0 && kind.needs_words() {
                return Err(Error::incomplete());
            }
            let options = kind.parse(args).map_err(|e| place.blame(e, refusal))?;
            let tail = Tail::parse(args, &mut cookie)?;
            list.entries.push(Entry { kind: kind.name(), place, options, tail });
        }
        Ok(list)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Looks up the devices and loads the programs.
    pub fn resolve(self, env: &mut dyn Env, target: &Target) -> Result<Actions, Error> {
        let mut actions = Actions { entries: Vec::new() };
        for Entry { kind, place, options, tail } in self.entries {
            match options.resolve(env, target) {
                Ok(options) => actions.entries.push(Ready { kind, options, tail }),
                Err(e) => {
                    actions.undo(env);
                    return Err(place.blame(e, self.refusal));
                }
            }
        }
        Ok(actions)
    }
}

impl Place {
    /// What tc says after the kind's own lines.
    fn blame(&self, e: Error, refusal: &str) -> Error {
        if e.ends_batch() {
            return e;
        }
        let Self { word, left } = self;
        e.line(format_args!("bad action parsing\nparse_action: bad value ({left}:{word})!"))
            .line(refusal)
    }
}

/// The kind that a word names, and whether the word is its name: verdicts alone mean `gact`.
fn find_kind(word: &str) -> Result<(&'static dyn ActionKind, bool), Error> {
    if let Some(kind) = kinds::action(word) {
        return Ok((kind, true));
    }
    match kinds::action("gact") {
        Some(gact) if super::control::is_control(word) => Ok((gact, false)),
        gact => {
            let usage = gact.map(ActionKind::usage).unwrap_or_default();
            let names: Vec<_> = kinds::ACTIONS.iter().map(|kind| kind.name()).collect();
            Err(Error::usage(format_args!("Bad action type {word}\n{usage}"))
                .hint(format!("this version of rtc has the actions {}", names.join(", "))))
        }
    }
}

impl Tail {
    /// Reads what follows the words of a kind, in this order. As tc has it, a cookie goes to all
    /// actions that come after, until another one is given.
    fn parse(args: &mut Args<'_>, cookie: &mut Option<Vec<u8>>) -> Result<Self, Error> {
        let mut tail = Self::default();
        if args.take("cookie") {
            *cookie = parse_cookie(args)?;
        }
        tail.cookie.clone_from(cookie);
        if args.take_abbreviation("hw_stats") {
            let word = args.value()?;
            let found = HW_STATS.iter().find(|(name, _)| abbreviates(word, name));
            let (_, kinds) = found.ok_or_else(|| {
                Error::wrong(word, "value is invalid")
                    .line("")
                    .at(args.last())
                    .hint("expected immediate, delayed or disabled")
            })?;
            tail.hw_stats = Some(Bitfield32::set(*kinds));
        }
        if args.take("no_percpu") {
            tail.flags |= NO_PERCPU_STATS;
        }
        loop {
            tail.flags |= match args.peek() {
                Some("skip_hw") => SKIP_HW,
                Some("skip_sw") => SKIP_SW,
                _ => return Ok(tail),
            };
            args.word()?;
        }
    }
}

/// `None` for an empty word, which is no cookie.
fn parse_cookie(args: &mut Args<'_>) -> Result<Option<Vec<u8>>, Error> {
    let word = args.value()?;
    let wrong = |why: &str| Error::wrong(word, why).at(args.last());
    if word.len() > MAX_COOKIE {
        return Err(wrong(&format!("{} Max allowed size {MAX_COOKIE}", word.len())));
    }
    let digits: Option<Vec<u32>> = word.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(|| {
        wrong("cookie must be a hex string")
            .line("")
            .hint("two hexadecimal digits a byte, 16 bytes at most")
    })?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8))
        .collect();
    Ok((!bytes.is_empty()).then_some(bytes))
}

impl Actions {
    /// The actions as messages hold them. They borrow what `self` keeps open.
    pub fn specs(&self) -> Result<Vec<ActionSpec<'_>>, EncodeError> {
        self.entries
            .iter()
            .map(|Ready { options, tail, .. }| {
                Ok(ActionSpec {
                    cookie: tail.cookie.clone(),
                    hw_stats: tail.hw_stats,
                    flags: (tail.flags != 0).then(|| Bitfield32::set(tail.flags)),
                    ..ActionSpec::new(options.options()?)
                })
            })
            .collect()
    }

    /// The kinds of the actions, in order.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.kind)
    }

    /// The bytes of the list, for an attribute such as `TCA_BPF_ACT`.
    pub fn attrs(&self) -> Result<RawAttrs, EncodeError> {
        ActionSpec::list(&self.specs()?)
    }

    /// What the user asked to be told, for standard error.
    pub fn notes(&self) -> String {
        self.entries.iter().map(|entry| entry.options.notes()).collect()
    }

    /// Takes back what was pinned for them.
    pub(crate) fn undo(&self, env: &mut dyn Env) {
        self.entries.iter().for_each(|entry| entry.options.undo(env));
    }

    /// What is to be said once the kernel has taken them.
    pub(crate) fn advice(&self) -> String {
        self.entries.iter().map(|entry| entry.options.advice()).collect()
    }

    /// What is wrong with the first of them with which something is.
    pub(crate) fn suspicion(&self) -> Option<String> {
        self.entries.iter().find_map(|entry| entry.options.suspicion())
    }
}
