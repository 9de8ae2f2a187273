//! Makes values of one schema from random numbers.

use std::sync::Arc;

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::mutants::{Hints, mutate};
use super::place::Plan;
use super::walk::{END, Walk};
use crate::grammar::{Budget, Compiled, Compiler, GrammarError, Spec, TokenId, Tokenizer, Vocab, VocabToken};
use crate::guard::{Check, CheckError};
use crate::schema::{Document, Limits, SchemaError};

/// How large values get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The length from which on a value comes to its end as soon as the schema lets it. Most are much shorter.
    pub max_bytes: usize,
    /// Arrays and objects inside each other, where the schema allows something else.
    pub max_depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 400, max_depth: 6 }
    }
}

/// Why no values can be made.
#[derive(Debug, thiserror::Error)]
pub enum TestingError {
    /// The schema is at fault.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The schema cannot be enforced.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// The validator does not know what to do with the schema.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// No walk through the masks came to an end.
    #[error("no value of this schema was found")]
    NoInstance,
}

/// How many walks one value may take.
const N_STARTS: usize = 20;
/// How many values are changed, and how often each, to make one mutant.
const N_MUTATED: usize = 10;
const N_MUTATIONS: usize = 20;

/// Makes random values of one schema: valid ones, and ones that miss it narrowly.
///
/// The same random numbers give the same values.
#[derive(Debug)]
pub struct Sampler {
    pub(super) document: Arc<Document>,
    pub(super) compiled: Arc<Compiled>,
    pub(super) check: Check,
    options: Options,
    hints: Hints,
    shortest: (String, Value),
}

impl Sampler {
    /// Compiles `schema`, which may refer to itself alone.
    ///
    /// # Errors
    /// If the schema cannot be enforced exactly, or allows no value.
    pub fn new(schema: &Value, options: Options) -> Result<Self, TestingError> {
        Self::of(Arc::new(Document::parse(schema.clone(), Limits::default())?), options)
    }

    /// Compiles `document`.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn of(document: Arc<Document>, options: Options) -> Result<Self, TestingError> {
        let compiler = Compiler::new(&byte_vocab(), Budget::default())?;
        let compiled = compiler.compile(&Spec::value(Arc::clone(&document)))?;
        let check = Check::of(&document)?;
        let hints = Hints::of(document.value());
        let shortest = shortest(&compiled, &check, options).ok_or(TestingError::NoInstance)?;
        Ok(Self { document, compiled, check, options, hints, shortest })
    }

    /// Makes a valid value, as text: with the whitespace and the spellings that a model could write.
    pub fn text(&self, rng: &mut impl Rng) -> String {
        self.sample(rng).0
    }

    /// Makes a valid value.
    pub fn value(&self, rng: &mut impl Rng) -> Value {
        self.sample(rng).1
    }

    /// A short valid value, always the same.
    #[must_use]
    pub fn shortest(&self) -> Value {
        self.shortest.1.clone()
    }

    /// Makes a value that breaks the schema by one small change. `None` if no change was found that does, as where the
    /// schema allows everything.
    pub fn mutant(&self, rng: &mut impl Rng) -> Option<Value> {
        for _ in 0..N_MUTATED {
            let value = self.value(rng);
            for _ in 0..N_MUTATIONS {
                let mutant = mutate(&value, &self.hints, rng);
                if !self.is_valid(&mutant) {
                    return Some(mutant);
                }
            }
        }
        None
    }

    /// Makes a small change to `value`, which may break the schema or not.
    pub fn changed(&self, value: &Value, rng: &mut impl Rng) -> Value {
        mutate(value, &self.hints, rng)
    }

    /// Whether `value` satisfies the schema, formats included.
    #[must_use]
    pub fn is_valid(&self, value: &Value) -> bool {
        self.check.judge(&value.to_string()).is_ok()
    }

    fn sample(&self, rng: &mut impl Rng) -> (String, Value) {
        let plan = self.plan(rng);
        let found = (0..N_STARTS).find_map(|_| attempt(&self.compiled, &self.check, plan, rng));
        found.unwrap_or_else(|| self.shortest.clone())
    }

    /// Chooses how long a value gets: as often around ten bytes as around a hundred, beyond what the schema asks for.
    fn plan(&self, rng: &mut impl Rng) -> Plan {
        let max_bits = self.options.max_bytes.clamp(4, 1 << 30).ilog2();
        let n_bits = rng.random_range(1..=max_bits);
        let extra = rng.random_range(1_usize << n_bits..2_usize << n_bits);
        let floor = self.shortest.0.len();
        Plan {
            target: (floor + floor / 2 + extra).min(self.options.max_bytes.max(floor)),
            max_depth: self.options.max_depth,
            is_wild: rng.random_ratio(1, 4),
        }
    }
}

/// The value that a walk finds which heads for the end from the first byte.
fn shortest(compiled: &Compiled, check: &Check, options: Options) -> Option<(String, Value)> {
    let plan = Plan { target: 0, max_depth: options.max_depth, is_wild: false };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (0..N_STARTS).find_map(|_| attempt(compiled, check, plan, &mut rng))
}

/// Walks once. What it finds has passed the check.
fn attempt(compiled: &Compiled, check: &Check, plan: Plan, rng: &mut impl Rng) -> Option<(String, Value)> {
    let text = Walk::new(compiled.matcher(), plan, rng).run()?;
    let judged = check.judge(&text);
    debug_assert!(judged.is_ok(), "masks and guard let an invalid value through: {text}");
    judged.ok().map(|value| (text, value))
}

/// Each byte is a token.
struct Bytes;

impl Tokenizer for Bytes {
    fn tokenize(&self, text: &[u8], _special: bool) -> Vec<TokenId> {
        text.iter().map(|byte| TokenId::from(*byte)).collect()
    }
}

/// The vocabulary of the walks: the bytes, and the end.
fn byte_vocab() -> Vocab {
    let mut tokens: Vec<VocabToken> = (0..=u8::MAX).map(|byte| VocabToken::Text(vec![byte])).collect();
    tokens.push(VocabToken::Control("<|end|>".to_owned()));
    Vocab::new(tokens, vec![END], Arc::new(Bytes)).expect("it has tokens and an end")
}
