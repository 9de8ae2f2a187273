//! A sequence whose prompt is in the cache: takes drawn tokens, adds forced ones, goes back from dead ends, ends.

use rand_chacha::ChaCha8Rng;

use super::draft::{Drafts, Record};
use super::job::{EngineError, Event, FinishReason};
use super::sampling::{Counts, Drawn, TokenLogprobs};
use super::sequence::{Next, Resident, Taken, Task};
use crate::grammar::{Mask, Matcher, TokenId, Verdict, Vocab};
use crate::guard::Stage;
use crate::telemetry::metrics::METRICS;

/// A sequence whose prompt is in the cache.
pub(super) struct Decoding {
    pub(super) task: Box<Task>,
    /// Prompt and answer.
    pub(super) tokens: Vec<TokenId>,
    /// How many of `tokens` have their cell.
    pub(super) n_fed: usize,
    pub(super) counts: Counts,
    pub(super) rng: ChaCha8Rng,
    /// What may follow `tokens`.
    pub(super) drafts: Drafts,
    /// How good drafts were.
    pub(super) record: Record,
    /// What the client has not been told yet, because a veto may take it back.
    held: Vec<Held>,
    /// Where tokens were drawn that the guard may have to take back.
    choices: Vec<usize>,
    /// Tokens that led nowhere, with their positions.
    bans: Vec<(usize, TokenId)>,
    n_backs: usize,
    /// When so few tokens are left, it is looked at what closing takes.
    close_check_at: usize,
    /// Whether that look is due.
    is_unchecked: bool,
    /// Whether nothing is told, because an ending is known from further back alone.
    is_held: bool,
}

/// A token that waits to be told.
struct Held {
    token: TokenId,
    logprobs: Option<TokenLogprobs>,
    is_forced: bool,
}

/// What brings an answer to a valid end.
pub(super) struct Ending {
    /// How many of the last tokens are taken back before.
    n_back: usize,
    tokens: Vec<TokenId>,
}

/// How often one answer may step back: enough for every dead end seen, few enough to end.
const MAX_BACKS: usize = 512;
/// Tokens that are held back for an ending that is known from before them.
const MAX_HELD: usize = 64;

impl Decoding {
    /// Begins an answer: the prompt has its first `n_fed` cells.
    pub(super) fn new(task: Box<Task>, n_fed: usize, rng: ChaCha8Rng) -> Self {
        let tokens = task.job.prompt.to_vec();
        Self {
            task,
            tokens,
            n_fed,
            counts: Counts::new(),
            rng,
            drafts: Drafts::default(),
            record: Record::default(),
            held: Vec::new(),
            choices: Vec::new(),
            bans: Vec::new(),
            n_backs: 0,
            close_check_at: usize::MAX,
            is_unchecked: false,
            is_held: false,
        }
    }

    /// Takes a drawn token, unless the guard vetoes it.
    pub(super) fn accept(mut self: Box<Self>, drawn: Drawn, vocab: &Vocab, n_ctx: usize) -> Taken {
        let token = drawn.token;
        let verdict = match &mut self.task.matcher {
            Some(matcher) if vocab.is_end(token) => Ok(matcher.end()),
            Some(matcher) => matcher.accept(token),
            None => Ok(Verdict::Taken),
        };
        match verdict {
            Ok(Verdict::Taken) if vocab.is_end(token) => return Taken::Yes(self.leave(FinishReason::Stop)),
            Ok(Verdict::Taken) => {}
            Ok(Verdict::Vetoed(veto)) => {
                METRICS.guard_vetoes.inc();
                return Taken::Vetoed(Resident::Decoding(self), veto.as_str());
            }
            Err(error) => {
                let cached = match self.ending(n_ctx) {
                    Some(ending) => self.close_with(ending),
                    None => self.fail(EngineError::Matcher(error.to_string())),
                };
                return Taken::Yes(Next::Leave { cached });
            }
        }
        if self.task.matcher.as_ref().is_some_and(Matcher::is_guarded) {
            self.choices.push(self.tokens.len());
        }
        self.push(token, drawn.logprobs, false);
        self.end_thinking(n_ctx);
        if !self.is_complete() {
            let forced = self.forced(vocab, n_ctx);
            forced.iter().for_each(|token| self.push(*token, None, true));
        }
        if self.is_complete() {
            return Taken::Yes(self.leave(FinishReason::Stop));
        }
        if self.n_room(n_ctx) == 0 {
            return Taken::Yes(match self.ending(n_ctx) {
                Some(ending) => Next::Leave { cached: self.close_with(ending) },
                None => self.leave(FinishReason::Length),
            });
        }
        // Why later: looking for an ending takes longer than all the rest, and the next step need not wait for it.
        self.is_unchecked = self.task.job.closes && self.n_room(n_ctx) <= self.close_check_at;
        if !self.is_unchecked && !self.is_held {
            self.tell_settled();
        }
        Taken::Yes(Next::Stay(Resident::Decoding(self)))
    }

