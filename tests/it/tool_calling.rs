//! Tools through the generic format: every tool choice, plain and streamed.

use drawplate::engine::{FakeMode, Limits};
use serde_json::{Value, json};

use super::call_formats::{is_valid, note, notes, ok};
use crate::support::schemas::sample;
use crate::support::{Setup, TestServer, chat_body, fold};

fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": {
            "type": "object", "additionalProperties": false, "required": ["city"],
            "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}}}}},
        {"type": "function", "function": {"name": "now"}},
    ])
}

const CALL: &str = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";

fn check_calls(message: &Value) -> Vec<String> {
    let weather = &tools()[0]["function"]["parameters"];
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    calls
        .iter()
        .map(|call| {
            assert_eq!(call["type"], "function");
            assert!(call["id"].as_str().unwrap().starts_with("call_"));
            let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
            let name = call["function"]["name"].as_str().unwrap();
            match name {
                "weather" => assert!(jsonschema::is_valid(weather, &arguments), "{arguments}"),
                "now" => assert_eq!(arguments, json!({})),
                other => panic!("unknown tool {other}"),
            }
            name.to_owned()
        })
        .collect()
}

#[test]
fn each_choice_does_what_it_says() {
    let named = json!({"type": "function", "function": {"name": "now"}});
    let allowed = |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [{"type": "function", "function": {"name": "now"}}]}});
    let now = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    // (tool_choice, what the model wants to say, calls, content, finish reason)
    for (choice, script, calls, content, finish) in [
        (json!("auto"), "Hi there.", vec![], json!("Hi there."), "stop"),
        (json!("auto"), CALL, vec!["weather"], Value::Null, "tool_calls"),
        (json!("auto"), &format!("I look.{CALL}\n{now}"), vec!["weather", "now"], json!("I look."), "tool_calls"),
        (json!("none"), CALL, vec![], json!("no call"), "any"),
        (json!("none"), "Hi there.", vec![], json!("Hi there."), "stop"),
        (json!("required"), "Hi there.", vec![], Value::Null, "any"),
        (json!("required"), CALL, vec!["weather"], Value::Null, "tool_calls"),
        (named.clone(), now, vec!["now"], Value::Null, "stop"),
        (named, CALL, vec!["now"], Value::Null, "stop"),
        (allowed("auto"), now, vec!["now"], Value::Null, "tool_calls"),
        (allowed("required"), now, vec!["now"], Value::Null, "tool_calls"),
    ] {
        let server = TestServer::start(Setup::scripted(script));
        let answer = server.chat(&chat_body(json!({"tools": tools(), "tool_choice": choice})));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let message = &answer.body["choices"][0]["message"];
        let made = check_calls(message);
        if content == "no call" {
            let said = message["content"].as_str().unwrap();
            assert!(made.is_empty() && !said.contains("<tool_call>"), "{choice} on {script:?}: {}", answer.body);
            continue;
        }
        if finish == "any" {
            assert!(!made.is_empty(), "{choice} on {script:?}: {}", answer.body);
            continue;
        }
        assert_eq!(made, calls, "{choice} on {script:?}: {}", answer.body);
        assert_eq!((&message["content"], answer.finish_reason()), (&content, finish), "{choice} on {script:?}");
        assert_eq!(message.get("tool_calls").is_some(), !calls.is_empty(), "absent when there are none");
    }
}

#[test]
fn arguments_are_masked_from_the_marker_on() {
    // The model wants a city that is not allowed, a tool that does not exist, and arguments that are no object.
    for script in [
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 99}}\n</tool_call>",
        "<tool_call>\n{\"name\": \"delete\", \"arguments\": {}}\n</tool_call>",
        "<tool_call>\n{\"name\": \"now\", \"arguments\": \"x\"}\n</tool_call>",
        "Well <tool_call>oops",
    ] {
        let server = TestServer::start(Setup::scripted(script));
        let answer = server.chat(&chat_body(json!({"tools": tools()})));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!check_calls(&answer.body["choices"][0]["message"]).is_empty(), "{script:?}: {}", answer.body);
    }
}

