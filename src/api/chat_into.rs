//! A chat request becomes a request of no particular endpoint: names, defaults, and what must fit together.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::wire::chat_request::{ChatRequest, DrawplateOptions, PropertyOrder, Spelling};
use super::wire::messages::ChatMessage;
use super::wire::response_format::ResponseFormat;
use super::wire::tools::{
    ChatTool, CustomDefinition, CustomFormat, FunctionDefinition, GrammarSyntax, ToolChoiceField,
};
use crate::chat::{Message, Role, Variables, input_schema};
use crate::engine::Sampling;
use crate::generation::{Output, Request, RequestTool, TextRule, Thinking};
use crate::grammar::{KeyOrder, Spellings, Style};
use crate::tools::{ToolCall, ToolChoice};

/// Translates `wire`.
///
/// # Errors
/// With the field at fault.
pub(super) fn into_request(wire: ChatRequest, n_vocab: usize) -> Result<Request, ApiError> {
    let messages = into_messages(wire.messages)?;
    let is_legacy = wire.functions.is_some();
    let older = |functions: Vec<FunctionDefinition>| {
        functions.into_iter().map(|function| ChatTool::Function { function }).collect()
    };
    let definitions = wire.tools.unwrap_or_else(|| wire.functions.map(older).unwrap_or_default());
    let tools = into_tools(definitions)?;
    let (tools, tool_choice) = choose(tools, wire.tool_choice.or(wire.function_call))?;
    Ok(Request {
        messages,
        tools,
        tool_choice,
        parallel_tool_calls: wire.parallel_tool_calls.unwrap_or(true) && !is_legacy,
        output: into_output(wire.response_format, wire.bound_by),
        variables: variables(wire.reasoning_effort.as_deref(), wire.chat_template_kwargs.as_ref()),
        thinking: thinking(
            wire.reasoning_effort.as_deref(),
            wire.chat_template_kwargs.as_ref(),
            wire.max_reasoning_tokens,
        ),
        style: wire.drawplate.as_ref().map(style).unwrap_or_default(),
        wants_report: wire.drawplate.as_ref().is_some_and(|options| options.report),
        deadline: wire.drawplate.and_then(|options| options.deadline).map(Duration::from_secs_f64),
        max_tokens: max_tokens(wire.max_completion_tokens, wire.max_tokens),
        stop: wire.stop.unwrap_or_default(),
        n: wire.n.map_or(1, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        logprobs: (wire.logprobs == Some(true)).then(|| u8::try_from(wire.top_logprobs.unwrap_or(0)).unwrap_or(20)),
        sampling: Sampling {
            temperature: float(wire.temperature, 1.0),
            top_p: float(wire.top_p, 1.0),
            top_k: wire.top_k.map_or(0, |k| usize::try_from(k).unwrap_or(0)),
            min_p: float(wire.min_p, 0.0),
            presence_penalty: float(wire.presence_penalty, 0.0),
            frequency_penalty: float(wire.frequency_penalty, 0.0),
            repeat_penalty: float(wire.repeat_penalty, 1.0),
            logit_bias: into_bias(wire.logit_bias.unwrap_or_default(), n_vocab)?,
            seed: wire.seed.map_or_else(rand::random, i64::cast_unsigned),
            stream: 0,
        },
    })
}

/// What templates know of thinking. Source: Qwen 3 asks for `enable_thinking`, DeepSeek V3.1 and Granite for `thinking`,
/// gpt-oss for `reasoning_effort`.
fn variables(effort: Option<&str>, set: Option<&Map<String, Value>>) -> Variables {
    let mut variables = Map::new();
    if let Some(effort) = effort {
        let thinks = effort != "none";
        variables.insert("enable_thinking".into(), thinks.into());
        variables.insert("thinking".into(), thinks.into());
        variables.insert("reasoning_effort".into(), effort.into());
    }
    variables.extend(set.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    Variables(variables)
}

/// How much may be thought: what the request says, or what its effort comes to.
fn thinking(effort: Option<&str>, set: Option<&Map<String, Value>>, max_tokens: Option<u64>) -> Thinking {
    let is_told_not_to =
        ["enable_thinking", "thinking"].iter().any(|name| set.and_then(|set| set.get(*name)) == Some(&false.into()));
    let of_effort = match effort {
        Some("minimal") => Some(128),
        Some("low") => Some(1024),
        _ => None,
    };
    Thinking {
        is_off: effort == Some("none") || is_told_not_to || max_tokens == Some(0),
        max_tokens: max_tokens.or(of_effort).map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the sampler works in f32")]
fn float(value: Option<f64>, default: f32) -> f32 {
    value.map_or(default, |v| v as f32)
}

/// The smaller limit wins; -1 is none.
fn max_tokens(new: Option<u64>, old: Option<i64>) -> Option<usize> {
    let old = old.and_then(|n| u64::try_from(n).ok());
    let limit = [new, old].into_iter().flatten().min()?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn into_bias(bias: Vec<(u32, f64)>, n_vocab: usize) -> Result<Vec<(u32, f32)>, ApiError> {
    if let Some((token, _)) = bias.iter().find(|(token, _)| *token as usize >= n_vocab) {
        let message = format!("Invalid key in 'logit_bias': {token}. The vocabulary has {n_vocab} tokens.");
        return Err(ApiError::bad_request(Some("logit_bias"), Some("invalid_value"), message));
    }
    Ok(bias.into_iter().map(|(token, value)| (token, float(Some(value), 0.0))).collect())
}

fn style(options: &DrawplateOptions) -> Style {
    Style {
        order: match options.property_order {
            PropertyOrder::Any => KeyOrder::Any,
            PropertyOrder::Declared => KeyOrder::Declared,
        },
        spelling: match options.spelling {
            Spelling::Any => Spellings::Any,
            Spelling::Plain => Spellings::Plain,
        },
    }
}

fn into_output(format: Option<ResponseFormat>, bound_by: Option<String>) -> Output {
    let param = bound_by.unwrap_or_default();
    match format {
        None | Some(ResponseFormat::Text) => Output::Text,
        Some(ResponseFormat::JsonObject) => Output::JsonObject,
        Some(ResponseFormat::JsonSchema { name, description, schema, .. }) => {
            Output::JsonSchema { name, description, schema: schema.unwrap_or_else(|| json!({"type": "object"})) }
        }
        Some(ResponseFormat::Regex { pattern }) => Output::Matching { param, rule: TextRule::Regex(pattern) },
        Some(ResponseFormat::Choice { options }) => Output::Matching { param, rule: TextRule::Choice(options) },
        Some(ResponseFormat::Grammar { grammar }) => Output::Matching { param, rule: TextRule::Grammar(grammar) },
        Some(ResponseFormat::StructuralTag { format }) => Output::Matching { param, rule: TextRule::Parts(format) },
    }
}

fn into_tools(definitions: Vec<ChatTool>) -> Result<Vec<RequestTool>, ApiError> {
    let mut tools: Vec<RequestTool> = Vec::with_capacity(definitions.len());
    let mut names: HashSet<String> = HashSet::new();
    for (index, definition) in definitions.into_iter().enumerate() {
        let kind = if matches!(definition, ChatTool::Custom { .. }) { "custom" } else { "function" };
        let tool = into_tool(index, definition);
        if !names.insert(tool.name.clone()) {
            let param = format!("tools[{index}].{kind}.name");
            let message = format!("Invalid '{param}': the {kind} '{}' is defined twice.", tool.name);
            return Err(ApiError::bad_request(Some(&param), Some("invalid_value"), message));
        }
        tools.push(tool);
    }
    Ok(tools)
}

/// A tool as it is called, whose place in the request is `index`.
pub(super) fn into_tool(index: usize, definition: ChatTool) -> RequestTool {
    match definition {
        ChatTool::Function { function } => {
            let FunctionDefinition { name, description, parameters, .. } = function;
            RequestTool { index, name, description, parameters, input: None }
        }
        ChatTool::Custom { custom } => {
            let CustomDefinition { name, description, format } = custom;
            let (pattern, input) = match format {
                CustomFormat::Text => (None, None),
                CustomFormat::Grammar { grammar } if grammar.syntax == GrammarSyntax::Regex => {
                    (Some(grammar.definition), None)
                }
                CustomFormat::Grammar { grammar } => (None, Some(grammar.definition)),
            };
            let parameters = Some(input_schema(pattern.as_deref()));
            RequestTool { index, name, description, parameters, input }
        }
        // It has become one of the others before.
        ChatTool::Registered { name, .. } => {
            RequestTool { index, name, description: None, parameters: None, input: None }
        }
    }
}

/// Cuts the tools down to what may be called.
fn choose(
    tools: Vec<RequestTool>,
    choice: Option<ToolChoiceField>,
) -> Result<(Vec<RequestTool>, ToolChoice), ApiError> {
    let unknown = |name: &str, param: &str| {
        let message = format!("Invalid value for 'tool_choice': the function '{name}' is not among the 'tools'.");
        ApiError::bad_request(Some(param), Some("invalid_value"), message)
    };
    let is_known = |name: &str| tools.iter().any(|tool| tool.name == name);
    match choice {
        Some(ToolChoiceField::None) => Ok((tools, ToolChoice::None)),
        None | Some(ToolChoiceField::Auto) if tools.is_empty() => Ok((tools, ToolChoice::None)),
        None | Some(ToolChoiceField::Auto) => Ok((tools, ToolChoice::Auto)),
        Some(ToolChoiceField::Required) => Ok((tools, ToolChoice::Required)),
        Some(ToolChoiceField::Function { name }) if !is_known(&name) => Err(unknown(&name, "tool_choice")),
        Some(ToolChoiceField::Function { name }) => Ok((tools, ToolChoice::Named(name))),
        Some(ToolChoiceField::AllowedTools { required, names }) => {
            if let Some((i, name)) = names.iter().enumerate().find(|(_, name)| !is_known(name)) {
                return Err(unknown(name, &format!("tool_choice.allowed_tools.tools[{i}]")));
            }
            let tools: Vec<RequestTool> = tools.into_iter().filter(|tool| names.contains(&tool.name)).collect();
            match (required, tools.is_empty()) {
                (true, true) => Err(ApiError::bad_request(
                    Some("tool_choice.allowed_tools.tools"),
                    Some("invalid_value"),
                    "Invalid 'tool_choice.allowed_tools.tools': a call is required, but no tool is allowed.",
                )),
                (false, true) => Ok((tools, ToolChoice::None)),
                (true, false) => Ok((tools, ToolChoice::Required)),
                (false, false) => Ok((tools, ToolChoice::Auto)),
            }
        }
    }
}

fn into_messages(wire: Vec<ChatMessage>) -> Result<Vec<Message>, ApiError> {
    let mut messages = Vec::with_capacity(wire.len());
    let mut open: Vec<String> = Vec::new();
    for (i, message) in wire.into_iter().enumerate() {
        let role = match message.role.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => Role::User,
        };
        match (&role, &message.tool_call_id) {
            (Role::Tool, Some(id)) if open.contains(id) => open.retain(|o| o != id),
            (Role::Tool, id) => {
                let param = format!("messages[{i}].tool_call_id");
                let message = format!(
                    "Invalid '{param}': messages with role 'tool' must answer a call of the assistant message before them; '{}' is none.",
                    id.as_deref().unwrap_or_default()
                );
                return Err(ApiError::bad_request(Some(&param), Some("invalid_value"), message));
            }
            _ if !open.is_empty() => return Err(orphans(&open)),
            _ => {}
        }
        open.extend(message.tool_calls.iter().map(|call| call.id.clone()));
        messages.push(Message {
            role,
            content: message.content.unwrap_or_default(),
            tool_calls: message
                .tool_calls
                .into_iter()
                .map(|call| ToolCall { id: call.id, name: call.name, arguments: call.arguments })
                .collect(),
            reasoning: message.reasoning,
            tool_call_id: message.tool_call_id,
        });
    }
    if open.is_empty() { Ok(messages) } else { Err(orphans(&open)) }
}

fn orphans(ids: &[String]) -> ApiError {
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    );
    ApiError::bad_request(Some("messages"), None, message)
}
