//! `u32`: words and output. Wire format: [`tc_proto::filter::u32`].

use tc_proto::filter::OffloadFlags;
use tc_proto::filter::u32::{
    Counters, Key, Mark, Selector, SelectorFlags, TCA_U32_ACT, TCA_U32_CLASSID, TCA_U32_DIVISOR,
    TCA_U32_FLAGS, TCA_U32_HASH, TCA_U32_INDEV, TCA_U32_LINK, TCA_U32_MARK, TCA_U32_POLICE,
    TCA_U32_SEL, U32 as Wire, U32Handle,
};
use tc_proto::msg::{Info, TcMessage, tca};
use tc_proto::units::{Base, Protocol, parse_i32, parse_u16, parse_u32};
use tc_proto::wire::RawAttrs;
use tc_proto::{DecodeError, Kind};

use super::acts::{self, Acting, Acts, TakesActs};
use super::u32_match::Matches;
use super::{add_flag, classid, indev, not_nowhere, print_offload, u32_decode, what_is};
use crate::args::{Args, abbreviates};
use crate::error::Error;
use crate::kinds::{FilterKind, FilterWords, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ... u32 [ match SELECTOR ]... [ classid CLASSID ] [ ht TABLE:[BUCKET:] ]
          [ sample SELECTOR [ divisor BUCKETS ] ] [ order N ] [ indev DEV ]
          [ link TABLE: [ hashkey mask MASK at N ]
            [ offset [ plus N ] [ at N ] [ mask MASK ] [ shift N ] [ eat ] ] ]
          [ skip_hw | skip_sw ] [ action ACTION_SPEC ]
       ... [ handle TABLE: ] u32 divisor BUCKETS

The first form makes a rule, the second a hash table of 1 to 256 buckets, a power of two.
SELECTOR is one of:
  { u32 | u16 | u8 } VALUE MASK [ at [ nexthdr+ ]N ]
  ip { src | dst } PREFIX [ at N ]
  ip { tos | ihl | protocol | sport | dport | icmp_type | icmp_code } VALUE MASK
  ip { nofrag | firstfrag | df | mf }
  ip6 { src | dst } PREFIX [ at N ]
  ip6 { priority | protocol | flowlabel | sport | dport | icmp_type | icmp_code } VALUE MASK
  { tcp | udp } { src | dst } VALUE MASK
  icmp { type | code } VALUE MASK
  ether { src | dst } ADDRESS [ at N ]
  mark VALUE MASK
Handles, masks and CLASSID are hexadecimal; N counts bytes from the network header. A rule's handle
is TABLE:BUCKET:NODE.
";

/// The kind `u32`.
#[derive(Debug)]
pub struct U32;

/// What the words after the kind say.
#[derive(Debug, Default)]
struct Words {
    wire: Wire,
    matches: Matches,
    matched: bool,
    selector: Selector,
    hash: u32,
    sampled: Option<u32>,
    order: u32,
    acts: Acts,
}

impl FilterKind for U32 {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "match", "offset", "hashkey", "classid", "flowid", "divisor", "order", "link", "ht",
            "sample", "indev", "skip_hw", "skip_sw", "action", "police", "help",
        ]
    }

    fn parse(&self, handle: Option<&str>, args: &mut Args<'_>) -> Result<FilterWords, Error> {
        let handle = handle.map_or(Ok(U32Handle::default()), |word| {
            let handle = U32Handle::parse(word);
            handle.map_err(|e| Error::refused("Illegal filter ID").hint(e.to_string()))
        })?;
        if args.left() == 0 {
            return Ok(FilterWords { handle: handle.0, options: None });
        }
        let mut words = Words::default();
        while let Some(word) = args.word()? {
            words.take(word, handle, args)?;
        }
        not_nowhere(words.wire.offload)?;
        let handle = handle.0 | words.order;
        words.finish();
        let Words { wire, acts, .. } = words;
        Ok(FilterWords { handle, options: Some(Box::new(Acting { wire, acts })) })
    }

    fn print(
        &self,
        message: &TcMessage<'_>,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let u32 = Wire::decode(options)?;
        let raw = show.options.raw;
        let handle = U32Handle(message.header.handle.0);
        if handle.0 != 0 {
            let shown = show_handle(handle, raw);
            out.field("fh", &*shown, format_args!("fh {shown} "));
        }
        if handle.node() != 0 {
            out.field("order", handle.node(), format_args!("order {} ", handle.node()));
        }
        print_place(&u32, out);
        let terminal = |s: &Selector| s.flags.contains(SelectorFlags::TERMINAL);
        if let Some(classid) = u32.classid {
            out.field("flowid", classid.to_string(), format_args!("flowid {classid} "));
        } else if u32.selector.as_ref().is_some_and(terminal) {
            out.text(format_args!("terminal flowid "));
        }
        if let Some(link) = u32.link {
            let shown = show_handle(link, raw);
            out.field("link", &*shown, format_args!("link {shown} "));
        }
        if let Some(offload) = u32.offload {
            print_offload(offload, "", " ", out);
        }
        let counters = u32.counters.as_ref().filter(|_| show.options.stats > 0);
        if let Some(Counters { seen, hits, .. }) = counters {
            out.field("rule_hit", *seen, format_args!("(rule hit {seen} "));
            out.field("success", *hits, format_args!("success {hits})"));
        }
        if let Some(mark) = u32.mark {
            print_mark(mark, out);
        }
        if let Some(selector) = &u32.selector {
            let protocol = Info::from_wire(message.header.info).protocol;
            let decoded = show.options.pretty && matches!(protocol, Protocol::IP | Protocol::IPV6);
            print_keys(&selector.keys, decoded.then_some(protocol), counters, out);
            print_offset(selector, out);
        }
        print_rest(&u32, show, out)
    }
}

