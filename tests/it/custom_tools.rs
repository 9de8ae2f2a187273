//! Custom tools: their input is text, free or by a pattern, plain and streamed.

use drawplate::engine::FakeMode;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, chat_body};

fn tools() -> Value {
    json!([
        {"type": "custom", "custom": {"name": "shell", "description": "Runs a command.", "format": {"type": "text"}}},
        {"type": "custom", "custom": {"name": "date", "format": {"type": "grammar",
            "grammar": {"syntax": "regex", "definition": "[0-9]{4}-[0-9]{2}|\"today\"\\n"}}}},
        {"type": "function", "function": {"name": "now"}},
    ])
}

fn custom(name: &str) -> Value {
    json!({"type": "custom", "custom": {"name": name}})
}

/// Type, name, and input or arguments of each call; plain and streamed are the same.
fn ask(server: &TestServer, body: &Value) -> Vec<(String, String, String)> {
    let answer = server.chat(body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = answer.body["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    let plain: Vec<_> = calls
        .iter()
        .map(|call| {
            let kind = text(&call["type"]);
            let inner = &call[&kind];
            assert!(
                call["id"].as_str().unwrap().starts_with("call_") && call.as_object().unwrap().len() == 3,
                "{call}"
            );
            (kind.clone(), text(&inner["name"]), text(&inner[if kind == "custom" { "input" } else { "arguments" }]))
        })
        .collect();
    let mut streamed: Vec<(String, String, String)> = Vec::new();
    for chunk in server.stream(body) {
        for call in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if at == streamed.len() {
                let kind = text(&call["type"]);
                streamed.push((kind.clone(), text(&call[&kind]["name"]), String::new()));
            }
            let (kind, _, all) = &mut streamed[at];
            all.push_str(call[&*kind][if kind == "custom" { "input" } else { "arguments" }].as_str().unwrap());
        }
    }
    assert_eq!(streamed, plain, "{body}");
    plain
}

#[test]
fn inputs_are_text() {
    let input = "echo \"é\" \\ \t| tee 'x'\n";
    let arguments = json!({"input": input}).to_string();
    let script = format!("<tool_call>\n{{\"name\": \"shell\", \"arguments\": {arguments}}}\n</tool_call>");
    let server = TestServer::start(Setup::scripted(&script));
    for choice in [json!("auto"), json!("required"), custom("shell")] {
        let calls = ask(&server, &chat_body(json!({"tools": tools(), "tool_choice": choice})));
        assert_eq!(calls, [("custom".to_owned(), "shell".to_owned(), input.to_owned())], "{choice}");
    }
    let now = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let server = TestServer::start(Setup::scripted(now));
    let calls = ask(&server, &chat_body(json!({"tools": tools()})));
    assert_eq!(calls, [("function".to_owned(), "now".to_owned(), "{}".to_owned())]);
}

#[test]
fn inputs_match_their_pattern() {
    let is_date = |text: &str| {
        let is_month = text.len() == 7
            && text.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'-' } else { b.is_ascii_digit() });
        is_month || text == "\"today\"\n"
    };
    for mode in [FakeMode::Random, FakeMode::Hostile] {
        let server = TestServer::start(Setup { mode, ..Setup::default() });
        let allowed =
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [custom("date")]}});
        for (seed, choice) in (0..6).flat_map(|seed| [(seed, custom("date")), (seed, allowed.clone())]) {
            let body = json!({"tools": tools(), "tool_choice": choice, "seed": seed, "max_tokens": 60 + seed * 20,
                "temperature": 1.3, "parallel_tool_calls": seed % 2 == 0});
            let calls = ask(&server, &chat_body(body));
            assert!(!calls.is_empty());
            for (kind, name, input) in calls {
                assert_eq!((kind.as_str(), name.as_str()), ("custom", "date"));
                assert!(is_date(&input), "{input:?}");
            }
        }
    }
}