    /// Forbids what has led nowhere from here.
    pub(super) fn forbid_bans(&self, mask: &mut Mask) {
        let here = self.tokens.len();
        self.bans.iter().filter(|(pos, _)| *pos == here).for_each(|(_, token)| mask.forbid(*token));
    }

    /// Puts drafts down, cut where the grammar does not allow them or the context ends.
    pub(super) fn set_drafts(&mut self, mut drafts: Drafts, vocab: &Vocab, n_ctx: usize) {
        // Why: what is drawn after the last draft must have its place too.
        drafts.tokens.truncate(self.n_room(n_ctx).saturating_sub(1));
        let is_usable = |token: &TokenId| (*token as usize) < vocab.n_tokens() && !vocab.is_end(*token);
        let n_usable = drafts.tokens.iter().take_while(|token| is_usable(token)).count();
        drafts.tokens.truncate(n_usable);
        if let Some(matcher) = &mut self.task.matcher {
            let n_valid = matcher.n_valid(&drafts.tokens);
            drafts.tokens.truncate(n_valid);
        }
        self.drafts = drafts;
    }

    /// Notes what became of the last step's drafts.
    pub(super) fn note_drafts(&mut self, n_drafted: usize, n_accepted: usize) {
        let effort = &mut self.task.effort;
        effort.n_drafted += n_drafted;
        effort.n_accepted += n_accepted;
        METRICS.drafted_tokens.inc_by(n_drafted as u64);
        METRICS.accepted_tokens.inc_by(n_accepted as u64);
        if let (Some(source), true) = (self.drafts.source, n_drafted > 0) {
            self.record.note(source, n_drafted, n_accepted);
        }
        self.drafts = Drafts::default();
    }

    /// The ending to take now, if the answer cannot be closed any more from here within its tokens, but from further back.
    /// What the client must not know before this is sure is told now.
    pub(super) fn due_ending(&mut self, n_ctx: usize) -> Option<Ending> {
        if !std::mem::take(&mut self.is_unchecked) {
            return None;
        }
        let n_left = self.n_room(n_ctx);
        let found = self.task.matcher.as_ref().and_then(|m| Some((m.closing_step()?, m.closing_tokens()?.len())));
        self.is_held = false;
        if found.is_none() {
            // Where no ending is known the answer goes on, and may be cut off; looking takes time, and nothing may come of it.
            self.close_check_at = n_left - (n_left / 16).max(1).min(n_left);
            // Why nothing is told: an ending that is known from further back fits as long as it can be gone back to.
            self.is_held = self.held.len() <= MAX_HELD && self.ending(n_ctx).is_some();
            if self.is_held {
                return None;
            }
        }
        if let Some((step, n_ending)) = found {
            if n_ending > n_left {
                let ending = self.ending(n_ctx);
                if ending.is_some() {
                    return ending;
                }
            } else {
                // Why: one token raises the cost by a step at most, so the next look can wait.
                self.close_check_at = n_left.saturating_sub(((n_left - n_ending) / step).max(1));
            }
        }
        self.tell_settled();
        None
    }

    /// A short valid ending that still fits: from here, or from further back among what the client has not been told.
    pub(super) fn ending(&self, n_ctx: usize) -> Option<Ending> {
        let matcher = self.task.matcher.as_ref().filter(|_| self.task.job.closes)?;
        let n_room = self.n_room(n_ctx);
        let fits = |n_back: usize| {
            let tokens = matcher.closing_tokens_before(n_back)?;
            (tokens.len() <= n_room + n_back).then_some(Ending { n_back, tokens })
        };
        // Why in growing strides: each try is a search, and the value that cannot be ended mostly began far back.
        let strides = std::iter::successors(Some(1), |n: &usize| Some(n * 2)).take_while(|n| *n < self.held.len());
        std::iter::once(0).chain(strides).chain([self.held.len()].into_iter().filter(|n| *n > 0)).find_map(fits)
    }

    /// Takes everything back to the last choice that the client does not know, and bans what was chosen. Returns
    /// whether there was one.
    pub(super) fn step_back(&mut self) -> bool {
        let n_told = self.tokens.len() - self.held.len();
        let n_backs = self.n_backs;
        let choice = self.choices.pop().filter(|pos| *pos >= n_told && n_backs < MAX_BACKS);
        let Some((pos, matcher)) = choice.zip(self.task.matcher.as_mut()) else { return false };
        let n_back = self.tokens.len() - pos;
        if matcher.rollback(n_back).is_err() {
            return false;
        }
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
        true
    }

    fn is_complete(&self) -> bool {
        self.task.matcher.as_ref().is_some_and(Matcher::is_stopped)
    }

