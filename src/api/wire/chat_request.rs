//! The body of `POST /v1/chat/completions`.
//!
//! Source: OpenAI's OpenAPI file v2.3.0 (21 Aug 2026); `top_k`, `min_p` and `repeat_penalty` as LM Studio and
//! llama-server have them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::constraints::{self, read_constraint};
use super::{FieldError, Fields, Item};
use crate::chat::input_arguments;

/// A request for a chat completion.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<ChatMessage>,
    pub response_format: Option<ResponseFormat>,
    /// The field that it was read from: other servers have other names for it.
    #[serde(skip)]
    pub bound_by: Option<String>,
    pub tools: Option<Vec<ChatTool>>,
    pub tool_choice: Option<ToolChoiceField>,
    pub parallel_tool_calls: Option<bool>,
    pub functions: Option<Vec<FunctionDefinition>>,
    pub function_call: Option<ToolChoiceField>,
    pub max_completion_tokens: Option<u64>,
    pub max_tokens: Option<i64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i64>,
    pub min_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub repeat_penalty: Option<f64>,
    pub n: Option<u64>,
    pub stop: Option<Vec<String>>,
    pub seed: Option<i64>,
    pub logit_bias: Option<Vec<(u32, f64)>>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u64>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub reasoning_effort: Option<String>,
    /// An extension: so many tokens of thinking at most.
    pub max_reasoning_tokens: Option<u64>,
    /// An extension that llama-server and vLLM have: what the chat template is told.
    pub chat_template_kwargs: Option<Map<String, Value>>,
    pub drawplate: Option<DrawplateOptions>,
}

/// A message.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatMessage {
    pub role: String,
    pub content: Option<String>,
    pub tool_calls: Vec<ChatToolCall>,
    /// What the assistant thought, where a client sends it back.
    pub reasoning: Option<String>,
    pub tool_call_id: Option<String>,
}

/// A call in an assistant's message.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// The shape asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema {
        name: String,
        description: Option<String>,
        schema: Option<Value>,
        strict: Option<bool>,
    },
    /// An extension: the whole answer matches the pattern.
    Regex {
        pattern: String,
    },
    /// An extension: the answer is one of these texts.
    Choice {
        options: Vec<String>,
    },
    /// An extension: the answer is what a grammar in GBNF or Lark derives.
    Grammar {
        grammar: String,
    },
}

/// A tool.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ChatTool {
    Function { function: FunctionDefinition },
    Custom { custom: CustomDefinition },
}

/// A tool whose input is text.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct CustomDefinition {
    pub name: String,
    pub description: Option<String>,
    /// The pattern that the whole input matches, where its format is a grammar of syntax `regex`.
    pub pattern: Option<String>,
}

/// A function.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct FunctionDefinition {
    pub name: String,
    pub description: Option<String>,
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
}

/// Which tools are called.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ToolChoiceField {
    None,
    Auto,
    Required,
    Function { name: String },
    AllowedTools { required: bool, names: Vec<String> },
}

/// Options of a stream.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct StreamOptions {
    pub include_usage: bool,
}

/// What no other server has.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DrawplateOptions {
    /// The order of declared keys: "declared" or "any".
    pub property_order: PropertyOrder,
    /// The spelling of keys, strings and numbers: "plain" or "any".
    pub spelling: Spelling,
    /// Say in the answer what became of each keyword of the schema.
    pub report: bool,
    /// Seconds after which the answer is brought to its end, the wait for a slot included.
    pub deadline: Option<f64>,
}

/// The spelling of keys, strings and numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// As serializers write them; integers without fraction or exponent.
    #[default]
    Plain,
    /// As JSON allows them.
    Any,
}

/// The order of declared keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PropertyOrder {
    /// As in the schema.
    #[default]
    Declared,
    /// Any.
    Any,
}

/// OpenAI takes 128; registries of tools have more, and masks are no slower for it.
const MAX_TOOLS: usize = 1024;

