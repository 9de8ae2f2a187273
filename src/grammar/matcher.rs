//! The parser state of one sequence: gives masks, accepts tokens, knows forced tokens.

use std::borrow::Cow;
use std::sync::Arc;

use llguidance::toktrie::{SimpleVob, TokEnv};

use super::close::Answer;
use super::{TokenId, Vocab};
use crate::guard::{Follower, Places, Stage, Veto};

/// The tokens allowed next: a bit set `[n_vocab]`.
#[derive(Clone, Debug)]
pub struct Mask(SimpleVob);

impl Mask {
    /// The mask of an answer that nothing binds: all text, and what ends it. Control tokens stand in none, but for those
    /// in `marks`, texts as [`Vocab::wire_of`] has them.
    #[must_use]
    pub fn of_text(vocab: &Vocab, marks: &[&[u8]]) -> Self {
        let mut mask = SimpleVob::alloc(vocab.n_tokens());
        mask.set_all(true);
        for token in vocab.without_text() {
            let wire = vocab.wire(*token);
            let is_mark =
                !wire.is_empty() && marks.iter().any(|mark| mark.windows(wire.len()).any(|window| window == &*wire));
            if !vocab.is_end(*token) && !is_mark {
                mask.disallow_token(*token);
            }
        }
        Self(mask)
    }

    /// Whether `token` is allowed; ids out of range are not.
    #[must_use]
    pub fn allows(&self, token: TokenId) -> bool {
        (token as usize) < self.0.len() && self.0.is_allowed(token)
    }

    /// Calls `each` for every allowed token, in ascending order.
    pub fn for_each(&self, mut each: impl FnMut(TokenId)) {
        for (word_idx, word) in (0u32..).zip(self.0.as_slice()) {
            let mut word = *word;
            while word != 0 {
                each(word_idx * 32 + word.trailing_zeros());
                word &= word - 1;
            }
        }
    }

    /// The mask's `word_idx`th word: bit `i` says whether token `32 * word_idx + i` is allowed. Zero beyond the end.
    #[must_use]
    pub fn word(&self, word_idx: u32) -> u32 {
        self.0.as_slice().get(word_idx as usize).copied().unwrap_or(0)
    }

    /// Takes `token` out of the mask.
    pub fn forbid(&mut self, token: TokenId) {
        if (token as usize) < self.0.len() {
            self.0.disallow_token(token);
        }
    }

    /// The number of allowed tokens.
    #[must_use]
    pub fn n_allowed(&self) -> usize {
        self.0.num_set()
    }
}

/// The grammar engine failed in mid-answer; the sequence cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the grammar engine failed: {0}")]
pub struct MatcherError(String);

/// The parser state of one sequence, and what the guard has seen of its text.
pub struct Matcher {
    inner: Box<llguidance::Matcher>,
    /// The lexer's work for masks beyond a new matcher's, in llguidance's unit.
    work: u64,
    guard: Option<Box<Guard>>,
    closing: Option<Box<Closing>>,
}

/// The text so far and who can end it.
#[derive(Clone)]
struct Closing {
    answer: Arc<Answer>,
    env: TokEnv,
    text: Vec<u8>,
    /// Where each token began.
    starts: Vec<usize>,
}

impl Closing {
    /// The ending of the text without its last `n_back` tokens.
    fn ending(&self, n_back: usize) -> Option<Vec<u8>> {
        let n_kept = self.starts.len().checked_sub(n_back)?;
        let n_bytes = self.starts.get(n_kept).copied().unwrap_or(self.text.len());
        self.answer.close(&self.text[..n_bytes])
    }
}

struct Guard {
    follower: Follower,
    env: TokEnv,
}

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is part of the answer now.
    Taken,
    /// The mask allowed it, but a value would break its schema; nothing has changed.
    Vetoed(Veto),
}

impl Matcher {
    pub(super) fn new(inner: llguidance::Matcher) -> Self {
        Self { inner: Box::new(inner), work: 0, guard: None, closing: None }
    }

    /// Adds what finds short endings to a matcher at the beginning of an answer.
    pub(super) fn closing_with(mut self, answer: Answer, env: &TokEnv) -> Self {
        let (answer, env) = (Arc::new(answer), Arc::clone(env));
        self.closing = Some(Box::new(Closing { answer, env, text: Vec::new(), starts: Vec::new() }));
        self
    }