#[test]
fn a_hostile_model_breaks_no_format() {
    let server = TestServer::start(Setup { mode: FakeMode::Hostile, ..Setup::default() });
    for seed in 0..40 {
        for (choice, parallel) in [("auto", true), ("auto", false), ("required", true), ("required", false)] {
            let answer = server.chat(&chat_body(json!({"tools": tools(), "tool_choice": choice, "parallel_tool_calls": parallel, "seed": seed, "temperature": 1.5})));
            assert_eq!(answer.status, 200, "{}", answer.body);
            let n_calls = check_calls(&answer.body["choices"][0]["message"]).len();
            assert!((choice == "auto" || n_calls > 0) && (parallel || n_calls < 2), "{}", answer.body);
        }
    }
}

const NOTE: &str = "<tool_call>\n{\"name\": \"note\", \"arguments\": {\"text\": \"ab\\u00e9d\", \"when\": \"2026-01-01\"}}\n</tool_call>";

/// Wherever the tokens run out, a call that a client is shown is whole and valid, and what was demanded is there.
#[test]
fn calls_that_run_out_of_tokens_end_valid() {
    let tools = json!([
        {"type": "function", "function": {"name": "note", "parameters": note()}},
        {"type": "function", "function": {"name": "note_all", "parameters": notes()}},
    ]);
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": ok()}});
    let named = json!({"type": "function", "function": {"name": "note_all"}});
    let runaway = format!("<tool_call>\n{{\"name\": \"note\", \"arguments\": {{\"text\": \"{}", "x".repeat(900));
    for (mode, n_seeds) in [
        (FakeMode::Hostile, 2),
        (FakeMode::Random, 2),
        (FakeMode::Scripted(runaway), 2),
        (FakeMode::Scripted(format!("I note. {NOTE}\n{NOTE}")), 2),
    ] {
        let server = TestServer::start(Setup { mode: mode.clone(), ..Setup::default() });
        for (choice, format, n_enough) in [
            (json!("auto"), None, 1),
            (json!("required"), None, 100),
            (named.clone(), None, 100),
            (json!("auto"), Some(&format), 20),
        ] {
            let mut n_closed = 0;
            for (seed, max_tokens) in (0..n_seeds).flat_map(|seed| (1..140).step_by(3).map(move |n| (seed, n))) {
                let mut body =
                    chat_body(json!({"tools": tools, "tool_choice": choice, "seed": seed, "max_tokens": max_tokens,
                    "temperature": 1.5, "parallel_tool_calls": max_tokens % 2 == 0, "logprobs": seed == 1}));
                if let Some(format) = format {
                    body["response_format"] = format.clone();
                }
                let got = server.chat(&body);
                if got.status == 400 {
                    assert_eq!(got.body["error"]["code"], "max_tokens_too_small", "{}", got.body);
                    assert!(max_tokens < n_enough, "{choice}: {max_tokens} are enough: {}", got.body);
                    continue;
                }
                assert_eq!(got.status, 200, "{choice} {max_tokens}: {}", got.body);
                let message = &got.body["choices"][0]["message"];
                let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
                for call in &calls {
                    let parameters = if call["function"]["name"] == "note" { note() } else { notes() };
                    assert!(is_valid(&parameters, call["function"]["arguments"].as_str().unwrap()), "{call}");
                }
                n_closed += usize::from(got.finish_reason() == "length");
                if format.is_some() && calls.is_empty() {
                    assert!(is_valid(&ok(), message["content"].as_str().unwrap()), "{message}");
                }
                assert!(choice == "auto" || !calls.is_empty(), "{choice} {max_tokens}: {}", got.body);
                if max_tokens % 9 == 1 {
                    let (content, streamed, finish) = fold(&server.stream(&body), 0);
                    let plain: Vec<&Value> = calls.iter().map(|call| &call["function"]["arguments"]).collect();
                    assert_eq!(streamed.iter().map(|(_, _, arguments)| arguments).collect::<Vec<_>>(), plain);
                    assert_eq!(content, message["content"].as_str().unwrap_or_default());
                    assert_eq!(finish.as_deref(), Some(got.finish_reason()));
                }
            }
            assert!(
                n_closed > 5 || matches!(mode, FakeMode::Random),
                "{choice}: only {n_closed} were brought to an end"
            );
        }
    }
}

