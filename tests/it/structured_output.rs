//! Answers bound by `response_format`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::{Setup, TestServer, bound_body, chat_body};

fn person() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["name", "age"],
           "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}}})
}

#[test]
fn is_always_enforced_whatever_strict_says() {
    let server = TestServer::start(Setup::default());
    for strict in [json!(true), json!(false), json!(null), json!("true")] {
        let mut body = bound_body(person(), json!({}));
        body["response_format"]["json_schema"]["strict"] = strict.clone();
        let answer = server.chat(&body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.finish_reason(), "stop");
        let value: Value = serde_json::from_str(answer.content()).unwrap();
        assert!(jsonschema::is_valid(&person(), &value), "strict {strict}: {value}");
    }
}

#[test]
fn json_object_gives_an_object() {
    let server = TestServer::start(Setup::default());
    for seed in 0..10 {
        let answer = server.chat(&chat_body(json!({"response_format": {"type": "json_object"}, "seed": seed})));
        assert_eq!(answer.status, 200, "{}", answer.body);
        if answer.finish_reason() == "stop" {
            assert!(serde_json::from_str::<Value>(answer.content()).unwrap().is_object());
        }
    }
}

#[test]
fn the_declared_order_of_keys_is_kept() {
    let server = TestServer::start(Setup::default());
    let properties: serde_json::Map<String, Value> =
        ["z", "a", "m", "b"].map(|k| (k.to_owned(), json!({"type": "boolean"}))).into_iter().collect();
    let schema = json!({"type": "object", "properties": properties, "required": ["a", "b", "m", "z"], "additionalProperties": false});
    let answer = server.chat(&bound_body(schema, json!({})));
    let value: Value = serde_json::from_str(answer.content()).unwrap();
    assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["z", "a", "m", "b"]);
}

