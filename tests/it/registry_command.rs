//! What is registered outlives the server; folders and MCP servers give tools at start; `drawplate tools`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::support::binary::{Process, arg, empty_folder, run};
use crate::support::{chat_body, get, send, serve_router};

/// The arguments of the forced call of a registered tool.
fn forced(server: &Process, name: &str) -> Value {
    let body = chat_body(json!({"tools": [{"type": "registered", "name": name}], "tool_choice": "required"}));
    let answer = send(&format!("{}/v1/chat/completions", server.url), body.to_string().as_bytes());
    let arguments = &answer.body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
    serde_json::from_str(arguments.as_str().unwrap_or_else(|| panic!("{}", answer.body))).unwrap()
}

fn takes(value: Value) -> Value {
    json!({"type": "object", "properties": {"x": {"const": value}}, "required": ["x"], "additionalProperties": false})
}

fn write(path: &std::path::Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn tools_are_added_listed_shown_and_removed_and_outlive_the_server() {
    let folder = empty_folder("tools-command");
    let (file, database) = (folder.join("one.json"), folder.join("data/registry.db"));
    write(&file, &json!([{"name": "one", "description": "Gives one.\nMore.", "parameters": takes(json!(1))}]));
    {
        let server = Process::serve(&["--registry", arg(&database)]);
        let url = format!("{}/v1", server.url);
        assert_eq!(run(&["tools", "add", "--url", &url, arg(&file)]).1, "one@1\n");
        assert_eq!(run(&["tools", "list", "--url", &url]).1, "one@1\tregistered\tGives one.\n");
    }
    let server = Process::serve(&["--registry", arg(&database)]);
    let url = format!("{}/v1", server.url);
    assert_eq!(forced(&server, "one"), json!({"x": 1}));
    let shown: Value = serde_json::from_str(&run(&["tools", "show", "one", "--url", &url]).1).unwrap();
    assert_eq!(shown["tool"]["function"]["parameters"], takes(json!(1)));
    assert_eq!(run(&["tools", "remove", "one", "--url", &url]).0, Some(0));
    let (code, _, error) = run(&["tools", "show", "one", "--url", &url]);
    assert!(code == Some(1) && error.contains("No tool 'one' is registered"), "{error}");
    let (code, _, error) = run(&["tools", "list", "--url", "http://127.0.0.1:1/v1"]);
    assert!(code == Some(1) && error.contains("is the server running?"), "{error}");
}

#[test]
fn check_says_what_is_wrong_with_each_definition() {
    let folder = empty_folder("tools-check");
    write(&folder.join("a.json"), &json!({"name": "good", "parameters": takes(json!(1)), "examples": [{"x": 1}]}));
    let (code, output, _) = run(&["tools", "check", arg(&folder)]);
    assert!(code == Some(0) && output.contains("a.json: good: enforced exactly"), "{output}");
    write(&folder.join("b.json"), &json!({"tools": [{"name": "bad", "examples": [{"x": 1}]}]}));
    std::fs::write(folder.join("c.json"), "{").unwrap();
    let (code, _, error) = run(&["tools", "check", arg(&folder)]);
    assert!(code == Some(2) && error.contains("c.json"), "{error}");
    std::fs::remove_file(folder.join("c.json")).unwrap();
    let (code, output, error) = run(&["tools", "check", arg(&folder)]);
    assert!(code == Some(1) && output.contains("good"), "{output}");
    assert!(error.contains("b.json[0]: refused") && error.contains("'bad'") && error.contains("1 of 2"), "{error}");
    write(&folder.join("b.json"), &json!({"name": "person", "schema": {"type": "object"}}));
    let (_, output, _) = run(&["schemas", "check", arg(&folder.join("b.json"))]);
    assert!(output.contains("person: enforced exactly"), "{output}");
}

#[test]
fn a_folder_gives_tools_that_stay() {
    let folder = empty_folder("tools-folder");
    write(&folder.join("two.json"), &json!({"name": "two", "parameters": takes(json!(2))}));
    std::fs::write(folder.join("notes.txt"), "no tool").unwrap();
    let server = Process::serve(&["--tools", arg(&folder)]);
    assert_eq!(forced(&server, "two"), json!({"x": 2}));
    let list = get(&format!("{}/v1/tools", server.url)).body;
    assert!(list["data"][0]["source"].as_str().unwrap().ends_with("two.json"), "{list}");
    let other = json!({"name": "two", "parameters": takes(json!(3))});
    let answer = send(&format!("{}/v1/tools", server.url), other.to_string().as_bytes());
    assert_eq!((answer.status, &answer.body["error"]["code"]), (409, &json!("read_only")));
    drop(server);
    write(&folder.join("bad.json"), &json!([{"name": "bad", "parameters": {"type": "array"}}]));
    let (code, _, error) = run(&["serve", "--model", "fake", "--port", "0", "--tools", arg(&folder)]);
    assert!(code == Some(2) && error.contains("bad.json[0], parameters: Invalid schema for function 'bad'"), "{error}");
}

/// An MCP server over HTTP that lists its tools on two pages.
async fn mcp(Json(message): Json<Value>) -> Response {
    let Some(id) = message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let page = message["params"]["cursor"].as_str();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({"protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}}, "serverInfo": {"name": "test", "version": "1"}}),
        Some("tools/list") if page == Some("2") => json!({"tools": [
            {"name": "three", "description": "Gives three.", "inputSchema": takes(json!(3)), "annotations": {"readOnlyHint": true}}]}),
        Some("tools/list") => json!({"nextCursor": "2", "tools": [
            {"name": "odd", "inputSchema": {"type": "object", "properties": {"x": {"pattern": "("}}}}]}),
        _ => {
            return Json(json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}}))
                .into_response();
        }
    };
    Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}

#[test]
fn an_mcp_server_gives_its_tools() {
    let url = format!("http://{}/mcp", serve_router(axum::Router::new().route("/mcp", post(mcp))));
    let server = Process::serve(&["--mcp", &url]);
    assert_eq!(forced(&server, "three"), json!({"x": 3}));
    let list = get(&format!("{}/v1/tools", server.url)).body;
    let names: Vec<&str> = list["data"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["three"], "one that cannot be enforced does not take the others along");
    assert_eq!(list["data"][0]["source"], url);
    let (code, _, error) = run(&["serve", "--model", "fake", "--port", "0", "--mcp", "http://127.0.0.1:1/mcp"]);
    assert!(code == Some(2) && error.contains("--mcp http://127.0.0.1:1/mcp"), "{error}");
}
