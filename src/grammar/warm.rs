//! Lexer states that finished sequences have met, kept for the next ones of the same grammar.
//!
//! llguidance builds its automaton while it walks: the first mask of a state takes many times as long as the next. A
//! matcher that starts from where others have been computes masks that are the same, only sooner.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Lexer work kept per grammar, in llguidance's unit: about one per state or transition. What is kept counts towards
/// the bound on an automaton's states, and is copied for each sequence.
pub(super) const MAX_PER_GRAMMAR: u64 = 60_000;
/// Lexer work kept by all grammars of one compiler together; some tens of MB.
const MAX_IN_ALL: u64 = 600_000;

/// How much lexer work the grammars of one compiler keep.
pub(super) type Kept = Arc<AtomicU64>;

/// A parser at the beginning of an answer, and the work that is in it beyond a new one's.
struct Start {
    parser: llguidance::Matcher,
    work: u64,
}

/// Where new sequences of a grammar begin.
pub(super) struct Warm {
    start: Mutex<Option<Start>>,
    kept: Kept,
}

impl Warm {
    pub(super) fn new(kept: &Kept) -> Self {
        Self { start: Mutex::new(None), kept: Arc::clone(kept) }
    }

    /// A parser that knows what others have met, and the work in it; nothing, if none has been kept.
    pub(super) fn fork(&self) -> Option<(llguidance::Matcher, u64)> {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        start.as_ref().map(|start| (start.parser.deep_clone(), start.work))
    }

    /// Keeps a finished sequence's parser, if it has met clearly more than what is kept, and not too much.
    pub(super) fn give_back(&self, mut parser: llguidance::Matcher, work: u64) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let known = start.as_ref().map_or(0, |start| start.work);
        tracing::debug!(work, known, "a sequence's lexer is offered");
        if work > MAX_PER_GRAMMAR || work <= known + known / 8 || parser.is_error() {
            return;
        }
        let more = work - known;
        if self.kept.fetch_add(more, Ordering::Relaxed) + more > MAX_IN_ALL || parser.reset().is_err() {
            self.kept.fetch_sub(more, Ordering::Relaxed);
            return;
        }
        *start = Some(Start { parser, work });
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        let start = self.start.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.kept.fetch_sub(start.as_ref().map_or(0, |start| start.work), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Warm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warm").finish_non_exhaustive()
    }
}
