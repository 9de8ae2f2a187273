//! Specs to compiled grammars: under a budget, off the engine's thread, cached by content.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llguidance::ParserFactory;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::InferenceCapabilities;
use serde_json::Value;

use super::cache::{Cache, Key};
use super::lower::{Findings, lower};
use super::{Matcher, Vocab, locate};
use crate::schema::{Document, ErrorKind, Pointer, SchemaError};
use crate::telemetry::metrics::METRICS;

/// Bounds on what one grammar may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Symbols in the grammar's productions.
    pub max_grammar_size: usize,
    /// States of the lexer, each one to two kilobytes.
    pub max_lexer_states: usize,
    /// Alternatives that are followed at once.
    pub max_items_in_row: usize,
    /// Wall-clock time of one compilation. A compilation that runs over it goes on alone and fills the cache.
    pub time: Duration,
    /// Text of all compiled grammars that are kept.
    pub cache_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_grammar_size: 300_000,
            max_lexer_states: 50_000,
            max_items_in_row: 20_000,
            time: Duration::from_secs(10),
            cache_bytes: 2 << 20,
        }
    }
}

/// What an answer must look like: a Lark grammar whose `@names` are JSON Schemas.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Lark text with a rule `start`.
    pub lark: String,
    /// The schemas that it names.
    pub schemas: Vec<(String, Arc<Document>)>,
}

/// Why there is no grammar.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GrammarError {
    /// A schema is at fault.
    #[error("{error}")]
    Schema {
        /// The schema's name in the [`Spec`].
        name: String,
        /// What and where.
        error: SchemaError,
    },
    /// The grammar around the schemas is at fault: a bug of ours, or too many schemas at once.
    #[error("the grammar does not compile: {0}")]
    Grammar(String),
    /// The budget of time ran out.
    #[error("compiling the grammar took longer than {0:?}")]
    OutOfTime(Duration),
}

/// A grammar ready to be followed.
#[derive(Debug)]
pub struct Compiled {
    pristine: Matcher,
    /// What is not enforced, per schema name.
    pub findings: Vec<(String, Findings)>,
    /// How long the compilation took.
    pub compile_time: Duration,
}

impl Compiled {
    /// Makes the matcher of a new sequence.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        self.pristine.fork()
    }
}

/// Compiles specs for one vocabulary.
pub struct Compiler {
    factory: ParserFactory,
    cache: Cache,
    max_answer_bytes: usize,
    budget: Budget,
}

impl Compiler {
    /// Makes a compiler whose answers have at most `max_answer_tokens`.
    ///
    /// # Errors
    /// If llguidance cannot work with the vocabulary.
    pub fn new(vocab: &Vocab, max_answer_tokens: usize, budget: Budget) -> Result<Self, GrammarError> {
        let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
        let mut factory = ParserFactory::new(vocab.env(), capabilities, &SlicedBiasComputer::json_slices())
            .map_err(|e| GrammarError::Grammar(e.to_string()))?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.max_grammar_size = budget.max_grammar_size;
        limits.max_lexer_states = budget.max_lexer_states;
        // Why: alternatives that begin alike stand side by side in one row; thousands of them are real.
        limits.max_items_in_row = budget.max_items_in_row;
        limits.step_max_items = budget.max_items_in_row * 10;
        limits.verbose_errors = false;
        let max_answer_bytes = max_answer_tokens.saturating_mul(vocab.max_token_bytes());
        Ok(Self { factory, cache: Cache::new(budget.cache_bytes), max_answer_bytes, budget })
    }

    /// The budget that was given.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Looks `spec` up in the cache, refusals included.
    #[must_use]
    pub fn cached(&self, spec: &Spec) -> Option<Result<Arc<Compiled>, GrammarError>> {
        let hit = self.cache.get(&Key::of(spec));
        if hit.is_some() {
            METRICS.grammar_cache_hits.inc();
        }
        hit
    }

    /// Compiles `spec`, or finds it in the cache. Blocks for up to seconds: not for async code.
    ///
    /// # Errors
    /// With the schema, the place and the keyword at fault.
    pub fn compile(&self, spec: &Spec) -> Result<Arc<Compiled>, GrammarError> {
        if let Some(hit) = self.cached(spec) {
            return hit;
        }
        let started = Instant::now();
        let result = self.compile_now(spec, started).map(Arc::new);
        METRICS.grammar_compile_seconds.observe(started.elapsed().as_secs_f64());
        self.cache.put(Key::of(spec), result.clone());
        result
    }

    fn compile_now(&self, spec: &Spec, started: Instant) -> Result<Compiled, GrammarError> {
        let mut findings = Vec::with_capacity(spec.schemas.len());
        let mut lowered = Vec::with_capacity(spec.schemas.len());
        for (name, document) in &spec.schemas {
            let (value, found) = lower(document, self.max_answer_bytes)
                .map_err(|error| GrammarError::Schema { name: name.clone(), error })?;
            lowered.push((name.clone(), value));
            findings.push((name.clone(), found));
        }
        let mut grammars = vec![GrammarWithLexer::from_lark(spec.lark.clone())];
        grammars.extend(lowered.iter().map(|(name, value)| named(name, value.clone())));
        match self.build(grammars) {
            Ok(pristine) => Ok(Compiled { pristine, findings, compile_time: started.elapsed() }),
            Err(message) => Err(self.blame(spec, &lowered, &message, started)),
        }
    }

    /// Finds which schema, and which keyword of it, made the compilation fail.
    fn blame(&self, spec: &Spec, lowered: &[(String, Value)], message: &str, started: Instant) -> GrammarError {
        for ((name, document), (_, value)) in spec.schemas.iter().zip(lowered) {
            let attempt = |schema: &Value| self.build(vec![named("answer", schema.clone())]).err();
            let Some(message) = attempt(value) else { continue };
            // Why: looking for the keyword compiles again and again; a schema that is slow to fail is only named.
            let time = self.budget.time.saturating_sub(started.elapsed()).min(started.elapsed() * 20);
            let error = locate::locate(document, value, &message, time, &attempt);
            return GrammarError::Schema { name: name.clone(), error };
        }
        match spec.schemas.first() {
            Some((name, _)) => GrammarError::Schema {
                name: name.clone(),
                error: SchemaError::at(Pointer::default(), ErrorKind::TooComplex(first_line(message))),
            },
            None => GrammarError::Grammar(first_line(message)),
        }
    }

    fn build(&self, grammars: Vec<GrammarWithLexer>) -> Result<Matcher, String> {
        let parser = self.factory.create_parser(TopLevelGrammar { grammars, max_tokens: None });
        let matcher = llguidance::Matcher::new(parser);
        if let Some(error) = matcher.get_error() {
            return Err(error);
        }
        let mut matcher = Matcher::new(matcher);
        // Why: the first mask shows grammars that allow nothing at all, and fills the lexer's cache for every answer.
        matcher.mask().map_err(|error| match error.to_string() {
            message if message.contains("NoExtension") => "Unsatisfiable schema: it allows no value".to_owned(),
            message => message,
        })?;
        Ok(matcher)
    }
}

fn named(name: &str, schema: Value) -> GrammarWithLexer {
    GrammarWithLexer { name: Some(name.to_owned()), json_schema: Some(schema), ..GrammarWithLexer::default() }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(300).collect()
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("budget", &self.budget).finish_non_exhaustive()
    }
}