#[test]
fn parallel_calls_can_be_forbidden() {
    let server = TestServer::start(Setup::scripted(&format!("{CALL}\n{CALL}")));
    let many = server.chat(&chat_body(json!({"tools": tools()})));
    assert_eq!(check_calls(&many.body["choices"][0]["message"]).len(), 2);
    let one = server.chat(&chat_body(json!({"tools": tools(), "parallel_tool_calls": false})));
    assert_eq!(check_calls(&one.body["choices"][0]["message"]).len(), 1);
}

/// What is known beforehand is said at once: content, the stop strings that have no effect; usage comes last.
#[test]
fn streams_of_demanded_calls_say_what_plain_answers_say() {
    let server = TestServer::start(Setup::default());
    let custom = json!({"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]{3}"}}}});
    let options = json!({"include_usage": true});
    for (choice, first) in [("required", Value::Null), ("auto", json!(""))] {
        let body = chat_body(
            json!({"tools": [custom], "tool_choice": choice, "stop": "b", "stream_options": options, "drawplate": {"report": true}}),
        );
        let chunks = server.stream(&body);
        assert_eq!(chunks[0]["choices"][0]["delta"]["content"], first, "{choice}");
        let [.., report, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
        assert!(report["drawplate"].is_object() && report["usage"].is_null(), "{report}");
        assert!(usage["usage"]["total_tokens"].is_u64() && usage["choices"] == json!([]), "{usage}");
        let calls =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["custom"].as_object());
        for call in calls {
            assert!(call.contains_key("name") || call["input"] != "", "{call:?}");
        }
        let plain = server.chat(&chat_body(json!({"tools": [custom], "tool_choice": choice, "stop": "b"})));
        assert_eq!(plain.header("x-drawplate-ignored-fields"), (choice == "required").then_some("stop"));
    }
}

#[test]
fn streams_like_the_plain_answer() {
    let script = format!("I look. {CALL}\n{CALL}");
    let server = TestServer::start(Setup::scripted(&script));
    let body = chat_body(json!({"tools": tools()}));
    let plain = server.chat(&body);
    let message = &plain.body["choices"][0]["message"];
    let (content, calls, finish) = fold(&server.stream(&body), 0);
    assert_eq!(message["content"], content);
    assert_eq!(finish.as_deref(), Some("tool_calls"));
    let plain_calls = message["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), plain_calls.len());
    assert_ne!(calls[0].0, calls[1].0, "ids are unique");
    for ((_, name, arguments), plain) in calls.iter().zip(plain_calls) {
        assert_eq!((&plain["function"]["name"], &plain["function"]["arguments"]), (&json!(name), &json!(arguments)));
    }
}

#[test]
fn tools_and_a_response_format_are_one_grammar() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false}}});
    for (script, content, calls) in [("{\"ok\": true}", json!("{\"ok\": true}"), 0), (CALL, Value::Null, 1)] {
        let server = TestServer::start(Setup::scripted(script));
        let answer = server.chat(&chat_body(json!({"tools": tools(), "response_format": format})));
        let message = &answer.body["choices"][0]["message"];
        assert_eq!((&message["content"], check_calls(message).len()), (&content, calls), "{}", answer.body);
    }
}

