//! What can go wrong when bytes are read or written.

use std::fmt;

/// The place of an attribute in a message: attribute types from the outermost nest inwards.
///
/// Displayed as `2.6` for attribute 6 inside attribute 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttrPath(pub Vec<u16>);

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, ty) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            write!(f, "{ty}")?;
        }
        Ok(())
    }
}

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A structure or attribute payload is shorter than its smallest known form.
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes needed at least.
        need: usize,
        /// Bytes there were.
        have: usize,
    },
    /// A length field contradicts the bytes around it.
    BadLength {
        /// What was being read.
        what: &'static str,
        /// The length it claims.
        claims: usize,
        /// Bytes there are.
        have: usize,
    },
    /// A value that this place does not allow.
    Invalid {
        /// What was being read.
        what: &'static str,
    },
    /// An attribute inside which something was wrong.
    In {
        /// The attribute's type, without the nest and byte-order bits.
        attr: u16,
        /// What was wrong there.
        source: Box<DecodeError>,
    },
}

impl DecodeError {
    /// Says that the error happened inside attribute `attr`.
    #[must_use]
    pub fn inside(self, attr: u16) -> Self {
        Self::In { attr, source: Box::new(self) }
    }

    /// The attributes around the error, outermost first.
    pub fn path(&self) -> AttrPath {
        let mut path = Vec::new();
        let mut at = self;
        while let Self::In { attr, source } = at {
            path.push(*attr);
            at = source;
        }
        AttrPath(path)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what, need, have } => {
                write!(f, "{what}: {have} bytes where at least {need} are needed")
            }
            Self::BadLength { what, claims, have } => {
                write!(f, "{what}: claims {claims} bytes, {have} are there")
            }
            Self::Invalid { what } => write!(f, "{what}: invalid value"),
            Self::In { .. } => {
                let mut inner = self;
                while let Self::In { source, .. } = inner {
                    inner = source;
                }
                write!(f, "attribute {}: {inner}", self.path())
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// A message that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An attribute, header included, is longer than the 65,535 bytes its length field can say.
    AttributeTooLong {
        /// Where the attribute is.
        path: AttrPath,
        /// Its length in bytes, header included.
        len: usize,
    },
    /// The message is longer than the 2³²−1 bytes its length field can say.
    MessageTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A string with a NUL byte inside cannot be sent.
    NulInString {
        /// Where the attribute is.
        path: AttrPath,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttributeTooLong { path, len } => {
                write!(f, "attribute {path} would be {len} bytes long, 65535 is the most")
            }
            Self::MessageTooLong { len } => {
                write!(f, "message would be {len} bytes long, 4294967295 is the most")
            }
            Self::NulInString { path } => write!(f, "attribute {path}: NUL byte inside a string"),
        }
    }
}

impl std::error::Error for EncodeError {}
