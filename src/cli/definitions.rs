//! Definitions of tools and schemas in files: one each, or lists of them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::UsageError;
use crate::api::{AppState, register};
use crate::registry::Kind;

/// Files of one folder.
const MAX_FILES: usize = 10_000;

/// A definition, and the file that it stands in; with its place there, if there are several.
pub(super) struct FromFile {
    pub(super) origin: String,
    pub(super) body: Value,
}

/// Registers the tools of a folder for as long as the server runs.
pub(super) async fn register_all(state: &AppState, folder: Option<&Path>) -> Result<(), UsageError> {
    let Some(folder) = folder else { return Ok(()) };
    let found = read_all(folder).map_err(|UsageError(error)| UsageError(format!("--tools: {error}")))?;
    let n_tools = found.len();
    for FromFile { origin, body } in found {
        // Why the name alone: clients see it.
        let shown = origin.rsplit(['/', '\\']).next().unwrap_or_default();
        let registered = register(state, Kind::Tool, &body, Some(shown)).await;
        registered.map_err(|error| {
            let field = error.param.as_deref().map(|param| format!(", {param}")).unwrap_or_default();
            UsageError(format!("--tools: {origin}{field}: {error}"))
        })?;
    }
    tracing::info!("{n_tools} tools of '{}' can be called by name", folder.display());
    Ok(())
}

/// Reads a file, or the `.json` files of a folder, by name.
///
/// # Errors
/// With the file that is none.
pub(super) fn read_all(path: &Path) -> Result<Vec<FromFile>, UsageError> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| UsageError(format!("{}: {error}", path.display()));
    if !path.is_dir() {
        let text = std::fs::read_to_string(path).map_err(|e| wrong(path, &e))?;
        let value = serde_json::from_str(&text).map_err(|e| wrong(path, &e))?;
        return Ok(split(&path.display().to_string(), value));
    }
    let entries = std::fs::read_dir(path).map_err(|e| wrong(path, &e))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let file = entry.map_err(|e| wrong(path, &e))?.path();
        files.extend(file.extension().is_some_and(|extension| extension == "json").then_some(file));
        if files.len() > MAX_FILES {
            return Err(wrong(path, &format!("more than {MAX_FILES} files")));
        }
    }
    files.sort();
    let all = files.iter().map(|file| read_all(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// One definition, a list of them, or an object with a list of `tools`, as OpenAI's requests and MCP's answers have it.
fn split(origin: &str, value: Value) -> Vec<FromFile> {
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut map) if map.get("tools").is_some_and(Value::is_array) => match map.remove("tools") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
        one => return vec![FromFile { origin: origin.to_owned(), body: one }],
    };
    let one = |(i, body)| FromFile { origin: format!("{origin}[{i}]"), body };
    list.into_iter().enumerate().map(one).collect()
}
