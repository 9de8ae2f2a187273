//! How arguments are written where they are not written as JSON: as elements, one per parameter
//! (`<parameter=KEY>\nVALUE\n</parameter>\n`), or in another notation (`key='text', flag=True`).
//!
//! In elements, text stands as it is, everything else as JSON. Which of the two a value is, its key tells, or the format
//! itself; where a key allows both, text that reads like JSON is written as a JSON string.

mod elements;
mod notation;
mod scalar;

use std::sync::Arc;

pub use elements::{Content, Elements, Keys, Kind, Level, LevelId};
pub use notation::{Notation, Quote};
pub(super) use scalar::{closed_scalar, may_become_scalar, split_scalar};

/// How arguments are written, before anything is known of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// One element per parameter.
    Elements(Arc<Elements>),
    /// Another notation.
    Notation(Arc<Notation>),
}

/// How the arguments of one tool are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One element per parameter.
    Elements(Arc<Keys>),
    /// Another notation.
    Notation(Arc<Notation>),
}
