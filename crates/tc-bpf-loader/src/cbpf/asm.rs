//! The assembler: text to instructions.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use super::lex::{self, Placed, Semicolon, Token};
use super::op::{
    A, ABS, AD_OFF, ARITHMETIC, B, EXTENSIONS, H, IMM, IND, JA, JUMPS, LD, LDX, LEN, MEM, MSH, NEG,
    RET, ST, STX, TAX, TXA, W, X,
};
use super::{MAX_INSNS, SockFilter};

/// Instructions with what is known of their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assembly {
    /// The instructions.
    pub insns: Vec<SockFilter>,
    /// Of each instruction, the line of the text that it begins in, from 1.
    pub lines: Vec<usize>,
    /// What the text may mean differently than it looks, a sentence each.
    pub notes: Vec<String>,
}

/// Why text is no program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsmError {
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl AsmError {
    pub(super) fn new(line: usize, column: usize, problem: Problem) -> Self {
        AsmError { line, column, problem }
    }
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A character that no word has.
    Character(char),
    /// A comment that does not end.
    Unterminated,
    /// No instruction has this name.
    Instruction(String),
    /// Something else was expected.
    #[non_exhaustive]
    Expected {
        /// What.
        wanted: &'static str,
        /// What is there; `None` at the end of the text.
        found: Option<String>,
    },
    /// A number that does not fit.
    Number(String),
    /// A jump leads to a label that is not there.
    NoLabel(String),
    /// Two instructions have the same label.
    TwoLabels(String),
    /// A label at the end has no instruction.
    LabelAtEnd(String),
    /// A jump leads to an instruction before it, or to itself.
    Backward(String),
    /// A conditional jump leads over more than 255 instructions.
    #[non_exhaustive]
    Far {
        /// Where it leads.
        label: String,
        /// Instructions that it leads over.
        distance: usize,
    },
    /// A number in front of an instruction that is not its place.
    Place(String),
    /// There is no instruction, or there are more than [`MAX_INSNS`].
    Length,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Character(c) => write!(f, "the character {c:?} has no meaning here"),
            Problem::Unterminated => f.write_str("the comment does not end"),
            Problem::Instruction(name) => write!(f, "there is no instruction `{name}`"),
            Problem::Expected { wanted, found: Some(found) } => {
                write!(f, "expected {wanted}, found `{found}`")
            }
            Problem::Expected { wanted, found: None } => {
                write!(f, "expected {wanted}, but the text ends")
            }
            Problem::Number(found) => {
                write!(f, "the number {found} does not fit, or has digits that do not exist")
            }
            Problem::NoLabel(label) => write!(f, "there is no label `{label}`"),
            Problem::TwoLabels(label) => write!(f, "the label `{label}` is there twice"),
            Problem::LabelAtEnd(label) => write!(f, "no instruction follows the label `{label}`"),
            Problem::Backward(label) => {
                write!(f, "the jump to `{label}` leads backwards; jumps only lead forward")
            }
            Problem::Far { label, distance } => write!(
                f,
                "the jump to `{label}` leads over {distance} instructions; 255 are the most, `ja` has no limit"
            ),
            Problem::Place(found) => {
                write!(f, "the number ({found}) is not the place of the instruction")
            }
            Problem::Length => write!(f, "a program has 1 to {MAX_INSNS} instructions"),
        }
    }
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl Error for AsmError {}

/// Assembles a text of one line, in which semicolons stand between instructions, or of several, in which a semicolon
/// begins a comment. [The module](super#the-language) describes the language.
///
/// ```
/// use tc_bpf_loader::cbpf::{Bytecode, assemble};
///
/// let drop_arp = assemble("ldh [12]; jne #0x806, drop; ret #-1; drop: ret #0")?;
/// assert_eq!(
///     Bytecode(&drop_arp.insns).to_string(),
///     "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0"
/// );
/// # Ok::<(), tc_bpf_loader::cbpf::AsmError>(())
/// ```
///
/// # Errors
/// [`AsmError`], at the first thing that is wrong.
pub fn assemble(text: &str) -> Result<Assembly, AsmError> {
    let several = text.trim_end().contains('\n');
    run(text, if several { Semicolon::Comment } else { Semicolon::Separator })
}

