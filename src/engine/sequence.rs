//! The states of a sequence and the transitions between them.

use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::job::{EngineError, Event, FinishReason, Job};
use super::sampling::{Counts, Drawn, TokenLogprobs};
use crate::grammar::{Mask, Matcher, TokenId, Verdict, Vocab};
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
    /// What the client has not been told yet, because a veto may take it back.
    held: Vec<Held>,
    /// Where tokens were drawn that the guard may have to take back.
    choices: Vec<usize>,
    /// Tokens that led nowhere, with their positions.
    bans: Vec<(usize, TokenId)>,
    n_backs: usize,
    /// When so few tokens are left, it is looked at what closing takes.
    close_check_at: usize,
}

/// A token that waits to be told.
struct Held {
    token: TokenId,
    logprobs: Option<TokenLogprobs>,
    is_forced: bool,
}

/// How often one answer may step back: enough for every dead end seen, few enough to end.
const MAX_BACKS: usize = 512;

/// What becomes of a drawn token.
pub(super) enum Taken {
    /// It is part of the answer, or ends it.
    Yes(Next),
    /// The guard vetoed it; another must be drawn.
    Vetoed(Resident, &'static str),
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

    /// Counts `n_rows` tokens as fed; a prompt whose last token `draws` is done.
    pub(super) fn fed(self, n_rows: usize, draws: bool) -> Self {
        match self {
            Self::Prefilling { job, matcher, n_done } if draws => {
                // Why: the first draw took its random number from a generator that was thrown away.
                let mut rng = rng_of(&job);
                let _first: f32 = rng.random();
                let tokens = job.prompt.clone();
                METRICS.time_to_first_token_seconds.observe(job.submitted.elapsed().as_secs_f64());
                Self::Decoding(Box::new(Decoding {
                    job,
                    matcher,
                    tokens,
                    n_fed: n_done + n_rows,
                    counts: Counts::new(),
                    rng,
                    held: Vec::new(),
                    choices: Vec::new(),
                    bans: Vec::new(),
                    n_backs: 0,
                    close_check_at: usize::MAX,
                }))
            }
            Self::Prefilling { job, matcher, n_done } => Self::Prefilling { job, matcher, n_done: n_done + n_rows },
            Self::Decoding(mut decoding) => {
                decoding.n_fed += n_rows;
                Self::Decoding(decoding)
            }
        }
    }

    /// Takes a drawn token, unless the guard vetoes it.
    pub(super) fn take(self, drawn: Drawn, vocab: &Vocab, n_ctx: usize) -> Taken {
        match self {
            Self::Decoding(decoding) => decoding.accept(drawn, vocab, n_ctx),
            prefilling @ Self::Prefilling { .. } => Taken::Yes(Next::Stay(prefilling)),
        }
    }

    /// Forbids what has led nowhere from here. Returns whether anything is left.
    pub(super) fn forbid_bans(&self, mask: &mut Mask) -> bool {
        if let Self::Decoding(decoding) = self {
            let here = decoding.tokens.len();
            let banned = decoding.bans.iter().filter(|(pos, _)| *pos == here);
            banned.for_each(|(_, token)| mask.forbid(*token));
        }
        mask.n_allowed() > 0
    }

    /// Goes back to the last choice, because nothing can follow here. `n_kept` cells stay valid.
    ///
    /// # Errors
    /// If there is no choice left that the client has not been told.
    pub(super) fn step_back(self, why: &'static str) -> Result<(Self, usize), (Self, EngineError)> {
        match self {
            Self::Decoding(mut decoding) => match decoding.step_back() {
                Some(n_kept) => Ok((Self::Decoding(decoding), n_kept)),
                None => Err((Self::Decoding(decoding), EngineError::DeadEnd(why))),
            },
            prefilling @ Self::Prefilling { .. } => Err((prefilling, EngineError::DeadEnd(why))),
        }
    }

    /// Brings the answer to a short valid end, because it cannot go on as it did. Gives the tokens with cells.
    ///
    /// # Errors
    /// With the sequence, if no such end is known, or none was asked for.
    pub(super) fn close(self, n_ctx: usize) -> Result<Vec<TokenId>, Self> {
        match self {
            Self::Decoding(decoding) => match decoding.ending(n_ctx) {
                Some(ending) => Ok(decoding.close_with(ending)),
                None => Err(Self::Decoding(decoding)),
            },
            prefilling @ Self::Prefilling { .. } => Err(prefilling),
        }
    }

    /// Corrects how many tokens have their cell after the device cut them.
    pub(super) fn cut(&mut self, n_cells: usize) {
        if let Self::Decoding(decoding) = self {
            decoding.n_fed = decoding.n_fed.min(n_cells);
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
    fn accept(mut self: Box<Self>, drawn: Drawn, vocab: &Vocab, n_ctx: usize) -> Taken {
        let token = drawn.token;
        let verdict = match &mut self.matcher {
            Some(matcher) if vocab.is_end(token) => Ok(matcher.end()),
            Some(matcher) => matcher.accept(token),
            None => Ok(Verdict::Taken),
        };
        match verdict {
            Ok(Verdict::Taken) if vocab.is_end(token) => {
                return Taken::Yes(self.leave(Event::Finished(FinishReason::Stop)));
            }
            Ok(Verdict::Taken) => {}
            Ok(Verdict::Vetoed(veto)) => {
                METRICS.guard_vetoes.inc();
                return Taken::Vetoed(Resident::Decoding(self), veto.as_str());
            }
            Err(error) => {
                let cached = match self.ending(n_ctx) {
                    Some(ending) => self.close_with(ending),
                    None => self.end(Event::Failed(EngineError::Matcher(error.to_string()))),
                };
                return Taken::Yes(Next::Leave { cached });
            }
        }
        let n_left = self.n_room(n_ctx).saturating_sub(1);
        if self.job.closes && n_left <= self.close_check_at && !self.is_complete() {
            match self.closing(token, n_left) {
                Ok(()) => {}
                Err(ending) => return Taken::Yes(Next::Leave { cached: self.close_with(ending) }),
            }
        }
        if self.matcher.as_ref().is_some_and(Matcher::is_guarded) {
            self.choices.push(self.tokens.len());
        }
        self.push(token, drawn.logprobs, false);
        if !self.is_complete() {
            let forced = self.forced(vocab, n_ctx);
            forced.iter().for_each(|token| self.push(*token, None, true));
        }
        if self.is_complete() {
            return Taken::Yes(self.leave(Event::Finished(FinishReason::Stop)));
        }
        if self.n_room(n_ctx) == 0 {
            return Taken::Yes(self.leave(Event::Finished(FinishReason::Length)));
        }
        let n_unsettled = self.matcher.as_ref().map_or(0, Matcher::n_unsettled);
        self.tell(n_unsettled);
        Taken::Yes(Next::Stay(Resident::Decoding(self)))
    }

    /// Sees to it that the answer can still be closed within `n_left` tokens.
    ///
    /// # Errors
    /// With the ending, if the token that was just accepted would leave too little room; it is taken back.
    fn closing(&mut self, token: TokenId, n_left: usize) -> Result<(), Vec<TokenId>> {
        let Some(matcher) = &mut self.matcher else { return Ok(()) };
        let Some(step) = matcher.closing_step() else { return Ok(()) };
        if let Some(ending) = matcher.closing_tokens()
            && ending.len() <= n_left
        {
            // Why: one token raises the cost by a step at most, so the next look can wait.
            let n_free = n_left - ending.len();
            self.close_check_at = n_left.saturating_sub((n_free / step).max(1));
            return Ok(());
        }
        if matcher.rollback(1).is_err() {
            return Ok(());
        }
        match matcher.closing_tokens().filter(|ending| ending.len() <= n_left + 1) {
            Some(ending) => Err(ending),
            None => {
                // No ending is known here; the answer goes on, and may be cut off.
                let _taken_again = matcher.accept(token);
                Ok(())
            }
        }
    }

    /// A short valid ending that still fits.
    fn ending(&self, n_ctx: usize) -> Option<Vec<TokenId>> {
        let n_room = self.n_room(n_ctx);
        let matcher = self.matcher.as_ref().filter(|_| self.job.closes)?;
        matcher.closing_tokens().filter(|ending| ending.len() <= n_room)
    }

    /// Takes everything back to the last choice that the client does not know, and bans what was chosen.
    fn step_back(&mut self) -> Option<usize> {
        let n_told = self.tokens.len() - self.held.len();
        let pos = self.choices.pop().filter(|pos| *pos >= n_told && self.n_backs < MAX_BACKS)?;
        let n_back = self.tokens.len() - pos;
        self.matcher.as_mut()?.rollback(n_back).ok()?;
        let banned = self.tokens[pos];
        for token in self.tokens.drain(pos..) {
            if let Some(count) = self.counts.get_mut(&token) {
                *count -= 1;
            }
        }
        self.held.truncate(self.held.len() - n_back);
        self.bans.retain(|(at, _)| *at <= pos);
        self.bans.push((pos, banned));
        self.n_backs += 1;
        METRICS.guard_steps_back.inc();
        // The last token that stays is fed again, for its logits.
        self.n_fed = self.n_fed.min(pos.saturating_sub(1));
        Some(self.n_fed)
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
        let n_taken = forced
            .iter()
            .take_while(|t| !vocab.is_end(**t) && matches!(matcher.accept(**t), Ok(Verdict::Taken)))
            .count();
        forced.truncate(n_taken);
        forced
    }

    /// Adds a token to the answer.
    fn push(&mut self, token: TokenId, logprobs: Option<TokenLogprobs>, is_forced: bool) {
        self.tokens.push(token);
        *self.counts.entry(token).or_default() += 1;
        self.held.push(Held { token, logprobs, is_forced });
    }

    /// Tells the client all but the last `n_held` tokens.
    fn tell(&mut self, n_held: usize) {
        let n_told = self.held.len().saturating_sub(n_held);
        for Held { token, logprobs, is_forced } in self.held.drain(..n_told) {
            METRICS.generated_tokens.inc();
            if is_forced {
                METRICS.forced_tokens.inc();
            }
            send(&self.job, Event::Token { token, logprobs, forced: is_forced });
        }
        let told_to = self.tokens.len() - self.held.len();
        self.choices.retain(|pos| *pos >= told_to);
        self.bans.retain(|(pos, _)| *pos >= told_to);
    }

    /// Ends the answer with `ending`. Gives the tokens with cells.
    fn close_with(mut self: Box<Self>, ending: Vec<TokenId>) -> Vec<TokenId> {
        ending.into_iter().for_each(|token| self.push(token, None, true));
        self.end(Event::Finished(FinishReason::Closed))
    }

    fn leave(self: Box<Self>, last: Event) -> Next {
        Next::Leave { cached: self.end(last) }
    }

    /// Tells the client all, and `last`. Gives the tokens with cells.
    fn end(mut self: Box<Self>, last: Event) -> Vec<TokenId> {
        self.tell(0);
        send(&self.job, last);
        let mut cached = self.tokens;
        cached.truncate(self.n_fed);
        cached
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
