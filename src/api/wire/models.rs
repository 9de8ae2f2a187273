//! The bodies of `GET /v1/models` and `GET /v1/models/{id}`.

use schemars::JsonSchema;
use serde::Serialize;

/// All models: here, the one that is loaded.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ModelList {
    pub object: &'static str,
    pub data: Vec<ModelCard>,
}

/// A model.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ModelCard {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub owned_by: &'static str,
    /// An extension: prompt and answer together have at most this many tokens.
    pub context_length: usize,
    /// An extension: what it can do.
    pub capabilities: Capabilities,
}

/// What a model can do; an extension.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Capabilities {
    /// Whether it may be given tools. Every model may: masks make any model's calls right.
    pub tools: bool,
    /// Whether one answer may hold several calls.
    pub parallel_tool_calls: bool,
    /// The format in which it writes calls.
    pub tool_format: &'static str,
    /// Where that was found.
    pub tool_format_from: ToolFormatFrom,
}

/// How a model learns its format of calls.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolFormatFrom {
    /// From its chat template, which shows tools, calls and results.
    Template,
    /// From a description in the first system message, since its template knows no tools, or none in a known format.
    Prompt,
}