#[test]
fn a_loop_of_two_turns() {
    let server = TestServer::start(Setup::scripted("It rains."));
    let answer = server.chat(&chat_body(json!({"tools": tools(), "messages": [
        {"role": "user", "content": "Rain in Oslo?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}},
            {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rain"}]},
    ]})));
    assert_eq!(answer.content(), "It rains.");
}

#[test]
fn the_older_functions_still_work() {
    let functions: Vec<Value> = tools().as_array().unwrap().iter().map(|t| t["function"].clone()).collect();
    let server = TestServer::start(Setup::scripted(CALL));
    let body = chat_body(json!({"functions": functions, "function_call": {"name": "weather"}}));
    let answer = server.chat(&body);
    let message = &answer.body["choices"][0]["message"];
    assert_eq!(answer.finish_reason(), "function_call");
    assert_eq!(message["function_call"], json!({"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}));
    assert!(message.get("tool_calls").is_none());
    let chunks = server.stream(&body);
    let arguments: String =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["function_call"]["arguments"].as_str()).collect();
    assert_eq!(arguments, "{\"city\": \"Oslo\"}");
}

/// Tools as function calling is measured with (BFCL's, where MaskBench lies beside the checkout): five hundred in one
/// request, and each of some made to be called.
#[test]
fn five_hundred_tools_are_one_request() {
    let mut schemas: Vec<Value> = sample(usize::MAX, 1)
        .into_iter()
        .filter(|(name, _)| name.contains("BFCL"))
        .map(|(_, schema)| schema)
        .filter(|schema| schema.get("type").is_some_and(|kind| kind == "object"))
        .collect();
    let n_real = schemas.len().min(500);
    schemas.extend((0..500).map(|i| {
        json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "pattern": format!("^T{i}-[0-9]{{2}}$")}, "kind": {"enum": ["a", format!("b{i}")]},
            "note": {"type": "string", "maxLength": 50}, "items": {"type": "array", "items": {"type": "integer"}}}})
    }));
    schemas.truncate(500);
    let tools: Vec<Value> = (schemas.iter().enumerate())
        .map(|(i, schema)| json!({"type": "function", "function": {"name": format!("tool_{i}"), "parameters": schema}}))
        .collect();
    // Descriptions as documentation has them: together, a megabyte.
    let describe = |tool: &Value| {
        let mut tool = tool.clone();
        tool["function"]["description"] = "Says what it does, and when. ".repeat(70).into();
        tool
    };
    let described: Vec<Value> = tools.iter().map(describe).collect();
    assert!(json!(described).to_string().len() > 1_000_000);
    let limits = Limits { n_slots: 2, n_batch: 1 << 16, n_ctx: 4_000_000 };
    let server = TestServer::start(Setup { limits, ..Setup::default() });
    let call = |body: Value| {
        let answer = server.chat(&chat_body(body));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let call = answer.body["choices"][0]["message"]["tool_calls"][0]["function"].clone();
        let i: usize = call["name"].as_str().unwrap().trim_start_matches("tool_").parse().unwrap();
        assert!(is_valid(&schemas[i], call["arguments"].as_str().unwrap()), "{call}");
        i
    };
    for seed in 0..3 {
        call(
            json!({"tools": tools, "tool_choice": "required", "seed": seed, "max_tokens": 300, "parallel_tool_calls": false}),
        );
    }
    let named = |i: usize| json!({"type": "function", "function": {"name": format!("tool_{i}")}});
    for (tools, i) in [(&described, 7), (&tools, 250), (&described, 499)] {
        assert_eq!(call(json!({"tools": tools, "tool_choice": named(i), "max_tokens": 2000})), i);
    }
    for i in (0..n_real).step_by(5).chain([499]) {
        let choice = named(i);
        assert_eq!(call(json!({"tools": [tools[i]], "tool_choice": choice, "seed": i, "max_tokens": 2000})), i);
    }
}

