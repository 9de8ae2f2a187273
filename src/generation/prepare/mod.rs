//! Request → Prepared: every 4xx that a body's meaning can cause is found here, before a token is drawn.

mod bound;
mod checks;
mod error;
mod report;
mod tool;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use self::bound::{Bound, read_output};
pub(super) use self::checks::Checks;
use self::checks::checks;
pub use self::error::{Part, PrepareError};
pub use self::report::Reports;
use self::report::reports;
pub(super) use self::tool::read_tool;
use super::call_ids::CallIds;
use super::render::{Rendered, render};
use super::request::{Output, Request, RequestTool};
use crate::chat::{SplitOptions, Templates, Thinking};
use crate::engine::{Sampling, ThinkingLimit};
use crate::grammar::{Compiled, Compiler, GrammarError, Mask, Prose, Spec, TokenId, Vocab};
use crate::guard::{Encoding, Preamble};
use crate::schema::{Limits, Store};
use crate::tools::format::{self, Ids, Layout, Otherwise, ToolFormat};
use crate::tools::{Tool, ToolChoice};

/// A request that can be generated.
#[derive(Debug)]
pub struct Prepared {
    /// The prompt's tokens.
    pub prompt: Vec<TokenId>,
    /// The grammar, for bound answers.
    pub grammar: Option<Arc<Compiled>>,
    /// What free answers are made of.
    pub free: Option<Arc<Mask>>,
    /// How the answer is taken apart.
    pub split: SplitOptions,
    /// What finished values are judged by.
    pub checks: Checks,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Tokens per choice at most.
    pub max_tokens: usize,
    /// Number of choices.
    pub n: usize,
    /// Report log probabilities with this many alternatives.
    pub logprobs: Option<u8>,
    /// How long the answer may take.
    pub deadline: Option<Duration>,
    /// Whether the model was shown all that binds it. A schema too large for the prompt is enforced all the same.
    pub shows_schema: bool,
    pub(super) closes: bool,
    /// When thinking is brought to its end.
    pub thinking: Option<ThinkingLimit>,
    /// What became of each keyword, if it was asked for.
    pub reports: Option<Reports>,
    pub(super) call_ids: CallIds,
}

/// What preparing needs to know of the model.
pub(super) struct Model<'a> {
    pub(super) vocab: &'a Vocab,
    pub(super) templates: &'a Templates,
    /// The format of calls that the prompt can teach.
    pub(super) generic: &'a Arc<ToolFormat>,
    pub(super) compiler: &'a Compiler,
    pub(super) n_ctx: usize,
    pub(super) limits: Limits,
    pub(super) shows_schema: bool,
    pub(super) closes: bool,
    pub(super) store: &'a Arc<Store>,
}

