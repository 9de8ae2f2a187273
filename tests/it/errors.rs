//! Each bad request: its status, type, code and param, in one table; and the server serves the next one.

use drawplate::api::ApiOptions;
use serde_json::{Value, json};

use crate::support::{Setup, TestServer, bound_body, chat_body, get, send};

struct Case {
    name: &'static str,
    body: Value,
    status: u16,
    code: Option<&'static str>,
    param: Option<&'static str>,
    /// Part of the message: what a client's user must be told.
    says: &'static str,
}

fn case(name: &'static str, body: Value, code: &'static str, param: &'static str, says: &'static str) -> Case {
    Case { name, body, status: 400, code: Some(code), param: Some(param), says }
}

fn fields() -> Vec<Case> {
    let with = |extra: Value| chat_body(extra);
    let call = json!({"role": "assistant", "tool_calls": [{"id": "call_x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let user = json!({"role": "user", "content": "x"});
    let f = json!([{"type": "function", "function": {"name": "f"}}]);
    vec![
        Case {
            status: 404,
            ..case(
                "unknown model",
                with(json!({"model": "gpt-x"})),
                "model_not_found",
                "model",
                "`gpt-x` does not exist",
            )
        },
        case("no model", json!({"messages": [user]}), "missing_required_parameter", "model", "'model'"),
        case(
            "parameters beside the function",
            with(json!({"tools": [{"type": "function", "function": {"name": "f"}, "parameters": {"type": "object"}}]})),
            "unknown_parameter",
            "tools[0].parameters",
            "belongs into 'function.parameters'",
        ),
        case(
            "parameters by another name",
            with(
                json!({"tools": [{"type": "function", "function": {"name": "f", "input_schema": {"type": "object"}}}]}),
            ),
            "unknown_parameter",
            "tools[0].function.input_schema",
            "belongs into 'function.parameters'",
        ),
        case(
            "format beside the tool",
            with(json!({"tools": [{"type": "custom", "custom": {"name": "c"}, "format": {"type": "text"}}]})),
            "unknown_parameter",
            "tools[0].format",
            "belongs into 'custom.format'",
        ),
        case(
            "two grammars",
            with(
                json!({"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "syntax": "regex", "definition": "a", "grammar": {"syntax": "regex", "definition": "b"}}}}]}),
            ),
            "invalid_value",
            "tools[0].custom.format.grammar",
            "already",
        ),
        case(
            "two schemas",
            with(
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}, "schema": {}}}),
            ),
            "invalid_value",
            "response_format.schema",
            "'response_format.json_schema' says already",
        ),
        case(
            "text with a schema",
            with(json!({"response_format": {"type": "text", "schema": {}}})),
            "invalid_value",
            "response_format.schema",
            "binds an answer to nothing",
        ),
        case(
            "type of a call",
            with(
                json!({"messages": [user, {"role": "assistant", "tool_calls": [{"id": "a", "type": "banana", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "a", "content": "x"}]}),
            ),
            "invalid_value",
            "messages[1].tool_calls[0].type",
            "'function' and 'custom'",
        ),
        case(
            "kind of a part",
            with(json!({"messages": [{"role": "user", "content": [{"type": "poem", "text": "x"}]}]})),
            "invalid_value",
            "messages[0].content[0].type",
            "Supported values are: 'text' and 'refusal'",
        ),
        case(
            "type of a name",
            with(json!({"messages": [{"role": "user", "content": "x", "name": 5}]})),
            "invalid_type",
            "messages[0].name",
            "expected a string",
        ),
        case(
            "no messages",
            json!({"model": "fake"}),
            "missing_required_parameter",
            "messages",
            "Missing required parameter: 'messages'.",
        ),
        case("null messages", with(json!({"messages": null})), "missing_required_parameter", "messages", "'messages'"),
        case("empty messages", with(json!({"messages": []})), "empty_array", "messages", "empty array"),
        case(
            "messages string",
            with(json!({"messages": "hi"})),
            "invalid_type",
            "messages",
            "expected an array, but got a string instead",
        ),
        case(
            "role",
            with(json!({"messages": [{"role": "wizard", "content": "x"}]})),
            "invalid_value",
            "messages[0].role",
            "Invalid value: 'wizard'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool', and 'function'.",
        ),
        case(
            "content",
            with(json!({"messages": [{"role": "user", "content": 5}]})),
            "invalid_type",
            "messages[0].content",
            "got an integer",
        ),
        case(
            "no content",
            with(json!({"messages": [{"role": "user"}]})),
            "missing_required_parameter",
            "messages[0].content",
            "messages[0].content",
        ),
        case(
            "image",
            with(
                json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
            ),
            "unsupported_value",
            "messages[0].content[0].type",
            "image_url",
        ),
        case(
            "part type",
            with(json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]})),
            "missing_required_parameter",
            "messages[0].content[0].type",
            "content[0].type",
        ),
        case(
            "temperature",
            with(json!({"temperature": 3})),
            "decimal_above_max_value",
            "temperature",
            "Expected a value <= 2, but got 3 instead.",
        ),
        case(
            "temperature string",
            with(json!({"temperature": "hot"})),
            "invalid_type",
            "temperature",
            "expected a number, but got a string",
        ),
        case("top_p", with(json!({"top_p": -0.1})), "decimal_below_min_value", "top_p", ">= 0"),
        case(
            "penalty",
            with(json!({"frequency_penalty": 2.5})),
            "decimal_above_max_value",
            "frequency_penalty",
            "<= 2",
        ),
        case("max_tokens", with(json!({"max_tokens": 0})), "integer_below_min_value", "max_tokens", ">= 1"),
        case(
            "max_completion_tokens",
            with(json!({"max_completion_tokens": 1.5})),
            "invalid_type",
            "max_completion_tokens",
            "an integer",
        ),
        case("n", with(json!({"n": 129})), "integer_above_max_value", "n", "<= 128"),
        case(
            "stop",
            with(json!({"stop": ["a", "b", "c", "d", "e"]})),
            "array_above_max_length",
            "stop",
            "maximum length 4",
        ),
        case("logit_bias", with(json!({"logit_bias": {"x": 1}})), "invalid_value", "logit_bias.x", "token ids"),
        case(
            "logit_bias range",
            with(json!({"logit_bias": {"1": 101}})),
            "decimal_above_max_value",
            "logit_bias.1",
            "<= 100",
        ),
        case("logit_bias vocab", with(json!({"logit_bias": {"999999": 1}})), "invalid_value", "logit_bias", "999999"),
        case("top_logprobs", with(json!({"top_logprobs": 3})), "invalid_value", "top_logprobs", "'logprobs' is true"),
        case(
            "top_logprobs range",
            with(json!({"logprobs": true, "top_logprobs": 21})),
            "integer_above_max_value",
            "top_logprobs",
            "<= 20",
        ),
        case(
            "stream_options",
            with(json!({"stream_options": {"include_usage": true}})),
            "invalid_value",
            "stream_options",
            "'stream' is enabled",
        ),
        case(
            "response format",
            with(json!({"response_format": {"type": "yaml"}})),
            "invalid_value",
            "response_format.type",
            "Supported values are: 'json_object', 'json_schema', 'text', 'json', 'regex', 'grammar', and 'structural_tag'.",
        ),
        case(
            "no schema object",
            with(json!({"response_format": {"type": "json_schema"}})),
            "missing_required_parameter",
            "response_format.json_schema",
            "json_schema",
        ),
        case(
            "schema name",
            with(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}})),
            "invalid_value",
            "response_format.json_schema.name",
            "'^[a-zA-Z0-9_-]+$'",
        ),
        case("effort", with(json!({"reasoning_effort": "huge"})), "invalid_value", "reasoning_effort", "'xhigh'"),
        case("audio", with(json!({"modalities": ["text", "audio"]})), "invalid_value", "modalities[1]", "Audio"),
        case(
            "custom tool by Lark",
            with(json!({"tools": [{"type": "custom", "custom": {"name": "x", "format": {"type": "grammar",
                "grammar": {"syntax": "lark", "definition": "start: b"}}}}]})),
            "invalid_value",
            "tools[0].custom.format.grammar.definition",
            "there is no rule 'b'",
        ),
        case(
            "tool name",
            with(json!({"tools": [{"type": "function", "function": {"name": "a.b"}}]})),
            "invalid_value",
            "tools[0].function.name",
            "pattern",
        ),
        case("tool twice", with(json!({"tools": [f[0], f[0]]})), "invalid_value", "tools[1].function.name", "twice"),
        case(
            "too many tools",
            with(json!({"tools": vec![f[0].clone(); 1025]})),
            "array_above_max_length",
            "tools",
            "maximum length 1024, but got an array with length 1025",
        ),
        case(
            "unknown tool",
            with(json!({"tools": f, "tool_choice": {"type": "function", "function": {"name": "g"}}})),
            "invalid_value",
            "tool_choice",
            "'g'",
        ),
        case(
            "unknown allowed",
            with(
                json!({"tools": f, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}}}),
            ),
            "invalid_value",
            "tool_choice.allowed_tools.tools[0]",
            "'g'",
        ),
        Case {
            code: None,
            ..case(
                "choice without tools",
                with(json!({"tool_choice": "auto"})),
                "",
                "tool_choice",
                "'tool_choice' is only allowed when 'tools' are specified.",
            )
        },
        Case {
            code: None,
            ..case(
                "parallel without tools",
                with(json!({"parallel_tool_calls": true})),
                "",
                "parallel_tool_calls",
                "only allowed when 'tools' are specified",
            )
        },
        Case {
            code: None,
            ..case(
                "orphan call",
                with(json!({"messages": [user, call, user]})),
                "",
                "messages",
                "did not have response messages: call_x (messages[1])",
            )
        },
        case(
            "orphan result",
            with(json!({"messages": [user, {"role": "tool", "tool_call_id": "call_y", "content": "x"}]})),
            "invalid_value",
            "messages[1].tool_call_id",
            "call_y",
        ),
        case(
            "too long",
            with(json!({"messages": [{"role": "user", "content": "word ".repeat(5000)}]})),
            "context_length_exceeded",
            "messages",
            "maximum context length is 4096 tokens",
        ),
    ]
}

