//! What holds for any command line: no panic, one of tc's four statuses, and a reason for each
//! failure.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use rtc::env::Env;
use rtc::error::Error;
use tc_bpf_loader::sys::{Bpf, Errno, Fake};
use tc_bpf_loader::{ObjectError, ObjectSpec};
use tc_proto::Handle;
use tc_proto::client::{Ack, Dump, Error as ClientError, KernelError, Message, Monitor};
use tc_proto::error::AttrPath;
use tc_proto::msg::{MessageType, Request, TcHeader, flags, tca};
use tc_proto::wire::AttrWriter;

/// A system whose every file is empty and whose kernel grants everything or nothing.
struct Empty {
    grants: bool,
    bpf: Fake,
    /// The messages of every list.
    list: Vec<u8>,
    /// The attribute that refusals complain of.
    blames: Option<AttrPath>,
}

impl Empty {
    fn new(grants: bool) -> Self {
        let mut bpf = Fake::new();
        if !grants {
            bpf.refuse_get(Errno::ENOENT);
        }
        Self { grants, bpf, list: Vec::new(), blames: None }
    }

    fn outcome(&self, request: &Request<'_>) -> Result<Ack, ClientError> {
        match self.grants {
            true => Ok(Ack::default()),
            false => {
                let mut e = KernelError::new(22, request.message_type().0);
                e.attribute.clone_from(&self.blames);
                Err(ClientError::Kernel(Box::new(e)))
            }
        }
    }
}

fn refused(message_type: u16) -> ClientError {
    ClientError::Kernel(Box::new(KernelError::new(1, message_type)))
}

impl Env for Empty {
    fn enter_netns(&mut self, _: &OsStr) -> Result<(), Error> {
        Ok(())
    }

    fn request(&mut self, request: &Request<'_>) -> Result<Ack, ClientError> {
        self.outcome(request)
    }

    fn queue(
        &mut self,
        request: &Request<'_>,
        report: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        report(0, self.outcome(request));
        Ok(())
    }

    fn settle(
        &mut self,
        _: &mut dyn FnMut(u64, Result<Ack, ClientError>),
    ) -> Result<(), ClientError> {
        Ok(())
    }

    fn get(&mut self, request: &Request<'_>) -> Result<Message, ClientError> {
        self.outcome(request).map(|_| Message::default())
    }

    fn dump(&mut self, request: &Request<'_>) -> (Dump, Result<(), ClientError>) {
        (Dump::recorded(self.list.clone()), self.outcome(request).map(drop))
    }

    fn monitor(&mut self) -> Result<Monitor, ClientError> {
        Err(refused(0))
    }

    fn ifindex(&mut self, name: &str) -> Result<i32, ClientError> {
        if name == "lo" { Ok(1) } else { Err(refused(18)) }
    }

    fn learn_ifnames(&mut self, _: &[i32]) -> Result<(), ClientError> {
        Ok(())
    }

    fn ifname(&mut self, index: i32) -> String {
        format!("if{index}")
    }

    fn bpf(&mut self) -> &mut dyn Bpf {
        &mut self.bpf
    }

    fn open(&mut self, _: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(io::empty()))
    }

    fn stdin(&mut self) -> Box<dyn Read> {
        Box::new(io::empty())
    }

    fn object(&mut self, file: &Path) -> Result<ObjectSpec, ObjectError> {
        ObjectSpec::parse(&file.to_string_lossy(), &[])
    }

    fn var(&self, _: &str) -> Option<OsString> {
        None
    }

    fn shows_on_terminal(&self) -> bool {
        false
    }
}

/// Status, standard output and standard error of a command line, the program's name included.
fn run(words: &[OsString], grants: bool) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = rtc::run(words, &mut Empty::new(grants), &mut out, &mut err);
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes);
        assert!(text.is_ok(), "output that is not UTF-8");
        text.unwrap_or_default()
    };
    (status, text(out), text(err))
}

