//! Answers of several parts: text, values and tags, as the structural tags of XGrammar put them together.
//!
//! A [`Format`] is what a client asks for. `plan` makes states of it, `nodes` an automaton of the states, so that each
//! byte has one meaning; what has two is refused (`apart`). `write` makes Lark of that, `judge` the check of finished answers.
//! Endings are found in `close`.

mod apart;
mod judge;
mod nodes;
mod number;
mod plan;
mod regular;
mod write;

use std::sync::Arc;

use serde_json::Value;

pub use judge::Judge;
pub(super) use write::ended;

use crate::guard::{Encoding, Form, Structure};
use crate::schema::pattern::Lang;

/// A part of an answer.
#[derive(Clone, Debug)]
pub struct Format {
    /// The field that describes it.
    pub at: String,
    /// What it is.
    pub kind: Kind,
}

/// What a part of an answer is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// This text.
    Literal(String),
    /// A value.
    Schema {
        /// What it must be.
        schema: Value,
        /// Whether keys may come in any order; then they may in all values of the answer.
        any_order: bool,
        /// How it is written, where it is not written as JSON.
        form: Option<Form>,
    },
    /// What a pattern of ECMA-262 matches.
    Regex(String),
    /// What a grammar derives, in GBNF or in Lark.
    Grammar(String),
    /// Text up to where the next part begins.
    Text {
        /// What it must not hold.
        excluded: Vec<String>,
        /// How many characters it has at most.
        max_chars: Option<u32>,
    },
    /// All of these.
    Sequence(Vec<Format>),
    /// One of these.
    Or(Vec<Format>),
    /// The same several times.
    Repeat {
        /// What is repeated.
        content: Box<Format>,
        /// What stands between two of them.
        separator: String,
        /// How often at least.
        min: u32,
        /// How often at most.
        max: Option<u32>,
    },
    /// Text in which some words are followed by more than text.
    Dispatch {
        /// The words.
        rules: Vec<Rule>,
        /// What the text must not hold.
        excluded: Vec<String>,
        /// Whether it begins with one of the words.
        must: bool,
        /// Whether text goes on behind what follows a word.
        goes_on: bool,
    },
}

/// A word in a text, and what follows it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The word; text never holds it.
    pub trigger: String,
    /// What else stands before the content.
    pub rest: String,
    /// What follows.
    pub content: Format,
}

/// Why a format is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatError {
    /// The field at fault.
    pub at: String,
    /// What is wrong with it.
    pub message: String,
}

impl FormatError {
    fn new(at: &str, message: impl Into<String>) -> Self {
        Self { at: at.to_owned(), message: message.into() }
    }
}

/// The schema of values that are parts of an answer.
#[derive(Clone, Debug)]
pub struct PartSchema {
    /// The field that it came from.
    pub at: String,
    /// What the values must be.
    pub schema: Value,
    /// How they are written, where they are not written as JSON.
    pub form: Option<Form>,
}

/// A format made ready.
#[derive(Debug)]
pub struct Parts {
    /// Where its parts stand.
    pub structure: Arc<Structure>,
    /// The schemas of its values.
    pub schemas: Vec<PartSchema>,
    /// Whether keys may come in any order.
    pub any_order: bool,
    /// What each of its texts must be; nothing where all are allowed.
    pub(super) langs: Vec<Option<Lang>>,
}

impl Parts {
    /// Makes `format` ready.
    ///
    /// # Errors
    /// With the field at fault, where a part is no such thing, or cannot be told from what stands beside it.
    pub fn of(format: &Format) -> Result<Self, FormatError> {
        nodes::build(plan::plan(format)?)
    }

    /// Whether an answer may begin with a literal of the format that `text` begins with, or that begins with `text`.
    #[must_use]
    pub fn may_begin_with(&self, text: &[u8]) -> bool {
        let mut node = 0;
        for (i, byte) in text.iter().enumerate() {
            let there = &self.structure.nodes[node];
            match there.edges.iter().find(|(edge, _)| edge == byte) {
                Some((_, next)) => node = *next,
                None => return i > 0 && (there.value.is_some() || there.text.is_some_and(|(_, n_back)| n_back == 0)),
            }
        }
        true
    }

    /// Where its parts stand, now that it is known how its values are written; `encoding` tells by the name.
    pub(super) fn encoded<'a>(&self, encoding: impl Fn(&str) -> Option<&'a Arc<Encoding>>) -> Arc<Structure> {
        if self.schemas.iter().all(|schema| schema.form.is_none()) {
            return Arc::clone(&self.structure);
        }
        let encodings = self.named().map(|name| encoding(&name).cloned()).collect();
        Arc::new(Structure { encodings, ..Structure::clone(&self.structure) })
    }

    /// The names of its schemas in a [`super::Spec`], in their order.
    pub(super) fn named(&self) -> impl Iterator<Item = String> {
        (0..self.schemas.len()).map(Self::schema_name)
    }

    /// The name of the schema with this index in a [`super::Spec`].
    #[must_use]
    pub fn schema_name(index: usize) -> String {
        format!("{NAME}{index}")
    }

    /// The field that asks for the JSON whose schema has this name.
    #[must_use]
    pub fn param_of(&self, name: &str) -> &str {
        let index = name.strip_prefix(NAME).and_then(|index| index.parse::<usize>().ok());
        index.and_then(|index| self.schemas.get(index)).map_or("", |schema| &schema.at)
    }
}

/// What the names of its schemas begin with.
const NAME: &str = "value_";