/// Fields that are accepted and change nothing here.
const WITHOUT_EFFECT: [&str; 17] = [
    "audio",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
    "web_search_options",
    "extra_headers",
    "extra_query",
    "timeout",
];

impl ChatRequest {
    /// Reads a body. Also returns the paths of fields that nothing here knows.
    ///
    /// # Errors
    /// With the first field that is wrong.
    pub fn read(body: &Value) -> Result<(Self, Vec<String>), FieldError> {
        let f = Fields::root(body)?;
        f.accept(&WITHOUT_EFFECT);
        check_without_effect(&f)?;
        let (bound_by, response_format) = read_constraint(&f)?.unzip();
        let request = Self {
            model: f.required("model")?.string()?.to_owned(),
            messages: read_messages(&f.required("messages")?)?,
            response_format,
            bound_by,
            tools: f.get("tools").map(|i| i.list(MAX_TOOLS)?.iter().map(read_tool).collect()).transpose()?,
            tool_choice: f.get("tool_choice").map(|i| read_tool_choice(&i)).transpose()?,
            parallel_tool_calls: f.get("parallel_tool_calls").map(|i| i.boolean()).transpose()?,
            functions: f
                .get("functions")
                .map(|i| i.list(MAX_TOOLS)?.iter().map(read_function).collect())
                .transpose()?,
            function_call: f.get("function_call").map(|i| read_function_call(&i)).transpose()?,
            max_completion_tokens: f.get("max_completion_tokens").map(|i| unsigned(&i, 1, i64::MAX)).transpose()?,
            max_tokens: f.get("max_tokens").map(|i| read_max_tokens(&i)).transpose()?,
            temperature: f.get("temperature").map(|i| i.number(0.0, 2.0)).transpose()?,
            top_p: f.get("top_p").map(|i| i.number(0.0, 1.0)).transpose()?,
            top_k: f.get("top_k").map(|i| i.integer(-1, i64::from(i32::MAX))).transpose()?,
            min_p: f.get("min_p").map(|i| i.number(0.0, 1.0)).transpose()?,
            frequency_penalty: f.get("frequency_penalty").map(|i| i.number(-2.0, 2.0)).transpose()?,
            presence_penalty: f.get("presence_penalty").map(|i| i.number(-2.0, 2.0)).transpose()?,
            repeat_penalty: f.get("repeat_penalty").map(|i| i.number(0.01, 100.0)).transpose()?,
            n: f.get("n").map(|i| unsigned(&i, 1, 128)).transpose()?,
            stop: f.get("stop").map(|i| read_stop(&i)).transpose()?,
            seed: f.get("seed").map(|i| i.integer(i64::MIN, i64::MAX)).transpose()?,
            logit_bias: f.get("logit_bias").map(|i| read_logit_bias(&i)).transpose()?,
            logprobs: f.get("logprobs").map(|i| i.boolean()).transpose()?,
            top_logprobs: f.get("top_logprobs").map(|i| unsigned(&i, 0, 20)).transpose()?,
            stream: f.get("stream").map(|i| i.boolean()).transpose()?,
            stream_options: f.get("stream_options").map(|i| read_stream_options(&i)).transpose()?,
            reasoning_effort: f.get("reasoning_effort").map(|i| read_effort(&i)).transpose()?,
            max_reasoning_tokens: f.get("max_reasoning_tokens").map(|i| unsigned(&i, 0, i64::MAX)).transpose()?,
            chat_template_kwargs: f.get("chat_template_kwargs").map(|i| read_map(&i)).transpose()?,
            drawplate: f.get("drawplate").map(|i| read_drawplate(&i)).transpose()?,
        };
        let unknown = f.unknown();
        check_together(&request, &f)?;
        Ok((request, unknown))
    }
}

