//! What every endpoint asks for, checked for names and ranges but not yet for meaning.

use std::time::Duration;

use serde_json::Value;

use crate::chat::{Message, Variables};
use crate::engine::Sampling;
use crate::grammar::Style;
use crate::grammar::structure::Format;
use crate::tools::ToolChoice;

/// A request in the words of no particular endpoint.
#[derive(Clone, Debug)]
pub struct Request {
    /// The conversation.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<RequestTool>,
    /// Tools that it is shown, but may not call.
    pub other_tools: Vec<RequestTool>,
    /// Whether it calls them.
    pub tool_choice: ToolChoice,
    /// Whether one answer may hold several calls.
    pub parallel_tool_calls: bool,
    /// The shape of the answer.
    pub output: Output,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Tokens per choice at most; absent, as many as the context holds.
    pub max_tokens: Option<usize>,
    /// Texts at which free text ends.
    pub stop: Vec<String>,
    /// Number of choices.
    pub n: usize,
    /// Report log probabilities with this many alternatives.
    pub logprobs: Option<u8>,
    /// What is left open about the text of a bound answer.
    pub style: Style,
    /// What the request sets in the chat template.
    pub variables: Variables,
    /// How the model may think before it answers.
    pub thinking: Thinking,
    /// Say what became of each keyword of the answer's schema.
    pub wants_report: bool,
    /// How long it may take, beside what the server allows at most.
    pub deadline: Option<Duration>,
}

/// How the model may think before it answers, where it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinking {
    /// Not at all.
    pub is_off: bool,
    /// So many tokens at most; then it is brought to its end, and the answer begins.
    pub max_tokens: Option<usize>,
}

/// A tool as the client defines it.
#[derive(Clone, Debug)]
pub struct RequestTool {
    /// Where it stands in the request's list.
    pub index: usize,
    /// The field that says what it takes.
    pub param: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The schema of its arguments; absent, it takes none.
    pub parameters: Option<Value>,
    /// What the input of a custom tool is, the only string of its arguments.
    pub input: Option<ToolInput>,
}

/// What the input of a custom tool must be.
#[derive(Clone, Debug)]
pub enum ToolInput {
    /// Any text.
    Text,
    /// What a pattern matches from beginning to end.
    Regex(String),
    /// What a grammar in Lark derives.
    Lark(String),
}

/// The shape of an answer.
#[derive(Clone, Debug)]
pub enum Output {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
    },
    /// Text of a certain form.
    Matching {
        /// The field that asks for it.
        param: String,
        /// What it must be.
        rule: TextRule,
    },
}

/// What a text must be.
#[derive(Clone, Debug)]
pub enum TextRule {
    /// What the pattern matches from beginning to end, by ECMA-262.
    Regex(String),
    /// One of these.
    Choice(Vec<String>),
    /// What a grammar derives, in GBNF or in Lark.
    Grammar(String),
    /// Several parts.
    Parts(Format),
}
