//! What each keyword of a schema can have for an effect, as far as its draft and its neighbours tell.
//!
//! Not here: which effects the mask has and which are left to the guard (`grammar::report`).

use std::collections::HashSet;

use jsonschema::Draft;
use serde::Serialize;
use serde_json::{Map, Value};

use super::walk::try_visit;
use super::{Document, Pointer, formats};

/// Who sees to a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// The token mask: no token can be drawn that breaks it.
    Mask,
    /// The guard: it vetoes the token that would break it, and another is drawn.
    Guard,
    /// Nobody: it demands nothing.
    Annotation,
}

/// What becomes of one keyword.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeywordFate {
    /// RFC 6901 pointer to the keyword.
    pub pointer: String,
    /// The keyword, which is also the pointer's last part.
    pub keyword: String,
    /// Who sees to it.
    pub fate: Fate,
    /// Why, where that is not plain.
    pub note: Option<String>,
}

/// The keywords of one document.
#[derive(Clone, Debug, Default)]
pub struct Keywords {
    /// In the document's order, outer ones first.
    pub list: Vec<KeywordFate>,
    /// Whether there are more than are listed.
    pub is_cut: bool,
}

/// More keywords than this are not listed; the largest schema of MaskBench has about as many.
const MAX_KEYWORDS: usize = 20_000;
/// The text of all pointers together: each one repeats the names above it.
const MAX_POINTER_BYTES: usize = 16 << 20;

