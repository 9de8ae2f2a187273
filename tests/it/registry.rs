//! Tools and schemas that are registered, and requests that refer to them by name.

use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestServer, agent, chat_body, delete, get, send};

fn server() -> TestServer {
    TestServer::start(Setup::default())
}

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "weather", "description": "Says the weather.", "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 3}},
        "required": ["city", "days"], "additionalProperties": false
    }}, "examples": [{"city": "Rome", "days": 2}], "counterexamples": [{"city": "Rome", "days": 0}, {"city": "rome", "days": 1}]})
}

fn post(server: &TestServer, path: &str, body: &Value) -> Answer {
    send(&server.url(path), body.to_string().as_bytes())
}

/// Registers, and returns the version.
fn register(server: &TestServer, path: &str, body: &Value) -> u64 {
    let answer = post(server, path, body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.body["version"].as_u64().unwrap()
}

fn call(answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let call = &answer.body["choices"][0]["message"]["tool_calls"][0]["function"];
    let text = |field: &str| call[field].as_str().unwrap_or_else(|| panic!("no call: {}", answer.body)).to_owned();
    (text("name"), serde_json::from_str(&text("arguments")).unwrap())
}

#[test]
fn registering_reports_what_becomes_of_a_tool() {
    let server = server();
    let answer = post(&server, "/v1/tools", &weather());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (entry, check) = (&answer.body, &answer.body["check"]);
    assert_eq!((&entry["object"], &entry["name"], &entry["version"]), (&json!("tool"), &json!("weather"), &json!(1)));
    assert_eq!(entry["tool"]["function"], weather()["function"]);
    assert_eq!(entry["source"], "registered");
    let keyword = |pointer: &str| {
        let all = check["enforcement"]["keywords"].as_array().unwrap();
        all.iter().find(|keyword| keyword["pointer"] == pointer).map(|keyword| keyword["fate"].clone())
    };
    assert_eq!(keyword("/properties/days/maximum"), Some(json!("mask")), "{check}");
    let trial = &check["trial"];
    assert_eq!(trial["disagreements"], json!([]));
    assert!(trial["n_judged"].as_u64() > trial["n_allowed"].as_u64(), "{trial}");
    assert!(trial["samples"].as_array().unwrap().iter().all(|sample| sample["days"].as_u64().unwrap() <= 3));
    let shown = get(&server.url("/v1/tools/weather"));
    assert_eq!(shown.body["tool"], entry["tool"]);
    assert_eq!(shown.body["counterexamples"], weather()["counterexamples"]);
}

#[test]
fn a_request_names_a_tool_in_place_of_sending_it() {
    let server = server();
    register(&server, "/v1/tools", &weather());
    for tool in [
        json!({"type": "function", "function": {"name": "weather"}}),
        json!({"type": "registered", "name": "weather"}),
        json!({"type": "registered", "name": "weather", "version": 1}),
    ] {
        let answer = server.chat(&chat_body(json!({"tools": [tool], "tool_choice": "required"})));
        let (name, arguments) = call(&answer);
        assert_eq!(name, "weather");
        assert!(["Paris", "Rome"].contains(&arguments["city"].as_str().unwrap()), "{arguments}");
        assert_eq!(answer.header("x-drawplate-registered"), Some("weather@1"));
    }
    let legacy = chat_body(json!({"functions": [{"name": "weather"}], "function_call": {"name": "weather"}}));
    let arguments = server.chat(&legacy).body["choices"][0]["message"]["function_call"]["arguments"].clone();
    assert!(serde_json::from_str::<Value>(arguments.as_str().unwrap()).unwrap()["city"].is_string());
}

#[test]
fn parameters_that_are_sent_win_over_registered_ones() {
    let server = server();
    register(&server, "/v1/tools", &weather());
    let own =
        json!({"type": "object", "properties": {"x": {"const": 5}}, "required": ["x"], "additionalProperties": false});
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": own}});
    let answer = server.chat(&chat_body(json!({"tools": [tool], "tool_choice": "required"})));
    assert_eq!(call(&answer).1, json!({"x": 5}));
    assert_eq!(answer.header("x-drawplate-registered"), None);
    let unknown = json!({"type": "function", "function": {"name": "now"}});
    let answer = server.chat(&chat_body(json!({"tools": [unknown], "tool_choice": "required"})));
    assert_eq!(call(&answer).1, json!({}), "a function that nobody registered takes no arguments");
}

#[test]
fn versions_can_be_asked_for() {
    let server = server();
    let schema = |value: u64| json!({"name": "number", "schema": {"const": value}});
    assert_eq!(register(&server, "/v1/schemas", &schema(1)), 1);
    assert_eq!(register(&server, "/v1/schemas", &schema(1)), 1, "the same is no new version");
    assert_eq!(register(&server, "/v1/schemas", &schema(2)), 2);
    for (version, expected) in [(json!(null), "2"), (json!(1), "1"), (json!(2), "2")] {
        let format = json!({"type": "json_schema", "json_schema": {"name": "number", "version": version}});
        let answer = server.chat(&chat_body(json!({"response_format": format})));
        assert_eq!(answer.content(), expected);
        assert_eq!(answer.header("x-drawplate-registered"), Some(format!("number@{expected}").as_str()));
    }
    let shown = get(&server.url("/v1/schemas/number/1"));
    assert_eq!((&shown.body["json_schema"]["schema"], &shown.body["versions"]), (&json!({"const": 1}), &json!([1, 2])));
    assert_eq!(delete(&server.url("/v1/schemas/number/2")).status, 409, "its number would be given again");
    assert_eq!(delete(&server.url("/v1/schemas/number/1")).status, 200);
    assert_eq!(delete(&server.url("/v1/schemas/number/1")).status, 404);
    let gone = delete(&server.url("/v1/schemas/number"));
    assert_eq!(gone.body, json!({"object": "schema.deleted", "name": "number", "deleted": true}));
    assert_eq!(get(&server.url("/v1/schemas")).body, json!({"object": "list", "data": []}));
}

#[test]
fn custom_tools_can_be_registered() {
    let server = server();
    let tool = json!({"type": "custom", "custom": {"name": "date", "format": {"type": "grammar",
        "grammar": {"syntax": "regex", "definition": "20[0-9]{2}"}}}, "examples": ["2024"], "counterexamples": ["1999"]});
    register(&server, "/v1/tools", &tool);
    let lark = |examples: Value, counter: Value| {
        json!({"type": "custom", "custom": {"name": "nest", "format": {"type": "grammar",
            "grammar": {"syntax": "lark", "definition": "start: \"(\" start \")\" | \"x\""}}}, "examples": examples, "counterexamples": counter})
    };
    register(&server, "/v1/tools", &lark(json!(["((x))"]), json!(["(x"])));
    let wrong = post(&server, "/v1/tools", &lark(json!(["x", "(x"]), json!([])));
    assert_eq!((wrong.status, &wrong.body["error"]["param"]), (400, &json!("examples[1]")), "{}", wrong.body);
    let wrong = post(&server, "/v1/tools", &lark(json!([]), json!(["x"])));
    assert_eq!((wrong.status, &wrong.body["error"]["param"]), (400, &json!("counterexamples[0]")), "{}", wrong.body);
    let body = chat_body(json!({"tools": [{"type": "registered", "name": "date"}], "tool_choice": "required"}));
    let call = server.chat(&body).body["choices"][0]["message"]["tool_calls"][0].clone();
    assert_eq!(call["type"], "custom");
    assert!(call["custom"]["input"].as_str().unwrap().starts_with("20"), "{call}");
}

#[test]
fn definitions_of_other_apis_are_understood() {
    let server = server();
    let schema =
        json!({"type": "object", "properties": {"x": {"const": 1}}, "required": ["x"], "additionalProperties": false});
    for (i, body) in [
        json!({"type": "function", "name": "t", "parameters": schema}),
        json!({"name": "t", "description": "MCP's.", "inputSchema": schema}),
        json!({"name": "t", "description": "Anthropic's.", "input_schema": schema}),
        json!({"type": "custom", "name": "t", "description": "Anthropic's, too.", "input_schema": schema, "cache_control": {"type": "ephemeral"}}),
        json!({"name": "t", "title": "T", "inputSchema": schema, "annotations": {"readOnlyHint": true}, "outputSchema": {}}),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(register(&server, "/v1/tools", body), i as u64 + 1);
        let body = chat_body(json!({"tools": [{"type": "registered", "name": "t"}], "tool_choice": "required"}));
        assert_eq!(call(&server.chat(&body)).1, json!({"x": 1}));
    }
    let flat = json!({"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "start: \"x\""}});
    assert_eq!(register(&server, "/v1/tools", &flat), 1);
    let format = json!({"type": "json_schema", "json_schema": {"name": "one", "schema": {"const": 1}}});
    assert_eq!(register(&server, "/v1/schemas", &format), 1);
}

