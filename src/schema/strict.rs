//! What OpenAI's strict mode would not take of a schema. Here everything is taken; this is for those who go both ways.
//!
//! Source: OpenAI's guide "Structured Outputs", as of August 2026, and the words of its errors. The guide contradicts
//! itself about `minLength` and `maxLength`, and says nothing of `default`: those are not complained of.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Pointer;

/// A place that strict mode would refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StrictFinding {
    /// RFC 6901 pointer into the schema.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

const MAX_PROPERTIES: usize = 5_000;
const MAX_LEVELS: usize = 10;
const MAX_NAME_CHARS: usize = 120_000;
const MAX_ENUM_VALUES: usize = 1_000;
/// An enum of more strings than this has a limit of its own.
const LONG_ENUM: usize = 250;
const MAX_LONG_ENUM_CHARS: usize = 15_000;
/// More findings than this tell nobody anything.
const MAX_FINDINGS: usize = 100;
const MAX_POINTER_BYTES: usize = 1 << 20;

const REFUSED: [&str; 24] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "additionalItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "contentEncoding",
    "contentMediaType",
    "$dynamicRef",
];
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Lists what strict mode would refuse in the schema `value`, up to a hundred findings.
#[must_use]
pub fn strict(value: &Value) -> Vec<StrictFinding> {
    let mut lint = Lint::default();
    if value.get("type").and_then(Value::as_str) != Some("object") {
        lint.say("the root must be of type 'object'");
    }
    if value.get("anyOf").is_some() {
        lint.say_at("anyOf", "'anyOf' is not permitted at the root");
    }
    lint.schema(value, 0);
    lint.totals();
    lint.findings
}

#[derive(Default)]
struct Lint {
    /// Where the walk is.
    path: Vec<String>,
    findings: Vec<StrictFinding>,
    n_pointer_bytes: usize,
    n_properties: usize,
    n_levels: usize,
    n_name_chars: usize,
    n_enum_values: usize,
}

impl Lint {
    fn say(&mut self, message: impl Into<String>) {
        if self.findings.len() >= MAX_FINDINGS || self.n_pointer_bytes > MAX_POINTER_BYTES {
            return;
        }
        let pointer = self.path.iter().cloned().collect::<Pointer>().to_string();
        self.n_pointer_bytes += pointer.len();
        self.findings.push(StrictFinding { pointer, message: message.into() });
    }

    fn say_at(&mut self, keyword: &str, message: impl Into<String>) {
        self.below(keyword, |lint| lint.say(message));
    }

    fn below(&mut self, part: &str, look: impl FnOnce(&mut Self)) {
        self.path.push(part.to_owned());
        look(self);
        self.path.pop();
    }

    /// Looks at the schema at `self.path`, inside of `level` objects.
    fn schema(&mut self, schema: &Value, level: usize) {
        let Value::Object(map) = schema else {
            self.say("a schema that is only 'true' or 'false' is not permitted");
            return;
        };
        let is_object = is_of(map, "object") || map.contains_key("properties");
        let level = level + usize::from(is_object);
        self.n_levels = self.n_levels.max(level);
        self.reference(map);
        if is_object {
            self.object(map);
        }
        if is_of(map, "array") && !map.contains_key("items") {
            self.say("array schema missing items");
        }
        let says_type = ["type", "$ref", "anyOf", "enum", "const", "allOf", "oneOf"]
            .iter()
            .any(|keyword| map.contains_key(*keyword));
        if !says_type {
            self.say("schema must have a 'type' key");
        }
        for (keyword, value) in map {
            self.keyword(keyword, value, level);
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Value, level: usize) {
        match (keyword, value) {
            _ if REFUSED.contains(&keyword) => self.say_at(keyword, format!("'{keyword}' is not permitted")),
            ("format", Value::String(name)) if !FORMATS.contains(&name.as_str()) => {
                self.say_at(keyword, format!("'{}' is not a valid format", shortened(name)));
            }
            ("pattern", Value::String(pattern)) if has_lookaround(pattern) => {
                self.say_at(keyword, "lookaround is not permitted in a pattern");
            }
            ("enum", Value::Array(values)) => self.values(values),
            ("const", Value::String(text)) => self.n_name_chars += text.chars().count(),
            ("properties", Value::Object(properties)) => {
                self.n_properties += properties.len();
                self.named(keyword, properties, level);
            }
            // Why: a definition nests as deep as the places that refer to it, and those may be circles.
            ("$defs" | "definitions", Value::Object(definitions)) => self.named(keyword, definitions, 0),
            ("anyOf", Value::Array(branches)) => self.below(keyword, |lint| {
                for (i, branch) in branches.iter().enumerate() {
                    lint.below(&i.to_string(), |lint| lint.schema(branch, level));
                }
            }),
            ("items", Value::Array(_)) => self.say_at(keyword, "'items' must be one schema"),
            ("items", items) => self.below(keyword, |lint| lint.schema(items, level)),
            _ => {}
        }
    }

    fn named(&mut self, keyword: &str, schemas: &Map<String, Value>, level: usize) {
        self.below(keyword, |lint| {
            for (name, schema) in schemas {
                lint.n_name_chars += name.chars().count();
                lint.below(name, |lint| lint.schema(schema, level));
            }
        });
    }

    fn reference(&mut self, map: &Map<String, Value>) {
        if !map.contains_key("$ref") {
            return;
        }
        let is_beside = |key: &&String| !["$ref", "$defs", "definitions"].contains(&key.as_str());
        let beside: Vec<String> =
            map.keys().filter(is_beside).take(5).map(|key| format!("'{}'", shortened(key))).collect();
        if !beside.is_empty() {
            self.say(format!("$ref cannot have keywords {{{}}}", beside.join(", ")));
        }
    }

    fn object(&mut self, map: &Map<String, Value>) {
        if map.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.say("'additionalProperties' is required to be supplied and to be false");
        }
        let Some(Value::Object(properties)) = map.get("properties") else {
            self.say("object schema missing properties");
            return;
        };
        let required: Vec<&str> =
            map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let is_required: std::collections::HashSet<&str> = required.iter().copied().collect();
        let missing = properties.keys().find(|name| !is_required.contains(name.as_str()));
        if let Some(name) = missing {
            let name = shortened(name);
            self.say(format!(
                "'required' is required to be supplied and to be an array including every key in properties. Missing '{name}'"
            ));
        }
        if let Some(name) = required.iter().find(|name| !properties.contains_key(**name)) {
            let name = shortened(name);
            self.say_at("required", format!("extra required key '{name}' supplied"));
        }
    }

