//! Tools as a client defines them, and what they are for the grammar.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Part, PrepareError};
use crate::chat::input_schema;
use crate::generation::request::{RequestTool, ToolInput};
use crate::grammar::cfg::Cfg;
use crate::schema::{Document, ErrorKind, Limits, Pointer, SchemaError, Store, pattern};
use crate::tools::Tool;

impl RequestTool {
    /// What errors about it name.
    pub(in crate::generation) fn part(&self) -> Part {
        Part::Tool { param: self.param.clone(), name: self.name.clone() }
    }
}

pub(in crate::generation) fn read_tool(
    tool: &RequestTool,
    limits: Limits,
    store: &Arc<Store>,
) -> Result<Tool, PrepareError> {
    let refuse = |error| PrepareError::Schema { part: tool.part(), error };
    let input = tool.input.as_ref().map(|input| read_input(&tool.param, input)).transpose()?;
    let parameters = match &tool.parameters {
        _ if let Some((schema, _)) = &input => schema.clone(),
        None => json!({"type": "object", "properties": {}, "additionalProperties": false}),
        Some(Value::Object(map)) if !map.contains_key("type") => {
            let mut map = map.clone();
            map.insert("type".into(), "object".into());
            Value::Object(map)
        }
        Some(Value::Object(map)) if map.get("type") != Some(&"object".into()) => {
            let got = map.get("type").map(Value::to_string).unwrap_or_default();
            let kind = ErrorKind::Malformed(format!(
                "the schema of a function's arguments must be of 'type: \"object\"', but this is of 'type: {got}'"
            ));
            return Err(refuse(SchemaError::at_keyword(&Pointer::default(), "type", kind)));
        }
        Some(value @ Value::Object(_)) => value.clone(),
        Some(_) => {
            let kind = ErrorKind::Malformed("the schema of a function's arguments must be an object".to_owned());
            return Err(refuse(SchemaError::at(Pointer::default(), kind)));
        }
    };
    let document = Document::parse_with(parameters, limits, Arc::clone(store)).map_err(refuse)?;
    let (name, description) = (tool.name.clone(), tool.description.clone());
    Ok(Tool { name, description, parameters: Arc::new(document), input: input.and_then(|(_, cfg)| cfg) })
}

/// What the input of a custom tool makes of its arguments: their schema, and what else derives the input.
fn read_input(param: &str, input: &ToolInput) -> Result<(Value, Option<Arc<Cfg>>), PrepareError> {
    let refuse = |message: String| Err(PrepareError::Constraint { param: param.to_owned(), message });
    match input {
        ToolInput::Text => Ok((input_schema(None), None)),
        ToolInput::Regex(pattern) => {
            // Source: OpenAI's guide: the syntax is that of Rust's `regex`.
            match pattern::from_rust(pattern).and_then(|read| pattern::whole(&read.pattern).map(|_| read)) {
                Ok(read) => Ok((input_schema(Some(&read.pattern)), None)),
                Err(error) => refuse(error.to_string()),
            }
        }
        ToolInput::Lark(lark) => match Cfg::lark(lark) {
            Ok(cfg) => Ok((input_schema(None), Some(Arc::new(cfg)))),
            Err(error) => refuse(error.to_string()),
        },
    }
}
