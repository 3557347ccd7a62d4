//! Placeholder crate root; modules follow.

pub mod plan;
