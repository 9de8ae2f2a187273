//! Tools, and which of them are called.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::read::{read_name, read_strict};
use super::{FieldError, Fields, Item};

/// A tool.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ChatTool {
    Function {
        function: FunctionDefinition,
    },
    Custom {
        custom: CustomDefinition,
    },
    /// An extension: a tool of the registry.
    Registered {
        name: String,
        /// The newest if it is not said.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    },
}

impl ChatTool {
    /// Reads one that stands alone.
    ///
    /// # Errors
    /// With the first field that is wrong.
    pub fn read(value: &Value) -> Result<Self, FieldError> {
        read_tool(&Item::root(value))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Function { function } => &function.name,
            Self::Custom { custom } => &custom.name,
            Self::Registered { name, .. } => name,
        }
    }
}

/// A tool whose input is text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct CustomDefinition {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Without it, that of the registered tool of this name, if there is one; else any text.
    #[serde(skip_serializing_if = "CustomFormat::is_text")]
    pub format: Option<CustomFormat>,
}

/// What the input of a custom tool must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum CustomFormat {
    #[default]
    Text,
    Grammar {
        grammar: CustomGrammar,
    },
}

impl CustomFormat {
    #[expect(clippy::ref_option, reason = "serde gives the field as it is")]
    fn is_text(format: &Option<Self>) -> bool {
        format.as_ref().is_none_or(|format| *format == Self::Text)
    }
}

/// The grammar of a custom tool's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct CustomGrammar {
    pub syntax: GrammarSyntax,
    pub definition: String,
}

/// How a grammar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are OpenAI's")]
pub enum GrammarSyntax {
    Lark,
    Regex,
}

/// A function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct FunctionDefinition {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Without them, those of the registered tool of this name, if there is one; else it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// Which tools are called.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum ToolChoiceField {
    None,
    Auto,
    Required,
    Function { name: String },
    Custom { name: String },
    AllowedTools { required: bool, tools: Vec<AllowedTool> },
}

/// A tool that may be called, of those that are defined.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub enum AllowedTool {
    Function { name: String },
    Custom { name: String },
}

/// OpenAI takes 128; registries of tools have more, and masks are no slower for it.
pub(super) const MAX_TOOLS: usize = 1024;
/// The length of a tool's name.
const MAX_NAME: usize = 128;

pub(super) fn read_tool(item: &Item<'_>) -> Result<ChatTool, FieldError> {
    let f = item.object()?;
    match f.required("type")?.one_of(&["function", "custom", "registered"])? {
        "custom" => {
            let custom = read_custom(&f.required("custom")?)?;
            misplaced(&f, &["format"], custom.format.is_none(), "custom.format")?;
            Ok(ChatTool::Custom { custom })
        }
        "registered" => Ok(ChatTool::Registered {
            name: read_name(&f.required("name")?, MAX_NAME)?,
            version: f.get("version").map(|version| read_version(&version)).transpose()?,
        }),
        _ => {
            let item = f.required("function")?;
            let function = read_function(&item)?;
            misplaced(&item.object()?, &SCHEMAS[1..], function.parameters.is_none(), "function.parameters")?;
            misplaced(&f, &SCHEMAS, function.parameters.is_none(), "function.parameters")?;
            Ok(ChatTool::Function { function })
        }
    }
}

/// Names under which others give the schema of a tool's arguments.
const SCHEMAS: [&str; 7] =
    ["parameters", "input_schema", "inputSchema", "schema", "json_schema", "parametersJsonSchema", "arguments"];

/// Complains about what says how a tool is called and stands where nobody reads it, if nothing else says so: the tool
/// would be another one.
fn misplaced(f: &Fields<'_>, names: &[&'static str], is_missing: bool, place: &str) -> Result<(), FieldError> {
    let mut given = names.iter().filter(|_| is_missing).filter_map(|name| f.peek(name));
    let Some(path) = given.find(|item| item.value().is_object()).map(|item| item.path().to_owned()) else {
        return Ok(());
    };
    let message = format!("Unknown parameter: '{path}'. What it says belongs into '{place}' of the tool.");
    Err(FieldError::new(path, "unknown_parameter", message))
}

pub(super) fn read_version(item: &Item<'_>) -> Result<u32, FieldError> {
    item.integer(1, i64::from(u32::MAX)).map(|version| u32::try_from(version).unwrap_or(u32::MAX))
}

