//! Specs to compiled grammars: under a budget, off the engine's thread, cached by content.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use llguidance::ParserFactory;
use llguidance::api::{GrammarInit, GrammarWithLexer, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::InferenceCapabilities;
use serde_json::Value;

use super::build::build;
use super::cache::{Cache, Key};
use super::close::{self, Answer, PartsCloser};
use super::lower::Thrift;
use super::piece::{Grammar, Piece};
use super::spec::{ALONE, ANSWER, Call, NamedSchema, Spec, Style, Texts};
use super::warm::{Kept, MAX_PER_GRAMMAR, Warm};
use super::{Matcher, Vocab};
use crate::guard::{Encoding, Form, Frame, Opening, Places, Structured};
use crate::schema::{Deadline, Document, ErrorKind, Pointer, SchemaError, formats, walk};
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

/// A grammar ready to be followed.
#[derive(Debug)]
pub struct Compiled {
    pristine: Matcher,
    warm: Warm,
    cheapest: OnceLock<Option<usize>>,
    least_tokens: usize,
    /// How values are written, per schema name, where they are not written as JSON.
    pub encodings: HashMap<String, Arc<Encoding>>,
    /// What is not enforced, per schema name.
    pub findings: Vec<(String, Findings)>,
    /// How long the compilation took.
    pub compile_time: Duration,
}

impl Compiled {
    /// Makes the matcher of a new sequence.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        match self.warm.fork() {
            Some((parser, work)) => self.pristine.with_parser(parser, work),
            None => self.pristine.fork(),
        }
    }

    /// Takes back a matcher that [`Compiled::matcher`] made, when its sequence is over: what its lexer has met makes
    /// the masks of the next sequences quicker.
    pub fn give_back(&self, matcher: Matcher) {
        let (parser, work) = matcher.into_parser();
        self.warm.give_back(parser, work);
    }

    /// No valid answer has fewer tokens, as far as answers are one value. Most have more.
    #[must_use]
    pub fn least_tokens(&self) -> usize {
        self.least_tokens
    }

    /// The tokens of the shortest valid answer that is known.
    ///
    /// Looks through the schema when it is first called: not for the engine's thread.
    pub fn cheapest_tokens(&self) -> Option<usize> {
        *self.cheapest.get_or_init(|| self.pristine.prepare_closing())
    }
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
/// If the schema is refused, or takes too long.
pub fn summarize(document: &Document, deadline: &Deadline) -> Result<Summary, SchemaError> {
    let one = Piece::of(document, (Style::default(), None), Thrift::Ordinary, deadline)?;
    Ok(Summary { needs_guard: one.watches.root.is_some(), grammar_size: one.grammar.size() })
}

/// The schemas of a spec with their names.
type Pieces = Vec<(String, Arc<Piece>)>;

/// Each call asks for its schema, and there may be hundreds.
fn by_name(pieces: &Pieces) -> HashMap<&str, &Piece> {
    pieces.iter().map(|(name, piece)| (name.as_str(), piece.as_ref())).collect()
}

fn places(spec: &Spec, pieces: &Pieces) -> Places {
    let pieces = by_name(pieces);
    let opening = |first: Frame, head: Frame, schema: &str| {
        let piece = pieces.get(schema)?;
        Some(Opening { head, first, watches: Arc::clone(&piece.watches), encoding: piece.grammar.encoding().cloned() })
    };
    let calls = spec.calls.iter().flat_map(|calls| calls.each.iter().map(move |call| (&calls.begin, call)));
    let opened = |(begin, call): (&Frame, &Call)| opening(begin.then(&call.head), call.head.clone(), &call.schema);
    let mut after: Vec<_> = calls.filter_map(opened).collect();
    let mut start = pieces.get(ANSWER).map(|piece| Arc::clone(&piece.watches));
    if !spec.around.0.is_empty() {
        start = None;
        let open = Frame::bytes(spec.around.0.as_slice());
        after.extend(opening(open.clone(), open, ANSWER));
    }
    let structure = match &spec.text {
        Some(Texts::Parts(parts)) => {
            let watches = parts.named().filter_map(|name| Some(Arc::clone(&pieces.get(name.as_str())?.watches)));
            let encoding = |name: &str| pieces.get(name)?.grammar.encoding();
            let (structure, watches) = (parts.encoded(encoding), watches.collect());
            Some(Structured { structure, watches, n_before: spec.around.0.len() })
        }
        _ => None,
    };
    Places { preamble: spec.preamble.clone(), start, after, structure }
}

fn endings(spec: &Spec, pieces: &Pieces) -> Answer {
    let pieces = by_name(pieces);
    let find = |wanted: &str| {
        let piece = pieces.get(wanted)?;
        Some((Arc::clone(&piece.closer), piece.grammar.encoding().cloned()))
    };
    let calls = spec.calls.as_ref().map(|calls| {
        let one = |call: &Call| {
            let (closer, encoding) = find(&call.schema)?;
            Some(close::Call::new(call.head.clone(), close::Arguments { closer, encoding }, call.tail.clone()))
        };
        close::Calls {
            lead: calls.lead.clone(),
            marker: calls.marker.clone(),
            begin: calls.begin.clone(),
            between: calls.between.clone(),
            end: calls.end.clone(),
            prose: calls.prose,
            each: calls.each.iter().filter_map(one).collect(),
        }
    });
    let text = spec.text.as_ref().and_then(|texts| match texts {
        Texts::In(lang) => close::Text::within(lang),
        Texts::Derived(cfg) => Some(close::Text::Derived(Arc::clone(cfg))),
        Texts::Parts(parts) => {
            let value = |name: String| {
                let (closer, encoding) = find(&name)?;
                Some((close::Arguments { closer, encoding }, pieces.get(name.as_str())?.least_bytes))
            };
            let values = parts.named().filter_map(value).collect();
            let structure = parts.encoded(|name| pieces.get(name)?.grammar.encoding());
            Some(close::Text::Parts(Box::new(PartsCloser::new(Arc::clone(parts), structure, values))))
        }
    });
    let value = find(ANSWER).map(|(closer, _)| closer);
    Answer::new(spec.preamble.clone(), value, calls, text, spec.around.clone())
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
