//! Context-free grammars from strangers: read from GBNF or Lark, written for llguidance, and followed by a parser of
//! their own, which finds endings and judges finished texts.
//!
//! The readers (`gbnf`, `lark`) give expressions by name; [`Cfg`] has them as rules over terminals, each a regular
//! language. `write` makes Lark of it, as it stands or inside a JSON string; `machine` breaks terminals down to
//! characters, `chart` parses with that (Earley's algorithm), `ending` finds the shortest way to the end.

mod build;
mod chart;
mod common;
mod ending;
mod expr;
mod gbnf;
mod language;
mod lark;
mod machine;
mod reader;
mod regex;
mod shortest;
mod write;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use lru::LruCache;

use build::{Built, build};
use chart::Chart;
pub(super) use ending::range_of;
use expr::Named;
use machine::Machine;

use crate::schema::pattern::Lang;

/// Bytes of a grammar.
const MAX_BYTES: usize = 256 << 10;
/// Symbols in all rules, and parts in all terminals.
const MAX_SIZE: usize = 200_000;
/// How deep groups nest.
const MAX_DEPTH: usize = 64;

/// Why a text is no grammar that is followed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CfgError {
    /// It is no grammar.
    #[error("{0}")]
    Invalid(String),
    /// It is one, but says something that is not expressed here.
    #[error("{0}")]
    Unsupported(String),
}

/// A context-free grammar.
#[derive(Debug)]
pub struct Cfg {
    /// Each rule's alternatives. The first rule is the start.
    rules: Vec<Vec<Vec<Symbol>>>,
    terminals: Vec<Lang>,
    /// None where terminals need intersections or complements, or the grammar is too large for it.
    machine: Option<Machine>,
    /// No other grammar of this process has it.
    id: u64,
    /// From this length on no ending is looked for.
    gave_up_at: AtomicUsize,
}

/// The last parses of the grammars that were followed last: the next text mostly goes on where the last one ended. One
/// for all grammars, so that what strangers send has one bound.
static CHARTS: LazyLock<Mutex<LruCache<u64, Chart>>> = LazyLock::new(|| Mutex::new(LruCache::new(MAX_CHARTS)));
/// How many parses are kept; each has a bound, too.
const MAX_CHARTS: NonZeroUsize = NonZeroUsize::new(8).expect("it is not zero");
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Part of an alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Symbol {
    Rule(usize),
    Terminal(usize),
    Repeat(Box<Symbol>, u32, Option<u32>),
}

/// What a text is in a grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It derives the text.
    Derived,
    /// It does not.
    NotDerived,
    /// That takes longer than it may to find out, or terminals are no plain regular expressions.
    Unknown,
}

/// Whether `text` is GBNF, and not Lark: its first definition says.
#[must_use]
pub fn is_gbnf(text: &str) -> bool {
    let is_definition = |line: &&str| !line.is_empty() && !["#", "//", "%"].iter().any(|sign| line.starts_with(sign));
    let mut lines = text.lines().map(str::trim).filter(is_definition);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-?!.".contains(c);
    let behind = lines.next().unwrap_or_default().trim_start_matches(is_name).trim_start();
    // Why the next: GBNF lets a line end stand there.
    if behind.is_empty() { lines.next().unwrap_or_default().starts_with("::=") } else { behind.starts_with("::=") }
}

impl Cfg {
    /// Reads GBNF or Lark.
    ///
    /// # Errors
    /// With the line and what is wrong there.
    pub fn read(text: &str) -> Result<Self, CfgError> {
        if is_gbnf(text) { Self::gbnf(text) } else { Self::lark(text) }
    }

    /// Reads GBNF, llama.cpp's notation.
    ///
    /// # Errors
    /// As [`Cfg::read`].
    pub fn gbnf(text: &str) -> Result<Self, CfgError> {
        Self::of(&gbnf::read(checked(text)?)?, "root")
    }

    /// Reads Lark.
    ///
    /// # Errors
    /// As [`Cfg::read`].
    pub fn lark(text: &str) -> Result<Self, CfgError> {
        Self::of(&lark::read(checked(text)?)?, "start")
    }

    fn of(named: &Named, start: &str) -> Result<Self, CfgError> {
        let Built { rules, terminals } = build(named, start)?;
        let made = Self::new(rules, terminals);
        if made.machine.as_ref().is_some_and(Machine::is_empty) {
            return Err(CfgError::Invalid("the grammar derives no text: its rules never come to an end".to_owned()));
        }
        Ok(made)
    }

    fn new(rules: Vec<Vec<Vec<Symbol>>>, terminals: Vec<Lang>) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let machine = Machine::of(&rules, &terminals);
        Self { rules, terminals, machine, id, gave_up_at: AtomicUsize::new(usize::MAX) }
    }

    /// Whether the grammar derives `text`.
    #[must_use]
    pub fn judge(&self, text: &str) -> Judgement {
        let judged = self.with_chart(|machine, chart| chart.read(machine, text).then(|| chart.is_accepting(machine)));
        match judged {
            None => Judgement::Unknown,
            Some((Some(true), _)) => Judgement::Derived,
            Some((_, true)) => Judgement::Unknown,
            Some((_, false)) => Judgement::NotDerived,
        }
    }

    /// A short ending of `text`, which may break off inside a character; `None` if none is known.
    pub(super) fn ending(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.end(text, ending::of_text)
    }

    /// The same of the content of a JSON string that is open, without its closing quote.
    pub(super) fn ending_in_string(&self, content: &[u8]) -> Option<Vec<u8>> {
        self.end(content, ending::of_string)
    }

    fn end(&self, text: &[u8], find: impl FnOnce(&Machine, &mut Chart, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        // Why: endings are asked for again with each token, and each time it would take as long to give up.
        if text.len() >= self.gave_up_at.load(Ordering::Relaxed) {
            return None;
        }
        let (found, is_too_long) = self.with_chart(|machine, chart| find(machine, chart, text))?;
        if is_too_long {
            self.gave_up_at.fetch_min(text.len(), Ordering::Relaxed);
        }
        found
    }

    /// Works with the last parse. Also says whether it was too long for it.
    fn with_chart<T>(&self, work: impl FnOnce(&Machine, &mut Chart) -> T) -> Option<(T, bool)> {
        let machine = self.machine.as_ref()?;
        let charts = || CHARTS.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = charts().pop(&self.id);
        let mut chart = kept.unwrap_or_else(|| Chart::new(machine));
        let done = work(machine, &mut chart);
        let is_too_long = chart.is_too_long();
        let dropped = match chart.is_small() && !is_too_long {
            true => charts().push(self.id, chart).map(|(_, chart)| chart),
            false => Some(chart),
        };
        // Why here: it takes a while, and nobody shall wait for it.
        drop(dropped);
        Some((done, is_too_long))
    }
}

fn checked(text: &str) -> Result<&str, CfgError> {
    if text.len() > MAX_BYTES {
        return Err(CfgError::Invalid(format!("the grammar has {} bytes, more than {MAX_BYTES}", text.len())));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
