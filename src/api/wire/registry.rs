//! The bodies of `/v1/tools` and `/v1/schemas`: what is registered, and what is said of it.
//!
//! A tool may be written as chat requests have it, flat as in the Responses API, or as MCP and Anthropic have it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::read::{read_name, read_strict};
use super::tools::{ChatTool, read_custom, read_function};
use super::{FieldError, Fields, Item};

/// A tool or a schema to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// A tool as chat requests have it, or the `json_schema` of a response format.
    pub definition: Value,
    /// Arguments, or answers, that it must allow.
    pub examples: Vec<Value>,
    /// Ones that it must not allow.
    pub counterexamples: Vec<Value>,
}

/// Examples of one entry, of either kind.
const MAX_EXAMPLES: usize = 100;
/// Bytes of them, as JSON.
const MAX_EXAMPLE_BYTES: usize = 1 << 20;
/// What tools of MCP and Anthropic have besides, which says nothing of their calls.
const ANNOTATIONS: [&str; 7] = ["title", "annotations", "outputSchema", "_meta", "icons", "cache_control", "execution"];
/// A name that is a route's.
const RESERVED: &str = "check";

impl Registration {
    /// Reads a tool.
    ///
    /// # Errors
    /// With the first field that is wrong, or that nothing here knows.
    pub fn read_tool(body: &Value) -> Result<Self, FieldError> {
        let root = Item::root(body);
        let f = root.object()?;
        f.accept(&["examples", "counterexamples"]);
        let kind = f.get("type").map(|t| t.one_of(&["function", "custom"])).transpose()?.unwrap_or("function");
        let nested = f.get(kind);
        let inner = nested.as_ref().unwrap_or(&root);
        let fields = if nested.is_some() { inner.object()? } else { root.object()? };
        fields.accept(&["name", "description"]);
        fields.accept(&ANNOTATIONS);
        let schemas: Vec<_> =
            ["parameters", "inputSchema", "input_schema"].iter().filter_map(|name| fields.get(name)).collect();
        if let [_, second, ..] = schemas.as_slice() {
            return Err(second.invalid("the schema of the arguments is given twice."));
        }
        // Why: Anthropic's tools are of this type, too, and theirs have a schema.
        let tool = if kind == "custom" && schemas.is_empty() {
            fields.accept(&["format"]);
            ChatTool::Custom { custom: read_custom(inner)? }
        } else {
            fields.accept(&["strict"]);
            let mut function = read_function(inner)?;
            function.parameters = schemas.first().map(|schema| schema.value().clone());
            ChatTool::Function { function }
        };
        if nested.is_some() {
            refuse_unknown(&f)?;
        } else {
            fields.accept(&["type", "examples", "counterexamples"]);
        }
        refuse_unknown(&fields)?;
        let definition = serde_json::to_value(&tool).expect("a tool is JSON");
        Self { name: tool.name().to_owned(), definition, examples: Vec::new(), counterexamples: Vec::new() }
            .with_examples(&f)
    }

    /// Reads a schema: the `json_schema` of a response format, or the whole response format.
    ///
    /// # Errors
    /// As [`Registration::read_tool`].
    pub fn read_schema(body: &Value) -> Result<Self, FieldError> {
        let root = Fields::root(body)?;
        let nested = root.get("json_schema").map(|inner| inner.object()).transpose()?;
        if nested.is_some() {
            root.accept(&["examples", "counterexamples"]);
            root.get("type").map(|t| t.one_of(&["json_schema"])).transpose()?;
            refuse_unknown(&root)?;
        }
        let is_nested = nested.is_some();
        let f = nested.unwrap_or(Fields::root(body)?);
        let name = f.required("name")?;
        let mut definition = Map::new();
        definition.insert("name".to_owned(), read_name(&name, 64)?.into());
        if name.value().as_str() == Some(RESERVED) {
            return Err(name.invalid("the name 'check' is taken by POST /v1/schemas/check."));
        }
        if let Some(description) = f.get("description") {
            definition.insert("description".to_owned(), description.string()?.into());
        }
        let schema = f.required("schema")?;
        if !schema.value().is_object() && !schema.value().is_boolean() {
            return Err(schema.wrong_type("an object"));
        }
        definition.insert("schema".to_owned(), schema.value().clone());
        if let Some(strict) = f.get("strict") {
            definition.insert("strict".to_owned(), read_strict(&strict)?.into());
        }
        if !is_nested {
            f.accept(&["examples", "counterexamples"]);
        }
        refuse_unknown(&f)?;
        let name = name.string()?.to_owned();
        let definition = Value::Object(definition);
        Self { name, definition, examples: Vec::new(), counterexamples: Vec::new() }.with_examples(&root)
    }

    fn with_examples(mut self, f: &Fields<'_>) -> Result<Self, FieldError> {
        let list = |name: &'static str| match f.get(name) {
            Some(item) => {
                if item.value().to_string().len() > MAX_EXAMPLE_BYTES {
                    return Err(item.invalid("the examples have more than a MiB."));
                }
                Ok(item.list(MAX_EXAMPLES)?.iter().map(|example| example.value().clone()).collect())
            }
            None => Ok(Vec::new()),
        };
        self.examples = list("examples")?;
        self.counterexamples = list("counterexamples")?;
        Ok(self)
    }
}

/// What is registered stays, so that nothing of it may be lost.
fn refuse_unknown(f: &Fields<'_>) -> Result<(), FieldError> {
    match f.unknown().first() {
        Some(path) => Err(FieldError::new(path, "unknown_parameter", format!("Unknown parameter: '{path}'."))),
        None => Ok(()),
    }
}

/// A registered tool or schema.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RegistryEntry {
    /// "tool" or "schema".
    pub object: &'static str,
    /// Its name.
    pub name: String,
    /// The version that this is.
    pub version: u32,
    /// All versions that there are, the oldest first.
    pub versions: Vec<u32>,
    /// When it was registered, in Unix seconds.
    pub created: u64,
    /// "registered", or the file or the MCP server that it comes from.
    pub source: String,
    /// A tool, as requests have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Value>,
    /// A schema, as response formats have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Value>,
    /// Arguments, or answers, that it allows.
    pub examples: Vec<Value>,
    /// Ones that it does not allow.
    pub counterexamples: Vec<Value>,
    /// What became of it, where it was just registered: each keyword's fate, and what the examples showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Value>,
}

/// What is registered, the newest version of each.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RegistryList {
    /// "list".
    pub object: &'static str,
    /// By name.
    pub data: Vec<RegistryLine>,
}

/// One tool or schema in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RegistryLine {
    /// "tool" or "schema".
    pub object: &'static str,
    /// Its name.
    pub name: String,
    /// Its newest version.
    pub version: u32,
    /// When that was registered, in Unix seconds.
    pub created: u64,
    /// "registered", or the file or the MCP server that it comes from.
    pub source: String,
    /// What it is for.
    pub description: Option<String>,
}

/// That something was deleted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RegistryDeleted {
    /// "tool.deleted" or "schema.deleted".
    pub object: &'static str,
    /// Its name.
    pub name: String,
    /// The version, if not all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// True.
    pub deleted: bool,
}