/// Fields without effect are still checked: a wrong one is a fault of the client's.
fn check_without_effect(f: &Fields<'_>) -> Result<(), FieldError> {
    if let Some(item) = f.get("verbosity") {
        item.one_of(&["low", "medium", "high"])?;
    }
    if let Some(item) = f.get("modalities") {
        for modality in item.list(2)? {
            if modality.one_of(&["text", "audio"])? == "audio" {
                return Err(FieldError::new(
                    modality.path(),
                    "invalid_value",
                    "Audio output is not supported by this model.",
                ));
            }
        }
    }
    if let Some(item) = f.get("metadata") {
        let entries: Vec<_> = item.object()?.entries().map(|(key, value)| (key.clone(), value)).collect();
        if entries.len() > 16 {
            return Err(item.invalid("too many properties. Expected an object with at most 16 properties."));
        }
        for (key, value) in entries {
            if key.chars().count() > 64 || value.string()?.chars().count() > 512 {
                return Err(value.invalid("keys have at most 64 characters and values at most 512."));
            }
        }
    }
    f.get("store").map(|i| i.boolean()).transpose()?;
    for name in ["user", "safety_identifier", "prompt_cache_key", "service_tier"] {
        f.get(name).map(|i| i.string()).transpose()?;
    }
    Ok(())
}

