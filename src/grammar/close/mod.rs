//! The shortest valid ending of an answer, from wherever it stands.
//!
//! `answer` finds the value that the answer breaks off in, `arguments` how it is written; the rest is about one value.
//! The text so far is read as parts, and the parts are completed along the shapes: what is required and not there yet is
//! added in its cheapest form. Where the guard has a say, endings are tried in order until it agrees.

mod addition;
mod answer;
mod arguments;
mod array;
mod choice;
mod complete;
mod input;
mod numeral;
mod object;
mod part;
mod parts;
mod scalar;
mod value;

use std::sync::Arc;

pub(super) use self::answer::{Answer, Call, Calls, Text};
pub(super) use self::arguments::Arguments;
use self::input::InputCloser;
pub(super) use self::parts::{PartsCloser, is_satisfiable};
use self::value::ValueCloser;
use super::cfg::Cfg;
use super::shape::Shapes;
use crate::guard::Check;

/// What is assumed of the dearest token, where nobody looks for it.
const ASSUMED_LONGEST: usize = 512;

/// Finds endings for values of one kind.
#[derive(Debug)]
pub(super) enum Closer {
    /// Values of a schema.
    Value(ValueCloser),
    /// Objects with the input of a custom tool.
    Input(InputCloser),
}

impl Closer {
    /// For the values of a schema. `whole` judges them, where some shape is residual.
    pub(super) fn value(shapes: Shapes, whole: Option<Arc<Check>>, is_costly: bool) -> Self {
        Self::Value(ValueCloser::new(shapes, whole, is_costly))
    }

    /// For objects whose only key is `key`, with a text of `cfg`.
    pub(super) fn input(key: &str, cfg: Arc<Cfg>) -> Self {
        Self::Input(InputCloser::new(key, cfg))
    }

    /// About how many tokens one more token can add to what closing takes.
    pub(super) fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        match self {
            Self::Value(closer) => closer.longest(n_tokens),
            Self::Input(_) => ASSUMED_LONGEST,
        }
    }

    /// The bytes of a short valid ending of `text`; `None` if none is found.
    pub(super) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Value(closer) => closer.close(text),
            Self::Input(closer) => closer.close(text),
        }
    }
}
