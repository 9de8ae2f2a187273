//! Request → Prepared: every 4xx that a body's meaning can cause is found here, before a token is drawn.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::call_ids::CallIds;
use super::render::{Rendered, render};
use super::request::{Output, Request, RequestTool, TextRule, ToolInput};
use crate::chat::{ChatTemplate, SplitOptions, TemplateError, Thinking, input_schema};
use crate::engine::{Sampling, ThinkingLimit};
use crate::grammar::cfg::{Cfg, CfgError};
use crate::grammar::structure::{Format, FormatError, Judge, PartSchema, Parts};
use crate::grammar::{self, Compiled, Compiler, GrammarError, Mask, Prose, Report, Spec, TokenId, Vocab};
use crate::guard::{Check, Encoding, Preamble};
use crate::schema::pattern::{self, Lang};
use crate::schema::{Deadline, Document, ErrorKind, Limits, Pointer, SchemaError, Store};
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

/// What became of the keywords of a request's schemas.
#[derive(Clone, Debug, Serialize)]
pub struct Reports {
    /// Of the answer's, if it has one.
    pub enforcement: Option<Report>,
    /// Of the arguments of the tools that may be called, by name, as far as there was time for it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub tools: Map<String, Value>,
}

/// The independent checks of one request.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// For content, if it is bound.
    pub content: Option<Arc<Check>>,
    /// Whether content is judged as a text, not as JSON.
    pub is_text: bool,
    /// What derives the content, if that is bound by a grammar.
    pub derivation: Option<Arc<Cfg>>,
    /// What judges the content, if it has several parts.
    pub parts: Option<Judge>,
    /// For arguments, by tool name.
    pub tools: Vec<(String, Arc<Check>)>,
    /// For the inputs of custom tools, by tool name.
    pub inputs: Vec<(String, Arc<Cfg>)>,
    /// Whether an answer without a call is a fault.
    pub requires_call: bool,
}

/// Which part of a request a schema belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The response format of this name.
    ResponseFormat(String),
    /// The tool at this index, of this name.
    Tool(usize, String),
    /// A part of the answer, by the field that asks for it.
    Value(String),
}

/// Why a request cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A schema is refused.
    #[error("{error}")]
    Schema {
        /// Whose schema.
        part: Part,
        /// What and where.
        error: SchemaError,
    },
    /// The prompt and one token of answer do not fit the context.
    #[error("{n_prompt} tokens do not fit a context of {n_ctx}")]
    TooLong {
        /// The prompt's tokens.
        n_prompt: usize,
        /// The context's.
        n_ctx: usize,
    },
    /// The shortest valid answer takes more tokens than the request allows.
    #[error("the shortest valid answer takes {n_needed} tokens; {n_allowed} are allowed")]
    TooFewTokens {
        /// What it takes.
        n_needed: usize,
        /// What there is.
        n_allowed: usize,
    },
    /// A pattern or a grammar is refused.
    #[error("{message}")]
    Constraint {
        /// The field that it came from.
        param: String,
        /// What is wrong.
        message: String,
    },
    /// An example of a definition is none.
    #[error("{message}")]
    Example {
        /// Which one.
        param: String,
        /// What is wrong.
        message: String,
    },
    /// The template refuses the conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Others are being prepared for too long.
    #[error("too many requests are being prepared")]
    Busy,
    /// A grammar of ours does not compile.
    #[error("{0}")]
    Grammar(String),
}

/// What preparing needs to know of the model.
pub(super) struct Model<'a> {
    pub(super) vocab: &'a Vocab,
    pub(super) template: &'a ChatTemplate,
    /// The format of the template's calls, and the one that the prompt can teach.
    pub(super) native: &'a Arc<ToolFormat>,
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
    let Rendered { prompt, shows_schema, preamble, thinking, is_behind_thought, format } =
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
        let tags = model.template.wrapper().map(|wrapper| wrapper.tags().map(|tag| model.vocab.wire_of(tag)));
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
        return Err(PrepareError::TooFewTokens { n_needed, n_allowed: max_tokens });
    }
    let reports = match &grammar {
        Some(grammar) if request.wants_report => Some(reports(&request, &tools, answer.as_ref(), grammar)?),
        _ => None,
    };
    let checks = checks(&request, &tools, answer.as_ref(), grammar.as_deref())?;
    let wrapper = model.template.wrapper().filter(|_| matches!(request.output, Output::Text));
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

/// Processor time of the reports on tools, of which there may be hundreds.
const MAX_REPORT_TIME: Duration = Duration::from_secs(2);

