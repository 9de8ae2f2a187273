//! The shortest valid ending of an answer, from wherever it stands.
//!
//! The text so far is read as parts, and the parts are completed along the shapes: what is required and not there yet
//! is added in its cheapest form. Where the guard has a say, endings are tried in order until it agrees.

mod array;
mod complete;
mod object;
mod part;
mod scalar;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use self::complete::{Completion, Known};
use super::shape::{ShapeId, Shapes};
use crate::guard::Check;

/// Finds endings for the answers of one schema.
pub(super) struct Closer {
    shapes: Shapes,
    /// Judges the values of residual shapes.
    checks: OnceLock<HashMap<ShapeId, Arc<Check>>>,
    /// Judges whole answers, where some shape is residual.
    whole: Option<Arc<Check>>,
    known: Mutex<Known>,
    longest: OnceLock<usize>,
    /// Whether judging has to be bounded.
    is_costly: bool,
}

/// Schemas with more shapes than this are not looked through for their longest shortest value.
const MAX_LOOKED_AT: usize = 400;
/// What is assumed instead, in bytes.
const ASSUMED_LONGEST: usize = 512;

impl Closer {
    pub(super) fn new(shapes: Shapes, whole: Option<Arc<Check>>, is_costly: bool) -> Self {
        Self { shapes, checks: OnceLock::new(), whole, known: Mutex::default(), longest: OnceLock::new(), is_costly }
    }

    fn checks(&self) -> &HashMap<ShapeId, Arc<Check>> {
        self.checks.get_or_init(|| {
            let residual = self.shapes.ids().filter(|id| self.shapes.is_residual(*id));
            residual
                .filter_map(|id| Some((id, Arc::new(Check::canonical(self.shapes.origin(id)?, self.is_costly).ok()?))))
                .collect()
        })
    }

    /// About how many bytes one more token can add to what closing takes: the longest of all parts' shortest texts.
    pub(super) fn longest(&self) -> usize {
        *self.longest.get_or_init(|| {
            if self.shapes.len() > MAX_LOOKED_AT {
                return ASSUMED_LONGEST;
            }
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let mut completion = Completion::new(&self.shapes, self.checks(), &mut known);
            let texts = self.shapes.ids().filter_map(|id| completion.close(id, &part::Part::Missing));
            let longest = texts.map(|text| text.len()).max().unwrap_or(0);
            longest.max(if completion.is_spent() { ASSUMED_LONGEST } else { 16 })
        })
    }

    /// The bytes of a short valid ending of `text`; `None` if none is found.
    pub(super) fn close(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (part, _) = part::read(text);
        let mut completion = Completion::new(&self.shapes, self.checks(), &mut known);
        let ending = completion.close(self.shapes.root, &part)?;
        if let Some(whole) = &self.whole {
            let mut answer = text.to_vec();
            answer.extend_from_slice(&ending);
            whole.judge(std::str::from_utf8(&answer).ok()?).ok()?;
        }
        Some(ending)
    }
}

impl std::fmt::Debug for Closer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Closer").finish_non_exhaustive()
    }
}
