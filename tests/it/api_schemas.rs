//! schemas/api/ holds what the wire types say. `UPDATE=1 cargo test api_schemas` writes it.

use std::path::Path;

use drawplate::api::wire;
use drawplate::api::wire::chat_request::ChatRequest;
use serde_json::{Value, json};

#[test]
fn are_up_to_date() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/api");
    for (name, schema) in wire::schemas() {
        let path = dir.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "{} is out of date: UPDATE=1 cargo test api_schemas", path.display());
    }
}

#[test]
fn every_field_of_the_request_is_read() {
    let schema = serde_json::to_value(&wire::schemas()[0].1).unwrap();
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    for name in schema["properties"].as_object().unwrap().keys() {
        if body.get(name).is_none() {
            body[name] = Value::Null;
        }
    }
    let (_, unknown) = ChatRequest::read(&body).unwrap();
    assert!(unknown.is_empty(), "in the type, but never read: {unknown:?}");
}
