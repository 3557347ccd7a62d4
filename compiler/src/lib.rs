//! Placeholder crate root; modules follow.
