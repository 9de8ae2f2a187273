//! What stands behind the mask: the independent check of every finished bound value.
//!
//! The check shares no code with the grammar, so that one cannot hide the other's faults.

mod check;

pub use check::{Check, CheckError, Violation};
