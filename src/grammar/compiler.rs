//! Specs to compiled grammars: under a budget, off the engine's thread, cached by content.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use llguidance::ParserFactory;
use llguidance::api::{GrammarInit, GrammarWithLexer, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::InferenceCapabilities;
use serde_json::Value;

use super::build::build;
use super::cache::{Cache, Key};
use super::close::Closer;
use super::emit::emit;
use super::lower::lower;
use super::rules::Rules;
use super::watching::watch;
use super::{Matcher, Vocab, lark};
use crate::guard::{Check, Places, Watches};
use crate::schema::{Document, ErrorKind, Pointer, SchemaError, formats, walk};
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
    /// After which texts a value of a schema begins, for answers that are more than one value.
    pub places: Vec<(String, String)>,
    /// The order of keys.
    pub order: KeyOrder,
}

/// The order in which an object's declared keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyOrder {
    /// As the author declared them: models write better what they expect, and most keys are forced.
    #[default]
    Declared,
    /// Any; each still at most once, and the required ones all.
    Any,
}

impl Spec {
    /// An answer that is one value of `document`.
    #[must_use]
    pub fn value(document: Arc<Document>) -> Self {
        Self {
            lark: ALONE.to_owned(),
            schemas: vec![(ANSWER.to_owned(), document)],
            places: Vec::new(),
            order: KeyOrder::Declared,
        }
    }
}

/// The grammar of an answer that is one value.
const ALONE: &str = "start: @answer";

/// The name of the schema that a whole answer has.
pub const ANSWER: &str = "answer";

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
    cheapest: OnceLock<Option<usize>>,
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

    /// The tokens of the shortest valid answer that is known, for answers that are one value.
    ///
    /// Looks through the schema when it is first called: not for the engine's thread.
    pub fn cheapest_tokens(&self) -> Option<usize> {
        *self.cheapest.get_or_init(|| self.pristine.prepare_closing())
    }
}

/// Compiles specs for one vocabulary.
pub struct Compiler {
    factory: ParserFactory,
    cache: Cache,
    budget: Budget,
}

impl Compiler {
    /// Makes a compiler for `vocab`.
    ///
    /// # Errors
    /// If llguidance cannot work with the vocabulary.
    pub fn new(vocab: &Vocab, budget: Budget) -> Result<Self, GrammarError> {
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
        // Why: a pattern beside a length makes an automaton of their product, built while it is walked.
        limits.step_lexer_fuel = 600_000;
        limits.verbose_errors = false;
        Ok(Self { factory, cache: Cache::new(budget.cache_bytes), budget })
    }

    /// The budget that was given.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Compiles `spec`, or finds it in the cache. Blocks for up to seconds: not for async code.
    ///
    /// # Errors
    /// With the schema, the place and the keyword at fault.
    pub fn compile(&self, spec: &Spec) -> Result<Arc<Compiled>, GrammarError> {
        let key = Key::of(spec);
        if let Some(hit) = self.cache.get(&key) {
            METRICS.grammar_cache_hits.inc();
            return hit;
        }
        let started = Instant::now();
        let result = self.compile_now(spec, started).map(Arc::new);
        METRICS.grammar_compile_seconds.observe(started.elapsed().as_secs_f64());
        self.cache.put(key, result.clone());
        result
    }

    fn compile_now(&self, spec: &Spec, started: Instant) -> Result<Compiled, GrammarError> {
        let mut findings = Vec::with_capacity(spec.schemas.len());
        let mut lowered = Vec::with_capacity(spec.schemas.len());
        for (name, document) in &spec.schemas {
            let one =
                lower_one(document, spec.order).map_err(|error| GrammarError::Schema { name: name.clone(), error })?;
            lowered.push((name.clone(), one));
            findings.push((name.clone(), Findings::of(document)));
        }
        let built = match lowered.as_slice() {
            // Why: reading Lark text takes several times as long as all the rest of a small schema.
            [(_, one)] if spec.lark == ALONE => self.alone(&one.rules),
            _ => {
                let mut grammars = vec![GrammarWithLexer::from_lark(spec.lark.clone())];
                grammars.extend(lowered.iter().map(|(name, one)| named(name, lark::write(&one.rules))));
                self.start(GrammarInit::Serialized(TopLevelGrammar { grammars, max_tokens: None }))
            }
        };
        match built {
            Ok(pristine) => {
                let closer = lowered.iter().find(|(name, _)| name == ANSWER && spec.places.is_empty());
                let closer = closer.map(|(_, one)| Arc::clone(&one.closer));
                let pristine = pristine
                    .closing_with(closer, self.factory.tok_env())
                    .guarded(Arc::new(places(spec, &lowered)), self.factory.tok_env());
                Ok(Compiled { pristine, findings, compile_time: started.elapsed(), cheapest: OnceLock::new() })
            }
            Err(message) => Err(self.blame(&lowered, &message)),
        }
    }

