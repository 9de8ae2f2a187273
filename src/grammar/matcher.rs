//! The parser state of one sequence: gives masks, accepts tokens, knows forced tokens.

use llguidance::toktrie::SimpleVob;

use super::TokenId;

/// The tokens allowed next: a bit set `[n_vocab]`.
#[derive(Clone, Debug)]
pub struct Mask(SimpleVob);

impl Mask {
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

/// The parser state of one sequence.
pub struct Matcher(Box<llguidance::Matcher>);

impl Matcher {
    pub(super) fn new(inner: llguidance::Matcher) -> Self {
        Self(Box::new(inner))
    }

    /// Makes an independent copy of a matcher, lexer caches included.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Box::new(self.0.deep_clone()))
    }

    /// Computes the mask of the next token.
    ///
    /// # Errors
    /// If the grammar engine runs over its budget or finds no token at all.
    pub fn mask(&mut self) -> Result<Mask, MatcherError> {
        self.0.compute_mask().map(Mask).map_err(|e| MatcherError(e.to_string()))
    }

    /// Takes `token`, which the mask must have allowed.
    ///
    /// # Errors
    /// If the grammar does not allow it, or the engine fails.
    pub fn accept(&mut self, token: TokenId) -> Result<(), MatcherError> {
        self.0.consume_token(token).map_err(|e| MatcherError(e.to_string()))
    }

    /// Whether `token` is allowed next, without taking it.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn allows(&mut self, token: TokenId) -> Result<bool, MatcherError> {
        self.0.validate_tokens(&[token]).map(|n| n == 1).map_err(|e| MatcherError(e.to_string()))
    }

    /// The run of tokens that the grammar leaves no choice about; not yet taken.
    pub fn forced(&mut self) -> Vec<TokenId> {
        self.0.compute_ff_tokens()
    }

    /// Whether the answer may end here.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn is_accepting(&mut self) -> Result<bool, MatcherError> {
        self.0.is_accepting().map_err(|e| MatcherError(e.to_string()))
    }

    /// Whether nothing can follow: the answer is complete. A matcher that failed is not.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped() && !self.0.is_error() && self.0.stop_reason().is_ok()
    }
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").field("is_stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