#[test]
fn a_loop_goes_on() {
    let server = TestServer::start(Setup::scripted("Done."));
    let answer = server.chat(&chat_body(json!({"tools": tools(), "messages": [
        {"role": "user", "content": "List the files."},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a b"},
    ]})));
    assert_eq!(answer.content(), "Done.");
    let twice = json!([custom("x"), {"type": "function", "function": {"name": "x"}}]);
    let refused = server.chat(&chat_body(json!({"tools": twice})));
    assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!("tools[1].function.name")));
    let unknown = server.chat(&chat_body(json!({"tools": tools(), "tool_choice": custom("nope")})));
    assert_eq!((unknown.status, &unknown.body["error"]["param"]), (400, &json!("tool_choice")));
}

/// Sums, with spaces where the grammar ignores them, and characters that JSON escapes.
const SUMS: &str = r#"
%import common.INT
%ignore / +/
start: sum
sum: atom ("+" atom)*
atom: INT | "(" sum ")" | "\"" /[a-zé]+/ "\"" | "\n" atom
"#;

fn sums() -> Value {
    json!([{"type": "custom", "custom": {"name": "sum", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": SUMS}}}},
        {"type": "function", "function": {"name": "now"}}])
}

#[test]
fn inputs_are_what_their_grammar_derives() {
    let cfg = drawplate::grammar::cfg::Cfg::lark(SUMS).unwrap();
    let is_sum = |text: &str| cfg.judge(text) == drawplate::grammar::cfg::Judgement::Derived;
    let (mut n_calls, mut n_closed) = (0, 0);
    let endless =
        format!("<tool_call>\n{{\"name\": \"sum\", \"arguments\": {{\"input\": \"((\\n\\\"é\\\" + {}", "(".repeat(200));
    for mode in [FakeMode::Random, FakeMode::Hostile, FakeMode::Scripted(endless)] {
        let server = TestServer::start(Setup { mode, ..Setup::default() });
        for seed in 0..16 {
            let body = json!({"tools": sums(), "tool_choice": custom("sum"), "seed": seed, "max_tokens": 40 + seed * 5, "temperature": 1.3});
            let answer = server.chat(&chat_body(body.clone()));
            n_closed += usize::from(answer.finish_reason() == "length");
            for (kind, name, input) in ask(&server, &chat_body(body)) {
                assert_eq!((kind.as_str(), name.as_str()), ("custom", "sum"));
                assert!(is_sum(&input), "{input:?}");
                n_calls += 1;
            }
        }
    }
    assert!(n_calls > 40 && n_closed > 5, "{n_calls} calls, {n_closed} of them brought to an end");
}

#[test]
fn an_input_by_grammar_is_read_back_as_it_was_written() {
    for input in ["1 + (\"é\" + \n2 )", "  7", "\"a\"+\n\n(3)"] {
        let arguments = json!({"input": input}).to_string();
        let script = format!("<tool_call>\n{{\"name\": \"sum\", \"arguments\": {arguments}}}\n</tool_call>");
        let server = TestServer::start(Setup::scripted(&script));
        let calls = ask(&server, &chat_body(json!({"tools": sums()})));
        assert_eq!(calls, [("custom".to_owned(), "sum".to_owned(), input.to_owned())]);
    }
}

#[test]
fn a_grammar_that_is_none_is_refused() {
    let server = TestServer::start(Setup::default());
    for (definition, words) in [
        ("start: nowhere", "line 1: there is no rule 'nowhere'"),
        ("start: %json {}", "is not supported here"),
        ("start: \"a\" start", "derives no text"),
    ] {
        let mut tools = sums();
        tools[0]["custom"]["format"]["grammar"]["definition"] = definition.into();
        let answer = server.chat(&chat_body(json!({"tools": tools, "tool_choice": "required"})));
        let error = &answer.body["error"];
        assert_eq!(
            (answer.status, &error["param"]),
            (400, &json!("tools[0].custom.format.grammar.definition")),
            "{error}"
        );
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
}
