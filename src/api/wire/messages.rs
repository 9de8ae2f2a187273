//! Messages of a conversation, with the calls in them.

use schemars::JsonSchema;
use serde::Serialize;

use super::{FieldError, Fields, Item};
use crate::chat::input_arguments;

/// The longest id of a call.
const MAX_ID_BYTES: usize = 512;

/// A message.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatMessage {
    pub role: String,
    pub content: Option<String>,
    pub tool_calls: Vec<ChatToolCall>,
    /// What the assistant thought, where a client sends it back.
    pub reasoning: Option<String>,
    /// The call that a result answers; without it, the first that is open.
    pub tool_call_id: Option<String>,
    /// The tool whose result it is, where a client says so.
    pub name: Option<String>,
}

/// A call in an assistant's message.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ChatToolCall {
    /// Without it, one is made up.
    pub id: Option<String>,
    pub name: String,
    pub arguments: String,
    /// Whether it was given as `function_call`, which needs no answer.
    pub is_legacy: bool,
}

/// What OpenAI's messages have besides, and what its SDK adds to the answers that clients send back.
const WITHOUT_EFFECT: [&str; 5] = ["audio", "annotations", "refusal", "tool_call_id", "parsed"];

/// Parts of content that OpenAI's models read, and text models do not.
const OTHER_PARTS: [&str; 3] = ["image_url", "input_audio", "file"];

pub(super) fn read_messages(item: &Item<'_>) -> Result<Vec<ChatMessage>, FieldError> {
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
    f.accept(&WITHOUT_EFFECT);
    let role = f.required("role")?.one_of(&["system", "developer", "user", "assistant", "tool", "function"])?;
    // Why only there: elsewhere they say nothing, and are named as fields that nobody knows.
    let of_assistant = |name| if role == "assistant" { f.get(name) } else { None };
    let tool_calls: Vec<ChatToolCall> = match of_assistant("tool_calls") {
        Some(calls) => calls.list(1024)?.iter().map(read_tool_call).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let legacy = of_assistant("function_call").map(|call| read_legacy_call(&call)).transpose()?;
    let content = f.get("content").map(|content| read_content(&content)).transpose()?;
    let reasoning = if role == "assistant" { read_reasoning(&f) } else { None };
    let is_result = matches!(role, "tool" | "function");
    // Why: the older role names the function instead.
    let tool_call_id = f.get("tool_call_id").filter(|_| role == "tool").map(|id| read_id(&id)).transpose()?.flatten();
    let name = f.get("name").map(|name| name.string().map(str::to_owned)).transpose()?;
    let name = name.filter(|name| is_result && !name.is_empty());
    let has_calls = !tool_calls.is_empty() || legacy.is_some();
    // Source: OpenAI's type of a message of the role 'function'.
    let refusal = f.get("refusal").map(|r| r.string().map(str::to_owned)).transpose()?;
    let says = content.is_some() || refusal.is_some() || reasoning.is_some();
    if !says && !has_calls && role != "function" {
        f.required("content")?;
    }
    Ok(ChatMessage {
        role: role.to_owned(),
        content: content.filter(|text| refusal.is_none() || !text.is_empty()).or(refusal),
        tool_calls: tool_calls.into_iter().chain(legacy).collect(),
        reasoning,
        tool_call_id,
        name,
    })
}

/// An id; an empty one is none.
fn read_id(item: &Item<'_>) -> Result<Option<String>, FieldError> {
    let id = item.string()?;
    if id.len() > MAX_ID_BYTES {
        let path = item.path();
        let message = format!(
            "Invalid '{path}': string too long. Expected a string with maximum length {MAX_ID_BYTES}, but got a string with length {} instead.",
            id.len()
        );
        return Err(FieldError::new(path, "string_above_max_length", message));
    }
    Ok(Some(id.to_owned()).filter(|id| !id.is_empty()))
}

/// Under either name that servers give it. Some give it another form, which is left among the unknown fields.
fn read_reasoning(f: &Fields<'_>) -> Option<String> {
    let text = |name: &'static str| f.get_text(name);
    // Why both: some servers send both, with the same text.
    let (usual, other) = (text("reasoning_content"), text("reasoning"));
    usual.or(other).filter(|text| !text.is_empty()).map(str::to_owned)
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
        f.accept(&["prompt_cache_breakpoint"]);
        let kind = f.required("type")?;
        // Known, so that they are told apart from what is nothing.
        let known = ["text", "refusal"].into_iter().chain(OTHER_PARTS).find(|known| kind.value() == *known);
        match known.map_or_else(|| kind.one_of(&["text", "refusal"]), Ok)? {
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
    f.accept(&["index"]);
    let kind = f.get("type").map(|kind| kind.one_of(&["function", "custom"])).transpose()?;
    let id = f.get("id").map(|id| read_id(&id)).transpose()?.flatten();
    if kind != Some("function")
        && let Some(custom) = f.get("custom")
    {
        let custom = custom.object()?;
        return Ok(ChatToolCall {
            id,
            name: custom.required("name")?.string()?.to_owned(),
            arguments: input_arguments(custom.required("input")?.string()?),
            is_legacy: false,
        });
    }
    let function = f.required("function")?.object()?;
    function.accept(&["parsed_arguments"]);
    Ok(ChatToolCall {
        id,
        is_legacy: false,
        name: function.required("name")?.string()?.to_owned(),
        arguments: function.get("arguments").map(|a| read_arguments(&a)).transpose()?.unwrap_or_default(),
    })
}

fn read_legacy_call(item: &Item<'_>) -> Result<ChatToolCall, FieldError> {
    let f = item.object()?;
    Ok(ChatToolCall {
        id: None,
        is_legacy: true,
        name: f.required("name")?.string()?.to_owned(),
        arguments: f.get("arguments").map(|a| read_arguments(&a)).transpose()?.unwrap_or_default(),
    })
}

/// Some clients replay arguments as an object instead of as text.
fn read_arguments(item: &Item<'_>) -> Result<String, FieldError> {
    if item.value().is_object() { Ok(item.value().to_string()) } else { item.string().map(str::to_owned) }
}
