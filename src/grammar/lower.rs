//! Makes a schema ready for llguidance's own JSON Schema compiler in its strict mode.
//!
//! That compiler refuses what it cannot express, but departs from the specification in a few places where it would let
//! an invalid value pass or refuse a valid one. Each is mended here, or refused with its place:
//! formats become exact patterns, unknown formats are annotations, integers beyond 2^53 are not rounded, `$ref` hides
//! its siblings where the draft says so, counts of open properties cannot be cheated by repeating a key, and limits
//! that no answer of this size can reach are dropped, since they would only cost memory.

use serde_json::{Map, Value, json};

use crate::schema::walk::{rewrite, try_visit};
use crate::schema::{Document, ErrorKind, Pointer, SchemaError, formats};

/// What became of keywords that are not enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Places of `format`s that no specification defines: annotations, as 2020-12 says.
    pub unknown_formats: Vec<Pointer>,
}

/// Keywords that never decide whether a value is valid. Source: JSON Schema 2020-12, sections 8 and 9.
const ANNOTATIONS: [&str; 10] = [
    "$comment",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
];

/// Up to here every integer is an f64.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Whitespace between JSON tokens: what pretty printers write, capped, so that no model can loop on it.
const WHITESPACE: &str = r"[\x20]{1,2}|(?:\r?\n){1,2}[\x20\x09]{0,40}|\x09{1,2}";

/// Rewrites `document` for llguidance. No answer is longer than `max_answer_bytes`.
///
/// # Errors
/// With the first keyword that would not be enforced exactly.
pub(super) fn lower(document: &Document, max_answer_bytes: usize) -> Result<(Value, Findings), SchemaError> {
    let mut findings = Findings::default();
    try_visit(document.value(), &mut |at, schema| {
        let Value::Object(map) = schema else { return Ok(()) };
        check_exact(at, map)?;
        if let Some(Value::String(name)) = map.get("format")
            && formats::lookup(name).is_none()
        {
            findings.unknown_formats.push(at.child("format"));
        }
        Ok(())
    })?;
    let mut value = document.value().clone();
    let ref_hides_siblings = document.ref_hides_siblings();
    rewrite(&mut value, &mut |schema| {
        if let Value::Object(map) = schema {
            rewrite_one(map, ref_hides_siblings, max_answer_bytes);
        }
    });
    if let Value::Bool(true) = value {
        value = json!({});
    }
    if let Value::Object(map) = &mut value {
        map.insert("x-guidance".to_owned(), options());
    }
    Ok((value, findings))
}

/// llguidance's options. Escapes `\uXXXX` are off, because an escaped key would pass as an undeclared one.
fn options() -> Value {
    json!({"whitespace_flexible": true, "whitespace_pattern": WHITESPACE, "coerce_one_of": false, "lenient": false,
           "json_allowed_escapes": "nrbtf\\\""})
}

/// Refuses what llguidance would accept and not enforce exactly.
fn check_exact(at: &Pointer, map: &Map<String, Value>) -> Result<(), SchemaError> {
    let unsupported = |keyword: &str, why: &str| {
        let kind = ErrorKind::Unsupported { keyword: keyword.to_owned(), why: why.to_owned() };
        Err(SchemaError::at_keyword(at, keyword, kind))
    };
    let n_required = map.get("required").and_then(Value::as_array).map_or(0, Vec::len);
    let is_open = map.get("additionalProperties") != Some(&Value::Bool(false)) || map.contains_key("patternProperties");
    if let Some(min) = map.get("minProperties").and_then(Value::as_u64)
        && min > 1
        && is_open
        && min > n_required as u64
    {
        return unsupported(
            "minProperties",
            "with undeclared keys, one key written twice would count as two; declare and require the keys",
        );
    }
    for (keyword, value) in map {
        match (keyword.as_str(), value) {
            ("const", value) if !is_exact(value) => {
                return unsupported("const", "an integer beyond 2^53 would be rounded");
            }
            ("enum", Value::Array(values)) if !values.iter().all(is_exact) => {
                return unsupported("enum", "an integer beyond 2^53 would be rounded");
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(integer), _) => integer.unsigned_abs() <= 1 << 53,
            (None, Some(_)) => false,
            (None, None) => n.as_f64().is_some_and(|f| f.abs() <= EXACT_INTEGER),
        },
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(map) => map.values().all(is_exact),
        _ => true,
    }
}

