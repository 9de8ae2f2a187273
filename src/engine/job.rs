//! What the engine is given and what it says back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::sampling::{Sampling, TokenLogprobs};
use crate::grammar::{Compiled, Mask, TokenId};

/// One generation: everything the engine needs to know of a request.
#[derive(Debug)]
pub struct Job {
    /// The prompt's tokens, at least one; choices of one request share them.
    pub prompt: Arc<[TokenId]>,
    /// The grammar, for bound answers. Its matcher is made when a slot takes the sequence: waiting costs nothing.
    pub grammar: Option<Arc<Compiled>>,
    /// What may be drawn where there is no grammar; without it, anything.
    pub free: Option<Arc<Mask>>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Tokens to generate at most, end-of-generation tokens not counted.
    pub max_tokens: usize,
    /// When thinking before the answer is brought to its end.
    pub thinking: Option<ThinkingLimit>,
    /// End a bound answer validly before its tokens run out.
    pub closes: bool,
    /// Report log probabilities with this many alternatives.
    pub logprobs: Option<u8>,
    /// Where events go; dropping the receiver cancels.
    pub events: mpsc::Sender<Event>,
    /// When the job came in.
    pub submitted: Instant,
    /// When the answer must end, valid where it is bound.
    pub deadline: Option<Instant>,
    /// The place in the engine, given back when the job is dropped.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// A bound on what the model thinks before its answer.
#[derive(Clone, Debug)]
pub struct ThinkingLimit {
    /// So many tokens may be drawn.
    pub n_tokens: usize,
    /// What ends it then.
    pub ending: Arc<[TokenId]>,
}

/// What happens to a job, in order: `Started`, `Token`s, then `Finished` or `Failed`.
#[derive(Debug)]
pub enum Event {
    /// A slot took the sequence.
    Started {
        /// Prompt tokens whose KV cells were reused.
        n_cached: usize,
        /// How long it waited for the slot.
        queued: Duration,
    },
    /// A token of the answer.
    Token {
        /// Its id.
        token: TokenId,
        /// The model's view of it, if asked for.
        logprobs: Option<TokenLogprobs>,
        /// Whether the grammar left no choice.
        forced: bool,
    },
    /// The answer is complete.
    Finished(FinishReason, Effort),
    /// The answer cannot be completed.
    Failed(EngineError),
}

/// What an answer took, beyond the tokens that it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Tokens proposed by speculation.
    pub n_drafted: usize,
    /// Of these, those that became part of the answer.
    pub n_accepted: usize,
    /// Computing masks.
    pub mask: Duration,
    /// The device's steps, by the share of rows.
    pub device: Duration,
    /// Drawing, accepting and guarding tokens.
    pub host: Duration,
}

impl std::ops::AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        self.n_drafted += other.n_drafted;
        self.n_accepted += other.n_accepted;
        self.mask += other.mask;
        self.device += other.device;
        self.host += other.host;
    }
}

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its answer, or the grammar is complete.
    Stop,
    /// The token limit, the context or the deadline was reached.
    Length,
    /// The same would have been reached, and the answer was brought to a valid end.
    Closed,
}

/// Why a sequence could not be completed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The device failed.
    #[error("the device failed: {0}")]
    Backend(String),
    /// The grammar engine failed.
    #[error("{0}")]
    Matcher(String),
    /// Whatever was tried, the guard vetoed it.
    #[error("no valid continuation was found; the guard's last veto: {0}")]
    DeadEnd(&'static str),
    /// The deadline passed before there was any answer.
    #[error("the deadline passed before the first token")]
    Deadline,
}
