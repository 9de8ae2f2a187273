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
    /// Whether it can think before it answers.
    pub reasoning: bool,
    /// Whether it sees images.
    pub vision: bool,
    /// The family whose format of calls it has; `inferred`, where it was read off the template and belongs to none.
    pub tool_format: String,
    /// Where that was found.
    pub tool_format_from: ToolFormatFrom,
    /// Whether the template shows the tools that there are; else the first system message describes them.
    pub tools_shown_by_template: bool,
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