/// What a request asks for in the wrong place, or by the wrong name, is refused by its path, or named in a header.
#[test]
fn what_would_not_be_enforced_is_named() {
    let server = TestServer::start(Setup::scripted("Hi."));
    let custom = json!({"type": "custom", "custom": {"name": "text"}});
    let regex = |pattern: &str| json!([{"type": "custom", "custom": {"name": "text", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": pattern}}}}]);
    let function = json!({"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "nothing"}}}});
    let definition = "tools[0].custom.format.grammar.definition";
    for (body, param, part) in [
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": true}}]}),
            "tools[0].function.parameters",
            "expected an object",
        ),
        (json!({"tools": regex("a)|(b")}), definition, "unopened group (at byte 1)"),
        (json!({"tools": regex("a(?=b)")}), definition, "look-around"),
        (
            json!({"tools": [custom], "tool_choice": {"type": "function", "function": {"name": "text"}}}),
            "tool_choice",
            "not of the type 'function'",
        ),
        (
            json!({"tools": tools(), "tool_choice": {"type": "custom", "custom": {"name": "now"}}}),
            "tool_choice",
            "not of the type 'custom'",
        ),
        (
            json!({"tools": tools(), "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "now"}}]}}}),
            "tool_choice.allowed_tools.tools[0]",
            "not of the type 'custom'",
        ),
        (json!({"functions": [function]}), "functions[0].parameters", "nothing"),
        (json!({"functions": [{"name": "f"}, {"name": "f"}]}), "functions[1].name", "defined twice"),
        (json!({"functions": [{"name": "f"}], "function_call": {"name": "g"}}), "function_call", "not among"),
        (json!({"function_call": "auto"}), "function_call", "only allowed when"),
        (json!({"structured_outputs": {"jsn": {}}}), "structured_outputs.jsn", "would not be enforced"),
        (
            json!({"structured_outputs": {"json": {}, "disable_additional_properties": true}}),
            "structured_outputs.disable_additional_properties",
            "would not be enforced",
        ),
        (json!({"stop": ["a".repeat(1025)]}), "stop", "maximum length 1024"),
    ] {
        let answer = server.chat(&chat_body(body.clone()));
        assert_eq!(
            (answer.status, answer.body["error"]["param"].as_str()),
            (400, Some(param)),
            "{body}: {}",
            answer.body
        );
        assert!(answer.body["error"]["message"].as_str().unwrap().contains(part), "{body}: {}", answer.body);
    }
    let typo = json!({"tools": [{"type": "function", "function": {"name": "f", "paramters": {}}}], "stop": "x", "response_format": {"type": "json_object"}});
    let answer = server.chat(&chat_body(typo));
    assert_eq!(answer.header("x-drawplate-ignored-fields"), Some("tools[0].function.paramters, stop"));
    // As vLLM's own clients write it: what is not asked for is null, or false.
    let empty = json!({"structured_outputs": {"json": {"type": "null"}, "regex": null, "whitespace_pattern": null,
        "disable_any_whitespace": false, "disable_additional_properties": false, "disable_fallback": true}});
    assert_eq!(server.chat(&chat_body(empty)).status, 200);
}

/// The syntax is that of Rust's `regex`, as OpenAI's guide to custom tools has it; in Lark, too.
#[test]
fn patterns_of_custom_tools_are_those_of_rust() {
    let timestamp = r"^(?P<month>January|February|May)\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?\s+at\s+(?P<hour>0?[1-9]|1[0-2])(?P<ampm>AM|PM)$";
    for (syntax, definition, input) in [
        ("regex", "(?i)yes|no", "nO"),
        ("regex", timestamp, "May 7th at 10AM"),
        ("regex", "[a-z&&[^aeiou]]{3}", "bcd"),
        ("regex", r"\A[[:digit:]]{2}\pL+\x{41}\z", "42xA"),
        ("lark", r"start: /[^.\n]{0,10}*\./", "It is."),
        ("lark", "start: /(?i)a(?P<n>[0-9&&[^7]])/ \"!\"", "A8!"),
    ] {
        let grammar = json!({"syntax": syntax, "definition": definition});
        let format = json!({"type": "grammar", "grammar": grammar});
        let tool = json!([{"type": "custom", "custom": {"name": "text", "format": format}}]);
        let call = format!("{{\"name\": \"text\", \"arguments\": {{\"input\": {}}}}}", json!(input));
        let server = TestServer::start(Setup::scripted(&format!("<tool_call>\n{call}\n</tool_call>")));
        let answer = server.chat(&chat_body(json!({"tools": tool, "tool_choice": "required"})));
        let called = &answer.body["choices"][0]["message"]["tool_calls"][0]["custom"]["input"];
        assert_eq!(called, input, "{definition}: {}", answer.body);
    }
}

/// The order of keys that the request leaves open is open in arguments too, and so is the report.
#[test]
fn options_of_bound_answers_hold_for_arguments() {
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "additionalProperties": false, "required": ["a", "b"], "properties": {"a": {"const": 1}, "b": {"const": 2}}}}}]);
    let script = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"b\": 2, \"a\": 1}}\n</tool_call>";
    let server = TestServer::start(Setup::scripted(script));
    let arguments = |options: Value| {
        let answer = server.chat(&chat_body(json!({"tools": tool, "tool_choice": "required", "drawplate": options})));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let call = &answer.body["choices"][0]["message"]["tool_calls"][0]["function"];
        (call["arguments"].as_str().unwrap().to_owned(), answer.body["drawplate"].clone())
    };
    assert_eq!(arguments(json!({"property_order": "any"})).0, "{\"b\": 2, \"a\": 1}");
    let (declared, report) = arguments(json!({"report": true}));
    let declared: String = declared.split_ascii_whitespace().collect();
    assert_eq!(declared, "{\"a\":1,\"b\":2}");
    assert_eq!(report["tools"]["f"]["needs_guard"], false, "{report}");
    assert_eq!(report["enforcement"], Value::Null);
}

/// What may be called changes from request to request; the tools in the prompt, which are in its cache, stay.
#[test]
fn the_prompt_of_a_list_of_tools_stays_the_same() {
    let server = TestServer::start(Setup::scripted("Hi."));
    let function = |name: &str| json!({"type": "function", "function": {"name": name}});
    let allowed = |names: &[&str]| json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": names.iter().map(|name| function(name)).collect::<Vec<_>>()}});
    let used = |choice: Value| {
        let answer = server.chat(&chat_body(json!({"tools": tools(), "tool_choice": choice})));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let usage = &answer.body["usage"];
        let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        (usage["prompt_tokens"].as_u64().unwrap(), cached)
    };
    let (n_prompt, _) = used(json!("auto"));
    for choice in [allowed(&["now"]), allowed(&["now", "weather"])] {
        let (n, cached) = used(choice);
        assert!(n == n_prompt && cached + 64 > n, "{cached} of {n}, {n_prompt}");
    }
    let (n, cached) = used(json!("required"));
    assert!(n > n_prompt && cached + 200 > n_prompt, "{cached} of {n}, {n_prompt}");
}

/// An id that a model writes twice is not given twice.
#[test]
fn no_two_calls_have_the_same_id() {
    let template = "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\
                    {% if m.tool_calls %}<tool_calls>[{% for c in m.tool_calls %}{\"name\": \"{{ c.function.name }}\", \"arguments\": \
                    {{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}, \"id\": \"{{ c.id }}\"}{% if not loop.last %}, {% endif %}{% endfor %}]</tool_calls>\
                    {% endif %}<|end|>{% endfor %}<|assistant|>";
    let call = "{\"name\": \"now\", \"arguments\": {}, \"id\": \"abcdefgh1\"}";
    let script = format!("<tool_calls>[{call}, {call}]</tool_calls>");
    let server = TestServer::start(Setup { template: Some(template), ..Setup::scripted(&script) });
    let earlier = |id: &str| {
        json!([{"role": "user", "content": "x"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": id, "content": "noon"}])
    };
    for (messages, n_kept) in [(earlier("other"), 1), (earlier("abcdefgh1"), 0)] {
        let answer = server.chat(&chat_body(json!({"tools": tools(), "messages": messages})));
        let calls = answer.body["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        let ids: Vec<&str> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
        assert!(ids.len() == 2 && ids[0] != ids[1], "{}", answer.body);
        assert_eq!(ids.iter().filter(|id| **id == "abcdefgh1").count(), n_kept, "{}", answer.body);
    }
}

/// A conversation with calls may go on without tools: no marker of a call is told as text then.
#[test]
fn no_call_is_told_as_text_where_only_the_history_has_calls() {
    let server = TestServer::start(Setup::scripted(&format!("Well. {CALL}")));
    let history = json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "9"}, {"role": "user", "content": "q"}]);
    let answer = server.chat(&chat_body(json!({"messages": history, "max_tokens": 100})));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.content().starts_with("Well. ") && !answer.content().contains("<tool_call>"),
        "{}",
        answer.content()
    );
    assert!(
        server.chat(&chat_body(json!({"max_tokens": 100}))).content().contains("<tool_call>"),
        "nothing is known of calls"
    );
}
