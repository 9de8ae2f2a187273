//! What all handlers share.

use std::sync::Arc;

use crate::generation::Generator;

/// The model as clients see it.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Its id.
    pub id: String,
    /// When its file was made, in Unix seconds.
    pub created: u64,
    /// Names by which requests may also ask for it.
    pub aliases: Vec<String>,
}

/// Choices of the operator's that change answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiOptions {
    /// Unknown fields of a body are an error instead of a header.
    pub reject_unknown_fields: bool,
    /// `tool_calls` instead of OpenAI's `stop` where a function was named.
    pub named_call_finishes_as_tool_calls: bool,
    /// Any model name is served by the loaded model.
    pub any_model_name: bool,
}

/// What all handlers share.
#[derive(Debug)]
pub struct AppState {
    /// Makes answers.
    pub generator: Arc<Generator>,
    /// The loaded model.
    pub model: ModelInfo,
    /// The operator's choices.
    pub options: ApiOptions,
}

impl AppState {
    /// Whether a request for `name` means the loaded model.
    #[must_use]
    pub fn serves(&self, name: &str) -> bool {
        self.options.any_model_name || name == self.model.id || self.model.aliases.iter().any(|alias| alias == name)
    }
}
