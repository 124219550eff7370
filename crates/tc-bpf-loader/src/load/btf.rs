//! Loading type information into kernels of any age.

use std::os::fd::OwnedFd;

use super::LOG_SIZE;
use crate::btf::Btf;
use crate::btf::sanitise::{Feature, without};
use crate::insn::Endian;
use crate::sys::{Bpf, Errno, Log};

/// Loads type information. When the kernel refuses it, it is asked which of the kinds that occur it knows, and gets the
/// others replaced. Never fails: programs run without it.
pub(super) fn load(bytes: &[u8], kernel: &mut dyn Bpf, notes: &mut Vec<String>) -> Option<OwnedFd> {
    let mut errno = match kernel.btf_load(bytes, None) {
        Ok(fd) => return Some(fd),
        Err(errno) => errno,
    };
    let mut last = None;
    if !matches!(errno, Errno::EPERM | Errno::ENOSYS | Errno::ENOMEM) {
        if let Ok(btf) = Btf::parse(bytes, Endian::HOST) {
            let lacking: Vec<Feature> = Feature::used(&btf)
                .into_iter()
                .filter(|f| f.probe().is_none_or(|probe| kernel.btf_load(&probe, None).is_err()))
                .collect();
            if !lacking.is_empty() {
                let changed = without(&btf, &lacking);
                match kernel.btf_load(&changed, None) {
                    Ok(fd) => return Some(fd),
                    Err(e) => (errno, last) = (e, Some(changed)),
                }
            }
        }
    }
    let mut log = Log::new(1, LOG_SIZE);
    if let Ok(fd) = kernel.btf_load(last.as_deref().unwrap_or(bytes), Some(&mut log)) {
        return Some(fd);
    }
    let why = log.text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
    notes
        .push(format!("type information not loaded, source lines are unavailable: {errno}: {why}"));
    None
}
