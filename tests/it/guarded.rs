//! What the guard sees to while an answer grows: lengths that no automaton counts, and how deep values nest.

use std::sync::Arc;

use drawplate::engine::fake_vocab;
use drawplate::grammar::{Budget, Compiled, Compiler, Spec, Spellings, Style, Verdict, Vocab};
use drawplate::guard::MAX_NESTING;
use drawplate::schema::{Document, Limits};
use serde_json::{Value, json};

struct Case {
    vocab: Vocab,
    compiled: Arc<Compiled>,
}

impl Case {
    fn new(schema: Value) -> Self {
        Self::styled(schema, Style::default())
    }

    fn styled(schema: Value, style: Style) -> Self {
        let vocab = fake_vocab().unwrap();
        let document = Arc::new(Document::parse(schema, Limits::default()).unwrap());
        let spec = Spec { style, ..Spec::value(document) };
        let compiled = Compiler::new(&vocab, Budget::default()).unwrap().compile(&spec).unwrap();
        Self { vocab, compiled }
    }

    /// Asserts that `start` is brought to a valid end.
    fn has_ending(&self, schema: &Value, start: &str) {
        let mut matcher = self.compiled.matcher();
        for token in self.vocab.tokenize(start, false) {
            assert_eq!(matcher.accept(token).unwrap(), Verdict::Taken, "{start} for {schema}");
        }
        let ending = matcher.closing().unwrap_or_else(|| panic!("no ending of {start} for {schema}"));
        let whole = format!("{start}{}", String::from_utf8(ending).unwrap());
        let value: Value = serde_json::from_str(&whole).unwrap();
        assert!(jsonschema::is_valid(schema, &value), "{whole} for {schema}");
        assert!(self.accepts(&whole), "{whole} for {schema}");
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
        (json!({"type": "string", "pattern": "^[1-5]$"}), 5),
        (json!({"type": "string", "pattern": "^#[0-9a-f]{6}$"}), 200),
        (json!({"type": "string", "format": "uuid"}), 100),
        (json!({"type": "string", "pattern": "^.$"}), 300),
        (json!({"type": "array", "uniqueItems": true, "items": {"enum": [1, 2, 3]}}), 16),
        (object(json!({"a": {"enum": [1, 2]}, "b": {"type": "boolean"}}), json!([])), 9),
    ] {
        let schema = json!({"type": "array", "uniqueItems": true, "minItems": n, "items": items});
        Case::new(schema.clone()).has_ending(&schema, "");
    }
}