const STRUCTURE: [&str; 9] =
    ["$schema", "$id", "id", "$anchor", "$defs", "definitions", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary"];
const ANNOTATIONS: [&str; 9] =
    ["title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "contentSchema"];
const CONTENT: [&str; 2] = ["contentEncoding", "contentMediaType"];

/// The keywords that demand something, with the first and the last draft in which they do. Source: the specifications;
/// `dependencies` is asserted in every draft, as validators do.
const ASSERTIONS: &[(&str, Draft, Draft)] = &[
    ("$ref", Draft::Draft4, Draft::Draft202012),
    ("type", Draft::Draft4, Draft::Draft202012),
    ("enum", Draft::Draft4, Draft::Draft202012),
    ("allOf", Draft::Draft4, Draft::Draft202012),
    ("anyOf", Draft::Draft4, Draft::Draft202012),
    ("oneOf", Draft::Draft4, Draft::Draft202012),
    ("not", Draft::Draft4, Draft::Draft202012),
    ("properties", Draft::Draft4, Draft::Draft202012),
    ("patternProperties", Draft::Draft4, Draft::Draft202012),
    ("additionalProperties", Draft::Draft4, Draft::Draft202012),
    ("required", Draft::Draft4, Draft::Draft202012),
    ("minProperties", Draft::Draft4, Draft::Draft202012),
    ("maxProperties", Draft::Draft4, Draft::Draft202012),
    ("dependencies", Draft::Draft4, Draft::Draft202012),
    ("items", Draft::Draft4, Draft::Draft202012),
    ("additionalItems", Draft::Draft4, Draft::Draft201909),
    ("minItems", Draft::Draft4, Draft::Draft202012),
    ("maxItems", Draft::Draft4, Draft::Draft202012),
    ("uniqueItems", Draft::Draft4, Draft::Draft202012),
    ("minLength", Draft::Draft4, Draft::Draft202012),
    ("maxLength", Draft::Draft4, Draft::Draft202012),
    ("pattern", Draft::Draft4, Draft::Draft202012),
    ("format", Draft::Draft4, Draft::Draft202012),
    ("multipleOf", Draft::Draft4, Draft::Draft202012),
    ("minimum", Draft::Draft4, Draft::Draft202012),
    ("maximum", Draft::Draft4, Draft::Draft202012),
    ("exclusiveMinimum", Draft::Draft4, Draft::Draft202012),
    ("exclusiveMaximum", Draft::Draft4, Draft::Draft202012),
    ("const", Draft::Draft6, Draft::Draft202012),
    ("contains", Draft::Draft6, Draft::Draft202012),
    ("propertyNames", Draft::Draft6, Draft::Draft202012),
    ("contentEncoding", Draft::Draft6, Draft::Draft7),
    ("contentMediaType", Draft::Draft6, Draft::Draft7),
    ("if", Draft::Draft7, Draft::Draft202012),
    ("then", Draft::Draft7, Draft::Draft202012),
    ("else", Draft::Draft7, Draft::Draft202012),
    ("minContains", Draft::Draft201909, Draft::Draft202012),
    ("maxContains", Draft::Draft201909, Draft::Draft202012),
    ("dependentRequired", Draft::Draft201909, Draft::Draft202012),
    ("dependentSchemas", Draft::Draft201909, Draft::Draft202012),
    ("unevaluatedItems", Draft::Draft201909, Draft::Draft202012),
    ("unevaluatedProperties", Draft::Draft201909, Draft::Draft202012),
    ("$recursiveRef", Draft::Draft201909, Draft::Draft201909),
    ("prefixItems", Draft::Draft202012, Draft::Draft202012),
    ("$dynamicRef", Draft::Draft202012, Draft::Draft202012),
];

/// Lists the keywords of `document`; each that demands something counts as the mask's.
#[must_use]
pub fn keywords(document: &Document) -> Keywords {
    let root = document.value();
    let rules = Rules { draft: document.draft(), sees_evaluated: has_unevaluated(root) };
    let mut found = Keywords::default();
    let mut n_bytes = 0;
    // Keywords without effect: what stands below them has none either.
    let mut idle: HashSet<Pointer> = HashSet::new();
    let walked = try_visit(root, &mut |at, schema| {
        let Value::Object(map) = schema else { return Ok(()) };
        // Why: a subschema is its keyword's value, or one part below it.
        let is_below_idle = idle.contains(at) || idle.contains(&at.parent());
        for (keyword, value) in map {
            if STRUCTURE.contains(&keyword.as_str()) {
                continue;
            }
            let (mut fate, mut note) = rules.fate(keyword, value, map);
            if is_below_idle && fate == Fate::Mask {
                (fate, note) = (Fate::Annotation, Some("below a keyword that has no effect"));
            }
            let place = at.child(keyword.clone());
            let pointer = place.to_string();
            n_bytes += pointer.len() + keyword.len();
            if found.list.len() >= MAX_KEYWORDS || n_bytes > MAX_POINTER_BYTES {
                return Err(());
            }
            if fate == Fate::Annotation && (value.is_object() || value.is_array()) {
                idle.insert(place);
            }
            found.list.push(KeywordFate { pointer, keyword: keyword.clone(), fate, note: note.map(str::to_owned) });
        }
        Ok(())
    });
    found.is_cut = walked.is_err();
    found
}

/// Whether some keyword looks at what its neighbours have evaluated; then an `if` alone has an effect.
fn has_unevaluated(root: &Value) -> bool {
    let found = try_visit(root, &mut |_, schema| {
        let has = ["unevaluatedItems", "unevaluatedProperties"].iter().any(|keyword| schema.get(*keyword).is_some());
        if has { Err(()) } else { Ok(()) }
    });
    found.is_err()
}

struct Rules {
    draft: Draft,
    sees_evaluated: bool,
}

impl Rules {
    fn fate(&self, keyword: &str, value: &Value, map: &Map<String, Value>) -> (Fate, Option<&'static str>) {
        let is_modern = self.draft >= Draft::Draft201909;
        if ANNOTATIONS.contains(&keyword) || (is_modern && CONTENT.contains(&keyword)) {
            return (Fate::Annotation, None);
        }
        match ASSERTIONS.iter().find(|(name, ..)| *name == keyword) {
            None => return (Fate::Annotation, Some("unknown keyword")),
            Some((_, first, last)) if self.draft < *first || self.draft > *last => {
                return (Fate::Annotation, Some("not a keyword of this draft"));
            }
            Some(_) => {}
        }
        if !is_modern && keyword != "$ref" && map.get("$ref").is_some_and(Value::is_string) {
            return (Fate::Annotation, Some("hidden by $ref"));
        }
        let without = match keyword {
            "format" if value.as_str().is_some_and(|name| formats::lookup(name).is_none()) => "unknown format",
            "then" | "else" if !map.contains_key("if") => "no effect without 'if'",
            "if" if !self.sees_evaluated && !map.contains_key("then") && !map.contains_key("else") => {
                "no effect without 'then' or 'else'"
            }
            "minContains" | "maxContains" if !map.contains_key("contains") => "no effect without 'contains'",
            "additionalItems" if !map.get("items").is_some_and(Value::is_array) => {
                "no effect without a list in 'items'"
            }
            _ => return (Fate::Mask, None),
        };
        (Fate::Annotation, Some(without))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Limits;
    use serde_json::json;

    fn annotations(schema: Value) -> Vec<(String, Option<String>)> {
        let document = Document::parse(schema, Limits::default()).expect("a valid schema");
        let list = keywords(&document).list;
        list.into_iter().filter(|one| one.fate == Fate::Annotation).map(|one| (one.pointer, one.note)).collect()
    }

    #[test]
    fn keywords_without_effect() {
        let draft7 = "http://json-schema.org/draft-07/schema#";
        for (schema, pointer, note) in [
            (json!({"title": "x", "type": "string"}), "/title", None),
            (json!({"format": "colour"}), "/format", Some("unknown format")),
            (json!({"nullable": true}), "/nullable", Some("unknown keyword")),
            (json!({"additionalItems": false}), "/additionalItems", Some("not a keyword of this draft")),
            (json!({"maxContains": 2}), "/maxContains", Some("no effect without 'contains'")),
            (json!({"contentEncoding": "base64"}), "/contentEncoding", None),
            (
                json!({"$schema": draft7, "$ref": "#/definitions/a", "minLength": 1, "definitions": {"a": {}}}),
                "/minLength",
                Some("hidden by $ref"),
            ),
        ] {
            assert_eq!(annotations(schema), [(pointer.to_owned(), note.map(str::to_owned))]);
        }
    }

    #[test]
    fn what_is_below_such_a_keyword_has_none_either() {
        let found = annotations(json!({"then": {"properties": {"a": {"type": "string"}}}}));
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/then", "/then/properties", "/then/properties/a/type"]);
        assert!(annotations(json!({"if": {"required": ["a"]}, "unevaluatedProperties": false})).is_empty());
    }
}