#[test]
fn what_is_wrong_with_a_definition_is_said_at_once() {
    let server = server();
    let tool = |parameters: Value| json!({"name": "t", "parameters": parameters});
    for (path, body, status, code, param) in [
        ("tools", json!({}), 400, "missing_required_parameter", "name"),
        ("tools", json!({"name": "a b"}), 400, "invalid_value", "name"),
        ("tools", json!({"type": "function", "function": {"name": "t"}, "more": 1}), 400, "unknown_parameter", "more"),
        ("tools", json!({"name": "t", "more": 1}), 400, "unknown_parameter", "more"),
        ("tools", json!({"type": "retrieval", "name": "t"}), 400, "invalid_value", "type"),
        ("tools", tool(json!({"type": "array"})), 400, "invalid_function_parameters", "parameters"),
        (
            "tools",
            tool(json!({"properties": {"x": {"type": "strin"}}})),
            400,
            "invalid_function_parameters",
            "parameters",
        ),
        ("tools", json!({"name": "t", "parameters": {}, "inputSchema": {}}), 400, "invalid_value", "inputSchema"),
        ("tools", json!({"name": "t", "examples": ["x".repeat(2 << 20)]}), 400, "invalid_value", "examples"),
        ("tools", json!({"name": "t", "description": "x".repeat(5 << 20)}), 413, "request_too_large", ""),
        ("tools", json!({"name": "t", "examples": {}}), 400, "invalid_type", "examples"),
        ("tools", json!({"name": "t", "examples": [{}, {"x": 1}]}), 400, "invalid_value", "examples[1]"),
        ("tools", json!({"name": "t", "counterexamples": [{}]}), 400, "invalid_value", "counterexamples[0]"),
        (
            "tools",
            json!({"type": "custom", "custom": {"name": "t", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: a"}}}}),
            400,
            "invalid_value",
            "custom.format.grammar.definition",
        ),
        ("schemas", json!({"name": "s"}), 400, "missing_required_parameter", "schema"),
        ("schemas", json!({"name": "check", "schema": {}}), 400, "invalid_value", "name"),
        ("schemas", json!({"name": "s", "schema": {"minimum": "1"}}), 400, "invalid_json_schema", "schema"),
        (
            "schemas",
            json!({"name": "s", "schema": {"type": "null"}, "examples": [1]}),
            400,
            "invalid_value",
            "examples[0]",
        ),
        ("schemas", json!([]), 400, "invalid_type", ""),
    ] {
        let answer = post(&server, &format!("/v1/{path}"), &body);
        let error = &answer.body["error"];
        assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{body}: {error}");
        assert_eq!(error["param"].as_str().unwrap_or_default(), param, "{body}: {error}");
    }
    assert_eq!(get(&server.url("/v1/tools")).body["data"], json!([]), "nothing of it was registered");
}

#[test]
fn a_name_that_stands_for_nothing_is_refused() {
    let server = server();
    let choice = json!({"tools": [{"type": "registered", "name": "t"}]});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s"}}});
    let both =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "version": 1}}});
    for (extra, status, param) in [
        (choice, 404, "tools[0].name"),
        (format, 400, "response_format.json_schema.schema"),
        (both, 400, "response_format.json_schema.version"),
    ] {
        let answer = server.chat(&chat_body(extra));
        assert_eq!((answer.status, answer.body["error"]["param"].as_str()), (status, Some(param)), "{}", answer.body);
    }
    for url in ["/v1/tools/t", "/v1/tools/t/1", "/v1/schemas/s"] {
        assert_eq!((get(&server.url(url)).status, delete(&server.url(url)).status), (404, 404), "{url}");
    }
    assert_eq!(get(&server.url("/v1/tools/t/x")).body["error"]["param"], "version");
}

