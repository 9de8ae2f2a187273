//! What becomes known of an answer, and how it is taken apart.

use std::collections::HashMap;
use std::sync::Arc;

use super::Wrapper;
use crate::guard::{Encoding, Preamble};
use crate::tools::format::ToolFormat;

/// What of an answer became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// What the model thinks, before its answer.
    Reasoning(String),
    /// Text for the user.
    Content(String),
    /// A tool call begins.
    CallStart {
        /// Which call of the answer, from 0.
        index: usize,
        /// Its id, if the model wrote one by now.
        id: Option<String>,
        /// The tool's name.
        name: String,
    },
    /// A piece of a call's arguments, as JSON text.
    CallArguments {
        /// Which call of the answer, from 0.
        index: usize,
        /// The piece.
        fragment: String,
    },
}

/// How an answer is taken apart.
#[derive(Clone, Debug, Default)]
pub struct SplitOptions {
    /// The format of tool calls; without it, all is content.
    pub format: Option<Arc<ToolFormat>>,
    /// How the arguments of each tool are written, where they are not written as JSON.
    pub encodings: HashMap<String, Arc<Encoding>>,
    /// Whether calls may follow text. Where they may not, an answer that does not begin with a call is content to its
    /// end, even if it holds the marker of one: a string in JSON may.
    pub calls_follow_text: bool,
    /// What the model may think before it answers.
    pub preamble: Option<Preamble>,
    /// Whether spaces behind a thought are part of the content: they are where a pattern or a grammar says what it is.
    pub keeps_spaces: bool,
    /// What stands around content.
    pub around: (Vec<u8>, Vec<u8>),
    /// Tags that the model may write around content behind a thought, which are no part of it.
    pub wrapper: Option<Wrapper>,
    /// Whether the prompt has ended a thought already.
    pub is_behind_thought: bool,
    /// Texts at which content ends; never part of it.
    pub stop: Vec<String>,
}

/// An answer that breaks its own format: the grammar was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer breaks the format '{format}' at {at:?}")]
pub struct SplitError {
    /// The format's name.
    pub format: String,
    /// The text from the fault on.
    pub at: String,
}
