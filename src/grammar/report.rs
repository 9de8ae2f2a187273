//! What becomes of a schema: each keyword's fate, what its grammar costs, and what OpenAI's strict mode would say.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::blame::blame;
use super::{ANSWER, Compiler, GrammarError, Spec, summarize};
use crate::guard::Check;
use crate::schema::{Deadline, Document, Keywords, SchemaError, StrictFinding, keywords, strict};
pub use crate::schema::{Fate, KeywordFate};

/// Processor time that a report may take beside the compilation.
const MAX_TIME: Duration = Duration::from_secs(2);

/// What becomes of a schema that is enforced.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Every keyword that is no mere structure, in the schema's order.
    pub keywords: Vec<KeywordFate>,
    /// Whether there are more keywords than are listed.
    pub is_cut: bool,
    /// Whether some keywords are left to the guard.
    pub needs_guard: bool,
    /// The symbols in the grammar's rules.
    pub grammar_size: usize,
    /// How long the compilation took.
    pub compile_ms: f64,
    /// The tokens of the shortest valid answer, where it is known.
    pub cheapest_tokens: Option<usize>,
    /// What OpenAI's strict mode would refuse.
    pub strict: Vec<StrictFinding>,
}

/// Reports on a document that was compiled.
///
/// # Errors
/// If the schema is refused.
pub fn report(document: &Document, compile_ms: f64, cheapest_tokens: Option<usize>) -> Result<Report, SchemaError> {
    let deadline = Deadline::after(MAX_TIME);
    let summary = summarize(document, &deadline)?;
    let Keywords { list: mut keywords, is_cut } = keywords(document);
    if summary.needs_guard {
        blame(document, &mut keywords, &deadline);
    }
    Ok(Report {
        keywords,
        is_cut,
        needs_guard: summary.needs_guard,
        grammar_size: summary.grammar_size,
        compile_ms,
        cheapest_tokens,
        strict: strict(document.value()),
    })
}

/// Compiles `document` as a whole answer, and reports on it. Blocks for up to seconds: not for async code.
///
/// # Errors
/// As [`Compiler::compile`].
pub fn examine(compiler: &Compiler, document: &Arc<Document>) -> Result<Report, GrammarError> {
    let refused = |error| GrammarError::Schema { name: ANSWER.to_owned(), error };
    let compiled = compiler.compile(&Spec::value(Arc::clone(document)))?;
    // Why: serving needs the independent check too, and refuses what it does not take.
    Check::of(document).map_err(|error| refused(error.into()))?;
    let compile_ms = compiled.compile_time.as_secs_f64() * 1e3;
    report(document, compile_ms, compiled.cheapest_tokens()).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Limits;
    use serde_json::{Value, json};

    fn guarded(schema: Value) -> Vec<String> {
        let document = Document::parse(schema, Limits::default()).expect("a valid schema");
        let report = report(&document, 0.0, None).expect("it is enforced");
        let guarded = report.keywords.into_iter().filter(|keyword| keyword.fate == Fate::Guard);
        let guarded: Vec<String> = guarded.map(|keyword| keyword.pointer).collect();
        assert_eq!(!guarded.is_empty(), report.needs_guard, "{guarded:?}");
        guarded
    }

    #[test]
    fn finds_what_is_left_to_the_guard() {
        let strings = json!({"type": "array", "items": {"type": "string"}});
        let integers = json!({"type": "integer"});
        let counted = json!({"type": "array", "items": integers, "contains": {"minimum": 5}, "maxContains": 2});
        for (schema, expected) in [
            (
                json!({"type": "object", "properties": {"a": strings, "b": {"type": "string", "format": "date"}}}),
                vec![],
            ),
            (json!({"properties": {"a": {"type": "array", "uniqueItems": true}}}), vec!["/properties/a/uniqueItems"]),
            (json!({"type": "string", "format": "email", "title": "x"}), vec!["/format"]),
            (counted.clone(), vec!["/contains", "/maxContains"]),
            (
                json!({"type": "object", "properties": {
                    "a": {"allOf": [counted.clone()]}, "b": {"type": "array", "uniqueItems": true},
                    "c": {"type": "array", "items": integers, "contains": {"maximum": 5}, "maxContains": 2}
                }}),
                vec!["/properties/a/allOf/0/maxContains", "/properties/b/uniqueItems", "/properties/c/maxContains"],
            ),
        ] {
            assert_eq!(guarded(schema.clone()), expected, "{schema}");
        }
    }
}
