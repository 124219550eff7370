//! Where a filter runs, a field of several kinds.
//!
//! Kernel: uapi/linux/pkt_cls.h `TCA_CLS_FLAGS_*`.

use bitflags::bitflags;

bitflags! {
    /// `TCA_CLS_FLAGS_*`: where a filter runs. Since Linux 4.6.
    #[doc(alias = "TCA_CLS_FLAGS")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct OffloadFlags: u32 {
        /// Not in hardware.
        #[doc(alias = "TCA_CLS_FLAGS_SKIP_HW")]
        const SKIP_HW = 1;
        /// Only in hardware.
        #[doc(alias = "TCA_CLS_FLAGS_SKIP_SW")]
        const SKIP_SW = 2;
        /// It runs in hardware. Set by the kernel, since Linux 4.13.
        #[doc(alias = "TCA_CLS_FLAGS_IN_HW")]
        const IN_HW = 4;
        /// It does not run in hardware. Set by the kernel, since Linux 4.13.
        #[doc(alias = "TCA_CLS_FLAGS_NOT_IN_HW")]
        const NOT_IN_HW = 8;
        /// The driver may explain what it does not take. Since Linux 4.16.
        #[doc(alias = "TCA_CLS_FLAGS_VERBOSE")]
        const VERBOSE = 16;
        const _ = !0;
    }
}