impl Words {
    fn take(&mut self, word: &str, handle: U32Handle, args: &mut Args<'_>) -> Result<(), Error> {
        if abbreviates(word, "match") {
            args.mark(&[tca::OPTIONS, TCA_U32_SEL]);
            args.mark(&[tca::OPTIONS, TCA_U32_MARK]);
            self.matches.parse(args, "match")?;
            self.matched = true;
        } else if abbreviates(word, "offset") {
            args.followed()?;
            self.offset(args)?;
        } else if abbreviates(word, "hashkey") {
            args.followed()?;
            self.hashkey(args)?;
        } else if abbreviates(word, "classid") || word == "flowid" {
            self.wire.classid = Some(classid(args)?);
            self.selector.flags |= SelectorFlags::TERMINAL;
            args.mark(&[tca::OPTIONS, TCA_U32_CLASSID]);
        } else if abbreviates(word, "divisor") {
            let divisor = parse_divisor(args.value()?);
            self.wire.divisor = Some(divisor.ok_or_else(|| illegal("divisor", args))?);
            args.mark(&[tca::OPTIONS, TCA_U32_DIVISOR]);
        } else if abbreviates(word, "order") {
            let order = parse_u32(args.value()?, Base::Auto);
            self.order = order.map_err(|_| illegal("order", args))?;
            if handle.node() != 0 && handle.node() != self.order {
                let line = "\"order\" contradicts \"handle\"";
                return Err(Error::refused(line).at(args.last()));
            }
        } else if word == "link" {
            let link = table(args, "link")?;
            if link.node() != 0 {
                return Err(Error::refused("\"link\" must be a hash table.").at(args.last()));
            }
            self.wire.link = Some(link);
            args.mark(&[tca::OPTIONS, TCA_U32_LINK]);
        } else if word == "ht" {
            let table = table(args, "ht")?.0;
            if handle.0 != 0 && table & 0xfff != 0 {
                return Err(Error::refused("\"ht\" must be a hash table.").at(args.last()));
            }
            self.hash = table & 0xffff_f000;
            args.mark(&[tca::OPTIONS, TCA_U32_HASH]);
        } else if word == "sample" {
            self.sample(args)?;
        } else if word == "indev" {
            self.wire.indev = Some(indev(args)?);
            args.mark(&[tca::OPTIONS, TCA_U32_INDEV]);
        } else if word == "skip_hw" || word == "skip_sw" {
            let hw = word == "skip_hw";
            let flag = if hw { OffloadFlags::SKIP_HW } else { OffloadFlags::SKIP_SW };
            add_flag(&mut self.wire.offload, flag);
            args.mark(&[tca::OPTIONS, TCA_U32_FLAGS]);
        } else if abbreviates(word, "action") {
            self.acts.action(args, "Illegal \"action\"", TCA_U32_ACT)?;
            self.selector.flags |= SelectorFlags::TERMINAL;
        } else if abbreviates(word, "police") {
            self.acts.police(args, TCA_U32_POLICE)?;
            self.selector.flags |= SelectorFlags::TERMINAL;
        } else if word == "help" {
            return Err(Error::refused(USAGE));
        } else {
            return Err(what_is(word, USAGE, args));
        }
        Ok(())
    }

