//! Chat completions as server-sent events: the same updates that a plain answer folds.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use serde_json::json;

use super::chat::{AnswerForm, render_logprobs, render_usage};
use super::error::ApiError;
use super::wire::chat_response::{ChatChunk, ChunkChoice, ChunkCustom, ChunkDelta, ChunkFunction, ChunkToolCall};
use crate::chat::{Delta, InputText};
use crate::generation::{Answer, AnswerError, Finish, Update};

/// Clients and proxies give up on silent connections; comments keep them open.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Streams `answer`. Dropping the stream cancels it.
pub(super) fn stream(form: AnswerForm, answer: Answer) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let closed = vec![false; form.n];
    let mut first = Chunks { form, ready: VecDeque::new(), answer: Some(answer), closed, inputs: HashMap::new() };
    first.open();
    let events = futures_util::stream::unfold(first, |mut chunks| async move {
        chunks.next().await.map(|event| (Ok(event), chunks))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("ping"))
}

struct Chunks {
    form: AnswerForm,
    ready: VecDeque<Event>,
    /// Gone once it is over.
    answer: Option<Answer>,
    /// Which choices had to be brought to an end.
    closed: Vec<bool>,
    /// The inputs of custom tools, by choice and call.
    inputs: HashMap<(usize, usize), InputText>,
}

impl Chunks {
    /// The role of each choice; Node's SDK insists on it.
    fn open(&mut self) {
        for index in 0..self.form.n {
            let delta = ChunkDelta {
                role: Some("assistant"),
                content: Some((!self.form.must_call).then(String::new)),
                refusal: Some(None),
                ..ChunkDelta::default()
            };
            self.push(ChunkChoice { index, delta, logprobs: None, finish_reason: None });
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.answer.as_mut()?.next().await {
                Some(Ok(update)) => self.update(update),
                Some(Err(error)) => self.fail(error),
                None => self.close(),
            }
        }
    }

    fn update(&mut self, update: Update) {
        let index = update.choice;
        let mut logprobs =
            self.form.wants_logprobs.then(|| render_logprobs(&update.logprobs)).filter(|l| !l.content.is_empty());
        for delta in update.deltas {
            let Some(delta) = self.delta(index, delta) else { continue };
            self.push(ChunkChoice { index, delta, logprobs: logprobs.take(), finish_reason: None });
        }
        self.closed[index] |= update.finish == Some(Finish::Closed);
        if update.finish.is_some() || logprobs.is_some() {
            let finish_reason = update.finish.map(|finish| self.form.finish_reason(finish));
            self.push(ChunkChoice { index, delta: ChunkDelta::default(), logprobs, finish_reason });
        }
    }

    /// What clients are told of `delta`; nothing, where it only goes on with what stands around a custom tool's input.
    fn delta(&mut self, choice: usize, delta: Delta) -> Option<ChunkDelta> {
        let function = |name, arguments| ChunkFunction { name, arguments };
        let (call, legacy) = match delta {
            Delta::Reasoning(text) => {
                return Some(ChunkDelta { reasoning_content: Some(text), ..ChunkDelta::default() });
            }
            Delta::Content(text) => return Some(ChunkDelta { content: Some(Some(text)), ..ChunkDelta::default() }),
            Delta::CallStart { name, .. } if self.form.is_legacy => (None, Some(function(Some(name), String::new()))),
            Delta::CallArguments { fragment, .. } if self.form.is_legacy => (None, Some(function(None, fragment))),
            Delta::CallStart { index, id, name } if self.form.custom.contains(&name) => {
                self.inputs.insert((choice, index), InputText::default());
                let custom = Some(ChunkCustom { name: Some(name), input: String::new() });
                (Some(ChunkToolCall { index, id, kind: Some("custom"), function: None, custom }), None)
            }
            Delta::CallStart { index, id, name } => {
                let function = Some(function(Some(name), String::new()));
                (Some(ChunkToolCall { index, id, kind: Some("function"), function, custom: None }), None)
            }
            Delta::CallArguments { index, fragment } => {
                let custom = self.inputs.get_mut(&(choice, index)).map(|input| input.push(&fragment));
                if custom.as_ref().is_some_and(String::is_empty) {
                    return None;
                }
                let custom = custom.map(|input| ChunkCustom { name: None, input });
                let function = custom.is_none().then(|| function(None, fragment));
                (Some(ChunkToolCall { index, id: None, kind: None, function, custom }), None)
            }
        };
        Some(ChunkDelta { tool_calls: call.map(|call| vec![call]), function_call: legacy, ..ChunkDelta::default() })
    }

    fn push(&mut self, choice: ChunkChoice) {
        let chunk = self.chunk(vec![choice], self.form.include_usage.then_some(None));
        self.ready.push_back(chunk);
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Option<super::wire::chat_response::ChatUsage>>) -> Event {
        self.chunk_with(choices, usage, None)
    }

    fn chunk_with(
        &self,
        choices: Vec<ChunkChoice>,
        usage: Option<Option<super::wire::chat_response::ChatUsage>>,
        drawplate: Option<serde_json::Value>,
    ) -> Event {
        let form = &self.form;
        let chunk = ChatChunk {
            id: &form.id,
            object: "chat.completion.chunk",
            created: form.created,
            model: &form.model,
            service_tier: "default",
            system_fingerprint: &form.fingerprint,
            choices,
            usage,
            drawplate,
        };
        // Why not `json_data`: it looks for line ends in every piece that the serializer writes, here it is one look.
        match serde_json::to_string(&chunk) {
            Ok(json) => Event::default().data(json),
            Err(_) => Event::default().comment("a chunk that is no JSON"),
        }
    }

    /// The same envelope as a plain error, as the last event.
    fn fail(&mut self, error: AnswerError) {
        let error = ApiError::from(error);
        tracing::error!(detail = error.detail.as_deref().unwrap_or_default(), "{} (in mid-stream)", error.message);
        self.ready.push_back(Event::default().data(json!(error.body()).to_string()));
        self.answer = None;
    }

    fn close(&mut self) {
        if let Some(answer) = self.answer.take() {
            // Why first: clients take the usage of the last chunk.
            if let Some(drawplate) = self.form.drawplate(&self.closed) {
                let usage = self.form.include_usage.then_some(None);
                let chunk = self.chunk_with(Vec::new(), usage, Some(drawplate));
                self.ready.push_back(chunk);
            }
            if self.form.include_usage {
                let usage = self.chunk(Vec::new(), Some(Some(render_usage(answer.usage()))));
                self.ready.push_back(usage);
            }
            self.ready.push_back(Event::default().data("[DONE]"));
        }
    }
}
