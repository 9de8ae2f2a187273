//! Why a request cannot be generated, and which part of it is at fault.

use std::time::Duration;

use crate::chat::TemplateError;
use crate::schema::SchemaError;

/// Which part of a request a schema belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The response format of this name.
    ResponseFormat(String),
    /// The tool of this name.
    Tool {
        /// The field that says what it takes.
        param: String,
        /// Its name.
        name: String,
    },
    /// A part of the answer, by the field that asks for it.
    Value(String),
}

/// Why a request cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A schema is refused.
    #[error("{error}")]
    Schema {
        /// Whose schema.
        part: Part,
        /// What and where.
        error: SchemaError,
    },
    /// The prompt and one token of answer do not fit the context.
    #[error("{n_prompt} tokens do not fit a context of {n_ctx}")]
    TooLong {
        /// The prompt's tokens.
        n_prompt: usize,
        /// The context's.
        n_ctx: usize,
    },
    /// The prompt leaves less of the context than the shortest valid answer takes.
    #[error("{n_prompt} tokens and an answer of {n_needed} do not fit a context of {n_ctx}")]
    NoRoom {
        /// The prompt's tokens.
        n_prompt: usize,
        /// What the answer takes.
        n_needed: usize,
        /// The context's.
        n_ctx: usize,
    },
    /// The shortest valid answer takes more tokens than the request allows.
    #[error("the shortest valid answer takes {n_needed} tokens; {n_allowed} are allowed")]
    TooFewTokens {
        /// What it takes.
        n_needed: usize,
        /// What there is.
        n_allowed: usize,
    },
    /// A pattern or a grammar is refused.
    #[error("{message}")]
    Constraint {
        /// The field that it came from.
        param: String,
        /// What is wrong.
        message: String,
    },
    /// An example of a definition is none.
    #[error("{message}")]
    Example {
        /// Which one.
        param: String,
        /// What is wrong.
        message: String,
    },
    /// The template refuses the conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The prompt and the grammars of one request take too long.
    #[error("preparing the request takes longer than {} s: it says too much in its messages, or in its tools and schemas", .0.as_secs())]
    TooSlow(Duration),
    /// Others are being prepared for too long.
    #[error("too many requests are being prepared")]
    Busy,
    /// A grammar of ours does not compile.
    #[error("{0}")]
    Grammar(String),
}
