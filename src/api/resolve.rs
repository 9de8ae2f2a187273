//! References to the registry become what they stand for, before anything else reads the request.

use super::error::ApiError;
use super::wire::chat_request::ChatRequest;
use super::wire::response_format::ResponseFormat;
use super::wire::tools::{ChatTool, FunctionDefinition};
use crate::registry::{Kind, Registry};

/// Replaces references in `wire`. Returns what was used, as `name@version`.
///
/// # Errors
/// With the reference that stands for nothing.
pub(super) fn resolve(wire: &mut ChatRequest, registry: &Registry) -> Result<Vec<String>, ApiError> {
    let mut used = Vec::new();
    for (i, tool) in wire.tools.iter_mut().flatten().enumerate() {
        match tool {
            ChatTool::Function { function } => fill(function, registry, &mut used)?,
            ChatTool::Custom { .. } => {}
            ChatTool::Registered { name, version } => {
                let entry = registry.get(Kind::Tool, name, *version)?;
                let param = format!("tools[{i}].name");
                let entry = entry.ok_or_else(|| ApiError::unknown_entry(&param, Kind::Tool, name, *version))?;
                used.push(format!("{name}@{}", entry.version));
                *tool = ChatTool::read(&entry.definition.definition)?;
            }
        }
    }
    wire.functions.iter_mut().flatten().try_for_each(|function| fill(function, registry, &mut used))?;
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
fn fill(function: &mut FunctionDefinition, registry: &Registry, used: &mut Vec<String>) -> Result<(), ApiError> {
    if function.parameters.is_some() {
        return Ok(());
    }
    let Some(entry) = registry.get(Kind::Tool, &function.name, None)? else { return Ok(()) };
    // Why: a custom tool is no function, and a function of its name may be another thing.
    let ChatTool::Function { function: registered } = ChatTool::read(&entry.definition.definition)? else {
        return Ok(());
    };
    used.push(format!("{}@{}", function.name, entry.version));
    function.parameters = registered.parameters;
    function.description = function.description.take().or(registered.description);
    Ok(())
}
