//! References to the registry become what they stand for, before anything else reads the request.

use serde_json::Value;

use super::error::ApiError;
use super::wire::chat_request::ChatRequest;
use super::wire::response_format::ResponseFormat;
use super::wire::tools::{ChatTool, CustomDefinition, FunctionDefinition};
use crate::registry::{Entry, Kind, Registry};

/// Bytes of all that one request refers to: a few bytes of it may stand for megabytes.
const MAX_BYTES: usize = 16 << 20;

/// Whether `wire` refers to anything.
pub(super) fn refers(wire: &ChatRequest) -> bool {
    let mut functions = wire.functions.iter().flatten();
    wire.tools.iter().flatten().any(|tool| match tool {
        ChatTool::Registered { .. } => true,
        ChatTool::Function { function } => function.parameters.is_none(),
        ChatTool::Custom { custom } => custom.format.is_none(),
    }) || functions.any(|function| function.parameters.is_none())
        || matches!(&wire.response_format, Some(ResponseFormat::JsonSchema { schema, version, .. }) if schema.is_none() || version.is_some())
}

/// Replaces references in `wire`. Returns what was used, as `name@version`.
///
/// # Errors
/// With the reference that stands for nothing.
pub(super) fn resolve(wire: &mut ChatRequest, registry: &Registry) -> Result<Vec<String>, ApiError> {
    let mut references = References { registry, used: Vec::new(), n_bytes_left: MAX_BYTES };
    for (i, tool) in wire.tools.iter_mut().flatten().enumerate() {
        match tool {
            ChatTool::Function { function } => references.fill(function)?,
            ChatTool::Custom { custom } => references.fill_custom(custom)?,
            ChatTool::Registered { name, version, .. } => {
                let entry = registry.get(Kind::Tool, name, *version)?;
                let param = format!("tools[{i}].name");
                let entry = entry.ok_or_else(|| ApiError::unknown_entry(&param, Kind::Tool, name, *version))?;
                *tool = references.tool(&entry)?;
            }
        }
    }
    wire.functions.iter_mut().flatten().try_for_each(|function| references.fill(function))?;
    if let Some(ResponseFormat::JsonSchema { name, description, schema, version, .. }) = &mut wire.response_format {
        if schema.is_some() && version.is_some() {
            let message = "A 'version' is one of a registered schema: leave out either it or the 'schema'.";
            let param = Some("response_format.json_schema.version");
            return Err(ApiError::bad_request(param, Some("invalid_value"), message));
        }
        if schema.is_none() {
            references.fill_schema(name, *version, (description, schema))?;
        }
    }
    Ok(references.used)
}

/// What the references of one request lead to.
struct References<'a> {
    registry: &'a Registry,
    used: Vec<String>,
    n_bytes_left: usize,
}

impl References<'_> {
    /// A function without parameters is the registered one of its name, if there is one.
    fn fill(&mut self, function: &mut FunctionDefinition) -> Result<(), ApiError> {
        if function.parameters.is_none()
            && let Some(registered) = self.newest(&function.name, |tool| match tool {
                ChatTool::Function { function } => Some(function),
                // Why not: a custom tool is no function, and a function of its name may be another thing.
                ChatTool::Custom { .. } | ChatTool::Registered { .. } => None,
            })?
        {
            function.parameters = registered.parameters;
            function.description = function.description.take().or(registered.description);
        }
        Ok(())
    }

    /// The same for a custom tool without a format.
    fn fill_custom(&mut self, custom: &mut CustomDefinition) -> Result<(), ApiError> {
        if custom.format.is_none()
            && let Some(registered) = self.newest(&custom.name, |tool| match tool {
                ChatTool::Custom { custom } => Some(custom),
                ChatTool::Function { .. } | ChatTool::Registered { .. } => None,
            })?
        {
            custom.format = registered.format;
            custom.description = custom.description.take().or(registered.description);
        }
        Ok(())
    }

    /// A schema that is not given is the registered one of its name.
    fn fill_schema(
        &mut self,
        name: &str,
        version: Option<u32>,
        (description, schema): (&mut Option<String>, &mut Option<Value>),
    ) -> Result<(), ApiError> {
        let Some(entry) = self.registry.get(Kind::Schema, name, version)? else {
            let version = version.map(|version| format!(" of version {version}")).unwrap_or_default();
            let message = format!(
                "Missing required parameter: 'response_format.json_schema.schema', and no schema '{name}'{version} is registered (POST /v1/schemas) that the name could stand for. For any JSON object, use the type 'json_object'."
            );
            let param = Some("response_format.json_schema.schema");
            return Err(ApiError::bad_request(param, Some("missing_required_parameter"), message));
        };
        self.take(&entry)?;
        let definition = &entry.definition.definition;
        *schema = definition.get("schema").cloned();
        let registered = || definition.get("description").and_then(|d| d.as_str()).map(str::to_owned);
        *description = description.take().or_else(registered);
        Ok(())
    }

    /// What `of` takes from the newest tool of this name.
    fn newest<T>(&mut self, name: &str, of: impl Fn(ChatTool) -> Option<T>) -> Result<Option<T>, ApiError> {
        let Some(entry) = self.registry.get(Kind::Tool, name, None)? else { return Ok(None) };
        let found = of(ChatTool::read(&entry.definition.definition)?);
        if found.is_some() {
            self.take(&entry)?;
        }
        Ok(found)
    }

    fn tool(&mut self, entry: &Entry) -> Result<ChatTool, ApiError> {
        self.take(entry)?;
        Ok(ChatTool::read(&entry.definition.definition)?)
    }

    /// Notes that `entry` is used.
    fn take(&mut self, entry: &Entry) -> Result<(), ApiError> {
        let left = self.n_bytes_left.checked_sub(entry.n_bytes);
        self.n_bytes_left = left.ok_or_else(|| ApiError::body_too_large(MAX_BYTES))?;
        self.used.push(format!("{}@{}", entry.name, entry.version));
        Ok(())
    }
}