    /// `[plus N] [at N] [mask MASK] [shift N] [eat]`, in any order.
    fn offset(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        let illegal = |args: &Args<'_>| illegal("offset", args);
        let selector = &mut self.selector;
        while let Some(word) = args.word()? {
            if abbreviates(word, "at") {
                let at = parse_i32(args.value()?, Base::Auto).map_err(|_| illegal(args))?;
                if at % 2 != 0 {
                    return Err(Error::refused("offset \"at\" must be even")
                        .line("Illegal \"offset\"")
                        .at(args.last()));
                }
                selector.variable_at = at as i16;
                selector.flags |= SelectorFlags::VAROFFSET;
            } else if abbreviates(word, "plus") {
                let plus = parse_i32(args.value()?, Base::Auto).map_err(|_| illegal(args))?;
                selector.offset = plus as u16;
                selector.flags |= SelectorFlags::OFFSET;
            } else if abbreviates(word, "mask") {
                let mask = parse_u16(args.value()?, Base::Hex).map_err(|_| illegal(args))?;
                selector.offset_mask = mask;
                selector.flags |= SelectorFlags::VAROFFSET;
            } else if abbreviates(word, "shift") {
                let shift = parse_i32(args.value()?, Base::Auto).map_err(|_| illegal(args))?;
                selector.shift = shift as u8;
                selector.flags |= SelectorFlags::VAROFFSET;
            } else if abbreviates(word, "eat") {
                selector.flags |= SelectorFlags::EAT;
            } else {
                args.back();
                break;
            }
        }
        Ok(())
    }

    /// `[mask MASK] [at N]`, in any order.
    fn hashkey(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        while let Some(word) = args.word()? {
            if abbreviates(word, "mask") {
                let mask = parse_u32(args.value()?, Base::Hex);
                self.selector.hash_mask = mask.map_err(|_| illegal("hashkey", args))?;
            } else if abbreviates(word, "at") {
                let at = parse_i32(args.value()?, Base::Auto).ok().filter(|at| at % 4 == 0);
                self.selector.hash_at = at.ok_or_else(|| illegal("hashkey", args))? as i16;
            } else {
                args.back();
                break;
            }
        }
        Ok(())
    }

    /// `SELECTOR [divisor BUCKETS]`: the bucket that packets such as this one go to.
    fn sample(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        args.mark(&[tca::OPTIONS, TCA_U32_HASH]);
        let mut sample = Matches::default();
        sample.parse(args, "sample")?;
        let [Key { mask, value, .. }] = sample.keys[..] else {
            let line = "\"sample\" must contain exactly ONE key.";
            return Err(Error::refused(line).at(args.last()));
        };
        let mut divisor = 256;
        if args.take("divisor") {
            divisor = parse_divisor(args.value()?)
                .ok_or_else(|| Error::refused("Illegal sample \"divisor\"").at(args.last()))?;
            // tc wants a word behind it.
            if args.left() == 0 {
                return Err(Error::incomplete());
            }
        }
        let bucket = (value & mask).checked_shr(mask.trailing_zeros()).unwrap_or(0) % divisor;
        self.sampled = Some(bucket);
        Ok(())
    }

    /// Puts together what is sent.
    fn finish(&mut self) {
        let hash = match self.sampled {
            Some(bucket) => self.hash & 0xfff0_0000 | bucket << 12,
            None => self.hash,
        };
        self.wire.hash = (hash != 0).then_some(U32Handle(hash));
        self.wire.mark = self.matches.mark;
        if self.matched {
            let keys = std::mem::take(&mut self.matches.keys);
            self.wire.selector = Some(Selector { keys, ..self.selector.clone() });
        }
    }
}

fn illegal(keyword: &str, args: &Args<'_>) -> Error {
    Error::illegal(keyword).at(args.last())
}

fn table(args: &mut Args<'_>, keyword: &str) -> Result<U32Handle, Error> {
    U32Handle::parse(args.value()?)
        .map_err(|e| Error::illegal(keyword).at(args.last()).hint(e.to_string()))
}

fn parse_divisor(word: &str) -> Option<u32> {
    let divisor = parse_u32(word, Base::Auto).ok()?;
    (divisor.is_power_of_two() && divisor <= 256).then_some(divisor)
}

fn show_handle(handle: U32Handle, raw: bool) -> String {
    match raw {
        true => format!("{handle}[{:08x}]", handle.0),
        false => handle.to_string(),
    }
}

