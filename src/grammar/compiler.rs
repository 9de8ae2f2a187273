//! Specs to compiled grammars: under a budget, off the engine's thread, cached by content.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use llguidance::ParserFactory;
use llguidance::api::{GrammarInit, GrammarWithLexer, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::InferenceCapabilities;

use super::build::build;
use super::cache::{Cache, Key};
use super::compiled::{Compiled, Findings};
use super::joined::{Pieces, endings, places};
use super::lower::Thrift;
use super::piece::{Grammar, Piece};
use super::spec::{ALONE, ANSWER, NamedSchema, Spec, Style};
use super::warm::{Kept, MAX_PER_GRAMMAR, Warm};
use super::{Matcher, Vocab};
use crate::guard::Form;
use crate::schema::{Deadline, Document, ErrorKind, Pointer, SchemaError};
use crate::telemetry::metrics::METRICS;

/// The stack that compiling a schema from a stranger may take: what it refers to nests as deep as it is long. Only what
/// is used is taken from the machine.
pub const STACK_BYTES: usize = 256 << 20;

/// Bounds on what one grammar may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Symbols in the grammar's productions.
    pub max_grammar_size: usize,
    /// States of the lexer, each one to two kilobytes.
    pub max_lexer_states: usize,
    /// Alternatives that are followed at once.
    pub max_items_in_row: usize,
    /// Processor time of one compilation.
    pub time: Duration,
    /// Text of all compiled grammars that are kept, and once more of the pieces that they are joined from.
    pub cache_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_grammar_size: 300_000,
            max_lexer_states: 50_000,
            max_items_in_row: 20_000,
            time: Duration::from_secs(2),
            cache_bytes: 2 << 20,
        }
    }
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
}

/// Compiles specs for one vocabulary.
pub struct Compiler {
    factory: ParserFactory,
    cache: Cache<Result<Arc<Compiled>, GrammarError>>,
    pieces: Cache<Result<Arc<Piece>, SchemaError>>,
    budget: Budget,
    /// Lexer work that compiled grammars keep.
    kept: Kept,
}

impl Compiler {
    /// Makes a compiler for `vocab`.
    ///
    /// # Errors
    /// If llguidance cannot work with the vocabulary.
    pub fn new(vocab: &Vocab, budget: Budget) -> Result<Self, GrammarError> {
        let capabilities = InferenceCapabilities { ff_tokens: vocab.is_canonical(), ..Default::default() };
        let mut factory = ParserFactory::new(vocab.env(), capabilities, &SlicedBiasComputer::json_slices())
            .map_err(|e| GrammarError::Grammar(e.to_string()))?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.max_grammar_size = budget.max_grammar_size;
        // Why more: what a sequence takes over from others must not cost it states of its own.
        limits.max_lexer_states = budget.max_lexer_states + usize::try_from(MAX_PER_GRAMMAR).unwrap_or(0);
        // Why: alternatives that begin alike stand side by side in one row; thousands of them are real.
        limits.max_items_in_row = budget.max_items_in_row;
        limits.step_max_items = budget.max_items_in_row * 10;
        // Why: a pattern beside a length makes an automaton of their product, built while it is walked.
        limits.step_lexer_fuel = 600_000;
        limits.verbose_errors = false;
        Ok(Self {
            factory,
            cache: Cache::new(budget.cache_bytes),
            pieces: Cache::new(budget.cache_bytes),
            budget,
            kept: Kept::default(),
        })
    }