/// Assembles a file: a semicolon begins a comment, however many lines there are.
///
/// # Errors
/// [`AsmError`], at the first thing that is wrong.
pub fn assemble_file(text: &str) -> Result<Assembly, AsmError> {
    run(text, Semicolon::Comment)
}

fn run(text: &str, semicolon: Semicolon) -> Result<Assembly, AsmError> {
    let (tokens, comments) = lex::tokens(text, semicolon)?;
    let mut parser = Parser { tokens: &tokens, at: 0, ..Parser::default() };
    while parser.at < tokens.len() {
        parser.line()?;
    }
    let mut assembly = parser.link()?;
    for (line, comment) in comments {
        // In a text of one line this would be an instruction.
        if run(comment, Semicolon::Separator).is_ok() {
            assembly.notes.push(format!(
                "line {line}: `{}` is a comment; semicolons stand between instructions in texts of one line only",
                comment.trim()
            ));
        }
    }
    Ok(assembly)
}

/// Where a jump leads.
#[derive(Clone, Copy, Debug)]
enum Target<'a> {
    /// To the next instruction.
    Next,
    Label(&'a str),
    /// To the instruction of this number, as tcpdump has it.
    Place(usize),
}

/// An instruction whose jumps are not linked, and where it stands.
#[derive(Debug)]
struct Parsed<'a> {
    insn: SockFilter,
    jumps: Option<(Target<'a>, Target<'a>)>,
    line: usize,
    column: usize,
}

#[derive(Debug, Default)]
struct Parser<'a> {
    tokens: &'a [Placed<'a>],
    at: usize,
    insns: Vec<Parsed<'a>>,
    labels: HashMap<&'a str, usize>,
    /// Whether instructions have their places in front, as tcpdump writes them.
    numbered: bool,
}

