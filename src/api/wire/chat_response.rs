//! The bodies that `POST /v1/chat/completions` answers with: one object, or chunks of a stream.
//!
//! Source: OpenAI's OpenAPI file v2.3.0. Fields that clients must not see when they are empty are skipped.

use schemars::JsonSchema;
use serde::Serialize;

/// A plain answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatCompletion {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub model: String,
    pub choices: Vec<ChatChoice>,
    pub usage: ChatUsage,
    pub service_tier: &'static str,
    pub system_fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawplate: Option<serde_json::Value>,
}

/// A choice of a plain answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatChoice {
    pub index: usize,
    pub message: AssistantMessage,
    pub logprobs: Option<ChatLogprobs>,
    pub finish_reason: &'static str,
}

/// What the model said.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct AssistantMessage {
    pub role: &'static str,
    pub content: Option<String>,
    /// What the model thought before it answered, as DeepSeek, llama.cpp and vLLM name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    pub refusal: Option<String>,
    pub annotations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<FullToolCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FullFunction>,
}

/// A whole call.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct FullToolCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<FullFunction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<FullCustom>,
}

/// A called custom tool.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct FullCustom {
    pub name: String,
    pub input: String,
}

/// A called function.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct FullFunction {
    pub name: String,
    pub arguments: String,
}

/// Log probabilities of an answer's tokens.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatLogprobs {
    pub content: Vec<ChatLogprob>,
    pub refusal: Option<Vec<ChatLogprob>>,
}

/// One token's.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatLogprob {
    pub token: String,
    pub logprob: f32,
    pub bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<Vec<ChatLogprob>>,
}

/// Tokens counted.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatUsage {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
    pub prompt_tokens_details: PromptTokensDetails,
    pub completion_tokens_details: CompletionTokensDetails,
    pub drawplate: UsageEffort,
}

/// Of the prompt's.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct PromptTokensDetails {
    pub cached_tokens: usize,
    pub audio_tokens: usize,
}

/// Of the answer's. `forced_tokens` is an extension: tokens that the grammar left no choice about.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct CompletionTokensDetails {
    pub reasoning_tokens: usize,
    pub audio_tokens: usize,
    pub accepted_prediction_tokens: usize,
    pub rejected_prediction_tokens: usize,
    pub forced_tokens: usize,
}

/// An extension: what the answer took, over all its choices. Times are in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct UsageEffort {
    /// Tokens proposed by speculation.
    pub drafted_tokens: usize,
    /// Of these, those that became part of the answer.
    pub accepted_tokens: usize,
    /// The longest wait for a slot.
    pub queue_ms: f64,
    /// Computing masks.
    pub mask_ms: f64,
    /// The device's steps, by the share of rows.
    pub device_ms: f64,
    /// Drawing, accepting and guarding tokens.
    pub host_ms: f64,
    /// Generated tokens per second from the start to the end, the wait for a slot not counted.
    pub tokens_per_second: f64,
}

/// A chunk of a stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatChunk<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub service_tier: &'static str,
    pub system_fingerprint: &'a str,
    pub choices: Vec<ChunkChoice>,
    /// Only with `include_usage`: null on all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<ChatUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawplate: Option<serde_json::Value>,
}

/// A choice of a chunk.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChunkChoice {
    pub index: usize,
    pub delta: ChunkDelta,
    pub logprobs: Option<ChatLogprobs>,
    pub finish_reason: Option<&'static str>,
}

/// What is new in a chunk.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChunkDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ChunkToolCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<ChunkFunction>,
}

/// A piece of a call: its first has id, type and name, the others only arguments.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChunkToolCall {
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<ChunkFunction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<ChunkCustom>,
}

/// A piece of a called custom tool.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChunkCustom {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub input: String,
}

/// A piece of a called function.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChunkFunction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub arguments: String,
}