fn rewrite_one(map: &mut Map<String, Value>, ref_hides_siblings: bool, max_answer_bytes: usize) {
    map.remove("x-guidance");
    if ref_hides_siblings && map.contains_key("$ref") {
        map.retain(|key, _| matches!(key.as_str(), "$ref" | "definitions" | "$defs" | "$schema" | "$id" | "id"));
        return;
    }
    map.retain(|key, _| !ANNOTATIONS.contains(&key.as_str()));
    if map.get("uniqueItems") == Some(&Value::Bool(false)) {
        map.remove("uniqueItems");
    }
    for keyword in ["maxItems", "maxLength", "maxProperties"] {
        if map.get(keyword).and_then(Value::as_f64).is_some_and(|n| n > max_answer_bytes as f64) {
            map.remove(keyword);
        }
    }
    for keyword in ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"] {
        whole_number(map, keyword);
    }
    tighten(map, "minimum", f64::next_up, |exact, bound| exact < bound);
    tighten(map, "exclusiveMinimum", f64::next_up, |exact, bound| exact < bound);
    tighten(map, "maximum", f64::next_down, |exact, bound| exact > bound);
    tighten(map, "exclusiveMaximum", f64::next_down, |exact, bound| exact > bound);
    if let Some(Value::String(pattern)) = map.get_mut("pattern") {
        *pattern = spell_out_spaces(pattern);
    }
    if let Some(Value::Object(patterns)) = map.get_mut("patternProperties") {
        *patterns = std::mem::take(patterns).into_iter().map(|(p, schema)| (spell_out_spaces(&p), schema)).collect();
    }
    if let Some(Value::String(name)) = map.remove("format").as_ref()
        && let Some(format) = formats::lookup(name)
    {
        let patterns = format.patterns.iter().map(|p| json!({"pattern": format!("^(?:{p})$")}));
        match map.entry("allOf").or_insert_with(|| json!([])) {
            Value::Array(all) => all.extend(patterns),
            other => *other = patterns.collect(),
        }
    }
}

/// Writes `3.0` as `3`: the specification calls both integers.
fn whole_number(map: &mut Map<String, Value>, keyword: &str) {
    let Some(value) = map.get_mut(keyword) else { return };
    if let (None, Some(float)) = (value.as_u64(), value.as_f64())
        && float >= 0.0
        && float.fract() == 0.0
        && float <= EXACT_INTEGER
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
        let whole = float as u64;
        *value = json!(whole);
    }
}

/// Moves a bound that f64 cannot hold inwards by one step, so that no value beyond it passes.
fn tighten(map: &mut Map<String, Value>, keyword: &str, inwards: fn(f64) -> f64, outside: fn(i128, i128) -> bool) {
    let Some(value) = map.get_mut(keyword) else { return };
    let exact = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    let (Some(exact), Some(float)) = (exact, value.as_f64()) else { return };
    #[expect(clippy::cast_possible_truncation, reason = "the float came from a 64-bit integer")]
    let rounded = float as i128;
    if outside(rounded, exact) {
        *value = json!(inwards(float));
    }
}

/// ECMA-262's `\s` and `\S` as classes: Rust's own differ in U+0085 and U+FEFF.
fn spell_out_spaces(pattern: &str) -> String {
    const SPACES: &str =
        r"\t\n\x0B\x0C\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('s') if in_class => out.push_str(SPACES),
                Some('s') => out.push_str(&format!("[{SPACES}]")),
                Some('S') => out.push_str(&format!("[^{SPACES}]")),
                Some('/') => out.push('/'),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' => {
                // Why: ECMA-262 knows no nested classes; Rust would read an inner bracket as one.
                out.push_str(if in_class { r"\[" } else { "[" });
                in_class = true;
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            // Why: `&&`, `--` and `~~` are set operations to Rust and plain characters to ECMA-262.
            '&' | '~' if in_class => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Limits;

    fn lowered(schema: Value) -> Value {
        let document = Document::parse(schema, Limits::default()).expect("a schema");
        let (mut value, _) = lower(&document, 1000).expect("lowers");
        value.as_object_mut().expect("an object").remove("x-guidance");
        value
    }

    #[test]
    fn rewrites() {
        for (from, to) in [
            (json!({"format": "banana", "title": "t", "x-guidance": {"lenient": true}}), json!({})),
            (json!({"maxItems": 1_000_000_000, "minItems": 1.0}), json!({"minItems": 1})),
            (json!({"maximum": 9_223_372_036_854_775_807_i64}), json!({"maximum": 9_223_372_036_854_774_784_f64})),
            (
                json!({"pattern": r"^\s[\s&/]\/$"}),
                json!({"pattern": format!("^[{S}][{S}\\&/]/$", S = r"\t\n\x0B\x0C\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}")}),
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a", "maxItems": 2}),
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"}),
            ),
        ] {
            assert_eq!(lowered(from), to);
        }
    }

    #[test]
    fn refuses_what_would_not_be_exact() {
        for (schema, pointer) in [
            (json!({"properties": {"a": {"const": 9_007_199_254_740_993_i64}}}), "/properties/a/const"),
            (json!({"items": {"enum": [{"n": [9_007_199_254_740_993_i64]}]}}), "/items/enum"),
            (json!({"type": "object", "minProperties": 2}), "/minProperties"),
        ] {
            let document = Document::parse(schema, Limits::default()).expect("a schema");
            assert_eq!(lower(&document, 1000).expect_err("refused").pointer.to_string(), pointer);
        }
    }
}
