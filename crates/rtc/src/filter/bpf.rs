//! `bpf`: words and output. Wire format: [`tc_proto::filter::bpf`].

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};

use tc_bpf_loader::cbpf::{self, BytecodeError, SockFilter};
use tc_bpf_loader::info;
use tc_proto::filter::bpf::{
    Bpf as Wire, BpfFlags, ClassicInsn, OffloadFlags, Program, TCA_BPF_CLASSID, TCA_BPF_FD,
    TCA_BPF_FLAGS, TCA_BPF_FLAGS_GEN, TCA_BPF_NAME, TCA_BPF_OPS,
};
use tc_proto::msg::{TcMessage, tca};
use tc_proto::units::{Base, parse_u32};
use tc_proto::{DecodeError, EncodeError, Handle, Kind, Options};

use super::bpf_source as source;
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{FilterKind, Pending, Resolved, Show, Target};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... bpf SOURCE [ direct-action ] [ skip_hw | skip_sw ] [ classid CLASSID ]

SOURCE is one of:
  object-file FILE [ section NAME ] [ program NAME ] [ verbose ]
      a program of an ELF object; section \"classifier\" unless the object has just one program
  object-pinned FILE
      a program that is pinned in a BPF file system
  bytecode 'COUNT,CODE JT JF K,...'
      classic BPF, all numbers decimal
  bytecode-file FILE
      the same from a file, one instruction a line or separated by commas

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
}

/// Where the program comes from.
#[derive(Debug)]
pub(super) enum Source {
    Bytecode(Vec<SockFilter>),
    BytecodeFile(OsString),
    Object { file: OsString, section: Option<String>, program: Option<String>, verbose: bool },
    Pinned(OsString),
}

/// A program that is at hand.
#[derive(Debug)]
pub(super) enum ReadyProgram {
    Classic(Vec<ClassicInsn>),
    Extended { fd: OwnedFd, name: String, log: String },
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
            "verbose",
            "object-pinned",
            "bytecode",
            "bytecode-file",
            "direct-action",
            "skip_hw",
            "skip_sw",
            "classid",
            "flowid",
            "help",
        ]
    }

    fn parse_handle(&self, word: &str) -> Result<u32, Error> {
        parse_u32(word, Base::Auto).map_err(|e| Error::illegal("handle").hint(e.to_string()))
    }

    fn parse(&self, args: &mut Args<'_>) -> Result<Option<Box<dyn Pending>>, Error> {
        if args.left() == 0 {
            return Ok(None);
        }
        Ok(Some(Box::new(parse(args)?)))
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
        print(&Wire::decode(options)?, show, out);
        Ok(())
    }
}

fn parse(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut words = Words::default();
    while let Some(word) = args.word()? {
        if abbreviates(word, "classid") || word == "flowid" {
            let classid = Handle::parse_classid(args.value()?)
                .map_err(|e| Error::illegal("classid").at(args.last()).hint(e.to_string()))?;
            words.classid = Some(classid);
            args.mark(&[tca::OPTIONS, TCA_BPF_CLASSID]);
        } else if abbreviates(word, "direct-action") || word == "da" {
            words.direct_action = true;
            args.mark(&[tca::OPTIONS, TCA_BPF_FLAGS]);
        } else if abbreviates(word, "skip_hw") || abbreviates(word, "skip_sw") {
            let hw = abbreviates(word, "skip_hw");
            let flag = if hw { OffloadFlags::SKIP_HW } else { OffloadFlags::SKIP_SW };
            words.offload = Some(words.offload.unwrap_or(OffloadFlags::empty()) | flag);
            args.mark(&[tca::OPTIONS, TCA_BPF_FLAGS_GEN]);
        } else if abbreviates(word, "action") || abbreviates(word, "police") {
            let keyword = if abbreviates(word, "action") { "action" } else { "police" };
            let hint = "this version of rtc has no actions; they come later";
            return Err(Error::illegal(keyword).at(args.last()).hint(hint));
        } else if abbreviates(word, "help") {
            return Err(Error::refused(USAGE));
        } else if abbreviates(word, "run") && words.source.is_some() {
            return Err(Error::duplicate("run", args.value()?).at(args.last()));
        } else if words.source.is_none() {
            words.source = Some(parse_source(word, args)?);
        } else {
            let line = format_args!("What is \"{word}\"?\n{USAGE}");
            return Err(Error::refused(line));
        }
    }
    Ok(words)
}

