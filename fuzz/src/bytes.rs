//! Schemas and values made from the bytes of a fuzzer: every input is one, and a small change of it is a small change.

use serde_json::{Map, Value, json};

const KEYS: [&str; 4] = ["a", "b", "x_1", "é\"/"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const PATTERNS: [&str; 8] = ["^[a-c]+$", "b", "^(?!a)", "^a|b$", "^.{2,3}$", r"^\d+$", "^(?=.*a).*$", r"\bab\b"];
const FORMATS: [&str; 9] = ["date", "uuid", "ipv4", "email", "time", "json-pointer", "regex", "uri", "nonsense"];
const TEXTS: [&str; 8] = ["", "a", "b", "ab", "abc", "12", "a\"\\é", "2020-02-29"];
const NUMBERS: [f64; 8] = [0.0, 1.0, -1.0, 0.5, 2.25, 3.0, 10.0, -0.75];

/// The bytes that are left; zeros follow them.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> usize {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        usize::from(first)
    }

    fn below(&mut self, n: usize) -> usize {
        self.byte() % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn number(&mut self) -> Value {
        let number = self.one(&NUMBERS);
        #[expect(clippy::cast_possible_truncation, reason = "these are small")]
        if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
    }

    fn some<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let n = 1 + self.below(3);
        (0..n).map(|_| one(self)).collect()
    }

    /// A value, at most `depth` levels deep.
    pub(crate) fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 1),
            2 => self.number(),
            3 => json!(self.one(&TEXTS)),
            4 => {
                let n = self.below(4);
                (0..n).map(|_| self.value(depth - 1)).collect()
            }
            _ => {
                let n = self.below(4);
                (0..n).map(|_| (self.one(&KEYS).to_owned(), self.value(depth - 1))).collect::<Map<_, _>>().into()
            }
        }
    }

    /// A schema, at most `depth` levels deep.
    pub(crate) fn schema(&mut self, depth: usize) -> Value {
        let mut map = Map::new();
        let n = self.below(4);
        for _ in 0..n {
            let (keyword, value) =
                if depth > 0 && self.below(2) == 1 { self.applicator(depth - 1) } else { self.assertion() };
            map.entry(keyword).or_insert(value);
        }
        if n == 0 && self.below(4) == 0 { json!(self.below(2) == 1) } else { Value::Object(map) }
    }

    fn assertion(&mut self) -> (&'static str, Value) {
        let count = |bytes: &mut Self| json!(bytes.below(4));
        match self.below(24) {
            0..=4 => ("type", json!(self.one(&TYPES))),
            5 => ("const", self.value(2)),
            6 => ("enum", Value::Array(self.some(|bytes| bytes.value(2)))),
            7 => ("minimum", self.number()),
            8 => ("maximum", self.number()),
            9 => ("exclusiveMinimum", self.number()),
            10 => ("exclusiveMaximum", self.number()),
            11 => ("multipleOf", json!(self.one(&[0.25, 0.5, 1.0, 1.5, 2.0, 3.0]))),
            12 => ("minLength", count(self)),
            13 => ("maxLength", count(self)),
            14 => ("pattern", json!(self.one(&PATTERNS))),
            15 => ("format", json!(self.one(&FORMATS))),
            16 => ("minItems", count(self)),
            17 => ("maxItems", count(self)),
            18 => ("uniqueItems", json!(self.below(2) == 1)),
            19 => ("minProperties", count(self)),
            20 => ("maxProperties", count(self)),
            21 => ("required", json!([self.one(&KEYS)])),
            22 => ("dependentRequired", json!({self.one(&KEYS): [self.one(&KEYS)]})),
            _ => (self.one(&["minContains", "maxContains"]), count(self)),
        }
    }

    fn applicator(&mut self, depth: usize) -> (&'static str, Value) {
        let named = |bytes: &mut Self, names: &[&str]| -> Value {
            let all = bytes.some(|bytes| (bytes.one(names).to_owned(), bytes.schema(depth)));
            all.into_iter().collect::<Map<_, _>>().into()
        };
        match self.below(22) {
            0..=3 => ("properties", named(self, &KEYS)),
            4 => ("patternProperties", named(self, &PATTERNS)),
            5 => ("dependentSchemas", named(self, &KEYS)),
            6 => ("additionalProperties", self.schema(depth)),
            7 => ("propertyNames", self.schema(depth)),
            8 => ("unevaluatedProperties", self.schema(depth)),
            9 => ("items", self.schema(depth)),
            10 => (self.one(&["items", "additionalProperties", "contains"]), json!({"$ref": "#"})),
            11 => ("prefixItems", Value::Array(self.some(|bytes| bytes.schema(depth)))),
            12 => ("contains", self.schema(depth)),
            13 => ("unevaluatedItems", self.schema(depth)),
            14 => ("allOf", Value::Array(self.some(|bytes| bytes.schema(depth)))),
            15 | 16 => ("anyOf", Value::Array(self.some(|bytes| bytes.schema(depth)))),
            17 => ("oneOf", Value::Array(self.some(|bytes| bytes.schema(depth)))),
            18 => ("not", self.schema(depth)),
            19 => ("if", self.schema(depth)),
            20 => ("then", self.schema(depth)),
            _ => ("else", self.schema(depth)),
        }
    }
}
