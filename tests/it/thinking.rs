//! Thinking before the answer: apart from it, in plain and streamed answers, with schemas, tools and bounds.

use serde_json::{Value, json};

use crate::support::{Setup, TestServer, bound_body, chat_body, fold};

/// Qwen 3's way: the model opens its thinking, unless the prompt holds an empty one.
const BY_MODEL: &str = "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>\n{%- endfor -%}<|im_start|>assistant\n{%- if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}";
/// DeepSeek's way: the prompt opens it.
const BY_PROMPT: &str = "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{%- endfor -%}<|im_start|>assistant\n<think>\n";
const CALL: &str = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";

fn ok() -> Value {
    json!({"type": "object", "required": ["ok"], "additionalProperties": false, "properties": {"ok": {"type": "boolean"}}})
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "now"}}])
}

fn server(template: &'static str, script: &str) -> TestServer {
    TestServer::start(Setup { template: Some(template), ..Setup::scripted(script) })
}

/// Reasoning, content and names of calls; plain and streamed are the same.
fn ask(server: &TestServer, body: &Value) -> (String, String, Vec<String>, Value) {
    let answer = server.chat(body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    let message = &answer.body["choices"][0]["message"];
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let calls: Vec<String> = (message["tool_calls"].as_array().into_iter().flatten())
        .map(|call| call["function"]["name"].as_str().unwrap().to_owned())
        .collect();
    let chunks = server.stream(body);
    let reasoning: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str()).collect();
    let (content, streamed_calls, _) = fold(&chunks, 0);
    assert_eq!((reasoning, content), (text("reasoning_content"), text("content")), "{body}");
    assert_eq!(streamed_calls.into_iter().map(|call| call.1).collect::<Vec<_>>(), calls, "{body}");
    (text("reasoning_content"), text("content"), calls, answer.body["usage"].clone())
}

#[test]
fn thoughts_stand_apart_from_the_answer_in_every_mode() {
    let bound = bound_body(ok(), json!({}));
    let with_tools = chat_body(json!({"tools": tools()}));
    let required = chat_body(json!({"tools": tools(), "tool_choice": "required"}));
    let both = bound_body(ok(), json!({"tools": tools()}));
    for (template, opened) in [(BY_MODEL, "<think>\n"), (BY_PROMPT, "")] {
        for (body, answer, content, calls) in [
            (&chat_body(json!({})), "Hi there.", "Hi there.", vec![]),
            (&bound, "{\"ok\": true}", "{\"ok\": true}", vec![]),
            (&with_tools, "Hi there.", "Hi there.", vec![]),
            (&with_tools, CALL, "", vec!["now"]),
            (&with_tools, &format!("I look. {CALL}"), "I look.", vec!["now"]),
            (&required, CALL, "", vec!["now"]),
            (&both, CALL, "", vec!["now"]),
            (&both, "{\"ok\": false}", "{\"ok\": false}", vec![]),
        ] {
            // What a thought holds is no call and no answer.
            let thought = format!("Well <tool {{\"ok\": 1}} {CALL} é");
            let server = server(template, &format!("{opened}{thought}\n</think>\n\n{answer}"));
            let (reasoning, said, made, usage) = ask(&server, body);
            assert_eq!((reasoning.as_str(), said.as_str()), (thought.as_str(), content), "{template} {body}");
            assert_eq!(made, calls, "{body}");
            let n_reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
            assert!(n_reasoning > 10 && n_reasoning < usage["completion_tokens"].as_u64().unwrap(), "{usage}");
        }
    }
}

#[test]
fn answers_of_several_parts_begin_behind_the_thought() {
    let tag = json!({"type": "tag", "begin": "<f>", "content": {"type": "json_schema", "json_schema": {"type": "array", "uniqueItems": true}}, "end": "</f>"});
    let format = json!({"type": "triggered_tags", "triggers": ["<f>"], "tags": [tag]});
    let body = chat_body(json!({"response_format": {"type": "structural_tag", "format": format.clone()}}));
    for (template, opened) in [(BY_MODEL, "<think>\n"), (BY_PROMPT, "")] {
        let thought = "Well <f>[1, 1</f>";
        let server = server(template, &format!("{opened}{thought}\n</think>See <f>[1, 1, 2]</f> there"));
        let (reasoning, said, ..) = ask(&server, &body);
        assert_eq!(reasoning, thought, "{template}");
        let (value, rest) =
            said.strip_prefix("See <f>").and_then(|text| text.split_once("</f>")).unwrap_or_else(|| panic!("{said}"));
        let value: Value = serde_json::from_str(value).unwrap();
        assert!(
            value[0] == 1 && jsonschema::is_valid(&json!({"type": "array", "uniqueItems": true}), &value),
            "{said}"
        );
        assert!(!rest.contains("<f>"), "{said}");
    }
    // A format that begins as thinking does means an answer.
    let thought = json!({"type": "tag", "begin": "<think>", "content": {"type": "any_text"}, "end": "</think>"});
    let both = json!({"type": "sequence", "elements": [thought, format]});
    let own = chat_body(json!({"response_format": {"type": "structural_tag", "format": both}}));
    let text = "<think>Well</think>See <f>[1]</f>";
    assert_eq!(ask(&server(BY_MODEL, text), &own).1, text);
    for text in ["See <f>[]</f>", "<f>[]</f>", "<thin air <f>[7]</f>"] {
        let server = server(BY_MODEL, text);
        assert_eq!(ask(&server, &body).1, text);
    }
}

