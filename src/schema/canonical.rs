//! A document in the normal form of `jsonschema::canonical`: boolean-free, references resolved, contradictions found.
//!
//! What that form cannot model is loosened here until it can, one subschema at a time, and the document is then marked:
//! its finished values need a look at the schema itself.

use jsonschema::canonical::{self, CanonicalSchema, CanonicalView, CanonicalizationError, Cause, UnsatisfiableReason};
use serde_json::Value;

use super::loosen::{drop_unevaluated, has_combined_condition, keep_type, loosen, positive_part, replace};
use super::walk::find_in_patterns;
use super::width::too_wide;
use super::{Deadline, Document, ErrorKind, Pointer, SchemaError, pattern};

/// A document's normal form.
#[derive(Debug)]
pub struct Analysis {
    /// It allows every value that the document allows.
    pub canonical: CanonicalSchema,
    /// Whether it allows no others.
    pub is_exact: bool,
    /// Where it was loosened.
    pub loosened: Vec<Pointer>,
}

/// How many subschemas may be loosened before the whole document is.
const MAX_LOOSENED: usize = 256;
/// How often a document is looked through for what has too many cases.
const MAX_WIDE_ROUNDS: usize = 8;

/// Finds the normal form of `document`.
///
/// # Errors
/// If a reference leads nowhere, a pattern is none, no value satisfies the document, or the time is over.
pub fn analyze(document: &Document, deadline: &Deadline) -> Result<Analysis, SchemaError> {
    if let Some((at, pattern, fault)) = find_in_patterns(document.value(), pattern::fault) {
        return Err(no_pattern(at, pattern, &format!(": {fault}")));
    }
    let mut loosened: Vec<Pointer> = Vec::new();
    let mut value = document.value().clone();
    if has_combined_condition(&value) {
        loosened.extend(drop_unevaluated(&mut value));
    }
    for _ in 0..MAX_WIDE_ROUNDS {
        let wide = too_wide(&value);
        if wide.is_empty() {
            break;
        }
        for place in wide {
            loosened.push(loosen(&mut value, &place));
        }
        drop_unevaluated(&mut value);
    }
    let mut n_loosened = 0;
    loop {
        let canonical = match canonicalize(document, &value) {
            // Why: a reference may lead into what was left out.
            Err(SchemaError { kind: ErrorKind::Unresolvable(_), .. })
                if loosened.last().is_some_and(|place| !place.parts().is_empty()) =>
            {
                value = keep_type(document.value());
                loosened.push(Pointer::default());
                canonicalize(document, &value)?
            }
            canonical => canonical?,
        };
        deadline.look()?;
        let raw = match canonical.view() {
            CanonicalView::Raw(raw) => raw,
            CanonicalView::False => return Err(unsatisfiable(document, &value)),
            _ => return Ok(Analysis { canonical, is_exact: loosened.is_empty(), loosened }),
        };
        let place = raw.pointer.map(|pointer| positive_part(&Pointer::parse(&pointer), &value)).unwrap_or_default();
        n_loosened += 1;
        let is_late = deadline.is_half_over();
        let is_stuck = is_late || n_loosened > MAX_LOOSENED || loosened.contains(&place) || place.parts().is_empty();
        let place = if is_stuck { Pointer::default() } else { place };
        replace(&mut value, &place);
        drop_unevaluated(&mut value);
        loosened.push(place);
    }
}

fn options(document: &Document) -> canonical::CanonicalizeOptions<'_> {
    let mut options = canonical::options()
        .with_registry(document.store().registry())
        .with_retriever(super::store::NoDocuments)
        .should_validate_formats(true);
    if let Some(draft) = document.forced_draft() {
        options = options.with_draft(draft);
    }
    options
}

fn canonicalize(document: &Document, value: &Value) -> Result<CanonicalSchema, SchemaError> {
    options(document).canonicalize(value).map_err(|error| refusal(document, error))
}

fn refusal(document: &Document, error: CanonicalizationError) -> SchemaError {
    let root = Pointer::default();
    match error {
        CanonicalizationError::ReferenceResolution(error) => {
            SchemaError::at(root, ErrorKind::Unresolvable(error.to_string()))
        }
        CanonicalizationError::InvalidPattern { pattern } => {
            let at = super::walk::find_pattern(document.value(), &pattern).unwrap_or_default();
            no_pattern(at, pattern, "")
        }
        CanonicalizationError::ValidationError(error) => SchemaError::at(
            Pointer::parse(error.instance_path().as_str()),
            ErrorKind::Malformed(error.to_string().chars().take(300).collect()),
        ),
        other => SchemaError::at(root, ErrorKind::Other(other.to_string())),
    }
}

fn no_pattern(at: Pointer, pattern: String, fault: &str) -> SchemaError {
    let kind = ErrorKind::Pattern { pattern, why: format!("it is no regular expression of ECMA-262{fault}") };
    let keyword = at.parts().last().cloned();
    SchemaError { pointer: at, keyword, kind }
}

/// Names the contradiction.
fn unsatisfiable(document: &Document, value: &Value) -> SchemaError {
    let reasons = options(document).prepare(value).and_then(|prepared| prepared.unsatisfiable()).unwrap_or_default();
    let mut at = Pointer::default();
    let mut keyword = None;
    let mut why = "it contradicts itself".to_owned();
    // Why: a reason may name another place; it is followed to where the contradiction is written.
    for _ in 0..=reasons.len() {
        let causes = match reasons.get(&at.to_string()) {
            Some(UnsatisfiableReason::Literal) => {
                why = "'false' stands here".to_owned();
                break;
            }
            Some(UnsatisfiableReason::Empty(cause)) => vec![cause.clone()],
            Some(UnsatisfiableReason::Conflict(causes)) => causes.clone(),
            None => break,
        };
        // Why: a key that must be there and whose value cannot be is the contradiction itself.
        let required = at.child("required");
        let names = document.value().pointer(&required.to_string()).and_then(Value::as_array);
        let inner = names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|name| at.child("properties").child(name))
            .find(|inner| reasons.contains_key(&inner.to_string()));
        if let Some(inner) = inner {
            at = inner;
            continue;
        }
        why = format!("{} contradict each other", list(&causes));
        keyword = causes.first().and_then(|cause| cause.keywords.first().cloned());
        match causes.as_slice() {
            [only] if Pointer::parse(&only.pointer) != at => at = Pointer::parse(&only.pointer),
            [only] => {
                why = format!("{} allows nothing", list(std::slice::from_ref(only)));
                break;
            }
            _ => break,
        }
    }
    let pointer = keyword.as_ref().map_or_else(|| at.clone(), |keyword| at.child(keyword.clone()));
    SchemaError { pointer, keyword, kind: ErrorKind::Unsatisfiable(why) }
}

fn list(causes: &[Cause]) -> String {
    let names: Vec<String> = causes
        .iter()
        .map(|cause| match cause.keywords.as_slice() {
            [] => format!("'#{}'", cause.pointer),
            keywords => format!("'{}' at '#{}'", keywords.join("', '"), cause.pointer),
        })
        .collect();
    names.join(" and ")
}
