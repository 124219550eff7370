//! `htb`: words and output of the qdisc and its classes. Wire format: [`tc_proto::qdisc::Htb`].

use tc_proto::msg::tca;
use tc_proto::qdisc::htb::{
    TCA_HTB_CEIL64, TCA_HTB_CTAB, TCA_HTB_DIRECT_QLEN, TCA_HTB_INIT, TCA_HTB_OFFLOAD,
    TCA_HTB_PARMS, TCA_HTB_RATE64, TCA_HTB_RTAB,
};
use tc_proto::qdisc::{Htb as Wire, HtbClass, HtbInit, HtbXstats};
use tc_proto::units::{Base, LinkLayer, Rate, RateSpec, Size, parse_u16, parse_u32};
use tc_proto::{DecodeError, Kind};

use super::words::{RateArg, unknown, value};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::Error;
use crate::kinds::{ClassKind, Pending, Plain, QdiscKind, Resolved, Show, Target};
use crate::out::Out;

/// The kind `htb`.
#[derive(Debug)]
pub struct Htb;

const USAGE: &str = "\
Usage: ... qdisc add ... htb [ default MINOR ] [ r2q N ] [ direct_qlen PACKETS ] [ offload ]
           [ debug DIGITS ]
       ... class add ... htb rate RATE [ ceil RATE ] [ burst BYTES[/CELL] ]
           [ cburst BYTES[/CELL] ] [ prio PRIO ] [ quantum BYTES ] [ mtu BYTES ]
           [ mpu BYTES ] [ overhead BYTES ] [ linklayer { ethernet | atm | adsl } ]

default      the class of packets that no filter takes, in hexadecimal (0: none, they pass unqueued)
r2q          classes without quantum get rate / r2q (10)
direct_qlen  the most packets queued that have no class (the device's txqueuelen)
offload      let the device do it
debug        ignored by the kernel
rate         what the class has for itself; also a share of the device's speed, as 10%
ceil         what it reaches with borrowed rate (rate)
burst        what goes out at once at full speed, above the rate (rate / HZ + mtu)
cburst       the same, above ceil
prio         leaves of lower numbers borrow first (0)
quantum      what a leaf sends in one turn
mtu          the largest packet (1600)
mpu          the smallest size that a packet counts for (0)
overhead     bytes added to each packet (0)
linklayer    cells of 48 payload and 5 header bytes for atm and adsl
";

impl QdiscKind for Htb {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["default", "r2q", "direct_qlen", "offload", "debug"]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse_qdisc(args).map(|wire| Box::new(Plain(wire)) as _))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let htb = Wire::decode(options)?;
        if let Some(init) = &htb.init {
            let r2q = init.rate_to_quantum;
            out.field("r2q", r2q, format_args!("r2q {r2q}"));
            let default = init.default_class;
            match default {
                0 => out.field("default", "0", format_args!(" default 0")),
                _ => out.field(
                    "default",
                    format_args!("{default:#x}"),
                    format_args!(" default {default:#x}"),
                ),
            }
            let direct = init.direct_pkts;
            out.field("direct_packets_stat", direct, format_args!(" direct_packets_stat {direct}"));
            if show.options.details > 0 {
                let (major, minor) = (init.version >> 16, init.version & 0xffff);
                out.field(
                    "ver",
                    format_args!("{major}.{minor}"),
                    format_args!(" ver {major}.{minor}"),
                );
            }
        }
        if let Some(qlen) = htb.direct_qlen_pkts {
            out.field("direct_qlen", qlen, format_args!(" direct_qlen {qlen}"));
        }
        if htb.offload {
            out.flag("offload", " offload");
        }
        Ok(())
    }

    fn class(&self) -> Option<&dyn ClassKind> {
        Some(self)
    }
}

fn parse_qdisc(args: &mut Args<'_>) -> Result<Wire, Error> {
    let mut wire = Wire::default();
    let mut init = HtbInit::default();
    while let Some(word) = args.word()? {
        if abbreviates(word, "r2q") {
            init.rate_to_quantum = value(args, "r2q", USAGE, |w| parse_u32(w, Base::Ten))?;
            args.mark(&[tca::OPTIONS, TCA_HTB_INIT]);
        } else if abbreviates(word, "default") {
            init.default_class = value(args, "default", USAGE, |w| parse_u32(w, Base::Hex))?;
            args.mark(&[tca::OPTIONS, TCA_HTB_INIT]);
        } else if abbreviates(word, "debug") {
            // A digit each, the first in the lowest bits, up to the first that is none.
            let digits = args.value()?.bytes().map_while(|c| match c {
                b'0'..=b'3' => Some(u32::from(c - b'0')),
                _ => None,
            });
            // Bits of an earlier value stay.
            let bits = digits.take(16).zip((0..).step_by(2));
            init.debug = bits.fold(init.debug, |sum, (d, at)| sum | d << at);
        } else if abbreviates(word, "direct_qlen") {
            let qlen = value(args, "direct_qlen", USAGE, |w| parse_u32(w, Base::Ten))?;
            wire.direct_qlen_pkts = Some(qlen);
            args.mark(&[tca::OPTIONS, TCA_HTB_DIRECT_QLEN]);
        } else if abbreviates(word, "offload") {
            wire.offload = true;
            args.mark(&[tca::OPTIONS, TCA_HTB_OFFLOAD]);
        } else {
            return Err(unknown(args, word, USAGE));
        }
    }
    wire.init = Some(init);
    Ok(wire)
}