/// Where no value is left, no comma comes, and what must come later keeps what it needs.
#[test]
fn few_values_that_must_differ_are_all_written_and_no_more() {
    let unique = |mut schema: Value| {
        schema["type"] = json!("array");
        schema["uniqueItems"] = json!(true);
        schema
    };
    let flags = json!({"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": false});
    let ab = json!({"enum": ["a", "b"]});
    let (ac, only_a) = (json!({"enum": ["a", "c"]}), json!({"const": "a"}));
    let any = Style { spelling: Spellings::Any, ..Style::default() };
    for (schema, style, whole, beyond) in [
        (unique(json!({"items": flags})), Style::default(), r#"[{},{"a":true},{"a":false}]"#, ","),
        (
            unique(json!({"items": unique(json!({"items": ab}))})),
            Style::default(),
            r#"[["b","a"],[],["a"],["b"],["a","b"]]"#,
            ",",
        ),
        (unique(json!({"items": {"type": "string", "pattern": "^[xy]?$"}})), Style::default(), r#"["","y","x"]"#, ","),
        (
            unique(json!({"items": {"type": "string", "minLength": 1, "pattern": "^[xy]?$"}})),
            Style::default(),
            r#"["y","x"]"#,
            ",",
        ),
        (
            unique(
                json!({"items": {"type": "object", "patternProperties": {"^[pq]$": {"const": 0}}, "additionalProperties": false, "maxProperties": 1}}),
            ),
            Style::default(),
            r#"[{"q":0},{},{"p":0}]"#,
            ",",
        ),
        (
            unique(json!({"items": {"anyOf": [{"type": "boolean"}, {"type": "null"}, {"const": []}]}})),
            Style::default(),
            "[null,[],true,false]",
            ",",
        ),
        (unique(json!({"items": {"type": "integer", "minimum": 1, "maximum": 3}})), any, "[2.0,1e0,30e-1]", ","),
        (unique(json!({"items": {"enum": [150, "x"]}})), any, r#"["\u0078",1.5e2]"#, ","),
        // Places with values of their own.
        (unique(json!({"prefixItems": [ac], "items": ab})), Style::default(), r#"["a","b"]"#, ","),
        (unique(json!({"prefixItems": [ac], "items": ab})), Style::default(), r#"["c","b","a"]"#, ","),
        (unique(json!({"prefixItems": [ac, only_a], "minItems": 2})), Style::default(), r#"["c","a",1]"#, ""),
        (unique(json!({"prefixItems": [ac, true, only_a], "minItems": 3})), Style::default(), r#"["c",7,"a"]"#, ""),
    ] {
        let schema_text = schema.to_string();
        let case = Case::styled(schema.clone(), style);
        assert!(case.accepts(whole), "{whole} for {schema_text}");
        if !beyond.is_empty() {
            let more = format!("{}{beyond}", &whole[..whole.len() - 1]);
            assert!(case.passes(&more).0 < more.len(), "{more} for {schema_text}");
        }
        for end in (1..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            case.has_ending(&schema, &whole[..end]);
        }
    }
    for (schema, text) in [
        (unique(json!({"prefixItems": [ac, only_a], "minItems": 2})), r#"["a"#),
        (unique(json!({"prefixItems": [ac, true, only_a], "minItems": 3})), r#"["c","a"#),
    ] {
        let case = Case::new(schema);
        assert_eq!(case.passes(&format!("{text}\"")), (text.len(), false), "{text}");
    }
    for n in [3, 2] {
        let schema = unique(
            json!({"items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}}, "additionalProperties": false}, "minItems": n}),
        );
        let document = Arc::new(Document::parse(schema, Limits::default()).unwrap());
        let compiled =
            Compiler::new(&fake_vocab().unwrap(), Budget::default()).unwrap().compile(&Spec::value(document));
        assert_eq!(compiled.is_ok(), n == 2, "{n} of two values");
    }
}

/// Numbers that the schema names are brought to an end in whatever spelling they were begun.
#[test]
fn numbers_in_any_spelling_end() {
    let style = Style { spelling: Spellings::Any, ..Style::default() };
    for (schema, texts) in [
        (
            json!({"const": 123_456_789}),
            vec!["1.23456789e8", "123456789.0", "12345.6789E4", "0.123456789e+9", "1234567890e-1"],
        ),
        (json!({"enum": [-0.00125, 7]}), vec!["-0.00125", "-125e-5", "-1.25e-3", "7e0", "7.0"]),
        (json!({"type": "integer", "minimum": 1_000_000_000_000_u64}), vec!["1000000000000", "1e12", "25e12"]),
        (json!({"type": "number", "exclusiveMinimum": 0.5, "maximum": 0.625}), vec!["0.6", "6e-1"]),
        (
            json!({"type": "object", "properties": {"n": {"const": 98_765.432_1}}, "required": ["n"]}),
            vec![r#"{"n":9.87654321e4}"#],
        ),
    ] {
        let case = Case::styled(schema.clone(), style);
        for text in texts {
            assert!(case.accepts(text), "{text} for {schema}");
            (0..text.len()).for_each(|end| case.has_ending(&schema, &text[..end]));
        }
    }
}

/// Items that must be there find room, however many others may come before them.
#[test]
fn contained_items_keep_their_room() {
    let array = |mut schema: Value| {
        schema["type"] = json!("array");
        schema
    };
    for (schema, whole, beyond) in [
        (
            array(json!({"items": {"type": "string"}, "contains": {"const": "x"}, "maxItems": 3})),
            r#"["a","b","x"]"#,
            r#"["a","b","y"#,
        ),
        (
            array(json!({"items": {"type": "string"}, "contains": {"const": "x"}, "maxItems": 3})),
            r#"["x","b","y"]"#,
            r#"["x","b","y","#,
        ),
        (array(json!({"contains": {"type": "integer"}, "maxItems": 2})), "[true,1]", "[true,t"),
        (
            array(
                json!({"items": {"type": ["string", "integer"]}, "contains": {"type": "integer"}, "minContains": 3, "maxItems": 4}),
            ),
            r#"["a",1,2,3]"#,
            r#"["a",1,""#,
        ),
        (
            array(json!({"items": {"enum": [1, 2]}, "contains": {"const": 2}, "minItems": 3, "maxItems": 3})),
            "[1,1,2]",
            "[1,1,1",
        ),
        (
            array(json!({"items": {"enum": ["a", "b", "c"]}, "contains": {"const": "c"}, "uniqueItems": true})),
            r#"["b","a","c"]"#,
            r#"["c","b","a","#,
        ),
    ] {
        let case = Case::new(schema.clone());
        assert!(case.accepts(whole), "{whole} for {schema}");
        assert!(case.passes(beyond).0 < beyond.len(), "{beyond} for {schema}");
        (0..whole.len()).for_each(|end| case.has_ending(&schema, &whole[..end]));
    }
}

/// Keys that match a pattern are made up, as many as there must be.
#[test]
fn keys_of_a_pattern_are_made_up() {
    for schema in [
        json!({"type": "object", "patternProperties": {"^k[0-9]{3}$": {"type": "integer"}}, "additionalProperties": false, "minProperties": 30}),
        json!({"type": "object", "propertyNames": {"pattern": "^[a-z]{3}$"}, "additionalProperties": {"type": "integer"}, "minProperties": 20}),
    ] {
        let case = Case::new(schema.clone());
        ["", "{", "{\"", "{\"k", "{\"kax\":1,\"k"]
            .iter()
            .filter(|start| schema.get("propertyNames").is_some() || !start.contains('x'))
            .for_each(|start| case.has_ending(&schema, start));
    }
}

/// Equal numbers are one item however they are written.
#[test]
fn equal_numbers_are_one_item() {
    for (schema, text) in [
        (json!([{"type": "number"}, {"const": 1_000_000_000_000_000_000_u64}]), "[1e18,1000000000000000000]"),
        (json!([{"type": "number"}, {"const": -1_000_000_000_000_000_000_i64}]), "[-1.0e18,-1000000000000000000]"),
        (json!([{"type": "number"}, {"const": 0}]), "[-0.0,0]"),
    ] {
        let schema =
            json!({"type": "array", "prefixItems": schema, "items": false, "minItems": 2, "uniqueItems": true});
        assert!(!Case::new(schema).accepts(text), "{text}");
    }
}
