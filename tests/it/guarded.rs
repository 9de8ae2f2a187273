//! What the guard sees to while an answer grows: lengths that no automaton counts, and how deep values nest.

use std::sync::Arc;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiled, Compiler, Spec, Verdict, Vocab};
use drawplate::guard::MAX_NESTING;
use drawplate::schema::{Document, Limits};
use serde_json::{Value, json};

struct Case {
    vocab: Vocab,
    compiled: Arc<Compiled>,
}

impl Case {
    fn new(schema: Value) -> Self {
        let vocab = fake_vocab().unwrap();
        let document = Arc::new(Document::parse(schema, Limits::default()).unwrap());
        let compiled = Compiler::new(&vocab, Budget::default()).unwrap().compile(&Spec::value(document)).unwrap();
        Self { vocab, compiled }
    }

    /// How many bytes of `text` pass, and whether the answer may end behind them.
    fn passes(&self, text: &str) -> (usize, bool) {
        let mut matcher = self.compiled.matcher();
        let mut n_bytes = 0;
        for token in self.vocab.tokenize(text, false) {
            let is_allowed = matcher.mask().unwrap().allows(token);
            if !is_allowed || matcher.accept(token).unwrap() != Verdict::Taken {
                return (n_bytes, false);
            }
            n_bytes += self.vocab.bytes(token).len();
        }
        (n_bytes, matcher.is_stopped() || matcher.is_accepting().unwrap())
    }

    fn accepts(&self, text: &str) -> bool {
        self.passes(text) == (text.len(), true)
    }
}

#[test]
fn long_strings_are_counted_in_characters() {
    let case = Case::new(json!({"type": "string", "minLength": 20_001, "maxLength": 30_000}));
    for (one, n, is_valid) in [
        ("x", 20_000, false),
        ("x", 20_001, true),
        ("é", 30_000, true),
        ("é", 30_001, false),
        (r"\u0041", 20_001, true),
        (r"\n", 20_000, false),
        (r"\ud83d\ude00", 20_001, true),
        (r"\ud83d\ude00", 20_000, false),
        ("😀", 30_001, false),
    ] {
        assert_eq!(case.accepts(&format!("\"{}\"", one.repeat(n))), is_valid, "{n} times {one}");
    }
}

#[test]
fn a_length_beside_words_is_kept() {
    // Fifty words and five hundred characters are too many pairs for an automaton.
    let case = Case::new(json!({"type": "string", "maxLength": 5000, "pattern": r"^$|(^(?:\S+\s+){0,99}\S+$)"}));
    let words = |n: usize, length: usize| format!("\"{}\"", vec!["w".repeat(length); n].join(" "));
    for (n, length, is_valid) in
        [(100, 10, true), (101, 10, false), (100, 49, true), (100, 60, false), (1, 5000, true), (1, 5001, false)]
    {
        assert_eq!(case.accepts(&words(n, length)), is_valid, "{n} words of {length}");
    }
}

#[test]
fn values_nest_as_deep_as_parsers_read() {
    for schema in
        [json!(true), json!({"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"})]
    {
        let case = Case::new(schema);
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(case.accepts(&nested(MAX_NESTING)));
        assert_eq!(case.passes(&nested(MAX_NESTING + 1)), (MAX_NESTING, false));
        assert!(serde_json::from_str::<Value>(&nested(MAX_NESTING)).is_ok());
    }
}

/// Items that must differ have endings, also where they differ inside of objects.
#[test]
fn items_that_must_differ_are_brought_to_an_end() {
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    for (items, n) in [
        (object(json!({"a": {"type": "integer"}}), json!(["a"])), 4),
        (object(json!({"a": {"enum": ["x"]}, "b": {"type": "string", "minLength": 2}}), json!(["a", "b"])), 5),
        (object(json!({"a": {"type": "boolean"}, "b": {"type": "null"}}), json!(["a"])), 3),
        // No key has values enough alone.
        (
            object(
                json!({"a": {"type": "boolean"}, "b": {"enum": [1, 2, 3]}, "c": {"enum": [1, 2, 3, 4]}}),
                json!(["a", "b", "c"]),
            ),
            20,
        ),
        (
            object(
                json!({"a": {"type": "string"}, "b": {"type": "object", "properties": {"c": {"type": "boolean"}}, "required": ["c"], "additionalProperties": false}}),
                json!(["b", "a"]),
            ),
            60,
        ),
        (json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}), 30),
        (json!({"type": "array", "items": {"type": "number"}, "maxItems": 1}), 30),
        (
            json!({"type": "array", "prefixItems": [{"enum": ["x", "y"]}, {"type": "boolean"}], "items": false, "minItems": 2}),
            4,
        ),
        (json!({"type": "array", "items": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}}), 40),
        (json!({"type": "integer"}), 300),
    ] {
        let schema = json!({"type": "array", "uniqueItems": true, "minItems": n, "items": items});
        let case = Case::new(schema.clone());
        let ending = case.compiled.matcher().closing().map(|text| String::from_utf8(text).unwrap());
        let ending = ending.unwrap_or_else(|| panic!("no ending of {schema}"));
        let value: Value = serde_json::from_str(&ending).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{ending} for {schema}");
        assert!(case.accepts(&ending), "{ending}");
    }
}