/// What must hold whatever the words are.
fn check(words: &[OsString], grants: bool) {
    let (status, out, err) = run(words, grants);
    assert!(matches!(status, 0 | 1 | 2 | 255), "status {status}");
    assert!(status == 0 || !err.is_empty(), "status {status} without a reason");
    // On success there is at most a usage, asked for or because nothing was, or lines of our own.
    let usage = || err.starts_with("Usage: ");
    let ours = || err.lines().all(|line| line.starts_with("  "));
    assert!(status != 0 || usage() || ours(), "status 0 in spite of: {err}");
    let json = words.iter().any(|word| word == "-j" || word == "-json");
    if json && out.starts_with('[') {
        let value = serde_json::from_str::<serde_json::Value>(&out);
        assert!(value.is_ok(), "{:?}: {out}", value.err());
    }
}

fn line(words: &[&str]) -> Vec<OsString> {
    ["rtc"].iter().chain(words).map(OsString::from).collect()
}

const VOCABULARY: &[&str] = &[
    "qdisc",
    "class",
    "filter",
    "chain",
    "actions",
    "monitor",
    "exec",
    "help",
    "completions",
    "add",
    "change",
    "replace",
    "link",
    "delete",
    "del",
    "show",
    "list",
    "ls",
    "get",
    "file",
    "dev",
    "lo",
    "nosuch",
    "root",
    "ingress",
    "egress",
    "clsact",
    "parent",
    "handle",
    "estimator",
    "stab",
    "mtu",
    "mpu",
    "overhead",
    "tsize",
    "linklayer",
    "atm",
    "ingress_block",
    "egress_block",
    "block",
    "invisible",
    "pref",
    "prio",
    "protocol",
    "ip",
    "all",
    "802.1Q",
    "pfifo",
    "bfifo",
    "pfifo_fast",
    "pfifo_head_drop",
    "mq",
    "noqueue",
    "htb",
    "netem",
    "delay",
    "loss",
    "random",
    "state",
    "gemodel",
    "reorder",
    "gap",
    "rate",
    "slot",
    "distribution",
    "normal",
    "25%",
    "nonesuch",
    "limit",
    "bpf",
    "bytecode",
    "bytecode-file",
    "1,6 0 0 0",
    "2,6 0 0 0,",
    "object-file",
    "x.o",
    "section",
    "program",
    "verbose",
    "object-pinned",
    "pinned",
    "da",
    "direct-action",
    "skip_hw",
    "skip_sw",
    "classid",
    "flowid",
    "action",
    "police",
    "run",
    "words",
    "bash",
    "1",
    "0",
    "-1",
    "1:",
    "1:1",
    ":1",
    "ffff:fff1",
    "0x10",
    "10k",
    "1mb",
    "100ms",
    "1s",
    "8s",
    "4294967295",
    "4294967296",
    "65536",
    "18446744073709551616",
    "1e9",
    "nan",
    "inf",
    "none",
    "",
    "-",
    "-s",
    "-d",
    "-j",
    "-p",
    "-r",
    "-o",
    "-iec",
    "-N",
    "-br",
    "-nm",
    "-t",
    "-ts",
    "-echo",
    "-force",
    "-color",
    "-color=auto",
    "-c",
    "-cf",
    "-n",
    "-V",
    "-h",
    "-x",
    "--",
];

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        12 => proptest::sample::select(VOCABULARY).prop_map(OsString::from),
        // Abbreviations.
        2 => (proptest::sample::select(VOCABULARY), 0..6usize)
            .prop_map(|(word, end)| word.chars().take(end).collect::<String>().into()),
        1 => any::<String>().prop_map(OsString::from),
        1 => vec(any::<u8>(), 0..20).prop_map(OsString::from_vec),
        1 => "[0-9a-fx:.,/%+-]{1,12}".prop_map(OsString::from),
    ]
}