impl ClassKind for Htb {
    fn words(&self) -> &'static [&'static str] {
        &[
            "rate",
            "ceil",
            "burst",
            "cburst",
            "prio",
            "quantum",
            "mtu",
            "mpu",
            "overhead",
            "linklayer",
            "buffer",
            "maxburst",
            "cbuffer",
            "cmaxburst",
        ]
    }

    fn parse(&self, args: &mut Args<'_>) -> Option<Result<Box<dyn Pending>, Error>> {
        Some(parse_class(args).map(|words| Box::new(words) as _))
    }

    fn print(
        &self,
        options: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        print_class(&HtbClass::decode(options)?, show, out);
        Ok(())
    }

    fn print_xstats(
        &self,
        xstats: &[u8],
        _: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<bool, DecodeError> {
        let HtbXstats { lends, borrows, giants, tokens, ctokens } = HtbXstats::decode(xstats)?;
        out.field("lended", lends, (" lended: ", lends, " "));
        out.field("borrowed", borrows, ("borrowed: ", borrows, " "));
        out.field("giants", giants, ("giants: ", giants));
        out.newline();
        out.field("tokens", tokens, (" tokens: ", tokens, " "));
        out.field("ctokens", ctokens, ("ctokens: ", ctokens));
        out.newline();
        Ok(true)
    }
}

/// The words of a class.
#[derive(Default)]
struct Words {
    rate: Option<RateArg>,
    ceil: Option<RateArg>,
    burst: Size,
    burst_cell: Option<u8>,
    cburst: Size,
    cburst_cell: Option<u8>,
    prio: u32,
    quantum: u32,
    mtu: Option<u32>,
    mpu: u16,
    overhead: u16,
    linklayer: Option<LinkLayer>,
}

fn parse_class(args: &mut Args<'_>) -> Result<Words, Error> {
    let mut words = Words::default();
    while let Some(word) = args.word()? {
        if abbreviates(word, "prio") {
            words.prio = value(args, "prio", USAGE, |w| parse_u32(w, Base::Ten))?;
        } else if abbreviates(word, "mtu") {
            words.mtu = Some(value(args, "mtu", USAGE, |w| parse_u32(w, Base::Ten))?);
        } else if abbreviates(word, "mpu") {
            words.mpu = value(args, "mpu", USAGE, |w| parse_u16(w, Base::Ten))?;
        } else if abbreviates(word, "overhead") {
            words.overhead = value(args, "overhead", USAGE, |w| parse_u16(w, Base::Ten))?;
        } else if abbreviates(word, "linklayer") {
            words.linklayer = Some(value(args, "linklayer", USAGE, LinkLayer::parse)?);
        } else if abbreviates(word, "quantum") {
            words.quantum = value(args, "quantum", USAGE, |w| parse_u32(w, Base::Ten))?;
        } else if abbreviates(word, "burst") || matches!(word, "buffer" | "maxburst") {
            let (burst, cell) = value(args, word, USAGE, Size::parse_with_cell)?;
            words.burst = burst;
            words.burst_cell = cell.or(words.burst_cell);
        } else if abbreviates(word, "cburst") || matches!(word, "cbuffer" | "cmaxburst") {
            let (burst, cell) = value(args, word, USAGE, |w| {
                // Only the other burst may have more than 32 bits.
                let (burst, cell) = Size::parse_with_cell(w)?;
                let whole = w.split_once('/').map_or(w, |(size, _)| size);
                Size::parse_u32(whole).map(|_| (burst, cell))
            })?;
            words.cburst = burst;
            words.cburst_cell = cell.or(words.cburst_cell);
        } else if word == "ceil" {
            if words.ceil.as_ref().is_some_and(|ceil| !ceil.is_zero()) {
                return Err(Error::refused("Double \"ceil\" spec").at(args.last()));
            }
            words.ceil = Some(RateArg::parse(args, "ceil", USAGE)?);
            args.mark(&[tca::OPTIONS, TCA_HTB_CEIL64]);
            args.mark(&[tca::OPTIONS, TCA_HTB_CTAB]);
        } else if word == "rate" {
            if words.rate.as_ref().is_some_and(|rate| !rate.is_zero()) {
                return Err(Error::refused("Double \"rate\" spec").at(args.last()));
            }
            words.rate = Some(RateArg::parse(args, "rate", USAGE)?);
            for attribute in [TCA_HTB_PARMS, TCA_HTB_RATE64, TCA_HTB_RTAB] {
                args.mark(&[tca::OPTIONS, attribute]);
            }
        } else if word == "help" {
            return Err(Error::refused(USAGE));
        } else {
            return Err(unknown(args, word, USAGE));
        }
    }
    if words.rate.as_ref().is_none_or(RateArg::is_zero) {
        return Err(no_rate());
    }
    Ok(words)
}

