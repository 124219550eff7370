//! `bpf`: words and output. Wire format: [`tc_proto::filter::bpf`].

use std::os::fd::AsFd;

use tc_bpf_loader::info;
use tc_proto::filter::OffloadFlags;
use tc_proto::filter::bpf::{
    Bpf as Wire, BpfFlags, ClassicInsn, Program, TCA_BPF_ACT, TCA_BPF_CLASSID, TCA_BPF_FD,
    TCA_BPF_FLAGS, TCA_BPF_FLAGS_GEN, TCA_BPF_NAME, TCA_BPF_OPS, TCA_BPF_POLICE,
};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::{Base, parse_u32};
use tc_proto::{DecodeError, EncodeError, Handle, Kind, Options};

use super::acts::{self, Acts, ReadyActs};
use super::bpf_source::{self as source, ReadyProgram, Source};
use super::{add_flag, classic, classid};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{FilterKind, FilterWords, Pending, Resolved, Show, Target};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... bpf SOURCE [ direct-action ] [ skip_hw | skip_sw ] [ classid CLASSID ]
          [ police POLICER ] [ action ACTION ... ]

SOURCE is one of:
  object-file FILE [ section NAME ] [ program NAME ] [ export SOCKET ] [ verbose ]
          [ btf FILE ] [ log-file FILE ] [ replace-pins ]
      a program of an ELF object; section \"classifier\" unless the object has just one program
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

direct-action (da) makes the program's result the verdict; CLASSID is hexadecimal.
";

/// The kind `bpf`.
#[derive(Debug)]
pub struct Bpf;

/// What the words after the kind say.
#[derive(Debug, Default)]
struct Words {
    source: Option<Source>,
    classid: Option<Handle>,
    direct_action: bool,
    offload: Option<OffloadFlags>,
    acts: Acts,
}

impl FilterKind for Bpf {
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
            "direct-action",
            "skip_hw",
            "skip_sw",
            "classid",
            "flowid",
            "action",
            "police",
            "help",
        ]
    }

    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error> {
        let handle = handle.map(|word| parse_u32(word, Base::Auto)).transpose();
        let handle = handle.map_err(|e| Error::illegal("handle").hint(e.to_string()))?;
        let mut words = FilterWords { handle: handle.unwrap_or_default(), options: None };
        if args.left() > 0 {
            words.options = Some(Box::new(parse(args)?));
        }
        Ok(words)
    }

    fn describe(&self, options: &[u8]) -> Option<String> {
        let bpf = Wire::decode(options).ok()?;
        let name = bpf.name.unwrap_or_else(|| "a bpf filter".into());
        Some(match bpf.id {
            Some(id) => format!("{name} (id {id})"),
            None => name,
        })
    }

    fn print(
        &self,
        message: &TcMessage<'_>,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let handle = message.header.handle.0;
        if handle != 0 {
            out.field("handle", format!("{handle:#x}"), format_args!("handle {handle:#x} "));
        }
        print(&Wire::decode(options)?, show, out)
    }
}

fn parse(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut words = Words::default();
    while let Some(word) = args.word()? {
        if abbreviates(word, "classid") || abbreviates(word, "flowid") {
            words.classid = Some(classid(args)?);
            args.mark(&[tca::OPTIONS, TCA_BPF_CLASSID]);
        } else if abbreviates(word, "direct-action") || word == "da" {
            words.direct_action = true;
            args.mark(&[tca::OPTIONS, TCA_BPF_FLAGS]);
        } else if abbreviates(word, "skip_hw") || abbreviates(word, "skip_sw") {
            let hw = abbreviates(word, "skip_hw");
            let flag = if hw { OffloadFlags::SKIP_HW } else { OffloadFlags::SKIP_SW };
            add_flag(&mut words.offload, flag);
            args.mark(&[tca::OPTIONS, TCA_BPF_FLAGS_GEN]);
        } else if abbreviates(word, "action") {
            words.acts.action(args, "Illegal \"action\"", TCA_BPF_ACT)?;
        } else if abbreviates(word, "police") {
            words.acts.police(args, TCA_BPF_POLICE)?;
        } else if abbreviates(word, "help") {
            return Err(Error::refused(USAGE));
        } else if abbreviates(word, "run") && words.source.is_some() {
            return Err(Error::duplicate("run", args.value()?).at(args.last()));
        } else if words.source.is_none() {
            words.source = Some(source::parse(word, &source::FILTER, args)?);
            for attr in [TCA_BPF_OPS, TCA_BPF_FD, TCA_BPF_NAME] {
                args.mark(&[tca::OPTIONS, attr]);
            }
        } else {
            let line = format!("What is \"{word}\"?\n{USAGE}");
            return Err(Error::refused(line));
        }
    }
    Ok(words)
}

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let in_hardware_only = self.offload.is_some_and(|o| o.contains(OffloadFlags::SKIP_SW));
        let ifindex = u32::try_from(target.ifindex).ok().filter(|_| in_hardware_only);
        let program =
            self.source.map(|s| source::resolve(s, &source::FILTER, ifindex, env)).transpose()?;
        let acts = self.acts.resolve(env, target);
        let acts = acts.inspect_err(|_| program.iter().for_each(|p| p.undo(env)))?;
        let mut notes = match &program {
            Some(ReadyProgram::Extended { log, .. }) => log.clone(),
            _ => String::new(),
        };
        notes.push_str(acts.notes());
        Ok(Box::new(Ready {
            acts,
            notes,
            program,
            classid: self.classid,
            offload: self.offload,
            flags: self.direct_action.then_some(BpfFlags::DIRECT_ACTION),
        }))
    }
}

