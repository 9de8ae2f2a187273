//! `drawplate check` and `POST /v1/schemas/check`: each keyword's fate, refusals with their place, exit codes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Setup, TestServer, send};

/// A folder for one test's schemas; it goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("drawplate-check-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// What `drawplate check` with `args` answers: exit code, standard output, standard error.
fn check(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_drawplate"))
        .arg("check")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads no input may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Fates and notes by pointer, as `--json` gives them.
fn fates(schema: &Value) -> Vec<(String, String, String)> {
    let (code, stdout, stderr) = check(&["-", "--json"], &schema.to_string());
    assert_eq!(code, Some(0), "{stderr}");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&answer["enforced"], &answer["error"]), (&json!(true), &Value::Null));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let keywords = answer["report"]["keywords"].as_array().unwrap();
    keywords.iter().map(|one| (text(&one["pointer"]), text(&one["fate"]), text(&one["note"]))).collect()
}

#[test]
fn each_keyword_has_a_fate() {
    let found = fates(&json!({
        "title": "Order", "type": "object", "additionalProperties": false,
        "properties": {
            "tags": {"type": "array", "maxItems": 9, "uniqueItems": true},
            "mail": {"type": "string", "format": "email"},
            "day": {"type": "string", "format": "date"},
            "kind": {"type": "string", "format": "colour", "nullable": true},
            "some": {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 5}, "maxContains": 2}
        }
    }));
    for (pointer, fate, note) in [
        ("/title", "annotation", ""),
        ("/type", "mask", ""),
        ("/additionalProperties", "mask", ""),
        ("/properties", "mask", ""),
        ("/properties/tags/maxItems", "mask", ""),
        ("/properties/tags/uniqueItems", "guard", ""),
        ("/properties/mail/format", "guard", "the mask allows a little more; each string is judged"),
        ("/properties/day/format", "mask", ""),
        ("/properties/kind/format", "annotation", "unknown format"),
        ("/properties/kind/nullable", "annotation", "unknown keyword"),
        ("/properties/some/items/type", "mask", ""),
        ("/properties/some/maxContains", "guard", ""),
    ] {
        let wanted = (pointer.to_owned(), fate.to_owned(), note.to_owned());
        assert!(found.contains(&wanted), "{wanted:?} is not in {found:#?}");
    }
    assert_eq!(found.len(), 20, "{found:#?}");
}

#[test]
fn older_drafts_hide_what_stands_beside_a_reference() {
    let found = fates(&json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "maxLength": 3,
        "definitions": {"a": {"type": "string"}}
    }));
    let expected =
        [("/$ref", "mask", ""), ("/maxLength", "annotation", "hidden by $ref"), ("/definitions/a/type", "mask", "")];
    assert_eq!(found, expected.map(|(pointer, fate, note)| (pointer.to_owned(), fate.to_owned(), note.to_owned())));
}

#[test]
fn the_report_is_good_reading() {
    let folder = Folder::new("report");
    let path = folder.file("list.json", "{\n  \"type\": \"array\",\n  \"uniqueItems\": true\n}\n");
    let (code, stdout, stderr) = check(&[path.as_str()], "");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("enforced exactly\n"), "{stdout}");
    let row = |keyword: &str| {
        let line = stdout.lines().find(|line| line.contains(&format!("#/{keyword}"))).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("type"), "2 #/type type mask");
    assert_eq!(row("uniqueItems"), "3 #/uniqueItems uniqueItems guard");
    for says in ["grammar: ", "shortest answer: ", "guard: needed", "OpenAI strict mode would refuse:"] {
        assert!(stdout.contains(says), "{says} is missing: {stdout}");
    }
}

#[test]
fn exit_codes_tell_refusals_from_bad_arguments() {
    let folder = Folder::new("codes");
    let good = folder.file("good.json", r#"{"type": "object", "properties": {}, "additionalProperties": false}"#);
    let open = folder.file("open.json", r#"{"type": "object"}"#);
    let wrong = folder.file("wrong.json", "{\n  \"properties\": {\"a\": {},\n    \"b\": {\"type\": \"objekt\"}}\n}");
    let never = folder.file("never.json", r#"{"type": "string", "minLength": 5, "maxLength": 2}"#);
    let text = folder.file("text.json", "{oops");
    let remote = folder.file("remote.json", r#"{"$ref": "https://example.org/day.json"}"#);
    std::fs::create_dir_all(folder.0.join("store")).unwrap();
    folder.file("store/day.json", r#"{"$id": "https://example.org/day.json", "type": "string", "format": "date"}"#);
    let store = folder.0.join("store").display().to_string();
    let (good, open, wrong, never) = (good.as_str(), open.as_str(), wrong.as_str(), never.as_str());
    let (text, remote, store) = (text.as_str(), remote.as_str(), store.as_str());
    let cases: [(&[&str], i32, &str); 12] = [
        (&[good], 0, ""),
        (&[good, "--strict"], 0, ""),
        (&[open], 0, ""),
        (&[open, "--strict"], 1, "OpenAI strict mode would refuse it for 2 reasons"),
        (&[wrong], 1, "line 3"),
        (&[never], 1, "refused: "),
        (&[remote], 1, "https://example.org/day.json"),
        (&[remote, "--schemas", store], 0, ""),
        (&[text], 2, "line 1 column 2"),
        (&["/nowhere/schema.json"], 2, "/nowhere/schema.json: "),
        (&[good, "--model", "/nowhere/tokenizer.json"], 2, "--model"),
        (&[], 2, "<SCHEMA>"),
    ];
    for (args, code, says) in cases {
        let (got, stdout, stderr) = check(args, "");
        assert_eq!(got, Some(code), "{args:?}: {stdout}{stderr}");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
    }
    let (code, stdout, _) = check(&[wrong, "--json"], "");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &answer["enforced"], &answer["report"]), (Some(1), &json!(false), &Value::Null));
    let error = &answer["error"];
    assert_eq!((&error["pointer"], &error["keyword"]), (&json!("/properties/b/type"), &json!("type")));
    assert_eq!(error["line"], 3);
}

#[test]
fn over_http() {
    let server = TestServer::start(Setup::default());
    let url = server.url("/v1/schemas/check");
    let post = |body: Value| send(&url, body.to_string().as_bytes());
    let answer = post(json!({"name": "x", "schema": {"type": "array", "uniqueItems": true}}));
    assert_eq!((answer.status, &answer.body["object"]), (200, &json!("schema.check")));
    assert_eq!((&answer.body["enforced"], &answer.body["error"]), (&json!(true), &Value::Null));
    let keywords = answer.body["report"]["keywords"].as_array().unwrap();
    assert_eq!(
        keywords[1],
        json!({"pointer": "/uniqueItems", "keyword": "uniqueItems", "fate": "guard", "note": null})
    );
    let answer = post(json!({"schema": {"properties": {"a": {"type": "objekt"}}}}));
    assert_eq!((answer.status, &answer.body["enforced"]), (200, &json!(false)));
    assert_eq!(answer.body["error"]["pointer"], "/properties/a/type");
    for (body, code, param) in [
        (json!([]), "invalid_type", Value::Null),
        (json!({}), "missing_required_parameter", json!("schema")),
        (json!({"schema": "x"}), "invalid_type", json!("schema")),
        (json!({"schema": {}, "name": 5}), "invalid_type", json!("name")),
    ] {
        let answer = post(body.clone());
        let error = &answer.body["error"];
        assert_eq!((answer.status, &error["code"], &error["param"]), (400, &json!(code), &param), "{body}");
    }
}
