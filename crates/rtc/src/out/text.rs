//! What a text is made of.
//!
//! `format_args!` makes any text, at a price: a list of ten thousand classes would spend two thirds
//! of its time in `core::fmt`. Pieces in a tuple go straight into the buffer instead.

use std::fmt::{self, Write as _};

use tc_proto::Handle;
use tc_proto::units::{RateText, Size};

/// A text, or a piece of one. A tuple is its pieces, one after the other.
///
/// ```
/// use rtc::out::{Hex, Text};
/// let mut text = Vec::new();
/// ("leaf ", Hex(10), ": ").put(&mut text);
/// assert_eq!(text, b"leaf a: ");
/// ```
pub trait Text {
    /// Appends the text.
    fn put(&self, buf: &mut Vec<u8>);
}

/// A number in hexadecimal, without `0x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u32);

/// Takes text into a buffer, with less ado than [`std::io::Write`] of a `Vec`.
struct Plain<'a>(&'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Text for fmt::Arguments<'_> {
    fn put(&self, buf: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        _ = Plain(buf).write_fmt(*self);
    }
}

impl<T: Text + ?Sized> Text for &T {
    fn put(&self, buf: &mut Vec<u8>) {
        (**self).put(buf);
    }
}

impl Text for str {
    fn put(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(self.as_bytes());
    }
}

impl Text for String {
    fn put(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(self.as_bytes());
    }
}

macro_rules! unsigned {
    ($($int:ty)*) => {$(
        impl Text for $int {
            fn put(&self, buf: &mut Vec<u8>) {
                digits::<10>((*self).into(), buf);
            }
        }
    )*};
}
unsigned!(u8 u16 u32 u64);

macro_rules! signed {
    ($($int:ty)*) => {$(
        impl Text for $int {
            fn put(&self, buf: &mut Vec<u8>) {
                if *self < 0 {
                    buf.push(b'-');
                }
                digits::<10>(self.unsigned_abs().into(), buf);
            }
        }
    )*};
}
signed!(i8 i16 i32 i64);

/// Appends a number in base 10 or 16.
fn digits<const BASE: u64>(mut number: u64, buf: &mut Vec<u8>) {
    const MOST: usize = 20;
    let text = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
    if number < BASE {
        return buf.push(text(number as u8));
    }
    let mut digits = [0; MOST];
    let mut len = 0;
    for place in digits.iter_mut().rev() {
        *place = text((number % BASE) as u8);
        len += 1;
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    buf.extend_from_slice(digits.get(MOST - len..).unwrap_or_default());
}

impl Text for Hex {
    fn put(&self, buf: &mut Vec<u8>) {
        digits::<16>(self.0.into(), buf);
    }
}

impl Text for Handle {
    fn put(&self, buf: &mut Vec<u8>) {
        let hex = |half: u16| Hex(half.into());
        match (self.major(), self.minor()) {
            _ if *self == Self::ROOT => "root".put(buf),
            (0, 0) => "none".put(buf),
            (0, minor) => (":", hex(minor)).put(buf),
            (major, 0) => (hex(major), ":").put(buf),
            (major, minor) => (hex(major), ":", hex(minor)).put(buf),
        }
    }
}

impl Text for RateText {
    fn put(&self, buf: &mut Vec<u8>) {
        let (number, unit, infix) = self.parts();
        (number, unit, infix, "bit").put(buf);
    }
}

impl Text for Size {
    fn put(&self, buf: &mut Vec<u8>) {
        match self.parts() {
            Some((number, unit)) => (number, unit).put(buf),
            None => format_args!("{self}").put(buf),
        }
    }
}

macro_rules! tuple {
    ($($piece:ident)*) => {
        impl<$($piece: Text),*> Text for ($($piece,)*) {
            #[expect(non_snake_case, reason = "a type and its piece share the name")]
            fn put(&self, buf: &mut Vec<u8>) {
                let ($($piece,)*) = self;
                $($piece.put(buf);)*
            }
        }
    };
}
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tc_proto::units::Rate;

    fn text(text: impl Text) -> String {
        let mut buf = Vec::new();
        text.put(&mut buf);
        String::from_utf8(buf).unwrap()
    }

    #[test]
    fn edges() {
        assert_eq!(text(u64::MAX), u64::MAX.to_string());
        assert_eq!(text((i64::MIN, " ", i8::MIN, " ", 0u8)), format!("{} -128 0", i64::MIN));
        assert_eq!(text((Hex(0), Hex(u32::MAX))), "0ffffffff");
        assert_eq!(text((Handle::ROOT, " ", Handle::UNSPEC)), "root none");
    }

    proptest! {
        #[test]
        fn pieces_look_as_formatted(number: u64, signed: i32, shift in 0u32..64, iec: bool) {
            let number = number >> shift;
            let (rate, size) = (Rate(number).display(iec), Size(number));
            let handle = Handle(number as u32);
            prop_assert_eq!(text((number, "x", signed)), format!("{number}x{signed}"));
            prop_assert_eq!(text((rate, size)), format!("{rate}{size}"));
            prop_assert_eq!(text((handle, Hex(handle.0))), format!("{handle}{:x}", handle.0));
            let half = Handle::new(handle.major(), 0);
            prop_assert_eq!(text((half, handle)), format!("{half}{handle}"));
        }
    }
}
