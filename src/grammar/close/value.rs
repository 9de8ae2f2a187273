//! Endings of the values of one schema.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::complete::{Completion, Known};
use super::{ASSUMED_LONGEST, addition, part};
use crate::grammar::shape::{ShapeId, Shapes};
use crate::guard::Check;

/// Finds endings for the values of one schema.
pub(in crate::grammar) struct ValueCloser {
    shapes: Shapes,
    /// Judges the values of residual shapes.
    checks: OnceLock<HashMap<ShapeId, Arc<Check>>>,
    /// Judges whole values, where some shape is residual.
    whole: Option<Arc<Check>>,
    /// What searches have found out. Each works on a copy of its own, because sequences of one schema look for their
    /// endings at the same time.
    known: Mutex<Vec<Known>>,
    longest: OnceLock<usize>,
    /// Whether judging has to be bounded.
    is_costly: bool,
}

/// Copies of what is known that are kept.
const MAX_KNOWN: usize = 8;
/// Schemas with more shapes than this are not looked through for their longest shortest value.
const MAX_LOOKED_AT: usize = 400;

impl ValueCloser {
    pub(super) fn new(shapes: Shapes, whole: Option<Arc<Check>>, is_costly: bool) -> Self {
        Self {
            shapes,
            checks: OnceLock::new(),
            whole,
            known: Mutex::new(Vec::new()),
            longest: OnceLock::new(),
            is_costly,
        }
    }

    fn checks(&self) -> &HashMap<ShapeId, Arc<Check>> {
        self.checks.get_or_init(|| {
            let residual = self.shapes.ids().filter(|id| self.shapes.is_residual(*id));
            residual
                .filter_map(|id| Some((id, Arc::new(Check::canonical(self.shapes.origin(id)?, self.is_costly).ok()?))))
                .collect()
        })
    }

    /// About how many tokens one more token can add to what closing takes; `n_tokens` says how many a text takes.
    pub(super) fn longest(&self, n_tokens: impl Fn(&[u8]) -> usize) -> usize {
        *self.longest.get_or_init(|| {
            if self.shapes.len() > MAX_LOOKED_AT {
                return ASSUMED_LONGEST;
            }
            self.with_known(|known| {
                let mut completion = Completion::new(&self.shapes, self.checks(), known);
                let dearest = addition::dearest(&self.shapes, &mut completion, n_tokens);
                // Why more: in its context a text may be cut into other tokens than alone.
                dearest.map_or(ASSUMED_LONGEST, |n| n * 5 / 4 + 6)
            })
        })
    }

    /// The bytes of a short valid ending of `text`; `None` if none is found.
    pub(super) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let (part, _) = part::read(text);
        let ending = self
            .with_known(|known| Completion::new(&self.shapes, self.checks(), known).close(self.shapes.root, &part))?;
        if let Some(whole) = &self.whole {
            let mut answer = text.to_vec();
            answer.extend_from_slice(&ending);
            whole.judge(std::str::from_utf8(&answer).ok()?).ok()?;
        }
        Some(ending)
    }

    fn with_known<T>(&self, search: impl FnOnce(&mut Known) -> T) -> T {
        let kept = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = {
            let mut kept = kept();
            // Why one stays: the next search shall not begin with nothing.
            if kept.len() > 1 { kept.pop().unwrap_or_default() } else { kept.first().cloned().unwrap_or_default() }
        };
        let found = search(&mut known);
        let mut kept = kept();
        if kept.len() < MAX_KNOWN {
            kept.push(known);
        }
        found
    }
}

impl std::fmt::Debug for ValueCloser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueCloser").finish_non_exhaustive()
    }
}