fn reports(
    request: &Request,
    tools: &[Tool],
    answer: Option<&Bound>,
    grammar: &Compiled,
) -> Result<Reports, PrepareError> {
    let compile_ms = grammar.compile_time.as_secs_f64() * 1e3;
    let of = |part: Part, document: &Document, cheapest_tokens| {
        grammar::report(document, compile_ms, cheapest_tokens).map_err(|error| PrepareError::Schema { part, error })
    };
    let enforcement = match answer {
        Some(Bound::Json(document)) => {
            let cheapest = grammar.cheapest_tokens().filter(|_| tools.is_empty());
            Some(of(part_of_output(&request.output), document, cheapest)?)
        }
        _ => None,
    };
    let deadline = Deadline::after(MAX_REPORT_TIME);
    let mut on_tools = Map::new();
    for (tool, asked) in tools.iter().zip(&request.tools) {
        if deadline.left().is_zero() {
            break;
        }
        if matches!(&request.tool_choice, ToolChoice::Named(name) if *name != tool.name) {
            continue;
        }
        let report = of(Part::Tool(asked.index, tool.name.clone()), &tool.parameters, None)?;
        on_tools.insert(tool.name.clone(), json!(report));
    }
    Ok(Reports { enforcement, tools: on_tools })
}

pub(super) fn read_tool(tool: &RequestTool, limits: Limits, store: &Arc<Store>) -> Result<Tool, PrepareError> {
    let refuse = |error| PrepareError::Schema { part: Part::Tool(tool.index, tool.name.clone()), error };
    let input = tool.input.as_ref().map(|input| read_input(tool.index, input)).transpose()?;
    let parameters = match &tool.parameters {
        _ if let Some((schema, _)) = &input => schema.clone(),
        None => json!({"type": "object", "properties": {}, "additionalProperties": false}),
        Some(Value::Object(map)) if !map.contains_key("type") => {
            let mut map = map.clone();
            map.insert("type".into(), "object".into());
            Value::Object(map)
        }
        Some(Value::Object(map)) if map.get("type") != Some(&"object".into()) => {
            let got = map.get("type").map(Value::to_string).unwrap_or_default();
            let kind = ErrorKind::Malformed(format!(
                "the schema of a function's arguments must be of 'type: \"object\"', but this is of 'type: {got}'"
            ));
            return Err(refuse(SchemaError::at_keyword(&Pointer::default(), "type", kind)));
        }
        Some(value @ Value::Object(_)) => value.clone(),
        Some(_) => {
            let kind = ErrorKind::Malformed("the schema of a function's arguments must be an object".to_owned());
            return Err(refuse(SchemaError::at(Pointer::default(), kind)));
        }
    };
    let document = Document::parse_with(parameters, limits, Arc::clone(store)).map_err(refuse)?;
    let (name, description) = (tool.name.clone(), tool.description.clone());
    Ok(Tool { name, description, parameters: Arc::new(document), input: input.and_then(|(_, cfg)| cfg) })
}

/// What the input of the custom tool at `index` makes of its arguments: their schema, and what else derives the input.
fn read_input(index: usize, input: &ToolInput) -> Result<(Value, Option<Arc<Cfg>>), PrepareError> {
    let refuse = |message: String| {
        Err(PrepareError::Constraint { param: format!("tools[{index}].custom.format.grammar.definition"), message })
    };
    match input {
        ToolInput::Text => Ok((input_schema(None), None)),
        // Why: OpenAI's patterns are Rust's, where that is a class of its own.
        ToolInput::Regex(pattern) if pattern.contains("[[:") => refuse(
            "classes such as '[[:digit:]]' are not supported; write out what they hold, as in '[0-9]'".to_owned(),
        ),
        ToolInput::Regex(pattern) => match pattern::whole(pattern) {
            Ok(_) => Ok((input_schema(Some(pattern)), None)),
            Err(error) => refuse(error.to_string()),
        },
        ToolInput::Lark(lark) => match Cfg::lark(lark) {
            Ok(cfg) => Ok((input_schema(None), Some(Arc::new(cfg)))),
            Err(error) => refuse(error.to_string()),
        },
    }
}

/// What binds an answer.
enum Bound {
    Json(Arc<Document>),
    /// The texts of a language.
    Text(Lang),
    /// What a grammar derives.
    Derived(Arc<Cfg>),
    /// Several parts, and the schemas of their JSON.
    Parts(Arc<Parts>, Vec<Arc<Document>>),
    /// The same as by a grammar, where only llguidance knows what the grammar says: no endings are known, and nothing judges the text.
    Lark(String),
}

