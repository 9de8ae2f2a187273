//! Messages as templates take them: the fields that they look for.

use std::collections::{HashMap, HashSet};

use minijinja::context;
use minijinja::value::{Serde, Value as Jinja};
use serde_json::Value;

use super::{Message, Role};
use crate::tools::ToolCall;
use crate::tools::format::Ids;

/// How a template wants the arguments of calls in the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ArgumentsAs {
    /// As an object, which it writes down itself.
    #[default]
    Object,
    /// As JSON text, which it copies.
    Text,
}

/// Where a template looks for calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CallsIn {
    /// In the field `tool_calls` of the assistant's message.
    #[default]
    Field,
    /// In messages of their own, whose `metadata` is the tool's name and whose content the arguments; results are those
    /// of an observer. Source: the chat templates of GLM-4.
    Messages,
}

/// What a template wants of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) calls_in: CallsIn,
    pub(super) arguments: ArgumentsAs,
    /// Whether a message of calls alone has no content, in place of an empty one.
    pub(super) null_content: bool,
    /// Whether every tool and parameter must have a description.
    pub(super) descriptions: bool,
}

/// What a template takes beside calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent of one another")]
pub(super) struct Takes {
    /// Whether it knows the developer's role.
    pub(super) developer: bool,
    /// Whether content is a list of parts, in place of a text.
    pub(super) parts: bool,
    /// Whether a thought is a part of the content. Source: Ministral 3's template.
    pub(super) thoughts_in_parts: bool,
    /// Whether the tools stand in the system message, as text. Source: Phi-4-mini's template.
    pub(super) tools_in_system: bool,
    /// Whether `tools` is none where there are none, in place of undefined. Source: OLMo 3's template.
    pub(super) null_tools: bool,
}

/// `messages` with the fields that templates look for: those of OpenAI, and the name of the tool beside its result.
/// `tools` is what the first system message says of them, if it does.
pub(super) fn to_jinja(
    messages: &[Message],
    (wants, takes): (Wants, Takes),
    ids: Ids,
    mut tools: Option<&str>,
) -> Vec<Jinja> {
    // Names of calls by id, as of the message that is looked at: ids may come again.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let calls = messages.iter().flat_map(|message| &message.tool_calls);
    let taken = calls.map(|call| call.id.as_str()).collect();
    let mut renamed = Renamed { ids, taken, by_id: HashMap::new(), n_calls: 0, n_made: 0 };
    let mut values = Vec::with_capacity(messages.len());
    if messages.iter().all(|message| message.role != Role::System)
        && let Some(tools) = tools.take()
    {
        values.push(context! { role => Role::System.as_str(), content => "", tools });
    }
    for message in messages {
        if wants.calls_in == CallsIn::Messages && (!message.tool_calls.is_empty() || message.tool_call_id.is_some()) {
            let mut several = as_messages(message);
            several.first_mut().into_iter().for_each(|first| add_thought(message, first));
            values.extend(several);
            continue;
        }
        names.extend(message.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str())));
        let (role, content) = (message.role.as_str(), content_of(message, takes));
        values.push(match &message.tool_call_id {
            Some(id) => {
                let name = names.get(id.as_str()).copied();
                context! { role, content, tool_call_id => renamed.of(id), name }
            }
            // Why two forms: templates ask whether there is such a field.
            None if message.role == Role::System && tools.is_some() => {
                context! { role, content, tools => tools.take() }
            }
            None if message.tool_calls.is_empty() => context! { role, content },
            None => {
                let calls = message.tool_calls.iter();
                let one = |call| to_call(&renamed.call(call), call, wants.arguments);
                let tool_calls: Vec<Jinja> = calls.map(one).collect();
                let content = Some(content).filter(|content| {
                    !(wants.null_content && message.content.is_empty() && content.as_str().is_some())
                });
                context! { role, content, tool_calls }
            }
        });
        values.last_mut().into_iter().for_each(|last| add_thought(message, last));
    }
    values
}

fn content_of(message: &Message, takes: Takes) -> Jinja {
    let text = &message.content;
    let thought = message.reasoning.as_ref().filter(|thought| takes.thoughts_in_parts && !thought.is_empty());
    if !takes.parts && thought.is_none() {
        return Jinja::from(text.as_str());
    }
    let thought = thought.map(|thinking| context! { type => "thinking", thinking });
    let said = (thought.is_none() || !text.is_empty()).then(|| context! { type => "text", text });
    Jinja::from_iter(thought.into_iter().chain(said))
}

/// Source: Qwen 3 and others ask for `reasoning_content`, gpt-oss for `thinking`, Solar Open for `reasoning`.
fn add_thought(message: &Message, value: &mut Jinja) {
    if let Some(thinking) = &message.reasoning {
        *value = context! { thinking, reasoning_content => thinking, reasoning => thinking, ..value.clone() };
    }
}

/// A message with calls as several, or a result, where calls are no field.
fn as_messages(message: &Message) -> Vec<Jinja> {
    let content = &message.content;
    if message.tool_call_id.is_some() {
        return vec![context! { role => "observation", content }];
    }
    let role = message.role.as_str();
    let text = (!content.is_empty()).then(|| context! { role, content });
    let call = |call: &ToolCall| context! { role, metadata => &call.name, content => text_of(call) };
    text.into_iter().chain(message.tool_calls.iter().map(call)).collect()
}

/// The ids of calls in the form that a family's models know.
struct Renamed<'a> {
    ids: Ids,
    /// Ids of the history.
    taken: HashSet<&'a str>,
    by_id: HashMap<&'a str, String>,
    n_calls: usize,
    n_made: usize,
}

impl<'a> Renamed<'a> {
    fn call(&mut self, call: &'a ToolCall) -> String {
        let form = self.ids.form();
        let is_formed = call.id.len() == form.n_bytes() && call.id.bytes().all(|byte| form.takes(byte));
        let id = match self.ids {
            Ids::Free => call.id.clone(),
            Ids::Nine | Ids::Ten if is_formed => call.id.clone(),
            Ids::Nine | Ids::Ten => self.make(form.n_bytes()),
            Ids::Functions => format!("functions.{}:{}", call.name, self.n_calls),
        };
        self.n_calls += 1;
        self.by_id.insert(&call.id, id.clone());
        id
    }

    /// An id of so many bytes that no other call has.
    fn make(&mut self, n_bytes: usize) -> String {
        loop {
            let id = format!("call{:0n$}", self.n_made, n = n_bytes - 4);
            self.n_made += 1;
            if !self.taken.contains(id.as_str()) {
                return id;
            }
        }
    }

    fn of(&self, id: &str) -> String {
        self.by_id.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

fn to_call(id: &str, call: &ToolCall, arguments: ArgumentsAs) -> Jinja {
    let name = &call.name;
    let text = text_of(call);
    let arguments = match (arguments, serde_json::from_str::<Value>(text)) {
        (ArgumentsAs::Object, Ok(object @ Value::Object(_))) => Jinja::from(Serde(object)),
        // Why: a history may hold what some other model wrote; its text is all that can be shown.
        (ArgumentsAs::Object | ArgumentsAs::Text, _) => Jinja::from(text),
    };
    context! { id, type => "function", function => context! { name, arguments } }
}

/// A call's arguments; none are an empty object.
fn text_of(call: &ToolCall) -> &str {
    if call.arguments.trim().is_empty() { "{}" } else { &call.arguments }
}
