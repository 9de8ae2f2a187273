//! References to the registry become what they stand for, before anything else reads the request.

use std::sync::Arc;

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
    let mut used = Vec::new();
    let mut room = MAX_BYTES;
    for (i, tool) in wire.tools.iter_mut().flatten().enumerate() {
        match tool {
            ChatTool::Function { function } => fill(function, registry, &mut used, &mut room)?,
            ChatTool::Custom { custom } => fill_custom(custom, registry, &mut used, &mut room)?,
            ChatTool::Registered { name, version, .. } => {
                let entry = registry.get(Kind::Tool, name, *version)?;
                let param = format!("tools[{i}].name");
                let entry = entry.ok_or_else(|| ApiError::unknown_entry(&param, Kind::Tool, name, *version))?;
                take(&entry, &mut used, &mut room)?;
                *tool = ChatTool::read(&entry.definition.definition)?;
            }
        }
    }
    wire.functions.iter_mut().flatten().try_for_each(|function| fill(function, registry, &mut used, &mut room))?;
    if let Some(ResponseFormat::JsonSchema { schema: Some(_), version: Some(_), .. }) = &wire.response_format {
        let message = "A 'version' is one of a registered schema: leave out either it or the 'schema'.";
        let param = Some("response_format.json_schema.version");
        return Err(ApiError::bad_request(param, Some("invalid_value"), message));
    }
    if let Some(ResponseFormat::JsonSchema { name, description, schema: schema @ None, version, .. }) =
        &mut wire.response_format
    {
        let Some(entry) = registry.get(Kind::Schema, name, *version)? else {
            let version = version.map(|version| format!(" of version {version}")).unwrap_or_default();
            let message = format!(
                "Missing required parameter: 'response_format.json_schema.schema', and no schema '{name}'{version} is registered (POST /v1/schemas) that the name could stand for. For any JSON object, use the type 'json_object'."
            );
            let param = Some("response_format.json_schema.schema");
            return Err(ApiError::bad_request(param, Some("missing_required_parameter"), message));
        };
        used.push(format!("{name}@{}", entry.version));
        let definition = &entry.definition.definition;
        *schema = definition.get("schema").cloned();
        let registered = || definition.get("description").and_then(|d| d.as_str()).map(str::to_owned);
        *description = description.take().or_else(registered);
    }
    Ok(used)
}

/// A function without parameters is the registered one of its name, if there is one.
fn fill(
    function: &mut FunctionDefinition,
    registry: &Registry,
    used: &mut Vec<String>,
    room: &mut usize,
) -> Result<(), ApiError> {
    if function.parameters.is_some() {
        return Ok(());
    }
    // Why nothing else: a custom tool is no function, and a function of its name may be another thing.
    if let Some((entry, ChatTool::Function { function: registered })) = newest(&function.name, registry)? {
        take(&entry, used, room)?;
        function.parameters = registered.parameters;
        function.description = function.description.take().or(registered.description);
    }
    Ok(())
}

/// The same for a custom tool without a format.
fn fill_custom(
    custom: &mut CustomDefinition,
    registry: &Registry,
    used: &mut Vec<String>,
    room: &mut usize,
) -> Result<(), ApiError> {
    if custom.format.is_some() {
        return Ok(());
    }
    if let Some((entry, ChatTool::Custom { custom: registered })) = newest(&custom.name, registry)? {
        take(&entry, used, room)?;
        custom.format = registered.format;
        custom.description = custom.description.take().or(registered.description);
    }
    Ok(())
}

/// The newest tool of this name.
fn newest(name: &str, registry: &Registry) -> Result<Option<(Arc<Entry>, ChatTool)>, ApiError> {
    let Some(entry) = registry.get(Kind::Tool, name, None)? else { return Ok(None) };
    let tool = ChatTool::read(&entry.definition.definition)?;
    Ok(Some((entry, tool)))
}

/// Notes that `entry` is used.
fn take(entry: &Entry, used: &mut Vec<String>, room: &mut usize) -> Result<(), ApiError> {
    *room = room.checked_sub(entry.n_bytes).ok_or_else(|| ApiError::body_too_large(MAX_BYTES))?;
    used.push(format!("{}@{}", entry.name, entry.version));
    Ok(())
}