    /// The budget that was given.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Compiles `spec`, or finds it in the cache. Blocks for up to seconds, and schemas from strangers need a thread
    /// with [`STACK_BYTES`]: not for async code.
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
        let deadline = Deadline::after(self.budget.time);
        let pieces = self.pieces(spec, Thrift::Ordinary, &deadline)?;
        let (pieces, built) = match self.join(spec, &pieces) {
            Ok(matcher) => (pieces, Ok(matcher)),
            Err(_) => {
                // Why: strings may cost far more than they look; then the guard takes what the mask cannot.
                let pieces = self.pieces(spec, Thrift::Strict, &deadline)?;
                let built = self.join(spec, &pieces);
                (pieces, built)
            }
        };
        let pristine = built.map_err(|message| self.blame(&pieces, &message))?;
        let answer = pieces.iter().find(|(name, _)| name == ANSWER && spec.calls.is_none()).map(|(_, piece)| piece);
        let pristine = pristine
            .closing_with(endings(spec, &pieces), self.factory.tok_env())
            .guarded(Arc::new(places(spec, &pieces)), self.factory.tok_env());
        let encoding =
            |(name, piece): &(String, Arc<Piece>)| Some((name.clone(), Arc::clone(piece.grammar.encoding()?)));
        let encodings = pieces.iter().filter_map(encoding).collect();
        let longest_token = self.factory.tok_env().tok_trie().max_token_len().max(1) as u64;
        let least_bytes = answer.map_or(0, |piece| piece.least_bytes);
        Ok(Compiled {
            pristine,
            warm: Warm::new(&self.kept),
            encodings,
            findings: spec.schemas.iter().map(|one| (one.name.clone(), Findings::of(&one.document))).collect(),
            compile_time: started.elapsed(),
            cheapest: OnceLock::new(),
            least_tokens: usize::try_from(least_bytes.div_ceil(longest_token)).unwrap_or(usize::MAX),
        })
    }

    /// The schemas of `spec`, each by itself.
    fn pieces(&self, spec: &Spec, thrift: Thrift, deadline: &Deadline) -> Result<Pieces, GrammarError> {
        let one = |NamedSchema { name, document, form }: &NamedSchema| {
            let form = (spec.style, form.as_ref());
            let piece = match spec.schemas.len() {
                // Why: the grammar of a schema that stands alone is kept itself.
                1 => Piece::of(document, form, thrift, deadline).map(Arc::new),
                _ => self.piece(document, form, thrift, deadline),
            };
            let input = spec.inputs.iter().find(|(of, _)| of == name).map(|(_, cfg)| cfg);
            match piece {
                Ok(piece) => Ok((name.clone(), input.map_or(piece.clone(), |cfg| Arc::new(piece.with_input(cfg))))),
                Err(error) => Err(GrammarError::Schema { name: name.clone(), error }),
            }
        };
        spec.schemas.iter().map(one).collect()
    }

    /// The matcher of the whole answer.
    fn join(&self, spec: &Spec, pieces: &Pieces) -> Result<Matcher, String> {
        match pieces.as_slice() {
            // Why: reading Lark text takes several times as long as all the rest of a small schema.
            [(_, piece)] if spec.lark == ALONE => self.alone(&piece.grammar),
            _ => {
                let mut grammars = vec![GrammarWithLexer::from_lark(spec.lark.clone())];
                // Why: values of one kind have one grammar, whichever tool they belong to.
                let mut values: BTreeMap<&str, &str> = BTreeMap::new();
                for (name, piece) in pieces {
                    let (lark, named_in_it) = piece.grammar.lark();
                    grammars.push(named(name, lark));
                    values.extend(named_in_it.iter().map(|(name, lark)| (name.as_str(), lark.as_str())));
                }
                grammars.extend(values.into_iter().map(|(name, lark)| named(name, lark.to_owned())));
                grammars.extend(spec.grammars.iter().map(|(name, lark)| named(name, lark.clone())));
                self.start(GrammarInit::Serialized(TopLevelGrammar { grammars, max_tokens: None }))
            }
        }
    }

    /// One schema of several, or finds it in the cache: when one tool changes, the others are there already.
    fn piece(
        &self,
        document: &Document,
        form: (Style, Option<&Form>),
        thrift: Thrift,
        deadline: &Deadline,
    ) -> Result<Arc<Piece>, SchemaError> {
        let key = Key::of_piece(document, form, thrift);
        if let Some(hit) = self.pieces.get(&key) {
            METRICS.grammar_piece_hits.inc();
            return hit;
        }
        let piece = Piece::of(document, form, thrift, deadline).map(Arc::new);
        // Why: time ran out for all pieces together, which says nothing of the last one.
        if deadline.look().is_ok() {
            self.pieces.put(key, piece.clone());
        }
        piece
    }

    /// Finds which schema made the compilation fail.
    fn blame(&self, pieces: &Pieces, message: &str) -> GrammarError {
        for (name, piece) in pieces {
            let Err(message) = self.alone(&piece.grammar) else { continue };
            tracing::debug!(%message, lark = piece.grammar.lark().0, "a grammar does not compile");
            let kind = ErrorKind::TooComplex(first_line(&message));
            return GrammarError::Schema { name: name.clone(), error: SchemaError::at(Pointer::default(), kind) };
        }
        match pieces.first() {
            Some((name, _)) => GrammarError::Schema {
                name: name.clone(),
                error: SchemaError::at(Pointer::default(), ErrorKind::TooComplex(first_line(message))),
            },
            None => GrammarError::Grammar(first_line(message)),
        }
    }

    /// The matcher of an answer that is one value.
    fn alone(&self, grammar: &Grammar) -> Result<Matcher, String> {
        match grammar {
            Grammar::Json(rules) => self.start(build(rules, self.factory.limits())?),
            Grammar::Other(written) => {
                let all = std::iter::once(GrammarWithLexer::from_lark(written.lark.clone()));
                let values = written.values.iter().map(|(name, lark)| named(name, lark.clone()));
                let grammars = all.chain(values).collect();
                self.start(GrammarInit::Serialized(TopLevelGrammar { grammars, max_tokens: None }))
            }
            Grammar::Input(lark) => {
                let grammars = vec![GrammarWithLexer::from_lark(lark.clone())];
                self.start(GrammarInit::Serialized(TopLevelGrammar { grammars, max_tokens: None }))
            }
        }
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
