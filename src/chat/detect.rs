//! Whether a template knows tools, found out by rendering a conversation with calls and looking at what becomes of them.

use serde_json::{Value, json};

use super::arrange::ArgumentsAs;
use super::{Message, Role};
use crate::tools::ToolCall;
use crate::tools::format::{FORMATS, HERMES, ToolFormat};

/// How a model is told of tools, and how it calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolSupport {
    /// The format of its calls.
    pub format: &'static ToolFormat,
    /// Whether the template itself shows tools, calls and results. Where it does not, or not in a format that is known,
    /// the first system message describes tools and format.
    pub is_native: bool,
    /// How the template wants arguments.
    pub(super) arguments: ArgumentsAs,
}

impl ToolSupport {
    /// The same format, described in the prompt.
    #[must_use]
    pub fn by_prompt(self) -> Self {
        Self { is_native: false, ..self }
    }
}

impl Default for ToolSupport {
    fn default() -> Self {
        Self { format: &HERMES, is_native: false, arguments: ArgumentsAs::default() }
    }
}

/// Texts that no template holds by itself.
const NAME: &str = "fn_alpha";
const SYSTEM: &str = "system_alpha";
const QUESTION: &str = "question_alpha";
const ANSWER: &str = "answer_alpha";
const DESCRIPTION: &str = "desc_alpha";
const KEY: &str = "key_alpha";
const RESULT: &str = "result_alpha";

/// Finds the format that `render` writes calls in. `controls` are the names of control tokens.
pub(super) fn detect(
    controls: &[&str],
    render: impl Fn(&[Message], &[Value], ArgumentsAs) -> Option<String>,
) -> ToolSupport {
    let tools = [json!({"type": "function", "function": {"name": NAME, "description": DESCRIPTION, "parameters": {
        "type": "object", "properties": {"key_one": {"type": "string"}, "key_two": {"type": "integer"}, KEY: {}}}}})];
    let (called, answered) = (called(), answered());
    // Why text first: what the model wrote is copied, and found in its cache again; an object is written anew.
    for arguments in [ArgumentsAs::Text, ArgumentsAs::Object] {
        let Some(text) = render(&called, &tools, arguments) else { continue };
        if [SYSTEM, DESCRIPTION, KEY, RESULT].iter().any(|shown| !text.contains(shown)) {
            continue;
        }
        let Some(plain) = render(&answered, &tools, arguments) else { continue };
        let calls_of = |format: &ToolFormat| {
            let calls: Vec<String> = called.iter().flat_map(|m| &m.tool_calls).map(|c| format.render_call(c)).collect();
            calls.join(format.separator)
        };
        // A template that puts more around calls than around an answer has another format.
        let is_bare = |calls: &str| match (between(&text, QUESTION, calls), between(&plain, QUESTION, ANSWER)) {
            (Some(before_calls), Some(before_answer)) => before_calls.trim_end() == before_answer.trim_end(),
            _ => false,
        };
        // A marker that is a control token is written as that token; a format of texts would not match it.
        let is_text = |format: &ToolFormat| !controls.iter().any(|name| format.holds(name));
        if let Some(format) = FORMATS.into_iter().find(|format| is_text(format) && is_bare(&calls_of(format))) {
            return ToolSupport { format, is_native: true, arguments };
        }
    }
    ToolSupport::default()
}

/// What stands between the first `a` of `text` and the `b` that follows it.
fn between<'t>(text: &'t str, a: &str, b: &str) -> Option<&'t str> {
    let rest = &text[text.find(a)? + a.len()..];
    Some(&rest[..rest.find(b)?])
}

/// Two calls in one turn, their results, and a next question.
fn called() -> Vec<Message> {
    let call = |id: &str, n: u32| ToolCall {
        id: id.to_owned(),
        name: NAME.to_owned(),
        arguments: format!("{{\"key_one\": \"val {n}\", \"key_two\": {n}}}"),
    };
    // Source: Mistral's templates take ids of nine letters and digits only.
    let tool_calls = vec![call("callid001", 1), call("callid002", 2)];
    let result = |id: &str| Message { tool_call_id: Some(id.to_owned()), ..Message::text(Role::Tool, RESULT) };
    vec![
        Message::text(Role::System, SYSTEM),
        Message::text(Role::User, QUESTION),
        Message { tool_calls, ..Message::text(Role::Assistant, "") },
        result("callid001"),
        result("callid002"),
        Message::text(Role::Assistant, "text"),
        Message::text(Role::User, "text"),
    ]
}

/// A plain answer, and a next question.
fn answered() -> Vec<Message> {
    vec![
        Message::text(Role::System, SYSTEM),
        Message::text(Role::User, QUESTION),
        Message::text(Role::Assistant, ANSWER),
        Message::text(Role::User, "text"),
    ]
}
