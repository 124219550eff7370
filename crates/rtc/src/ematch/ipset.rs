//! `ipset`: words and output. Wire format: [`tc_proto::ematch::ipset`].

use tc_proto::ematch::Entry;
use tc_proto::ematch::ipset::{IpSet as Wire, MAX_DIMENSIONS};
use tc_proto::{DecodeError, Ematch, Kind};

use super::{Arg, Fault, Pending};
use crate::env::Env;
use crate::kinds::{EmatchKind, Show};
use crate::out::Out;

const USAGE: &str = "\
Usage: ipset(NAME { src | dst }[,{ src | dst }]...)

Looks the packet's source or destination up in the IP set NAME, one for each dimension of the set.
For example: ipset(bulk src,dst)
";

/// The longest name of a set.
const MAX_NAME: usize = 31;

/// The kind `ipset`.
#[derive(Debug)]
pub struct IpSet;

/// A set that is still a name, and the arguments behind it, which count only if there is such a set.
struct Named {
    name: String,
    args: Vec<Arg>,
}

impl EmatchKind for IpSet {
    fn name(&self) -> &'static str {
        Wire::NAME
    }

    fn number(&self) -> u16 {
        Wire::NUMBER
    }

    fn usage(&self) -> &'static str {
        USAGE
    }

    fn words(&self) -> &'static [&'static str] {
        &["src", "dst"]
    }

    fn parse(&self, args: &[Arg]) -> Result<Box<dyn Pending>, Fault> {
        let name = args.first().ok_or_else(|| Fault::whole("ipset: missing set name"))?;
        if name.bytes.len() > MAX_NAME {
            return Err(Fault::at(format!("ipset: set name too long (max {MAX_NAME})"), 0));
        }
        Ok(Box::new(Named { name: name.text().into_owned(), args: args.to_vec() }))
    }

    fn print(
        &self,
        data: &[u8],
        show: &mut Show<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), DecodeError> {
        let set = Wire::decode(data)?;
        match show.env.ip_set_name(set.index) {
            Some(name) => out.field("set", name.as_str(), format_args!("{name}")),
            None => out.field("index", set.index, format_args!("#{}", set.index)),
        }
        out.text(format_args!(" "));
        out.array("flags", |out| {
            for dimension in 1..=set.dimensions {
                let word = if set.is_source(dimension) { "src" } else { "dst" };
                let comma = if dimension > 1 { "," } else { "" };
                out.element(word, format_args!("{comma}{word}"));
            }
        });
        Ok(())
    }
}

impl Pending for Named {
    fn resolve(&self, env: &mut dyn Env) -> Result<Entry, Fault> {
        let unknown = || Fault::at(format!("ipset: unknown set name '{}'", self.name), 0);
        let index = env.ip_set_index(&self.name).ok_or_else(unknown)?;
        Wire { index, ..dimensions(&self.args)? }.resolve(env)
    }
}

/// What is looked up in each dimension of the set. A word counts by its beginning.
fn dimensions(args: &[Arg]) -> Result<Wire, Fault> {
    let mut set = Wire::default();
    let flags = args.get(1).ok_or_else(|| Fault::at("ipset: missing set flags", 0))?;
    for word in flags.text().split(',') {
        let source = word.starts_with("src");
        if !source && !word.starts_with("dst") {
            return Err(wrong_flags(
                "You must specify (the comma separated list of) 'src' or 'dst'\n",
            ));
        }
        // tc leaves out this line break.
        let many = || wrong_flags(&format!("Can't be more src/dst options than {MAX_DIMENSIONS}"));
        set = set.with(source).ok_or_else(many)?;
    }
    if args.len() > 2 {
        return Err(Fault::at("ipset: unknown parameter", 2).showing_from(2));
    }
    Ok(set)
}

fn wrong_flags(why: &str) -> Fault {
    Fault::at(format!("{why}ipset: error parsing set flags"), 1).showing_from(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // tc 7.3 with a set of this name.
    #[test]
    fn flags_are_told_by_their_beginning() {
        let arg = |text: &str| Arg { bytes: text.as_bytes().to_vec(), quoted: false };
        let read = |flags: &str| dimensions(&[arg("bulk"), arg(flags)]);
        for (flags, dimensions, bits) in [
            ("src", 1, 2),
            ("srcx", 1, 2),
            ("src,dst", 2, 2),
            ("dst,src", 2, 4),
            ("src,src,src,dst,dst,src", 6, 0x4e),
        ] {
            let set = read(flags).unwrap();
            assert_eq!((set.dimensions, set.flags), (dimensions, bits), "{flags}");
        }
        for flags in ["", "s", "SRC", "src,", ",src", "src,foo", "src,src,src,src,src,src,src"] {
            assert!(read(flags).is_err(), "{flags}");
        }
        assert!(dimensions(&[arg("bulk")]).is_err());
        assert!(dimensions(&[arg("bulk"), arg("src"), arg("dst")]).is_err());
    }
}
