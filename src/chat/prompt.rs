//! Puts the answer's schema into a conversation, and tools, calls and results where the template knows none.

use serde_json::Value;

use super::{Message, Role, ToolSupport};
use crate::tools::format::Family;
use crate::tools::{Tool, ToolChoice};

/// What the model must be told besides the messages.
#[derive(Clone, Copy, Debug)]
pub struct Instructions<'a> {
    /// The tools it may call.
    pub tools: Option<(&'a [Tool], &'a ToolChoice)>,
    /// The answer's schema, with its name and description; `None` if any JSON object will do.
    pub schema: Option<&'a (&'a str, Option<&'a str>, Option<&'a Value>)>,
}

/// A schema as the prompt shows it.
pub(super) type SchemaNote<'a> = (&'a str, Option<&'a str>, Option<&'a Value>);

/// Writes instructions into the first system message of `messages`. For a template that knows no tools, calls and results
/// of the history become text.
#[must_use]
pub fn instruct(messages: &[Message], support: &ToolSupport, instructions: Instructions<'_>) -> Vec<Message> {
    let mut messages = messages.to_vec();
    // Why so late: what changes from request to request must not stand before the tools, which are in the cache.
    let demand = instructions.tools.and_then(|(_, choice)| Family::demand(choice));
    let demand = match (demand, messages.iter_mut().rfind(|message| message.role == Role::User)) {
        (Some(demand), Some(asked)) => {
            asked.content = format!("{}\n\n{demand}", asked.content);
            None
        }
        (demand, _) => demand,
    };
    let mut plain = match (support.is_native(), support.shows_calls) {
        (true, true) => messages,
        (is_native, _) => as_text(&messages, &support.family, is_native),
    };
    let notes = [
        instructions.tools.filter(|_| !support.shows_tools).map(|(tools, _)| support.family.describe(tools)),
        demand,
        instructions.schema.map(schema_note),
    ];
    let notes = notes.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    if notes.is_empty() {
        return plain;
    }
    match plain.first_mut() {
        Some(first) if matches!(first.role, Role::System | Role::Developer) => {
            first.content = format!("{}\n\n{notes}", first.content);
        }
        _ => plain.insert(0, Message::text(Role::System, notes)),
    }
    plain
}

/// Calls as text, and results, unless the template knows of those.
fn as_text(messages: &[Message], family: &Family, keeps_results: bool) -> Vec<Message> {
    let mut plain: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    for message in messages {
        match message.role {
            Role::Tool if !keeps_results => {
                let result = family.render_result(&message.content);
                match plain.last_mut() {
                    // Results of parallel calls make one turn: many templates want turns to alternate.
                    Some(last) if last.role == Role::User && last.content.ends_with(&family.result.1) => {
                        last.content.push('\n');
                        last.content.push_str(&result);
                    }
                    _ => plain.push(Message::text(Role::User, result)),
                }
            }
            Role::Assistant if !message.tool_calls.is_empty() => {
                let calls = family.render_calls(&message.tool_calls);
                let text = if message.content.is_empty() { calls } else { format!("{}\n{calls}", message.content) };
                plain.push(Message { reasoning: message.reasoning.clone(), ..Message::text(Role::Assistant, text) });
            }
            Role::System | Role::Developer | Role::User | Role::Assistant | Role::Tool => plain.push(message.clone()),
        }
    }
    plain
}

fn schema_note((name, description, schema): &SchemaNote<'_>) -> String {
    let Some(schema) = schema else {
        return "Answer with a JSON object and nothing else.".to_owned();
    };
    let about = description.map(|d| format!(" ({d})")).unwrap_or_default();
    format!(
        "Answer with JSON and nothing else. It is called \"{name}\"{about} and must satisfy this JSON Schema:\n{schema}"
    )
}
