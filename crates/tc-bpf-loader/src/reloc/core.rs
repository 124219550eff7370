//! CO-RE relocations: instructions that depend on the layout of the running kernel's types.

use super::Linker;
use crate::error::ObjectError;

impl Linker<'_> {
    /// Refuses a function that has any, rather than to load it with offsets that may be wrong.
    pub(super) fn refuse_core(
        &self,
        section: u32,
        offset: u64,
        size: u64,
    ) -> Result<(), ObjectError> {
        let Some(Ok(ext)) = &self.spec.btf_ext else {
            return Ok(());
        };
        let Some((at, type_id)) = ext.core(section, offset, offset + size).first() else {
            return Ok(());
        };
        let name = match &self.spec.btf {
            Some(Ok(btf)) => btf.name(*type_id),
            _ => "",
        };
        let what = format!(
            "depends on the kernel's layout of type `{name}` (CO-RE), which this loader does not adapt"
        );
        Err(self.unsupported(section, u64::from(*at), &what))
    }
}
