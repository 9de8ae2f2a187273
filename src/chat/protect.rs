//! Names of control tokens in what strangers write are marked, so that none becomes the token.

use serde_json::{Map, Value};

use super::arrange::ArgumentsAs;
use super::controls::without_marks;
use super::template::ChatTemplate;
use super::{Message, Role};
use crate::tools::ToolCall;

impl ChatTemplate {
    /// Marks names of control tokens, and gives the role a name that the template knows.
    pub(super) fn protect(&self, message: &Message) -> Message {
        let role = if message.role == Role::Developer && !self.takes.developer { Role::System } else { message.role };
        let call = |call: &ToolCall| ToolCall {
            id: self.protect_text(&call.id),
            name: self.protect_text(&call.name),
            arguments: self.protect_arguments(&call.arguments),
        };
        Message {
            role,
            content: self.protect_text(&message.content),
            tool_calls: message.tool_calls.iter().map(call).collect(),
            reasoning: message.reasoning.as_deref().map(|text| self.protect_text(text)),
            tool_call_id: message.tool_call_id.as_deref().map(|id| self.protect_text(id)),
        }
    }

    fn protect_arguments(&self, arguments: &str) -> String {
        match (self.tools.wants.arguments, serde_json::from_str(arguments)) {
            // Why read first: an escape may stand for what makes a name, and the template writes it out.
            (ArgumentsAs::Object, Ok(object @ Value::Object(_))) => self.protect_value(&object).to_string(),
            (ArgumentsAs::Object | ArgumentsAs::Text, _) => self.protect_text(arguments),
        }
    }

    fn protect_text(&self, text: &str) -> String {
        self.controls.as_ref().map_or_else(|| without_marks(text), |controls| controls.marked(text))
    }

    pub(super) fn protect_value(&self, value: &Value) -> Value {
        of_texts(value, &|text| self.protect_text(text))
    }

    /// What a request sets in a template, which compares it with words of its own.
    pub(super) fn protect_variable(&self, value: &Value) -> Value {
        let marked = |text: &str| {
            self.controls.as_ref().map_or_else(|| without_marks(text), |controls| controls.marked_word(text))
        };
        of_texts(value, &marked)
    }
}

/// The same value with other texts.
fn of_texts(value: &Value, other: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(other(text)),
        Value::Array(items) => items.iter().map(|item| of_texts(item, other)).collect(),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, item)| (other(key), of_texts(item, other)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
