//! `asm` and `disasm`: classic BPF, from one form into another.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;

use tc_bpf_loader::cbpf::{
    self, Assembly, Bytecode, Disassembly, Initialisers, MAX_INSNS, SockFilter,
};

use super::{Session, Step, end};
use crate::args::Args;
use crate::error::{Error, io_text};
use crate::filter::classic;

/// The most bytes of a text that are read: enough for the longest program with long comments.
const MAX_TEXT: u64 = MAX_INSNS as u64 * 1024;

/// What a command reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Text,
    Bytecode,
}

/// What it writes.
#[derive(Clone, Copy)]
enum Form {
    Bytecode,
    Lines,
    C,
    Text,
}

pub(super) fn run(
    source: Source,
    args: &mut Args<'_>,
    session: &mut Session<'_>,
) -> Result<Step, Error> {
    let mut form = if source == Source::Text { Form::Bytecode } else { Form::Text };
    let from_file = args.take("file");
    let (file, inline) =
        if from_file { (args.file()?, "") } else { (OsStr::new(""), args.value()?) };
    let place = args.last();
    if args.take("as") {
        form = match args.value()? {
            "bytecode" => Form::Bytecode,
            "lines" => Form::Lines,
            "c" => Form::C,
            "text" => Form::Text,
            other => {
                let hint = "forms are bytecode, lines, c and text";
                return Err(Error::wrong(other, "invalid form").at(args.last()).hint(hint));
            }
        };
    }
    end(args)?;
    let read;
    let text = match from_file {
        true => {
            read = read_text(file, session)?;
            &*read
        }
        false => inline,
    };
    let shown = file.to_string_lossy();
    let name = if from_file { format!("{shown}: ") } else { String::new() };
    let refused = |why: String| Error::refused("").hint(format!("{name}{why}")).at(place.clone());
    let assembly = match source {
        Source::Text => {
            let rules = if from_file { cbpf::assemble_file } else { cbpf::assemble };
            let assembly = classic::assemble(text, rules);
            assembly.map_err(|why| refused(why).after("Unable to assemble"))?
        }
        Source::Bytecode => {
            let insns = cbpf::parse_any_bytecode(text);
            let insns =
                insns.map_err(|e| refused(e.to_string()).after("Unable to read bytecode"))?;
            let mut assembly = Assembly::default();
            if let Err(e) = cbpf::validate(&insns) {
                let insn = insns.get(e.index).map(ToString::to_string).unwrap_or_default();
                let note = format!(
                    "the kernel would refuse it: instruction {}, `{insn}`: {}",
                    e.index, e.reason
                );
                assembly.notes.push(note);
            }
            assembly.insns = insns;
            assembly
        }
    };
    print(&assembly.insns, form, session);
    let notes: String = assembly.notes.iter().map(|note| classic::note(note)).collect();
    session.complain(&notes);
    Ok(Step::Done)
}

fn read_text(file: &OsStr, session: &mut Session<'_>) -> Result<String, Error> {
    let mut text = Vec::new();
    let input = match file.to_str() {
        Some("-") => Ok(session.env.stdin()),
        _ => session.env.open(Path::new(file)),
    };
    let read = input.and_then(|input| input.take(MAX_TEXT).read_to_end(&mut text));
    read.map_err(|e| {
        let shown = file.to_string_lossy();
        Error::new(1, format_args!("Cannot open file \"{shown}\" for reading: {}", io_text(&e)))
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn print(insns: &[SockFilter], form: Form, session: &mut Session<'_>) {
    session.out.document(|out| {
        out.entry(|out| {
            out.json("length", insns.len() as u64);
            out.json("bytecode", &*Bytecode(insns).to_string());
            match form {
                Form::Bytecode => out.text(format_args!("{},\n", Bytecode(insns))),
                Form::C => out.text(format_args!("{}", Initialisers(insns))),
                Form::Text => out.text(format_args!("{}", Disassembly(insns))),
                Form::Lines => {
                    out.text(format_args!("{}\n", insns.len()));
                    for SockFilter { code, jt, jf, k } in insns {
                        out.text(format_args!("{code} {jt} {jf} {k}\n"));
                    }
                }
            }
            if !out.is_json() {
                return;
            }
            out.array("insns", |out| {
                for insn in insns {
                    out.entry(|out| {
                        out.json("code", insn.code);
                        out.json("jt", insn.jt);
                        out.json("jf", insn.jf);
                        out.json("k", insn.k);
                        out.json("text", &*insn.to_string());
                    });
                }
            });
        });
    });
}
