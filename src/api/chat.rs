//! `POST /v1/chat/completions`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};

use super::body::JsonBody;
use super::chat_into::into_request;
use super::chat_stream::stream;
use super::error::ApiError;
use super::resolve::{refers, resolve};
use super::wire::chat_request::ChatRequest;
use super::wire::chat_response::{
    AssistantMessage, ChatChoice, ChatCompletion, ChatLogprob, ChatLogprobs, ChatUsage, CompletionTokensDetails,
    FullCustom, FullFunction, FullToolCall, PromptTokensDetails, UsageEffort,
};
use super::wire::response_format::ResponseFormat;
use super::wire::tools::ChatTool;
use super::{AppState, header_value};
use crate::chat::{InputText, Said};
use crate::generation::{Choice, Completion, Finish, LogprobEntry, PrepareError, Reports, Usage, aside};
use crate::tools::{ToolCall, ToolChoice};

/// How long a stream's headers may wait for a slot: below what clients and proxies put up with.
const PATIENCE: Duration = Duration::from_secs(5);

/// What of a request the answer's form depends on.
#[derive(Clone, Debug)]
pub(super) struct AnswerForm {
    /// What became of each keyword of the schema, if it was asked for.
    pub(super) reports: Option<Reports>,
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) fingerprint: String,
    pub(super) n: usize,
    pub(super) wants_logprobs: bool,
    pub(super) include_usage: bool,
    /// Whether the answer is a call, and has no content.
    pub(super) must_call: bool,
    /// Names of tools whose input is text.
    pub(super) custom: HashSet<String>,
    /// Calls go into `function_call`, as before there were tools.
    pub(super) is_legacy: bool,
    /// What a choice that ended in calls reports.
    pub(super) calls_finish: &'static str,
}

/// Answers a chat request, plain or as a stream.
pub(super) async fn create(State(state): State<Arc<AppState>>, body: JsonBody) -> Result<Response, ApiError> {
    let ((mut wire, unknown), room) = body.read(|value| ChatRequest::read(value).map_err(ApiError::from))?;
    if let (Some(first), true) = (unknown.first(), state.options.reject_unknown_fields) {
        return Err(ApiError::bad_request(
            Some(first),
            Some("unknown_parameter"),
            format!("Unknown parameter: '{first}'."),
        ));
    }
    if !state.serves(&wire.model) {
        return Err(ApiError::unknown_model(&wire.model, &state.model.id));
    }
    // Why aside: another process may have changed the registry's file, which is read again then.
    let registered = if refers(&wire) { aside(|| resolve(&mut wire, &state.registry))? } else { Vec::new() };
    let streams = wire.stream == Some(true);
    let is_bound = wire.response_format.as_ref().is_some_and(|format| !matches!(format, ResponseFormat::Text));
    let has_stop = wire.stop.as_ref().is_some_and(|stop| !stop.is_empty());
    let is_legacy = wire.functions.is_some();
    let bounded_by = if wire.max_completion_tokens.is_some() { "max_completion_tokens" } else { "max_tokens" };
    let include_usage = wire.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let custom = wire.tools.iter().flatten().filter_map(|tool| match tool {
        ChatTool::Custom { custom } => Some(custom.name.clone()),
        ChatTool::Function { .. } | ChatTool::Registered { .. } => None,
    });
    let custom: HashSet<String> = custom.collect();
    let request = into_request(wire, state.generator.vocab().n_tokens())?;
    let is_named = matches!(request.tool_choice, ToolChoice::Named(_));
    let must_call = is_named || request.tool_choice == ToolChoice::Required;
    let ignores_stop = has_stop && (is_bound || must_call);
    let mut form = AnswerForm {
        reports: None,
        id: crate::generation::new_id("chatcmpl-", 24),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        model: state.model.id.clone(),
        fingerprint: format!("fp_drawplate_{}", env!("CARGO_PKG_VERSION")),
        n: request.n,
        wants_logprobs: request.logprobs.is_some(),
        include_usage,
        must_call,
        custom,
        is_legacy,
        calls_finish: match (is_legacy, is_named, state.options.named_call_finishes_as_tool_calls) {
            (true, _, _) => "function_call",
            (false, true, false) => "stop",
            (false, _, _) => "tool_calls",
        },
    };
    let prepared = state.generator.prepare(request).await.map_err(|error| match error {
        PrepareError::TooFewTokens { .. } => ApiError { param: Some(bounded_by.to_owned()), ..error.into() },
        error => error.into(),
    });
    let mut prepared = prepared?;
    drop(room);
    form.reports = prepared.reports.take();
    let shows_schema = prepared.shows_schema;
    let mut answer = state.generator.start(&prepared)?;
    drop(prepared);
    // Why: headers go out before a stream's first chunk, and the wait for a slot is one of them.
    let queued = answer.started(PATIENCE).await?;
    let mut response = if streams {
        stream(form, answer).into_response()
    } else {
        let completion = answer.complete().await?;
        Json(render(&form, completion)).into_response()
    };
    let headers = response.headers_mut();
    if let Some(queued) = queued {
        let value = header_value(&format!("{:.1}", milliseconds(queued)));
        headers.insert(HeaderName::from_static("x-drawplate-queue-ms"), value);
    }
    if !registered.is_empty() {
        headers.insert(HeaderName::from_static("x-drawplate-registered"), header_value(&shortened(&registered)));
    }
    let ignored: Vec<String> = unknown.into_iter().chain(ignores_stop.then(|| "stop".to_owned())).collect();
    if !ignored.is_empty() {
        headers.insert(HeaderName::from_static("x-drawplate-ignored-fields"), header_value(&shortened(&ignored)));
    }
    if !shows_schema {
        let note = "the schema is too large to be shown to the model; it is enforced all the same";
        headers.insert(HeaderName::from_static("x-drawplate-note"), header_value(note));
    }
    Ok(response)
}

