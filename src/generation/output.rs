//! Engine events → updates → completion, the final check included.
//!
//! A plain answer is the fold of the very updates that a streamed one sends.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use super::aside::aside;
use super::call_ids::CallIds;
use super::prepare::{Checks, Prepared};
use super::update::{Choice, Completion, Finish, Update, Usage, entry};
use crate::chat::{Delta, InputText, Said, Split, SplitError};
use crate::engine::{EngineError, Event, FinishReason, TokenLogprobs};
use crate::grammar::cfg::{Cfg, Judgement};
use crate::grammar::{TokenId, Vocab};
use crate::guard::Violation;
use crate::telemetry::metrics::METRICS;

/// Tokens in one update at most, so that an answer that is all there does not hold up the others.
const MOST_AT_ONCE: usize = 32;

/// Why an answer broke off. The client gets an error, never a wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine's thread is gone.
    #[error("the engine has stopped")]
    Stopped,
    /// The answer is not in the format it was bound to.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The finished value fails the independent check.
    #[error("the answer fails the final check: {0}")]
    Check(#[from] Violation),
    /// The finished text is none that its grammar derives, or has other parts than it must have.
    #[error("the answer is not what its grammar derives")]
    NotDerived,
    /// A call was required and none was made.
    #[error("the answer has no tool call, although one was required")]
    NoCall,
}

struct Running {
    events: Option<Receiver<Event>>,
    split: Split,
    ids: CallIds,
    said: Said,
}

/// An answer that grows. Dropping it cancels what still runs.
pub struct Answer {
    choices: Vec<Running>,
    next: usize,
    vocab: Arc<Vocab>,
    checks: Checks,
    usage: Usage,
    started: Instant,
    /// An event that was read before its time.
    ahead: Option<(usize, Option<Event>)>,
    /// What is wrong with the token after the last update.
    broken: Option<AnswerError>,
}

impl Answer {
    pub(super) fn new(receivers: Vec<Receiver<Event>>, vocab: Arc<Vocab>, prepared: &Prepared) -> Self {
        let choices = receivers
            .into_iter()
            .map(|events| Running {
                events: Some(events),
                split: Split::new(prepared.split.clone()),
                ids: prepared.call_ids.clone(),
                said: Said::default(),
            })
            .collect();
        let usage = Usage { n_prompt: prepared.prompt.len(), ..Usage::default() };
        Self {
            choices,
            next: 0,
            vocab,
            checks: prepared.checks.clone(),
            usage,
            started: Instant::now(),
            ahead: None,
            broken: None,
        }
    }