/// Words that make sense together in front of any others, so that those are looked at.
const BEGINNINGS: &[&[&str]] = &[
    &[],
    &["qdisc"],
    &["qdisc", "add", "dev", "lo"],
    &["qdisc", "replace", "dev", "lo", "root", "bfifo"],
    &["qdisc", "add", "dev", "lo", "root", "netem"],
    &["qdisc", "add", "dev", "lo", "root", "netem", "slot", "distribution"],
    &["qdisc", "add", "dev", "lo", "root", "stab"],
    &["-j", "qdisc", "show"],
    &["filter", "add", "dev", "lo", "ingress"],
    &["filter", "add", "dev", "lo", "ingress", "bpf"],
    &["filter", "add", "dev", "lo", "ingress", "bpf", "bytecode"],
    &["-j", "filter", "show", "dev", "lo"],
    &["filter", "get", "dev", "lo", "ingress", "protocol", "ip", "pref", "1", "handle", "1"],
    &["completions", "words"],
    &["monitor"],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_command_line_panics_and_failures_have_reasons(
        beginning in proptest::sample::select(BEGINNINGS),
        rest in vec(word(), 0..12),
        grants in any::<bool>(),
    ) {
        // A batch has rules of its own: it may fail and say so with status 0, as tc's does.
        let batch = |word: &OsString| word.to_str().is_some_and(|w| {
            w.starts_with("-b") && !w.starts_with("-br")
        });
        prop_assume!(!rest.iter().any(batch));
        let words: Vec<_> = line(beginning).into_iter().chain(rest).collect();
        check(&words, grants);
    }
}

#[test]
fn no_words_at_all_show_the_usage() {
    for words in [&[][..], &[OsString::from("rtc")]] {
        let (status, out, err) = run(words, true);
        assert_eq!((status, &*out), (0, ""));
        assert!(err.starts_with("Usage: tc "), "{err}");
    }
}

