//! The kinds of qdiscs.
