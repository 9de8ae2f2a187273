//! What compiling gives: a grammar that is ready to be followed, and what is known of its schemas.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;

use super::lower::Thrift;
use super::piece::Piece;
use super::warm::Warm;
use super::{Matcher, Style};
use crate::guard::Encoding;
use crate::schema::{Deadline, Document, Pointer, SchemaError, formats, walk};

/// A grammar ready to be followed.
#[derive(Debug)]
pub struct Compiled {
    pub(super) pristine: Matcher,
    pub(super) warm: Warm,
    pub(super) cheapest: OnceLock<Option<usize>>,
    pub(super) least_tokens: usize,
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

/// What became of keywords that are not enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Places of `format`s that no specification defines: annotations, as 2020-12 says.
    pub unknown_formats: Vec<Pointer>,
}

impl Findings {
    pub(super) fn of(document: &Document) -> Self {
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