    /// Tokens counted so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Waits until the first choice has a slot, but not longer than `patience`. Gives how long it waited for it; nothing,
    /// if it still does.
    ///
    /// # Errors
    /// If it will never get one.
    pub async fn started(&mut self, patience: Duration) -> Result<Option<Duration>, AnswerError> {
        match tokio::time::timeout(patience, self.next_event()).await {
            Ok(Some((_, Some(Event::Started { n_cached, queued })))) => {
                self.usage.n_cached = n_cached;
                self.usage.queued = queued;
                Ok(Some(queued))
            }
            Ok(Some((_, Some(Event::Failed(error))))) => Err(error.into()),
            Ok(ahead) => {
                self.ahead = ahead;
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// Waits for the next update; nothing after the last choice's last. Tokens that are there already come in one.
    ///
    /// # Errors
    /// If a choice breaks off; the whole answer is then void.
    pub async fn next(&mut self) -> Option<Result<Update, AnswerError>> {
        let mut update = self.first().await?;
        if let Ok(update) = &mut update {
            self.gather(update);
        }
        self.usage.took = self.started.elapsed();
        Some(update)
    }

    /// Adds the tokens to `update` that its choice has had since.
    ///
    /// Why: each update is a write to the client's socket, which costs more than all else; where the server is behind,
    /// or the grammar forces several tokens at once, this is what it can save without a client waiting for anything.
    fn gather(&mut self, update: &mut Update) {
        for _ in 1..MOST_AT_ONCE {
            let Some(events) = self.choices[update.choice].events.as_mut().filter(|_| update.finish.is_none()) else {
                return;
            };
            match events.try_recv() {
                Ok(Event::Token { token, logprobs, forced }) => {
                    match self.token(update.choice, token, logprobs, forced) {
                        Ok(more) => update.add(more),
                        Err(error) => return self.broken = Some(error),
                    }
                }
                Ok(event) => return self.ahead = Some((update.choice, Some(event))),
                Err(_) => return,
            }
        }
    }

    /// Waits for the next event that says something.
    async fn first(&mut self) -> Option<Result<Update, AnswerError>> {
        if let Some(error) = self.broken.take() {
            return Some(Err(error));
        }
        loop {
            let (choice, event) = self.next_event().await?;
            let update = match event {
                None => Err(AnswerError::Stopped),
                Some(Event::Failed(error)) => Err(error.into()),
                Some(Event::Started { n_cached, queued }) => {
                    self.usage.n_cached = self.usage.n_cached.max(n_cached);
                    self.usage.queued = self.usage.queued.max(queued);
                    continue;
                }
                Some(Event::Token { token, logprobs, forced }) => self.token(choice, token, logprobs, forced),
                Some(Event::Finished(reason, effort)) => {
                    self.usage.effort += effort;
                    self.usage.took = self.started.elapsed();
                    self.log(reason);
                    self.finished(choice, reason)
                }
            };
            match &update {
                Ok(update) if update.deltas.is_empty() && update.logprobs.is_empty() && update.finish.is_none() => {}
                _ => return Some(update),
            }
        }
    }

    /// Waits for the end and puts everything together.
    ///
    /// # Errors
    /// If a choice breaks off.
    pub async fn complete(mut self) -> Result<Completion, AnswerError> {
        let choice = |_: &Running| Choice { said: Said::default(), logprobs: Vec::new(), finish: Finish::Stop };
        let mut choices: Vec<Choice> = self.choices.iter().map(choice).collect();
        while let Some(update) = self.next().await {
            let update = update?;
            let choice = &mut choices[update.choice];
            choice.logprobs.extend(update.logprobs);
            choice.finish = update.finish.unwrap_or(choice.finish);
            update.deltas.iter().for_each(|delta| choice.said.add(delta));
        }
        Ok(Completion { choices, usage: self.usage })
    }

    /// The next event of any choice, in turn; `None` inside if its engine is gone.
    async fn next_event(&mut self) -> Option<(usize, Option<Event>)> {
        if let Some(ahead) = self.ahead.take() {
            return Some(ahead);
        }
        let n = self.choices.len();
        poll_fn(|cx| {
            let mut is_any_open = false;
            for offset in 0..n {
                let choice = (self.next + offset) % n;
                let Some(events) = &mut self.choices[choice].events else { continue };
                is_any_open = true;
                if let Poll::Ready(event) = events.poll_recv(cx) {
                    if event.is_none() {
                        self.choices[choice].events = None;
                    }
                    self.next = choice + 1;
                    return Poll::Ready(Some((choice, event)));
                }
            }
            if is_any_open { Poll::Pending } else { Poll::Ready(None) }
        })
        .await
    }

    /// Says what an answer took, when its last choice ends.
    fn log(&self, reason: FinishReason) {
        if self.choices.iter().filter(|choice| choice.events.is_some()).count() > 1 {
            return;
        }
        let Usage { n_prompt, n_cached, n_generated, n_forced, effort, queued, .. } = self.usage;
        tracing::info!(
            ?reason,
            n_prompt,
            n_cached,
            n_generated,
            n_forced,
            n_drafted = effort.n_drafted,
            n_accepted = effort.n_accepted,
            ?queued,
            mask = ?effort.mask,
            device = ?effort.device,
            host = ?effort.host,
            tokens_per_second = format_args!("{:.1}", self.usage.tokens_per_second()),
            "answered"
        );
    }

    fn token(
        &mut self,
        choice: usize,
        token: TokenId,
        logprobs: Option<TokenLogprobs>,
        forced: bool,
    ) -> Result<Update, AnswerError> {
        self.usage.n_generated += 1;
        self.usage.n_forced += usize::from(forced);
        let logprobs = logprobs.iter().map(|l| entry(&self.vocab, l)).collect();
        let running = &mut self.choices[choice];
        self.usage.n_reasoning += usize::from(running.split.is_thinking());
        let mut deltas = match self.vocab.bytes(token) {
            b"" => running.split.push_control(&self.vocab.wire(token))?,
            bytes => running.split.push(bytes)?,
        };
        running.note(&mut deltas);
        let mut update = Update { choice, deltas, logprobs, finish: None };
        if running.split.is_stopped() {
            running.events = None;
            update.finish = Some(Finish::Stop);
        }
        Ok(update)
    }

    fn finished(&mut self, choice: usize, reason: FinishReason) -> Result<Update, AnswerError> {
        let running = &mut self.choices[choice];
        running.events = None;
        let mut deltas = running.split.finish(reason != FinishReason::Stop)?;
        running.note(&mut deltas);
        let finish = match reason {
            FinishReason::Length => Finish::Length,
            FinishReason::Stop | FinishReason::Closed => {
                running.judge(&self.checks).inspect_err(|error| {
                    METRICS.check_failures.inc();
                    tracing::error!(%error, "a finished answer fails the final check: this is a bug");
                })?;
                match (reason, running.said.calls.is_empty()) {
                    (FinishReason::Closed, _) => Finish::Closed,
                    (_, true) => Finish::Stop,
                    (_, false) => Finish::ToolCalls,
                }
            }
        };
        Ok(Update { choice, deltas, logprobs: Vec::new(), finish: Some(finish) })
    }
}

impl Running {
    /// Gives calls their ids, and notes what was said.
    fn note(&mut self, deltas: &mut [Delta]) {
        for delta in deltas {
            if let Delta::CallStart { id, name, .. } = delta {
                *id = Some(self.ids.give(id.take(), name));
            }
            self.said.add(delta);
        }
    }

    /// Checks what has finished.
    fn judge(&self, checks: &Checks) -> Result<(), AnswerError> {
        let is_text_bound = checks.content.is_some() || checks.derivation.is_some() || checks.parts.is_some();
        let is_bound = is_text_bound || checks.requires_call;
        let is_free = self.said.calls.is_empty() && !is_bound;
        if is_free { Ok(()) } else { aside(|| self.judge_here(checks)) }
    }

    fn judge_here(&self, checks: &Checks) -> Result<(), AnswerError> {
        if checks.requires_call && self.said.calls.is_empty() {
            return Err(AnswerError::NoCall);
        }
        for call in &self.said.calls {
            let check = checks.tools.iter().find(|(name, _)| *name == call.name).map(|(_, check)| check);
            check.ok_or(AnswerError::NoCall)?.judge(&call.arguments)?;
            if let Some((_, cfg)) = checks.inputs.iter().find(|(name, _)| *name == call.name) {
                derived(cfg, &InputText::default().push(&call.arguments))?;
            }
        }
        if let Some(cfg) = &checks.derivation {
            derived(cfg, &self.said.content)?;
        }
        if checks.parts.as_ref().is_some_and(|judge| !judge.holds(&self.said.content)) {
            return Err(AnswerError::NotDerived);
        }
        match &checks.content {
            Some(check) if checks.is_text => {
                let text = serde_json::Value::from(self.said.content.as_str()).to_string();
                check.judge(&text).map(drop).map_err(AnswerError::from)
            }
            Some(check) if self.said.calls.is_empty() => {
                check.judge(&self.said.content).map(drop).map_err(AnswerError::from)
            }
            _ => Ok(()),
        }
    }
}

fn derived(cfg: &Cfg, text: &str) -> Result<(), AnswerError> {
    match cfg.judge(text) {
        Judgement::Derived | Judgement::Unknown => Ok(()),
        Judgement::NotDerived => Err(AnswerError::NotDerived),
    }
}

/// Makes a random id: `prefix` and `n` letters and digits.
pub(crate) fn new_id(prefix: &str, n: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = prefix.to_owned();
    id.extend((0..n).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])));
    id
}