type Parse<T> = Result<T, AsmError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|placed| placed.token)
    }

    /// Line and column of the next token, or of the end.
    fn place(&self) -> (usize, usize) {
        let placed = self.tokens.get(self.at).or(self.tokens.last());
        placed.map_or((1, 1), |placed| (placed.line, placed.column))
    }

    fn error<T>(&self, problem: Problem) -> Parse<T> {
        let (line, column) = self.place();
        Err(AsmError::new(line, column, problem))
    }

    fn expected<T>(&self, wanted: &'static str) -> Parse<T> {
        let found = self.peek().map(|token| match token {
            Token::Name(text) | Token::Number(text) => text.chars().take(32).collect(),
            Token::Sign(c) => c.to_string(),
        });
        self.error(Problem::Expected { wanted, found })
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found = self.peek() == Some(Token::Name(name));
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: char, wanted: &'static str) -> Parse<()> {
        if self.take(sign) { Ok(()) } else { self.expected(wanted) }
    }

    /// Takes a register, `x` or `%x`.
    fn take_register(&mut self, name: &str) -> bool {
        let start = self.at;
        self.take('%');
        if self.take_name(name) {
            return true;
        }
        self.at = start;
        false
    }

    /// A number of 32 bits, which may have a sign.
    fn number(&mut self) -> Parse<u32> {
        let start = self.at;
        let negative = self.take('-');
        if !negative {
            self.take('+');
        }
        let Some(Token::Number(digits)) = self.peek() else {
            return self.expected("a number");
        };
        let value = lex::value(digits).and_then(|n| match negative {
            false => u32::try_from(n).ok(),
            true => (n <= 1 << 31).then(|| (n as u32).wrapping_neg()),
        });
        let Some(value) = value else {
            let sign = if negative { "-" } else { "" };
            self.at = start;
            return self.error(Problem::Number(format!("{sign}{digits:.32}")));
        };
        self.at += 1;
        Ok(value)
    }

    /// Digits that are decimal also with zeros in front.
    fn decimal(&mut self) -> Parse<usize> {
        let Some(Token::Number(digits)) = self.peek() else { return self.expected("a number") };
        let Ok(value) = digits.parse() else {
            return self.error(Problem::Number(format!("{digits:.32}")));
        };
        self.at += 1;
        Ok(value)
    }

    /// `[(PLACE)] [LABEL:] INSTRUCTION`
    fn line(&mut self) -> Parse<()> {
        if self.insns.len() >= MAX_INSNS {
            return self.error(Problem::Length);
        }
        if self.take('(') {
            let number = self.at;
            if self.decimal()? != self.insns.len() {
                self.at = number;
                let Some(Token::Number(digits)) = self.peek() else { return Ok(()) };
                return self.error(Problem::Place(digits.to_owned()));
            }
            self.need(')', "`)` after the instruction's place")?;
            self.numbered = true;
        }
        while let (Some(Token::Name(label)), Some(Token::Sign(':'))) =
            (self.peek(), self.tokens.get(self.at + 1).map(|placed| placed.token))
        {
            if self.labels.insert(label, self.insns.len()).is_some() {
                return self.error(Problem::TwoLabels(label.to_owned()));
            }
            if self.at + 2 >= self.tokens.len() {
                return self.error(Problem::LabelAtEnd(label.to_owned()));
            }
            self.at += 2;
        }
        let (line, column) = self.place();
        let mut jumps = None;
        let insn = if self.take('.') { self.raw()? } else { self.instruction(&mut jumps)? };
        self.insns.push(Parsed { insn, jumps, line, column });
        Ok(())
    }

    /// `.insn CODE JT JF K`: any instruction at all.
    fn raw(&mut self) -> Parse<SockFilter> {
        if !self.take_name("insn") {
            return self.expected("`insn` after the dot");
        }
        let mut field = |most: u32| {
            let start = self.at;
            let value = self.number()?;
            if value > most {
                self.at = start;
                return self.error(Problem::Number(value.to_string()));
            }
            Ok(value)
        };
        let code = field(u16::MAX.into())?;
        let (jt, jf) = (field(u8::MAX.into())?, field(u8::MAX.into())?);
        Ok(SockFilter::new(code as u16, jt as u8, jf as u8, field(u32::MAX)?))
    }

    fn instruction(&mut self, jumps: &mut Option<(Target<'a>, Target<'a>)>) -> Parse<SockFilter> {
        let Some(Token::Name(name)) = self.peek() else { return self.expected("an instruction") };
        self.at += 1;
        let plain = |code| SockFilter::new(code, 0, 0, 0);
        if let Some((_, code)) = ARITHMETIC.iter().find(|(known, _)| *known == name) {
            let (flag, k) = self.operand()?;
            return Ok(SockFilter::new(code | flag, 0, 0, k));
        }
        if let Some((_, code, inverted)) = JUMPS.iter().find(|(known, ..)| *known == name) {
            let (flag, k) = self.operand()?;
            *jumps = Some(self.targets(*inverted)?);
            return Ok(SockFilter::new(code | flag, 0, 0, k));
        }
        Ok(match name {
            "ld" => self.load(W)?,
            "ldh" => self.load(H)?,
            "ldb" => self.load(B)?,
            "ldi" => SockFilter::new(LD | IMM, 0, 0, self.constant()?),
            "ldx" => self.load_x()?,
            "ldxi" => SockFilter::new(LDX | IMM, 0, 0, self.constant()?),
            "ldxb" => self.header_length()?,
            "st" => SockFilter::new(ST, 0, 0, self.cell()?),
            "stx" => SockFilter::new(STX, 0, 0, self.cell()?),
            "jmp" | "ja" => {
                let to = self.target()?;
                *jumps = Some((to, Target::Next));
                plain(JA)
            }
            "neg" => plain(NEG),
            "tax" => plain(TAX),
            "txa" => plain(TXA),
            "ret" if self.take_register("a") => plain(RET | A),
            "ret" if self.take_register("x") => plain(RET | X),
            "ret" => SockFilter::new(RET, 0, 0, self.constant()?),
            other => {
                self.at -= 1;
                return self.error(Problem::Instruction(other.chars().take(32).collect()));
            }
        })
    }

    /// `#NUMBER`
    fn constant(&mut self) -> Parse<u32> {
        self.need('#', "`#` and a number")?;
        self.number()
    }

    /// `#NUMBER`, or the register X.
    fn operand(&mut self) -> Parse<(u16, u32)> {
        if self.take_register("x") {
            return Ok((X, 0));
        }
        if self.peek() != Some(Token::Sign('#')) {
            return self.expected("`#` and a number, or `x`");
        }
        Ok((0, self.constant()?))
    }

    /// `M[NUMBER]`
    fn cell(&mut self) -> Parse<u32> {
        if !self.take_name("M") {
            return self.expected("a memory cell, `M[0]` to `M[15]`");
        }
        self.need('[', "`[` after `M`")?;
        let k = self.number()?;
        self.need(']', "`]` after the cell's number")?;
        Ok(k)
    }

    /// The name of an extension, if one is next.
    fn extension(&mut self) -> Option<u32> {
        let Some(Token::Name(name)) = self.peek() else { return None };
        let (_, offset) = EXTENSIONS.iter().find(|(known, _)| *known == name)?;
        self.at += 1;
        Some(AD_OFF + offset)
    }

    fn take_len(&mut self) -> bool {
        // tcpdump's name for it is the second one.
        self.take_name("len") || self.take_name("pktlen")
    }

    fn load(&mut self, size: u16) -> Parse<SockFilter> {
        const WANTED: &str =
            "`[NUMBER]`, `[x + NUMBER]`, `#NUMBER`, `M[NUMBER]` or the name of an extension";
        const WANTED_SHORT: &str = "`[NUMBER]`, `[x + NUMBER]` or the name of an extension";
        let wanted = if size == W { WANTED } else { WANTED_SHORT };
        let absolute = |k| SockFilter::new(LD | size | ABS, 0, 0, k);
        if self.take('[') {
            let insn = if self.take_register("x") {
                if !matches!(self.peek(), Some(Token::Sign('+' | '-'))) {
                    return self.expected("`+` and a number");
                }
                // The sign belongs to the number, or is followed by one with a sign of its own.
                let start = self.at;
                self.take('+');
                if !matches!(self.peek(), Some(Token::Sign('-') | Token::Number(_))) {
                    self.at = start;
                }
                SockFilter::new(LD | size | IND, 0, 0, self.number()?)
            } else if let Some(k) = self.extension() {
                absolute(k)
            } else {
                absolute(self.number()?)
            };
            self.need(']', "`]`")?;
            return Ok(insn);
        }
        let start = self.at;
        let hash = self.take('#');
        if let Some(k) = self.extension() {
            return Ok(absolute(k));
        }
        if size == W {
            if self.take_len() {
                return Ok(SockFilter::new(LD | W | LEN, 0, 0, 0));
            }
            if hash {
                return Ok(SockFilter::new(LD | IMM, 0, 0, self.number()?));
            }
            if self.peek() == Some(Token::Name("M")) {
                return Ok(SockFilter::new(LD | MEM, 0, 0, self.cell()?));
            }
        }
        self.at = start;
        self.expected(wanted)
    }

    fn load_x(&mut self) -> Parse<SockFilter> {
        let start = self.at;
        let hash = self.take('#');
        if self.take_len() {
            return Ok(SockFilter::new(LDX | W | LEN, 0, 0, 0));
        }
        self.at = start;
        match self.peek() {
            Some(Token::Sign('#')) if hash => {
                Ok(SockFilter::new(LDX | IMM, 0, 0, self.constant()?))
            }
            Some(Token::Name("M")) => Ok(SockFilter::new(LDX | MEM, 0, 0, self.cell()?)),
            Some(Token::Number("4")) => self.header_length(),
            _ => self.expected("`#NUMBER`, `M[NUMBER]`, `len` or `4*([NUMBER]&0xf)`"),
        }
    }

    /// `4*([NUMBER]&0xf)`
    fn header_length(&mut self) -> Parse<SockFilter> {
        const WANTED: &str = "`4*([NUMBER]&0xf)`";
        let fixed = |parser: &mut Self, value: u64| match parser.peek() {
            Some(Token::Number(digits)) if lex::value(digits) == Some(value) => {
                parser.at += 1;
                Ok(())
            }
            _ => parser.expected(WANTED),
        };
        fixed(self, 4)?;
        for sign in ['*', '(', '['] {
            self.need(sign, WANTED)?;
        }
        let k = self.number()?;
        for sign in [']', '&'] {
            self.need(sign, WANTED)?;
        }
        fixed(self, 15)?;
        self.need(')', WANTED)?;
        Ok(SockFilter::new(LDX | B | MSH, 0, 0, k))
    }

    /// A label, or the place of an instruction where those are numbered.
    fn target(&mut self) -> Parse<Target<'a>> {
        match self.peek() {
            Some(Token::Name(label)) => {
                self.at += 1;
                Ok(Target::Label(label))
            }
            Some(Token::Number(_)) if self.numbered => Ok(Target::Place(self.decimal()?)),
            _ => self.expected("a label"),
        }
    }

    /// `, LABEL [, LABEL]`, or `jt PLACE jf PLACE`
    fn targets(&mut self, inverted: bool) -> Parse<(Target<'a>, Target<'a>)> {
        if self.numbered && self.take_name("jt") {
            let holds = Target::Place(self.decimal()?);
            if !self.take_name("jf") {
                return self.expected("`jf`");
            }
            let fails = Target::Place(self.decimal()?);
            return Ok(if inverted { (fails, holds) } else { (holds, fails) });
        }
        self.need(',', "`,` and a label")?;
        let first = self.target()?;
        if inverted {
            return Ok((Target::Next, first));
        }
        let second = if self.take(',') { self.target()? } else { Target::Next };
        Ok((first, second))
    }

    /// Fills in where the jumps lead.
    fn link(self) -> Parse<Assembly> {
        let Parser { insns: parsed, labels, .. } = self;
        if parsed.is_empty() {
            return Err(AsmError::new(1, 1, Problem::Length));
        }
        let mut assembly = Assembly::default();
        for (index, parsed) in parsed.iter().enumerate() {
            let fail = |problem| AsmError::new(parsed.line, parsed.column, problem);
            let distance = |to: Target<'_>, most: usize| {
                let (place, name) = match to {
                    Target::Next => return Ok(0),
                    Target::Place(place) => (Some(place), place.to_string()),
                    Target::Label(label) => (labels.get(label).copied(), label.to_owned()),
                };
                let Some(place) = place else { return Err(fail(Problem::NoLabel(name))) };
                let Some(distance) = place.checked_sub(index + 1) else {
                    return Err(fail(Problem::Backward(name)));
                };
                if distance > most {
                    return Err(fail(Problem::Far { label: name, distance }));
                }
                Ok(distance)
            };
            let mut insn = parsed.insn;
            match parsed.jumps {
                Some((to, _)) if insn.code == JA => insn.k = distance(to, MAX_INSNS)? as u32,
                Some((holds, fails)) => {
                    insn.jt = distance(holds, 255)? as u8;
                    insn.jf = distance(fails, 255)? as u8;
                }
                None => {}
            }
            assembly.insns.push(insn);
            assembly.lines.push(parsed.line);
        }
        Ok(assembly)
    }
}