    /// How many tokens the answer may still get.
    fn n_room(&self, n_ctx: usize) -> usize {
        let n_generated = self.tokens.len() - self.task.job.prompt.len();
        self.task.job.max_tokens.saturating_sub(n_generated).min(n_ctx.saturating_sub(self.tokens.len()))
    }

    /// Takes the run of tokens without a choice into the matcher; they are fed with the next step.
    fn forced(&mut self, vocab: &Vocab, n_ctx: usize) -> Vec<TokenId> {
        if !self.task.forces {
            return Vec::new();
        }
        let n_room = self.n_room(n_ctx);
        let Some(matcher) = &mut self.task.matcher else { return Vec::new() };
        let mut forced = matcher.forced();
        forced.truncate(n_room);
        let n_taken = forced
            .iter()
            .take_while(|t| !vocab.is_end(**t) && matches!(matcher.accept(**t), Ok(Verdict::Taken)))
            .count();
        forced.truncate(n_taken);
        forced
    }

    /// Ends the thinking that takes longer than it may.
    fn end_thinking(&mut self, n_ctx: usize) {
        let n_generated = self.tokens.len() - self.task.job.prompt.len();
        let n_room = self.n_room(n_ctx);
        let is_over = self.task.job.thinking.as_ref().is_some_and(|limit| n_generated >= limit.n_tokens);
        let Some(matcher) = self.task.matcher.as_mut().filter(|_| is_over) else { return };
        let stage = matcher.stage();
        // Why it stays till then: what opens a thought may be longer than the thought may be.
        if stage == Some(Stage::Unclear) {
            return;
        }
        let limit = self.task.job.thinking.take().filter(|_| stage == Some(Stage::Inside));
        let Some(limit) = limit else { return };
        // Why asked first: a matcher that is given what it does not allow is of no more use. What stands behind the
        // thought may be no part of this grammar.
        let is_taken = |token: &&TokenId| {
            matches!(matcher.allows(**token), Ok(true)) && matches!(matcher.accept(**token), Ok(Verdict::Taken))
        };
        let taken: Vec<TokenId> = limit.ending.iter().take(n_room).take_while(is_taken).copied().collect();
        taken.into_iter().for_each(|token| self.push(token, None, true));
    }

    /// Adds a token to the answer.
    fn push(&mut self, token: TokenId, logprobs: Option<TokenLogprobs>, is_forced: bool) {
        self.tokens.push(token);
        if self.task.job.sampling.penalizes() {
            *self.counts.entry(token).or_default() += 1;
        }
        self.held.push(Held { token, logprobs, is_forced });
    }

    /// Tells the client what no veto can take back any more.
    fn tell_settled(&mut self) {
        let n_unsettled = self.task.matcher.as_ref().map_or(0, Matcher::n_unsettled);
        self.tell(n_unsettled);
    }

    /// Tells the client all but the last `n_held` tokens.
    fn tell(&mut self, n_held: usize) {
        let n_told = self.held.len().saturating_sub(n_held);
        for Held { token, logprobs, is_forced } in self.held.drain(..n_told) {
            METRICS.generated_tokens.inc();
            if is_forced {
                METRICS.forced_tokens.inc();
            }
            self.task.tell(Event::Token { token, logprobs, forced: is_forced });
        }
        let told_to = self.tokens.len() - self.held.len();
        self.choices.retain(|pos| *pos >= told_to);
        self.bans.retain(|(pos, _)| *pos >= told_to);
    }

    /// Ends the answer with `ending`. Gives the tokens with cells.
    pub(super) fn close_with(mut self: Box<Self>, ending: Ending) -> Vec<TokenId> {
        self.tokens.truncate(self.tokens.len() - ending.n_back);
        self.n_fed = self.n_fed.min(self.tokens.len());
        self.held.truncate(self.held.len() - ending.n_back);
        ending.tokens.into_iter().for_each(|token| self.push(token, None, true));
        self.end(FinishReason::Closed)
    }

    fn leave(self: Box<Self>, reason: FinishReason) -> Next {
        Next::Leave { cached: self.end(reason) }
    }

    /// Tells the client all, and why it ends. Gives the tokens with cells.
    pub(super) fn end(self: Box<Self>, reason: FinishReason) -> Vec<TokenId> {
        let effort = self.task.effort;
        self.finish(Event::Finished(reason, effort))
    }

    fn fail(self: Box<Self>, error: EngineError) -> Vec<TokenId> {
        self.finish(Event::Failed(error))
    }

    fn finish(mut self: Box<Self>, last: Event) -> Vec<TokenId> {
        self.tell(0);
        self.task.tell(last);
        let mut cached = self.tokens;
        cached.truncate(self.n_fed);
        cached
    }
}