pub(super) fn read_custom(item: &Item<'_>) -> Result<CustomDefinition, FieldError> {
    let f = item.object()?;
    Ok(CustomDefinition {
        name: read_name(&f.required("name")?, MAX_NAME)?,
        description: f.get("description").map(|d| d.string().map(str::to_owned)).transpose()?,
        format: f.get("format").map(|format| read_format(&format)).transpose()?,
    })
}

fn read_format(item: &Item<'_>) -> Result<CustomFormat, FieldError> {
    let f = item.object()?;
    if f.required("type")?.one_of(&["text", "grammar"])? == "text" {
        return Ok(CustomFormat::Text);
    }
    // Why: the Responses API has it without the object around it.
    let is_flat = f.get("syntax").is_some() || f.get("definition").is_some();
    let nested = if is_flat { f.get("grammar") } else { Some(f.required("grammar")?) };
    if let Some(grammar) = nested.as_ref().filter(|_| is_flat) {
        let (path, outer) = (grammar.path(), item.path());
        let message = format!("Invalid '{path}': the grammar stands in '{outer}' already.");
        return Err(FieldError::new(path, "invalid_value", message));
    }
    let nested = nested.map(|grammar| grammar.object()).transpose()?;
    let grammar = nested.as_ref().unwrap_or(&f);
    let syntax = grammar.required("syntax")?;
    let definition = grammar.required("definition")?.string()?.to_owned();
    let syntax = match syntax.one_of(&["lark", "regex"])? {
        "regex" => GrammarSyntax::Regex,
        _ => GrammarSyntax::Lark,
    };
    Ok(CustomFormat::Grammar { grammar: CustomGrammar { syntax, definition } })
}

pub(super) fn read_function(item: &Item<'_>) -> Result<FunctionDefinition, FieldError> {
    let f = item.object()?;
    let parameters = f.get("parameters").map(|p| p.entries().map(|_| p.value().clone())).transpose()?;
    Ok(FunctionDefinition {
        name: read_name(&f.required("name")?, MAX_NAME)?,
        description: f.get("description").map(|d| d.string().map(str::to_owned)).transpose()?,
        parameters,
        strict: f.get("strict").map(|s| read_strict(&s)).transpose()?,
    })
}

pub(super) fn read_tool_choice(item: &Item<'_>) -> Result<ToolChoiceField, FieldError> {
    if item.value().is_string() {
        return Ok(match item.one_of(&["none", "auto", "required"])? {
            "none" => ToolChoiceField::None,
            "auto" => ToolChoiceField::Auto,
            _ => ToolChoiceField::Required,
        });
    }
    if !item.value().is_object() {
        return Err(item.wrong_type("a string or an object"));
    }
    let f = item.object()?;
    match f.required("type")?.one_of(&["function", "allowed_tools", "custom"])? {
        "function" => {
            let name = f.required("function")?.object()?.required("name")?.string()?.to_owned();
            Ok(ToolChoiceField::Function { name })
        }
        "custom" => {
            let name = f.required("custom")?.object()?.required("name")?.string()?.to_owned();
            Ok(ToolChoiceField::Custom { name })
        }
        _ => {
            let allowed = f.required("allowed_tools")?.object()?;
            let required = allowed.required("mode")?.one_of(&["auto", "required"])? == "required";
            let tools = allowed.required("tools")?.list(MAX_TOOLS)?;
            let tools = tools.iter().map(|tool| {
                let tool = tool.object()?;
                tool.accept(&["type"]);
                let (custom, is_custom) = (tool.get("custom"), tool.get("custom").is_some());
                let named = custom.map_or_else(|| tool.required("function"), Ok)?;
                let name = named.object()?.required("name")?.string()?.to_owned();
                Ok(if is_custom { AllowedTool::Custom { name } } else { AllowedTool::Function { name } })
            });
            Ok(ToolChoiceField::AllowedTools { required, tools: tools.collect::<Result<_, FieldError>>()? })
        }
    }
}

pub(super) fn read_function_call(item: &Item<'_>) -> Result<ToolChoiceField, FieldError> {
    if item.value().is_object() {
        return Ok(ToolChoiceField::Function { name: item.object()?.required("name")?.string()?.to_owned() });
    }
    Ok(if item.one_of(&["none", "auto"])? == "none" { ToolChoiceField::None } else { ToolChoiceField::Auto })
}
