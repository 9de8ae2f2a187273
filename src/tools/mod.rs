//! Tools: what the model may call, when it must, and in which format it writes calls.
//!
//! A format is one description that drives the prompt, the grammar and the parser (`chat::Split`), so that they cannot
//! disagree.

pub mod format;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::grammar::cfg::Cfg;
use crate::schema::Document;

/// A function that the model may call.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name, `[a-zA-Z0-9_-]+`.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// The schema of its arguments, an object.
    pub parameters: Arc<Document>,
    /// The grammar of a custom tool's input, the only string of its arguments.
    pub input: Option<Arc<Cfg>>,
}

impl Tool {
    /// The tool as OpenAI's clients define it, which is also what templates show.
    #[must_use]
    pub fn definition(&self) -> Value {
        let mut function = Map::new();
        function.insert("name".into(), self.name.clone().into());
        if let Some(description) = &self.description {
            function.insert("description".into(), description.clone().into());
        }
        function.insert("parameters".into(), self.parameters.value().clone());
        json!({"type": "function", "function": function})
    }
}

/// Whether the model calls tools. `allowed_tools` has parted those that may be called from the others before it gets here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// Never.
    None,
    /// If it wants to.
    Auto,
    /// It must.
    Required,
    /// It must call this one.
    Named(String),
}

/// A call in an answer or in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The call's id, unique in the conversation.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}