fn schemas() -> Vec<Case> {
    let of_a = |schema: Value| json!({"type": "object", "properties": {"a": schema}, "required": ["a"]});
    let response = |name, schema: Value, says| {
        case(name, bound_body(schema, json!({})), "invalid_json_schema", "response_format", says)
    };
    vec![
        response("schema string", json!("x"), "Invalid schema for response_format 'test'"),
        response("schema type", json!({"type": "objekt"}), "(at '#/type')"),
        response(
            "bad regex",
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(abc$"}}}),
            "In context=('properties', 'a'), ",
        ),
        response("dangling ref", json!({"items": {"$ref": "#/$defs/nope"}}), "'#/$defs/nope' cannot be resolved"),
        response("unsatisfiable", json!({"type": "integer", "minimum": 9, "maximum": 3}), "no value can satisfy"),
        response(
            "no string",
            of_a(json!({"type": "string", "pattern": "^\\d{4}$", "maxLength": 3})),
            "no value can satisfy",
        ),
        response(
            "no string of a length",
            of_a(json!({"type": "string", "pattern": "^$", "minLength": 1})),
            "no value can satisfy",
        ),
        response(
            "no string of two",
            of_a(json!({"allOf": [{"type": "string", "pattern": "^a"}, {"pattern": "^b"}]})),
            "no value can satisfy",
        ),
        response(
            "no string of a format",
            of_a(json!({"type": "string", "pattern": "^x$", "format": "date"})),
            "no value can satisfy",
        ),
        response("no string at all", of_a(json!({"type": "string", "pattern": "^a\\bb$"})), "no value can satisfy"),
        response("no pattern of ECMA-262", of_a(json!({"type": "string", "pattern": "^a++$"})), "nothing to repeat"),
        response(
            "no pattern of keys",
            json!({"type": "object", "patternProperties": {"**a": {}}}),
            "nothing to repeat",
        ),
        response(
            "endless",
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
            "no value can satisfy",
        ),
        case(
            "tool schema",
            chat_body(
                json!({"tools": [{"type": "function", "function": {"name": "ok"}}, {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": 1}}}}}]}),
            ),
            "invalid_function_parameters",
            "tools[1].function.parameters",
            "Invalid schema for function 'f': In context=('properties', 'a'), 1 is not of type",
        ),
        case(
            "tool schema type",
            chat_body(
                json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]}),
            ),
            "invalid_function_parameters",
            "tools[0].function.parameters",
            "'type: \"string\"'",
        ),
    ]
}

#[test]
fn each_bad_request_is_told_what_and_where() {
    let server = TestServer::start(Setup::default());
    for Case { name, body, status, code, param, says } in fields().into_iter().chain(schemas()) {
        let answer = server.chat(&body);
        let error = &answer.body["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["param"]),
            (status, &json!(code), &json!(param)),
            "{name}: {}",
            answer.body
        );
        assert_eq!(error["type"], "invalid_request_error", "{name}");
        assert!(error["message"].as_str().unwrap().contains(says), "{name}: {error}");
        assert_eq!(error.as_object().unwrap().len(), 4, "{name}: all four keys and no other");
        assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_") && id.len() == 36), "{name}");
        assert_eq!(server.chat(&chat_body(json!({"max_tokens": 1}))).status, 200, "after {name}");
    }
}

#[test]
fn bodies_that_are_no_requests() {
    let server = TestServer::start(Setup::default());
    let url = server.url("/v1/chat/completions");
    for (name, body) in [
        ("no JSON", &b"{oops"[..]),
        ("empty", b""),
        ("not UTF-8", b"{\"model\": \"\xff\"}"),
        ("lone surrogate", br#"{"model": "\ud800"}"#),
        ("NaN", br#"{"model": "fake", "temperature": NaN}"#),
        ("deep", "[".repeat(100_000).as_bytes()),
    ] {
        let answer = send(&url, body);
        assert_eq!(answer.status, 400, "{name}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("We could not parse the JSON body of your request"), "{name}: {message}");
    }
    let answer = send(&url, b"[1]");
    assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("invalid_type")));
    // Each time: the client writes to the end, and reads why not.
    for n_mib in [33, 40, 64, 100] {
        assert_eq!(send(&url, &vec![b' '; n_mib << 20]).status, 413, "{n_mib} MiB");
    }
    assert_eq!(server.chat(&chat_body(json!({}))).status, 200);
}

#[test]
fn unknown_routes_and_models() {
    let server = TestServer::start(Setup::default());
    assert_eq!(send(&server.url("/v1/nothing"), b"{}").body["error"]["code"], "unknown_url");
    assert_eq!(get(&server.url("/v1/chat/completions")).status, 404);
    assert_eq!(get(&server.url("/v1/models")).body["data"][0]["id"], "fake");
    assert_eq!(get(&server.url("/v1/models/fake")).body["object"], "model");
    assert_eq!(get(&server.url("/v1/models/a%2Fb:c@d")).status, 200);
    assert_eq!(get(&server.url("/v1/models/a/b:c@d")).status, 200);
    assert_eq!(get(&server.url("/v1/models/other")).body["error"]["code"], "model_not_found");
    let metrics = get(&server.url("/metrics"));
    assert!(metrics.body.as_str().unwrap().contains("drawplate_check_failures_total 0"), "{}", metrics.body);
}

#[test]
fn unknown_fields_are_named_or_refused() {
    let body = chat_body(
        json!({"frobnicate": 1, "ttl": null, "user": "me", "metadata": {"a": "b"}, "store": true, "max_tokens": 9,
            "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "null", "x": 1}, "strcit": true}},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi.", "cache_control": {"type": "ephemeral"}}]}]}),
    );
    let server = TestServer::start(Setup::default());
    let answer = server.chat(&body);
    assert_eq!(
        (answer.status, answer.header("x-drawplate-ignored-fields")),
        (200, Some("frobnicate, response_format.json_schema.strcit, messages[0].content[0].cache_control"))
    );
    let mut setup = Setup::default();
    setup.api.reject_unknown_fields = true;
    let answer = TestServer::start(setup).chat(&body);
    assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("unknown_parameter")));
    assert_eq!(answer.body["error"]["message"], "Unknown parameter: 'frobnicate'.");
}