/// Prepares `request`. Blocks while grammars compile: not for async code.
pub(super) fn prepare(request: Request, model: &Model<'_>) -> Result<Prepared, PrepareError> {
    let read = |tools: &[RequestTool]| match request.tool_choice {
        ToolChoice::None => Ok(Vec::new()),
        ToolChoice::Auto | ToolChoice::Required | ToolChoice::Named(_) => {
            tools.iter().map(|tool| read_tool(tool, model.limits, model.store)).collect::<Result<Vec<Tool>, _>>()
        }
    };
    let tools = read(&request.tools)?;
    // Why all of them: a list that stays the same is in the prompt's cache, whatever may be called of it.
    let others = read(&request.other_tools)?;
    let shown = if others.is_empty() {
        Cow::Borrowed(tools.as_slice())
    } else {
        let asked = request.tools.iter().chain(&request.other_tools);
        let mut all: Vec<(usize, &Tool)> = asked.map(|tool| tool.index).zip(tools.iter().chain(&others)).collect();
        all.sort_by_key(|(index, _)| *index);
        Cow::Owned(all.into_iter().map(|(_, tool)| tool.clone()).collect())
    };
    let answer = read_output(&request.output, model)?;
    if let (Output::Matching { param, .. }, false) = (&request.output, tools.is_empty()) {
        let message = format!("'{param}' cannot stand beside 'tools' that may be called");
        return Err(PrepareError::Constraint { param: param.clone(), message });
    }
    let Rendered { prompt, shows_schema, preamble, thinking, is_behind_thought, format, wrapper } =
        render(&request, &shown, model)?;
    // Why: what the format begins with is a part of the answer, and no thought.
    let is_own = |preamble: &Preamble| match (&answer, &preamble.open) {
        (Some(Bound::Parts(parts, _)), Some(open)) => format.text.0.is_empty() && parts.may_begin_with(open),
        _ => false,
    };
    let preamble = preamble.filter(|preamble| !is_own(preamble));
    let n_room = model.n_ctx.saturating_sub(prompt.len());
    if n_room == 0 {
        return Err(PrepareError::TooLong { n_prompt: prompt.len(), n_ctx: model.n_ctx });
    }
    let thinking = preamble.as_ref().and(limit(&request, thinking, model));
    let spec = spec(&request, &tools, answer.as_ref(), &format, (preamble.as_ref(), thinking.is_some()));
    let grammar = spec.as_ref().map(|spec| compile(spec, &request, answer.as_ref(), model.compiler)).transpose()?;
    // Why: no marker leaks, and no turn is faked, in answers that nothing binds either.
    let free = grammar.is_none().then(|| {
        let thought = preamble.iter().flat_map(|preamble| preamble.open.iter().chain([&preamble.close]));
        let tags = wrapper.map(|wrapper| wrapper.tags().map(|tag| model.vocab.wire_of(tag)));
        let marks: Vec<&[u8]> = thought.chain(tags.iter().flatten()).map(Vec::as_slice).collect();
        Arc::new(Mask::of_text(model.vocab, &marks))
    });
    let max_tokens = request.max_tokens.unwrap_or(n_room).min(n_room);
    if model.closes
        && let Some(grammar) = &grammar
        // Why: what nobody can write down has a lower bound all the same.
        && let n_needed = grammar.cheapest_tokens().unwrap_or_else(|| grammar.least_tokens())
        && n_needed > max_tokens
    {
        let n_prompt = prompt.len();
        return Err(match n_needed > n_room {
            true => PrepareError::NoRoom { n_prompt, n_needed, n_ctx: model.n_ctx },
            false => PrepareError::TooFewTokens { n_needed, n_allowed: max_tokens },
        });
    }
    let reports = match &grammar {
        Some(grammar) if request.wants_report => Some(reports(&request, &tools, answer.as_ref(), grammar)?),
        _ => None,
    };
    let checks = checks(&request, &tools, answer.as_ref(), grammar.as_deref())?;
    let wrapper = wrapper.filter(|_| matches!(request.output, Output::Text));
    let keeps_spaces = matches!(request.output, Output::Matching { .. });
    let around = format.text.clone();
    let encodings = encodings(&tools, grammar.as_deref());
    let format = (!tools.is_empty()).then_some(format);
    let call_ids = CallIds::new(format.as_ref().map_or(Ids::Free, |format| format.family.ids), &request.messages);
    let calls_follow_text = spec.and_then(|spec| spec.calls).is_some_and(|calls| calls.prose == Prose::Before);
    // Why: a bound answer that ends is valid; a stop string inside it would end it before it is.
    let stop = if answer.is_some() { Vec::new() } else { request.stop };
    Ok(Prepared {
        prompt,
        grammar,
        free,
        split: SplitOptions {
            format,
            encodings,
            calls_follow_text,
            preamble,
            keeps_spaces,
            around,
            wrapper,
            is_behind_thought,
            stop,
        },
        checks,
        sampling: request.sampling,
        max_tokens,
        n: request.n,
        logprobs: request.logprobs,
        deadline: request.deadline,
        shows_schema,
        closes: model.closes,
        thinking,
        reports,
        call_ids,
    })
}

