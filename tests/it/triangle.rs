//! What a real template writes for a call, the mask takes, and the parser reads back as the same call.

use std::sync::Arc;

use drawplate::chat::{ChatTemplate, Found, Message, Role, SplitOptions, Variables};
use drawplate::grammar::{Budget, Compiler, Verdict};
use drawplate::schema::{Document, Limits};
use drawplate::tools::format::Otherwise;
use drawplate::tools::{Tool, ToolCall, ToolChoice};
use serde_json::{Value, json};

use super::templates::folder;
use crate::support::formats::{encodings, format_of, tags_of, take_apart, tokens_of};

/// Templates that write calls of the history in another way than their models write calls.
const OTHERWISE: [&str; 5] = [
    // The recipient stands before the channel; OpenAI's documentation of the format has it behind.
    "openai-gpt-oss-120b",
    // A line break behind "Action:", and indentation.
    "CohereForAI-c4ai-command-r-plus-tool_use",
    // What ends all calls is written behind the second.
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
    // Arrays and objects are written as Python prints them; as JSON they are understood, too.
    "ByteDance-Seed-OSS",
    "openbmb-MiniCPM5-1B",
];

fn parameters() -> Value {
    json!({"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}},
        "at": {"type": "object", "properties": {"lat": {"type": "number"}, "open": {"type": ["boolean", "null"]}}}
    }, "required": ["city"]})
}

/// Runs a template's call through mask and parser. Says what goes wrong; `None` if the template shows no calls.
pub(super) fn triangle(source: &str) -> Option<Result<(), String>> {
    let template = ChatTemplate::new(Some(source), ("<s>", "</s>"), false, std::iter::empty()).ok()?;
    let support = template.tools();
    if support.found == Found::Prompt || !support.shows_calls {
        return None;
    }
    let family = &support.family;
    let document = Document::parse(parameters(), Limits::default()).unwrap();
    let tools = [Tool {
        name: "weather".into(),
        description: Some("tells the weather".into()),
        parameters: Arc::new(document),
        input: None,
    }];
    let arguments = json!({"city": "Oslo <é> 3", "days": 3, "tags": ["a", "b c"], "at": {"lat": -1.5, "open": true}});
    let id = if family.call.contains("$ID") { "callid001" } else { "functions.weather:0" };
    let call = ToolCall { id: id.into(), name: "weather".into(), arguments: arguments.to_string() };
    let messages = [
        Message::text(Role::System, "system text"),
        Message::text(Role::User, "first question"),
        Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") },
        Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, "nine degrees") },
        Message::text(Role::Assistant, "first answer"),
        Message::text(Role::User, "second question"),
    ];
    let definitions: Vec<Value> = tools.iter().map(Tool::definition).collect();
    let rendered = match template.render(&messages, &definitions, &Variables::default()) {
        Ok(segments) => segments.into_iter().map(|segment| segment.text).collect::<String>(),
        Err(error) => return Some(Err(error.to_string())),
    };
    let (_, behind) = rendered.split_once("first question")?;
    let (format, vocab) = format_of(family, tags_of(family));
    let compiler = Compiler::new(&vocab, Budget::default()).unwrap();
    let spec = format.spec(&tools, &ToolChoice::Required, true, &Otherwise::Prose, None);
    let compiled = compiler.compile(&spec).unwrap();
    let Some(at) = behind.find(family.marker.as_str()) else { return Some(Err(format!("no marker in {behind:?}"))) };
    let tokens = tokens_of(&behind[at..], &vocab);
    let mut matcher = compiled.matcher();
    // The longest beginning that is a whole answer.
    let mut n_whole = None;
    for (n, token) in tokens.iter().enumerate() {
        if vocab.is_end(*token)
            || !matcher.allows(*token).unwrap_or(false)
            || !matches!(matcher.accept(*token), Ok(Verdict::Taken))
        {
            break;
        }
        if matcher.is_stopped() || matcher.is_accepting().unwrap_or(false) {
            n_whole = Some(n + 1);
        }
    }
    let Some(n_whole) = n_whole else { return Some(Err(format!("the mask does not take {:?}", &behind[at..]))) };
    let options = SplitOptions {
        format: Some(Arc::new(format.clone())),
        encodings: encodings(&tools, &compiled),
        calls_follow_text: false,
        preamble: None,
        keeps_spaces: false,
        around: format.text.clone(),
        wrapper: None,
        is_behind_thought: false,
        stop: Vec::new(),
    };
    let said = take_apart(&tokens[..n_whole], &vocab, &options);
    let read: Vec<(String, Value)> =
        said.calls.iter().map(|call| (call.name.clone(), serde_json::from_str(&call.arguments).unwrap())).collect();
    let is_same = read == [("weather".to_owned(), arguments)];
    Some(if is_same { Ok(()) } else { Err(format!("read back as {read:?}")) })
}

#[test]
fn real_templates_write_what_the_mask_takes_and_the_parser_reads() {
    let Some(folder) = folder() else {
        eprintln!("skipped: the templates are not in the cache (scripts/get-templates)");
        return;
    };
    let (mut n_right, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder.join("templates")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "jinja") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        match triangle(&std::fs::read_to_string(&path).unwrap()) {
            None => {}
            Some(Ok(())) if OTHERWISE.contains(&name.as_str()) => wrong.push(format!("{name} is right after all")),
            Some(Ok(())) => n_right += 1,
            Some(Err(_)) if OTHERWISE.contains(&name.as_str()) => {}
            Some(Err(why)) => wrong.push(format!("{name}: {}", why.chars().take(400).collect::<String>())),
        }
    }
    eprintln!("{n_right} are right");
    assert!(wrong.is_empty(), "{n_right} are right; these are not:\n{}", wrong.join("\n"));
    assert!(n_right >= 55, "only {n_right}");
}