/// What depends on more than one field.
fn check_together(request: &ChatRequest, f: &Fields<'_>) -> Result<(), FieldError> {
    let has_tools = request.tools.as_ref().is_some_and(|t| !t.is_empty());
    let only_with_tools = |name: &str| FieldError {
        param: Some(name.to_owned()),
        code: None,
        message: format!("Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."),
    };
    if !has_tools
        && request.tool_choice.as_ref().is_some_and(|c| !matches!(c, ToolChoiceField::None | ToolChoiceField::Auto))
    {
        return Err(only_with_tools("tool_choice"));
    }
    if !has_tools && request.tools.is_none() && request.tool_choice.is_some() {
        return Err(only_with_tools("tool_choice"));
    }
    if !has_tools && request.tools.is_none() && request.parallel_tool_calls.is_some() {
        return Err(only_with_tools("parallel_tool_calls"));
    }
    if has_tools && request.functions.is_some() {
        return Err(FieldError::new(
            "functions",
            "invalid_value",
            "'functions' is the older name of 'tools': give one of them.",
        ));
    }
    if request.top_logprobs.is_some() && request.logprobs != Some(true) {
        return Err(FieldError::new(
            "top_logprobs",
            "invalid_value",
            "'top_logprobs' is only allowed when 'logprobs' is true.",
        ));
    }
    if let (Some(item), false) = (f.get("stream_options"), request.stream == Some(true)) {
        return Err(FieldError::new(
            item.path(),
            "invalid_value",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    Ok(())
}

fn unsigned(item: &Item<'_>, min: i64, max: i64) -> Result<u64, FieldError> {
    item.integer(min, max).map(i64::unsigned_abs)
}

fn read_effort(item: &Item<'_>) -> Result<String, FieldError> {
    item.one_of(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]).map(str::to_owned)
}

fn read_map(item: &Item<'_>) -> Result<Map<String, Value>, FieldError> {
    item.value().as_object().cloned().ok_or_else(|| item.wrong_type("an object"))
}

/// LM Studio's clients send -1 for "no limit".
fn read_max_tokens(item: &Item<'_>) -> Result<i64, FieldError> {
    if item.value().as_i64() == Some(-1) { Ok(-1) } else { item.integer(1, i64::MAX) }
}

fn read_messages(item: &Item<'_>) -> Result<Vec<ChatMessage>, FieldError> {
    let messages = item.list(100_000)?;
    if messages.is_empty() {
        return Err(FieldError::new(
            "messages",
            "empty_array",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ));
    }
    messages.iter().map(read_message).collect()
}

fn read_message(item: &Item<'_>) -> Result<ChatMessage, FieldError> {
    let f = item.object()?;
    let role = f.required("role")?.one_of(&["system", "developer", "user", "assistant", "tool", "function"])?;
    let tool_calls: Vec<ChatToolCall> = match f.get("tool_calls") {
        Some(calls) if role == "assistant" => calls.list(1024)?.iter().map(read_tool_call).collect::<Result<_, _>>()?,
        _ => Vec::new(),
    };
    let legacy =
        f.get("function_call").filter(|_| role == "assistant").map(|call| read_legacy_call(&call)).transpose()?;
    let content = f.get("content").map(|content| read_content(&content)).transpose()?;
    let tool_call_id = match role {
        "tool" => Some(f.required("tool_call_id")?.string()?.to_owned()),
        // Why: the older role names the function instead; there is at most one open call then.
        "function" => Some("function".to_owned()),
        _ => None,
    };
    let has_calls = !tool_calls.is_empty() || legacy.is_some();
    if content.is_none() && !has_calls && f.get("refusal").is_none() {
        f.required("content")?;
    }
    let refusal = f.get("refusal").map(|r| r.string().map(str::to_owned)).transpose()?;
    Ok(ChatMessage {
        role: role.to_owned(),
        content: content.or(refusal),
        tool_calls: tool_calls.into_iter().chain(legacy).collect(),
        reasoning: read_reasoning(&f),
        tool_call_id,
    })
}

/// Under either name that servers give it. Some give it another form, which says nothing here.
fn read_reasoning(f: &Fields<'_>) -> Option<String> {
    let text = |name: &'static str| f.get(name).and_then(|item| item.value().as_str().map(str::to_owned));
    text("reasoning_content").or_else(|| text("reasoning")).filter(|text| !text.is_empty())
}

fn read_content(item: &Item<'_>) -> Result<String, FieldError> {
    if let Some(text) = item.value().as_str() {
        return Ok(text.to_owned());
    }
    if !item.value().is_array() {
        return Err(item.wrong_type("a string or an array of content parts"));
    }
    let mut text = String::new();
    for part in item.list(100_000)? {
        let f = part.object()?;
        match f.required("type")?.one_of(&["text", "refusal", "image_url", "input_audio", "file"])? {
            "text" => text.push_str(f.required("text")?.string()?),
            "refusal" => text.push_str(f.required("refusal")?.string()?),
            other => {
                let path = format!("{}.type", part.path());
                return Err(FieldError::new(
                    path,
                    "unsupported_value",
                    format!("This model reads text only; content of type '{other}' is not supported."),
                ));
            }
        }
    }
    Ok(text)
}

fn read_tool_call(item: &Item<'_>) -> Result<ChatToolCall, FieldError> {
    let f = item.object()?;
    if let Some(custom) = f.get("custom") {
        let custom = custom.object()?;
        return Ok(ChatToolCall {
            id: f.required("id")?.string()?.to_owned(),
            name: custom.required("name")?.string()?.to_owned(),
            arguments: input_arguments(custom.required("input")?.string()?),
        });
    }
    let function = f.required("function")?.object()?;
    Ok(ChatToolCall {
        id: f.required("id")?.string()?.to_owned(),
        name: function.required("name")?.string()?.to_owned(),
        arguments: function.get("arguments").map(|a| read_arguments(&a)).transpose()?.unwrap_or_default(),
    })
}

fn read_legacy_call(item: &Item<'_>) -> Result<ChatToolCall, FieldError> {
    let f = item.object()?;
    Ok(ChatToolCall {
        id: "function".to_owned(),
        name: f.required("name")?.string()?.to_owned(),
        arguments: f.get("arguments").map(|a| read_arguments(&a)).transpose()?.unwrap_or_default(),
    })
}

/// Some clients replay arguments as an object instead of as text.
fn read_arguments(item: &Item<'_>) -> Result<String, FieldError> {
    if item.value().is_object() { Ok(item.value().to_string()) } else { item.string().map(str::to_owned) }
}

pub(super) fn read_response_format(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    let f = item.object()?;
    match f.required("type")?.one_of(&["json_object", "json_schema", "text", "json", "regex", "grammar"])? {
        "text" => Ok(ResponseFormat::Text),
        // Source: llama-server and Together take a schema beside the type.
        "json_object" => f.get("schema").map_or(Ok(ResponseFormat::JsonObject), |schema| constraints::json(&schema)),
        "json" => constraints::json(&f.get("value").map_or_else(|| f.required("schema"), Ok)?),
        "regex" => constraints::regex(&f.get("value").map_or_else(|| f.required("pattern"), Ok)?),
        "grammar" => constraints::grammar(&f.get("value").map_or_else(|| f.required("grammar"), Ok)?),
        _ => {
            // Source: llama-server takes the schema without the object around it.
            if let (None, Some(schema)) = (f.get("json_schema"), f.get("schema")) {
                return constraints::json(&schema);
            }
            let f = f.required("json_schema")?.object()?;
            // Why: real clients leave the name out although OpenAI asks for it, and send `"strict": "true"`.
            let name = f.get("name").map(|n| read_name(&n, 64)).transpose()?.unwrap_or_else(|| "response".to_owned());
            Ok(ResponseFormat::JsonSchema {
                name,
                description: f.get("description").map(|d| d.string().map(str::to_owned)).transpose()?,
                schema: f.get("schema").map(|s| s.value().clone()),
                strict: f.get("strict").map(|s| read_strict(&s)).transpose()?,
            })
        }
    }
}

fn read_strict(item: &Item<'_>) -> Result<bool, FieldError> {
    match item.value().as_str() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => item.boolean(),
    }
}

fn read_name(item: &Item<'_>, max: usize) -> Result<String, FieldError> {
    let name = item.string()?;
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !is_word {
        return Err(item
            .invalid("string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."));
    }
    if name.len() > max {
        let message = format!(
            "Invalid '{}': string too long. Expected a string with maximum length {max}, but got a string with length {} instead.",
            item.path(),
            name.len()
        );
        return Err(FieldError::new(item.path(), "string_above_max_length", message));
    }
    Ok(name.to_owned())
}

fn read_tool(item: &Item<'_>) -> Result<ChatTool, FieldError> {
    let f = item.object()?;
    match f.required("type")?.one_of(&["function", "custom"])? {
        "custom" => Ok(ChatTool::Custom { custom: read_custom(&f.required("custom")?)? }),
        _ => Ok(ChatTool::Function { function: read_function(&f.required("function")?)? }),
    }
}

fn read_custom(item: &Item<'_>) -> Result<CustomDefinition, FieldError> {
    let f = item.object()?;
    let pattern = match f.get("format") {
        None => None,
        Some(format) => {
            let format = format.object()?;
            match format.required("type")?.one_of(&["text", "grammar"])? {
                "text" => None,
                _ => Some(read_custom_grammar(&format.required("grammar")?)?),
            }
        }
    };
    Ok(CustomDefinition {
        name: read_name(&f.required("name")?, 128)?,
        description: f.get("description").map(|d| d.string().map(str::to_owned)).transpose()?,
        pattern,
    })
}

fn read_custom_grammar(item: &Item<'_>) -> Result<String, FieldError> {
    let f = item.object()?;
    let syntax = f.required("syntax")?;
    match syntax.one_of(&["lark", "regex"])? {
        "regex" => Ok(f.required("definition")?.string()?.to_owned()),
        _ => Err(FieldError::new(
            syntax.path(),
            "unsupported_value",
            "Lark grammars of custom tools are not supported, and would not be enforced; use syntax 'regex', or a grammar in 'response_format'.",
        )),
    }
}

fn read_function(item: &Item<'_>) -> Result<FunctionDefinition, FieldError> {
    let f = item.object()?;
    Ok(FunctionDefinition {
        name: read_name(&f.required("name")?, 128)?,
        description: f.get("description").map(|d| d.string().map(str::to_owned)).transpose()?,
        parameters: f.get("parameters").map(|p| p.value().clone()),
        strict: f.get("strict").map(|s| read_strict(&s)).transpose()?,
    })
}

fn read_tool_choice(item: &Item<'_>) -> Result<ToolChoiceField, FieldError> {
    if item.value().is_string() {
        return Ok(match item.one_of(&["none", "auto", "required"])? {
            "none" => ToolChoiceField::None,
            "auto" => ToolChoiceField::Auto,
            _ => ToolChoiceField::Required,
        });
    }
    if !item.value().is_object() {
        return Err(item.wrong_type("a string or an object"));
    }
    let f = item.object()?;
    match f.required("type")?.one_of(&["function", "allowed_tools", "custom"])? {
        "function" => {
            let name = f.required("function")?.object()?.required("name")?.string()?.to_owned();
            Ok(ToolChoiceField::Function { name })
        }
        // Why the same: functions and custom tools share their names.
        "custom" => {
            let name = f.required("custom")?.object()?.required("name")?.string()?.to_owned();
            Ok(ToolChoiceField::Function { name })
        }
        _ => {
            let allowed = f.required("allowed_tools")?.object()?;
            let required = allowed.required("mode")?.one_of(&["auto", "required"])? == "required";
            let tools = allowed.required("tools")?.list(MAX_TOOLS)?;
            let names = tools.iter().map(|tool| {
                let tool = tool.object()?;
                let named = tool.get("custom").map_or_else(|| tool.required("function"), Ok)?;
                Ok(named.object()?.required("name")?.string()?.to_owned())
            });
            Ok(ToolChoiceField::AllowedTools { required, names: names.collect::<Result<_, FieldError>>()? })
        }
    }
}

fn read_function_call(item: &Item<'_>) -> Result<ToolChoiceField, FieldError> {
    if item.value().is_object() {
        return Ok(ToolChoiceField::Function { name: item.object()?.required("name")?.string()?.to_owned() });
    }
    Ok(if item.one_of(&["none", "auto"])? == "none" { ToolChoiceField::None } else { ToolChoiceField::Auto })
}

fn read_stop(item: &Item<'_>) -> Result<Vec<String>, FieldError> {
    let stops = match item.value().as_str() {
        Some(one) => vec![one.to_owned()],
        None if item.value().is_array() => {
            item.list(4)?.iter().map(|s| s.string().map(str::to_owned)).collect::<Result<_, _>>()?
        }
        None => return Err(item.wrong_type("a string or an array of strings")),
    };
    Ok(stops.into_iter().filter(|stop| !stop.is_empty()).collect())
}

fn read_logit_bias(item: &Item<'_>) -> Result<Vec<(u32, f64)>, FieldError> {
    let f = item.object()?;
    let entry = |(key, value): (&String, Item<'_>)| {
        let token = key.parse().map_err(|_| value.invalid("keys must be token ids."))?;
        Ok((token, value.number(-100.0, 100.0)?))
    };
    f.entries().map(entry).collect()
}

fn read_stream_options(item: &Item<'_>) -> Result<StreamOptions, FieldError> {
    let f = item.object()?;
    Ok(StreamOptions { include_usage: f.get("include_usage").map(|i| i.boolean()).transpose()?.unwrap_or(false) })
}

fn read_drawplate(item: &Item<'_>) -> Result<DrawplateOptions, FieldError> {
    let f = item.object()?;
    let property_order = match f.get("property_order").map(|i| i.one_of(&["declared", "any"])).transpose()? {
        Some("any") => PropertyOrder::Any,
        _ => PropertyOrder::Declared,
    };
    let spelling = match f.get("spelling").map(|i| i.one_of(&["plain", "any"])).transpose()? {
        Some("any") => Spelling::Any,
        _ => Spelling::Plain,
    };
    let report = f.get("report").map(|i| i.boolean()).transpose()?.unwrap_or(false);
    let deadline = f.get("deadline").map(|i| i.number(0.001, 86_400.0)).transpose()?;
    match f.unknown().first() {
        // Why: whoever uses these options relies on them.
        Some(path) => Err(FieldError::new(path, "unknown_parameter", format!("Unknown parameter: '{path}'."))),
        None => Ok(DrawplateOptions { property_order, spelling, report, deadline }),
    }
}