/// A filter whose program is at hand.
#[derive(Debug)]
struct Ready {
    program: Option<ReadyProgram>,
    classid: Option<Handle>,
    offload: Option<OffloadFlags>,
    flags: Option<BpfFlags>,
    acts: ReadyActs,
    notes: String,
}

impl Resolved for Ready {
    fn options(&self) -> Result<Options<'_>, EncodeError> {
        let mut wire = Wire {
            classid: self.classid,
            offload: self.offload,
            flags: self.flags,
            actions: self.acts.actions()?,
            police: self.acts.police(),
            ..Wire::default()
        };
        match &self.program {
            Some(ReadyProgram::Classic(insns, _)) => {
                wire.program = Some(Program::Classic(insns.clone()));
            }
            Some(ReadyProgram::Extended { fd, name, .. }) => {
                wire.program = Some(Program::Extended(fd.as_fd()));
                wire.name = Some(name.clone());
            }
            // Without a program tc sends an empty one.
            None => wire.program = Some(Program::Classic(Vec::new())),
        }
        Options::of(&wire)
    }

    fn notes(&self) -> &str {
        &self.notes
    }

    fn undo(&self, env: &mut dyn Env) {
        self.program.iter().for_each(|program| program.undo(env));
        self.acts.undo(env);
    }

    fn advice(&self) -> String {
        let mut said = self.acts.advice();
        if let Some(ReadyProgram::Classic(insns, notes)) = &self.program {
            said.push_str(notes);
            let acts = !self.acts.is_empty();
            said.push_str(&classic::advise_filter(insns, self.classid, acts));
        }
        said
    }

    fn decides(&self) -> bool {
        self.flags.is_some_and(|flags| flags.contains(BpfFlags::DIRECT_ACTION))
    }

    fn suspicion(&self) -> Option<String> {
        match &self.program {
            Some(ReadyProgram::Classic(insns, _)) => classic::suspicion(insns),
            _ => None,
        }
        .or_else(|| self.acts.suspicion())
    }
}

fn print(bpf: &Wire<'_>, show: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
    if let Some(classid) = bpf.classid {
        out.field("flowid", classid.to_string(), format_args!("flowid {classid} "));
    }
    if let Some(name) = &bpf.name {
        out.field("bpf_name", name.as_str(), format_args!("{name} "));
    }
    if bpf.flags.is_some_and(|f| f.contains(BpfFlags::DIRECT_ACTION)) {
        out.flag("direct-action", "direct-action ");
    }
    let offload = bpf.offload.unwrap_or(OffloadFlags::empty());
    for (flag, key, text) in [
        (OffloadFlags::SKIP_HW, "skip_hw", "skip_hw "),
        (OffloadFlags::SKIP_SW, "skip_sw", "skip_sw "),
        (OffloadFlags::IN_HW, "in_hw", "in_hw "),
        (OffloadFlags::NOT_IN_HW, "not_in_hw", "not_in_hw "),
    ] {
        if offload.contains(flag) {
            out.flag(key, text);
        }
    }
    if let Some(Program::Classic(insns)) = &bpf.program {
        print_bytecode(insns, out);
    }
    if let Some(id) = bpf.id {
        print_program(id, bpf.tag, show, out);
    }
    if let Some(police) = &bpf.police {
        out.newline();
        acts::print_police(police, show, out)?;
    }
    acts::print(bpf.actions.as_ref(), show, out);
    Ok(())
}

pub(crate) fn print_bytecode(insns: &[ClassicInsn], out: &mut Out<'_>) {
    out.object("bytecode", |out| {
        out.field("length", insns.len() as u64, format_args!("bytecode '{}", insns.len()));
        out.array("insns", |out| {
            for ClassicInsn { code, jt, jf, k } in insns {
                out.entry(|out| {
                    out.field("code", *code, format_args!(",{code}"));
                    out.field("jt", *jt, format_args!(" {jt}"));
                    out.field("jf", *jf, format_args!(" {jf}"));
                    out.field("k", *k, format_args!(" {k}"));
                });
            }
        });
        out.text(format_args!("'"));
    });
}

/// Shows a loaded program; without the privilege to look at it, its id and tag.
pub(crate) fn print_program(id: u32, tag: Option<[u8; 8]>, show: &mut Show<'_>, out: &mut Out<'_>) {
    let hex = |tag: [u8; 8]| format!("{:016x}", u64::from_be_bytes(tag));
    let details = info::program_by_id(id, show.env.bpf()).ok();
    out.object("prog", |out| {
        out.field("id", id, format_args!("id {id} "));
        let Some(info) = &details else { return };
        if !info.name.is_empty() {
            out.field("name", info.name.as_str(), format_args!("name {} ", info.name));
        }
        let tag = hex(info.tag);
        out.field("tag", tag.as_str(), format_args!("tag {tag} "));
        out.json("jited", u8::from(info.jited));
        if info.jited {
            out.text(format_args!("jited "));
        }
        if show.options.details > 0 {
            let loaded = info.load_time_ns;
            out.field("load_time", loaded, format_args!("load_time {loaded} "));
            let uid = info.created_by_uid;
            out.field("created_by_uid", uid, format_args!("created_by_uid {uid} "));
            if let Some(btf) = info.btf_id {
                out.field("btf_id", btf, format_args!("btf_id {btf} "));
            }
        }
    });
    if let (None, Some(tag)) = (details, tag) {
        let tag = hex(tag);
        out.field("tag", tag.as_str(), format_args!("tag {tag} "));
    }
}
