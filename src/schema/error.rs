//! What can be wrong with a user's schema, always with the place.

use super::Pointer;

/// A schema that is refused: where, which keyword, why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at '#{pointer}')")]
pub struct SchemaError {
    /// RFC 6901 pointer into the user's schema; the keyword at fault is its last part where there is one.
    pub pointer: Pointer,
    /// The keyword at fault, if one is.
    pub keyword: Option<String>,
    /// The cause.
    pub kind: ErrorKind,
}

/// The cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The document is neither an object nor a boolean.
    #[error("a schema must be an object or a boolean, but this is {got}")]
    NotASchema {
        /// The JSON type that stands there.
        got: &'static str,
    },
    /// The document is larger than the limit.
    #[error("the schema has {n_bytes} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The document nests deeper than the limit.
    #[error("the schema nests deeper than {limit} levels of JSON")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The document breaks the metaschema of its draft.
    #[error("{0}")]
    Malformed(String),
    /// A reference that leads nowhere, or out of the document.
    #[error("the reference '{0}' cannot be resolved inside this schema, and nothing is fetched")]
    Unresolvable(String),
    /// A pattern that is no regular expression, or not one that a mask can follow.
    #[error("the pattern {pattern:?} cannot be enforced: {why}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// The reason.
        why: String,
    },
    /// A keyword that masks cannot enforce exactly.
    #[error("'{keyword}' cannot be enforced exactly yet: {why}")]
    Unsupported {
        /// The keyword.
        keyword: String,
        /// The reason, and a way round it where there is one.
        why: String,
    },
    /// No value at all satisfies the schema.
    #[error("no value can satisfy this: {0}")]
    Unsatisfiable(String),
    /// Compiling would cost more than the budget.
    #[error("the schema is too complex to be compiled within the budget: {0}")]
    TooComplex(String),
    /// Compiling took longer than the budget.
    #[error("the schema is too complex to be compiled within the budget: it takes longer than {0:?}")]
    OutOfTime(std::time::Duration),
    /// The grammar compiler refused it for another reason.
    #[error("{0}")]
    Other(String),
}

impl SchemaError {
    /// Makes an error about `keyword` of the subschema at `parent`.
    #[must_use]
    pub fn at_keyword(parent: &Pointer, keyword: &str, kind: ErrorKind) -> Self {
        Self { pointer: parent.child(keyword), keyword: Some(keyword.to_owned()), kind }
    }

    /// Makes an error about the whole (sub)schema at `pointer`.
    #[must_use]
    pub fn at(pointer: Pointer, kind: ErrorKind) -> Self {
        Self { pointer, keyword: None, kind }
    }
}
