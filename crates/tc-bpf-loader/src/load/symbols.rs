//! Addresses of the kernel's symbols.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sys::{Bpf, Errno};

const KALLSYMS: &str = "/proc/kallsyms";
/// Most bytes of the list; a kernel with many modules has some 20 MiB.
const MAX_LIST: u64 = 256 << 20;

/// Looks up symbols by name, in one pass over the list of all. A name that several symbols have, with different
/// addresses, is an error; one that is missing is not in the result.
pub(super) fn addresses(
    names: &[&str],
    kernel: &mut dyn Bpf,
) -> Result<BTreeMap<String, Result<u64, String>>, Errno> {
    let list = kernel.read_file(Path::new(KALLSYMS), MAX_LIST)?;
    let mut found: BTreeMap<String, Result<u64, String>> = BTreeMap::new();
    let mut wanted = names.to_vec();
    wanted.sort_unstable();
    for line in list.split(|b| *b == b'\n') {
        // ffffffff81000000 T _text, and the module in brackets after a tab
        let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|w| !w.is_empty());
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if wanted.binary_search(&name).is_err() {
            continue;
        }
        let text = std::str::from_utf8(address).unwrap_or_default();
        let Ok(address) = u64::from_str_radix(text, 16) else { continue };
        let next = if address == 0 {
            Err(format!("{KALLSYMS} hides its address (kernel.kptr_restrict)"))
        } else {
            Ok(address)
        };
        match found.get(name) {
            None => _ = found.insert(name.to_owned(), next),
            Some(first) if *first == next => {}
            Some(_) => {
                let problem = "the kernel has several symbols of that name".to_owned();
                found.insert(name.to_owned(), Err(problem));
            }
        }
    }
    Ok(found)
}

/// Whether the kernel has one of the symbols.
pub(super) fn has_any(names: &[&str], kernel: &mut dyn Bpf) -> bool {
    addresses(names, kernel).is_ok_and(|found| !found.is_empty())
}
