//! Verdicts: what happens to a packet after an action.
//!
//! Kernel: uapi/linux/pkt_cls.h `TC_ACT_*`.

use std::fmt;

/// What happens to a packet after an action.
///
/// Shown as tc shows it, unknown verdicts as numbers:
///
/// ```
/// use tc_proto::action::Control;
/// assert_eq!(Control::DROP.to_string(), "drop");
/// assert_eq!(Control::goto_chain(5).to_string(), "goto chain 5");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Control(pub i32);

/// A [`Control`] taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// One that needs no number; its name.
    Plain(&'static str),
    /// Go on in this chain.
    GotoChain(u32),
    /// Skip this many actions of the list.
    Jump(u32),
    /// A number that this crate has no name for.
    Other(i32),
}

impl Control {
    /// Go on with the next filter.
    #[doc(alias = "TC_ACT_UNSPEC")]
    pub const CONTINUE: Self = Self(-1);
    /// Accept the packet.
    #[doc(alias = "TC_ACT_OK")]
    pub const PASS: Self = Self(0);
    /// Classify the packet again from the first filter.
    #[doc(alias = "TC_ACT_RECLASSIFY")]
    pub const RECLASSIFY: Self = Self(1);
    /// Drop the packet.
    #[doc(alias = "TC_ACT_SHOT")]
    pub const DROP: Self = Self(2);
    /// Go on with the next action of the list.
    #[doc(alias = "TC_ACT_PIPE")]
    pub const PIPE: Self = Self(3);
    /// The packet belongs to somebody else now.
    #[doc(alias = "TC_ACT_STOLEN")]
    pub const STOLEN: Self = Self(4);
    /// The same for a packet that was put into a queue.
    #[doc(alias = "TC_ACT_QUEUED")]
    pub const QUEUED: Self = Self(5);
    /// Run the action again.
    #[doc(alias = "TC_ACT_REPEAT")]
    pub const REPEAT: Self = Self(6);
    /// The packet was sent elsewhere.
    #[doc(alias = "TC_ACT_REDIRECT")]
    pub const REDIRECT: Self = Self(7);
    /// Send the packet to the CPU, from hardware; else as [`STOLEN`](Self::STOLEN). Since Linux
    /// 4.12.
    #[doc(alias = "TC_ACT_TRAP")]
    pub const TRAP: Self = Self(8);

    const JUMP: u32 = 1 << 28;
    const GOTO_CHAIN: u32 = 2 << 28;
    const OPERAND: u32 = (1 << 28) - 1;

    /// Go on in `chain`, at most 2²⁸ - 1; of greater numbers the low 28 bits count. Since Linux
    /// 4.12.
    #[doc(alias = "TC_ACT_GOTO_CHAIN")]
    pub const fn goto_chain(chain: u32) -> Self {
        Self((Self::GOTO_CHAIN | chain & Self::OPERAND) as i32)
    }

    /// Skip `count` actions of the list, at most 2²⁸ - 1. Since Linux 4.13.
    #[doc(alias = "TC_ACT_JUMP")]
    pub const fn jump(count: u32) -> Self {
        Self((Self::JUMP | count & Self::OPERAND) as i32)
    }

    /// The control taken apart.
    pub fn verdict(self) -> Verdict {
        let bits = self.0 as u32;
        match self {
            Self::CONTINUE => Verdict::Plain("continue"),
            Self::PASS => Verdict::Plain("pass"),
            Self::RECLASSIFY => Verdict::Plain("reclassify"),
            Self::DROP => Verdict::Plain("drop"),
            Self::PIPE => Verdict::Plain("pipe"),
            Self::STOLEN => Verdict::Plain("stolen"),
            Self::TRAP => Verdict::Plain("trap"),
            _ if bits & !Self::OPERAND == Self::GOTO_CHAIN => {
                Verdict::GotoChain(bits & Self::OPERAND)
            }
            _ if bits & !Self::OPERAND == Self::JUMP => Verdict::Jump(bits & Self::OPERAND),
            Self(other) => Verdict::Other(other),
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict() {
            Verdict::Plain(name) => f.write_str(name),
            Verdict::GotoChain(chain) => write!(f, "goto chain {chain}"),
            Verdict::Jump(count) => write!(f, "jump {count}"),
            Verdict::Other(number) => write!(f, "{number}"),
        }
    }
}