fn read_output(output: &Output, model: &Model<'_>) -> Result<Option<Bound>, PrepareError> {
    let (name, schema) = match output {
        Output::Text => return Ok(None),
        Output::JsonObject => ("json_object", json!({"type": "object"})),
        Output::JsonSchema { name, schema, .. } => (name.as_str(), schema.clone()),
        Output::Matching { rule: TextRule::Parts(format), .. } => return read_parts(format, model).map(Some),
        Output::Matching { param, rule } => {
            let bound = read_rule(rule);
            return bound.map(Some).map_err(|message| PrepareError::Constraint { param: param.clone(), message });
        }
    };
    let document = Document::parse_with(schema, model.limits, Arc::clone(model.store))
        .map_err(|error| PrepareError::Schema { part: Part::ResponseFormat(name.to_owned()), error })?;
    Ok(Some(Bound::Json(Arc::new(document))))
}

/// Reads the parts of an answer.
fn read_parts(format: &Format, model: &Model<'_>) -> Result<Bound, PrepareError> {
    let parts =
        Parts::of(format).map_err(|FormatError { at, message }| PrepareError::Constraint { param: at, message })?;
    let document = |PartSchema { at, schema, .. }: &PartSchema| {
        Document::parse_with(schema.clone(), model.limits, Arc::clone(model.store))
            .map(Arc::new)
            .map_err(|error| PrepareError::Schema { part: Part::Value(at.clone()), error })
    };
    let documents = parts.schemas.iter().map(document).collect::<Result<_, _>>()?;
    Ok(Bound::Parts(Arc::new(parts), documents))
}

/// Reads what a text must be.
fn read_rule(rule: &TextRule) -> Result<Bound, String> {
    match rule {
        TextRule::Parts(_) => unreachable!("parts are read before"),
        TextRule::Choice(options) => {
            Ok(Bound::Text(Lang::or(options.iter().map(|text| Lang::literal(text)).collect())))
        }
        TextRule::Regex(pattern) => pattern::whole(pattern).map(Bound::Text).map_err(|error| error.to_string()),
        // Why: that would be enforced by other rules than ours.
        TextRule::Grammar(text) if text.contains("%json") => {
            Err("'%json' is not supported in a grammar; a schema goes into 'response_format'".to_owned())
        }
        TextRule::Grammar(text) => match Cfg::read(text) {
            Ok(cfg) => Ok(Bound::Derived(Arc::new(cfg))),
            Err(CfgError::Unsupported(_)) => Ok(Bound::Lark(text.clone())),
            Err(CfgError::Invalid(message)) => Err(message),
        },
    }
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
        ([], None) if !(request.tools.is_empty() && request.other_tools.is_empty()) => Some(format.silence(preamble)),
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
                (Some(tool), _) => Part::Tool(tool.index, tool.name.clone()),
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

fn checks(
    request: &Request,
    tools: &[Tool],
    answer: Option<&Bound>,
    grammar: Option<&Compiled>,
) -> Result<Checks, PrepareError> {
    let check = |part: Part, document: &Document| {
        Check::of(document).map(Arc::new).map_err(|error| PrepareError::Schema { part, error: error.into() })
    };
    let content = match (&request.output, answer) {
        (_, Some(Bound::Json(document))) => Some(check(part_of_output(&request.output), document)?),
        (Output::Matching { rule, .. }, _) => check_of(rule),
        _ => None,
    };
    let derivation = match answer {
        Some(Bound::Derived(cfg)) => Some(Arc::clone(cfg)),
        _ => None,
    };
    let parts = match answer {
        Some(Bound::Parts(parts, documents)) => {
            let of =
                |(document, schema): (&Arc<Document>, &PartSchema)| check(Part::Value(schema.at.clone()), document);
            let checks = documents.iter().zip(&parts.schemas).map(of).collect::<Result<_, _>>()?;
            let encodings = grammar.map(|grammar| &grammar.encodings);
            Some(Judge::new(parts, checks, encodings.unwrap_or(&HashMap::new())))
        }
        _ => None,
    };
    let inputs = tools.iter().filter_map(|tool| Some((tool.name.clone(), Arc::clone(tool.input.as_ref()?)))).collect();
    let tools = tools
        .iter()
        .zip(&request.tools)
        .map(|(tool, asked)| {
            Ok((tool.name.clone(), check(Part::Tool(asked.index, tool.name.clone()), &tool.parameters)?))
        })
        .collect::<Result<_, PrepareError>>()?;
    let requires_call = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    let is_text = matches!(request.output, Output::Matching { .. });
    Ok(Checks { content, is_text, derivation, parts, tools, inputs, requires_call })
}

/// What judges a finished text; nothing does, where it is a grammar, or a pattern that the validator does not know.
fn check_of(rule: &TextRule) -> Option<Arc<Check>> {
    let schema = match rule {
        TextRule::Regex(pattern) => json!({"type": "string", "pattern": pattern::anchored(pattern)}),
        TextRule::Choice(options) => json!({"enum": options}),
        TextRule::Grammar(_) | TextRule::Parts(_) => return None,
    };
    Check::new(&schema).ok().map(Arc::new)
}
