//! `bpf`: words and output. Wire format: [`tc_proto::action::bpf`].

use std::os::fd::AsFd;

use tc_proto::action::bpf::Bpf as Wire;
use tc_proto::action::{ActionHead, Control};
use tc_proto::filter::bpf::Program;
use tc_proto::{DecodeError, EncodeError, Kind, Options};

use super::{control, parse_index, print};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::filter::bpf::{print_bytecode, print_program};
use crate::filter::bpf_source::{self as source, ReadyProgram, Source};
use crate::filter::classic;
use crate::kinds::{ActionKind, Pending, Resolved, Show, Target};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... bpf SOURCE [ VERDICT ] [ index INDEX ]

SOURCE is one of:
  object-file FILE [ section NAME ] [ program NAME ] [ export SOCKET ] [ verbose ]
          [ btf FILE ] [ log-file FILE ] [ replace-pins ]
      a program of an ELF object; section \"action\" unless the object has just one program
  object-pinned FILE
      a program that is pinned in a BPF file system
  bytecode 'COUNT,CODE JT JF K,...'
      classic BPF, all numbers decimal
  bytecode-file FILE
      the same from a file, one instruction a line or separated by commas
  asm 'INSTRUCTION; ...'
      classic BPF in the assembler's language; \"rtc bpf help\" tells more of it
  asm-file FILE
      the same from a file, where a semicolon begins a comment

VERDICT, pipe by default, holds when the program returns -1.
";

/// The kind `bpf`.
#[derive(Debug)]
pub struct Bpf;

/// What the words after the kind say.
#[derive(Debug)]
struct Words {
    head: ActionHead,
    source: Option<Source>,
}

/// An action whose program is at hand.
#[derive(Debug)]
struct Ready {
    head: ActionHead,
    program: Option<ReadyProgram>,
}

impl ActionKind for Bpf {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "object-file",
            "section",
            "program",
            "export",
            "verbose",
            "btf",
            "log-file",
            "replace-pins",
            "object-pinned",
            "bytecode",
            "bytecode-file",
            "asm",
            "asm-file",
            "index",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Box<dyn Pending>, Error> {
        let mut found = None;
        let next_is = |args: &Args<'_>, keyword: &str| {
            args.peek().is_some_and(|word| abbreviates(word, keyword))
        };
        if !next_is(args, "index") && !next_is(args, "help") {
            let word = args.value()?;
            found = Some(source::parse(word, &source::ACTION, args)?);
        }
        if next_is(args, "help") {
            return Err(Error::refused(USAGE));
        }
        let control = control::parse(args)?.unwrap_or(Control::PIPE);
        let head = ActionHead::new(parse_index(args, "bpf: ")?, control);
        Ok(Box::new(Words { head, source: found }))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let bpf = Wire::decode(options)?;
        out.field("kind", Wire::NAME, format_args!("{} ", Wire::NAME));
        if let Some(name) = &bpf.name {
            out.field("bpf_name", name.as_str(), format_args!("{name} "));
        }
        if let Some(Program::Classic(insns)) = &bpf.program {
            print_bytecode(insns, out);
            out.text(format_args!(" "));
        }
        match (bpf.id, bpf.tag) {
            (Some(id), tag) => print_program(id, tag, show, out),
            (None, Some(tag)) => {
                let tag = format!("{:016x}", u64::from_be_bytes(tag));
                out.field("tag", tag.as_str(), format_args!("tag {tag} "));
            }
            (None, None) => {}
        }
        control::print(bpf.head.control, "control_action", "default-action ", "", out);
        out.newline();
        print::print_refs_open(&bpf.head, bpf.times, "\t ", show, out);
        // A line break that -oneline does not replace.
        out.text(format_args!("\n "));
        Ok(())
    }
}

impl Pending for Words {
    fn resolve(self: Box<Self>, env: &mut dyn Env, _: &Target) -> Result<Box<dyn Resolved>, Error> {
        let program = self.source.map(|s| source::resolve(s, &source::ACTION, None, env));
        Ok(Box::new(Ready { head: self.head, program: program.transpose()? }))
    }
}

impl Resolved for Ready {
    fn options(&self) -> Result<Options<'_>, EncodeError> {
        let mut wire = Wire { head: self.head, ..Wire::default() };
        match &self.program {
            Some(ReadyProgram::Classic(insns, _)) => {
                wire.program = Some(Program::Classic(insns.clone()));
            }
            Some(ReadyProgram::Extended { fd, name, .. }) => {
                wire.program = Some(Program::Extended(fd.as_fd()));
                wire.name = Some(name.clone());
            }
            None => {}
        }
        // What the bytes refer to is the descriptor in `self`.
        Options::of(&wire)
    }

    fn notes(&self) -> &str {
        match &self.program {
            Some(ReadyProgram::Extended { log, .. }) => log,
            _ => "",
        }
    }

    fn undo(&self, env: &mut dyn Env) {
        self.program.iter().for_each(|program| program.undo(env));
    }

    fn advice(&self) -> String {
        match &self.program {
            Some(ReadyProgram::Classic(insns, notes)) => {
                format!("{notes}{}", classic::advise_action(insns))
            }
            _ => String::new(),
        }
    }

    fn suspicion(&self) -> Option<String> {
        match &self.program {
            Some(ReadyProgram::Classic(insns, _)) => classic::suspicion(insns),
            _ => None,
        }
    }
}
