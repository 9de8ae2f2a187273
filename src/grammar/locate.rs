//! Names the keyword that made a schema's compilation fail: llguidance says what is wrong, but not where.
//!
//! The deepest subschema that fails on its own is at fault, and in it the keyword without which it compiles.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::schema::walk::try_visit;
use crate::schema::{Document, ErrorKind, Pointer, SchemaError};

/// Why llguidance refuses a keyword, where that is known without asking it, and what to do instead.
const REFUSED: [(&str, &str); 16] = [
    ("not", "say what is allowed instead of what is not"),
    ("if", "write the cases as 'anyOf'"),
    ("then", "write the cases as 'anyOf'"),
    ("else", "write the cases as 'anyOf'"),
    ("uniqueItems", "distinct items are not tracked; leave it out and check afterwards"),
    ("dependencies", "write the cases as 'anyOf'"),
    ("dependentRequired", "write the cases as 'anyOf'"),
    ("dependentSchemas", "write the cases as 'anyOf'"),
    ("contains", "give the position with 'prefixItems', or restrict 'items'"),
    ("minContains", "give the position with 'prefixItems', or restrict 'items'"),
    ("maxContains", "give the position with 'prefixItems', or restrict 'items'"),
    ("propertyNames", "use 'patternProperties' with 'additionalProperties': false"),
    ("unevaluatedProperties", "use 'additionalProperties' beside the 'properties'"),
    ("unevaluatedItems", "use 'items' beside the 'prefixItems'"),
    ("$dynamicRef", "use '$ref'"),
    ("$recursiveRef", "use '$ref'"),
];

/// Looks for the keyword at fault for at most `time`; `attempt` compiles a schema and returns the complaint.
pub(super) fn locate(
    document: &Document,
    lowered: &Value,
    whole_message: &str,
    time: Duration,
    attempt: &dyn Fn(&Value) -> Option<String>,
) -> SchemaError {
    let deadline = Instant::now() + time;
    let whole = || SchemaError::at(Pointer::default(), kind_of(whole_message, None));
    // Children come after parents, so that the last that fails is among the deepest.
    let mut places = Vec::new();
    let _ = try_visit(lowered, &mut |at, schema| {
        places.push((at.clone(), schema.clone()));
        Ok::<(), ()>(())
    });
    let mut culprit = None;
    for (at, schema) in places.into_iter().rev() {
        if Instant::now() > deadline {
            return whole();
        }
        let standalone = with_definitions(&schema, lowered);
        let Some(message) = attempt(&standalone) else { continue };
        // Why: a part that no value satisfies is nothing wrong, unless that is what the whole complains of.
        if is_unsatisfiable(&message)
            && (!is_unsatisfiable(whole_message) || schema.is_boolean())
            && !at.parts().is_empty()
        {
            continue;
        }
        if !at.parts().is_empty() && leads_elsewhere(&schema) && message.contains("ref") {
            continue;
        }
        culprit = Some((at, standalone, message));
        break;
    }
    let Some((at, standalone, message)) = culprit else { return whole() };
    let Value::Object(map) = &standalone else { return SchemaError::at(at, kind_of(&message, None)) };
    for keyword in candidates(document, &at, map) {
        if Instant::now() > deadline {
            break;
        }
        let mut without = map.clone();
        let removed = without.remove(&keyword);
        let fixed = match attempt(&Value::Object(without)) {
            None => true,
            Some(other) => other != message && REFUSED.iter().any(|(name, _)| *name == keyword),
        };
        if fixed {
            // Why: a format was lowered to a pattern; the user wrote the format.
            return SchemaError::at_keyword(&at, &keyword, kind_of(&message, Some((&keyword, removed.as_ref()))));
        }
    }
    SchemaError::at(at, kind_of(&message, None))
}

/// The keywords to try, those that are always refused first; only such as the user wrote at this place.
fn candidates(document: &Document, at: &Pointer, map: &Map<String, Value>) -> Vec<String> {
    let mut original = document.value().clone();
    let written: Vec<String> = match at.resolve_mut(&mut original) {
        Some(Value::Object(written)) => written.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let mut keywords: Vec<String> = map
        .keys()
        .filter(|k| written.contains(k) && !matches!(k.as_str(), "$defs" | "definitions" | "x-guidance" | "$schema"))
        .cloned()
        .collect();
    // Why: without its `type` most of a subschema has no effect, so taking it away proves little.
    keywords.sort_by_key(|k| (k == "type", !REFUSED.iter().any(|(name, _)| name == k)));
    keywords
}

/// `schema` as a document of its own, with the root's definitions and options.
fn with_definitions(schema: &Value, root: &Value) -> Value {
    let (Value::Object(map), Value::Object(root)) = (schema, root) else { return schema.clone() };
    let mut map = map.clone();
    for key in ["$defs", "definitions", "x-guidance", "$schema", "$id"] {
        if let Some(value) = root.get(key) {
            map.entry(key).or_insert_with(|| value.clone());
        }
    }
    Value::Object(map)
}

/// Whether `schema` refers to a place that its standalone copy does not carry.
fn leads_elsewhere(schema: &Value) -> bool {
    let mut elsewhere = false;
    let _ = try_visit(schema, &mut |_, sub| {
        if let Some(Value::String(reference)) = sub.get("$ref") {
            elsewhere |= !(reference.starts_with("#/$defs/") || reference.starts_with("#/definitions/"));
        }
        Ok::<(), ()>(())
    });
    elsewhere
}

fn is_unsatisfiable(message: &str) -> bool {
    message.contains("Unsatisfiable schema")
}

fn kind_of(message: &str, keyword: Option<(&str, Option<&Value>)>) -> ErrorKind {
    let first: String = message.lines().next().unwrap_or_default().chars().take(300).collect();
    if let Some((keyword, value)) = keyword {
        if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == keyword) {
            return ErrorKind::Unsupported { keyword: keyword.to_owned(), why: (*why).to_owned() };
        }
        if let ("pattern", Some(Value::String(pattern))) = (keyword, value) {
            let why = message
                .lines()
                .map(str::trim)
                .rfind(|line| line.starts_with("error:") || line.contains("not supported"));
            return ErrorKind::Pattern { pattern: pattern.clone(), why: why.unwrap_or(&first).to_owned() };
        }
    }
    let lower = message.to_lowercase();
    if is_unsatisfiable(message) {
        let why = match first.replace("Unsatisfiable schema: ", "") {
            why if why.contains("Regex is empty") => "its pattern, format and length contradict each other".to_owned(),
            why => why,
        };
        return ErrorKind::Unsatisfiable(why);
    }
    if ["limit", "too large", "too complex", "fuel", "too many", "exceeded", "unable to determine"]
        .iter()
        .any(|w| lower.contains(w))
    {
        return ErrorKind::TooComplex(first);
    }
    match keyword {
        Some((keyword, _)) => ErrorKind::Unsupported { keyword: keyword.to_owned(), why: first },
        None => ErrorKind::Other(first),
    }
}
