//! What becomes known of an answer: updates as it grows, a completion when it is whole, tokens counted.

use std::time::Duration;

use crate::chat::{Delta, Said};
use crate::engine::{Effort, TokenLogprobs};
use crate::grammar::{TokenId, Vocab};

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model, the grammar or a stop string ended it.
    Stop,
    /// The token limit or the context ended it.
    Length,
    /// The token limit or the context would have cut it off; it was brought to a valid end.
    Closed,
    /// It ended in tool calls.
    ToolCalls,
}

/// A token's log probability with its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct LogprobEntry {
    /// The token's bytes; control tokens have none.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens.
    pub top: Vec<LogprobEntry>,
}

/// News of one choice.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which choice.
    pub choice: usize,
    /// What became known.
    pub deltas: Vec<Delta>,
    /// Log probabilities of the tokens behind it.
    pub logprobs: Vec<LogprobEntry>,
    /// Set on the choice's last update.
    pub finish: Option<Finish>,
}

impl Update {
    /// Puts the news after it into it.
    pub(super) fn add(&mut self, later: Self) {
        for delta in later.deltas {
            match (self.deltas.last_mut(), delta) {
                (Some(Delta::Content(text)), Delta::Content(more))
                | (Some(Delta::Reasoning(text)), Delta::Reasoning(more)) => text.push_str(&more),
                (
                    Some(Delta::CallArguments { index, fragment }),
                    Delta::CallArguments { index: same, fragment: more },
                ) if *index == same => fragment.push_str(&more),
                (_, delta) => self.deltas.push(delta),
            }
        }
        self.logprobs.extend(later.logprobs);
        self.finish = later.finish;
    }
}

/// Tokens counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub n_prompt: usize,
    /// Of the prompt, those whose cells were reused.
    pub n_cached: usize,
    /// Of all choices together.
    pub n_generated: usize,
    /// Of these, those that the model thought before its answer.
    pub n_reasoning: usize,
    /// Of those generated, those that the grammar left no choice about.
    pub n_forced: usize,
    /// What the engine put into all choices together.
    pub effort: Effort,
    /// The longest wait for a slot.
    pub queued: Duration,
    /// From the start to the last event so far.
    pub took: Duration,
}

impl Usage {
    /// Generated tokens per second, the wait for a slot not counted.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        let seconds = self.took.saturating_sub(self.queued).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "tokens of one answer")]
        let n_generated = self.n_generated as f64;
        if seconds > 0.0 { n_generated / seconds } else { 0.0 }
    }
}

/// A finished choice.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What was said.
    pub said: Said,
    /// Log probabilities, one entry per token.
    pub logprobs: Vec<LogprobEntry>,
    /// Why it ended.
    pub finish: Finish,
}

/// A finished answer.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The choices, in order.
    pub choices: Vec<Choice>,
    /// Tokens counted.
    pub usage: Usage,
}

/// The view of one token, with its bytes.
pub(super) fn entry(vocab: &Vocab, logprobs: &TokenLogprobs) -> LogprobEntry {
    let one =
        |token: TokenId, logprob: f32| LogprobEntry { bytes: vocab.bytes(token).to_vec(), logprob, top: Vec::new() };
    LogprobEntry {
        top: logprobs.top.iter().map(|t| one(t.token, t.logprob)).collect(),
        ..one(logprobs.chosen.token, logprobs.chosen.logprob)
    }
}