fn no_rate() -> Error {
    Error::refused("\"rate\" is required.").hint("for example: rate 10mbit ceil 100mbit")
}

impl Pending for Words {
    fn resolve(
        self: Box<Self>,
        env: &mut dyn Env,
        target: &Target,
    ) -> Result<Box<dyn Resolved>, Error> {
        let mut resolve = |rate: Option<RateArg>, keyword| match rate {
            Some(rate) => rate.resolve(env, target, |_| format!("Illegal \"{keyword}\"\n{USAGE}")),
            None => Ok(Rate(0)),
        };
        let rate = resolve(self.rate, "rate")?;
        let ceil = match resolve(self.ceil, "ceil")? {
            Rate(0) => rate,
            ceil => ceil,
        };
        if rate == Rate(0) {
            return Err(no_rate());
        }
        let psched = env.psched();
        let mtu = self.mtu.unwrap_or(1600);
        let default = |rate: Rate| Size(rate.0 / u64::from(psched.hz()) + u64::from(mtu));
        let or_default = |burst, rate| if burst == Size(0) { default(rate) } else { burst };
        let spec = |rate, cell: Option<u8>| {
            let spec = RateSpec::new(rate, mtu);
            RateSpec {
                cell_log: cell.unwrap_or(spec.cell_log),
                linklayer: self.linklayer.unwrap_or(spec.linklayer),
                overhead: self.overhead,
                mpu: self.mpu,
                ..spec
            }
        };
        let mut class =
            HtbClass { prio: self.prio, quantum_bytes: self.quantum, ..HtbClass::default() };
        let burst = or_default(self.burst, rate);
        class.set_rate(spec(rate, self.burst_cell), rate, burst, &psched);
        let cburst = or_default(self.cburst, ceil);
        class.set_ceil(spec(ceil, self.cburst_cell), ceil, cburst, &psched);
        if class.buffer_ticks == u32::MAX {
            let seconds = psched.us_from_ticks(u32::MAX) / 1e6;
            return Err(Error::refused("htb: burst out of range").hint(format!(
                "{burst} take more than {seconds:.0} s at {}",
                rate.display(false)
            )));
        }
        Ok(Box::new(Plain(class)))
    }
}

fn print_class(class: &HtbClass, show: &mut Show<'_>, out: &mut Out<'_>) {
    let details = show.options.details > 0;
    if class.level == 0 {
        out.field("prio", class.prio, ("prio ", class.prio, " "));
        if details {
            let quantum = class.quantum_bytes;
            out.field("quantum", quantum, ("quantum ", quantum, " "));
        }
    }
    let (rate, ceil) = (class.rate(), class.ceil());
    let iec = show.options.iec;
    out.field("rate", rate.0, ("rate ", rate.display(iec), " "));
    let overhead = class.rate.overhead;
    if overhead != 0 {
        out.field("overhead", overhead, ("overhead ", overhead, " "));
    }
    out.field("ceil", ceil.0, ("ceil ", ceil.display(iec), " "));
    let linklayer = class.rate.linklayer;
    if details || linklayer.0 > LinkLayer::ETHERNET.0 {
        out.field("linklayer", format_args!("{linklayer}"), format_args!("linklayer {linklayer} "));
    }
    let psched = show.env.psched();
    let burst = psched.xmit_size(rate, class.buffer_ticks);
    out.field("burst", burst.0, ("burst ", burst));
    if details {
        cell(["burst_cell", "mpu_rate"], &class.rate, out);
    }
    let cburst = psched.xmit_size(ceil, class.cbuffer_ticks);
    let space = if details { "" } else { " " };
    out.field("cburst", cburst.0, (space, "cburst ", cburst));
    if details {
        cell(["cburst_cell", "mpu_ceil"], &class.ceil, out);
        out.field("level", class.level, ("level ", class.level, " "));
    }
    if show.options.raw {
        let (buffer, cbuffer) = (class.buffer_ticks, class.cbuffer_ticks);
        out.field("buffer", buffer, format_args!("buffer [{buffer:08x}] "));
        out.field("cbuffer", cbuffer, format_args!("cbuffer [{cbuffer:08x}] "));
    }
    if class.offload {
        out.flag("offload", " offload");
    }
}

fn cell([cell, mpu]: [&str; 2], spec: &RateSpec, out: &mut Out<'_>) {
    let bytes = 1u32.checked_shl(spec.cell_log.into()).unwrap_or(0);
    out.field(cell, bytes, ("/", bytes));
    out.field(mpu, spec.mpu, ("mpu ", Size(spec.mpu.into()), " "));
}
