//! Arguments that are written as elements: whatever the schema, the mask with its guard takes exactly what, read back,
//! the independent check takes; every beginning has an ending; what a random model writes is valid.
//!
//! `DRAWPLATE_RANDOM_SCHEMAS=100000` makes a long run of it (scripts/long-run).

use std::sync::Arc;

use drawplate::chat::SplitOptions;
use drawplate::grammar::{Budget, Compiled, Compiler, GrammarError, Verdict, Vocab, in_declared_order};
use drawplate::guard::{Check, Fill, Progress, Transcoder};
use drawplate::schema::{Document, ErrorKind, Limits};
use drawplate::tools::format::{Otherwise, ToolFormat};
use drawplate::tools::{Tool, ToolCall, ToolChoice};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::formats::{encodings, formats, take_apart, tokens_of, wander};
use crate::support::strategies::{object, schema, value};

/// A tool, and what may be called.
struct Case<'a> {
    format: &'a ToolFormat,
    vocab: &'a Vocab,
    compiled: Arc<Compiled>,
    check: Check,
    options: SplitOptions,
}

/// A tool named `f` with these parameters; nothing where the schema is refused.
fn case<'a>(format: &'a ToolFormat, vocab: &'a Vocab, schema: &Value) -> Result<Option<Case<'a>>, TestCaseError> {
    let Ok(document) = Document::parse(schema.clone(), Limits::default()) else { return Ok(None) };
    let Ok(check) = Check::of(&document) else { return Ok(None) };
    let tools = [Tool { name: "f".into(), description: None, parameters: Arc::new(document), input: None }];
    let compiler = Compiler::new(vocab, Budget { cache_bytes: 0, ..Budget::default() }).unwrap();
    let spec = format.spec(&tools, &ToolChoice::Named("f".into()), false, &Otherwise::Prose, None);
    let compiled = match compiler.compile(&spec) {
        Ok(compiled) => compiled,
        Err(GrammarError::Schema { error, .. }) => {
            let is_name = matches!(&error.kind, ErrorKind::Other(why) if why.contains("parameter's name"));
            let is_usual =
                matches!(error.kind, ErrorKind::Unsatisfiable(_) | ErrorKind::TooComplex(_) | ErrorKind::OutOfTime(_));
            prop_assert!(is_usual || is_name, "refused: {error}");
            return Ok(None);
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let options = SplitOptions {
        format: Some(Arc::new(format.clone())),
        encodings: encodings(&tools, &compiled),
        ..SplitOptions::default()
    };
    Ok(Some(Case { format, vocab, compiled, check, options }))
}

impl Case<'_> {
    fn written(&self, arguments: &str) -> String {
        let call = ToolCall { id: "abc123xyz".into(), name: "f".into(), arguments: arguments.into() };
        self.format.family.render_calls(&[call])
    }

    /// Whether `text` is taken to its end; endings are looked at on the way.
    fn takes(&self, text: &str) -> Result<bool, TestCaseError> {
        let mut matcher = self.compiled.matcher();
        let tokens = tokens_of(text, self.vocab);
        for (n, token) in tokens.iter().enumerate() {
            if n % 3 == 0
                && let Some(ending) = matcher.closing_tokens()
            {
                self.is_valid([&tokens[..n], &ending].concat().as_slice())?;
            }
            if matcher.is_stopped() || !matcher.allows(*token).map_err(|e| TestCaseError::fail(e.to_string()))? {
                return Ok(false);
            }
            if matcher.accept(*token).map_err(|e| TestCaseError::fail(e.to_string()))? != Verdict::Taken {
                return Ok(false);
            }
        }
        Ok(matcher.is_stopped() || matcher.is_accepting().unwrap_or(false))
    }

    /// Asserts that an answer is one valid call.
    fn is_valid(&self, tokens: &[u32]) -> Result<Value, TestCaseError> {
        let said = take_apart(tokens, self.vocab, &self.options);
        let text = || tokens.iter().flat_map(|token| self.vocab.wire(*token).into_owned()).collect::<Vec<u8>>();
        prop_assert_eq!(said.calls.len(), 1, "{:?}: {}", said, String::from_utf8_lossy(&text()));
        let judged = self.check.judge(&said.calls[0].arguments);
        prop_assert!(judged.is_ok(), "{:?}: {:?}: {}", judged, said, String::from_utf8_lossy(&text()));
        Ok(judged.unwrap())
    }

    /// Asserts that `text` is taken and says `json`, or that it is not taken.
    fn says(&self, text: &str, json: Option<Value>, schema: &Value) {
        assert_eq!(self.takes(text).unwrap(), json.is_some(), "{text} for {schema}");
        if let Some(json) = json {
            assert_eq!(self.is_valid(&tokens_of(text, self.vocab)).unwrap(), json, "{text}");
        }
    }

    /// What the arguments in `text` are, read back without any grammar.
    fn read_back(&self, text: &str) -> Option<String> {
        let wire = self.vocab.wire_of(text);
        let Fill::Whole(n_head) = self.format.opening().named("f").fill(&wire) else { return None };
        let tail = self.format.tail.then(&self.format.end);
        let rest = &wire[n_head..];
        let Some(encoding) = self.options.encodings.get("f") else {
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
            values.next()?.ok()?;
            let (json, rest) = rest.split_at(values.byte_offset());
            return String::from_utf8(json.to_vec()).ok().filter(|_| tail.fill(rest) == Fill::Whole(rest.len()));
        };
        let mut json = Vec::new();
        let mut transcoder = Transcoder::new(encoding, &mut json);
        rest.iter().for_each(|byte| transcoder.push(*byte, &mut json));
        let is_whole = transcoder.progress() == Progress::Over;
        String::from_utf8(json).ok().filter(|_| is_whole && transcoder.held() == tail.filled())
    }

    /// A random model, and its answer.
    fn walk(&self, rng: &mut ChaCha8Rng) -> Result<(), TestCaseError> {
        let mut matcher = self.compiled.matcher();
        let n_tokens = rng.random_range(0..120);
        let mut tokens = wander(&mut matcher, self.vocab, n_tokens, rng);
        if let Some(ending) = matcher.closing_tokens() {
            tokens.extend(ending);
            self.is_valid(&tokens)?;
        }
        Ok(())
    }
}

fn holds(case: &Case<'_>, schema: &Value, values: &[Value]) -> Result<(), TestCaseError> {
    let Ok(document) = Document::parse(schema.clone(), Limits::default()) else { return Ok(()) };
    for value in values {
        let plain = in_declared_order(&document, value);
        let text = case.written(&plain);
        let read = case.read_back(&text);
        let is_valid = read.as_ref().is_some_and(|read| case.check.judge(read).is_ok());
        prop_assert_eq!(case.takes(&text)?, is_valid, "{} is {:?}", text, read);
        if is_valid {
            let said = take_apart(&tokens_of(&text, case.vocab), case.vocab, &case.options);
            prop_assert_eq!(said.calls.first().map(|call| call.arguments.clone()), read);
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(schema.to_string().len() as u64);
    (0..3).try_for_each(|_| case.walk(&mut rng))
}

#[test]
fn arguments_are_enforced_exactly() {
    // Those that write JSON are alike, and fewer of them will do.
    let is_one = |(i, (format, _)): &(usize, (ToolFormat, Vocab))| format.form.is_some() || i % 5 == 0;
    let formats: Vec<(ToolFormat, Vocab)> =
        formats().into_iter().enumerate().filter(is_one).map(|(_, it)| it).collect();
    assert!(formats.len() > 20);
    let asked = std::env::var("DRAWPLATE_RANDOM_SCHEMAS").ok().and_then(|n| n.parse().ok());
    let config =
        Config { cases: asked.unwrap_or(600), failure_persistence: None, max_shrink_iters: 1000, ..Config::default() };
    let objects = value().prop_map(|value| if value.is_object() { value } else { json!({"a": value}) });
    let objects = proptest::collection::vec(objects, 6);
    let strategy = (schema().prop_map(object), objects, 0..formats.len());
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let holds = |(schema, values, i): (Value, Vec<Value>, usize)| {
        let (format, vocab) = &formats[i];
        let what =
            format!("{}, {}", format.family.name, if vocab.control_names().count() > 5 { "tokens" } else { "text" });
        let name = |error: TestCaseError| match error {
            TestCaseError::Fail(why) => TestCaseError::fail(format!("{what}: {why}")),
            other => other,
        };
        match case(format, vocab, &schema).map_err(name)? {
            Some(case) => holds(&case, &schema, &values).map_err(name),
            None => Ok(()),
        }
    };
    runner.run(&strategy, holds).unwrap();
}

/// What is taken, and what is not, in the format of Qwen 3 Coder: a schema, arguments, and what they are in JSON.
#[test]
fn text_stands_as_it_is_and_is_what_the_schema_says() {
    let all = formats();
    let (format, vocab) = all.iter().find(|(format, _)| format.family.name == "qwen3-coder").unwrap();
    let one = |key: &str, value: &str| format!("<parameter={key}>\n{value}\n</parameter>\n");
    let not_empty =
        json!({"oneOf": [{"minimum": 0, "$ref": "#y"}, true], "$defs": {"y": {"enum": [{}], "$anchor": "y"}}});
    let colour = json!({"properties": {"c": {"enum": ["red", "<b>", 7, "7", null]}}, "required": ["c"]});
    let code = json!({"properties": {"c": {"type": "string", "pattern": "^[A-Z]{2}$"}}, "additionalProperties": false});
    let text = json!({"properties": {"t": {"type": "string", "minLength": 2, "maxLength": 4}, "n": {"type": "integer"}},
        "required": ["t", "n"], "additionalProperties": false});
    let either = json!({"properties": {"e": {"type": ["string", "integer", "object"]}}});
    for (schema, arguments, json) in [
        (&either, one("e", "42"), Some(json!({"e": 42}))),
        (&either, one("e", "\"42\""), Some(json!({"e": "42"}))),
        (&either, one("e", " 42"), Some(json!({"e": " 42"}))),
        (&either, one("e", "42 "), Some(json!({"e": "42 "}))),
        (&either, one("e", "42\n"), Some(json!({"e": "42\n"}))),
        (&either, one("e", "\t{}"), Some(json!({"e": "\t{}"}))),
        (&either, one("e", "{}"), Some(json!({"e": {}}))),
        (&either, one("e", "   "), Some(json!({"e": "   "}))),
        (&not_empty, one("a", "null"), Some(json!({"a": null}))),
        (&not_empty, String::new(), None),
        (&colour, one("c", "red"), Some(json!({"c": "red"}))),
        (&colour, one("c", "<b>"), Some(json!({"c": "<b>"}))),
        (&colour, one("c", "7"), Some(json!({"c": 7}))),
        (&colour, one("c", "\"7\""), Some(json!({"c": "7"}))),
        (&colour, one("c", "null"), Some(json!({"c": null}))),
        (&colour, one("c", "blue"), None),
        (&colour, String::new(), None),
        (&colour, one("c", "red") + &one("c", "red"), None),
        (&code, one("c", "AB"), Some(json!({"c": "AB"}))),
        (&code, one("c", "ab"), None),
        (&code, one("c", "\"AB\""), None),
        (&code, one("d", "AB"), None),
        (&text, one("n", "4") + &one("t", "a\nb"), Some(json!({"n": 4, "t": "a\nb"}))),
        (&text, one("t", "</p>") + &one("n", "-1"), Some(json!({"t": "</p>", "n": -1}))),
        (&text, one("t", "abcde") + &one("n", "1"), None),
        (&text, one("t", "a") + &one("n", "1"), None),
        (&text, one("t", "ab") + &one("n", "one"), None),
        (&text, one("t", "ab"), None),
    ] {
        let mut schema = schema.clone();
        schema["type"] = "object".into();
        let case = case(format, vocab, &schema).unwrap().unwrap();
        let text = format!("<tool_call>\n<function=f>\n{arguments}</function>\n</tool_call>");
        case.says(&text, json, &schema);
    }
}

/// Elements in elements: what is written so, and what is JSON in an element.
#[test]
fn values_are_elements_where_an_element_can_say_what_they_are() {
    let all = formats();
    let is_it = |(format, vocab): &&(ToolFormat, Vocab)| {
        format.family.name == "minimax-m3" && vocab.control_names().any(|name| name.starts_with(']'))
    };
    let (format, vocab) = all.iter().find(is_it).unwrap();
    let wide: Vec<Value> = (0..60).map(|_| json!({"type": "integer"})).collect();
    let tuple = json!({"properties": {"t": {"type": "array", "prefixItems": wide}}});
    let path = json!({"properties": {"b": {"anyOf": [
        {"type": "null"}, {"type": "object", "properties": {"application/json": {"type": "integer"}}, "additionalProperties": false}]}}});
    let either = json!({"properties": {"e": {"type": ["string", "object"]}}});
    let both = json!({"properties": {"c": {"enum": [[1], {"a": 1}, "x", null]}, "d": {"enum": [[1, "a"], []]}}});
    let tree = json!({"properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "object", "additionalProperties": false,
        "properties": {"item": {"type": "string"}, "of": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}}});
    let n = |key: &str, value: &str| format!("]<]minimax[>[<{key}>{value}]<]minimax[>[</{key}>");
    for (schema, arguments, json) in [
        (&tuple, n("t", &n("item", "1").repeat(60)), Some(json!({"t": vec![1; 60]}))),
        (&tuple, n("t", &n("item", "1").repeat(3)), Some(json!({"t": [1, 1, 1]}))),
        (&tuple, n("t", ""), Some(json!({"t": []}))),
        (&path, n("b", "{\"application/json\": 1}"), Some(json!({"b": {"application/json": 1}}))),
        (&path, n("b", "null"), Some(json!({"b": null}))),
        (&path, n("b", &n("application/json", "1")), None),
        (&either, n("e", "{\"a/b\": 1}"), Some(json!({"e": {"a/b": 1}}))),
        (&either, n("e", "text <b>"), Some(json!({"e": "text <b>"}))),
        (&both, n("c", "[1]"), Some(json!({"c": [1]}))),
        (&both, n("c", "x"), Some(json!({"c": "x"}))),
        (&both, n("d", &(n("item", "1") + &n("item", "a"))), Some(json!({"d": [1, "a"]}))),
        (&both, n("d", ""), Some(json!({"d": []}))),
        (&both, n("d", &n("item", "1")), None),
        (
            &tree,
            n("n", &(n("of", &(n("item", "") + &n("item", &n("item", "x")))) + &n("item", "y"))),
            Some(json!({"n": {"of": [{}, {"item": "x"}], "item": "y"}})),
        ),
        (&tree, n("n", &n("of", &n("of", ""))), None),
    ] {
        let mut schema = schema.clone();
        schema["type"] = "object".into();
        let case = case(format, vocab, &schema).unwrap().unwrap();
        let text = case.written("{}").replacen("</invoke>", "@", 1);
        let (head, tail) = text.split_once("]<]minimax[>[@").unwrap();
        let text = format!("{head}{arguments}]<]minimax[>[</invoke>{tail}");
        case.says(&text, json, &schema);
    }
}

/// What would be written out again and again is refused in time.
#[test]
fn elements_of_many_alternatives_end_in_time() {
    let properties = |n: usize, name: &str| -> Value {
        (0..n).map(|i| (format!("{name}{i}"), json!({"type": "integer"}))).collect::<serde_json::Map<_, _>>().into()
    };
    let objects: Vec<Value> =
        (0..60).map(|i| json!({"type": "object", "properties": properties(20, &format!("k{i}_"))})).collect();
    let many: serde_json::Map<String, Value> = (0..600)
        .map(|i| {
            (
                format!("p{i}"),
                json!({"anyOf": [{"$ref": "#/$defs/g"}, {"type": "object", "properties": {format!("x{i}"): {}}}]}),
            )
        })
        .collect();
    let schema = json!({"type": "object", "properties": many, "$defs": {"g": {"anyOf": objects}}});
    for (format, vocab) in formats().iter().filter(|(format, _)| format.family.name == "minimax-m3") {
        let document = Document::parse(schema.clone(), Limits::default()).unwrap();
        let tools = [Tool { name: "f".into(), description: None, parameters: Arc::new(document), input: None }];
        let compiler = Compiler::new(vocab, Budget::default()).unwrap();
        let refused = compiler.compile(&format.spec(&tools, &ToolChoice::Required, false, &Otherwise::Prose, None));
        assert!(
            matches!(&refused, Err(GrammarError::Schema { error, .. })
            if matches!(error.kind, ErrorKind::TooComplex(_) | ErrorKind::OutOfTime(_))),
            "{:?}",
            refused.map(|_| ())
        );
    }
}

/// A number that no parser holds has an ending all the same.
#[test]
fn endless_numbers_end() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (format, vocab) in formats().iter().filter(|(format, _)| format.form.is_some()) {
        let case = case(format, vocab, &schema).unwrap().unwrap();
        let whole = case.written("{\"n\": 1}");
        let digits = format!("{}{}", &whole[..=whole.rfind('1').unwrap()], "7".repeat(400));
        let mut matcher = case.compiled.matcher();
        let mut tokens = tokens_of(&digits, vocab);
        for token in &tokens {
            assert_eq!(matcher.accept(*token).unwrap(), Verdict::Taken, "{}", format.family.name);
        }
        tokens.extend(matcher.closing_tokens().unwrap_or_else(|| panic!("{}: no ending", format.family.name)));
        case.is_valid(&tokens).unwrap();
    }
}

/// Hundreds of tools, and one with thousands of choices, compile within the budget in every form; what is called is valid.
#[test]
fn many_tools_and_many_choices_compile_in_every_form() {
    let choices: Vec<Value> =
        (0..2000).map(|i| json!(format!("choice {i}"))).chain([json!(null), json!("17")]).collect();
    let tool = |i: usize, schema: Value| Tool {
        name: format!("tool_{i}"),
        description: None,
        parameters: Arc::new(Document::parse(schema, Limits::default()).unwrap()),
        input: None,
    };
    let many: Vec<Tool> = (0..200)
        .map(|i| {
            let schema = json!({"type": "object", "required": ["id"], "properties": {
                "id": {"type": "string", "pattern": format!("^T{i}-[0-9]{{2}}$")}, "kind": {"enum": ["a", format!("b{i}")]},
                "note": {"type": "string", "maxLength": 50}, "items": {"type": "array", "items": {"type": "integer"}}}});
            tool(i, schema)
        })
        .collect();
    let one = [tool(0, json!({"type": "object", "properties": {"c": {"enum": choices}}, "required": ["c"]}))];
    for (format, vocab) in formats().iter().filter(|(format, _)| format.form.is_some()) {
        let compiler = Compiler::new(vocab, Budget::default()).unwrap();
        for tools in [many.as_slice(), &one] {
            let spec = format.spec(tools, &ToolChoice::Required, false, &Otherwise::Prose, None);
            let compiled = compiler.compile(&spec).unwrap_or_else(|e| panic!("{}: {e}", format.family.name));
            let tokens = compiled.matcher().closing_tokens().unwrap();
            let options = SplitOptions {
                format: Some(Arc::new(format.clone())),
                encodings: encodings(tools, &compiled),
                ..SplitOptions::default()
            };
            let said = take_apart(&tokens, vocab, &options);
            let called = tools.iter().find(|tool| tool.name == said.calls[0].name).unwrap();
            let check = Check::of(&called.parameters).unwrap();
            assert!(check.judge(&said.calls[0].arguments).is_ok(), "{}: {said:?}", format.family.name);
        }
    }
}

/// A text that can only be empty, and lengths that an automaton would count, in every form that arguments have.
#[test]
fn empty_texts_and_long_ones_compile_in_every_form() {
    let object = |schema: Value| json!({"type": "object", "properties": {"v": schema}, "required": ["v"], "additionalProperties": false});
    for (format, vocab) in formats().iter().filter(|(format, _)| !format.family.writes_json()) {
        for (schema, value) in [
            (json!({"type": "string", "enum": ["", "asc"]}), json!("")),
            (json!({"const": ""}), json!("")),
            (json!({"type": "string", "maxLength": 0}), json!("")),
            (json!({"type": "string", "maxLength": 5000}), json!("a text")),
            (json!({"type": "string", "minLength": 1, "maxLength": 10_000}), json!("a text")),
        ] {
            let schema = object(schema);
            let case = case(format, vocab, &schema).unwrap();
            let case = case.unwrap_or_else(|| panic!("{}: {schema} is refused", format.family.name));
            let text = case.written(&json!({"v": value}).to_string());
            case.says(&text, Some(json!({"v": value})), &schema);
        }
    }
}

/// Keys that the schema demands and does not name are made up as each format can write them.
#[test]
fn keys_without_names_are_made_up() {
    let open = json!({"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}});
    let beside = json!({"type": "object", "minProperties": 4, "properties": {"a": {"type": "null"}},
        "patternProperties": {"^[ x-z]$": {"type": "object", "minProperties": 2}}, "additionalProperties": false});
    for (format, vocab) in &formats() {
        for schema in [&open, &beside] {
            let case = case(format, vocab, schema).unwrap().unwrap();
            let tokens = case.compiled.matcher().closing_tokens();
            let tokens = tokens.unwrap_or_else(|| panic!("{}: no ending for {schema}", format.family.name));
            case.is_valid(&tokens).unwrap();
        }
    }
}
