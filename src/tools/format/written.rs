//! Calls, their arguments and their results, as a family's models write or see them.

use std::sync::Arc;

use serde_json::Value;

use super::Family;
use crate::guard::{Encoding, Kind, Transcoder};
use crate::tools::ToolCall;

impl Family {
    /// Writes calls of the history as the model would have.
    #[must_use]
    pub fn render_calls(&self, calls: &[ToolCall]) -> String {
        let one = |(i, call): (usize, &ToolCall)| {
            let arguments = self.render_arguments(&call.arguments);
            // Why last: arguments come from strangers, and may hold what stands for something else.
            let head = self
                .call
                .replace("$NAME", &call.name)
                .replace("$ID", &call.id)
                .replace("$INDEX", &(self.first_index + i).to_string());
            head.replacen("$ARGUMENTS", &arguments, 1)
        };
        let calls: Vec<String> = calls.iter().enumerate().map(one).collect();
        format!("{}{}{}", self.begin, calls.join(&self.between), self.end)
    }

    /// Writes a call's arguments. What is no JSON object stays as it is.
    #[must_use]
    pub fn render_arguments(&self, arguments: &str) -> String {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let Ok(Value::Object(map)) = serde_json::from_str(arguments) else { return arguments.to_owned() };
        if let Some(notation) = &self.notation {
            let notation = notation.notation(|mark| mark.as_bytes().to_vec());
            let encoding = Encoding::Notation(Arc::new(notation));
            let transcoder = Transcoder::new(&encoding, &mut Vec::new());
            let rest = Value::Object(map).to_string().split_off(1);
            let written = transcoder.readings(b"").iter().find_map(|r| transcoder.write(r, rest.as_bytes(), b""));
            return written.and_then(|text| String::from_utf8(text).ok()).unwrap_or_else(|| arguments.to_owned());
        }
        let Some(parameter) = &self.parameter else { return arguments.to_owned() };
        let mut out = String::new();
        map.iter().for_each(|(key, value)| self.write_element(parameter, key, value, &mut out));
        out
    }

    fn write_element(&self, parameter: &str, key: &str, value: &Value, out: &mut String) {
        let (before, after) = parameter.split_once("$VALUE").unwrap_or((parameter, ""));
        let json = value.to_string();
        let kind = json.bytes().next().map_or(Kind::Null, Kind::of);
        out.push_str(&kind.told(before).replacen("$KEY", key, 1));
        match value {
            Value::String(text) => out.push_str(text),
            Value::Object(map) if !self.item.is_empty() => {
                map.iter().for_each(|(key, value)| self.write_element(parameter, key, value, out));
            }
            Value::Array(items) if !self.item.is_empty() => {
                items.iter().for_each(|value| self.write_element(parameter, &self.item, value, out));
            }
            _ => out.push_str(&json),
        }
        out.push_str(&after.replacen("$KEY", key, 1));
    }

    /// Writes a tool's result.
    #[must_use]
    pub fn render_result(&self, content: &str) -> String {
        format!("{}{content}{}", self.result.0, self.result.1)
    }
}