/// Shows how large a table is, or which one a rule is in.
fn print_place(u32: &Wire, out: &mut Out<'_>) {
    if u32.selector.is_none() {
        if let Some(divisor) = u32.divisor {
            out.field("ht_divisor", divisor, format_args!("ht divisor {divisor} "));
            return;
        }
    }
    let Some(hash) = u32.hash else {
        out.text(format_args!("??? "));
        return;
    };
    let (table, bucket) = (format!("{:x}", hash.table()), format!("{:x}", hash.bucket()));
    out.field("key_ht", &*table, format_args!("key ht {table} "));
    out.field("bkt", &*bucket, format_args!("bkt {bucket} "));
}

/// Shows what a rule compares; `decode` names fields of the headers of this protocol.
fn print_keys(
    keys: &[Key],
    decode: Option<Protocol>,
    counters: Option<&Counters>,
    out: &mut Out<'_>,
) {
    let hits = |i: usize| counters.and_then(|c| c.key_hits.get(i).copied());
    if let [key] = keys {
        out.object("match", |out| print_key(key, decode, out));
        print_hits(hits(0), out);
        return;
    }
    if keys.is_empty() {
        return;
    }
    // Objects of one name would hide each other.
    out.array("match", |out| {
        for (i, key) in keys.iter().enumerate() {
            out.entry(|out| {
                print_key(key, decode, out);
                print_hits(hits(i), out);
            });
        }
    });
}

fn print_key(key: &Key, decode: Option<Protocol>, out: &mut Out<'_>) {
    if let Some(protocol) = decode {
        u32_decode::print(key, protocol, out);
        return;
    }
    let Key { value, mask, at, offset_mask } = *key;
    let from = if offset_mask == 0 { "" } else { "nexthdr+" };
    out.newline();
    out.field("value", format!("{value:x}"), format_args!("  match {value:08x}"));
    out.field("mask", format!("{mask:x}"), format_args!("/{mask:08x} "));
    out.field("offmask", from, format_args!("at {from}"));
    out.field("off", at, format_args!("{at}"));
}

fn print_hits(hits: Option<u64>, out: &mut Out<'_>) {
    if let Some(hits) = hits {
        out.field("success", hits, format_args!(" (success {hits} ) "));
    }
}

/// Shows how the linked table reads the packet.
fn print_offset(selector: &Selector, out: &mut Out<'_>) {
    let variable = selector.flags.contains(SelectorFlags::VAROFFSET);
    if variable || selector.flags.contains(SelectorFlags::OFFSET) {
        out.newline();
        out.text(format_args!("    offset "));
        if variable {
            let Selector { offset_mask: mask, shift, variable_at: at, .. } = *selector;
            out.field("offset_mask", format!("{mask:x}"), format_args!("{mask:04x}"));
            out.field("offset_shift", shift, format_args!(">>{shift} "));
            out.field("offset_off", at, format_args!("at {at} "));
        }
        if selector.offset != 0 {
            out.field("plus", selector.offset, format_args!("plus {} ", selector.offset));
        }
    }
    if selector.flags.contains(SelectorFlags::EAT) {
        out.flag("eat", " eat ");
    }
    if selector.hash_mask != 0 {
        let Selector { hash_mask: mask, hash_at: at, .. } = *selector;
        out.newline();
        out.field("hash_mask", format!("{mask:x}"), format_args!("    hash mask {mask:08x} "));
        out.field("hash_off", at, format_args!("at {at} "));
    }
}

fn print_mark(Mark { value, mask, hits }: Mark, out: &mut Out<'_>) {
    // As C's `%#x`.
    let hex = |n: u32| if n == 0 { "0".to_owned() } else { format!("{n:#x}") };
    out.newline();
    out.field("fwmark_value", hex(value), format_args!("  mark 0x{value:04x} "));
    out.field("fwmark_mask", hex(mask), format_args!("0x{mask:04x} "));
    out.field("fwmark_success", hits, format_args!("(success {hits})"));
}

fn print_rest(u32: &Wire, show: &mut Show<'_>, out: &mut Out<'_>) -> Result<(), DecodeError> {
    if let Some(police) = &u32.police {
        out.newline();
        acts::print_police(police, show, out)?;
    }
    if let Some(indev) = &u32.indev {
        out.newline();
        out.field("input_dev", indev.as_str(), format_args!("  input dev {indev}"));
        out.newline();
    }
    acts::print(u32.actions.as_ref(), show, out);
    Ok(())
}

impl TakesActs for Wire {
    fn take(&mut self, actions: Option<RawAttrs>, police: Option<RawAttrs>) {
        self.actions = actions;
        self.police = police;
    }
}