#[test]
fn a_word_of_a_megabyte_is_as_wrong_as_a_short_one() {
    for fill in ["a", "1", "é", "6 0 0 0,"] {
        let long = fill.repeat((1 << 20) / fill.len());
        check(&line(&[&long]), true);
        check(&line(&["-n", &long, "qdisc", "show"]), true);
        for beginning in BEGINNINGS {
            for before in [&[][..], &["dev"], &["handle"], &["limit"]] {
                let words: Vec<_> = beginning.iter().chain(before).copied().collect();
                check(&line(&[&words[..], &[&*long]].concat()), true);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_words_are_no_harder_than_one() {
    for word in ["dev", "1", "-s", "skip_hw", "help", "mtu"] {
        for beginning in BEGINNINGS {
            let many = std::iter::repeat_n(word, 100_000);
            let words: Vec<_> = beginning.iter().copied().chain(many).collect();
            check(&line(&words), true);
        }
    }
    let pairs: Vec<_> = ["mtu", "1"].into_iter().cycle().take(100_000).collect();
    check(&line(&[&["qdisc", "add", "dev", "lo", "root", "stab"], &pairs[..]].concat()), false);
    let pairs: Vec<_> = ["classid", "1:1"].into_iter().cycle().take(100_000).collect();
    let filter = ["filter", "add", "dev", "lo", "ingress", "bpf"];
    check(&line(&[&filter, &pairs[..]].concat()), false);
}

/// A stream that fails after so many bytes.
struct Full(usize, io::ErrorKind);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.len().min(self.0) {
            0 if !bytes.is_empty() => Err(self.1.into()),
            len => {
                self.0 -= len;
                Ok(len)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_cannot_be_written_is_told_unless_nobody_reads_it() {
    for words in [&["-V"][..], &["-j", "qdisc", "show"], &["completions", "bash"]] {
        for room in [0, 1] {
            let run = |kind| {
                let (mut out, mut err) = (Full(room, kind), Vec::new());
                let status = rtc::run(&line(words), &mut Empty::new(true), &mut out, &mut err);
                (status, String::from_utf8_lossy(&err).into_owned())
            };
            let (status, err) = run(io::ErrorKind::StorageFull);
            assert_eq!(status, 1, "{words:?}");
            assert!(err.starts_with("cannot write the output: "), "{words:?}: {err}");
            assert_eq!(run(io::ErrorKind::BrokenPipe), (0, String::new()), "{words:?}");
        }
    }
    // Without standard error there is nobody to tell, and the status says it all.
    let mut nowhere = Full(0, io::ErrorKind::BrokenPipe);
    let status =
        rtc::run(&line(&["nonsense"]), &mut Empty::new(true), &mut io::sink(), &mut nowhere);
    assert_eq!(status, 255);
}

/// A message of a list about a qdisc of `lo`, with these attributes.
fn qdisc(attrs: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Request::new(MessageType::NEW_QDISC, flags::MULTI, |buf| {
        TcHeader { ifindex: 1, parent: Handle::ROOT, info: 1, ..TcHeader::default() }.encode(buf);
        let mut w = AttrWriter::new(buf);
        for (ty, payload) in attrs {
            w.bytes(*ty, payload);
        }
        w.finish()
    })
    .map(Request::into_bytes)
    .unwrap_or_default();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn what_cannot_be_read_is_said_and_does_not_end_a_list() {
    let list = [
        qdisc(&[(tca::KIND, b"pfifo\0"), (tca::OPTIONS, &[1, 2])]),
        qdisc(&[(tca::KIND, b"novel\0"), (tca::OPTIONS, &[1, 2, 3])]),
        qdisc(&[]),
        qdisc(&[(tca::KIND, b"pfifo\0"), (tca::OPTIONS, &9u32.to_ne_bytes())]),
    ]
    .concat();
    let show = |words: &[&str]| {
        let mut world = Empty { list: list.clone(), ..Empty::new(true) };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = rtc::run(&line(words), &mut world, &mut out, &mut err);
        assert_eq!((status, &*err), (0, &[][..]));
        String::from_utf8(out).unwrap_or_default()
    };
    assert_eq!(
        show(&["qdisc", "show", "dev", "lo"]),
        "qdisc pfifo 0: root [unreadable: tc_fifo_qopt: 2 bytes where at least 4 are needed] \n\
         qdisc novel 0: root [Unknown qdisc, optlen=3] \n\
         qdisc  0: root \n\
         qdisc pfifo 0: root limit 9p\n"
    );
    let json = show(&["-j", "qdisc", "show", "dev", "lo"]);
    let options = |at: usize| {
        let value: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        value.get(at).and_then(|entry| entry.get("options")).map(ToString::to_string)
    };
    assert_eq!(
        options(0).as_deref(),
        Some(r#"{"unreadable":"tc_fifo_qopt: 2 bytes where at least 4 are needed"}"#)
    );
    assert_eq!(options(1).as_deref(), Some(r#"{"optlen":3}"#));
    assert_eq!(options(3).as_deref(), Some(r#"{"limit":9}"#));
}

#[test]
fn the_word_that_made_the_refused_attribute_is_underlined() {
    let words = [
        "filter",
        "add",
        "dev",
        "lo",
        "ingress",
        "chain",
        "7",
        "bpf",
        "classid",
        "1:2",
        "bytecode",
        "1,6 0 0 0",
    ];
    let refuse = |path: &[u16]| {
        let mut world = Empty { blames: Some(AttrPath(path.to_vec())), ..Empty::new(false) };
        let mut err = Vec::new();
        assert_eq!(rtc::run(&line(&words), &mut world, &mut io::sink(), &mut err), 2);
        String::from_utf8(err).unwrap_or_default()
    };
    let shown = "  rtc filter add dev lo ingress chain 7 bpf classid 1:2 bytecode '1,6 0 0 0'\n";
    for (path, word) in [
        (&[11][..], "7"),         // TCA_CHAIN
        (&[1], "bpf"),            // TCA_KIND
        (&[2, 3], "1:2"),         // TCA_OPTIONS, TCA_BPF_CLASSID
        (&[2, 5], "'1,6 0 0 0'"), // TCA_BPF_OPS
        (&[2, 99], "bpf"),        // the innermost nest that a word made
    ] {
        let at = shown.find(&format!(" {word}")).map_or(0, |at| at + 1);
        let marks = format!("{}{}\n", " ".repeat(at), "^".repeat(word.len()));
        let expected = format!(
            "RTNETLINK answers: Invalid argument\nWe have an error talking to the kernel\n{shown}{marks}"
        );
        assert_eq!(refuse(path).split("  hint").next(), Some(&*expected), "{path:?}");
    }
    // An attribute that no word made, and none at all.
    assert!(!refuse(&[77]).contains('^'));
}
