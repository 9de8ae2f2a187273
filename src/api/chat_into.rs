//! A chat request becomes a request of no particular endpoint: names, defaults, and what must fit together.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::history::into_messages;
use super::wire::chat_request::{ChatRequest, DrawplateOptions, PropertyOrder, Spelling};
use super::wire::response_format::ResponseFormat;
use super::wire::tools::{
    AllowedTool, ChatTool, CustomDefinition, CustomFormat, FunctionDefinition, GrammarSyntax, ToolChoiceField,
};
use crate::chat::Variables;
use crate::engine::Sampling;
use crate::generation::{Output, Request, RequestTool, TextRule, Thinking, ToolInput};
use crate::grammar::{KeyOrder, Spellings, Style};
use crate::tools::ToolChoice;

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
    let tools = wire.tools.filter(|tools| !tools.is_empty());
    let definitions = tools.unwrap_or_else(|| wire.functions.map(older).unwrap_or_default());
    let tools = into_tools(definitions, is_legacy)?;
    let choice_field = if is_legacy { "function_call" } else { "tool_choice" };
    let Chosen { tools, other_tools, tool_choice } =
        choose(tools, wire.tool_choice.or(wire.function_call), choice_field)?;
    Ok(Request {
        messages,
        tools,
        other_tools,
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

fn into_tools(definitions: Vec<ChatTool>, is_legacy: bool) -> Result<Vec<RequestTool>, ApiError> {
    let mut tools: Vec<RequestTool> = Vec::with_capacity(definitions.len());
    let mut names: HashSet<String> = HashSet::new();
    for (index, definition) in definitions.into_iter().enumerate() {
        let kind = if matches!(definition, ChatTool::Custom { .. }) { "custom" } else { "function" };
        let at = if is_legacy { format!("functions[{index}].") } else { format!("tools[{index}].{kind}.") };
        let tool = into_tool(index, definition, &at);
        if !names.insert(tool.name.clone()) {
            let param = format!("{at}name");
            let message = format!("Invalid '{param}': the tool '{}' is defined twice.", tool.name);
            return Err(ApiError::bad_request(Some(&param), Some("invalid_value"), message));
        }
        tools.push(tool);
    }
    Ok(tools)
}

/// A tool as it is called, whose place in the request's list is `index`. Paths of its fields begin with `at`.
pub(super) fn into_tool(index: usize, definition: ChatTool, at: &str) -> RequestTool {
    let param = format!("{at}parameters");
    match definition {
        ChatTool::Function { function } => {
            let FunctionDefinition { name, description, parameters, .. } = function;
            RequestTool { index, param, name, description, parameters, input: None }
        }
        ChatTool::Custom { custom } => {
            let CustomDefinition { name, description, format, .. } = custom;
            let input = match format {
                None | Some(CustomFormat::Text) => ToolInput::Text,
                Some(CustomFormat::Grammar { grammar }) => match grammar.syntax {
                    GrammarSyntax::Regex => ToolInput::Regex(grammar.definition),
                    GrammarSyntax::Lark => ToolInput::Lark(grammar.definition),
                },
            };
            let param = format!("{at}format.grammar.definition");
            RequestTool { index, param, name, description, parameters: None, input: Some(input) }
        }
        // It has become one of the others before.
        ChatTool::Registered { name, .. } => {
            RequestTool { index, param, name, description: None, parameters: None, input: None }
        }
    }
}

/// Which tools may be called, and whether they are.
struct Chosen {
    tools: Vec<RequestTool>,
    other_tools: Vec<RequestTool>,
    tool_choice: ToolChoice,
}

/// Parts the tools that may be called from the others. `field` is where `choice` stands.
fn choose(tools: Vec<RequestTool>, choice: Option<ToolChoiceField>, field: &'static str) -> Result<Chosen, ApiError> {
    let look = |name: &str, is_custom: bool, param: &str| {
        let refuse = |why: String| {
            let message = format!("Invalid value for '{field}': {why}.");
            Err(ApiError::bad_request(Some(param), Some("invalid_value"), message))
        };
        let kind = |is_custom: bool| if is_custom { "custom" } else { "function" };
        match tools.iter().find(|tool| tool.name == name) {
            None => {
                let list = if field == "function_call" { "functions" } else { "tools" };
                refuse(format!("the {} '{name}' is not among the '{list}'", kind(is_custom)))
            }
            Some(tool) if tool.input.is_some() != is_custom => {
                refuse(format!("the tool '{name}' is not of the type '{}'", kind(is_custom)))
            }
            Some(_) => Ok(()),
        }
    };
    let of_all = |tools, tool_choice| Ok(Chosen { tools, other_tools: Vec::new(), tool_choice });
    match choice {
        Some(ToolChoiceField::None) => of_all(tools, ToolChoice::None),
        None | Some(ToolChoiceField::Auto) if tools.is_empty() => of_all(tools, ToolChoice::None),
        None | Some(ToolChoiceField::Auto) => of_all(tools, ToolChoice::Auto),
        Some(ToolChoiceField::Required) => of_all(tools, ToolChoice::Required),
        Some(ToolChoiceField::Function { name }) => {
            look(&name, false, field)?;
            of_all(tools, ToolChoice::Named(name))
        }
        Some(ToolChoiceField::Custom { name }) => {
            look(&name, true, field)?;
            of_all(tools, ToolChoice::Named(name))
        }
        Some(ToolChoiceField::AllowedTools { required, tools: allowed }) => {
            let mut names = HashSet::new();
            for (i, tool) in allowed.into_iter().enumerate() {
                let (name, is_custom) = match tool {
                    AllowedTool::Function { name } => (name, false),
                    AllowedTool::Custom { name } => (name, true),
                };
                look(&name, is_custom, &format!("tool_choice.allowed_tools.tools[{i}]"))?;
                names.insert(name);
            }
            if required && names.is_empty() {
                return Err(ApiError::bad_request(
                    Some("tool_choice.allowed_tools.tools"),
                    Some("invalid_value"),
                    "Invalid 'tool_choice.allowed_tools.tools': a call is required, but no tool is allowed.",
                ));
            }
            let tool_choice = match (required, names.is_empty()) {
                (true, _) => ToolChoice::Required,
                (false, true) => ToolChoice::None,
                (false, false) => ToolChoice::Auto,
            };
            let (tools, other_tools) = tools.into_iter().partition(|tool| names.contains(&tool.name));
            Ok(Chosen { tools, other_tools, tool_choice })
        }
    }
}