#[test]
fn pages_of_other_sites_cannot_change_anything() {
    let server = server();
    let post = |origin: &str| {
        let request =
            agent().post(server.url("/v1/tools")).header("origin", origin).header("content-type", "text/plain");
        request.send(weather().to_string()).unwrap().status().as_u16()
    };
    assert_eq!(post("https://example.com"), 403);
    assert_eq!(post("http://localhost.example.com"), 403);
    // A name of theirs that leads here.
    let rebound = agent()
        .post(server.url("/v1/tools"))
        .header("origin", "http://evil.example:1")
        .header("host", "evil.example:1");
    assert_eq!(rebound.send(weather().to_string()).unwrap().status(), 403);
    assert_eq!(get(&server.url("/v1/tools")).body["data"], json!([]));
    for origin in
        ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080", &format!("http://{}", server.address)]
    {
        assert_eq!(post(origin), 200, "{origin}");
    }
    let gone = agent().delete(server.url("/v1/tools/weather")).header("origin", "null").call().unwrap();
    assert_eq!(gone.status(), 403);
}

/// What nests as deep as a body may is stored so that it can be read again, or refused.
#[test]
fn deep_definitions_do_no_harm() {
    let server = server();
    let mut n_refused = 0;
    for depth in 100..127 {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!("{{\"name\": \"d{depth}\", \"parameters\": {{\"type\": \"object\", \"default\": {deep}}}}}");
        let answer = send(&server.url("/v1/tools"), body.as_bytes());
        assert!([200, 400].contains(&answer.status), "{depth}: {}", answer.body);
        n_refused += usize::from(answer.status == 400);
        assert_eq!(get(&server.url("/v1/tools")).status, 200);
    }
    assert!(n_refused > 0);
    assert_eq!(delete(&server.url("/v1/tools/d100")).status, 200);
}

/// A small request cannot make the server copy gigabytes.
#[test]
fn what_a_request_refers_to_is_bounded() {
    let server = server();
    register(&server, "/v1/tools", &json!({"name": "large", "description": "x".repeat(3 << 20)}));
    let tools = vec![json!({"type": "registered", "name": "large"}); 1000];
    let answer = server.chat(&chat_body(json!({"tools": tools})));
    assert_eq!((answer.status, &answer.body["error"]["code"]), (413, &json!("request_too_large")));
}
