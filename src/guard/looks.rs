//! Counts how often a validator looks at a value, and ends it when that is too often.
//!
//! Ways that lead to one schema multiply, and no validator remembers where it has been: `visits` tells beforehand where
//! that could take more than the age of the universe, and only there this is put in.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

use crate::schema::walk::rewrite;

/// Looks for one value: about a second.
const MAX_LOOKS: u64 = 3_000_000;
/// A keyword that no draft knows.
pub(super) const KEYWORD: &str = "x-drawplate-look";

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// What the validator meets wherever it looks.
pub(super) struct Look;

/// It looked too often.
struct TooOften;

impl Look {
    fn count() {
        match LEFT.get().checked_sub(1) {
            Some(left) => LEFT.set(left),
            // Why: nothing else ends a validator from inside, and it has no state that could be left half done.
            None => resume_unwind(Box::new(TooOften)),
        }
    }
}

impl<'i> Keyword<'i> for Look {
    fn validate(&self, _instance: &'i Value) -> Result<(), ValidationError<'i>> {
        Self::count();
        Ok(())
    }

    fn is_valid(&self, _instance: &'i Value) -> bool {
        Self::count();
        true
    }
}

/// Puts the keyword into every subschema.
pub(super) fn counted(mut schema: Value) -> Value {
    rewrite(&mut schema, &mut |schema| {
        if let Value::Object(map) = schema {
            map.insert(KEYWORD.to_owned(), Value::Bool(true));
        }
    });
    schema
}

/// Runs `judge`; nothing if it looks too often.
pub(super) fn within_limit<T>(judge: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(MAX_LOOKS);
    let judged = catch_unwind(AssertUnwindSafe(judge));
    LEFT.set(u64::MAX);
    match judged {
        Ok(judged) => Some(judged),
        Err(panic) if panic.is::<TooOften>() => None,
        Err(panic) => resume_unwind(panic),
    }
}