/// Reads the words that name the program.
fn parse_source(word: &str, args: &mut Args<'_>) -> Result<Source, Error> {
    // An old word that says nothing.
    let word = if abbreviates(word, "run") { args.value()? } else { word };
    let found = if abbreviates(word, "bytecode") || word == "bc" {
        let insns = cbpf::parse_bytecode(args.value()?);
        Source::Bytecode(insns.map_err(|e| bad_bytecode(&e).at(args.last()))?)
    } else if abbreviates(word, "bytecode-file") || word == "bcf" {
        Source::BytecodeFile(args.file()?.to_owned())
    } else if abbreviates(word, "object-file") || word == "obj" {
        parse_object(args)?
    } else if abbreviates(word, "object-pinned") || matches!(word, "pinned" | "fd") {
        Source::Pinned(args.file()?.to_owned())
    } else {
        let line = format_args!("What mode is \"{word}\"?\nUnable to parse bpf command line");
        return Err(Error::refused(line).at(args.last()));
    };
    for attr in [TCA_BPF_OPS, TCA_BPF_FD, TCA_BPF_NAME] {
        args.mark(&[tca::OPTIONS, attr]);
    }
    Ok(found)
}

/// `FILE [section NAME] [program NAME] [export SOCKET] [verbose]`, in this order.
fn parse_object(args: &mut Args<'_>) -> Result<Source, Error> {
    let file = args.file()?.to_owned();
    let section = if args.take_abbreviation("section") { Some(args.value()?.into()) } else { None };
    let program = if args.take("program") { Some(args.value()?.into()) } else { None };
    if args.take_abbreviation("export") {
        let hint = "this version of rtc cannot hand maps over a socket; that comes later";
        return Err(Error::refused("Unable to load program").at(args.last()).hint(hint));
    }
    let verbose = args.take_abbreviation("verbose");
    Ok(Source::Object { file, section, program, verbose })
}

/// Classic bytecode that cannot be read.
pub(super) fn bad_bytecode(e: &BytecodeError) -> Error {
    let said = match e {
        BytecodeError::Less { .. } => {
            "Parsed program length is less than encoded length parameter!\n".into()
        }
        BytecodeError::More { .. } => {
            "Real program length exceeds encoded length parameter!\n".into()
        }
        BytecodeError::At { index, .. } => format!("Error at instruction {index}!\n"),
        _ => String::new(),
    };
    Error::refused(format_args!("{said}Unable to parse bpf command line")).hint(e.to_string())
}

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let in_hardware_only = self.offload.is_some_and(|o| o.contains(OffloadFlags::SKIP_SW));
        let ifindex = u32::try_from(target.ifindex).ok().filter(|_| in_hardware_only);
        let program = self.source.map(|s| source::resolve(s, ifindex, env)).transpose()?;
        Ok(Box::new(Ready {
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
}

impl Resolved for Ready {
    fn options(&self) -> Result<Options<'_>, EncodeError> {
        let mut wire = Wire {
            classid: self.classid,
            offload: self.offload,
            flags: self.flags,
            ..Wire::default()
        };
        match &self.program {
            Some(ReadyProgram::Classic(insns)) => {
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
        match &self.program {
            Some(ReadyProgram::Extended { log, .. }) => log,
            _ => "",
        }
    }
}

fn print(bpf: &Wire<'_>, show: &mut Show<'_>, out: &mut Out<'_>) {
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
    if let Some(actions) = &bpf.actions {
        crate::actions::print(actions.attrs(), out);
    }
}

fn print_bytecode(insns: &[ClassicInsn], out: &mut Out<'_>) {
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
fn print_program(id: u32, tag: Option<[u8; 8]>, show: &mut Show<'_>, out: &mut Out<'_>) {
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
        if info.jited {
            out.field("jited", 1u8, format_args!("jited "));
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
