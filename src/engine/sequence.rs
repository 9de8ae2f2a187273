//! The states of a sequence and the transitions between them.

use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::job::{EngineError, Event, FinishReason, Job};
use super::sampling::{Counts, Drawn, TokenLogprobs};
use crate::grammar::{Matcher, TokenId, Vocab};
use crate::telemetry::metrics::METRICS;

/// A job in the queue.
pub(super) struct Waiting {
    pub(super) job: Job,
}

/// A sequence in a slot.
pub(super) enum Resident {
    /// The prompt goes into the cache; the first `n_done` tokens are there.
    Prefilling { job: Job, matcher: Option<Matcher>, n_done: usize },
    /// Tokens are generated.
    Decoding(Box<Decoding>),
}

/// A sequence whose prompt is in the cache.
pub(super) struct Decoding {
    job: Job,
    matcher: Option<Matcher>,
    /// Prompt and answer.
    tokens: Vec<TokenId>,
    /// How many of `tokens` have their cell.
    n_fed: usize,
    counts: Counts,
    rng: ChaCha8Rng,
}

/// What becomes of a resident sequence.
#[must_use]
pub(super) enum Next {
    /// It stays in its slot.
    Stay(Resident),
    /// It leaves; these tokens have cells in the slot.
    Leave { cached: Vec<TokenId> },
}

impl Waiting {
    /// Takes a slot in which the first `n_cached` tokens of the prompt have their cells.
    pub(super) fn admit(self, n_cached: usize, now: Instant) -> Resident {
        METRICS.queue_seconds.observe(now.duration_since(self.job.submitted).as_secs_f64());
        METRICS.prefix_reused_tokens.inc_by(n_cached as u64);
        METRICS.prompt_tokens.inc_by((self.job.prompt.len() - n_cached) as u64);
        send(&self.job, Event::Started { n_cached });
        let matcher = self.job.grammar.as_ref().map(|grammar| grammar.matcher());
        Resident::Prefilling { job: self.job, matcher, n_done: n_cached }
    }
}

impl Resident {
    pub(super) fn job(&self) -> &Job {
        match self {
            Self::Prefilling { job, .. } => job,
            Self::Decoding(decoding) => &decoding.job,
        }
    }

    pub(super) fn matcher_mut(&mut self) -> Option<&mut Matcher> {
        match self {
            Self::Prefilling { matcher, .. } => matcher.as_mut(),
            Self::Decoding(decoding) => decoding.matcher.as_mut(),
        }
    }

    /// All tokens so far, and how many of them have their cell.
    pub(super) fn tokens(&self) -> (&[TokenId], usize) {
        match self {
            Self::Prefilling { job, n_done, .. } => (&job.prompt, *n_done),
            Self::Decoding(decoding) => (&decoding.tokens, decoding.n_fed),
        }
    }

    pub(super) fn is_prefilling(&self) -> bool {
        matches!(self, Self::Prefilling { .. })
    }

    /// How often each token was generated.
    pub(super) fn counts(&self) -> Option<&Counts> {
        match self {
            Self::Prefilling { .. } => None,
            Self::Decoding(decoding) => Some(&decoding.counts),
        }
    }

    /// The random number that decides the next draw.
    pub(super) fn uniform(&mut self) -> f32 {
        match self {
            Self::Prefilling { job, .. } => rng_of(job).random(),
            Self::Decoding(decoding) => decoding.rng.random(),
        }
    }

    /// Counts `n_rows` tokens as fed and, if a token was drawn after the last of them, takes it.
    pub(super) fn fed(self, n_rows: usize, drawn: Option<Drawn>, vocab: &Vocab, n_ctx: usize) -> Next {
        let decoding = match self {
            Self::Prefilling { job, matcher, n_done } => {
                let n_done = n_done + n_rows;
                if drawn.is_none() {
                    return Next::Stay(Self::Prefilling { job, matcher, n_done });
                }
                // Why: the first draw took its random number from a generator that was thrown away.
                let mut rng = rng_of(&job);
                let _first: f32 = rng.random();
                let tokens = job.prompt.clone();
                METRICS.time_to_first_token_seconds.observe(job.submitted.elapsed().as_secs_f64());
                Decoding { job, matcher, tokens, n_fed: n_done, counts: Counts::new(), rng }
            }
            Self::Decoding(mut decoding) => {
                decoding.n_fed += n_rows;
                *decoding
            }
        };
        match drawn {
            Some(drawn) => decoding.accept(drawn, vocab, n_ctx),
            None => Next::Stay(Self::Decoding(Box::new(decoding))),
        }
    }