    fn values(&mut self, values: &[Value]) {
        let n_chars: usize = values.iter().filter_map(Value::as_str).map(|text| text.chars().count()).sum();
        self.n_enum_values += values.len();
        self.n_name_chars += n_chars;
        if values.len() > LONG_ENUM && n_chars > MAX_LONG_ENUM_CHARS {
            let n = values.len();
            self.say_at(
                "enum",
                format!("{n} strings of {n_chars} characters exceed the limit of {MAX_LONG_ENUM_CHARS} characters"),
            );
        }
    }

    /// Complains of what is too much as a whole, at the root.
    fn totals(&mut self) {
        for (n, limit, what) in [
            (self.n_properties, MAX_PROPERTIES, "object properties exceed the limit"),
            (self.n_levels, MAX_LEVELS, "levels of nesting exceed the limit"),
            (self.n_name_chars, MAX_NAME_CHARS, "characters of names and values exceed the limit"),
            (self.n_enum_values, MAX_ENUM_VALUES, "enum values exceed the limit"),
        ] {
            if n > limit {
                self.say(format!("{n} {what} of {limit}"));
            }
        }
    }
}

/// Whether `type` is `name`, or a list with it.
fn is_of(map: &Map<String, Value>, name: &str) -> bool {
    match map.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(names)) => names.iter().any(|one| one.as_str() == Some(name)),
        _ => false,
    }
}

fn has_lookaround(pattern: &str) -> bool {
    ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|opening| pattern.contains(opening))
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings(schema: Value) -> Vec<(String, String)> {
        strict(&schema).into_iter().map(|finding| (finding.pointer, finding.message)).collect()
    }

    #[test]
    fn accepts_what_the_guide_shows() {
        let found = findings(json!({
            "type": "object", "additionalProperties": false, "required": ["steps", "kind", "next"],
            "properties": {
                "steps": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "date", "pattern": "^2"}},
                "kind": {"type": ["string", "null"], "enum": ["a", "b", null]},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}
            },
            "$defs": {"node": {"type": "object", "properties": {}, "required": [], "additionalProperties": false}}
        }));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn names_the_place_of_what_is_refused() {
        let closed = |properties: Value, required: Value| json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required});
        for (schema, pointer, says) in [
            (json!({"type": "array", "items": {"type": "null"}}), "", "type 'object'"),
            (json!({"type": "object", "properties": {}}), "", "'additionalProperties' is required"),
            (closed(json!({"a": {"type": "null"}}), json!([])), "", "Missing 'a'"),
            (closed(json!({}), json!(["b"])), "/required", "extra required key 'b'"),
            (closed(json!({"a": {"type": "array"}}), json!(["a"])), "/properties/a", "missing items"),
            (
                closed(json!({"a/b": {"type": "string", "format": "uri"}}), json!(["a/b"])),
                "/properties/a~1b/format",
                "'uri' is not a valid format",
            ),
            (
                closed(json!({"a": {"$ref": "#/properties/b", "title": "x"}}), json!(["a"])),
                "/properties/a",
                "$ref cannot have keywords {'title'}",
            ),
            (
                closed(json!({"a": {"type": "string", "not": {"const": "x"}}}), json!(["a"])),
                "/properties/a/not",
                "'not' is not permitted",
            ),
            (closed(json!({"a": {"enum": vec![0; 1001]}}), json!(["a"])), "", "1001 enum values"),
        ] {
            let found = findings(schema);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].0 == pointer && found[0].1.contains(says), "{found:?}");
        }
    }

    #[test]
    fn counts_levels_of_objects() {
        let nested = |n: usize| {
            (0..n).fold(json!({"type": "string"}), |inner, _| {
                json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": inner}})
            })
        };
        assert_eq!(findings(nested(10)).len(), 0);
        let found = findings(nested(11));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].1.starts_with("11 levels of nesting"), "{found:?}");
    }
}