    /// Finds which schema made the compilation fail.
    fn blame(&self, lowered: &[(String, Lowered)], message: &str) -> GrammarError {
        for (name, one) in lowered {
            let Err(message) = self.alone(&one.rules) else { continue };
            tracing::debug!(%message, lark = lark::write(&one.rules), "a grammar does not compile");
            let kind = ErrorKind::TooComplex(first_line(&message));
            return GrammarError::Schema { name: name.clone(), error: SchemaError::at(Pointer::default(), kind) };
        }
        match lowered.first() {
            Some((name, _)) => GrammarError::Schema {
                name: name.clone(),
                error: SchemaError::at(Pointer::default(), ErrorKind::TooComplex(first_line(message))),
            },
            None => GrammarError::Grammar(first_line(message)),
        }
    }

    /// The matcher of an answer that is one value.
    fn alone(&self, rules: &Rules) -> Result<Matcher, String> {
        self.start(build(rules, self.factory.limits())?)
    }

    fn start(&self, grammar: GrammarInit) -> Result<Matcher, String> {
        let parser = self.factory.create_parser_from_init_default(grammar);
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

/// A schema as grammar, and what the guard has to watch in its values.
struct Lowered {
    rules: Rules,
    watches: Arc<Watches>,
    closer: Arc<Closer>,
}

fn lower_one(document: &Document, order: KeyOrder) -> Result<Lowered, SchemaError> {
    let (shapes, analysis) = lower(document, order)?;
    let Some(rules) = emit(&shapes) else {
        let kind = ErrorKind::Unsatisfiable("every value would have to hold another without end".to_owned());
        return Err(SchemaError::at(Pointer::default(), kind));
    };
    let watches = Arc::new(watch(&shapes, document, analysis.is_exact)?);
    let whole = if watches.root.is_some() { Check::of(document).ok().map(Arc::new) } else { None };
    Ok(Lowered { rules, watches, closer: Arc::new(Closer::new(shapes, whole)) })
}

/// What compiling one schema says about it, without a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether some of its keywords are left to the guard; keys written twice apart.
    pub needs_guard: bool,
    /// Symbols in its grammar's rules.
    pub grammar_size: usize,
}

/// Analyzes and lowers `document`, as compiling does.
///
/// # Errors
/// If the schema is refused.
pub fn summarize(document: &Document) -> Result<Summary, SchemaError> {
    let one = lower_one(document, KeyOrder::Declared)?;
    Ok(Summary { needs_guard: one.watches.root.is_some(), grammar_size: one.rules.size() })
}

fn places(spec: &Spec, lowered: &[(String, Lowered)]) -> Places {
    let find = |wanted: &str| lowered.iter().find(|(name, _)| name == wanted).map(|(_, one)| Arc::clone(&one.watches));
    Places {
        start: find(ANSWER),
        after: spec.places.iter().filter_map(|(text, name)| Some((text.clone(), find(name)?))).collect(),
    }
}

/// What became of keywords that are not enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Places of `format`s that no specification defines: annotations, as 2020-12 says.
    pub unknown_formats: Vec<Pointer>,
}

impl Findings {
    fn of(document: &Document) -> Self {
        let mut unknown_formats = Vec::new();
        let _: Result<(), ()> = walk::try_visit(document.value(), &mut |at, schema| {
            if let Some(Value::String(name)) = schema.get("format")
                && formats::lookup(name).is_none()
            {
                unknown_formats.push(at.child("format"));
            }
            Ok(())
        });
        Self { unknown_formats }
    }
}

fn named(name: &str, lark: String) -> GrammarWithLexer {
    GrammarWithLexer { name: Some(name.to_owned()), lark_grammar: Some(lark), ..GrammarWithLexer::default() }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(300).collect()
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("budget", &self.budget).finish_non_exhaustive()
    }
}