    /// Ends the sequence with an error. Nothing in its slot can be relied on.
    pub(super) fn fail(self, error: EngineError) {
        send(self.job(), Event::Failed(error));
    }

    /// Ends the sequence because nobody listens any more.
    pub(super) fn cancel(self) -> Vec<TokenId> {
        METRICS.cancelled.inc();
        let (tokens, n_fed) = self.tokens();
        tokens[..n_fed].to_vec()
    }
}

impl Decoding {
    fn accept(mut self, drawn: Drawn, vocab: &Vocab, n_ctx: usize) -> Next {
        if vocab.is_end(drawn.token) {
            return self.leave(Event::Finished(FinishReason::Stop));
        }
        let token = drawn.token;
        if let Some(matcher) = &mut self.matcher
            && let Err(error) = matcher.accept(token)
        {
            return self.leave(Event::Failed(EngineError::Matcher(error.to_string())));
        }
        self.push(token, drawn.logprobs, false);
        if self.is_complete() {
            return self.leave(Event::Finished(FinishReason::Stop));
        }
        let forced = self.forced(vocab, n_ctx);
        forced.iter().for_each(|token| self.push(*token, None, true));
        if self.is_complete() {
            return self.leave(Event::Finished(FinishReason::Stop));
        }
        if self.n_room(n_ctx) == 0 {
            return self.leave(Event::Finished(FinishReason::Length));
        }
        Next::Stay(Resident::Decoding(Box::new(self)))
    }

    fn is_complete(&self) -> bool {
        self.matcher.as_ref().is_some_and(Matcher::is_stopped)
    }

    /// How many tokens the answer may still get.
    fn n_room(&self, n_ctx: usize) -> usize {
        let n_generated = self.tokens.len() - self.job.prompt.len();
        self.job.max_tokens.saturating_sub(n_generated).min(n_ctx.saturating_sub(self.tokens.len()))
    }

    /// Takes the run of tokens without a choice into the matcher; they are fed with the next step.
    fn forced(&mut self, vocab: &Vocab, n_ctx: usize) -> Vec<TokenId> {
        // Why: whoever asks for log probabilities wants them for each token, so each is drawn.
        if self.job.logprobs.is_some() {
            return Vec::new();
        }
        let n_room = self.n_room(n_ctx);
        let Some(matcher) = &mut self.matcher else { return Vec::new() };
        let mut forced = matcher.forced();
        forced.truncate(n_room);
        let n_taken = forced.iter().take_while(|t| !vocab.is_end(**t) && matcher.accept(**t).is_ok()).count();
        forced.truncate(n_taken);
        forced
    }

    /// Adds a token to the answer.
    fn push(&mut self, token: TokenId, logprobs: Option<TokenLogprobs>, forced: bool) {
        self.tokens.push(token);
        *self.counts.entry(token).or_default() += 1;
        METRICS.generated_tokens.inc();
        if forced {
            METRICS.forced_tokens.inc();
        }
        send(&self.job, Event::Token { token, logprobs, forced });
    }

    fn leave(self, last: Event) -> Next {
        send(&self.job, last);
        let mut cached = self.tokens;
        cached.truncate(self.n_fed);
        Next::Leave { cached }
    }
}

fn rng_of(job: &Job) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(job.sampling.seed);
    rng.set_stream(job.sampling.stream);
    rng
}

/// Sends without waiting: the channel has room for every event of the job, and a closed one cancels it.
fn send(job: &Job, event: Event) {
    let _gone = job.events.try_send(event);
}