/// The grammar of the answer; none where anything goes. `thinks`: what may stand before it, and whether that is bounded.
fn spec(
    request: &Request,
    tools: &[Tool],
    answer: Option<&Bound>,
    format: &ToolFormat,
    (preamble, is_bounded): (Option<&Preamble>, bool),
) -> Option<Spec> {
    let layout = Layout { preamble, around: &format.text };
    match (tools, answer) {
        ([], None) if knows_calls(request) => Some(format.silence(preamble)),
        ([], None) if is_bounded || !layout.around.0.is_empty() => Some(layout.free()),
        ([], None) => None,
        ([], Some(Bound::Json(document))) => Some(layout.value(Arc::clone(document), request.style)),
        (_, Some(Bound::Text(lang))) => Some(layout.text_in(lang.clone())),
        (_, Some(Bound::Derived(cfg))) => Some(layout.derived(cfg)),
        (_, Some(Bound::Parts(parts, documents))) => Some(layout.parts(parts, documents, request.style)),
        (_, Some(Bound::Lark(lark))) => Some(layout.written(lark.clone())),
        (tools, answer) => {
            let otherwise = match answer {
                Some(Bound::Json(document)) => Otherwise::Schema(Arc::clone(document)),
                _ => Otherwise::Prose,
            };
            let spec = format.spec(tools, &request.tool_choice, request.parallel_tool_calls, &otherwise, preamble);
            Some(Spec { style: request.style, ..spec })
        }
    }
}

/// Whether the model may think of calls: it was told of tools, or the conversation holds calls.
fn knows_calls(request: &Request) -> bool {
    let is_told = !(request.tools.is_empty() && request.other_tools.is_empty());
    is_told || request.messages.iter().any(|message| !message.tool_calls.is_empty())
}

/// When thinking ends, and how, if the request bounds it.
fn limit(request: &Request, thinking: Option<Thinking>, model: &Model<'_>) -> Option<ThinkingLimit> {
    let n_tokens = request.thinking.max_tokens?;
    let text = format!("\n\nThat is enough; now the answer.\n{}\n\n", thinking?.close());
    Some(ThinkingLimit { n_tokens, ending: model.vocab.tokenize(&text, true).into() })
}

/// How each tool's arguments are written, where they are not written as JSON.
fn encodings(tools: &[Tool], grammar: Option<&Compiled>) -> HashMap<String, Arc<Encoding>> {
    let encoding = |(i, tool): (usize, &Tool)| {
        let encoding = grammar?.encodings.get(&format::schema_name(i))?;
        Some((tool.name.clone(), Arc::clone(encoding)))
    };
    tools.iter().enumerate().filter_map(encoding).collect()
}

fn compile(
    spec: &Spec,
    request: &Request,
    answer: Option<&Bound>,
    compiler: &Compiler,
) -> Result<Arc<Compiled>, PrepareError> {
    compiler.compile(spec).map_err(|error| match error {
        GrammarError::Schema { name, error } => {
            let tool = format::index_of(&name).and_then(|i| request.tools.get(i));
            let part = match (tool, answer) {
                (Some(tool), _) => tool.part(),
                (None, Some(Bound::Parts(parts, _))) => Part::Value(parts.param_of(&name).to_owned()),
                (None, _) => part_of_output(&request.output),
            };
            PrepareError::Schema { part, error }
        }
        GrammarError::Grammar(message) => match &request.output {
            Output::Matching { param, .. } => PrepareError::Constraint { param: param.clone(), message },
            _ => PrepareError::Grammar(message),
        },
    })
}

fn part_of_output(output: &Output) -> Part {
    Part::ResponseFormat(match output {
        Output::Text | Output::JsonObject | Output::Matching { .. } => "json_object".to_owned(),
        Output::JsonSchema { name, .. } => name.clone(),
    })
}