#[test]
fn whitespace_cannot_run_away() {
    // A model that wants nothing but whitespace.
    let server = TestServer::start(Setup::scripted(&" \n\t".repeat(2000)));
    let schema = json!({"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "null"}}, "required": ["a", "b"], "additionalProperties": false});
    let answer = server.chat(&bound_body(schema, json!({})));
    assert_eq!(answer.finish_reason(), "stop");
    assert!(answer.content().starts_with('{') && answer.content().len() < 400, "{:?}", answer.content());
}

#[test]
fn a_stop_string_does_not_cut_a_bound_answer() {
    let server = TestServer::start(Setup::scripted(r#"{"name": "a, b", "age": 3}"#));
    let answer = server.chat(&bound_body(person(), json!({"stop": [","]})));
    assert_eq!(answer.content(), r#"{"name": "a, b", "age": 3}"#);
    assert_eq!(answer.header("x-drawplate-ignored-fields"), Some("stop"));
}

#[test]
fn free_text_ends_at_a_stop_string() {
    let server = TestServer::start(Setup::scripted("one two three"));
    let answer = server.chat(&chat_body(json!({"stop": "two"})));
    assert_eq!((answer.content(), answer.finish_reason()), ("one ", "stop"));
    let answer = server.chat(&chat_body(json!({"max_tokens": 2})));
    assert_eq!(answer.finish_reason(), "length");
    assert_eq!(answer.body["usage"]["completion_tokens"], 2);
}

#[test]
fn several_choices_differ_and_are_all_bound() {
    let server = TestServer::start(Setup::default());
    let answer = server.chat(&bound_body(person(), json!({"n": 3})));
    let texts: Vec<&str> =
        answer.body["choices"].as_array().unwrap().iter().map(|c| c["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 3);
    assert!(texts[0] != texts[1] || texts[1] != texts[2], "{texts:?}");
    for text in texts {
        assert!(jsonschema::is_valid(&person(), &serde_json::from_str(text).unwrap()), "{text}");
    }
}

#[test]
fn log_probabilities_cover_every_token() {
    let server = TestServer::start(Setup::scripted(r#"{"name": "a", "age": 3}"#));
    let answer = server.chat(&bound_body(person(), json!({"logprobs": true, "top_logprobs": 3})));
    let entries = answer.body["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let text: String = entries.iter().map(|e| e["token"].as_str().unwrap()).collect();
    assert_eq!(text, answer.content());
    assert_eq!(answer.body["usage"]["completion_tokens"], entries.len());
    for entry in entries {
        assert_eq!(entry["top_logprobs"].as_array().unwrap().len(), 3);
        assert!(entry["logprob"].as_f64().unwrap() <= 0.0);
        assert!(entry["top_logprobs"][0]["logprob"].as_f64() >= entry["logprob"].as_f64());
    }
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let server = TestServer::start(Setup::default());
    let body = bound_body(person(), json!({"seed": 42}));
    let first = server.chat(&body);
    for _ in 0..3 {
        assert_eq!(server.chat(&body).content(), first.content());
    }
}

#[test]
fn a_schema_too_large_for_the_prompt_is_enforced_all_the_same() {
    let values: Vec<String> = (0..3000).map(|i| format!("value_{i}")).collect();
    let server = TestServer::start(Setup::default());
    let answer = server.chat(&bound_body(json!({"enum": values}), json!({})));
    assert!(answer.header("x-drawplate-note").is_some_and(|note| note.contains("too large to be shown")));
    assert!(values.contains(&serde_json::from_str::<String>(answer.content()).unwrap()));
}

#[test]
fn an_answer_that_runs_out_of_tokens_ends_valid() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["list", "end"],
        "properties": {"list": {"type": "array", "items": {"type": "string", "minLength": 3}}, "end": {"const": "done"}},
    });
    let server = TestServer::start(Setup::default());
    for max_tokens in [40, 50, 60, 80] {
        for seed in 0..4 {
            let extra = json!({"max_tokens": max_tokens, "seed": seed, "drawplate": {"report": true}});
            let answer = server.chat(&bound_body(schema.clone(), extra));
            let content = answer.body["choices"][0]["message"]["content"].as_str().unwrap();
            let value: Value = serde_json::from_str(content).unwrap_or_else(|e| panic!("{e}: {content}"));
            assert_eq!(value["end"], "done", "{content}");
            assert!(answer.body["usage"]["completion_tokens"].as_u64().unwrap() <= max_tokens);
            let is_closed = answer.body["drawplate"]["closed"][0].as_bool().unwrap();
            assert_eq!(is_closed, answer.body["choices"][0]["finish_reason"] == "length", "{}", answer.body);
        }
    }
    let answer = server.chat(&bound_body(schema.clone(), json!({"max_tokens": 3})));
    assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("max_tokens_too_small")));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("takes"), "{}", answer.body);
    let mut setup = Setup::default();
    setup.generator.closes = false;
    assert_eq!(TestServer::start(setup).chat(&bound_body(schema, json!({"max_tokens": 3}))).status, 200);
}

#[test]
fn a_request_may_say_how_long_it_waits() {
    let setup = Setup { step_time: Duration::from_millis(5), ..Setup::scripted(&format!("\"{}", "x".repeat(900))) };
    let server = TestServer::start(setup);
    let ask = |deadline: Value| {
        server.chat(&bound_body(
            json!({"type": "string"}),
            json!({"max_tokens": 900, "drawplate": {"deadline": deadline}}),
        ))
    };
    let answer = ask(json!(0.5));
    assert_eq!(answer.finish_reason(), "length", "{}", answer.body);
    let text: String = serde_json::from_str(answer.content()).unwrap();
    assert!((1..900).contains(&text.len()), "{text}");
    for (deadline, code) in [(json!(0), "decimal_below_min_value"), (json!("soon"), "invalid_type")] {
        let answer = ask(deadline);
        assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!(code)), "{}", answer.body);
        assert_eq!(answer.body["error"]["param"], "drawplate.deadline");
    }
}

#[test]
fn keys_come_in_any_order_where_that_is_asked_for() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["first", "second", "third"],
        "properties": {"first": {"const": 1}, "second": {"const": 2}, "third": {"const": 3}, "fourth": {"const": 4}},
    });
    let script = r#"{"third":3,"first":1,"fourth":4,"second":2}"#;
    let server = TestServer::start(Setup::scripted(script));
    let free = server.chat(&bound_body(schema.clone(), json!({"drawplate": {"property_order": "any"}})));
    assert_eq!(free.body["choices"][0]["message"]["content"], script);
    let declared = server.chat(&bound_body(schema.clone(), json!({})));
    let content = declared.body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(content.find("first") < content.find("second"), "{content}");
    let wrong = server.chat(&bound_body(schema.clone(), json!({"drawplate": {"spelling": "wild"}})));
    assert_eq!((wrong.status, &wrong.body["error"]["param"]), (400, &json!("drawplate.spelling")));
    let wrong = server.chat(&bound_body(schema.clone(), json!({"drawplate": {"property_order": "alphabetical"}})));
    assert_eq!((wrong.status, &wrong.body["error"]["param"]), (400, &json!("drawplate.property_order")));
    // Whatever the model wants, every required key comes, and none comes twice.
    let server = TestServer::start(Setup::default());
    for seed in 0..6 {
        let extra = json!({"drawplate": {"property_order": "any", "report": true}, "seed": seed});
        let answer = server.chat(&bound_body(schema.clone(), extra));
        let value: Value =
            serde_json::from_str(answer.body["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
        assert!(["first", "second", "third"].iter().all(|key| value.get(key).is_some()), "{value}");
        let keywords = answer.body["drawplate"]["enforcement"]["keywords"].as_array().unwrap();
        assert!(keywords.iter().any(|k| k["pointer"] == "/required" && k["fate"] == "mask"), "{keywords:?}");
    }
}

/// One token may add a lot to what an answer still needs: a string that goes the longer of two ways, a long optional key.
#[test]
fn answers_end_valid_whatever_one_token_adds() {
    let server = TestServer::start(Setup::default());
    let key = "k".repeat(60);
    let long = |n: usize| json!({"t": {"type": "string"}, "x": {"type": "string", "pattern": format!("^(n|[0-9a-f]{{{n}}})$")}});
    for (properties, required, max_tokens) in [
        (long(64), json!(["t", "x"]), 100),
        (long(30), json!(["t", "x"]), 60),
        (json!({"t": {"type": "string"}, key: {"type": "integer"}}), json!(["t"]), 90),
    ] {
        let schema =
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        for seed in 0..25 {
            let answer = server.chat(&bound_body(schema.clone(), json!({"seed": seed, "max_tokens": max_tokens})));
            assert_eq!(answer.status, 200, "{}", answer.body);
            let value = serde_json::from_str(answer.content()).unwrap_or_else(|e| panic!("{e}: {}", answer.content()));
            assert!(jsonschema::is_valid(&schema, &value), "{value}");
        }
    }
}

/// The same in a call whose arguments are elements in elements: a key brings twenty-five others, two tags each.
#[test]
fn calls_end_valid_whatever_one_element_adds() {
    let server = TestServer::start(Setup { taught: Some("minimax-m3"), ..Setup::default() });
    let numbers: Map<String, Value> = (0..25).map(|i| (format!("b{i}"), json!({"type": "integer"}))).collect();
    let names: Vec<&String> = numbers.keys().collect();
    let inner = json!({"type": "object", "properties": numbers, "required": names, "additionalProperties": false});
    let schema = json!({"type": "object", "properties": {"t": {"type": "string", "maxLength": 30}, "u": {"type": "boolean"}, "o": inner},
        "required": ["t", "u"], "additionalProperties": false});
    // Keys that begin alike: where all of them are used, no ending is known from their beginning.
    let alike = json!({"type": "object", "properties": {"text": {"type": "string", "minLength": 3, "maxLength": 40}, "when": {"type": "string", "format": "date"},
        "who": {"type": "integer"}, "whom": {"type": "integer"}, "kind": {"enum": ["plain", "a longer one"]}}, "required": ["text", "when"], "additionalProperties": false});
    for (schema, max_tokens, n) in [(schema, 600, 20), (alike, 300, 60)] {
        let tools = json!([{"type": "function", "function": {"name": "f", "parameters": schema}}]);
        for seed in 0..n {
            let body = chat_body(
                json!({"tools": tools, "tool_choice": "required", "seed": seed, "max_tokens": max_tokens + seed % 30}),
            );
            let answer = server.chat(&body);
            assert_eq!(answer.status, 200, "{}", answer.body);
            for call in answer.body["choices"][0]["message"]["tool_calls"].as_array().unwrap() {
                let arguments = call["function"]["arguments"].as_str().unwrap();
                let value = serde_json::from_str(arguments).unwrap_or_else(|e| panic!("{seed}: {e}: {arguments}"));
                assert!(jsonschema::is_valid(&schema, &value), "{value}");
            }
        }
    }
}
