//! Words with units: what is read can be printed, and what is printed can be read.

use std::fmt::Debug;

use tc_proto::units::{
    Base, Estimator, Handle, LinkLayer, MacAddr, Percent, Protocol, Psched, Rate, RateSpec,
    RateWord, Size, SizeTable, SpeedShare, StabParams, TimeNs, TimeUs, UnitError, general,
    parse_i32, parse_i64, parse_loose_handle, parse_u8, parse_u16, parse_u32, parse_u64,
};

/// Every line through every parser.
///
/// # Panics
/// When something that must hold for any bytes does not.
pub fn units(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut before = "";
    for word in text.split('\n').take(64) {
        numbers(word);
        names(word);
        quantities(word);
        pairs(before, word);
        before = word;
    }
    let psched = Psched::parse(&text);
    assert!(psched.ticks_per_us().is_finite() && psched.ticks_per_us() > 0.0, "{psched:?}");
    for bytes in data.chunks_exact(8).take(64).filter_map(|bytes| bytes.try_into().ok()) {
        float(u64::from_ne_bytes(bytes), &psched);
    }
}

/// What `parse` makes of a word; errors must be able to speak.
fn read<T>(result: Result<T, UnitError>) -> Option<T> {
    result.map_err(|e| assert!(!e.to_string().is_empty())).ok()
}

fn numbers(word: &str) {
    for base in [Base::Auto, Base::Ten, Base::Hex] {
        macro_rules! same {
            ($($parse:ident)*) => {$(
                if let Some(value) = read($parse(word, base)) {
                    let text = match base {
                        Base::Hex if !value.to_string().starts_with('-') => format!("{value:x}"),
                        Base::Hex => continue,
                        _ => value.to_string(),
                    };
                    assert_eq!($parse(&text, base), Ok(value), "{word:?} as {text}");
                }
            )*};
        }
        same!(parse_u8 parse_u16 parse_u32 parse_u64 parse_i32 parse_i64);
    }
    _ = read(parse_loose_handle(word));
}

/// What is printed without rounding.
fn names(word: &str) {
    for handle in [read(Handle::parse_classid(word)), read(Handle::parse_qdisc_handle(word))] {
        same(handle, Handle::parse_classid);
    }
    same(
        read(LinkLayer::parse(word)).filter(|l| LinkLayer::parse(&l.to_string()).is_ok()),
        LinkLayer::parse,
    );
    same(read(MacAddr::parse(word)), MacAddr::parse);
    same(read(MacAddr::parse_loose(word)), MacAddr::parse_loose);
    if let Some((address, mask)) = read(MacAddr::parse_masked(word)) {
        assert_eq!(MacAddr::parse_masked(&format!("{address}/{mask}")), Ok((address, mask)));
        if let Some(len) = mask.prefix_len() {
            assert_eq!(MacAddr::prefix(len), Some(mask));
        }
    }
    if let Some(protocol) = read(Protocol::parse(word)) {
        if let Some(name) = protocol.name() {
            assert_eq!(Protocol::parse(name), Ok(protocol));
        }
        assert_eq!(protocol.numeric().to_string(), format!("[{}]", protocol.0));
        assert_eq!(Protocol::from_wire(protocol.to_wire()), protocol);
    }
}

fn same<T: ToString + Debug + PartialEq>(
    value: Option<T>,
    parse: impl Fn(&str) -> Result<T, UnitError>,
) {
    if let Some(value) = value {
        let text = value.to_string();
        assert_eq!(parse(&text).as_ref(), Ok(&value), "{text}");
    }
}

/// What is printed with a few digits.
fn quantities(word: &str) {
    if let Some(time) = read(TimeUs::parse(word)) {
        let again = TimeUs::parse(&time.to_string()).map(|t| t.0);
        near(time.0.into(), &again.map(f64::from), 0.01, &time);
    }
    if let Some(time) = read(TimeNs::parse(word)) {
        let again = TimeNs::parse(&time.to_string()).map(|t| t.0 as f64);
        near(time.0 as f64, &again, 0.01, &time);
    }
    if let Some(rate) = read(Rate::parse(word)) {
        _ = (rate.clamped(), rate.needs_64_bits());
        // Greater ones are shown without their highest bits, as tc shows them.
        for iec in [false, true].into_iter().filter(|_| rate.0 < 1 << 61) {
            let text = rate.display(iec).to_string();
            near(rate.0 as f64, &Rate::parse(&text).map(|r| r.0 as f64), 0.002, &text);
        }
    }
    if let Some(RateWord::Share(share)) = read(RateWord::parse(word)) {
        _ = (share.of_speed(0), share.of_speed(10_000), share.of_speed(u32::MAX));
    }
    _ = read(SpeedShare::parse(word));
    if let Some(size) = read(Size::parse(word)) {
        // The greatest are rounded up past what fits.
        if size.0 < 1 << 60 {
            let again = Size::parse(&size.to_string()).map(|s| s.0 as f64);
            near(size.0 as f64, &again, 0.01, &size);
        }
        assert_eq!(Size::parse_u32(word).ok(), u32::try_from(size.0).ok());
        assert_eq!(Size::parse_with_cell(word), Ok((size, None)));
    }
    _ = read(Size::parse_with_cell(word));
    if let Some(percent) = read(Percent::parse(word)) {
        assert!((0.0..=1.0).contains(&percent.fraction()));
        let again = Percent::parse(&percent.to_string()).map(Percent::fraction);
        near(percent.fraction(), &again, 0.000_01, &percent);
    }
}

/// Whether what was read back is what was printed, but for rounding by `part` of it and by one.
fn near(
    value: f64,
    again: &Result<f64, UnitError>,
    part: f64,
    text: &(impl std::fmt::Display + ?Sized),
) {
    let fits = again.as_ref().is_ok_and(|again| (again - value).abs() <= value * part + 1.0);
    assert!(fits, "{value} is shown as {text}, which reads as {again:?}");
}

/// Things made of two words.
fn pairs(first: &str, second: &str) {
    if let Some(estimator) = read(Estimator::parse(first, second)) {
        assert!((-2..=3).contains(&estimator.interval) && (1..=29).contains(&estimator.ewma_log));
    }
    if let (Ok(rate), Ok(mtu)) = (Rate::parse(first), Size::parse_u32(second)) {
        let spec = RateSpec::new(rate, mtu);
        assert_eq!(spec.rate_table(rate, &Psched::CURRENT).len(), RateSpec::TABLE_LEN);
        _ = Psched::CURRENT.xmit_size(rate, Psched::CURRENT.xmit_time(rate, mtu.into()));
    }
    if let (Ok(mtu), Ok(tsize)) = (parse_u32(first, Base::Auto), parse_u32(second, Base::Auto)) {
        for linklayer in [LinkLayer::ETHERNET, LinkLayer::ATM] {
            let params =
                StabParams { mtu, tsize: tsize % 33_000, mpu: 64, linklayer, overhead: -4 };
            if let Some(table) = read(SizeTable::compute(params)) {
                assert!(table.data.is_none_or(|data| data.len() == table.spec.tsize as usize));
            }
        }
    }
}

fn float(bits: u64, psched: &Psched) {
    let value = f64::from_bits(bits);
    for precision in [0, 3, 6, 17] {
        let text = general(value, precision).to_string();
        if value.is_finite() {
            assert!(text.parse::<f64>().is_ok(), "{text}");
        }
    }
    _ = psched.ticks_from_us(value);
    let ticks = bits as u32;
    assert!(psched.us_from_ticks(ticks) >= 0.0);
    _ = psched.xmit_size(Rate(bits), ticks);
}
