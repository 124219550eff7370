//! Type information for kernels that lack kinds of types.

use super::{all_objects, named, object};
use crate::btf::sanitise::{Feature, without};
use crate::btf::{Btf, fixup, kind};
use crate::sys::{Fake, Request};
use crate::{Endian, Errno, LoadOptions, ObjectSpec, ProgType};

const KINDS: &str =
    if cfg!(target_endian = "big") { "btf_kinds-c19-g-eb.o" } else { "btf_kinds-c19-g-el.o" };

fn types(object: &ObjectSpec) -> Btf {
    let Some(Ok(btf)) = &object.btf else { panic!("no types") };
    let fixed = fixup::for_kernel(btf, &object.elf);
    Btf::parse(&fixed, object.endian()).unwrap()
}

#[test]
fn what_is_replaced_is_not_there_any_more() {
    let kinds = types(&object(KINDS));
    let used = Feature::used(&kinds);
    for feature in [
        Feature::Functions,
        Feature::Variables,
        Feature::GlobalFunctions,
        Feature::Float,
        Feature::DeclTag,
        Feature::TypeTag,
        Feature::Enum64,
        Feature::OptionalSections,
    ] {
        assert!(used.contains(&feature), "{feature:?} of {used:?}");
        let rest = Btf::parse(&without(&kinds, &[feature]), kinds.endian).unwrap();
        assert!(!Feature::used(&rest).contains(&feature), "{feature:?}");
        assert_eq!(rest.last_id(), kinds.last_id());
    }
    let rest = Btf::parse(&without(&kinds, &used), kinds.endian).unwrap();
    let old = |t: &crate::btf::Type<'_>| t.kind <= kind::RESTRICT;
    assert!(rest.iter().all(|t| old(&t)));
    // What else there is stays as it is.
    let members = |btf: &Btf| {
        let ty = btf.iter().find(|t| btf.str_at(t.name_off) == "tagged").unwrap();
        btf.members(&ty).map(|m| (btf.str_at(m.name_off).to_owned(), m.type_id)).collect::<Vec<_>>()
    };
    assert_eq!(members(&rest), members(&kinds));
}

#[test]
fn odd_names_become_plain() {
    let mut bytes = without(&types(&object(KINDS)), &[]);
    let at = bytes.windows(8).position(|w| w == b"\0tagged\0").unwrap();
    bytes[at + 1..at + 7].copy_from_slice(b"a::<b>");
    let odd = Btf::parse(&bytes, Endian::HOST).unwrap();
    assert!(Feature::used(&odd).contains(&Feature::OddNames));
    let plain = Btf::parse(&without(&odd, &[Feature::OddNames]), Endian::HOST).unwrap();
    assert!(!Feature::used(&plain).contains(&Feature::OddNames));
    assert!(plain.iter().any(|t| plain.str_at(t.name_off) == "a___b_"));
    // The text of source lines is not touched.
    assert!(plain.iter().all(|t| plain.str_at(t.name_off) != "a::<b>"));
}

/// The kernel is asked only when it refused, and only about what the object has.
#[test]
fn a_kernel_is_asked_what_it_knows() {
    let object = object(KINDS);
    let mut fake = Fake::new();
    // All of it, then the probes in order: functions, variables, global functions, float.
    fake.refuse_btf(Errno::EINVAL, "");
    let knows = [true, true, true, false, true, true, true, false];
    for known in knows {
        if known {
            fake.grant_btf();
        } else {
            fake.refuse_btf(Errno::EINVAL, "");
        }
    }
    let options = LoadOptions::new(ProgType::SCHED_CLS);
    let loaded = named(&object, "with_kinds").load(&options, &mut fake).unwrap();
    assert_eq!(loaded.notes, Vec::<String>::new());
    let btfs: Vec<&[u8]> = fake
        .requests()
        .iter()
        .filter_map(|r| match r {
            Request::BtfLoad { bytes, .. } => Some(bytes.as_slice()),
            _ => None,
        })
        .collect();
    let used = Feature::used(&types(&object));
    assert_eq!(btfs.len(), 2 + used.len(), "{used:?}");
    let given = Btf::parse(btfs.last().unwrap(), Endian::HOST).unwrap();
    let left = Feature::used(&given);
    assert!(!left.contains(&Feature::Float) && left.contains(&Feature::TypeTag), "{left:?}");
}

mod kernel {
    use super::*;
    use crate::sys::{Bpf as _, Kernel, Log};
    use crate::tests::kernel::usable;

    fn load(bytes: &[u8]) -> Result<(), String> {
        let mut log = Log::new(1, 1 << 20);
        let result = Kernel.btf_load(bytes, Some(&mut log));
        result.map(drop).map_err(|e| format!("{e}\n{}", log.text))
    }

    /// What replaces something is old enough for all kernels, so this one must take it as well.
    #[test]
    fn replaced_types_are_taken() {
        if !usable() {
            return;
        }
        let suffix = if Endian::HOST == Endian::Big { "eb.o" } else { "el.o" };
        for (name, bytes) in all_objects().iter().filter(|(n, _)| n.ends_with(suffix)) {
            let object = ObjectSpec::parse(name, bytes).unwrap();
            if !matches!(object.btf, Some(Ok(_))) {
                continue;
            }
            let types = types(&object);
            let used = Feature::used(&types);
            // A kernel that lacks one of them lacks all that came later.
            for first in 0..used.len() {
                let lacking = &used[first..];
                if let Err(e) = load(&without(&types, lacking)) {
                    panic!("{name} without {lacking:?}: {e}");
                }
            }
        }
    }

    /// A kernel takes all probes but for those of its own future, and nothing that it lacks.
    #[test]
    fn probes_tell_what_this_kernel_knows() {
        if !usable() {
            return;
        }
        let kinds = types(&object(KINDS));
        let lacking: Vec<_> = Feature::used(&kinds)
            .into_iter()
            .filter(|f| f.probe().is_none_or(|p| load(&p).is_err()))
            .collect();
        println!("this kernel lacks {lacking:?}");
        assert_eq!(load(&without(&kinds, &[])).is_ok(), lacking.is_empty(), "{lacking:?}");
        load(&without(&kinds, &lacking)).unwrap();
        let loaded = named(&object(KINDS), "with_kinds")
            .load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)
            .unwrap();
        assert_eq!(loaded.notes, Vec::<String>::new());
    }
}
