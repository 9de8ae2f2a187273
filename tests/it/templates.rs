//! Chat templates of real models: they render, and what they know of tools is found out.
//!
//! The templates are not part of this repository: scripts/get-templates fetches them into the cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drawplate::chat::{ChatTemplate, Found, Instructions, Message, Role, Variables, instruct};
use drawplate::schema::{Document, Limits};
use drawplate::tools::{Tool, ToolCall, ToolChoice};
use serde_json::{Value, json};

pub(crate) fn folder() -> Option<PathBuf> {
    let release = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/llama-sources")).unwrap();
    let version = release.lines().find_map(|line| line.strip_prefix("version=")).unwrap();
    let folder = drawplate::config::cache_dir().join(format!("suites/llama-models-{version}"));
    folder.is_dir().then_some(folder)
}

/// A conversation in which a tool was called.
fn messages() -> Vec<Message> {
    let call = ToolCall { id: "callid001".into(), name: "weather".into(), arguments: r#"{"city": "Oslo"}"#.into() };
    vec![
        Message::text(Role::System, "system text"),
        Message::text(Role::User, "first question"),
        Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") },
        Message { tool_call_id: Some("callid001".into()), ..Message::text(Role::Tool, "nine degrees") },
        Message::text(Role::Assistant, "first answer"),
        Message::text(Role::User, "second question"),
    ]
}

/// What a template does: the format in which it shows calls, `prompt` if the prompt has to, or why it refuses.
fn verdict(source: &str) -> Value {
    let template = match ChatTemplate::new(Some(source), ("<s>", "</s>"), false, std::iter::empty()) {
        Ok(template) => template,
        Err(error) => return format!("refused: {error}").into(),
    };
    let support = template.tools();
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tools = [Tool {
        name: "weather".into(),
        description: Some("tells the weather".into()),
        parameters: Arc::new(Document::parse(parameters, Limits::default()).unwrap()),
        input: None,
    }];
    let native: Vec<Value> = tools.iter().filter(|_| support.is_native()).map(Tool::definition).collect();
    let with_tools = Instructions { tools: Some((&tools, &ToolChoice::Auto)), schema: None };
    let without = Instructions { tools: None, schema: None };
    let plain: Vec<Message> =
        messages().into_iter().filter(|m| m.tool_calls.is_empty() && m.role != Role::Tool).collect();
    for (messages, native, instructions, wanted) in [
        (&plain, &[][..], without, &["system text", "second question"][..]),
        (
            &messages(),
            &native,
            with_tools,
            &["system text", "tells the weather", "Oslo", "nine degrees", "second question"],
        ),
    ] {
        let text: String =
            match template.render(&instruct(messages, support, instructions), native, &Variables::default()) {
                Ok(segments) => segments.into_iter().map(|segment| segment.text).collect(),
                Err(error) => return format!("refused: {error}").into(),
            };
        if let Some(missing) = wanted.iter().find(|wanted| !text.contains(**wanted)) {
            return format!("loses '{missing}'").into();
        }
    }
    // What an editor of schemas writes, and a conversation that begins with a greeting.
    let rich = json!({"type": "object", "$defs": {"d": {"type": "object", "properties": {"x": {"type": "number"}}}}, "properties": {
        "a": {"type": "integer", "enum": [1, 2], "default": 1}, "b": {"type": ["string", "null"], "enum": ["x", null], "default": null},
        "c": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"k": {"type": "boolean", "default": false}}}], "default": null},
        "d": {"$ref": "#/$defs/d"}, "e": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}, "f": {"type": "array"},
        "g": {"type": "object"}, "h": true, "i": {"const": 3}, "j": {"type": "object", "additionalProperties": {"type": "integer"}}}});
    let parameters = Arc::new(Document::parse(rich, Limits::default()).unwrap());
    let rich = Tool { name: "rich".into(), description: Some("takes a lot".into()), parameters, input: None };
    let rich = if support.is_native() { vec![rich.definition()] } else { Vec::new() };
    let greeted = [Message::text(Role::Assistant, "greeting text"), Message::text(Role::User, "first question")];
    for (messages, tools, wanted) in [
        (&plain[..], &rich[..], "second question"),
        (&greeted, &[], "greeting text"),
        (&greeted, &[], "first question"),
    ] {
        let rendered = template.render(messages, tools, &Variables::default());
        let text = rendered.map(|segments| segments.into_iter().map(|segment| segment.text).collect::<String>());
        match text {
            Ok(text) if text.contains(wanted) => {}
            Ok(_) => return format!("loses '{wanted}'").into(),
            Err(error) => return format!("refused: {error}").into(),
        }
    }
    let family = &support.family;
    let shown = if support.shows_tools { "" } else { ", tools by prompt" };
    match support.found {
        Found::Known => format!("{}{shown}", family.name).into(),
        Found::Inferred => {
            format!("inferred{shown}: {} ({} {}) {}", family.begin, family.call, family.between, family.end).into()
        }
        Found::Prompt => "prompt".into(),
    }
}

#[test]
fn real_templates_render_and_what_they_know_of_tools_is_found() {
    let Some(folder) = folder() else {
        eprintln!("skipped: the templates are not in the cache (scripts/get-templates)");
        return;
    };
    let mut verdicts: BTreeMap<String, Value> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("templates")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jinja") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            verdicts.insert(name, verdict(&std::fs::read_to_string(&path).unwrap()));
        }
    }
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&table, serde_json::to_string_pretty(&verdicts).unwrap() + "\n").unwrap();
    }
    let expected: BTreeMap<String, Value> = serde_json::from_str(&std::fs::read_to_string(&table).unwrap()).unwrap();
    for (name, verdict) in &verdicts {
        assert_eq!(expected.get(name), Some(verdict), "{name}; if that is right: UPDATE=1 cargo test real_templates");
    }
    assert_eq!(expected.len(), verdicts.len());
}

/// Its template shows tools, and asks for no calls of the history: those are written into the messages.
#[test]
fn a_template_that_shows_tools_and_no_calls_is_that_of_smollm_3() {
    let source = concat!(
        "{%- if xml_tools %}<|im_start|>system\nCall as <tool_call>{…}</tool_call>: <tools>",
        "{%- for tool in xml_tools %}{{ tool['function'] | tojson }}{% endfor %}</tools>{% endif %}",
        "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n",
    );
    assert_eq!(verdict(source), "smollm-3");
}
