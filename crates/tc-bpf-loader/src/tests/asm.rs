//! The assembler and disassembler of classic BPF.

use proptest::prelude::*;

use crate::cbpf::{
    Assembly, Bytecode, Disassembly, Problem, SockFilter, assemble, assemble_file, parse_bytecode,
    validate,
};

fn bytes(text: &str) -> String {
    let assembled = assemble(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    Bytecode(&assembled.insns).to_string()
}

/// One instruction as `(code, k)`.
fn one(text: &str) -> (u16, u32) {
    let assembled = assemble(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let [SockFilter { code, jt: 0, jf: 0, k }] = assembled.insns[..] else {
        panic!("{text}: {assembled:?}");
    };
    (code, k)
}

/// The programs that people pass around, with the numbers that go with them.
#[test]
fn known_programs() {
    let arp = "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0";
    assert_eq!(bytes("ldh [12]; jne #0x806, drop; ret #-1; drop: ret #0"), arp);
    assert_eq!(bytes("ldh [12] jne #0x806, drop ret #-1 drop: ret #0"), arp);
    let file = "# ARP only\n\tldh [12] ; the type\n\tjne #0x806, drop\n/* it\n is */ ret #-1\n\
                drop:\n\tret #0 ; all else\n";
    assert_eq!(Bytecode(&assemble(file).unwrap().insns).to_string(), arp);
    assert_eq!(assemble(file).unwrap().lines, [2, 3, 5, 7]);
    assert_eq!(assemble_file("ret #0 ; drop").unwrap().insns, [SockFilter::new(6, 0, 0, 0)]);
    // IPv4 TCP.
    assert_eq!(
        bytes("ldh [12]; jne #0x800, drop; ldb [23]; jneq #6, drop; ret #-1; drop: ret #0"),
        "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 6,6 0 0 4294967295,6 0 0 0"
    );
    // Accelerated VLAN with id 10, and ICMP sampled one in four.
    assert_eq!(
        bytes("ld vlan_tci; jneq #10, drop; ret #-1; drop: ret #0"),
        "4,32 0 0 4294963244,21 0 1 10,6 0 0 4294967295,6 0 0 0"
    );
    assert_eq!(
        bytes(
            "ldh [12]; jne #0x800, drop; ldb [23]; jneq #1, drop; ld rand; mod #4; jneq #1, drop; \
             ret #-1; drop: ret #0"
        ),
        "9,40 0 0 12,21 0 6 2048,48 0 0 23,21 0 4 1,32 0 0 4294963256,148 0 0 4,21 0 1 1,\
         6 0 0 4294967295,6 0 0 0"
    );
    // Returns in two places, jumps over several instructions.
    assert_eq!(
        bytes("ld [4]; jeq #1, good; jeq #2, good; bad: ret #0; good: ret #0x7fff0000"),
        "5,32 0 0 4,21 2 0 1,21 1 0 2,6 0 0 0,6 0 0 2147418112"
    );
}

/// uapi `linux/bpf_common.h` and `linux/filter.h`.
#[test]
fn every_form_has_its_code() {
    for (text, want) in [
        ("ld [4]", (0x20, 4)),
        ("ldh [4]", (0x28, 4)),
        ("ldb [4]", (0x30, 4)),
        ("ld [x + 4]", (0x40, 4)),
        ("ldh [x+4]", (0x48, 4)),
        ("ldb [%x + 0x10]", (0x50, 16)),
        ("ldb [x - 2]", (0x50, 0xffff_fffe)),
        ("ldb [x + -2]", (0x50, 0xffff_fffe)),
        ("ldb [-1048576]", (0x30, 0xfff0_0000)),
        ("ld M[15]", (0x60, 15)),
        ("ld #7", (0x00, 7)),
        ("ld #0b101", (0x00, 5)),
        ("ld #017", (0x00, 15)),
        ("ldi #-1", (0x00, u32::MAX)),
        ("ld len", (0x80, 0)),
        ("ld #len", (0x80, 0)),
        ("ld #pktlen", (0x80, 0)),
        ("ldx #7", (0x01, 7)),
        ("ldxi #7", (0x01, 7)),
        ("ldx M[3]", (0x61, 3)),
        ("ldx len", (0x81, 0)),
        ("ldx #len", (0x81, 0)),
        ("ldx 4*([14]&0xf)", (0xb1, 14)),
        ("ldxb 4*([14]&0xf)", (0xb1, 14)),
        ("ldxb 4 * ( [ 0xe ] & 15 )", (0xb1, 14)),
        ("st M[1]", (0x02, 1)),
        ("stx M[1]", (0x03, 1)),
        ("add #1", (0x04, 1)),
        ("add x", (0x0c, 0)),
        ("sub #1", (0x14, 1)),
        ("sub %x", (0x1c, 0)),
        ("mul #1", (0x24, 1)),
        ("div #1", (0x34, 1)),
        ("or #1", (0x44, 1)),
        ("and x", (0x5c, 0)),
        ("lsh #1", (0x64, 1)),
        ("rsh #1", (0x74, 1)),
        ("neg", (0x84, 0)),
        ("mod #1", (0x94, 1)),
        ("xor x", (0xac, 0)),
        ("tax", (0x07, 0)),
        ("txa", (0x87, 0)),
        ("ret #1", (0x06, 1)),
        ("ret a", (0x16, 0)),
        ("ret %a", (0x16, 0)),
        ("ret x", (0x0e, 0)),
        ("ld proto", (0x20, 0xffff_f000)),
        ("ldh #proto", (0x28, 0xffff_f000)),
        ("ldb type", (0x30, 0xffff_f004)),
        ("ld ifidx", (0x20, 0xffff_f008)),
        ("ld nla", (0x20, 0xffff_f00c)),
        ("ld nlan", (0x20, 0xffff_f010)),
        ("ld mark", (0x20, 0xffff_f014)),
        ("ld queue", (0x20, 0xffff_f018)),
        ("ld hatype", (0x20, 0xffff_f01c)),
        ("ld rxhash", (0x20, 0xffff_f020)),
        ("ld cpu", (0x20, 0xffff_f024)),
        ("ld vlan_tci", (0x20, 0xffff_f02c)),
        ("ld vlan_avail", (0x20, 0xffff_f030)),
        ("ld vlan_pr", (0x20, 0xffff_f030)),
        ("ld poff", (0x20, 0xffff_f034)),
        ("ld rand", (0x20, 0xffff_f038)),
        ("ld vlan_tpid", (0x20, 0xffff_f03c)),
        (".insn 0x28 0 0 12", (0x28, 12)),
    ] {
        assert_eq!(one(text), want, "{text}");
    }
    // Conditions, and those that are encoded as others with their ways exchanged.
    for (text, code, jt, jf) in [
        ("jeq #1, there", 0x15, 1, 0),
        ("jeq x, there", 0x1d, 1, 0),
        ("jeq #1, next, there", 0x15, 0, 1),
        ("jgt #1, there, next", 0x25, 1, 0),
        ("jge x, there, there", 0x3d, 1, 1),
        ("jset #1, there", 0x45, 1, 0),
        ("jset %x, next, there", 0x4d, 0, 1),
        ("jne #1, there", 0x15, 0, 1),
        ("jneq x, there", 0x1d, 0, 1),
        ("jlt #1, there", 0x35, 0, 1),
        ("jle x, there", 0x2d, 0, 1),
    ] {
        let assembled = assemble(&format!("{text}; next: txa; there: ret a")).unwrap();
        let SockFilter { code: c, jt: t, jf: f, .. } = assembled.insns[0];
        assert_eq!((c, t, f), (code, jt, jf), "{text}");
    }
    for text in ["jmp there", "ja there"] {
        let assembled = assemble(&format!("{text}; txa; txa; there: ret a")).unwrap();
        assert_eq!(assembled.insns[0], SockFilter::new(5, 0, 0, 2), "{text}");
    }
}

/// What tcpdump -d prints is what tcpdump -ddd says.
#[test]
fn the_text_of_tcpdump_is_taken() {
    let d = "(000) ldh      [12]\n(001) jeq      #0x806           jt 2\tjf 3\n(002) ret      #262144\n\
             (003) ret      #0\n";
    assert_eq!(bytes(d), "4,40 0 0 12,21 0 1 2054,6 0 0 262144,6 0 0 0");
    // tcpdump -i lo -d vlan 10
    let d = "(000) ldb      [vlanp]\n(001) jeq      #0x1             jt 6\tjf 2\n(002) ldh      [12]\n\
             (003) jeq      #0x8100          jt 6\tjf 4\n(004) jeq      #0x88a8          jt 6\tjf 5\n\
             (005) jeq      #0x9100          jt 6\tjf 14\n(006) ldb      [vlanp]\n\
             (007) jeq      #0x1             jt 8\tjf 10\n(008) ldb      [vlan_tci]\n(009) ja       11\n\
             (010) ldh      [14]\n(011) and      #0xfff\n(012) jeq      #0xa             jt 13\tjf 14\n\
             (013) ret      #262144\n(014) ret      #0\n";
    let insns = assemble(d).unwrap().insns;
    assert_eq!(insns[0], SockFilter::new(48, 0, 0, 4_294_963_248));
    assert_eq!(insns[9], SockFilter::new(5, 0, 0, 1));
    assert_eq!(insns[1], SockFilter::new(21, 4, 0, 1));
    let refused = assemble("(001) ret #0\n(002) ret #1").unwrap_err();
    assert_eq!(refused.problem, Problem::Place("001".into()));
}

#[test]
fn errors_say_where_and_what() {
    for (text, want) in [
        ("", "line 1, column 1: a program has 1 to 4096 instructions"),
        ("ldh [12]\njq #1, x", "line 2, column 1: there is no instruction `jq`"),
        (
            "ldh 12",
            "line 1, column 5: expected `[NUMBER]`, `[x + NUMBER]` or the name of an extension, found `12`",
        ),
        ("ldh [12", "line 1, column 6: expected `]`, but the text ends"),
        (
            "ldh len",
            "line 1, column 5: expected `[NUMBER]`, `[x + NUMBER]` or the name of an extension, found `len`",
        ),
        ("jeq #1, drop", "line 1, column 1: there is no label `drop`"),
        ("jeq 1, drop", "line 1, column 5: expected `#` and a number, or `x`, found `1`"),
        ("jeq #1", "line 1, column 6: expected `,` and a label, but the text ends"),
        (
            "up: txa; ja up; ret a",
            "line 1, column 10: the jump to `up` leads backwards; jumps only lead forward",
        ),
        (
            "me: ja me; ret a",
            "line 1, column 5: the jump to `me` leads backwards; jumps only lead forward",
        ),
        ("aa: txa; aa: ret a", "line 1, column 10: the label `aa` is there twice"),
        ("ret #0; end:", "line 1, column 9: no instruction follows the label `end`"),
        (
            "ret #4294967296",
            "line 1, column 6: the number 4294967296 does not fit, or has digits that do not exist",
        ),
        (
            "ret #-2147483649",
            "line 1, column 6: the number -2147483649 does not fit, or has digits that do not exist",
        ),
        (
            "ret #08",
            "line 1, column 6: the number 08 does not fit, or has digits that do not exist",
        ),
        (
            "ret #1x",
            "line 1, column 6: the number 1x does not fit, or has digits that do not exist",
        ),
        ("ret 0", "line 1, column 5: expected `#` and a number, found `0`"),
        ("ret #0 /* what", "line 1, column 8: the comment does not end"),
        ("ret #0 $", "line 1, column 8: the character '$' has no meaning here"),
        ("ld [x * 4]", "line 1, column 7: expected `+` and a number, found `*`"),
        ("ldxb 4*([14]&0x1f)", "line 1, column 14: expected `4*([NUMBER]&0xf)`, found `0x1f`"),
        ("ja 3; ret a", "line 1, column 4: expected a label, found `3`"),
        (
            ".insn 65536 0 0 0",
            "line 1, column 7: the number 65536 does not fit, or has digits that do not exist",
        ),
        (".data 1", "line 1, column 2: expected `insn` after the dot, found `data`"),
    ] {
        let error = assemble(text).expect_err(text);
        assert_eq!(error.to_string(), want, "{text}");
    }
    let far = format!("jeq #1, far\n{}far: ret a", "txa\n".repeat(256));
    let error = assemble(&far).unwrap_err();
    assert_eq!(error.problem, Problem::Far { label: "far".into(), distance: 256 });
    let near = format!("jeq #1, near\n{}near: ret a", "txa\n".repeat(255));
    assert_eq!(assemble(&near).unwrap().insns[0], SockFilter::new(0x15, 255, 0, 1));
    let long = "txa\n".repeat(4097);
    assert_eq!(assemble(&long).unwrap_err().problem, Problem::Length);
    assert_eq!(assemble(&"txa\n".repeat(4096)).unwrap().insns.len(), 4096);
}

/// A file's comment that looks like instructions of a line is told of, and no other.
#[test]
fn an_instruction_behind_a_semicolon_is_told_of() {
    let Assembly { insns, notes, .. } =
        assemble("ldh [12]; tax\nret a ; the end\n; txa\n").unwrap();
    assert_eq!(insns.len(), 2);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("line 1: `tax` is a comment"), "{notes:?}");
}

#[test]
fn single_instructions_are_shown_with_relative_jumps() {
    let shown = |text: &str| parse_bytecode(text).unwrap()[0].to_string();
    assert_eq!(shown("1,21 0 1 2054"), "jeq #0x806, +0, +1");
    assert_eq!(shown("1,5 0 0 3"), "ja +3");
    assert_eq!(shown("1,5 0 0 4294967281"), "ja -15");
    assert_eq!(shown("1,52 0 0 0"), "div #0");
    assert_eq!(shown("1,255 1 0 3"), ".insn 0xff 1 0 0x3");
}

/// Any instruction, with a liking for those that exist and for numbers at limits.
fn insn() -> impl Strategy<Value = SockFilter> {
    let code = prop_oneof![
        4 => proptest::sample::select(vec![
            0u16, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, 1, 0x61, 0x81, 0xb1, 2, 3, 4, 0xc, 0x14, 0x34, 0x3c,
            0x44, 0x54, 0x64, 0x74, 0x84, 0x94, 0xa4, 0xac, 5, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 6, 0xe, 0x16, 7, 0x87,
        ]),
        1 => any::<u16>(),
        1 => 0u16..256,
    ];
    let k = prop_oneof![
        3 => 0u32..20,
        1 => any::<u32>(),
        2 => (0u32..70).prop_map(|k| 0xffff_f000 + k),
    ];
    let offset = || prop_oneof![3 => 0u8..6, 1 => any::<u8>(), 3 => Just(0)];
    (code, offset(), offset(), k).prop_map(|(code, jt, jf, k)| SockFilter::new(code, jt, jf, k))
}

proptest! {
    /// Whatever the instructions are, their text is theirs.
    #[test]
    fn text_of_instructions_assembles_to_them(insns in proptest::collection::vec(insn(), 1..40)) {
        let text = Disassembly(&insns).to_string();
        let again = assemble_file(&text);
        prop_assert!(again.is_ok(), "{text}{again:?}");
        prop_assert_eq!(&again.unwrap().insns, &insns, "{}", text);
    }

    /// Text that is a program has one text: assembling and disassembling it once more changes nothing.
    #[test]
    fn text_settles(words in proptest::collection::vec("[a-zM0-9#\\[\\]+,:.;x ]{1,12}", 1..12)) {
        let text = words.join(" ");
        if let Ok(assembled) = assemble(&text) {
            let shown = Disassembly(&assembled.insns).to_string();
            let again = assemble_file(&shown).unwrap();
            prop_assert_eq!(&again.insns, &assembled.insns);
            prop_assert_eq!(Disassembly(&again.insns).to_string(), shown);
            let _ = validate(&again.insns);
        }
    }
}
