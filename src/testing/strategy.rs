//! The samplers as strategies of the crate `proptest`: failing values shrink, and stay on their side of the schema.

use std::sync::Arc;

use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::shrink::{Edit, edits};
use super::{Options, Sampler};

/// Random values that satisfy `schema`.
///
/// # Panics
/// If the schema is refused, with the reason; [`Sampler::new`] returns it instead.
#[must_use]
#[track_caller]
pub fn instances(schema: &Value) -> Instances {
    instances_with(schema, Options::default())
}

/// As [`instances`], of other sizes.
///
/// # Panics
/// As [`instances`].
#[must_use]
#[track_caller]
pub fn instances_with(schema: &Value, options: Options) -> Instances {
    Instances { sampler: sampler(schema, options) }
}

/// Random values that break `schema` by one small change: a key too few, a number just out of range, another type.
///
/// # Panics
/// If the schema is refused, or no change of its values breaks it, as where it allows everything.
#[must_use]
#[track_caller]
pub fn mutants(schema: &Value) -> Mutants {
    let sampler = sampler(schema, Options::default());
    let is_breakable = sampler.mutant(&mut ChaCha8Rng::seed_from_u64(0)).is_some();
    assert!(is_breakable, "no small change of a valid value breaks the schema: does it allow everything?");
    Mutants { sampler }
}

#[track_caller]
fn sampler(schema: &Value, options: Options) -> Arc<Sampler> {
    match Sampler::new(schema, options) {
        Ok(sampler) => Arc::new(sampler),
        Err(error) => panic!("no values of this schema can be made: {error}"),
    }
}

/// See [`instances`].
#[derive(Clone, Debug)]
pub struct Instances {
    sampler: Arc<Sampler>,
}

impl Strategy for Instances {
    type Tree = Shrinking;
    type Value = Value;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let value = self.sampler.value(runner.rng());
        Ok(Shrinking::new(Arc::clone(&self.sampler), value, Side::Valid))
    }
}

/// See [`mutants`].
#[derive(Clone, Debug)]
pub struct Mutants {
    sampler: Arc<Sampler>,
}

impl Strategy for Mutants {
    type Tree = Shrinking;
    type Value = Value;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let value = self.sampler.mutant(runner.rng()).ok_or("no small change breaks the schema")?;
        Ok(Shrinking::new(Arc::clone(&self.sampler), value, Side::Invalid))
    }
}

/// On which side of the schema a value must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Valid,
    Invalid,
}

/// How many values one step of shrinking may judge.
const MAX_CHECKS: usize = 1000;

/// A value, and where shrinking it has come to.
#[derive(Clone, Debug)]
pub struct Shrinking {
    sampler: Arc<Sampler>,
    side: Side,
    /// The simplest value known to fail.
    failing: Value,
    /// The value under test.
    current: Value,
    /// The ways to make `failing` simpler; listed when they are first asked for.
    edits: Option<Vec<Edit>>,
    /// The way to try next, and how many were tried since `failing` last changed.
    next: usize,
    n_tried: usize,
}

impl Shrinking {
    fn new(sampler: Arc<Sampler>, value: Value, side: Side) -> Self {
        Self { sampler, side, failing: value.clone(), current: value, edits: None, next: 0, n_tried: 0 }
    }

    fn list_edits(&self) -> Vec<Edit> {
        let mut all = edits(&self.failing);
        let shortest = self.sampler.shortest();
        if self.side == Side::Valid && shortest.to_string().len() < self.failing.to_string().len() {
            all.insert(0, Edit::put(shortest));
        }
        all
    }

    /// Makes the next simpler value on the right side of the schema the current one. Returns whether there is one.
    fn advance(&mut self) -> bool {
        let edits = self.edits.take().unwrap_or_else(|| self.list_edits());
        let mut n_checks = 0;
        let mut found = None;
        while found.is_none() && self.n_tried < edits.len() && n_checks < MAX_CHECKS {
            // Why: what has just worked is likely to work again, so that the round begins there.
            let edit = &edits[self.next % edits.len()];
            self.next = (self.next + 1) % edits.len();
            self.n_tried += 1;
            n_checks += 1;
            let is_wanted =
                |value: &Value| *value != self.failing && self.sampler.is_valid(value) == (self.side == Side::Valid);
            found = edit.apply(&self.failing).filter(is_wanted);
        }
        self.edits = Some(edits);
        let Some(found) = found else { return false };
        self.current = found;
        true
    }
}

impl ValueTree for Shrinking {
    type Value = Value;

    fn current(&self) -> Value {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        if self.current != self.failing {
            self.failing = self.current.clone();
            self.edits = None;
            self.next = self.next.saturating_sub(1);
            self.n_tried = 0;
        }
        self.advance()
    }

    fn complicate(&mut self) -> bool {
        if self.current == self.failing {
            return false;
        }
        if !self.advance() {
            self.current = self.failing.clone();
        }
        true
    }
}
