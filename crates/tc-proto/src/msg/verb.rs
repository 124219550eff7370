//! Message types, and the flags that make a request an addition, a change or a removal.
//!
//! Kernel: uapi/linux/rtnetlink.h `RTM_*`, uapi/linux/netlink.h `NLM_F_*`.

/// `NLM_F_*`: flags of a netlink message.
pub mod flags {
    /// `NLM_F_REQUEST`: a request to the kernel.
    #[doc(alias = "NLM_F_REQUEST")]
    pub const REQUEST: u16 = 0x001;
    /// `NLM_F_MULTI`: one of several messages that `NLMSG_DONE` ends.
    #[doc(alias = "NLM_F_MULTI")]
    pub const MULTI: u16 = 0x002;
    /// `NLM_F_ACK`: an acknowledgement is wanted.
    #[doc(alias = "NLM_F_ACK")]
    pub const ACK: u16 = 0x004;
    /// `NLM_F_ECHO`: the resulting notification is wanted as well.
    #[doc(alias = "NLM_F_ECHO")]
    pub const ECHO: u16 = 0x008;
    /// `NLM_F_DUMP_INTR`: the list changed while it was read.
    #[doc(alias = "NLM_F_DUMP_INTR")]
    pub const DUMP_INTERRUPTED: u16 = 0x010;
    /// `NLM_F_ROOT`: the whole table.
    #[doc(alias = "NLM_F_ROOT")]
    pub const ROOT: u16 = 0x100;
    /// `NLM_F_DUMP`: list everything.
    #[doc(alias = "NLM_F_DUMP")]
    pub const DUMP: u16 = 0x300;
    /// `NLM_F_REPLACE`: override what exists.
    #[doc(alias = "NLM_F_REPLACE")]
    pub const REPLACE: u16 = 0x100;
    /// `NLM_F_EXCL`: fail when it exists.
    #[doc(alias = "NLM_F_EXCL")]
    pub const EXCL: u16 = 0x200;
    /// `NLM_F_CREATE`: create it when it does not exist.
    #[doc(alias = "NLM_F_CREATE")]
    pub const CREATE: u16 = 0x400;
}

/// What a message is: `RTM_*`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageType(pub u16);

impl MessageType {
    /// `RTM_NEWQDISC`.
    #[doc(alias = "RTM_NEWQDISC")]
    pub const NEW_QDISC: Self = Self(36);
    /// `RTM_DELQDISC`.
    #[doc(alias = "RTM_DELQDISC")]
    pub const DEL_QDISC: Self = Self(37);
    /// `RTM_GETQDISC`.
    #[doc(alias = "RTM_GETQDISC")]
    pub const GET_QDISC: Self = Self(38);
    /// `RTM_NEWTCLASS`.
    #[doc(alias = "RTM_NEWTCLASS")]
    pub const NEW_CLASS: Self = Self(40);
    /// `RTM_DELTCLASS`.
    #[doc(alias = "RTM_DELTCLASS")]
    pub const DEL_CLASS: Self = Self(41);
    /// `RTM_GETTCLASS`.
    #[doc(alias = "RTM_GETTCLASS")]
    pub const GET_CLASS: Self = Self(42);
    /// `RTM_NEWTFILTER`.
    #[doc(alias = "RTM_NEWTFILTER")]
    pub const NEW_FILTER: Self = Self(44);
    /// `RTM_DELTFILTER`.
    #[doc(alias = "RTM_DELTFILTER")]
    pub const DEL_FILTER: Self = Self(45);
    /// `RTM_GETTFILTER`.
    #[doc(alias = "RTM_GETTFILTER")]
    pub const GET_FILTER: Self = Self(46);
    /// `RTM_NEWACTION`.
    #[doc(alias = "RTM_NEWACTION")]
    pub const NEW_ACTION: Self = Self(48);
    /// `RTM_DELACTION`.
    #[doc(alias = "RTM_DELACTION")]
    pub const DEL_ACTION: Self = Self(49);
    /// `RTM_GETACTION`.
    #[doc(alias = "RTM_GETACTION")]
    pub const GET_ACTION: Self = Self(50);
    /// `RTM_NEWCHAIN`, since Linux 4.19.
    #[doc(alias = "RTM_NEWCHAIN")]
    pub const NEW_CHAIN: Self = Self(100);
    /// `RTM_DELCHAIN`, since Linux 4.19.
    #[doc(alias = "RTM_DELCHAIN")]
    pub const DEL_CHAIN: Self = Self(101);
    /// `RTM_GETCHAIN`, since Linux 4.19.
    #[doc(alias = "RTM_GETCHAIN")]
    pub const GET_CHAIN: Self = Self(102);
}

impl std::fmt::Debug for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match *self {
            Self::NEW_QDISC => "RTM_NEWQDISC",
            Self::DEL_QDISC => "RTM_DELQDISC",
            Self::GET_QDISC => "RTM_GETQDISC",
            Self::NEW_CLASS => "RTM_NEWTCLASS",
            Self::DEL_CLASS => "RTM_DELTCLASS",
            Self::GET_CLASS => "RTM_GETTCLASS",
            Self::NEW_FILTER => "RTM_NEWTFILTER",
            Self::DEL_FILTER => "RTM_DELTFILTER",
            Self::GET_FILTER => "RTM_GETTFILTER",
            Self::NEW_ACTION => "RTM_NEWACTION",
            Self::DEL_ACTION => "RTM_DELACTION",
            Self::GET_ACTION => "RTM_GETACTION",
            Self::NEW_CHAIN => "RTM_NEWCHAIN",
            Self::DEL_CHAIN => "RTM_DELCHAIN",
            Self::GET_CHAIN => "RTM_GETCHAIN",
            Self(other) => return write!(f, "RTM_{other}"),
        };
        f.write_str(name)
    }
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Create it; an error when it exists.
    Add,
    /// Change it; an error when it does not exist.
    Change,
    /// Create or change it. A qdisc is replaced by a new one when the kind differs.
    Replace,
    /// Replace a qdisc that exists by another one that exists (qdiscs only).
    Link,
    /// Remove it.
    Delete,
}

impl Verb {
    /// The flags for a qdisc request.
    pub fn qdisc_flags(self) -> u16 {
        use flags::{CREATE, REPLACE};
        match self {
            Self::Replace => self.flags() | CREATE | REPLACE,
            Self::Link => self.flags() | REPLACE,
            _ => self.flags(),
        }
    }

    /// The flags for a class, filter or chain request.
    pub fn flags(self) -> u16 {
        use flags::{ACK, CREATE, EXCL, REQUEST};
        match self {
            Self::Add => REQUEST | ACK | CREATE | EXCL,
            Self::Change | Self::Delete | Self::Link => REQUEST | ACK,
            Self::Replace => REQUEST | ACK | CREATE,
        }
    }

    pub(super) fn pick(self, new: MessageType, delete: MessageType) -> MessageType {
        if self == Self::Delete { delete } else { new }
    }
}