/// As many of the names as fit a header.
fn shortened(names: &[String]) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 && text.len() + name.len() > 900 {
            return format!("{text}, and {} more", names.len() - i);
        }
        text.push_str(if i == 0 { "" } else { ", " });
        text.push_str(name);
    }
    text
}

fn render(form: &AnswerForm, completion: Completion) -> ChatCompletion {
    let closed: Vec<bool> = completion.choices.iter().map(|choice| choice.finish == Finish::Closed).collect();
    ChatCompletion {
        id: form.id.clone(),
        object: "chat.completion",
        created: form.created,
        model: form.model.clone(),
        choices: completion
            .choices
            .into_iter()
            .enumerate()
            .map(|(index, choice)| render_choice(form, index, choice))
            .collect(),
        drawplate: form.drawplate(&closed),
        usage: render_usage(completion.usage),
        service_tier: "default",
        system_fingerprint: form.fingerprint.clone(),
    }
}

fn render_choice(form: &AnswerForm, index: usize, choice: Choice) -> ChatChoice {
    let logprobs = form.wants_logprobs.then(|| render_logprobs(&choice.logprobs));
    let finish_reason = form.finish_reason(choice.finish);
    let Said { reasoning, content, calls } = choice.said;
    let content = (!content.is_empty() || calls.is_empty()).then_some(content);
    let mut calls: Vec<FullToolCall> = calls.into_iter().map(|call| render_call(form, call)).collect();
    let function_call = if form.is_legacy { calls.drain(..).next().and_then(|call| call.function) } else { None };
    let message = AssistantMessage {
        role: "assistant",
        content,
        reasoning_content: (!reasoning.is_empty()).then_some(reasoning),
        refusal: None,
        annotations: vec![],
        tool_calls: calls,
        function_call,
    };
    ChatChoice { index, message, logprobs, finish_reason }
}

fn render_call(form: &AnswerForm, call: ToolCall) -> FullToolCall {
    let ToolCall { id, name, arguments } = call;
    if form.custom.contains(&name) {
        let custom = Some(FullCustom { input: InputText::default().push(&arguments), name });
        return FullToolCall { id, kind: "custom", function: None, custom };
    }
    FullToolCall { id, kind: "function", function: Some(FullFunction { name, arguments }), custom: None }
}

impl AnswerForm {
    /// The enforcement report, and which choices had to be brought to an end.
    pub(super) fn drawplate(&self, closed: &[bool]) -> Option<serde_json::Value> {
        let mut note = serde_json::to_value(self.reports.as_ref()?).ok()?;
        note["closed"] = closed.into();
        Some(note)
    }

    pub(super) fn finish_reason(&self, finish: Finish) -> &'static str {
        match finish {
            Finish::Stop => "stop",
            Finish::Length | Finish::Closed => "length",
            Finish::ToolCalls => self.calls_finish,
        }
    }
}

pub(super) fn render_usage(usage: Usage) -> ChatUsage {
    ChatUsage {
        prompt_tokens: usage.n_prompt,
        completion_tokens: usage.n_generated,
        total_tokens: usage.n_prompt + usage.n_generated,
        prompt_tokens_details: PromptTokensDetails { cached_tokens: usage.n_cached, audio_tokens: 0 },
        completion_tokens_details: CompletionTokensDetails {
            reasoning_tokens: usage.n_reasoning,
            audio_tokens: 0,
            accepted_prediction_tokens: 0,
            rejected_prediction_tokens: 0,
            forced_tokens: usage.n_forced,
        },
        drawplate: UsageEffort {
            drafted_tokens: usage.effort.n_drafted,
            accepted_tokens: usage.effort.n_accepted,
            queue_ms: milliseconds(usage.queued),
            mask_ms: milliseconds(usage.effort.mask),
            device_ms: milliseconds(usage.effort.device),
            host_ms: milliseconds(usage.effort.host),
            tokens_per_second: (usage.tokens_per_second() * 10.0).round() / 10.0,
        },
    }
}

/// To a thousandth.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

pub(super) fn render_logprobs(entries: &[LogprobEntry]) -> ChatLogprobs {
    fn one(entry: &LogprobEntry, is_top: bool) -> ChatLogprob {
        ChatLogprob {
            token: String::from_utf8_lossy(&entry.bytes).into_owned(),
            logprob: entry.logprob,
            bytes: Some(entry.bytes.clone()),
            top_logprobs: (!is_top).then(|| entry.top.iter().map(|top| one(top, true)).collect()),
        }
    }
    ChatLogprobs { content: entries.iter().map(|entry| one(entry, false)).collect(), refusal: None }
}
