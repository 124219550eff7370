//! Extended acknowledgements: what the kernel says about an error or a success.

/// What the kernel adds to an error or an acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtAck;
