//! The kinds of filters.