    /// Adds a guard to a matcher at the beginning of an answer.
    pub(super) fn guarded(mut self, places: Arc<Places>, env: &TokEnv) -> Self {
        if !places.is_idle() {
            self.guard = Some(Box::new(Guard { follower: Follower::new(places), env: Arc::clone(env) }));
        }
        self
    }

    /// Whether a token that the mask allows may be vetoed.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// Makes an independent copy of a matcher, lexer caches included.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.with_parser(self.inner.deep_clone(), self.work)
    }

    /// A copy with another parser, which must be at the same place of the same grammar.
    pub(super) fn with_parser(&self, parser: llguidance::Matcher, work: u64) -> Self {
        let guard = self
            .guard
            .as_ref()
            .map(|guard| Box::new(Guard { follower: guard.follower.clone(), env: Arc::clone(&guard.env) }));
        Self { inner: Box::new(parser), work, guard, closing: self.closing.clone() }
    }

    /// The lexer's work for masks, that of the sequences before included; in llguidance's unit.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work
    }

    /// The parser, and the work in it.
    pub(super) fn into_parser(self) -> (llguidance::Matcher, u64) {
        (*self.inner, self.work)
    }

    /// Where in an answer with a preamble this is; nothing if there is none.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        let closing = self.closing.as_ref()?;
        Some(closing.answer.preamble()?.stage(&closing.text))
    }

    /// The bytes of a short valid ending from here; `None` if none is known.
    #[must_use]
    pub fn closing(&self) -> Option<Vec<u8>> {
        self.closing.as_ref()?.ending(0)
    }

    /// The tokens of [`Matcher::closing`].
    #[must_use]
    pub fn closing_tokens(&self) -> Option<Vec<TokenId>> {
        self.closing_tokens_before(0)
    }

    /// The tokens of a short valid ending from before the last `n_back` tokens; `None` if none is known.
    #[must_use]
    pub fn closing_tokens_before(&self, n_back: usize) -> Option<Vec<TokenId>> {
        let closing = self.closing.as_ref()?;
        let ending = closing.ending(n_back)?;
        Some(if ending.is_empty() { Vec::new() } else { tokenize(&closing.env, &ending) })
    }

    /// About how many tokens one more token can add to what closing takes; `None` if nothing can close.
    #[must_use]
    pub fn closing_step(&self) -> Option<usize> {
        let closing = self.closing.as_ref()?;
        Some(closing.answer.longest(|text| tokenize(&closing.env, text).len()))
    }

    /// Looks through the schema, so that closing is quick later. Gives the tokens of the shortest answer.
    pub(super) fn prepare_closing(&self) -> Option<usize> {
        let _step = self.closing_step()?;
        self.closing_tokens().map(|tokens| tokens.len())
    }

    /// Computes the mask of the next token.
    ///
    /// # Errors
    /// If the grammar engine runs over its budget or finds no token at all.
    pub fn mask(&mut self) -> Result<Mask, MatcherError> {
        let mask = self.inner.compute_mask().map(Mask).map_err(|e| MatcherError(e.to_string()))?;
        self.work += self.inner.last_step_stats().map_or(0, |stats| stats.lexer_cost);
        Ok(self.within_length(mask))
    }

    /// Takes out of `mask` what would make the open string or text too long, where the guard counts its characters and few are
    /// left: each token would be vetoed, one after the other.
    fn within_length(&self, mut mask: Mask) -> Mask {
        let Some(guard) = &self.guard else { return mask };
        let Some(room) = guard.follower.room() else { return mask };
        let trie = guard.env.tok_trie();
        if room < trie.max_token_len() as u64 {
            let mut too_long = Vec::new();
            // Why not control tokens: they are no part of any text.
            let may_be = |token| !trie.is_special_token(token) && trie.token(token).len() as u64 > room;
            let is_too_long = |token| may_be(token) && !guard.follower.fits(trie.token(token));
            mask.for_each(|token| too_long.extend(is_too_long(token).then_some(token)));
            too_long.into_iter().for_each(|token| mask.forbid(token));
        }
        mask
    }

    /// Takes `token`, which the mask must have allowed, unless the guard vetoes it.
    ///
    /// # Errors
    /// If the grammar does not allow it, or the engine fails.
    pub fn accept(&mut self, token: TokenId) -> Result<Verdict, MatcherError> {
        if let Some(guard) = &mut self.guard
            && let Err(veto) = guard.follower.accept(&wire_bytes(&guard.env, token))
        {
            return Ok(Verdict::Vetoed(veto));
        }
        self.inner.consume_token(token).map_err(|e| MatcherError(e.to_string()))?;
        if self.is_stopped()
            && let Some(guard) = &mut self.guard
            && let Err(veto) = guard.follower.end()
        {
            self.inner.rollback(1).map_err(|e| MatcherError(e.to_string()))?;
            guard.follower.rollback(1);
            return Ok(Verdict::Vetoed(veto));
        }
        if let Some(closing) = &mut self.closing {
            closing.starts.push(closing.text.len());
            closing.text.extend_from_slice(&wire_bytes(&closing.env, token));
        }
        Ok(Verdict::Taken)
    }

    /// How many of the last tokens a veto may yet take back.
    #[must_use]
    pub fn n_unsettled(&self) -> usize {
        self.guard.as_ref().map_or(0, |guard| guard.follower.n_unsettled())
    }

    /// Whether the answer may end here although more could follow.
    pub fn end(&mut self) -> Verdict {
        match self.guard.as_mut().map(|guard| guard.follower.end()) {
            Some(Err(veto)) => Verdict::Vetoed(veto),
            Some(Ok(())) | None => Verdict::Taken,
        }
    }

    /// Takes the last `n_tokens` tokens back.
    ///
    /// # Errors
    /// If there are not so many, or the engine fails.
    pub fn rollback(&mut self, n_tokens: usize) -> Result<(), MatcherError> {
        self.inner.rollback(n_tokens).map_err(|e| MatcherError(e.to_string()))?;
        if let Some(guard) = &mut self.guard {
            guard.follower.rollback(n_tokens);
        }
        if let Some(closing) = &mut self.closing {
            let n_kept = closing.starts.len().saturating_sub(n_tokens);
            if let Some(start) = closing.starts.get(n_kept).copied() {
                closing.text.truncate(start);
            }
            closing.starts.truncate(n_kept);
        }
        Ok(())
    }

    /// How many of `tokens`, one after the other, the grammar would take. The guard is not asked.
    pub fn n_valid(&mut self, tokens: &[TokenId]) -> usize {
        self.inner.validate_tokens(tokens).unwrap_or(0)
    }

    /// Whether `token` is allowed next by the mask, without taking it.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn allows(&mut self, token: TokenId) -> Result<bool, MatcherError> {
        self.inner.validate_tokens(&[token]).map(|n| n == 1).map_err(|e| MatcherError(e.to_string()))
    }

    /// The run of tokens that the grammar leaves no choice about; not yet taken.
    pub fn forced(&mut self) -> Vec<TokenId> {
        self.inner.compute_ff_tokens()
    }

    /// Whether the answer may end here.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn is_accepting(&mut self) -> Result<bool, MatcherError> {
        let may_end = self.guard.as_mut().is_none_or(|guard| guard.follower.end().is_ok());
        self.inner.is_accepting().map(|accepts| accepts && may_end).map_err(|e| MatcherError(e.to_string()))
    }

    /// Whether nothing can follow: the answer is complete. A matcher that failed is not.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.inner.is_stopped() && !self.inner.is_error() && self.inner.stop_reason().is_ok()
    }
}

/// The bytes of a token; a control token's are 0xFF and its id in brackets, as llguidance has them.
fn wire_bytes(env: &TokEnv, token: TokenId) -> Cow<'_, [u8]> {
    let trie = env.tok_trie();
    if trie.is_special_token(token) { trie.decode_as_special(token).into() } else { trie.token(token).into() }
}

/// The tokens of such bytes.
fn tokenize(env: &TokEnv, bytes: &[u8]) -> Vec<TokenId> {
    env.tokenize_bytes_marker(bytes).0
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").field("is_stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
