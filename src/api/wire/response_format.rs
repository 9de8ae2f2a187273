//! The shape that an answer is to have.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::read::{read_name, read_strict};
use super::structural_tag::read_structural_tag;
use super::tools::read_version;
use super::{FieldError, Item, constraints};
use crate::grammar::structure::Format;

/// The shape asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema {
        name: String,
        description: Option<String>,
        /// Without it, the registered schema of this name.
        schema: Option<Value>,
        strict: Option<bool>,
        /// An extension: which version of the registered schema.
        version: Option<u32>,
    },
    /// An extension: the whole answer matches the pattern.
    Regex {
        pattern: String,
    },
    /// An extension: the answer is one of these texts.
    Choice {
        options: Vec<String>,
    },
    /// An extension: the answer is what a grammar in GBNF or Lark derives.
    Grammar {
        grammar: String,
    },
    /// An extension: the answer has several parts, as XGrammar's structural tags describe them.
    StructuralTag {
        #[serde(skip_serializing)]
        #[schemars(with = "Value")]
        format: Format,
    },
}

/// Fields that say what an answer must be.
const BINDING: [&str; 5] = ["json_schema", "schema", "value", "pattern", "grammar"];

pub(super) fn read_response_format(item: &Item<'_>) -> Result<ResponseFormat, FieldError> {
    let f = item.object()?;
    let kind = f.required("type")?;
    let given: Vec<Item<'_>> = BINDING.iter().filter_map(|name| f.peek(name)).collect();
    if let [first, second, ..] = given.as_slice() {
        let (first, second) = (first.path(), second.path());
        let message = format!("Invalid '{second}': '{first}' says already what the answer must be.");
        return Err(FieldError::new(second, "invalid_value", message));
    }
    match kind.one_of(&["json_object", "json_schema", "text", "json", "regex", "grammar", "structural_tag"])? {
        "text" => match given.first().map(Item::path) {
            None => Ok(ResponseFormat::Text),
            Some(path) => {
                let message = format!("Invalid '{path}': the type 'text' binds an answer to nothing.");
                Err(FieldError::new(path, "invalid_value", message))
            }
        },
        // Source: llama-server and Together take a schema beside the type.
        // TGI calls it value.
        "json_object" if f.peek("json_schema").is_none() => match given.first().map(Item::path) {
            Some(path) if f.peek("schema").or_else(|| f.peek("value")).is_none() => {
                let message = format!("Invalid '{path}': an answer of the type 'json_object' is said by a 'schema'.");
                Err(FieldError::new(path, "invalid_value", message))
            }
            _ => f
                .get("schema")
                .or_else(|| f.get("value"))
                .map_or(Ok(ResponseFormat::JsonObject), |schema| constraints::json(&schema)),
        },
        "json" => constraints::json(&f.get("value").map_or_else(|| f.required("schema"), Ok)?),
        "regex" => constraints::regex(&f.get("value").map_or_else(|| f.required("pattern"), Ok)?),
        "grammar" => constraints::grammar(&f.get("value").map_or_else(|| f.required("grammar"), Ok)?),
        "structural_tag" => read_structural_tag(item),
        _ => {
            // Source: llama-server takes the schema without the object around it.
            if let (None, Some(schema)) = (f.get("json_schema"), f.get("schema")) {
                return constraints::json(&schema);
            }
            let f = f.required("json_schema")?.object()?;
            // Why: real clients leave the name out although OpenAI asks for it, and send `"strict": "true"`.
            let name = f.get("name").map(|n| read_name(&n, 64)).transpose()?.unwrap_or_else(|| "response".to_owned());
            Ok(ResponseFormat::JsonSchema {
                name,
                description: f.get("description").map(|d| d.string().map(str::to_owned)).transpose()?,
                schema: f.get("schema").map(|s| s.value().clone()),
                strict: f.get("strict").map(|s| read_strict(&s)).transpose()?,
                version: f.get("version").map(|version| read_version(&version)).transpose()?,
            })
        }
    }
}