#[test]
fn a_model_need_not_think() {
    let server = server(BY_MODEL, "{\"ok\": true}");
    assert_eq!(ask(&server, &bound_body(ok(), json!({}))).1, "{\"ok\": true}");
    let server = self::server(BY_MODEL, "Hi.");
    assert_eq!(ask(&server, &chat_body(json!({"tools": tools()}))).1, "Hi.");
}

#[test]
fn thinking_can_be_switched_off() {
    for (template, script) in [(BY_MODEL, "{\"ok\": true}"), (BY_PROMPT, "{\"ok\": true}")] {
        let server = server(template, script);
        for off in [
            json!({"reasoning_effort": "none"}),
            json!({"chat_template_kwargs": {"enable_thinking": false}}),
            json!({"max_reasoning_tokens": 0}),
        ] {
            let (reasoning, content, _, _) = ask(&server, &bound_body(ok(), off.clone()));
            assert_eq!((reasoning.as_str(), content.as_str()), ("", script), "{template} {off}");
        }
    }
}

#[test]
fn thinking_ends_at_its_bound_and_the_answer_begins() {
    for (template, opened) in [(BY_MODEL, "<think>\n"), (BY_PROMPT, "")] {
        let server = server(template, &format!("{opened}{}", "Hm. ".repeat(800)));
        for body in [bound_body(ok(), json!({})), chat_body(json!({"tools": tools(), "tool_choice": "required"}))] {
            let mut body = body;
            for bound in [json!({"max_reasoning_tokens": 40}), json!({"reasoning_effort": "minimal"})] {
                body.as_object_mut().unwrap().extend(bound.as_object().unwrap().clone());
                let (reasoning, content, calls, usage) = ask(&server, &body);
                assert!(reasoning.starts_with("Hm.") && reasoning.ends_with("now the answer."), "{reasoning}");
                let n_reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
                assert!(n_reasoning < 200, "{usage}");
                assert!(!calls.is_empty() || serde_json::from_str::<Value>(&content).unwrap()["ok"].is_boolean());
            }
        }
        // Unbound answers are bounded too.
        let (reasoning, content, _, _) =
            ask(&server, &chat_body(json!({"max_reasoning_tokens": 40, "max_tokens": 200})));
        assert!(reasoning.ends_with("now the answer.") && !content.is_empty(), "{reasoning} / {content}");
    }
}

/// What opens a thought may take more tokens than the thought may have: it ends all the same.
#[test]
fn a_bound_below_what_opens_a_thought_is_kept() {
    let server = server(BY_MODEL, &format!("<think>\n{}", "Hm. ".repeat(800)));
    for max in 1..12 {
        for body in [
            bound_body(ok(), json!({"max_reasoning_tokens": max})),
            chat_body(json!({"max_reasoning_tokens": max, "max_tokens": 300})),
        ] {
            let (reasoning, _, _, usage) = ask(&server, &body);
            assert!(reasoning.ends_with("now the answer."), "{max}: {reasoning}");
            assert!(usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap() < 80, "{max}: {usage}");
        }
    }
}

#[test]
fn an_answer_that_runs_out_of_tokens_while_thinking_ends_valid() {
    for (template, opened) in [(BY_MODEL, "<think>\n"), (BY_PROMPT, "")] {
        let server = server(template, &format!("{opened}{}", "Hm. ".repeat(800)));
        for max_tokens in [40, 60, 100] {
            let (reasoning, content, _, _) = ask(&server, &bound_body(ok(), json!({"max_tokens": max_tokens})));
            assert!(reasoning.starts_with("Hm."));
            assert!(serde_json::from_str::<Value>(&content).unwrap()["ok"].is_boolean(), "{content}");
        }
    }
}

#[test]
fn what_was_thought_comes_back_to_templates_that_show_it() {
    let server = server(BY_MODEL, "Hi.");
    let history = |key: &str| {
        chat_body(json!({"messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", key: "a thought of forty letters and some more"},
            {"role": "user", "content": "c"}]}))
    };
    let n_prompt = |body: &Value| server.chat(body).body["usage"]["prompt_tokens"].as_u64().unwrap();
    let without = n_prompt(&history("annotations_"));
    assert!(n_prompt(&history("reasoning_content")) > without + 10);
    assert!(n_prompt(&history("reasoning")) > without + 10);
}

/// Control tokens stand in no text, be it bound or not: no turn is faked, and no marker leaks.
#[test]
fn nothing_but_text_is_drawn_where_nothing_binds_the_answer() {
    let server = TestServer::start(Setup::default());
    let mut n_tokens = 0;
    for seed in 0..30 {
        let body = chat_body(json!({"seed": seed, "max_tokens": 60, "logprobs": true, "temperature": 2.0}));
        let answer = server.chat(&body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        for entry in answer.body["choices"][0]["logprobs"]["content"].as_array().unwrap() {
            assert!(!entry["bytes"].as_array().is_none_or(Vec::is_empty), "{entry}");
            n_tokens += 1;
        }
    }
    assert!(n_tokens > 200);
}
