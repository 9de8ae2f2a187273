//! Request → the prompt's tokens, and what follows from how it ends.

use std::sync::Arc;

use serde_json::Value;

use super::prepare::{Model, PrepareError};
use super::request::{Output, Request};
use crate::chat::{ChatTemplate, Instructions, Segment, TemplateError, Thinking, ToolSupport, Wrapper, instruct};
use crate::grammar::TokenId;
use crate::guard::Preamble;
use crate::tools::Tool;
use crate::tools::format::ToolFormat;

/// A prompt.
pub(super) struct Rendered {
    pub(super) prompt: Vec<TokenId>,
    /// Whether the model is shown all that binds it.
    pub(super) shows_schema: bool,
    /// What it may think before it answers.
    pub(super) preamble: Option<Preamble>,
    /// How thinking is marked there.
    pub(super) thinking: Option<Thinking>,
    /// Whether the prompt has ended a thought.
    pub(super) is_behind_thought: bool,
    /// How it writes calls.
    pub(super) format: Arc<ToolFormat>,
    /// The tags that it may write around its text.
    pub(super) wrapper: Option<Wrapper>,
}

/// What one rendering gives.
struct Text {
    tokens: Vec<TokenId>,
    preamble: Option<Preamble>,
    thinking: Option<Thinking>,
    is_behind_thought: bool,
    format: Arc<ToolFormat>,
    wrapper: Option<Wrapper>,
}

/// Renders the prompt; a schema that would take more than half the context is left out of it.
pub(super) fn render(request: &Request, tools: &[Tool], model: &Model<'_>) -> Result<Rendered, PrepareError> {
    let note = match &request.output {
        Output::Text | Output::Matching { .. } => None,
        Output::JsonObject => Some(("json_object", None, None)),
        Output::JsonSchema { name, description, schema } => Some((name.as_str(), description.as_deref(), Some(schema))),
    };
    let with = |shows_schema: bool| {
        let instructions = Instructions {
            tools: (!tools.is_empty()).then_some((tools, &request.tool_choice)),
            schema: note.as_ref().filter(|_| shows_schema),
        };
        text(request, instructions, model)
    };
    let done = |text: Text, shows_schema: bool| {
        let Text { tokens: prompt, preamble, thinking, is_behind_thought, format, wrapper } = text;
        Rendered { prompt, shows_schema, preamble, thinking, is_behind_thought, format, wrapper }
    };
    if note.is_none() || !model.shows_schema {
        return Ok(done(with(false)?, true));
    }
    let is_hopeless =
        matches!(&request.output, Output::JsonSchema { schema, .. } if schema.to_string().len() > model.n_ctx * 8);
    let shown = if is_hopeless { None } else { Some(with(true)?) };
    match shown {
        Some(shown) if shown.tokens.len() <= model.n_ctx / 2 => Ok(done(shown, true)),
        Some(shown) if shown.tokens.len() < model.n_ctx => {
            let without = with(false)?;
            let n_schema = shown.tokens.len() - without.tokens.len().min(shown.tokens.len());
            Ok(if n_schema <= model.n_ctx / 2 { done(shown, true) } else { done(without, false) })
        }
        _ => Ok(done(with(false)?, false)),
    }
}

fn text(request: &Request, instructions: Instructions<'_>, model: &Model<'_>) -> Result<Text, PrepareError> {
    let tools = instructions.tools.map_or(&[][..], |(tools, _)| tools);
    let usual = &model.templates.usual().template;
    let fitted = if tools.is_empty() { model.templates.usual() } else { model.templates.with_tools() };
    let own = fitted.template.tools();
    let render = |template: &ChatTemplate, support: &ToolSupport| {
        // Only what the template is to show is written down for it.
        let shown = if support.is_native() { tools } else { &[] };
        let definitions: Vec<Value> = shown.iter().map(Tool::definition).collect();
        let messages = instruct(&request.messages, support, instructions);
        template.render(&messages, &definitions, &request.variables)
    };
    // Why: where calls are bare JSON, an answer by schema would look like one.
    let is_bound = !matches!(request.output, Output::Text | Output::Matching { .. });
    let is_ambiguous = !tools.is_empty() && own.family.is_bare_json() && is_bound;
    // Why: a grammar is written into a JSON string, and nothing else.
    let has_grammar = !own.family.writes_json() && tools.iter().any(|tool| tool.input.is_some());
    let thought = fitted.template.thinking().map(Thinking::open);
    let is_text = tools.iter().any(|tool| own.family.takes_for_other(&tool.name, thought));
    let rendered = if is_ambiguous || has_grammar || is_text { None } else { Some(render(&fitted.template, own)) };
    // Why: another format has no tags around text, and a template that writes them would put its own around calls.
    let may_be_taught = own.family.text.0.is_empty() || !std::ptr::eq(&raw const fitted.template, usual);
    let taught = || render(usual, &ToolSupport::by_prompt());
    let (mut segments, is_own) = match rendered {
        None => (taught()?, false),
        // Why: some templates take no tool without a description, or no call beside text.
        Some(Err(TemplateError::Refused(_))) if own.is_native() && may_be_taught => (taught()?, false),
        Some(rendered) => (rendered?, true),
    };
    let template = if is_own { &fitted.template } else { usual };
    // Whether the prompt has begun the answer's text, behind which no thought stands.
    let mut has_begun = false;
    if let (true, Some(last)) = (is_own && !own.family.prompt_end.is_empty(), segments.last_mut())
        && let Some(kept) = last.text.strip_suffix(own.family.prompt_end.as_str())
    {
        last.text.truncate(kept.len());
        has_begun = own.family.text.0 == own.family.prompt_end;
    }
    let mut tokens: Vec<TokenId> =
        segments.iter().flat_map(|Segment { text, is_trusted }| model.vocab.tokenize(text, *is_trusted)).collect();
    let end = segments.last().map_or("", |segment| segment.text.as_str());
    let thinking = template.thinking().map(|thinking| thinking.at(end));
    let mut preamble = thinking.as_ref().filter(|_| !has_begun).and_then(|thinking| thinking.after(end, model.vocab));
    if request.thinking.is_off
        && let Some(thinking) = &thinking
        && preamble.take().is_some_and(|preamble| preamble.open.is_none())
    {
        // The template has begun to think, whatever it was told.
        tokens.extend(model.vocab.tokenize(&format!("\n{}\n\n", thinking.close()), true));
    }
    let is_behind_thought = thinking.is_some() && preamble.is_none() && !has_begun;
    let format = if is_own { &fitted.format } else { model.generic };
    // Why: where the model is told of another format, or of none, it may still write calls as it has learned to.
    let learned = &model.templates.with_tools().format;
    let format = if format.marker == learned.marker { Arc::clone(format) } else { Arc::new(format.shunning(learned)) };
    Ok(Text { tokens, preamble, thinking, is_behind_thought, format, wrapper: template.wrapper() })
}