#[test]
fn preflights_allow_any_header() {
    let server = TestServer::start(Setup::default());
    let request = ureq::http::Request::builder()
        .method("OPTIONS")
        .uri(server.url("/v1/chat/completions"))
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-stainless-lang,authorization")
        .body(())
        .unwrap();
    let response = crate::support::agent().run(request).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

/// What OpenAI's SDK adds to answers that are sent back, and documented fields without an effect here.
#[test]
fn what_official_clients_send_is_known() {
    let server = TestServer::start(Setup::default());
    let call =
        json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}", "parsed_arguments": {}}});
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}], "name": "Ada"},
        {"role": "assistant", "content": null, "tool_calls": [call], "parsed": null, "audio": null, "refusal": null},
        {"role": "tool", "tool_call_id": "a", "content": "y"},
        {"role": "assistant", "content": "{}", "parsed": {}},
        {"role": "assistant", "content": null, "reasoning_content": "a thought alone"},
        {"role": "user", "content": "x"}
    ]);
    let body = chat_body(json!({"messages": messages, "max_tokens": 4}));
    let answer = server.chat(&body);
    assert_eq!((answer.status, answer.header("x-drawplate-ignored-fields")), (200, None), "{}", answer.body);
    let api = ApiOptions { reject_unknown_fields: true, ..ApiOptions::default() };
    let strict = TestServer::start(Setup { api, ..Setup::default() });
    strict.stream(&chat_body(json!({"stream_options": {"include_obfuscation": true}, "max_tokens": 4})));
    // What says something elsewhere alone is named.
    let messages = json!([{"role": "user", "content": "x", "tool_calls": [], "reasoning": {"effort": "low"}}]);
    let answer = server.chat(&chat_body(json!({"messages": messages})));
    assert_eq!(answer.header("x-drawplate-ignored-fields"), Some("messages[0].tool_calls, messages[0].reasoning"));
    let refused = |content: Value| {
        let messages = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": content, "refusal": "I cannot."}, {"role": "user", "content": "x"}]);
        server.chat(&chat_body(json!({"messages": messages}))).body["usage"]["prompt_tokens"].clone()
    };
    assert_eq!(refused(json!("")), refused(json!(null)));
}

/// A prompt that leaves too little is too long, whatever `max_tokens` says.
#[test]
fn a_context_without_room_for_the_answer_is_told_so() {
    let limits = drawplate::engine::Limits { n_slots: 1, n_batch: 64, n_ctx: 64 };
    let server = TestServer::start(Setup { limits, ..Setup::default() });
    let schema = json!({"type": "object", "properties": {"a": {"const": "x".repeat(60)}}, "required": ["a"]});
    for max_tokens in [json!(null), json!(500)] {
        let body = bound_body(schema.clone(), json!({"max_tokens": max_tokens, "drawplate": {}}));
        let answer = server.chat(&body);
        let error = &answer.body["error"];
        assert_eq!(
            (answer.status, &error["param"], &error["code"]),
            (400, &json!("messages"), &json!("context_length_exceeded")),
            "{}",
            answer.body
        );
    }
    let body = bound_body(schema, json!({"max_tokens": 3, "max_completion_tokens": 2}));
    let server = TestServer::start(Setup::default());
    let answer = server.chat(&body);
    assert_eq!(answer.body["error"]["param"], "max_completion_tokens", "{}", answer.body);
}
