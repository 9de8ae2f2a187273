//! The body of `POST /v1/chat/completions`.
//!
//! Source: OpenAI's OpenAPI file v2.3.0 (21 Aug 2026); `top_k`, `min_p` and `repeat_penalty` as LM Studio and
//! llama-server have them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::constraints::read_constraint;
use super::messages::{ChatMessage, read_messages};
use super::response_format::ResponseFormat;
use super::tools::{
    ChatTool, FunctionDefinition, MAX_TOOLS, ToolChoiceField, read_function, read_function_call, read_tool,
    read_tool_choice,
};
use super::{FieldError, Fields, Item};

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

/// The longest stop string: each is looked for behind every token.
const MAX_STOP_BYTES: usize = 1_024;

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
        check_together(&request, &f)?;
        Ok((request, f.all_unknown()))
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
        let entries: Vec<_> = item.entries()?.map(|(key, value)| (key.clone(), value)).collect();
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
    if request.function_call.is_some() && request.functions.is_none() {
        return Err(FieldError::new(
            "function_call",
            "invalid_value",
            "Invalid value for 'function_call': 'function_call' is only allowed when 'functions' are specified.",
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

fn read_stop(item: &Item<'_>) -> Result<Vec<String>, FieldError> {
    let stops = match item.value().as_str() {
        Some(one) => vec![one.to_owned()],
        None if item.value().is_array() => {
            item.list(4)?.iter().map(|s| s.string().map(str::to_owned)).collect::<Result<_, _>>()?
        }
        None => return Err(item.wrong_type("a string or an array of strings")),
    };
    if let Some(stop) = stops.iter().find(|stop| stop.len() > MAX_STOP_BYTES) {
        let n = stop.len();
        let message = format!(
            "Invalid 'stop': string too long. Expected strings with maximum length {MAX_STOP_BYTES}, but got a string with length {n} instead."
        );
        return Err(FieldError::new(item.path(), "string_above_max_length", message));
    }
    Ok(stops.into_iter().filter(|stop| !stop.is_empty()).collect())
}

fn read_logit_bias(item: &Item<'_>) -> Result<Vec<(u32, f64)>, FieldError> {
    let entry = |(key, value): (&String, Item<'_>)| {
        let token = key.parse().map_err(|_| value.invalid("keys must be token ids."))?;
        Ok((token, value.number(-100.0, 100.0)?))
    };
    item.entries()?.map(entry).collect()
}

fn read_stream_options(item: &Item<'_>) -> Result<StreamOptions, FieldError> {
    let f = item.object()?;
    f.accept(&["include_obfuscation"]);
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
